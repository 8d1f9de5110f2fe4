"""Whose turn it is, on a loop whose clock jumps to the next timer."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.acquisition.queue import SLACK_ENTRIES, DeviceQueue
from hes.acquisition.tests.jumping_loop import START_S, run
from hes.devices.archive import DeviceId

A, B, C = DeviceId(1), DeviceId(2), DeviceId(3)


def now_s() -> float:
    return asyncio.get_running_loop().time()


def test_the_device_whose_window_closes_first_is_first_and_equals_keep_their_order() -> None:
    async def main() -> None:
        queue = DeviceQueue()
        queue.put(A, closes_s=200)
        queue.put(B, closes_s=100)
        queue.put(C, closes_s=200)
        assert [queue.take(), queue.take(), queue.take(), queue.take()] == [B, A, C, None]

    run(main())


def test_a_device_waits_until_it_may_be_asked() -> None:
    async def main() -> None:
        queue = DeviceQueue()
        queue.put(A, closes_s=100, not_before_s=START_S + 60)
        queue.put(B, closes_s=200, not_before_s=START_S + 30)
        await queue.wait()
        assert (now_s(), queue.take()) == (START_S + 30, B)
        await queue.wait()
        assert (now_s(), queue.take()) == (START_S + 60, A)

    run(main())


def test_what_is_put_again_moves_and_stands_in_the_queue_once() -> None:
    async def main() -> None:
        queue = DeviceQueue()
        queue.put(A, closes_s=100, not_before_s=START_S + 900)
        queue.put(A, closes_s=100)
        assert len(queue) == 1
        assert [queue.take(), queue.take()] == [A, None]

    run(main())


def test_a_device_in_hand_is_not_given_out_again_until_it_is_laid_down() -> None:
    """Two lanes of one concentrator used to meet at a meter for which a window opened while it was being read."""

    async def main() -> None:
        queue = DeviceQueue()
        queue.put(A, closes_s=100)
        assert queue.take() == A
        queue.put(A, closes_s=50)
        assert queue.take() is None
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await queue.wait()
        queue.done(A)
        await queue.wait()
        assert queue.take() == A
        queue.done(A)
        assert queue.take() is None

    run(main())


def test_everybody_who_waits_is_woken_and_the_slower_ones_find_nothing() -> None:
    async def main() -> None:
        queue = DeviceQueue()
        taken: list[DeviceId | None] = []

        async def lane() -> None:
            await queue.wait()
            taken.append(queue.take())

        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(lane())
            await asyncio.sleep(1)
            queue.put(A, closes_s=1)
            await asyncio.sleep(1)
            assert taken == [A]
            queue.put(B, closes_s=1)
            queue.put(C, closes_s=1)
        assert taken == [A, B, C]

    run(main())


def test_a_queue_that_nobody_empties_stays_small() -> None:
    """A concentrator that is away for a month: every plan puts its meters in the queue again."""

    async def main() -> None:
        queue = DeviceQueue()
        for turn in range(3000):
            for device in (A, B, C):
                queue.put(device, closes_s=turn)
            assert queue.entries <= 2 * 3 + SLACK_ENTRIES
        assert [queue.take(), queue.take(), queue.take(), queue.take()] == [A, B, C, None]

    run(main())


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.integers(1, 4), st.integers(0, 5), st.integers(0, 3)),
            st.tuples(st.just("take"), st.just(0), st.just(0), st.just(0)),
            st.tuples(st.just("done"), st.integers(1, 4), st.just(0), st.just(0)),
            st.tuples(st.just("sleep"), st.integers(1, 2), st.just(0), st.just(0)),
        ),
        max_size=60,
    )
)
def test_the_queue_agrees_with_a_plain_list(steps: list[tuple[str, int, int, int]]) -> None:
    async def main() -> None:
        queue = DeviceQueue()
        queued: dict[int, tuple[int, int, float]] = {}
        in_hand: set[int] = set()
        for order, (what, number, closes_s, delay_s) in enumerate(steps):
            if what == "put":
                queue.put(DeviceId(number), closes_s=closes_s, not_before_s=now_s() + delay_s)
                queued[number] = (closes_s, order, now_s() + delay_s)
            elif what == "done":
                queue.done(DeviceId(number))
                in_hand.discard(number)
            elif what == "sleep":
                await asyncio.sleep(number)
            else:
                ready = sorted(
                    (closes, put, device)
                    for device, (closes, put, not_before) in queued.items()
                    if device not in in_hand and not_before <= now_s()
                )
                taken = queue.take()
                assert taken == (ready[0][2] if ready else None)
                if taken is not None:
                    del queued[taken]
                    in_hand.add(taken)
            assert len(queue) == len(queued)

    run(main())

"""Invocation counters: none twice, none missing in the middle of a reading, and a busy database is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from hes.acquisition import patience
from hes.acquisition.counters import BLOCK, RESERVE_BELOW, Counters
from hes.acquisition.tests.jumping_loop import START_S, run
from hes.errors import LocalProtocolError, StoreError


class CounterStore:
    """Gives blocks out in order; `delays`: how long each call takes."""

    def __init__(self, *refusals: StoreError, delays: tuple[float, ...] = ()) -> None:
        self.next = 1
        self.calls = 0
        self._refusals = list(refusals)
        self._delays = list(delays)

    async def reserve_counters(self, key_ref: str, count: int, *, at_least: int = 0) -> int:
        self.calls += 1
        if self._refusals:
            raise self._refusals.pop(0)
        first, self.next = self.next, self.next + count
        await asyncio.sleep(self._delays.pop(0) if self._delays else 0)
        return first


def counters(store: CounterStore) -> Counters:
    return Counters(store)  # type: ignore[arg-type]


def test_a_bundle_of_any_length_never_runs_out() -> None:
    """An answer in hundreds of blocks used to end the head-end: more than a bundle's worth of counters at once."""

    async def main() -> None:
        store = CounterStore()
        book = counters(store)
        used: list[int] = []
        for _ in range(3 * BLOCK):
            take = await book.prepare("key")
            used.append(take())
        assert used == sorted(set(used))
        assert store.calls <= 4

    run(main())


def test_a_new_head_end_begins_behind_every_block_that_was_reserved() -> None:
    async def main() -> None:
        store = CounterStore()
        first = (await counters(store).prepare("key"))()
        again = (await counters(store).prepare("key"))()
        assert again >= first + BLOCK

    run(main())


def test_two_that_reserve_at_the_same_time_never_share_a_counter_nor_go_back() -> None:
    """The first block may arrive last: the meter has seen higher counters by then."""

    async def main() -> None:
        book = counters(CounterStore(delays=(5.0, 1.0)))
        used: list[int] = []

        async def read(wait_s: float) -> None:
            await asyncio.sleep(wait_s)
            for _ in range(10):
                take: Callable[[], int] = await book.prepare("shared")
                used.append(take())

        async with asyncio.TaskGroup() as group:
            group.create_task(read(0))
            group.create_task(read(0.5))
        assert used == sorted(set(used))

    run(main())


def test_keys_have_counters_of_their_own() -> None:
    async def main() -> None:
        book = counters(CounterStore())
        one, two = await book.prepare("one"), await book.prepare("two")
        assert [one(), one(), two()] == [1, 2, 1 + BLOCK]

    run(main())


def test_without_preparation_the_block_has_an_end() -> None:
    async def main() -> None:
        take = await counters(CounterStore()).prepare("key")
        assert [take() for _ in range(BLOCK)][-1] == BLOCK
        with pytest.raises(LocalProtocolError):
            take()
        assert RESERVE_BELOW < BLOCK

    run(main())


def test_a_database_that_is_busy_is_asked_again_and_a_broken_one_is_not() -> None:
    async def main() -> None:
        locked = [StoreError("locked", retriable=True) for _ in range(patience.ATTEMPTS_MAX - 1)]
        take = await counters(CounterStore(*locked)).prepare("key")
        assert take() == 1
        assert asyncio.get_running_loop().time() == START_S + len(locked) * patience.RETRY_S
        broken = CounterStore(StoreError("no such table"))
        with pytest.raises(StoreError):
            await counters(broken).prepare("key")
        assert broken.calls == 1

    run(main())


class FaithfulStore(CounterStore):
    """Begins a block where it is told to."""

    async def reserve_counters(self, key_ref: str, count: int, *, at_least: int = 0) -> int:
        self.next = max(self.next, at_least)
        return await super().reserve_counters(key_ref, count, at_least=at_least)


@pytest.mark.parametrize("expected", [1, 5, BLOCK - RESERVE_BELOW, BLOCK, 50_000])
def test_a_counter_that_a_meter_expects_is_reached_and_none_is_used_twice(expected: int) -> None:
    async def main() -> None:
        store = FaithfulStore()
        book = counters(store)
        used = [(await book.prepare("key"))()]
        await book.move_up("key", expected)
        assert book.next_counter("key") >= max(expected, 2)
        used += [(await book.prepare("key"))() for _ in range(2 * BLOCK)]
        await book.move_up("key", 1)  # never down
        used.append((await book.prepare("key"))())
        assert used == sorted(set(used))
        assert used[1] >= expected
        assert used[-1] < store.next

    run(main())

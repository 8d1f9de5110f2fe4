"""run(): a coroutine from start to clean end."""

import asyncio
import contextlib
import gc
import os
import signal

import pytest

from sim.errors import NothingLeftToHappen, SimulationError
from sim.loop import LOOP_START_S, VirtualLoop
from sim.run_loop import TEARDOWN_S_MAX, garbage_policy, run


def play(main, **options):
    return run(main, loop=VirtualLoop(), **options)


def test_it_returns_what_main_returns_and_closes_the_loop():
    loop = VirtualLoop()
    assert run(asyncio.sleep(5, "result"), loop=loop) == "result"
    assert loop.is_closed()
    assert loop.time() == LOOP_START_S + 5


def test_leftover_tasks_are_cancelled_in_order_of_creation_and_may_take_virtual_time_to_end():
    ended = []

    async def service(number):
        try:
            await asyncio.sleep(1e9)
        finally:
            await asyncio.sleep(10)
            ended.append((number, asyncio.get_running_loop().time() - LOOP_START_S))

    async def main():
        loop = asyncio.get_running_loop()
        services = [loop.create_task(service(number)) for number in range(5)]
        await asyncio.sleep(1)
        return len(services)

    play(main())
    assert ended == [(number, 11) for number in range(5)]


def test_tasks_that_start_others_while_they_end_are_cancelled_too():
    log = []

    async def last():
        try:
            await asyncio.sleep(1e9)
        finally:
            log.append("last ended")

    async def first():
        try:
            await asyncio.sleep(1e9)
        finally:
            asyncio.get_running_loop().create_task(last())
            await asyncio.sleep(0)

    async def main():
        asyncio.get_running_loop().create_task(first())
        await asyncio.sleep(1)

    play(main())
    assert log == ["last ended"]


def test_a_task_that_refuses_to_end_is_named():
    async def stubborn():
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(600)

    async def main():
        asyncio.get_running_loop().create_task(stubborn(), name="stubborn service")
        await asyncio.sleep(1)

    loop = VirtualLoop()
    with pytest.raises(SimulationError, match=r"stubborn service .*stubborn") as caught:
        run(main(), loop=loop)
    assert len(caught.value.fields["tasks"]) == 1
    assert loop.time() == LOOP_START_S + 1 + TEARDOWN_S_MAX


def test_the_error_of_main_is_raised_after_the_others_have_ended_with_the_time_as_a_note():
    ended = []

    async def service():
        try:
            await asyncio.sleep(1e9)
        finally:
            ended.append("service")

    async def main():
        asyncio.get_running_loop().create_task(service())
        await asyncio.sleep(3)
        raise KeyError("meter 7")

    with pytest.raises(KeyError) as caught:
        play(main())
    assert caught.value.__notes__ == ["raised at 1003.0 s of virtual time"]
    assert ended == ["service"]


def test_a_failed_task_that_nobody_asks_ends_the_run_with_its_error():
    async def bad():
        raise ValueError("lost")

    async def main():
        asyncio.get_running_loop().create_task(bad())
        await asyncio.sleep(86_400)
        pytest.fail("the run went on")

    with pytest.raises(ValueError, match="lost") as caught:
        play(main())
    assert "never retrieved" in caught.value.__notes__[0]


def test_a_failed_task_that_is_only_collected_at_the_end_is_not_lost():
    async def bad():
        raise ValueError("lost")

    async def main():
        task = asyncio.get_running_loop().create_task(bad())
        task.itself = task  # only the collector ends it
        await asyncio.sleep(1)

    with pytest.raises(ValueError, match="lost"):
        play(main(), garbage="after")


def test_an_error_in_a_callback_ends_the_run_and_a_handler_of_ones_own_keeps_it_going():
    def broken():
        raise ValueError("in a callback")

    async def main():
        asyncio.get_running_loop().call_later(1, broken)
        await asyncio.sleep(10)
        return "went on"

    with pytest.raises(ValueError, match="in a callback"):
        play(main())
    loop = VirtualLoop()
    seen = []
    loop.set_exception_handler(lambda _, context: seen.append(context["exception"]))
    assert run(main(), loop=loop) == "went on"
    assert len(seen) == 1


def test_later_errors_are_notes_of_the_first():
    async def bad_ending():
        try:
            await asyncio.sleep(1e9)
        finally:
            raise RuntimeError("while ending")

    async def main():
        asyncio.get_running_loop().create_task(bad_ending())
        await asyncio.sleep(1)
        raise ValueError("first")

    with pytest.raises(ValueError, match="first") as caught:
        play(main())
    assert "while ending" in "".join(caught.value.__notes__)


def test_an_empty_world_still_ends_its_tasks():
    ended = []

    async def main():
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append("main")

    with pytest.raises(NothingLeftToHappen):
        play(main())
    assert ended == ["main"]


def test_ctrl_c_ends_the_tasks_and_comes_through():
    ended = []

    def press(_):
        raise KeyboardInterrupt

    async def main():
        loop = asyncio.get_running_loop()
        loop.post_at(loop.time() + 1, press, None)
        try:
            await asyncio.sleep(10)
        finally:
            ended.append("main")

    with pytest.raises(KeyboardInterrupt):
        play(main())
    assert ended == ["main"]


def test_ctrl_c_within_a_task_leaves_it_the_loop_for_what_it_has_to_put_away():
    said = []

    async def served() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            said.append("the step goes on")
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(1)
            said.append("put away")

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(served())

    with pytest.raises(KeyboardInterrupt):
        run(main(), loop=VirtualLoop())
    assert said == ["the step goes on", "put away"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_main_that_is_cancelled_raises_cancelled_error():
    async def main():
        asyncio.get_running_loop().call_later(1, asyncio.current_task().cancel)
        await asyncio.sleep(10)

    with pytest.raises(asyncio.CancelledError):
        play(main())


def test_it_is_refused_inside_a_running_loop():
    async def main():
        play(asyncio.sleep(1))

    with pytest.raises(RuntimeError, match="inside a running loop"):
        play(main())


def test_the_collector_is_frozen_and_rare_during_a_run_and_as_before_after_it():
    before = (gc.get_threshold(), gc.isenabled())

    async def state():
        return gc.get_threshold()[0], gc.isenabled(), gc.get_freeze_count() > 10_000

    assert play(state()) == (100_000, True, True)
    assert play(state(), garbage="after") == (100_000, False, True)
    assert play(state(), garbage="untouched") == (before[0][0], True, False)
    with garbage_policy("after"):
        assert play(state(), garbage="untouched") == (100_000, False, True)
        assert gc.get_freeze_count() > 10_000
    assert (gc.get_threshold(), gc.isenabled()) == before
    assert gc.get_freeze_count() < 10_000

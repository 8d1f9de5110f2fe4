"""Coroutines wait for SimPy events and SimPy processes for coroutines: values, exceptions, cancellation."""

import asyncio
import gc

import pytest
import simpy

from sim.loop import LOOP_START_S, VirtualLoop
from sim.run_loop import run


def play(main):
    return run(main, loop=VirtualLoop())


def test_a_coroutine_waits_for_a_simpy_process_and_gets_its_value():
    def outage(env, minutes):
        yield env.timeout(60 * minutes)
        return f"restored after {minutes} min"

    async def main():
        loop = asyncio.get_running_loop()
        said = await loop.wait_event(loop.env.process(outage(loop.env, 5)))
        return said, loop.time() - LOOP_START_S

    assert play(main()) == ("restored after 5 min", 300)


def test_waiting_for_an_event_that_has_happened_returns_at_once():
    async def main():
        loop = asyncio.get_running_loop()
        good, bad = loop.env.timeout(1, value="early"), loop.env.event()
        bad.defused = True
        bad.fail(KeyError("late"))
        await asyncio.sleep(10)
        with pytest.raises(KeyError):
            await loop.wait_event(bad)
        return await loop.wait_event(good), loop.time() - LOOP_START_S

    assert play(main()) == ("early", 10)


def test_the_failure_of_an_event_is_raised_where_it_is_awaited_and_nowhere_else():
    def story(env):
        yield env.timeout(1)
        raise ConnectionResetError("line cut")

    async def main():
        loop = asyncio.get_running_loop()
        with pytest.raises(ConnectionResetError, match="line cut"):
            await loop.wait_event(loop.env.process(story(loop.env)))
        await asyncio.sleep(5)
        return loop.time() - LOOP_START_S

    assert play(main()) == 6


def test_a_failed_event_that_nobody_waits_for_ends_the_run_with_the_error_itself():
    class MeterFault(Exception):
        def __init__(self, meter, cause):
            super().__init__(f"{meter}: {cause}")

    error = MeterFault("meter 7", "burnt")  # SimPy would rebuild it from its args, and fail

    async def main():
        loop = asyncio.get_running_loop()
        loop.env.event().fail(error)
        await asyncio.sleep(1)

    with pytest.raises(MeterFault) as caught:
        play(main())
    assert caught.value is error


def test_a_cancelled_coroutine_stops_waiting_and_leaves_the_event_to_others():
    async def main():
        loop = asyncio.get_running_loop()
        event = loop.env.event()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await loop.wait_event(event)
        assert event.callbacks == []
        event.succeed("for the next one")
        return await loop.wait_event(event)

    assert play(main()) == "for the next one"


def test_several_coroutines_wait_for_one_event_and_wake_in_order():
    async def main():
        loop = asyncio.get_running_loop()
        event = loop.env.timeout(3)
        order = []

        async def wait(number):
            await loop.wait_event(event)
            order.append(number)

        await asyncio.gather(*(wait(number) for number in range(5)))
        return order

    assert play(main()) == list(range(5))


def test_conditions_and_resources_of_simpy_can_be_awaited():
    async def main():
        loop = asyncio.get_running_loop()
        env = loop.env
        crew = simpy.Resource(env, capacity=1)
        log = []

        async def repair(place, hours):
            request = crew.request()
            await loop.wait_event(request)
            await asyncio.sleep(3600 * hours)
            crew.release(request)
            log.append((place, loop.time() - LOOP_START_S))

        async with asyncio.TaskGroup() as group:
            group.create_task(repair("north", 1))
            group.create_task(repair("south", 2))
        await loop.wait_event(env.timeout(1) | env.timeout(9))
        return log, loop.time() - LOOP_START_S

    assert play(main()) == ([("north", 3600), ("south", 10_800)], 10_801)


def test_a_simpy_process_waits_for_a_coroutine_and_gets_its_result():
    async def read_meter():
        await asyncio.sleep(4)
        return 1234

    def story(loop, log):
        value = yield loop.as_event(read_meter())
        log.append((value, loop.env.now - LOOP_START_S))

    async def main():
        loop = asyncio.get_running_loop()
        log = []
        await loop.wait_event(loop.env.process(story(loop, log)))
        return log

    assert play(main()) == [(1234, 4)]


def test_a_simpy_process_gets_the_exception_of_the_coroutine_it_waits_for():
    async def refuse():
        await asyncio.sleep(1)
        raise PermissionError("read-write denied")

    def story(loop):
        try:
            yield loop.as_event(refuse())
        except PermissionError as error:
            return str(error)

    async def main():
        loop = asyncio.get_running_loop()
        return await loop.wait_event(loop.env.process(story(loop)))

    assert play(main()) == "read-write denied"


def test_a_simpy_process_learns_that_the_task_it_waits_for_was_cancelled():
    def story(loop, task):
        try:
            yield loop.as_event(task)
        except asyncio.CancelledError:
            return loop.env.now - LOOP_START_S

    async def main():
        loop = asyncio.get_running_loop()
        task = loop.create_task(asyncio.sleep(100))
        loop.call_later(3, task.cancel)
        return await loop.wait_event(loop.env.process(story(loop, task)))

    assert play(main()) == 3


def test_an_interrupted_process_stops_waiting_and_can_cancel_its_task():
    def story(loop, task):
        try:
            yield loop.as_event(task)
        except simpy.Interrupt as interrupt:
            task.cancel()
            return interrupt.cause

    async def main():
        loop = asyncio.get_running_loop()
        task = loop.create_task(asyncio.sleep(100))
        process = loop.env.process(story(loop, task))
        loop.call_later(2, process.interrupt, "storm")
        cause = await loop.wait_event(process)
        with pytest.raises(asyncio.CancelledError):
            await task
        interrupted_after_s = loop.time() - LOOP_START_S
        await asyncio.sleep(1)  # the event that nobody waits for any more does not end the run
        return cause, interrupted_after_s

    assert play(main()) == ("storm", 2)


def test_a_coroutine_that_only_a_process_waits_for_survives_garbage_collection():
    async def waits_on_itself():
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(5, lambda: future.done() or future.set_result("alive"))
        return await future

    def story(loop):
        return (yield loop.as_event(waits_on_itself()))

    async def main():
        loop = asyncio.get_running_loop()
        process = loop.env.process(story(loop))
        await asyncio.sleep(1)
        gc.collect()
        return await loop.wait_event(process)

    assert play(main()) == "alive"


def test_an_asyncio_callback_triggers_a_simpy_event_in_its_own_instant():
    async def main():
        loop = asyncio.get_running_loop()
        event = loop.env.event()
        loop.call_later(7, event.succeed, "now")
        return await loop.wait_event(event), loop.time() - LOOP_START_S

    assert play(main()) == ("now", 7)

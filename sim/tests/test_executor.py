"""run_in_executor and to_thread: inline, on the main thread, at a scheduled step, at a price the seed may draw."""

import asyncio
import contextvars
import random
import sqlite3
import threading

import pytest

from sim.errors import OutsideWorldError
from sim.loop import LOOP_START_S, VirtualLoop
from sim.run_loop import run


def play(main, **options):
    return run(main, loop=VirtualLoop(**options))


def test_executors_run_inline_on_the_main_thread_and_take_no_virtual_time():
    async def main():
        loop = asyncio.get_running_loop()
        first = await loop.run_in_executor(None, threading.current_thread)
        second = await asyncio.to_thread(threading.current_thread)
        return first, second, loop.time()

    assert play(main()) == (threading.main_thread(), threading.main_thread(), LOOP_START_S)


def test_an_executor_call_runs_at_a_later_step_and_not_within_the_call():
    async def main():
        order = []
        future = asyncio.get_running_loop().run_in_executor(None, order.append, "work")
        order.append("caller goes on")
        await future
        return order

    assert play(main()) == ["caller goes on", "work"]


def test_synchronous_sqlite_works_through_the_executor():
    def work():
        with sqlite3.connect(":memory:") as connection:
            connection.execute("create table reading (value integer)")
            connection.executemany("insert into reading values (?)", [(n,) for n in range(1000)])
            total = connection.execute("select sum(value) from reading").fetchone()[0]
        connection.close()
        return total

    assert play(asyncio.to_thread(work)) == 499_500


def test_executor_calls_take_what_the_seed_draws_and_overlap_as_in_a_pool():
    async def main():
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(asyncio.to_thread(int) for _ in range(3)))
        return loop.time() - LOOP_START_S

    draws = random.Random(7)
    expected = max(draws.uniform(0.001, 0.02) for _ in range(3))
    draws = random.Random(7)
    assert play(main(), executor_cost_s=lambda: draws.uniform(0.001, 0.02)) == pytest.approx(expected)


def test_an_executor_call_returns_the_exception_of_its_function():
    async def main():
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 / 0)

    play(main())


def test_a_cancelled_executor_call_does_not_run():
    async def main():
        ran = []
        future = asyncio.get_running_loop().run_in_executor(None, ran.append, 1)
        future.cancel()
        await asyncio.sleep(1)
        return ran

    assert play(main()) == []


def test_a_function_in_the_executor_sees_neither_the_loop_nor_the_callers_context_as_in_a_thread():
    who = contextvars.ContextVar("who", default="nobody")

    def work():
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        return who.get()

    async def main():
        who.set("caller")
        loop = asyncio.get_running_loop()
        bare = await loop.run_in_executor(None, work)
        assert asyncio.get_running_loop() is loop
        return bare, await asyncio.to_thread(who.get)

    assert play(main()) == ("nobody", "caller")


def test_call_soon_threadsafe_from_another_thread_raises_and_says_what_to_do():
    caught = []

    async def main():
        loop = asyncio.get_running_loop()

        def from_outside():
            try:
                loop.call_soon_threadsafe(print, "never")
            except OutsideWorldError as error:
                caught.append(str(error))

        thread = threading.Thread(target=from_outside, name="reader-thread")
        thread.start()
        thread.join()
        ran = []
        loop.call_soon_threadsafe(ran.append, "same thread")
        await asyncio.sleep(0)
        return ran

    assert play(main()) == ["same thread"]
    assert "reader-thread" in caught[0]
    assert "run_in_executor" in caught[0]


def test_waiting_for_executor_calls_returns_them_in_one_order():
    async def main():
        loop = asyncio.get_running_loop()
        calls = [loop.run_in_executor(None, int, str(number)) for number in range(50)]
        done, _ = await asyncio.wait(calls)
        return [call.result() for call in done]

    assert play(main()) == play(main()) == list(range(50))

"""One heap, one counter, one clock: order, time, and what happens when a world cannot go on."""

import asyncio
import contextvars
import functools
import gc
import heapq
import random
import time
import weakref

import pytest

from sim.errors import NoProgress, NothingLeftToHappen, SimulationError
from sim.loop import LOOP_START_S, VirtualLoop
from sim.run_loop import run


def play(main, **options):
    return run(main, loop=VirtualLoop(**options))


# -- order


def test_timers_with_equal_deadlines_fire_in_the_order_they_were_set():
    async def main():
        loop = asyncio.get_running_loop()
        order = []
        for number in range(100):
            loop.call_at(LOOP_START_S + 5, order.append, number)
        await asyncio.sleep(6)
        return order

    assert play(main()) == list(range(100))


def test_simpy_events_asyncio_timers_and_device_callbacks_of_one_instant_run_in_scheduling_order():
    async def main():
        loop = asyncio.get_running_loop()
        order = []
        due = loop.time() + 10
        loop.call_at(due, order.append, "asyncio 1")
        loop.env.timeout(10).callbacks.append(lambda _: order.append("simpy 2"))
        loop.post_at(due, order.append, "device 3")
        loop.call_later(10, order.append, "asyncio 4")
        loop.env.timeout(10).callbacks.append(lambda _: order.append("simpy 5"))
        loop.post_at(due, order.append, "device 6")
        await asyncio.sleep(11)
        return order

    assert play(main()) == ["asyncio 1", "simpy 2", "device 3", "asyncio 4", "simpy 5", "device 6"]


def test_what_an_event_makes_ready_finishes_before_the_next_event_of_the_same_instant():
    async def main():
        loop = asyncio.get_running_loop()
        order = []

        def first(_):
            order.append("first event")
            loop.call_soon(loop.call_soon, order.append, "its consequence, two steps on")

        loop.post_at(loop.time() + 1, first, None)
        loop.post_at(loop.time() + 1, order.append, "second event")
        await asyncio.sleep(2)
        return order

    assert play(main()) == ["first event", "its consequence, two steps on", "second event"]


def test_callbacks_run_in_the_order_in_which_they_were_made_ready():
    async def main():
        order = []
        for number in range(10):
            asyncio.get_running_loop().call_soon(order.append, number)
        await asyncio.sleep(0)
        return order

    assert play(main()) == list(range(10))


# -- time


def test_loop_time_starts_near_a_thousand_seconds_and_is_simpy_time():
    loop = VirtualLoop()
    assert loop.time() == loop.now_s == loop.env.now == LOOP_START_S == 1000.0
    loop.close()


def test_short_sleeps_are_not_lost_in_rounding_after_a_year():
    async def main():
        loop = asyncio.get_running_loop()
        await asyncio.sleep(366 * 86_400)
        before = loop.time()
        await asyncio.sleep(1e-7)
        return loop.time() - before

    assert play(main()) == pytest.approx(1e-7, rel=0.1)


def test_a_virtual_year_takes_no_wall_time():
    began = time.perf_counter()
    play(asyncio.sleep(366 * 86_400))
    assert time.perf_counter() - began < 5


def test_asyncio_timeout_and_wait_for_expire_at_their_virtual_deadline():
    async def main():
        loop = asyncio.get_running_loop()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await asyncio.sleep(1e6)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 7200)
        return await rescheduled(loop)

    async def rescheduled(loop):
        try:
            async with asyncio.timeout_at(loop.time() + 0.25) as scope:
                scope.reschedule(loop.time() + 0.5)
                await asyncio.sleep(1)
        except TimeoutError:
            return loop.time()

    assert play(main()) == LOOP_START_S + 10_800.5


def test_times_in_the_past_mean_now_and_never_turn_the_clock_back():
    async def main():
        loop = asyncio.get_running_loop()
        seen = []
        loop.call_at(0.0, lambda: seen.append(loop.time()))
        loop.call_later(-5, lambda: seen.append(loop.time()))
        loop.post_at(-1e9, lambda _: seen.append(loop.time()), None)
        await asyncio.sleep(1)
        return seen

    assert play(main()) == [LOOP_START_S] * 3


def test_a_time_that_is_not_a_number_is_refused():
    async def main():
        loop = asyncio.get_running_loop()
        for schedule in (loop.call_at, loop.call_later):
            with pytest.raises(ValueError, match="not a number"):
                schedule(float("nan"), print)
        with pytest.raises(ValueError, match="not a number"):
            loop.post_at(float("nan"), print, None)

    play(main())


def test_the_clock_does_not_jump_after_main_has_returned():
    loop = VirtualLoop()
    fired = []
    loop.call_at(LOOP_START_S + 100, fired.append, 1)
    loop.post_at(LOOP_START_S + 3, fired.append, 2)

    async def main():
        await asyncio.sleep(3)  # ends in the instant of the device callback posted before it

    loop.run_until_complete(main())
    assert (loop.time(), fired) == (LOOP_START_S + 3, [2])
    loop.run_until_complete(asyncio.sleep(200))
    assert fired == [2, 1]
    loop.close()


def test_stop_from_a_timer_ends_the_run_before_the_next_event_of_the_instant():
    loop = VirtualLoop()
    fired = []
    loop.call_later(1, loop.stop)
    loop.post_at(LOOP_START_S + 1, fired.append, 1)
    loop.run_forever()
    assert (loop.time(), fired) == (LOOP_START_S + 1, [])
    loop.close()


def test_stop_before_the_run_still_runs_one_batch_as_on_every_loop():
    loop = VirtualLoop()
    order = []
    loop.call_soon(lambda: (order.append(1), loop.call_soon(order.append, 2)))
    loop.stop()
    loop.run_forever()
    assert order == [1]
    loop.close()


def test_a_timer_handle_tells_when_and_can_be_cancelled_late_and_twice():
    async def main():
        loop = asyncio.get_running_loop()
        timer = loop.call_later(2, lambda: None)
        other = loop.call_later(3, pytest.fail)
        assert isinstance(timer, asyncio.TimerHandle)
        assert timer.when() == LOOP_START_S + 2
        other.cancel()
        other.cancel()
        await asyncio.sleep(5)
        timer.cancel()
        assert (timer.cancelled(), other.cancelled()) == (True, True)
        assert timer.when() == LOOP_START_S + 2
        assert "cancelled" in repr(other)
        return loop._timer_cancelled_count

    assert play(main()) == 0


def test_timers_fire_late_when_told_so_and_strictly_later_code_then_ends():
    async def main():
        loop = asyncio.get_running_loop()
        deadline = loop.time() + 1
        done = loop.create_future()

        def tick():
            if loop.time() > deadline:
                done.set_result(loop.time())
            else:
                loop.call_at(deadline, tick)

        loop.call_at(deadline, tick)
        return await done

    assert play(main(), timer_lateness_s=1e-6) == LOOP_START_S + 1 + 1e-6
    with pytest.raises(NoProgress, match="tick"):
        play(main(), callbacks_per_instant_max=10_000)


def test_cancelled_timers_are_swept_out_of_the_heap_and_the_rest_keeps_its_order():
    async def main():
        loop = asyncio.get_running_loop()
        order = []
        largest = 0
        for number in range(20_000):
            loop.call_later(3600, pytest.fail).cancel()
            if number % 100 == 0:
                loop.call_later(10, order.append, number)
                loop.env.timeout(10).callbacks.append(lambda _, number=number: order.append(number + 1))
            largest = max(largest, len(loop.env._queue))
        assert loop._queue is loop.env._queue
        await asyncio.sleep(11)
        assert order == [number + odd for number in range(0, 20_000, 100) for odd in (0, 1)]
        return largest

    assert play(main()) < 5_000


def test_tombstones_do_not_move_the_clock():
    loop = VirtualLoop()
    loop.call_later(50, pytest.fail).cancel()
    with pytest.raises(NothingLeftToHappen):
        loop.run_forever()
    assert loop.time() == LOOP_START_S
    loop.close()


# -- worlds that cannot go on


def test_an_empty_world_lists_the_tasks_that_nobody_will_wake():
    async def answer_that_never_comes():
        await asyncio.get_running_loop().create_future()

    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(answer_that_never_comes(), name="reader of meter 7")
            group.create_task(asyncio.Queue().get())
            await asyncio.sleep(5)

    with pytest.raises(NothingLeftToHappen, match=r"nothing left to happen at 1005.0 s") as caught:
        play(main())
    named = caught.value.fields["tasks"]
    assert [name.split()[0] for name in named] == ["Task-1", "reader", "Task-3"]
    assert "reader of meter 7" in named[1]
    assert "answer_that_never_comes" in named[1]
    assert "sim/tests/test_loop.py:" in named[1]
    assert "Queue.get" in named[2]


def test_a_timer_at_infinity_is_not_something_left_to_happen():
    async def main():
        loop = asyncio.get_running_loop()
        loop.call_at(float("inf"), pytest.fail)
        loop.env.timeout(float("inf"))
        await loop.create_future()

    loop = VirtualLoop()
    with pytest.raises(NothingLeftToHappen):
        loop.run_until_complete(main())
    assert loop.time() == LOOP_START_S
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()


def test_a_busy_wait_for_time_to_pass_raises_no_progress_and_names_the_task():
    async def poll_until(deadline_s):
        while asyncio.get_running_loop().time() < deadline_s:  # noqa: ASYNC110 - the mistake itself
            await asyncio.sleep(0)

    async def main():
        await asyncio.sleep(7)
        await poll_until(LOOP_START_S + 8)

    with pytest.raises(NoProgress, match=r"Task-1 .*main \(sim/tests/test_loop.py:\d+\)") as caught:
        play(main(), callbacks_per_instant_max=20_000)
    assert caught.value.fields["now_s"] == LOOP_START_S + 7


def test_callbacks_that_make_each_other_ready_raise_no_progress_naming_both():
    loop = VirtualLoop(callbacks_per_instant_max=20_000)

    def ping():
        loop.call_soon(pong)

    def pong():
        loop.call_soon(ping)

    loop.call_soon(ping)
    with pytest.raises(NoProgress, match=r"50\d x .*ping .*50\d x .*pong"):
        loop.run_forever()
    loop.close()


def test_timers_device_callbacks_and_simpy_processes_that_spin_raise_no_progress_too():
    def rearm(loop):
        loop.call_later(0, rearm, loop)

    def post(loop):
        loop.post_at(loop.now_s, post, loop)

    def story(env):
        while True:
            yield env.timeout(0)

    for begin, named in (
        (lambda loop: rearm(loop), "rearm"),
        (lambda loop: post(loop), "post"),
        (lambda loop: loop.env.process(story(loop.env)), "SimPy process story"),
    ):
        loop = VirtualLoop(callbacks_per_instant_max=20_000)
        begin(loop)
        with pytest.raises(NoProgress, match=named):
            loop.run_forever()
        loop.close()


def test_a_burst_of_fewer_callbacks_than_the_limit_is_progress():
    async def main():
        async with asyncio.TaskGroup() as group:
            for _ in range(2_000):
                group.create_task(asyncio.sleep(1))

    play(main(), callbacks_per_instant_max=10_000)


def test_an_exception_in_a_device_callback_ends_the_run():
    async def main():
        loop = asyncio.get_running_loop()
        loop.post_at(loop.time() + 2, lambda octets: octets.fail(), b"")
        await asyncio.sleep(10)

    with pytest.raises(AttributeError) as caught:
        play(main())
    assert "1002.0 s" in "".join(caught.value.__notes__)


def test_an_exception_in_an_asyncio_callback_goes_to_the_exception_handler():
    loop = VirtualLoop()
    contexts = []
    loop.set_exception_handler(lambda _, context: contexts.append(context))

    def broken():
        raise ValueError("x")

    loop.call_soon(broken)
    loop.call_later(1, broken)
    loop.run_until_complete(asyncio.sleep(2))
    loop.close()
    assert [type(context["exception"]) for context in contexts] == [ValueError] * 2
    assert all("broken" in context["message"] for context in contexts)


def test_driving_the_simpy_environment_by_hand_is_refused():
    loop = VirtualLoop()
    for drive in (loop.env.run, loop.env.step):
        with pytest.raises(SimulationError, match=r"sim.run_loop.run"):
            drive()
    loop.close()


# -- contexts

WHO = contextvars.ContextVar("WHO", default="nobody")


def test_a_delivery_posted_with_the_context_of_its_connection_runs_in_that_context():
    async def main():
        loop = asyncio.get_running_loop()
        seen = []

        def receive(octets):
            seen.append((WHO.get(), octets))

        WHO.set("connection")
        connection = contextvars.copy_context()
        deliver = functools.partial(connection.run, receive)
        WHO.set("sender")
        loop.post_at(loop.time() + 1, deliver, b"\x7e")
        await asyncio.sleep(2)
        return seen

    assert play(main()) == [("connection", b"\x7e")]


def test_a_plain_device_callback_runs_in_no_ones_context():
    async def main():
        loop = asyncio.get_running_loop()
        seen = []
        WHO.set("sender")
        loop.post_at(loop.time() + 1, lambda _: seen.append(WHO.get()), None)
        await asyncio.sleep(2)
        return seen

    assert play(main()) == ["nobody"]


# -- ties


def finish_order(ties):
    order = []

    async def worker(number):
        await asyncio.sleep(0)
        order.append(number)

    async def main():
        async with asyncio.TaskGroup() as group:
            for number in range(8):
                group.create_task(worker(number))

    play(main(), ties=ties)
    return tuple(order)


def test_a_seed_flips_the_order_of_ready_tasks_and_repeats_it():
    orders = {seed: finish_order(random.Random(seed)) for seed in range(10)}
    assert finish_order(None) == tuple(range(8))
    assert len(set(orders.values())) > 5
    assert all(finish_order(random.Random(seed)) == order for seed, order in orders.items())


def test_a_seed_flips_whether_the_answer_or_the_timeout_of_the_same_instant_wins():
    async def main():
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        loop.post_at(loop.time() + 1, lambda value: answer.done() or answer.set_result(value), "answer")
        try:
            async with asyncio.timeout(1):
                return await answer
        except TimeoutError:
            return "timeout"

    assert play(main()) == "answer"
    assert {play(main(), ties=random.Random(seed)) for seed in range(20)} == {"answer", "timeout"}


def test_flipped_ties_keep_the_order_of_callbacks_device_callbacks_and_simpy_events():
    async def main():
        loop = asyncio.get_running_loop()
        soon, events = [], []
        for number in range(20):
            loop.call_soon(soon.append, number)
            loop.post_at(loop.time() + 1, events.append, 2 * number)
            loop.env.timeout(1).callbacks.append(lambda _, number=number: events.append(2 * number + 1))
        await asyncio.sleep(2)
        return soon, events

    for seed in range(5):
        assert play(main(), ties=random.Random(seed)) == (list(range(20)), list(range(40)))


# -- the rest of asyncio


def test_debug_mode_runs_and_checks_what_it_is_given():
    async def main():
        loop = asyncio.get_running_loop()
        assert loop.get_debug()
        with pytest.raises(TypeError, match="callable"):
            loop.call_soon("not callable")
        with pytest.raises(TypeError, match="coroutines cannot be used"):
            loop.call_later(1, main)
        async with asyncio.timeout(5):
            await asyncio.sleep(1)
        return await asyncio.to_thread(lambda: loop.time())

    loop = VirtualLoop()
    loop.set_debug(True)
    assert run(main(), loop=loop) == LOOP_START_S + 1


def test_the_loop_serves_asyncio_runner_and_its_teardown():
    async def main():
        asyncio.ensure_future(asyncio.sleep(1e9)).add_done_callback(lambda task: ended.append(task.cancelled()))
        await asyncio.sleep(100)
        return asyncio.get_running_loop().time()

    ended = []
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(main()) == LOOP_START_S + 100
        assert runner.run(asyncio.sleep(1, "again")) == "again"
    assert ended == [True]


def test_streams_queues_locks_and_events_of_asyncio_work_in_virtual_time():
    async def main():
        loop = asyncio.get_running_loop()
        queue, lock, event = asyncio.Queue(maxsize=2), asyncio.Lock(), asyncio.Event()
        log = []

        async def producer():
            for number in range(4):
                await queue.put(number)
                log.append(("put", number, loop.time()))
            event.set()

        async def consumer():
            for _ in range(4):
                await asyncio.sleep(1)
                async with lock:
                    log.append(("got", await queue.get(), loop.time()))

        async with asyncio.TaskGroup() as group:
            group.create_task(producer())
            group.create_task(consumer())
            await event.wait()
        return log

    log = play(main())
    assert [entry[1:] for entry in log if entry[0] == "got"] == [(n, LOOP_START_S + n + 1) for n in range(4)]


def test_a_closed_loop_takes_no_callbacks_and_keeps_no_world_alive():
    class Meter:
        def wake(self, _):
            pass

    loop = VirtualLoop()
    meter = Meter()
    loop.post_at(LOOP_START_S + 1, meter.wake, None)
    alive = weakref.ref(meter)
    loop.close()
    del meter
    gc.collect()
    assert alive() is None
    for schedule in (functools.partial(loop.call_soon, print), functools.partial(loop.call_later, 1, print)):
        with pytest.raises(RuntimeError, match="closed"):
            schedule()


def test_an_exception_leaving_the_run_leaves_the_heap_in_order():
    loop = VirtualLoop()
    fired = []

    def broken(_):
        raise ZeroDivisionError

    for after_s in (5, 3, 1, 4):
        loop.post_at(LOOP_START_S + after_s, fired.append, after_s)
    loop.post_at(LOOP_START_S + 2, broken, None)
    with pytest.raises(ZeroDivisionError):
        loop.run_forever()
    assert (fired, loop.time()) == ([1], LOOP_START_S + 2)
    assert loop.env._queue[0] == heapq.nsmallest(1, loop.env._queue)[0]
    loop.run_until_complete(asyncio.sleep(10))
    assert fired == [1, 3, 4, 5]
    loop.close()

"""The pacer's arithmetic against a clock that the test moves, and a short look at real loops."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import simpy
import uvloop
from structlog.testing import capture_logs

from hes.clock import SystemClock
from hes.errors import ConfigError
from sim.errors import SimulationError
from sim.pacer import LATE_AFTER_S, STEPS_MAX, TICK_S, WARN_EVERY_S, Lateness, Pacer
from sim.scaled_time import ScaledClock, ScaledLoop


class Timer:
    def __init__(self, when_s: float, number: int, callback: Callable[[], object]) -> None:
        self.when_s, self.number, self.callback, self.is_cancelled = when_s, number, callback, False

    def cancel(self) -> None:
        self.is_cancelled = True

    def __lt__(self, other: Timer) -> bool:
        return (self.when_s, self.number) < (other.when_s, other.number)


class FakeLoop:
    """A loop as the pacer sees it: a clock that the test moves, and timers. lag_s: how late its timers fire."""

    def __init__(self, start_s: float = 5000.0) -> None:
        self.now_s = start_s
        self.lag_s = 0.0
        self.timers: list[Timer] = []
        self.set_count = 0
        self._futures = asyncio.new_event_loop()

    def time(self) -> float:
        return self.now_s

    def call_at(self, when_s: float, callback: Callable[[], object]) -> Timer:
        self.set_count += 1
        timer = Timer(when_s, self.set_count, callback)
        heapq.heappush(self.timers, timer)
        return timer

    def create_future(self) -> asyncio.Future[Any]:
        return self._futures.create_future()

    def run_until(self, end_s: float) -> None:
        """Fire what is due up to `end_s`, each timer `lag_s` after its time."""
        while self.timers and self.timers[0].when_s + self.lag_s <= end_s:
            timer = heapq.heappop(self.timers)
            if not timer.is_cancelled:
                self.now_s = max(self.now_s, timer.when_s + self.lag_s)
                timer.callback()
        self.now_s = max(self.now_s, end_s)

    def waiting(self) -> list[float]:
        return sorted(timer.when_s for timer in self.timers if not timer.is_cancelled)

    def close(self) -> None:
        self._futures.close()


class Rig:
    """A pacer on a fake loop, running: what happened is noted as (name, the model's time)."""

    def __init__(self) -> None:
        self.loop = FakeLoop()
        self.pacer = Pacer(self.loop, SystemClock())  # type: ignore[arg-type]
        self.seen: list[tuple[object, float]] = []
        self._running = self.pacer.run()

    def start(self) -> Rig:
        self._running.send(None)
        return self

    def note(self, name: object) -> None:
        self.seen.append((name, self.pacer.now_s))

    def post(self, delay_s: float, name: object) -> None:
        self.pacer.post_at(self.pacer.now_s + delay_s, self.note, name)

    def close(self) -> None:
        self._running.close()
        self.loop.close()


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.close()


def test_events_happen_at_their_times_and_equal_times_in_the_order_of_posting(rig: Rig) -> None:
    for name, delay_s in (("b", 2.0), ("a", 1.0), ("c", 2.0), ("d", 2.0)):
        rig.post(delay_s, name)
    rig.start()
    assert rig.loop.waiting() == [5001.0], "one timer, at the first event"
    rig.loop.run_until(5001.5)
    assert rig.seen == [("a", 5001.0)]
    rig.loop.run_until(5010.0)
    assert rig.seen == [("a", 5001.0), ("b", 5002.0), ("c", 5002.0), ("d", 5002.0)]
    assert rig.loop.waiting() == [], "nothing left, nothing set: an idle field costs nothing"


def test_nothing_happens_before_run_and_nothing_after_it(rig: Rig) -> None:
    rig.post(1.0, "early")
    assert rig.loop.waiting() == []
    rig.start()
    rig.loop.run_until(5001.0)
    rig.post(1.0, "late")
    rig._running.close()
    rig.loop.run_until(5100.0)
    assert rig.seen == [("early", 5001.0)]


def test_an_earlier_event_moves_the_timer_and_a_later_one_does_not(rig: Rig) -> None:
    rig.start()
    rig.post(5.0, "later")
    rig.post(9.0, "last")
    assert rig.loop.waiting() == [5005.0]
    rig.post(1.0, "first")
    assert rig.loop.waiting() == [5001.0]
    assert rig.loop.set_count == 2


def test_a_chain_of_events_does_not_stretch_on_a_loop_whose_timers_are_late(rig: Rig) -> None:
    rig.loop.lag_s = 0.004

    def again(left: int) -> None:
        rig.note(left)
        if left:
            rig.pacer.post_at(rig.pacer.now_s + 0.01, again, left - 1)

    rig.pacer.post_at(5000.0, again, 100)
    rig.start()
    rig.loop.run_until(5002.0)
    assert [when for _, when in rig.seen] == pytest.approx([5000.0 + 0.01 * step for step in range(101)])
    assert rig.pacer.lateness.worst_s == pytest.approx(0.004)
    assert rig.pacer.lateness.late_steps == 0, "a few milliseconds are what real timers are like"


def test_the_models_time_waits_for_events_that_the_machine_has_not_come_to(rig: Rig) -> None:
    rig.start()
    rig.post(1.0, "due")
    rig.loop.now_s = 5003.0  # the machine was busy elsewhere
    assert rig.pacer.now_s == 5001.0
    rig.post(0.5, "an answer to it")
    rig.loop.run_until(5003.0)
    assert rig.seen == [("due", 5001.0), ("an answer to it", 5001.5)]
    assert rig.pacer.now_s == 5003.0, "caught up"


def test_time_never_runs_backwards_whatever_is_posted_from_wherever(rig: Rig) -> None:
    rig.start()
    rig.loop.lag_s = 0.25
    heard: list[float] = []
    for step in range(50):
        rig.post(0.1 * (step % 7), step)
        rig.pacer.post_at(0.0, rig.note, "in the past")
        heard.append(rig.pacer.now_s)
        rig.loop.run_until(rig.loop.now_s + 0.07)
        heard.append(rig.pacer.now_s)
    rig.loop.run_until(rig.loop.now_s + 10)
    assert heard == sorted(heard)
    times = [when for _, when in rig.seen]
    assert times == sorted(times)
    assert len(rig.seen) == 100


def test_a_loop_that_rounds_its_timers_to_milliseconds_may_fire_early_and_the_event_happens(rig: Rig) -> None:
    rig.start()
    rig.post(1.0006, "rounded down")
    rig.loop.lag_s = -0.0006
    rig.loop.run_until(5001.0)
    assert rig.seen == [("rounded down", 5001.0006)]
    assert rig.pacer.now_s == 5001.0006, "not back to the loop's 5001.0"
    assert rig.pacer.lateness.worst_s == 0.0


def test_a_timer_that_fires_long_before_its_time_is_set_again(rig: Rig) -> None:
    rig.start()
    rig.post(1.0, "due")
    rig.pacer._wake()
    assert rig.seen == []
    assert rig.loop.waiting() == [5001.0]


def test_one_go_covers_a_tick_of_the_models_time_so_that_sockets_have_their_turn(rig: Rig) -> None:
    for step in range(10):
        rig.post(step * TICK_S * 0.4, step)
    rig.start()
    rig.loop.now_s = 5100.0
    rig.loop.timers[0].callback()
    assert [name for name, _ in rig.seen] == [0, 1, 2]
    rig.loop.run_until(5100.0)
    assert [name for name, _ in rig.seen] == list(range(10))


def test_a_crowd_in_one_instant_is_cut_into_several_goes(rig: Rig) -> None:
    for step in range(STEPS_MAX + 1):
        rig.post(1.0, step)
    rig.start()
    rig.loop.now_s = 5001.0
    rig.loop.timers[0].callback()
    assert len(rig.seen) == STEPS_MAX
    assert rig.loop.waiting() == [5001.0]


def test_a_time_that_is_not_a_number_is_refused_and_never_is_never(rig: Rig) -> None:
    rig.start()
    with pytest.raises(ValueError, match="not a number"):
        rig.post(math.nan, "x")
    rig.post(math.inf, "never")
    assert rig.loop.waiting() == []
    rig.post(1.0, "soon")
    rig.loop.run_until(9000.0)
    assert rig.seen == [("soon", 5001.0)]


def test_late_events_are_told_once_in_a_while_with_figures(rig: Rig) -> None:
    rig.start()
    rig.loop.lag_s = 0.5
    with capture_logs() as logs:
        for step in range(60):
            rig.post(1.0, step)
            rig.loop.run_until(rig.loop.now_s + 1.5)
    assert len(rig.seen) == 60
    assert [line["event"] for line in logs] == ["pacer_late"] * 3, f"once in {WARN_EVERY_S} s of the 90"
    assert logs[0]["log_level"] == "warning"
    assert logs[0]["late_s"] == logs[0]["worst_s"] == 0.5
    assert logs[-1]["late_steps"] == logs[-1]["steps"]
    lateness = rig.pacer.lateness
    assert (lateness.steps, lateness.late_steps, lateness.worst_s) == (60, 60, pytest.approx(0.5))


def test_events_from_before_run_are_not_late(rig: Rig) -> None:
    rig.post(1.0, "early")
    rig.loop.now_s = 5060.0
    with capture_logs() as logs:
        rig.start()
        rig.loop.run_until(5061.0)
    assert rig.seen == [("early", 5001.0)]
    assert logs == []


def test_lateness_counts_what_is_over_its_limit_and_warns_at_most_once_a_while() -> None:
    lateness = Lateness()
    assert not lateness.note(LATE_AFTER_S, 0.0), "the limit itself is in order"
    assert lateness.note(LATE_AFTER_S + 0.01, 1.0)
    assert not lateness.note(3.0, 1.0 + WARN_EVERY_S / 2)
    assert lateness.note(2.0, 1.0 + WARN_EVERY_S)
    assert not lateness.note(-0.001, 2.0 + WARN_EVERY_S)
    assert (lateness.steps, lateness.late_steps, lateness.worst_s, lateness.latest_s) == (5, 3, 3.0, 0.0)


def test_simpy_processes_live_in_the_same_time_and_in_one_order_with_callbacks(rig: Rig) -> None:
    env = rig.pacer.env

    def story() -> Iterator[simpy.Event]:
        rig.note("begins")
        yield env.timeout(2.0)
        rig.note("goes on")
        rig.pacer.post_at(env.now, rig.note, "a callback of the same instant")
        yield env.timeout(0.0)
        rig.note("ends")

    rig.start()
    rig.loop.run_until(5003.0)
    env.process(story())  # from outside a step: it begins now, not at the last event
    rig.loop.run_until(5010.0)
    assert rig.seen == [
        ("begins", 5003.0),
        ("goes on", 5005.0),
        ("a callback of the same instant", 5005.0),
        ("ends", 5005.0),
    ]


def test_nobody_else_drives_the_environment(rig: Rig) -> None:
    with pytest.raises(SimulationError, match=r"await pacer\.run"):
        rig.pacer.env.run()


def test_everything_that_simpy_schedules_goes_through_schedule() -> None:
    """What the pacer relies on to hear of SimPy's own events."""
    scheduled: list[simpy.Event] = []

    class Listening(simpy.Environment):
        def schedule(self, event: simpy.Event, priority: Any = 1, delay: float = 0) -> None:
            scheduled.append(event)
            super().schedule(event, priority, delay)

    env = Listening()

    def story() -> Iterator[simpy.Event]:
        yield env.timeout(1)

    env.process(story()).interrupt()
    env.event().succeed()
    env.event().fail(ValueError("x")).defused = True  # type: ignore[attr-defined]
    env.all_of([env.timeout(2)])
    assert len(scheduled) == len(env._queue) == 5


# -- speed


def test_a_speed_of_its_own_is_refused_without_a_scaled_clock_that_both_share() -> None:
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        with pytest.raises(ConfigError, match="shares this field's scaled clock"):
            Pacer(loop, SystemClock(), speed=10)
        for speed in (0.0, -1.0, math.nan, math.inf, 5000.0):
            with pytest.raises(ConfigError, match="above 0"):
                Pacer(loop, SystemClock(), speed=speed)
    with asyncio.Runner(loop_factory=lambda: ScaledLoop(10)) as scaled, asyncio.Runner() as plain:
        fast = scaled.get_loop()
        assert isinstance(fast, ScaledLoop)
        clock = ScaledClock(fast, 1_900_000_000)
        assert Pacer(fast, clock, speed=10).speed == 10
        with pytest.raises(ConfigError, match="another loop"):
            Pacer(plain.get_loop(), clock, speed=10)
        with pytest.raises(ConfigError, match="the loop runs at speed 10 and the clock at 1"):
            Pacer(fast, SystemClock(), speed=10)
        with pytest.raises(ConfigError, match="speed 1 needs"):
            Pacer(fast, clock)


def test_on_a_scaled_loop_sleeps_clock_and_field_run_at_the_same_speed() -> None:
    speed = 200.0

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, ScaledLoop)
        clock = ScaledClock(loop, 1_900_000_000)
        pacer = Pacer(loop, clock, speed=speed)
        seen: list[tuple[float, float]] = []
        pacer.post_at(loop.time() + 20, lambda _: seen.append((loop.time(), clock.epoch_s())), None)
        began_s = loop.time()
        running = asyncio.ensure_future(pacer.run())
        await asyncio.sleep(40)
        running.cancel()
        ((when_s, epoch_s),) = seen
        assert when_s - began_s > 19
        assert epoch_s - 1_900_000_000 == pytest.approx(when_s - began_s, abs=1)

    machine = SystemClock()
    before_s = machine.epoch_s()
    with asyncio.Runner(loop_factory=lambda: ScaledLoop(speed)) as runner:
        runner.run(main())
    assert 0.15 < machine.epoch_s() - before_s < 20, "40 s at speed 200 are 0.2 s of an idle machine"


# -- real loops


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_on_real_loops_events_come_in_order_close_to_their_times_between_tasks_and_sleeps(
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        pacer = Pacer(loop, SystemClock())
        start_s = loop.time()
        seen: list[tuple[int, float]] = []
        done = loop.create_future()

        def step(number: int) -> None:
            seen.append((number, loop.time() - start_s - 0.005 * number))
            if number == 40:
                done.set_result(None)

        for number in range(40, 0, -1):
            pacer.post_at(start_s + 0.005 * number, step, number)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(pacer.run())
            await asyncio.sleep(0.05)
            await done
            running.cancel()
        assert [number for number, _ in seen] == list(range(1, 41))
        offs_s = sorted(off_s for _, off_s in seen)
        assert offs_s[0] > -0.0021, "a tick and a clock tick early at most"
        assert offs_s[20] < 0.05, "how late the worst is depends on what else the machine does"

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())


def test_an_exception_in_a_callback_ends_the_run() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        pacer = Pacer(loop, SystemClock())
        pacer.post_at(loop.time(), lambda _: 1 // 0, None)
        pacer.post_at(loop.time(), lambda _: pytest.fail("nothing happens after it"), None)
        with pytest.raises(ZeroDivisionError):
            await pacer.run()

    asyncio.run(main())


def test_a_failed_process_that_nobody_waits_for_ends_the_run_with_its_own_exception() -> None:
    error = ConfigError("wrong", path="x")

    async def main() -> None:
        pacer = Pacer(asyncio.get_running_loop(), SystemClock())

        def story() -> Iterator[simpy.Event]:
            yield pacer.env.timeout(0.001)
            raise error

        pacer.env.process(story())
        with pytest.raises(ConfigError) as caught:
            await pacer.run()
        assert caught.value is error

    asyncio.run(main())


def test_a_pacer_is_run_once_at_a_time() -> None:
    async def main() -> None:
        pacer = Pacer(asyncio.get_running_loop(), SystemClock())
        running = asyncio.ensure_future(pacer.run())
        await asyncio.sleep(0)
        with pytest.raises(SimulationError, match="runs already"):
            await pacer.run()
        running.cancel()

    asyncio.run(main())

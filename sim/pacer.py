"""The simulated field in real time: a SimPy environment that an ordinary asyncio loop steps when its events are due.

    pacer = Pacer(asyncio.get_running_loop(), SystemClock())
    network = PlcNetwork(pacer, ...)        # a Scheduler, as the virtual loop is one
    async with asyncio.TaskGroup() as group:
        group.create_task(pacer.run())      # events happen from here on; a model's exception comes out here

Theory of operation
-------------------
One timer of the loop stands at `env.peek()`. When it fires, what is due is stepped and the timer is set anew. Nobody
calls `env.run`. The loop may be any loop, uvloop too: only `time` and `call_at` are used.

The model has a time of its own, `now_s`, and it never runs backwards:

- while an event is stepped, it is the instant of that event, however late the machine is, so that a chain of events
  does not stretch;
- elsewhere (firmware, head-end) it is the loop's time, but never later than the next event that has not happened yet.
  A machine that falls behind therefore slows the model down and lets it catch up; nothing overtakes anything.

A step covers at most `TICK_S` of the model's time and STEPS_MAX events; what it made ready (tasks, sockets) runs before
the next. Loops round their timers to a millisecond, so an event may also happen up to a tick early: loop time is then
behind the model's by as much.

Who runs late says so: `lateness` holds the figures, and the log gets one warning each WARN_EVERY_S at most.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any, Final, NoReturn, TypeVar, cast

import simpy
import structlog
from simpy.events import NORMAL

from hes.clock import Clock
from hes.errors import ConfigError
from sim.errors import SimulationError
from sim.scaled_time import ScaledClock, ScaledLoop, check_range

log = structlog.get_logger()

TICK_S: Final = 0.001
"""The grain of a real loop's timers, in the machine's seconds."""
STEPS_MAX: Final = 1000
"""Events in one go, about 5 ms of work, before sockets and tasks have their turn."""
LATE_AFTER_S: Final = 0.1
"""More than the longest PLC frame lasts; ordinary loops are late by a millisecond [A]. In the machine's seconds."""
WARN_EVERY_S: Final = 30.0

_A = TypeVar("_A")


@dataclass(slots=True)
class Lateness:
    """How far a pacer is behind, in the machine's seconds.

    latest_s: at the last step; worst_s: ever. steps, late_steps: all of them, and those later than `late_after_s`.
    """

    late_after_s: float = LATE_AFTER_S
    latest_s: float = 0.0
    worst_s: float = 0.0
    steps: int = 0
    late_steps: int = 0
    _warned_s: float = -math.inf

    def note(self, late_s: float, now_s: float) -> bool:
        """A step began `late_s` after it was due, at `now_s`. True when it is time for a warning."""
        self.steps += 1
        self.latest_s = max(late_s, 0.0)
        self.worst_s = max(self.worst_s, late_s)
        if late_s <= self.late_after_s:
            return False
        self.late_steps += 1
        if now_s - self._warned_s < WARN_EVERY_S:
            return False
        self._warned_s = now_s
        return True


class Pacer:
    """A sim.scheduler.Scheduler in real time. `env` is for SimPy processes, which tell the sparse stories.

    clock: the civil time of field and head-end. speed: 1, unless both live on one ScaledLoop with one ScaledClock.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        *,
        speed: float = 1.0,
        late_after_s: float = LATE_AFTER_S,
    ) -> None:
        """Raises ConfigError for a speed that loop and clock do not keep."""
        check_speed(speed, loop, clock)
        self.speed = speed
        self.lateness = Lateness(late_after_s)
        self._loop = loop
        self._tick_s = TICK_S * speed
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = math.inf
        self._over: asyncio.Future[None] | None = None
        self._is_stepping = False
        self._started_s = loop.time()
        self.env = PacedEnvironment(self, self._started_s)

    # -- Scheduler

    @property
    def now_s(self) -> float:
        """The model's time: see the top of this module. Loop time when the pacer is new."""
        env = self.env
        if self._is_stepping:
            return env._now
        return max(env._now, min(self._loop.time(), env.peek()))

    def post_at(self, when_s: float, fn: Callable[[_A], object], arg: _A) -> None:
        """Call `fn(arg)` at `when_s` (now, if that is past); see sim.scheduler."""
        now_s = self.now_s
        if not when_s >= now_s:
            if math.isnan(when_s):
                raise ValueError("a time that is not a number cannot be scheduled")
            when_s = now_s
        env = self.env
        heappush(env.heap, (when_s, NORMAL, next(env._eid), fn, arg))
        self.arm()

    # -- pacing

    async def run(self) -> None:
        """Let events happen, until cancelled. Raises what a model's callback or a SimPy process raises."""
        if self._over is not None:
            raise SimulationError("this pacer runs already")
        self._over = self._loop.create_future()
        self._started_s = self._loop.time()
        self.arm()
        try:
            await self._over
        finally:
            self._over = None
            self._drop_timer()

    def arm(self) -> None:
        """Make sure that the one timer stands at the next event."""
        if self._over is None or self._is_stepping:
            return
        due_s = self.env.peek()
        if due_s >= self._timer_s or due_s == math.inf:
            return
        self._drop_timer()
        self._timer_s = due_s
        self._timer = self._loop.call_at(due_s, self._wake)

    def _drop_timer(self) -> None:
        self._timer_s = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake(self) -> None:
        over = self._over
        if over is None or over.done():
            return
        self._drop_timer()
        now_s = self._loop.time()
        due_s = self.env.peek()
        if due_s <= now_s + self._tick_s:
            self._note_lateness(now_s, due_s)
            try:
                self._step(min(now_s, due_s) + self._tick_s)
            except Exception as error:
                over.set_exception(error)
                return
        self.arm()

    def _step(self, until_s: float) -> None:
        """Step what is due at `until_s`, STEPS_MAX events at most."""
        env = self.env
        self._is_stepping = True
        try:
            for _ in range(STEPS_MAX):
                if env.peek() > until_s:
                    break
                env.step()
        finally:
            self._is_stepping = False

    def _note_lateness(self, now_s: float, due_s: float) -> None:
        """Events from before `run` are not the machine's fault."""
        lateness = self.lateness
        late_s = (now_s - max(due_s, self._started_s)) / self.speed
        if lateness.note(late_s, now_s / self.speed):
            log.warning(
                "pacer_late",
                late_s=round(late_s, 3),
                worst_s=round(lateness.worst_s, 3),
                late_steps=lateness.late_steps,
                steps=lateness.steps,
                speed=self.speed,
                advice="fewer devices, a lower speed or a faster machine; what the field says comes late",
            )


class PacedEnvironment(simpy.Environment):
    """The pacer's SimPy environment: a heap of SimPy's events and of `post_at` callbacks, as the virtual loop's is.

    Events that come from outside a step begin at the model's present.
    """

    def __init__(self, pacer: Pacer, initial_time: float) -> None:
        super().__init__(initial_time)
        self.heap = cast("list[Any]", self._queue)
        self._pacer = pacer

    @property
    def now(self) -> float:
        return self._pacer.now_s

    def schedule(self, event: simpy.Event, priority: Any = NORMAL, delay: float = 0) -> None:
        self._now = self._pacer.now_s
        super().schedule(event, priority, delay)
        self._pacer.arm()

    def step(self) -> None:
        """As simpy.Environment.step does, but raising a failure itself and not a copy of it."""
        entry = heappop(self.heap)
        self._now = entry[0]
        if len(entry) == 5:
            entry[3](entry[4])
            return
        event = entry[3]
        callbacks, event.callbacks = event.callbacks, None
        for callback in callbacks:
            callback(event)
        if not event._ok and not hasattr(event, "_defused"):
            raise event._value

    def run(self, until: object = None) -> NoReturn:
        raise SimulationError("a real loop drives this SimPy environment: await pacer.run() instead of calling env.run")


def check_speed(speed: float, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
    """Whether a field at `speed` may run on this loop by this clock.

    Raises ConfigError when they do not keep that speed: then the head-end lives in another time than the field.
    """
    check_range(speed)
    loop_speed = loop.speed if isinstance(loop, ScaledLoop) else 1.0
    clock_speed = clock.speed if isinstance(clock, ScaledClock) else 1.0
    if isinstance(clock, ScaledClock) and clock.loop is not loop:
        raise ConfigError(
            "the clock of this field belongs to another loop: make one ScaledClock of the loop that both use"
        )
    if loop_speed != clock_speed:
        raise ConfigError(
            f"the loop runs at speed {loop_speed:g} and the clock at {clock_speed:g}: "
            "give field and head-end one ScaledClock of that loop"
        )
    if speed != loop_speed:
        raise ConfigError(
            f"speed {speed:g} needs a head-end that shares this field's scaled clock (ScaledClock), in one process; "
            "a head-end of its own lives in real time: leave the speed at 1",
            speed=speed,
        )

"""An asyncio event loop in virtual time, on the heap of a SimPy environment.

Theory of operation
-------------------
One heap, one counter, one clock. SimPy keeps its events in `env._queue` as `(time, priority, number, event)`, numbers
them from `env._eid` and calls the time of the last one popped `env._now`. This loop pushes its own entries into that
same heap under numbers from that same counter, and is the only one that pops:

    (when, NORMAL, number, event)         a SimPy event
    (when, NORMAL, number, timer)         an asyncio timer: call_at, call_later, sleep, timeout
    (when, NORMAL, number, fn, arg)       a device callback: post_at

Numbers are unique, so the comparison of two entries never looks behind them, and entries of one instant run in the
order in which they were scheduled, whichever world they come from.

`_run_once` alternates: (1) run ready callbacks (`call_soon`, task steps) until none is left, (2) pop one entry, set the
clock to its time, run it. Everything that an entry makes ready therefore finishes before the next entry of the same
instant, and the clock moves only when nothing is ready. Nothing sleeps and nothing polls: an hour without events costs
nothing. `stop()` is looked at before each pop, so the clock does not jump once the main coroutine has returned.

Where a real loop would wait for ever, this one knows it: an empty heap with nothing ready is NothingLeftToHappen, and
a clock that stands still under `callbacks_per_instant_max` callbacks is NoProgress. An exception that leaves a device
callback or a failed SimPy event that nobody waits for ends the run; one that leaves an asyncio callback goes to the
exception handler, as on every loop.

A cancelled timer stays in the heap as a tombstone (asyncio.timeout leaves one per use) and is dropped when popped,
without moving the clock; when tombstones are the larger part, the heap is rebuilt without them.

What leads out of the simulation (sockets, threads, signals, processes) is refused: sim/outside.py. Reading the private
names of SimPy and asyncio is deliberate; sim/tests/test_pinned_internals.py says when they change.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import itertools
import math
import random
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import copy_context
from heapq import heappop, heappush
from typing import Any, Final, NoReturn, TypeVar, TypeVarTuple, cast

import simpy
from simpy.events import NORMAL

from sim import describe
from sim.bridge import SimPyBridge
from sim.errors import NoProgress, NothingLeftToHappen, OutsideWorldError, SimulationError
from sim.handles import ReadyHandle, TimedHandle
from sim.outside import refuse_outside_world
from sim.stuck import SpinWatch, nothing_left
from sim.tasks import AsyncGeneratorsInOrder, SimFuture, SimTask

__all__ = ["LOOP_START_S", "NoProgress", "NothingLeftToHappen", "OutsideWorldError", "SimulationError", "VirtualLoop"]

LOOP_START_S: Final = 1000.0  # not 0.0, which is falsy; not an epoch, where 1e-7 s is lost in a float's last bit
CALLBACKS_PER_INSTANT_MAX: Final = 2_000_000  # 100 000 meters that wake in one instant need about a third of it
_TOMBSTONES_MIN: Final = 1000
_AROUND_NORMAL: Final = (NORMAL - 0.5, NORMAL + 0.5)  # tie-flipping: before or after the other entries of an instant

_T = TypeVar("_T")
_A = TypeVar("_A")
_Ts = TypeVarTuple("_Ts")


@refuse_outside_world
class VirtualLoop(SimPyBridge):
    """An asyncio loop whose clock jumps from event to event.

    executor_cost_s: called once per run_in_executor; the virtual seconds that the call takes. None: no time.
    timer_lateness_s: how late every asyncio timer fires. 0 is exact; code that waits for "strictly later" then spins.
    ties: a stream that decides ties asyncio leaves open: the order of ready task steps, and timers against all else
        that is due in the same instant. None: the order of scheduling. Callbacks, SimPy events and post_at keep theirs.
    callbacks_per_instant_max: more callbacks than this without the clock moving raise NoProgress.
    """

    # asyncio.BaseEventLoop's own, which typeshed does not list
    _debug: bool
    _closed: bool
    _stopping: bool
    _thread_id: int | None
    _timer_cancelled_count: int
    _ready: deque[Any]
    _task_factory: Callable[..., asyncio.Future[Any]] | None
    _check_closed: Callable[[], None]
    _check_callback: Callable[[object, str], None]
    _check_thread: Callable[[], None]

    def __init__(
        self,
        *,
        executor_cost_s: Callable[[], float] | None = None,
        timer_lateness_s: float = 0.0,
        ties: random.Random | None = None,
        callbacks_per_instant_max: int = CALLBACKS_PER_INSTANT_MAX,
    ) -> None:
        super().__init__()
        self.env = simpy.Environment(initial_time=LOOP_START_S)
        for name in ("run", "step"):
            setattr(self.env, name, self._refuse_to_be_driven)
        self.task_serials = itertools.count(1)
        self.future_serials = itertools.count(1)
        self.current: object = None  # the handle or heap entry that runs now; read by the watchdog
        self._queue = cast("list[Any]", self.env._queue)
        self._asyncgens = AsyncGeneratorsInOrder()
        self._executor_cost_s = executor_cost_s
        self._timer_lateness_s = timer_lateness_s
        self._ties = ties
        self._spin_watch = SpinWatch(callbacks_per_instant_max)
        self._home_thread = threading.get_ident()

    # -- time and timers

    def time(self) -> float:
        return self.env._now

    @property
    def now_s(self) -> float:
        """Virtual seconds; LOOP_START_S when the loop is new."""
        return self.env._now

    def post_at(self, when_s: float, fn: Callable[[_A], object], arg: _A) -> None:
        """Call `fn(arg)` at `when_s` (now, if that is past), without handle, task or context; see sim.scheduler.

        To deliver in the context of a connection, capture it once and post `partial(context.run, receive)`.
        """
        env = self.env
        if not when_s >= env._now:
            when_s = self._not_before_now(when_s)
        heappush(self._queue, (when_s, NORMAL, next(env._eid), fn, arg))

    def call_soon(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        if self._debug or self._closed:
            self._check(callback, "call_soon")
        handle = ReadyHandle(callback, args, copy_context() if context is None else context)
        self._ready.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        if self._debug or self._closed:
            self._check(callback, "call_at")
        env = self.env
        due = when + self._timer_lateness_s
        if not due >= env._now:
            due = self._not_before_now(due)
        timer = TimedHandle(when, callback, args, self, copy_context() if context is None else context)
        priority = NORMAL if self._ties is None else self._ties.choice(_AROUND_NORMAL)
        heappush(self._queue, (due, priority, next(env._eid), timer))
        return timer

    def call_later(
        self, delay: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.env._now + delay, callback, *args, context=context)

    def call_soon_threadsafe(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """call_soon; from another thread, whose timing no seed repeats, OutsideWorldError."""
        if threading.get_ident() != (self._thread_id or self._home_thread):
            raise OutsideWorldError(
                f"thread {threading.current_thread().name!r} called into the virtual loop with "
                f"{describe.callback(callback, args)}: run blocking work with loop.run_in_executor or "
                "asyncio.to_thread, which here run inline, and keep libraries with threads of their own outside.",
                method="call_soon_threadsafe",
            )
        return self.call_soon(callback, *args, context=context)

    # -- tasks and executors

    def create_task(
        self, coro: Generator[Any, None, _T] | Coroutine[Any, Any, _T], *, name: object = None, **options: Any
    ) -> asyncio.Task[_T]:
        coroutine = cast("Coroutine[Any, Any, _T]", coro)
        if self._task_factory is not None:
            return super().create_task(coroutine, name=name, **options)
        self._check_closed()
        return SimTask(coroutine, loop=self, name=name, **options)

    def run_in_executor(self, executor: object, func: Callable[[*_Ts], _T], *args: *_Ts) -> asyncio.Future[_T]:
        """Run `func` on this thread, at a scheduled step, `executor_cost_s()` from now; `executor` is ignored.

        As in a worker thread, `func` sees no running loop and none of the caller's context.
        """
        future: asyncio.Future[_T] = SimFuture(loop=self)

        def work() -> None:
            if future.done():
                return
            asyncio._set_running_loop(None)
            try:
                result = func(*args)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)
            finally:
                asyncio._set_running_loop(self)

        if self._executor_cost_s is None:
            self.call_soon(work, context=contextvars.Context())
        else:
            self.call_later(self._executor_cost_s(), work, context=contextvars.Context())
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncio's name
        """Nothing to shut down: executors run inline."""

    # -- the engine

    def _run_once(self) -> None:
        """Run until stop(): ready callbacks first, then one heap entry, and again."""
        env, ready, queue = self.env, self._ready, self._queue
        popleft, ties = ready.popleft, self._ties
        now, never = env._now, math.inf
        callbacks = 0  # since the clock last moved
        watch, suspicious = self._spin_watch, self._spin_watch.suspicious
        try:
            while True:
                while ready:
                    batch = len(ready)
                    callbacks += batch
                    if callbacks > suspicious:
                        watch.note(now, callbacks, ready)
                    if ties is not None:
                        self._flip_ready_steps(ties)
                    for _ in range(batch):
                        handle = popleft()
                        if not handle._cancelled:
                            self.current = handle
                            try:
                                handle._context.run(handle._callback, *handle._args)
                            except (SystemExit, KeyboardInterrupt):
                                raise
                            except BaseException as error:
                                self._report(handle, error)
                    if self._stopping:
                        return
                if self._stopping:
                    return
                if not queue:
                    raise nothing_left(self)
                entry = heappop(queue)
                item = entry[3]
                kind = type(item)
                if kind is TimedHandle and item._cancelled:
                    self._timer_cancelled_count -= 1
                    continue
                if entry[0] > now:
                    if entry[0] == never:
                        heappush(queue, entry)
                        raise nothing_left(self)
                    env._now = now = entry[0]
                    callbacks = 0
                callbacks += 1
                if callbacks > suspicious:
                    watch.note(now, callbacks, (entry,))
                self.current = entry
                if kind is TimedHandle:
                    item._scheduled = False
                    try:
                        item._context.run(item._callback, *item._args)
                    except (SystemExit, KeyboardInterrupt):
                        raise
                    except BaseException as error:
                        self._report(item, error)
                elif len(entry) == 5:
                    item(entry[4])
                else:  # as simpy.Environment.step does, but raising the failure itself and not a copy
                    waiters, item.callbacks = item.callbacks, None
                    for waiter in waiters:
                        waiter(item)
                    if not item._ok and not hasattr(item, "_defused"):
                        raise item._value
        finally:
            self.current = None

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Count a tombstone; rebuild the heap in place (SimPy holds it too) when they are the larger part."""
        self._timer_cancelled_count += 1
        if self._timer_cancelled_count > max(_TOMBSTONES_MIN, len(self._queue) // 2):
            self._queue[:] = [
                entry for entry in self._queue if not (type(entry[3]) is TimedHandle and entry[3]._cancelled)
            ]
            heapq.heapify(self._queue)
            self._timer_cancelled_count = 0

    def _flip_ready_steps(self, ties: random.Random) -> None:
        """Permute the task steps that are ready; plain callbacks, whose order asyncio promises, keep their places."""
        handles = list(self._ready)
        places = [
            place
            for place, handle in enumerate(handles)
            if isinstance(getattr(handle._callback, "__self__", None), asyncio.Task)
        ]
        steps = [handles[place] for place in places]
        ties.shuffle(steps)
        for place, step in zip(places, steps, strict=True):
            handles[place] = step
        self._ready.clear()
        self._ready.extend(handles)

    def close(self) -> None:
        super().close()
        self._queue.clear()

    # -- what can go wrong

    def _not_before_now(self, when_s: float) -> float:
        if math.isnan(when_s):
            raise ValueError("a time that is not a number cannot be scheduled")
        return self.env._now

    def _check(self, callback: Callable[..., object], method: str) -> None:
        self._check_closed()
        self._check_callback(callback, method)
        self._check_thread()

    def _report(self, handle: asyncio.Handle, error: BaseException) -> None:
        message = f"Exception in callback {describe.entry(handle)}"
        self.call_exception_handler({"message": message, "exception": error, "handle": handle})

    def _refuse_to_be_driven(self, *_: object, **__: object) -> NoReturn:
        raise SimulationError(
            "the virtual loop drives this SimPy environment: run a coroutine with sim.run_loop.run, and wait for an "
            "event with `await loop.wait_event(event)`, instead of calling env.run or env.step."
        )

"""Run a coroutine in virtual time from start to clean end."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
import traceback
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final, Literal, TypeVar

from sim import describe
from sim.errors import SimulationError
from sim.loop import VirtualLoop
from sim.tasks import tasks_in_order
from sim.watchdog import Watchdog

Garbage = Literal["rare", "after", "untouched"]

TEARDOWN_S_MAX: Final = 3600.0  # virtual seconds that cancelled tasks may take to end
_TEARDOWN_ROUNDS_MAX: Final = 100  # a task may start others while it ends
_RARE_THRESHOLDS: Final = (100_000, 50, 50)  # the default 700 makes asyncio.timeout 1.5 times as dear at 10 000 tasks

_T = TypeVar("_T")
_policies = 0  # how many garbage policies are in force, one inside the other; the outermost freezes


def run(
    main: Coroutine[Any, Any, _T],
    *,
    loop: VirtualLoop,
    garbage: Garbage = "rare",
    blocked_wall_s: float | None = None,
) -> _T:
    """Run `main` on `loop`, end every task that it leaves, close the loop, and return what `main` returned.

    The leftover tasks are cancelled in order of creation and may use up to TEARDOWN_S_MAX of virtual time to end;
    async generators are closed in order of first use.

    An error that nobody handles (an exception in a callback, a failed task that nobody asked) would only be logged by
    asyncio. Here it stops the run and is raised, unless the loop has an exception handler of its own. Where several
    errors meet, the first is raised and the others are its notes.

    garbage: what the collector may do meanwhile, see `garbage_policy`.
    blocked_wall_s: log the name of every callback that takes longer than this in wall time; see sim.watchdog.
    """
    with ExitStack() as stack:
        stack.callback(loop.close)
        if asyncio._get_running_loop() is not None:
            main.close()
            raise RuntimeError("sim.run_loop.run was called inside a running loop; await the coroutine instead")
        stack.enter_context(garbage_policy(garbage))
        if blocked_wall_s is not None:
            stack.enter_context(Watchdog(loop, blocked_wall_s))
        errors = _Errors(loop)
        task = loop.create_task(main)
        task.add_done_callback(lambda _: loop.stop())
        with errors.collected(), _interrupted_between_callbacks(loop):
            loop.run_forever()
        if task.done() and not task.cancelled():
            errors.add(task.exception())
        errors.stop_the_run = False
        with errors.collected():
            _tear_down(loop)
        gc.collect()  # a failed task that nobody asked reports when it is collected
        errors.raise_first()
        return task.result()


@contextmanager
def garbage_policy(policy: Garbage) -> Iterator[None]:
    """What the garbage collector does during a run.

    "rare": what exists now is frozen, and the rest is looked at rarely. "after": not before the end, so that the moment
    of a `__del__` cannot depend on the version of Python; memory grows by every cycle. "untouched": as it was set.
    A swarm of short runs enters a policy once and runs each seed with "untouched".
    """
    if policy == "untouched":
        yield
        return
    global _policies
    thresholds, was_enabled = gc.get_threshold(), gc.isenabled()
    if _policies == 0:
        gc.freeze()
    _policies += 1
    if policy == "after":
        gc.disable()
    gc.set_threshold(*_RARE_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        if was_enabled:
            gc.enable()
        _policies -= 1
        if _policies == 0:
            gc.unfreeze()


@contextmanager
def _interrupted_between_callbacks(loop: VirtualLoop) -> Iterator[None]:
    """Ctrl-C stops the loop before it is raised. Raised wherever a task happens to be, it would end that task alone, in
    the middle of its own tidying up, and leave the others no loop for theirs. A SIGINT handler of one's own stays."""
    is_ours = threading.current_thread() is threading.main_thread()
    if not is_ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    came = False

    def stop(*_: object) -> None:
        nonlocal came
        came = True
        loop.stop()

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if came:
        raise KeyboardInterrupt


class _Errors:
    """The errors of one run: what the loop raises, and what asyncio hands to the exception handler."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._errors: list[BaseException] = []
        self.stop_the_run = True
        if loop.get_exception_handler() is None:
            loop.set_exception_handler(self._handle)

    def add(self, error: BaseException | None, said: str = "raised") -> None:
        if error is not None and error not in self._errors:
            error.add_note(f"{said} at {self._loop.now_s} s of virtual time")
            self._errors.append(error)

    @contextmanager
    def collected(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.add(error)

    def raise_first(self) -> None:
        if not self._errors:
            return
        first, *others = self._errors
        for other in others:
            first.add_note("then, " + "".join(traceback.format_exception(other)).rstrip())
        raise first

    def _handle(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        message = str(context.get("message", "unhandled error"))
        self.add(context.get("exception") or SimulationError(message), f"{message}: nobody handled it,")
        if self.stop_the_run:
            loop.stop()


def _tear_down(loop: VirtualLoop) -> None:
    """Cancel what is left until nothing is, then close async generators."""
    for _ in range(_TEARDOWN_ROUNDS_MAX):
        tasks = tasks_in_order(loop)
        if not tasks:
            break
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.wait(tasks, timeout=TEARDOWN_S_MAX))
        stubborn = [describe.task(task) for task in tasks if not task.done()]
        if stubborn:
            raise SimulationError(
                f"{len(stubborn)} cancelled tasks did not end in {TEARDOWN_S_MAX} virtual s: {'; '.join(stubborn)}. "
                "Re-raise CancelledError, and put a deadline on every wait in a finally block.",
                tasks=stubborn,
            )
    else:
        raise SimulationError("cancelled tasks keep starting new ones: nothing may start tasks while it is cancelled")
    loop.run_until_complete(loop.shutdown_asyncgens())

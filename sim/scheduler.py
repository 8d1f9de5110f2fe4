"""All that a model of the field sees of time: the instant it is called in, and a way to be called later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

_A = TypeVar("_A")


class Scheduler(Protocol):
    """Implemented by the virtual loop, and by a pacer where the field runs on a real loop.

    A model computes with `now_s`, posts what follows, and returns. It never waits: waiting is the scheduler's work.
    """

    @property
    def now_s(self) -> float:
        """Loop time in seconds: for durations and deadlines. Civil time is the Clock's."""
        ...

    def post_at(self, when_s: float, fn: Callable[[_A], object], arg: _A) -> None:
        """Call `fn(arg)` at `when_s`, or now where that is past; not cancellable.

        Calls of one instant come in the order in which they were posted. An exception that leaves `fn` ends the run. A
        model that may change its mind keeps a number of its own and lets `fn` return when that has moved on.
        """
        ...

"""asyncio handles without their debug bookkeeping: a run makes millions of them, and reads no source traceback."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any


class ReadyHandle(asyncio.Handle):
    """A callback in the ready queue."""

    __slots__ = ()
    _source_traceback = _repr = None

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...], context: contextvars.Context) -> None:
        self._callback = callback
        self._args = args
        self._context = context
        self._cancelled = False

    def cancel(self) -> None:
        self._cancelled = True
        self._callback = self._args = None  # type: ignore[assignment]


class TimedHandle(asyncio.TimerHandle):
    """A callback in the heap; `_scheduled` is true while it is there."""

    __slots__ = ()
    _source_traceback = _repr = None

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: Any,
        context: contextvars.Context,
    ) -> None:
        self._when = when
        self._callback = callback
        self._args = args
        self._loop = loop
        self._context = context
        self._cancelled = False
        self._scheduled = True

    def cancel(self) -> None:
        if not self._cancelled:
            self._cancelled = True
            self._callback = self._args = None  # type: ignore[assignment]
            if self._scheduled:
                self._loop._timer_handle_cancelled(self)

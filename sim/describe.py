"""Name a task or a callback for a person: which coroutine, in which file, at which line. For error messages only."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from pathlib import Path
from types import CodeType
from typing import Any

import simpy

_PATH_PARTS_SHOWN = 3
_ASYNCIO_FOLDER = str(Path(asyncio.__file__).parent)


def task(task: asyncio.Task[Any]) -> str:
    """For example `Task-3 poll (hes/acquisition/collector.py:88)`: name, coroutine, the line where it waits."""
    coroutine = task.get_coro()
    name = getattr(coroutine, "__qualname__", type(coroutine).__name__)
    return f"{task.get_name()} {name}{_waiting_at(coroutine)}"


def callback(function: Any, args: tuple[Any, ...] = ()) -> str:
    """Name whom `function(*args)` works for: the task it steps or wakes, the SimPy process, else the function."""
    while True:
        if isinstance(function, functools.partial):
            function, args = function.func, (*function.args, *args)
        elif isinstance(getattr(function, "__self__", None), contextvars.Context) and args:
            function, args = args[0], args[1:]
        else:
            break
    owner = getattr(function, "__self__", None)
    if isinstance(owner, asyncio.Task):
        return task(owner)
    if isinstance(owner, simpy.Process):
        return f"SimPy process {owner.name}{_waiting_at(owner._generator)}"
    woken = _task_woken_by(owner, args)
    if woken is not None:
        return f"timer of {task(woken)}"
    name = getattr(function, "__qualname__", None) or repr(function)
    code = getattr(function, "__code__", None)
    return f"{name} ({_place(code, code.co_firstlineno)})" if isinstance(code, CodeType) else name


def entry(entry: Any) -> str:
    """Name whom a handle or an entry of the virtual loop's heap works for."""
    if not isinstance(entry, asyncio.Handle) and len(entry) == 5:
        return callback(entry[3], (entry[4],))
    item: Any = entry if isinstance(entry, asyncio.Handle) else entry[3]
    return event(item) if isinstance(item, simpy.Event) else callback(item._callback, tuple(item._args or ()))


def event(event: simpy.Event) -> str:
    """Name whom a SimPy event will wake, else the event itself."""
    waiters = event.callbacks or []
    return callback(waiters[0], (event,)) if waiters else type(event).__name__


def _task_woken_by(owner: Any, args: tuple[Any, ...]) -> asyncio.Task[Any] | None:
    """The task behind the timer of an `asyncio.timeout` (its owner) or an `asyncio.sleep` (waiting on its future)."""
    if isinstance(owner, asyncio.Timeout):
        guarded = getattr(owner, "_task", None)
        return guarded if isinstance(guarded, asyncio.Task) else None
    if args and asyncio.isfuture(args[0]):
        for waiter, _ in getattr(args[0], "_callbacks", None) or ():
            waiting = getattr(waiter, "__self__", None)
            if isinstance(waiting, asyncio.Task):
                return waiting
    return None


def _waiting_at(coroutine: Any) -> str:
    """` (file:line)` of the innermost frame that is not asyncio's own; empty for what has no frame."""
    place = ""
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is not None and not frame.f_code.co_filename.startswith(_ASYNCIO_FOLDER):
            place = f" ({_place(frame.f_code, frame.f_lineno)})"
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    return place


def _place(code: CodeType, line: int) -> str:
    return f"{'/'.join(Path(code.co_filename).parts[-_PATH_PARTS_SHOWN:])}:{line}"

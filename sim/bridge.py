"""The two worlds wait for each other: coroutines for SimPy events, SimPy processes for coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar, cast

import simpy

_T = TypeVar("_T")


class SimPyBridge(asyncio.BaseEventLoop):
    """The part of the virtual loop that knows both an asyncio future and a SimPy event."""

    env: simpy.Environment

    async def wait_event(self, event: simpy.Event) -> Any:
        """Wait for a SimPy event in a coroutine: returns its value or raises its exception."""
        if event.processed:
            if event._ok:
                return event._value
            raise event._value
        future = self.create_future()

        def wake(event: simpy.Event) -> None:
            if not event._ok:
                event.defused = True
            if future.done():
                return
            if event._ok:
                future.set_result(event._value)
            else:
                future.set_exception(event._value)

        event.callbacks.append(wake)
        try:
            return await future
        finally:
            if not event.processed:  # cancelled: the event no longer wakes us, nor is its failure ours
                event.callbacks.remove(wake)

    def as_event(self, awaitable: Coroutine[Any, Any, _T] | asyncio.Future[_T]) -> simpy.Event:
        """A SimPy event that a process may yield to wait for a coroutine, task or future.

        It succeeds with the result or fails with the exception, CancelledError if cancelled. An interrupted process
        stops waiting but the coroutine goes on; to stop it too, pass a task and cancel that.
        """
        future = asyncio.ensure_future(awaitable, loop=self)
        event = self.env.event()
        event.waits_for = future  # type: ignore[attr-defined]  # loops hold their tasks weakly

        def trigger(future: asyncio.Future[_T]) -> None:
            if future.cancelled():
                event.defused = True  # a cancellation that no process waits for is not an error
                event.fail(cast("Exception", asyncio.CancelledError()))
            elif (error := future.exception()) is not None:
                event.fail(cast("Exception", error))
            else:
                event.succeed(future.result())

        future.add_done_callback(trigger)
        return event

"""The door and the registry: who may come in, who is here, and that nobody is left behind when the head-end stops."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hes.acquisition.listener import CLOSE_S_MAX, Listener
from hes.acquisition.registry import Registry
from hes.acquisition.session_context import SessionContext
from hes.acquisition.tests.jumping_loop import START_S, run
from hes.acquisition.tests.session_bench import EAST, LIMITS, FakeTransport, LoopClock, NotingTap, link
from hes.devices.archive import Archive, Dcu, DeviceId
from hes.links.registry import Links
from hes.protocols.qgdw376 import LinkService
from hes.store.store import Batch, SessionEvent


class NotingWriter:
    def __init__(self) -> None:
        self.events: list[SessionEvent] = []

    def note(self, batch: Batch) -> None:
        self.events += batch.session_events


class FakeDoor:
    addresses = ("fake://",)

    def __init__(self, accept: Any) -> None:
        self.accept = accept
        self.closed = False

    def close(self) -> None:
        self.closed = True

    async def wait_closed(self) -> None: ...

    def dial(self, *, stuck: bool = False) -> FakeTransport:
        transport = FakeTransport(stuck=stuck)
        transport.protocol = self.accept()
        transport.protocol.connection_made(transport)
        return transport


class Entrance:
    """A listener that serves at a fake door."""

    def __init__(self, connections_max: int = 100) -> None:
        self.registry = Registry()
        self.writer = NotingWriter()
        context = SessionContext(registry=self.registry, clock=LoopClock(), tap=NotingTap(), limits=LIMITS)
        archive = Archive([Dcu(device_id=DeviceId(7), name="east", terminal_id=str(EAST))], [])
        writer: Any = self.writer
        self.listener = Listener(context, archive, writer, connections_max=connections_max)
        self.links = Links()
        self.door: FakeDoor
        self.links.register("fake-listen", self._open)

    async def _open(self, url: object, factory: Any) -> FakeDoor:
        self.door = FakeDoor(factory)
        return self.door

    async def serve(self) -> asyncio.Task[None]:
        task = asyncio.ensure_future(self.listener.serve(self.links, "fake-listen://here"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return task


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def test_when_the_head_end_stops_every_connection_is_closed_logged_in_or_not() -> None:
    async def main() -> None:
        entrance = Entrance()
        serving = await entrance.serve()
        known, silent = entrance.door.dial(), entrance.door.dial()
        known.protocol.data_received(link(EAST, LinkService.LOGIN))  # type: ignore[union-attr]
        assert entrance.listener.connections == 2
        await stop(serving)
        assert known.is_closing()
        assert silent.is_closing()
        assert entrance.door.closed
        assert entrance.listener.connections == 0
        events = [(event.event, event.detail) for event in entrance.writer.events]
        assert events == [("login", ""), ("lost", "the head-end stops")], "before the writer is closed"

    run(main())


def test_a_connection_that_hangs_does_not_keep_the_head_end_from_stopping() -> None:
    async def main() -> None:
        entrance = Entrance()
        serving = await entrance.serve()
        hanging = entrance.door.dial(stuck=True)
        await stop(serving)
        assert hanging.aborted
        assert asyncio.get_running_loop().time() <= START_S + CLOSE_S_MAX

    run(main())


def test_one_connection_too_many_is_turned_away_until_another_ends() -> None:
    async def main() -> None:
        entrance = Entrance(connections_max=2)
        serving = await entrance.serve()
        first, second, third = entrance.door.dial(), entrance.door.dial(), entrance.door.dial()
        assert [first.aborted, second.aborted, third.aborted] == [False, False, True]
        first.lose(None)
        await asyncio.sleep(0.001)
        assert not entrance.door.dial().aborted
        assert entrance.listener.connections == 2
        await stop(serving)

    run(main())


def test_who_gives_up_waiting_for_a_terminal_leaves_nothing_behind() -> None:
    async def main() -> None:
        registry = Registry()
        for _ in range(5):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await registry.wait_online(str(EAST))
        assert registry.waiting(str(EAST)) == 0

    run(main())

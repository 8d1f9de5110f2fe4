"""What the checks of links are made with: a rig, the two ends of a connection, and a line between them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from hes.links.facts import facts_of
from hes.links.registry import Links, Listener

PATIENCE_S = 30.0
"""Longest wait for anything a link owes; generous, because a simulated link may be as slow as GPRS."""
GREETING = b"hello"
"""By which the listening end of a connectionless link learns that there is a caller."""


@dataclass(frozen=True, slots=True)
class Rig:
    """What a kind of link must provide to be checked.

    listen_url: where a listener can be opened again and again. nobody_url: a place where nothing listens.
    caller_url: where to call the listener, for links that cannot tell, such as the far end of a cable.
    """

    links: Links
    listen_url: str
    nobody_url: str
    caller_url: str = ""


class End(asyncio.Protocol):
    """One end of a connection: notes what happens to it, in order. changed: set whenever something did."""

    def __init__(self, changed: asyncio.Event | None = None) -> None:
        self.transport: asyncio.Transport | None = None
        self.events: list[str] = []
        self.received = bytearray()
        self.pieces: list[bytes] = []
        self.error: Exception | None = None
        self._changed = changed or asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._note("made")

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.pieces.append(bytes(data))
        self._note("data")

    def eof_received(self) -> None:
        self._note("eof")

    def connection_lost(self, exc: Exception | None) -> None:
        self.error = exc
        self._note("lost")

    def pause_writing(self) -> None:
        self._note("paused")

    def resume_writing(self) -> None:
        self._note("resumed")

    def _note(self, event: str) -> None:
        self.events.append(event)
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition()` is true; every event is a moment to look."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def forget_octets(self) -> None:
        """As if nothing had been received yet."""
        self.received.clear()
        self.pieces.clear()
        self.events = [event for event in self.events if event != "data"]

    async def until_lost(self) -> None:
        await self.until(lambda: "lost" in self.events)

    async def until_received(self, octets_count: int) -> None:
        await self.until(lambda: len(self.received) >= octets_count)

    @property
    def pipe(self) -> asyncio.Transport:
        assert self.transport is not None
        return self.transport


@dataclass
class Line:
    """A listener and the connections made to it. accepting: set whenever something happens at the listener's ends."""

    rig: Rig
    listener: Listener
    accepted: list[End]
    accepting: asyncio.Event
    dialled: list[End] = field(default_factory=list)

    @classmethod
    async def open(cls, rig: Rig) -> Line:
        ends: list[End] = []
        accepting = asyncio.Event()

        def accept() -> End:
            ends.append(End(accepting))
            accepting.set()
            return ends[-1]

        return cls(rig, await rig.links.listen(rig.listen_url, accept), ends, accepting)

    @property
    def caller_url(self) -> str:
        return self.rig.caller_url or self.listener.addresses[0]

    @property
    def taken_url(self) -> str:
        """Where to listen in order to take the very same place."""
        return self.rig.listen_url if self.rig.caller_url else self.caller_url.replace("://", "-listen://", 1)

    async def dial(self, factory: Callable[[], End] = End) -> tuple[End, End]:
        """A new connection: the caller's end and the listener's."""
        async with asyncio.timeout(PATIENCE_S):
            _, near = await self.rig.links.connect(self.caller_url, factory)
        return near, await self.meet(near)

    async def meet(self, near: End) -> End:
        """The listener's end of the connection that `near` has just made."""
        self.dialled.append(near)
        if facts_of(near.pipe).connectionless:
            near.pipe.write(GREETING)
            far = await self._accepted(lambda end: end.received == GREETING)
            far.forget_octets()
            return far
        return await self._accepted(lambda end: bool(end.events) and len(self.accepted) >= len(self.dialled))

    async def _accepted(self, condition: Callable[[End], bool]) -> End:
        """The listener's latest end with `condition`."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for end in reversed(self.accepted):
                    if condition(end):
                        return end
                self.accepting.clear()
                await self.accepting.wait()

    async def hang_up(self) -> None:
        """End every connection, at both ends."""
        ends = (*self.dialled, *self.accepted)
        for end in ends:
            end.pipe.abort()
        for end in ends:
            await end.until_lost()

    async def close(self) -> None:
        self.listener.close()
        await self.hang_up()
        await self.listener.wait_closed()

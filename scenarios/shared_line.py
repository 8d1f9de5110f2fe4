"""The head-end's end of one serial line that several meters hang on: whose turn it is, and how the line is spoilt.

An `HdlcSession` takes a connection to be its own. Here several share one: each gets a transport that only pretends to
close, hears everything, and picks the frames of its meter by their address. One exchange runs at a time: a line is no
place for two conversations.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from hes.dlms.hdlc.receiver import Receiver
from hes.errors import LinkError
from scenarios.bench import Part

Witness = Callable[[bytes, str], None]
"""Told of octets that came over the line and were not handed on, and why."""


class SharedLine(asyncio.Protocol):
    """A line and the sessions on it. turn: to be held for every exchange."""

    def __init__(self, witness: Witness) -> None:
        self.turn = asyncio.Lock()
        self.plugged = asyncio.Event()
        self.plugged.set()
        self._witness = witness
        self._transport: asyncio.Transport | None = None
        self._sessions: list[asyncio.Protocol] = []
        self._losing: Receiver | None = None
        self._loses_next_write = False
        self._holds_s: float | None = None
        self._held: bytearray | None = None

    # -- sessions

    def attach(self, session: asyncio.Protocol) -> None:
        """The session hears the line from now on, and may write to it."""
        if self._transport is None or self._transport.is_closing():
            raise LinkError("the line is closed")
        self._sessions.append(session)
        session.connection_made(_Share(self, session))

    def detach(self, session: asyncio.Protocol) -> None:
        if session in self._sessions:
            self._sessions.remove(session)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    # -- what goes wrong

    def lose_next_frame(self, part: Part) -> None:
        """The next frame that we send, or the next one that comes, is lost on the line."""
        if part == "request":
            self._loses_next_write = True
        else:
            self._losing = Receiver()

    def hold_next_octets(self, seconds: float) -> None:
        """What comes next, and all behind it, comes so much later."""
        self._holds_s = seconds

    def unplug(self, seconds: float) -> None:
        """Nothing passes in either direction for so long."""
        self.plugged.clear()
        asyncio.get_running_loop().call_later(seconds, self.plugged.set)

    # -- the transport below

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self.plugged.is_set():
            return
        if self._losing is not None:
            now_s = asyncio.get_running_loop().time()
            self._witness(data, "lost on the line")
            if list(self._losing.feed(data, now_s)):
                self._losing = None
            return
        if self._holds_s is not None:
            asyncio.get_running_loop().call_later(self._holds_s, self._let_go)
            self._holds_s, self._held = None, bytearray()
        if self._held is not None:
            self._held += data
            return
        self._hand_on(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        for session in list(self._sessions):
            session.connection_lost(exc)

    def write(self, octets: bytes) -> None:
        if self._loses_next_write:
            self._loses_next_write = False
        elif self.plugged.is_set() and self._transport is not None:
            self._transport.write(octets)

    def _let_go(self) -> None:
        held, self._held = self._held, None
        if held:
            self._hand_on(bytes(held))

    def _hand_on(self, data: bytes) -> None:
        for session in list(self._sessions):
            session.data_received(data)


class _Share(asyncio.Transport):
    """One session's share of the line. Closing it leaves the line to the others."""

    def __init__(self, line: SharedLine, session: asyncio.Protocol) -> None:
        super().__init__()
        self._line = line
        self._session = session
        self._is_closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._is_closing:
            self._line.write(bytes(data))

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        self._is_closing = True
        self._line.detach(self._session)

    def abort(self) -> None:
        self.close()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

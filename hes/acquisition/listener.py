"""The door for concentrators: accepts connections, tells sessions apart, keeps the book of their comings and goings."""

from __future__ import annotations

import asyncio

import structlog

from hes.acquisition.dcu_session import LINGER_S, DcuSession
from hes.acquisition.session_context import SessionContext
from hes.acquisition.writer import Writer
from hes.devices.archive import Archive
from hes.links.registry import Links
from hes.store.store import Batch, SessionEvent

log = structlog.get_logger()

CONNECTIONS_MAX = 19_000
"""A process here may hold 20,000 descriptors, and the store needs some; more concentrators are more collectors."""
CLOSE_S_MAX = LINGER_S + 1.0
"""How long the connections may take to end when the head-end stops."""


class Listener:
    """Accepts what dials in at one URL. Implements session_context.SessionOwner."""

    def __init__(
        self, context: SessionContext, archive: Archive, writer: Writer, *, connections_max: int = CONNECTIONS_MAX
    ) -> None:
        self._context = context
        self._archive = archive
        self._writer = writer
        self._connections_max = connections_max
        self._count = 0
        self._turned_away = 0
        self._connected: dict[str, DcuSession] = {}

    @property
    def connections(self) -> int:
        """How many connections are open, logged in or not."""
        return len(self._connected)

    async def serve(self, links: Links, url: str) -> None:
        """Listen at `url` until cancelled; every connection is closed on the way out."""
        door = await links.listen(url, self._accept)
        log.info("listening", addresses=door.addresses)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            door.close()
            await self._close_all("the head-end stops")

    def knows(self, terminal_id: str) -> bool:
        return terminal_id in self._archive.dcu_by_terminal

    def session_opened(self, session: DcuSession) -> None:
        self._note(session, "login", "")

    def session_closed(self, session: DcuSession, reason: str) -> None:
        self._note(session, "lost", reason)

    def _accept(self) -> asyncio.Protocol:
        if len(self._connected) >= self._connections_max:
            self._turned_away += 1
            if self._turned_away == 1:
                log.warning("connections_at_limit", limit=self._connections_max)
            return _TurnedAway()
        self._turned_away = 0
        self._count += 1
        name = f"conn-{self._count:05d}"
        session = self._connected[name] = DcuSession(self, self._context, name)
        session.disconnected.add_done_callback(lambda _: self._connected.pop(name))
        return session

    async def _close_all(self, reason: str) -> None:
        sessions = list(self._connected.values())
        for session in sessions:
            session.close(reason)
        if sessions:
            await asyncio.wait([session.disconnected for session in sessions], timeout=CLOSE_S_MAX)

    def _note(self, session: DcuSession, event: str, detail: str) -> None:
        dcu = self._archive.dcu_by_terminal.get(session.terminal_id or "")
        if dcu is not None:
            at_ms = int(self._context.clock.epoch_s() * 1000)
            self._writer.note(Batch(session_events=[SessionEvent(at_ms, dcu.device_id, event, detail)]))


class _TurnedAway(asyncio.Protocol):
    """One connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()

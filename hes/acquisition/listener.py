"""The door for concentrators: accepts connections, tells sessions apart, keeps the book of their comings and goings."""

from __future__ import annotations

import asyncio

import structlog

from hes.acquisition.dcu_session import DcuSession, SessionContext
from hes.acquisition.writer import Writer
from hes.devices.archive import Archive
from hes.links.registry import Links
from hes.store.store import Batch, SessionEvent

log = structlog.get_logger()

CONNECTIONS_MAX = 20_000
"""A process here may hold about that many descriptors; more concentrators are more collectors."""


class Listener:
    """Accepts what dials in at one URL. Implements dcu_session.SessionOwner."""

    def __init__(self, context: SessionContext, archive: Archive, writer: Writer) -> None:
        self._context = context
        self._archive = archive
        self._writer = writer
        self._count = 0
        self._open = 0

    async def serve(self, links: Links, url: str) -> None:
        """Listen at `url` until cancelled; sessions are closed on the way out."""
        door = await links.listen(url, self._accept)
        log.info("listening", addresses=door.addresses)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            door.close()
            self._context.registry.close_all("the head-end stops")

    def knows(self, terminal_id: str) -> bool:
        return terminal_id in self._archive.dcu_by_terminal

    def session_opened(self, session: DcuSession) -> None:
        self._note(session, "login", "")

    def session_closed(self, session: DcuSession, reason: str) -> None:
        self._open -= 1
        self._note(session, "lost", reason)

    def _accept(self) -> DcuSession:
        self._count += 1
        self._open += 1
        session = DcuSession(self, self._context, f"conn-{self._count:05d}")
        if self._open > CONNECTIONS_MAX:
            log.warning("connections_at_limit", limit=CONNECTIONS_MAX)
        return session

    def _note(self, session: DcuSession, event: str, detail: str) -> None:
        dcu = self._archive.dcu_by_terminal.get(session.terminal_id or "")
        if dcu is not None:
            at_ms = int(self._context.clock.epoch_s() * 1000)
            self._writer.note(Batch(session_events=[SessionEvent(at_ms, dcu.device_id, event, detail)]))

"""The session registry: which concentrator is here, by terminal ID.

A terminal that logs in again replaces its old session: after a silent loss the old connection may look alive for
hours. Waiters are woken in the order in which they came.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hes.acquisition.dcu_session import DcuSession


class Registry:
    """terminal ID -> live session, and since when each terminal was last seen."""

    def __init__(self) -> None:
        self._sessions: dict[str, DcuSession] = {}
        self._waiters: dict[str, list[asyncio.Future[None]]] = {}
        self._last_online_s: dict[str, float] = {}

    def online(self, terminal_id: str) -> DcuSession | None:
        return self._sessions.get(terminal_id)

    def add(self, terminal_id: str, session: DcuSession) -> None:
        """Enter a session that has logged in; an older one of the same terminal is closed."""
        older = self._sessions.get(terminal_id)
        self._sessions[terminal_id] = session
        if older is not None and older is not session:
            older.close("replaced by a newer login")
        for waiter in self._waiters.pop(terminal_id, []):
            if not waiter.done():
                waiter.set_result(None)

    def remove(self, terminal_id: str, session: DcuSession, loop_s: float) -> bool:
        """Forget a session that has ended; True if it was the terminal's current one."""
        if self._sessions.get(terminal_id) is not session:
            return False
        del self._sessions[terminal_id]
        self._last_online_s[terminal_id] = loop_s
        return True

    def was_online_since(self, terminal_id: str, loop_s: float) -> bool:
        """Whether the terminal had a session at any time since `loop_s` (loop time)."""
        return terminal_id in self._sessions or self._last_online_s.get(terminal_id, float("-inf")) >= loop_s

    async def wait_online(self, terminal_id: str) -> DcuSession:
        """Wait until the terminal has a session. Bound it with `asyncio.timeout` where there is a deadline."""
        while (session := self._sessions.get(terminal_id)) is None:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.setdefault(terminal_id, []).append(waiter)
            try:
                await waiter
            finally:
                self._forget(terminal_id, waiter)
        return session

    def waiting(self, terminal_id: str) -> int:
        """How many wait for the terminal."""
        return len(self._waiters.get(terminal_id, []))

    def terminals(self) -> list[str]:
        """Terminal IDs that are online, in the order of their logins."""
        return list(self._sessions)

    def close_all(self, reason: str) -> None:
        for session in list(self._sessions.values()):
            session.close(reason)

    def _forget(self, terminal_id: str, waiter: asyncio.Future[None]) -> None:
        """One who gave up waiting leaves nothing behind."""
        waiters = self._waiters.get(terminal_id, [])
        if waiter in waiters:
            waiters.remove(waiter)
            if not waiters:
                del self._waiters[terminal_id]

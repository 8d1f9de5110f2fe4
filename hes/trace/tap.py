"""The octet tap: whoever holds a session says what went over it, and every tap hears it in that order.

A tap is called from the loop's thread, must not block and must not raise: it is the witness, never a party.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Protocol

SESSION_OPENED = "opened"
SESSION_CLOSED = "closed"


class Direction(Enum):
    TO_DEVICE = "to_device"
    FROM_DEVICE = "from_device"


class Tap(Protocol):
    """Hears frames and session changes. at_epoch_s: civil time in seconds since 1970, UTC."""

    def frame(
        self,
        at_epoch_s: float,
        session: str,
        direction: Direction,
        octets: bytes,
        plaintext: bytes | None = None,
        note: str = "",
    ) -> None:
        """`octets` as they went over the link. plaintext: the APDU inside, deciphered, where the caller has it."""
        ...

    def deciphered(self, at_epoch_s: float, session: str, direction: Direction, apdu: bytes) -> None:
        """What was inside the last ciphered frame that way, once the party that has the keys knows it."""
        ...

    def session_event(self, at_epoch_s: float, session: str, event: str, detail: str = "") -> None:
        """`event` is SESSION_OPENED, SESSION_CLOSED or a word of the caller's (login, heartbeat, ..)."""
        ...


class Taps:
    """Several taps as one; with none it costs one loop over nothing."""

    def __init__(self, taps: Iterable[Tap] = ()) -> None:
        self._taps: list[Tap] = list(taps)

    def add(self, tap: Tap) -> None:
        self._taps.append(tap)

    def frame(
        self,
        at_epoch_s: float,
        session: str,
        direction: Direction,
        octets: bytes,
        plaintext: bytes | None = None,
        note: str = "",
    ) -> None:
        for tap in self._taps:
            tap.frame(at_epoch_s, session, direction, octets, plaintext, note)

    def deciphered(self, at_epoch_s: float, session: str, direction: Direction, apdu: bytes) -> None:
        for tap in self._taps:
            tap.deciphered(at_epoch_s, session, direction, apdu)

    def session_event(self, at_epoch_s: float, session: str, event: str, detail: str = "") -> None:
        for tap in self._taps:
            tap.session_event(at_epoch_s, session, event, detail)

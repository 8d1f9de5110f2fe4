"""The digest of a run: SHA-256 over every frame, session change and stored value, each with its virtual time.

Domain events only, never steps of the loop: `asyncio.wait_for` alone takes different steps on Python 3.11 and 3.12.
Equal world, seed and version give an equal digest in any process, on every supported Python, with any PYTHONHASHSEED.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

from hes.store.store import Batch
from hes.trace.tap import Direction

_HEAD = struct.Struct("<Bd")
_READING = struct.Struct("<qIIqIq")
_MEDIUM = struct.Struct("<BdIBIB")
_FRAME, _SESSION, _STORED, _ON_MEDIUM = 1, 2, 3, 4
_WRITE_AT_OCTETS = 1 << 16


class Digest:
    """A tap of the head-end, an observer of its writer and of the media."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._pending = bytearray()
        self.events = 0

    def frame(
        self,
        at_epoch_s: float,
        session: str,
        direction: Direction,
        octets: bytes,
        plaintext: bytes | None = None,
        note: str = "",
    ) -> None:
        """A frame between head-end and concentrator (hes.trace.tap.Tap)."""
        self._add(_FRAME, at_epoch_s, session.encode() + direction.value.encode() + octets)

    def deciphered(self, at_epoch_s: float, session: str, direction: Direction, apdu: bytes) -> None:
        """Nothing new: the ciphered frame is in the digest."""

    def session_event(self, at_epoch_s: float, session: str, event: str, detail: str = "") -> None:
        """A session's change (hes.trace.tap.Tap)."""
        self._add(_SESSION, at_epoch_s, f"{session}|{event}|{detail}".encode())

    def on_medium(self, now_s: float, link: int, direction: int, octets: int, outcome: int) -> None:
        """One frame on a field medium: which link, which way, how long, what became of it (sim.media.plc)."""
        self._pending += _MEDIUM.pack(_ON_MEDIUM, now_s, link, direction, octets, outcome)
        self._counted()

    def stored(self, at_epoch_s: float, batch: Batch) -> None:
        """A batch that has been written: its readings with their receive times, and what is missing and why."""
        pack = _READING.pack
        readings: Sequence[tuple[int, int, int, int, int, int]] = batch.readings
        self._add(_STORED, at_epoch_s, b"".join([pack(*reading) for reading in readings]))
        if batch.missing:
            self._add(_STORED, at_epoch_s, repr([tuple(row) for row in batch.missing]).encode())

    def hexdigest(self) -> str:
        """The digest so far, 64 hex digits."""
        self._hash.update(self._pending)
        self._pending.clear()
        return self._hash.hexdigest()

    def _add(self, kind: int, at_s: float, octets: bytes) -> None:
        self._pending += _HEAD.pack(kind, at_s)
        self._pending += len(octets).to_bytes(4, "little")
        self._pending += octets
        self._counted()

    def _counted(self) -> None:
        self.events += 1
        if len(self._pending) > _WRITE_AT_OCTETS:
            self._hash.update(self._pending)
            self._pending.clear()

"""What is done in a session and how it is checked, whichever peer does it.

The truth is the meter's own arithmetic (`sim.reference.load_profile`) for what it measures, and what was written for
what it keeps.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from interop.places import Offer
from sim.reference.load_profile import COLUMNS, PERIOD_S, export_wh, import_wh, true_row
from sim.reference.meter import MESSAGE_OCTETS
from sim.reference.objects import LOAD_PROFILE, RELAY

OK, NOT_OFFERED = "ok", "not offered"
CLOCK_S_MAX = 5
LONG_OCTETS = 1500
ROWS_BACK = 24
ENTRIES_FROM, ENTRIES = 2, 5


class Peer(Protocol):
    """A session of somebody else's client with the reference meter; values as plain numbers and octets."""

    def open(self) -> None: ...
    def close(self) -> None: ...
    def abandon(self) -> None: ...
    def clock(self) -> float: ...
    def register(self) -> tuple[int, int, int]:
        """Value, scaler, unit of the import register."""
        ...

    def rows_by_range(self, first_s: int, last_s: int) -> list[list[Any]]: ...
    def rows_by_entry(self, first: int, count: int) -> list[list[Any]]: ...
    def write(self, octets: bytes) -> None: ...
    def written(self) -> bytes: ...
    def long_value(self) -> bytes: ...
    def switch(self, method: int) -> int:
        """Invoke that method of the relay, and read its control state."""
        ...

    def clock_and_export(self) -> tuple[float, int]:
        """Both in one request with a list."""
        ...

    def object_names(self) -> set[str]: ...
    def access_get(self) -> tuple[float, int]:
        """The same two in one ACCESS."""
        ...

    def access(self, octets: bytes) -> tuple[float, bool]:
        """One ACCESS: read the clock, write `octets`, reconnect the relay. The clock, and whether all three worked."""
        ...


class Operations:
    """One method for each of `combinations.OPERATIONS`; each raises when anything is not as it should be."""

    def __init__(self, peer: Peer, label: str) -> None:
        self.peer = peer
        self.label = label

    def register(self) -> None:
        before = import_wh(int(time.time()))
        value, scaler, unit = self.peer.register()
        assert before <= value <= import_wh(int(time.time()) + 1), value
        assert (scaler, unit) == (0, 30), (scaler, unit)

    def clock(self) -> None:
        is_now(self.peer.clock())

    def range(self) -> None:
        last_s = int(time.time()) // PERIOD_S * PERIOD_S
        first_s = last_s - ROWS_BACK * PERIOD_S
        found = self.peer.rows_by_range(first_s, last_s)
        assert found == [true_row(stamp_s) for stamp_s in range(first_s, last_s + 1, PERIOD_S)], found[:2]

    def entry(self) -> None:
        found = self.peer.rows_by_entry(ENTRIES_FROM, ENTRIES)
        assert len(found) == ENTRIES, len(found)
        first_s = int(found[0][0])
        assert found == [true_row(first_s + place * PERIOD_S) for place in range(ENTRIES)], found[:2]

    def set(self) -> None:
        self._write(self.label.encode())

    def long_set(self) -> None:
        self._write(bytes(place % 256 for place in range(LONG_OCTETS)))

    def _write(self, octets: bytes) -> None:
        self.peer.write(octets)
        assert self.peer.written() == octets

    def long_get(self) -> None:
        value = self.peer.long_value()
        assert value == bytes(place % 251 for place in range(MESSAGE_OCTETS)), len(value)

    def action(self) -> None:
        for method, state in ((1, 0), (2, 1)):
            found = self.peer.switch(method)
            assert found == state, found

    def read_list(self) -> None:
        both_are_true(*self.peer.clock_and_export())

    def access_get(self) -> None:
        both_are_true(*self.peer.access_get())

    def object_list(self) -> None:
        wanted = {str(name) for name in (LOAD_PROFILE, RELAY, *(column.obis for column in COLUMNS))}
        found = self.peer.object_names()
        assert wanted <= found, wanted - found

    def access(self) -> None:
        clock_s, worked = self.peer.access(self.label.encode())
        is_now(clock_s)
        assert worked
        assert self.peer.written() == self.label.encode()


def both_are_true(clock_s: float, exported_wh: int) -> None:
    is_now(clock_s)
    assert abs(exported_wh - export_wh(int(time.time()))) <= 1, exported_wh


def is_now(epoch_s: float) -> None:
    assert abs(epoch_s - time.time()) < CLOCK_S_MAX, epoch_s


def association(offer: Offer, mechanism: str, suite: int) -> dict[str, Any] | None:
    """The association that the meter offers for it, None when it offers none."""
    for entry in offer["associations"]:
        serves = entry["name"].startswith("by-") and entry["authentication"] == mechanism
        if serves and offer["setups"][str(entry["setup"])]["suite"] == suite:
            return dict(entry)
    return None


def in_turn(make: Callable[[], Peer], label: str, operations: list[str]) -> dict[str, str]:
    """ "ok" or what went wrong, by operation and for the release. After a failure the session is opened again; where it
    does not open at all, that is what went wrong with everything.
    """
    outcome: dict[str, str] = {}
    peer: Peer | None = None
    for name in operations:
        if peer is None:
            try:
                peer = opened(make)
            except Exception as error:
                return outcome | {name: said(error) for name in operations if name not in outcome}
        try:
            doing: Callable[[], None] = getattr(Operations(peer, label), name)
            doing()
            outcome[name] = OK
        except Exception as error:
            outcome[name] = said(error)
            peer.abandon()
            peer = None
    if peer is not None:
        outcome["release"] = closed(peer)
    return outcome


def opened(make: Callable[[], Peer]) -> Peer:
    peer = make()
    try:
        peer.open()
    except Exception:
        peer.abandon()
        raise
    return peer


def closed(peer: Peer) -> str:
    try:
        peer.close()
    except Exception as error:
        peer.abandon()
        return said(error)
    return OK


def said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"

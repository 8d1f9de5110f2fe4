"""The journal of a meter: everything that was done to it, in time order, append only.

Together with (seed, meter) it decides all that the meter says at any time. An untouched meter has none.
Instants are ms since 1970 UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hes.errors import LocalProtocolError

FOREVER_MS: Final = 1 << 62
ENTRIES_MAX: Final = 100_000


class Change(StrEnum):
    """What was done."""

    POWER = "power"
    """value: 1 on, 0 off"""
    RELAY = "relay"
    """value: the control state, 0 disconnected, 1 connected, 2 ready for reconnection"""
    CLOCK = "clock"
    """value: what the clock was set to, in ms since 1970 UTC"""
    RESET = "reset"
    """subject: the profile that was emptied"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One intervention."""

    at_ms: int
    change: Change
    value: int = 0
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Interval:
    """From `start_ms` to before `end_ms` (FOREVER_MS: it lasts)."""

    start_ms: int
    end_ms: int


class Journal:
    """One meter's interventions, and what follows from them alone.

    version: changes with every entry; what is derived from a journal is valid for one version.
    """

    __slots__ = ("_clock_settings", "_dead", "_entries", "_outages", "control_state", "powered")

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._outages: list[Interval] = []
        self._dead: list[Interval] = []
        self._clock_settings: list[tuple[int, int]] = []
        self.powered = True
        self.control_state = 1

    @property
    def version(self) -> int:
        return len(self._entries)

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(self._entries)

    @property
    def outages(self) -> tuple[Interval, ...]:
        """When the meter had no supply."""
        return tuple(self._outages)

    @property
    def dead(self) -> tuple[Interval, ...]:
        """When no energy could flow: no supply, or the relay open."""
        return tuple(self._dead)

    @property
    def clock_settings(self) -> tuple[tuple[int, int], ...]:
        """(instant, reading) of every setting of the clock."""
        return tuple(self._clock_settings)

    def power(self, at_ms: int, *, on: bool) -> None:
        """The supply fails or returns; nothing happens when it is so already."""
        if on is self.powered:
            return
        self._append(Entry(at_ms, Change.POWER, int(on)))
        self.powered = on
        _mark(self._outages, at_ms, begins=not on)
        self._mark_dead(at_ms)

    def relay(self, at_ms: int, control_state: int) -> None:
        """The disconnect control takes a state; nothing happens when it is in it already."""
        if control_state == self.control_state:
            return
        self._append(Entry(at_ms, Change.RELAY, control_state))
        self.control_state = control_state
        self._mark_dead(at_ms)

    def set_clock(self, at_ms: int, reading_ms: int) -> None:
        """The clock is set to `reading_ms`."""
        self._append(Entry(at_ms, Change.CLOCK, reading_ms))
        self._clock_settings.append((at_ms, reading_ms))

    def reset(self, at_ms: int, profile: str) -> None:
        """A profile or log is emptied."""
        self._append(Entry(at_ms, Change.RESET, subject=profile))

    def reset_ms(self, profile: str) -> int | None:
        """When that profile was emptied last."""
        found = [entry.at_ms for entry in self._entries if entry.change is Change.RESET and entry.subject == profile]
        return found[-1] if found else None

    def powered_at(self, at_ms: int) -> bool:
        """Whether the meter had its supply at an instant."""
        return not any(outage.start_ms <= at_ms < outage.end_ms for outage in self._outages)

    def _mark_dead(self, at_ms: int) -> None:
        flows = self.powered and self.control_state == 1
        was_dead = bool(self._dead) and self._dead[-1].end_ms == FOREVER_MS
        if flows == was_dead:
            _mark(self._dead, at_ms, begins=not flows)

    def _append(self, entry: Entry) -> None:
        if self._entries and entry.at_ms < self._entries[-1].at_ms:
            raise LocalProtocolError(
                f"a journal is written in time order: {entry.at_ms} ms comes before {self._entries[-1].at_ms} ms"
            )
        if len(self._entries) >= ENTRIES_MAX:
            raise LocalProtocolError(f"a meter's journal holds at most {ENTRIES_MAX} entries")
        self._entries.append(entry)


def _mark(intervals: list[Interval], at_ms: int, *, begins: bool) -> None:
    if begins:
        intervals.append(Interval(at_ms, FOREVER_MS))
        return
    start_ms = intervals.pop().start_ms
    if start_ms < at_ms:
        intervals.append(Interval(start_ms, at_ms))

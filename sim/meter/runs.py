"""Which rows a profile has captured: runs of neighbouring stamps, from the journal alone.

Theory. A meter captures a row when its clock *runs* onto a stamp while the meter has power. Between two settings of the
clock, and outside power outages, it runs over every stamp in turn: one run of rows per such stretch of time. What
follows without any rule of its own:
- a clock that is set forward over a stamp never captures that row;
- a clock that is set back over a stamp captures it again: two rows with one stamp, in the order of capture;
- an outage leaves out the rows whose stamps fell into it;
- a clock that is set exactly onto a stamp has not run onto it: no row [A].
An untouched meter has one run, from its commissioning on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from sim.meter.borders import Borders
from sim.meter.clock import MeterClock, Stretch
from sim.meter.journal import FOREVER_MS, Interval

# AMR profile status bits: docs/protocols/cosem-objects.md §8.5
STATUS_SUMMER_TIME: Final = 0x08
STATUS_CLOCK_ADJUSTED: Final = 0x20
STATUS_POWER_DOWN: Final = 0x80
STAMP_MS_MAX: Final = 1 << 42  # in the year 2109


class Run(NamedTuple):
    """Rows for the stamps first..last (last None: still going on), captured while `stretch` was in force.

    flags: status bits of the run's first row, for what happened since the row before. rows_before: in earlier runs.
    """

    first: int
    last: int | None
    stretch: Stretch
    flags: int
    rows_before: int


def capture_runs(borders: Borders, clock: MeterClock, outages: Sequence[Interval], since_ms: int) -> tuple[Run, ...]:
    """All runs since the instant `since_ms` (commissioning, or the last reset), in the order of capture."""
    runs: list[Run] = []
    flags = 0
    rows = 0
    stretches = clock.stretches
    for number, stretch in enumerate(stretches):
        begin_ms = max(since_ms, stretch.start_ms) if number else since_ms
        end_ms = stretches[number + 1].start_ms if number + 1 < len(stretches) else FOREVER_MS
        if end_ms <= since_ms:
            continue
        if number and stretch.start_ms > since_ms:
            flags |= STATUS_CLOCK_ADJUSTED
        for powered, after_outage in _powered(begin_ms, end_ms, outages):
            flags |= STATUS_POWER_DOWN if after_outage else 0
            run = _run(borders, stretch, powered, flags, rows)
            if run is None:
                continue
            runs.append(run)
            flags = 0
            rows += 0 if run.last is None else run.last - run.first + 1
    return tuple(runs)


def _powered(begin_ms: int, end_ms: int, outages: Sequence[Interval]) -> list[tuple[Interval, bool]]:
    """The parts of a stretch with power; True: an outage came just before."""
    parts: list[tuple[Interval, bool]] = []
    at_ms, after_outage = begin_ms, False
    for outage in outages:
        if outage.end_ms <= at_ms or outage.start_ms >= end_ms:
            continue
        if outage.start_ms > at_ms:
            parts.append((Interval(at_ms, outage.start_ms), after_outage))
        at_ms, after_outage = min(outage.end_ms, end_ms), True
    if at_ms < end_ms or after_outage:  # an empty part carries the outage over to the next stretch
        parts.append((Interval(at_ms, end_ms), after_outage))
    return parts


def _run(borders: Borders, stretch: Stretch, powered: Interval, flags: int, rows_before: int) -> Run | None:
    if powered.start_ms >= powered.end_ms:
        return None
    first = borders.index_at_or_before(stretch.reading_ms(powered.start_ms)) + 1
    if powered.end_ms == FOREVER_MS:
        return Run(first, None, stretch, flags, rows_before)
    last = borders.index_at_or_before(stretch.reading_ms(powered.end_ms - 1))
    return Run(first, last, stretch, flags, rows_before) if last >= first else None


def _sane(stamp_ms: int) -> int:
    """A bound of a range inside the time of which calendars know: a client may ask for the year 9999."""
    return min(max(stamp_ms, 0), STAMP_MS_MAX)


class Part(NamedTuple):
    """Stamps first..last of one run."""

    run: Run
    first: int
    last: int

    @property
    def flags(self) -> int:
        """Status bits of the part's first row."""
        return self.run.flags if self.first == self.run.first else 0


class Captured:
    """A profile's buffer at one instant: the newest `entries_max` rows of its runs."""

    __slots__ = ("_borders", "_parts", "rows_count", "rows_lost")

    def __init__(self, borders: Borders, runs: Sequence[Run], entries_max: int, now_ms: int) -> None:
        self._borders = borders
        self._parts: list[Part] = []
        rows = 0
        for run in runs:
            last = borders.index_at_or_before(run.stretch.reading_ms(now_ms))
            if run.last is not None:
                last = min(last, run.last)
            if last >= run.first:
                self._parts.append(Part(run, run.first, last))
                rows = run.rows_before + last - run.first + 1
        self.rows_lost = max(0, rows - entries_max)
        self.rows_count = rows - self.rows_lost

    def by_stamp(self, from_ms: int | None, to_ms: int | None) -> list[Part]:
        """The rows with stamps from..to, both included; None is an open end."""
        lowest = None if from_ms is None else self._borders.index_at_or_before(_sane(from_ms) - 1) + 1
        highest = None if to_ms is None else self._borders.index_at_or_before(_sane(to_ms))
        found = []
        for part in self._in_buffer():
            first = part.first if lowest is None else max(part.first, lowest)
            last = part.last if highest is None else min(part.last, highest)
            if first <= last:
                found.append(Part(part.run, first, last))
        return found

    def by_entry(self, first_entry: int, last_entry: int) -> list[Part]:
        """Entries first..last of the buffer, counted from 1, both included."""
        found = []
        for part in self._in_buffer():
            entry = part.run.rows_before + part.first - part.run.first - self.rows_lost + 1
            first = part.first + max(0, first_entry - entry)
            last = min(part.last, part.first + last_entry - entry)
            if first <= last:
                found.append(Part(part.run, first, last))
        return found

    def _in_buffer(self) -> list[Part]:
        kept = []
        for run, first, last in self._parts:
            first = max(first, run.first + self.rows_lost - run.rows_before)
            if first <= last:
                kept.append(Part(run, first, last))
        return kept

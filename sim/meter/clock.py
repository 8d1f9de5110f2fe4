"""A meter's own clock: what it reads at an instant, and at which instant it reads something.

The clock runs at its own rate from one setting to the next; each stretch between two settings is a `Stretch`. Both
directions are exact in integers, so "the first instant at which the clock reads 00:15:00" has one answer.

Units: instants (true time) and readings in ms since 1970 UTC; drift in parts per thousand million.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

BILLION = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Stretch:
    """A clock between two settings: at `start_ms` it read `reads_ms`, and since then it gains `drift_ppb`."""

    start_ms: int
    reads_ms: int
    drift_ppb: int

    def reading_ms(self, at_ms: int) -> int:
        """What the clock reads at an instant."""
        return self.reads_ms + (at_ms - self.start_ms) * (BILLION + self.drift_ppb) // BILLION

    def instant_ms(self, reading_ms: int) -> int:
        """The first instant at which the clock reads `reading_ms` or more."""
        return self.start_ms - ((self.reads_ms - reading_ms) * BILLION // (BILLION + self.drift_ppb))

    def instants_ms(self, readings_ms: Iterable[int]) -> list[int]:
        """As `instant_ms`, for many."""
        start, reads, rate = self.start_ms, self.reads_ms, BILLION + self.drift_ppb
        if rate == BILLION:
            ahead = reads - start
            return [reading - ahead for reading in readings_ms]
        return [start - (reads - reading) * BILLION // rate for reading in readings_ms]


class MeterClock:
    """The stretches of one clock. settings: (instant, what it was set to), in time order."""

    __slots__ = ("_starts", "stretches")

    def __init__(self, first: Stretch, settings: Sequence[tuple[int, int]] = ()) -> None:
        stretches = [first, *(Stretch(at, reads, first.drift_ppb) for at, reads in settings)]
        self.stretches = tuple(stretches)
        self._starts = [at for at, _ in settings]

    def stretch_at(self, at_ms: int) -> Stretch:
        """The stretch in force at an instant; a setting is in force from its instant on."""
        return self.stretches[bisect_right(self._starts, at_ms)]

    def reading_before_ms(self, at_ms: int) -> int:
        """What the clock read at an instant, had it not been set just then."""
        earlier = [stretch for stretch in self.stretches[1:] if stretch.start_ms < at_ms]
        return (earlier[-1] if earlier else self.stretches[0]).reading_ms(at_ms)

    def reading_ms(self, at_ms: int) -> int:
        """What the clock reads at an instant."""
        return self.stretch_at(at_ms).reading_ms(at_ms)

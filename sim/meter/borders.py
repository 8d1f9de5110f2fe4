"""The stamps of a profile: the instants of the meter's clock at which it captures a row, numbered.

Stamps are in ms since 1970 UTC *as the meter's clock has it*. A row belongs to the interval that ends at its stamp.
"""

from __future__ import annotations

from typing import Protocol

from sim.meter.civil import DAY_MS, Zone


class Borders(Protocol):
    """Numbers rise by one from stamp to stamp."""

    def stamp_ms(self, index: int) -> int: ...

    def index_at_or_before(self, reading_ms: int) -> int: ...

    def stamps_ms(self, first: int, last: int) -> list[int]: ...


class PeriodBorders:
    """Multiples of a period in UTC: every zone is a whole number of quarter-hours away from it."""

    __slots__ = ("period_ms",)

    def __init__(self, period_s: int) -> None:
        self.period_ms = 1000 * period_s

    def stamp_ms(self, index: int) -> int:
        return index * self.period_ms

    def index_at_or_before(self, reading_ms: int) -> int:
        return reading_ms // self.period_ms

    def stamps_ms(self, first: int, last: int) -> list[int]:
        return list(range(first * self.period_ms, last * self.period_ms + 1, self.period_ms))


class DailyBorders:
    """Local midnights; a stamp's number is that of the local day that begins there."""

    __slots__ = ("_zone",)

    def __init__(self, zone: Zone) -> None:
        self._zone = zone

    def stamp_ms(self, index: int) -> int:
        return self._zone.midnight_ms(index)

    def index_at_or_before(self, reading_ms: int) -> int:
        return self._zone.day_at(reading_ms)

    def stamps_ms(self, first: int, last: int) -> list[int]:
        return [self._zone.midnight_ms(day) for day in range(first, last + 1)]


def borders_of(period_s: int, zone: Zone) -> Borders:
    """The stamps of a profile with this capture period."""
    return DailyBorders(zone) if 1000 * period_s == DAY_MS else PeriodBorders(period_s)

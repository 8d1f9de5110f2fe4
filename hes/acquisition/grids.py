"""Grids: the instants at which a meter should have captured a row of one of its profiles.

A grid numbers its stamps, so that coverage is a set of small integers and gaps are runs of missing numbers.
A stamp is the END of its interval, in seconds since 1970 UTC: the quarter-hours of a day are 00:15 ... 24:00.

Local days count through the zone's own calendar: the day on which clocks change has 92 or 100 quarter-hours,
and its daily stamp lies 23 or 25 hours after the one before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

DAY_S = 86_400


class Grid(Protocol):
    """Numbers the stamps of one profile; numbers rise by one from stamp to stamp."""

    def index_at_or_before(self, epoch_s: float) -> int:
        """Number of the last stamp not after `epoch_s`."""
        ...

    def stamp(self, index: int) -> int:
        """Epoch seconds of the stamp with that number."""
        ...


@dataclass(frozen=True, slots=True)
class PeriodGrid:
    """Stamps at whole multiples of `period_s` in UTC: every zone in use is a whole number of quarter-hours off."""

    period_s: int

    def index_at_or_before(self, epoch_s: float) -> int:
        return int(epoch_s // self.period_s)

    def stamp(self, index: int) -> int:
        return index * self.period_s


@dataclass(frozen=True, slots=True)
class DailyGrid:
    """Stamps at local midnight; numbered by the ordinal of the local date that begins there."""

    zone: str

    def index_at_or_before(self, epoch_s: float) -> int:
        return datetime.fromtimestamp(epoch_s, ZoneInfo(self.zone)).toordinal()

    def stamp(self, index: int) -> int:
        return local_midnight_s(self.zone, index)


@lru_cache(maxsize=4096)
def local_midnight_s(zone: str, ordinal: int) -> int:
    """Epoch seconds at which the local date with that ordinal begins."""
    midnight = datetime.combine(date.fromordinal(ordinal), time(), ZoneInfo(zone))
    return int(midnight.timestamp())


def indices(grid: Grid, after_s: float, upto_s: float) -> range:
    """Numbers of the stamps in (after_s, upto_s]."""
    return range(grid.index_at_or_before(after_s) + 1, grid.index_at_or_before(upto_s) + 1)


def local_dates(zone: str, from_s: float, to_s: float) -> Iterator[int]:
    """Ordinals of the local dates that overlap [from_s, to_s], in order."""
    tz = ZoneInfo(zone)
    first = datetime.fromtimestamp(from_s, tz).date()
    last = datetime.fromtimestamp(to_s, tz).date()
    while first <= last:
        yield first.toordinal()
        first += timedelta(days=1)


def at_local_time_s(zone: str, ordinal: int, seconds_after_midnight: int) -> int:
    """Epoch seconds of a wall-clock time on a local date; 24:00 and later run on into the next date."""
    days, rest = divmod(seconds_after_midnight, DAY_S)
    wall = datetime.combine(date.fromordinal(ordinal + days), time(), ZoneInfo(zone)) + timedelta(seconds=rest)
    return int(wall.astimezone(UTC).timestamp())

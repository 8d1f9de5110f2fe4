"""Dates and times with wildcards, as schedules, calendars and the change to summer time use them.

Arithmetic is on *civil* seconds: what a clock on the wall says, counted as if it were UTC. `first_instant` maps them to
instants: a civil time that is skipped when the clock goes forward happens at the moment of the change, one that happens
twice happens the first time only. So nothing is lost and nothing is done twice.

    last Sunday of March, each year     year FFFF, month 3, day FE, weekday 7
    second Sunday of March, each year   year FFFF, month 3, day 8, weekday 7: the first Sunday from the 8th on

Source: docs/protocols/axdr.md (date-time); docs/protocols/cosem-objects.md §5.
"""

from __future__ import annotations

import struct
from calendar import monthrange
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from hes.dlms import cosem_time
from hes.dlms.cosem.local_time import LocalTime
from hes.dlms.cosem_time import ANY, DAY_LAST, DAY_SECOND_LAST, YEAR_ANY
from hes.errors import RemoteProtocolError

DAY_S: Final = 86_400
YEARS_SEARCHED: Final = 9  # a 29 February may be eight years away
CANDIDATES_MAX: Final = 10_000  # civil times looked at in one search; every second of an hour is 3600
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_DATE: Final = struct.Struct(">HBBB")
_WEEK: Final = 7


def day_number(day: date) -> int:
    """Days since 1970."""
    return day.toordinal() - _EPOCH_ORDINAL


def date_of(number: int) -> date:
    """The day that is so many days after 1970-01-01."""
    return date.fromordinal(number + _EPOCH_ORDINAL)


def _given(value: int, wildcard: int = ANY) -> int | None:
    return None if value == wildcard else value


@dataclass(frozen=True, slots=True)
class DatePattern:
    """A date as COSEM writes it; None is "any". day: 1..31, DAY_LAST or DAY_SECOND_LAST.

    The months "begin" and "end of summer time" match no date [A].
    """

    year: int | None = None
    month: int | None = None
    day: int | None = None
    weekday: int | None = None

    @classmethod
    def from_octets(cls, octets: bytes) -> DatePattern:
        """Read 5 octets, or the first 5 of a date-time. Raises RemoteProtocolError for a number out of its range."""
        if len(octets) not in (5, 12):
            raise RemoteProtocolError(f"a date has 5 octets, this has {len(octets)}")
        cosem_time.CosemDateTime.from_octets(octets[:5] + b"\xff\xff\xff\xff\x80\x00\xff")
        year, month, day, weekday = _DATE.unpack(octets[:5])
        return cls(_given(year, YEAR_ANY), _given(month), _given(day), _given(weekday))

    def to_octets(self) -> bytes:
        parts = (ANY if part is None else part for part in (self.month, self.day, self.weekday))
        return _DATE.pack(YEAR_ANY if self.year is None else self.year, *parts)

    @property
    def exact(self) -> bool:
        """Whether it names one day."""
        return None not in (self.year, self.month, self.day) and self.day not in (DAY_LAST, DAY_SECOND_LAST)

    def matches(self, day: date) -> bool:
        """Whether that day is one of those meant."""
        if self.year not in (None, day.year) or self.month not in (None, day.month):
            return False
        return day.day in self._days(day.year, day.month)

    def _days(self, year: int, month: int) -> range:
        """The days of that month, which year and month allow."""
        first_weekday, length = monthrange(year, month)
        step = 1 if self.weekday is None else _WEEK
        start = 1 if self.weekday is None else (self.weekday - 1 - first_weekday) % _WEEK + 1
        if self.day is None:
            return range(start, length + 1, step)
        if self.day in (DAY_LAST, DAY_SECOND_LAST):
            last = start + (length - start) // step * step
            wanted = last if self.day == DAY_LAST else last - step
            return range(wanted, wanted + 1)
        if self.day > length:
            return range(0)
        if self.weekday is None or self.exact:
            agrees = self.weekday is None or (self.day - start) % _WEEK == 0
            return range(self.day, self.day + 1) if agrees else range(0)
        wanted = start + -(-(self.day - start) // _WEEK) * _WEEK  # the first such weekday from that day on
        return range(wanted, wanted + 1) if wanted <= length else range(0)

    def days_from(self, first: int) -> Iterator[int]:
        """Matching days, as days since 1970, from `first` on, for YEARS_SEARCHED years."""
        start = date_of(first)
        for year, month in _months(start.year, start.month, 1):
            if self.year in (None, year) and self.month in (None, month):
                base = day_number(date(year, month, 1)) - 1
                yield from (base + day for day in self._days(year, month) if base + day >= first)
            elif self.year is not None and year > self.year:
                return

    def days_until(self, last: int) -> Iterator[int]:
        """Matching days from `last` backwards."""
        start = date_of(last)
        for year, month in _months(start.year, start.month, -1):
            if self.year in (None, year) and self.month in (None, month):
                base = day_number(date(year, month, 1)) - 1
                yield from (base + day for day in reversed(self._days(year, month)) if base + day <= last)
            elif self.year is not None and year < self.year:
                return


def _months(year: int, month: int, direction: int) -> Iterator[tuple[int, int]]:
    for _ in range(12 * YEARS_SEARCHED + 1):
        if not 1 <= year <= 9998:
            return
        yield year, month
        month += direction
        if not 1 <= month <= 12:
            year, month = year + direction, 1 if direction > 0 else 12


@dataclass(frozen=True, slots=True)
class TimePattern:
    """A time of day; None is "any". A second that is not specified is 0 [A]."""

    hour: int | None = None
    minute: int | None = None
    second: int = 0

    @classmethod
    def from_octets(cls, octets: bytes) -> TimePattern:
        """Read 4 octets, or those of a date-time. Raises RemoteProtocolError for a number out of its range."""
        part = octets[5:9] if len(octets) == 12 else octets
        if len(part) != 4:
            raise RemoteProtocolError(f"a time has 4 octets, this has {len(octets)}")
        cosem_time.CosemDateTime.from_octets(b"\xff\xff\xff\xff\xff" + part + b"\x80\x00\xff")
        return cls(_given(part[0]), _given(part[1]), _given(part[2]) or 0)

    @property
    def exact(self) -> bool:
        return self.hour is not None and self.minute is not None

    def next(self, second: int) -> int | None:
        """The first matching second of a day from `second` on."""
        for hour in range(24) if self.hour is None else (self.hour,):
            if 3600 * (hour + 1) <= second:
                continue
            for minute in range(60) if self.minute is None else (self.minute,):
                found = 3600 * hour + 60 * minute + self.second
                if found >= second:
                    return found
        return None

    def previous(self, second: int) -> int | None:
        """The last matching second of a day up to `second`."""
        for hour in range(23, -1, -1) if self.hour is None else (self.hour,):
            for minute in range(59, -1, -1) if self.minute is None else (self.minute,):
                found = 3600 * hour + 60 * minute + self.second
                if found <= second:
                    return found
        return None


def next_match(day_pattern: DatePattern, time: TimePattern, civil: int) -> int | None:
    """The first civil second from `civil` on that matches both; None when there is none in the years searched."""
    first, second = divmod(civil, DAY_S)
    for day in day_pattern.days_from(first):
        found = time.next(second if day == first else 0)
        if found is not None:
            return day * DAY_S + found
    return None


def previous_match(day_pattern: DatePattern, time: TimePattern, civil: int) -> int | None:
    """The last civil second up to `civil` that matches both."""
    last, second = divmod(civil, DAY_S)
    for day in day_pattern.days_until(last):
        found = time.previous(second if day == last else DAY_S - 1)
        if found is not None:
            return day * DAY_S + found
    return None


# -- civil time and instants -----------------------------------------------------------------------------------------


def civil_s(local: LocalTime, epoch_s: int) -> int:
    """What a clock on the wall says at that instant."""
    return epoch_s - 60 * local.deviation_min(epoch_s)


def first_instant(local: LocalTime, civil: int) -> int:
    """The first instant, seconds since 1970 UTC, at which a clock on the wall has reached `civil`."""
    summer_s = 60 * local.dst_shift_min
    standard = civil + 60 * local.standard_deviation_min
    summer = standard - summer_s
    for instant in sorted((standard, summer)):
        if civil_s(local, instant) == civil:
            return instant
    low, high = min(standard, summer), max(standard, summer)  # skipped: the moment of the change lies between
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if civil_s(local, middle) >= civil else (middle, high)
    return high


def next_instant(local: LocalTime, after_s: int, next_civil: Callable[[int], int | None]) -> int | None:
    """The first instant after `after_s` among those of the civil times that `next_civil` (from that one on) gives."""
    civil: int | None = civil_s(local, after_s) + 1  # what the wall showed by then has happened
    for _ in range(CANDIDATES_MAX):
        assert civil is not None
        civil = next_civil(civil)
        if civil is None:
            return None
        instant = first_instant(local, civil)
        if instant > after_s:
            return instant
        civil += 1
    return None

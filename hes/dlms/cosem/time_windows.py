"""Windows between two date-times that may have wildcards, such as "every day from 01:00 to 05:00".

All arithmetic is on *civil* seconds: local time counted as if it were UTC. A window is open from a match of its start
until the next match of its end. No window at all is always open [A].

Source: docs/protocols/cosem-objects.md §6; docs/protocols/axdr.md (date-time).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from hes.dlms import cosem_time
from hes.dlms.cosem.date_patterns import DatePattern
from hes.dlms.cosem.local_time import LocalTime
from hes.dlms.cosem_time import MONTH_DST_BEGIN, MONTH_DST_END, CosemDateTime

DAY_S: Final = 86_400
DAYS_SEARCHED: Final = 9 * 366  # a 29 February may be eight years away
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """start, end: 12 octets each, with wildcards."""

    start: bytes
    end: bytes


def civil_s(local: LocalTime, epoch_s: float) -> int:
    """What a clock on the wall says at that instant, in civil seconds."""
    octets = local.octets(int(epoch_s))
    return cosem_time.epoch_s(octets[:9] + b"\x00\x00\x00")


def epoch_s_of(local: LocalTime, civil: int) -> int:
    """The instant at which a clock on the wall says that."""
    octets = cosem_time.date_time_octets(civil)
    return local.epoch_s(octets[:9] + b"\x80\x00\xff")


def is_open(windows: Sequence[TimeWindow], civil: int) -> bool:
    """Whether one of the windows is open at that civil second."""
    return not windows or any(_opened_s(window, civil) is not None for window in windows)


def next_open(windows: Sequence[TimeWindow], civil: int) -> int | None:
    """The first civil second from `civil` on at which a window is open; None when none ever opens again."""
    if is_open(windows, civil):
        return civil
    starts = [start for window in windows if (start := next_match(window.start, civil)) is not None]
    return min(starts, default=None)


def _opened_s(window: TimeWindow, civil: int) -> int | None:
    """When the window that is open at `civil` opened; None when it is shut."""
    opened = previous_match(window.start, civil)
    if opened is None:
        return None
    shut = next_match(window.end, opened + 1)
    return opened if shut is None or shut > civil else None


def next_match(pattern: bytes, civil: int) -> int | None:
    """The first civil second from `civil` on that matches the pattern; hundredths and deviation are not looked at."""
    wanted = CosemDateTime.from_octets(pattern)
    first_day, second = divmod(civil, DAY_S)
    for day in _days(wanted, first_day, 1):
        found = _first_second(wanted, second if day == first_day else 0)
        if found is not None:
            return day * DAY_S + found
    return None


def previous_match(pattern: bytes, civil: int) -> int | None:
    """The last civil second up to `civil` that matches the pattern."""
    wanted = CosemDateTime.from_octets(pattern)
    last_day, second = divmod(civil, DAY_S)
    for day in _days(wanted, last_day, -1):
        found = _last_second(wanted, second if day == last_day else DAY_S - 1)
        if found is not None:
            return day * DAY_S + found
    return None


def _days(wanted: CosemDateTime, from_day: int, direction: int) -> Iterator[int]:
    """Days since 1970 that match the date, from `from_day` in that direction."""
    if wanted.month in (MONTH_DST_BEGIN, MONTH_DST_END):
        return  # a date that only the clock knows is no window [A]
    year, month, day_of_month = wanted.year, wanted.month, wanted.day
    if year is not None and month is not None and day_of_month is not None and day_of_month <= 31:
        try:
            exact = date(year, month, day_of_month)
        except ValueError:
            return
        day = exact.toordinal() - _EPOCH_ORDINAL
        if (day - from_day) * direction >= 0 and wanted.weekday in (None, exact.isoweekday()):
            yield day
        return
    for day in range(from_day, from_day + direction * DAYS_SEARCHED, direction):
        if _is_day(wanted, date.fromordinal(day + _EPOCH_ORDINAL)):
            yield day


def _is_day(wanted: CosemDateTime, day: date) -> bool:
    return DatePattern(wanted.year, wanted.month, wanted.day, wanted.weekday).matches(day)


def _values(fixed: int | None, count: int) -> range:
    return range(count) if fixed is None else range(fixed, fixed + 1)


def _first_second(wanted: CosemDateTime, from_second: int) -> int | None:
    """The first second of a day from `from_second` on that matches the time."""
    for hour in _values(wanted.hour, 24):
        for minute in _values(wanted.minute, 60):
            start = 3600 * hour + 60 * minute
            seconds = _values(wanted.second, 60)
            if start + seconds[-1] >= from_second:
                return start + max(seconds[0], from_second - start)
    return None


def _last_second(wanted: CosemDateTime, to_second: int) -> int | None:
    """The last second of a day up to `to_second` that matches the time."""
    for hour in reversed(_values(wanted.hour, 24)):
        for minute in reversed(_values(wanted.minute, 60)):
            start = 3600 * hour + 60 * minute
            seconds = _values(wanted.second, 60)
            if start + seconds[0] <= to_second:
                return start + min(seconds[-1], to_second - start)
    return None

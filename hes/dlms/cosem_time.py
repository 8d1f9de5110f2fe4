"""COSEM date and time: the 12 octets of a date-time, and seconds since 1970.

    year(2) month day weekday | hour minute second hundredths | deviation(2, signed minutes) clock status

Deviation is what must be added to local time to get UTC (Amsterdam in winter: -60); some markets send the opposite
sign, so the sign is an argument. Any field may be "not specified"; months and days have special codes besides.
`CosemDateTime` keeps all of that. `date_time_octets` and `epoch_s` are the short way for the many stamps of a load
profile: they work on exact times only and keep the arithmetic of the last days they saw.

Source: docs/protocols/axdr.md (date-time) [S2].
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final, Literal

from hes.errors import LocalProtocolError, RemoteProtocolError

DATE_TIME_OCTETS: Final = 12
YEAR_ANY: Final = 0xFFFF
ANY: Final = 0xFF
DEVIATION_ANY: Final = -0x8000
MONTH_DST_END: Final = 0xFD
MONTH_DST_BEGIN: Final = 0xFE
DAY_SECOND_LAST: Final = 0xFD
DAY_LAST: Final = 0xFE
STATUS_INVALID_VALUE: Final = 0x01
STATUS_DOUBTFUL: Final = 0x02
STATUS_DIFFERENT_BASE: Final = 0x04
STATUS_INVALID_STATUS: Final = 0x08
STATUS_DST: Final = 0x80
DEVIATION_MIN_MAX: Final = 1440  # no civil time is a day away from UTC [A]

_DAY_S: Final = 86_400
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_LAYOUT: Final = struct.Struct(">HBBBBBBBhB")
_EXACT: Final = struct.Struct(">4sxBBBxhx")
_TIME_PART: Final = struct.Struct(">BBBBhB")
_DAYS_KEPT: Final = 4096  # eleven years of days

Octets = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True, kw_only=True)
class CosemDateTime:
    """A date-time as COSEM writes it; None is "not specified".

    month: 1..12, MONTH_DST_END or MONTH_DST_BEGIN. day: 1..31, DAY_SECOND_LAST or DAY_LAST. weekday: 1 Monday ..
    7 Sunday. deviation_min: minutes from local time to UTC. status: the clock status bits (STATUS_...).
    """

    year: int | None = None
    month: int | None = None
    day: int | None = None
    weekday: int | None = None
    hour: int | None = None
    minute: int | None = None
    second: int | None = None
    hundredths: int | None = None
    deviation_min: int | None = None
    status: int | None = None

    @classmethod
    def from_octets(cls, octets: Octets) -> CosemDateTime:
        """Read 12 octets. Raises RemoteProtocolError for another length or a number out of its range."""
        if len(octets) != DATE_TIME_OCTETS:
            raise RemoteProtocolError(f"a date-time has 12 octets, this has {len(octets)}", octet_offset=0)
        year, month, day, weekday, hour, minute, second, hundredths, deviation, status = _LAYOUT.unpack(octets)
        value = cls(
            year=None if year == YEAR_ANY else year,
            month=None if month == ANY else month,
            day=None if day == ANY else day,
            weekday=None if weekday == ANY else weekday,
            hour=None if hour == ANY else hour,
            minute=None if minute == ANY else minute,
            second=None if second == ANY else second,
            hundredths=None if hundredths == ANY else hundredths,
            deviation_min=None if deviation == DEVIATION_ANY else deviation,
            status=None if status == ANY else status,
        )
        wrong = value._out_of_range()
        if wrong is not None:
            name, octet_offset = wrong
            raise RemoteProtocolError(f"the {name} in date-time {bytes(octets).hex()}", octet_offset=octet_offset)
        return value

    def to_octets(self) -> bytes:
        """The 12 octets. Raises LocalProtocolError for a number out of its range."""
        wrong = self._out_of_range()
        if wrong is not None:
            raise LocalProtocolError(f"the {wrong[0]} in {self!r}")
        return _LAYOUT.pack(
            YEAR_ANY if self.year is None else self.year,
            *(
                ANY if part is None else part
                for part in (self.month, self.day, self.weekday, self.hour, self.minute, self.second, self.hundredths)
            ),
            DEVIATION_ANY if self.deviation_min is None else self.deviation_min,
            ANY if self.status is None else self.status,
        )

    def _out_of_range(self) -> tuple[str, int] | None:
        """(what is wrong, where in the 12 octets), or None."""
        for name, octet_offset, value, low, high, special in (
            ("year", 0, self.year, 1, 9999, ()),
            ("month", 2, self.month, 1, 12, (MONTH_DST_END, MONTH_DST_BEGIN)),
            ("day", 3, self.day, 1, 31, (DAY_SECOND_LAST, DAY_LAST)),
            ("weekday", 4, self.weekday, 1, 7, ()),
            ("hour", 5, self.hour, 0, 23, ()),
            ("minute", 6, self.minute, 0, 59, ()),
            ("second", 7, self.second, 0, 59, ()),
            ("hundredths", 8, self.hundredths, 0, 99, ()),
            ("deviation", 9, self.deviation_min, -DEVIATION_MIN_MAX, DEVIATION_MIN_MAX, ()),
            ("status", 11, self.status, 0, 254, ()),
        ):
            if value is not None and not low <= value <= high and value not in special:
                return f"{name} {value} is out of range", octet_offset
        return None

    def __str__(self) -> str:
        """As "2024-12-15 12:30:00.00 UTC+01:00"; "*" for what is not specified, DST and L for the special codes."""
        month = {MONTH_DST_END: "DST-end", MONTH_DST_BEGIN: "DST-begin"}.get(self.month or 0, _two(self.month))
        day = {DAY_SECOND_LAST: "L-1", DAY_LAST: "L"}.get(self.day or 0, _two(self.day))
        text = f"{'****' if self.year is None else format(self.year, '04d')}-{month}-{day}"
        text += f" {_two(self.hour)}:{_two(self.minute)}:{_two(self.second)}"
        if self.hundredths is not None:
            text += f".{self.hundredths:02d}"
        if self.weekday is not None:
            text = f"{('Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun')[self.weekday - 1]} {text}"
        if self.deviation_min is not None:
            hours, minutes = divmod(abs(self.deviation_min), 60)
            text += f" UTC{'-' if self.deviation_min > 0 else '+'}{hours:02d}:{minutes:02d}"
        if self.status:
            text += f" status {self.status:02X}"
        return text


def _two(value: int | None) -> str:
    return "**" if value is None else f"{value:02d}"


def date_time_octets(epoch_s: int, deviation_min: int = 0, status: int = 0) -> bytes:
    """The 12 octets for an instant: local time (UTC - deviation) with weekday, hundredths 0.

    epoch_s: whole seconds since 1970-01-01T00:00:00Z. deviation_min: minutes from local time to UTC.
    Raises LocalProtocolError for an instant or deviation that cannot be written.
    """
    day, second = divmod(epoch_s - 60 * deviation_min, _DAY_S)
    minute, second = divmod(second, 60)
    try:
        return _date_octets(day) + _TIME_PART.pack(minute // 60, minute % 60, second, 0, deviation_min, status)
    except (struct.error, ValueError, OverflowError) as error:
        raise LocalProtocolError(f"no date-time for {epoch_s} s, {deviation_min} min, status {status}") from error


@lru_cache(maxsize=_DAYS_KEPT)
def _date_octets(day: int) -> bytes:
    civil = date.fromordinal(_EPOCH_ORDINAL + day)
    return struct.pack(">HBBB", civil.year, civil.month, civil.day, civil.isoweekday())


def epoch_s(octets: Octets, *, deviation_default_min: int = 0, deviation_sign: Literal[1, -1] = 1) -> int:
    """Seconds since 1970-01-01T00:00:00Z of an exact date-time; hundredths are left out, weekday is not looked at.

    deviation_default_min: minutes from local time to UTC, used as it is where the meter does not specify one.
    deviation_sign: -1 for meters that send minutes from UTC to local time.
    Raises RemoteProtocolError for another length, a wildcard, a special code or a number out of its range.
    """
    hour: int
    minute: int
    second: int
    deviation: int
    try:
        day, hour, minute, second, deviation = _EXACT.unpack(octets)
        start_s = _day_start_s(day)
    except (struct.error, ValueError) as error:
        raise RemoteProtocolError(f"not an exact date-time: {bytes(octets).hex()}", octet_offset=0) from error
    if hour > 23 or minute > 59 or second > 59:
        raise RemoteProtocolError(f"not an exact time in date-time {bytes(octets).hex()}", octet_offset=5)
    if deviation == DEVIATION_ANY:
        offset_min = deviation_default_min
    elif -DEVIATION_MIN_MAX <= deviation <= DEVIATION_MIN_MAX:
        offset_min = deviation * deviation_sign
    else:
        raise RemoteProtocolError(f"deviation {deviation} min in {bytes(octets).hex()}", octet_offset=9)
    return start_s + 3600 * hour + 60 * minute + second + 60 * offset_min


@lru_cache(maxsize=_DAYS_KEPT)
def _day_start_s(year_month_day: bytes) -> int:
    """Seconds since 1970 at the start of a civil day; ValueError for a day that does not exist."""
    civil = date(int.from_bytes(year_month_day[:2], "big"), year_month_day[2], year_month_day[3])
    return (civil.toordinal() - _EPOCH_ORDINAL) * _DAY_S

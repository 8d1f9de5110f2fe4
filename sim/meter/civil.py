"""Local time of a world: offsets, midnights and days of one time zone, in ms since 1970 UTC.

A day number counts local dates from 1970-01-01. Where clocks change, a day has 23 or 25 hours.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hes.errors import ConfigError

DAY_MS = 86_400_000
QUARTER_MS = 900_000  # no zone changes its offset between quarter-hours of UTC
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


class Zone:
    """One time zone. `zone(name)` gives the shared one.

    standard_ms: its offset in January of 2026 or July, whichever is smaller: civil time without summer time.
    """

    __slots__ = ("_fixed_ms", "_offsets", "_tz", "name", "standard_ms")

    def __init__(self, name: str) -> None:
        self.name = name
        self._offsets: dict[int, int] = {}
        self._tz: ZoneInfo | None = None
        self._fixed_ms: int | None = 0
        self.standard_ms = 0
        if name != "UTC":  # which needs no zone data on the machine
            self._tz = _zone_info(name)
            self._fixed_ms = None
            half_years = [datetime(2026, month, 1, tzinfo=UTC).timestamp() for month in (1, 7)]
            self.standard_ms = min(self.offset_ms(int(at) * 1000) for at in half_years)

    @property
    def is_fixed(self) -> bool:
        """Whether the offset never changes."""
        return self._fixed_ms is not None

    def offset_ms(self, utc_ms: int) -> int:
        """Local time minus UTC at an instant."""
        if self._fixed_ms is not None:
            return self._fixed_ms
        quarter = utc_ms // QUARTER_MS
        known = self._offsets.get(quarter)
        if known is None:
            at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=quarter * QUARTER_MS)
            offset = at.astimezone(self._tz).utcoffset() or timedelta()
            known = self._offsets[quarter] = round(offset.total_seconds() * 1000)
        return known

    def is_summer(self, utc_ms: int) -> bool:
        """Whether summer time is in force."""
        return self._fixed_ms is None and self.offset_ms(utc_ms) != self.standard_ms

    def day_at(self, utc_ms: int) -> int:
        """The local day at an instant."""
        return (utc_ms + self.offset_ms(utc_ms)) // DAY_MS

    def midnight_ms(self, day: int) -> int:
        """The instant at which a local day begins."""
        if self._fixed_ms is not None:
            return day * DAY_MS - self._fixed_ms
        return _midnight_ms(self._tz or UTC, day)


@lru_cache(maxsize=64)
def zone(name: str) -> Zone:
    """The zone of that name, such as "UTC" or "Europe/Lisbon"; ConfigError when this machine knows none."""
    return Zone(name)


def _zone_info(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(f"no time zone {name!r} is known here; write a name such as UTC or Europe/Lisbon") from error


@lru_cache(maxsize=8192)
def _midnight_ms(tz: tzinfo, day: int) -> int:
    local = datetime.combine(date.fromordinal(EPOCH_ORDINAL + day), datetime.min.time(), tz)
    return int(local.timestamp()) * 1000

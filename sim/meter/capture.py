"""What a meter's profiles hold: rows as octets for the wire, and the truth behind them for checks.

`rows` and `entry_rows` are what the COSEM objects hand out. `true_rows` and `true_values` are the oracle of tests and
of the head-end's accounting: they come from the same journal but work value by value, without tables or octets.

Times at this border are seconds since 1970 UTC: `now_s` true time, stamps as the meter's own clock has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, repeat

from hes.devices.profiles import CapturedProfile
from hes.errors import ConfigError
from sim.meter.load import Quantity
from sim.meter.meter import Meter
from sim.meter.runs import STATUS_SUMMER_TIME, Part

STATUS = "status"
ENERGIES = {quantity.name.lower(): quantity for quantity in Quantity}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueRow:
    """One row as the meter captured it. values: by column name, the clock left out; at_ms: true time of the capture."""

    stamp_s: int
    at_ms: int
    status: int
    values: dict[str, int]


def quantity_of(profile: CapturedProfile, column: str) -> Quantity:
    """What a captured column counts; ConfigError for one that this simulator cannot capture."""
    try:
        return ENERGIES[column]
    except KeyError:
        known = ", ".join((STATUS, *ENERGIES))
        raise ConfigError(f"{profile.name}: the simulator cannot capture {column!r}; it knows {known}") from None


def rows(
    meter: Meter, profile: CapturedProfile, now_s: float, from_s: int | None = None, to_s: int | None = None
) -> list[bytes]:
    """The encoded rows stamped from_s..to_s (both included, None an open end) that the buffer holds at now_s."""
    parts = meter.captured(profile, _ms(now_s)).by_stamp(_bound(from_s), _bound(to_s))
    return _encoded(meter, profile, parts)


def entry_rows(meter: Meter, profile: CapturedProfile, now_s: float, first: int, last: int) -> list[bytes]:
    """The encoded entries first..last of the buffer at now_s, counted from 1."""
    return _encoded(meter, profile, meter.captured(profile, _ms(now_s)).by_entry(first, last))


def entries(meter: Meter, profile: CapturedProfile, now_s: float) -> int:
    """How many rows the buffer holds at now_s."""
    return meter.captured(profile, _ms(now_s)).rows_count


def true_rows(
    meter: Meter, profile_name: str, now_s: float, from_s: int | None = None, to_s: int | None = None
) -> list[TrueRow]:
    """The rows that `rows` encodes, as values. profile_name: "load-profile" or "billing"."""
    profile = _named(meter, profile_name)
    borders = meter.borders(profile)
    found = []
    for part in meter.captured(profile, _ms(now_s)).by_stamp(_bound(from_s), _bound(to_s)):
        for index in range(part.first, part.last + 1):
            stamp_ms = borders.stamp_ms(index)
            at_ms = part.run.stretch.instant_ms(stamp_ms)
            status = part.flags if index == part.first else 0
            status |= STATUS_SUMMER_TIME if meter.type.zone.is_summer(stamp_ms) else 0
            values = {
                column.name: meter.energy_mwh(quantity_of(profile, column.name), at_ms) // 1000
                for column in profile.channels
            }
            found.append(TrueRow(stamp_s=stamp_ms // 1000, at_ms=at_ms, status=status, values=values))
    return found


def true_values(meter: Meter, profile_name: str, stamp_s: int, now_s: float) -> list[TrueRow]:
    """Every row stamped `stamp_s` that the meter holds at now_s: none when it never captured it, two after a clock
    was set back."""
    return true_rows(meter, profile_name, now_s, stamp_s, stamp_s)


def status_now(meter: Meter, now_s: float) -> int:
    """The status word at an instant, before anything that the next row will say of its interval."""
    return STATUS_SUMMER_TIME if meter.type.zone.is_summer(meter.reading_ms(_ms(now_s))) else 0


def _named(meter: Meter, profile_name: str) -> CapturedProfile:
    for profile in meter.profile.profiles:
        if profile.name == profile_name:
            return profile
    raise KeyError(profile_name)


def _encoded(meter: Meter, profile: CapturedProfile, parts: Sequence[Part]) -> list[bytes]:
    codec, borders = meter.type.codecs[profile.name], meter.borders(profile)
    out: list[bytes] = []
    for part in parts:
        stamps_ms = borders.stamps_ms(part.first, part.last)
        instants_ms = part.run.stretch.instants_ms(stamps_ms)
        places = meter.load.places(instants_ms)
        columns: list[Iterable[int]] = []
        for column in profile.columns[1:]:
            if column.name == STATUS:
                columns.append(_statuses(meter, part.flags, stamps_ms))
            else:
                columns.append(meter.energies_wh(quantity_of(profile, column.name), instants_ms, places))
        out += codec.encode(stamps_ms, columns)
    return out


def _statuses(meter: Meter, first_flags: int, stamps_ms: Sequence[int]) -> Iterable[int]:
    zone = meter.type.zone
    if zone.is_fixed:
        return chain((first_flags,), repeat(0))
    summer = [STATUS_SUMMER_TIME if zone.is_summer(stamp) else 0 for stamp in stamps_ms]
    summer[0] |= first_flags
    return summer


def _ms(now_s: float) -> int:
    return int(now_s * 1000)


def _bound(stamp_s: int | None) -> int | None:
    return None if stamp_s is None else 1000 * stamp_s

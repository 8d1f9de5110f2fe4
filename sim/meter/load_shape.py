"""Load shapes: how energy spreads over a day, a week and a year for one kind of customer, as data.

Files: fixtures/load-shapes/*.toml, each with origin and licence. They are our own synthetic shapes: no measured
series went into them, so they claim to be plausible, not representative.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hes import resources, toml_file

FOLDER = "fixtures/load-shapes"
SLOTS_PER_DAY = 96
HOURS_PER_DAY = 24
MONTHS = 12
CHANNELS = ("active_import", "active_export", "reactive_import", "reactive_export")

_EIGHTHS = (-3, -1, 1, 3)  # of an hour, from the middle of an hour to the middles of its four slots


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelShape:
    """One energy channel. days: 96 weights for each weekday, Monday first; months: weights of January to December.

    permille: the channel's mean daily energy in thousandths of the shape's.
    day_noise_percent, slot_noise_percent: of the largest noise that keeps every quarter-hour at zero or above.
    """

    permille: int
    day_noise_percent: int
    slot_noise_percent: int
    months: tuple[int, ...]
    days: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadShape:
    """One kind of customer.

    mean_daily_wh: over the year. spread_percent: meters differ from it by up to that much. shift_slots: and their
    days are earlier or later by up to that many quarter-hours.
    """

    name: str
    title: str
    origin: str
    licence: str
    mean_daily_wh: int
    spread_percent: int
    shift_slots: int
    channels: tuple[tuple[str, ChannelShape], ...]


Weight = Annotated[int, Field(ge=0, le=1_000_000)]
WEIGHTS = "24 hourly or 96 quarter-hourly weights, whole numbers from 0"


def _key(default: Any = ..., *, allowed: str, **limits: Any) -> Any:
    return Field(default, json_schema_extra={"allowed": allowed}, **limits)


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ShapeFile(_Table):
    """The text of a load shape file."""

    class Channel(_Table):
        permille: int = _key(allowed="0..5000 thousandths of mean_daily_wh", ge=0, le=5000)
        day_noise_percent: int = _key(allowed="0..100", ge=0, le=100)
        slot_noise_percent: int = _key(allowed="0..100", ge=0, le=100)
        months: tuple[Weight, ...] = _key(
            (100,) * MONTHS, allowed="12 weights, January first", min_length=MONTHS, max_length=MONTHS
        )
        weekday: tuple[Weight, ...] = _key(allowed=WEIGHTS)
        saturday: tuple[Weight, ...] = _key((), allowed=WEIGHTS)
        sunday: tuple[Weight, ...] = _key((), allowed=WEIGHTS)

    name: str = _key(allowed="lower-case letters, digits and -", pattern=r"^[a-z][a-z0-9-]{0,39}$")
    title: str = _key(allowed="one line", min_length=1, max_length=120)
    origin: str = _key(allowed="where the shape comes from", min_length=1)
    licence: str = _key(allowed="the licence of the data", min_length=1)
    mean_daily_wh: int = _key(allowed="1..100000000 Wh", ge=1, le=100_000_000)
    spread_percent: int = _key(allowed="0..90", ge=0, le=90)
    shift_slots: int = _key(0, allowed="0..12 quarter-hours", ge=0, le=12)
    active_import: Channel = _key(allowed="an [active_import] table")
    active_export: Channel | None = _key(None, allowed="an [active_export] table")
    reactive_import: Channel | None = _key(None, allowed="a [reactive_import] table")
    reactive_export: Channel | None = _key(None, allowed="a [reactive_export] table")


def shipped() -> tuple[str, ...]:
    """The names of the load shapes that come with amiloop."""
    return tuple(path.stem for path in resources.files(FOLDER))


def load(name_or_path: str) -> LoadShape:
    """A load shape by the name of a shipped one or by the path of a file; ConfigError lists every fault."""
    return _load_file(resources.file_or_shipped(name_or_path, FOLDER))


@cache
def _load_file(path: Path) -> LoadShape:
    return check(toml_file.read(path))


def check(file: toml_file.TomlFile) -> LoadShape:
    """The load shape that a TOML file holds; ConfigError lists every fault."""
    faults = toml_file.Faults(file)
    try:
        source = ShapeFile.model_validate(file.values)
    except ValidationError as error:
        faults.add_invalid(error, ShapeFile, ())
        faults.raise_if_any()
        raise
    channels = [(name, channel) for name in CHANNELS if (channel := getattr(source, name)) is not None]
    for name, channel in channels:
        _check_weights(name, channel, faults)
    faults.raise_if_any()
    return LoadShape(
        name=source.name,
        title=source.title,
        origin=source.origin,
        licence=source.licence,
        mean_daily_wh=source.mean_daily_wh,
        spread_percent=source.spread_percent,
        shift_slots=source.shift_slots,
        channels=tuple((name, _channel(channel)) for name, channel in channels),
    )


def _check_weights(name: str, channel: ShapeFile.Channel, faults: toml_file.Faults) -> None:
    for day in ("weekday", "saturday", "sunday"):
        weights = getattr(channel, day)
        if len(weights) not in (0, HOURS_PER_DAY, SLOTS_PER_DAY) or (day == "weekday" and not weights):
            faults.add((name, day), f"{len(weights)} weights where {WEIGHTS} are wanted")
    if sum(channel.weekday) + sum(channel.saturday) + sum(channel.sunday) == 0:
        faults.add((name, "weekday"), "at least one weight of the week must be above 0")
    if sum(channel.months) == 0:
        faults.add((name, "months"), "at least one month must weigh more than 0")


def _channel(source: ShapeFile.Channel) -> ChannelShape:
    weekday = slots(source.weekday)
    saturday = slots(source.saturday) if source.saturday else weekday
    sunday = slots(source.sunday) if source.sunday else saturday
    return ChannelShape(
        permille=source.permille,
        day_noise_percent=source.day_noise_percent,
        slot_noise_percent=source.slot_noise_percent,
        months=source.months,
        days=(weekday,) * 5 + (saturday, sunday),
    )


def slots(weights: tuple[int, ...]) -> tuple[int, ...]:
    """96 weights (times 8) from 96, or from 24 by straight lines between the middles of the hours."""
    if len(weights) == SLOTS_PER_DAY:
        return tuple(8 * weight for weight in weights)
    out = []
    for hour, weight in enumerate(weights):
        for eighths in _EIGHTHS:
            neighbour = weights[(hour + (1 if eighths > 0 else -1)) % HOURS_PER_DAY]
            out.append(weight * (8 - abs(eighths)) + neighbour * abs(eighths))
    return tuple(out)

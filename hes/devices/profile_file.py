"""The text of a device profile: what a TOML file may say, checked so that every fault is listed with its line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from hes import toml_file
from hes.dlms.cosem.registers import UNITS as SIGNS
from hes.dlms.obis import Obis
from hes.errors import LocalProtocolError
from hes.toml_parts import Part, may_mean

ItemType = Literal[
    "octet-string", "date-time", "unsigned", "long-unsigned", "double-long-unsigned", "double-long", "long64-unsigned",
    "boolean", "enum", "integer", "long", "long64", "float32", "float64", "bcd", "bit-string", "visible-string",
    "utf8-string", "date", "time",
]  # fmt: skip
MechanismName = Literal["none", "lls", "hls", "hls-md5", "hls-sha1", "hls-gmac", "hls-sha256", "hls-ecdsa"]
Rights = Literal["counters", "read", "manage"]
AddressFormat = Literal["ascii", "bcd"]

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_S = 86_400
QUARTER_S = 900
CLASS_CLOCK = 8
CLASS_MAX = 0xFFFF
COLUMNS_MAX = 64
ITEMS_MAX = 2000
ASSOCIATIONS_MAX = 32
OBJECTS_MAX = 10_000
LOGS_MAX = 32
PDU_OCTETS_MIN, PDU_OCTETS_MAX = 64, 65_535
UNITS: Mapping[str, int] = MappingProxyType({sign: number for number, sign in SIGNS.items()})
"""Numbers of units by their sign."""
_UNIT_NUMBER = re.compile(r"unit (\d{1,2}|1\d\d|2[0-4]\d|25[0-5])")
_TIME = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)")


def _obis(text: str) -> str:
    try:
        return str(Obis.parse(text))
    except LocalProtocolError as error:
        raise ValueError(f"{error.message}") from error


def _time_of_day(value: object) -> int:
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("should be a time of day")
    seconds = int(match[1]) * 3600 + int(match[2]) * 60
    if seconds > DAY_S:
        raise ValueError("should be a time of day")
    return seconds


def _weekdays(value: object) -> tuple[int, ...]:
    """ "mon-fri" or "sat" or a list of both as weekday numbers, Monday 0."""
    words = value if isinstance(value, list) else [value]
    days: list[int] = []
    for word in words:
        ends = str(word).split("-")
        if len(ends) > 2 or any(end not in WEEKDAYS for end in ends):
            raise ValueError("should be weekdays")
        first, last = WEEKDAYS.index(ends[0]), WEEKDAYS.index(ends[-1])
        if last < first:
            raise ValueError("should be weekdays in their order")
        days += [day for day in range(first, last + 1) if day not in days]
    return tuple(sorted(days))


def key(default: Any = ..., *, allowed: str, **limits: Any) -> Any:
    """A field whose fault message says what is allowed."""
    return Field(default, json_schema_extra={"allowed": allowed}, **limits)


def _unit(text: str) -> str:
    if text not in UNITS and not _UNIT_NUMBER.fullmatch(text):
        raise ValueError(f"no unit is called {text!r}")
    return text


def unit_number(name: str) -> int:
    """The DLMS number of a unit's sign, "" for none, or of "unit 99" for one that has no sign here."""
    known = UNITS.get(name)
    return int(name.removeprefix("unit ")) if known is None else known


def object_name(text: str) -> tuple[int, Obis]:
    """Class and logical name of "3/1.0.1.8.0.255". Raises ValueError."""
    class_id, _, obis = text.partition("/")
    if not (class_id.isascii() and class_id.isdigit() and int(class_id) <= CLASS_MAX):
        raise ValueError(f"{text!r} is no object such as 3/1.0.1.8.0.255")
    return int(class_id), Obis.parse(_obis(obis))


def _object_name(text: str) -> str:
    class_id, obis = object_name(text)
    return f"{class_id}/{obis}"


ObisText = Annotated[str, AfterValidator(_obis)]
ObjectName = Annotated[str, AfterValidator(_object_name)]
UnitName = Annotated[str, AfterValidator(_unit)]
Index = Annotated[int, Field(ge=-128, le=127)]
Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
TimeOfDayS = Annotated[int, BeforeValidator(_time_of_day)]
Weekdays = Annotated[tuple[int, ...], BeforeValidator(_weekdays)]
OBIS = 'an OBIS code such as "1.0.1.8.0.255"'
NAME = "lower-case letters, digits, - and _"


class Table(BaseModel):
    """A table of the file: nothing unknown, nothing converted in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)


class ProfileFile(Table):
    """A whole device profile file."""

    class Clock(Table):
        deviation_sign: Literal[1, -1] = key(
            allowed="1: UTC = local time + deviation, as the Green Book has it; -1: the opposite"
        )

    class Item(Table):
        name: Word = key(allowed=NAME)
        class_id: int = key(alias="class", allowed="a COSEM class number", ge=1, le=65_535)
        obis: ObisText = key(allowed=OBIS)
        attribute: int = key(2, allowed="1..127", ge=1, le=127)
        type: ItemType = key(allowed="one of " + ", ".join(get_args(ItemType)))
        scaler: int = key(0, allowed="-9..9", ge=-9, le=9)
        unit: UnitName = key("", allowed='a unit such as "Wh", "V" or ""')

    class Captured(Table):
        obis: ObisText = key(allowed=OBIS)
        capture_period_s: int = key(allowed="60..86400 seconds, a divisor of a day", ge=60, le=DAY_S)
        entries: int = key(allowed="1..100000 rows", ge=1, le=100_000)
        columns: tuple[str, ...] = key(allowed="names of [[item]] tables", min_length=2, max_length=COLUMNS_MAX)

    class Log(Table):
        name: Word = key(allowed=NAME)
        obis: ObisText = key(allowed=OBIS)
        entries: int = key(allowed="1..10000 rows", ge=1, le=10_000)
        columns: tuple[str, ...] = key(allowed="names of [[item]] tables", min_length=2, max_length=COLUMNS_MAX)
        codes: dict[Word, Annotated[int, Field(ge=0, le=65_535)]] = key({}, allowed="event = number")

    class Association(Table):
        name: Word = key(allowed=NAME)
        client_sap: int = key(allowed="1..255", ge=1, le=255)
        mechanism: MechanismName = key(allowed="one of " + ", ".join(get_args(MechanismName)))
        ciphered: bool | None = key(None, allowed="true or false; without it true for hls-gmac alone")
        short_names: bool = key(default=False, allowed="true or false")
        invocation_counter: ObisText | None = key(None, allowed=f"{OBIS}; without it that of [security]")
        rights: Rights = key(allowed="one of counters, read, manage")

    class Object(Table):
        version: int = key(0, allowed="0..255", ge=0, le=255)
        read: tuple[Index, ...] = key((), allowed="numbers of attributes", max_length=256)
        write: tuple[Index, ...] = key((), allowed="numbers of attributes", max_length=256)
        call: tuple[Index, ...] = key((), allowed="numbers of methods", max_length=256)

    class Security(Table):
        suite: Literal[0, 1, 2] = key(0, allowed="0, 1 or 2")
        setup: ObisText = key("0.0.43.0.0.255", allowed=OBIS)
        invocation_counter: ObisText = key("0.0.43.1.0.255", allowed=OBIS)

    class Disconnect(Table):
        obis: ObisText = key("0.0.96.3.10.255", allowed=OBIS)
        control_mode: int = key(allowed="0..6", ge=0, le=6)

    class Gateway(Table):
        network_id: int = key(0, allowed="0..255", ge=0, le=255)
        address: AddressFormat = key(allowed="one of ascii, bcd")

    class Tariff(Table):
        class Band(Table):
            rate: Literal[1, 2] = key(allowed="1 or 2")
            weekdays: Weekdays = key(allowed='"mon-fri", "sat", or a list of such')
            from_s: TimeOfDayS = key(alias="from", allowed='"HH:MM" on a quarter-hour')
            to_s: TimeOfDayS = key(alias="to", allowed='"HH:MM" on a quarter-hour, after from, up to "24:00"')

        default_rate: Literal[1, 2] = key(1, allowed="1 or 2")
        band: tuple[Band, ...] = key((), allowed="[[tariff.band]] tables", max_length=16)

    name: Word = key(allowed=NAME)
    title: str = key(allowed="one line", min_length=1, max_length=120)
    origin: str = key(allowed="where the facts come from", min_length=1)
    licence: str = key(allowed="the licence of the data", min_length=1)
    manufacturer: str = key("", allowed="three upper-case letters (FLAG)", pattern=r"^([A-Z]{3})?$")
    firmware: str = key("", allowed="up to 32 visible characters", pattern=r"^[ -~]{0,32}$")
    phases: Literal[1, 3] = key(allowed="1 or 3")
    server_sap: int = key(1, allowed="1..16383", ge=1, le=16_383)
    max_pdu_octets: int = key(allowed="64..65535 octets", ge=PDU_OCTETS_MIN, le=PDU_OCTETS_MAX)
    clock: Clock = key(allowed="a [clock] table")
    security: Security = key(Security(), allowed="a [security] table")
    disconnect: Disconnect | None = key(None, allowed="a [disconnect] table")
    gateway: Gateway = key(Gateway(address="ascii"), allowed="a [gateway] table")
    tariff: Tariff = key(Tariff(), allowed="a [tariff] table")
    load_profile: Captured | None = key(None, allowed="a [load_profile] table")
    billing: Captured | None = key(None, allowed="a [billing] table")
    item: tuple[Item, ...] = key(allowed="[[item]] tables", min_length=1, max_length=ITEMS_MAX)
    event_log: tuple[Log, ...] = key((), allowed="[[event_log]] tables", max_length=LOGS_MAX)
    association: tuple[Association, ...] = key(
        allowed="[[association]] tables", min_length=1, max_length=ASSOCIATIONS_MAX
    )
    objects: dict[ObjectName, Object] = key(
        {}, allowed='lines such as "3/1.0.1.8.0.255" = { read = [1, 2, 3] }', max_length=OBJECTS_MAX
    )


def read_profile_file(path: Path) -> ProfileFile:
    """Read and check a profile file. Raises ConfigError that lists every fault with file and line."""
    return check(toml_file.read(path))


def check(file: toml_file.TomlFile) -> ProfileFile:
    """The profile that a TOML file holds; ConfigError lists every fault."""
    faults = toml_file.Faults(file)
    source: ProfileFile | None = None
    try:
        source = ProfileFile.model_validate(file.values)
    except ValidationError as error:
        faults.add_invalid(error, ProfileFile, ())
    sound = Part(ProfileFile, file.values)
    _check_names(sound, faults)
    _check_columns(sound, faults)
    _check_tariff(sound, faults)
    faults.raise_if_any()
    if source is None:
        raise AssertionError("a file without faults has a profile")
    return source


def _check_names(profile: Part, faults: toml_file.Faults) -> None:
    for table in ("item", "event_log", "association"):
        seen: set[str] = set()
        for index, entry in enumerate(getattr(profile, table)):
            if entry.name in seen:
                faults.add((table, index, "name"), f"{entry.name!r} stands twice")
            if entry.name is not None:
                seen.add(entry.name)
    saps = [offer.client_sap for offer in profile.association]
    for index, sap in enumerate(saps):
        if sap is not None and sap in saps[:index]:
            faults.add(("association", index, "client_sap"), f"client {sap} has an association already")
    if profile.item and "clock" not in {entry.name for entry in profile.item} and not may_mean("clock", profile.item):
        faults.add(("item",), "one item must be called 'clock' (class 8)")


def _check_columns(profile: Part, faults: toml_file.Faults) -> None:
    known = {entry.name: entry for entry in profile.item if entry.name is not None}
    tables: list[tuple[tuple[str | int, ...], Part | None]] = [
        (("load_profile",), profile.load_profile),
        (("billing",), profile.billing),
    ]
    tables += [(("event_log", index), log) for index, log in enumerate(profile.event_log)]
    for path, table in tables:
        columns = () if table is None or table.columns is None else table.columns
        for index, name in enumerate(columns):
            if profile.item and name not in known and not may_mean(name, profile.item):
                hint = toml_file.did_you_mean(name, known)
                faults.add((*path, "columns", index), f"no [[item]] is called {name!r}{hint}")
        first = known.get(columns[0]) if columns else None
        if first is not None and first.class_id not in (None, CLASS_CLOCK):
            faults.add((*path, "columns"), "the first column must be the clock")
    for name in ("load_profile", "billing"):
        captured = getattr(profile, name)
        period_s = None if captured is None else captured.capture_period_s
        if period_s is not None and DAY_S % period_s:
            faults.add((name, "capture_period_s"), "a day must hold a whole number of periods")


def _check_tariff(profile: Part, faults: toml_file.Faults) -> None:
    bands = list(enumerate(profile.tariff.band))
    for index, band in bands:
        path = ("tariff", "band", index)
        if (band.from_s or 0) % QUARTER_S or (band.to_s or 0) % QUARTER_S:
            faults.add(path, "from and to must stand on quarter-hours")
        if not band.sound("from_s", "to_s"):
            continue
        if band.to_s <= band.from_s:
            faults.add((*path, "to"), "must be later than from; split a band that passes midnight")
        for _, earlier in bands[:index]:
            if not (earlier.sound("from_s", "to_s", "weekdays") and band.sound("weekdays")):
                continue
            days = set(band.weekdays) & set(earlier.weekdays)
            if days and band.from_s < earlier.to_s and earlier.from_s < band.to_s:
                faults.add(path, "overlaps an earlier band")

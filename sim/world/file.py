"""The text of a world file: every table, key and limit. docs/world-files.md is made from these models.

A key that stands for a duration is written with its unit ("15m"), so no key needs one in its name.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt

from sim.media.g3 import Modulation
from sim.media.noise import NOISE_SHAPES
from sim.world.units import (
    DURATION,
    TIME_OF_DAY,
    TIME_OF_RUN,
    duration_s,
    time_of_day_s,
    time_of_run_s,
    whole_seconds,
    written,
)

METERS_PER_DCU_MAX = 2000
METERS_MAX = 200_000
DCUS_MAX = 2000
START = "a local midnight with its offset, such as 2026-03-02T00:00:00+00:00"
DURATION_S_MAX = 366 * 86_400
SEED_MAX = 2**63 - 1


def _list(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


def _instant(value: object) -> datetime:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError(f"should be {START}")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("should be a number")
    return float(value)


def _duration_limits(limits: dict[str, Any]) -> str:
    words = (("gt", "above"), ("ge", "from"), ("lt", "below"), ("le", "to"))
    said = [f'{word} "{written(limits[limit])}"' for limit, word in words if limits.get(limit)]
    return f", {' '.join(said)}" if said else ""


def key(default: Any = ..., *, allowed: str, meaning: str, **limits: Any) -> Any:
    """A field with what the reference and fault messages say about it; the limits of a duration are added in words."""
    if allowed == DURATION:
        allowed += _duration_limits(limits)
    return Field(default, description=meaning, json_schema_extra={"allowed": allowed}, **limits)


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=40)]
NAME = "lower-case letters and digits, in words joined by -"
Duration = Annotated[float, BeforeValidator(duration_s)]
Seconds = Annotated[int, BeforeValidator(whole_seconds)]
RunTime = Annotated[int, BeforeValidator(time_of_run_s)]
DayTimes = Annotated[tuple[Annotated[int, BeforeValidator(time_of_day_s)], ...], BeforeValidator(_list)]
Number = Annotated[float, BeforeValidator(_number)]
Span = tuple[Duration, Duration]
SPAN = 'the shortest and the longest, such as ["3s", "8s"]'
Share = Annotated[float, BeforeValidator(_number), Field(ge=0, le=1)]


class Table(BaseModel):
    """A table of the file: nothing unknown, nothing converted in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RetriesTable(Table):
    on: StrictBool = key(
        default=True, allowed="true or false", meaning="Ask again at all; with false all other keys are idle."
    )
    attempts: StrictInt = key(8, allowed="1..100", meaning="Associations tried per meter and opening.", ge=1, le=100)
    exchange_repeats: StrictInt = key(
        1, allowed="0..10", meaning="Repeats of an unanswered request inside its association.", ge=0, le=10
    )
    first: Duration = key(60.0, allowed=DURATION, meaning="Wait after the first failure; doubles.", gt=0, le=86_400)
    limit: Duration = key(900.0, allowed=DURATION, meaning="Longest wait between attempts.", gt=0, le=86_400)
    jitter: Share = key(0.25, allowed="0..1", meaning="Share of a wait that is drawn.")
    recovery: Duration = key(
        86_400.0, allowed=DURATION, meaning="How far back gaps are looked for besides what a plan covers.", ge=0
    )


class HeadEndTable(Table):
    exchange_timeout: Duration = key(
        60.0, allowed=DURATION, meaning="Longest wait for one answer; longer than the DCUs' own.", gt=0, le=3600
    )
    login_timeout: Duration = key(
        60.0, allowed=DURATION, meaning="A connection that has not logged in by then is closed.", gt=0, le=3600
    )
    silence_timeout: Duration = key(
        600.0, allowed=DURATION, meaning="A session not heard of for that long is closed.", gt=0, le=86_400
    )
    late_answer: Duration = key(
        120.0, allowed=DURATION, meaning="How long after a time-out an answer still counts as the late one.", gt=0
    )
    lanes_per_dcu: StrictInt = key(1, allowed="1..16", meaning="Meters of one DCU that are read at once.", ge=1, le=16)
    retries: RetriesTable = key(RetriesTable(), allowed="a table", meaning="How often and how soon it asks again.")


class ConcentratorTable(Table):
    heartbeat: Duration = key(180.0, allowed=DURATION, meaning="Time between life signs.", ge=5, le=3600)
    heartbeats_missed: StrictInt = key(
        3, allowed="1..20", meaning="Unanswered life signs that end a session.", ge=1, le=20
    )
    response: Duration = key(15.0, allowed=DURATION, meaning="Wait for the answer to a login.", gt=0, le=600)
    meter_timeout: Duration = key(
        20.0, allowed=DURATION, meaning="A forwarded request that took longer is given up.", gt=0, le=3600
    )
    own_work: Duration | None = key(
        None, allowed=DURATION, meaning="Period of the DCU's own rounds over its meters; none when left out.", ge=60
    )


class ClocksTable(Table):
    drift_ppm: Number = key(
        20.0, allowed="0..500", meaning="A meter's clock gains or loses up to that much.", ge=0, le=500
    )
    offset: Duration = key(
        5.0, allowed=DURATION, meaning="A meter's clock is wrong by up to that much at the start.", ge=0, le=3600
    )


class SecurityTable(Table):
    association: str = key(
        "management", allowed="an association of the device profiles", meaning="Association that the head-end uses."
    )
    suite: Literal[0] = key(0, allowed="0", meaning="Security suite of ciphered associations.")
    dedicated_key: StrictBool = key(
        default=False, allowed="true or false", meaning="Protect each association with a key of its own."
    )


class PlanTable(Table):
    name: Name = key(allowed=NAME, meaning="Name of the plan in reports.")
    what: Literal["load-profile", "billing"] = key(
        allowed="load-profile or billing", meaning="The profile of the device profile that is read."
    )
    at: DayTimes | None = key(
        None, allowed=f"{TIME_OF_DAY}, or a list of them", meaning="Openings by the clock.", min_length=1, max_length=96
    )
    every: Seconds | None = key(
        None, allowed='a duration that divides a day, such as "4h"', meaning="Openings by period, from midnight on.",
        ge=900, le=86_400,
    )  # fmt: skip
    lookback: Seconds | None = key(
        None, allowed=DURATION, meaning='What an opening covers, back from it; left out: `every`, or "1d".',
        ge=900, le=31 * 86_400,
    )  # fmt: skip
    settle: Seconds = key(
        180, allowed=DURATION, meaning="Wait after the opening, for slow meter clocks.", ge=0, le=6 * 3600
    )
    window: Seconds = key(
        allowed=DURATION,
        meaning="From the opening to the deadline: what is missing then is late.",
        ge=60,
        le=7 * 86_400,
    )


class MetersTable(Table):
    profile: str = key(allowed="a device profile", meaning="What kind of meters they are: fixtures/profiles.")
    shape: str = key(allowed="a load shape", meaning="What they measure: fixtures/load-shapes.")
    count: StrictInt = key(allowed=f"1..{METERS_PER_DCU_MAX}", meaning="How many.", ge=1, le=METERS_PER_DCU_MAX)
    mean_daily_wh: StrictInt | None = key(
        None, allowed="1..100000000 Wh", meaning="Mean daily energy of each; left out: drawn around the load shape's.",
        ge=1, le=100_000_000,
    )  # fmt: skip


class DcuTable(Table):
    name: Name = key(allowed=NAME, meaning="Name of the DCU; its meters are called name-0001 and so on.")
    region: str = key(
        allowed='four decimal digits such as "0731"', meaning="First half of the terminal ID.", pattern=r"^[0-9]{4}$"
    )
    address: StrictInt = key(allowed="1..65535", meaning="Second half of the terminal ID.", ge=1, le=65_535)
    uplink: str | None = key(
        None, allowed="a medium of kind gprs", meaning="Its way to the head-end; left out: a fixed line."
    )
    field: str = key(allowed="a medium of kind plc", meaning="Its way to the meters.")
    meters: tuple[MetersTable, ...] = key(
        allowed="[[dcu.meters]] tables", meaning="Its meters, group by group.", min_length=1, max_length=50
    )


class GprsTable(Table):
    kind: Literal["gprs"] = key(allowed="gprs", meaning="A GPRS modem and its bearer.")
    boot: Span | None = key(None, allowed=SPAN, meaning="The modem boots.")
    registering: Span | None = key(None, alias="register", allowed=SPAN, meaning="It registers with the network.")
    attach: Span | None = key(None, allowed=SPAN, meaning="It attaches and gets an address.")
    attach_failure: Share | None = key(None, allowed="0..1", meaning="Share of attachments that the operator refuses.")
    round_trip: Span | None = key(None, allowed=SPAN, meaning="Round trip of a small segment.")
    up_bit_s: Number | None = key(None, allowed="100..100000000 bit/s", meaning="Rate to the head-end.", ge=100, le=1e8)
    down_bit_s: Number | None = key(None, allowed="100..100000000 bit/s", meaning="Rate from it.", ge=100, le=1e8)
    flow_idle: Duration | None = key(
        None, allowed=DURATION, meaning="A longer pause ends the temporary block flow.", ge=0, le=3600
    )
    flow_setup: Span | None = key(None, allowed=SPAN, meaning="What setting it up again costs.")
    nat_idle: Duration | None = key(
        None, allowed=DURATION, meaning="An idle connection is forgotten by the operator after that.", ge=1
    )
    drops_per_day: Number | None = key(
        None, allowed="0..1000", meaning="How often the operator ends the data connection.", ge=0, le=1000
    )
    outage_survived: Duration | None = key(
        None, allowed=DURATION, meaning="A longer loss of coverage costs the data connection.", ge=0
    )


class FadingTable(Table):
    gap: Duration | None = key(None, allowed=DURATION, meaning="Mean time between episodes of a link.", gt=0)
    episode: Duration | None = key(None, allowed=DURATION, meaning="Mean length of an episode.", gt=0)
    frame_error: tuple[Share, Share] | None = key(
        None, allowed="two shares such as [0.7, 1.0]", meaning="Share of frames that an episode loses."
    )
    off: StrictBool = key(default=False, allowed="true or false", meaning="No episodes at all.")


class PlcTable(Table):
    kind: Literal["plc"] = key(allowed="plc", meaning="A G3-PLC network.")
    band: Literal["CENELEC-A", "FCC"] | None = key(None, allowed="CENELEC-A or FCC", meaning="Frequency band.")
    hop_shares: tuple[Share, ...] | None = key(
        None, allowed="1 to 8 shares", meaning="Share of meters at 1, 2, 3 ... hops.", min_length=1, max_length=8
    )
    modulations: dict[Literal["ROBO", "DBPSK", "DQPSK", "D8PSK"], Share] | None = key(
        None, allowed="shares of " + ", ".join(modulation.name for modulation in Modulation), meaning="Share of links.",
        min_length=1,
    )  # fmt: skip
    frame_error: Share | None = key(None, allowed="0..1", meaning="Mean share of frames lost on a clean link.")
    frame_error_spread: Number | None = key(
        None, allowed="0..3", meaning="How much links differ: sigma of its logarithm.", ge=0, le=3
    )
    noise: Literal["quiet", "residential", "bad-evening"] | None = key(
        None, allowed="one of " + ", ".join(sorted(NOISE_SHAPES)), meaning="How frame errors change with the hour."
    )
    fading: FadingTable | None = key(None, allowed="a table", meaning="Minutes in which a link is as good as dead.")
    retries: StrictInt | None = key(None, allowed="0..7", meaning="MAC retries of a frame.", ge=0, le=7)
    background_load: Share | None = key(
        None, allowed="0..1", meaning="Share of time in which others' frames are on the air.", lt=1
    )
    collisions: Share | None = key(None, allowed="0..1", meaning="Share of frames hit by one nobody could hear.")
    processing: Span | None = key(None, allowed=SPAN, meaning="A meter thinks about its answer.")
    fidelity: Literal["frame", "exchange"] | None = key(
        None, allowed="frame or exchange", meaning="One event per frame, or one per exchange with the same draws."
    )


class FaultTable(Table):
    kind: Literal[
        "dcu-down", "uplink-down", "uplink-drop", "noise", "power-cut", "meter-silent", "clock-step", "disconnect"
    ] = key(
        allowed="dcu-down, uplink-down, uplink-drop, noise, power-cut, meter-silent, clock-step or disconnect",
        meaning="What goes wrong; see below.",
    )
    target: str = key(allowed='a DCU, a meter such as "north-0007", or "*" for every DCU', meaning="To whom.")
    from_s: RunTime = key(alias="from", allowed=TIME_OF_RUN, meaning="When it begins.")
    to_s: RunTime | None = key(
        None, alias="to", allowed=TIME_OF_RUN, meaning="When it ends; left out: it lasts. Instants have no end."
    )
    factor: Number | None = key(
        None, allowed="1..100", meaning="Of noise: how many times more frames are lost.", gt=1, le=100
    )
    step: Duration | None = key(
        None, allowed='a duration such as "7m" or "-90s"', meaning="Of clock-step: what the clock is set forward by.",
        ge=-86_400 * 366, le=86_400 * 366,
    )  # fmt: skip


class WorldFile(Table):
    """The keys that stand above all tables, and the tables."""

    name: Name = key(allowed=NAME, meaning="Name of the world in reports and run folders.")
    title: str = key("", allowed="one line", meaning="What it is about.", max_length=200)
    seed: StrictInt = key(allowed="0..2^63-1", meaning="All chance follows from it.", ge=0, le=SEED_MAX)
    start: Annotated[datetime, BeforeValidator(_instant)] = key(allowed=START, meaning="When the run begins.")
    zone: str = key("UTC", allowed="a time zone name such as UTC or Europe/Lisbon", meaning="Civil time of the field.")
    duration: Seconds = key(allowed=DURATION, meaning="The time that is accounted for.", ge=900, le=DURATION_S_MAX)
    run_on: Seconds = key(
        0, allowed=DURATION, meaning="The run goes on so long after it, for the last windows.", ge=0, le=7 * 86_400
    )
    head_end: HeadEndTable = key(HeadEndTable(), allowed="a table", meaning="The head-end's collector.")
    concentrator: ConcentratorTable = key(ConcentratorTable(), allowed="a table", meaning="The firmware of the DCUs.")
    security: SecurityTable = key(SecurityTable(), allowed="a table", meaning="How the head-end associates.")
    clocks: ClocksTable = key(ClocksTable(), allowed="a table", meaning="How wrong the meters' clocks are.")
    plan: tuple[PlanTable, ...] = key(
        allowed="[[plan]] tables", meaning="What the head-end promises to read.", min_length=1, max_length=50
    )
    dcu: tuple[DcuTable, ...] = key(
        allowed="[[dcu]] tables", meaning="The concentrators.", min_length=1, max_length=DCUS_MAX
    )
    media: dict[str, Any] = key(allowed="[media.NAME] tables", meaning="How octets travel.")
    fault: tuple[FaultTable, ...] = key((), allowed="[[fault]] tables", meaning="What goes wrong.", max_length=10_000)

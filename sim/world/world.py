"""A world: what there is in the simulated field, what happens to it, and what the head-end has promised to read.

Plain frozen values; `sim.world.parse` makes them from a TOML file, `sim.world.population` expands them into devices.
Times of day and of faults are seconds after `start_epoch_s`, which is a local midnight; durations are seconds.
Every key of the file is described in docs/world-files.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from hes.protocols.qgdw376 import TerminalId

FaultKind = Literal[
    "dcu-down", "uplink-down", "noise", "power-cut", "meter-silent", "clock-step", "disconnect", "profile-reset"
]
MediumKind = Literal["gprs", "plc"]
ParameterValue = int | float | str | tuple[int | float, ...] | tuple["NoiseWindow", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseWindow:
    """Between two times of every day a PLC network loses this share of its frames besides its own."""

    from_s: int
    to_s: int
    frame_error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often and how soon the head-end asks again. on=False: everything is asked once and never again."""

    on: bool = True
    attempts: int = 8
    exchange_repeats: int = 1
    first_s: float = 60.0
    limit_s: float = 900.0
    recovery_s: float = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadEnd:
    """Settings of the head-end's collector."""

    exchange_timeout_s: float = 60.0
    login_timeout_s: float = 60.0
    silence_timeout_s: float = 600.0
    retries: Retries = field(default_factory=Retries)


@dataclass(frozen=True, slots=True, kw_only=True)
class Concentrator:
    """Settings that every DCU's firmware shares; its time-out is shorter than the head-end's."""

    heartbeat_s: float = 120.0
    answer_timeout_s: float = 40.0
    redial_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSpec:
    """A promise of the head-end that repeats every local day.

    what: which profile of the device profile is read. at_s: openings, seconds after local midnight.
    lookback_s: how far back from an opening its rows are covered. settle_s: how long after the opening the collector
    waits, so that slow meter clocks have captured the last row. window_s: after the opening, when what is missing is
    late.
    """

    name: str
    what: Literal["load-profile", "billing"]
    at_s: tuple[int, ...]
    lookback_s: int
    settle_s: int
    window_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterGroup:
    """`count` meters of one kind. mean_daily_wh: None takes the load shape's own."""

    profile: str
    shape: str
    count: int
    mean_daily_wh: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DcuSpec:
    """One concentrator. uplink, field: names of media."""

    name: str
    terminal: TerminalId
    uplink: str
    field: str
    meters: tuple[MeterGroup, ...]

    @property
    def meter_count(self) -> int:
        return sum(group.count for group in self.meters)


@dataclass(frozen=True, slots=True, kw_only=True)
class MediumSpec:
    """A medium by name: its kind, and the parameters that the file sets (base units: seconds, bit/s, shares of 1)."""

    name: str
    kind: MediumKind
    parameters: Mapping[str, ParameterValue] = field(hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSpec:
    """Something that goes wrong. from_s, to_s: seconds after the start; to_s None: it stays, or it is an instant.

    target: a DCU's name, a meter's name, or "*" for every DCU.
    frame_error: of "noise", the share of frames lost besides the usual. step_s: of "clock-step".
    """

    kind: FaultKind
    target: str
    from_s: int
    to_s: int | None = None
    frame_error: float | None = None
    step_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """How wrong the meters' clocks are: each draws its drift and its offset at the start from -x to +x."""

    drift_ppm: float = 20.0
    offset_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """Which association of the device profiles the head-end uses, and which security suite it expects."""

    association: str = "management"
    suite: int = 0
    dedicated_key: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A whole world.

    zone: name of the time zone in which `start_epoch_s` is a midnight. duration_s: the time that is accounted for.
    run_on_s: how long the run goes on after it, so that the last windows can close.
    digest: SHA-256 of the file's octets, hex.
    """

    name: str
    title: str
    seed: int
    start_epoch_s: int
    zone: str
    duration_s: int
    run_on_s: int
    head_end: HeadEnd
    concentrator: Concentrator
    clocks: Clocks
    security: Security
    plans: tuple[PlanSpec, ...]
    dcus: tuple[DcuSpec, ...]
    media: tuple[MediumSpec, ...]
    faults: tuple[FaultSpec, ...]
    digest: str

    @property
    def end_epoch_s(self) -> int:
        """End of the time that is accounted for."""
        return self.start_epoch_s + self.duration_s

    @property
    def stop_epoch_s(self) -> int:
        """End of the run."""
        return self.start_epoch_s + self.duration_s + self.run_on_s

    @property
    def meter_count(self) -> int:
        return sum(dcu.meter_count for dcu in self.dcus)

    def medium(self, name: str) -> MediumSpec:
        """The medium called `name`; KeyError when there is none (the parser has checked every reference)."""
        for medium in self.media:
            if medium.name == name:
                return medium
        raise KeyError(name)

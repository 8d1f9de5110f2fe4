"""A world: what there is in the simulated field, what happens to it, and what the head-end has promised to read.

Plain frozen values; `sim.world.parse` makes them from a TOML file, `sim.world.population` expands them into devices.
Times of faults are seconds after `start_epoch_s`, which is a local midnight; durations are seconds.
Every key of the file is described in docs/world-files.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from hes.acquisition.plans import Plan
from hes.acquisition.retries import RetryPolicy
from hes.protocols.qgdw376 import TerminalId
from sim.media.gprs import GprsParameters
from sim.media.plc import PlcParameters

FaultKind = Literal[
    "dcu-down", "uplink-down", "uplink-drop", "noise", "power-cut", "meter-silent", "clock-step", "disconnect"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadEnd:
    """Settings of the head-end's collector; retries are NO_RETRIES when they are switched off."""

    exchange_s: float = 60.0
    login_s: float = 60.0
    silence_s: float = 600.0
    late_answer_s: float = 120.0
    lanes_per_dcu: int = 1
    retries: RetryPolicy = field(default_factory=RetryPolicy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Concentrator:
    """Settings that the firmware of every DCU shares (sim.dcu.config.DcuConfig). own_work_s: None, it has none."""

    heartbeat_s: float = 180.0
    heartbeats_missed_max: int = 3
    response_s: float = 15.0
    meter_timeout_s: float = 20.0
    own_work_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterGroup:
    """`count` meters of one kind. mean_daily_wh: None takes the load shape's own, drawn around its mean."""

    profile: str
    shape: str
    count: int
    mean_daily_wh: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DcuSpec:
    """One concentrator. uplink: name of its GPRS medium, None for a fixed line. network: of its PLC medium."""

    name: str
    terminal: TerminalId
    uplink: str | None
    network: str
    meters: tuple[MeterGroup, ...]

    @property
    def meter_count(self) -> int:
        return sum(group.count for group in self.meters)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSpec:
    """Something that goes wrong. from_s, to_s: seconds after the start; to_s None: it stays, or it is an instant.

    target: a DCU's name, a meter's name, or "*" for every DCU.
    factor: of "noise", how many times more frames are lost. step_s: of "clock-step", forward when above 0.
    """

    kind: FaultKind
    target: str
    from_s: int
    to_s: int | None = None
    factor: float | None = None
    step_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """How wrong the meters' clocks are: each draws its drift, and its offset at the start, from -x to +x."""

    drift_ppm: float = 20.0
    offset_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """Which association of the device profiles the head-end uses, and the suite it expects where it is ciphered."""

    association: str = "management"
    suite: int = 0
    dedicated_key: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A whole world.

    zone: name of the time zone in which `start_epoch_s` is a midnight. duration_s: the time that is accounted for.
    run_on_s: how long the run goes on after it, so that the last windows can close.
    uplinks, networks: parameters of the media by name. digest: SHA-256 of the file's text, hex.
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
    plans: tuple[Plan, ...]
    dcus: tuple[DcuSpec, ...]
    uplinks: tuple[tuple[str, GprsParameters], ...]
    networks: tuple[tuple[str, PlcParameters], ...]
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

    def uplink(self, dcu: DcuSpec) -> GprsParameters | None:
        """The parameters of a DCU's GPRS modem; None for a fixed line."""
        return None if dcu.uplink is None else dict(self.uplinks)[dcu.uplink]

    def network(self, dcu: DcuSpec) -> PlcParameters:
        """The parameters of the PLC network below a DCU."""
        return dict(self.networks)[dcu.network]

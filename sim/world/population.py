"""A world's devices one by one: names, numbers, addresses, system titles, clocks. All of it follows from the file.

A device's draws depend on the seed and its own name only, so a DCU more or less changes nothing for the others. Hops
and parents are drawn by the PLC network.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from hes.devices import profiles
from hes.protocols.qgdw376 import TerminalId
from sim.meter import chance
from sim.meter.civil import zone as zone_called
from sim.meter.endpoint import MeterEndpoint, TellFindings
from sim.meter.journal import Journal
from sim.meter.load import DayCache
from sim.meter.load_shape import load as load_shape_called
from sim.meter.load_table import LoadKind
from sim.meter.meter import Meter, MeterIdentity, MeterType, draw_clock, tariff_of
from sim.meter.security import MeterSecurity
from sim.world.world import DcuSpec, MeterGroup, World

NUMBER_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterDevice:
    """One meter. profile, shape: names of its device profile and load shape; index counts from 1 within its DCU."""

    identity: MeterIdentity
    dcu: str
    index: int
    profile: str
    shape: str

    @property
    def name(self) -> str:
        return self.identity.name

    @property
    def number(self) -> str:
        return self.identity.number

    @property
    def address(self) -> bytes:
        """Its address in the gateway header."""
        return self.identity.address

    @property
    def system_title(self) -> bytes:
        return self.identity.system_title


@dataclass(frozen=True, slots=True, kw_only=True)
class DcuDevice:
    """One concentrator and the meters behind it."""

    spec: DcuSpec
    meters: tuple[MeterDevice, ...]

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def terminal(self) -> TerminalId:
        return self.spec.terminal


class Population:
    """All devices of a world, and the shared parts that its meters are made of.

    dcus, meters: in the order of the file.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.dcus = tuple(_dcu(world, spec) for spec in world.dcus)
        self.meters = {meter.name: meter for dcu in self.dcus for meter in dcu.meters}
        self._cache = DayCache()
        self._types: dict[tuple[str, str], MeterType] = {}

    def meter(
        self, device: MeterDevice, journal: Journal | None = None, security: MeterSecurity | None = None
    ) -> Meter:
        """The meter of a device, untouched unless it is given what was done to it."""
        return Meter(self.meter_type(device.profile, device.shape), device.identity, journal, security)

    def endpoint(self, device: MeterDevice, tell: TellFindings | None = None) -> MeterEndpoint:
        """The meter behind its address; whoever keeps it keeps its journal. tell: see `MeterEndpoint`."""
        return MeterEndpoint(device.address, partial(self.meter, device), tell)

    def meter_type(self, profile_name: str, shape_name: str) -> MeterType:
        """What all meters of a profile and a shape share."""
        found = self._types.get((profile_name, shape_name))
        if found is None:
            profile = profiles.load(profile_name)
            kind = LoadKind(load_shape_called(shape_name), tariff_of(profile))
            found = MeterType(profile, kind, zone_called(self.world.zone), self._cache, self.world.seed)
            self._types[profile_name, shape_name] = found
        return found

    def targets(self, target: str) -> tuple[MeterDevice, ...]:
        """The meters that a fault's target stands for: one, those of a DCU, or all for "*"."""
        if target in self.meters:
            return (self.meters[target],)
        return tuple(meter for dcu in self.dcus if target in ("*", dcu.name) for meter in dcu.meters)


def _dcu(world: World, spec: DcuSpec) -> DcuDevice:
    meters: list[MeterDevice] = []
    for group in spec.meters:
        meters += [_meter(world, spec, group, index) for index in range(len(meters) + 1, len(meters) + 1 + group.count)]
    return DcuDevice(spec=spec, meters=tuple(meters))


def _meter(world: World, spec: DcuSpec, group: MeterGroup, index: int) -> MeterDevice:
    profile = profiles.load(group.profile)
    name = f"{spec.name}-{index:04d}"
    number = meter_number(spec.terminal, index)
    entity = chance.key(world.seed, "meter", name)
    drift_ppb, offset_ms = draw_clock(entity, world.clocks.drift_ppm, world.clocks.offset_s)
    letters = profile.manufacturer.encode("ascii")
    return MeterDevice(
        identity=MeterIdentity(
            name=name,
            number=number,
            address=profile.gateway.address(number),
            system_title=letters + int(number).to_bytes(5, "big"),
            logical_device_name=letters + b"%d" % profile.phases + number.encode("ascii"),
            entity=entity,
            drift_ppb=drift_ppb,
            offset_ms=offset_ms,
            clock_set_ms=1000 * world.start_epoch_s,
            mean_daily_wh=group.mean_daily_wh,
        ),
        dcu=spec.name,
        index=index,
        profile=group.profile,
        shape=group.shape,
    )


def meter_number(terminal: TerminalId, index: int) -> str:
    """Twelve digits: the last three of the region, five of the DCU's address, four of the meter's index from 1.

    Twelve digits fit the five octets of a system title behind its three letters.
    """
    return f"{terminal.region % 1000:03d}{terminal.address:05d}{index:04d}"

"""One meter: its load, its clock and its journal, and from these what it has measured and captured.

A `Meter` is a function of (seed, meter, time, journal) with a little memory: the journal, once somebody intervened,
and its security counters, once somebody associated. It can be dropped and made again only while it has neither, which
is what `MeterEndpoint` does.

Instants `at_ms` are true time in ms since 1970 UTC; readings are what the meter's own clock says, in the same unit.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from hes.devices.profiles import CapturedProfile, DeviceProfile
from sim.meter import chance
from sim.meter.borders import Borders, borders_of
from sim.meter.civil import Zone
from sim.meter.clock import MeterClock, Stretch
from sim.meter.journal import FOREVER_MS, Interval, Journal
from sim.meter.load import DayCache, MeterLoad, Places, Quantity
from sim.meter.load_shape import SLOTS_PER_DAY
from sim.meter.load_table import LoadKind, Tariff
from sim.meter.row_codec import RowCodec
from sim.meter.runs import Captured, Run, capture_runs
from sim.meter.security import MeterSecurity

PPB_PER_PPM = 1000
_SLOT_S = 900
_NO_OUTAGES: tuple[Interval, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterIdentity:
    """What distinguishes one meter from another of its profile.

    number: decimal digits. logical_device_name: up to 16 octets. drift_ppb, offset_ms: of its clock, the offset at
    `clock_set_ms` (the start of the world). mean_daily_wh: None draws it around the load shape's.
    """

    name: str
    number: str
    address: bytes
    system_title: bytes
    logical_device_name: bytes
    entity: bytes
    drift_ppb: int = 0
    offset_ms: int = 0
    clock_set_ms: int = 0
    mean_daily_wh: int | None = None


class MeterType:
    """What all meters of one device profile and load shape in one zone share."""

    def __init__(self, profile: DeviceProfile, kind: LoadKind, zone: Zone, cache: DayCache, seed: int = 0) -> None:
        """seed: the world's, from which the meters' test keys are derived."""
        self.profile = profile
        self.seed = seed
        self.password_saps = frozenset(offer.client_sap for offer in profile.associations if offer.mechanism == "lls")
        self.kind = kind
        self.zone = zone
        self.cache = cache
        sign = profile.deviation_sign
        self.borders = {part.name: borders_of(part.capture_period_s, zone) for part in profile.profiles}
        self.codecs = {part.name: RowCodec(part, zone, deviation_sign=sign) for part in profile.profiles}


def tariff_of(profile: DeviceProfile) -> Tariff:
    """The rate of every quarter-hour of the week, from the profile's bands."""
    week = [[profile.tariff_default_rate] * SLOTS_PER_DAY for _ in range(7)]
    for band in profile.tariff_bands:
        for weekday in band.weekdays:
            for slot in range(band.from_s // _SLOT_S, band.to_s // _SLOT_S):
                week[weekday][slot] = band.rate
    return tuple(tuple(day) for day in week)


class Meter:
    """One meter of a `MeterType`."""

    __slots__ = ("_derived", "identity", "journal", "load", "security_record", "type")

    def __init__(
        self,
        meter_type: MeterType,
        identity: MeterIdentity,
        journal: Journal | None = None,
        security: MeterSecurity | None = None,
    ) -> None:
        self.type = meter_type
        self.identity = identity
        self.journal = journal
        self.security_record = security
        self.load = MeterLoad(
            meter_type.kind,
            identity.entity,
            cache=meter_type.cache,
            mean_daily_wh=identity.mean_daily_wh,
            utc_offset_ms=meter_type.zone.standard_ms,
        )
        self._derived = _Derived(self)

    @property
    def profile(self) -> DeviceProfile:
        return self.type.profile

    def interventions(self) -> Journal:
        """The journal, begun if there was none."""
        if self.journal is None:
            self.journal = Journal()
        return self.journal

    @property
    def security(self) -> MeterSecurity:
        """Its keys and counters, begun if there were none."""
        if self.security_record is None:
            shared = self.type
            self.security_record = MeterSecurity(shared.seed, self.identity.system_title, shared.password_saps)
        return self.security_record

    def challenge(self, count: int) -> bytes:
        """`count` octets for a challenge."""
        return self.security.challenge(self.identity.entity, count)

    @property
    def clock(self) -> MeterClock:
        return self._current().clock

    def reading_ms(self, at_ms: int) -> int:
        """What the meter's clock says."""
        return self._current().clock.reading_ms(at_ms)

    def powered_at(self, at_ms: int) -> bool:
        """Whether the meter has its supply."""
        return self.journal is None or self.journal.powered_at(at_ms)

    def flowing_at(self, at_ms: int) -> bool:
        """Whether energy can flow: supply there and relay closed."""
        return self.journal is None or not any(dead.start_ms <= at_ms < dead.end_ms for dead in self.journal.dead)

    def energy_mwh(self, quantity: Quantity, at_ms: int) -> int:
        """The register at an instant in mWh (mvarh) since commissioning; it stands still while nothing can flow."""
        if self.journal is None or not self.journal.dead:
            return self.load.energy_mwh(quantity, at_ms)
        return self._current().losses.energy_mwh(quantity, at_ms)

    def power_mw(self, quantity: Quantity, at_ms: int) -> int:
        """Mean power of the quarter-hour, in mW (mvar); 0 while nothing can flow."""
        return self.load.power_mw(quantity, at_ms) if self.flowing_at(at_ms) else 0

    def energies_wh(self, quantity: Quantity, instants_ms: Sequence[int], places: Sequence[Places]) -> list[int]:
        """The register in whole Wh at rising instants, whose `places` the load has worked out."""
        if self.journal is None or not self.journal.dead:
            return self.load.energies_at(quantity, places)
        losses = self._current().losses
        return [losses.energy_mwh(quantity, at) // 1000 for at in instants_ms]

    def borders(self, profile: CapturedProfile) -> Borders:
        """The stamps of one of its profiles."""
        return self.type.borders[profile.name]

    def runs(self, profile: CapturedProfile) -> tuple[Run, ...]:
        """Every run of rows that the profile has captured or will, as far as the journal goes."""
        return self._current().runs(profile)

    def captured(self, profile: CapturedProfile, now_ms: int) -> Captured:
        """The profile's buffer at an instant."""
        return Captured(self.borders(profile), self.runs(profile), profile.entries, now_ms)

    def _current(self) -> _Derived:
        version = 0 if self.journal is None else self.journal.version
        if self._derived.version != version:
            self._derived = _Derived(self)
        return self._derived


class _Derived:
    """What follows from one version of a meter's journal."""

    __slots__ = ("_meter", "_runs", "clock", "losses", "version")

    def __init__(self, meter: Meter) -> None:
        identity, journal = meter.identity, meter.journal
        set_ms = identity.clock_set_ms
        first = Stretch(set_ms, set_ms + identity.offset_ms, identity.drift_ppb)
        self.version = 0 if journal is None else journal.version
        self.clock = MeterClock(first, () if journal is None else journal.clock_settings)
        self.losses = _Losses(meter.load, () if journal is None else journal.dead)
        self._meter = meter
        self._runs: dict[str, tuple[Run, ...]] = {}

    def runs(self, profile: CapturedProfile) -> tuple[Run, ...]:
        found = self._runs.get(profile.name)
        if found is None:
            journal = self._meter.journal
            reset_ms = None if journal is None else journal.reset_ms(profile.name)
            since_ms = self._meter.load.commissioned_ms if reset_ms is None else reset_ms
            outages = _NO_OUTAGES if journal is None else journal.outages
            found = capture_runs(self._meter.borders(profile), self.clock, outages, since_ms)
            self._runs[profile.name] = found
        return found


class _Losses:
    """Energy that the load would have taken in the intervals in which none could flow."""

    __slots__ = ("_before", "_dead", "_load", "_starts")

    def __init__(self, load: MeterLoad, dead: Sequence[Interval]) -> None:
        self._load = load
        self._dead = dead
        self._starts = [interval.start_ms for interval in dead]
        self._before: dict[Quantity, list[int]] = {}

    def energy_mwh(self, quantity: Quantity, at_ms: int) -> int:
        index = bisect_right(self._starts, at_ms) - 1
        if index < 0:
            return self._load.energy_mwh(quantity, at_ms)
        lost = self._lost_before(quantity)
        interval = self._dead[index]
        if at_ms < interval.end_ms:
            return self._load.energy_mwh(quantity, interval.start_ms) - lost[index]
        return self._load.energy_mwh(quantity, at_ms) - lost[index + 1]

    def _lost_before(self, quantity: Quantity) -> list[int]:
        """Lost energy before each interval, and after the last if it has an end."""
        lost = self._before.get(quantity)
        if lost is None:
            lost = [0]
            for interval in self._dead:
                if interval.end_ms == FOREVER_MS:
                    break
                start = self._load.energy_mwh(quantity, interval.start_ms)
                lost.append(lost[-1] + self._load.energy_mwh(quantity, interval.end_ms) - start)
            self._before[quantity] = lost
        return lost


def draw_clock(entity: bytes, drift_ppm: float, offset_s: float) -> tuple[int, int]:
    """A meter's drift in ppb and its offset in ms, each drawn evenly from -x to +x."""
    drift_ppb = round(drift_ppm * PPB_PER_PPM)
    offset_ms = round(offset_s * 1000)
    return (
        chance.draw(entity, "clock drift", -drift_ppb, drift_ppb),
        chance.draw(entity, "clock offset", -offset_ms, offset_ms),
    )

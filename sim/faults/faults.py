"""What goes wrong in a world, as data: named faults with a beginning and an end, and the schedule that makes them so.

| kind | target | what happens from `from_s` to `to_s` |
|---|---|---|
| `dcu-down` | a concentrator | no power: connections end without a word, queue lost; then it boots and dials |
| `uplink-down` | a concentrator | no coverage: octets wait; after a while the data connection is lost, too |
| `uplink-drop` | a concentrator | an instant: the operator ends the data connection |
| `noise` | a concentrator's network | `factor` times as many frames are lost |
| `power-cut` | a meter, or a concentrator's area | meters neither answer nor relay; an area's concentrator is off |
| `meter-silent` | a meter | it answers nothing, its modem relays for others |
| `clock-step`, `disconnect` | a meter | an instant: nothing of ours, handed to `on_meter` |

Target `*` is every concentrator. Overlapping faults of one kind and target last until the last of them ends.
Crowds of faults drawn from a seed are made by whoever writes the world: here is only what happens, not how often.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from hes.errors import ConfigError
from sim.media.plc import PlcNetwork
from sim.scheduler import Scheduler

EVERY_CONCENTRATOR = "*"


class FaultLike(Protocol):
    """A fault; times in seconds after the start of the world. to_s None: it stays, or it is an instant."""

    @property
    def kind(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def from_s(self) -> float: ...
    @property
    def to_s(self) -> float | None: ...
    @property
    def factor(self) -> float | None: ...
    @property
    def step_s(self) -> float | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A FaultLike for code that has no world file."""

    kind: str
    target: str
    from_s: float
    to_s: float | None = None
    factor: float | None = None
    step_s: float | None = None


class PowerSwitch(Protocol):
    """A concentrator, as far as faults know it."""

    def power_off(self) -> None: ...
    def power_on(self) -> None: ...


class Uplink(Protocol):
    """A concentrator's way to the head-end: `sim.media.gprs.GprsModem` or `sim.media.net.Lan`."""

    def begin_outage(self) -> None: ...
    def end_outage(self) -> None: ...
    def drop(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A concentrator and what belongs to it. meters: physical addresses by the meters' names."""

    name: str
    dcu: PowerSwitch
    uplink: Uplink
    network: PlcNetwork
    meters: Mapping[str, bytes] = field(default_factory=dict)


MeterObserver = Callable[[str, FaultLike, bool], None]
"""Called with a meter's name, the fault, and True when it begins or False when it ends."""

SITE_KINDS = frozenset({"dcu-down", "uplink-down", "uplink-drop", "noise"})
METER_KINDS = frozenset({"meter-silent", "clock-step", "disconnect"})
INSTANT_KINDS = frozenset({"uplink-drop", "clock-step", "disconnect"})
KINDS = tuple(sorted(SITE_KINDS | METER_KINDS | {"power-cut"}))


class FaultSchedule:
    """Makes faults happen to the sites of a field.

    on_meter: told of everything that happens to a meter, so that the meter itself can react (its clock, its relay, its
    event log); the way to the meter is taken care of here.
    """

    def __init__(self, scheduler: Scheduler, sites: Iterable[Site], *, on_meter: MeterObserver | None = None) -> None:
        self._scheduler = scheduler
        self._sites = {site.name: site for site in sites}
        self._site_of_meter = {meter: site for site in self._sites.values() for meter in site.meters}
        self._on_meter = on_meter
        self._start_s = scheduler.now_s
        self._present: Counter[tuple[str, str]] = Counter()

    def add(self, fault: FaultLike) -> None:
        """Schedule `fault`. Raises ConfigError for a kind or target that does not exist, or ends before it begins."""
        if fault.kind not in KINDS:
            raise ConfigError(f"no fault is called {fault.kind!r} (known: {', '.join(KINDS)})")
        if fault.to_s is not None and fault.to_s <= fault.from_s:
            raise ConfigError(f"fault {fault.kind} at {fault.target} ends before it begins")
        if fault.kind == "noise" and (fault.factor is None or fault.factor <= 0):
            raise ConfigError(f"fault noise at {fault.target} needs a factor above 0")
        targets = tuple(self._sites) if fault.target == EVERY_CONCENTRATOR else (fault.target,)
        for target in targets:
            self._check_target(fault.kind, target)
            self._scheduler.post_at(self._start_s + fault.from_s, self._begin, (fault, target))
            if fault.to_s is not None and fault.kind not in INSTANT_KINDS:
                self._scheduler.post_at(self._start_s + fault.to_s, self._end, (fault, target))

    def _check_target(self, kind: str, target: str) -> None:
        known = target in self._sites if kind in SITE_KINDS else target in self._site_of_meter
        if kind == "power-cut":
            known = known or target in self._sites
        if not known:
            raise ConfigError(f"fault {kind}: nothing in this field that it can hit is called {target!r}")

    def _begin(self, what: tuple[FaultLike, str]) -> None:
        fault, target = what
        if fault.kind == "noise":
            self._sites[target].network.begin_noise(fault.factor or 1.0)
            return
        if fault.kind not in INSTANT_KINDS:
            self._present[fault.kind, target] += 1
            if self._present[fault.kind, target] > 1:
                return
        self._turn(fault, target, begins=True)

    def _end(self, what: tuple[FaultLike, str]) -> None:
        fault, target = what
        if fault.kind == "noise":
            self._sites[target].network.end_noise(fault.factor or 1.0)
            return
        self._present[fault.kind, target] -= 1
        if not self._present[fault.kind, target]:
            self._turn(fault, target, begins=False)

    def _turn(self, fault: FaultLike, target: str, *, begins: bool) -> None:
        site = self._sites.get(target)
        if fault.kind == "power-cut" and site is not None:
            self._switch_dcu(site, is_on=not begins)
            for meter in site.meters:
                self._switch_meter(fault, meter, begins=begins)
        elif site is None:
            self._switch_meter(fault, target, begins=begins)
        elif fault.kind == "dcu-down":
            self._switch_dcu(site, is_on=not begins)
        elif fault.kind == "uplink-drop":
            site.uplink.drop()
        elif begins:
            site.uplink.begin_outage()
        else:
            site.uplink.end_outage()

    def _switch_dcu(self, site: Site, *, is_on: bool) -> None:
        """Off while any of the faults that take its power is present."""
        if not is_on:
            site.dcu.power_off()
        elif not (self._present["dcu-down", site.name] or self._present["power-cut", site.name]):
            site.dcu.power_on()

    def _switch_meter(self, fault: FaultLike, meter: str, *, begins: bool) -> None:
        site = self._site_of_meter[meter]
        address = site.meters[meter]
        if fault.kind == "meter-silent":
            site.network.set_silent(address, is_silent=begins)
        elif fault.kind == "power-cut":
            is_cut = self._present["power-cut", meter] or self._present["power-cut", site.name]
            site.network.set_power(address, is_on=not is_cut)
        if self._on_meter is not None:
            self._on_meter(meter, fault, begins)

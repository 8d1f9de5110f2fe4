"""What the tables of a world file must agree on: names, references, times, and limits that span tables.

Each check works on the tables that are sound by themselves (None stands for one that is not) and adds to the list of
faults; none of them stops the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from hes.devices import profiles
from hes.errors import ConfigError
from hes.toml_file import Faults, did_you_mean
from sim.meter import load_shape
from sim.meter.civil import zone as zone_called
from sim.world.file import (
    METERS_MAX,
    METERS_PER_DCU_MAX,
    ConcentratorTable,
    DcuTable,
    FaultTable,
    GprsTable,
    HeadEndTable,
    PlanTable,
    PlcTable,
    SecurityTable,
)
from sim.world.units import DAY_S

Path = tuple[str | int, ...]
Media = Mapping[str, GprsTable | PlcTable | None]
DCU_FAULTS = frozenset({"dcu-down", "uplink-down", "uplink-drop", "noise"})
METER_FAULTS = frozenset({"meter-silent", "clock-step", "disconnect"})
INSTANT_FAULTS = frozenset({"uplink-drop", "clock-step", "disconnect"})
METER_NAME_DIGITS = 4
NUMBER_REGION_DIGITS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What of a file is sound by itself; None for what is not. unsound_dcus: names of tables that have faults."""

    start: datetime | None
    zone: str | None
    duration_s: int | None
    run_on_s: int | None
    head_end: HeadEndTable | None
    concentrator: ConcentratorTable | None
    security: SecurityTable | None
    plans: list[PlanTable | None]
    dcus: list[DcuTable | None]
    faults: list[FaultTable | None]
    unsound_dcus: frozenset[object]


def check(parts: Parts, media: Media, faults: Faults) -> None:
    """Add to `faults` everything that several tables disagree on."""
    _check_start(parts, faults)
    _check_timeouts(parts, faults)
    _check_plans(parts.plans, faults)
    _check_dcus(parts.dcus, media, faults)
    _check_meters(parts, faults)
    _check_faults(parts, faults)


def _check_start(parts: Parts, faults: Faults) -> None:
    if parts.zone is None:
        return
    try:
        zone = zone_called(parts.zone)
    except ConfigError as error:
        faults.add(("zone",), error.message)
        return
    if parts.start is None:
        return
    start_s = parts.start.timestamp()
    local = start_s + zone.offset_ms(int(start_s * 1000)) / 1000
    if local % DAY_S:
        shown = datetime.fromtimestamp(local, UTC).strftime("%H:%M:%S")
        faults.add(("start",), f"should be a local midnight, but it is {shown} in {parts.zone}")


def _check_timeouts(parts: Parts, faults: Faults) -> None:
    dcu, head_end = parts.concentrator, parts.head_end
    if dcu is None or head_end is None:
        return
    if dcu.meter_timeout >= head_end.exchange_timeout:
        faults.add(
            ("concentrator", "meter_timeout"),
            f"{dcu.meter_timeout:g} s is not shorter than head_end.exchange_timeout, {head_end.exchange_timeout:g} s: "
            "a late answer would be taken for the next one",
        )
    if head_end.silence_timeout <= dcu.heartbeat:
        faults.add(
            ("head_end", "silence_timeout"),
            f"{head_end.silence_timeout:g} s is not longer than concentrator.heartbeat, {dcu.heartbeat:g} s",
        )


def _check_plans(plans: list[PlanTable | None], faults: Faults) -> None:
    _check_unique((None if plan is None else plan.name for plan in plans), "plan", faults)
    for index, plan in enumerate(plans):
        if plan is None:
            continue
        path = ("plan", index)
        if (plan.at is None) == (plan.every is None):
            faults.add(path, "needs either `at` or `every`" + (", not both" if plan.at is not None else ""))
        if plan.every is not None and DAY_S % plan.every:
            faults.add((*path, "every"), f"{plan.every} s does not divide a day")
        if plan.settle >= plan.window:
            faults.add((*path, "settle"), "is not shorter than the window")


def _check_dcus(dcus: list[DcuTable | None], media: Media, faults: Faults) -> None:
    _check_unique((None if dcu is None else dcu.name for dcu in dcus), "dcu", faults)
    terminals: dict[tuple[str, int], str] = {}
    numbers: dict[tuple[str, int], str] = {}
    for index, dcu in enumerate(dcus):
        if dcu is None:
            continue
        path = ("dcu", index)
        terminal = (dcu.region, dcu.address)
        number = (dcu.region[-NUMBER_REGION_DIGITS:], dcu.address)
        if terminal in terminals:
            shown = f"{dcu.region}{dcu.address:04X}"
            faults.add((*path, "address"), f"terminal ID {shown} is that of {terminals[terminal]!r} already")
        elif number in numbers:
            faults.add((*path, "region"), f"its meters would have the numbers of {numbers[number]!r}'s: region digits "
                       "2 to 4 and address are the same")  # fmt: skip
        terminals.setdefault(terminal, dcu.name)
        numbers.setdefault(number, dcu.name)
        if dcu.uplink is not None:
            _check_medium((*path, "uplink"), dcu.uplink, GprsTable, media, faults)
        _check_medium((*path, "field"), dcu.field, PlcTable, media, faults)


def _check_medium(path: Path, name: str, kind: type[GprsTable] | type[PlcTable], media: Media, faults: Faults) -> None:
    if name not in media:
        known = ", ".join(media) or "none"
        faults.add(path, f"there is no [media.{name}]{did_you_mean(name, media)} (media: {known})")
    elif media[name] is not None and not isinstance(media[name], kind):
        wanted = "gprs" if kind is GprsTable else "plc"
        faults.add(path, f"[media.{name}] is not of kind {wanted}")


def _check_meters(parts: Parts, faults: Faults) -> None:
    count = sum(group.count for dcu in parts.dcus if dcu is not None for group in dcu.meters)
    if count > METERS_MAX:
        faults.add(("dcu",), f"{count} meters in all; a world holds at most {METERS_MAX}")
    for index, dcu in enumerate(parts.dcus):
        own = sum(group.count for group in dcu.meters) if dcu is not None else 0
        if own > METERS_PER_DCU_MAX:
            faults.add(("dcu", index, "meters"), f"{own} meters; a DCU has at most {METERS_PER_DCU_MAX}")
        for number, group in enumerate(() if dcu is None else dcu.meters):
            path = ("dcu", index, "meters", number)
            _check_known((*path, "shape"), group.shape, load_shape.shipped(), load_shape.load, faults)
            if _check_known((*path, "profile"), group.profile, profiles.shipped(), profiles.load, faults):
                _check_association((*path, "profile"), profiles.load(group.profile), parts.security, faults)


def _check_known(
    path: Path, name: str, shipped: tuple[str, ...], load: Callable[[str], object], faults: Faults
) -> bool:
    """Whether a shipped name, or a path to a file of one's own, can be loaded."""
    if name in shipped:
        return True
    if "/" not in name and not name.endswith(".toml"):
        faults.add(path, f"there is no {name!r}{did_you_mean(name, shipped)} (known: {', '.join(shipped)})")
        return False
    try:
        load(name)
    except ConfigError as error:
        faults.add(path, error.message.splitlines()[0])
        return False
    return True


def _check_association(
    path: Path, profile: profiles.DeviceProfile, security: SecurityTable | None, faults: Faults
) -> None:
    if security is None:
        return
    offered = {offer.name: offer for offer in profile.associations}
    offer = offered.get(security.association)
    if offer is None:
        faults.add(
            path, f"{profile.name} offers no association {security.association!r} as security.association asks for "
            f"(offered: {', '.join(offered)})",
        )  # fmt: skip
    elif offer.ciphered and profile.security_suite != security.suite:
        faults.add(path, f"{profile.name} has security suite {profile.security_suite}, not {security.suite}")


def _check_faults(parts: Parts, faults: Faults) -> None:
    dcus = {dcu.name: dcu for dcu in parts.dcus if dcu is not None}
    run_s = None
    if parts.duration_s is not None and parts.run_on_s is not None:
        run_s = parts.duration_s + parts.run_on_s
    for index, fault in enumerate(parts.faults):
        if fault is None:
            continue
        path = ("fault", index)
        _check_fault_time(path, fault, run_s, faults)
        _check_fault_keys(path, fault, faults)
        if not parts.unsound_dcus & {fault.target, fault.target.rpartition("-")[0]}:
            _check_fault_target(path, fault, dcus, faults)
        for other in parts.faults[:index]:
            if (
                other is not None
                and (other.kind, other.target) == (fault.kind, fault.target)
                and _overlap(other, fault)
            ):
                faults.add((*path, "from"), f"{fault.kind} of {fault.target!r} is in force then already")
                break


def _overlap(one: FaultTable, two: FaultTable) -> bool:
    if (one.kind, one.target) != (two.kind, two.target) or one.kind in INSTANT_FAULTS:
        return False
    first, second = sorted((one, two), key=lambda fault: fault.from_s)
    return first.to_s is None or second.from_s < first.to_s


def _check_fault_time(path: Path, fault: FaultTable, run_s: int | None, faults: Faults) -> None:
    if run_s is not None:
        for key, at_s in (("from", fault.from_s), ("to", fault.to_s)):
            if at_s is not None and at_s > run_s:
                shown = f"{run_s // 3600:02d}:{run_s // 60 % 60:02d}"
                faults.add((*path, key), f"lies after the end of the run, {shown} after its start")
    if fault.to_s is not None and fault.to_s <= fault.from_s:
        faults.add((*path, "to"), "must be later than from")
    if fault.to_s is not None and fault.kind in INSTANT_FAULTS:
        faults.add((*path, "to"), f"{fault.kind} is an instant and has no end")


def _check_fault_keys(path: Path, fault: FaultTable, faults: Faults) -> None:
    for key, kind in (("factor", "noise"), ("step", "clock-step")):
        given = getattr(fault, key) is not None
        if given and fault.kind != kind:
            faults.add((*path, key), f"belongs to {kind}, not to {fault.kind}")
        elif not given and fault.kind == kind:
            faults.add((*path, key), f"is missing: {kind} needs it")


def _check_fault_target(path: Path, fault: FaultTable, dcus: Mapping[str, DcuTable], faults: Faults) -> None:
    target = fault.target
    if target in dcus or target == "*":
        if fault.kind in METER_FAULTS:
            faults.add((*path, "target"), f"{fault.kind} happens to a meter such as 'north-0007', not to {target!r}")
        hit = dcus.values() if target == "*" else [dcus[target]]
        if fault.kind.startswith("uplink-") and any(dcu.uplink is None for dcu in hit):
            faults.add((*path, "target"), f"{target!r} has a fixed line, which {fault.kind} does not touch")
        return
    name, _, digits = target.rpartition("-")
    meters = sum(group.count for group in dcus[name].meters) if name in dcus else 0
    if name in dcus and len(digits) == METER_NAME_DIGITS and digits.isdecimal() and 1 <= int(digits) <= meters:
        if fault.kind in DCU_FAULTS:
            faults.add((*path, "target"), f"{fault.kind} happens to a DCU, and {target!r} is a meter")
        return
    hint = did_you_mean(target, dcus)
    known = f"{name} has meters {name}-0001 to {name}-{meters:04d}" if name in dcus else "DCUs: " + ", ".join(dcus)
    faults.add((*path, "target"), f"there is no device {target!r}{hint} ({known})")


def _check_unique(names: Iterable[str | None], table: str, faults: Faults) -> None:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name is not None and name in seen:
            faults.add((table, index, "name"), f"{name!r} stands twice")
        if name is not None:
            seen.add(name)

"""What the keys and tables of a world file must agree on: names, references, times, and limits that span tables.

Each check works on the keys that are sound by themselves and adds to the list of faults; none of them stops the others,
and none tells what only follows from a fault that is told already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from hes.devices import profiles
from hes.errors import ConfigError
from hes.toml_file import Faults, did_you_mean
from hes.toml_parts import Part, may_mean
from sim.meter import load_shape
from sim.meter.civil import Zone
from sim.meter.civil import zone as zone_called
from sim.world.file import METERS_MAX, METERS_PER_DCU_MAX, GprsTable, PlcTable
from sim.world.units import DAY_S

Path = tuple[str | int, ...]
MEDIA: Mapping[str, type[GprsTable] | type[PlcTable]] = {"gprs": GprsTable, "plc": PlcTable}
DCU_FAULTS = frozenset({"dcu-down", "uplink-down", "uplink-drop", "noise"})
METER_FAULTS = frozenset({"meter-silent", "clock-step", "disconnect"})
INSTANT_FAULTS = frozenset({"uplink-drop", "clock-step", "disconnect"})
METER_NAME_DIGITS = 4
NUMBER_REGION_DIGITS = 3


def check(world: Part, faults: Faults) -> None:
    """Add to `faults` everything that keys and tables of `world` (of a WorldFile) disagree on."""
    _check_start(world, faults)
    _check_timeouts(world.concentrator, world.head_end, faults)
    _check_plans(world.plan, faults)
    _check_dcus(world, faults)
    _check_meters(world, faults)
    _check_faults(world, faults)


def medium_of(values: object) -> type[GprsTable] | type[PlcTable] | None:
    """The model of a [media.NAME] table by its kind; None when it has no kind that is known."""
    kind = values.get("kind") if isinstance(values, dict) else None
    return MEDIA.get(kind) if isinstance(kind, str) else None


def _check_start(world: Part, faults: Faults) -> None:
    zone: Zone | None = None
    if world.zone is not None:
        try:
            zone = zone_called(world.zone)
        except ConfigError as error:
            faults.add(("zone",), error.message)
    if world.start is None:
        return
    start_s = world.start.timestamp()
    if zone is None:  # then at least by the offset that it is written with
        offset_s = world.start.utcoffset().total_seconds()
    else:
        offset_s = zone.offset_ms(int(start_s * 1000)) / 1000
    if (start_s + offset_s) % DAY_S:
        shown = datetime.fromtimestamp(start_s + offset_s, UTC).strftime("%H:%M:%S")
        where = "its own offset" if zone is None else world.zone
        faults.add(("start",), f"should be a local midnight, but it is {shown} in {where}")


def _check_timeouts(dcu: Part, head_end: Part, faults: Faults) -> None:
    own_s, whole_s = dcu.meter_timeout, head_end.exchange_timeout
    if own_s is not None and whole_s is not None and own_s >= whole_s:
        faults.add(
            ("concentrator", "meter_timeout"),
            f"{own_s:g} s is not shorter than head_end.exchange_timeout, {whole_s:g} s: a late answer would be taken "
            "for the next one",
        )
    heartbeat_s, silence_s = dcu.heartbeat, head_end.silence_timeout
    if heartbeat_s is not None and silence_s is not None and silence_s <= heartbeat_s:
        faults.add(
            ("head_end", "silence_timeout"),
            f"{silence_s:g} s is not longer than concentrator.heartbeat, {heartbeat_s:g} s",
        )


def _check_plans(plans: list[Part], faults: Faults) -> None:
    _check_unique((plan.name for plan in plans), "plan", faults)
    for index, plan in enumerate(plans):
        path = ("plan", index)
        if plan.sound("at", "every") and (plan.at is None) == (plan.every is None):
            faults.add(path, "needs either `at` or `every`" + (", not both" if plan.at is not None else ""))
        if plan.every is not None and DAY_S % plan.every:
            faults.add((*path, "every"), f"{plan.every} s does not divide a day")
        if plan.sound("settle", "window") and plan.settle >= plan.window:
            faults.add((*path, "settle"), "is not shorter than the window")


def _check_dcus(world: Part, faults: Faults) -> None:
    _check_unique((dcu.name for dcu in world.dcu), "dcu", faults)
    _check_terminals(world.dcu, faults)
    if not world.sound("media"):
        return
    for index, dcu in enumerate(world.dcu):
        if dcu.uplink is not None:
            _check_medium(("dcu", index, "uplink"), dcu.uplink, GprsTable, world.media, faults)
        if dcu.field is not None:
            _check_medium(("dcu", index, "field"), dcu.field, PlcTable, world.media, faults)


def _check_terminals(dcus: list[Part], faults: Faults) -> None:
    terminals: dict[tuple[str, int], str] = {}
    numbers: dict[tuple[str, int], str] = {}
    for index, dcu in enumerate(dcus):
        if not dcu.sound("region", "address"):
            continue
        path = ("dcu", index)
        known_as = dcu.name or f"dcu[{index + 1}]"
        terminal = (dcu.region, dcu.address)
        number = (dcu.region[-NUMBER_REGION_DIGITS:], dcu.address)
        if terminal in terminals:
            shown = f"{dcu.region}{dcu.address:04X}"
            faults.add((*path, "address"), f"terminal ID {shown} is that of {terminals[terminal]!r} already")
        elif number in numbers:
            faults.add((*path, "region"), f"its meters would have the numbers of {numbers[number]!r}'s: region digits "
                       "2 to 4 and address are the same")  # fmt: skip
        terminals.setdefault(terminal, known_as)
        numbers.setdefault(number, known_as)


def _check_medium(
    path: Path, name: str, wanted: type[GprsTable] | type[PlcTable], media: Mapping[str, object], faults: Faults
) -> None:
    if name not in media:
        known = ", ".join(media) or "none"
        faults.add(path, f"there is no [media.{name}]{did_you_mean(name, media)} (media: {known})")
    elif medium_of(media[name]) not in (None, wanted):
        faults.add(path, f"[media.{name}] is not of kind {'gprs' if wanted is GprsTable else 'plc'}")


def _check_meters(world: Part, faults: Faults) -> None:
    counts = [sum(group.count or 0 for group in dcu.meters) for dcu in world.dcu]
    if sum(counts) > METERS_MAX:
        faults.add(("dcu",), f"{sum(counts)} meters in all; a world holds at most {METERS_MAX}")
    for index, (dcu, own) in enumerate(zip(world.dcu, counts, strict=True)):
        if own > METERS_PER_DCU_MAX:
            faults.add(("dcu", index, "meters"), f"{own} meters; a DCU has at most {METERS_PER_DCU_MAX}")
        for number, group in enumerate(dcu.meters):
            path = ("dcu", index, "meters", number)
            if group.shape is not None:
                _check_known((*path, "shape"), group.shape, load_shape.shipped(), load_shape.load, faults)
            if group.profile is not None and _check_known(
                (*path, "profile"), group.profile, profiles.shipped(), profiles.load, faults
            ):
                profile = profiles.load(group.profile)
                if profile.gaps:
                    faults.add(
                        (*path, "profile"), f"{profile.name} is no whole meter: it has no {', '.join(profile.gaps)}"
                    )
                _check_association((*path, "profile"), profile, world.security, faults)


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


def _check_association(path: Path, profile: profiles.DeviceProfile, security: Part, faults: Faults) -> None:
    if security.association is None:
        return
    offered = {offer.name: offer for offer in profile.associations}
    offer = offered.get(security.association)
    if offer is None:
        faults.add(
            path, f"{profile.name} offers no association {security.association!r} as security.association asks for "
            f"(offered: {', '.join(offered)})",
        )  # fmt: skip
    elif security.suite is not None and offer.ciphered and profile.security_suite != security.suite:
        faults.add(path, f"{profile.name} has security suite {profile.security_suite}, not {security.suite}")


def _check_faults(world: Part, faults: Faults) -> None:
    run_s = None
    if world.sound("duration", "run_on"):
        run_s = world.duration + world.run_on
    for index, fault in enumerate(world.fault):
        path = ("fault", index)
        _check_fault_time(path, fault, run_s, faults)
        if fault.kind is not None:
            _check_fault_keys(path, fault, faults)
        if fault.target is not None and world.sound("dcu"):
            _check_fault_target(path, fault, world.dcu, faults)
        if any(_overlap(other, fault) for other in world.fault[:index]):
            faults.add((*path, "from"), f"{fault.kind} of {fault.target!r} is in force then already")


def _overlap(one: Part, two: Part) -> bool:
    if not all(fault.sound("kind", "target", "from_s", "to_s") for fault in (one, two)):
        return False
    if (one.kind, one.target) != (two.kind, two.target) or one.kind in INSTANT_FAULTS:
        return False
    first, second = sorted((one, two), key=lambda fault: int(fault.from_s))
    return first.to_s is None or bool(second.from_s < first.to_s)


def _check_fault_time(path: Path, fault: Part, run_s: int | None, faults: Faults) -> None:
    if run_s is not None:
        for key, at_s in (("from", fault.from_s), ("to", fault.to_s)):
            if at_s is not None and at_s > run_s:
                shown = f"{run_s // 3600:02d}:{run_s // 60 % 60:02d}"
                faults.add((*path, key), f"lies after the end of the run, {shown} after its start")
    if fault.to_s is not None and fault.from_s is not None and fault.to_s <= fault.from_s:
        faults.add((*path, "to"), "must be later than from")
    if fault.to_s is not None and fault.kind in INSTANT_FAULTS:
        faults.add((*path, "to"), f"{fault.kind} is an instant and has no end")


def _check_fault_keys(path: Path, fault: Part, faults: Faults) -> None:
    for key, kind in (("factor", "noise"), ("step", "clock-step")):
        given = getattr(fault, key) is not None
        if given and fault.kind != kind:
            faults.add((*path, key), f"belongs to {kind}, not to {fault.kind}")
        elif not given and fault.kind == kind and fault.sound(key):
            faults.add((*path, key), f"is missing: {kind} needs it")


def _check_fault_target(path: Path, fault: Part, dcus: list[Part], faults: Faults) -> None:
    target, kind = fault.target, fault.kind
    known = {dcu.name: dcu for dcu in dcus if dcu.name is not None}
    if target in known or target == "*":
        if kind in METER_FAULTS:
            faults.add((*path, "target"), f"{kind} happens to a meter such as 'north-0007', not to {target!r}")
        hit = known.values() if target == "*" else [known[target]]
        if kind in ("uplink-down", "uplink-drop") and any(dcu.sound("uplink") and not dcu.uplink for dcu in hit):
            faults.add((*path, "target"), f"{target!r} has a fixed line, which {kind} does not touch")
        return
    name, _, digits = target.rpartition("-")
    meters = _meters_of(known[name]) if name in known else 0
    if name in known and len(digits) == METER_NAME_DIGITS and digits.isdecimal() and 1 <= int(digits) <= meters:
        if kind in DCU_FAULTS:
            faults.add((*path, "target"), f"{kind} happens to a DCU, and {target!r} is a meter")
        return
    if name not in known and (may_mean(target, dcus) or may_mean(name, dcus)):
        return
    hint = did_you_mean(target, known)
    there = f"{name} has meters {name}-0001 to {name}-{meters:04d}" if name in known else "DCUs: " + ", ".join(known)
    faults.add((*path, "target"), f"there is no device {target!r}{hint} ({there})")


def _meters_of(dcu: Part) -> int:
    """How many meters it has; as many as there may be when its tables do not say."""
    if not dcu.meters or not all(group.sound("count") for group in dcu.meters):
        return METERS_PER_DCU_MAX
    return sum(group.count for group in dcu.meters)


def _check_unique(names: Iterable[str | None], table: str, faults: Faults) -> None:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name is not None and name in seen:
            faults.add((table, index, "name"), f"{name!r} stands twice")
        if name is not None:
            seen.add(name)

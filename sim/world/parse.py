"""From the text of a world file to a `World`, with every fault of the file listed at once.

pydantic checks tables on their own (`sim.world.file`); what several keys or tables must agree on is checked by
`sim.world.checks`, with every key that is sound, whatever has faults beside it. All faults end in one ConfigError:
file, line, key, what is wrong and what is allowed.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import ValidationError

from hes import resources, toml_file
from hes.acquisition.grids import DailyGrid, at_local_time_s
from hes.acquisition.plans import Plan
from hes.acquisition.retries import NO_RETRIES, RetryPolicy
from hes.protocols.qgdw376 import TerminalId
from hes.toml_file import Faults, TomlFile
from hes.toml_parts import Part
from sim.world import checks
from sim.world.file import GprsTable, PlanTable, PlcTable, RetriesTable, WorldFile
from sim.world.media import gprs_parameters, plc_parameters
from sim.world.world import (
    Clocks,
    Concentrator,
    DcuSpec,
    FaultSpec,
    HeadEnd,
    MeterGroup,
    Security,
    World,
)

FOLDER = "scenarios/worlds"
DAY_S = 86_400


def shipped() -> tuple[str, ...]:
    """The names of the worlds that come with amiloop."""
    return tuple(path.stem for path in resources.files(FOLDER))


def load(name_or_path: str | Path) -> World:
    """A world by the name of a shipped one or by the path of a file. Raises ConfigError that lists every fault."""
    return parse(toml_file.read(resources.file_or_shipped(str(name_or_path), FOLDER)))


def parse_text(text: str, label: str = "world") -> World:
    """A world from TOML text. Raises ConfigError that lists every fault."""
    return parse(toml_file.parse(text, label))


def parse(file: TomlFile) -> World:
    """A world from a file that has been read. Raises ConfigError that lists every fault."""
    faults = Faults(file)
    whole: WorldFile | None = None
    try:
        whole = WorldFile.model_validate(file.values)
    except ValidationError as error:
        faults.add_invalid(error, WorldFile, ())
    media = _media(file, faults)
    checks.check(Part(WorldFile, file.values), faults)
    faults.raise_if_any()
    if whole is None:
        raise AssertionError("a file without faults has a world")
    return _world(whole, media, hashlib.sha256(file.text.encode()).hexdigest())


def _media(file: TomlFile, faults: Faults) -> dict[str, GprsTable | PlcTable]:
    """The media that are sound, by name."""
    out: dict[str, GprsTable | PlcTable] = {}
    tables = file.values.get("media")
    for name, values in tables.items() if isinstance(tables, dict) else ():
        path = ("media", name)
        model = checks.medium_of(values)
        if model is None:
            kind = values.get("kind") if isinstance(values, dict) else None
            faults.add((*path, "kind"), f"should be one of {', '.join(checks.MEDIA)}, not {kind!r}")
            continue
        try:
            out[name] = model.model_validate(values)
        except ValidationError as error:
            faults.add_invalid(error, model, path)
    return out


def _world(source: WorldFile, media: dict[str, GprsTable | PlcTable], digest: str) -> World:
    start_s = int(source.start.timestamp())
    return World(
        name=source.name,
        title=source.title or source.name,
        seed=source.seed,
        start_epoch_s=start_s,
        zone=source.zone,
        duration_s=source.duration,
        run_on_s=source.run_on,
        head_end=HeadEnd(
            exchange_s=source.head_end.exchange_timeout,
            login_s=source.head_end.login_timeout,
            silence_s=source.head_end.silence_timeout,
            late_answer_s=source.head_end.late_answer,
            lanes_per_dcu=source.head_end.lanes_per_dcu,
            retries=_retries(source.head_end.retries),
        ),
        concentrator=Concentrator(
            heartbeat_s=source.concentrator.heartbeat,
            heartbeats_missed_max=source.concentrator.heartbeats_missed,
            response_s=source.concentrator.response,
            meter_timeout_s=source.concentrator.meter_timeout,
            own_work_s=source.concentrator.own_work,
        ),
        clocks=Clocks(drift_ppm=source.clocks.drift_ppm, offset_s=source.clocks.offset),
        security=Security(
            association=source.security.association,
            suite=source.security.suite,
            dedicated_key=source.security.dedicated_key,
        ),
        plans=tuple(_plan(plan, source.zone, start_s) for plan in source.plan),
        dcus=tuple(
            DcuSpec(
                name=dcu.name,
                terminal=TerminalId(int(dcu.region), dcu.address),
                uplink=dcu.uplink,
                network=dcu.field,
                meters=tuple(MeterGroup(**group.model_dump()) for group in dcu.meters),
            )
            for dcu in source.dcu
        ),
        uplinks=tuple((name, gprs_parameters(table)) for name, table in media.items() if isinstance(table, GprsTable)),
        networks=tuple((name, plc_parameters(table)) for name, table in media.items() if isinstance(table, PlcTable)),
        faults=tuple(
            FaultSpec(
                kind=fault.kind,
                target=fault.target,
                from_s=fault.from_s,
                to_s=fault.to_s,
                factor=fault.factor,
                step_s=fault.step,
            )
            for fault in source.fault
        ),
        digest=digest,
    )


def _retries(source: RetriesTable) -> RetryPolicy:
    if not source.on:
        return NO_RETRIES
    return RetryPolicy(
        attempts_max=source.attempts,
        exchange_repeats=source.exchange_repeats,
        first_s=source.first,
        limit_s=source.limit,
        jitter=source.jitter,
        recovery_s=source.recovery,
    )


def _plan(source: PlanTable, zone: str, start_s: int) -> Plan:
    every = source.every or DAY_S
    lookback_s = source.lookback or every
    # what was captured before the start is the business of plans that look back a day or more
    first_at_s = 0 if lookback_s >= DAY_S else lookback_s
    valid_from_s = at_local_time_s(zone, DailyGrid(zone).index_at_or_before(start_s), first_at_s)
    return Plan(
        name=source.name,
        item=source.what,
        at_s=source.at if source.at is not None else tuple(range(0, DAY_S, every)),
        lookback_s=lookback_s,
        window_s=source.window,
        valid_from_s=valid_from_s,
        settle_s=source.settle,
        zone=zone,
    )

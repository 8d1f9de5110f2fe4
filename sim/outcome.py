"""From what a run left behind to its figures: the account, the timeline and a few questions to the database."""

from __future__ import annotations

import platform
from collections import Counter
from dataclasses import replace
from importlib.metadata import version
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from hes.acquisition.causes import Cause
from hes.acquisition.grids import DailyGrid, local_midnight_s
from hes.reports.figures import DcuFigures, HopFigures, Mark, Progress
from hes.reports.run_report import RunReport, write_run_report
from hes.store import queries
from hes.store.missing_ranges import times_of
from hes.store.sqlite import reader_engine
from hes.store.tables import attempt, device, plan_occurrence, reading, session_event
from sim.result import RunResult
from sim.run import REPORT, RunOutcome
from sim.world.world import World

DAY_S = 86_400
CHECKPOINTS_S = {"02:00": 7200, "06:00": 21_600}
"""Hours of the first day at which operators ask how much is there."""


class _Tries(NamedTuple):
    attempts: int
    retries: int


def result_of(outcome: RunOutcome) -> RunResult:
    """The figures of a finished run."""
    engine = reader_engine(outcome.files["database"])
    try:
        with engine.connect() as connection:
            return _result(outcome, connection)
    finally:
        engine.dispose()


def write_report(outcome: RunOutcome, result: RunResult) -> RunResult:
    """Write the HTML report beside the database; returns the figures with the report among the files."""
    world = outcome.world
    path = outcome.files["database"].with_name(REPORT)
    ended_s = int(world.start_epoch_s + outcome.virtual_s)
    report = RunReport(
        title=world.title,
        summary=f"World {world.name}: {len(world.dcus)} concentrators and {world.meter_count} meters in virtual time.",
        zone=world.zone,
        began_s=world.start_epoch_s,
        ended_s=ended_s,
        first_s=world.start_epoch_s - DAY_S + 1,
        last_s=min(ended_s, world.end_epoch_s),
        devices=result.devices,
        values_due=result.values_due,
        values_read=result.values_read,
        missing_by_cause=result.missing_by_cause,
        progress=tuple(Progress(*point) for point in outcome.timeline.points()),
        marks=(*_marks(outcome), Mark("end", ended_s)),
        dcus=result.dcus,
        hops=result.hops,
        exchanges=result.exchanges,
        wall_s=result.wall_s,
        reproduce=_reproduce(outcome),
        files=tuple((name, file.name) for name, file in result.files.items()),
    )
    write_run_report(report, outcome.files["database"], path)
    return replace(result, files={**result.files, "report": path})


def _marks(outcome: RunOutcome) -> tuple[Mark, ...]:
    start_s = outcome.world.start_epoch_s
    return tuple(Mark(when, start_s + s) for when, s in CHECKPOINTS_S.items() if s <= outcome.virtual_s)


def _reproduce(outcome: RunOutcome) -> tuple[tuple[str, str], ...]:
    world = outcome.world
    return (
        ("world", world.name),
        ("world file SHA-256", world.digest),
        ("seed", str(world.seed)),
        ("digest", outcome.digest),
        ("amiloop", version("amiloop")),
        ("Python", platform.python_version()),
        ("command", f"amiloop run {outcome.world_file} --seed {world.seed}"),
    )


def _result(outcome: RunOutcome, connection: Connection) -> RunResult:
    world = outcome.world
    totals = outcome.totals
    success_at = {
        when: outcome.timeline.share_at(world.start_epoch_s + seconds)
        for when, seconds in CHECKPOINTS_S.items()
        if seconds <= outcome.virtual_s
    }
    return RunResult(
        world=world.name,
        title=world.title,
        seed=world.seed,
        digest=outcome.digest,
        devices=len(world.dcus) + world.meter_count,
        dcus=_dcus(outcome, connection),
        values_due=totals.due,
        values_read=totals.read,
        values_stored=connection.scalar(select(func.count()).select_from(reading)) or 0,
        missing_by_cause=totals.missing,
        success_rate=totals.success_rate,
        success_at=success_at,
        hops=_hops(outcome, _tries(connection)),
        exchanges=outcome.exchanges,
        virtual_s=outcome.virtual_s,
        wall_s=outcome.wall_s,
        files=outcome.files,
    )


def _tries(connection: Connection) -> dict[str, _Tries]:
    """By meter number: associations tried, and how many of them were repeats within one opening."""
    repeats = func.sum((attempt.c.number > 1).cast(attempt.c.number.type))
    query = (
        select(device.c.number, func.count(), repeats)
        .join_from(attempt, device, attempt.c.device_id == device.c.id)
        .group_by(device.c.number)
    )
    return {number: _Tries(attempts, retries) for number, attempts, retries in connection.execute(query)}


def _hops(outcome: RunOutcome, tries: dict[str, _Tries]) -> tuple[HopFigures, ...]:
    meters: Counter[int] = Counter()
    attempts: Counter[int] = Counter()
    retries: Counter[int] = Counter()
    for number, hops in outcome.field.hops().items():
        meters[hops] += 1
        found = tries.get(number, _Tries(0, 0))
        attempts[hops] += found.attempts
        retries[hops] += found.retries
    return tuple(
        HopFigures(hops=hops, meters=meters[hops], attempts=attempts[hops], retries=retries[hops])
        for hops in sorted(meters)
    )


def _dcus(outcome: RunOutcome, connection: Connection) -> tuple[DcuFigures, ...]:
    world = outcome.world
    complete = _day_complete_at(world, connection)
    opened_s = connection.scalar(select(func.min(plan_occurrence.c.opens_s))) or world.start_epoch_s
    logins = (
        select(device.c.number, func.count())
        .join_from(session_event, device, session_event.c.dcu_id == device.c.id)
        .where(session_event.c.event == "login")
        .group_by(device.c.number)
    )
    sessions: dict[str, int] = {number: count for number, count in connection.execute(logins)}  # noqa: C416 - rows, not pairs, to mypy
    results = []
    for site in outcome.field.sites:
        spec = site.device.spec
        numbers = [meter.number for meter in site.device.meters]
        done = [complete[number] for number in numbers if number in complete]
        took_s = max(done) / 1000 - opened_s if done and len(done) == len(numbers) else None
        results.append(
            DcuFigures(
                name=spec.name,
                terminal_id=str(spec.terminal),
                meters=len(numbers),
                meters_read=len(done),
                read_all_s=took_s,
                sessions=sessions.get(str(spec.terminal), 0),
            )
        )
    return tuple(results)


def _day_complete_at(world: World, connection: Connection) -> dict[str, int]:
    """By meter number: when (epoch ms) the last value of the day before the start came in, if all that can is here.

    A day is whole when it has as many stamps as the fullest day of a meter of the same profile; stamps that the meter
    never captured cannot come and are not waited for.
    """
    day_to_s = world.start_epoch_s
    day_from_s = local_midnight_s(world.zone, DailyGrid(world.zone).index_at_or_before(day_to_s) - 1)
    stamps = func.count(func.distinct(reading.c.time_s))
    rows = connection.execute(
        select(device.c.id, device.c.number, device.c.profile, stamps, func.max(reading.c.received_ms))
        .join_from(reading, device, reading.c.device_id == device.c.id)
        .where(reading.c.time_s > day_from_s, reading.c.time_s <= day_to_s, reading.c.version == 0)
        .group_by(device.c.id)
    ).all()
    absent = _never_captured(connection, day_from_s, day_to_s)
    most: dict[str, int] = {}
    for _, _, profile, count, _ in rows:
        most[profile] = max(count, most.get(profile, 0))
    return {
        number: received_ms
        for device_id, number, profile, count, received_ms in rows
        if count + len(absent.get(device_id, ())) >= most[profile]
    }


def _never_captured(connection: Connection, after_s: int, upto_s: int) -> dict[int, set[int]]:
    """By device: the stamps of the day that it was shown never to have captured."""
    found: dict[int, set[int]] = {}
    for row in queries.missing(connection, from_s=after_s + 1):
        if row.cause == Cause.NEVER_CAPTURED.value:
            found.setdefault(row.device_id, set()).update(t for t in times_of(row) if after_s < t <= upto_s)
    return found

"""Reading queries as plain functions over a connection: adapters run them in their executor, reports run them as they
are. SQLAlchemy Core only, so that they say the same to every database.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from sqlalchemy import CTE, ColumnElement, Connection, Select, and_, case, func, or_, select

from hes.store import tables
from hes.store.missing_ranges import times_of
from hes.store.store import (
    AttemptCount,
    CauseCount,
    Channel,
    ChannelKind,
    ChannelOfDevice,
    Device,
    DeviceAttempts,
    DeviceClock,
    DeviceCount,
    DeviceKind,
    Missing,
    Outcome,
    PlanOccurrence,
    SessionEvent,
    StoredReading,
    TimeCount,
)

READING = tables.reading.c
COVERAGE_FETCH_ROWS = 10_000
"""Rows fetched at a time, so that a month of a town is never in memory as rows."""


def devices(connection: Connection, kind: DeviceKind | None, at_s: int | None) -> list[Device]:
    device, relation = tables.device.c, tables.device_relation.c
    if at_s is None:
        valid: ColumnElement[bool] = relation.valid_to_s.is_(None)
    else:
        valid = and_(relation.valid_from_s <= at_s, or_(relation.valid_to_s.is_(None), relation.valid_to_s > at_s))
    joined = tables.device.outerjoin(tables.device_relation, and_(relation.device_id == device.id, valid))
    query = select(*device, relation.dcu_id).select_from(joined).order_by(device.id)
    if kind is not None:
        query = query.where(device.kind == kind)
    return [Device._make((row.id, DeviceKind(row.kind), *row[2:])) for row in connection.execute(query)]


def channels(connection: Connection) -> list[Channel]:
    query = select(*tables.channel.c).order_by(tables.channel.c.id)
    return [Channel._make((*row[:5], ChannelKind(row.kind), *row[6:])) for row in connection.execute(query)]


def occurrences(connection: Connection, plan: str | None) -> list[PlanOccurrence]:
    column = tables.plan_occurrence.c
    query = select(*column).order_by(column.opens_s, column.plan)
    if plan is not None:
        query = query.where(column.plan == plan)
    return [PlanOccurrence._make(row) for row in connection.execute(query)]


def coverage(
    connection: Connection, first_s: int, last_s: int, channel_ids: Sequence[int]
) -> dict[ChannelOfDevice, array[int]]:
    """See `Store.coverage`. One scan in the order of the table's key, on the driver's own cursor: whole
    numbers only, and a third of the time that rows of SQLAlchemy take."""
    query = (
        select(READING.time_s, READING.device_id, READING.channel_id)
        .where(_due(first_s, last_s, channel_ids))
        .order_by(READING.time_s, READING.device_id, READING.channel_id)
    )
    statement = str(query.compile(connection, compile_kwargs={"literal_binds": True}))
    cursor = connection.connection.cursor()
    cursor.execute(statement)
    times: dict[ChannelOfDevice, array[int]] = {}
    while rows := cursor.fetchmany(COVERAGE_FETCH_ROWS):
        for time_s, device_id, channel_id in rows:
            known = times.get((device_id, channel_id))
            if known is None:
                known = times[device_id, channel_id] = array("q")
            known.append(time_s)
    return times


def readings(
    connection: Connection, device_id: int, channel_id: int, first_s: int, last_s: int, versions: bool
) -> list[StoredReading]:
    """See `Store.readings`."""
    hop = _times(first_s, last_s)
    query = (
        select(READING.time_s, READING.value, READING.quality, READING.received_ms, READING.version)
        .join(hop, hop.c.time_s == READING.time_s)
        .where(READING.device_id == device_id, READING.channel_id == channel_id)
        .order_by(READING.time_s, READING.version)
    )
    if not versions:
        query = query.where(READING.version == 0)
    return [StoredReading._make(row) for row in connection.execute(query)]


def curves(connection: Connection, device_id: int, first_s: int, last_s: int) -> dict[int, list[tuple[int, int]]]:
    """First values of every channel of one device: channel id -> (time, value) by time."""
    hop = _times(first_s, last_s)
    query = (
        select(READING.channel_id, READING.time_s, READING.value)
        .join(hop, hop.c.time_s == READING.time_s)
        .where(READING.device_id == device_id, READING.version == 0)
        .order_by(READING.channel_id, READING.time_s)
    )
    found: dict[int, list[tuple[int, int]]] = {}
    for channel_id, time_s, value in connection.execute(query):
        found.setdefault(channel_id, []).append((time_s, value))
    return found


def _times(first_s: int, last_s: int) -> CTE:
    """Every time in [first_s, last_s] that any reading has. The table's key starts with the time: hopping from one to
    the next, and looking up the device at each, spares a scan of everything that every device said in between.
    """
    later = tables.reading.alias("later")
    first = select(func.min(READING.time_s).label("time_s")).where(READING.time_s >= first_s, READING.time_s <= last_s)
    hop = first.cte("hop", recursive=True)
    following = (
        select(func.min(later.c.time_s))
        .where(later.c.time_s > hop.c.time_s, later.c.time_s <= last_s)
        .scalar_subquery()
    )
    return hop.union_all(select(following).where(hop.c.time_s.is_not(None)))


def counts_by_received(
    connection: Connection, first_s: int, last_s: int, bucket_s: int, channel_ids: Sequence[int]
) -> list[TimeCount]:
    return _bucketed(connection, READING.received_ms // 1000, first_s, last_s, bucket_s, channel_ids)


def counts_by_time(
    connection: Connection, first_s: int, last_s: int, bucket_s: int, channel_ids: Sequence[int]
) -> list[TimeCount]:
    return _bucketed(connection, READING.time_s - 1, first_s, last_s, bucket_s, channel_ids)


def counts_by_device(
    connection: Connection, first_s: int, last_s: int, channel_ids: Sequence[int]
) -> list[DeviceCount]:
    query = (
        select(READING.device_id, func.count())
        .where(_due(first_s, last_s, channel_ids))
        .group_by(READING.device_id)
        .order_by(READING.device_id)
    )
    return [DeviceCount._make(row) for row in connection.execute(query)]


def missing(connection: Connection, device_id: int | None = None, from_s: int | None = None) -> list[Missing]:
    column = tables.missing.c
    query = select(*column).order_by(column.device_id, column.channel_id, column.first_s)
    if device_id is not None:
        query = query.where(column.device_id == device_id)
    if from_s is not None:
        query = query.where(column.last_s >= from_s)
    return [Missing._make(row) for row in connection.execute(query)]


def missing_counts(connection: Connection) -> list[CauseCount]:
    counts: dict[tuple[str, str], int] = {}
    for row in missing(connection):
        counts[row.plan, row.cause] = counts.get((row.plan, row.cause), 0) + len(times_of(row))
    return [CauseCount(plan, cause, values) for (plan, cause), values in sorted(counts.items())]


def attempt_counts(connection: Connection) -> list[AttemptCount]:
    column = tables.attempt.c
    keys = (column.plan, column.outcome, column.cause)
    query = select(*keys, func.count()).group_by(*keys).order_by(*keys)
    return [AttemptCount._make(row) for row in connection.execute(query)]


def attempts_by_device(connection: Connection) -> list[DeviceAttempts]:
    column = tables.attempt.c
    succeeded = column.outcome == Outcome.SUCCEEDED.value
    took_ms = column.ended_ms - column.started_ms
    query: Select[tuple[int, str, int, int, int]] = (
        select(
            column.device_id,
            column.plan,
            func.count(),
            func.sum(case((succeeded, 1), else_=0)),
            func.sum(case((succeeded, took_ms), else_=0)),
        )
        .group_by(column.device_id, column.plan)
        .order_by(column.device_id, column.plan)
    )
    return [DeviceAttempts._make(row) for row in connection.execute(query)]


def session_events(connection: Connection, dcu_id: int | None) -> list[SessionEvent]:
    column = tables.session_event.c
    query = select(column.time_ms, column.dcu_id, column.event, column.detail).order_by(column.time_ms, column.id)
    if dcu_id is not None:
        query = query.where(column.dcu_id == dcu_id)
    return [SessionEvent._make(row) for row in connection.execute(query)]


def clocks(connection: Connection) -> list[DeviceClock]:
    column = tables.device_clock.c
    latest = select(column.device_id, func.max(column.read_ms).label("read_ms")).group_by(column.device_id).subquery()
    query = (
        select(column.device_id, column.read_ms, column.deviation_ms)
        .join(latest, and_(latest.c.device_id == column.device_id, latest.c.read_ms == column.read_ms))
        .order_by(column.device_id)
    )
    return [DeviceClock._make(row) for row in connection.execute(query)]


def run_info(connection: Connection) -> dict[str, str]:
    query = select(tables.run_info.c.key, tables.run_info.c.value).order_by(tables.run_info.c.key)
    return {row.key: row.value for row in connection.execute(query)}


def _due(first_s: int, last_s: int, channel_ids: Sequence[int]) -> ColumnElement[bool]:
    wanted = and_(READING.time_s >= first_s, READING.time_s <= last_s, READING.version == 0)
    return and_(wanted, READING.channel_id.in_(channel_ids)) if channel_ids else wanted


def _bucketed(
    connection: Connection,
    seconds: ColumnElement[int],
    first_s: int,
    last_s: int,
    bucket_s: int,
    channel_ids: Sequence[int],
) -> list[TimeCount]:
    bucket = (seconds // bucket_s).label("bucket")
    query = select(bucket, func.count()).where(_due(first_s, last_s, channel_ids)).group_by(bucket).order_by(bucket)
    return [TimeCount(number * bucket_s, values) for number, values in connection.execute(query)]

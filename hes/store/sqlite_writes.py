"""Writes of the SQLite adapter, each inside the caller's transaction; hot ones hand tuples to the driver untouched."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from hes.errors import StoreError
from hes.store import tables
from hes.store.missing_ranges import joined, overlap, times_of, without
from hes.store.store import Batch, Missing, NewChannel, NewDevice, Plan, PlanOccurrence, Written

INSERT_READING = (
    "INSERT OR IGNORE INTO reading (time_s, device_id, channel_id, version, value, quality, received_ms)"
    " VALUES (?, ?, ?, 0, ?, ?, ?)"
)
INSERT_VERSION = (
    "INSERT INTO reading (time_s, device_id, channel_id, version, value, quality, received_ms)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
KNOWN_VALUES = "SELECT value FROM reading WHERE time_s = ? AND device_id = ? AND channel_id = ?"
IS_PRESENT = "SELECT 1 FROM reading WHERE time_s = ? AND device_id = ? AND channel_id = ? AND version = 0"
INSERT_ATTEMPT = (
    "INSERT INTO attempt (device_id, plan, occurrence_s, number, started_ms, ended_ms, outcome, cause, detail, octets)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
INSERT_SESSION_EVENT = "INSERT INTO session_event (time_ms, dcu_id, event, detail) VALUES (?, ?, ?, ?)"
INSERT_CLOCK = "INSERT OR REPLACE INTO device_clock (device_id, read_ms, deviation_ms) VALUES (?, ?, ?)"
INSERT_MISSING = (
    "INSERT INTO missing (device_id, channel_id, first_s, last_s, step_s, plan, cause) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
DELETE_MISSING = "DELETE FROM missing WHERE device_id = ? AND channel_id = ? AND first_s = ?"
MISSING_ANY = "SELECT 1 FROM missing LIMIT 1"
MISSING_OVERLAP = (
    "SELECT device_id, channel_id, first_s, last_s, step_s, plan, cause FROM missing"
    " WHERE device_id = ? AND channel_id = ? AND first_s <= ? AND last_s >= ?"
)
NEXT_COUNTER = "SELECT next FROM invocation_counter WHERE key_ref = ?"
SET_COUNTER = (
    "INSERT INTO invocation_counter (key_ref, next) VALUES (?, ?)"
    " ON CONFLICT (key_ref) DO UPDATE SET next = excluded.next"
)
COUNTER_MAX = 2**32 - 1
"""An invocation counter has 32 bits on the wire; a key whose counters are used up must be changed."""

ReadingRow = tuple[int, int, int, int, int, int]


def write_batch(connection: Connection, batch: Batch) -> Written:
    """See `Store.write_batch`."""
    cursor = _cursor(connection)
    written = _write_readings(cursor, batch.readings) if batch.readings else Written(0, 0, 0)
    if batch.attempts:
        cursor.executemany(INSERT_ATTEMPT, batch.attempts)
    if batch.session_events:
        cursor.executemany(INSERT_SESSION_EVENT, batch.session_events)
    if batch.clocks:
        cursor.executemany(INSERT_CLOCK, batch.clocks)
    if batch.readings and cursor.execute(MISSING_ANY).fetchone():
        _found(cursor, batch.readings)
    for row in joined(batch.missing):
        _write_missing(cursor, row)
    return written


def _cursor(connection: Connection) -> sqlite3.Cursor:
    """The driver's own cursor, in the transaction that `connection` has begun."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver.cursor()


def _write_readings(cursor: sqlite3.Cursor, rows: Sequence[ReadingRow]) -> Written:
    """First values go in with one statement; only when some were refused is each compared with what is there."""
    cursor.executemany(INSERT_READING, rows)
    stored = cursor.rowcount
    if stored == len(rows):
        return Written(stored, 0, 0)
    versions = 0
    for row in rows:
        known = [value for (value,) in cursor.execute(KNOWN_VALUES, row[:3])]
        if row[3] not in known:
            cursor.execute(INSERT_VERSION, (*row[:3], len(known), *row[3:]))
            versions += 1
    return Written(stored, versions, len(rows) - stored - versions)


def _found(cursor: sqlite3.Cursor, rows: Sequence[ReadingRow]) -> None:
    """Values that came in are missing no longer."""
    by_channel = sorted((row[1], row[2], row[0]) for row in rows)
    for (device_id, channel_id), group in groupby(by_channel, key=lambda row: row[:2]):
        times = [time_s for _, _, time_s in group]
        for late in _overlapping(cursor, device_id, channel_id, times[0], times[-1]):
            _replace(cursor, late, without(late, times))


def _write_missing(cursor: sqlite3.Cursor, row: Missing) -> None:
    """The newest cause takes over the times it shares with older ones; values that are stored are left out."""
    for older in _overlapping(cursor, row.device_id, row.channel_id, row.first_s, row.last_s):
        _replace(cursor, older, without(older, overlap(older, row)))
    present = [
        time_s for time_s in times_of(row) if cursor.execute(IS_PRESENT, (time_s, *row[:2])).fetchone() is not None
    ]
    cursor.executemany(INSERT_MISSING, without(row, present))


def _overlapping(cursor: sqlite3.Cursor, device_id: int, channel_id: int, first_s: int, last_s: int) -> list[Missing]:
    found = cursor.execute(MISSING_OVERLAP, (device_id, channel_id, last_s, first_s))
    return [Missing(*row) for row in found.fetchall()]


def _replace(cursor: sqlite3.Cursor, old: Missing, new: Iterable[Missing]) -> None:
    cursor.execute(DELETE_MISSING, old[:3])
    cursor.executemany(INSERT_MISSING, new)


def add_devices(connection: Connection, devices: Sequence[NewDevice]) -> list[int]:
    """See `Store.add_devices`."""
    if not devices:
        return []
    statement = insert(tables.device)
    changed = {name: statement.excluded[name] for name in ("name", "profile", "system_title", "key_ref")}
    rows = [
        {
            "kind": new.kind.value,
            "number": new.number,
            "name": new.name,
            "profile": new.profile,
            "system_title": new.system_title,
            "key_ref": new.key_ref,
        }
        for new in devices
    ]
    connection.execute(statement.on_conflict_do_update(index_elements=["number"], set_=changed), rows)
    known = connection.execute(select(tables.device.c.number, tables.device.c.id))
    ids: dict[str, int] = {row.number: row.id for row in known}
    _relate(connection, devices, ids)
    return [ids[new.number] for new in devices]


def _relate(connection: Connection, devices: Sequence[NewDevice], ids: Mapping[str, int]) -> None:
    column = tables.device_relation.c
    current = {
        row.device_id: row
        for row in connection.execute(
            select(column.device_id, column.dcu_id, column.valid_from_s).where(column.valid_to_s.is_(None))
        )
    }
    begun = []
    for new in devices:
        if new.dcu_number is None:
            continue
        dcu_id = ids.get(new.dcu_number)
        if dcu_id is None:
            raise StoreError(
                f"device {new.number} hangs on concentrator {new.dcu_number}, which is unknown: add it first",
                number=new.number,
                dcu_number=new.dcu_number,
            )
        device_id = ids[new.number]
        known = current.get(device_id)
        if known is not None and known.dcu_id == dcu_id:
            continue
        if known is not None:
            ended = tables.device_relation.update().where(
                column.device_id == device_id, column.valid_from_s == known.valid_from_s
            )
            connection.execute(ended.values(valid_to_s=new.related_from_s))
        begun.append({"device_id": device_id, "dcu_id": dcu_id, "valid_from_s": new.related_from_s})
    if begun:
        connection.execute(tables.device_relation.insert(), begun)


def add_channels(connection: Connection, channels: Sequence[NewChannel]) -> list[int]:
    """See `Store.add_channels`."""
    column = tables.channel.c
    identity = (
        column.class_id, column.obis, column.attribute, column.kind, column.unit, column.scaler, column.data_type
    )  # fmt: skip
    keys = [
        (new.class_id, new.obis, new.attribute, new.kind.value, new.unit, new.scaler, new.data_type) for new in channels
    ]
    known: dict[tuple[object, ...], int] = {
        tuple(row[1:]): row[0] for row in connection.execute(select(column.id, *identity))
    }
    for new, key in zip(channels, keys, strict=True):
        if key not in known:
            values = {name.name: value for name, value in zip(identity, key, strict=True)}
            added = connection.execute(tables.channel.insert().values(name=new.name, **values))
            known[key] = added.lastrowid
    return [known[key] for key in keys]


def add_plans(connection: Connection, plans: Sequence[Plan]) -> None:
    statement = insert(tables.plan)
    statement = statement.on_conflict_do_update(
        index_elements=["name"], set_={"definition": statement.excluded.definition}
    )
    if plans:
        connection.execute(statement, [plan._asdict() for plan in plans])


def add_occurrences(connection: Connection, occurrences: Sequence[PlanOccurrence]) -> None:
    statement = insert(tables.plan_occurrence)
    statement = statement.on_conflict_do_update(
        index_elements=["plan", "opens_s"], set_={"closes_s": statement.excluded.closes_s}
    )
    if occurrences:
        connection.execute(statement, [occurrence._asdict() for occurrence in occurrences])


def reserve_counters(connection: Connection, key_ref: str, count: int, at_least: int) -> int:
    """See `Store.reserve_counters`. The transaction is IMMEDIATE, so nobody else can read the same `next`."""
    cursor = _cursor(connection)
    row = cursor.execute(NEXT_COUNTER, (key_ref,)).fetchone()
    first = max(row[0] if row else 0, at_least)
    if count < 1 or first + count - 1 > COUNTER_MAX:
        raise StoreError(
            f"{count} invocation counters from {first} cannot be had for key {key_ref}: change the key",
            key_ref=key_ref,
            count=count,
            first=first,
        )
    cursor.execute(SET_COUNTER, (key_ref, first + count))
    return int(first)


def set_run_info(connection: Connection, info: Mapping[str, str]) -> None:
    statement = insert(tables.run_info)
    statement = statement.on_conflict_do_update(index_elements=["key"], set_={"value": statement.excluded.value})
    if info:
        connection.execute(statement, [{"key": key, "value": value} for key, value in info.items()])

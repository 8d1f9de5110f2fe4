"""The views for people: what a meter consumed and said, what is missing; and databases from before there were any."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import create_engine

from hes.dlms.cosem.registers import UNITS
from hes.resources import file as data_file
from hes.store import checks
from hes.store.migrate import migration_config
from hes.store.sqlite import SqliteStore
from hes.store.store import Batch, ChannelKind, DeviceKind, Missing, NewChannel, NewDevice, Quality, Reading, Store

DAY_S, QUARTER_S = checks.DAY_S, checks.QUARTER_S
METER = "731000010001"


def ask(path: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query, values).fetchall()


def filled(
    path: Path, rows: Sequence[tuple[int, int, int]], channel: NewChannel, missing: Sequence[Missing] = ()
) -> None:
    """A store with two meters and one channel; rows of the first: (quarter, value, quality). The second says 7."""

    async def fill() -> None:
        store = await SqliteStore.open(path)
        first, second = await store.add_devices(
            [
                NewDevice(kind=DeviceKind.METER, number=METER, name="north-0001"),
                NewDevice(kind=DeviceKind.METER, number="731000010002", name="north-0002"),
            ]
        )
        (channel_id,) = await store.add_channels([channel])
        readings = [
            Reading(DAY_S + QUARTER_S * quarter, device, channel_id, number, quality, 0)
            for quarter, value, quality in rows
            for device, number in ((first, value), (second, 7))
        ]
        await store.write_batch(Batch(readings=readings, missing=list(missing)))
        await store.close()

    asyncio.run(fill())


def test_what_a_meter_consumed_in_a_quarter_hour_is_one_query(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    filled(path, [(52, 1000, 0), (53, 1068, 0x80), (54, 1070, 0)], checks.energy())
    query = "SELECT * FROM consumption WHERE meter = ? AND to_time = '2024-12-10T13:15:00Z'"
    assert ask(path, query, METER) == [
        (METER, "north-0001", "energy import", "2024-12-10T13:00:00Z", "2024-12-10T13:15:00Z", 68, "Wh", 0x80)
    ]
    assert ask(path, "SELECT count(*), sum(value) FROM consumption") == [(4, 70)]


def test_consumption_over_missing_rows_has_the_long_interval_and_a_reset_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    filled(path, [(1, 5, 0), (5, 25, 0), (6, 3, 0)], checks.energy(scaler=-3))
    wanted = [
        ("2024-12-10T00:15:00Z", "2024-12-10T01:15:00Z", 0.02),
        ("2024-12-10T01:15:00Z", "2024-12-10T01:30:00Z", -0.022),
    ]
    assert ask(path, "SELECT from_time, to_time, value FROM consumption WHERE meter = ?", METER) == wanted


def test_a_second_value_for_a_time_does_not_count_as_consumption(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    filled(path, [(1, 10, 0), (2, 20, 0), (2, 21, 0)], checks.energy())
    assert ask(path, "SELECT value FROM consumption WHERE name = 'north-0001'") == [(10,)]
    shown = ask(path, "SELECT value, version FROM reading_text WHERE meter = ? ORDER BY time, version", METER)
    assert shown == [(10, 0), (20, 0), (21, 1)]


@pytest.mark.parametrize(
    ("kind", "obis", "unit"),
    [
        (ChannelKind.BILLING, "1.0.1.8.0.255", 30),
        (ChannelKind.LOAD_PROFILE, "1.0.32.7.0.255", 35),
        (ChannelKind.LOAD_PROFILE, "1.0.8.7.0.255", 30),
        (ChannelKind.LOAD_PROFILE, "1.0.1.29.8.255", 30),
    ],
)
def test_only_load_profile_registers_that_count_have_a_consumption(
    tmp_path: Path, kind: ChannelKind, obis: str, unit: int
) -> None:
    path = tmp_path / "store.sqlite3"
    channel = NewChannel(name="other", class_id=3, obis=obis, attribute=2, kind=kind, unit=unit)
    filled(path, [(1, 10, 0), (2, 20, 0)], channel)
    assert ask(path, "SELECT * FROM consumption") == []
    assert ask(path, "SELECT count(*) FROM reading_text") == [(4,)]


@pytest.mark.parametrize(
    ("scaler", "unit", "value", "shown"),
    [
        (0, 30, 2**63 - 1, (2**63 - 1, "Wh")),
        (3, 27, 12, (12_000, "W")),
        (-1, 35, 2301, (230.1, "V")),
        (-3, 13, -5, (-0.005, "m³")),
        (19, 255, 2, (2e19, "")),
        (0, 199, 4, (4, "unit 199")),
    ],
)
def test_values_are_scaled_and_have_the_name_of_their_unit(
    tmp_path: Path, scaler: int, unit: int, value: int, shown: tuple[float, str]
) -> None:
    path = tmp_path / "store.sqlite3"
    channel = NewChannel(
        name="x", class_id=3, obis="1.0.32.7.0.255", attribute=2, kind=ChannelKind.REGISTER, unit=unit, scaler=scaler
    )
    filled(path, [(4, value, int(Quality.NO_STATUS))], channel)
    (row,) = ask(path, "SELECT * FROM reading_text WHERE name = 'north-0001'")
    assert row == (METER, "north-0001", "x", "1.0.32.7.0.255", "register", "2024-12-10T01:00:00Z", *shown, 0x100, 0)


def test_every_missing_value_is_a_row_with_its_cause(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    gap = Missing(1, 1, DAY_S + 900, DAY_S + 2700, 900, "daily", "never_captured")
    one = Missing(2, 1, DAY_S + 86_400, DAY_S + 86_400, 0, "billing", "meter_silent")
    filled(path, [], checks.energy(), [gap, one])
    rows = ask(path, "SELECT * FROM missing_value ORDER BY meter, time")
    head = (METER, "north-0001", "energy import")
    assert rows == [
        (*head, "2024-12-10T00:15:00Z", "never_captured", "daily"),
        (*head, "2024-12-10T00:30:00Z", "never_captured", "daily"),
        (*head, "2024-12-10T00:45:00Z", "never_captured", "daily"),
        ("731000010002", "north-0002", "energy import", "2024-12-11T00:00:00Z", "meter_silent", "billing"),
    ]


def test_a_meter_is_looked_up_before_its_readings(tmp_path: Path) -> None:
    """Else a view of one meter would go over what every meter ever said."""
    path = tmp_path / "store.sqlite3"
    filled(path, [(1, 1, 0)], checks.energy())
    for view in ("consumption", "reading_text"):
        plan = [row[3] for row in ask(path, f"EXPLAIN QUERY PLAN SELECT * FROM {view} WHERE meter = 'x'")]  # noqa: S608
        assert any(re.match(r"SEARCH device USING .*\(number=\?\)", step) for step in plan), plan
        assert any("SEARCH reading" in step and "time_s=? AND device_id=?" in step for step in plan), plan


def test_the_unit_table_has_the_signs_that_the_rest_of_amiloop_uses(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    filled(path, [], checks.energy())
    assert dict(ask(path, "SELECT code, name FROM unit")) == UNITS


@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: check.__name__)
def test_a_database_from_before_the_views_keeps_the_contract_once_it_is_opened(
    check: checks.Check, tmp_path: Path
) -> None:
    path = tmp_path / "store.sqlite3"
    migrated_to(path, "0001")

    async def open_store() -> Store:
        return await SqliteStore.open(path)

    asyncio.run(check(open_store))
    assert ask(path, "SELECT version_num FROM alembic_version") == [("0003",)]


def test_what_was_stored_before_the_views_is_seen_through_them(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    migrated_to(path, "0001")
    with closing(sqlite3.connect(path)) as database:
        database.execute("INSERT INTO device VALUES (1, 'meter', '42', 'cellar', '', NULL, NULL)")
        database.execute("INSERT INTO channel VALUES (1, 'a', 3, '1.0.1.8.0.255', 2, 'load_profile', 30, 0, 6)")
        rows = [(DAY_S, 1, 1, 0, 10, 0, 0), (DAY_S + 900, 1, 1, 0, 12, 0, 0)]
        database.executemany("INSERT INTO reading VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        database.commit()
    asyncio.run(opened(path))
    assert ask(path, "SELECT meter, value FROM consumption") == [("42", 2)]


def test_the_queries_of_the_database_page_run(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    filled(path, [], checks.energy())
    queries = re.findall(r"```sql\n(.*?)```", data_file("docs", "database", ".md").read_text(), flags=re.DOTALL)
    assert len(queries) == 3
    assert [ask(path, query) for query in queries] == [[], [], []]


def migrated_to(path: Path, revision: str) -> None:
    """A database as an earlier version of amiloop made it."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        command.upgrade(migration_config(connection), revision)
    engine.dispose()


async def opened(path: Path) -> None:
    store = await SqliteStore.open(path)
    await store.close()

"""The SQLite adapter: the contract, the schema, crashes, foreign files."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from hes.errors import StoreError
from hes.store import checks
from hes.store.sqlite import SqliteStore, reader_engine
from hes.store.store import Batch, DeviceKind, NewDevice, Store
from hes.store.tables import metadata


@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: check.__name__)
def test_sqlite_keeps_the_contract_of_a_store(check: checks.Check, tmp_path: Path) -> None:
    async def open_store() -> Store:
        return await SqliteStore.open(tmp_path / "store.sqlite3")

    asyncio.run(check(open_store))


def test_the_migrations_make_the_tables_that_queries_are_written_for(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    asyncio.run(_open_and_close(path))
    engine = reader_engine(path)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()
    with sqlite3.connect(path) as database:
        (created,) = database.execute("SELECT sql FROM sqlite_master WHERE name = 'reading'").fetchone()
        assert created.rstrip().endswith("WITHOUT ROWID")
        checked = database.execute("SELECT count(*) FROM sqlite_master WHERE sql LIKE '%ck_%_kind%'").fetchone()
    database.close()
    assert checked == (2,)


def test_a_reader_engine_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    asyncio.run(_open_and_close(path))
    engine = reader_engine(path)
    with engine.connect() as connection, pytest.raises(Exception, match="readonly"):
        connection.exec_driver_sql("DELETE FROM run_info")
    engine.dispose()


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    asyncio.run(_open_and_close(path))
    with sqlite3.connect(path) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    with pytest.raises(StoreError, match="newer amiloop"):
        asyncio.run(_open_and_close(path))


def test_a_file_that_is_no_database_is_a_store_error(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    path.write_bytes(b"time;value\n" * 1000)
    with pytest.raises(StoreError, match="could not be opened: file is not a database") as refused:
        asyncio.run(_open_and_close(path))
    assert refused.value.fields["retriable"] is False


def test_a_missing_folder_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="unable to open"):
        asyncio.run(_open_and_close(tmp_path / "nowhere" / "store.sqlite3"))


def test_memory_is_refused_because_readers_would_see_another_database() -> None:
    with pytest.raises(StoreError, match="give a file"):
        asyncio.run(_open_and_close(Path(":memory:")))


WRITES_UNTIL_KILLED = """
import asyncio, sys
from pathlib import Path
from hes.store import checks
from hes.store.sqlite import SqliteStore
from hes.store.store import Batch

async def main():
    store = await SqliteStore.open(Path(sys.argv[1]), survives_power_loss=False)
    dcu, first, second, channel = await checks.archive(store)
    quarter = 0
    while True:
        first_counter = await store.reserve_counters("vault/1", 7)
        rows = [checks.reading(device, channel, quarter + k, k) for k in range(50) for device in (first, second)]
        await store.write_batch(Batch(readings=rows))
        quarter += 50
        print(quarter, first_counter, flush=True)

asyncio.run(main())
"""


def test_a_killed_process_leaves_whole_batches_and_no_counter_to_repeat(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    child = subprocess.Popen(
        [sys.executable, "-c", WRITES_UNTIL_KILLED, str(path)], stdout=subprocess.PIPE, text=True, cwd=os.getcwd()
    )
    assert child.stdout is not None
    with child:
        said = [child.stdout.readline() for _ in range(12)]
        os.kill(child.pid, signal.SIGKILL)
        rest = child.stdout.read().splitlines(keepends=True)
    whole = [line for line in said + rest if line.endswith("\n")]
    quarters, first_counter = map(int, whole[-1].split())
    stored, next_counter = asyncio.run(_after_the_crash(path))
    assert stored >= quarters
    assert stored % 50 == 0
    assert next_counter >= first_counter + 7


async def _after_the_crash(path: Path) -> tuple[int, int]:
    store = await SqliteStore.open(path)
    counts = await store.counts_by_device(0, 2**40)
    assert len({values for _, values in counts}) == 1, "a batch was written in part"
    next_counter = await store.reserve_counters("vault/1", 1)
    await store.close()
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    return counts[0].values, next_counter


def test_two_processes_share_one_database(tmp_path: Path) -> None:
    """Console and collector: each has its own adapter over the same file."""

    async def share() -> list[int]:
        collector = await SqliteStore.open(tmp_path / "store.sqlite3")
        console = await SqliteStore.open(tmp_path / "store.sqlite3")
        await collector.add_devices([NewDevice(kind=DeviceKind.DCU, number="07310001")])
        ids = [device.id for device in await console.devices()]
        blocks = await asyncio.gather(
            *(store.reserve_counters("vault/1", 5) for store in (collector, console) for _ in range(10))
        )
        assert sorted(blocks) == list(range(0, 100, 5))
        await console.close()
        await collector.close()
        return ids

    assert asyncio.run(share()) == [1]


def test_a_lock_that_lasts_is_a_retriable_store_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hes.store.sqlite.BUSY_TIMEOUT_MS", 1)
    path = tmp_path / "store.sqlite3"

    async def write_while_locked() -> None:
        store = await SqliteStore.open(path)
        database = sqlite3.connect(path, isolation_level=None)
        database.execute("BEGIN IMMEDIATE")
        try:
            await store.set_run_info({"seed": "1"})
        finally:
            database.execute("ROLLBACK")
            database.close()
            assert await store.run_info() == {}
            await store.close()

    with pytest.raises(StoreError, match="locked") as refused:
        asyncio.run(write_while_locked())
    assert refused.value.fields["retriable"] is True


def test_an_empty_batch_is_fine_after_a_refused_one(tmp_path: Path) -> None:
    async def main() -> None:
        store = await SqliteStore.open(tmp_path / "store.sqlite3")
        with pytest.raises(StoreError):
            await store.write_batch(Batch(readings=[(1, 2, 3, None, 0, 0)]))  # type: ignore[list-item]
        await store.write_batch(Batch())
        await store.close()

    asyncio.run(main())


async def _open_and_close(path: Path) -> None:
    store = await SqliteStore.open(path)
    await store.close()

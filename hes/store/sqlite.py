"""SQLite as the store: one file, WAL, one writer thread and a few readers.

Every method ships one closure over a connection to an executor; the connection never leaves it. Under a virtual-time
loop `run_in_executor` runs the closure inline, so that the same adapter serves simulation and production. Transactions
are begun by us (`BEGIN IMMEDIATE` for the writer), not by the driver, so that a lock is met at the start of a
transaction, where waiting is harmless, and never in its middle.
"""

from __future__ import annotations

import asyncio
import sqlite3
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from hes.errors import HesError, StoreError
from hes.store import queries, sqlite_writes
from hes.store.migrate import upgrade
from hes.store.store import (
    AttemptCount,
    Batch,
    CauseCount,
    Channel,
    ChannelOfDevice,
    Device,
    DeviceAttempts,
    DeviceClock,
    DeviceCount,
    DeviceKind,
    Missing,
    NewChannel,
    NewDevice,
    Plan,
    PlanOccurrence,
    SessionEvent,
    StoredReading,
    TimeCount,
    Written,
)

READERS = 3
"""Reading connections and threads at a time."""
BUSY_TIMEOUT_MS = 10_000
"""How long a connection waits for another process's lock before it gives up."""
CACHE_KIB = 65_536
"""Page cache of the writer: rows of a day lie in many places of the tree, and all of them should be at hand."""
WAL_AUTOCHECKPOINT_PAGES = 16_000
"""64 MB of log between checkpoints: a page that is written again meanwhile is copied back once."""

T = TypeVar("T")


class SqliteStore:
    """`Store` over one SQLite file; made by `await SqliteStore.open(path)`."""

    def __init__(self, path: Path, *, survives_power_loss: bool = True) -> None:
        """survives_power_loss: reserved counters are synced to the disk (False: they survive a killed process only,
        which is all that a simulated run needs). Nothing is opened before `open`.
        """
        self.path = path
        self._writer = _engine(path, begin="BEGIN IMMEDIATE", connections=1)
        self._reader = reader_engine(path)
        self._write_executor: Executor = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._read_executor: Executor = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")
        self._counter_sync = "FULL" if survives_power_loss else "NORMAL"
        self._closed = False

    @classmethod
    async def open(cls, path: Path, *, survives_power_loss: bool = True) -> SqliteStore:
        """Open or create the database and migrate it. Raises StoreError when it is not one of ours."""
        store = cls(path, survives_power_loss=survives_power_loss)
        try:
            await store._write(upgrade, "be opened")
        except BaseException:
            await store.close()
            raise
        return store

    async def add_devices(self, devices: Sequence[NewDevice]) -> list[int]:
        return await self._write(lambda c: sqlite_writes.add_devices(c, devices), "add devices")

    async def devices(self, *, kind: DeviceKind | None = None, at_s: int | None = None) -> list[Device]:
        return await self._read(lambda c: queries.devices(c, kind, at_s), "list devices")

    async def add_channels(self, channels: Sequence[NewChannel]) -> list[int]:
        return await self._write(lambda c: sqlite_writes.add_channels(c, channels), "add channels")

    async def channels(self) -> list[Channel]:
        return await self._read(queries.channels, "list channels")

    async def add_plans(self, plans: Sequence[Plan]) -> None:
        await self._write(lambda c: sqlite_writes.add_plans(c, plans), "add plans")

    async def add_occurrences(self, occurrences: Sequence[PlanOccurrence]) -> None:
        await self._write(lambda c: sqlite_writes.add_occurrences(c, occurrences), "add occurrences")

    async def occurrences(self, *, plan: str | None = None) -> list[PlanOccurrence]:
        return await self._read(lambda c: queries.occurrences(c, plan), "list occurrences")

    async def write_batch(self, batch: Batch) -> Written:
        return await self._write(lambda c: sqlite_writes.write_batch(c, batch), "write a batch")

    async def coverage(
        self, first_s: int, last_s: int, channel_ids: Sequence[int] = ()
    ) -> dict[ChannelOfDevice, array[int]]:
        return await self._read(lambda c: queries.coverage(c, first_s, last_s, channel_ids), "read the coverage")

    async def readings(
        self, device_id: int, channel_id: int, first_s: int, last_s: int, *, versions: bool = False
    ) -> list[StoredReading]:
        return await self._read(
            lambda c: queries.readings(c, device_id, channel_id, first_s, last_s, versions), "read a curve"
        )

    async def counts_by_received(
        self, first_s: int, last_s: int, bucket_s: int, *, channel_ids: Sequence[int] = ()
    ) -> list[TimeCount]:
        return await self._read(
            lambda c: queries.counts_by_received(c, first_s, last_s, bucket_s, channel_ids), "count values"
        )

    async def counts_by_time(
        self, first_s: int, last_s: int, bucket_s: int, *, channel_ids: Sequence[int] = ()
    ) -> list[TimeCount]:
        return await self._read(
            lambda c: queries.counts_by_time(c, first_s, last_s, bucket_s, channel_ids), "count values"
        )

    async def counts_by_device(
        self, first_s: int, last_s: int, *, channel_ids: Sequence[int] = ()
    ) -> list[DeviceCount]:
        return await self._read(lambda c: queries.counts_by_device(c, first_s, last_s, channel_ids), "count values")

    async def missing(self, *, device_id: int | None = None, from_s: int | None = None) -> list[Missing]:
        return await self._read(lambda c: queries.missing(c, device_id, from_s), "list what is missing")

    async def missing_counts(self) -> list[CauseCount]:
        return await self._read(queries.missing_counts, "count what is missing")

    async def attempt_counts(self) -> list[AttemptCount]:
        return await self._read(queries.attempt_counts, "count attempts")

    async def attempts_by_device(self) -> list[DeviceAttempts]:
        return await self._read(queries.attempts_by_device, "count attempts")

    async def session_events(self, *, dcu_id: int | None = None) -> list[SessionEvent]:
        return await self._read(lambda c: queries.session_events(c, dcu_id), "list session events")

    async def clocks(self) -> list[DeviceClock]:
        return await self._read(queries.clocks, "list device clocks")

    async def reserve_counters(self, key_ref: str, count: int, *, at_least: int = 0) -> int:
        return await self._write(
            lambda c: sqlite_writes.reserve_counters(c, key_ref, count, at_least),
            "reserve counters",
            synchronous=self._counter_sync,
        )

    async def set_run_info(self, info: Mapping[str, str]) -> None:
        await self._write(lambda c: sqlite_writes.set_run_info(c, info), "keep run information")

    async def run_info(self) -> dict[str, str]:
        return await self._read(queries.run_info, "read run information")

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._write_executor, self._writer.dispose)
        await loop.run_in_executor(self._read_executor, self._reader.dispose)
        self._write_executor.shutdown(wait=False)
        self._read_executor.shutdown(wait=False)

    async def _write(self, work: Callable[[Connection], T], aim: str, *, synchronous: str = "NORMAL") -> T:
        def closure() -> T:
            with store_errors(self.path, aim), self._writer.connect() as connection:
                if synchronous != "NORMAL":
                    connection.connection.cursor().execute(f"PRAGMA synchronous = {synchronous}")
                try:
                    with connection.begin():
                        return work(connection)
                finally:
                    if synchronous != "NORMAL":
                        connection.connection.cursor().execute("PRAGMA synchronous = NORMAL")

        return await self._run(self._write_executor, closure)

    async def _read(self, work: Callable[[Connection], T], aim: str) -> T:
        def closure() -> T:
            with store_errors(self.path, aim), self._reader.connect() as connection, connection.begin():
                return work(connection)

        return await self._run(self._read_executor, closure)

    async def _run(self, executor: Executor, closure: Callable[[], T]) -> T:
        if self._closed:
            raise StoreError(f"the database {self.path} is closed", path=str(self.path))
        return await asyncio.get_running_loop().run_in_executor(executor, closure)


def reader_engine(path: Path) -> Engine:
    """An engine that can only read: for reports and other synchronous readers of a database that exists."""
    return _engine(path, begin="BEGIN", connections=READERS, query_only=True)


@contextmanager
def store_errors(path: Path, aim: str) -> Iterator[None]:
    """Turn what SQLAlchemy and the driver raise into StoreError, once. `retriable` says that waiting may help."""
    try:
        yield
    except HesError:
        raise
    except (SQLAlchemyError, sqlite3.Error, OverflowError) as error:
        cause = getattr(error, "orig", None) or error
        retriable = isinstance(cause, sqlite3.OperationalError) and _primary_code(cause) in _MAY_PASS
        raise StoreError(
            f"the database {path} could not {aim}: {cause}", path=str(path), retriable=retriable
        ) from error


_MAY_PASS = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


def _primary_code(error: sqlite3.Error) -> int:
    """SQLite's result code without its extension (the low octet)."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _engine(path: Path, *, begin: str, connections: int, query_only: bool = False) -> Engine:
    if str(path) in ("", ":memory:"):
        raise StoreError("SQLite in memory has one connection, the store needs several: give a file", path=str(path))
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        pool_size=connections,
        max_overflow=0,
        connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "isolation_level": None, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, _record: Any) -> None:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        if query_only:
            connection.execute("PRAGMA query_only = ON")
            return
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_AUTOCHECKPOINT_PAGES}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine

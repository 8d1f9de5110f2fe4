"""The one writer: many producers hand over rows, one transaction at a time carries them into the store.

Rows wait until there are `FLUSH_ROWS` of them or the oldest has waited `FLUSH_AFTER_S` of loop time, whichever comes
first; whatever has gathered by then goes in one batch. Committing each exchange by itself would cost about fifty times
as much.

Back-pressure: `put` waits while `QUEUE_ROWS_MAX` rows are pending. `note` never waits, for callbacks and for the few
rows that tell of events; its rows count against the same limit, so they slow the producers that can wait.

Errors: a StoreError marked `retriable` (a lock, a full disk) is tried again (hes.acquisition.patience); any other, or
the last, ends the writer: `run` raises it, and so does every `put`, for a head-end that cannot write must not go on
reading as if it could. Cancelling `run` or `flush` never leaves it open whether a batch was written: the
write under way goes on, and `close` waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog

from hes.acquisition.patience import patiently
from hes.errors import StoreError
from hes.store.store import Attempt, Batch, DeviceClock, Missing, SessionEvent, Written

log = structlog.get_logger()

FLUSH_ROWS = 2_000
FLUSH_AFTER_S = 0.2
QUEUE_ROWS_MAX = 20_000

OnWritten = Callable[[Batch, Written], None]
"""Told of every batch once it is committed, in the order of the commits."""


class BatchStore(Protocol):
    """What the writer needs of a store."""

    async def write_batch(self, batch: Batch) -> Written: ...


class Writer:
    """Batches rows for a store. `run` in a TaskGroup; `close` at the end writes what is left."""

    def __init__(
        self, store: BatchStore, *, on_written: OnWritten | None = None, flush_after_s: float = FLUSH_AFTER_S
    ) -> None:
        """flush_after_s: how long rows may wait; where time is virtual, much may happen in none of it."""
        self._store = store
        self._flush_after_s = flush_after_s
        self._on_written = on_written
        self._pending = _Pending()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._turn = asyncio.Lock()
        self._writing: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._failed: StoreError | None = None
        self._closed = False
        self.rows_written = 0

    @property
    def rows_pending(self) -> int:
        """Rows handed over that no batch has taken yet."""
        return self._pending.rows

    async def put(self, batch: Batch) -> None:
        """Hand over rows; waits while too many are pending. Raises StoreError once the writer has failed or closed.

        On return the rows are accepted, not written: see `flush`.
        """
        while self._pending.rows >= QUEUE_ROWS_MAX and self._failed is None and not self._closed:
            await self._room.wait()
        self._refuse_if_over()
        self._add(batch)

    def note(self, batch: Batch) -> None:
        """Hand over a few rows without waiting. After the writer has failed or closed they are dropped."""
        if self._failed is not None or self._closed:
            log.warning("rows_dropped", rows=len(batch), reason="failed" if self._failed is not None else "closed")
            return
        self._add(batch)

    async def flush(self) -> None:
        """Write everything handed over so far; on return it is committed. Raises StoreError."""
        async with self._turn:
            if self._writing is not None:
                await self._finish(self._writing)
            self._refuse_if_failed()
            batch = self._take()
            if len(batch):
                # not in a TaskGroup: a cancelled caller must not take the transaction with it; close() waits for it
                self._writing = asyncio.ensure_future(self._write(batch))
                await self._finish(self._writing)

    async def run(self) -> None:
        """Write batches as they fall due until `close` or cancelled. Raises StoreError when writing fails for good."""
        while not self._closed:
            await self._wake.wait()
            self._wake.clear()
            await self.flush()

    async def close(self) -> None:
        """Write what is left and end `run`; safe to call twice. After a failure there is nothing left to do."""
        self._closed = True
        self._wake.set()
        self._room.set()
        if self._failed is None:
            await self.flush()
        elif self._writing is not None and self._writing.done():
            self._writing.exception()  # it was told of when the writer failed

    async def _finish(self, writing: asyncio.Future[None]) -> None:
        try:
            await asyncio.shield(writing)
        finally:
            if writing.done():
                self._writing = None

    async def _write(self, batch: Batch) -> None:
        try:
            written = await patiently(lambda: self._store.write_batch(batch), "write a batch", rows=len(batch))
        except StoreError as error:
            self._fail(error, len(batch))
            raise
        self.rows_written += len(batch)
        if self._on_written is not None:
            self._on_written(batch, written)

    def _fail(self, error: StoreError, rows: int) -> None:
        log.error("batch_write_failed", rows=rows, rows_pending=self._pending.rows, error=error.message)
        self._failed = error
        self._wake.set()
        self._room.set()

    def _refuse_if_failed(self) -> None:
        if self._failed is not None:
            raise StoreError(f"the writer has failed: {self._failed.message}") from self._failed

    def _refuse_if_over(self) -> None:
        self._refuse_if_failed()
        if self._closed:
            raise StoreError("the writer is closed: nothing more can be handed over")

    def _add(self, batch: Batch) -> None:
        self._pending.add(batch)
        rows = self._pending.rows
        if rows >= QUEUE_ROWS_MAX:
            self._room.clear()
        if rows >= FLUSH_ROWS:
            self._wake.set()
        elif self._timer is None and rows:
            self._timer = asyncio.get_running_loop().call_later(self._flush_after_s, self._wake.set)

    def _take(self) -> Batch:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch = self._pending.batch()
        self._pending = _Pending()
        self._room.set()
        return batch


class _Pending:
    """Rows gathered for the next batch, in the order they were handed over."""

    __slots__ = ("attempts", "clocks", "missing", "readings", "rows", "session_events")

    def __init__(self) -> None:
        self.readings: list[tuple[int, int, int, int, int, int]] = []
        self.attempts: list[Attempt] = []
        self.session_events: list[SessionEvent] = []
        self.missing: list[Missing] = []
        self.clocks: list[DeviceClock] = []
        self.rows = 0

    def add(self, batch: Batch) -> None:
        self.readings += batch.readings
        self.attempts += batch.attempts
        self.session_events += batch.session_events
        self.missing += batch.missing
        self.clocks += batch.clocks
        self.rows += len(batch)

    def batch(self) -> Batch:
        return Batch(
            readings=self.readings,
            attempts=self.attempts,
            session_events=self.session_events,
            missing=self.missing,
            clocks=self.clocks,
        )

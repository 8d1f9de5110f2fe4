"""The batching writer, on a loop whose clock jumps to the next timer."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from hes.acquisition import patience
from hes.acquisition import writer as limits
from hes.acquisition.tests.jumping_loop import run
from hes.acquisition.writer import Writer
from hes.errors import StoreError
from hes.store.store import Batch, SessionEvent, Written


class NotingStore:
    """Keeps batches; can be shut so that a write waits, and can refuse."""

    def __init__(self, *refusals: StoreError) -> None:
        self.batches: list[tuple[float, Batch]] = []
        self.begun = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self._refusals = list(refusals)

    async def write_batch(self, batch: Batch) -> Written:
        self.begun.set()
        await self.gate.wait()
        if self._refusals:
            raise self._refusals.pop(0)
        self.batches.append((asyncio.get_running_loop().time(), batch))
        return Written(len(batch.readings), 0, 0)

    @property
    def rows(self) -> list[int]:
        return [len(batch) for _, batch in self.batches]


def readings(count: int, first: int = 0) -> Batch:
    return Batch(readings=[(number, 1, 1, 0, 0, 0) for number in range(first, first + count)])


def test_a_full_batch_is_written_at_once_and_a_lone_row_after_200_ms() -> None:
    async def main() -> None:
        store = NotingStore()
        writer = Writer(store)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(writer.run())
            await writer.put(readings(limits.FLUSH_ROWS))
            await store.begun.wait()
            await writer.put(readings(1))
            await asyncio.sleep(0.1)
            await writer.put(readings(1, first=1))
            await asyncio.sleep(1.0)
            await writer.close()
            await running
        assert [(at_s, len(batch)) for at_s, batch in store.batches] == [(1000.0, 2000), (1000.2, 2)]

    run(main())


def test_rows_of_many_producers_share_a_batch_in_the_order_they_came() -> None:
    async def main() -> None:
        store = NotingStore()
        writer = Writer(store)

        async def produce(number: int) -> None:
            await writer.put(readings(2, first=2 * number))
            writer.note(Batch(session_events=[SessionEvent(number, None, "login", "")]))

        async with asyncio.TaskGroup() as group:
            for number in range(10):
                group.create_task(produce(number))
        await writer.flush()
        ((_, batch),) = store.batches
        assert [row[0] for row in batch.readings] == list(range(20))
        assert [event.time_ms for event in batch.session_events] == list(range(10))

    run(main())


def test_put_waits_while_the_store_lags_behind_and_note_does_not() -> None:
    async def main() -> None:
        store = NotingStore()
        store.gate.clear()
        writer = Writer(store)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(writer.run())
            await writer.put(readings(1))
            await store.begun.wait()  # the first row is under way and stuck
            await writer.put(readings(limits.QUEUE_ROWS_MAX))
            late = group.create_task(writer.put(readings(5)))
            await asyncio.sleep(5.0)
            assert not late.done()
            writer.note(readings(1))
            assert writer.rows_pending == limits.QUEUE_ROWS_MAX + 1
            store.gate.set()
            await late
            await writer.close()
            await running
        assert sum(store.rows) == writer.rows_written == limits.QUEUE_ROWS_MAX + 7
        assert writer.rows_pending == 0

    run(main())


def test_close_writes_what_is_left_and_can_be_called_twice() -> None:
    async def main() -> None:
        store = NotingStore()
        writer = Writer(store)
        await writer.put(readings(3))
        await writer.close()
        await writer.close()
        assert store.rows == [3]
        writer.note(readings(1))
        with pytest.raises(StoreError, match="closed"):
            await writer.put(readings(1))
        assert store.rows == [3]

    run(main())


def test_a_cancelled_run_neither_loses_nor_repeats_the_batch_under_way() -> None:
    async def main() -> None:
        store = NotingStore()
        store.gate.clear()
        writer = Writer(store)
        running = asyncio.ensure_future(writer.run())
        await writer.put(readings(4))
        await store.begun.wait()
        await writer.put(readings(2, first=4))
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        asyncio.get_running_loop().call_later(1.0, store.gate.set)
        await writer.close()
        assert store.rows == [4, 2]

    run(main())


def test_a_transient_refusal_is_tried_again() -> None:
    async def main() -> None:
        locked = [StoreError("locked", retriable=True) for _ in range(patience.ATTEMPTS_MAX - 1)]
        store = NotingStore(*locked)
        writer = Writer(store)
        await writer.put(readings(1))
        await writer.flush()
        assert [at_s for at_s, _ in store.batches] == [1000.0 + len(locked) * patience.RETRY_S]

    run(main())


@pytest.mark.parametrize(
    "refusals",
    [[StoreError("no such table")], [StoreError("locked", retriable=True)] * patience.ATTEMPTS_MAX],
    ids=["at once", "after its last attempt"],
)
def test_a_lasting_refusal_ends_the_writer_and_everyone_hears_of_it(refusals: list[StoreError]) -> None:
    async def main() -> None:
        store = NotingStore(*refusals)
        store.gate.clear()
        writer = Writer(store)

        async def stuck_producer() -> None:
            await writer.put(readings(limits.QUEUE_ROWS_MAX))
            await writer.put(readings(1))

        producing = asyncio.ensure_future(stuck_producer())
        running = asyncio.ensure_future(writer.run())
        await store.begun.wait()
        store.gate.set()
        with pytest.raises(StoreError, match=refusals[0].message):
            await running
        await asyncio.wait([producing])
        assert producing.exception() is None or isinstance(producing.exception(), StoreError)
        with pytest.raises(StoreError, match="has failed"):
            await writer.put(readings(1))
        writer.note(readings(1))
        await writer.close()
        assert store.batches == []

    run(main())


def test_every_committed_batch_is_told_of_once() -> None:
    async def main() -> None:
        told: list[tuple[int, Written]] = []
        writer = Writer(NotingStore(), on_written=lambda batch, written: told.append((len(batch), written)))
        await writer.put(readings(2))
        await writer.flush()
        await writer.flush()
        await writer.put(readings(1))
        await writer.close()
        assert told == [(2, Written(2, 0, 0)), (1, Written(1, 0, 0))]

    run(main())

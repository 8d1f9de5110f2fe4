"""The collector: plans open, devices queue, lanes read, windows close, and every row ends in the account.

One planner wakes at the openings and closings of plans. At an opening every meter that owes something is queued at its
concentrator; at a closing every row still missing gets its cause. Each concentrator has a few lanes: while it is here,
a lane takes the next device, leases it, opens one association and reads everything that is missing of it. What failed
comes back later, after a back-off, until its window closes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog

from hes.acquisition.account import Account, Blame
from hes.acquisition.agenda import Agenda
from hes.acquisition.causes import Cause
from hes.acquisition.dcu_session import DcuSession
from hes.acquisition.device_state import DeviceState, Opening
from hes.acquisition.grids import DAY_S, indices
from hes.acquisition.items import CollectedItem
from hes.acquisition.missing_rows import missing_rows
from hes.acquisition.patience import patiently
from hes.acquisition.plans import Occurrence, Plan, reach_back_s
from hes.acquisition.queue import DeviceQueue
from hes.acquisition.reader import DeviceReader, Failure
from hes.acquisition.registry import Registry
from hes.acquisition.resume import past_of, resume
from hes.acquisition.retries import RetryPolicy
from hes.acquisition.rows import ReadingRow
from hes.acquisition.writer import Writer
from hes.clock import Clock
from hes.devices.archive import Archive, Dcu, Meter
from hes.entropy import Entropy
from hes.store.store import Attempt, Batch, DeviceClock, Missing, Outcome, PlanOccurrence, Store

log = structlog.get_logger()

CLOCK_CHECK_S = 900.0
"""Civil time may be stepped under us: the planner looks at it again at least that often."""
MISSING_ROWS_MAX = 1000
"""Rows about missing values that are handed to the writer at a time: a dead town must not fill the memory."""

ProgressListener = Callable[[float, int, int], None]
"""Told (civil time, values read of those expected, values expected) whenever that changes."""


class Collector:
    """Reads the meters of an archive by plans. `resume`, then `run`, which never returns by itself: cancel it."""

    def __init__(
        self,
        *,
        archive: Archive,
        plans: Sequence[Plan],
        items: Mapping[str, Mapping[str, CollectedItem]],
        registry: Registry,
        reader: DeviceReader,
        writer: Writer,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        policy: RetryPolicy,
        lanes_per_dcu: int = 1,
        on_progress: ProgressListener | None = None,
    ) -> None:
        """items: device profile's name -> its items by name (hes.acquisition.items.enter_items)."""
        self.account = Account()
        self._archive = archive
        self._plans = list(plans)
        self._items = items
        self._registry = registry
        self._reader = reader
        self._writer = writer
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._policy = policy
        self._lanes_per_dcu = lanes_per_dcu
        self._on_progress = on_progress
        self._history_s = reach_back_s(plans) + policy.recovery_s + DAY_S
        self._agenda: Agenda | None = None
        self._slept_through: list[Missing] = []
        self._queues = {name: DeviceQueue() for name in archive.dcus}
        self._states = {
            device_id: DeviceState(meter, items[meter.profile.name]) for device_id, meter in archive.meters.items()
        }

    async def resume(self) -> None:
        """Learn from the store what is here, what was due, and which windows are open. Raises StoreError."""
        now_s = self._clock.epoch_s()
        past = past_of(self._plans, await self._store.occurrences(), now_s, self._history_s)
        self._slept_through = await resume(self.account, past, self._archive.meters.values(), self._items, self._store)
        self._agenda = Agenda(self._plans, now_s, past.still_open)
        if past.closed or past.still_open:
            log.info("collection_resumed", windows_open=len(past.still_open), windows_closed=len(past.closed))

    async def run(self) -> None:
        """Plan and read until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._planner(), name="planner")
            for dcu in self._archive.dcus.values():
                for lane in range(self._lanes_per_dcu):
                    group.create_task(self._lane(dcu), name=f"lane-{dcu.name}-{lane}")

    # -- planning

    async def _planner(self) -> None:
        agenda = self._agenda
        assert agenda is not None, "resume() comes first"
        await self._tell_missing(self._slept_through)
        self._slept_through = []
        forget_s = self._clock.epoch_s() + DAY_S
        while True:
            now_s = self._clock.epoch_s()
            for occurrence in agenda.opening(now_s):
                await self._open(occurrence)
            for occurrence in agenda.closing(now_s):
                await self._close(occurrence)
            if now_s >= forget_s:
                self.account.forget_before(now_s - self._history_s)
                forget_s = now_s + DAY_S
            await asyncio.sleep(min(max(agenda.next_s - self._clock.epoch_s(), 0.0), CLOCK_CHECK_S))

    async def _open(self, occurrence: Occurrence) -> None:
        """Every meter that has the item owes these rows from now on, and queues if it may still owe any."""
        window = PlanOccurrence(occurrence.plan, occurrence.opens_s, occurrence.closes_s)
        await patiently(lambda: self._store.add_occurrences([window]), "enter a window", plan=occurrence.plan)
        log.info("plan_opened", plan=occurrence.plan, item=occurrence.item, closes_s=occurrence.closes_s)
        for state in self._states.values():
            item = state.items.get(occurrence.item)
            if item is None:
                continue
            span = indices(item.grid, occurrence.covers_from_s, occurrence.covers_to_s)
            account = self.account.open_item(state.meter.device_id, item.name, item.grid, len(item.channels))
            self.account.expect(account, span)
            state.openings.append(Opening(occurrence, span))
            self._queue(state, delay_s=0.0)
        self._progress()

    async def _close(self, occurrence: Occurrence) -> None:
        """The window is shut: what is missing of these rows is due and missing, each with its one cause."""
        found: list[Missing] = []
        since_s = asyncio.get_running_loop().time() - (self._clock.epoch_s() - occurrence.opens_s)
        for state in self._states.values():
            opening = state.close(occurrence)
            if opening is None:
                continue
            terminal_id = self._archive.dcus[state.meter.dcu].terminal_id
            cause = opening.failure or (
                Cause.NOT_REACHED if self._registry.was_online_since(terminal_id, since_s) else Cause.DCU_OFFLINE
            )
            account = self.account.item(state.meter.device_id, occurrence.item)
            assert account is not None  # opened together
            blames = self.account.fall_due(account, opening.span, Blame(cause, occurrence.plan))
            found += missing_rows(state.meter.device_id, state.items[occurrence.item], blames)
        await self._tell_missing(found)
        log.info("plan_closed", plan=occurrence.plan, values_missing=sum(row.values for row in found))

    async def _tell_missing(self, found: list[Missing]) -> None:
        for first in range(0, len(found), MISSING_ROWS_MAX):
            await self._writer.put(Batch(missing=found[first : first + MISSING_ROWS_MAX]))

    # -- reading

    def _queue(self, state: DeviceState, *, delay_s: float) -> None:
        """Queue the meter among those whose windows close as soon as the first of its own; not if none is open then."""
        now_s = self._clock.epoch_s()
        closes_s = [opening.occurrence.closes_s for opening in state.to_try(now_s + delay_s, self._policy.attempts_max)]
        if closes_s:
            self._queues[state.meter.dcu].put(
                state.meter.device_id,
                closes_s=min(closes_s),
                not_before_s=asyncio.get_running_loop().time() + delay_s,
            )

    async def _lane(self, dcu: Dcu) -> None:
        queue = self._queues[dcu.name]
        while True:
            await self._registry.wait_online(dcu.terminal_id)
            await queue.wait()
            session = self._registry.online(dcu.terminal_id)
            if session is None or (device_id := queue.take()) is None:
                continue
            try:
                await self._visit(session, self._states[device_id])
            finally:
                queue.done(device_id)

    async def _visit(self, session: DcuSession, state: DeviceState) -> None:
        """Ask one meter for what it owes now, and book the outcome."""
        started_s = self._clock.epoch_s()
        tried = state.to_try(started_s, self._policy.attempts_max)
        wants = state.wants(self.account, tried, self._policy.recovery_s)
        if not wants:
            return
        failure = await self._reader.read(session, state.meter, wants, self)
        if failure is None or failure.asked:
            number = min(opening.attempts for opening in tried) + 1
            self._note_attempt(state.meter, tried[-1].occurrence, number, started_s, failure)
        if failure is None and state.wants(self.account, tried, self._policy.recovery_s):
            failure = Failure(Cause.NOT_CAPTURED_YET, "the meter's clock has not reached every row asked for")
        for opening in tried:
            opening.attempts += failure is None or failure.asked
            opening.failure = None if failure is None else failure.cause
        if failure is not None:
            await self._failed(state, tried, failure)

    async def _failed(self, state: DeviceState, tried: list[Opening], failure: Failure) -> None:
        """Blame what closed meanwhile on the failure, and queue the meter again if time may heal it."""
        late = [opening for opening in tried if opening not in state.openings]
        for opening in late:
            account = self.account.item(state.meter.device_id, opening.occurrence.item)
            assert account is not None  # opened together
            blames = self.account.blame_attempt(account, opening.span, failure.cause)
            item = state.items[opening.occurrence.item]
            await self._tell_missing(missing_rows(state.meter.device_id, item, blames))
        attempts = min(opening.attempts for opening in tried)
        if failure.retriable:
            backoff_s = self._policy.backoff_s(max(attempts, 1), self._entropy.uniform(0.0, 1.0))
            self._queue(state, delay_s=max(backoff_s, failure.wait_s) if failure.asked else failure.wait_s)
        if not failure.retriable or attempts >= self._policy.attempts_max:
            log.info("device_given_up", meter=state.meter.number, cause=failure.cause.value, attempts=attempts)

    def _note_attempt(
        self, meter: Meter, occurrence: Occurrence, number: int, started_s: float, failure: Failure | None
    ) -> None:
        row = Attempt(
            device_id=meter.device_id,
            plan=occurrence.plan,
            occurrence_s=occurrence.opens_s,
            number=number,
            started_ms=int(started_s * 1000),
            ended_ms=int(self._clock.epoch_s() * 1000),
            outcome=Outcome.SUCCEEDED if failure is None else Outcome.FAILED,
            cause="" if failure is None else failure.cause.value,
            detail="" if failure is None else failure.detail,
            octets=0,
        )
        self._writer.note(Batch(attempts=[row]))

    # -- what a bundle delivers (bundle.BundleSink)

    def clock_read(self, meter: Meter, meter_s: int, now_s: float) -> None:
        deviation_ms = int((meter_s - now_s) * 1000)
        self._writer.note(Batch(clocks=[DeviceClock(meter.device_id, int(now_s * 1000), deviation_ms)]))

    async def rows_read(
        self,
        meter: Meter,
        item: CollectedItem,
        readings: list[ReadingRow],
        row_indices: list[int],
        never_captured: list[int],
    ) -> None:
        account = self.account.item(meter.device_id, item.name)
        assert account is not None  # a want comes from its account
        await self._writer.put(Batch(readings=readings))  # before the account says that they are here
        now_s = self._clock.epoch_s()
        reach = indices(item.grid, now_s - self._history_s, now_s)
        self.account.store(account, [index for index in row_indices if index in reach])
        late = self.account.never_captured(account, never_captured)
        self._writer.note(Batch(missing=missing_rows(meter.device_id, item, late)))
        self._progress()

    def _progress(self) -> None:
        if self._on_progress is not None:
            self._on_progress(self._clock.epoch_s(), *self.account.progress())

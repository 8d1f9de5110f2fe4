"""The collector: plans open, devices queue, lanes read, windows close, and every row ends in the account.

One planner wakes at the openings and closings of plans. At an opening every meter that owes something is queued at its
concentrator; at a closing every row still missing gets its cause. Each concentrator has a few lanes: a lane takes the
next device, waits for the concentrator's session, leases the device, opens one association and reads everything that
is missing of it. What failed comes back later, after a back-off, until its window closes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from hes.acquisition.account import Account
from hes.acquisition.bundle import Want
from hes.acquisition.causes import Cause
from hes.acquisition.grids import indices
from hes.acquisition.items import CollectedItem
from hes.acquisition.plans import Occurrence, Plan, occurrences
from hes.acquisition.queue import DeviceQueue
from hes.acquisition.reader import DeviceReader, Failure
from hes.acquisition.registry import Registry
from hes.acquisition.retries import RetryPolicy
from hes.acquisition.rows import ReadingRow
from hes.acquisition.writer import Writer
from hes.clock import Clock
from hes.devices.archive import Archive, Dcu, Meter
from hes.entropy import Entropy
from hes.store.store import Attempt, Batch, DeviceClock, Missing, Outcome, PlanOccurrence, Store

log = structlog.get_logger()

PLANNING_HORIZON_S = 2 * 86_400
CLOCK_CHECK_S = 900.0
"""Civil time may be stepped under us: the planner looks at it again at least that often."""

ProgressListener = Callable[[float, int, int], None]
"""Told (civil time, values read of those expected, values expected) whenever that changes."""


@dataclass(slots=True)
class _Opening:
    """One occurrence as one meter owes it. failure: what ended the last of its attempts; None before any."""

    occurrence: Occurrence
    span: range
    attempts: int = 0
    failure: Cause | None = None


@dataclass(slots=True)
class _DeviceState:
    """Where one meter stands. openings: those whose windows have not closed."""

    meter: Meter
    openings: list[_Opening] = field(default_factory=list)

    @property
    def closes_s(self) -> float:
        """Epoch seconds at which its last open window closes; 0 when none is open."""
        return max((opening.occurrence.closes_s for opening in self.openings), default=0)


class Collector:
    """Reads the meters of an archive by plans. `run` never returns by itself: cancel it."""

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
        self._queues = {name: DeviceQueue() for name in archive.dcus}
        self._states = {device_id: _DeviceState(meter) for device_id, meter in archive.meters.items()}

    async def run(self) -> None:
        """Plan and read until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._planner(), name="planner")
            for dcu in self._archive.dcus.values():
                for lane in range(self._lanes_per_dcu):
                    group.create_task(self._lane(dcu), name=f"lane-{dcu.name}-{lane}")

    # -- planning

    async def _planner(self) -> None:
        planned_to_s = self._clock.epoch_s()
        opening: list[Occurrence] = []
        closing: list[Occurrence] = []
        while True:
            now_s = self._clock.epoch_s()
            if planned_to_s < now_s + PLANNING_HORIZON_S / 2:
                upto_s = now_s + PLANNING_HORIZON_S
                opening += self._occurrences(planned_to_s, upto_s)
                opening.sort()
                planned_to_s = upto_s
            while opening and opening[0].opens_s <= now_s:
                occurrence = opening.pop(0)
                await self._open(occurrence)
                closing.append(occurrence)
            for occurrence in sorted((o for o in closing if o.closes_s <= now_s), key=lambda o: o.closes_s):
                closing.remove(occurrence)
                self._close(occurrence)
            await self._sleep_until(min([o.opens_s for o in opening[:1]] + [o.closes_s for o in closing]))

    def _occurrences(self, from_s: float, to_s: float) -> list[Occurrence]:
        return [occurrence for plan in self._plans for occurrence in occurrences(plan, from_s, to_s)]

    async def _sleep_until(self, epoch_s: float) -> None:
        await asyncio.sleep(min(max(epoch_s - self._clock.epoch_s(), 0.0), CLOCK_CHECK_S))

    async def _open(self, occurrence: Occurrence) -> None:
        """Every meter that has the item owes these rows from now on, and queues if it may still owe any."""
        await self._store.add_occurrences([PlanOccurrence(occurrence.plan, occurrence.opens_s, occurrence.closes_s)])
        log.info("plan_opened", plan=occurrence.plan, item=occurrence.item, closes_s=occurrence.closes_s)
        for state in self._states.values():
            item = self._items[state.meter.profile.name].get(occurrence.item)
            if item is None:
                continue
            span = indices(item.grid, occurrence.covers_from_s, occurrence.covers_to_s)
            account = self.account.open_item(state.meter.device_id, item.name, item.grid, len(item.channels))
            self.account.expect(account, span)
            state.openings.append(_Opening(occurrence, span))
            self._queue(state, delay_s=0.0)
        self._progress()

    def _close(self, occurrence: Occurrence) -> None:
        """The window is shut: what is missing of these rows is due and missing, each with its one cause."""
        found: list[Missing] = []
        since_s = asyncio.get_running_loop().time() - (self._clock.epoch_s() - occurrence.opens_s)
        for state in self._states.values():
            opening = next((opening for opening in state.openings if opening.occurrence == occurrence), None)
            if opening is None:
                continue
            state.openings.remove(opening)
            item = self._items[state.meter.profile.name][occurrence.item]
            account = self.account.item(state.meter.device_id, occurrence.item)
            assert account is not None  # opened together
            terminal_id = self._archive.dcus[state.meter.dcu].terminal_id
            cause = opening.failure or (
                Cause.NOT_REACHED if self._registry.was_online_since(terminal_id, since_s) else Cause.DCU_OFFLINE
            )
            missing = self.account.fall_due(account, opening.span, cause)
            found += self._missing_rows(state.meter, item, missing, occurrence.plan)
        self._writer.note(Batch(missing=found))
        log.info("plan_closed", plan=occurrence.plan, rows_missing=len(found))

    def _missing_rows(
        self, meter: Meter, item: CollectedItem, missing: Mapping[int, Cause], plan: str
    ) -> list[Missing]:
        return [
            Missing(meter.device_id, channel_id, item.grid.stamp(index), item.grid.stamp(index), 0, plan, cause.value)
            for index, cause in missing.items()
            for _, channel_id in item.channels
        ]

    # -- reading

    def _queue(self, state: _DeviceState, *, delay_s: float) -> None:
        loop_s = asyncio.get_running_loop().time()
        closes_in_s = state.closes_s - self._clock.epoch_s()
        if delay_s < closes_in_s:
            self._queues[state.meter.dcu].put(
                state.meter.device_id, closes_s=loop_s + closes_in_s, not_before_s=loop_s + delay_s
            )

    async def _lane(self, dcu: Dcu) -> None:
        queue = self._queues[dcu.name]
        while True:
            state = self._states[await queue.get()]
            session = await self._registry.wait_online(dcu.terminal_id)
            wants = self._wants(state)
            if not wants or self._clock.epoch_s() >= state.closes_s:
                continue
            tried = self._to_try(state)
            started_s = self._clock.epoch_s()
            failure = await self._reader.read(session, state.meter, wants, self)
            self._attempted(state, tried, started_s, failure)

    def _to_try(self, state: _DeviceState) -> list[_Opening]:
        """The openings that may be asked for (once more)."""
        return [opening for opening in state.openings if opening.attempts < self._policy.attempts_max]

    def _wants(self, state: _DeviceState) -> list[Want]:
        """What is missing of this meter now, item by item: of the open windows, and of older ones up to the horizon."""
        items = self._items[state.meter.profile.name]
        spans: dict[str, list[range]] = {}
        for opening in self._to_try(state):
            spans.setdefault(opening.occurrence.item, []).append(opening.span)
        wants = []
        for name, open_spans in spans.items():
            item = items[name]
            first = min(span.start for span in open_spans)
            if self._policy.recovery_s:
                first = item.grid.index_at_or_before(item.grid.stamp(first) - self._policy.recovery_s)
            account = self.account.item(state.meter.device_id, name)
            assert account is not None  # opened together
            if runs := account.to_ask(range(first, max(span.stop for span in open_spans))):
                wants.append(Want(item, runs))
        return wants

    def _attempted(self, state: _DeviceState, tried: list[_Opening], started_s: float, failure: Failure | None) -> None:
        """Book an attempt at the openings `tried`, and queue the meter again if time may bring what it still owes."""
        number = min(opening.attempts for opening in tried) + 1
        self._note_attempt(state.meter, tried[-1].occurrence, number, started_s, failure)
        if failure is None and self._wants(state):
            failure = Failure(Cause.NOT_CAPTURED_YET, "the meter's clock has not reached every row asked for")
        for opening in tried:
            opening.attempts += 1
            opening.failure = None if failure is None else failure.cause
        if failure is None:
            return
        if failure.retriable and self._to_try(state):
            backoff_s = self._policy.backoff_s(number, self._entropy.uniform(0.0, 1.0))
            self._queue(state, delay_s=max(backoff_s, failure.wait_s))
        else:
            log.info("device_given_up", meter=state.meter.number, cause=failure.cause.value, attempts=number)

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
        self.account.store(account, row_indices)
        late = self.account.never_captured(account, never_captured)
        await self._writer.put(Batch(readings=readings, missing=self._missing_rows(meter, item, late, "")))
        self._progress()

    def _progress(self) -> None:
        if self._on_progress is not None:
            self._on_progress(self._clock.epoch_s(), *self.account.progress())

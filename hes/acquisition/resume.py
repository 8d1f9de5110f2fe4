"""What a head-end that starts must know of the time before: what is stored, what was due, which windows are open.

Nothing of it is kept in a file of its own. The plans say which occurrences there were, the store says which of them a
head-end has opened, which rows are here, and which are missing and why. Rows of a window that closed while no head-end
ran are missing because of that, until they are read after all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hes.acquisition.account import Account, Blame
from hes.acquisition.causes import Cause
from hes.acquisition.grids import indices
from hes.acquisition.items import CollectedItem
from hes.acquisition.missing_rows import missing_rows
from hes.acquisition.plans import Occurrence, Plan, occurrences
from hes.devices.archive import DeviceId, Meter
from hes.store.missing_ranges import times_of
from hes.store.store import ChannelOfDevice, Missing, PlanOccurrence, Store

ItemsByProfile = Mapping[str, Mapping[str, CollectedItem]]


@dataclass(slots=True)
class Past:
    """Occurrences that opened before now. closed: that have closed since. still_open: that have not."""

    closed: list[Occurrence] = field(default_factory=list)
    still_open: list[Occurrence] = field(default_factory=list)


def past_of(plans: Sequence[Plan], opened: Iterable[PlanOccurrence], now_s: float, history_s: float) -> Past:
    """What opened in the last `history_s`. opened: what head-ends before this one have opened, by the store.

    What closed before any head-end knew of the plan was promised by nobody; what opened after the last that a head-end
    opened was promised and slept through.
    """
    known: dict[str, set[int]] = {}
    for window in opened:
        known.setdefault(window.plan, set()).add(window.opens_s)
    past = Past()
    for plan in plans:
        openings = known.get(plan.name, set())
        last_s = max(openings, default=float("inf"))
        for occurrence in occurrences(plan, now_s - history_s, now_s):
            if occurrence.closes_s > now_s:
                past.still_open.append(occurrence)
            elif occurrence.opens_s in openings or occurrence.opens_s > last_s:
                past.closed.append(occurrence)
    past.closed.sort(key=lambda occurrence: occurrence.closes_s)
    return past


async def resume(
    account: Account, past: Past, meters: Iterable[Meter], items: ItemsByProfile, store: Store
) -> list[Missing]:
    """Bring `account` to where the last head-end left it; returns what is missing and was never told to the store.

    Windows that are still open are for the planner to open again. Raises StoreError.
    """
    covered = [*past.closed, *past.still_open]
    if not covered:
        return []
    windows = [PlanOccurrence(each.plan, each.opens_s, each.closes_s) for each in past.closed]
    await store.add_occurrences(windows)  # those that nobody opened as well: the next head-end must know of them
    first_s = min(occurrence.covers_from_s for occurrence in covered)
    names = {occurrence.item for occurrence in covered}
    channels = {
        channel_id
        for of_profile in items.values()
        for name in names & of_profile.keys()
        for _, channel_id in of_profile[name].channels
    }
    known = _Known(
        stored=await store.coverage(
            first_s, max(occurrence.covers_to_s for occurrence in covered), channel_ids=sorted(channels)
        ),
        blames=_by_channel(await store.missing(from_s=first_s)),
    )
    found: list[Missing] = []
    for meter in meters:
        for item in items[meter.profile.name].values():
            if item.name in names:
                closed = [occurrence for occurrence in past.closed if occurrence.item == item.name]
                found += _resume_item(account, meter.device_id, item, known, closed)
    return found


@dataclass(slots=True)
class _Known:
    """What the store knows, by device and channel: times stored, and whom the missing ones are blamed on."""

    stored: Mapping[ChannelOfDevice, Sequence[int]]
    blames: Mapping[ChannelOfDevice, Mapping[int, Blame]]

    def rows_stored(self, device_id: DeviceId, item: CollectedItem) -> list[int]:
        """Stamp numbers of the rows that are here with all their channels."""
        times = [frozenset(self.stored.get((device_id, channel_id), ())) for _, channel_id in item.channels]
        return _on_grid(item, frozenset.intersection(*times)) if times else []

    def rows_blamed(self, device_id: DeviceId, item: CollectedItem) -> dict[int, Blame]:
        found: dict[int, Blame] = {}
        for _, channel_id in item.channels:
            blames = self.blames.get((device_id, channel_id), {})
            found |= {item.grid.index_at_or_before(time_s): blames[time_s] for time_s in blames}
        return found


def _resume_item(
    account: Account, device_id: DeviceId, item: CollectedItem, known: _Known, closed: Iterable[Occurrence]
) -> list[Missing]:
    own = account.open_item(device_id, item.name, item.grid, len(item.channels))
    blames = known.rows_blamed(device_id, item)
    account.store(own, known.rows_stored(device_id, item))
    account.never_captured(own, [index for index, blame in blames.items() if blame.cause is Cause.NEVER_CAPTURED])
    found: list[Missing] = []
    for occurrence in closed:
        span = indices(item.grid, occurrence.covers_from_s, occurrence.covers_to_s)
        account.expect(own, span)
        slept_through = account.fall_due(own, span, Blame(Cause.HEAD_END_DOWN, occurrence.plan), blames)
        found += missing_rows(device_id, item, slept_through)
    return found


def _on_grid(item: CollectedItem, times: Iterable[int]) -> list[int]:
    numbered = ((item.grid.index_at_or_before(time_s), time_s) for time_s in times)
    return sorted(index for index, time_s in numbered if item.grid.stamp(index) == time_s)


def _by_channel(rows: Iterable[Missing]) -> dict[ChannelOfDevice, dict[int, Blame]]:
    """By device and channel: whom the value of each time is blamed on. A cause of another version is passed over."""
    found: dict[ChannelOfDevice, dict[int, Blame]] = {}
    for row in rows:
        if row.cause in _CAUSES:
            blame = Blame(Cause(row.cause), row.plan)
            found.setdefault((row.device_id, row.channel_id), {}).update(dict.fromkeys(times_of(row), blame))
    return found


_CAUSES = frozenset(cause.value for cause in Cause)

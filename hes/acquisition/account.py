"""The account: what is expected, read, due and missing, row by row, so that every figure comes from one place.

A row is one stamp of one data item of one device; it holds one value per channel of the item.
- expected from the opening of the first occurrence that covers it,
- due from the close of the first occurrence that covers it,
- missing when due and not stored, with one cause, blamed on the plan that it was due by.

Rows that nobody can ask for any more are forgotten one by one and stay in the sums, so that a head-end that runs for
years holds no more than one that runs for days.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from hes.acquisition.causes import Cause
from hes.acquisition.coverage import Coverage
from hes.acquisition.grids import Grid
from hes.devices.archive import DeviceId


class Blame(NamedTuple):
    """Why a row is missing, and by which plan it was due."""

    cause: Cause
    plan: str


@dataclass(slots=True)
class ItemAccount:
    """One data item of one device. channels: how many values a row holds. blames: of rows due and, once, not here."""

    grid: Grid
    channels: int
    stored: Coverage = field(default_factory=Coverage)
    expected: Coverage = field(default_factory=Coverage)
    due: Coverage = field(default_factory=Coverage)
    blames: dict[int, Blame] = field(default_factory=dict)

    def to_ask(self, span: range) -> list[range]:
        """Runs of rows of `span` that a plan has opened, that are not here, and that the meter may have."""
        return self.stored.to_ask(span, self.expected)

    def missing(self) -> Counter[str]:
        """Values due and not here, by cause."""
        found: Counter[str] = Counter()
        for index, blame in self.blames.items():
            if not self.stored.is_present(index):
                found[blame.cause.value] += self.channels
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Values, not rows. read: due and stored. missing: due and not stored, by cause."""

    expected: int
    expected_read: int
    due: int
    read: int
    missing: dict[str, int]

    @property
    def success_rate(self) -> float | None:
        """Share of what is due that is read; None while nothing is due."""
        return self.read / self.due if self.due else None


class Account:
    """Every item of every device that any plan has opened."""

    def __init__(self) -> None:
        self._items: dict[tuple[DeviceId, str], ItemAccount] = {}
        self._expected = 0
        self._expected_read = 0
        self._forgotten_due = 0
        self._forgotten_missing: Counter[str] = Counter()

    def item(self, device_id: DeviceId, item: str) -> ItemAccount | None:
        return self._items.get((device_id, item))

    def open_item(self, device_id: DeviceId, item: str, grid: Grid, channels: int) -> ItemAccount:
        """The item's account, begun if it is new."""
        key = (device_id, item)
        if key not in self._items:
            self._items[key] = ItemAccount(grid, channels)
        return self._items[key]

    def expect(self, account: ItemAccount, span: range) -> None:
        """A plan has opened over these rows."""
        fresh = account.expected.unread(span)
        self._expected += account.expected.add_present(fresh) * account.channels
        self._expected_read += sum(account.stored.is_present(index) for index in fresh) * account.channels

    def store(self, account: ItemAccount, indices: Iterable[int]) -> list[int]:
        """Rows are here; returns those that are new."""
        fresh = [index for index in dict.fromkeys(indices) if not account.stored.is_present(index)]
        account.stored.add_present(fresh)
        self._expected_read += sum(account.expected.is_present(index) for index in fresh) * account.channels
        return fresh

    def fall_due(
        self, account: ItemAccount, span: range, blame: Blame, known: Mapping[int, Blame] | None = None
    ) -> dict[int, Blame]:
        """A window has closed over these rows; returns whom the newly missing ones are blamed on.

        blame: for rows that the meter has not been shown never to have captured. known: what was found before, for
        rows that are missing since then; they are not returned.
        """
        fresh = account.due.unread(span)
        account.due.add_present(fresh)
        known = known or {}
        absent = Blame(Cause.NEVER_CAPTURED, blame.plan)
        found: dict[int, Blame] = {}
        for index in fresh:
            if account.stored.is_present(index):
                continue
            if index in known:
                account.blames[index] = known[index]
            else:
                found[index] = absent if account.stored.is_absent(index) else blame
        account.blames.update(found)
        return found

    def never_captured(self, account: ItemAccount, indices: Iterable[int]) -> dict[int, Blame]:
        """The meter has been shown not to have these rows; returns those that were missing for another cause."""
        absent = list(indices)
        account.stored.add_absent(absent)
        return self._blame_anew(account, absent, Cause.NEVER_CAPTURED)

    def blame_attempt(self, account: ItemAccount, span: range, cause: Cause) -> dict[int, Blame]:
        """The reading that was under way when the window closed has failed: nobody can say that no turn came."""
        unreached = [index for index in span if account.blames.get(index, (None,))[0] is Cause.NOT_REACHED]
        return self._blame_anew(account, unreached, cause)

    def _blame_anew(self, account: ItemAccount, indices: Iterable[int], cause: Cause) -> dict[int, Blame]:
        found = {
            index: account.blames[index]._replace(cause=cause)
            for index in indices
            if index in account.blames and not account.stored.is_present(index)
        }
        account.blames.update(found)
        return found

    def forget_before(self, epoch_s: float) -> None:
        """Rows up to that time stay in the sums only."""
        for account in self._items.values():
            first = account.grid.index_at_or_before(epoch_s) + 1
            old = {index: account.blames.pop(index) for index in [i for i in account.blames if i < first]}
            for index, blame in old.items():
                if not account.stored.is_present(index):
                    self._forgotten_missing[blame.cause.value] += account.channels
            self._forgotten_due += account.due.forget_before(first) * account.channels
            account.expected.forget_before(first)
            account.stored.forget_before(first)

    def progress(self) -> tuple[int, int]:
        """(values read of those expected, values expected) now."""
        return self._expected_read, self._expected

    def totals(self) -> Totals:
        due = self._forgotten_due
        missing = self._forgotten_missing.copy()
        for account in self._items.values():
            due += account.due.count() * account.channels
            missing += account.missing()
        return Totals(
            expected=self._expected,
            expected_read=self._expected_read,
            due=due,
            read=due - missing.total(),
            missing=dict(sorted(missing.items())),
        )

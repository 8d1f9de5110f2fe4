"""The account: what is expected, read, due and missing, row by row, so that every figure comes from one place.

A row is one stamp of one data item of one device; it holds one value per channel of the item.
- expected from the opening of the first occurrence that covers it,
- due from the close of the first occurrence that covers it,
- missing when due and not stored, with one cause.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hes.acquisition.causes import Cause
from hes.acquisition.coverage import Coverage
from hes.acquisition.grids import Grid
from hes.devices.archive import DeviceId


@dataclass(slots=True)
class ItemAccount:
    """One data item of one device. channels: how many values a row holds."""

    grid: Grid
    channels: int
    stored: Coverage
    expected: Coverage
    due: Coverage
    causes: dict[int, Cause] = field(default_factory=dict)

    def to_ask(self, span: range) -> list[range]:
        """Runs of rows of `span` that a plan has opened, that are not here, and that the meter may have."""
        return self.stored.to_ask(span, self.expected)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Values, not rows. read: due and stored. missing: due and not stored, by cause."""

    expected: int
    expected_read: int
    due: int
    read: int
    missing: dict[str, int]

    @property
    def success_rate(self) -> float:
        """Share of what is due that is read; 1.0 while nothing is due."""
        return self.read / self.due if self.due else 1.0


class Account:
    """Every item of every device that any plan has opened."""

    def __init__(self) -> None:
        self._items: dict[tuple[DeviceId, str], ItemAccount] = {}
        self._expected = 0
        self._expected_read = 0

    def item(self, device_id: DeviceId, item: str) -> ItemAccount | None:
        return self._items.get((device_id, item))

    def open_item(self, device_id: DeviceId, item: str, grid: Grid, channels: int) -> ItemAccount:
        """The item's account, begun if it is new."""
        key = (device_id, item)
        if key not in self._items:
            self._items[key] = ItemAccount(grid, channels, Coverage(), Coverage(), Coverage())
        return self._items[key]

    def expect(self, account: ItemAccount, span: range) -> None:
        """A plan has opened over these rows."""
        fresh = account.expected.unread(span)
        self._expected += account.expected.add_present(fresh) * account.channels
        self._expected_read += sum(account.stored.is_present(index) for index in fresh) * account.channels

    def store(self, account: ItemAccount, indices: list[int]) -> list[int]:
        """Rows are here; returns those that are new."""
        fresh = [index for index in dict.fromkeys(indices) if not account.stored.is_present(index)]
        account.stored.add_present(fresh)
        self._expected_read += sum(account.expected.is_present(index) for index in fresh) * account.channels
        return fresh

    def fall_due(self, account: ItemAccount, span: range, cause: Cause) -> dict[int, Cause]:
        """A window has closed over these rows; returns the newly missing ones with their cause.

        cause: why rows are missing that the meter has not been shown never to have captured.
        """
        fresh = account.due.unread(span)
        account.due.add_present(fresh)
        found = {
            index: Cause.NEVER_CAPTURED if account.stored.is_absent(index) else cause
            for index in fresh
            if not account.stored.is_present(index)
        }
        account.causes.update(found)
        return found

    def never_captured(self, account: ItemAccount, indices: list[int]) -> dict[int, Cause]:
        """The meter has been shown not to have these rows; returns those that were missing for another cause."""
        account.stored.add_absent(indices)
        found = {index: Cause.NEVER_CAPTURED for index in indices if index in account.causes}
        account.causes.update(found)
        return found

    def progress(self) -> tuple[int, int]:
        """(values read of those expected, values expected) now."""
        return self._expected_read, self._expected

    def totals(self) -> Totals:
        due = 0
        missing: Counter[str] = Counter()
        for account in self._items.values():
            for index, cause in account.causes.items():
                if not account.stored.is_present(index):
                    missing[cause.value] += account.channels
            due += account.due.count() * account.channels
        read = due - missing.total()
        return Totals(
            expected=self._expected,
            expected_read=self._expected_read,
            due=due,
            read=read,
            missing=dict(sorted(missing.items())),
        )

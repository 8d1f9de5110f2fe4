"""Where one meter stands: the windows that are open for it, and how often it has been asked in each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hes.acquisition.account import Account
from hes.acquisition.bundle import Want
from hes.acquisition.causes import Cause
from hes.acquisition.items import CollectedItem
from hes.acquisition.plans import Occurrence
from hes.devices.archive import Meter


@dataclass(slots=True, eq=False)
class Opening:
    """One occurrence as one meter owes it. failure: what ended the last of its attempts; None before any."""

    occurrence: Occurrence
    span: range
    attempts: int = 0
    failure: Cause | None = None


@dataclass(slots=True)
class DeviceState:
    """openings: those whose windows have not closed, in the order in which they opened. items: of its profile."""

    meter: Meter
    items: Mapping[str, CollectedItem]
    openings: list[Opening] = field(default_factory=list)

    def close(self, occurrence: Occurrence) -> Opening | None:
        """Take the opening of `occurrence` off the list."""
        for opening in self.openings:
            if opening.occurrence == occurrence:
                self.openings.remove(opening)
                return opening
        return None

    def to_try(self, now_s: float, attempts_max: int) -> list[Opening]:
        """The openings that may be asked for (once more)."""
        return [
            opening
            for opening in self.openings
            if opening.attempts < attempts_max and opening.occurrence.closes_s > now_s
        ]

    def wants(self, account: Account, openings: list[Opening], recovery_s: float) -> list[Want]:
        """What is missing of this meter, item by item: of `openings`, and of older windows up to `recovery_s` back."""
        spans: dict[str, list[range]] = {}
        for opening in openings:
            spans.setdefault(opening.occurrence.item, []).append(opening.span)
        wants = []
        for name, open_spans in spans.items():
            item = self.items[name]
            first = min(span.start for span in open_spans)
            if recovery_s:
                first = min(first, item.grid.index_at_or_before(item.grid.stamp(first) - recovery_s))
            owed = account.item(self.meter.device_id, name)
            assert owed is not None  # opened together
            if runs := owed.to_ask(range(first, max(span.stop for span in open_spans))):
                wants.append(Want(item, runs))
        return wants

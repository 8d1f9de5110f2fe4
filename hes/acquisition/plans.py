"""Plans: what the head-end promises to have read, from when it may ask, and by when it must have it.

An occurrence is one opening of a plan. It covers the rows stamped in (covers_from_s, covers_to_s] and closes
`window_s` after it opens: from then on a covered row that is not there is due and missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hes.acquisition.grids import DAY_S, at_local_time_s, local_dates
from hes.errors import ConfigError

CLOCK_CHANGE_S = 7200
"""A local day is never longer than usual by more than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A promise that repeats every local day.

    item: key of the device profile's data item that is read (its load profile, its daily billing ...).
    at_s: wall-clock openings, in seconds after local midnight.
    settle_s: how long after the last covered stamp the plan opens, so that slow clocks have captured it.
    lookback_s: how much it covers, counted back from the last covered stamp.
    window_s: how long after opening it closes.
    valid_from_s: epoch seconds; openings before it do not exist.
    Raises ConfigError when the promise cannot be kept by anyone.
    """

    name: str
    item: str
    at_s: tuple[int, ...]
    lookback_s: int
    window_s: int
    valid_from_s: float
    settle_s: int = 120
    zone: str = "UTC"

    def __post_init__(self) -> None:
        if self.lookback_s <= 0 or not self.at_s:
            raise ConfigError(f"plan {self.name} covers nothing: give it a time of day and a lookback", plan=self.name)
        if not 0 <= self.settle_s <= self.window_s:
            raise ConfigError(
                f"plan {self.name} would close before it opens: its window ({self.window_s} s) must be longer than it"
                f" lets the meters settle ({self.settle_s} s, not below 0)",
                plan=self.name,
            )


@dataclass(frozen=True, slots=True, order=True)
class Occurrence:
    """One opening of a plan. All times in epoch seconds."""

    opens_s: int
    closes_s: int
    plan: str
    item: str
    covers_from_s: int
    covers_to_s: int


def occurrences(plan: Plan, from_s: float, to_s: float) -> list[Occurrence]:
    """The openings of `plan` in [from_s, to_s), in order.

    What one covers is counted back on the wall clock, so that where clocks change days keep to midnight and a plan
    for every four hours covers each hour of the day, the one that comes twice included. An opening at an hour that the
    clock leaves out moves behind it, and covers nothing if there is nothing left for it: then it does not exist.
    """
    found = []
    for ordinal in local_dates(plan.zone, from_s - plan.settle_s - DAY_S, to_s):
        for at in plan.at_s:
            boundary = at_local_time_s(plan.zone, ordinal, at)
            covers_from = at_local_time_s(plan.zone, ordinal, at - plan.lookback_s)
            opens = boundary + plan.settle_s
            if opens < plan.valid_from_s or not from_s <= opens < to_s or covers_from >= boundary:
                continue
            found.append(
                Occurrence(
                    opens_s=opens,
                    closes_s=boundary + plan.window_s,
                    plan=plan.name,
                    item=plan.item,
                    covers_from_s=covers_from,
                    covers_to_s=boundary,
                )
            )
    return sorted(set(found))


def reach_back_s(plans: Iterable[Plan]) -> int:
    """How far before now rows may lie that an occurrence which has not closed yet covers."""
    return max((plan.lookback_s + plan.window_s for plan in plans), default=0) + CLOCK_CHANGE_S

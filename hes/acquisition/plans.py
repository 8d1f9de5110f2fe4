"""Plans: what the head-end promises to have read, from when it may ask, and by when it must have it.

An occurrence is one opening of a plan. It covers the rows stamped in (covers_from_s, covers_to_s] and closes
`window_s` after it opens: from then on a covered row that is not there is due and missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hes.acquisition.grids import DAY_S, at_local_time_s, local_dates


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A promise that repeats every local day.

    item: key of the device profile's data item that is read (its load profile, its daily billing ...).
    at_s: wall-clock openings, in seconds after local midnight.
    settle_s: how long after the last covered stamp the plan opens, so that slow clocks have captured it.
    lookback_s: how much it covers, counted back from the last covered stamp.
    window_s: how long after opening it closes.
    valid_from_s: epoch seconds; openings before it do not exist.
    """

    name: str
    item: str
    at_s: tuple[int, ...]
    lookback_s: int
    window_s: int
    valid_from_s: float
    settle_s: int = 120
    zone: str = "UTC"


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
    """The openings of `plan` in [from_s, to_s), in order."""
    found = []
    for ordinal in local_dates(plan.zone, from_s - DAY_S, to_s):
        for at in plan.at_s:
            boundary = at_local_time_s(plan.zone, ordinal, at)
            opens = boundary + plan.settle_s
            if opens < plan.valid_from_s or not from_s <= opens < to_s:
                continue
            found.append(
                Occurrence(
                    opens_s=opens,
                    closes_s=boundary + plan.window_s,
                    plan=plan.name,
                    item=plan.item,
                    covers_from_s=_lookback(plan, ordinal, at, boundary),
                    covers_to_s=boundary,
                )
            )
    return sorted(set(found))


def _lookback(plan: Plan, ordinal: int, at: int, boundary: int) -> int:
    """Whole days are counted in local dates, so that they keep to midnight where clocks change."""
    days, rest = divmod(plan.lookback_s, DAY_S)
    if rest:
        return boundary - plan.lookback_s
    return at_local_time_s(plan.zone, ordinal - days, at)


def opening_next(plans: Sequence[Plan], after_s: float, horizon_s: float = 2 * DAY_S) -> list[Occurrence]:
    """The occurrences that open at the earliest instant after `after_s`, or none within `horizon_s`."""
    coming = sorted(
        occurrence
        for plan in plans
        for occurrence in occurrences(plan, after_s, after_s + horizon_s)
        if occurrence.opens_s > after_s
    )
    return [occurrence for occurrence in coming if occurrence.opens_s == coming[0].opens_s]

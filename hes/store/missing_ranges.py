"""Arithmetic on ranges of missing values: taking times out of a range leaves the ranges between them."""

from __future__ import annotations

from collections.abc import Iterable

from hes.errors import StoreError
from hes.store.store import Missing


def times_of(row: Missing) -> range:
    """The interval ends that `row` stands for. Raises StoreError when it is no range."""
    if row.last_s == row.first_s:
        return range(row.first_s, row.first_s + 1)
    if row.last_s < row.first_s or row.step_s < 1:
        raise StoreError(
            f"missing values of device {row.device_id} from {row.first_s} to {row.last_s} by {row.step_s} are no range",
            device_id=row.device_id,
            channel_id=row.channel_id,
        )
    return range(row.first_s, row.last_s + 1, row.step_s)


def without(row: Missing, taken: Iterable[int]) -> list[Missing]:
    """What is left of `row` when the times `taken` are out of it; times off its grid do not matter."""
    grid = times_of(row)
    left: list[Missing] = []
    start = 0
    for time_s in sorted(time_s for time_s in set(taken) if time_s in grid):
        at = grid.index(time_s)
        if at > start:
            left.append(row._replace(first_s=grid[start], last_s=grid[at - 1]))
        start = at + 1
    if start < len(grid):
        left.append(row._replace(first_s=grid[start]))
    return left


def overlap(row: Missing, other: Missing) -> list[int]:
    """The interval ends that both stand for; empty unless device and channel are the same."""
    if row[:2] != other[:2]:
        return []
    theirs = times_of(other)
    return [time_s for time_s in times_of(row) if time_s in theirs]


def joined(rows: Iterable[Missing]) -> list[Missing]:
    """The same times in fewer ranges: rows of one device, channel, plan and cause that go on in equal steps are one.

    Within a device and channel the order is kept, so that of two rows with the same time the later still wins.
    """
    done: list[Missing] = []
    growing: dict[tuple[int, int], Missing] = {}
    for row in rows:
        known = growing.get(row[:2])
        if known is not None:
            grown = _grown(known, row)
            if grown is None:
                done.append(known)
            else:
                row = grown
        growing[row[:2]] = row
    return done + list(growing.values())


def _grown(known: Missing, row: Missing) -> Missing | None:
    """`known` with the single time of `row` at its end, or None where it does not belong."""
    step_s = row.first_s - known.last_s
    single = known.first_s == known.last_s
    if row[5:] != known[5:] or row.first_s != row.last_s or step_s < 1 or not (single or step_s == known.step_s):
        return None
    return known._replace(last_s=row.last_s, step_s=step_s)

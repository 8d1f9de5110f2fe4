"""What a head-end learns of the time before it started, and how missing rows are told to the store."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from hes.acquisition.account import Blame
from hes.acquisition.causes import Cause
from hes.acquisition.grids import DAY_S, DailyGrid
from hes.acquisition.missing_rows import missing_rows
from hes.acquisition.plans import Plan
from hes.acquisition.resume import past_of
from hes.acquisition.tests.test_rows import ITEM
from hes.devices.archive import DeviceId
from hes.store.missing_ranges import times_of
from hes.store.store import PlanOccurrence

HOUR = 3600
DAY = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp())
PLAN = Plan(
    name="today",
    item="load-profile",
    at_s=tuple(range(0, DAY_S, 4 * HOUR)),
    lookback_s=4 * HOUR,
    window_s=HOUR,
    valid_from_s=0,
    settle_s=0,
)


def opened(*hours: int) -> list[PlanOccurrence]:
    return [PlanOccurrence("today", DAY + hour * HOUR, DAY + (hour + 1) * HOUR) for hour in hours]


def past(now_h: float, *hours: int) -> tuple[list[int], list[int]]:
    """Hours at which what has closed, and what is open, has opened."""
    found = past_of([PLAN], opened(*hours), DAY + now_h * HOUR, DAY_S)
    return (
        [(occurrence.opens_s - DAY) // HOUR for occurrence in found.closed],
        [(occurrence.opens_s - DAY) // HOUR for occurrence in found.still_open],
    )


def test_nothing_was_promised_before_the_first_head_end_but_what_is_open_now() -> None:
    assert past(10.0) == ([], [])
    assert past(8.5) == ([], [8])


def test_what_was_opened_is_due_and_what_came_after_was_slept_through() -> None:
    assert past(12.5, 4) == ([4, 8], [12])
    assert past(12.5, 4, 8) == ([4, 8], [12])
    assert past(13.5, 4, 12) == ([4, 12], []), "what was skipped in between was not in force"


def test_history_has_an_end() -> None:
    assert past(12.5, -40, 4) == ([4, 8], [12])


def test_a_window_that_closes_this_instant_has_closed() -> None:
    assert past(13.0, 8) == ([8, 12], [])


# -- rows that are missing


SILENT, BUSY = Blame(Cause.METER_SILENT, "day"), Blame(Cause.DCU_BUSY, "day")


def test_a_run_of_rows_with_one_blame_is_one_range_per_channel() -> None:
    rows = missing_rows(DeviceId(3), ITEM, {100: SILENT, 101: SILENT, 103: SILENT, 104: BUSY})
    per_channel = [row for row in rows if row.channel_id == ITEM.channels[0][1]]
    assert len(rows) == 4 * len(per_channel)
    assert [(row.first_s // 900, row.last_s // 900, row.step_s, row.cause) for row in per_channel] == [
        (100, 101, 900, "meter_silent"),
        (103, 103, 0, "meter_silent"),
        (104, 104, 0, "dcu_busy"),
    ]


def test_days_of_other_lengths_are_ranges_of_their_own() -> None:
    item = replace(ITEM, grid=DailyGrid("Europe/Berlin"), channels=((2, 12),))
    first = item.grid.index_at_or_before(datetime(2026, 3, 27, 12, tzinfo=UTC).timestamp())
    rows = missing_rows(DeviceId(3), item, dict.fromkeys(range(first, first + 6), SILENT))
    assert [row.values for row in rows] == [3, 3]
    assert [time_s for row in rows for time_s in times_of(row)] == [item.grid.stamp(k) for k in range(first, first + 6)]


@given(st.dictionaries(st.integers(0, 60), st.sampled_from([SILENT, BUSY])), st.sampled_from(["UTC", "Europe/Berlin"]))
def test_ranges_stand_for_just_the_rows_they_were_made_of(blames: dict[int, Blame], zone: str) -> None:
    grid = DailyGrid(zone)
    first = grid.index_at_or_before(datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp())
    item = replace(ITEM, grid=grid, channels=((2, 12),))
    rows = missing_rows(DeviceId(3), item, {first + index: blame for index, blame in blames.items()})
    told = {time_s: row.cause for row in rows for time_s in times_of(row)}
    assert told == {grid.stamp(first + index): blame.cause.value for index, blame in blames.items()}

"""Plans, grids and coverage are arithmetic: these tests state the arithmetic."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.acquisition.coverage import Coverage, merge_runs
from hes.acquisition.grids import DAY_S, DailyGrid, PeriodGrid, indices
from hes.acquisition.plans import Plan, occurrences
from hes.acquisition.retries import NO_RETRIES, RetryPolicy

QUARTERS = PeriodGrid(900)
HOUR = 3600


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def test_a_day_has_the_stamps_from_quarter_past_midnight_to_midnight() -> None:
    start = at("2026-03-02T00:00")
    day = indices(QUARTERS, start, start + DAY_S)
    assert len(day) == 96
    assert QUARTERS.stamp(day[0]) == start + 900
    assert QUARTERS.stamp(day[-1]) == start + DAY_S


@pytest.mark.parametrize(
    ("midnight_before", "midnight_after", "rows"),
    [("2026-03-28T23:00", "2026-03-29T22:00", 92), ("2026-10-24T22:00", "2026-10-25T23:00", 100)],
)
def test_a_day_where_clocks_change_has_92_or_100_rows(midnight_before: str, midnight_after: str, rows: int) -> None:
    grid = DailyGrid("Europe/Berlin")
    days = indices(grid, at(midnight_before), at(midnight_after))
    assert [grid.stamp(day) for day in days] == [at(midnight_after)]
    assert len(indices(QUARTERS, at(midnight_before), at(midnight_after))) == rows


def test_yesterday_is_the_local_day_before_even_where_clocks_change() -> None:
    plan = Plan(
        name="yesterday",
        item="load",
        at_s=(0,),
        lookback_s=DAY_S,
        window_s=6 * HOUR,
        valid_from_s=0,
        zone="Europe/Berlin",
    )
    (only,) = occurrences(plan, at("2026-03-29T21:00"), at("2026-03-30T10:00"))
    assert only.covers_to_s - only.covers_from_s == 23 * HOUR
    assert only.closes_s == at("2026-03-30T04:00")


def test_a_four_hourly_plan_opens_six_times_a_day_and_not_before_it_is_valid() -> None:
    start = at("2026-03-02T00:00")
    plan = Plan(
        name="today",
        item="load",
        at_s=tuple(4 * HOUR * k for k in range(6)),
        lookback_s=4 * HOUR,
        window_s=HOUR,
        valid_from_s=start + HOUR,
    )
    found = occurrences(plan, start, start + DAY_S + HOUR)
    assert [o.covers_to_s - start for o in found] == [4 * HOUR * k for k in range(1, 7)]
    assert all(o.opens_s == o.covers_to_s + plan.settle_s for o in found)
    covered = [i for o in found for i in indices(QUARTERS, o.covers_from_s, o.covers_to_s)]
    assert covered == list(indices(QUARTERS, start, start + DAY_S)), "every quarter-hour once"


def test_only_what_is_missing_is_asked_again_and_what_was_never_captured_never() -> None:
    coverage = Coverage()
    assert coverage.add_present([100, 101, 105]) == 3
    assert coverage.add_present([101, 102]) == 1
    coverage.add_absent([104, 105])
    assert coverage.to_ask(range(100, 108)) == [range(103, 104), range(106, 108)]
    assert coverage.unread(range(100, 108)) == [103, 104, 106, 107]
    assert coverage.is_absent(104)
    assert not coverage.is_absent(105), "a row that is here was captured"


@given(
    present=st.sets(st.integers(0, 300)),
    absent=st.sets(st.integers(0, 300)),
    lo=st.integers(0, 300),
    n=st.integers(0, 200),
)
def test_coverage_agrees_with_plain_sets(present: set[int], absent: set[int], lo: int, n: int) -> None:
    coverage = Coverage()
    coverage.add_absent(absent)
    coverage.add_present(present)
    span = range(lo, lo + n)
    asked = [i for run in coverage.to_ask(span) for i in run]
    assert asked == [i for i in span if i not in present and i not in absent]
    assert coverage.unread(span) == [i for i in span if i not in present]
    assert coverage.count() == len(present)


@given(st.lists(st.integers(0, 500), unique=True), st.integers(1, 6))
def test_merging_runs_loses_no_row_and_keeps_to_the_bound(numbers: list[int], count_max: int) -> None:
    coverage = Coverage()
    coverage.add_present(set(range(501)) - set(numbers))
    merged = merge_runs(coverage.to_ask(range(501)), count_max)
    assert len(merged) <= count_max
    assert set(numbers) <= {i for run in merged for i in run}


def test_backoff_doubles_to_its_limit_with_jitter_both_ways() -> None:
    policy = RetryPolicy(first_s=60, limit_s=900, jitter=0.25)
    assert [policy.backoff_s(n, 0.5) for n in (1, 2, 3, 4, 5, 6)] == [60, 120, 240, 480, 900, 900]
    assert policy.backoff_s(1, 0.0) == 45
    assert NO_RETRIES.attempts_max == 1

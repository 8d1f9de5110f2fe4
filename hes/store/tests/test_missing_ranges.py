"""Cutting times out of ranges of missing values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hes.store.missing_ranges import joined, overlap, times_of, without
from hes.store.store import Missing


def span(first: int, last: int, step: int = 1) -> Missing:
    return Missing(1, 1, first, last, step, "daily", "meter_silent")


ranges = st.builds(
    lambda first, count, step: span(first, first + (count - 1) * step, step),
    st.integers(0, 60),
    st.integers(1, 30),
    st.integers(1, 7),
)


@given(ranges, st.lists(st.integers(-5, 300)))
def test_what_is_left_is_what_was_there_without_what_was_taken(row: Missing, taken: list[int]) -> None:
    left = without(row, taken)
    times = [time_s for part in left for time_s in times_of(part)]
    assert times == [time_s for time_s in times_of(row) if time_s not in taken]
    assert sum(part.values for part in left) == len(times)
    assert all(part[4:] == row[4:] for part in left)


@given(ranges, ranges)
def test_ranges_with_other_steps_share_what_both_grids_have(row: Missing, other: Missing) -> None:
    assert overlap(row, other) == sorted(set(times_of(row)) & set(times_of(other)))


@given(st.lists(st.builds(lambda row, channel: row._replace(channel_id=channel), ranges, st.integers(1, 2))))
def test_joined_ranges_say_the_same_as_their_parts(rows: list[Missing]) -> None:
    def said(parts: list[Missing]) -> dict[tuple[int, int], object]:
        return {(part.channel_id, time_s): part[5:] for part in parts for time_s in times_of(part)}

    rows = [row._replace(cause=str(row.first_s % 2)) for row in rows]
    assert said(joined(rows)) == said(rows)


def test_a_day_of_single_times_on_two_channels_is_two_ranges() -> None:
    singles = [span(900 * k, 900 * k, 0)._replace(channel_id=channel) for k in range(1, 97) for channel in (1, 2)]
    assert joined(singles) == [span(900, 86_400, 900), span(900, 86_400, 900)._replace(channel_id=2)]


def test_other_devices_and_channels_share_nothing() -> None:
    assert overlap(span(0, 10), span(0, 10)._replace(channel_id=2)) == []


def test_a_single_time_needs_no_step() -> None:
    row = span(900, 900, 0)
    assert row.values == 1
    assert without(row, [900]) == []
    assert without(row, [901]) == [row]

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms.cosem.push.time_windows import (
    TimeWindow,
    is_open,
    next_match,
    next_open,
    previous_match,
)


def at(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def pattern(year=0xFFFF, month=255, day=255, weekday=255, hour=255, minute=255, second=255):
    return year.to_bytes(2, "big") + bytes((month, day, weekday, hour, minute, second, 255)) + b"\x80\x00\xff"


NIGHTLY = TimeWindow(pattern(hour=1, minute=0, second=0), pattern(hour=5, minute=0, second=0))
ACROSS_MIDNIGHT = TimeWindow(pattern(hour=22, minute=0, second=0), pattern(hour=2, minute=0, second=0))
FIRST_OF_MONTH = TimeWindow(pattern(day=1, hour=0, minute=0, second=0), pattern(day=2, hour=0, minute=0, second=0))
ONCE = TimeWindow(pattern(2024, 12, 24, 255, 18, 0, 0), pattern(2024, 12, 25, 255, 6, 0, 0))


@pytest.mark.parametrize(
    ("window", "instant", "opened"),
    [
        (NIGHTLY, "2024-12-15T00:59:59", False),
        (NIGHTLY, "2024-12-15T01:00:00", True),
        (NIGHTLY, "2024-12-15T04:59:59", True),
        (NIGHTLY, "2024-12-15T05:00:00", False),
        (ACROSS_MIDNIGHT, "2024-12-31T23:00:00", True),
        (ACROSS_MIDNIGHT, "2025-01-01T01:59:59", True),
        (ACROSS_MIDNIGHT, "2025-01-01T02:00:00", False),
        (FIRST_OF_MONTH, "2024-12-01T12:00:00", True),
        (FIRST_OF_MONTH, "2024-12-02T00:00:00", False),
        (ONCE, "2024-12-25T05:59:59", True),
        (ONCE, "2025-12-25T05:59:59", False),
    ],
)
def test_a_window_is_open_from_its_start_until_its_end(window, instant, opened):
    assert is_open([window], at(instant)) is opened


def test_the_next_opening_is_the_earliest_of_all_windows():
    windows = [FIRST_OF_MONTH, NIGHTLY]
    assert next_open(windows, at("2024-12-15T12:00:00")) == at("2024-12-16T01:00:00")
    assert next_open(windows, at("2024-12-31T12:00:00")) == at("2025-01-01T00:00:00")
    assert next_open(windows, at("2024-12-15T03:00:00")) == at("2024-12-15T03:00:00")


def test_without_a_window_it_is_always_open_and_a_past_one_never_again():
    assert is_open([], 0)
    assert next_open([], 7) == 7
    assert next_open([ONCE], at("2025-01-01T00:00:00")) is None


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (pattern(month=2, day=29, hour=0, minute=0, second=0), "2028-02-29T00:00:00"),
        (pattern(day=0xFE, hour=23, minute=0, second=0), "2024-12-31T23:00:00"),
        (pattern(day=0xFD, hour=23, minute=0, second=0), "2024-12-30T23:00:00"),
        (pattern(weekday=1, hour=6, minute=30, second=0), "2024-12-16T06:30:00"),
        (pattern(minute=15, second=0), "2024-12-15T12:15:00"),
        (pattern(), "2024-12-15T12:00:00"),
    ],
)
def test_the_next_match_of_a_pattern(wanted, expected):
    assert next_match(wanted, at("2024-12-15T12:00:00")) == at(expected)


def test_a_date_that_does_not_exist_and_one_that_only_the_clock_knows_never_match():
    for wanted in (pattern(2023, 2, 29), pattern(month=0xFE, day=1)):
        assert next_match(wanted, at("2023-01-01T00:00:00")) is None
        assert previous_match(wanted, at("2025-01-01T00:00:00")) is None


@given(
    st.integers(0, 2_000_000_000),
    st.none() | st.integers(0, 23),
    st.none() | st.integers(0, 59),
    st.none() | st.integers(0, 59),
    st.none() | st.integers(1, 7),
)
def test_matches_follow_and_precede_each_other(civil, hour, minute, second, weekday):
    wanted = pattern(
        hour=255 if hour is None else hour,
        minute=255 if minute is None else minute,
        second=255 if second is None else second,
        weekday=255 if weekday is None else weekday,
    )
    found = next_match(wanted, civil)
    assert found is not None
    assert found >= civil
    moment = datetime.fromtimestamp(found, UTC)
    for want, have in (
        (hour, moment.hour),
        (minute, moment.minute),
        (second, moment.second),
        (weekday, moment.isoweekday()),
    ):
        assert want in (None, have)
    assert previous_match(wanted, found) == found
    before = previous_match(wanted, civil)
    assert before is None or (before <= civil and next_match(wanted, before) == before)

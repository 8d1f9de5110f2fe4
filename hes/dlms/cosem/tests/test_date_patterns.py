"""Dates and times with wildcards against the plainest possible model: look at every minute."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hes.dlms.cosem.calendar.date_patterns import (
    DAY_S,
    DatePattern,
    TimePattern,
    civil_s,
    date_of,
    day_number,
    first_instant,
    next_instant,
    next_match,
    previous_match,
)
from hes.dlms.cosem.local_time import LocalTime
from hes.dlms.cosem_time import DAY_LAST, DAY_SECOND_LAST
from hes.errors import RemoteProtocolError

SUMMER_S, WINTER_S = 1_711_846_800, 1_729_990_800  # 2024-03-31 and 2024-10-27, 01:00 UTC
AMSTERDAM = LocalTime(standard_deviation_min=-60, is_dst=lambda epoch_s: SUMMER_S <= epoch_s < WINTER_S)
MINUTE_S = 60


def _civil(text):
    moment = datetime.fromisoformat(text)
    return day_number(moment.date()) * DAY_S + moment.hour * 3600 + moment.minute * 60 + moment.second


@pytest.mark.parametrize(
    ("octets", "days"),
    [
        ("ffff03fe07", ["2024-03-31", "2025-03-30", "2026-03-29"]),  # last Sunday of March
        ("ffff030807", ["2024-03-10", "2025-03-09", "2026-03-08"]),  # second Sunday of March
        ("ffff0afd07", ["2024-10-20", "2025-10-19"]),  # the last Sunday but one
        ("fffffffeff", ["2024-01-31", "2024-02-29", "2024-03-31"]),  # last day of each month
        ("fffffffdff", ["2024-01-30", "2024-02-28", "2024-03-30"]),
        ("ffff021dff", ["2024-02-29", "2028-02-29"]),
        ("ffffffff01", ["2024-01-01", "2024-01-08", "2024-01-15"]),  # Mondays
        ("07e80c1907", []),  # 25 December 2024 is a Wednesday
        ("07e80c1903", ["2024-12-25"]),
        ("07e7ffffff", []),  # 2023 is over
        ("07e8ff1fff", ["2024-01-31", "2024-03-31", "2024-05-31"]),
        ("ffff06ffff", ["2024-06-01", "2024-06-02"]),
        ("fffffe01ff", []),  # a month that only the clock knows
    ],
)
def test_patterns_name_the_days_that_people_mean(octets, days):
    pattern = DatePattern.from_octets(bytes.fromhex(octets))
    found = pattern.days_from(day_number(date(2024, 1, 1)))
    assert [str(date_of(day)) for day, _ in zip(found, range(max(len(days), 1)), strict=False)] == days
    assert pattern.to_octets().hex() == octets
    assert all(pattern.matches(date.fromisoformat(day)) for day in days)


@pytest.mark.parametrize("octets", ["07e80d01ff", "07e80020ff", "07e8010108", "07e801"])
def test_dates_that_cannot_be_are_refused(octets):
    with pytest.raises(RemoteProtocolError):
        DatePattern.from_octets(bytes.fromhex(octets))


@pytest.mark.parametrize("octets", ["18000000", "003c0000", "00003c00", "0000"])
def test_times_that_cannot_be_are_refused(octets):
    with pytest.raises(RemoteProtocolError):
        TimePattern.from_octets(bytes.fromhex(octets))


def test_a_time_without_a_second_is_at_the_full_minute():
    time = TimePattern.from_octets(b"\xff\x1e\xff\xff")
    assert time == TimePattern(None, 30, 0)
    assert (time.next(0), time.next(1801), time.previous(1800), time.previous(1799)) == (1800, 5400, 1800, None)
    assert time.next(23 * 3600 + 1801) is None


def _naive_day(pattern, day):
    """By the words of the standard, without arithmetic on weeks."""
    if pattern.year not in (None, day.year) or pattern.month not in (None, day.month):
        return False
    month = [first for first in (day.replace(day=1) + timedelta(n) for n in range(31)) if first.month == day.month]
    fitting = [each for each in month if pattern.weekday in (None, each.isoweekday())]
    if pattern.day == DAY_LAST:
        return day == fitting[-1]
    if pattern.day == DAY_SECOND_LAST:
        return day == fitting[-2]
    if pattern.day is None:
        return day in fitting
    if pattern.exact or pattern.weekday is None:
        return day in fitting and day.day == pattern.day
    return pattern.day <= month[-1].day and [day] == [each for each in fitting if each.day >= pattern.day][:1]


days = st.dates(date(2019, 1, 1), date(2030, 12, 31))
patterns = st.builds(
    DatePattern,
    year=st.none() | st.integers(2019, 2030),
    month=st.none() | st.integers(1, 12),
    day=st.none() | st.integers(1, 31) | st.sampled_from([DAY_LAST, DAY_SECOND_LAST]),
    weekday=st.none() | st.integers(1, 7),
)
times = st.builds(TimePattern, st.none() | st.integers(0, 23), st.none() | st.integers(0, 59))


@given(patterns, days)
@example(DatePattern(None, None, 31, 7), date(2024, 2, 29))
def test_a_day_matches_where_the_naive_model_says_so(pattern, day):
    for offset in range(40):
        each = day + timedelta(offset)
        assert pattern.matches(each) == _naive_day(pattern, each)


@settings(deadline=None)
@given(patterns, times, days, st.integers(0, DAY_S - 1))
def test_the_next_and_the_previous_match_are_those_that_looking_at_every_minute_finds(pattern, time, day, second):
    civil = day_number(day) * DAY_S + second
    window = 45  # days

    def matches(moment):
        minute_of_day = moment % DAY_S // MINUTE_S
        return (
            moment % MINUTE_S == 0
            and time.hour in (None, minute_of_day // 60)
            and time.minute in (None, minute_of_day % 60)
            and _naive_day(pattern, date_of(moment // DAY_S))
        )

    later = next_match(pattern, time, civil)
    earlier = previous_match(pattern, time, civil)
    start = -(-civil // MINUTE_S) * MINUTE_S
    matching_days = [
        each for each in range(civil // DAY_S, civil // DAY_S + window) if _naive_day(pattern, date_of(each))
    ]
    minutes = (
        moment
        for each in matching_days[:2]
        for moment in range(each * DAY_S, (each + 1) * DAY_S, MINUTE_S)
        if moment >= start
    )
    naive = next((moment for moment in minutes if matches(moment)), None)
    assert naive is None or later == naive
    assert later is None or (later >= civil and matches(later))
    assert earlier is None or (earlier <= civil and matches(earlier))
    if later is not None:
        assert previous_match(pattern, time, later) == later


def test_a_time_that_is_skipped_in_spring_happens_at_the_change():
    assert first_instant(AMSTERDAM, _civil("2024-03-31T01:59:59")) == SUMMER_S - 1
    for skipped in ("02:00:00", "02:30:00", "02:59:59", "03:00:00"):
        assert first_instant(AMSTERDAM, _civil(f"2024-03-31T{skipped}")) == SUMMER_S
    assert first_instant(AMSTERDAM, _civil("2024-03-31T03:00:01")) == SUMMER_S + 1


def test_a_time_that_comes_twice_in_autumn_happens_once():
    twice = _civil("2024-10-27T02:30:00")
    assert first_instant(AMSTERDAM, twice) == WINTER_S - 1800
    assert civil_s(AMSTERDAM, WINTER_S + 1800) == twice
    daily = lambda civil: next_match(DatePattern(), TimePattern(2, 30), civil)  # noqa: E731
    assert next_instant(AMSTERDAM, WINTER_S - 1801, daily) == WINTER_S - 1800
    assert next_instant(AMSTERDAM, WINTER_S - 1800, daily) == WINTER_S - 1800 + DAY_S + 3600


@settings(deadline=None)
@given(times, st.sampled_from([SUMMER_S, WINTER_S]), st.integers(-5 * 3600, 5 * 3600))
def test_every_civil_time_happens_exactly_once_whatever_the_clock_does(time, change_s, offset_s):
    """Against a model that walks over the instants and notes which civil times have been reached."""
    start = (change_s + offset_s) // MINUTE_S * MINUTE_S
    found, instant = [], start
    for _ in range(3):
        instant = next_instant(AMSTERDAM, instant, lambda civil: next_match(DatePattern(), time, civil))
        assert instant is not None
        found.append(instant)
    assert found == sorted(set(found))
    reached = max(civil_s(AMSTERDAM, moment) for moment in range(start - 2 * 3600, start + 1, MINUTE_S))
    expected = []
    for moment in range(start + MINUTE_S, start + 4 * 3600, MINUTE_S):
        if civil_s(AMSTERDAM, moment) > reached:
            due = next_match(DatePattern(), time, reached + 1)
            if due <= civil_s(AMSTERDAM, moment):
                expected.append(moment)
            reached = civil_s(AMSTERDAM, moment)
    assert expected[:3] == [moment for moment in found if moment < start + 4 * 3600]

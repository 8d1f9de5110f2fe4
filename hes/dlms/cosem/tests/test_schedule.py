"""Scripts by weekday, special day and range of dates; what happens after a power failure and a new time."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms import axdr, data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem.calendar.date_patterns import DatePattern
from hes.dlms.cosem.calendar.schedule import VALIDITY_FOR_EVER, Schedule, ScheduleEntry, in_range
from hes.dlms.cosem.calendar.special_days import SpecialDay, SpecialDays
from hes.dlms.cosem.tests.schedule_bench import bench, script
from hes.dlms.cosem_time import date_time_octets

NAME, DAYS, CLOCK = "0.0.12.0.0.255", "0.0.11.0.0.255", "0.0.1.0.0.255"
MONDAY_S = 1_734_303_600  # Monday 2024-12-16 00:00 in Amsterdam
HOUR_S, DAY_S = 3600, 86_400


def _entry(index, time, **changes):
    return ScheduleEntry(index=index, enabled=True, script=script(index), switch_time=bytes.fromhex(time), **changes)


def _bench(*entries, days=(), start_s=MONDAY_S):
    return bench(Schedule(NAME, entries), SpecialDays(days=days), start_s=start_s)


def _ran(meter):
    return [f"{when[8:16]} {selector}" for when, selector in meter.meter.done]


def test_entries_run_on_their_weekdays_in_the_order_of_time_and_index():
    workdays, saturday = "1111100", "0000010"
    meter = _bench(
        _entry(2, "06000000", weekdays=workdays),
        _entry(1, "06000000", weekdays=workdays),
        _entry(3, "16000000", weekdays=saturday),
    )
    meter.wait(7 * DAY_S)
    expected = [f"{day} 06:00 {index}" for day in range(16, 21) for index in (1, 2)]
    assert _ran(meter) == [*expected, "21 22:00 3"]


def test_a_special_day_follows_its_own_bits_only():
    days = (SpecialDay(1, bytes.fromhex("ffff0c11ff"), 2),)
    meter = _bench(_entry(1, "06000000"), _entry(2, "07000000", weekdays="0" * 7, special_days="01"), days=days)
    meter.wait(3 * DAY_S)
    assert _ran(meter) == ["16 06:00 1", "17 07:00 2", "18 06:00 1"]


def test_an_entry_runs_within_its_dates_only():
    begin, end = bytes.fromhex("ffff0c12ff"), bytes.fromhex("ffff0c13ff")
    meter = _bench(_entry(1, "06000000", begin=begin, end=end))
    meter.wait(7 * DAY_S)
    assert _ran(meter) == ["18 06:00 1", "19 06:00 1"]


def test_a_begin_years_ahead_is_waited_for():
    meter = _bench(_entry(1, "06000000", begin=bytes.fromhex("07ee0101ff")))
    assert meter.deadline() > 5 * 365 * DAY_S


def test_disabled_entries_wait_for_nothing():
    meter = _bench(_entry(1, "06000000"), _entry(2, "07000000"), _entry(3, "08000000"))
    ranges = data.structure(data.u16(1), data.u16(3), data.u16(2), data.u16(2))
    assert meter.act(NAME, 1, ranges) is ActionResult.SUCCESS
    meter.wait(DAY_S)
    assert _ran(meter) == ["16 07:00 2"]
    nothing = data.structure(data.u16(3), data.u16(1), data.u16(9999), data.u16(1))
    assert meter.act(NAME, 1, nothing) is ActionResult.SUCCESS
    assert [entry[1] for entry in meter.get(NAME, 2)] == [False, True, False]


def test_entries_are_inserted_overwritten_and_deleted():
    meter = _bench(_entry(1, "06000000"), _entry(5, "07000000"))
    assert meter.act(NAME, 2, _entry(3, "08000000").to_data()) is ActionResult.SUCCESS
    assert meter.act(NAME, 2, _entry(5, "09000000").to_data()) is ActionResult.SUCCESS
    assert [(entry[0], entry[4].hex()) for entry in meter.get(NAME, 2)] == [
        (1, "06000000"),
        (3, "08000000"),
        (5, "09000000"),
    ]
    assert meter.act(NAME, 3, data.structure(data.u16(2), data.u16(5))) is ActionResult.SUCCESS
    assert [entry[0] for entry in meter.get(NAME, 2)] == [1]


def test_tables_that_cannot_be_are_refused():
    meter = _bench()
    twice = data.array([_entry(1, "06000000").to_data()] * 2)
    assert meter.set(NAME, 2, twice) is DataAccessResult.OTHER_REASON
    wrong = _entry(1, "06000000").to_data().value
    for place, member in (
        (0, data.u16(0)),
        (0, data.u16(10_000)),
        (4, data.octets(b"\x18\0\0\0")),
        (6, data.bits("1")),
    ):
        changed = data.structure(*wrong[:place], member, *wrong[place + 1 :])
        assert meter.set(NAME, 2, data.array([changed])) is DataAccessResult.TYPE_UNMATCHED
    assert meter.act(NAME, 3, data.u16(1)) is ActionResult.TYPE_UNMATCHED
    assert meter.set(NAME, 2, data.array([_entry(1, "06000000").to_data()])) is DataAccessResult.SUCCESS


def test_after_a_power_failure_what_is_still_valid_is_made_up_for_in_order():
    meter = _bench(
        _entry(1, "08000000", validity_min=VALIDITY_FOR_EVER),
        _entry(2, "07000000", validity_min=VALIDITY_FOR_EVER),
        _entry(3, "09000000", validity_min=30),
        _entry(4, "09320000", validity_min=30),
        _entry(5, "09370000", validity_min=0),
    )
    meter.wait(6 * HOUR_S)
    meter.now_s += 4 * HOUR_S  # off from 06:00 to 10:00
    meter.device.power_up(meter.meter, meter.now_s)
    assert _ran(meter) == ["16 10:00 2", "16 10:00 1", "16 10:00 4"]
    meter.wait(DAY_S - HOUR_S)
    assert _ran(meter)[3:] == ["17 07:00 2", "17 08:00 1", "17 09:00 3"][:3]


def _set_clock(meter, offset_s):
    meter.meter.values["offset_s"] = offset_s
    assert meter.set(CLOCK, 2, data.octets(date_time_octets(int(meter.now_s) + offset_s))) is DataAccessResult.SUCCESS


def test_a_clock_set_forward_is_like_a_power_failure():
    meter = _bench(_entry(1, "01000000", validity_min=VALIDITY_FOR_EVER), _entry(2, "01000000"))
    _set_clock(meter, 2 * HOUR_S)
    assert _ran(meter) == ["16 02:00 1"]


def test_a_clock_set_back_repeats_what_lies_in_the_repeated_time():
    meter = _bench(_entry(1, "01000000"))
    meter.wait(2 * HOUR_S)
    _set_clock(meter, -HOUR_S - 1800)
    meter.wait(2 * HOUR_S)
    assert _ran(meter) == ["16 01:00 1", "16 01:00 1"]


def test_what_was_missed_without_end_is_bounded():
    meter = _bench(_entry(1, "ffff0000", validity_min=VALIDITY_FOR_EVER))
    meter.now_s += 365 * DAY_S
    meter.device.power_up(meter.meter, meter.now_s)
    assert len(meter.meter.done) == 100


@pytest.mark.parametrize(
    ("begin", "end", "inside", "outside"),
    [
        ("ffff0401ff", "ffff091eff", ["2024-04-01", "2024-09-30"], ["2024-03-31", "2024-10-01"]),
        ("ffff0a01ff", "ffff031fff", ["2024-10-01", "2025-01-15", "2024-03-31"], ["2024-04-01", "2024-09-30"]),
        ("07e80401ff", "ffffffffff", ["2024-04-01", "2030-01-01"], ["2024-03-31", "2023-12-31"]),
        ("ffffffffff", "07e80401ff", ["2024-04-01", "2000-01-01"], ["2024-04-02", "2025-01-01"]),
        ("ffffff05ff", "ffffff0aff", ["2024-01-05", "2024-02-10"], ["2024-01-04", "2024-02-11"]),
        ("ffffffffff", "ffffffffff", ["2024-01-05"], []),
    ],
)
def test_ranges_of_dates_hold_in_the_parts_that_are_given(begin, end, inside, outside):
    patterns = [DatePattern.from_octets(bytes.fromhex(octets)) for octets in (begin, end)]
    assert all(in_range(date.fromisoformat(day), *patterns) for day in inside)
    assert not any(in_range(date.fromisoformat(day), *patterns) for day in outside)


bits = st.text("01", min_size=7, max_size=7)
octets = st.tuples(st.sampled_from([0xFFFF, 2024]), st.integers(1, 12), st.integers(1, 28)).map(
    lambda parts: parts[0].to_bytes(2, "big") + bytes((parts[1], parts[2], 0xFF))
)


@given(
    st.builds(
        ScheduleEntry,
        index=st.integers(1, 9999),
        enabled=st.booleans(),
        script=st.just(script(1)),
        switch_time=st.tuples(st.integers(0, 23), st.integers(0, 59)).map(lambda t: bytes((*t, 0, 0))),
        validity_min=st.integers(0, 0xFFFF),
        weekdays=bits,
        special_days=st.text("01", max_size=9),
        begin=octets,
        end=octets,
    )
)
def test_entries_read_as_they_are_written_and_as_declared(entry):
    assert ScheduleEntry.from_data(axdr.decode_all(axdr.encode(entry.to_data()))) == entry
    assert Schedule(NAME).interface_class.mismatch(2, data.array([entry.to_data()])) is None

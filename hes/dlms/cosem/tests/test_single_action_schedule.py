"""One script at one or many times, in the meter's own time."""

import pytest
from gurux_dlms import GXDateTime
from gurux_dlms.objects import GXDLMSActionSchedule

from hes.dlms import axdr, data
from hes.dlms.codes import DataAccessResult
from hes.dlms.cosem.calendar.single_action_schedule import (
    ExecutionTime,
    ScheduleType,
    SingleActionSchedule,
    SingleActionState,
)
from hes.dlms.cosem.tests.gurux_values import read_by_gurux
from hes.dlms.cosem.tests.schedule_bench import SCRIPTS, bench, script
from hes.dlms.cosem_time import date_time_octets

NAME = "0.0.15.0.0.255"
WINTER_S = 1_734_264_000  # Sunday 2024-12-15 13:00 in Amsterdam
SPRING_S = 1_711_839_600  # Sunday 2024-03-31 00:00, two hours before the clock goes forward
AUTUMN_S = 1_729_980_000  # Sunday 2024-10-27 00:00, three hours before it goes back
HOUR_S, DAY_S = 3600, 86_400


def _at(time, date="ffffffffff"):
    return ExecutionTime(bytes.fromhex(time), bytes.fromhex(date))


def _schedule(*times, kind=ScheduleType.ANY_TIMES):
    return SingleActionSchedule(NAME, SingleActionState(script=script(1), type=kind, times=times))


def _ran(meter):
    return [when for when, _selector in meter.meter.done]


def test_billing_at_midnight_of_the_first_of_each_month():
    meter = bench(_schedule(_at("00000000", "ffffff01ff"), kind=ScheduleType.ONE_TIME), start_s=WINTER_S)
    meter.wait(100 * DAY_S)
    assert _ran(meter) == ["2025-01-01 00:00:00", "2025-02-01 00:00:00", "2025-03-01 00:00:00"]


def test_an_exact_date_comes_once():
    meter = bench(_schedule(_at("0d1e0000", "07e80c0f07")), start_s=WINTER_S)
    assert meter.deadline() == 1800
    assert meter.wait(DAY_S) is None
    assert _ran(meter) == ["2024-12-15 13:30:00"]


def test_times_that_name_the_same_instant_run_the_script_once():
    meter = bench(_schedule(_at("0e000000"), _at("0e000000", "ffffff0fff")), start_s=WINTER_S)
    meter.wait(2 * HOUR_S)
    assert meter.meter.done == [("2024-12-15 14:00:00", 1)]


def test_a_time_that_is_skipped_in_spring_runs_at_the_change_and_one_that_comes_twice_once():
    daily = _schedule(_at("021e0000"))
    meter = bench(daily, start_s=SPRING_S)
    meter.wait(DAY_S)
    assert _ran(meter) == ["2024-03-31 03:00:00"]
    meter = bench(daily, start_s=AUTUMN_S)
    meter.wait(DAY_S + HOUR_S)
    assert _ran(meter) == ["2024-10-27 02:30:00"]


def test_the_schedule_follows_a_clock_that_is_set():
    meter = bench(_schedule(_at("0e000000")), start_s=WINTER_S)
    meter.meter.values["offset_s"] = 1800
    meter.set("0.0.1.0.0.255", 2, data.octets(date_time_octets(WINTER_S + 1800)))
    assert meter.deadline() == 1800
    meter.wait(HOUR_S)
    assert _ran(meter) == ["2024-12-15 14:00:00"]


def test_a_script_that_is_not_there_does_no_harm():
    meter = bench(
        SingleActionSchedule(NAME, SingleActionState(script=script(99), times=(_at("0e000000"),))), start_s=WINTER_S
    )
    meter.wait(DAY_S)
    assert meter.meter.done == []


def _times(*entries):
    return data.array(_at(*entry).to_data() for entry in entries)


ONE, OTHER = ("0e000000", "ffffffffff"), ("0f000000", "ffffffffff")
EXACT, LATER = ("0e000000", "07e80c1003"), ("0f000000", "07e80c1104")
SAME_LATER = ("0e000000", "07e80c1104")


@pytest.mark.parametrize(
    ("kind", "allowed", "refused"),
    [
        (1, [ONE], [ONE, ONE]),
        (2, [EXACT, SAME_LATER], [ONE]),
        (3, [ONE, SAME_LATER], [ONE, OTHER]),
        (4, [EXACT, LATER], [EXACT, OTHER]),
        (5, [ONE, OTHER, EXACT], None),
    ],
)
def test_the_type_says_which_times_there_may_be(kind, allowed, refused):
    meter = bench(_schedule(kind=ScheduleType.ONE_TIME), start_s=WINTER_S)
    assert meter.set(NAME, 3, data.enum(kind)) is DataAccessResult.SUCCESS
    if refused is not None:
        assert meter.set(NAME, 4, _times(*refused)) is DataAccessResult.OTHER_REASON
    assert meter.set(NAME, 4, _times(*allowed)) is DataAccessResult.SUCCESS
    assert meter.set(NAME, 4, data.array(())) is DataAccessResult.SUCCESS


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        (2, data.structure(data.octets(bytes(5)), data.u16(1))),
        (3, data.enum(6)),
        (4, data.array([data.null()])),
        (4, data.array([data.structure(data.octets(b"\x18\0\0\0"), data.octets(b"\xff" * 5))])),
    ],
)
def test_values_of_another_form_are_refused(attribute, value):
    meter = bench(_schedule(), start_s=WINTER_S)
    assert meter.set(NAME, attribute, value) is DataAccessResult.TYPE_UNMATCHED


def test_the_script_is_written_as_gurux_reads_it_and_times_as_it_sends_them():
    meter = bench(_schedule(_at("0e000000", "07e80c0f07")), start_s=WINTER_S)
    peer = GXDLMSActionSchedule(NAME)
    read_by_gurux(peer, 2, meter.encoded(NAME, 2))
    read_by_gurux(peer, 3, meter.encoded(NAME, 3))
    read_by_gurux(peer, 4, meter.encoded(NAME, 4))
    assert peer.target.logicalName == str(SCRIPTS)
    assert (peer.executedScriptSelector, int(peer.type_)) == (1, 5)
    (moment,) = peer.executionTime
    assert isinstance(moment, GXDateTime)
    assert (moment.value.year, moment.value.month, moment.value.day, moment.value.hour) == (2024, 12, 15, 14)
    assert axdr.decode_all(meter.encoded(NAME, 4)) == _times(("0e000000", "07e80c0f07"))

"""A clock whose every parameter can be set, in argument time."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms import axdr, cosem_time, data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem.calendar.settable_clock import ClockState, SettableClock, local_time_of
from hes.dlms.cosem.object_state import StatefulObject
from hes.dlms.cosem.tests.object_bench import NOW_S, ObjectBench
from hes.dlms.cosem_time import CosemDateTime

CLOCK = "0.0.1.0.0.255"
# as Dutch meters are set (docs/protocols/cosem-objects.md §1)
BEGIN, END = bytes.fromhex("ffff03fe0702000000ffc400"), bytes.fromhex("ffff0afe0703000000ff8880")
AMSTERDAM = ClockState(time_zone_min=-60, dst_begin=BEGIN, dst_end=END, dst_enabled=True)
UNSPECIFIED = replace(AMSTERDAM, dst_begin=BEGIN[:9] + b"\x80\x00\xff", dst_end=END[:9] + b"\x80\x00\xff")
SYDNEY = ClockState(  # the south: summer time begins in October and ends in April
    time_zone_min=-600,
    dst_begin=bytes.fromhex("ffff0a01070200000080 00ff"),
    dst_end=bytes.fromhex("ffff0401070300000080 00ff"),
    dst_enabled=True,
)


def _bench(initial=AMSTERDAM):
    return ObjectBench(SettableClock(initial=initial))


def _time(meter):
    return CosemDateTime.from_octets(meter.get(CLOCK, 2))


def _stamp(epoch_s):
    return data.octets(cosem_time.date_time_octets(int(epoch_s)))


def test_the_clock_says_local_time_with_deviation_and_status():
    assert str(_time(_bench())) == "Sun 2024-12-15 13:00:00.00 UTC+01:00"
    summer = _bench()
    summer.now_s = 1_720_000_000
    assert str(_time(summer)) == "Wed 2024-07-03 11:46:40.00 UTC+02:00 status 80"
    assert summer.get(CLOCK, 4) == 0x80


@pytest.mark.parametrize("state", [AMSTERDAM, UNSPECIFIED])
@given(epoch_s=st.integers(946_684_800, 2_082_758_400))
def test_summer_time_of_the_netherlands_is_that_of_the_zone_database(state, epoch_s):
    there = datetime.fromtimestamp(epoch_s, ZoneInfo("Europe/Amsterdam"))
    assert local_time_of(state).is_dst(epoch_s) == bool(there.dst())


@given(epoch_s=st.integers(1_230_768_000, 2_082_758_400))
def test_summer_time_of_the_south_is_that_of_the_zone_database(epoch_s):
    there = datetime.fromtimestamp(epoch_s, ZoneInfo("Australia/Sydney"))
    assert local_time_of(SYDNEY).is_dst(epoch_s) == bool(there.dst())


def test_without_dst_enabled_it_is_always_standard_time():
    meter = _bench()
    meter.now_s = 1_720_000_000
    assert meter.set(CLOCK, 8, data.boolean(False)) is DataAccessResult.SUCCESS
    assert _time(meter).deviation_min == -60
    assert meter.get(CLOCK, 4) == 0


def test_a_new_zone_changes_what_is_shown_and_not_what_time_it_is():
    meter = _bench(ClockState())
    before = cosem_time.epoch_s(meter.get(CLOCK, 2))
    assert meter.set(CLOCK, 3, data.i16(-345)) is DataAccessResult.SUCCESS
    assert _time(meter).deviation_min == -345
    assert cosem_time.epoch_s(meter.get(CLOCK, 2)) == before


def test_time_set_goes_on_from_there():
    meter = _bench()
    assert meter.set(CLOCK, 2, _stamp(NOW_S + 3600)) is DataAccessResult.SUCCESS
    meter.wait(60)
    assert cosem_time.epoch_s(meter.get(CLOCK, 2)) == NOW_S + 3660


def test_setting_the_time_clears_what_made_it_doubtful():
    clock = SettableClock(initial=AMSTERDAM)
    meter = ObjectBench(clock)
    clock.set_status(meter.context, cosem_time.STATUS_INVALID_VALUE | cosem_time.STATUS_DIFFERENT_BASE)
    assert meter.get(CLOCK, 4) == 0x05
    meter.set(CLOCK, 2, _stamp(NOW_S))
    assert meter.get(CLOCK, 4) == 0x04


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        (2, data.octets(b"\xff" * 12)),
        (2, data.u32(1)),
        (3, data.i16(1000)),
        (3, data.i8(0)),
        (5, data.octets(bytes(11))),
        (5, data.octets(b"\x07\xe8\x0d\x01\xff\x00\x00\x00\x00\x80\x00\xff")),
        (7, data.i8(127)),
        (8, data.u8(1)),
        (9, data.enum(9)),
    ],
)
def test_values_that_no_clock_can_have_are_refused(attribute, value):
    meter = _bench()
    assert meter.set(CLOCK, attribute, value) is DataAccessResult.TYPE_UNMATCHED
    assert len(meter.meter.states) == 0


@pytest.mark.parametrize(
    ("method", "offset_s", "expected_s"),
    [
        (1, 449, 0),
        (1, 451, 900),
        (2, -1, 0),
        (2, 3 * 3600 + 1801, 4 * 3600),
        (3, 29, 0),
        (3, 30, 60),
        (3, -31, -60),
    ],
)
def test_adjusting_goes_to_the_nearest(method, offset_s, expected_s):
    meter = ObjectBench(SettableClock(measuring_period_s=3600))
    meter.set(CLOCK, 2, _stamp(NOW_S + offset_s))
    assert meter.act(CLOCK, method) is ActionResult.SUCCESS
    assert cosem_time.epoch_s(meter.get(CLOCK, 2)) == NOW_S + expected_s


def test_a_preset_time_is_set_within_its_validity_and_only_once():
    meter = _bench()
    preset = data.structure(_stamp(NOW_S + 5000), _stamp(NOW_S + 100), _stamp(NOW_S + 200))
    assert meter.act(CLOCK, 4) is ActionResult.OTHER_REASON
    assert meter.act(CLOCK, 5, preset) is ActionResult.SUCCESS
    assert meter.act(CLOCK, 4) is ActionResult.OTHER_REASON
    meter.wait(150)
    assert meter.act(CLOCK, 4) is ActionResult.SUCCESS
    assert cosem_time.epoch_s(meter.get(CLOCK, 2)) == NOW_S + 5000
    assert meter.act(CLOCK, 4) is ActionResult.OTHER_REASON


def test_a_preset_time_lapses():
    meter = _bench()
    meter.act(CLOCK, 5, data.structure(_stamp(NOW_S), _stamp(NOW_S + 100), _stamp(NOW_S + 200)))
    meter.wait(201)
    assert meter.act(CLOCK, 4) is ActionResult.OTHER_REASON


@pytest.mark.parametrize(
    "parameters", [data.null(), data.structure(), data.structure(*[data.octets(b"\xff" * 12)] * 3), data.u8(0)]
)
def test_a_preset_of_another_form_is_refused(parameters):
    meter = _bench()
    assert meter.act(CLOCK, 5, parameters) is ActionResult.TYPE_UNMATCHED


@pytest.mark.parametrize(
    ("seconds", "result"),
    [
        (data.i16(900), ActionResult.SUCCESS),
        (data.i16(-900), ActionResult.SUCCESS),
        (data.i16(901), ActionResult.OTHER_REASON),
        (data.i8(5), ActionResult.TYPE_UNMATCHED),
    ],
)
def test_shifting_goes_a_quarter_of_an_hour_at_most(seconds, result):
    meter = _bench()
    assert meter.act(CLOCK, 6, seconds) is result
    moved = seconds.value if result is ActionResult.SUCCESS else 0
    assert cosem_time.epoch_s(meter.get(CLOCK, 2)) == NOW_S + moved


def test_objects_that_keep_to_the_clock_are_told_when_it_is_set():
    class Ear(StatefulObject):
        def clock_set(self, context, before_s, after_s):
            context.instance.done.append((before_s, after_s))

    ear = Ear(SettableClock().interface_class, "0.0.1.0.1.255", {}, initial=None)
    meter = ObjectBench(SettableClock(initial=AMSTERDAM), ear)
    meter.set(CLOCK, 2, _stamp(NOW_S + 7))
    assert meter.meter.done == [(NOW_S, NOW_S + 7)]


def test_every_attribute_reads_as_its_declaration_says():
    clock = SettableClock(initial=AMSTERDAM)
    meter = ObjectBench(clock)
    for index in range(1, 10):
        value = axdr.decode_all(meter.encoded(CLOCK, index))
        assert clock.interface_class.mismatch(index, value) is None

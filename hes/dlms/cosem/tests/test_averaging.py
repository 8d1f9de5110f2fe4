import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms import data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem import Clock, ScalerUnit
from hes.dlms.cosem.captured.averaging import AveragingDemandRegister, AveragingState, MaximumRegister, boundaries
from hes.dlms.cosem.clock import NO_DATE_TIME
from hes.dlms.cosem.local_time import UTC
from hes.dlms.cosem.tests.object_bench import NOW_S, ObjectBench

DEMAND, MAXIMUM = "1.0.1.4.0.255", "1.0.1.6.0.255"
WATT = ScalerUnit(0, 27)
P = 900


def watt_seconds(_meter, world_s):
    """1000 W until 12:00, then 100 W more in every following minute."""
    minutes, rest = divmod(int(world_s - NOW_S), 60)
    if minutes < 0:
        return 1000 * int(world_s - NOW_S)
    return 1000 * 60 * minutes + 100 * 60 * minutes * (minutes + 1) // 2 + (1000 + 100 * (minutes + 1)) * rest


def bench(periods=1, clock_offset_s=0.0):
    demand = AveragingDemandRegister(DEMAND, watt_seconds, WATT, period_s=P, number_of_periods=periods)
    maximum = MaximumRegister(MAXIMUM, demand, WATT, status=lambda _meter, _now_s: data.u8(5))
    clock = Clock(time=lambda _meter, now_s: now_s + clock_offset_s)
    return ObjectBench(clock, demand, maximum)


def average(from_s, to_s, span_s):
    return (watt_seconds(None, NOW_S + to_s) - watt_seconds(None, NOW_S + from_s)) // span_s


def test_a_block_average_starts_anew_with_every_period():
    meter = bench()
    assert [meter.get(DEMAND, attribute) for attribute in (2, 3)] == [0, 1000]
    meter.wait(450)
    assert [meter.get(DEMAND, attribute) for attribute in (2, 3)] == [average(0, 450, P), 1000]
    meter.wait(450)
    assert [meter.get(DEMAND, attribute) for attribute in (2, 3)] == [0, average(0, P, P)]
    assert meter.get(DEMAND, 6) == meter.get(DEMAND, 7) == UTC.octets(int(NOW_S) + P)


def test_a_sliding_average_moves_by_one_period():
    meter = bench(periods=4)
    meter.wait(2 * P + 100)
    assert meter.get(DEMAND, 3) == average(-2 * P, 2 * P, 4 * P)
    assert meter.get(DEMAND, 2) == average(-P, 2 * P + 100, 4 * P)
    assert meter.get(DEMAND, 7) == UTC.octets(int(NOW_S) - P)
    assert meter.get(DEMAND, 6) == UTC.octets(int(NOW_S) + 2 * P)


def test_next_period_ends_the_period_at_hand_and_counts_from_there():
    meter = bench()
    meter.wait(300)
    current = meter.get(DEMAND, 2)
    assert meter.act(DEMAND, 2) is ActionResult.SUCCESS
    assert [meter.get(DEMAND, attribute) for attribute in (2, 3)] == [0, current]
    assert meter.get(DEMAND, 6) == UTC.octets(int(NOW_S) + 300)
    meter.wait(P)
    assert meter.get(DEMAND, 3) == average(300, 300 + P, P)
    assert meter.get(DEMAND, 6) == UTC.octets(int(NOW_S) + 300 + P)


def test_reset_sets_both_averages_to_nothing_until_a_period_has_ended():
    meter = bench(periods=2)
    meter.wait(300)
    assert meter.act(DEMAND, 1) is ActionResult.SUCCESS
    assert [meter.get(DEMAND, attribute) for attribute in (2, 3)] == [0, 0]
    meter.wait(60)
    assert [meter.get(DEMAND, attribute) for attribute in (2, 3)] == [average(300, 360, 2 * P), 0]
    meter.wait(P - 60)
    assert meter.get(DEMAND, 3) == average(300, 300 + P, 2 * P)
    meter.wait(P)
    assert meter.get(DEMAND, 3) == average(300, 300 + 2 * P, 2 * P)


def test_other_periods_may_be_set_and_must_be_some():
    meter = bench()
    assert meter.set(DEMAND, 8, data.u32(60)) is DataAccessResult.SUCCESS
    meter.wait(125)
    assert meter.get(DEMAND, 3) == average(60, 120, 60)
    for attribute, value in ((8, data.u32(0)), (9, data.u16(0)), (9, data.u16(1441))):
        assert meter.set(DEMAND, attribute, value) is DataAccessResult.OTHER_REASON


def test_periods_follow_the_meters_own_clock():
    meter = bench(clock_offset_s=100)
    meter.wait(P)
    assert meter.get(DEMAND, 3) == average(-100, P - 100, P)
    assert meter.deadline() == P - 100


def test_the_highest_average_is_kept_with_status_and_time():
    meter = bench()
    assert [meter.get(MAXIMUM, attribute) for attribute in (2, 4, 5)] == [0, 0, NO_DATE_TIME]
    meter.wait(3 * P + 1)
    assert [meter.get(MAXIMUM, attribute) for attribute in (2, 4)] == [average(2 * P, 3 * P, P), 5]
    assert meter.get(MAXIMUM, 5) == UTC.octets(int(NOW_S) + 3 * P)
    assert meter.act(MAXIMUM, 1) is ActionResult.SUCCESS
    assert [meter.get(MAXIMUM, attribute) for attribute in (2, 5)] == [0, NO_DATE_TIME]
    meter.wait(P)
    assert meter.get(MAXIMUM, 2) == average(3 * P, 4 * P, P)


def test_a_clock_that_is_set_back_behind_a_reset_follows_its_periods_again():
    offset_s = [0.0]
    demand = AveragingDemandRegister(DEMAND, watt_seconds, WATT, period_s=P, number_of_periods=3)
    meter = ObjectBench(
        Clock(time=lambda _meter, now_s: now_s + offset_s[0]), demand, MaximumRegister(MAXIMUM, demand, WATT)
    )
    meter.wait(500)
    meter.act(DEMAND, 1)
    offset_s[0] = -4000.0
    assert meter.get(DEMAND, 6) == UTC.octets(int(NOW_S) - 4 * P)  # own time is 3500 s before 12:00
    assert meter.get(DEMAND, 3) == average(400 - 3 * P, 400, 3 * P)
    assert meter.wait(1000) > 0


@pytest.mark.parametrize("offset_s", [0.0, 0.4, 17.3])
def test_no_period_is_missed_or_taken_twice(offset_s):
    meter = bench(clock_offset_s=offset_s)
    meter.wait(P)
    for _ in range(40):
        meter.wait(P / 4)
        ended = meter.get(DEMAND, 3)
        assert meter.get(MAXIMUM, 2) == ended  # the load only rises


@given(st.floats(0, 1e6), st.integers(1, 5), st.integers(1, 1000), st.none() | st.floats(0, 1e6))
def test_boundaries_are_periods_apart_and_lie_behind(own_s, count, period_s, origin_s):
    if origin_s is not None and origin_s > own_s:
        origin_s = own_s
    ends = boundaries(AveragingState(period_s=period_s, origin_s=origin_s), own_s, count)
    assert 1 <= len(ends) <= count
    assert own_s - period_s < ends[0] <= own_s + 1e-6
    for newer, older in itertools.pairwise(ends):
        assert newer - older == pytest.approx(period_s)
    assert origin_s is None or ends[-1] >= origin_s

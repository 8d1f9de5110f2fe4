import pytest

from hes.dlms import axdr, data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem import ClientAccess, Clock, Context, Role
from hes.dlms.tests import bench_meter as bm


def context(meter=None, role=Role.MANAGEMENT, now_s=bm.NOW_S):
    return Context(
        instance=meter or bm.BenchMeter(),
        device=bm.DEVICE,
        client=ClientAccess(client_sap=1, role=role),
        now_s=now_s,
    )


CLOCK = bm.DEVICE.find(bm.CLOCK)


def test_all_attributes_are_read():
    values = [axdr.decode_value(CLOCK.get(context(), index))[0] for index in range(1, 10)]
    assert values[0] == bm.CLOCK
    assert values[1] == bm.AMSTERDAM.octets(bm.NOW_S)
    assert values[2:] == [-60, 0, values[4], values[5], 60, False, 1]
    assert len(values[4]) == len(values[5]) == 12


def test_the_status_says_summer_time_as_the_time_does():
    summer = context(now_s=1_720_000_000)
    assert axdr.decode_value(CLOCK.get(summer, 4))[0] == 0x80
    assert axdr.decode_value(CLOCK.get(summer, 2))[0][11] == 0x80


@pytest.mark.parametrize("tag", [b"\x09\x0c", b"\x19"])
def test_the_time_is_set_in_either_form(tag):
    meter = bm.BenchMeter()
    new = bm.AMSTERDAM.octets(bm.NOW_S + 77)
    assert CLOCK.set(context(meter), 2, tag + new) is DataAccessResult.SUCCESS
    assert meter.offset_s == 77


@pytest.mark.parametrize(
    "encoded",
    [
        b"\x09\x0c" + b"\xff" * 12,
        b"\x09\x05" + bytes(5),
        b"\x06" + bytes(4),
        b"\x09\x0c\x07\xe8",
        b"",
        b"\x09\x0c" + bm.AMSTERDAM.octets(bm.NOW_S) + b"\x00",
    ],
)
def test_what_is_no_time_is_type_unmatched(encoded):
    meter = bm.BenchMeter()
    assert CLOCK.set(context(meter), 2, encoded) is DataAccessResult.TYPE_UNMATCHED
    assert meter.offset_s == 0


def test_a_reader_may_not_set_it():
    encoded = b"\x09\x0c" + bm.AMSTERDAM.octets(0)
    assert CLOCK.set(context(role=Role.READER), 2, encoded) is DataAccessResult.READ_WRITE_DENIED
    assert CLOCK.act(context(role=Role.READER), 3, b"\x0f\x00").result is ActionResult.READ_WRITE_DENIED


@pytest.mark.parametrize(
    ("method", "offset_s", "expected_s"),
    [(1, 449, 0), (1, 450, 900), (1, -451, -900), (2, 100, 0), (3, 29, 0), (3, 30, 60), (3, -31, -60)],
)
def test_adjusting_goes_to_the_nearest(method, offset_s, expected_s):
    meter = bm.BenchMeter(offset_s=offset_s)  # NOW_S is a full quarter
    assert CLOCK.act(context(meter), method, b"\x0f\x00").result is ActionResult.SUCCESS
    assert meter.offset_s == expected_s


@pytest.mark.parametrize(
    ("parameters", "result", "offset_s"),
    [
        (data.i16(900), ActionResult.SUCCESS, 900),
        (data.i16(-900), ActionResult.SUCCESS, -900),
        (data.i16(901), ActionResult.OTHER_REASON, 0),
        (data.i32(5), ActionResult.TYPE_UNMATCHED, 0),
    ],
)
def test_shifting_has_limits(parameters, result, offset_s):
    meter = bm.BenchMeter()
    assert CLOCK.act(context(meter), 6, axdr.encode(parameters)).result is result
    assert meter.offset_s == offset_s


def test_methods_that_are_not_offered_are_refused():
    assert CLOCK.act(context(), 4, b"\x0f\x00").result is ActionResult.READ_WRITE_DENIED
    assert CLOCK.act(context(), 7, b"\x0f\x00").result is ActionResult.OBJECT_UNDEFINED


def test_a_clock_without_a_setter_can_only_be_read():
    fixed = Clock(time=lambda _meter, now_s: now_s)
    assert fixed.set(context(), 2, b"\x09\x0c" + bytes(12)) is DataAccessResult.READ_WRITE_DENIED
    assert fixed.act(context(), 1, b"\x0f\x00").result is ActionResult.READ_WRITE_DENIED

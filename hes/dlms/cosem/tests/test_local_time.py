import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hes.dlms import cosem_time
from hes.dlms.cosem import UTC, LocalTime
from hes.errors import RemoteProtocolError

# summer time of 2024 in Amsterdam: 2024-03-31 01:00 UTC to 2024-10-27 01:00 UTC
BEGIN_S, END_S = 1_711_846_800, 1_729_990_800


def is_dst(epoch_s):
    return BEGIN_S <= epoch_s < END_S


AMSTERDAM = LocalTime(standard_deviation_min=-60, is_dst=is_dst)
OTHER_SIGN = LocalTime(standard_deviation_min=-60, is_dst=is_dst, deviation_sign=-1)
SILENT = LocalTime(standard_deviation_min=-60, is_dst=is_dst, deviation_sent=False)
INSTANTS = st.integers(BEGIN_S - 10**7, END_S + 10**7)


def test_winter_and_summer_are_written_as_in_the_field():
    assert AMSTERDAM.octets(BEGIN_S - 1) == bytes.fromhex("07E8031F07013B3B00FFC400")
    assert AMSTERDAM.octets(BEGIN_S) == bytes.fromhex("07E8031F0703000000FF8880")
    assert OTHER_SIGN.octets(BEGIN_S) == bytes.fromhex("07E8031F0703000000007880")
    assert SILENT.octets(BEGIN_S, status=2) == bytes.fromhex("07E8031F0703000000800082")
    assert UTC.octets(BEGIN_S) == bytes.fromhex("07E8031F07010000000000 00")


@given(INSTANTS)
@example(END_S - 1)
@example(END_S)
@example(END_S - 3600)
@example(END_S + 3599)
@pytest.mark.parametrize("local", [AMSTERDAM, OTHER_SIGN, SILENT, UTC])
def test_what_is_written_is_read_back(local, epoch_s):
    """Also in the hour that happens twice, where without a deviation the summer time bit tells which one it is."""
    assert local.epoch_s(local.octets(epoch_s)) == epoch_s


def test_a_stamp_that_says_nothing_means_the_first_of_two_hours():
    stamp = SILENT.octets(END_S - 3600)[:11] + bytes((cosem_time.ANY,))
    assert SILENT.epoch_s(stamp) == END_S - 3600


def test_a_deviation_of_another_zone_is_believed():
    assert AMSTERDAM.epoch_s(UTC.octets(BEGIN_S)) == BEGIN_S


def test_wildcards_are_refused():
    with pytest.raises(RemoteProtocolError):
        AMSTERDAM.epoch_s(b"\xff" * 12)

"""COSEM times: published octets, wildcards, arithmetic beside datetime and an independent implementation."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms import cosem_time
from hes.dlms.cosem_time import CosemDateTime, date_time_octets, epoch_s
from hes.errors import LocalProtocolError, RemoteProtocolError

PUBLISHED = bytes.fromhex("07E80C0F070C1E00FF800000")  # Sunday 2024-12-15 12:30:00, deviation not specified
NOON_S = 1_734_265_800  # the same as UTC
INSTANTS = st.integers(int(datetime(1900, 1, 2, tzinfo=UTC).timestamp()), 4_102_444_800)
DEVIATIONS = st.integers(-840, 840)


def test_the_published_date_time():
    value = CosemDateTime.from_octets(PUBLISHED)
    assert value == CosemDateTime(
        year=2024,
        month=12,
        day=15,
        weekday=7,
        hour=12,
        minute=30,
        second=0,
        hundredths=None,
        deviation_min=None,
        status=0,
    )
    assert value.to_octets() == PUBLISHED
    assert str(value) == "Sun 2024-12-15 12:30:00"
    assert epoch_s(PUBLISHED) == NOON_S


def test_deviation_is_from_local_time_to_utc():
    """Amsterdam: -60 in winter, -120 in summer."""
    winter, summer = bytes.fromhex("07E8010F01 0C0000 00 FFC4 00"), bytes.fromhex("07E8070F01 0C0000 00 FF88 80")
    assert datetime.fromtimestamp(epoch_s(winter), UTC) == datetime(2024, 1, 15, 11, tzinfo=UTC)
    assert datetime.fromtimestamp(epoch_s(summer), UTC) == datetime(2024, 7, 15, 10, tzinfo=UTC)
    assert date_time_octets(epoch_s(winter), -60) == winter
    assert date_time_octets(epoch_s(summer), -120, cosem_time.STATUS_DST) == summer
    assert str(CosemDateTime.from_octets(summer)) == "Mon 2024-07-15 12:00:00.00 UTC+02:00 status 80"


def test_markets_with_the_opposite_sign_and_meters_without_deviation():
    opposite = date_time_octets(NOON_S + 3600, 0)[:9] + (60).to_bytes(2, "big") + b"\x00"
    assert epoch_s(opposite, deviation_sign=-1) == NOON_S
    local = date_time_octets(NOON_S, -60)[:9] + b"\x80\x00\x00"
    assert epoch_s(local, deviation_default_min=-60, deviation_sign=-1) == NOON_S


@given(INSTANTS, DEVIATIONS, st.integers(0, 254))
def test_instants_survive_the_way_through_octets(instant, deviation_min, status):
    octets = date_time_octets(instant, deviation_min, status)
    assert epoch_s(octets) == epoch_s(memoryview(octets)) == instant
    value = CosemDateTime.from_octets(octets)
    assert value.to_octets() == octets
    local = datetime(1970, 1, 1) + timedelta(seconds=instant - 60 * deviation_min)  # noqa: DTZ001 - local by intention
    assert (value.year, value.month, value.day, value.weekday) == (
        local.year, local.month, local.day, local.isoweekday()
    )  # fmt: skip
    assert (value.hour, value.minute, value.second) == (local.hour, local.minute, local.second)
    assert (value.deviation_min, value.status) == (deviation_min, status)


@given(INSTANTS, DEVIATIONS.filter(bool))
def test_dlms_cosem_reads_the_same_instant(instant, deviation_min):
    from dlms_cosem.time import datetime_from_bytes

    theirs, status = datetime_from_bytes(date_time_octets(instant, deviation_min, cosem_time.STATUS_DST))
    assert theirs.timestamp() == instant
    assert status.daylight_saving_active


@given(INSTANTS, DEVIATIONS.filter(bool))
def test_dlms_cosem_writes_what_we_read(instant, deviation_min):
    from dlms_cosem.time import datetime_to_bytes

    zone = timezone(timedelta(minutes=-deviation_min))
    octets = datetime_to_bytes(datetime.fromtimestamp(instant, zone))
    assert epoch_s(octets) == instant
    assert CosemDateTime.from_octets(octets).weekday is None


@given(st.integers(0, 4_102_444_800), DEVIATIONS)
def test_gurux_reads_the_same_instant(instant, deviation_min):
    from gurux_dlms.GXByteBuffer import GXByteBuffer
    from gurux_dlms.GXDLMSSettings import GXDLMSSettings
    from gurux_dlms.internal._GXCommon import _GXCommon
    from gurux_dlms.internal._GXDataInfo import _GXDataInfo

    octets = GXByteBuffer(b"\x19" + date_time_octets(instant, deviation_min))
    theirs = _GXCommon.getData(GXDLMSSettings(False, None), octets, _GXDataInfo())
    assert theirs.value.timestamp() == instant


OPTIONAL = {
    "year": st.none() | st.integers(1, 9999),
    "month": st.none() | st.integers(1, 12) | st.sampled_from((0xFD, 0xFE)),
    "day": st.none() | st.integers(1, 31) | st.sampled_from((0xFD, 0xFE)),
    "weekday": st.none() | st.integers(1, 7),
    "hour": st.none() | st.integers(0, 23),
    "minute": st.none() | st.integers(0, 59),
    "second": st.none() | st.integers(0, 59),
    "hundredths": st.none() | st.integers(0, 99),
    "deviation_min": st.none() | st.integers(-1440, 1440),
    "status": st.none() | st.integers(0, 254),
}


@given(st.fixed_dictionaries(OPTIONAL))
def test_wildcards_and_special_codes_survive(fields):
    value = CosemDateTime(**fields)
    assert CosemDateTime.from_octets(value.to_octets()) == value
    assert str(value)


def test_wildcards_read_well():
    dst_begin = CosemDateTime(month=cosem_time.MONTH_DST_BEGIN, day=cosem_time.DAY_LAST, weekday=7, hour=2, minute=0)
    assert str(dst_begin) == "Sun ****-DST-begin-L 02:00:**"
    assert dst_begin.to_octets().hex() == "fffffefe070200ffff8000ff"


@given(st.binary(max_size=14) | st.binary(min_size=12, max_size=12))
def test_any_octets_give_a_time_or_a_refusal(octets):
    try:
        value = CosemDateTime.from_octets(octets)
    except RemoteProtocolError:
        value = None
    try:
        instant = epoch_s(octets)
    except RemoteProtocolError:
        return
    assert isinstance(instant, int)
    if value is not None:
        assert None not in (value.year, value.month, value.day, value.hour, value.minute, value.second)


@pytest.mark.parametrize(
    "hexed",
    [
        "FFFF0C0F070C1E00FF800000",  # any year
        "07E8FE0F070C1E00FF800000",  # when summer time begins
        "07E802FE070C1E00FF800000",  # last day
        "07E8021E070C1E00FF800000",  # 30 February
        "07E80C0FFFFF1E00FF800000",  # any hour
        "07E80C0F071800000000000000"[:24],  # hour 24
        "07E80C0F070C3C00FF800000",  # minute 60
        "07E80C0F070C1EFFFF800000",  # any second
        "07E80C0F070C1E00FF7FFF00",  # 22 days of deviation
        "07E80C0F07",
        "",
    ],
)
def test_what_is_not_one_instant_is_refused(hexed):
    with pytest.raises(RemoteProtocolError):
        epoch_s(bytes.fromhex(hexed))


@pytest.mark.parametrize(
    ("at", "octet"), [(2, 0), (2, 13), (3, 0), (3, 32), (4, 0), (4, 8), (5, 24), (6, 60), (7, 60), (8, 100), (9, 0x7F)]
)
def test_a_number_out_of_its_range_is_refused_with_its_offset(at, octet):
    broken = PUBLISHED[:at] + bytes((octet,)) + PUBLISHED[at + 1 :]
    with pytest.raises(RemoteProtocolError) as caught:
        CosemDateTime.from_octets(broken)
    assert caught.value.octet_offset == at


@pytest.mark.parametrize("arguments", [(10**15,), (-(10**15),), (0, 40_000), (0, 0, 256)])
def test_what_cannot_be_written_is_our_own_fault(arguments):
    with pytest.raises(LocalProtocolError):
        date_time_octets(*arguments)
    with pytest.raises(LocalProtocolError):
        CosemDateTime(month=13).to_octets()

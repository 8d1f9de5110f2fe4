"""The table of special days: insert, overwrite, delete, look up."""

from datetime import date

from gurux_dlms.objects import GXDLMSSpecialDaysTable

from hes.dlms import data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem.calendar.special_days import SPECIAL_DAYS_NAME, SpecialDay, SpecialDays, special_day_of
from hes.dlms.cosem.tests.gurux_values import read_by_gurux
from hes.dlms.cosem.tests.object_bench import ObjectBench

NAME = str(SPECIAL_DAYS_NAME)
CHRISTMAS = SpecialDay(1, bytes.fromhex("ffff0c19ff"), 3)
ONCE = SpecialDay(2, bytes.fromhex("07e90105ff"), 4)


def _bench(*days):
    return ObjectBench(SpecialDays(days=days))


def _indices(meter):
    return [entry[0] for entry in meter.get(NAME, 2)]


def test_dates_with_wildcards_come_every_year():
    meter = _bench(CHRISTMAS, ONCE)
    found = [
        special_day_of(meter.context, SPECIAL_DAYS_NAME, date(*day))
        for day in ((2024, 12, 25), (2031, 12, 25), (2025, 1, 5), (2026, 1, 5))
    ]
    assert found == [3, 3, 4, None]


def test_the_lowest_index_decides():
    meter = _bench(SpecialDay(9, CHRISTMAS.date, 9), SpecialDay(3, bytes.fromhex("ffff0cffff"), 5))
    assert special_day_of(meter.context, SPECIAL_DAYS_NAME, date(2024, 12, 25)) == 5
    assert _indices(meter) == [3, 9]


def test_an_entry_takes_the_place_of_the_same_index_or_date():
    meter = _bench(CHRISTMAS, ONCE)
    assert meter.act(NAME, 1, SpecialDay(1, bytes.fromhex("ffff0101ff"), 7).to_data()) is ActionResult.SUCCESS
    assert meter.act(NAME, 1, SpecialDay(8, ONCE.date, 8).to_data()) is ActionResult.SUCCESS
    assert meter.get(NAME, 2) == [(1, bytes.fromhex("ffff0101ff"), 7), (8, ONCE.date, 8)]


def test_deleting_needs_an_entry():
    meter = _bench(CHRISTMAS, ONCE)
    assert meter.act(NAME, 2, data.u16(1)) is ActionResult.SUCCESS
    assert meter.act(NAME, 2, data.u16(1)) is ActionResult.OTHER_REASON
    assert meter.act(NAME, 2, data.u8(2)) is ActionResult.TYPE_UNMATCHED
    assert _indices(meter) == [2]


def test_a_table_is_written_whole():
    meter = _bench()
    assert meter.set(NAME, 2, data.array([ONCE.to_data(), CHRISTMAS.to_data()])) is DataAccessResult.SUCCESS
    assert _indices(meter) == [1, 2]
    assert meter.set(NAME, 2, data.array([ONCE.to_data()] * 2)) is DataAccessResult.OTHER_REASON
    wrong = SpecialDay(1, b"\x07\xe8\x0d\x01\xff", 1).to_data()
    assert meter.set(NAME, 2, data.array([wrong])) is DataAccessResult.TYPE_UNMATCHED


def test_a_device_without_a_table_has_no_special_days():
    assert special_day_of(ObjectBench().context, SPECIAL_DAYS_NAME, date(2024, 12, 25)) is None


def test_gurux_reads_the_table():
    meter = _bench(ONCE, CHRISTMAS)
    peer = GXDLMSSpecialDaysTable(NAME)
    read_by_gurux(peer, 2, meter.encoded(NAME, 2))
    assert [(entry.index, entry.dayId) for entry in peer.entries] == [(1, 3), (2, 4)]
    assert (peer.entries[1].date.value.month, peer.entries[1].date.value.day) == (1, 5)

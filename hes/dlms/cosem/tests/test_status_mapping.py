import pytest

from hes.dlms import axdr, data
from hes.dlms.codes import DataAccessResult
from hes.dlms.cosem.captured.status_mapping import MappingTable, StatusEntry, StatusMapping, mapped, status_bits
from hes.dlms.cosem.tests.object_bench import ObjectBench
from hes.dlms.obis import Obis
from hes.errors import RemoteProtocolError

STATUS = "0.0.96.10.1.255"


def bench(table=MappingTable(1, 100)):  # noqa: B008
    word = StatusMapping(STATUS, lambda meter, _now_s: meter.values.get("word", axdr.encode(data.u8(0x81))), table)
    return ObjectBench(word)


def test_bits_stand_for_entries_one_after_the_other():
    meter = bench()
    entries = meter.device.find(Obis.parse(STATUS)).entries(meter.context)
    assert [entry.entry for entry in entries] == list(range(100, 108))
    assert [entry.entry for entry in entries if entry.is_set] == [100, 107]


def test_an_explicit_mapping_names_an_entry_for_each_bit():
    table = MappingTable(2, (7, 3))
    assert mapped(data.u8(0x40), table) == (StatusEntry(7, is_set=False), StatusEntry(3, is_set=True))


@pytest.mark.parametrize(
    ("word", "bits"),
    [
        (data.u8(1), "00000001"),
        (data.u16(0x8000), "1" + "0" * 15),
        (data.u32(1), "0" * 31 + "1"),
        (data.u64(1), "0" * 63 + "1"),
        (data.bits("101"), "101"),
        (data.octets(b"\x80\x01"), "1000000000000001"),
        (data.visible("A"), "01000001"),
        (data.utf8("A"), "01000001"),
    ],
)
def test_a_status_word_is_bits_whatever_its_type(word, bits):
    assert status_bits(word) == bits


def test_a_word_of_another_type_is_refused():
    with pytest.raises(RemoteProtocolError):
        status_bits(data.i8(1))


def test_the_mapping_table_is_read_as_it_was_written():
    meter = bench()
    for table in (MappingTable(3, 9), MappingTable(4, (1, 2, 3))):
        assert meter.set(STATUS, 3, table.to_data()) is DataAccessResult.SUCCESS
        assert meter.encoded(STATUS, 3) == axdr.encode(table.to_data())
    assert meter.set(STATUS, 3, data.structure(data.u8(1), data.u8(1))) is DataAccessResult.TYPE_UNMATCHED
    assert meter.set(STATUS, 2, data.u8(1)) is DataAccessResult.READ_WRITE_DENIED

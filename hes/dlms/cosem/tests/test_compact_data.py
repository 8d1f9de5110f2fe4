import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from hes.dlms import axdr, compact_array, data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem.captured.compact_data import (
    CaptureMethod,
    CompactData,
    CompactDataState,
    contents_of,
    describe,
    template_row,
    values_of,
)
from hes.dlms.cosem.tests.object_bench import ObjectBench, number
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis
from hes.dlms.selective_access import CaptureObject
from hes.dlms.tests import strategies
from hes.errors import LocalProtocolError, RemoteProtocolError

COMPACT, ENERGY, LIST = "0.0.66.0.1.255", "1.0.1.8.0.255", "0.0.96.60.0.255"
COLUMNS = (
    template_row(COMPACT),
    CaptureObject(1, Obis.parse(ENERGY), 2),
    CaptureObject(1, Obis.parse("0.0.42.0.0.255"), 2),
    CaptureObject(1, Obis.parse(LIST), 2),
)


def bench(version=0, **changes):
    state = CompactDataState(**{"columns": COLUMNS, "template_id": 66} | changes)
    meter = ObjectBench(number(ENERGY), number(LIST), CompactData(COMPACT, state, version=version))
    meter.set(ENERGY, 2, data.u32(0x01020304))
    meter.set(LIST, 2, data.array([data.u16(1), data.u16(2)]))
    return meter


def test_a_capture_packs_values_without_their_types():
    meter = bench()
    assert (meter.get(COMPACT, 2), meter.get(COMPACT, 5)) == (b"", b"")
    assert meter.act(COMPACT, 2) is ActionResult.SUCCESS
    assert meter.get(COMPACT, 2) == bytes.fromhex("42 01020304 04") + b"AML1" + bytes.fromhex("0001 0002")
    assert meter.get(COMPACT, 5) == bytes.fromhex("02 04 11 06 09 01 0002 12")


def test_a_client_reads_the_values_back_with_the_template():
    meter = bench()
    meter.act(COMPACT, 2)
    values = values_of(meter.get(COMPACT, 2), meter.get(COMPACT, 5))
    assert values == (
        data.u8(66),
        data.u32(0x01020304),
        data.octets(b"AML1"),
        data.array([data.u16(1), data.u16(2)]),
    )


def test_values_are_those_of_the_capture_or_of_the_reading():
    meter, implicit = bench(), bench(method=CaptureMethod.IMPLICIT)
    meter.act(COMPACT, 2)
    before = meter.get(COMPACT, 2)
    for each in (meter, implicit):
        each.set(ENERGY, 2, data.u32(5))
    assert meter.get(COMPACT, 2) == before
    assert values_of(implicit.get(COMPACT, 2), implicit.get(COMPACT, 5))[1] == data.u32(5)


def test_reset_and_new_columns_empty_the_buffer():
    meter = bench()
    meter.act(COMPACT, 2)
    meter.act(COMPACT, 1)
    assert meter.get(COMPACT, 2) == b""
    meter.act(COMPACT, 2)
    meter.set(COMPACT, 4, data.u8(7))
    assert (meter.get(COMPACT, 2), meter.get(COMPACT, 5)) == (b"", b"")
    columns = data.array([data.structure(data.u16(62), data.octets(Obis.parse(COMPACT)), data.i8(4), data.u16(0))])
    assert meter.set(COMPACT, 3, columns) is DataAccessResult.SUCCESS
    assert meter.encoded(COMPACT, 3) == axdr.encode(columns)
    meter.act(COMPACT, 2)
    assert meter.get(COMPACT, 2) == b"\x07"


def test_the_number_of_the_template_comes_first():
    meter = bench()
    column = data.structure(data.u16(1), data.octets(Obis.parse(ENERGY)), data.i8(2), data.u16(0))
    assert meter.set(COMPACT, 3, data.array([column])) is DataAccessResult.OTHER_REASON


def test_elements_and_what_cannot_be_read_or_described():
    lists = CaptureObject(1, Obis.parse(LIST), 2)
    columns = (
        template_row(COMPACT),
        lists._replace(data_index=2),
        lists._replace(data_index=9),
        CaptureObject(1, Obis.parse("9.9.9.9.9.9"), 2),
        CaptureObject(62, Obis.parse(COMPACT), 2),
        lists,
    )
    meter = bench(columns=columns)
    meter.set(LIST, 2, data.array([data.u16(1), data.u8(2)]))
    meter.act(COMPACT, 2)
    assert values_of(meter.get(COMPACT, 2), meter.get(COMPACT, 5)) == (data.u8(66), data.u8(2), *[data.null()] * 4)


def test_without_columns_or_with_nothing_to_read_the_buffer_is_empty():
    for columns in ((), (CaptureObject(1, Obis.parse("9.9.9.9.9.9"), 2),)):
        meter = bench(columns=columns, method=CaptureMethod.IMPLICIT)
        assert (meter.get(COMPACT, 2), meter.get(COMPACT, 5)) == (b"", b"")


@pytest.mark.parametrize(
    ("buffer", "template"),
    [("42", "0211"), ("42", "020211"), ("4200", "020111"), ("", "020111"), ("42", "11"), ("", "")],
)
def test_a_buffer_of_another_template_is_refused(buffer, template):
    with pytest.raises(RemoteProtocolError):
        values_of(bytes.fromhex(buffer), bytes.fromhex(template))


@given(st.binary(max_size=40), st.binary(max_size=20))
def test_arbitrary_octets_give_values_or_the_one_error(buffer, template):
    try:
        values = values_of(buffer, template)
    except RemoteProtocolError:
        return
    assert isinstance(values, tuple)


@given(st.lists(strategies.data(), min_size=1, max_size=4))
def test_what_can_be_described_comes_back(values):
    row = Data(Tag.STRUCTURE, (data.u8(1), *values))
    description = describe(row)
    if description is None:
        return
    template = compact_array.encode_description(description)
    try:
        contents = contents_of(description, row)
    except LocalProtocolError:
        event("many values that occupy no octets")
        return
    assert Data(Tag.STRUCTURE, values_of(contents, template)) == row

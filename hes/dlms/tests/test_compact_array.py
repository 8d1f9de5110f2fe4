"""Compact arrays: published octets, what a description may promise, and an independent implementation."""

import pytest
from hypothesis import given

from hes.dlms import axdr, compact_array
from hes.dlms.data import Tag, TypeDescription, array, null, structure, u8, u16, u32
from hes.dlms.data import compact_array as compact
from hes.dlms.tests.strategies import compact_arrays
from hes.errors import LocalProtocolError, RemoteProtocolError

U8 = TypeDescription(Tag.UNSIGNED)
U16 = TypeDescription(Tag.LONG_UNSIGNED)
NULL = TypeDescription(Tag.NULL)
PAIR = TypeDescription(Tag.STRUCTURE, 0, (U8, U16))


@pytest.mark.parametrize(
    ("hexed", "typed", "plain"),
    [
        ("131103010203", compact(U8, [u8(1), u8(2), u8(3)]), [1, 2, 3]),
        (
            "130202111206010102020304",
            compact(PAIR, [structure(u8(1), u16(0x0102)), structure(u8(2), u16(0x0304))]),
            [(1, 0x0102), (2, 0x0304)],
        ),
        (
            "1301000211" "0401020304",
            compact(TypeDescription(Tag.ARRAY, 2, (U8,)), [array([u8(1), u8(2)]), array([u8(3), u8(4)])]),
            [[1, 2], [3, 4]],
        ),
        (
            "13020200" "11" "020102",
            compact(TypeDescription(Tag.STRUCTURE, 0, (NULL, U8)), [structure(null(), u8(n)) for n in (1, 2)]),
            [(None, 1), (None, 2)],
        ),
        ("1300" "00", compact(NULL, []), []),
    ],
)  # fmt: skip
def test_published_and_worked_octets(hexed, typed, plain):
    encoded = bytes.fromhex(hexed)
    assert axdr.decode_all(encoded) == typed
    assert axdr.encode(typed) == encoded
    assert axdr.decode_value(encoded) == (plain, len(encoded))


@given(compact_arrays())
def test_compact_arrays_survive_the_way_through_octets(typed):
    assert axdr.decode_all(axdr.encode(typed)) == typed


@pytest.mark.parametrize(
    ("hexed", "why"),
    [
        ("13" "00" "01" "00", "null-data has no octets that contents could be"),
        ("13" "0200" "01" "00", "nor has an empty structure"),
        ("13" "0202" "11" "01FFFF00" "01" "00", "65535 null-data in one octet"),
        ("13" "0202" "11" "01FFFF01FFFF00" "01" "00", "4294836225 null-data in one octet"),
        ("13" "01FFFF01FFFF11" "02" "0000", "an array that the contents do not cover"),
        ("13" "12" "03" "000100", "an element cut off by the end of the contents"),
        ("13" "12" "03" "000100" "0002", "the same, with octets of something else behind"),
        ("13" "09" "02" "0541", "a string cut off by the end of the contents"),
        ("13" "13" "11" "01" "00", "a compact array in a compact array"),
        ("13" "63" "01" "00", "no type"),
        ("13" + "010001" * 17 + "11" + "0100", "nested too deeply"),
        ("13", "nothing"),
        ("1301", "no count"),
        ("13028111", "members that are not there"),
        ("1311", "no contents length"),
        ("13110201", "contents that are not there"),
    ],
)  # fmt: skip
def test_promises_that_the_contents_do_not_keep_are_refused(hexed, why):
    for reader in (axdr.decode, axdr.decode_value):
        with pytest.raises(RemoteProtocolError):
            reader(bytes.fromhex(hexed))


def test_a_hostile_description_cannot_buy_time_either():
    """A large description inside an array of no elements, and 60 000 elements: linear work or none."""
    inner = b"\x02\x82\x03\xe8" + b"\x11" * 1000
    octets = b"\x13\x02\x02\x11\x01\x00\x00" + inner + b"\x82\xea\x60" + bytes(60_000)
    value, end = axdr.decode_value(octets)
    assert end == len(octets)
    assert value == [(0, [])] * 60_000


@pytest.mark.parametrize(
    "wrong",
    [
        compact(U8, [u16(1)]),
        compact(PAIR, [structure(u8(1))]),
        compact(TypeDescription(Tag.ARRAY, 2, (U8,)), [array([u8(1)])]),
        compact(U8, [u8(256)]),
        compact(NULL, [null()]),
        compact(TypeDescription(Tag.ARRAY, 70_000, (U8,)), []),
        compact(TypeDescription(Tag.ARRAY, 1), []),
        compact(TypeDescription(Tag.COMPACT_ARRAY), []),
        compact(TypeDescription(Tag.UNSIGNED, 0, (U8,)), []),
    ],
)
def test_elements_that_do_not_follow_the_description_are_our_own_fault(wrong):
    with pytest.raises(LocalProtocolError):
        axdr.encode(wrong)


def test_weight_counts_octets_and_members_without_any():
    description = TypeDescription(Tag.STRUCTURE, 0, (U16, NULL, TypeDescription(Tag.ARRAY, 3, (NULL,))))
    assert compact_array.weigh(description) == (2, 1 + 3 + 1)


def test_gurux_reads_the_same_rows_of_numbers():
    from gurux_dlms.GXByteBuffer import GXByteBuffer
    from gurux_dlms.internal._GXCommon import _GXCommon
    from gurux_dlms.internal._GXDataInfo import _GXDataInfo

    row = TypeDescription(Tag.STRUCTURE, 0, (U8, U16, TypeDescription(Tag.DOUBLE_LONG_UNSIGNED)))
    typed = compact(row, [structure(u8(n), u16(257 * n), u32(70_000 * n)) for n in range(60)])
    encoded = axdr.encode(typed)
    theirs = _GXCommon.getData(None, GXByteBuffer(encoded), _GXDataInfo())
    assert [tuple(item) for item in theirs] == axdr.decode_value(encoded)[0]

"""Access selection: published octets and both directions."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms import axdr, selective_access
from hes.dlms.data import array, i8, null, octets, structure, u8, u16, u32
from hes.dlms.selective_access import CaptureObject, EntrySelection, RangeSelection
from hes.dlms.tests.strategies import damaged, outcome
from hes.errors import LocalProtocolError, RemoteProtocolError

CLOCK = CaptureObject(8, bytes.fromhex("0000010000FF"), 2)
ENERGY = CaptureObject(3, bytes.fromhex("0100010800FF"), 2)
FROM, TO = bytes.fromhex("07E80C0F07000000FF800000"), bytes.fromhex("07E80C1001000000FF800000")
OBJECTS = st.builds(
    CaptureObject,
    st.integers(0, 65535),
    st.binary(min_size=6, max_size=6),
    st.integers(-128, 127),
    st.integers(0, 65535),
)


class Descriptor(NamedTuple):
    class_id: int
    obis: bytes
    attribute: int


def test_the_published_selection_by_entry():
    assert selective_access.by_entry(1, 10) == bytes.fromhex("02 0204 0600000001 060000000A 120001 120000")
    assert selective_access.decode(selective_access.by_entry(1, 10)) == EntrySelection(1, 10, 1, 0)


def test_the_published_selection_by_range_of_the_clock():
    head = bytes.fromhex("01 0204 0204 120008 09060000010000FF 0F02 120000")
    expected = head + b"\x09\x0c" + FROM + b"\x09\x0c" + TO + b"\x01\x00"
    assert selective_access.by_range(CLOCK, FROM, TO) == expected
    assert selective_access.by_range(Descriptor(*CLOCK[:3]), FROM, TO) == expected
    assert selective_access.decode(memoryview(expected)) == RangeSelection(CLOCK, FROM, TO)


@given(OBJECTS, st.binary(max_size=12), st.binary(max_size=12), st.lists(OBJECTS, max_size=4))
def test_ranges_survive_the_way_through_octets(restricting, from_, to, columns):
    selection = selective_access.by_range(restricting, from_, to, columns)
    assert selective_access.decode(selection) == RangeSelection(restricting, from_, to, tuple(columns))


@given(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 65535), st.integers(0, 65535)))
def test_entries_survive_the_way_through_octets(numbers):
    assert selective_access.decode(selective_access.by_entry(*numbers)) == EntrySelection(*numbers)


def _range(restricting, from_, to, columns):
    return b"\x01" + axdr.encode(structure(restricting, from_, to, columns))


RESTRICTING = structure(u16(3), octets(ENERGY.obis), i8(2), u16(0))


def test_ends_may_be_numbers_or_open():
    selection = selective_access.decode(_range(RESTRICTING, u32(5), null(), array([])))
    assert selection == RangeSelection(ENERGY, 5, None)


@pytest.mark.parametrize(
    "selection",
    [
        b"",
        b"\x01",
        b"\x03" + selective_access.by_entry(1)[1:],
        selective_access.by_entry(1) + b"\x00",
        b"\x02" + axdr.encode(structure(u32(1), u32(1), u16(1))),
        b"\x02" + axdr.encode(structure(u16(1), u32(1), u16(1), u16(0))),
        b"\x01" + selective_access.by_entry(1)[1:],
        _range(RESTRICTING, u32(5), u32(6), null()),
        _range(RESTRICTING, u32(5), u32(6), array([u8(1)])),
        _range(RESTRICTING, u32(5), u32(6), array([RESTRICTING] * 257)),
        _range(structure(u16(3), octets(bytes(5)), i8(2), u16(0)), u32(5), u32(6), array([])),
    ],
)
def test_selections_of_another_form_are_refused(selection):
    with pytest.raises(RemoteProtocolError):
        selective_access.decode(selection)


@given(
    damaged(st.sampled_from((selective_access.by_entry(1, 10), selective_access.by_range(CLOCK, FROM, TO, [ENERGY]))))
)
def test_any_octets_give_a_selection_or_a_refusal(octets_given):
    outcome(selective_access.decode, octets_given)


def test_numbers_that_do_not_fit_are_our_own_fault():
    with pytest.raises(LocalProtocolError):
        selective_access.by_entry(2**32)

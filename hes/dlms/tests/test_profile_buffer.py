"""Profile buffers: the fast way must never say anything else than the generic decoder."""

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hes.dlms import axdr, profile_buffer
from hes.dlms.cosem_time import date_time_octets
from hes.dlms.data import Data, Tag, TypeDescription, array, compact_array, null, octets, structure, u8, u32, visible
from hes.dlms.tests.strategies import SCALAR_TAGS, VALUES, as_lists, comparable, damaged, data, outcome
from hes.errors import RemoteProtocolError

START_S = 1_700_000_100


def day(rows=96, change=None):
    """A day of a load profile: clock, status, four registers; `change` may replace the columns of a row."""
    built = []
    for row in range(rows):
        clock = octets(date_time_octets(START_S + 900 * row, -60, row % 2 * 0x80))
        columns = [clock, u8(row % 256), *(u32((row * 7919 * (n + 1)) % 2**32) for n in range(4))]
        built.append(structure(*(columns if change is None else change(row, columns))))
    return array(built)


def generic(encoded):
    """What the generic decoder makes of a buffer: rows, or None for a refusal (in the words of decode_rows)."""
    try:
        rows, end = axdr.decode_value(encoded)
    except RemoteProtocolError:
        return None
    compact_or_array = encoded[0] in (Tag.ARRAY, Tag.COMPACT_ARRAY)
    well_formed = compact_or_array and end == len(encoded) and all(isinstance(row, tuple) for row in rows)
    return rows if well_formed else None


def agree(encoded):
    expected, got = generic(encoded), outcome(profile_buffer.decode_rows, encoded)
    assert (expected is None) == (got is None)
    assert comparable(expected or []) == comparable(got or [])
    return got


def test_a_day_of_a_load_profile():
    encoded = axdr.encode(day())
    rows = agree(encoded)
    assert len(rows) == 96
    assert rows[1] == (date_time_octets(START_S + 900, -60, 0x80), 1, 7919, 15838, 23757, 31676)
    for kind in (bytearray, memoryview):
        assert profile_buffer.decode_rows(kind(encoded)) == rows


@pytest.mark.parametrize("rows", [0, 1, 2, 127, 128, 3000])
def test_buffers_of_any_length(rows):
    assert len(agree(axdr.encode(day(rows)))) == rows


CHANGES = {
    "null_clock_behind_the_first_row": lambda row, columns: [null() if row else columns[0], *columns[1:]],
    "null_clock_but_for_every_fourth_row": lambda row, columns: [null() if row % 4 else columns[0], *columns[1:]],
    "null_in_any_column": lambda row, columns: [null() if row % 6 == n else c for n, c in enumerate(columns)],
    "another_type_in_the_last_row": lambda row, columns: [*columns[:5], u8(7)] if row == 95 else columns,
    "one_column_less_in_the_middle": lambda row, columns: columns[:5] if row == 48 else columns,
    "a_longer_string": lambda row, columns: [octets(bytes(13)), *columns[1:]] if row == 48 else columns,
    "texts": lambda row, columns: [*columns, visible(f"r\u00e9{row % 10}")],
    "null_columns_at_both_ends": lambda row, columns: [null(), *columns, null()],
    "nothing_but_nulls": lambda row, columns: [null(), null()],
    "no_columns": lambda row, columns: [],
    "nested_data": lambda row, columns: [*columns, structure(u8(row % 256))],
    "long_strings": lambda row, columns: [*columns, octets(bytes(200))],
    "runs_of_ten": lambda row, columns: [null() if row // 10 % 2 else columns[0], *columns[1:]],
}


@pytest.mark.parametrize("name", CHANGES)
def test_irregular_buffers_have_the_same_values(name):
    rows = agree(axdr.encode(day(change=CHANGES[name])))
    assert len(rows) == 96


@pytest.mark.parametrize("tag", SCALAR_TAGS)
def test_every_type_can_be_a_column(tag):
    @given(st.lists(VALUES[tag], min_size=1, max_size=20))
    def check(values):
        agree(axdr.encode(array(structure(u8(1), Data(tag, value), u8(2)) for value in values)))

    check()


@st.composite
def tables(draw):
    """Rows of a few shapes, in runs."""
    shapes = draw(st.lists(st.lists(st.sampled_from(SCALAR_TAGS), max_size=5), min_size=1, max_size=3))
    rows = []
    for _ in range(draw(st.integers(0, 6))):
        shape = draw(st.sampled_from(shapes))
        row = structure(*(Data(tag, draw(VALUES[tag])) for tag in shape))
        rows += [row] * draw(st.sampled_from((1, 2, 9)))
    return array(rows)


@given(tables().map(axdr.encode) | damaged(tables().map(axdr.encode)) | damaged(data().map(axdr.encode)))
@example(b"\x01\x02\x02\x01\x0c\x01\xff\x02\x01\x0c\x01\x41")  # not UTF-8
@example(b"\x01\x84\xff\xff\xff\xff" + b"\x02\x00" * 20)
@example(b"\x01\x03\x02\x01\x11\x05\x02\x01\x11\x06\x11\x07")
@example(b"\x00")
@example(b"")
@example(b"\x01")
def test_any_octets_get_the_verdict_of_the_generic_decoder(encoded):
    agree(encoded)


def test_each_octet_of_a_day_can_be_wrong():
    """Every octet of three rows set to every one of a few values: the templates must notice whatever matters."""
    encoded = bytearray(axdr.encode(day(30)))
    for at in (*range(2, 42), *range(2 + 38 * 28, len(encoded))):
        kept = encoded[at]
        for octet in (0, 1, 2, 5, 6, 9, 12, 17, 18, 255):
            encoded[at] = octet
            agree(bytes(encoded))
        encoded[at] = kept


def test_a_compact_array_is_a_buffer_too():
    description = TypeDescription(
        Tag.STRUCTURE, 0, (TypeDescription(Tag.UNSIGNED), TypeDescription(Tag.DOUBLE_LONG_UNSIGNED))
    )
    encoded = axdr.encode(compact_array(description, [structure(u8(n), u32(n)) for n in range(3)]))
    assert profile_buffer.decode_rows(encoded) == [(0, 0), (1, 1), (2, 2)]
    with pytest.raises(RemoteProtocolError, match="left over"):
        profile_buffer.decode_rows(encoded + b"\x00")


def test_octets_behind_the_buffer_are_refused():
    with pytest.raises(RemoteProtocolError, match="left over"):
        profile_buffer.decode_rows(axdr.encode(day()) + b"\x00")


def test_a_buffer_that_ends_early_is_refused():
    encoded = axdr.encode(day())
    for end in range(0, len(encoded), 7):
        with pytest.raises(RemoteProtocolError):
            profile_buffer.decode_rows(encoded[:end])


def test_shapes_that_alternate_all_the_time_cost_no_more_than_the_generic_way():
    """Runs too short for templates are given up after a few, so that the work stays linear."""
    looked_at = []
    shape_at = profile_buffer._shape_at

    def counting(buffer, row):
        looked_at.append(row)
        return shape_at(buffer, row)

    profile_buffer._shape_at = counting
    try:
        agree(axdr.encode(day(1000, change=CHANGES["null_in_any_column"])))
    finally:
        profile_buffer._shape_at = shape_at
    assert len(looked_at) <= profile_buffer.SHORT_RUNS_MAX + 1


def test_dlms_cosem_reads_the_same_day():
    from dlms_cosem.utils import parse_as_dlms_data

    for change in (None, CHANGES["null_clock_behind_the_first_row"], CHANGES["null_in_any_column"]):
        encoded = axdr.encode(day(change=change))
        assert as_lists(parse_as_dlms_data(encoded)) == as_lists(profile_buffer.decode_rows(encoded))


def test_the_shape_of_a_row_is_its_tags_and_lengths():
    shape = profile_buffer._shape_at(axdr.encode(day(1)), 2)
    assert shape.size == struct.calcsize(">4x12sxBxIxIxIxI") == 38
    assert [at for at, _ in shape.places] == [0, 1, 2, 3, 16, 18, 23, 28, 33]

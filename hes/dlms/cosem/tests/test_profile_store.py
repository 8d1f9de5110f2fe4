"""What a new row pushes out and where it stands, against a model that sorts everything anew."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms import axdr, data
from hes.dlms.cosem import SortMethod
from hes.dlms.cosem.captured.profile_store import (
    StoredRow,
    column,
    compressed,
    element,
    number_of,
    rank_of,
    row_of,
    stored,
    trimmed,
)
from hes.dlms.cosem_time import date_time_octets, epoch_s

_KEYS = {
    SortMethod.LARGEST: lambda value: -value,
    SortMethod.SMALLEST: lambda value: value,
    SortMethod.NEAREST_TO_ZERO: abs,
    SortMethod.FARTHEST_FROM_ZERO: lambda value: -abs(value),
}


def _naive(values, method, entries):
    """The buffer after these captures: what is kept, in which order. A row that is lost never comes back."""
    kept = []
    for captured in enumerate(values):
        if method is SortMethod.FIFO:
            kept = [*kept, captured][-entries:]
        elif method is SortMethod.LIFO:
            kept = [captured, *kept][:entries]
        else:
            kept = sorted([*kept, captured], key=lambda each: (_KEYS[method](each[1]), each[0]))[:entries]
    return [f"{place}".encode() for place, _value in kept]


@given(st.sampled_from(SortMethod), st.lists(st.integers(-5, 5), max_size=20), st.integers(1, 6), st.integers(1, 6))
def test_the_buffer_is_that_of_the_naive_model(method, values, entries, fewer):
    rows = ()
    for place, value in enumerate(values):
        rows = stored(rows, StoredRow(rank_of(method, value), f"{place}".encode()), method, entries)
    assert [row.octets for row in rows] == _naive(values, method, entries)
    less = trimmed(rows, method, fewer)
    expected = rows[-fewer:] if method is SortMethod.FIFO else rows[:fewer]
    assert less == expected


def test_a_buffer_without_room_keeps_nothing():
    assert stored((), StoredRow(0, b"x"), SortMethod.FIFO, 0) == ()


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (data.u32(7), 7),
        (data.i8(-7), -7),
        (data.float32(0.5), 0.5),
        (data.bits("101"), 5),
        (data.bits(""), 0),
        (data.octets(date_time_octets(1_734_264_000)), 1_734_264_000),
        (data.octets(b"\xff" * 12), None),
        (data.octets(b"abc"), None),
        (data.visible("x"), None),
        (data.null(), None),
    ],
)
def test_what_a_value_sorts_by(value, number):
    assert number_of(axdr.encode(value), epoch_s) == number


def test_columns_and_elements_are_cut_without_being_built():
    values = [axdr.encode(each) for each in (data.u8(1), data.array([data.u16(2), data.octets(b"x")]), data.null())]
    row = row_of(values)
    assert axdr.decode_all(row).value == tuple(axdr.decode_all(each) for each in values)
    assert [column(row, index) for index in range(3)] == values
    assert element(values[1], 1) == axdr.encode(data.u16(2))
    assert element(values[1], 2) == axdr.encode(data.octets(b"x"))
    assert [element(values[1], index) for index in (0, 3)] == [None, None]
    assert element(values[0], 1) is None


def _row(stamp_s, value, status=0):
    return row_of([axdr.encode(data.octets(date_time_octets(stamp_s, 0, status))), axdr.encode(data.u32(value))])


def test_null_data_stands_for_what_the_row_before_tells():
    rows = [_row(0, 5), _row(900, 5), _row(1800, 6), _row(3600, 6), _row(3600, 6), _row(4500, 7, status=0x80)]
    short = [axdr.plain(axdr.decode_all(row)) for row in compressed(rows, 0, 900)]
    stamp = date_time_octets
    assert short == [
        (stamp(0), 5),
        (None, None),
        (None, 6),
        (stamp(3600), None),
        (stamp(3600), None),
        (stamp(4500, 0, 0x80), 7),
    ]
    assert compressed(rows[:1], 0, 900) == rows[:1]


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 2)), max_size=12), st.sampled_from([0, 900]))
def test_a_reader_gets_back_what_was_shortened(entries, period_s):
    rows = [_row(900 * place, value) for place, value in entries]
    restored, before = [], None
    for short in compressed(rows, 0, period_s):
        stamp, value = axdr.decode_all(short).value
        if before is not None:
            if stamp == data.null():
                stamp = data.octets(date_time_octets(epoch_s(before[0].value) + period_s))
            value = before[1] if value == data.null() else value
        before = (stamp, value)
        restored.append(axdr.encode(data.structure(stamp, value)))
    assert restored == rows

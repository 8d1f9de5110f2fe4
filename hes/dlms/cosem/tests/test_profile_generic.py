import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms import axdr, data, selective_access
from hes.dlms.codes import DataAccessResult
from hes.dlms.cosem import CaptureObject, ClientAccess, Context, ProfileGeneric, Role, capture_objects_from_value
from hes.dlms.cosem.profile_generic import cut_columns
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import strategies
from hes.errors import RemoteProtocolError

PROFILE = bm.DEVICE.find(bm.LOAD_PROFILE)
CONTEXT = Context(
    instance=bm.BenchMeter(),
    device=bm.DEVICE,
    client=ClientAccess(client_sap=2, role=Role.READER),
    now_s=bm.NOW_S,
)
ROWS = [axdr.decode_value(row)[0] for row in bm.rows(CONTEXT.instance, bm.NOW_S, None, None)]
CLOCK = bm.COLUMNS[0]


def read(selection=b"", profile=PROFILE):
    value = profile.get(CONTEXT, 2, selection)
    return axdr.decode_value(value)[0] if isinstance(value, bytes) else value


def stamp(offset_s):
    return bm.AMSTERDAM.octets(bm.NOW_S + offset_s)


def by_range(from_s, to_s, columns=()):
    return selective_access.by_range(CLOCK, stamp(from_s), stamp(to_s), columns)


def test_all_attributes_are_read():
    values = [axdr.decode_value(PROFILE.get(CONTEXT, index))[0] for index in range(1, 9)]
    assert values[0] == bm.LOAD_PROFILE
    assert values[1] == ROWS
    assert capture_objects_from_value(values[2]) == bm.COLUMNS
    assert values[3:5] == [900, 1]
    assert CaptureObject(*values[5]) == CLOCK
    assert values[6:] == [bm.ROWS, 4800]


@pytest.mark.parametrize(
    ("from_s", "to_s", "expected"),
    [
        (-900, 0, ROWS[-2:]),
        (-899, 0, ROWS[-1:]),
        (-900, -900, ROWS[-2:-1]),
        (-1000, -901, []),
        (0, -900, []),
        (-(10**7), 10**7, ROWS),
        (10**6, 10**7, []),
    ],
)
def test_ranges_take_in_both_ends(from_s, to_s, expected):
    assert read(by_range(from_s, to_s)) == expected


def test_ends_may_be_date_times_numbers_or_open():
    def selection(from_, to):
        return b"\x01" + axdr.encode(
            data.structure(
                data.structure(data.u16(8), data.octets(bm.CLOCK), data.i8(2), data.u16(0)), from_, to, data.array(())
            )
        )

    exact = read(selection(data.octets(stamp(-3600)), data.octets(stamp(0))))
    assert read(selection(data.date_time(stamp(-3600)), data.date_time(stamp(0)))) == exact
    assert read(selection(data.u32(bm.NOW_S - 3600), data.u32(bm.NOW_S))) == exact
    any_time = data.octets(b"\xff" * 9 + b"\x80\x00\xff")
    assert read(selection(data.octets(stamp(-3600)), any_time)) == exact
    assert read(selection(any_time, data.null())) == ROWS
    for wrong in (data.octets(b"\x07\xe8"), data.boolean(True), data.octets(stamp(0)[:2] + b"\xff" * 10)):
        assert read(selection(wrong, any_time)) is DataAccessResult.TYPE_UNMATCHED


def test_columns_come_in_the_order_of_the_profile():
    chosen = read(by_range(-900, 0, (bm.COLUMNS[4], CLOCK, bm.COLUMNS[4])))
    assert chosen == [(row[0], row[4]) for row in ROWS[-2:]]
    assert read(by_range(-900, 0, bm.COLUMNS)) == ROWS[-2:]


def test_what_the_profile_has_not_is_undefined():
    unknown = CaptureObject(3, bm.MAX_DEMAND, 2)
    assert read(by_range(-900, 0, (CLOCK, unknown))) is DataAccessResult.OBJECT_UNDEFINED
    selection = selective_access.by_range(bm.COLUMNS[2], stamp(0), stamp(0))
    assert read(selection) is DataAccessResult.OBJECT_UNDEFINED


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ((1, 0), ROWS),
        ((0, 0), ROWS),
        ((1, 1), ROWS[:1]),
        ((2, 4), ROWS[1:4]),
        ((96, 200), ROWS[95:]),
        ((97, 0), []),
        ((5, 4), []),
        ((1, 2, 1, 0), ROWS[:2]),
        ((1, 2, 1, 6), ROWS[:2]),
        ((1, 2, 2, 3), [row[1:3] for row in ROWS[:2]]),
        ((1, 2, 6, 99), [row[5:] for row in ROWS[:2]]),
        ((1, 2, 7, 0), []),
    ],
)
def test_entries_and_columns_count_from_one(entries, expected):
    assert read(selective_access.by_entry(*entries)) == expected


@pytest.mark.parametrize("selection", [b"\x01", b"\x02\x11\x01", b"\x01\x02\x04\x00\x00\x00\x00", b"\x02\x02\x00\x00"])
def test_a_selection_of_another_shape_is_type_unmatched(selection):
    assert read(selection) is DataAccessResult.TYPE_UNMATCHED


def test_another_selector_is_out_of_scope():
    assert read(b"\x03\x00") is DataAccessResult.SCOPE_OF_ACCESS_VIOLATED


def test_an_entry_reader_is_asked_for_what_is_needed():
    asked = []

    def entry_rows(_meter, _now_s, first, last):
        asked.append((first, last))
        return [bm.row(900)] * (last - first + 1)

    profile = ProfileGeneric(
        bm.LOAD_PROFILE,
        rows=lambda *_: pytest.fail("the whole buffer was asked for"),
        entries=lambda *_: 10_000,
        entry_rows=entry_rows,
        capture_objects=bm.COLUMNS,
        capture_period_s=900,
        profile_entries=10_000,
    )
    assert len(read(selective_access.by_entry(9_999, 0), profile)) == 2
    assert asked == [(9_999, 10_000)]


@given(
    st.lists(st.lists(strategies.data(compact=False), min_size=4, max_size=4), max_size=3),
    st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True).map(sorted),
)
def test_cutting_columns_is_decoding_and_encoding(table, columns):
    rows = [axdr.encode(data.structure(*row)) for row in table]
    expected = [axdr.encode(data.structure(*[row[column] for column in columns])) for row in table]
    assert cut_columns(rows, columns) == expected


def test_rows_of_one_length_and_other_layouts_are_cut_right():
    """Two rows of the same length whose columns start in other places."""
    table = [
        (data.octets(b"abc"), data.octets(b"d"), data.u8(1)),
        (data.octets(b"a"), data.octets(b"bcd"), data.u8(1)),
        (data.u16(1), data.octets(b"ab"), data.u8(1)),
    ]
    rows = [axdr.encode(data.structure(*row)) for row in table]
    assert len({len(row) for row in rows[:2]}) == 1
    assert cut_columns(rows, [1]) == [axdr.encode(data.structure(row[1])) for row in table]


@pytest.mark.parametrize("row", [b"", b"\x11\x01", b"\x02\x01\x11\x01"])
def test_a_row_without_the_columns_is_an_error(row):
    with pytest.raises(RemoteProtocolError):
        cut_columns([row], [1])


@pytest.mark.parametrize("value", [7, [(1, 2)], [(8, b"short", 2, 0)], [("8", bm.CLOCK, 2, 0)]])
def test_a_list_of_columns_of_another_shape_is_an_error(value):
    with pytest.raises(RemoteProtocolError):
        capture_objects_from_value(value)

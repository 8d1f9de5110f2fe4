"""A profile that captures by itself: by period and by method, sorted, selected, emptied by what changes it."""

import pytest
from gurux_dlms.enums import ObjectType
from gurux_dlms.objects import GXDLMSProfileGeneric

from hes.dlms import axdr, cosem_time, data, selective_access
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem import CaptureObject, DataObject, SortMethod
from hes.dlms.cosem.captured.stored_profile import NO_OBJECT, ProfileState, StoredProfile
from hes.dlms.cosem.tests.gurux_values import read_by_gurux
from hes.dlms.cosem.tests.object_bench import number
from hes.dlms.cosem.tests.schedule_bench import bench
from hes.dlms.cosem_time import CosemDateTime, date_time_octets
from hes.dlms.obis import Obis
from hes.dlms.profile_buffer import decode_rows

NAME, OTHER = Obis.parse("1.0.99.1.0.255"), Obis.parse("1.0.99.2.0.255")
POWER, TABLE, CLOCK = Obis.parse("0.0.96.50.1.255"), Obis.parse("0.0.96.50.2.255"), Obis.parse("0.0.1.0.0.255")
NOON_S = 1_734_264_000  # Sunday 2024-12-15 13:00 in Amsterdam
MARCH_S, OCTOBER_S = 1_711_839_600, 1_729_980_000  # midnights before the clock changes
HOUR_S, DAY_S = 3600, 86_400
TIME = CaptureObject(8, CLOCK, 2)
VALUE = CaptureObject(1, POWER, 2)
COUNT = axdr.encode(data.structure(data.u8(1), data.octets(b"two"), data.array([data.u8(3)])))


def _power():
    return number(str(POWER))


def _bench(*, start_s=NOON_S, columns=(TIME, VALUE), others=(), compress=False, **changes):
    state = ProfileState(**{"capture_objects": columns, "period_s": 900, "entries": 8, **changes})
    fixed = DataObject(TABLE, COUNT)
    profile = StoredProfile(NAME, state, compress=compress, entries_max=100)
    meter = bench(_power(), fixed, profile, *others, start_s=start_s)
    _set(meter, 0)
    return meter


def _set(meter, value):
    assert meter.set(str(POWER), 2, data.i32(value)) is DataAccessResult.SUCCESS


def _rows(meter, selection=b"", name=NAME):
    encoded = meter.device.find(name).get(meter.context, 2, selection)
    return encoded if isinstance(encoded, DataAccessResult) else decode_rows(encoded)


def _stamps(meter):
    return [str(CosemDateTime.from_octets(row[0]))[15:20] for row in _rows(meter)]


def test_rows_are_captured_at_the_borders_of_the_period():
    meter = _bench()
    assert meter.deadline() == 900
    meter.wait(1000)
    _set(meter, 7)
    meter.wait(1000)
    assert [row[1] for row in _rows(meter)] == [0, 7]
    assert _stamps(meter) == ["13:15", "13:30"]
    assert (meter.get(str(NAME), 7), meter.get(str(NAME), 8)) == (2, 8)


def test_the_buffer_is_a_ring():
    meter = _bench(entries=3)
    meter.wait(2 * HOUR_S)
    assert _stamps(meter) == ["14:30", "14:45", "15:00"]
    assert meter.get(str(NAME), 7) == 3


def test_days_have_92_and_100_quarters_when_the_clock_changes():
    for start_s, hours, quarters in ((MARCH_S, 23, 92), (OCTOBER_S, 25, 100)):
        meter = _bench(start_s=start_s, entries=200)
        meter.wait(hours * HOUR_S)
        rows = _rows(meter)
        assert len(rows) == quarters
        stamps = [cosem_time.epoch_s(row[0]) for row in rows]
        assert stamps == list(range(start_s + 900, start_s + hours * HOUR_S + 1, 900))
        assert CosemDateTime.from_octets(rows[-1][0]).hour == 0


def test_daily_rows_are_captured_at_local_midnight():
    meter = _bench(start_s=MARCH_S - 12 * HOUR_S, period_s=DAY_S)
    meter.wait(3 * DAY_S)
    assert _stamps(meter) == ["00:00", "00:00", "00:00"]
    hours = [cosem_time.epoch_s(row[0]) % DAY_S // HOUR_S for row in _rows(meter)]
    assert hours == [23, 22, 22]


def test_without_a_period_rows_come_by_method_only():
    meter = _bench(period_s=0)
    assert meter.deadline() is None
    _set(meter, 5)
    assert meter.act(str(NAME), 2) is ActionResult.SUCCESS
    assert meter.act(str(NAME), 2, data.octets(b"")) is ActionResult.TYPE_UNMATCHED
    assert [row[1] for row in _rows(meter)] == [5]
    assert meter.act(str(NAME), 1) is ActionResult.SUCCESS
    assert _rows(meter) == []


@pytest.mark.parametrize(
    ("method", "kept"),
    [
        (SortMethod.FIFO, [9, -1, 3]),
        (SortMethod.LIFO, [3, -1, 9]),
        (SortMethod.LARGEST, [9, 4, 3]),
        (SortMethod.SMALLEST, [-8, -1, 3]),
        (SortMethod.NEAREST_TO_ZERO, [-1, 3, 4]),
        (SortMethod.FARTHEST_FROM_ZERO, [9, -8, 4]),
    ],
)
def test_sort_methods_keep_the_most_important_rows(method, kept):
    meter = _bench(period_s=0, entries=3, sort_method=method, sort_object=VALUE)
    for value in (4, -8, 9, -1, 3):
        _set(meter, value)
        meter.act(str(NAME), 2)
    assert [row[1] for row in _rows(meter)] == kept


def test_elements_of_a_structure_are_captured_by_their_index():
    columns = tuple(CaptureObject(1, TABLE, 2, index) for index in (0, 1, 2, 3, 4, 0x1001))
    meter = _bench(period_s=0, columns=columns)
    meter.act(str(NAME), 2)
    (row,) = _rows(meter)
    assert row == ((1, b"two", [3]), 1, b"two", [3], None, None)


def test_an_object_that_is_not_there_is_null_data():
    meter = _bench(period_s=0, columns=(CaptureObject(3, Obis(bytes(6)), 2), VALUE))
    meter.act(str(NAME), 2)
    assert _rows(meter) == [(None, 0)]


def _columns_data(*columns):
    return data.array(
        data.structure(data.u16(c.class_id), data.octets(c.obis), data.i8(c.attribute), data.u16(c.data_index))
        for c in columns
    )


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        (3, _columns_data(VALUE)),
        (4, data.u32(60)),
        (5, data.enum(2)),
        (6, _columns_data(TIME).value[0]),
    ],
)
def test_what_the_rows_depend_on_empties_the_buffer(attribute, value):
    meter = _bench()
    meter.wait(HOUR_S)
    assert meter.set(str(NAME), attribute, value) is DataAccessResult.SUCCESS
    assert _rows(meter) == []
    assert axdr.decode_all(meter.encoded(str(NAME), attribute)) == value


def test_other_columns_empty_a_profile_that_captures_this_one():
    outer = StoredProfile(OTHER, ProfileState(capture_objects=(CaptureObject(7, NAME, 2),), entries=5))
    meter = _bench(others=(outer,))
    meter.wait(900)
    meter.act(str(OTHER), 2)
    assert len(_rows(meter, name=OTHER)[0][0]) == 1
    meter.set(str(NAME), 3, _columns_data(VALUE))
    assert _rows(meter, name=OTHER) == []


def test_fewer_entries_keep_the_newest_rows():
    meter = _bench()
    meter.wait(HOUR_S)
    assert meter.set(str(NAME), 8, data.u32(2)) is DataAccessResult.SUCCESS
    assert _stamps(meter) == ["13:45", "14:00"]
    assert meter.set(str(NAME), 8, data.u32(101)) is DataAccessResult.OTHER_REASON
    assert meter.set(str(NAME), 8, data.u32(0)) is DataAccessResult.OTHER_REASON


@pytest.mark.parametrize(
    ("attribute", "value", "result"),
    [
        (2, data.array(()), DataAccessResult.READ_WRITE_DENIED),
        (3, data.array([data.null()]), DataAccessResult.TYPE_UNMATCHED),
        (4, data.u16(1), DataAccessResult.TYPE_UNMATCHED),
        (5, data.enum(7), DataAccessResult.TYPE_UNMATCHED),
        (6, _columns_data(CaptureObject(3, POWER, 2)).value[0], DataAccessResult.OTHER_REASON),
        (6, _columns_data(NO_OBJECT).value[0], DataAccessResult.SUCCESS),
        (7, data.u32(1), DataAccessResult.READ_WRITE_DENIED),
    ],
)
def test_values_that_a_profile_cannot_have_are_refused(attribute, value, result):
    assert _bench().set(str(NAME), attribute, value) is result


def _filled():
    meter = _bench()
    for value in (3, 1, 2, 5):
        _set(meter, value)
        meter.wait(900)
    return meter


def _stamp(seconds):
    return date_time_octets(NOON_S + seconds, -60)


def test_rows_are_selected_by_time():
    meter = _filled()
    assert [row[1] for row in _rows(meter, selective_access.by_range(TIME, _stamp(1800), _stamp(2700)))] == [1, 2]
    one_column = selective_access.by_range(TIME, _stamp(2701), _stamp(9999), [VALUE])
    assert _rows(meter, one_column) == [(5,)]
    assert _rows(meter, selective_access.by_range(TIME, _stamp(5000), _stamp(9999))) == []


def _by_value(low, high, columns=()):
    parameters = data.structure(_columns_data(VALUE).value[0], low, high, _columns_data(*columns))
    return b"\x01" + axdr.encode(parameters)


def test_rows_are_selected_by_a_number():
    meter = _filled()
    assert [row[1] for row in _rows(meter, _by_value(data.i32(2), data.i32(3)))] == [3, 2]
    assert [row[1] for row in _rows(meter, _by_value(data.null(), data.i32(2)))] == [1, 2]
    assert _rows(meter, _by_value(data.i32(5), data.i32(5), [VALUE])) == [(5,)]


def test_rows_and_columns_are_selected_by_number():
    meter = _filled()
    assert [row[1] for row in _rows(meter, selective_access.by_entry(2, 3))] == [1, 2]
    assert _rows(meter, selective_access.by_entry(4, 0, 2, 0)) == [(5,)]
    assert _rows(meter, selective_access.by_entry(5, 9)) == []


@pytest.mark.parametrize(
    ("selection", "result"),
    [
        (
            selective_access.by_range(CaptureObject(3, POWER, 2), _stamp(0), _stamp(1)),
            DataAccessResult.OBJECT_UNDEFINED,
        ),
        (
            selective_access.by_range(TIME, _stamp(0), _stamp(1), [CaptureObject(3, POWER, 2)]),
            DataAccessResult.OBJECT_UNDEFINED,
        ),
        (_by_value(data.octets(b"x"), data.null()), DataAccessResult.TYPE_UNMATCHED),
        (b"\x01\x00", DataAccessResult.TYPE_UNMATCHED),
        (b"\x05\x00", DataAccessResult.SCOPE_OF_ACCESS_VIOLATED),
    ],
)
def test_selections_that_name_nothing_are_refused(selection, result):
    assert _rows(_filled(), selection) is result


def test_null_data_shortens_the_buffer():
    meter = _bench(compress=True)
    meter.wait(HOUR_S)
    rows = _rows(meter)
    assert [row[1] for row in rows] == [0, None, None, None]
    assert rows[0][0] == _stamp(900)
    assert [row[0] for row in rows[1:]] == [None] * 3
    assert _rows(meter, selective_access.by_entry(2, 2)) == [(_stamp(1800), 0)]


def test_untouched_profiles_take_no_room():
    meter = _bench()
    assert NAME not in dict(meter.meter.states)


def test_gurux_reads_a_captured_profile():
    meter = _filled()
    peer = GXDLMSProfileGeneric(str(NAME))
    for attribute in (3, 4, 5, 6, 7, 8, 2):
        read_by_gurux(peer, attribute, meter.encoded(str(NAME), attribute))
    assert [(int(target.objectType), target.logicalName) for target, _ in peer.captureObjects] == [
        (int(ObjectType.CLOCK), str(CLOCK)),
        (int(ObjectType.DATA), str(POWER)),
    ]
    assert (peer.capturePeriod, peer.entriesInUse, peer.profileEntries) == (900, 4, 8)
    assert [row[1] for row in peer.buffer] == [3, 1, 2, 5]
    assert peer.buffer[0][0].value.minute == 15

import pytest

from hes.dlms import axdr, data
from hes.dlms.codes import ActionResult
from hes.dlms.cosem import ClientAccess, Context, DataObject, Role
from hes.dlms.cosem.control.array_manager import ArrayManager, ArrayManagerState, ManagedArray
from hes.dlms.cosem.control.monitored_value import AttributeReference
from hes.dlms.cosem.tests.object_bench import NOW_S, ObjectBench, number
from hes.dlms.obis import Obis
from hes.dlms.tests.bench_meter import COLUMNS, LOAD_PROFILE, ROWS, objects

MANAGER, LIST, SECRET, PROFILE = "0.0.18.0.0.255", "0.0.96.60.0.255", "0.0.96.61.0.255", str(LOAD_PROFILE)
ARRAYS = ArrayManagerState(
    (
        ManagedArray(1, AttributeReference(1, Obis.parse(LIST), 2)),
        ManagedArray(2, AttributeReference(1, Obis.parse(SECRET), 2)),
        ManagedArray(3, AttributeReference(7, LOAD_PROFILE, 2)),
        ManagedArray(4, AttributeReference(3, Obis.parse(LIST), 2)),
    )
)


def bench(values=(1, 2, 3, 4)):
    secret = DataObject(SECRET, data.array([data.u8(1)]), readable=Role.MANAGEMENT)
    (profile,) = (entry for entry in objects() if entry.logical_name == LOAD_PROFILE)
    meter = ObjectBench(number(LIST), secret, profile, ArrayManager(MANAGER, ARRAYS))
    meter.set(LIST, 2, data.array(map(data.u8, values)))
    return meter


def span(array, first, last):
    return data.structure(data.u8(array), data.structure(data.u16(first), data.u16(last)))


def placed(array, index, value):
    return data.structure(data.u8(array), data.structure(data.u16(index), data.u8(value)))


def answer(meter, method, parameters):
    reply = meter.ask(MANAGER, method, parameters)
    return reply.result if reply.data is None else axdr.decode_value(reply.data)[0]


def test_entries_are_counted_and_retrieved():
    meter = bench()
    assert answer(meter, 1, data.u8(1)) == 4
    assert answer(meter, 2, span(1, 2, 3)) == [2, 3]
    assert answer(meter, 2, span(1, 3, 99)) == [3, 4]
    assert answer(meter, 2, span(1, 0, 2)) is ActionResult.OTHER_REASON
    assert answer(meter, 2, span(1, 3, 2)) is ActionResult.OTHER_REASON


@pytest.mark.parametrize(
    ("index", "expected"),
    [(0, [9, 1, 2, 3, 4]), (1, [1, 9, 2, 3, 4]), (4, [1, 2, 3, 4, 9]), (500, [1, 2, 3, 4, 9])],
)
def test_an_entry_is_inserted_behind_its_index(index, expected):
    meter = bench()
    assert answer(meter, 3, placed(1, index, 9)) is ActionResult.SUCCESS
    assert meter.get(LIST, 2) == expected


def test_an_entry_is_updated_and_a_range_removed():
    meter = bench()
    assert answer(meter, 4, placed(1, 4, 9)) is ActionResult.SUCCESS
    assert answer(meter, 4, placed(1, 5, 9)) is ActionResult.OTHER_REASON
    assert answer(meter, 5, span(1, 2, 3)) is ActionResult.SUCCESS
    assert meter.get(LIST, 2) == [1, 9]
    assert answer(meter, 5, span(1, 3, 3)) is ActionResult.OTHER_REASON


def test_the_rights_are_those_of_the_array():
    meter = bench()
    reader = ClientAccess(client_sap=2, role=Role.READER)
    context = Context(instance=meter.meter, device=meter.device, client=reader, now_s=NOW_S)
    manager = meter.device.find(Obis.parse(MANAGER))

    def act(method, parameters):
        return manager.act(context, method, axdr.encode(parameters)).result

    assert act(1, data.u8(1)) is ActionResult.SUCCESS
    assert act(3, placed(1, 1, 9)) is ActionResult.READ_WRITE_DENIED
    assert act(1, data.u8(2)) is ActionResult.READ_WRITE_DENIED
    assert answer(meter, 3, placed(2, 1, 9)) is ActionResult.READ_WRITE_DENIED  # nobody may write it


def test_a_profile_is_read_by_entry():
    meter = bench()
    assert answer(meter, 1, data.u8(3)) == ROWS
    rows = answer(meter, 2, span(3, 2, 3))
    assert [len(row) for row in rows] == [len(COLUMNS)] * 2
    assert rows == meter.get(PROFILE, 2)[1:3]


def test_what_is_no_array_or_not_there_is_refused():
    meter = bench()
    assert answer(meter, 1, data.u8(4)) is ActionResult.OBJECT_UNDEFINED  # another class
    assert answer(meter, 1, data.u8(9)) is ActionResult.OBJECT_UNDEFINED
    assert answer(meter, 1, data.u16(1)) is ActionResult.TYPE_UNMATCHED
    meter.set(LIST, 2, data.u8(1))
    assert answer(meter, 1, data.u8(1)) is ActionResult.TYPE_UNMATCHED
    assert answer(meter, 5, span(1, 1, 1)) is ActionResult.TYPE_UNMATCHED


def test_the_list_of_arrays_is_read_as_it_was_written():
    meter = bench()
    value = data.array([ARRAYS.arrays[0].to_data()])
    meter.set(MANAGER, 2, value)
    assert meter.encoded(MANAGER, 2) == axdr.encode(value)
    assert answer(meter, 1, data.u8(2)) is ActionResult.OBJECT_UNDEFINED

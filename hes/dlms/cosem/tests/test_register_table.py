"""One attribute of many objects side by side."""

from hes.dlms import data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem import ScalerUnit
from hes.dlms.cosem.captured.register_table import CellDefinition, RegisterTable
from hes.dlms.cosem.tests.object_bench import ObjectBench, number
from hes.dlms.obis import Obis

NAME = "1.0.98.10.1.255"
TARIFFS = CellDefinition(1, Obis.parse("1.0.1.8.255.255"), (1, 2, 9), 2)


def _bench():
    meter = ObjectBench(
        RegisterTable(NAME, TARIFFS, ScalerUnit(0, 30)), number("1.0.1.8.1.255"), number("1.0.1.8.2.255")
    )
    meter.set("1.0.1.8.1.255", 2, data.u32(11))
    meter.set("1.0.1.8.2.255", 2, data.u32(22))
    return meter


def test_capturing_copies_what_the_objects_say_now():
    meter = _bench()
    assert meter.get(NAME, 2) == []
    assert meter.act(NAME, 2) is ActionResult.SUCCESS
    meter.set("1.0.1.8.1.255", 2, data.u32(99))
    assert meter.get(NAME, 2) == [11, 22, None]
    assert meter.act(NAME, 1) is ActionResult.SUCCESS
    assert meter.get(NAME, 2) == []


def test_another_definition_empties_the_table():
    meter = _bench()
    meter.act(NAME, 2)
    new = CellDefinition(1, TARIFFS.logical_name, (2,), 2)
    assert meter.set(NAME, 3, new.to_data()) is DataAccessResult.SUCCESS
    assert meter.get(NAME, 2) == []
    meter.act(NAME, 2)
    assert meter.get(NAME, 2) == [22]
    assert meter.set(NAME, 3, data.structure()) is DataAccessResult.TYPE_UNMATCHED
    assert meter.act(NAME, 1, data.octets(b"")) is ActionResult.TYPE_UNMATCHED
    assert meter.get(NAME, 4) == (0, 30)


def test_the_definition_is_as_declared():
    declared = RegisterTable(NAME, TARIFFS, ScalerUnit(0, 30)).interface_class
    assert declared.mismatch(3, TARIFFS.to_data()) is None

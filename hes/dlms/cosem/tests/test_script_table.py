"""Scripts: what they do to other objects of the device, in which order, and how they end."""

import pytest
from gurux_dlms.enums import DataType, ObjectType
from gurux_dlms.objects import GXDLMSScript, GXDLMSScriptAction, GXDLMSScriptTable
from gurux_dlms.objects.enums import ScriptActionType

from hes.dlms import axdr, data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem import ObjectAction, Role, ServiceId
from hes.dlms.cosem.calendar.script_table import Script, ScriptTable
from hes.dlms.cosem.tests.gurux_octets import gurux_octets
from hes.dlms.cosem.tests.object_bench import ObjectBench, number
from hes.dlms.obis import Obis

TABLE = Obis.parse("0.0.10.0.0.255")
ONE, TWO = (Obis.parse(f"0.0.96.50.{index}.255") for index in (1, 2))


def _write(name, value):
    return ObjectAction(ServiceId.WRITE, 1, name, 2, data.u32(value))


SCRIPTS = (
    Script(1, (_write(ONE, 11), _write(TWO, 12))),
    Script(2, (_write(Obis(bytes(6)), 1), _write(TWO, 22))),
    Script(3, (ObjectAction(ServiceId.EXECUTE, 9, TABLE, 1, data.u16(1)),)),
    Script(4, ()),
    Script(5, (ObjectAction(ServiceId.EXECUTE, 9, TABLE, 1, data.u16(5)),)),
)


def _bench(**changes):
    return ObjectBench(ScriptTable(TABLE, SCRIPTS, **changes), number(ONE), number(TWO))


def test_a_script_does_all_its_actions_in_order():
    meter = _bench()
    assert meter.act(TABLE.__str__(), 1, data.u16(1)) is ActionResult.SUCCESS
    assert (meter.get(str(ONE), 2), meter.get(str(TWO), 2)) == (11, 12)
    assert list(meter.meter.values) == [ONE, TWO]


def test_an_action_that_fails_is_the_result_and_the_rest_is_done():
    meter = _bench()
    assert meter.act(str(TABLE), 1, data.u16(2)) is ActionResult.OBJECT_UNDEFINED
    assert meter.get(str(TWO), 2) == 22


def test_a_script_may_set_off_another():
    meter = _bench()
    assert meter.act(str(TABLE), 1, data.u16(3)) is ActionResult.SUCCESS
    assert meter.get(str(ONE), 2) == 11


def test_a_script_that_sets_off_itself_comes_to_an_end():
    assert _bench().act(str(TABLE), 1, data.u16(5)) is ActionResult.TEMPORARY_FAILURE


@pytest.mark.parametrize(
    ("parameters", "result"),
    [
        (data.u16(4), ActionResult.SUCCESS),
        (data.u16(9), ActionResult.OBJECT_UNDEFINED),
        (data.u16(0), ActionResult.OBJECT_UNDEFINED),
        (data.u8(1), ActionResult.TYPE_UNMATCHED),
        (None, ActionResult.TYPE_UNMATCHED),
    ],
)
def test_selectors(parameters, result):
    assert _bench().act(str(TABLE), 1, parameters) is result


def test_scripts_are_those_of_the_profile_unless_they_can_be_written():
    new = data.array([Script(7, (_write(ONE, 77),)).to_data()])
    assert _bench().set(str(TABLE), 2, new) is DataAccessResult.READ_WRITE_DENIED
    meter = _bench(writable=Role.MANAGEMENT)
    assert meter.set(str(TABLE), 2, data.array([data.u16(7)])) is DataAccessResult.TYPE_UNMATCHED
    assert meter.set(str(TABLE), 2, new) is DataAccessResult.SUCCESS
    assert meter.act(str(TABLE), 1, data.u16(7)) is ActionResult.SUCCESS
    assert meter.get(str(ONE), 2) == 77
    assert meter.act(str(TABLE), 1, data.u16(1)) is ActionResult.OBJECT_UNDEFINED


def test_scripts_are_written_as_gurux_writes_them():
    peer = GXDLMSScriptTable(str(TABLE))
    script, action = GXDLMSScript(), GXDLMSScriptAction()
    script.id = 1
    action.type_, action.objectType, action.logicalName = ScriptActionType.WRITE, ObjectType.DATA, str(ONE)
    action.index, action.parameterDataType, action.parameter = 2, DataType.UINT32, 11
    script.actions.append(action)
    peer.scripts.append(script)
    ours = ScriptTable(TABLE, (Script(1, (_write(ONE, 11),)),))
    assert axdr.encode(data.array([ours.initial.scripts[0].to_data()])) == gurux_octets(peer, 2)

"""Which registers count: masks, assignments, and a calendar that switches them."""

import pytest
from gurux_dlms.objects import GXDLMSRegisterActivation

from hes.dlms import data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem import ObjectAction, Register, ScalerUnit, ServiceId
from hes.dlms.cosem.calendar.register_activation import (
    ActivationState,
    AssignedRegister,
    Mask,
    RegisterActivation,
    counts,
)
from hes.dlms.cosem.calendar.script_table import Script, ScriptTable
from hes.dlms.cosem.tests.gurux_values import read_by_gurux
from hes.dlms.cosem.tests.object_bench import ObjectBench
from hes.dlms.obis import Obis

NAME = Obis.parse("0.0.14.0.1.255")
TABLE = Obis.parse("0.0.10.0.100.255")
TOTAL, DAY, NIGHT = (Obis.parse(f"1.0.1.8.{tariff}.255") for tariff in range(3))
TARIFFS = ActivationState(
    registers=(AssignedRegister(3, DAY), AssignedRegister(3, NIGHT)),
    masks=(Mask(b"day", (1,)), Mask(b"night", (2,))),
    active_mask=b"day",
)


def _bench(initial=TARIFFS):
    scripts = [
        Script(number, (ObjectAction(ServiceId.WRITE, 6, NAME, 4, data.octets(mask)),))
        for number, mask in ((1, b"day"), (2, b"night"))
    ]
    registers = [Register(name, data.u32(0), ScalerUnit(0, 30)) for name in (TOTAL, DAY, NIGHT)]
    return ObjectBench(RegisterActivation(NAME, initial), ScriptTable(TABLE, scripts), *registers)


def _counting(meter):
    return [name for name in (TOTAL, DAY, NIGHT) if counts(meter.context, 3, name)]


def test_registers_of_the_active_mask_count_and_those_assigned_nowhere():
    meter = _bench()
    assert _counting(meter) == [TOTAL, DAY]
    assert meter.set(str(NAME), 4, data.octets(b"night")) is DataAccessResult.SUCCESS
    assert _counting(meter) == [TOTAL, NIGHT]
    assert meter.set(str(NAME), 4, data.octets(b"")) is DataAccessResult.SUCCESS
    assert _counting(meter) == [TOTAL]


def test_a_tariff_script_switches_the_mask():
    meter = _bench()
    assert meter.act(str(TABLE), 1, data.u16(2)) is ActionResult.SUCCESS
    assert _counting(meter) == [TOTAL, NIGHT]


def test_a_mask_that_is_not_there_is_refused():
    meter = _bench()
    assert meter.set(str(NAME), 4, data.octets(b"dusk")) is DataAccessResult.OTHER_REASON
    assert meter.set(str(NAME), 4, data.u8(1)) is DataAccessResult.TYPE_UNMATCHED
    assert _counting(meter) == [TOTAL, DAY]


def test_registers_and_masks_are_added_and_deleted():
    meter = _bench()
    name = str(NAME)
    assert meter.act(name, 1, AssignedRegister(3, TOTAL).to_data()) is ActionResult.SUCCESS
    assert meter.act(name, 1, AssignedRegister(3, TOTAL).to_data()) is ActionResult.SUCCESS
    assert len(meter.get(name, 2)) == 3
    assert _counting(meter) == [DAY]
    assert meter.act(name, 2, Mask(b"all", (1, 2, 3)).to_data()) is ActionResult.SUCCESS
    assert meter.act(name, 2, Mask(b"day", (1, 3)).to_data()) is ActionResult.SUCCESS
    assert _counting(meter) == [TOTAL, DAY]
    assert meter.act(name, 3, data.octets(b"day")) is ActionResult.OTHER_REASON
    meter.set(name, 4, data.octets(b"all"))
    assert meter.act(name, 3, data.octets(b"day")) is ActionResult.SUCCESS
    assert meter.act(name, 3, data.octets(b"day")) is ActionResult.OTHER_REASON
    assert _counting(meter) == [TOTAL, DAY, NIGHT]


@pytest.mark.parametrize("indices", [(0,), (3,), (1, 9)])
def test_a_mask_of_registers_that_are_not_there_is_refused(indices):
    assert _bench().act(str(NAME), 2, Mask(b"x", indices).to_data()) is ActionResult.OTHER_REASON


def test_parameters_of_another_form_are_refused():
    meter = _bench()
    for method in (1, 2, 3):
        assert meter.act(str(NAME), method, data.u8(1)) is ActionResult.TYPE_UNMATCHED
    assert len(meter.meter.states) == 0


def test_gurux_reads_the_masks():
    meter = _bench()
    peer = GXDLMSRegisterActivation(str(NAME))
    for attribute in (2, 3, 4):
        read_by_gurux(peer, attribute, meter.encoded(str(NAME), attribute))
    assert [entry.logicalName for entry in peer.registerAssignment] == [str(DAY), str(NIGHT)]
    assert [(bytes(name), list(indices)) for name, indices in peer.maskList] == [(b"day", [1]), (b"night", [2])]
    assert bytes(peer.activeMask) == b"day"

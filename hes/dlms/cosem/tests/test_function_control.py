from gurux_dlms.objects import GXDLMSFunctionControl

from hes.dlms import data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem.control.function_control import FunctionControl, FunctionControlState, MeterFunction
from hes.dlms.cosem.tests.object_bench import ObjectBench
from hes.dlms.obis import Obis

FUNCTIONS = "0.0.44.1.0.255"
ENERGY = Obis.parse("1.0.1.8.0.255")
START = FunctionControlState((MeterFunction(b"prepay", ((111, ENERGY),)), MeterFunction(b"wifi", (), active=False)))


def bench():
    def switched(meter, _now_s, name, active):
        meter.done.append((name, active))

    return ObjectBench(FunctionControl(FUNCTIONS, START, switched=switched))


def statuses(**wanted):
    return data.array(
        data.structure(data.octets(name.encode()), data.boolean(active)) for name, active in wanted.items()
    )


def test_functions_are_switched_and_the_host_is_told_what_changed():
    meter = bench()
    assert meter.act(FUNCTIONS, 1, statuses(prepay=False, wifi=False)) is ActionResult.SUCCESS
    assert meter.get(FUNCTIONS, 2) == [(b"prepay", False), (b"wifi", False)]
    assert meter.meter.done == [(b"prepay", False)]
    assert not meter.device.find(Obis.parse(FUNCTIONS)).is_active(meter.context, b"prepay")


def test_an_unknown_function_switches_none():
    meter = bench()
    assert meter.act(FUNCTIONS, 1, statuses(wifi=True, zigbee=True)) is ActionResult.OTHER_REASON
    assert meter.meter.done == []
    assert not meter.device.find(Obis.parse(FUNCTIONS)).is_active(meter.context, b"zigbee")


def test_functions_are_added_replaced_and_removed():
    meter = bench()
    added = MeterFunction(b"zigbee", ((104, ENERGY),))
    assert meter.act(FUNCTIONS, 2, added.to_data()) is ActionResult.SUCCESS
    assert meter.get(FUNCTIONS, 3)[-1] == (b"zigbee", [(104, ENERGY)])
    assert meter.get(FUNCTIONS, 2)[-1] == (b"zigbee", True)
    meter.act(FUNCTIONS, 2, MeterFunction(b"prepay").to_data())
    assert [name for name, _ in meter.get(FUNCTIONS, 3)] == [b"wifi", b"zigbee", b"prepay"]
    assert meter.act(FUNCTIONS, 3, data.octets(b"wifi")) is ActionResult.SUCCESS
    assert meter.act(FUNCTIONS, 3, data.octets(b"wifi")) is ActionResult.OTHER_REASON
    assert meter.set(FUNCTIONS, 3, data.array(())) is DataAccessResult.READ_WRITE_DENIED


def test_parameters_of_another_shape_are_refused():
    meter = bench()
    for method in (1, 2, 3):
        for parameters in (None, data.u8(1), data.octets(b""), data.array([data.null()])):
            assert meter.act(FUNCTIONS, method, parameters) is ActionResult.TYPE_UNMATCHED
    assert len(meter.meter.states) == 0


def test_gurux_asks_with_the_octets_that_we_take():
    from gurux_dlms.GXDLMSClient import GXDLMSClient

    meter, peer = bench(), GXDLMSFunctionControl(FUNCTIONS)
    frames = peer.setFunctionStatus(GXDLMSClient(True), [("wifi", True)])
    wanted = bytes.fromhex("0101 0202 0904") + b"wifi" + bytes.fromhex("0301")
    assert wanted in b"".join(map(bytes, frames))
    reply = meter.device.find(Obis.parse(FUNCTIONS)).act(meter.context, 1, wanted)
    assert (reply.result, meter.get(FUNCTIONS, 2)[1]) == (ActionResult.SUCCESS, (b"wifi", True))

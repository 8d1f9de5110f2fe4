from gurux_dlms.objects import GXDLMSParameterMonitor

from hes.dlms import axdr, data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem import Clock, ObjectAction, ServiceId
from hes.dlms.cosem.clock import NO_DATE_TIME
from hes.dlms.cosem.control.limiter import Limiter, LimiterState
from hes.dlms.cosem.control.monitored_value import AttributeReference
from hes.dlms.cosem.control.parameter_monitor import ParameterMonitor, ParameterMonitorState
from hes.dlms.cosem.local_time import UTC
from hes.dlms.cosem.tests.gurux_octets import gurux_octets
from hes.dlms.cosem.tests.object_bench import NOW_S, ObjectBench
from hes.dlms.obis import Obis

MONITOR, LIMITER = "0.0.16.2.0.255", "0.0.17.0.0.255"
NORMAL = AttributeReference(71, Obis.parse(LIMITER), 4)
DURATION = AttributeReference(71, Obis.parse(LIMITER), 6)


def bench(*parameters):
    return ObjectBench(
        Clock(time=lambda _meter, now_s: now_s),
        Limiter(LIMITER, LimiterState()),
        ParameterMonitor(MONITOR, ParameterMonitorState(parameters=parameters)),
    )


def test_a_listed_parameter_that_is_written_is_remembered_with_its_time():
    meter = bench(NORMAL)
    assert meter.get(MONITOR, 2) == (0, bytes(6), 0, None)
    meter.set(LIMITER, 4, data.u32(5000))
    assert meter.get(MONITOR, 2) == (71, Obis.parse(LIMITER), 4, 5000)
    assert meter.get(MONITOR, 3) == UTC.octets(int(NOW_S))


def test_what_is_not_listed_or_was_refused_is_not_remembered():
    meter = bench(NORMAL)
    meter.set(LIMITER, 6, data.u32(5))
    meter.set(LIMITER, 4, data.octets(b"x"))
    assert (meter.get(MONITOR, 2)[0], meter.get(MONITOR, 3)) == (0, NO_DATE_TIME)


def test_a_write_by_the_device_itself_counts_too():
    meter = bench(NORMAL)
    action = ObjectAction(ServiceId.WRITE, 71, Obis.parse(LIMITER), 4, data.u32(7))
    assert meter.device.execute(meter.context, action) is ActionResult.SUCCESS
    assert meter.get(MONITOR, 2)[3] == 7


def test_parameters_are_added_and_deleted():
    meter = bench()
    for reference in (NORMAL, DURATION, NORMAL):
        assert meter.act(MONITOR, 1, reference.to_data()) is ActionResult.SUCCESS
    assert meter.encoded(MONITOR, 4) == axdr.encode(data.array([DURATION.to_data(), NORMAL.to_data()]))
    assert meter.act(MONITOR, 2, DURATION.to_data()) is ActionResult.SUCCESS
    assert meter.act(MONITOR, 2, DURATION.to_data()) is ActionResult.OTHER_REASON
    assert meter.act(MONITOR, 1, data.u8(1)) is ActionResult.TYPE_UNMATCHED
    assert meter.set(MONITOR, 4, data.array(())) is DataAccessResult.SUCCESS
    meter.set(LIMITER, 4, data.u32(1))
    assert meter.get(MONITOR, 3) == NO_DATE_TIME


def test_gurux_writes_the_same_list():
    peer = GXDLMSParameterMonitor(MONITOR)
    peer.parameters = []
    assert gurux_octets(peer, 4) == bench().encoded(MONITOR, 4)

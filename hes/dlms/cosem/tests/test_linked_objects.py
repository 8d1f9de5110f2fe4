"""Objects of one device that set each other off: schedules, scripts, limiter, relay, push, image."""

from hes.dlms import axdr, data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem import Clock, ControlState, ObjectAction, ScriptReference, ServiceId
from hes.dlms.cosem.calendar.script_table import Script, ScriptTable
from hes.dlms.cosem.calendar.single_action_schedule import (
    ExecutionTime,
    ScheduleType,
    SingleActionSchedule,
    SingleActionState,
)
from hes.dlms.cosem.control.limiter import Limiter, LimiterState
from hes.dlms.cosem.control.monitored_value import AttributeReference
from hes.dlms.cosem.control.parameter_monitor import ParameterMonitor, ParameterMonitorState
from hes.dlms.cosem.image.state import ImageToActivate
from hes.dlms.cosem.image.transfer import ImageTransfer
from hes.dlms.cosem.push.setup import PushSetup, PushState, outgoing
from hes.dlms.cosem.tests.object_bench import ObjectBench, number
from hes.dlms.cosem.tests.test_limiter import LIMITER, POWER, RELAY, WATCHED, relay
from hes.dlms.obis import Obis
from hes.dlms.selective_access import CaptureObject

DISCONNECT_SCRIPTS, PUSH_SCRIPTS, IMAGE_SCRIPTS = "0.0.10.0.106.255", "0.0.10.0.108.255", "0.0.10.0.107.255"
RELAY_SCHEDULE, PUSH_SCHEDULE, IMAGE_SCHEDULE = "0.0.15.0.1.255", "0.0.15.0.4.255", "0.0.15.0.2.255"
PUSH, IMAGE, MONITOR = "0.0.25.9.0.255", "0.0.44.0.0.255", "0.0.16.2.0.255"
EVERY_DAY = b"\xff" * 5


def act(class_id, name, method):
    return ObjectAction(ServiceId.EXECUTE, class_id, Obis.parse(name), method, data.i8(0))


def scripts(name, *actions):
    return ScriptTable(name, [Script(index, (action,)) for index, action in enumerate(actions, 1)])


def schedule(name, table, selector, hour, minute=0):
    times = (ExecutionTime(bytes((hour, minute, 0, 0)), EVERY_DAY),)
    script = ScriptReference(Obis.parse(table), selector)
    return SingleActionSchedule(name, SingleActionState(script=script, type=ScheduleType.SAME_TIMES, times=times))


CLOCK = Clock(time=lambda _meter, now_s: now_s)


def test_a_limiter_opens_the_relay_locally_and_a_schedule_from_afar():
    limit = LimiterState(
        monitored=WATCHED,
        normal=data.u32(1000),
        min_over_s=10,
        over_script=ScriptReference(Obis.parse(DISCONNECT_SCRIPTS), 1),
    )
    meter = ObjectBench(
        CLOCK,
        number(POWER),
        relay(mode=4),
        scripts(DISCONNECT_SCRIPTS, act(70, RELAY, 1), act(70, RELAY, 2)),
        Limiter(LIMITER, limit),
        schedule(RELAY_SCHEDULE, DISCONNECT_SCRIPTS, 1, 13),
    )
    meter.set(POWER, 2, data.u32(2000))
    meter.wait(20)
    assert meter.get(RELAY, 3) == ControlState.READY_FOR_RECONNECTION
    meter.set(POWER, 2, data.u32(0))
    meter.wait(3600)  # 13:00
    assert meter.get(RELAY, 3) == ControlState.DISCONNECTED
    assert meter.act(DISCONNECT_SCRIPTS, 1, data.u16(2)) is ActionResult.SUCCESS
    assert meter.get(RELAY, 3) == ControlState.CONNECTED


def test_a_push_goes_out_when_its_schedule_says():
    meter = ObjectBench(
        CLOCK,
        scripts(PUSH_SCRIPTS, act(40, PUSH, 1)),
        schedule(PUSH_SCHEDULE, PUSH_SCRIPTS, 1, 12, 30),
        PushSetup(PUSH, PushState(objects=(CaptureObject(8, Obis.parse("0.0.1.0.0.255"), 2),))),
    )
    meter.wait(1799)
    assert outgoing(meter.device, meter.meter, meter.now_s) == []
    meter.wait(2)
    (message,) = outgoing(meter.device, meter.meter, meter.now_s)
    assert axdr.decode_value(message.notification.data)[0][0][5:8] == bytes((12, 30, 0))
    meter.wait(86_400)
    assert len(outgoing(meter.device, meter.meter, meter.now_s)) == 1


def test_an_image_is_activated_at_its_time():
    image = ImageTransfer(
        block_octets=64,
        store=lambda meter: meter.image,
        verifier=lambda _meter, transfer: (ImageToActivate(transfer.size, transfer.identification),),
        activator=lambda meter, transfer: meter.done.append(transfer.identification) or True,
        activation_s=60,
    )
    meter = ObjectBench(
        CLOCK,
        image,
        scripts(IMAGE_SCRIPTS, act(18, IMAGE, 4)),
        schedule(IMAGE_SCHEDULE, IMAGE_SCRIPTS, 1, 14),
    )
    meter.act(IMAGE, 1, data.structure(data.octets(b"fw"), data.u32(3)))
    meter.act(IMAGE, 2, data.structure(data.u32(0), data.octets(b"abc")))
    assert meter.act(IMAGE, 3) is ActionResult.SUCCESS
    meter.wait(7200)
    assert (meter.get(IMAGE, 6), meter.meter.done) == (5, [])
    meter.wait(60)
    assert (meter.get(IMAGE, 6), meter.meter.done) == (6, [b"fw"])


def test_a_parameter_that_a_script_writes_is_noticed():
    write = ObjectAction(ServiceId.WRITE, 71, Obis.parse(LIMITER), 4, data.u32(5))
    watched = AttributeReference(71, Obis.parse(LIMITER), 4)
    meter = ObjectBench(
        CLOCK,
        Limiter(LIMITER, LimiterState()),
        scripts(DISCONNECT_SCRIPTS, write),
        ParameterMonitor(MONITOR, ParameterMonitorState(parameters=(watched,))),
    )
    assert meter.act(DISCONNECT_SCRIPTS, 1, data.u16(1)) is ActionResult.SUCCESS
    assert (meter.get(LIMITER, 4), meter.get(MONITOR, 2)[3]) == (5, 5)
    assert meter.set(LIMITER, 4, data.u32(6)) is DataAccessResult.SUCCESS
    assert meter.get(MONITOR, 2)[3] == 6

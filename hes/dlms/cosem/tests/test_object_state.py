"""Objects that remember, wait and act: state with the instance, deadlines in order, calls from object to object."""

from dataclasses import dataclass, field, replace

import pytest

from hes.dlms import axdr, data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem import (
    ClientAccess,
    Clock,
    Context,
    DataObject,
    LogicalDevice,
    ObjectAction,
    ObjectStates,
    Role,
    ScriptReference,
    ServiceId,
    StatefulObject,
    method,
)
from hes.dlms.cosem.device_time import INSTANTS_MAX, TICK_S, handled_own_s
from hes.dlms.cosem.inner_calls import INNER_CALLS_MAX, INNER_DEPTH_MAX, number
from hes.dlms.cosem.interface_classes import REGISTER
from hes.dlms.data import Tag
from hes.dlms.obis import Obis
from hes.errors import LocalProtocolError, RemoteProtocolError

START_S = 1_734_264_000.0
BEAT, OTHER, TEXT, TWICE = (Obis.parse(f"0.0.96.50.{index}.255") for index in range(4))
READER = ClientAccess(client_sap=2, role=Role.READER)


@dataclass(eq=False)
class Meter:
    states: ObjectStates = field(default_factory=ObjectStates)
    ran: list = field(default_factory=list)
    text: int = 0
    calls: int = 0
    offset_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Beats:
    period_s: int = 10
    count: int = 0


class Beat(StatefulObject):
    """Counts its periods of own time and notes when."""

    def __init__(self, name, initial=Beats(), action=None):
        self.action = action
        super().__init__(
            REGISTER,
            name,
            {
                2: self.stored("count", data.u32),
                3: self.stored("period_s", data.u32, lambda value: number(value, Tag.DOUBLE_LONG_UNSIGNED)),
            },
            initial=initial,
        )

    def next_deadline(self, context):
        period_s = self.state(context).period_s
        if not period_s:
            return None
        own_s = (handled_own_s(context) // period_s + 1) * period_s
        return context.device.timekeeper.world_s(context, own_s)

    def run_due(self, context):
        state = self.state(context)
        self.put(context, replace(state, count=state.count + 1))
        context.instance.ran.append((str(self.logical_name), handled_own_s(context)))
        if self.action:
            context.device.execute(context, self.action)

    def powered_up(self, context, off_since_s):
        context.instance.ran.append(("off since", off_since_s))


def _twice(name):
    """An object whose method calls itself twice."""

    def invoke(context, _parameters):
        context.instance.calls += 1
        action = ObjectAction(ServiceId.EXECUTE, 1, name, 1, data.null())
        context.device.execute(context, action)
        return context.device.execute(context, action)

    entry = DataObject(name, data.u8(0))
    entry.methods[1] = replace(method(lambda *_: ActionResult.SUCCESS), invoke=invoke)
    return entry


def _device(*objects, **changes):
    def write(meter, _now_s, value):
        meter.text = value.value
        return DataAccessResult.SUCCESS

    text = DataObject(TEXT, lambda meter, _now_s: axdr.encode(data.u8(meter.text)), write=write, writable=Role.NOBODY)
    return LogicalDevice(
        name=lambda _meter: b"AML1",
        clients=(READER,),
        objects=[text, *objects],
        **{"states": lambda meter: meter.states, **changes},
    )


def _asking(device, meter, client=READER):
    return Context(instance=meter, device=device, client=client, now_s=START_S)


def test_reading_an_untouched_object_leaves_nothing_behind():
    entry = Beat(BEAT)
    device, meter = _device(entry), Meter()
    assert entry.get(_asking(device, meter), 3) == axdr.encode(data.u32(10))
    assert len(meter.states) == 0


def test_a_written_parameter_is_kept_for_one_instance_only():
    entry = Beat(BEAT)
    device, meter, other = _device(entry), Meter(), Meter()
    manager = ClientAccess(client_sap=1, role=Role.MANAGEMENT)
    assert entry.set(_asking(device, meter, manager), 3, axdr.encode(data.u32(60))) is DataAccessResult.SUCCESS
    assert entry.get(_asking(device, meter), 3) == axdr.encode(data.u32(60))
    assert entry.get(_asking(device, other), 3) == axdr.encode(data.u32(10))
    assert list(meter.states) == [(BEAT, Beats(period_s=60))]
    meter.states.forget(BEAT)
    assert entry.get(_asking(device, meter), 3) == axdr.encode(data.u32(10))


def test_a_parameter_of_another_type_is_refused_and_changes_nothing():
    entry = Beat(BEAT)
    device, meter = _device(entry), Meter()
    manager = ClientAccess(client_sap=1, role=Role.MANAGEMENT)
    assert entry.set(_asking(device, meter, manager), 3, axdr.encode(data.u16(60))) is DataAccessResult.TYPE_UNMATCHED
    assert entry.set(_asking(device, meter), 3, axdr.encode(data.u32(60))) is DataAccessResult.READ_WRITE_DENIED
    assert len(meter.states) == 0


def test_what_falls_due_runs_by_time_and_then_as_declared():
    device, meter = _device(Beat(OTHER, Beats(20)), Beat(BEAT)), Meter()
    assert device.next_deadline(meter, START_S) == START_S + 10
    assert device.run_due(meter, START_S + 9.9) == START_S + 10
    assert meter.ran == []
    assert device.run_due(meter, START_S + 20) == START_S + 30
    assert meter.ran == [
        (str(BEAT), START_S + 10),
        (str(OTHER), START_S + 20),
        (str(BEAT), START_S + 20),
    ]


def test_many_small_steps_do_the_same_as_one_long_one():
    device, once, often = _device(Beat(OTHER, Beats(7)), Beat(BEAT)), Meter(), Meter()
    for meter in (once, often):
        device.next_deadline(meter, START_S)
    device.run_due(once, START_S + 100)
    for tenth in range(1001):
        device.run_due(often, START_S + tenth / 10)
    assert once.ran == often.ran
    assert dict(once.states) == dict(often.states)


def test_deadlines_follow_the_meters_own_clock():
    clock = Clock(time=lambda meter, now_s: START_S + (now_s - START_S) * 1.001 + meter.offset_s)
    device, meter = _device(clock, Beat(BEAT)), Meter(offset_s=3.0)
    due = device.next_deadline(meter, START_S)
    assert due == pytest.approx(START_S + 7 / 1.001, abs=1e-3)
    for _ in range(3):
        due = device.run_due(meter, due)
    assert [own_s for _name, own_s in meter.ran] == [START_S + 10, START_S + 20, START_S + 30]


def test_one_call_does_a_bounded_amount_of_work():
    device, meter = _device(Beat(BEAT, Beats(1))), Meter()
    device.next_deadline(meter, START_S)
    late_s = START_S + 2 * INSTANTS_MAX
    assert device.run_due(meter, late_s) == START_S + INSTANTS_MAX + 1
    assert len(meter.ran) == INSTANTS_MAX
    device.run_due(meter, late_s)
    assert device.run_due(meter, late_s) == late_s + 1


def test_a_deadline_in_the_past_is_done_a_tick_later():
    class Late(Beat):
        def next_deadline(self, context):
            return START_S - 5 if not self.state(context).count else None

    device, meter = _device(Late(BEAT)), Meter()
    assert device.next_deadline(meter, START_S) == START_S + TICK_S
    assert device.run_due(meter, START_S + 1) is None
    assert len(meter.ran) == 1


def test_an_object_writes_to_another_with_the_rights_of_the_device():
    action = ObjectAction(ServiceId.WRITE, 1, TEXT, 2, data.u8(7))
    device, meter = _device(Beat(BEAT, action=action)), Meter()
    assert device.find(TEXT).set(_asking(device, meter), 2, b"\x11\x07") is DataAccessResult.READ_WRITE_DENIED
    device.next_deadline(meter, START_S)
    device.run_due(meter, START_S + 10)
    assert meter.text == 7


@pytest.mark.parametrize(
    ("action", "result"),
    [
        (ObjectAction(ServiceId.WRITE, 1, BEAT, 2, data.u8(1)), ActionResult.OBJECT_CLASS_INCONSISTENT),
        (ObjectAction(ServiceId.WRITE, 3, BEAT, 2, data.u32(1)), ActionResult.READ_WRITE_DENIED),
        (ObjectAction(ServiceId.WRITE, 3, BEAT, 3, data.u8(1)), ActionResult.TYPE_UNMATCHED),
        (ObjectAction(ServiceId.WRITE, 3, BEAT, 9, data.u8(1)), ActionResult.OBJECT_UNDEFINED),
        (ObjectAction(ServiceId.EXECUTE, 3, BEAT, 1, data.i8(0)), ActionResult.OBJECT_UNDEFINED),
        (ObjectAction(ServiceId.EXECUTE, 3, OTHER, 1, data.i8(0)), ActionResult.OBJECT_UNDEFINED),
    ],
)
def test_an_action_that_cannot_be_done_says_why(action, result):
    device, meter = _device(Beat(BEAT)), Meter()
    assert device.execute(device.own_context(meter, START_S), action) is result


def test_calls_within_calls_come_to_an_end():
    device, meter = _device(_twice(TWICE)), Meter()
    result = device.execute(
        device.own_context(meter, START_S), ObjectAction(ServiceId.EXECUTE, 1, TWICE, 1, data.null())
    )
    assert result is ActionResult.TEMPORARY_FAILURE
    assert 2 ** (INNER_DEPTH_MAX - 1) <= meter.calls <= INNER_CALLS_MAX


def test_an_object_reads_another_as_a_value():
    device, meter = _device(Beat(BEAT)), Meter(text=5)
    context = _asking(device, meter)
    assert device.read(context, 1, TEXT, 2) == data.u8(5)
    assert device.read(context, 3, BEAT, 3) == data.u32(10)
    assert device.read(context, 3, TEXT, 2) is None
    assert device.read(context, 1, TEXT, 3) is None
    assert device.read(context, 1, OTHER, 2) is None


def test_after_a_power_failure_nothing_of_the_time_between_is_done():
    device, meter = _device(Beat(BEAT)), Meter()
    device.next_deadline(meter, START_S)
    device.run_due(meter, START_S + 15)
    device.power_up(meter, START_S + 95)
    assert device.next_deadline(meter, START_S + 95) == START_S + 100
    device.run_due(meter, START_S + 100)
    assert meter.ran == [(str(BEAT), START_S + 10), ("off since", START_S + 15), (str(BEAT), START_S + 100)]


def test_a_device_without_objects_that_wait_has_no_deadline():
    device = LogicalDevice(name=lambda _meter: b"AML1", clients=(READER,), objects=[DataObject(TEXT, data.u8(0))])
    assert device.next_deadline(Meter(), START_S) is None
    assert device.run_due(Meter(), START_S) is None


def test_stateful_objects_need_a_place_for_their_states():
    with pytest.raises(LocalProtocolError, match="states"):
        _device(Beat(BEAT), states=None)


def test_actions_and_scripts_read_as_they_are_written():
    action = ObjectAction(ServiceId.WRITE, 3, BEAT, 2, data.u32(1))
    assert ObjectAction.from_data(action.to_data()) == action
    script = ScriptReference(TEXT, 5)
    assert ScriptReference.from_data(script.to_data()) == script
    assert script.action() == ObjectAction(ServiceId.EXECUTE, 9, TEXT, 1, data.u16(5))
    for wrong in (data.null(), data.structure(data.enum(3), *action.to_data().value[1:]), data.structure()):
        with pytest.raises(RemoteProtocolError):
            ObjectAction.from_data(wrong)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms import axdr, data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem import Clock, ControlState, DisconnectControl, Move, ScriptReference, method
from hes.dlms.cosem.control.limiter import EmergencyProfile, Limiter, LimiterState, observe
from hes.dlms.cosem.control.monitored_value import AttributeReference
from hes.dlms.cosem.cosem_object import CosemObject
from hes.dlms.cosem.inner_calls import ObjectAction, ServiceId
from hes.dlms.cosem.interface_classes import CLASSES
from hes.dlms.cosem.local_time import UTC
from hes.dlms.cosem.tests.object_bench import NOW_S, ObjectBench, number
from hes.dlms.obis import Obis

LIMITER, POWER, SCRIPTS, RELAY = "0.0.17.0.0.255", "1.0.1.7.0.255", "0.0.10.0.106.255", "0.0.96.3.10.255"
OVER, UNDER = (ScriptReference(Obis.parse(SCRIPTS), selector) for selector in (1, 2))
WATCHED = AttributeReference(1, Obis.parse(POWER), 2)
START = LimiterState(
    monitored=WATCHED,
    normal=data.u32(1000),
    emergency=data.u32(400),
    min_over_s=60,
    min_under_s=30,
    over_script=OVER,
    under_script=UNDER,
)


class DisconnectScripts(CosemObject):
    """What a script table with scripts 1 disconnect and 2 reconnect does; it notes who asked."""

    def __init__(self):
        def execute(context, parameters):
            context.instance.done.append((parameters.value, context.now_s - NOW_S))
            relay = ObjectAction(ServiceId.EXECUTE, 70, Obis.parse(RELAY), parameters.value, data.i8(0))
            return context.device.execute(context, relay)

        entry = method(lambda *_: ActionResult.SUCCESS)
        super().__init__(CLASSES[9, 0], SCRIPTS, {}, {1: type(entry)(invoke=execute)})


def relay(mode=4):
    def switch(meter, _now_s, state):
        meter.values["relay"] = state
        return ActionResult.SUCCESS

    return DisconnectControl(
        RELAY,
        state=lambda meter, _now_s: meter.values.get("relay", ControlState.CONNECTED),
        switch=switch,
        mode=mode,
    )


def bench(initial=START, mode=4, **changes):
    clock = Clock(time=lambda _meter, now_s: now_s)
    return ObjectBench(clock, number(POWER), DisconnectScripts(), relay(mode), Limiter(LIMITER, initial, **changes))


def power(bench, watts):
    bench.set(POWER, 2, data.u32(watts))


def test_the_over_script_runs_after_the_minimum_duration_and_once():
    meter = bench()
    power(meter, 1001)
    meter.wait(60)
    assert meter.meter.done == []  # first seen at second 1
    meter.wait(300)
    assert meter.meter.done == [(1, 61)]


def test_a_value_equal_to_the_threshold_is_not_over_it():
    meter = bench()
    power(meter, 1000)
    meter.wait(500)
    assert meter.meter.done == []


def test_falling_below_in_between_starts_the_duration_again():
    meter = bench()
    power(meter, 2000)
    meter.wait(50)
    power(meter, 900)
    meter.wait(2)
    power(meter, 2000)
    meter.wait(59)
    assert meter.meter.done == []
    meter.wait(10)
    assert meter.meter.done == [(1, 113)]


def test_the_under_script_runs_after_its_own_duration():
    meter = bench()
    power(meter, 2000)
    meter.wait(100)
    power(meter, 0)
    meter.wait(29)
    assert len(meter.meter.done) == 1
    meter.wait(10)
    assert meter.meter.done == [(1, 61), (2, 131)]


def test_without_a_duration_the_script_runs_at_the_first_sample():
    meter = bench(LimiterState(monitored=WATCHED, normal=data.u32(10), over_script=OVER))
    power(meter, 11)
    meter.wait(1)
    assert meter.meter.done == [(1, 1)]


def test_a_limiter_disconnects_locally_so_that_a_person_may_reconnect():
    meter = bench(mode=4)
    power(meter, 2000)
    meter.wait(100)
    assert meter.get(RELAY, 3) == ControlState.READY_FOR_RECONNECTION
    power(meter, 0)
    meter.wait(100)  # mode 4 has no local reconnection
    assert meter.get(RELAY, 3) == ControlState.READY_FOR_RECONNECTION
    button = meter.device.find(Obis.parse(RELAY)).move(meter.context, Move.MANUAL_RECONNECT)
    assert (button, meter.get(RELAY, 2)) == (ActionResult.SUCCESS, True)


@pytest.mark.parametrize("mode", [5, 6])
def test_modes_5_and_6_reconnect_locally(mode):
    meter = bench(mode=mode)
    power(meter, 2000)
    meter.wait(100)
    assert meter.get(RELAY, 2) is False
    power(meter, 0)
    meter.wait(100)
    assert meter.get(RELAY, 2) is True


def test_mode_0_ignores_the_limiter():
    meter = bench(mode=0)
    power(meter, 2000)
    meter.wait(100)
    assert meter.get(RELAY, 2) is True
    assert meter.meter.done == [(1, 61)]


def test_a_script_that_a_client_sets_off_moves_remotely():
    meter = bench(mode=4)
    assert meter.act(SCRIPTS, 1, data.u16(1)) is ActionResult.SUCCESS
    assert meter.get(RELAY, 3) == ControlState.DISCONNECTED


def emergency(meter, start_s, duration_s, profile_id=7, groups=(7, 9)):
    profile = EmergencyProfile(profile_id, UTC.octets(int(start_s)), duration_s)
    assert meter.set(LIMITER, 8, profile.to_data()) is DataAccessResult.SUCCESS
    assert meter.set(LIMITER, 9, data.array(map(data.u16, groups))) is DataAccessResult.SUCCESS


def test_an_emergency_threshold_is_active_from_its_time_for_its_duration():
    meter = bench()
    emergency(meter, NOW_S + 100, 50)
    assert (meter.get(LIMITER, 10), meter.get(LIMITER, 3)) == (False, 1000)
    meter.wait(100)
    assert (meter.get(LIMITER, 10), meter.get(LIMITER, 3)) == (True, 400)
    meter.wait(49)
    assert meter.get(LIMITER, 10) is True
    meter.wait(1)
    assert (meter.get(LIMITER, 10), meter.get(LIMITER, 3)) == (False, 1000)


def test_an_emergency_for_other_groups_or_without_a_time_never_begins():
    meter = bench()
    emergency(meter, NOW_S, 1000, groups=(8,))
    assert meter.get(LIMITER, 10) is False
    profile = EmergencyProfile(8, duration_s=1000)
    meter.set(LIMITER, 8, profile.to_data())
    assert meter.get(LIMITER, 10) is False


def test_an_emergency_makes_a_load_that_was_allowed_exceed_the_limit():
    meter = bench()
    power(meter, 500)
    emergency(meter, NOW_S + 100, 100)
    meter.wait(100)
    assert meter.meter.done == []
    meter.wait(99)
    assert meter.meter.done == [(1, 160)]
    meter.wait(100)
    assert [script for script, _ in meter.meter.done] == [1, 2]


def test_parameters_of_another_shape_are_refused():
    meter = bench()
    for attribute, value in (
        (2, data.null()),
        (4, data.octets(b"1")),
        (5, data.structure()),
        (6, data.u16(1)),
        (8, data.structure(data.u16(1), data.octets(b"x"), data.u32(1))),
        (9, data.array([data.u32(1)])),
        (11, OVER.to_data()),
    ):
        assert meter.set(LIMITER, attribute, value) is DataAccessResult.TYPE_UNMATCHED
    assert meter.set(LIMITER, 3, data.u32(1)) is DataAccessResult.READ_WRITE_DENIED
    assert len(meter.meter.states) == 0


def test_the_actions_are_written_and_read_as_a_pair():
    meter = bench()
    pair = data.structure(UNDER.to_data(), OVER.to_data())
    assert meter.set(LIMITER, 11, pair) is DataAccessResult.SUCCESS
    assert meter.encoded(LIMITER, 11) == axdr.encode(pair)


def test_a_value_that_is_no_number_counts_for_nothing():
    meter = bench()
    meter.meter.values[POWER] = axdr.encode(data.octets(b"much"))
    meter.wait(200)
    assert meter.meter.done == []
    nothing = bench(LimiterState(over_script=OVER))
    assert nothing.deadline() is None


@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=60),
    st.integers(0, 5),
    st.integers(0, 5),
)
def test_over_and_under_need_their_whole_duration(values, min_over_s, min_under_s):
    state = LimiterState(min_over_s=min_over_s, min_under_s=min_under_s)
    for now_s, value in enumerate(values):
        after = observe(state, 10, value, now_s)
        if after.over is not state.over:
            duration_s = min_over_s if after.over else min_under_s
            tail = values[max(now_s - duration_s, 0) : now_s + 1]
            assert len(tail) == duration_s + 1
            assert all((held > 10) is after.over for held in tail)
        else:
            assert after.since_s is None or now_s - after.since_s < after.duration_s()
        state = after

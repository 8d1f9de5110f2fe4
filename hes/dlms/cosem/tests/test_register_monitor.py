from hes.dlms import axdr, data
from hes.dlms.codes import DataAccessResult
from hes.dlms.cosem import ScriptReference
from hes.dlms.cosem.control.monitored_value import AttributeReference
from hes.dlms.cosem.control.register_monitor import RegisterMonitor, RegisterMonitorState, ThresholdActions
from hes.dlms.cosem.tests.object_bench import ObjectBench, number
from hes.dlms.cosem.tests.test_limiter import POWER, SCRIPTS, DisconnectScripts, power, relay
from hes.dlms.obis import Obis

MONITOR = "0.0.16.0.0.255"


def script(selector):
    return ScriptReference(Obis.parse(SCRIPTS), selector)


START = RegisterMonitorState(
    monitored=AttributeReference(1, Obis.parse(POWER), 2),
    thresholds=(data.u32(100), data.u32(200)),
    actions=(ThresholdActions(script(11), script(12)), ThresholdActions(script(21), script(22))),
)


def bench(initial=START):
    return ObjectBench(number(POWER), DisconnectScripts(), relay(), RegisterMonitor(MONITOR, initial))


def selectors(meter):
    return [selector for selector, _ in meter.meter.done]


def test_the_first_look_sets_nothing_off():
    meter = bench()
    power(meter, 500)
    meter.wait(10)
    assert meter.meter.done == []


def test_each_threshold_has_its_own_actions_up_and_down():
    meter = bench()
    meter.wait(1)
    for watts in (150, 150, 250, 150, 0):
        power(meter, watts)
        meter.wait(1)
    assert selectors(meter) == [11, 21, 22, 12]


def test_a_leap_over_both_thresholds_sets_off_both_in_their_order():
    meter = bench()
    meter.wait(1)
    power(meter, 1000)
    meter.wait(1)
    power(meter, 100)  # equal is not above
    meter.wait(1)
    assert selectors(meter) == [11, 21, 12, 22]


def test_new_thresholds_are_first_looked_at():
    meter = bench()
    power(meter, 150)
    meter.wait(5)
    assert meter.set(MONITOR, 2, data.array([data.u32(10), data.u32(20)])) is DataAccessResult.SUCCESS
    meter.wait(5)
    assert meter.meter.done == []
    power(meter, 0)
    meter.wait(1)
    assert selectors(meter) == [12, 22]


def test_a_threshold_without_actions_sets_nothing_off():
    meter = bench(RegisterMonitorState(monitored=START.monitored, thresholds=(data.u32(1),)))
    meter.wait(1)
    power(meter, 5)
    meter.wait(1)
    assert meter.meter.done == []


def test_parameters_are_read_as_they_were_written():
    meter = bench(RegisterMonitorState())
    assert meter.deadline() is None
    for attribute, value in (
        (2, data.array([data.i16(-5)])),
        (3, START.monitored.to_data()),
        (4, data.array([START.actions[0].to_data()])),
    ):
        assert meter.set(MONITOR, attribute, value) is DataAccessResult.SUCCESS
        assert meter.encoded(MONITOR, attribute) == axdr.encode(value)
    assert meter.deadline() == 1
    for attribute in (2, 3, 4):
        assert meter.set(MONITOR, attribute, data.array([data.null()])) is DataAccessResult.TYPE_UNMATCHED

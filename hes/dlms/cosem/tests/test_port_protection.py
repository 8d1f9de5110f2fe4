import pytest

from hes.dlms import data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem.control.port_protection import PortProtection, PortProtectionState, ProtectionMode
from hes.dlms.cosem.tests.object_bench import ObjectBench
from hes.dlms.obis import Obis

PORT = "0.0.44.2.0.255"


def bench(**changes):
    fields = {"allowed": 2, "initial_lockout_s": 10, "steepness": 3, "max_lockout_s": 100} | changes
    return ObjectBench(PortProtection(PORT, PortProtectionState(**fields)))


def port(meter):
    return meter.device.find(Obis.parse(PORT))


def fail(meter, times=1):
    for _ in range(times):
        port(meter).attempt_failed(meter.context)


def test_the_port_is_locked_only_beyond_the_allowed_attempts():
    meter = bench()
    fail(meter, 2)
    assert port(meter).is_open(meter.context)
    fail(meter)
    assert [meter.get(PORT, attribute) for attribute in (8, 9, 10)] == [1, 3, 3]
    meter.now_s += 9
    assert not port(meter).is_open(meter.context)
    meter.now_s += 1
    assert port(meter).is_open(meter.context)


def test_the_lockout_grows_by_its_steepness_up_to_its_maximum():
    def lockout_s(failed, initial_lockout_s=10, steepness=3):
        return PortProtectionState(
            allowed=2, initial_lockout_s=initial_lockout_s, steepness=steepness, max_lockout_s=100, failed=failed
        ).lockout_s()

    assert [lockout_s(failed) for failed in range(3, 8)] == [10, 30, 90, 100, 100]
    assert [lockout_s(4_000_000_000, 10, steepness) for steepness in (0, 1, 2)] == [10, 10, 100]
    assert lockout_s(4_000_000_000, 0) == 0


def test_a_success_forgets_failed_attempts_but_not_their_sum():
    meter = bench()
    fail(meter, 2)
    port(meter).attempt_succeeded(meter.context)
    fail(meter)
    assert [meter.get(PORT, attribute) for attribute in (8, 9, 10)] == [0, 1, 3]


def test_reset_unlocks_and_keeps_the_cumulative_count():
    meter = bench()
    fail(meter, 5)
    assert meter.act(PORT, 1) is ActionResult.SUCCESS
    assert [meter.get(PORT, attribute) for attribute in (8, 9, 10)] == [0, 0, 5]


@pytest.mark.parametrize(("mode", "status"), [(ProtectionMode.LOCKED, 2), (ProtectionMode.UNLOCKED, 0)])
def test_a_mode_that_does_not_count_stays_as_it_is(mode, status):
    meter = bench(mode=mode)
    fail(meter, 9)
    assert meter.get(PORT, 8) == status
    meter.act(PORT, 1)
    assert meter.get(PORT, 8) == status


def test_parameters_are_written_and_counters_are_not():
    meter = bench()
    for attribute, value in ((2, data.enum(2)), (3, data.u16(9)), (4, data.u32(1)), (5, data.u8(1)), (6, data.u32(2))):
        assert meter.set(PORT, attribute, value) is DataAccessResult.SUCCESS
        assert meter.get(PORT, attribute) == value.value
    assert meter.set(PORT, 2, data.enum(3)) is DataAccessResult.TYPE_UNMATCHED
    assert meter.set(PORT, 10, data.u32(0)) is DataAccessResult.READ_WRITE_DENIED

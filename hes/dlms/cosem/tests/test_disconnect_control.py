import pytest

from hes.dlms.codes import ActionResult
from hes.dlms.cosem import ControlState, Move, next_state
from hes.dlms.cosem.disconnect_control import MODES, TRANSITIONS

OFF, ON, READY = ControlState.DISCONNECTED, ControlState.CONNECTED, ControlState.READY_FOR_RECONNECTION

# by mode: what remote_disconnect and remote_reconnect do in the states 0, 1 and 2 (None: forbidden)
EXPECTED = {
    0: ((None, None, None), (None, None, None)),
    1: ((OFF, OFF, OFF), (READY, ON, READY)),
    2: ((OFF, OFF, OFF), (ON, ON, READY)),
    3: ((OFF, OFF, OFF), (READY, ON, READY)),
    4: ((OFF, OFF, OFF), (ON, ON, READY)),
    5: ((OFF, OFF, OFF), (READY, ON, READY)),
    6: ((OFF, OFF, OFF), (READY, ON, READY)),
}


@pytest.mark.parametrize("mode", MODES)
def test_remote_moves_by_mode(mode):
    disconnect, reconnect = EXPECTED[mode]
    assert tuple(next_state(mode, state, Move.REMOTE_DISCONNECT) for state in ControlState) == disconnect
    assert tuple(next_state(mode, state, Move.REMOTE_RECONNECT) for state in ControlState) == reconnect


@pytest.mark.parametrize("mode", MODES)
def test_manual_and_local_moves_by_mode(mode):
    manual = mode in (1, 2, 5)
    assert next_state(mode, ON, Move.MANUAL_DISCONNECT) is (READY if manual else None)
    assert next_state(mode, READY, Move.MANUAL_RECONNECT) is (ON if mode else None)
    assert next_state(mode, ON, Move.LOCAL_DISCONNECT) is (READY if mode else None)
    assert next_state(mode, READY, Move.LOCAL_RECONNECT) is (ON if mode in (5, 6) else None)
    assert next_state(mode, OFF, Move.MANUAL_RECONNECT) is None
    assert next_state(mode, OFF, Move.LOCAL_RECONNECT) is None


def test_an_unknown_mode_allows_nothing():
    assert next_state(99, ON, Move.REMOTE_DISCONNECT) is None


def test_every_transition_is_used_and_moves():
    assert set(TRANSITIONS) == set("".join(MODES.values()))
    for move, before, after in TRANSITIONS.values():
        assert before is not after
        assert isinstance(move, Move)


def test_no_mode_allows_both_ways_to_reconnect_from_afar():
    for letters in MODES.values():
        assert not {"a", "d"} <= set(letters)
        assert len(set(letters)) == len(letters)


def test_a_refused_move_is_not_passed_on_to_the_instance():
    from hes.dlms.cosem import ClientAccess, Context, Role
    from hes.dlms.tests.bench_meter import DEVICE, RELAY, BenchMeter

    meter = BenchMeter(mode=0)
    context = Context(instance=meter, device=DEVICE, client=ClientAccess(client_sap=1, role=Role.MANAGEMENT))
    relay = DEVICE.find(RELAY)
    assert relay.act(context, 1, b"\x0f\x00").result is ActionResult.READ_WRITE_DENIED
    assert meter.relay is ON
    assert relay.act(context, 1, b"\x11\x00").result is ActionResult.TYPE_UNMATCHED
    meter.mode = 1
    assert relay.act(context, 1, b"\x0f\x00").result is ActionResult.SUCCESS
    assert relay.act(context, 2, b"\x0f\x00").result is ActionResult.SUCCESS
    assert meter.relay is READY
    assert relay.get(context, 2) == b"\x03\x00"
    assert relay.get(context, 3) == b"\x16\x02"
    assert relay.get(context, 4) == b"\x16\x01"

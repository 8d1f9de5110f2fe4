import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hes.dlms import data
from hes.dlms.codes import ActionResult
from hes.dlms.cosem import ControlState, Move, ObjectAction, ServiceId, next_state
from hes.dlms.cosem.disconnect_control import MODES, TRANSITIONS
from hes.dlms.tests.bench_meter import DEVICE, RELAY, BenchMeter

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


# the table of the fact book, cell by cell: remote disconnect, manual disconnect, local disconnect,
# remote reconnect to connected, remote reconnect to ready, manual reconnect, local reconnect
CELLS = {
    0: "no no no no no no no",
    1: "yes yes yes no yes yes no",
    2: "yes yes yes yes no yes no",
    3: "yes no yes no yes yes no",
    4: "yes no yes yes no yes no",
    5: "yes yes yes no yes yes yes",
    6: "yes no yes no yes yes yes",
}


@pytest.mark.parametrize("mode", CELLS)
def test_every_cell_of_the_table_of_control_modes(mode):
    assert set(CELLS) == set(MODES)
    moves = (
        next_state(mode, ON, Move.REMOTE_DISCONNECT) is OFF and next_state(mode, READY, Move.REMOTE_DISCONNECT) is OFF,
        next_state(mode, ON, Move.MANUAL_DISCONNECT) is READY,
        next_state(mode, ON, Move.LOCAL_DISCONNECT) is READY,
        next_state(mode, OFF, Move.REMOTE_RECONNECT) is ON,
        next_state(mode, OFF, Move.REMOTE_RECONNECT) is READY,
        next_state(mode, READY, Move.MANUAL_RECONNECT) is ON,
        next_state(mode, READY, Move.LOCAL_RECONNECT) is ON,
    )
    assert moves == tuple(cell == "yes" for cell in CELLS[mode].split())


class RelayMoves(RuleBasedStateMachine):
    """Any moves in any mode: the relay obeys its table, and only a person or an allowed command closes it."""

    def __init__(self):
        super().__init__()
        self.meter = BenchMeter(mode=1)
        self.relay = DEVICE.find(RELAY)

    @rule(mode=st.integers(0, 6))
    def set_mode(self, mode):
        self.meter.mode = mode

    @rule(move=st.sampled_from(Move))
    def move(self, move):
        before = self.meter.relay
        result = self.relay.move(DEVICE.own_context(self.meter, 0.0), move)
        after = self.meter.relay
        if result is not ActionResult.SUCCESS:
            assert after is before
        elif after is not before:
            letters = [key for key, value in TRANSITIONS.items() if value == (move, before, after)]
            assert [letter for letter in letters if letter in MODES[self.meter.mode]]
        if before is OFF and after is ON:
            assert move is Move.REMOTE_RECONNECT
            assert self.meter.mode in (2, 4)
        if self.meter.mode == 0:
            assert after is before

    @rule(method=st.sampled_from((1, 2)), local=st.booleans())
    def device_acts(self, method, local):
        """What a schedule (remote) or a limiter (local) sets off."""
        context = DEVICE.own_context(self.meter, 0.0)
        context.local = local
        move = {
            (1, False): Move.REMOTE_DISCONNECT,
            (2, False): Move.REMOTE_RECONNECT,
            (1, True): Move.LOCAL_DISCONNECT,
            (2, True): Move.LOCAL_RECONNECT,
        }[method, local]
        wanted = next_state(self.meter.mode, self.meter.relay, move)
        DEVICE.execute(context, ObjectAction(ServiceId.EXECUTE, 70, RELAY, method, data.i8(0)))
        if wanted is not None:
            assert self.meter.relay is wanted

    @invariant()
    def output_follows_the_state(self):
        context = DEVICE.own_context(self.meter, 0.0)
        assert self.relay.get(context, 2) == bytes((3, self.meter.relay is ON))
        assert self.relay.get(context, 3) == bytes((0x16, self.meter.relay))


TestRelayMoves = RelayMoves.TestCase
TestRelayMoves.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)

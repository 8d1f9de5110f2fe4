"""The association table: complete, reachable, and the same for both roles."""

import itertools

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hes.dlms.apdu import AttributeDescriptor
from hes.dlms.association import TRANSITIONS, Event, State, allows, step
from hes.dlms.client.events import ActDone, Associated, AssociationRefused, Got, Released, ReleaseRefused
from hes.dlms.tests import bench_meter
from hes.dlms.tests.bench_meter import Bench
from hes.errors import LocalProtocolError


def test_every_state_has_a_row_and_is_reachable():
    assert set(TRANSITIONS) == set(State)
    reached = {State.IDLE}
    for _ in State:
        reached |= {after for state in reached for after in TRANSITIONS[state].values()}
    assert reached == set(State)


def test_every_event_is_used():
    assert {event for row in TRANSITIONS.values() for event in row} == set(Event)


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_a_pair_moves_as_the_table_says_or_raises(state, event):
    if event in TRANSITIONS[state]:
        assert allows(state, event)
        assert step(state, event) is TRANSITIONS[state][event]
    else:
        assert not allows(state, event)
        with pytest.raises(LocalProtocolError, match="is not allowed while the association is"):
            step(state, event)


def test_no_way_leads_to_associated_past_hls():
    ways = {
        (state, event)
        for state, row in TRANSITIONS.items()
        for event, after in row.items()
        if after is State.ASSOCIATED
    }
    assert ways == {
        (State.IDLE, Event.PRE_ESTABLISHED),
        (State.ASSOCIATION_PENDING, Event.ACCEPTED),
        (State.HLS_PENDING, Event.HLS_PASSED),
        (State.ASSOCIATED, Event.SERVICE),
        (State.RELEASE_PENDING, Event.RELEASE_REFUSED),
    }


class Conversation(RuleBasedStateMachine):
    """A client and a server take any steps in any order; both machines always agree with the model."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(bench_meter.hls(bench_meter.PROTECTED_HLS))
        self.lost_on_the_way = 0
        self.open = False

    @precondition(lambda self: not self.open)
    @rule()
    def associate(self):
        event = self.bench.associate()
        assert isinstance(event, Associated)
        self.open = True

    @precondition(lambda self: not self.open)
    @rule()
    def associate_with_a_damaged_proof(self):
        client = self.bench.client
        request = client.associate(challenge=b"12345678")
        answer = self.bench.ask(request)
        proof = bytearray(client.receive(answer).octets)
        proof[-1] ^= 1
        event = client.receive(self.bench.ask(bytes(proof)))
        assert isinstance(event, AssociationRefused)
        self.bench.server.link_lost()

    @precondition(lambda self: self.open)
    @rule()
    def get(self):
        event = self.bench.run(self.bench.client.get(AttributeDescriptor(3, bench_meter.ENERGY, 2)))
        assert isinstance(event, Got)

    @precondition(lambda self: self.open)
    @rule()
    def request_is_lost(self):
        self.bench.client.get(AttributeDescriptor(3, bench_meter.ENERGY, 2))
        self.bench.client.abandon()

    @precondition(lambda self: self.open)
    @rule()
    def answer_is_lost(self):
        self.bench.ask(self.bench.client.get(AttributeDescriptor(3, bench_meter.ENERGY, 2)))
        self.bench.client.abandon()

    @precondition(lambda self: self.open)
    @rule()
    def act(self):
        event = self.bench.run(self.bench.client.act((70, bench_meter.RELAY, 1), b"\x0f\x00"))
        assert isinstance(event, ActDone)
        assert event.succeeded

    @precondition(lambda self: self.open)
    @rule()
    def release(self):
        assert isinstance(self.bench.run(self.bench.client.release()), Released)
        self.open = False

    @precondition(lambda self: self.open)
    @rule()
    def release_in_the_clear_is_refused(self):
        client = self.bench.client
        client.release()
        assert isinstance(client.receive(self.bench.ask(b"\x62\x00")), ReleaseRefused)

    @rule()
    def link_is_lost(self):
        self.bench.client.link_lost()
        self.bench.server.link_lost()
        self.open = False

    @precondition(lambda self: not self.open)
    @rule()
    def nothing_but_associating_is_allowed(self):
        client = self.bench.client
        for call in (
            lambda: client.get(AttributeDescriptor(3, bench_meter.ENERGY, 2)),
            lambda: client.act((70, bench_meter.RELAY, 1)),
            client.release,
        ):
            with pytest.raises(LocalProtocolError):
                call()

    @precondition(lambda self: self.open)
    @rule()
    def associating_twice_is_refused_here(self):
        with pytest.raises(LocalProtocolError):
            self.bench.client.associate(challenge=b"12345678")

    @invariant()
    def both_roles_are_in_the_state_of_the_model(self):
        state = State.ASSOCIATED if self.open else State.IDLE
        assert self.bench.client.state is state
        assert self.bench.server.idle is not self.open


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=30, stateful_step_count=15, deadline=None)

"""The table of a concentrator's uplink: complete, connected, and strict."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from hes.errors import LocalProtocolError
from sim.dcu.states import TRANSITIONS, Event, State, step


def test_every_state_has_a_row_and_every_event_a_use() -> None:
    assert set(TRANSITIONS) == set(State)
    assert {event for row in TRANSITIONS.values() for event in row} == set(Event)


def test_every_state_can_be_reached_from_off() -> None:
    reached, waiting = {State.OFF}, [State.OFF]
    while waiting:
        for after in TRANSITIONS[waiting.pop()].values():
            if after not in reached:
                reached.add(after)
                waiting.append(after)
    assert reached == set(State)


def test_power_may_be_lost_in_every_state_but_off() -> None:
    for state in State:
        if state is not State.OFF:
            assert step(state, Event.POWER_LOST) is State.OFF


@pytest.mark.parametrize("state", State)
def test_every_pair_that_the_table_does_not_have_is_refused(state: State) -> None:
    for event in Event:
        if event not in TRANSITIONS[state]:
            with pytest.raises(LocalProtocolError, match=f"not allowed while the uplink is {state.value}"):
                step(state, event)


class Uplink(RuleBasedStateMachine):
    """Random lives: online is reached only through a confirmed login on a connection of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State.OFF
        self.connected = False
        self.logged_in = False

    @rule(event=st.sampled_from(Event))
    def happen(self, event: Event) -> None:
        if event not in TRANSITIONS[self.state]:
            with pytest.raises(LocalProtocolError):
                step(self.state, event)
            return
        self.state = step(self.state, event)
        if event is Event.CONNECTED:
            self.connected, self.logged_in = True, False
        elif event is Event.LOGIN_CONFIRMED:
            self.logged_in = True
        elif self.state not in {State.LOGIN, State.ONLINE}:
            self.connected = self.logged_in = False

    @precondition(lambda self: self.state is State.ONLINE)
    @rule()
    def online_means_logged_in(self) -> None:
        assert self.connected
        assert self.logged_in


TestUplink = Uplink.TestCase
TestUplink.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)

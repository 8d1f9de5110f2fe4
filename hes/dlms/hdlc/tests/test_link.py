"""The link's table: complete, reachable, the same for both sides, and the one in the documentation."""

import itertools
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hes.dlms.hdlc.link import TRANSITIONS, Event, State, allows, step
from hes.errors import LocalProtocolError

PAGE = Path(__file__).parents[4] / "docs" / "protocols" / "hdlc.md"


def test_every_state_has_a_row_and_is_reachable() -> None:
    assert set(TRANSITIONS) == set(State)
    reached = {State.DISCONNECTED}
    for _ in State:
        reached |= {after for state in reached for after in TRANSITIONS[state].values()}
    assert reached == set(State)


def test_every_event_is_used() -> None:
    assert {event for row in TRANSITIONS.values() for event in row} == set(Event)


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_a_pair_moves_as_the_table_says_or_raises(state: State, event: Event) -> None:
    if event in TRANSITIONS[state]:
        assert allows(state, event)
        assert step(state, event) is TRANSITIONS[state][event]
    else:
        assert not allows(state, event)
        with pytest.raises(LocalProtocolError, match="is not allowed while the HDLC link is"):
            step(state, event)


def test_only_a_ua_to_an_snrm_leads_to_a_link() -> None:
    ways = {
        (state, event)
        for state, row in TRANSITIONS.items()
        for event, after in row.items()
        if after is State.CONNECTED and state is not State.CONNECTED
    }
    assert ways == {(State.CONNECTING, Event.UA)}


def test_the_end_of_the_line_ends_the_link_in_every_state() -> None:
    assert {step(state, Event.LINE_LOST) for state in State} == {State.DISCONNECTED}


def table() -> str:
    """The table as the documentation shows it."""
    lines = ["| event | " + " | ".join(state.value for state in State) + " |", "|---" * (len(State) + 1) + "|"]
    for event in Event:
        after = [TRANSITIONS[state].get(event) for state in State]
        lines.append(f"| {event.value} | " + " | ".join("" if to is None else to.value for to in after) + " |")
    return "\n".join(lines)


def test_the_documentation_shows_the_table() -> None:
    assert table() in PAGE.read_text()


class AnyWay(RuleBasedStateMachine):
    """Events in any order: what the table refuses changes nothing, and from anywhere a link can be had again."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State.DISCONNECTED
        self.snrm_open = self.linked = False  # the model: an SNRM without an answer yet, and a UA to it

    @rule(event=st.sampled_from(Event))
    def happens(self, event: Event) -> None:
        before = self.state
        if not allows(before, event):
            with pytest.raises(LocalProtocolError):
                step(before, event)
            return
        self.state = step(before, event)
        if event is Event.SNRM:
            self.snrm_open, self.linked = True, False
        elif event is Event.UA:
            self.snrm_open, self.linked = False, self.snrm_open
        elif event not in (Event.INFORMATION, Event.SUPERVISION):
            self.snrm_open = self.linked = False

    @invariant()
    def a_link_is_there_exactly_when_a_ua_answered_the_last_snrm(self) -> None:
        assert (self.state is State.CONNECTED) == self.linked
        assert (self.state is State.CONNECTING) == self.snrm_open

    @invariant()
    def it_can_always_be_set_up_again(self) -> None:
        assert step(step(self.state, Event.SNRM), Event.UA) is State.CONNECTED


TestAnyWay = AnyWay.TestCase

"""The journal: append only, in time order, and what follows from it alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.errors import LocalProtocolError
from sim.meter.journal import FOREVER_MS, Interval, Journal


def test_outages_and_open_relay_together_are_the_dead_time() -> None:
    journal = Journal()
    journal.relay(100, 0)
    journal.power(200, on=False)
    journal.relay(250, 1)
    journal.power(300, on=True)
    journal.power(400, on=False)
    assert journal.outages == (Interval(200, 300), Interval(400, FOREVER_MS))
    assert journal.dead == (Interval(100, 300), Interval(400, FOREVER_MS))
    assert [journal.powered_at(at) for at in (199, 200, 299, 300, 400, 10**9)] == [
        True,
        False,
        False,
        True,
        False,
        False,
    ]


def test_what_changes_nothing_is_not_written() -> None:
    journal = Journal()
    journal.power(10, on=True)
    journal.relay(20, 1)
    assert journal.version == 0


def test_an_entry_before_the_last_is_refused() -> None:
    journal = Journal()
    journal.set_clock(1000, 5)
    journal.set_clock(1000, 6)
    with pytest.raises(LocalProtocolError, match="time order"):
        journal.reset(999, "load-profile")
    assert journal.clock_settings == ((1000, 5), (1000, 6))


def test_the_last_reset_of_a_profile_counts() -> None:
    journal = Journal()
    journal.reset(1, "load-profile")
    journal.reset(2, "billing")
    journal.reset(3, "load-profile")
    assert (journal.reset_ms("load-profile"), journal.reset_ms("billing"), journal.reset_ms("other")) == (3, 2, None)


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["on", "off", "open", "close"])), max_size=30))
def test_dead_time_is_exactly_when_power_or_relay_were_missing(steps: list[tuple[int, str]]) -> None:
    journal = Journal()
    at_ms, power, relay = 0, True, True
    states: list[tuple[int, bool]] = [(0, True)]
    for gap, what in steps:
        at_ms += gap
        if what in ("on", "off"):
            power = what == "on"
            journal.power(at_ms, on=power)
        else:
            relay = what == "close"
            journal.relay(at_ms, 1 if relay else 0)
        states.append((at_ms, power and relay))
    for moment in range(at_ms + 3):
        flows = [state for since, state in states if since <= moment][-1]
        assert any(dead.start_ms <= moment < dead.end_ms for dead in journal.dead) is not flows

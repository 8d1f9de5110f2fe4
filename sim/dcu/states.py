"""The life of a concentrator's uplink as a table.

The table is the only place that says what follows what; `sim.dcu.firmware` does what each state stands for and reports
how it ended. Losing power is allowed anywhere.

Source: docs/protocols/dcu.md §1.
"""

from __future__ import annotations

from enum import Enum

from hes.dlms.state_table import follow


class State(Enum):
    OFF = "off"
    MODEM_INIT = "modem-init"
    DIAL = "dial"
    CONNECTING = "connecting"
    LOGIN = "login"
    ONLINE = "online"
    PING_CHECK = "ping-check"
    REST = "rest"
    REDIAL = "redial"
    MODULE_RESET = "module-reset"


class Event(Enum):
    POWER_ON = "power on"
    POWER_LOST = "power lost"
    MODEM_READY = "modem ready"
    MODEM_FAILED = "modem failed"
    ATTACHED = "attached"
    DIAL_FAILED = "dial failed"
    CONNECTED = "connected"
    CONNECT_FAILED = "connect failed"
    LOGIN_CONFIRMED = "login confirmed"
    LOGIN_REFUSED = "login refused"
    LOGIN_UNANSWERED = "login unanswered"
    HEARTBEATS_MISSED = "heartbeats missed"
    LINK_LOST = "link lost"
    PING_ANSWERED = "ping answered"
    PING_UNANSWERED = "ping unanswered"
    RESTED = "rested"
    DIAL_AGAIN = "dial again"
    DIALS_EXHAUSTED = "dials exhausted"
    RESET_DONE = "reset done"


TRANSITIONS: dict[State, dict[Event, State]] = {
    State.OFF: {Event.POWER_ON: State.MODEM_INIT},
    State.MODEM_INIT: {Event.MODEM_READY: State.DIAL, Event.MODEM_FAILED: State.MODULE_RESET},
    State.DIAL: {Event.ATTACHED: State.CONNECTING, Event.DIAL_FAILED: State.REDIAL},
    State.CONNECTING: {Event.CONNECTED: State.LOGIN, Event.CONNECT_FAILED: State.PING_CHECK},
    State.LOGIN: {
        Event.LOGIN_CONFIRMED: State.ONLINE,
        Event.LOGIN_REFUSED: State.PING_CHECK,
        Event.LOGIN_UNANSWERED: State.PING_CHECK,
        Event.LINK_LOST: State.PING_CHECK,
    },
    State.ONLINE: {Event.HEARTBEATS_MISSED: State.PING_CHECK, Event.LINK_LOST: State.PING_CHECK},
    State.PING_CHECK: {Event.PING_ANSWERED: State.REST, Event.PING_UNANSWERED: State.REDIAL},
    State.REST: {Event.RESTED: State.CONNECTING},
    State.REDIAL: {Event.DIAL_AGAIN: State.DIAL, Event.DIALS_EXHAUSTED: State.MODULE_RESET},
    State.MODULE_RESET: {Event.RESET_DONE: State.MODEM_INIT},
}
for _state, _row in TRANSITIONS.items():
    if _state is not State.OFF:
        _row[Event.POWER_LOST] = State.OFF


def step(state: State, event: Event) -> State:
    """The state that follows. Raises LocalProtocolError for a pair that the table does not have."""
    return follow(TRANSITIONS, state, event, "the uplink")

"""The life of one HDLC link, as a table that both sides obey.

A link exists between one client address and one server address. In normal disconnected mode (NDM) nothing is
numbered and only SNRM, DISC and UI mean anything; SNRM and its UA lead to normal response mode (NRM), where I frames
carry APDUs and the server speaks when it is polled. A server that gets what it cannot take says FRMR and then nothing
else until the link is set up again. The table says nothing about numbers, addresses or time: `ClientLink` and
`ServerLink` translate what they send and receive into events, and nothing else changes a state.

SNRM in NRM is a new link: numbers and parameters start again, and the association above is gone. LINE_LOST leads to
NDM from everywhere: what lies below is gone.

Source: docs/protocols/hdlc.md §5.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from hes.dlms.state_table import follow


class State(Enum):
    DISCONNECTED = "disconnected (NDM)"
    CONNECTING = "connecting"
    CONNECTED = "connected (NRM)"
    REJECTED = "frame rejected"
    DISCONNECTING = "disconnecting"


class Event(Enum):
    """What happened; the same words whether we sent the frame or received it."""

    SNRM = "SNRM"
    UA = "UA"
    DM = "DM"
    DISC = "DISC"
    FRMR = "FRMR"
    INFORMATION = "I"
    SUPERVISION = "RR or RNR"
    GIVEN_UP = "given up"
    INACTIVE = "inactivity time-out"
    LINE_LOST = "line lost"


TRANSITIONS: Final[dict[State, dict[Event, State]]] = {
    State.DISCONNECTED: {
        Event.SNRM: State.CONNECTING,
        Event.DISC: State.DISCONNECTING,
        Event.DM: State.DISCONNECTED,
        Event.LINE_LOST: State.DISCONNECTED,
    },
    State.CONNECTING: {
        Event.UA: State.CONNECTED,
        Event.DM: State.DISCONNECTED,
        Event.SNRM: State.CONNECTING,
        Event.DISC: State.DISCONNECTING,
        Event.GIVEN_UP: State.DISCONNECTED,
        Event.LINE_LOST: State.DISCONNECTED,
    },
    State.CONNECTED: {
        Event.INFORMATION: State.CONNECTED,
        Event.SUPERVISION: State.CONNECTED,
        Event.SNRM: State.CONNECTING,
        Event.DISC: State.DISCONNECTING,
        Event.DM: State.DISCONNECTED,
        Event.FRMR: State.REJECTED,
        Event.GIVEN_UP: State.DISCONNECTED,
        Event.INACTIVE: State.DISCONNECTED,
        Event.LINE_LOST: State.DISCONNECTED,
    },
    State.REJECTED: {
        Event.FRMR: State.REJECTED,
        Event.SNRM: State.CONNECTING,
        Event.DISC: State.DISCONNECTING,
        Event.DM: State.DISCONNECTED,
        Event.INACTIVE: State.DISCONNECTED,
        Event.LINE_LOST: State.DISCONNECTED,
    },
    State.DISCONNECTING: {
        Event.UA: State.DISCONNECTED,
        Event.DM: State.DISCONNECTED,
        Event.DISC: State.DISCONNECTING,
        Event.SNRM: State.CONNECTING,
        Event.GIVEN_UP: State.DISCONNECTED,
        Event.LINE_LOST: State.DISCONNECTED,
    },
}


def allows(state: State, event: Event) -> bool:
    """True when `event` has a place in the row of `state`; asked before a peer's event is applied."""
    return event in TRANSITIONS[state]


def step(state: State, event: Event) -> State:
    """The state after `event`. Raises LocalProtocolError for a pair that is not in the table."""
    return follow(TRANSITIONS, state, event, "the HDLC link")

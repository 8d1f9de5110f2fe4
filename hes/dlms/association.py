"""The life of one application association (AA), as a table that both roles obey.

An AA exists between one client SAP and one logical device. Without it only AARQ is possible; after an AARE that says
"accepted" it is open, unless the mechanism is high level security: then only `reply_to_HLS_authentication` may pass
until both sides have proved themselves (passes 3 and 4). The table says nothing about octets, keys or SAPs: `Client`
and `Server` translate what they send and receive into events, and nothing else changes a state.

```
IDLE --ASSOCIATE--> ASSOCIATION_PENDING --ACCEPTED--> ASSOCIATED --RELEASE--> RELEASE_PENDING --RELEASED--> IDLE
                            |   `--HLS_REQUIRED--> HLS_PENDING --HLS_PASSED--^      ^--RELEASE_REFUSED--'
                            `--REJECTED--> IDLE         `--HLS_FAILED--> IDLE
```
PRE_ESTABLISHED leads from IDLE to ASSOCIATED: everything was agreed in advance, and no RLRQ ends it.
LINK_LOST leads to IDLE from everywhere: the layer below is gone, and the AA with it.

Source: docs/protocols/dlms-application.md §2 (ACSE, HLS: an AARE with result 0 and diagnostic 14 is not yet open).
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from hes.dlms.state_table import follow


class State(Enum):
    __hash__ = object.__hash__  # a member is one object; the hash of Enum is its name's, worked out in Python each time

    IDLE = "idle"
    ASSOCIATION_PENDING = "association pending"
    HLS_PENDING = "HLS pending"
    ASSOCIATED = "associated"
    RELEASE_PENDING = "release pending"


class Event(Enum):
    """What happened; the same words whether we sent it or received it."""

    __hash__ = object.__hash__

    ASSOCIATE = "AARQ"
    PRE_ESTABLISHED = "association agreed in advance"
    ACCEPTED = "AARE accepted"
    HLS_REQUIRED = "AARE accepted, HLS required"
    REJECTED = "association refused"
    HLS_EXCHANGE = "reply_to_HLS_authentication"
    HLS_PASSED = "HLS passed"
    HLS_FAILED = "HLS failed"
    SERVICE = "xDLMS service"
    RELEASE = "RLRQ"
    RELEASED = "RLRE"
    RELEASE_REFUSED = "release refused"
    LINK_LOST = "link lost"


TRANSITIONS: Final[dict[State, dict[Event, State]]] = {
    State.IDLE: {
        Event.ASSOCIATE: State.ASSOCIATION_PENDING,
        Event.PRE_ESTABLISHED: State.ASSOCIATED,
        Event.LINK_LOST: State.IDLE,
    },
    State.ASSOCIATION_PENDING: {
        Event.ACCEPTED: State.ASSOCIATED,
        Event.HLS_REQUIRED: State.HLS_PENDING,
        Event.REJECTED: State.IDLE,
        Event.LINK_LOST: State.IDLE,
    },
    State.HLS_PENDING: {
        Event.HLS_EXCHANGE: State.HLS_PENDING,
        Event.HLS_PASSED: State.ASSOCIATED,
        Event.HLS_FAILED: State.IDLE,
        Event.LINK_LOST: State.IDLE,
    },
    State.ASSOCIATED: {
        Event.SERVICE: State.ASSOCIATED,
        Event.RELEASE: State.RELEASE_PENDING,
        Event.LINK_LOST: State.IDLE,
    },
    State.RELEASE_PENDING: {
        Event.RELEASED: State.IDLE,
        Event.RELEASE_REFUSED: State.ASSOCIATED,
        Event.LINK_LOST: State.IDLE,
    },
}


def allows(state: State, event: Event) -> bool:
    """True when `event` has a place in the row of `state`; asked before a peer's event is applied."""
    return event in TRANSITIONS[state]


def step(state: State, event: Event) -> State:
    """The state after `event`. Raises LocalProtocolError for a pair that is not in the table."""
    after = TRANSITIONS[state].get(event)
    return follow(TRANSITIONS, state, event, "the association") if after is None else after

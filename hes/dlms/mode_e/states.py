"""The life of a sign-on, as a table that reader and meter obey alike.

```
IDLE --REQUEST--> REQUESTED --IDENTIFICATION--> IDENTIFIED --SELECTION--> SELECTED --HAND_OVER--> HANDED_OVER
  ^--TIMED_OUT-------'  ^--------TIMED_OUT or REFUSED---------'                                        |
  ^------------------------------------------------ ENDED --------------------------------------------'
```
At HANDED_OVER the line carries HDLC; when that is over the port starts again at 300 Bd.

Source: docs/protocols/mode-e.md §1.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from hes.dlms.state_table import follow


class State(Enum):
    IDLE = "idle"
    REQUESTED = "requested"
    IDENTIFIED = "identified"
    SELECTED = "selected"
    HANDED_OVER = "handed over"


class Event(Enum):
    """What happened; the same words whether we sent it or received it."""

    REQUEST = "request"
    IDENTIFICATION = "identification"
    SELECTION = "option select"
    HAND_OVER = "change of speed"
    REFUSED = "another mode"
    TIMED_OUT = "timed out"
    ENDED = "end of the link"


TRANSITIONS: Final[dict[State, dict[Event, State]]] = {
    State.IDLE: {Event.REQUEST: State.REQUESTED},
    State.REQUESTED: {
        Event.REQUEST: State.REQUESTED,
        Event.IDENTIFICATION: State.IDENTIFIED,
        Event.TIMED_OUT: State.IDLE,
    },
    State.IDENTIFIED: {
        Event.REQUEST: State.REQUESTED,
        Event.SELECTION: State.SELECTED,
        Event.REFUSED: State.IDLE,
        Event.TIMED_OUT: State.IDLE,
    },
    State.SELECTED: {Event.HAND_OVER: State.HANDED_OVER, Event.ENDED: State.IDLE},
    State.HANDED_OVER: {Event.ENDED: State.IDLE},
}


def step(state: State, event: Event) -> State:
    """The state after `event`. Raises LocalProtocolError for a pair that is not in the table."""
    return follow(TRANSITIONS, state, event, "the sign-on")

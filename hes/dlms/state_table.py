"""State machines as tables: one look-up for all of them, and one sentence for what is not in them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

from hes.errors import LocalProtocolError

S = TypeVar("S", bound=Enum)
E = TypeVar("E", bound=Enum)


def follow(table: Mapping[S, Mapping[E, S]], state: S, event: E, what: str) -> S:
    """The state after `event`. what: of whom, for the error, such as "the association".

    Raises LocalProtocolError for a pair that is not in the table.
    """
    try:
        return table[state][event]
    except KeyError:
        event_name, state_name = _said(event), _said(state)
        raise LocalProtocolError(
            f"{event_name} is not allowed while {what} is {state_name}", event=event.name, state=state.name
        ) from None


def _said(member: Enum) -> str:
    """The words of a member whose value is words, its name where the value is a number of the protocol."""
    return member.value if isinstance(member.value, str) else member.name

"""What is fed with octets, and what it may do with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from hes.errors import RemoteProtocolError

Feed = Callable[[bytes], object]
"""Takes one input. What it returns is thrown away; what it raises is judged."""
Repair = Callable[[bytes], bytes]
"""Puts lengths and check sequences right again, so that damage reaches what lies behind them."""

SESSION_INPUTS: Final = 16  # inputs that one machine is fed before the next one is made


def unchanged(octets: bytes) -> bytes:
    return octets


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One decoder or machine.

    session: makes what is fed, anew for every `session_inputs` where it is stateful. examples: gives valid octets.
    decoders, machines: modules whose functions are counted when lines are. weight: its share of all executions, beside
    the others'. repair: applied to every second damaged input. may_raise: what a peer may cause.
    """

    name: str
    session: Callable[[], Feed]
    examples: Callable[[], Sequence[bytes]]
    decoders: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()
    weight: float = 1.0
    repair: Repair = unchanged
    may_raise: tuple[type[Exception], ...] = (RemoteProtocolError,)
    stateful: bool = False
    session_inputs: int = SESSION_INPUTS


def decoder(feed: Feed) -> Callable[[], Feed]:
    """A session of something that keeps nothing between two inputs."""
    return lambda: feed

"""What is worth knowing about a way to a device before using it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFacts:
    """Facts of one link, the same at both ends.

    kind: its URL scheme (`tcp`, `udp`, `serial`, `pty`, `sim`, ...).
    half_duplex: only one side may send at a time.
    mtu_octets: the largest piece that travels whole, 0 when the link is a stream without such a limit.
    turnaround_s: how long the other end usually takes before its first octet, processing not included.
    datagrams: every `write` travels as one piece, or is lost; pieces may overtake each other. A stream otherwise.
    connectionless: opening says nothing about the other end, and neither end hears that the other has closed.
    exclusive: one caller at a time; a second one is told that the place is busy.
    """

    kind: str
    half_duplex: bool = False
    mtu_octets: int = 0
    turnaround_s: float = 0.0
    datagrams: bool = False
    connectionless: bool = False
    exclusive: bool = False


LINK_FACTS = "link_facts"
"""The name to ask `transport.get_extra_info` for."""


def facts_of(transport: asyncio.BaseTransport) -> LinkFacts:
    """The facts of the link that `transport` is one end of."""
    facts = transport.get_extra_info(LINK_FACTS)
    if not isinstance(facts, LinkFacts):
        raise TypeError(f"{transport!r} was not opened by hes.links")
    return facts

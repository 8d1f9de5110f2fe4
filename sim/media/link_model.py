"""The link between a site and the network, as simulated connections see it; and the simplest one, a fixed line."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

from hes.links.facts import LinkFacts
from sim.scheduler import Scheduler

if TYPE_CHECKING:
    from sim.media.net import SimConnection


class LinkModel(Protocol):
    """The link between a site and the network. One per site."""

    name: str
    facts: LinkFacts
    nat_idle_s: float
    """After so long without a segment a connection is forgotten in the middle; infinite where nothing translates."""

    def trouble(self) -> str | None:
        """Why no connection can be opened now, as the rest of a sentence; None when it can."""
        ...

    def arrival_s(self, octets_count: int, *, is_from_site: bool) -> float:
        """When a segment sent now arrives; infinite while the link is down (`SimConnection.release` sends it again)."""
        ...

    def opened(self, connection: SimConnection) -> None: ...

    def closed(self, connection: SimConnection) -> None: ...


class Lan:
    """A fixed line: always the same short time, up until a fault says otherwise.

    Also the `sim.dcu.ports.Modem` of what stands at the site: nothing to dial, but power that can be lost.
    """

    def __init__(self, scheduler: Scheduler, name: str = "lan", *, latency_s: float = 0.0005) -> None:
        self.name = name
        self.facts = LinkFacts(kind="sim", turnaround_s=2 * latency_s)
        self.nat_idle_s = math.inf
        self.is_out = False
        self._scheduler = scheduler
        self._latency_s = latency_s
        self._connections: dict[int, SimConnection] = {}

    # -- sim.dcu.ports.Modem

    async def power_on(self) -> None: ...

    async def dial(self) -> None: ...

    def hang_up(self) -> None: ...

    def power_off(self) -> None:
        for connection in list(self._connections.values()):
            connection.cut_site("the site lost its power")

    async def ping(self) -> bool:
        return not self.is_out

    # -- what can go wrong

    def begin_outage(self) -> None:
        """Fault: octets wait until `end_outage`; connections live on unless TCP gives up."""
        self.is_out = True

    def end_outage(self) -> None:
        self.is_out = False
        for connection in list(self._connections.values()):
            connection.release()

    def drop(self) -> None:
        """Fault: every connection is reset."""
        for connection in list(self._connections.values()):
            connection.reset()

    # -- LinkModel

    def trouble(self) -> str | None:
        return None

    def arrival_s(self, octets_count: int, *, is_from_site: bool) -> float:
        return math.inf if self.is_out else self._scheduler.now_s + self._latency_s

    def opened(self, connection: SimConnection) -> None:
        self._connections[connection.number] = connection

    def closed(self, connection: SimConnection) -> None:
        self._connections.pop(connection.number, None)

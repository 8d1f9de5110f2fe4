"""What sessions of concentrators are given: limits, counters, whom they report to, and what they share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from hes.acquisition.registry import Registry
from hes.clock import Clock
from hes.protocols.gateway_route import GatewayRoute
from hes.trace.tap import Tap

if TYPE_CHECKING:
    from hes.acquisition.dcu_session import DcuSession


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """login_s: a connection that has not logged in by then is closed, whatever it says meanwhile. silence_s: one that
    has logged in, when it was not heard for that long.

    exchange_s: longest wait for one answer, longer than the concentrator's own. late_answer_s: how long after a
    timed-out exchange an answer of that meter is still taken for the late one.
    """

    login_s: float = 60.0
    silence_s: float = 600.0
    exchange_s: float = 60.0
    late_answer_s: float = 120.0


@dataclass(slots=True)
class SessionCounters:
    """What operators ask about a session. unexpected: frames that belong to nothing that we know."""

    exchanges: int = 0
    timeouts: int = 0
    late_answers: int = 0
    unexpected: int = 0
    heartbeats: int = 0


class SessionOwner(Protocol):
    """Who is told of a session's life: the listener that accepted it."""

    def session_opened(self, session: DcuSession) -> None: ...
    def session_closed(self, session: DcuSession, reason: str) -> None: ...
    def knows(self, terminal_id: str) -> bool: ...


@dataclass(slots=True, kw_only=True)
class SessionContext:
    """What every session of a collector shares."""

    registry: Registry
    clock: Clock
    tap: Tap
    route: GatewayRoute = field(default_factory=GatewayRoute)
    limits: SessionLimits = field(default_factory=SessionLimits)

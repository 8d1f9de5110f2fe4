"""One concentrator's connection to the head-end: login, heartbeats, and exchanges with the meters behind it.

The concentrator dials in and logs in with Q/GDW 376.1 frames; on the same connection the head-end then speaks
DLMS wrapper frames with the gateway header to its meters. The first octet of each frame tells which is which.

Late answers. The gateway header carries the meter's address but nothing that says which request is answered, so
after an exchange timed out the same meter is left alone until the late answer has come and been dropped, or until
`late_answer_s` has passed. The concentrator's own time-out is shorter than ours, which makes this rare. Inside an
association the invoke-id (and the invocation counter, where it is ciphered) is checked once more.

One `call_at` per session serves the deadlines of all its exchanges and of its life sign.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from hes.acquisition.registry import Registry
from hes.clock import Clock
from hes.dlms import gateway, wrapper
from hes.errors import LinkError, RemoteProtocolError
from hes.protocols import qgdw376
from hes.protocols.framing import StreamSplitter, WrapperFrame
from hes.protocols.gateway_route import ERRORS, GatewayRoute
from hes.protocols.qgdw376 import LinkService, Qgdw376Frame
from hes.protocols.wrapper_session import ExchangeTimeout, SessionLost
from hes.trace.tap import SESSION_CLOSED, SESSION_OPENED, Direction, Tap

log = structlog.get_logger()


class MeterQuarantined(LinkError):
    """A late answer of this meter may still come; ask again later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """login_s: a connection that has not logged in by then is closed. silence_s: nor heard for that long.

    exchange_s: longest wait for one answer, longer than the concentrator's own. late_answer_s: how long after a
    timed-out exchange an answer of that meter is still taken for the late one.
    """

    login_s: float = 60.0
    silence_s: float = 600.0
    exchange_s: float = 60.0
    late_answer_s: float = 120.0


@dataclass(slots=True)
class SessionCounters:
    """What operators ask about a session."""

    exchanges: int = 0
    timeouts: int = 0
    late_answers: int = 0
    unexpected: int = 0
    heartbeats: int = 0


@dataclass(slots=True)
class _Pending:
    answer: asyncio.Future[bytes]
    deadline_s: float


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


class DcuSession(asyncio.Protocol):
    """asyncio protocol of one accepted connection."""

    def __init__(self, owner: SessionOwner, context: SessionContext, name: str) -> None:
        """name: what the session is called in captures when its first frame is not a terminal's."""
        self.name = name
        self._named = False
        self.terminal_id: str | None = None
        self.counters = SessionCounters()
        self._owner = owner
        self._context = context
        self._splitter = StreamSplitter()
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._pending: dict[bytes, _Pending] = {}
        self._quarantine: dict[bytes, float] = {}
        self._heard_s = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at_s = float("inf")
        self._close_reason = "closed by the concentrator"

    # -- the connection's life

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._heard_s = self._loop.time()
        self._arm(self._heard_s + self._context.limits.login_s)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        reason = self._close_reason if exc is None else f"{self._close_reason} ({type(exc).__name__})"
        self._transport = None
        for address, pending in self._pending.items():
            if not pending.answer.done():
                pending.answer.set_exception(
                    SessionLost(
                        f"{self.name}: the connection ended: {reason}", meter=address.decode("ascii", "replace")
                    )
                )
        self._pending.clear()
        if self.terminal_id is not None:
            self._context.registry.remove(self.terminal_id, self, self._loop.time())
        self._owner.session_closed(self, reason)
        self._introduce()
        self._event(SESSION_CLOSED, reason)

    def close(self, reason: str) -> None:
        """End the connection; every exchange under way fails with SessionLost."""
        if self._transport is not None and not self._transport.is_closing():
            self._close_reason = reason
            self._transport.close()

    # -- octets in

    def data_received(self, data: bytes) -> None:
        self._heard_s = self._loop.time()
        try:
            frames = self._splitter.feed(data)
        except RemoteProtocolError:
            frames = []
        for frame in frames:
            if isinstance(frame, WrapperFrame):
                self._take_wrapper(frame)
            else:
                self._take_terminal(frame)
        if self._splitter.fault is not None:
            self._refuse(data, self._splitter.fault)

    def _refuse(self, data: bytes, fault: RemoteProtocolError) -> None:
        log.warning("stream_refused", session=self.name, error=fault.message, octet_offset=fault.octet_offset)
        self._tap_in(data, note=fault.message)
        self.close(f"neither 376.1 nor DLMS wrapper: {fault.message}")

    def _take_terminal(self, frame: Qgdw376Frame) -> None:
        service = qgdw376.link_service(frame)
        self._introduce(str(frame.terminal))
        self._tap_in(frame.encode())
        if service is None:
            self.counters.unexpected += 1
            return
        terminal_id = str(frame.terminal)
        if service is LinkService.LOGIN:
            if not self._owner.knows(terminal_id):
                log.warning("terminal_unknown", terminal=terminal_id)
                self.close(f"terminal {terminal_id} is not in the archive")
                return
            self._answer_terminal(frame)
            self._logged_in(terminal_id)
        elif self.terminal_id is None:
            self.close(f"terminal {terminal_id} sent {service.name} before it logged in")
        elif service is LinkService.HEARTBEAT:
            self.counters.heartbeats += 1
            self._answer_terminal(frame)
        else:
            self._answer_terminal(frame)
            self.close("the terminal logged out")

    def _logged_in(self, terminal_id: str) -> None:
        again = self.terminal_id == terminal_id
        self.terminal_id = terminal_id
        self._arm(self._loop.time() + self._context.limits.silence_s)
        if not again:
            self._event("login", terminal_id)
            self._owner.session_opened(self)
            self._context.registry.add(terminal_id, self)

    def _answer_terminal(self, frame: Qgdw376Frame) -> None:
        self._send(qgdw376.confirm(frame).encode())

    def _take_wrapper(self, frame: WrapperFrame) -> None:
        octets = wrapper.encode(*frame)
        try:
            answer = gateway.decode(frame.apdu)
        except RemoteProtocolError as error:
            self.counters.unexpected += 1
            self._tap_in(octets, note=f"not a gateway answer: {error.message}")
            return
        address = bytes(answer.address)
        pending = self._pending.pop(address, None)
        if pending is None or pending.answer.done() or not answer.is_response:
            self.counters.late_answers += 1
            self._quarantine.pop(address, None)
            self._tap_in(octets, note="late or unasked: dropped")
            return
        self._tap_in(octets)
        pending.answer.set_result(bytes(answer.apdu))

    # -- exchanges

    async def exchange(self, address: bytes, source: int, destination: int, apdu: bytes) -> bytes:
        """Send `apdu` to a meter and wait for its answer APDU.

        Raises ExchangeTimeout, SessionLost, MeterQuarantined, or what the concentrator says in the meter's place
        (MeterBusy, MeterSilent, MeterUnknown).
        """
        now_s = self._loop.time()
        if self._transport is None or self._transport.is_closing():
            raise SessionLost(f"{self.name}: the connection has ended")
        if self._quarantine.get(address, 0.0) > now_s or address in self._pending:
            raise MeterQuarantined(
                f"{self.name}: an answer of meter {address.decode('ascii', 'replace')} is still under way"
            )
        deadline_s = now_s + self._context.limits.exchange_s
        pending = _Pending(self._loop.create_future(), deadline_s)
        self._pending[address] = pending
        self.counters.exchanges += 1
        self._arm(deadline_s)
        self._send(self._context.route.request(address, source, destination, apdu))
        try:
            answer = await pending.answer
        except asyncio.CancelledError:
            if self._pending.get(address) is pending:
                del self._pending[address]
                self._quarantine[address] = self._loop.time() + self._context.limits.late_answer_s
            raise
        refusal = self._context.route.refusal(answer)
        if refusal is not None:
            meter = address.decode("ascii", "replace")
            raise ERRORS[refusal](f"{self.name}: the concentrator answers {refusal.value} for meter {meter}")
        return answer

    # -- time

    def _arm(self, at_s: float) -> None:
        """Make sure that the one timer fires no later than `at_s`."""
        if at_s >= self._timer_at_s:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at_s = at_s
        self._timer = self._loop.call_at(at_s, self._on_timer)

    def _on_timer(self) -> None:
        now_s = self._loop.time()
        self._timer = None
        self._timer_at_s = float("inf")
        for address in [a for a, p in self._pending.items() if p.deadline_s <= now_s]:
            self._time_out(address, now_s)
        limits = self._context.limits
        patience_s = limits.login_s if self.terminal_id is None else limits.silence_s
        if now_s - self._heard_s >= patience_s:
            self.close("no login" if self.terminal_id is None else f"silent for {patience_s:.0f} s")
            return
        wake_s = min((p.deadline_s for p in self._pending.values()), default=float("inf"))
        self._arm(min(wake_s, self._heard_s + patience_s))

    def _time_out(self, address: bytes, now_s: float) -> None:
        pending = self._pending.pop(address)
        self.counters.timeouts += 1
        self._quarantine[address] = now_s + self._context.limits.late_answer_s
        if not pending.answer.done():
            meter = address.decode("ascii", "replace")
            pending.answer.set_exception(
                ExchangeTimeout(f"{self.name}: meter {meter} gave no answer in {self._context.limits.exchange_s:.0f} s")
            )

    # -- octets out, and what is told of them

    def _send(self, octets: bytes) -> None:
        assert self._transport is not None
        self._context.tap.frame(self._context.clock.epoch_s(), self.name, Direction.TO_DEVICE, octets)
        self._transport.write(octets)

    def _introduce(self, name: str | None = None) -> None:
        """Tell the tap of this session: under its terminal's name when that spoke first, else under its own."""
        if not self._named:
            self._named = True
            self.name = name or self.name
            self._event(SESSION_OPENED, "")

    def _tap_in(self, octets: bytes, note: str = "") -> None:
        self._introduce()
        self._context.tap.frame(self._context.clock.epoch_s(), self.name, Direction.FROM_DEVICE, octets, note=note)

    def _event(self, event: str, detail: str) -> None:
        self._context.tap.session_event(self._context.clock.epoch_s(), self.name, event, detail)

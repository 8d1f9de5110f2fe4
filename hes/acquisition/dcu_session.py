"""One concentrator's connection to the head-end: login, heartbeats, and exchanges with the meters behind it.

The concentrator dials in and logs in with Q/GDW 376.1 frames; on the same connection the head-end then speaks
DLMS wrapper frames with the gateway header to its meters. The first octet of each frame tells which is which.

Late answers: see hes.acquisition.exchanges. The concentrator's own time-out is shorter than ours, which makes them
rare. Inside an association the invoke-id (and the invocation counter, where it is ciphered) is checked once more.

A session has ended as soon as either side says so: whoever waits is told at once and the registry forgets it, even
where the connection itself still takes its time to go (a peer that is dead acknowledges nothing).

One `call_at` per session serves the deadlines of its exchanges, of its login and of its life sign.
"""

from __future__ import annotations

import asyncio

import structlog

from hes.acquisition.exchanges import Exchanges, Taken, name_of
from hes.acquisition.session_context import SessionContext, SessionCounters, SessionLimits, SessionOwner
from hes.dlms import gateway, wrapper
from hes.errors import RemoteProtocolError
from hes.links.turns import TakesTurns
from hes.protocols import qgdw376
from hes.protocols.framing import StreamSplitter, WrapperFrame
from hes.protocols.gateway_route import ERRORS
from hes.protocols.qgdw376 import LinkService, Qgdw376Frame
from hes.protocols.wrapper_session import ExchangeTimeout, SessionLost
from hes.trace.tap import SESSION_CLOSED, SESSION_OPENED, Direction

__all__ = ["DcuSession", "SessionContext", "SessionCounters", "SessionLimits", "SessionOwner"]

log = structlog.get_logger()

LINGER_S = 5.0
"""How long a connection that we close may take to bring its last octets away; then it is aborted."""


class DcuSession(TakesTurns):
    """asyncio protocol of one accepted connection.

    disconnected: done when the connection itself is gone, which may be later than the end of the session.
    """

    turn_octets = 8192  # answers are longer than requests, and cost less

    def __init__(self, owner: SessionOwner, context: SessionContext, name: str) -> None:
        """name: what the session is called in captures when its first frame is not a terminal's."""
        super().__init__()
        self.name = name
        self._named = False
        self.terminal_id: str | None = None
        self.counters = SessionCounters()
        self._owner = owner
        self._context = context
        self._splitter = StreamSplitter()
        self._loop = asyncio.get_running_loop()
        self.disconnected: asyncio.Future[None] = self._loop.create_future()
        self._exchanges = Exchanges(context.limits.late_answer_s)
        self._ended = False
        self._patience_ends_s = float("inf")
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at_s = float("inf")

    # -- the connection's life

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._patience_ends_s = self._loop.time() + self._context.limits.login_s
        self._arm(self._patience_ends_s)

    def connection_lost(self, exc: Exception | None) -> None:
        reason = "closed by the concentrator"
        self._end(reason if exc is None else f"{reason} ({type(exc).__name__})")
        self._disarm()
        self._transport = None
        if not self.disconnected.done():
            self.disconnected.set_result(None)

    def close(self, reason: str) -> None:
        """End the session and its connection; every exchange under way fails with SessionLost now."""
        if self._ended or self._transport is None:
            return
        self._end(reason)
        self._disarm()
        self._arm(self._loop.time() + LINGER_S)
        self._transport.close()

    def _end(self, reason: str) -> None:
        if self._ended:
            return
        self._ended = True
        message = f"{self.name}: the connection ended: {reason}"
        self._exchanges.fail(lambda address: SessionLost(message, meter=name_of(address)))
        if self.terminal_id is not None:
            self._context.registry.remove(self.terminal_id, self, self._loop.time())
        self._owner.session_closed(self, reason)
        self._introduce()
        self._event(SESSION_CLOSED, reason)

    @property
    def has_ended(self) -> bool:
        """Whether either side has ended the session, even if its connection is not gone yet."""
        return self._ended

    # -- octets in

    def data_received(self, data: bytes) -> None:
        if len(data) > self.turn_octets:
            self.take_in_turns(data)
        else:
            self.take(data)

    def take(self, data: bytes) -> None:
        if self._ended:
            return
        if self.terminal_id is not None:
            self._heard()
        try:
            frames = self._splitter.feed(data)
        except RemoteProtocolError:
            frames = []
        for frame in frames:
            if self.has_ended:
                return
            if isinstance(frame, WrapperFrame):
                self._take_wrapper(frame)
            else:
                self._take_terminal(frame)
        if self._splitter.fault is not None:
            self._refuse(data, self._splitter.fault)

    def _heard(self) -> None:
        self._patience_ends_s = self._loop.time() + self._context.limits.silence_s

    def _refuse(self, data: bytes, fault: RemoteProtocolError) -> None:
        log.warning("stream_refused", session=self.name, error=fault.message, octet_offset=fault.octet_offset)
        self._tap_in(data, note=fault.message)
        self.close(f"neither 376.1 nor DLMS wrapper: {fault.message}")

    def _take_terminal(self, frame: Qgdw376Frame) -> None:
        terminal_id = str(frame.terminal)
        self._introduce(terminal_id)
        try:
            service, note = qgdw376.link_service(frame), ""
        except RemoteProtocolError as error:
            service, note = None, error.message
        self._tap_in(frame.encode(), note)
        if service is None:
            self.counters.unexpected += 1
        elif self.terminal_id not in (None, terminal_id):
            self.close(f"terminal {terminal_id} spoke on the connection of {self.terminal_id}")
        elif service is LinkService.LOGIN:
            self._log_in(frame, terminal_id)
        elif self.terminal_id is None:
            self.close(f"terminal {terminal_id} sent {service.name} before it logged in")
        elif service is LinkService.HEARTBEAT:
            self.counters.heartbeats += 1
            self._send(qgdw376.confirm(frame).encode())
        else:
            self._send(qgdw376.confirm(frame).encode())
            self.close("the terminal logged out")

    def _log_in(self, frame: Qgdw376Frame, terminal_id: str) -> None:
        if not self._owner.knows(terminal_id):
            log.warning("terminal_unknown", terminal=terminal_id)
            self._send(qgdw376.deny(frame).encode())
            self.close(f"terminal {terminal_id} is not in the archive")
            return
        self._send(qgdw376.confirm(frame).encode())
        self._heard()
        if self.terminal_id is None:
            self.terminal_id = terminal_id
            self._event("login", terminal_id)
            self._context.registry.add(terminal_id, self)
            self._owner.session_opened(self)

    def _take_wrapper(self, frame: WrapperFrame) -> None:
        octets = wrapper.encode(*frame)
        try:
            answer = gateway.decode(frame.apdu)
        except RemoteProtocolError as error:
            self.counters.unexpected += 1
            self._tap_in(octets, note=f"not a gateway answer: {error.message}")
            return
        if not answer.is_response:
            self.counters.unexpected += 1
            self._tap_in(octets, note="a request of the concentrator's own: dropped")
            return
        taken = self._exchanges.take(bytes(answer.address), bytes(answer.apdu))
        self.counters.late_answers += taken is Taken.LATE
        self.counters.unexpected += taken is Taken.UNASKED
        self._tap_in(octets, note="" if taken is Taken.AWAITED else "late or unasked: dropped")

    # -- exchanges

    async def exchange(self, address: bytes, source: int, destination: int, apdu: bytes) -> bytes:
        """Send `apdu` to a meter and wait for its answer APDU.

        Raises ExchangeTimeout, SessionLost, MeterQuarantined, or what the concentrator says in the meter's place
        (MeterBusy, MeterSilent, MeterUnknown).
        """
        if self._ended or self._transport is None:
            raise SessionLost(f"{self.name}: the connection has ended")
        octets = self._context.route.request(address, source, destination, apdu)
        now_s = self._loop.time()
        deadline_s = now_s + self._context.limits.exchange_s
        future = self._exchanges.begin(address, now_s, deadline_s)
        self.counters.exchanges += 1
        self._arm(deadline_s)
        self._send(octets)
        try:
            answer = await future
        except asyncio.CancelledError:
            self._exchanges.abandon(address, future, self._loop.time())
            raise
        refusal = self._context.route.refusal(answer)
        if refusal is not None:
            raise ERRORS[refusal](f"{self.name}: the concentrator answers {refusal.value} for meter {name_of(address)}")
        return answer

    def _timed_out(self, address: bytes) -> ExchangeTimeout:
        waited_s = self._context.limits.exchange_s
        return ExchangeTimeout(
            f"{self.name}: meter {name_of(address)} gave no answer in {waited_s:.0f} s", waited_s=waited_s
        )

    # -- time

    def _arm(self, at_s: float) -> None:
        """Make sure that the one timer fires no later than `at_s`."""
        if at_s >= self._timer_at_s:
            return
        self._disarm()
        self._timer_at_s = at_s
        self._timer = self._loop.call_at(at_s, self._on_timer)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._timer_at_s = float("inf")

    def _on_timer(self) -> None:
        now_s = self._loop.time()
        self._disarm()
        if self._ended:
            if self._transport is not None:
                self._transport.abort()
            return
        self.counters.timeouts += self._exchanges.time_out(now_s, self._timed_out)
        if now_s >= self._patience_ends_s:
            silence_s = self._context.limits.silence_s
            self.close("no login" if self.terminal_id is None else f"silent for {silence_s:.0f} s")
            return
        self._arm(min(self._exchanges.next_deadline_s, self._patience_ends_s))

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

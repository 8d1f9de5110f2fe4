"""One connection that carries HDLC to one DLMS device: the link set up, request out, answer back, pushes aside.

The session is an `asyncio.Protocol`, so any way that `hes.links` opens will do. Everything that HDLC is made of is
`hes.dlms.hdlc.client_link`; here are the transport, the futures of who waits, and one timer that is armed again when
it fires early, for the link's deadlines and for the exchange's own.

The link. `connect` sets it up (SNRM, UA), the first exchange does where nobody has; `close` sends DISC. An exchange
between other addresses releases the link and sets up another, since meters mostly allow one at a time; associations go
with their link. A link that went down by itself is not set up again by itself: the association is gone, and whoever
asks must know.

Late answers. Frames are numbered, so an answer is never taken for that to another request. An exchange that was
cancelled or took too long leaves its answer outstanding: the next one waits until the link has it, and it is dropped.
What comes in an I frame and is not the answer after all (the client knows it by its invoke-id) leaves `next_answer`.

Source: docs/protocols/hdlc.md §5-§7; the rules for late answers and for changing addresses are ours [A].
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

from hes.dlms.hdlc.address import ServerAddress, decode_server_address
from hes.dlms.hdlc.client_link import ClientLink
from hes.dlms.hdlc.frame import LENGTH
from hes.dlms.hdlc.link import State
from hes.dlms.hdlc.link_events import (
    LINK_CLAUSES,
    DownReason,
    LinkDown,
    LinkEvent,
    LinkFinding,
    LinkFindingKind,
    LinkUp,
    Received,
    ReceivedUnnumbered,
    Transmit,
)
from hes.dlms.hdlc.link_settings import CLIENT_DEFAULTS, ClientLinkSettings
from hes.dlms.hdlc.parameters import Parameters
from hes.errors import HesError, LinkError, LocalProtocolError, RemoteProtocolError
from hes.protocols.push_blocks import PushBlocks
from hes.protocols.wrapper_session import (
    PUSH_TAGS,
    SURPLUS_APDUS_MAX,
    ExchangeTimeout,
    FrameTap,
    PushHandler,
    SessionLost,
)

__all__ = ["ExchangeTimeout", "HdlcCounters", "HdlcSession", "LinkIsDown", "SessionLost"]


class LinkIsDown(LinkError):
    """The HDLC link could not be set up, or ended; the connection below it may be well. `reason`: a DownReason."""


@dataclass(slots=True)
class HdlcCounters:
    """What operators ask about a session. findings: frames that broke a rule or came again; links: set up.

    by_kind: those findings, by what they were.
    """

    exchanges: int = 0
    timeouts: int = 0
    late_answers: int = 0
    pushes: int = 0
    findings: int = 0
    links: int = 0
    by_kind: dict[LinkFindingKind, int] = field(default_factory=dict)

    def rules_broken(self) -> list[str]:
        """One sentence for each kind that breaks a rule, with the clause. A frame that came again breaks none."""
        broken = [(kind, count) for kind, count in self.by_kind.items() if kind is not LinkFindingKind.REPEATED]
        return [f"HDLC: {kind.value}, {count} times ({LINK_CLAUSES[kind]})" for kind, count in broken]


class HdlcSession(asyncio.Protocol):
    """An HDLC link as an exchange of APDUs.

    client_sap, server: the addresses that `exchange` uses unless told otherwise.
    timeout_s: how long one exchange, or setting the link up, may take in all; the link's own time-outs (settings) find
    most failures sooner. peer: how errors call the device.
    on_push: called with server SAP, client SAP and the APDU that the device sent on its own; tap: with every frame.
    Both are called from the loop and must neither block nor raise.
    """

    def __init__(
        self,
        *,
        client_sap: int,
        server: ServerAddress,
        timeout_s: float,
        settings: ClientLinkSettings = CLIENT_DEFAULTS,
        peer: str = "the device",
        on_push: PushHandler | None = None,
        tap: FrameTap | None = None,
    ) -> None:
        self.client_sap = client_sap
        self.server = server
        self.timeout_s = timeout_s
        self.peer = peer
        self.counters = HdlcCounters()
        self._settings = settings
        self._on_push = on_push
        self._push_blocks = PushBlocks()
        self._tap = tap
        self._link = ClientLink(client_sap=client_sap, server=server, settings=settings)
        self._ends = (client_sap, server)  # of the link
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[bytes] | None = None
        self._change: asyncio.Future[LinkUp | LinkDown] | None = None
        self._queued: bytes | None = None  # a request that waits until the link is free
        self._surplus: deque[bytes] = deque(maxlen=SURPLUS_APDUS_MAX)
        self._orphaned = False  # an answer is outstanding that nobody waits for any more
        self._down: LinkIsDown | None = None  # why the link went down by itself
        self._deadline_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._lost: HesError | None = None

    # what the user of the session calls

    async def connect(self) -> Parameters:
        """Set the link up between the session's own addresses, anew if there is one. Returns what was agreed.

        Raises ExchangeTimeout, LinkIsDown (the device refuses), SessionLost and LocalProtocolError while an exchange
        runs.
        """
        self._check_free()
        await self._release_others(self.client_sap, self.server)
        return await self._set_up()

    async def disconnect(self) -> None:
        """Release the link; the connection stays. A device that does not confirm it is left to forget it."""
        self._check_free()
        self._orphaned = False
        if self._link.state in (State.CONNECTED, State.REJECTED):
            with suppress(ExchangeTimeout):
                await self._changed(self._link.disconnect(self._now_s()))

    async def exchange(self, apdu: bytes, *, client_sap: int | None = None, server_sap: int | None = None) -> bytes:
        """Send `apdu` and return the APDU that comes back.

        client_sap, server_sap: for this exchange instead of the session's own; the link changes with them.
        Raises ExchangeTimeout, LinkIsDown, SessionLost, RemoteProtocolError (the answer has no LLC header) and
        LocalProtocolError while another exchange runs.
        """
        self._check_free()
        if not 0 < len(apdu) <= self._settings.apdu_octets_max:
            raise LocalProtocolError(f"an APDU of 1..{self._settings.apdu_octets_max} octets, not {len(apdu)}")
        client = self.client_sap if client_sap is None else client_sap
        server = self.server if server_sap is None else replace(self.server, upper=server_sap)
        await self._link_between(client, server)
        self._answer = asyncio.get_running_loop().create_future()
        self._deadline_s = self._now_s() + self.timeout_s
        self.counters.exchanges += 1
        self._surplus.clear()
        self._queued = apdu
        return await self._finished(self._answer)

    async def next_answer(self) -> bytes:
        """Wait for one more APDU, after one that was not the answer: the device is asked for it.

        Raises as `exchange` does.
        """
        self._check_free()
        if self._surplus:
            self.counters.late_answers -= 1
            return self._surplus.popleft()
        if self._down is not None:
            raise self._down
        self._link.expect_answer(self._now_s())
        self._answer = asyncio.get_running_loop().create_future()
        self._deadline_s = self._now_s() + self.timeout_s
        return await self._finished(self._answer)

    def close(self) -> None:
        """DISC where there is a link, and the end of the connection; whoever waits gets SessionLost. Twice is once."""
        if self.connected and self._link.state is State.CONNECTED:
            self._write(self._link.disconnect(0.0))  # nobody waits for its answer
        self._end(SessionLost(f"the connection to {self.peer} was closed by us."))

    @property
    def connected(self) -> bool:
        """Whether the connection is there; `link_up` says whether the link is."""
        return self._transport is not None and self._lost is None

    @property
    def link_up(self) -> bool:
        return self.connected and self._link.state is State.CONNECTED

    # what the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._lost is not None:
            return
        now_s = self._now_s()
        for frame in self._link.receiver.feed(data, now_s):
            if self._tap is not None:
                self._tap(False, frame.encode())  # noqa: FBT003 - the tap's own signature
            self._handle(self._link.receive_frame(frame, now_s))
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        why = f": {exc}" if exc is not None else ""
        error = SessionLost(f"{self.peer} closed the connection{why}.")
        error.__cause__ = exc
        self._end(error)

    # inside: the link

    async def _link_between(self, client: int, server: ServerAddress) -> None:
        """A link between these addresses, or the reason why there is none."""
        await self._release_others(client, server)
        if self._down is not None:
            raise self._down
        if self._link.state is not State.CONNECTED:
            await self._set_up()

    async def _release_others(self, client: int, server: ServerAddress) -> None:
        if (client, server) != self._ends:
            await self.disconnect()
            self._link = ClientLink(client_sap=client, server=server, settings=self._settings)
            self._ends = (client, server)
            self._down = None

    async def _set_up(self) -> Parameters:
        self._down = None
        self._orphaned = False
        event = await self._changed(self._link.connect(self._now_s()))
        if isinstance(event, LinkUp):
            return event.parameters
        self._down = self._is_down(event, "could not be set up")
        raise self._timed_out(event) if event.reason is DownReason.NO_ANSWER else self._down

    async def _changed(self, octets: bytes) -> LinkUp | LinkDown:
        """Send SNRM or DISC and wait for what becomes of the link."""
        self._change = asyncio.get_running_loop().create_future()
        self._deadline_s = self._now_s() + self.timeout_s
        self._write(octets)
        self._arm()
        event: LinkUp | LinkDown | None = None
        try:
            event = await self._change
            return event
        finally:
            self._change = None
            if event is None:  # given up by us: what comes now means nothing any more
                self._link.line_lost()

    async def _finished(self, answer: asyncio.Future[bytes]) -> bytes:
        try:
            self._send_queued()
            self._arm()
            return await answer
        finally:
            self._leave_exchange()

    def _leave_exchange(self) -> None:
        """Whatever has become of it; an answer that has not come is outstanding if its request went out."""
        self._answer = None
        sent = self._queued is None
        self._queued = None
        if sent and self._link.state is State.CONNECTED and not self._link.idle:
            self._orphaned = True

    def _is_down(self, event: LinkDown, what: str) -> LinkIsDown:
        return LinkIsDown(f"the HDLC link to {self.peer} {what}: {event}; connect again.", reason=event.reason)

    def _timed_out(self, event: LinkDown) -> ExchangeTimeout:
        self.counters.timeouts += 1
        text = f" ({event.text})" if event.text else ""
        return ExchangeTimeout(f"no answer from {self.peer}{text}; the HDLC link is given up.", reason=event.reason)

    # inside: events

    def _handle(self, events: list[LinkEvent]) -> None:
        for event in events:
            if isinstance(event, Transmit):
                self._write(event.octets)
            elif isinstance(event, Received):
                self._received(event.apdu)
            elif isinstance(event, ReceivedUnnumbered):
                server, client = decode_server_address(event.source), decode_server_address(event.destination)
                self._push(server.upper, client.upper, event.apdu)
            elif isinstance(event, (LinkUp, LinkDown)):
                self._link_changed(event)
            elif isinstance(event, LinkFinding):
                self._found(event)
        self._send_queued()

    def _received(self, apdu: bytes) -> None:
        if apdu and apdu[0] in PUSH_TAGS:
            self._push(self._ends[1].upper, self._ends[0], apdu)
            if self._link.state is State.CONNECTED and (self._answer is not None or self._orphaned):
                self._link.expect_answer(self._now_s())
        elif self._orphaned:
            self._orphaned = False
            self.counters.late_answers += 1
        elif self._answer is None or self._answer.done():
            self.counters.late_answers += 1
            self._surplus.append(apdu)
        else:
            self._answer.set_result(apdu)

    def _found(self, finding: LinkFinding) -> None:
        self.counters.findings += 1
        self.counters.by_kind[finding.kind] = self.counters.by_kind.get(finding.kind, 0) + 1
        if finding.kind is not LinkFindingKind.WRONG_LLC:
            return
        if self._orphaned:
            self._orphaned = False
        else:
            text = f"the answer of {self.peer} has no LLC header (E6 E7 00)."
            self._fail(RemoteProtocolError(text, clause=finding.clause))

    def _link_changed(self, event: LinkUp | LinkDown) -> None:
        self._orphaned = False
        self.counters.links += isinstance(event, LinkUp)
        if self._change is not None and not self._change.done():
            self._change.set_result(event)
        elif isinstance(event, LinkDown):
            self._down = self._is_down(event, "is down")
            self._queued = None
            self._fail(self._timed_out(event) if event.reason is DownReason.NO_ANSWER else self._down)

    def _push(self, source: int, destination: int, apdu: bytes) -> None:
        whole = self._push_blocks.take(source, destination, apdu)
        if whole is None:
            return
        self.counters.pushes += 1
        if self._on_push is not None:
            self._on_push(source, destination, whole)

    def _send_queued(self) -> None:
        if self._queued is not None and self._link.idle and not self._orphaned:
            apdu, self._queued = self._queued, None
            self._write(self._link.send(apdu, self._now_s()))

    # inside: transport and time

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def _write(self, octets: bytes) -> None:
        if not octets or self._transport is None:
            return
        if self._tap is not None:
            for frame in _each(octets):
                self._tap(True, frame)  # noqa: FBT003 - the tap's own signature
        self._transport.write(octets)

    def _check_free(self) -> None:
        if self._lost is not None:
            raise self._lost
        if self._transport is None:
            raise LocalProtocolError("the session is not connected yet")
        if self._answer is not None or self._change is not None:
            raise LocalProtocolError("an exchange is running on this session already")

    @property
    def _waiting(self) -> bool:
        """Whether somebody waits who has not been told anything yet."""
        return any(future is not None and not future.done() for future in (self._answer, self._change))

    def _arm(self) -> None:
        deadlines = [self._link.next_deadline()]
        if self._waiting:
            deadlines.append(self._deadline_s)
        deadline_s = min((at_s for at_s in deadlines if at_s is not None), default=None)
        if deadline_s is None or self._lost is not None:
            return
        if self._timer is not None and self._timer.when() > deadline_s:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(deadline_s, self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = None
        now_s = self._now_s()
        self._handle(self._link.timed_out(now_s))
        if self._waiting and now_s >= self._deadline_s:
            self.counters.timeouts += 1
            message = f"no answer from {self.peer} within {self.timeout_s:g} s."
            self._fail(ExchangeTimeout(message, waited_s=self.timeout_s))
        self._arm()

    def _fail(self, error: HesError) -> None:
        """Tell whoever waits."""
        for future in (self._answer, self._change):
            if future is not None and not future.done():
                future.set_exception(error)

    def _end(self, error: HesError) -> None:
        if self._lost is not None:
            return
        self._lost = error
        self._link.line_lost()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.close()
        self._fail(error)


def _each(octets: bytes) -> Iterator[bytes]:
    """The frames of a row, each with both flags."""
    position = 0
    while position < len(octets):
        end = position + ((octets[position + 1] << 8 | octets[position + 2]) & LENGTH) + 2
        yield octets[position:end]
        position = end

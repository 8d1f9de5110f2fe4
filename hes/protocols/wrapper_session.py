"""One connection that carries wrapper frames to one DLMS device: request out, answer back, pushes aside.

The session is an `asyncio.Protocol`, so any way that `hes.links` opens will do. One exchange runs at a time; its
deadline is one timer per session that is armed again when it fires early, not a timer per exchange.

Late answers. The wrapper says which application processes talk, not which request is answered. What arrives after its
exchange is over and before the next one begins is dropped and counted. What arrives after that cannot be told apart
here: the client checks the invoke-id (and the invocation counter), and asks for the `next_answer`.

Pushes. What a device sends on its own is told by its tag (data-notification, event-notification, information-report),
or by coming ciphered while no answer is awaited.

Source: docs/protocols/wrapper-and-gateway.md; the rules for late answers and ciphered pushes are ours [A].
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hes.dlms import wrapper
from hes.dlms.codes import ApduTag
from hes.errors import HesError, LinkError, LocalProtocolError, RemoteProtocolError
from hes.protocols.push_blocks import PushBlocks, is_push_block

PushHandler = Callable[[int, int, bytes], None]
"""Called with source wPort, destination wPort and the APDU that the device sent on its own."""

FrameTap = Callable[[bool, bytes], None]
"""Called with every frame: True for to the device, False for from it, and the octets with their wrapper header."""

PUSH_TAGS: Final = frozenset(
    {
        ApduTag.DATA_NOTIFICATION,
        ApduTag.EVENT_NOTIFICATION,
        ApduTag.GLO_EVENT_NOTIFICATION,
        ApduTag.DED_EVENT_NOTIFICATION,
        ApduTag.INFORMATION_REPORT_REQUEST,
        ApduTag.GLO_INFORMATION_REPORT_REQUEST,
        ApduTag.DED_INFORMATION_REPORT_REQUEST,
    }
)
SURPLUS_APDUS_MAX: Final = 64  # kept until somebody asks for the next one or sends a new request: a window of blocks
# an answer may come under these as well as a push: only whether an answer is awaited tells them apart
CIPHERED_TAGS: Final = frozenset(
    {
        ApduTag.GENERAL_GLO_CIPHERING,
        ApduTag.GENERAL_DED_CIPHERING,
        ApduTag.GENERAL_CIPHERING,
        ApduTag.GENERAL_SIGNING,
    }
)


class ExchangeTimeout(LinkError):
    """Nothing came back in time; a late answer is dropped."""


class SessionLost(LinkError):
    """The connection ended, by the device, by the network or by us."""


@dataclass(slots=True)
class WrapperCounters:
    """What operators ask about a session. strays: frames between other application processes, not pushes."""

    exchanges: int = 0
    timeouts: int = 0
    late_answers: int = 0
    strays: int = 0
    pushes: int = 0


class WrapperSession(asyncio.Protocol):
    """A wrapper connection as an exchange of APDUs.

    client_sap, server_sap: the wPorts that `exchange` uses unless told otherwise (0..65535).
    timeout_s: how long one exchange may take. peer: how errors call the device.
    on_push, tap: see PushHandler and FrameTap; both are called from the loop and must neither block nor raise.
    """

    def __init__(
        self,
        *,
        client_sap: int,
        server_sap: int,
        timeout_s: float,
        peer: str = "the device",
        on_push: PushHandler | None = None,
        tap: FrameTap | None = None,
    ) -> None:
        self.client_sap = client_sap
        self.server_sap = server_sap
        self.timeout_s = timeout_s
        self.peer = peer
        self.counters = WrapperCounters()
        self._on_push = on_push
        self._push_blocks: PushBlocks | None = None
        self._tap = tap
        self._receiver = wrapper.Receiver()
        self._transport: asyncio.Transport | None = None
        self._pending: asyncio.Future[bytes] | None = None
        self._surplus: deque[bytes] | None = None
        self._talk_to(server_sap, client_sap)
        self._deadline_s = 0.0
        self._timer_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._lost: HesError | None = None

    # what the user of the session calls

    async def exchange(self, apdu: bytes, *, client_sap: int | None = None, server_sap: int | None = None) -> bytes:
        """Send `apdu` and return the APDU that comes back: `ask`, and wait."""
        return await self.ask(apdu, client_sap=client_sap, server_sap=server_sap)

    def ask(
        self, apdu: bytes, *, client_sap: int | None = None, server_sap: int | None = None
    ) -> asyncio.Future[bytes]:
        """Send `apdu` at once; the future has the APDU that comes back. It is cancelled to give up waiting.

        client_sap, server_sap: for this exchange instead of the session's own, as another association needs them.
        Raises SessionLost, and LocalProtocolError while another exchange runs; the future raises ExchangeTimeout,
        SessionLost and RemoteProtocolError (what came is no wrapper frame; the connection is closed then).
        """
        client = self.client_sap if client_sap is None else client_sap
        server = self.server_sap if server_sap is None else server_sap
        future = self._await_answer(server, client)
        self._surplus = None
        assert self._transport is not None  # _await_answer has checked that the session is connected
        try:
            frame = self._request_head + len(apdu).to_bytes(2, "big") + apdu
            if self._tap is not None:
                self._tap(True, frame)  # noqa: FBT003 - the tap's own signature
            self.counters.exchanges += 1
            self._transport.write(frame)
        except BaseException as error:
            self._pending = None
            if isinstance(error, OverflowError):
                wrapper.encode(client, server, apdu)  # says what does not fit
            raise
        return future

    def send(self, apdu: bytes, *, client_sap: int | None = None, server_sap: int | None = None) -> None:
        """Send `apdu` and wait for nothing: one of several blocks, or a request of the unconfirmed class.

        client_sap, server_sap: instead of the session's own. Raises SessionLost, and LocalProtocolError before the
        session is connected.
        """
        if self._lost is not None:
            raise self._lost
        if self._transport is None:
            raise LocalProtocolError("the session is not connected yet")
        client = self.client_sap if client_sap is None else client_sap
        server = self.server_sap if server_sap is None else server_sap
        frame = wrapper.encode(client, server, apdu)
        if self._tap is not None:
            self._tap(True, frame)  # noqa: FBT003 - the tap's own signature
        self._transport.write(frame)

    async def next_answer(self) -> bytes:
        """Wait for one more APDU from the same application processes, after one that belonged to something else."""
        if self._surplus:
            self.counters.late_answers -= 1
            return self._surplus.popleft()
        return await self._await_answer(*self._ports)

    def close(self) -> None:
        """End the connection; whoever waits for an answer gets SessionLost. Nothing happens the second time."""
        self._end(SessionLost(f"the connection to {self.peer} was closed by us."))

    @property
    def connected(self) -> bool:
        return self._transport is not None and self._lost is None

    @property
    def never_framed(self) -> bool:
        """Whether what came was no wrapper frame from the first octet on: another protocol is spoken there."""
        fault = self._receiver.fault
        return fault is not None and fault.octet_offset == 0

    # what the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        pending = self._pending
        if pending is not None and data[:6] == self._answer_head and self._tap is None and not pending.done():
            apdu = self._receiver.whole(data)  # nearly always: the answer, and nothing else
            if apdu and apdu[0] not in PUSH_TAGS:
                pending.set_result(apdu)
                return
            if apdu is not None:
                self._received(*self._ports, apdu)
                return
        try:
            frames = self._receiver.feed(data)
        except RemoteProtocolError as error:
            self._end(error)
            return
        for source, destination, apdu in frames:
            self._received(source, destination, apdu)
        if self._receiver.fault is not None:  # behind the last frame: what came before it counts
            self._end(self._receiver.fault)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._lost is not None:
            return
        why = f": {exc}" if exc is not None else ""
        error = SessionLost(f"{self.peer} closed the connection{why}.")
        error.__cause__ = exc
        self._end(error)

    # inside

    def _await_answer(self, source: int, destination: int) -> asyncio.Future[bytes]:
        if self._lost is not None:
            raise self._lost
        if self._transport is None:
            raise LocalProtocolError("the session is not connected yet")
        pending = self._pending
        if pending is not None and not pending.done():
            raise LocalProtocolError("an exchange is running on this session already")
        loop = asyncio.get_running_loop()
        self._pending = future = loop.create_future()
        if self._ports != (source, destination):
            self._talk_to(source, destination)
        self._deadline_s = loop.time() + self.timeout_s
        if self._timer is None or self._timer_s > self._deadline_s:
            self._arm(loop)
        return future

    def _talk_to(self, server: int, client: int) -> None:
        """Make ready for answers from these application processes, and for requests to them."""
        self._ports = (server, client)
        self._request_head = wrapper.encode(client, server, b"")[:6]
        self._answer_head = wrapper.encode(server, client, b"")[:6]

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_s = self._deadline_s
        self._timer = loop.call_at(self._timer_s, self._timer_fired, loop)

    def _timer_fired(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        if self._pending is None or self._pending.done():
            return
        if loop.time() < self._deadline_s:  # armed for an earlier exchange
            self._arm(loop)
            return
        self.counters.timeouts += 1
        message = f"no answer from {self.peer} within {self.timeout_s:g} s."
        self._pending.set_exception(ExchangeTimeout(message, waited_s=self.timeout_s))

    def _received(self, source: int, destination: int, apdu: bytes) -> None:
        if self._tap is not None:
            self._tap(False, wrapper.encode(source, destination, apdu))  # noqa: FBT003 - the tap's own signature
        pending, tag = self._pending, apdu[0] if apdu else None
        awaited = pending is not None and not pending.done()
        ours = (source, destination) == self._ports
        if pending is not None and awaited and ours and tag not in PUSH_TAGS:
            pending.set_result(apdu)
        elif tag in PUSH_TAGS or tag in CIPHERED_TAGS or is_push_block(apdu):
            if self._push_blocks is None:
                self._push_blocks = PushBlocks()
            whole = self._push_blocks.take(source, destination, apdu)
            if whole is None:
                return
            self.counters.pushes += 1
            if self._on_push is not None:
                self._on_push(source, destination, whole)
        elif not ours:
            self.counters.strays += 1
        else:
            self.counters.late_answers += 1
            if self._surplus is None:
                self._surplus = deque(maxlen=SURPLUS_APDUS_MAX)
            self._surplus.append(apdu)

    def _end(self, error: HesError) -> None:
        if self._lost is not None:
            return
        self._lost = error
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.close()
        if self._pending is not None and not self._pending.done():
            self._pending.set_exception(error)

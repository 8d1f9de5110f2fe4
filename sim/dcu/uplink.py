"""One connection to the head-end: frames out of octets, and answers matched to what was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hes.errors import RemoteProtocolError
from hes.links.turns import TakesTurns
from hes.protocols import qgdw376
from hes.protocols.framing import StreamSplitter, WrapperFrame
from hes.protocols.qgdw376 import LinkService, Qgdw376Frame, TerminalId


class Uplink(TakesTurns):
    """The concentrator's end of one TCP connection.

    on_request: called with each DLMS wrapper frame. `lost` is done when the connection is.
    """

    turn_octets = 8192  # a request waits in a queue of limited length and costs little before

    def __init__(self, terminal: TerminalId, on_request: Callable[[Uplink, WrapperFrame], None]) -> None:
        super().__init__()
        self._terminal = terminal
        self._on_request = on_request
        self._splitter = StreamSplitter()
        self._pseq = 0
        self._asked: dict[int, asyncio.Future[bool]] = {}
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        if len(data) > self.turn_octets or self._unread:  # the end of an outage resumes reading by itself
            self.take_in_turns(data)
        else:
            self.take(data)

    def take(self, data: bytes) -> None:
        try:
            for frame in self._splitter.feed(data):
                if isinstance(frame, WrapperFrame):
                    self._on_request(self, frame)
                else:
                    self._link_answer(frame)
            if self._splitter.fault is not None:
                self.abort()
        except RemoteProtocolError:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self.lost.done():
            self.lost.set_result(None)
        for future in self._asked.values():
            if not future.done():
                future.cancel()

    # -- the firmware's side

    def send(self, octets: bytes) -> bool:
        """Write a whole frame; False when the connection is gone and the frame with it."""
        if self._transport is None or self._transport.is_closing():
            return False
        self._transport.write(octets)
        return True

    async def ask(self, service: LinkService, timeout_s: float) -> bool | None:
        """Send login, heartbeat or logout. True when confirmed, False when refused, None when unanswered or lost."""
        pseq, self._pseq = self._pseq, (self._pseq + 1) & qgdw376.PSEQ
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._asked[pseq] = answer
        if not self.send(qgdw376.encode_link(self._terminal, service, pseq).encode()):
            answer.cancel()
        try:
            await asyncio.wait((answer,), timeout=timeout_s)
            return answer.result() if answer.done() and not answer.cancelled() else None
        finally:
            del self._asked[pseq]
            answer.cancel()

    def abort(self) -> None:
        """End the connection now."""
        if self._transport is not None:
            self._transport.abort()

    def _link_answer(self, frame: Qgdw376Frame) -> None:
        """A 376.1 frame from the head-end: only confirmations are understood, the rest is passed over."""
        verdict = qgdw376.confirmation(frame)
        if verdict is None or frame.terminal != self._terminal:
            return
        asked = self._asked.get(verdict.pseq)
        if asked is not None and not asked.done():
            asked.set_result(verdict.is_accepted)

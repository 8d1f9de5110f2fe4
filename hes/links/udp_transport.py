"""One peer's end of a UDP socket, as asyncio knows transports: one `write` or `data_received` is one datagram."""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

from hes.errors import LocalProtocolError
from hes.links.facts import LINK_FACTS, LinkFacts

if TYPE_CHECKING:
    from hes.links.udp import UdpSocket

DATAGRAM_OCTETS_MAX: Final = 65507
"""What IPv4 leaves of its 65535 octets behind the headers of IP (20) and UDP (8)."""
UNREAD_OCTETS_MAX: Final = 262_144
"""Kept for one protocol that has paused reading; more is lost. Ours [A]."""
UDP_FACTS: Final = LinkFacts(kind="udp", mtu_octets=DATAGRAM_OCTETS_MAX, datagrams=True, connectionless=True)
Address = tuple[Any, ...]
"""What Python's sockets call a peer; host and port come first."""


class UdpTransport(asyncio.Transport):
    """Datagrams to and from one peer. last_s: loop time of the last one."""

    def __init__(self, udp: UdpSocket, address: Address | None, context: contextvars.Context) -> None:
        super().__init__()
        self.address = address
        self.is_lost = False
        self.last_s = udp.loop.time()
        self._udp = udp
        self._context = context
        self._protocol: Any = None
        self._is_paused = False
        self._unread: deque[bytes] = deque()
        self._unread_octets = 0

    # -- asyncio's side

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == LINK_FACTS:
            return UDP_FACTS
        if name == "peername" and self.address is not None:
            return self.address
        return self._udp.inner.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return cast("asyncio.BaseProtocol", self._protocol)

    def is_closing(self) -> bool:
        return self.is_lost

    def is_reading(self) -> bool:
        return not (self._is_paused or self.is_lost)

    def pause_reading(self) -> None:
        self._is_paused = True

    def resume_reading(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self._udp.loop.call_soon(self._drain)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """For the whole socket, which peers of a listener share."""
        self._udp.inner.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return self._udp.unsent_octets

    def can_write_eof(self) -> bool:
        return False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send one datagram. Raises LocalProtocolError when it is too long for one."""
        if self.is_lost or not data:
            return
        octets = bytes(data)
        if len(octets) > DATAGRAM_OCTETS_MAX:
            raise LocalProtocolError(
                f"{len(octets)} octets do not fit into one datagram of at most {DATAGRAM_OCTETS_MAX}",
                octets_count=len(octets),
            )
        self.last_s = self._udp.loop.time()
        self._udp.send(octets, self.address)

    def close(self) -> None:
        self.lose(None)

    def abort(self) -> None:
        self.lose(None)

    # -- the socket's side

    def made(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol
        self.call(protocol.connection_made, self)

    def receive(self, octets: bytes) -> None:
        """A datagram is here: hand it over, or keep it while the protocol does not read."""
        self.last_s = self._udp.loop.time()
        if not (self._is_paused or self._unread):
            self.call(self._protocol.data_received, octets)
        elif self._unread_octets + len(octets) <= UNREAD_OCTETS_MAX:
            self._unread.append(octets)
            self._unread_octets += len(octets)
        else:
            self._udp.dropped_count += 1

    def pause_writing(self) -> None:
        self._udp.loop.call_soon(self._unless_lost, self._protocol.pause_writing)

    def resume_writing(self) -> None:
        self._udp.loop.call_soon(self._unless_lost, self._protocol.resume_writing)

    def lose(self, error: Exception | None) -> None:
        """This pair is over; the protocol hears it soon."""
        if self.is_lost:
            return
        self.is_lost = True
        self._unread.clear()
        self._unread_octets = 0
        self._udp.ended(self)
        self._udp.loop.call_soon(self.call, self._protocol.connection_lost, error)

    def call(self, callback: Callable[..., Any], *args: Any) -> None:
        """Call the protocol in its own context; what it raises ends this pair only, as on asyncio's own loops."""
        try:
            self._context.run(callback, *args)
        except Exception as error:
            self._udp.loop.call_exception_handler(
                {"message": f"{callback!r} failed", "exception": error, "transport": self, "protocol": self._protocol}
            )
            self.lose(error)

    def _unless_lost(self, callback: Callable[[], None]) -> None:
        if not self.is_lost:
            self.call(callback)

    def _drain(self) -> None:
        while self._unread and not self._is_paused:
            octets = self._unread.popleft()
            self._unread_octets -= len(octets)
            self.call(self._protocol.data_received, octets)

"""UDP: `udp://host:port` and `udp-listen://host:port` (port 0 takes a free one).

One asyncio pair per peer: a caller's socket has one, a listening socket one for every address that it hears, made with
the first datagram from there. One `write` is one datagram, and so is one `data_received`; there are no empty ones.

UDP has no connection, so nobody hears that the other end has closed. A listener's pair ends when nothing went either
way for `idle_s`, with TimeoutError; what comes later from the same address makes a new one. A caller that the other
machine tells "nothing listens on that port" loses its pair with ConnectionRefusedError.

Datagrams are lost, doubled and reordered by the network, and lost here where a bound is met: too many unread by a
protocol that has paused, too many unsent, or one peer more than `peers`.
"""

from __future__ import annotations

import asyncio
import contextvars
import socket
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from hes.errors import ConfigError, LinkError
from hes.links.network_errors import url_of, why_not_connected, why_not_listening
from hes.links.options import Options
from hes.links.registry import LinkUrl, Pair, ProtocolFactory
from hes.links.udp_transport import Address, UdpTransport

UNSENT_OCTETS_MAX: Final = 4_194_304
"""Kept for one socket that the system takes nothing from; more is lost. Ours [A]."""
PEERS_DEFAULT: Final = 10_000
PEERS_MAX: Final = 1_000_000
IDLE_S_DEFAULT: Final = 600.0
"""Longer than a reading pauses, shorter than a peer's next port is in coming. Ours [A]."""
IDLE_S_MIN: Final = 0.1
IDLE_S_MAX: Final = 86_400.0
RECEIVE_BUFFER_OCTETS: Final = 4_194_304
"""Asked for, for bursts of pushes; the system may give less. Ours [A]."""


class UdpSocket(asyncio.DatagramProtocol):
    """One socket, with what a pair needs of it. dropped_count: datagrams lost at our bounds."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.dropped_count = 0
        self.inner: Any

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.inner = transport

    @property
    def unsent_octets(self) -> int:
        return int(self.inner.get_write_buffer_size())

    def send(self, octets: bytes, address: Address | None) -> None:
        if self.unsent_octets + len(octets) > UNSENT_OCTETS_MAX:
            self.dropped_count += 1
        else:
            self.inner.sendto(octets, address)

    def ended(self, pair: UdpTransport) -> None:
        """`pair` is over."""
        raise NotImplementedError


UdpSocketT = TypeVar("UdpSocketT", bound=UdpSocket)


class CallerSocket(UdpSocket):
    """A socket that knows one peer only."""

    pair: UdpTransport | None = None

    def open(self, factory: ProtocolFactory) -> Pair:
        try:
            protocol = factory()
        except BaseException:
            self.inner.abort()
            raise
        self.pair = UdpTransport(self, None, contextvars.copy_context())
        self.pair.made(protocol)
        return self.pair, protocol

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if self.pair is not None and data and not self.pair.is_lost:
            self.pair.receive(data)

    def error_received(self, exc: Exception) -> None:
        if self.pair is not None:
            self.pair.lose(exc)

    def pause_writing(self) -> None:
        if self.pair is not None:
            self.pair.pause_writing()

    def resume_writing(self) -> None:
        if self.pair is not None:
            self.pair.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.pair is not None:
            self.pair.lose(exc)

    def ended(self, pair: UdpTransport) -> None:
        self.inner.close()


class ListeningSocket(UdpSocket):
    """A socket that many peers send to. pairs: by the peer's address, oldest first."""

    def __init__(self, factory: ProtocolFactory, *, peers_max: int, idle_s: float) -> None:
        super().__init__()
        self.pairs: dict[Address, UdpTransport] = {}
        self.closed = asyncio.Event()
        self._factory = factory
        self._context = contextvars.copy_context()
        self._peers_max = peers_max
        self._idle_s = idle_s
        self._is_open = True
        self._timer: asyncio.TimerHandle | None = None

    def close(self) -> None:
        """Take no more peers."""
        self._is_open = False
        self._close_if_empty()

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if not data:
            return
        pair = self.pairs.get(addr) or self._meet(addr)
        if pair is None:
            self.dropped_count += 1
        elif not pair.is_lost:
            pair.receive(data)

    def error_received(self, exc: Exception) -> None:
        """Which peer it was about is not known; like a datagram that was lost."""

    def pause_writing(self) -> None:
        for pair in list(self.pairs.values()):
            pair.pause_writing()

    def resume_writing(self) -> None:
        for pair in list(self.pairs.values()):
            pair.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_open = False
        for pair in list(self.pairs.values()):
            pair.lose(exc)
        self.closed.set()

    def ended(self, pair: UdpTransport) -> None:
        if pair.address is not None and self.pairs.get(pair.address) is pair:
            del self.pairs[pair.address]
        self._close_if_empty()

    def _meet(self, address: Address) -> UdpTransport | None:
        """The pair for a peer that is heard for the first time; None when there is to be none."""
        if not self._is_open or len(self.pairs) >= self._peers_max:
            return None
        context = self._context.copy()
        try:
            protocol = context.run(self._factory)
        except Exception as error:
            self.loop.call_exception_handler({"message": f"no protocol for peer {address}", "exception": error})
            return None
        pair = self.pairs[address] = UdpTransport(self, address, context)
        pair.made(protocol)
        if self._timer is None:
            self._timer = self.loop.call_later(self._idle_s / 4, self._sweep)
        return pair

    def _sweep(self) -> None:
        self._timer = None
        now_s = self.loop.time()
        for pair in list(self.pairs.values()):
            if now_s - pair.last_s >= self._idle_s:
                host, port = cast("Address", pair.address)[:2]
                pair.lose(TimeoutError(f"{host}:{port} was silent for {self._idle_s:g} s"))
        if self.pairs:
            self._timer = self.loop.call_later(self._idle_s / 4, self._sweep)

    def _close_if_empty(self) -> None:
        if not self._is_open and not self.pairs:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self.inner.close()


class UdpListener:
    """A listening UDP port."""

    def __init__(self, udp: ListeningSocket) -> None:
        self.addresses = (url_of("udp", udp.inner.get_extra_info("sockname")),)
        self._udp = udp

    @property
    def dropped_count(self) -> int:
        """Datagrams lost here because a bound was met."""
        return self._udp.dropped_count

    def close(self) -> None:
        """Take no more peers. The pairs that there are share the port, and keep it until the last one ends."""
        self._udp.close()

    async def wait_closed(self) -> None:
        """The port is free, unless there are pairs left; those are not waited for."""
        if not self._udp.pairs:
            await self._udp.closed.wait()


async def connect(url: LinkUrl, protocol_factory: ProtocolFactory) -> Pair:
    """Open `udp://host:port`. Raises LinkError or ConfigError; nobody being there is no error."""
    Options(url).done()
    host, port = url.host_and_port()
    if port == 0:
        raise ConfigError(f"link {url.text!r} needs a port to send to (1..65535)", url=url.text)
    try:
        udp = await _open(host, port, CallerSocket, socket.socket.connect)
    except OSError as error:
        raise LinkError(why_not_connected(host, port, error), url=url.text, errno=error.errno) from error
    return udp.open(protocol_factory)


async def listen(url: LinkUrl, protocol_factory: ProtocolFactory) -> UdpListener:
    """Listen on `udp-listen://host:port`. Raises LinkError or ConfigError with one sentence."""
    options = Options(url)
    peers_max = options.whole("peers", PEERS_DEFAULT, 1, PEERS_MAX)
    idle_s = options.number("idle_s", IDLE_S_DEFAULT, IDLE_S_MIN, IDLE_S_MAX)
    options.done()
    host, port = url.host_and_port()

    def listening() -> ListeningSocket:
        return ListeningSocket(protocol_factory, peers_max=peers_max, idle_s=idle_s)

    try:
        udp = await _open(host, port, listening, socket.socket.bind)
    except OSError as error:
        raise LinkError(why_not_listening(host, port, error), url=url.text, errno=error.errno) from error
    return UdpListener(udp)


async def _open(
    host: str, port: int, factory: Callable[[], UdpSocketT], place: Callable[[socket.socket, Address], None]
) -> UdpSocketT:
    """A socket that `place` has bound or connected to the first address of `host` that allows it. Raises OSError."""
    loop = asyncio.get_running_loop()
    try:  # an address needs no name server, and so no thread
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    refusal = OSError(f"{host} has no address")
    for family, kind, number, _, address in found:
        opened = socket.socket(family, kind, number)
        try:
            opened.settimeout(0.0)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_OCTETS)
            place(opened, address)
            _, udp = await loop.create_datagram_endpoint(factory, sock=opened)
        except OSError as error:
            opened.close()
            refusal = error
        except BaseException:
            opened.close()
            raise
        else:
            return udp
    raise refusal

"""A concentrator's way to a real head-end: a link of hes.links that the field's faults can still take away.

Modem timing and losses are not simulated here; the real network has its own. What faults do:

- an outage holds octets in both directions: the connection lives on, as TCP does, unless an end gives up; new
  connections wait;
- a drop, and a loss of power, ends every connection. The other end hears of it at once, because the operating system
  tells it; a real concentrator without power would say nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, cast

from hes.errors import LinkError
from hes.links.registry import Links, LinkUrl, Pair, ProtocolFactory
from hes.links.tcp import TcpTransport

HELD_OCTETS_MAX = 1 << 20
"""Octets that one connection may write into an outage; beyond them it is lost."""


class RealLine:
    """The line of one site: a `sim.dcu.ports.Modem` for the firmware, an `Uplink` for faults.

    trouble: why the last attempt to connect failed, None after one that did not.
    """

    def __init__(self, links: Links, url: str, name: str) -> None:
        """links, url: the way to the head-end. name: of the site. Raises ConfigError when the URL is wrong."""
        self.name = name
        self.trouble: LinkError | None = None
        self._outer = links
        self._connections: list[_HeldTransport] = []
        self._is_up = asyncio.Event()
        self._is_up.set()
        self.links = Links()
        self.links.register(LinkUrl.parse(url).scheme, self._connect)

    async def _connect(self, url: LinkUrl, factory: ProtocolFactory) -> Pair:
        self.trouble = LinkError(f"{url.place} did not answer in time: check the address, the route and any firewall")
        await self._is_up.wait()
        try:
            _, handover = await self._outer.connect(url.text, lambda: _Handover(factory))
        except LinkError as error:
            self.trouble = error
            raise
        self.trouble = None
        transport = handover.transport
        self._connections = [each for each in self._connections if not each.is_closing()]
        self._connections.append(transport)
        return transport, transport.get_protocol()

    def _abort_all(self) -> None:
        connections, self._connections = self._connections, []
        for transport in connections:
            transport.abort()

    # -- sim.dcu.ports.Modem

    async def power_on(self) -> None: ...

    async def dial(self) -> None: ...

    def hang_up(self) -> None: ...

    def power_off(self) -> None:
        self._abort_all()

    async def ping(self) -> bool:
        return self._is_up.is_set()

    # -- what can go wrong

    def begin_outage(self) -> None:
        self._is_up.clear()
        for transport in self._connections:
            transport.hold()

    def end_outage(self) -> None:
        self._is_up.set()
        for transport in self._connections:
            transport.release()

    def drop(self) -> None:
        self._abort_all()


class _HeldTransport(TcpTransport):
    """A transport that can hold what passes through it."""

    def __init__(self, inner: asyncio.Transport) -> None:
        super().__init__(inner)
        self._through = self.write
        self._held: deque[bytes] = deque()
        self._held_octets = 0

    def hold(self) -> None:
        if not self.is_closing():
            self.write = self._hold  # type: ignore[method-assign] # as in TcpTransport: writing stays one call
            self.pause_reading()

    def release(self) -> None:
        if self.is_closing():
            return
        self.write = self._through  # type: ignore[method-assign]
        held, self._held, self._held_octets = self._held, deque(), 0
        for octets in held:
            self._through(octets)
        self.resume_reading()

    def _hold(self, data: bytes | bytearray | memoryview) -> None:
        self._held.append(bytes(data))
        self._held_octets += len(data)
        if self._held_octets > HELD_OCTETS_MAX:
            self.abort()


class _Handover(asyncio.Protocol):
    """Gives the user's protocol a transport that can be held, and steps aside."""

    transport: _HeldTransport

    def __init__(self, factory: ProtocolFactory) -> None:
        self._factory = factory

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        below = cast("asyncio.Transport", transport)
        protocol: Any = self._factory()
        self.transport = _HeldTransport(below)
        below.set_protocol(protocol)
        protocol.connection_made(self.transport)

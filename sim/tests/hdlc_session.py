"""The client's end of an HDLC line for tests: `ClientLink` as an asyncio protocol that exchanges APDUs."""

from __future__ import annotations

import asyncio

from hes.dlms.hdlc.address import ServerAddress
from hes.dlms.hdlc.client_link import ClientLink
from hes.dlms.hdlc.link_events import LinkDown, LinkEvent, LinkUp, Received, Transmit
from hes.dlms.hdlc.link_settings import ClientLinkSettings

PATIENCE_S = 30


class HdlcSession(asyncio.Protocol):
    """`open` the link, `exchange` APDUs, `close` it. What goes wrong is raised."""

    def __init__(self, client_sap: int, server: ServerAddress, settings: ClientLinkSettings | None = None) -> None:
        self.link = ClientLink(client_sap=client_sap, server=server, settings=settings or ClientLinkSettings())
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Future[LinkEvent] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._act(self.link.receive(data, self._loop.time()))

    async def open(self) -> LinkUp:
        event = await self._after(self.link.connect(self._loop.time()))
        assert isinstance(event, LinkUp), event
        return event

    async def exchange(self, apdu: bytes) -> bytes:
        event = await self._after(self.link.send(apdu, self._loop.time()))
        assert isinstance(event, Received), event
        return event.apdu

    async def close(self) -> LinkDown:
        event = await self._after(self.link.disconnect(self._loop.time()))
        assert isinstance(event, LinkDown), event
        return event

    async def _after(self, octets: bytes) -> LinkEvent:
        """Send and wait for the next event that is not just more to send."""
        self._waiting = self._loop.create_future()
        self.transport.write(octets)
        self._act([])
        async with asyncio.timeout(PATIENCE_S):
            return await self._waiting

    def _act(self, events: list[LinkEvent]) -> None:
        for event in events:
            if isinstance(event, Transmit):
                self.transport.write(event.octets)
            elif isinstance(event, LinkUp | LinkDown | Received) and self._waiting and not self._waiting.done():
                self._waiting.set_result(event)
        if self._timer is not None:
            self._timer.cancel()
        deadline_s = self.link.next_deadline()
        self._timer = None if deadline_s is None else self._loop.call_at(deadline_s, self._timed_out)

    def _timed_out(self) -> None:
        self._act(self.link.timed_out(self._loop.time()))

"""The field on real sockets: simulated devices served in real time to whoever connects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import structlog

from hes.clock import Clock, SystemClock
from hes.dlms import wrapper
from hes.errors import RemoteProtocolError
from hes.links.registry import Links
from sim.meter.endpoint import MeterEndpoint
from sim.world.population import MeterDevice, Population

log = structlog.get_logger()

CONNECTIONS_MAX = 8
"""Connections that one meter takes at a time; one more is closed at once."""


class MeterConnection(asyncio.Protocol):
    """One connection to one meter: wrapper frames in, its answers out. A broken stream ends the connection."""

    def __init__(self, endpoint: MeterEndpoint, clock: Clock, open_connections: dict[MeterConnection, None]) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._open = open_connections
        self._receiver = wrapper.Receiver()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if len(self._open) >= CONNECTIONS_MAX:
            log.warning("connection_refused", reason=f"{CONNECTIONS_MAX} are open already")
            transport.close()
            return
        self._open[self] = None

    def data_received(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        try:
            frames = self._receiver.feed(data)
        except RemoteProtocolError:
            frames = []
        for source, destination, apdu in frames:
            answer = self._endpoint.answer(wrapper.encode(source, destination, bytes(apdu)), self._clock.epoch_s())
            if answer is not None:
                transport.write(answer)
        if self._receiver.fault is not None:
            log.warning("connection_ended", reason=self._receiver.fault.message)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.pop(self, None)
        self._transport = None
        if not self._open:
            self._endpoint.link_lost()


def set_today(device: MeterDevice, clock: Clock) -> MeterDevice:
    """`device` with its clock set now: a drift since the start of its world, months ago, is no use to anybody."""
    return replace(device, identity=replace(device.identity, clock_set_ms=int(clock.epoch_s() * 1000)))


async def serve_meter(
    links: Links,
    url: str,
    population: Population,
    device: MeterDevice,
    announce: Callable[[str], None],
    *,
    clock: Clock | None = None,
) -> None:
    """Serve `device` at `url` until cancelled. announce: told the URL to connect to, with the port really taken."""
    connections: dict[MeterConnection, None] = {}
    real = clock or SystemClock()
    endpoint = population.endpoint(set_today(device, real))
    door = await links.listen(url, lambda: MeterConnection(endpoint, real, connections))
    try:
        announce(door.addresses[0])
        await asyncio.get_running_loop().create_future()
    finally:
        door.close()

"""Pushes of the reference meter on their way: a TCP connection each, a wrapper frame, sealed if the setup says so."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from hes.clock import Clock
from hes.dlms import wrapper
from hes.dlms.cosem.logical_device import LogicalDevice
from hes.dlms.cosem.push.settings import TransportService
from hes.dlms.cosem.push.setup import PushMessage, PushSetup
from hes.dlms.server import protect_notification
from hes.errors import StoreError
from sim.reference.associations import SETUP_OPEN
from sim.reference.meter import ReferenceMeter

log = structlog.get_logger()

CONNECT_S: Final = 5.0
CLIENT_SAP: Final = 16
"""For push setups of version 0, which do not say whose they are [A]."""


class Pushes:
    """Sends what the push setups of `device` hand out, and tells them how it went."""

    def __init__(self, device: LogicalDevice[ReferenceMeter], meter: ReferenceMeter, clock: Clock) -> None:
        self._device, self._meter, self._clock = device, meter, clock
        self._under_way: set[asyncio.Future[None]] = set()

    def send(self, message: PushMessage) -> None:
        task = asyncio.ensure_future(self._deliver(message))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _deliver(self, message: PushMessage) -> None:
        setup = self._device.find(message.push_setup)
        assert isinstance(setup, PushSetup)
        try:
            host, port = _place(message)
            frame = wrapper.encode(self._device.server_sap, message.client_sap or CLIENT_SAP, self._sealed(message))
            async with asyncio.timeout(CONNECT_S):
                _, writer = await asyncio.open_connection(host, port)
                writer.write(frame)
                await writer.drain()
            writer.close()
        except (OSError, ValueError, TimeoutError, StoreError) as error:
            log.warning("push_failed", push_setup=str(message.push_setup), reason=str(error))
            setup.failed(self._device.own_context(self._meter, self._clock.epoch_s()), message.number)
        else:
            setup.delivered(self._device.own_context(self._meter, self._clock.epoch_s()), message.number)

    def _sealed(self, message: PushMessage) -> bytes:
        if message.control is None:
            return message.notification.encode()
        return protect_notification(self._meter.security, SETUP_OPEN, message.notification, control=message.control)


def _place(message: PushMessage) -> tuple[str, int]:
    """HOST:PORT of attribute 3. Raises ValueError for anything else, or another transport."""
    host, colon, port = message.destination.address.decode("ascii").rpartition(":")
    if message.destination.transport != TransportService.TCP or not (host and colon):
        raise ValueError(f"no TCP address: {message.destination.address!r}")
    return host, int(port)

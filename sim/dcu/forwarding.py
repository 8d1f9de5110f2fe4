"""Transparent access: the head-end talks to a meter through the concentrator.

A request comes as a wrapper frame whose payload starts with the gateway prefix (E6, network, meter's address). The
prefix is taken off, the rest goes to the meter in a wrapper frame of its own with the same wPorts, and the meter's
answer goes back behind prefix E7. Every request is answered within the concentrator's own time-out, counted from its
arrival; when that is shorter than the head-end's, no answer can be taken for the next one's. What the concentrator has
to say itself is an exception-response (D8) behind E7: see `Refusal`.

Source: docs/protocols/dcu.md §2.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from enum import Enum

from hes.dlms import gateway, wrapper
from hes.errors import RemoteProtocolError
from hes.protocols.framing import WrapperFrame
from hes.protocols.gateway_route import GatewayRoute, RouteAnswer
from sim.dcu.config import DcuConfig
from sim.dcu.ports import MeterNetwork, MeterSilent, UnknownMeter
from sim.dcu.uplink import Uplink

_ROUTE = GatewayRoute()
"""The table by which a head-end understands a concentrator: this one speaks by it."""


class Refusal(Enum):
    """What the concentrator says in a meter's place. No published text fixes these codes [A]."""

    BUSY = _ROUTE.answer_octets(RouteAnswer.BUSY)
    """service-not-allowed, operation-not-possible: its own work has the meter, or its queue is full. Ask again."""
    SILENT = _ROUTE.answer_octets(RouteAnswer.SILENT)
    """service-not-allowed, other-reason: the meter did not answer in time."""
    UNKNOWN = _ROUTE.answer_octets(RouteAnswer.UNKNOWN)
    """service-unknown, other-reason: no such meter in the archive."""


@dataclass(slots=True)
class ForwardStatistics:
    requests: int = 0
    answered: int = 0
    busy: int = 0
    silent: int = 0
    unknown: int = 0
    not_understood: int = 0
    undeliverable: int = 0
    """The connection that asked was gone when the answer was there."""


@dataclass(slots=True)
class _Request:
    uplink: Uplink
    source: int
    destination: int
    network_id: int
    address: bytes
    apdu: bytes
    deadline_s: float


class Forwarder:
    """The queue of requests and the workers that carry them to meters."""

    def __init__(self, config: DcuConfig, meters: MeterNetwork, statistics: ForwardStatistics) -> None:
        self._config = config
        self._meters = meters
        self._known = frozenset(config.meters)
        self._queue: deque[_Request] = deque()
        self._arrived = asyncio.Event()
        self._in_flight: set[bytes] = set()
        self._last_used_s: dict[bytes, float] = {}
        self.taken: set[bytes] = set()
        """Meters that the concentrator's own work has just now."""
        self.statistics = statistics

    def receive(self, uplink: Uplink, frame: WrapperFrame) -> None:
        """Queue a request or refuse it at once. Frames without a gateway request are passed over: nobody is there."""
        try:
            asked = gateway.decode(frame.apdu)
        except RemoteProtocolError:
            asked = None
        if asked is None or asked.is_response:
            self.statistics.not_understood += 1
            return
        self.statistics.requests += 1
        now_s = asyncio.get_running_loop().time()
        deadline_s = now_s + self._config.meter_timeout_s
        request = _Request(
            uplink, frame.source, frame.destination, asked.network_id, asked.address, asked.apdu, deadline_s
        )
        if asked.address not in self._known:
            self._refuse(request, Refusal.UNKNOWN)
        elif asked.address in self.taken or len(self._queue) >= self._config.queue_max:
            self._refuse(request, Refusal.BUSY)
        else:
            self._last_used_s[asked.address] = now_s
            self._queue.append(request)
            self._arrived.set()

    def is_in_use(self, address: bytes, quiet_s: float) -> bool:
        """Whether the head-end speaks to this meter, or did less than quiet_s ago."""
        last_s = self._last_used_s.get(address)
        if address in self._in_flight or any(request.address == address for request in self._queue):
            return True
        return last_s is not None and asyncio.get_running_loop().time() - last_s < quiet_s

    async def work(self) -> None:
        """Carry requests, oldest first, never two to one meter at once. Runs until cancelled."""
        while True:
            request = self._next()
            if request is None:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            self._in_flight.add(request.address)
            try:
                await self._carry(request)
            finally:
                self._in_flight.discard(request.address)
                self._arrived.set()

    def _next(self) -> _Request | None:
        for index, request in enumerate(self._queue):
            if request.address not in self._in_flight:
                del self._queue[index]
                return request
        return None

    async def _carry(self, request: _Request) -> None:
        loop = asyncio.get_running_loop()
        octets = wrapper.encode(request.source, request.destination, request.apdu)
        try:
            answer = await self._meters.exchange(request.address, octets, request.deadline_s - loop.time())
            frames = wrapper.decode_datagram(answer)
        except (MeterSilent, RemoteProtocolError):
            self._refuse(request, Refusal.SILENT)
        except UnknownMeter:
            self._refuse(request, Refusal.UNKNOWN)
        else:
            self._last_used_s[request.address] = loop.time()
            self.statistics.answered += 1
            for source, destination, apdu in frames:
                self._answer(request, source, destination, apdu)

    def _refuse(self, request: _Request, refusal: Refusal) -> None:
        statistics = self.statistics
        if refusal is Refusal.BUSY:
            statistics.busy += 1
        elif refusal is Refusal.SILENT:
            statistics.silent += 1
        else:
            statistics.unknown += 1
        self._answer(request, request.destination, request.source, refusal.value)

    def _answer(self, request: _Request, source: int, destination: int, apdu: bytes) -> None:
        payload = gateway.encode_response(request.network_id, request.address, apdu)
        if not request.uplink.send(wrapper.encode(source, destination, payload)):
            self.statistics.undeliverable += 1

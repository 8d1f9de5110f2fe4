"""A GPRS modem and its bearer, flow-level: the network hides its frames, so a segment has a delay and no frames.

What a head-end notices of GPRS, and therefore what is modelled: minutes to come up, half a second to a second of round
trip, a first segment after a pause that takes longer (set-up of a temporary block flow), low and unequal rates, address
translation that forgets idle connections, an operator that drops the data connection a few times a day, and coverage
that goes away. Frames, cells and retransmissions are not modelled.

Source of the figures: docs/protocols/plc-and-wan.md §3, with their marks.
"""

from __future__ import annotations

import asyncio
import math
import random
from dataclasses import dataclass

from hes.errors import LinkError
from hes.links.facts import LinkFacts
from sim.media.net import SimConnection
from sim.scheduler import Scheduler

SECONDS_PER_DAY = 86400
TCP_IP_OCTETS = 40
SEGMENT_OCTETS_MAX = 1360

Range = tuple[float, float]
"""Shortest and longest; drawn evenly in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GprsParameters:
    """One modem at one site. Defaults: GPRS multi-slot class 10."""

    boot_s: Range = (3.0, 8.0)  # [A]
    register_s: Range = (5.0, 30.0)  # [A] after "5..60 s"
    attach_s: Range = (5.0, 30.0)  # [M][A] attach and PDP context
    attach_failure_ratio: float = 0.02  # [A]
    round_trip_s: Range = (0.5, 1.0)  # [M]
    up_bit_s: float = 26_800.0  # [M] 2 slots of CS-2
    down_bit_s: float = 53_600.0  # [M] 4 slots of CS-2
    flow_idle_s: float = 1.0  # [S1] a pause longer than this ends the temporary block flow
    flow_setup_s: Range = (0.5, 2.0)  # [M]
    nat_idle_s: float = 600.0  # [M] between 2 and 15 minutes
    drops_per_day: float = 2.0  # [A] between 1 and 4
    outage_survived_s: float = 60.0  # [A] a longer loss of coverage costs the data connection
    dial_gives_up_s: float = 75.0  # [M] longest wait of AT+CGATT


class GprsModem:
    """The modem of one site: a `sim.dcu.ports.Modem` for the firmware, a `LinkModel` for the net.

    stream: the modem's own; nothing else draws from it.
    """

    def __init__(
        self, scheduler: Scheduler, stream: random.Random, name: str, parameters: GprsParameters | None = None
    ) -> None:
        self.name = name
        self.parameters = parameters or GprsParameters()
        low, high = self.parameters.round_trip_s
        self.facts = LinkFacts(kind="sim", turnaround_s=(low + high) / 2)
        self.nat_idle_s = self.parameters.nat_idle_s
        self.is_registered = False
        self.is_attached = False
        self.is_out = False
        self.drops_count = 0
        self._scheduler = scheduler
        self._stream = stream
        self._connections: dict[int, SimConnection] = {}
        self._attachment = 0  # numbers data connections, so that an old one's drop does not end the next
        self._outage = 0
        self._line_free_s = {True: 0.0, False: 0.0}
        self._last_octet_s = -math.inf

    # -- sim.dcu.ports.Modem

    async def power_on(self) -> None:
        """Boot and register. Raises LinkError without coverage."""
        await asyncio.sleep(self._draw(self.parameters.boot_s) + self._draw(self.parameters.register_s))
        if self.is_out:
            raise LinkError(f"{self.name}: no network registration", modem=self.name)
        self.is_registered = True

    async def dial(self) -> None:
        """Attach and get an address. Raises LinkError without coverage or when the operator refuses."""
        if self.is_attached:
            return
        if self.is_out or not self.is_registered:
            await asyncio.sleep(self.parameters.dial_gives_up_s)
            raise LinkError(f"{self.name}: no data connection, the network does not answer", modem=self.name)
        await asyncio.sleep(self._draw(self.parameters.attach_s))
        if self.is_out or not self.is_registered or self._stream.random() < self.parameters.attach_failure_ratio:
            raise LinkError(f"{self.name}: no data connection, the operator refused it", modem=self.name)
        self.is_attached = True
        self._attachment += 1
        if self.parameters.drops_per_day > 0:
            until_drop_s = self._stream.expovariate(self.parameters.drops_per_day / SECONDS_PER_DAY)
            self._scheduler.post_at(self._scheduler.now_s + until_drop_s, self._drop, self._attachment)

    def hang_up(self) -> None:
        self._lose_data_connection("the modem hung up")

    def power_off(self) -> None:
        self.is_registered = False
        self._lose_data_connection("the modem lost its power")

    async def ping(self) -> bool:
        """Three round trips; true if the network beyond the operator answers."""
        await asyncio.sleep(3 * self._draw(self.parameters.round_trip_s))
        return self.is_attached and not self.is_out

    # -- what can go wrong

    def begin_outage(self) -> None:
        """Coverage or the operator's core goes away. Octets wait; after a while the data connection is gone too."""
        self.is_out = True
        self._outage += 1
        self._scheduler.post_at(
            self._scheduler.now_s + self.parameters.outage_survived_s, self._outage_lasts, self._outage
        )

    def end_outage(self) -> None:
        """The network is back; connections that survived send again what was lost."""
        self.is_out = False
        self._outage += 1
        for connection in list(self._connections.values()):
            connection.release()

    def drop(self) -> None:
        """The operator ends the data connection now."""
        self._drop(self._attachment)

    def _drop(self, attachment: int) -> None:
        if self.is_attached and attachment == self._attachment:
            self.drops_count += 1
            self._lose_data_connection("the operator ended the data connection")

    def _outage_lasts(self, outage: int) -> None:
        if self.is_out and outage == self._outage:
            self._lose_data_connection("the modem lost the network")

    def _lose_data_connection(self, reason: str) -> None:
        self.is_attached = False
        for connection in list(self._connections.values()):
            connection.cut_site(reason)

    # -- sim.media.net.LinkModel

    def trouble(self) -> str | None:
        return None if self.is_attached else "the modem has no data connection"

    def arrival_s(self, octets_count: int, *, is_from_site: bool) -> float:
        if self.is_out or not self.is_attached:
            return math.inf
        parameters = self.parameters
        now_s = self._scheduler.now_s
        start_s = max(now_s, self._line_free_s[is_from_site])
        if now_s - self._last_octet_s > parameters.flow_idle_s:
            start_s += self._draw(parameters.flow_setup_s)
        segments_count = octets_count // SEGMENT_OCTETS_MAX + 1
        rate_bit_s = parameters.up_bit_s if is_from_site else parameters.down_bit_s
        sent_s = start_s + (octets_count + segments_count * TCP_IP_OCTETS) * 8 / rate_bit_s
        self._line_free_s[is_from_site] = self._last_octet_s = sent_s
        return sent_s + self._draw(parameters.round_trip_s) / 2

    def opened(self, connection: SimConnection) -> None:
        self._connections[connection.number] = connection

    def closed(self, connection: SimConnection) -> None:
        self._connections.pop(connection.number, None)

    def _draw(self, span: Range) -> float:
        low, high = span
        return low + (high - low) * self._stream.random()

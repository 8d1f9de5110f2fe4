"""What a concentrator does by itself: round after round it visits its meters, whoever else wants them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from hes.clock import Clock
from hes.dlms import wrapper
from hes.entropy import Entropy
from hes.errors import LinkError
from sim.dcu.config import OwnWork
from sim.dcu.forwarding import Forwarder
from sim.dcu.ports import MeterNetwork


@dataclass(frozen=True, slots=True)
class Visit:
    """The last successful visit to a meter: when, and the wrapper frame that answered each request."""

    epoch_s: float
    answers: tuple[bytes, ...]


@dataclass(slots=True)
class OwnWorkStatistics:
    rounds: int = 0
    visits: int = 0
    failures: int = 0
    postponed: int = 0
    """Visits given up because the head-end was using the meter."""


class OwnWorker:
    """Runs rounds of visits. `visits` is the concentrator's own archive; it survives a loss of power, as flash does."""

    def __init__(
        self,
        work: OwnWork,
        addresses: tuple[bytes, ...],
        meters: MeterNetwork,
        clock: Clock,
        entropy: Entropy,
        visits: dict[bytes, Visit],
        statistics: OwnWorkStatistics,
    ) -> None:
        self._work = work
        self._addresses = addresses
        self._meters = meters
        self._clock = clock
        self._entropy = entropy
        self._visits = visits
        self._statistics = statistics

    async def run(self, forwarder: Forwarder) -> None:
        """Rounds at multiples of the period in civil time, until cancelled."""
        work = self._work
        while True:
            until_round_s = work.period_s - self._clock.epoch_s() % work.period_s
            await asyncio.sleep(until_round_s + self._entropy.uniform(0.0, work.spread_s))
            self._statistics.rounds += 1
            await self._round(forwarder)

    async def _round(self, forwarder: Forwarder) -> None:
        quiet_s = self._work.quiet_s
        left_for_the_end = []
        for address in self._addresses:
            if forwarder.is_in_use(address, quiet_s):
                left_for_the_end.append(address)
            else:
                await self._visit(address, forwarder)
        for address in left_for_the_end:
            if forwarder.is_in_use(address, quiet_s):
                self._statistics.postponed += 1
            else:
                await self._visit(address, forwarder)

    async def _visit(self, address: bytes, forwarder: Forwarder) -> None:
        """All requests to one meter; it is taken meanwhile."""
        work = self._work
        answers = []
        forwarder.taken.add(address)
        try:
            for source, destination, apdu in work.requests:
                octets = wrapper.encode(source, destination, apdu)
                answers.append(await self._meters.exchange(address, octets, work.exchange_timeout_s))
            self._statistics.visits += 1
            self._visits[address] = Visit(self._clock.epoch_s(), tuple(answers))
        except LinkError:
            self._statistics.failures += 1
        finally:
            forwarder.taken.discard(address)
        await asyncio.sleep(work.pause_s)

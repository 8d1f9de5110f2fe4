"""Simulated meters that a scenario may spoil: the next request or answer can be lost, and the next answer watched."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from scenarios.bench import Part
from sim.meter.endpoint import MeterEndpoint, MeterMaker, TellFindings
from sim.world.population import MeterDevice, Population
from sim.world.world import World


class PlayedMeter(MeterEndpoint):
    """A meter endpoint whose way of being heard can be spoiled, once each time."""

    __slots__ = ("_lost", "_watchers")

    def __init__(self, address: bytes, make: MeterMaker, tell: TellFindings | None = None) -> None:
        super().__init__(address, make, tell)
        self._lost: list[Part] = []
        self._watchers: list[Callable[[], None]] = []

    def lose_next(self, part: Part) -> None:
        """The next request does not arrive, or is carried out and its answer does not."""
        self._lost.append(part)

    def after_next_answer(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` as soon as the meter has answered next."""
        self._watchers.append(watcher)

    def ask(
        self, client_sap: int, apdu: bytes, now_epoch_s: float, *, server_sap: int | None = None, at_once: int = 1
    ) -> bytes | None:
        lost = self._lost.pop(0) if self._lost else None
        if lost == "request":
            return None
        answer = super().ask(client_sap, apdu, now_epoch_s, server_sap=server_sap, at_once=at_once)
        if lost == "answer":
            return None
        watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            watcher()
        return answer


class PlayedPopulation(Population):
    """A population whose meters are played. played: by name, once their endpoint has been asked for."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.played: dict[str, PlayedMeter] = {}

    def endpoint(self, device: MeterDevice, tell: TellFindings | None = None) -> PlayedMeter:
        played = self.played[device.name] = PlayedMeter(device.address, partial(self.meter, device), tell)
        return played

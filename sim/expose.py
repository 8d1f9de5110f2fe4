"""The field on real sockets and ports: simulated meters served in real time to whoever connects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import structlog

from hes.clock import Clock, SystemClock
from hes.dlms.mode_e import SignOnSettings
from hes.errors import ConfigError, LinkError, StoreError
from hes.links.network_errors import url_of
from hes.links.registry import Links, LinkUrl, Listener
from sim.counter_file import CounterFile
from sim.kept_meter_security import KeptMeterSecurity
from sim.live import starting_now
from sim.meter.endpoint import MeterEndpoint
from sim.meter_lines import HDLC_LOWER_FIRST, METERS_MAX, Door, Endpoint, HdlcLine, MakeLine, Station, WrapperLine
from sim.mode_e_line import mode_e_line
from sim.world.population import MeterDevice, Population
from sim.world.world import World

__all__ = ["METERS_MAX", "PORTS_MAX", "Exposed", "ExposedMeters", "serve_meters"]

log = structlog.get_logger()

PORTS_MAX: Final = 400
"""Meters with a port each: with one connection to every one of them, below the usual 1,024 open files [A]."""
PORT_MAX: Final = 65535
WITH_PORTS: Final = frozenset({"tcp-listen", "udp-listen"})

Announce = Callable[[Sequence[str]], None]
"""Told where to connect, with the ports or the device that were really taken: one place, or one for each meter."""


class Exposed(Protocol):
    """What can be served: stations, and the clock that they go by."""

    @property
    def stations(self) -> tuple[Station, ...]: ...

    @property
    def clock(self) -> Clock: ...


class ExposedMeters:
    """Some meters of a world, from `first` on (a name or number; None: the world's first).

    Their clocks are set when this is made, and go by `clock` from there on.
    state: file that keeps their invocation counters; without, these begin anew with each process.
    devices, stations: in the order of the world. Raises ConfigError when the world has no such meters, and as
    `CounterFile` does.
    """

    def __init__(
        self,
        world: World,
        first: str | None = None,
        count: int = 1,
        *,
        clock: Clock | None = None,
        state: Path | None = None,
    ) -> None:
        self.clock = clock or SystemClock()
        self.population = Population(starting_now(world, self.clock))
        self.devices = _pick(self.population, first, count)
        owner = f"world {world.name} with seed {world.seed}"
        self._counters = None if state is None else CounterFile(state, owner)
        self.stations = tuple(
            Station(
                self._endpoint(device),
                self.population.meter_type(device.profile, device.shape).profile.server_sap,
                HDLC_LOWER_FIRST + place,
                device.number,
            )
            for place, device in enumerate(self.devices)
        )

    def _endpoint(self, device: MeterDevice) -> Endpoint:
        endpoint = _always_awake(self.population.endpoint(device))
        if self._counters is None:
            return endpoint
        shared = self.population.meter_type(device.profile, device.shape)
        title = device.identity.system_title
        endpoint.remember(KeptMeterSecurity(shared.seed, title, shared.password_saps, counters=self._counters))
        return CountingEndpoint(endpoint)

    def close(self) -> None:
        """They serve nobody any more. Raises StoreError when the counters cannot be written."""
        if self._counters is not None:
            self._counters.close()


class CountingEndpoint:
    """A meter that keeps its counters in a file: where it cannot, it is silent, since no counter may come twice."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.take_further = endpoint.take_further
        self.take_findings = endpoint.take_findings
        self.link_lost = endpoint.link_lost

    def ask(self, client_sap: int, apdu: bytes, now_epoch_s: float, *, at_once: int = 1) -> bytes | None:
        try:
            return self._endpoint.ask(client_sap, apdu, now_epoch_s, at_once=at_once)
        except StoreError as error:
            log.error("counters_not_kept", reason=error.message)
            return None


async def serve_meters(
    links: Links, url: str, meters: Exposed, announce: Announce, *, hdlc: bool, sign_on: SignOnSettings | None = None
) -> None:
    """Serve `meters` at `url` (tcp-listen, udp-listen, pty-listen, serial-listen) until cancelled.

    hdlc: HDLC in place of the DLMS wrapper, where all meters share the line. On the wrapper each has a port of its own:
    that of `url` and the following ones, or any free ones when it is 0. sign_on: on a serial line, at 300 Bd until a
    reader has signed on (mode E); HDLC then. Raises LinkError when a place cannot be had or, as a serial port may,
    goes away; ConfigError when the URL is wrong.
    """
    make: MakeLine = HdlcLine if hdlc else WrapperLine
    if sign_on is not None:
        make = mode_e_line(sign_on)
    gone: asyncio.Future[LinkError] = asyncio.get_running_loop().create_future()
    places = [(url, meters.stations)] if hdlc else _places(url, meters.stations)
    doors = [Door(stations, meters.clock, gone=gone) for _, stations in places]
    listeners: list[Listener] = []
    try:
        for (place, _), door in zip(places, doors, strict=True):
            listeners.append(await links.listen(place, partial(make, door)))
        announce([listener.addresses[0] for listener in listeners])
        raise await gone
    finally:
        for listener in listeners:
            listener.close()
        for door in doors:
            door.close()


def _places(url: str, stations: tuple[Station, ...]) -> list[tuple[str, tuple[Station, ...]]]:
    """What the DLMS wrapper serves where. It tells logical devices apart but not meters, so these have a port each."""
    if len({station.server_sap for station in stations}) == len(stations):
        return [(url, stations)]
    link = LinkUrl.parse(url)
    if link.scheme not in WITH_PORTS:
        raise ConfigError("the DLMS wrapper has no address that tells meters apart: serve several on HDLC", url=url)
    host, first = link.host_and_port()
    last = first + len(stations) - 1
    if first and last > PORT_MAX:
        raise ConfigError(
            f"{len(stations)} meters from port {first} on need ports up to {last}, {PORT_MAX} is the last"
        )
    _, mark, options = url.partition("?")
    ports = range(first, last + 1) if first else [0] * len(stations)
    return [
        (f"{url_of(link.scheme, (host, port))}{mark}{options}", (station,))
        for port, station in zip(ports, stations, strict=True)
    ]


def _always_awake(endpoint: MeterEndpoint) -> MeterEndpoint:
    """The few meters that are served may be asked all the time, so none is made again for every association."""
    endpoint.stay_awake()
    return endpoint


def _pick(population: Population, first: str | None, count: int) -> Sequence[MeterDevice]:
    devices = list(population.meters.values())
    world = population.world.name
    start = next((place for place, device in enumerate(devices) if first in (None, device.name, device.number)), None)
    if start is None:
        raise ConfigError(f"world {world} has no meter {first!r}; its first is {devices[0].name}")
    found = devices[start : start + count]
    if len(found) < count:
        raise ConfigError(f"world {world} has {len(found)} meters from {found[0].name} on, not {count}")
    return found

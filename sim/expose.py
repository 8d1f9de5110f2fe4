"""The field on real sockets and ports: simulated meters served in real time to whoever connects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from hes.clock import Clock, SystemClock
from hes.dlms.mode_e import SignOnSettings
from hes.errors import ConfigError
from hes.links.registry import Links
from sim.live import starting_now
from sim.meter.endpoint import MeterEndpoint
from sim.meter_lines import HDLC_LOWER_FIRST, METERS_MAX, Door, HdlcLine, MakeLine, Station, WrapperLine
from sim.mode_e_line import mode_e_line
from sim.world.population import MeterDevice, Population
from sim.world.world import World

__all__ = ["METERS_MAX", "Exposed", "ExposedMeters", "serve_meters"]

Announce = Callable[[str], None]
"""Told where to connect, with the port or the device that was really taken."""


class Exposed(Protocol):
    """What can be served: stations, and the clock that they go by."""

    @property
    def stations(self) -> tuple[Station, ...]: ...

    @property
    def clock(self) -> Clock: ...


class ExposedMeters:
    """Some meters of a world on one line, from `first` on (a name or number; None: the world's first).

    Their clocks are set when this is made, and go by `clock` from there on.
    devices, stations: in the order of the world. Raises ConfigError when the world has no such meters.
    """

    def __init__(self, world: World, first: str | None = None, count: int = 1, *, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.population = Population(starting_now(world, self.clock))
        self.devices = _pick(self.population, first, count)
        self.stations = tuple(
            Station(
                _always_awake(self.population.endpoint(device)),
                self.population.meter_type(device.profile, device.shape).profile.server_sap,
                HDLC_LOWER_FIRST + place,
                device.number,
            )
            for place, device in enumerate(self.devices)
        )


async def serve_meters(
    links: Links, url: str, meters: Exposed, announce: Announce, *, hdlc: bool, sign_on: SignOnSettings | None = None
) -> None:
    """Serve `meters` at `url` (tcp-listen, pty-listen, serial-listen) until cancelled.

    hdlc: HDLC in place of the DLMS wrapper, which has room for one meter (with its logical devices) only.
    sign_on: on a serial line, at 300 Bd until a reader has signed on (mode E); HDLC then. Raises
    LinkError when the place cannot be had or, as a serial port may, goes away; ConfigError when the URL is wrong.
    """
    if not hdlc and len({station.server_sap for station in meters.stations}) < len(meters.stations):
        raise ConfigError("the DLMS wrapper has no address that tells meters apart: serve several on HDLC", url=url)
    door = Door(meters.stations, meters.clock)
    make: MakeLine = HdlcLine if hdlc else WrapperLine
    if sign_on is not None:
        make = mode_e_line(sign_on)
    listener = await links.listen(url, lambda: make(door))
    try:
        announce(listener.addresses[0])
        raise await door.gone
    finally:
        listener.close()
        for line in list(door.lines):
            line.close()


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

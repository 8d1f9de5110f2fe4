"""How the concentrators of a field reach the head-end: over simulated links, or over real ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hes.errors import ConfigError
from hes.links.registry import LISTEN_SUFFIX, Links, LinkUrl
from sim.dcu.ports import Modem
from sim.faults.faults import Uplink
from sim.media.gprs import GprsModem
from sim.media.net import Lan, SimNet
from sim.real_line import RealLine
from sim.scheduler import Scheduler
from sim.streams import Streams
from sim.world.population import DcuDevice
from sim.world.world import World

HEAD_END_PLACE = "head-end"
"""Where concentrators dial in simulation: `sim://head-end`; the head-end listens at `sim-listen://head-end`."""


class Line(Modem, Uplink, Protocol):
    """A concentrator's line to the outside: what its firmware handles, and what faults do to it."""


@dataclass(frozen=True, slots=True)
class WayOut:
    """One concentrator's way to the head-end: what it dials, through which links, over which line."""

    url: str
    links: Links
    line: Line


Ways = Callable[[DcuDevice], WayOut]


def simulated_ways(world: World, net: SimNet, scheduler: Scheduler, streams: Streams) -> Ways:
    """Ways through `net`, each over the medium that the world gives its concentrator."""

    def way(device: DcuDevice) -> WayOut:
        parameters = world.uplink(device.spec)
        line: GprsModem | Lan
        if parameters is None:
            line = Lan(scheduler, device.name)
        else:
            line = GprsModem(scheduler, streams.stream("gprs", device.name), device.name, parameters)
        return WayOut(f"sim://{HEAD_END_PLACE}", net.links(line), line)

    return way


def real_ways(links: Links, url: str) -> Ways:
    """Ways over real links to the head-end that listens at `url`, such as tcp://192.0.2.7:4059.

    Raises ConfigError when no concentrator could ever dial there.
    """
    parsed = LinkUrl.parse(url)
    if parsed.scheme.endswith(LISTEN_SUFFIX):
        dialled = url.replace(LISTEN_SUFFIX, "", 1)
        raise ConfigError(f"a concentrator dials the head-end: write {dialled} instead of {url}", url=url)
    if parsed.scheme == "tcp" and parsed.host_and_port()[1] == 0:
        raise ConfigError(f"{url} has no port to dial: write the one at which the head-end listens", url=url)

    def way(device: DcuDevice) -> WayOut:
        line = RealLine(links, url, device.name)
        return WayOut(url, line.links, line)

    return way

"""The field of a world: its concentrators with their modems, networks and meters, as live objects on one scheduler.

The same parts stand here in virtual time and in real time; what differs is who steps the scheduler (`sim.loop` or
`sim.pacer`) and how concentrators reach the head-end (`sim.uplinks`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from hes.clock import Clock
from hes.dlms.findings import Finding
from sim.dcu.config import DcuConfig, OwnWork
from sim.dcu.firmware import Dcu
from sim.dcu.states import Event, State
from sim.faults.faults import FaultLike, FaultSchedule, Site
from sim.faults.interventions import intervene
from sim.finding_log import FindingLog
from sim.media.plc import FrameObserver, PlcNetwork, address_text
from sim.meter.endpoint import MeterEndpoint
from sim.scheduler import Scheduler
from sim.streams import SeededEntropy, Streams
from sim.uplinks import Line, Ways
from sim.world.population import DcuDevice, Population
from sim.world.world import World

StateObserver = Callable[[DcuDevice, State, Event, State], None]
"""Called with a concentrator and its state before, the event and its state after."""


@dataclass(frozen=True, slots=True)
class FieldSite:
    """One concentrator with everything that belongs to it. endpoints: by meter name."""

    device: DcuDevice
    dcu: Dcu
    network: PlcNetwork
    uplink: Line
    endpoints: dict[str, MeterEndpoint]


class Field:
    """Builds the devices of a world and runs them."""

    def __init__(
        self,
        world: World,
        population: Population,
        *,
        ways: Ways,
        scheduler: Scheduler,
        clock: Clock,
        streams: Streams,
        on_frame: FrameObserver | None = None,
        on_state: StateObserver | None = None,
    ) -> None:
        self.world = world
        self._population = population
        self._ways = ways
        self._scheduler = scheduler
        self._clock = clock
        self._streams = streams
        self._on_frame = on_frame
        self._on_state = on_state
        self._findings = FindingLog(quiet=True)
        self.sites = tuple(self._site(device) for device in population.dcus)
        self._endpoints = {name: endpoint for site in self.sites for name, endpoint in site.endpoints.items()}
        self._schedule_faults()

    async def run(self) -> None:
        """Every concentrator's firmware, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for site in self.sites:
                group.create_task(site.dcu.run(), name=f"dcu-{site.device.name}")

    def hops(self) -> dict[str, int]:
        """How many PLC hops away each meter is, by meter number."""
        return {meter.number: site.network.hops(meter.address) for site in self.sites for meter in site.device.meters}

    def _site(self, device: DcuDevice) -> FieldSite:
        network = PlcNetwork(
            self._scheduler,
            self._streams.stream,
            self._clock,
            device.name,
            self.world.network(device.spec),
            utc_offset_s=utc_offset_s(self.world.zone, self._clock.epoch_s()),
            on_frame=self._on_frame,
        )
        endpoints = {meter.name: self._population.endpoint(meter, self._told) for meter in device.meters}
        for endpoint in endpoints.values():
            network.add_meter(endpoint)
        way = self._ways(device)
        dcu = Dcu(
            self._config(device, way.url),
            links=way.links,
            meters=network,
            clock=self._clock,
            entropy=SeededEntropy(self._streams, "dcu", device.name),
            modem=way.line,
            on_state=None if self._on_state is None else partial(self._on_state, device),
        )
        return FieldSite(device, dcu, network, way.line, endpoints)

    def _told(self, address: bytes, findings: list[Finding], now_s: float) -> None:
        self._findings.tell(findings, meter=address_text(address), now_s=now_s)

    def _config(self, device: DcuDevice, url: str) -> DcuConfig:
        settings = self.world.concentrator
        return DcuConfig(
            terminal=device.terminal,
            main_url=url,
            meters=tuple(meter.address for meter in device.meters),
            heartbeat_s=settings.heartbeat_s,
            heartbeats_missed_max=settings.heartbeats_missed_max,
            response_s=settings.response_s,
            meter_timeout_s=settings.meter_timeout_s,
            forwards_at_once=self.world.head_end.lanes_per_dcu,
            own_work=None if settings.own_work_s is None else OwnWork(period_s=settings.own_work_s),
        )

    def _schedule_faults(self) -> None:
        schedule = FaultSchedule(
            self._scheduler,
            [
                Site(
                    name=site.device.name,
                    dcu=site.dcu,
                    uplink=site.uplink,
                    network=site.network,
                    meters={meter.name: meter.address for meter in site.device.meters},
                )
                for site in self.sites
            ],
            on_meter=self._on_meter,
        )
        for fault in self.world.faults:
            schedule.add(fault)

    def _on_meter(self, meter: str, fault: FaultLike, begins: bool) -> None:
        intervene(self._endpoints[meter], fault, self._clock.epoch_s(), begins=begins)


def utc_offset_s(zone: str, epoch_s: float) -> int:
    """How far local time is ahead of UTC at an instant."""
    offset = datetime.fromtimestamp(epoch_s, ZoneInfo(zone)).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())

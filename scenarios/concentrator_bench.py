"""Meters behind a concentrator that dials in: in virtual time over simulated media, or in real time over TCP.

Both are the same field (`sim.field`), the same firmware, and the head-end's own session (`hes.acquisition`); they
differ in the loop, in who steps the scheduler, and in what carries the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from hes.acquisition.dcu_session import DcuSession
from hes.acquisition.registry import Registry
from hes.acquisition.session_context import SessionContext, SessionLimits
from hes.clock import Clock
from hes.links.facts import LinkFacts
from hes.links.registry import Links, Listener
from hes.links.tcp import TCP_FACTS
from hes.protocols.wrapper_session import SessionLost
from hes.trace.tap import Tap
from scenarios.bench import BenchConcentrator, BenchMeter, LoopFactory, Part
from scenarios.field_meter import FieldMeter
from scenarios.played_meter import PlayedMeter, PlayedPopulation
from scenarios.station_file import StationPlan
from sim import guards
from sim.clock import VirtualClock
from sim.field import Field, FieldSite
from sim.loop import VirtualLoop
from sim.media.net import Lan, SimNet
from sim.meter.keys import head_end_system_title
from sim.pacer import Pacer
from sim.scaled_time import ScaledClock, ScaledLoop
from sim.scheduler import Scheduler
from sim.streams import SeededEntropy, Streams
from sim.uplinks import HEAD_END_PLACE, Ways, real_ways, simulated_ways

CLOSE_S_MAX = 2.0
LATE_BY_S = 0.5
"""How much later than the head-end's patience a delayed answer comes."""


class FieldConcentrator:
    """One concentrator of the field. A scenarios.bench.BenchConcentrator."""

    def __init__(self, site: FieldSite, registry: Registry, facts: LinkFacts) -> None:
        config = site.dcu.config
        self.name = site.device.name
        self.terminal = str(site.device.terminal)
        self.facts = facts
        # the second rest of a row of failures is twice as long; two tries of dialling and logging in
        self.return_s = 3 * config.rest_s[1] + 2 * (config.connect_timeout_s + config.response_s)
        self.logins = 0
        self._line = site.uplink
        self._registry = registry
        self._cut_session: DcuSession | None = None

    async def ready(self) -> None:
        if self._cut_session is not None:  # it counts as online until the head-end hears of it
            await asyncio.wait([self._cut_session.disconnected])
        await self._registry.wait_online(self.terminal)

    def session(self) -> DcuSession:
        """Its connection. Raises SessionLost when it has none."""
        session = self._registry.online(self.terminal)
        if session is None:
            raise SessionLost(f"concentrator {self.terminal} is not connected", terminal=self.terminal)
        return session

    def cut(self) -> None:
        self._cut_session = self._registry.online(self.terminal)
        self._line.drop()

    def hold(self, seconds: float) -> None:
        """What it sends from now on comes so much later."""
        self._line.begin_outage()
        asyncio.get_running_loop().call_later(seconds, self._line.end_outage)


class ConcentratorWay:
    """Through a concentrator's session, found anew for every exchange. A scenarios.bench.Way."""

    repeats_lost_frames = False  # what is lost between concentrator and meter is lost

    def __init__(
        self, concentrator: FieldConcentrator, address: bytes, played: PlayedMeter, limits: SessionLimits
    ) -> None:
        self.facts = concentrator.facts
        self.patience_s = limits.exchange_s
        self.late_answer_s = limits.late_answer_s
        self.return_s = concentrator.return_s
        self._concentrator = concentrator
        self._address = address
        self._played = played

    async def ready(self) -> None:
        await self._concentrator.ready()

    async def exchange(self, client_sap: int, server_sap: int, apdu: bytes) -> bytes:
        session = self._concentrator.session()
        return await session.exchange(self._address, client_sap, server_sap, apdu)

    async def next_answer(self) -> bytes:
        raise SessionLost("a concentrator gives one answer for one request")

    async def closed(self) -> None:
        """Nothing below belongs to one association."""

    def lose_next_frame(self, part: Part) -> None:
        self._played.lose_next(part)

    def delay_next_answer(self) -> None:
        self._played.after_next_answer(self._hold)

    def cut(self) -> None:
        self._concentrator.cut()

    def _hold(self) -> None:
        self._concentrator.hold(self.patience_s + LATE_BY_S)


class ConcentratorBench:
    """What both kinds share. Sub-classes bring loop, clock, scheduler and net."""

    clock: Clock
    facts: LinkFacts

    def __init__(self, plan: StationPlan, tap: Tap) -> None:
        self.plan = plan
        self.streams = Streams(plan.world.seed)
        self.system_title = head_end_system_title(plan.world.seed)
        self.entropy = SeededEntropy(self.streams, "head-end")
        self.meters: dict[str, BenchMeter] = {}
        self.registry = Registry()
        self.field: Field | None = None
        self._tap = tap
        self._count = 0
        self._door: Listener | None = None
        self._concentrators: list[FieldConcentrator] = []
        self._sessions: list[DcuSession] = []

    # -- hes.acquisition.dcu_session.SessionOwner

    def session_opened(self, session: DcuSession) -> None:
        for concentrator in self._concentrators:
            concentrator.logins += concentrator.terminal == session.terminal_id

    def session_closed(self, session: DcuSession, reason: str) -> None: ...

    def knows(self, terminal_id: str) -> bool:
        return any(terminal_id == concentrator.terminal for concentrator in self._concentrators)

    @property
    def concentrators(self) -> Sequence[BenchConcentrator]:
        return self._concentrators

    # -- the field

    async def listen(self, links: Links, url: str) -> str:
        """Open the head-end's door; gives the URL to dial."""
        settings = self.plan.world.head_end
        limits = SessionLimits(
            login_s=settings.login_s,
            silence_s=settings.silence_s,
            exchange_s=settings.exchange_s,
            late_answer_s=settings.late_answer_s,
        )
        context = SessionContext(registry=self.registry, clock=self.clock, tap=self._tap, limits=limits)

        def accept() -> DcuSession:
            self._count += 1
            session = DcuSession(self, context, f"conn-{self._count:03d}")
            self._sessions.append(session)
            return session

        self._door = await links.listen(url, accept)
        return self._door.addresses[0]

    def build(self, ways: Ways, scheduler: Scheduler) -> Field:
        """The field of the plan on this net; fills `meters`."""
        world = self.plan.world
        population = PlayedPopulation(world)
        field = self.field = Field(
            world, population, ways=ways, scheduler=scheduler, clock=self.clock, streams=self.streams
        )
        for site in field.sites:
            site.dcu.config = replace(site.dcu.config, rest_s=self.plan.redial_s)
            self._add_meters(site, population)
        return field

    def _add_meters(self, site: FieldSite, population: PlayedPopulation) -> None:
        settings = self.plan.world.head_end
        limits = SessionLimits(exchange_s=settings.exchange_s, late_answer_s=settings.late_answer_s)
        concentrator = FieldConcentrator(site, self.registry, self.facts)
        self._concentrators.append(concentrator)
        for device in site.device.meters:
            played = population.played[device.name]
            way = ConcentratorWay(concentrator, device.address, played, limits)
            number = len(self.meters) + 1
            self.meters[device.name] = FieldMeter(device, number, played, way, self.plan.world.seed, self.clock)

    async def close(self) -> None:
        """Shut the door and end every connection."""
        if self._door is not None:
            self._door.close()
        for session in self._sessions:
            session.close("the scenario is over")
        if self._sessions:
            await asyncio.wait([session.disconnected for session in self._sessions], timeout=CLOSE_S_MAX)


class SimBench(ConcentratorBench):
    """Virtual time."""

    facts = LinkFacts(kind="sim", turnaround_s=0.001)

    @contextmanager
    def surroundings(self) -> Iterator[LoopFactory]:
        self._loop = VirtualLoop()
        self.clock = VirtualClock(self._loop, self.plan.begin_epoch_s)
        with guards.installed(self.clock, self.streams):
            yield lambda: self._loop

    async def open(self) -> None:
        net = SimNet(self._loop)
        lan = Lan(self._loop, "head-end")
        await self.listen(net.links(lan), f"sim-listen://{HEAD_END_PLACE}")
        self.build(simulated_ways(self.plan.world, net, self._loop, self.streams), self._loop)

    async def serve(self) -> None:
        assert self.field is not None
        try:
            await self.field.run()
        finally:
            await self.close()


class TcpBench(ConcentratorBench):
    """Real time, and TCP on this machine."""

    facts = TCP_FACTS

    @contextmanager
    def surroundings(self) -> Iterator[LoopFactory]:
        yield partial(ScaledLoop, 1.0)

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, ScaledLoop)
        self.clock = ScaledClock(loop, self.plan.begin_epoch_s)
        self._pacer = Pacer(loop, self.clock)
        links = Links()
        url = await self.listen(links, "tcp-listen://127.0.0.1:0")
        self.build(real_ways(links, url), self._pacer)

    async def serve(self) -> None:
        assert self.field is not None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pacer.run(), name="pacer")
                group.create_task(self.field.run(), name="field")
        finally:
            await self.close()

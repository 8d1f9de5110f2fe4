"""Meters on one serial line: HDLC over a pseudo terminal that keeps the time of its baud rate.

The meters' end is `sim.meter_lines`, the head-end's end `hes.protocols.hdlc_session`; between them a real device file.
Loop and clock are the machine's; civil time begins where the station says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from hes.devices import profiles
from hes.dlms.hdlc.address import ServerAddress
from hes.dlms.hdlc.link_settings import ClientLinkSettings
from hes.links.facts import LinkFacts, facts_of
from hes.links.registry import Links, Listener
from hes.protocols.hdlc_session import HdlcSession, SessionLost
from hes.trace.tap import SESSION_CLOSED, SESSION_OPENED, Direction, Tap
from scenarios.bench import BenchConcentrator, BenchMeter, LoopFactory, Part
from scenarios.field_meter import FieldMeter
from scenarios.played_meter import PlayedPopulation
from scenarios.shared_line import SharedLine
from scenarios.station_file import StationPlan
from sim.meter.keys import head_end_system_title
from sim.meter_lines import HDLC_LOWER_FIRST, Door, HdlcLine, Station
from sim.scaled_time import ScaledClock, ScaledLoop
from sim.streams import SeededEntropy, Streams
from sim.world.population import MeterDevice

ADDRESS_OCTETS = 2
ASKED_AGAIN_MAX = 4
SESSION = "line"
LATE_BY_S = 0.5
"""How much later than the head-end's patience a delayed answer comes."""
UNPLUGGED_BEYOND_S = 1.0
"""How much longer than the head-end's patience a cut line stays away."""


class LineWay:
    """One meter on the line; a link of its own for each association. A scenarios.bench.Way."""

    repeats_lost_frames = True  # HDLC polls, and repeats what is missing

    def __init__(self, bench: LineBench, name: str, lower: int) -> None:
        settings = bench.plan.world.head_end
        self.facts = bench.facts
        self.patience_s = settings.exchange_s
        self.late_answer_s = settings.late_answer_s
        self.return_s = settings.exchange_s + UNPLUGGED_BEYOND_S + bench.plan.line.response
        self._bench = bench
        self._line = bench.line
        self._name = name
        self._lower = lower
        self._sessions: dict[int, HdlcSession] = {}
        self._has_turn = False

    async def ready(self) -> None:
        await self._line.plugged.wait()

    async def exchange(self, client_sap: int, server_sap: int, apdu: bytes) -> bytes:
        async with self._line.turn:
            self._has_turn = True
            try:
                return await self._session(client_sap, server_sap).exchange(apdu)
            finally:
                self._has_turn = False

    async def next_answer(self) -> bytes:
        raise SessionLost("HDLC numbers its frames: there is no other answer than the one that was given")

    async def closed(self) -> None:
        """The link goes with its association."""
        for session in self._sessions.values():
            async with self._line.turn:
                self._has_turn = True
                if session.link_up:
                    await session.disconnect()
                session.close()
                self._has_turn = False
        self._sessions.clear()

    def lose_next_frame(self, part: Part) -> None:
        self._line.lose_next_frame(part)

    def delay_next_answer(self) -> None:
        self._line.hold_next_octets(self.patience_s + LATE_BY_S)

    def cut(self) -> None:
        self._line.unplug(self.patience_s + UNPLUGGED_BEYOND_S)

    def _session(self, client_sap: int, server_sap: int) -> HdlcSession:
        session = self._sessions.get(client_sap)
        if session is None:
            session = self._sessions[client_sap] = HdlcSession(
                client_sap=client_sap,
                server=ServerAddress(server_sap, self._lower, ADDRESS_OCTETS),
                timeout_s=self.patience_s,
                settings=ClientLinkSettings(response_s=self._bench.plan.line.response, retries_max=ASKED_AGAIN_MAX),
                peer=self._name,
                tap=self._tap,
            )
            self._line.attach(session)
        return session

    def _tap(self, outgoing: bool, frame: bytes) -> None:
        if self._has_turn:  # every session hears every frame; one tells of it
            self._bench.told(frame, outgoing=outgoing)


class LineBench:
    """The line, its meters, and the head-end's end of it. A scenarios.bench.Bench."""

    line: SharedLine
    facts: LinkFacts
    clock: ScaledClock
    concentrators: tuple[BenchConcentrator, ...] = ()

    def __init__(self, plan: StationPlan, tap: Tap) -> None:
        self.plan = plan
        self.system_title = head_end_system_title(plan.world.seed)
        self.entropy = SeededEntropy(Streams(plan.world.seed), "head-end")
        self.meters: dict[str, BenchMeter] = {}
        self._tap = tap
        self._door: Listener | None = None

    @contextmanager
    def surroundings(self) -> Iterator[LoopFactory]:
        yield partial(ScaledLoop, 1.0)

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, ScaledLoop)
        self.clock = ScaledClock(loop, self.plan.begin_epoch_s)
        population = PlayedPopulation(self.plan.world)
        devices = [population.meters[name] for name in self.plan.meter_names]
        lowers = range(HDLC_LOWER_FIRST, HDLC_LOWER_FIRST + len(devices))
        stations = tuple(
            Station(population.endpoint(device), profiles.load(device.profile).server_sap, lower)
            for device, lower in zip(devices, lowers, strict=True)
        )
        links = Links()
        door = Door(stations, self.clock)
        self._door = await links.listen(f"pty-listen://auto?baud={self.plan.line.baud}", lambda: HdlcLine(door))
        transport, self.line = await links.connect(self._door.addresses[0], lambda: SharedLine(self._lost))
        self.facts = facts_of(transport)
        self._tap.session_event(self.clock.epoch_s(), SESSION, SESSION_OPENED, "")
        for device, lower in zip(devices, lowers, strict=True):
            self._add(device, lower, population)

    async def serve(self) -> None:
        """The line lives on the loop by itself; all there is to do is to take it down."""
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.line.close()
            self._tap.session_event(self.clock.epoch_s(), SESSION, SESSION_CLOSED, "the scenario is over")
            if self._door is not None:
                self._door.close()

    def told(self, frame: bytes, *, outgoing: bool, note: str = "") -> None:
        """A frame went over the line."""
        direction = Direction.TO_DEVICE if outgoing else Direction.FROM_DEVICE
        self._tap.frame(self.clock.epoch_s(), SESSION, direction, frame, note=note)

    def _lost(self, octets: bytes, why: str) -> None:
        self.told(octets, outgoing=False, note=why)

    def _add(self, device: MeterDevice, lower: int, population: PlayedPopulation) -> None:
        way = LineWay(self, device.name, lower)
        self.meters[device.name] = FieldMeter(
            device, len(self.meters) + 1, population.played[device.name], way, self.plan.world.seed, self.clock
        )

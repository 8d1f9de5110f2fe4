"""A field in real time: a head-end on real sockets reads meters that a pacer lets live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import uvloop
from sqlalchemy import select

from hes.acquisition.plans import Plan
from hes.acquisition.reader import AssociationChoice
from hes.app import HeadEnd, HeadEndConfig
from hes.clock import Clock, SystemClock
from hes.entropy import SystemEntropy
from hes.errors import ConfigError
from hes.links.registry import Links, Listener
from hes.store.sqlite import SqliteStore, reader_engine
from hes.store.store import DeviceKind, NewDevice
from hes.store.tables import channel, device, reading
from sim.dcu.states import Event, State
from sim.faults.faults import FaultSchedule, Site
from sim.live import LiveField, only_dcu, starting_now
from sim.media.g3 import Band
from sim.media.noise import FadingParameters
from sim.media.plc import PlcParameters
from sim.meter.capture import true_rows
from sim.meter.keys import head_end_system_title
from sim.run import WorldKeys
from sim.scaled_time import ScaledClock, ScaledLoop
from sim.tests.small_worlds import small
from sim.world import parse
from sim.world.file import WorldFile
from sim.world.world import World

HOURS = 6
FAST = PlcParameters(
    band=Band(name="fast", carriers_count=36, preamble_s=0.0, header_symbols=0, symbol_s=0.0),
    hop_shares=(0.5, 0.5),
    frame_error_ratio=0.0,
    fading=FadingParameters(gap_s=float("inf")),
    background_load=0.0,
    collision_ratio=0.0,
    processing_s=(0.0, 0.0),
)
"""A network that takes no time and loses nothing: what is left is the machine's own time."""


def tiny(meters: int = 3) -> World:
    """The small world's first concentrator with a few meters, on a fast network."""
    world = only_dcu(parse.parse_text(small()), "east")
    (spec,) = world.dcus
    spec = replace(spec, meters=(replace(spec.meters[0], count=meters),))
    return replace(world, dcus=(spec,), networks=tuple((name, FAST) for name, _ in world.networks))


def plan_that_opens_soon(clock: Clock) -> Plan:
    """The last hours' load profile, at the next whole second but one of the machine's clock."""
    now = datetime.fromtimestamp(clock.epoch_s(), ZoneInfo("UTC"))
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    at_s = int((now - midnight).total_seconds()) + 1
    return Plan(
        name="now",
        item="load-profile",
        at_s=(at_s,),
        lookback_s=HOURS * 3600,
        window_s=3600,
        valid_from_s=midnight.timestamp(),
        settle_s=0,
    )


class NotingLinks(Links):
    """Links that remember where they listen."""

    def __init__(self) -> None:
        super().__init__()
        self.listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def listen(self, url: str, protocol_factory: Callable[[], asyncio.BaseProtocol]) -> Listener:
        listener = await super().listen(url, protocol_factory)
        self.listening.set_result(listener.addresses[0])
        return listener


@asynccontextmanager
async def head_end_of(world: World, store: SqliteStore, clock: Clock, enough: asyncio.Event) -> AsyncIterator[str]:
    """A head-end with the world's devices in its archive; gives the URL to dial. `enough` is set when all is read."""
    live = LiveField(world, links=Links(), head_end_url="tcp://127.0.0.1:1", clock=clock, speed=speed_of(clock))
    await store.add_devices(
        [NewDevice(kind=DeviceKind.DCU, number=str(dcu.terminal), name=dcu.name) for dcu in live.population.dcus]
        + [
            NewDevice(
                kind=DeviceKind.METER,
                number=meter.number,
                name=meter.name,
                profile=meter.profile,
                system_title=meter.system_title,
                key_ref=meter.system_title.hex(),
                dcu_number=str(dcu.terminal),
            )
            for dcu in live.population.dcus
            for meter in dcu.meters
        ]
    )
    links = NotingLinks()
    head_end = HeadEnd(
        HeadEndConfig(
            listen_url="tcp-listen://127.0.0.1:0",
            plans=(plan_that_opens_soon(clock),),
            association=AssociationChoice(
                name=world.security.association, system_title=head_end_system_title(world.seed)
            ),
        ),
        clock=clock,
        entropy=SystemEntropy(),
        links=links,
        store=store,
        keys=WorldKeys(world.seed),
        on_progress=lambda _, read, expected: enough.set() if expected and read == expected else None,
    )
    await head_end.start()
    running = asyncio.ensure_future(head_end.run())
    try:
        yield await links.listening
    finally:
        running.cancel()
        await asyncio.wait((running,))


def speed_of(clock: Clock) -> float:
    return clock.speed if isinstance(clock, ScaledClock) else 1.0


def stored(path: Path) -> dict[tuple[str, str, int], int]:
    """By meter number, channel name and stamp: the values stored."""
    query = (
        select(device.c.number, channel.c.name, reading.c.time_s, reading.c.value)
        .join_from(reading, device, reading.c.device_id == device.c.id)
        .join(channel, channel.c.id == reading.c.channel_id)
    )
    engine = reader_engine(path)
    with engine.connect() as connection:
        found = {(number, name, stamp_s): value for number, name, stamp_s, value in connection.execute(query)}
    engine.dispose()
    return found


def truth(live: LiveField, now_s: float) -> dict[tuple[str, str, int], int]:
    """The same from each meter's own function."""
    return {
        (meter.number, name, row.stamp_s): value
        for site in live.field.sites
        for meter in site.device.meters
        for row in true_rows(site.endpoints[meter.name].meter(), "load_profile", now_s, int(now_s) - 2 * 86_400, None)
        for name, value in row.values.items()
    }


async def read_once(path: Path, clock: Clock) -> tuple[LiveField, float]:
    """Let a head-end read a tiny field until it has everything that its plan asks for."""
    world = starting_now(tiny(), clock)
    store = await SqliteStore.open(path)
    enough = asyncio.Event()
    try:
        async with asyncio.timeout(30 * speed_of(clock)), head_end_of(world, store, clock, enough) as url:
            live = LiveField(world, links=Links(), head_end_url=url, clock=clock, speed=speed_of(clock))
            running = asyncio.ensure_future(live.run())
            try:
                await enough.wait()
            finally:
                running.cancel()
                await asyncio.wait((running,))
    finally:
        await store.close()
    return live, clock.epoch_s()


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_head_end_on_real_sockets_reads_a_paced_field_and_every_value_is_the_meters_own(
    tmp_path: Path, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    path = tmp_path / "real.sqlite"
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        live, now_s = runner.run(read_once(path, SystemClock()))
    values, captured = stored(path), truth(live, now_s)
    assert len(values) >= 3 * (HOURS * 4 - 1) * 4
    assert {number for number, _, _ in values} == {meter.number for meter in live.population.meters.values()}
    assert {key: captured.get(key) for key in values} == values
    assert live.field.sites[0].dcu.state is State.OFF
    assert live.pacer.lateness.steps > 0


def test_head_end_and_field_on_one_scaled_clock_live_through_minutes_in_a_moment(tmp_path: Path) -> None:
    path = tmp_path / "scaled.sqlite"
    machine = SystemClock()

    async def main() -> tuple[LiveField, float]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, ScaledLoop)
        clock = ScaledClock(loop, machine.epoch_s() - 3600)
        found = await read_once(path, clock)
        await asyncio.sleep(10)
        return found

    with asyncio.Runner(loop_factory=lambda: ScaledLoop(20)) as runner:
        live, now_s = runner.run(main())
    values, captured = stored(path), truth(live, now_s)
    assert len(values) >= 3 * (HOURS * 4 - 1) * 4
    assert {key: captured.get(key) for key in values} == values

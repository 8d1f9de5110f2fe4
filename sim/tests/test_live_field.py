"""A field in real time: a head-end on real sockets reads meters that a pacer lets live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
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
from hes.protocols.framing import StreamSplitter
from hes.protocols.qgdw376 import Qgdw376Frame
from hes.store.sqlite import SqliteStore, reader_engine
from hes.store.store import DeviceKind, NewDevice
from hes.store.tables import channel, device, reading
from sim.dcu.states import Event, State
from sim.field import StateObserver
from sim.live import LiveField, only_dcu, starting_now
from sim.media.g3 import Band
from sim.media.noise import FadingParameters
from sim.media.plc import PlcParameters
from sim.meter.capture import true_rows
from sim.meter.keys import head_end_system_title
from sim.real_line import RealLine
from sim.run import WorldKeys
from sim.scaled_time import ScaledClock, ScaledLoop
from sim.tests.small_worlds import small
from sim.uplinks import real_ways
from sim.world import parse
from sim.world.population import Population
from sim.world.world import Clocks, FaultSpec, World

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
    return replace(
        world,
        dcus=(spec,),
        networks=tuple((name, FAST) for name, _ in world.networks),
        clocks=Clocks(drift_ppm=0, offset_s=0),  # or a slow one misses the quarter-hour that ends just now
    )


def plan_that_opens_soon(clock: Clock) -> Plan:
    """The last hours' load profile, at one of the next seconds: the first that finds the head-end ready."""
    now = datetime.fromtimestamp(clock.epoch_s(), ZoneInfo("UTC"))
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    now_s = int((now - midnight).total_seconds())
    return Plan(
        name="now",
        item="load-profile",
        at_s=tuple(now_s + int(speed_of(clock)) * ahead_s for ahead_s in (1, 2, 4, 8, 16)),
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
    population = Population(world)
    await store.add_devices(
        [NewDevice(kind=DeviceKind.DCU, number=str(dcu.terminal), name=dcu.name) for dcu in population.dcus]
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
            for dcu in population.dcus
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
        for row in true_rows(site.endpoints[meter.name].meter(), "load-profile", now_s, int(now_s) - 2 * 86_400, None)
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


def test_head_end_and_field_on_one_scaled_clock_live_faster_together(tmp_path: Path) -> None:
    path = tmp_path / "scaled.sqlite"
    start_s = SystemClock().epoch_s() - 86_400

    async def main() -> tuple[LiveField, float]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, ScaledLoop)
        return await read_once(path, ScaledClock(loop, start_s))

    with asyncio.Runner(loop_factory=lambda: ScaledLoop(20)) as runner:
        live, now_s = runner.run(main())
    values, captured = stored(path), truth(live, now_s)
    assert len(values) >= 3 * (HOURS * 4 - 1) * 4
    assert {key: captured.get(key) for key in values} == values
    assert max(stamp_s for _, _, stamp_s in values) <= now_s < start_s + 43_200, "it is yesterday there"


# -- on the way to the head-end


class Acceptor(asyncio.Protocol):
    """A head-end's door that says nothing: it keeps what it hears."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.heard: asyncio.Future[bytes] = loop.create_future()
        self.lost: asyncio.Future[None] = loop.create_future()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if not self.heard.done():
            self.heard.set_result(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(None)


class Seen:
    """What a field's concentrators go through; `wait` for an event."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._changed = asyncio.Event()

    def observer(self) -> StateObserver:
        def note(device: object, before: State, event: Event, after: State) -> None:
            self.events.append(event)
            self._changed.set()

        return note

    async def wait(self, event: Event, times: int = 1) -> None:
        while self.events.count(event) < times:
            self._changed.clear()
            await self._changed.wait()


@asynccontextmanager
async def living(world: World, url: str, seen: Seen) -> AsyncIterator[LiveField]:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, ScaledLoop)
    clock = ScaledClock(loop, SystemClock().epoch_s())
    world = starting_now(world, clock)
    live = LiveField(
        world, links=Links(), head_end_url=url, clock=clock, speed=loop.speed, on_state=seen.observer()
    )  # fmt: skip
    running = asyncio.ensure_future(live.run())
    try:
        yield live
    finally:
        running.cancel()
        await asyncio.wait((running,))
        assert running.cancelled(), running.exception()


def at_speed(main: Callable[[], Coroutine[None, None, None]], speed: float = 300) -> None:
    """Run `main` on a loop whose minutes are a fifth of a second; nobody sleeps for them."""
    with asyncio.Runner(loop_factory=lambda: ScaledLoop(speed)) as runner:
        runner.run(main())


async def nobody_s_port() -> str:
    listener = await Links().listen("tcp-listen://127.0.0.1:0", Acceptor)
    listener.close()
    return listener.addresses[0].removeprefix("tcp://")


def test_a_head_end_that_cannot_be_reached_is_tried_again_until_it_is_there() -> None:
    async def main() -> None:
        place = await nobody_s_port()
        seen = Seen()
        async with living(tiny(), f"tcp://{place}", seen) as live:
            await seen.wait(Event.CONNECT_FAILED)
            line = live.field.sites[0].uplink
            assert isinstance(line, RealLine)
            assert line.trouble is not None
            assert "refused the connection" in line.trouble.message
            doors: list[Acceptor] = []
            listener = await Links().listen(f"tcp-listen://{place}", lambda: doors.append(Acceptor()) or doors[-1])
            await seen.wait(Event.CONNECTED)
            assert line.trouble is None
            (login,) = StreamSplitter().feed(await doors[0].heard)
            assert isinstance(login, Qgdw376Frame)
            assert login.terminal == live.population.dcus[0].terminal
            listener.close()

    at_speed(main)


def test_faults_of_the_world_happen_on_real_lines_too_counted_from_now() -> None:
    fault = FaultSpec(kind="dcu-down", target="east", from_s=120, to_s=150)

    async def main() -> None:
        seen = Seen()
        doors: list[Acceptor] = []
        listener = await Links().listen("tcp-listen://127.0.0.1:0", lambda: doors.append(Acceptor()) or doors[-1])
        async with living(replace(tiny(), faults=(fault,)), listener.addresses[0], seen):
            await seen.wait(Event.POWER_LOST)
            await doors[0].lost
            await seen.wait(Event.CONNECTED, 2)
            assert seen.events.index(Event.POWER_LOST) > seen.events.index(Event.CONNECTED)
        listener.close()

    at_speed(main)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("tcp-listen://127.0.0.1:4059", "write tcp://127.0.0.1:4059 instead"),
        ("tcp://127.0.0.1:0", "no port to dial"),
        ("tcp://127.0.0.1", "needs a host and a port"),
        ("127.0.0.1", "scheme://place"),
    ],
)
def test_a_url_that_nobody_can_dial_is_refused_before_anything_runs(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        real_ways(Links(), url)


def test_a_scheme_that_no_link_has_ends_the_field_with_a_clear_error() -> None:
    async def main() -> None:
        live = LiveField(tiny(), links=Links(), head_end_url="tpc://127.0.0.1:1", clock=SystemClock())
        with pytest.raises(BaseExceptionGroup) as caught:
            await live.run()
        assert caught.group_contains(ConfigError, match="no kind of link is called 'tpc'")

    asyncio.run(main())


# -- the world that lives


def test_one_concentrator_of_a_world_is_the_same_as_in_the_whole_world() -> None:
    faults = [
        f'[[fault]]\nkind = "{kind}"\ntarget = "{target}"\nfrom = "01:00"\nto = "02:00"'
        for kind, target in (
            ("uplink-down", "*"),
            ("dcu-down", "west"),
            ("meter-silent", "west-0002"),
            ("meter-silent", "east-0002"),
            ("uplink-down", "east"),
        )
    ]
    world = parse.parse_text(small(*faults))
    west = only_dcu(world, "west")
    assert [fault.target for fault in west.faults] == ["*", "west", "west-0002"]
    assert Population(west).dcus == Population(world).dcus[1:]
    assert only_dcu(world, "0731012C") == west
    assert only_dcu(world).dcus == world.dcus[:1]
    with pytest.raises(ConfigError, match="no concentrator 'north'; it has east, west"):
        only_dcu(world, "north")


def test_a_world_that_starts_now_has_its_clocks_set_now_and_its_meters_unchanged() -> None:
    clock = SystemClock()
    world = parse.parse_text(small())
    now = starting_now(world, clock)
    assert abs(now.start_epoch_s - clock.epoch_s()) < 60
    at_ms = 1000 * now.start_epoch_s
    before, after = Population(world), Population(now)
    for name in before.meters:
        old, new = before.meter(before.meters[name]), after.meter(after.meters[name])
        assert abs(new.reading_ms(at_ms) - at_ms) <= 1000 * world.clocks.offset_s
        assert new.load.identity == old.load.identity
        assert new.identity.system_title == old.identity.system_title

"""Run a world: the production head-end against the simulated field, in virtual time, with everything it leaves behind.

The order of things: a fresh run folder, the database, the virtual loop with its guards, the field, the head-end; then
virtual time passes until the last window that counts has closed; then the account, the report, the digest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from hes.acquisition.account import Totals
from hes.acquisition.reader import AssociationChoice
from hes.acquisition.retries import NO_RETRIES
from hes.acquisition.session_context import SessionLimits
from hes.acquisition.writer import Writer
from hes.app import HeadEnd, HeadEndConfig
from hes.devices.archive import MeterSecrets
from hes.errors import ConfigError, spokesman
from hes.store.sqlite import SqliteStore
from hes.store.store import Batch, DeviceKind, NewDevice, Written
from hes.trace.pcapng import PcapngTap
from hes.trace.tap import Taps
from hes.trace.text import TextTap
from sim import guards, run_loop
from sim.clock import VirtualClock
from sim.digest import Digest
from sim.field import Field
from sim.loop import VirtualLoop
from sim.media.net import Lan, SimNet
from sim.meter.keys import head_end_system_title, meter_keys
from sim.secrets_file import write_secrets
from sim.streams import SeededEntropy, Streams
from sim.timeline import Timeline
from sim.uplinks import HEAD_END_PLACE, simulated_ways
from sim.world.population import Population
from sim.world.world import World

DATABASE = "amiloop.sqlite"
REPORT = "report.html"
CAPTURE = "capture.pcapng"
TRACE = "trace.txt"
SECRETS = "test-secrets.toml"
PROGRESS_EVERY_S = 60.0
FLUSH_AFTER_S = 300.0
"""Five minutes of virtual time pass in tens of milliseconds: batches of production size need that long to gather."""
LAST_WINDOWS_S = 1.0
"""A window that closes at the very end is shut at that instant or a rounding error later."""

Progress = Callable[[float, int, int], None]
"""Told (seconds of virtual time so far, values read, values expected)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """seed, until_s: in place of the world's own. folder: made for this run. capture (with the test keys that open it),
    trace: written unless False.

    world_file: what the world is called on a command line; left out, its name.
    """

    folder: Path
    world_file: str = ""
    seed: int | None = None
    until_s: float | None = None
    retries: bool = True
    capture: bool = True
    trace: bool = True
    on_progress: Progress | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """What the loop leaves behind, before anything is drawn from it. field: as it stood at the end."""

    world: World
    world_file: str
    field: Field
    totals: Totals
    timeline: Timeline
    exchanges: int
    digest: str
    virtual_s: float
    wall_s: float
    files: dict[str, Path]


def fresh_folder(parent: Path, name: str) -> Path:
    """A new folder for one run below `parent`: NAME-001, NAME-002, ... Raises ConfigError when it cannot be made."""
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for number in range(1, 100_000):
            folder = parent / f"{name}-{number:03d}"
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
    except OSError as error:
        raise ConfigError(f"no run folder can be made in {parent}: {error.strerror}", path=str(parent)) from error
    raise ConfigError(f"{parent} holds too many runs of {name}; remove some", path=str(parent))


class WorldKeys:
    """The simulated world's key vault: secrets by reference, derived from its seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def secrets(self, key_ref: str) -> MeterSecrets:
        keys = meter_keys(self._seed, bytes.fromhex(key_ref))
        return MeterSecrets(keys.encryption_key, keys.authentication_key, keys.password)


def run_world(world: World, options: RunOptions) -> RunOutcome:
    """Run `world` from its start to its end. Raises ConfigError or StoreError; everything else is a defect."""
    started = time.perf_counter()
    if options.seed is not None:
        world = replace(world, seed=options.seed)
    if not options.retries:
        world = replace(world, head_end=replace(world.head_end, retries=NO_RETRIES))
    return _Run(world, options).run(started)


class _Run:
    """One run's parts, in the order in which they come to be."""

    def __init__(self, world: World, options: RunOptions) -> None:
        self.world = world
        self.options = options
        self.files = {"database": options.folder / DATABASE}
        self.digest = Digest()
        self.taps = Taps([self.digest])
        self.timeline = Timeline(world.start_epoch_s)

    def run(self, started: float) -> RunOutcome:
        world = self.world
        streams = Streams(world.seed)
        loop = VirtualLoop()
        self.clock = VirtualClock(loop, world.start_epoch_s)
        self.loop = loop
        self.streams = streams
        with ExitStack() as stack:
            self._open_taps(stack)
            stack.enter_context(guards.installed(self.clock, streams))
            try:
                run_loop.run(self._main(), loop=loop)
            except BaseExceptionGroup as errors:
                raise spokesman(errors) from errors
        return RunOutcome(
            world=world,
            world_file=self.options.world_file or world.name,
            field=self.field,
            totals=self.totals,
            timeline=self.timeline,
            exchanges=sum(site.network.statistics.started for site in self.field.sites),
            digest=self.digest.hexdigest(),
            virtual_s=self.stop_s - world.start_epoch_s,
            wall_s=time.perf_counter() - started,
            files=self.files,
        )

    def _open_taps(self, stack: ExitStack) -> None:
        if self.options.capture:
            self.files["capture"] = self.options.folder / CAPTURE
            self.taps.add(stack.enter_context(PcapngTap(self.files["capture"])))
        if self.options.trace:
            self.files["trace"] = self.options.folder / TRACE
            self.taps.add(stack.enter_context(TextTap(self.files["trace"])))

    async def _main(self) -> None:
        world = self.world
        store = await SqliteStore.open(self.files["database"], survives_power_loss=False)
        try:
            population = Population(world)
            if self.options.capture:
                self.files["secrets"] = self.options.folder / SECRETS
                write_secrets(population, self.files["secrets"])
            await self._enter_archive(store, population)
            net = SimNet(self.loop)
            self.field = Field(
                world,
                population,
                ways=simulated_ways(world, net, self.loop, self.streams),
                scheduler=self.loop,
                clock=self.clock,
                streams=self.streams,
                on_frame=self.digest.on_medium,
            )
            await self._serve(store, net)
            await store.set_run_info({"finished_epoch_s": str(self.stop_s), "digest": self.digest.hexdigest()})
        finally:
            await store.close()

    async def _serve(self, store: SqliteStore, net: SimNet) -> None:
        head_end = self._head_end(store, net)
        await head_end.start()
        self.stop_s = self._stop_epoch_s()
        async with asyncio.TaskGroup() as group:
            services = [group.create_task(head_end.run(), name="head-end")]
            services += [group.create_task(self.field.run(), name="field")]
            await self._watch()
            for service in services:
                service.cancel()
        self.totals = head_end.account.totals()

    def _head_end(self, store: SqliteStore, net: SimNet) -> HeadEnd:
        return HeadEnd(
            self._config(),
            clock=self.clock,
            entropy=SeededEntropy(self.streams, "head-end"),
            links=net.links(Lan(self.loop, "head-end")),
            store=store,
            keys=WorldKeys(self.world.seed),
            writer=Writer(store, on_written=self._written, flush_after_s=FLUSH_AFTER_S),
            tap=self.taps,
            on_progress=self.timeline.progress,
        )

    async def _watch(self) -> None:
        """Let virtual time pass until the end, and what falls due in that instant be booked."""
        while (left_s := self.stop_s - self.clock.epoch_s()) > 0:
            await asyncio.sleep(min(left_s, PROGRESS_EVERY_S))
            if self.options.on_progress is not None:
                read, expected = self.timeline.latest
                self.options.on_progress(self.clock.epoch_s() - self.world.start_epoch_s, read, expected)
        await asyncio.sleep(LAST_WINDOWS_S)

    def _stop_epoch_s(self) -> float:
        if self.options.until_s is not None:
            return min(self.world.start_epoch_s + self.options.until_s, float(self.world.stop_epoch_s))
        return float(self.world.stop_epoch_s)

    def _written(self, batch: Batch, written: Written) -> None:
        self.digest.stored(self.clock.epoch_s(), batch)

    def _config(self) -> HeadEndConfig:
        settings = self.world.head_end
        return HeadEndConfig(
            listen_url=f"sim-listen://{HEAD_END_PLACE}",
            plans=self.world.plans,
            zone=self.world.zone,
            association=AssociationChoice(
                name=self.world.security.association,
                dedicated_key=self.world.security.dedicated_key,
                system_title=head_end_system_title(self.world.seed),
            ),
            limits=SessionLimits(
                login_s=settings.login_s,
                silence_s=settings.silence_s,
                exchange_s=settings.exchange_s,
                late_answer_s=settings.late_answer_s,
            ),
            retries=settings.retries,
            lanes_per_dcu=settings.lanes_per_dcu,
        )

    async def _enter_archive(self, store: SqliteStore, population: Population) -> None:
        dcus = [NewDevice(kind=DeviceKind.DCU, number=str(dcu.terminal), name=dcu.name) for dcu in population.dcus]
        meters = [
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
        await store.add_devices(dcus + meters)
        await store.set_run_info(
            {
                "world": self.world.name,
                "world_digest": self.world.digest,
                "seed": str(self.world.seed),
                "start_epoch_s": str(self.world.start_epoch_s),
                "amiloop": version("amiloop"),
            }
        )

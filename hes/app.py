"""The head-end, put together: the one place that turns a configuration and its ports into running services.

`clock`, `entropy`, `links`, `store`, `keys` and `tap` are ports: an operator's process hands in the real ones, the
simulator its own. Nothing below this line knows which.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from hes.acquisition.account import Account
from hes.acquisition.collector import Collector, ProgressListener
from hes.acquisition.counters import Counters
from hes.acquisition.items import enter_items
from hes.acquisition.leases import Leases
from hes.acquisition.listener import Listener
from hes.acquisition.plans import Plan
from hes.acquisition.reader import AssociationChoice, DeviceReader
from hes.acquisition.registry import Registry
from hes.acquisition.retries import RetryPolicy
from hes.acquisition.session_context import SessionContext, SessionLimits
from hes.acquisition.writer import Writer
from hes.clock import Clock
from hes.devices.archive import KeyProvider, load_archive
from hes.entropy import Entropy
from hes.errors import spokesman
from hes.links.registry import Links
from hes.store.store import Plan as PlanRow
from hes.store.store import Store
from hes.trace.tap import Tap, Taps


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadEndConfig:
    """listen_url: where concentrators dial in. zone: where the plans' and the profiles' days begin.

    bundle_s: longest time that one reading of one meter may take. lanes_per_dcu: readings side by side at one
    concentrator.
    """

    listen_url: str
    plans: tuple[Plan, ...]
    zone: str = "UTC"
    association: AssociationChoice = field(default_factory=AssociationChoice)
    limits: SessionLimits = field(default_factory=SessionLimits)
    retries: RetryPolicy = field(default_factory=RetryPolicy)
    bundle_s: float = 900.0
    lanes_per_dcu: int = 1


class HeadEnd:
    """One collector process. `start` reads the archive, `run` serves until cancelled and leaves nothing unwritten."""

    def __init__(
        self,
        config: HeadEndConfig,
        *,
        clock: Clock,
        entropy: Entropy,
        links: Links,
        store: Store,
        keys: KeyProvider,
        writer: Writer | None = None,
        tap: Tap | None = None,
        on_progress: ProgressListener | None = None,
    ) -> None:
        self._config = config
        self._clock = clock
        self._entropy = entropy
        self._links = links
        self._store = store
        self._keys = keys
        self._tap = tap if tap is not None else Taps()
        self._on_progress = on_progress
        self._writer = writer if writer is not None else Writer(store)
        self._collector: Collector | None = None
        self._listener: Listener | None = None

    @property
    def account(self) -> Account:
        """What is expected, read, due and missing; after `start`."""
        assert self._collector is not None, "start() comes first"
        return self._collector.account

    async def start(self) -> None:
        """Read the archive, enter channels and plans, learn what is here and due. Raises ConfigError or StoreError."""
        archive = await load_archive(self._store)
        profiles = {meter.profile.name: meter.profile for meter in archive.meters.values()}
        items = {name: await enter_items(self._store, profile, self._config.zone) for name, profile in profiles.items()}
        await self._store.add_plans([PlanRow(plan.name, repr(plan)) for plan in self._config.plans])
        registry = Registry()
        context = SessionContext(registry=registry, clock=self._clock, tap=self._tap, limits=self._config.limits)
        reader = DeviceReader(
            association=self._config.association,
            keys=self._keys,
            counters=Counters(self._store),
            leases=Leases(),
            entropy=self._entropy,
            clock=self._clock,
            tap=self._tap,
            repeats=self._config.retries.exchange_repeats,
            bundle_s=self._config.bundle_s,
        )
        self._listener = Listener(context, archive, self._writer)
        self._collector = Collector(
            archive=archive,
            plans=self._config.plans,
            items=items,
            registry=registry,
            reader=reader,
            writer=self._writer,
            store=self._store,
            clock=self._clock,
            entropy=self._entropy,
            policy=self._config.retries,
            lanes_per_dcu=self._config.lanes_per_dcu,
            on_progress=self._on_progress,
        )
        await self._collector.resume()

    async def run(self) -> None:
        """Serve until cancelled; then sessions are closed and everything read is written.

        Raises what ended it: StoreError, LinkError or ConfigError, by itself and not in a group.
        """
        assert self._collector is not None, "start() comes first"
        assert self._listener is not None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._writer.run(), name="writer")
                group.create_task(self._listener.serve(self._links, self._config.listen_url), name="listener")
                group.create_task(self._collector.run(), name="collector")
        except BaseExceptionGroup as errors:
            raise spokesman(errors) from errors
        finally:
            await self._writer.close()

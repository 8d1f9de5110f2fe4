"""A world's field in real time: its concentrators dial a real head-end, what lies below them runs on a pacer."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from hes.clock import Clock
from hes.errors import ConfigError
from hes.links.registry import Links
from sim.field import Field, StateObserver
from sim.pacer import Pacer
from sim.streams import Streams
from sim.uplinks import real_ways
from sim.world.population import Population
from sim.world.world import World


def starting_now(world: World, clock: Clock) -> World:
    """`world` as if it began at this moment: its meters' clocks are set now, its faults and plans count from now.

    What its meters have measured does not change: that is a function of seed, meter and time alone.
    """
    now_s = int(clock.epoch_s())
    plans = tuple(replace(plan, valid_from_s=now_s) for plan in world.plans)
    return replace(world, start_epoch_s=now_s, plans=plans)


def only_dcu(world: World, name: str | None = None) -> World:
    """`world` with one concentrator, its first when no name is given, which is the same as in the whole world.

    name: its name or its terminal ID. Raises ConfigError when there is none.
    """
    for spec in world.dcus:
        if name is None or name in {spec.name, str(spec.terminal)}:
            prefix = f"{spec.name}-"
            faults = tuple(
                fault
                for fault in world.faults
                if fault.target in {"*", spec.name}
                or (fault.target.startswith(prefix) and fault.target.removeprefix(prefix).isdigit())
            )
            return replace(world, dcus=(spec,), faults=faults)
    known = ", ".join(spec.name for spec in world.dcus[:10])
    more = ", ..." if len(world.dcus) > 10 else ""
    raise ConfigError(f"world {world.name} has no concentrator {name!r}; it has {known}{more}")


class LiveField:
    """The field of a world on the running loop. `run` never returns by itself: cancel it.

    population, field, pacer: its parts, for whoever shows or checks them.
    """

    def __init__(
        self,
        world: World,
        *,
        links: Links,
        head_end_url: str,
        clock: Clock,
        speed: float = 1.0,
        on_state: StateObserver | None = None,
    ) -> None:
        """world: as it is, see `starting_now`. links, head_end_url: what its concentrators dial.

        speed: see sim.pacer. Raises ConfigError for a URL that nobody can dial and a speed that nobody shares.
        """
        ways = real_ways(links, head_end_url)
        self.world = world
        self.pacer = Pacer(asyncio.get_running_loop(), clock, speed=speed)
        self.population = Population(world)
        self.field = Field(
            world,
            self.population,
            ways=ways,
            scheduler=self.pacer,
            clock=clock,
            streams=Streams(world.seed),
            on_state=on_state,
        )

    async def run(self) -> None:
        """Let the field live. Raises what a device's own defect raises."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.pacer.run(), name="pacer")
            group.create_task(self.field.run(), name="field")

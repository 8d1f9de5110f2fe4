"""A station: the place where scenarios run. It plays their roles, keeps their time and takes their evidence.

`load("sim")` reads a station file; `station.run(scenario)` builds the bench anew, runs one scenario on it and takes it
down again. A scenario asks the station for meters, for its clock, and for capabilities; never for a port or a mode.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from typing import Any

from hes.clock import Clock
from hes.dlms.inspect.sealed_nodes import InspectorKeys
from hes.links.facts import LinkFacts
from scenarios import station_file
from scenarios.bench import Bench, LoopFactory
from scenarios.concentrator import Concentrator
from scenarios.evidence import Evidence, Recorder
from scenarios.meter import Meter
from scenarios.station_file import StationPlan
from scenarios.verdicts import Inapplicable, Inconclusive

DAY_S = 86_400
Scenario = Callable[[], Coroutine[Any, Any, None]]


class Station:
    """One station for one scenario."""

    def __init__(self, plan: StationPlan) -> None:
        self.plan = plan
        self.recorder = Recorder()
        self.loop_factory: LoopFactory | None = None
        self._bench = make_bench(plan, self.recorder)
        self._meters = {name: Meter(name, self.recorder) for name in plan.meter_names}
        self._loop_errors: list[BaseException] = []

    # -- what scenarios use

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def clock(self) -> Clock:
        """Civil time of head-end and field."""
        return self._bench.clock

    @property
    def meters(self) -> tuple[Meter, ...]:
        """The whole population of the station, in the order of its field."""
        return tuple(self._meters.values())

    @property
    def facts(self) -> tuple[LinkFacts, ...]:
        """The links that lead to the meters, each kind once."""
        return tuple(dict.fromkeys(meter.way.facts for meter in self._bench.meters.values()))

    def meter(self, role: str = "meter") -> Meter:
        """The meter that plays a role. Raises Inapplicable when the station has none for it."""
        name = self.plan.roles.get(role)
        if name is None:
            raise Inapplicable(f"station {self.name} has no meter for the role {role!r}")
        return self._meters[name]

    def concentrator(self) -> Concentrator:
        """The first concentrator. Raises Inapplicable where meters are reached without one."""
        if self.plan.kind == "pty":
            raise Inapplicable(f"station {self.name} has no concentrator: its meters hang on a line")
        return Concentrator(lambda: self._bench.concentrators[0], self.recorder)

    def step(self, title: str) -> AbstractContextManager[None]:
        """What happens inside belongs to the step `title` in the evidence."""
        return self.recorder.step(title)

    async def let_pass(self, seconds: float) -> None:
        """Let so much of the station's time pass."""
        await asyncio.sleep(seconds)

    def yesterday(self) -> tuple[int, int]:
        """Midnight at the start and at the end of the day before, UTC."""
        today_s = int(self.clock.epoch_s()) // DAY_S * DAY_S
        return today_s - DAY_S, today_s

    def inspector_keys(self) -> dict[str, InspectorKeys]:
        """By meter name, what a report opens its sealed APDUs with."""
        return {
            name: InspectorKeys(
                encryption=meter.secrets.encryption_key,
                authentication=meter.secrets.authentication_key,
                titles=(self._bench.system_title, meter.archived.system_title),
            )
            for name, meter in self._bench.meters.items()
        }

    @property
    def evidence(self) -> Evidence:
        return self.recorder.evidence

    # -- what the plug-in uses

    def run(self, scenario: Scenario) -> None:
        """Run one scenario on a fresh bench. Raises what the scenario raises."""
        with self._bench.surroundings() as loop_factory:
            self.loop_factory = loop_factory
            with asyncio.Runner(loop_factory=loop_factory) as runner:
                runner.run(self._main(scenario))

    async def _main(self, scenario: Scenario) -> None:
        asyncio.get_running_loop().set_exception_handler(self._note_loop_error)
        await self._bench.open()
        self.recorder.start(self.clock)
        for name, meter in self._meters.items():
            meter.bind(self._bench.meters[name], self._bench.entropy, self._bench.system_title)
        serving = asyncio.ensure_future(self._bench.serve())
        playing = asyncio.ensure_future(self._play(scenario))
        try:
            await asyncio.wait((serving, playing), return_when=asyncio.FIRST_COMPLETED)
            if not playing.done():
                await _cancelled(playing)
                raise Inconclusive(f"the field stopped: {serving.exception()!r}")
            await playing
        finally:
            await _cancelled(serving)
            self.recorder.finish()
        if self._loop_errors:
            raise Inconclusive(f"an error that nobody handled: {self._loop_errors[0]!r}") from self._loop_errors[0]

    async def _play(self, scenario: Scenario) -> None:
        for meter in self.meters:
            await meter.reachable()
        try:
            async with asyncio.timeout(self.plan.limit_s) as limit:
                await scenario()
        except TimeoutError:
            if limit.expired():
                raise Inconclusive(f"the scenario was given up after {self.plan.limit_s:.0f} s") from None
            raise

    def _note_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception") or Inconclusive(str(context.get("message")))
        self._loop_errors.append(error)


def load(name_or_path: str, *, seed: int | None = None) -> StationPlan:
    """A station's plan by the name of a shipped station or the path of a file. Raises ConfigError."""
    return station_file.load(name_or_path, seed=seed)


def make_bench(plan: StationPlan, recorder: Recorder) -> Bench:
    """The bench of a plan's kind."""
    from scenarios.concentrator_bench import SimBench, TcpBench
    from scenarios.line_bench import LineBench

    if plan.kind == "sim":
        return SimBench(plan, recorder)
    if plan.kind == "tcp":
        return TcpBench(plan, recorder)
    return LineBench(plan, recorder)


async def _cancelled(task: asyncio.Future[Any]) -> None:
    """Cancel a task and wait for its end, whatever that is."""
    task.cancel()
    await asyncio.wait((task,))
    if not task.cancelled():
        task.exception()

"""What the plug-in does once a station is named: fixtures, the run of each scenario, verdicts, evidence.

A scenario is an `async def` test that asks for `station`, `meter`, `meters`, `other_meter` or `dcu`. Each runs on a
bench of its own, through `asyncio.Runner(loop_factory=station.loop_factory)`. Fixtures hand out what exists before the
loop runs; the meters come to life inside it.
"""

from __future__ import annotations

import contextlib
import inspect
import signal
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from hes.clock import SystemClock
from hes.errors import HesError
from scenarios import folder, plugin
from scenarios.concentrator import Concentrator
from scenarios.meter import Meter
from scenarios.result import NotRun, RunResult, ScenarioResult, versions
from scenarios.station import Station, load
from scenarios.verdicts import Inapplicable, Inconclusive, Verdict, verdict_of
from sim.run import fresh_folder

RUNS = Path("runs")
_STATION_KEY = pytest.StashKey[Station]()
_RESULT_KEY = pytest.StashKey[ScenarioResult]()
_WORDS = {
    Verdict.PASSED: ("passed", ".", "PASSED"),
    Verdict.FAILED: ("failed", "F", "FAILED"),
    Verdict.INCONCLUSIVE: ("inconclusive", "?", "INCONCLUSIVE"),
    Verdict.INAPPLICABLE: ("inapplicable", "-", "INAPPLICABLE"),
}
_OUTCOMES: dict[Verdict, Literal["passed", "failed", "skipped"]] = {
    Verdict.PASSED: "passed",
    Verdict.FAILED: "failed",
    Verdict.INCONCLUSIVE: "failed",
    Verdict.INAPPLICABLE: "skipped",
}
EXIT_FAILED, EXIT_INCONCLUSIVE = 1, 6


class StationPlugin:
    """The active part of the plug-in.

    results: of the scenarios so far. is_interrupted: somebody stopped the run. folder: where the evidence is, once
    written.
    """

    def __init__(self, config: pytest.Config) -> None:
        try:
            self.plan = load(config.getoption(plugin.STATION), seed=config.getoption(plugin.SEED))
        except HesError as error:
            raise pytest.UsageError(error.message) from error
        self.results: list[ScenarioResult] = []
        self.is_interrupted = False
        self.folder: Path | None = None
        self.started_epoch_s = SystemClock().epoch_s()
        self._config = config
        self._started = time.perf_counter()
        self._chosen: list[pytest.Function] = []
        self._running: tuple[pytest.Item, float] | None = None

    # -- fixtures

    @pytest.fixture
    def station(self, request: pytest.FixtureRequest) -> Station:
        """The station that this scenario runs on."""
        return _station_of(request.node)

    @pytest.fixture
    def meter(self, station: Station) -> Meter:
        """The meter of the role "meter": the one under test."""
        return station.meter("meter")

    @pytest.fixture
    def other_meter(self, station: Station) -> Meter:
        """A second meter on the same way; INAPPLICABLE where there is none."""
        return station.meter("other")

    @pytest.fixture
    def meters(self, station: Station) -> tuple[Meter, ...]:
        """Every meter of the station."""
        return station.meters

    @pytest.fixture
    def dcu(self, station: Station) -> Concentrator:
        """The concentrator; INAPPLICABLE where meters are reached without one."""
        return station.concentrator()

    # -- running

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._chosen = [item for item in session.items if isinstance(item, pytest.Function) and _is_scenario(item)]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if _is_scenario(item):
            self._running = item, time.perf_counter()
            item.stash[_STATION_KEY] = Station(self.plan)

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        if not _is_scenario(pyfuncitem):
            return None
        names = pyfuncitem._fixtureinfo.argnames
        arguments = {name: pyfuncitem.funcargs[name] for name in names}
        _station_of(pyfuncitem).run(lambda: pyfuncitem.obj(**arguments))
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if not _is_scenario(item):
            return report
        error = None if call.excinfo is None else call.excinfo.value
        result = item.stash.get(_RESULT_KEY, None)
        if call.when == "call" or error is not None:
            verdict, reason = _judged(error, report)
            if result is None:
                trace = "" if verdict in (Verdict.PASSED, Verdict.INAPPLICABLE) else str(report.longrepr)
                result = item.stash[_RESULT_KEY] = _result_of(item, verdict, reason, trace, report.duration)
                self.results.append(result)
            elif result.verdict is Verdict.PASSED:
                result.verdict, result.reason = verdict, reason
            report.outcome = _OUTCOMES[verdict]
            if verdict is Verdict.INAPPLICABLE:
                report.longrepr = (str(item.path), item.location[1] or 0, reason)
            report.user_properties.append(("verdict", verdict.value))
        return report

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Somebody stopped the run. pytest calls this too when a suite cannot be loaded: that has a verdict already."""
        if not isinstance(excinfo.value, pytest.Session.Interrupted):
            self.interrupt()

    def interrupt(self) -> None:
        """Note that the run was stopped; the scenario that was running could not be judged."""
        self.is_interrupted = True
        if self._running is None:
            return
        item, began_s = self._running
        if item.stash.get(_RESULT_KEY, None) is None and item.stash.get(_STATION_KEY, None) is not None:
            took_s = time.perf_counter() - began_s
            result = _result_of(item, Verdict.INCONCLUSIVE, "interrupted before it came to its end", "", took_s)
            result.was_cut_short = True
            item.stash[_RESULT_KEY] = result
            self.results.append(result)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            text = str(report.longrepr)
            reason = text.strip().splitlines()[-1] if text.strip() else "the suite cannot be loaded"
            self.results.append(
                ScenarioResult(
                    name=report.nodeid,
                    title="cannot be loaded",
                    verdict=Verdict.INCONCLUSIVE,
                    reason=reason,
                    trace=text,
                )
            )

    # -- telling

    def pytest_report_header(self) -> str:
        return f"station: {self.plan.name} ({self.plan.title}), seed {self.plan.world.seed}"

    def pytest_report_teststatus(self, report: Any) -> tuple[str, str, str] | None:
        word = dict(getattr(report, "user_properties", ())).get("verdict")
        if word is None or (report.when != "call" and report.passed):
            return None
        return _WORDS[Verdict(word)]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if not self.results and not (self.is_interrupted and self._chosen):
            return
        run = self.result()
        with _undisturbed() if self.is_interrupted else contextlib.nullcontext():
            self.folder = folder.write(self._folder(), run)
        if self.is_interrupted:
            return  # pytest's own status for it stays
        verdict = run.verdict
        if verdict is Verdict.INCONCLUSIVE:
            session.exitstatus = EXIT_INCONCLUSIVE
        elif verdict is Verdict.FAILED:
            session.exitstatus = EXIT_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.folder is not None:
            if self.is_interrupted:
                terminalreporter.write_line(self.result().headline)
            terminalreporter.write_line(f"evidence: {self.folder / folder.RESULT_PAGE}")

    def result(self) -> RunResult:
        """The run so far."""
        left = [item for item in self._chosen if item.stash.get(_RESULT_KEY, None) is None]
        return RunResult(
            station=self.plan,
            scenarios=self.results,
            not_run=[NotRun(name=item.name, suite=item.path.stem, title=_title(item)) for item in left],
            is_interrupted=self.is_interrupted,
            started_epoch_s=self.started_epoch_s,
            wall_s=time.perf_counter() - self._started,
            versions=versions(),
        )

    def _folder(self) -> Path:
        named = self._config.getoption(plugin.EVIDENCE)
        if named is None:
            return fresh_folder(RUNS, f"test-{self.plan.name}")
        path = Path(named)
        path.mkdir(parents=True, exist_ok=True)
        return path


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Inside, a second Ctrl-C does nothing: this takes a second, and shells and runners often send it twice."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _is_scenario(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj)


def _station_of(node: Any) -> Station:
    station = node.stash.get(_STATION_KEY, None)
    if station is None:
        pytest.fail("a station is for `async def` tests: they run on its loop", pytrace=False)
    assert isinstance(station, Station)
    return station


def _judged(error: BaseException | None, report: pytest.TestReport) -> tuple[Verdict, str]:
    if isinstance(error, pytest.skip.Exception):
        return Verdict.INAPPLICABLE, str(error.msg)
    if isinstance(error, pytest.fail.Exception) and report.when == "call":
        return Verdict.FAILED, str(error.msg)
    if report.when != "call" and not isinstance(error, Inapplicable):
        return Verdict.INCONCLUSIVE, _sentence(error)
    return verdict_of(error), _sentence(error)


def _sentence(error: BaseException | None) -> str:
    """Why, in one line: of an assertion its own words, of everything else the kind of error too."""
    if error is None:
        return ""
    said = (error.message if isinstance(error, HesError) else str(error)).strip()
    first = said.splitlines()[0] if said else ""
    if isinstance(error, Inapplicable | Inconclusive | AssertionError):
        return first or type(error).__name__
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _result_of(item: pytest.Item, verdict: Verdict, reason: str, trace: str, wall_s: float) -> ScenarioResult:
    station = item.stash[_STATION_KEY]
    return ScenarioResult(
        name=item.name,
        suite=item.path.stem,
        title=_title(item),
        about=_document(item),
        file=item.path,
        verdict=verdict,
        reason=reason,
        trace=trace,
        evidence=station.evidence,
        facts=station.facts,
        secrets=station.inspector_keys(),
        wall_s=wall_s,
    )


def _document(item: pytest.Item) -> str:
    return (inspect.getdoc(item.obj) if isinstance(item, pytest.Function) else None) or ""


def _title(item: pytest.Item) -> str:
    """The first sentence of its docstring, else its name as a sentence; and which of several it is."""
    base, _, variant = item.name.partition("[")
    document = _document(item)
    told = document.splitlines()[0].rstrip(".") if document else base.removeprefix("test_").replace("_", " ")
    return f"{told} ({variant.removesuffix(']')})" if variant else told

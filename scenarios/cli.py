"""Run scenario suites against a station and judge its meters: verdicts, JUnit, one HTML page with every frame."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hes.cli.exit_status import ExitStatus
from hes.errors import ConfigError

if TYPE_CHECKING:
    from scenarios.pytest_station import StationPlugin
    from scenarios.result import ScenarioResult

SUITES = Path(__file__).parent / "suites"


@click.command()
@click.argument("suites", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--station", required=True, help="Where to run: sim, tcp, pty or the path of a station file.")
@click.option("-k", "expression", metavar="EXPR", help="Only scenarios whose names fit, as pytest's -k.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Another seed than that of the station's field.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Where the run's own folder is made.",
)
@click.option(
    "--against",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Compare the APDUs of each scenario with those of an earlier run.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def test(
    suites: tuple[Path, ...],
    station: str,
    expression: str | None,
    seed: int | None,
    out: Path,
    against: Path | None,
    *,
    as_json: bool,
) -> int:
    """Run SUITES (files or folders of scenarios; the shipped ones when none is named) against a station.

    Exit status: 0 nothing failed, 1 a verdict is FAILED, 6 something stayed INCONCLUSIVE.
    """
    if find_spec("pytest") is None:
        raise ConfigError("scenarios need pytest, which is not installed: pip install 'amiloop[test]'")
    from scenarios.pytest_station import StationPlugin
    from scenarios.station import load
    from sim.run import fresh_folder

    plan = load(station, seed=seed)
    folder = fresh_folder(out, f"test-{plan.name}")
    say = _say_nothing if as_json else click.echo
    say(f"station {plan.name}: {plan.title}; seed {plan.world.seed}")
    listener = _Listener(say)
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        plugin = _run_pytest(suites, station, expression, seed, folder, listener)
    if not isinstance(plugin, StationPlugin) or not plugin.results:
        with contextlib.suppress(OSError):
            folder.rmdir()
        raise click.UsageError("no scenario was found" + (f" that fits {expression!r}" if expression else ""))
    run = plugin.result()
    comparison = None if against is None else _compare(against, folder, say)
    if as_json:
        told = {**run.to_json(), "files": _files(folder)}
        click.echo(json.dumps(told if comparison is None else {**told, "comparison": comparison}, ensure_ascii=False))
    else:
        counts = ", ".join(f"{count} {verdict.value.lower()}" for verdict, count in run.counts.items() if count)
        say(f"{run.verdict.value}: {counts}; {run.wall_s:.1f} s")
        say(f"evidence: {folder / 'result.html'}")
    if run.verdict.value == "FAILED" or (comparison is not None and not comparison["same"]):
        return ExitStatus.VERDICT_FAILED
    return ExitStatus.INCONCLUSIVE if run.verdict.value == "INCONCLUSIVE" else ExitStatus.OK


def _compare(against: Path, folder: Path, say: Callable[[str], Any]) -> dict[str, Any]:
    """Set this run beside an earlier one: said line by line, and written beside the evidence."""
    from scenarios import compare
    from scenarios import folder as evidence

    earlier, now = evidence.read_run(against), evidence.read_run(folder)
    shared = earlier.keys() & now.keys()
    if not shared:
        raise ConfigError(f"{against} and this run have no scenario in common", path=str(against))
    comparisons = [compare.compare(key, earlier[key], now[key]) for key in sorted(shared)]
    told = compare.report(comparisons, evidence.read_result(against), evidence.read_result(folder))
    (folder / evidence.COMPARISON).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    for line in compare.lines(told):
        say(line)
    return told


class _Listener:
    """A small pytest plug-in: says each verdict as it falls."""

    def __init__(self, say: Callable[[str], Any]) -> None:
        self._say = say
        self._told = 0
        self.plugin: StationPlugin | None = None

    def pytest_sessionstart(self, session: Any) -> None:
        self.plugin = session.config.pluginmanager.get_plugin("amiloop-station")

    def pytest_runtest_logfinish(self) -> None:
        self._tell()

    def pytest_sessionfinish(self) -> None:
        self._tell()

    def _tell(self) -> None:
        results = self.plugin.results if self.plugin is not None else []
        for result in results[self._told :]:
            self._say(_line(result))
        self._told = len(results)


def _line(result: ScenarioResult) -> str:
    reason = f": {result.reason}" if result.reason else ""
    return f"  {result.verdict.value:<12}  {result.title}{reason}  ({result.wall_s:.1f} s)"


def _run_pytest(
    suites: tuple[Path, ...],
    station: str,
    expression: str | None,
    seed: int | None,
    folder: Path,
    listener: _Listener,
) -> StationPlugin | None:
    """One pytest session in this process, with nothing of the current folder's own configuration."""
    import pytest

    from scenarios import plugin

    arguments = [
        "-c", str(SUITES / "pytest.ini"), "--rootdir", str(SUITES), "--import-mode=importlib",
        "-p", "no:terminal", "-p", "no:cacheprovider", "-p", "no:locust", "-p", "no:xdist", "-p", "no:timeout", "-s",
        "--station", station, "--evidence", str(folder),
    ]  # fmt: skip
    if expression is not None:
        arguments += ["-k", expression]
    if seed is not None:
        arguments += ["--station-seed", str(seed)]
    arguments += [str(path.resolve()) for path in suites] or [str(SUITES)]
    pytest.main(arguments, plugins=[plugin, listener])
    return listener.plugin


def _files(folder: Path) -> dict[str, str]:
    from scenarios import folder as evidence

    named = {
        "folder": "",
        "page": evidence.RESULT_PAGE,
        "junit": evidence.JUNIT,
        "result": evidence.RESULT_JSON,
        "frames": evidence.FRAMES,
        "captures": evidence.CAPTURES,
        "hashes": evidence.HASHES,
    }
    return {name: str(folder / file) for name, file in named.items()}


def _say_nothing(_text: str) -> None: ...

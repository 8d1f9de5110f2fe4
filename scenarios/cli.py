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

from hes.cli import logs
from hes.cli.exit_status import ExitStatus
from hes.errors import ConfigError, HesError

if TYPE_CHECKING:
    from scenarios.result import RunResult
    from scenarios.station_file import StationPlan
    from scenarios.verdict_printer import VerdictPrinter

SUITES = Path(__file__).parent / "suites"


@click.command()
@click.argument("suites", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--station",
    required=True,
    help="Where to run: sim, tcp, pty or the path of a station file. All of them bring simulated meters of their own.",
)
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

    Exit status: 0 nothing failed, 1 a verdict is FAILED, 6 something stayed INCONCLUSIVE, 130 interrupted.
    """
    if find_spec("pytest") is None:
        raise ConfigError(
            "scenarios need pytest, which is not installed: run `make dev` in a checkout of amiloop, "
            "or pip install 'amiloop[test]' where amiloop was installed as a package."
        )
    for suite in suites:
        if suite.is_file() and suite.suffix != ".py":
            raise click.UsageError(f"{suite} is no suite: name a folder, or a Python file with `async def` tests")
    say = _say_nothing if as_json else click.echo
    try:
        plan = _plan(station, seed, against)
        folder = _fresh_folder(out, plan)
        say(f"station {plan.name}: {plan.title}; seed {plan.world.seed}")
        with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
            printer = _run_pytest(suites, station, expression, seed, folder, say)
    except KeyboardInterrupt:
        raise _interrupted_early() from None
    run = _run_of(printer, folder, expression)
    comparison = None if against is None or run.is_interrupted else _compare(against, folder, say)
    if as_json:
        click.echo(json.dumps(_json(run, printer, folder, comparison), ensure_ascii=False))
    else:
        _say_summary(run, printer, folder)
        if against is not None and run.is_interrupted:
            say(f"not compared with {against}: the run was interrupted")
    return _status(run, comparison)


def _plan(station: str, seed: int | None, against: Path | None) -> StationPlan:
    """The station, once the earlier run was looked at, too: better now than when the suites are through."""
    from scenarios import folder as evidence
    from scenarios import verdict_printer  # noqa: F401 - pytest takes a while: before the folder is made
    from scenarios.station import load

    plan = load(station, seed=seed)
    if against is not None:
        evidence.read_result(against)
    return plan


def _fresh_folder(out: Path, plan: StationPlan) -> Path:
    from sim.run import fresh_folder

    return fresh_folder(out, f"test-{plan.name}")


def _run_of(printer: VerdictPrinter, folder: Path, expression: str | None) -> RunResult:
    """What ran. Raises UsageError when there was nothing to run, HesError when nobody waited for that to show."""
    run = None if printer.plugin is None else printer.plugin.result()
    if run is not None and run.planned and not printer.refusal:
        return run
    with contextlib.suppress(OSError):
        folder.rmdir()
    if printer.was_interrupted:
        raise _interrupted_early()
    if printer.refusal:
        raise click.UsageError(printer.refusal)
    raise click.UsageError("no scenario was found" + (f" that fits {expression!r}" if expression else ""))


def _interrupted_early() -> HesError:
    return HesError(
        "interrupted before the first scenario: nothing was judged and nothing was written.",
        exit_status=ExitStatus.INTERRUPTED,
        interrupted=True,
    )


def _json(run: RunResult, printer: VerdictPrinter, folder: Path, comparison: dict[str, Any] | None) -> dict[str, Any]:
    told = {**run.to_json(), "files": _files(folder), "evidence_complete": printer.wrote_evidence}
    return told if comparison is None else {**told, "comparison": comparison}


def _say_summary(run: RunResult, printer: VerdictPrinter, folder: Path) -> None:
    from scenarios import folder as evidence

    counts = [f"{count} {verdict.value.lower()}" for verdict, count in run.counts.items() if count]
    if run.not_run:
        counts.append(f"{len(run.not_run)} not run")
    click.echo(f"{run.headline}: {', '.join(counts)}; {run.wall_s:.1f} s")
    if (folder / evidence.LOG).exists():
        click.echo(f"warnings: {folder / evidence.LOG}")
    if printer.wrote_evidence:
        click.echo(f"evidence: {folder / evidence.RESULT_PAGE}")
    else:
        click.echo(f"evidence: not complete, interrupted while it was written: {folder}")


def _status(run: RunResult, comparison: dict[str, Any] | None) -> ExitStatus:
    if run.is_interrupted:
        return ExitStatus.INTERRUPTED
    if run.outcome == "FAILED" or (comparison is not None and not comparison["same"]):
        return ExitStatus.VERDICT_FAILED
    return ExitStatus.INCONCLUSIVE if run.outcome == "INCONCLUSIVE" else ExitStatus.OK


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


def _run_pytest(
    suites: tuple[Path, ...],
    station: str,
    expression: str | None,
    seed: int | None,
    folder: Path,
    say: Callable[[str], Any],
) -> VerdictPrinter:
    """One pytest session in this process, with nothing of the current folder's own configuration."""
    import pytest

    from scenarios import folder as evidence
    from scenarios import plugin
    from scenarios.verdict_printer import VerdictPrinter

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
    printer = VerdictPrinter(say)
    with logs.kept_in(folder / evidence.LOG):
        try:
            pytest.main(arguments, plugins=[plugin, printer])
        except KeyboardInterrupt:  # pytest takes the first one; this is a second, while the evidence is written
            printer.interrupt()
    return printer


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

"""A run that somebody stops is no pass: terminal, exit status, page, JUnit and JSON say how far it came."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from click.testing import CliRunner

import scenarios
from hes.cli import main
from scenarios import folder as evidence
from scenarios.cli import test as command
from scenarios.result import RunResult
from scenarios.tests.suites_on_stations import Run, amiloop_test

SUITE = '''
import os
import signal


async def test_one_that_passes(station):
    """The first."""


async def test_one_that_fails(station):
    """The second."""
    assert {second_holds}, "it does not hold"


async def test_one_that_hangs(station, meter):
    """The third."""
    async with meter.association("none"):
        {stop}


async def test_one_that_is_never_reached(station):
    """The fourth."""


def test_that_is_no_scenario():
    pass
'''
STOP = "raise KeyboardInterrupt"
SIGNAL = "os.kill(os.getpid(), signal.SIGINT); await station.let_pass(60)"


def suite(folder: Path, *, second_holds: bool = True, stop: str = STOP) -> Path:
    path = folder / "test_four.py"
    path.write_text(SUITE.format(second_holds=second_holds, stop=stop), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Run:
    home = tmp_path_factory.mktemp("stopped")
    return amiloop_test(home, "--station", "sim", suites=[suite(home)])


def test_json_says_that_the_run_was_interrupted_and_what_did_not_run(stopped: Run) -> None:
    assert stopped.status == 130
    told = stopped.json
    assert (told["verdict"], told["interrupted"], told["ended"], told["planned"]) == ("INTERRUPTED", True, 2, 4)
    assert told["not_run"] == [{"name": "test_one_that_is_never_reached", "suite": "test_four", "title": "The fourth"}]
    assert stopped.scenario("test_one_that_hangs")["verdict"] == "INCONCLUSIVE"
    assert stopped.scenario("test_one_that_hangs")["apdus"] > 0, "where it hung is what its frames are for"
    assert json.loads((stopped.folder / "result.json").read_text(encoding="utf-8"))["verdict"] == "INTERRUPTED"


def test_junit_of_an_interrupted_run_is_not_green_and_lists_what_did_not_run(stopped: Run) -> None:
    (run,) = ElementTree.parse(stopped.folder / "junit.xml").getroot().findall("testsuite")  # noqa: S314 - our own
    assert (run.get("tests"), run.get("failures"), run.get("errors"), run.get("skipped")) == ("4", "0", "2", "0")
    properties = {each.get("name"): each.get("value") for each in run.findall("properties/property")}
    assert properties["outcome"] == "INTERRUPTED after 2 of 4"
    messages = {case.get("name"): case.find("error").get("message") for case in run if case.find("error") is not None}
    assert messages == {
        "test_one_that_hangs": "interrupted before it came to its end",
        "test_one_that_is_never_reached": "not run: the run was interrupted",
    }


def test_the_page_of_an_interrupted_run_says_so_on_top_and_lists_what_did_not_run(stopped: Run) -> None:
    page = (stopped.folder / "result.html").read_text(encoding="utf-8")
    assert "<title>INTERRUPTED: sim, 2 of 4 scenarios</title>" in page
    assert '<span class="verdict interrupted">INTERRUPTED after 2 of 4</span>' in page
    assert "NOT RUN</span></td><td>The fourth<small>the run was interrupted" in page


def test_the_terminal_says_how_far_an_interrupted_run_came_whatever_it_found_before(tmp_path: Path) -> None:
    line = [str(suite(tmp_path, second_holds=False)), "--station", "sim", "--out", str(tmp_path / "runs")]
    done = CliRunner().invoke(command, line, standalone_mode=False, catch_exceptions=False)
    assert done.return_value == 130
    assert "INTERRUPTED after 2 of 4: 1 passed, 1 failed, 1 inconclusive, 1 not run; " in done.stdout
    assert "PASSED:" not in done.stdout


def test_a_signal_ends_the_command_with_130(tmp_path: Path) -> None:
    done = run_python(tmp_path, "-m", "hes.cli.main", "test", str(suite(tmp_path, stop=SIGNAL)), "--station", "sim")
    assert done.returncode == 130, done.stdout + done.stderr
    assert "INTERRUPTED after 2 of 4: 2 passed, 1 inconclusive, 1 not run" in done.stdout
    assert done.stderr == ""


def test_a_run_that_is_interrupted_while_it_loads_says_so_and_leaves_no_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "test_slow_to_load.py"
    path.write_text("raise KeyboardInterrupt\n", encoding="utf-8")
    status = main.run(["test", str(path), "--station", "sim", "--out", str(tmp_path / "runs"), "--json"])
    told = capsys.readouterr()
    assert status == 130
    assert json.loads(told.out)["error"]["fields"]["interrupted"] is True
    assert told.err == ("amiloop: interrupted before the first scenario: nothing was judged and nothing was written.\n")
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_signal_that_comes_twice_leaves_whole_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = evidence.write

    def signalled_again(folder: Path, run: RunResult) -> Path:
        signal.raise_signal(signal.SIGINT)
        return write(folder, run)

    monkeypatch.setattr("scenarios.folder.write", signalled_again)
    run = amiloop_test(tmp_path / "runs", "--station", "sim", suites=[suite(tmp_path)])
    assert (run.status, run.json["evidence_complete"]) == (130, True)
    assert (run.folder / "result.html").is_file()


def test_a_second_interrupt_while_the_evidence_is_written_is_no_pass_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted_again(*_: object) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr("scenarios.folder.write", interrupted_again)
    line = [str(suite(tmp_path)), "--station", "sim", "--out", str(tmp_path / "runs")]
    done = CliRunner().invoke(command, line, standalone_mode=False, catch_exceptions=False)
    assert done.return_value == 130
    assert "INTERRUPTED after 2 of 4" in done.stdout
    assert "evidence: not complete" in done.stdout


def run_python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    root = Path(scenarios.__file__ or "").parents[1]
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_what_did_not_run_for_another_reason_keeps_a_run_from_passing(tmp_path: Path) -> None:
    broken = tmp_path / "test_broken.py"
    broken.write_text("import nothing_of_this_name\n", encoding="utf-8")
    run = amiloop_test(tmp_path / "out", "--station", "sim", suites=[suite(tmp_path), broken])
    assert (run.status, run.json["verdict"], run.json["interrupted"]) == (6, "INCONCLUSIVE", False)
    assert len(run.json["not_run"]) == 4
    page = (run.folder / "junit.xml").read_text(encoding="utf-8")
    assert 'message="not run: the run ended before it"' in page

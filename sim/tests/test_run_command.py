"""`amiloop run`: what it prints, what it leaves behind, what it says to wrong input, and what a kill leaves."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from hes.cli.main import run as amiloop
from hes.trace.capture_reader import read_capture
from sim.cli.printing import ProgressBar, clock_time
from sim.cli.run import verdict
from sim.run import fresh_folder
from sim.tests.small_worlds import small

ROOT = Path(__file__).parents[2]
KILLED = """
import os, signal, sys
from pathlib import Path
from sim.tests.small_worlds import run_text, small
def stop(virtual_s, read, expected):
    if virtual_s > 3600:
        os.kill(os.getpid(), signal.SIGKILL)
run_text(small(), Path(sys.argv[1]), on_progress=stop)
"""


@pytest.fixture
def world(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(small())
    return path


def test_json_is_one_object_with_what_a_pipeline_needs(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert amiloop(["run", str(world), "--out", str(tmp_path / "runs"), "--json"]) == 0
    captured = capsys.readouterr()
    result = json.loads(captured.out)
    wanted = {
        "digest", "devices", "values_due", "values_read", "missing_by_cause", "success_rate", "virtual_s", "wall_s",
        "files",
    }  # fmt: skip
    assert wanted <= set(result)
    assert result["values_due"] == result["values_read"] == 9 * (96 * 4 + 6) + 9 * 32 * 4
    assert result["virtual_s"] == 9 * 3600
    files = {name: Path(path) for name, path in result["files"].items()}
    assert set(files) == {"database", "report", "capture", "trace", "secrets"}
    assert all(path.stat().st_size > 1000 for path in files.values())
    conversations = read_capture(files["capture"]).conversations
    assert sum(len(conversation.chunks) for conversation in conversations) > 500
    assert "plotly" in files["report"].read_text().lower()


def test_people_get_figures_and_every_run_a_folder_of_its_own(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs"
    arguments = ["run", str(world), "--out", str(out), "--until", "01:30", "--no-report", "--no-capture", "--no-trace"]
    assert amiloop(arguments) == 0
    assert amiloop([*arguments, "--seed", "9"]) == 0
    text = capsys.readouterr().out
    for wanted in ("values due", "success at the end", "digest", "retries by hop count", "07310001", "amiloop.sqlite"):
        assert wanted in text
    assert sorted(path.name for path in out.iterdir()) == ["small-001", "small-002"]


def test_a_share_that_a_pipeline_asks_for_decides_the_exit_status(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = ["run", str(world), "--out", str(tmp_path), "--until", "01:00", "--no-report", "--no-capture", "--no-trace"]
    assert amiloop([*short, "--min-success", "0.5"]) == 6, "nothing is due yet: that is no success and no failure"
    captured = capsys.readouterr()
    assert "success at the end  nothing yet" in captured.out
    assert "nothing of small was due yet" in captured.err
    assert verdict(0.98999, 0.99, "small") == 1
    assert "98.9990% of what is due in small was read, --min-success asks for 99.0000%" in capsys.readouterr().err
    assert amiloop([*short[:5], "07:00", *short[6:], "--min-success", "0.99"]) == 0


def test_the_capture_is_opened_by_the_test_keys_beside_it(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert amiloop(["run", str(world), "--out", str(tmp_path), "--until", "01:00", "--no-report", "--no-trace"]) == 0
    folder = tmp_path / "small-001"
    capsys.readouterr()
    assert (folder / "test-secrets.toml").stat().st_mode & 0o777 == 0o600
    command = ["decode", str(folder / "capture.pcapng"), "--secrets", str(folder / "test-secrets.toml"), "--short"]
    assert amiloop(command) == 0
    text = capsys.readouterr().out
    assert text.count("Profile generic.buffer, load profile 1") >= 9, "every meter was asked for its load profile"
    assert text.count("Clock.time, clock: Mon 2026-03-02 00:") >= 9, "and every answer is readable"
    assert "invalid" not in text


def test_the_report_links_to_the_files_beside_it_and_says_how_to_run_again(world: Path, tmp_path: Path) -> None:
    assert amiloop(["run", str(world), "--out", str(tmp_path), "--until", "06:00", "--json"]) == 0
    page = (tmp_path / "small-001" / "report.html").read_text()
    assert 'href="./amiloop.sqlite"' in page
    assert f"amiloop run {world} --seed 7" in page


def test_an_interrupted_run_says_where_it_stopped_and_where_its_files_are(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def press(bar: ProgressBar, virtual_s: float, read: int, expected: int) -> None:
        bar.virtual_time = clock_time(virtual_s)
        if virtual_s > 3600:
            raise KeyboardInterrupt

    monkeypatch.setattr(ProgressBar, "advance", press)
    assert amiloop(["run", str(world), "--out", str(tmp_path)]) == 130
    error = capsys.readouterr().err
    assert "interrupted at 01:0" in error
    assert "small-001" in error


def test_a_killed_run_leaves_a_database_that_opens_and_holds_what_was_committed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=ROOT, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == -9
    with sqlite3.connect(tmp_path / "amiloop.sqlite") as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
        (readings,) = connection.execute("select count(*) from reading").fetchone()
        assert readings > 1000
    connection.close()
    assert read_capture(tmp_path / "capture.pcapng").packets > 0, "the capture is valid up to its last flush"


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["nowhere.toml"], 3, "nowhere.toml"),
        (["--until", "soon"], 2, "soon"),
        (["--until", "99h"], 3, "at most 9 h later"),
        (["--seed", "-1"], 2, "--seed"),
    ],
)
def test_wrong_arguments_get_one_sentence_and_their_status(
    arguments: list[str], status: int, says: str, world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["run", *arguments] if arguments[0].endswith("toml") else ["run", str(world), *arguments]
    assert amiloop(line) == status
    captured = capsys.readouterr()
    assert says in captured.err
    assert "Traceback" not in captured.err


def test_a_malformed_world_lists_every_fault_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "broken.toml"
    path.write_text(small().replace("count = 5", "count = -5").replace('kind = "gprs"', 'kind = "gprz"'))
    assert amiloop(["run", str(path)]) == 3
    error = capsys.readouterr().err
    lines = path.read_text().splitlines()
    assert f"broken.toml:{lines.index('count = -5') + 1}: " in error
    wrong_kind = lines.index('kind = "gprz"') + 1
    assert f"broken.toml:{wrong_kind}: " in error
    assert "gprs, plc" in error, "the allowed values are named"


def test_run_folders_are_numbered_on(tmp_path: Path) -> None:
    assert [fresh_folder(tmp_path, "w").name for _ in range(3)] == ["w-001", "w-002", "w-003"]

"""`amiloop test` refuses what it cannot do before it starts, in one sentence, and keeps other people's words apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from hes.cli import main

SUITE = '''
import structlog


async def test_on_a_slow_machine(station):
    """The only one."""
    structlog.get_logger().warning("pacer_late", late_s=0.2)
'''


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "test_mine.py"
    path.write_text(SUITE, encoding="utf-8")
    return path


def refused(capsys: pytest.CaptureFixture[str], out: Path, *arguments: str) -> tuple[int, str]:
    """Status and what stands on standard error; nothing may have been run or left."""
    status = main.run(["test", *arguments, "--out", str(out)])
    told = capsys.readouterr()
    assert "PASSED" not in told.out
    assert not out.is_dir() or list(out.iterdir()) == []
    return status, told.err


def test_a_folder_that_holds_no_run_is_refused_before_anything_runs(
    tmp_path: Path, suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier = tmp_path / "earlier"
    earlier.mkdir()
    status, said = refused(capsys, tmp_path / "out", str(suite), "--station", "sim", "--against", str(earlier))
    assert status == 3
    assert said == f"amiloop: {earlier} holds no result.json: name the folder of an earlier `amiloop test`\n"


def test_a_file_that_is_no_suite_is_refused_in_our_own_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "README.md"
    page.write_text("# hello\n", encoding="utf-8")
    status, said = refused(capsys, tmp_path / "out", str(page), "--station", "sim")
    assert status == 2
    assert said.startswith(f"amiloop: {page} is no suite: name a folder, or a Python file")
    assert said.count("\n") == 1


def test_a_broken_expression_is_refused_in_one_sentence(
    tmp_path: Path, suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = refused(capsys, tmp_path / "out", str(suite), "--station", "sim", "-k", "clock and (")
    assert status == 2
    assert said.startswith("amiloop: Wrong expression passed to '-k': clock and (")
    assert said.count("\n") == 1


def test_an_expression_that_fits_nothing_is_named(
    tmp_path: Path, suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = refused(capsys, tmp_path / "out", str(suite), "--station", "sim", "-k", "nothing")
    assert status == 2
    assert "no scenario was found that fits 'nothing'" in said


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:4059", "/dev/ttyUSB0"])
def test_an_address_is_no_station_and_the_sentence_says_what_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    status, said = refused(capsys, tmp_path / "out", "--station", address)
    assert status == 3
    assert said.startswith(f"amiloop: {address} is an address, and a station is not: name pty, sim, tcp or the path")
    assert "`amiloop read`" in said


def test_without_pytest_the_sentence_names_what_a_checkout_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("scenarios.cli.find_spec", lambda name: None)
    status, said = refused(capsys, tmp_path / "out", "--station", "sim")
    assert status == 3
    assert "run `make dev` in a checkout" in said


def test_warnings_of_the_bench_do_not_stand_among_the_verdicts(
    tmp_path: Path, suite: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AMILOOP_LOG", raising=False)
    assert main.run(["test", str(suite), "--station", "sim", "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr()
    log = tmp_path / "out" / "test-sim-001" / "log.txt"
    assert "pacer_late" in log.read_text(encoding="utf-8")
    assert "pacer_late" not in told.out + told.err
    assert f"warnings: {log}" in told.out
    monkeypatch.setenv("AMILOOP_LOG", "warning")
    assert main.run(["test", str(suite), "--station", "sim", "--out", str(tmp_path / "out")]) == 0
    assert "pacer_late" in capsys.readouterr().err


def test_a_comparison_says_which_run_was_then_and_which_is_now(
    tmp_path: Path, suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    suite.write_text('async def test_one(meter):\n    async with meter.association("none"):\n        pass\n')
    line = ["test", str(suite), "--station", "sim", "--out", str(out)]
    assert main.run(line) == 0
    assert main.run([*line, "--against", str(out / "test-sim-001")]) == 0
    told = capsys.readouterr().out
    assert "\nthen: station sim: sim, usual turnaround" in told
    assert "\nnow: station sim: sim, usual turnaround" in told

"""The plug-in as pytest's own users meet it, each time in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import scenarios

SUITE = '''
async def test_a_scenario(station, meter):
    """A title."""
    async with meter.association("none"):
        assert station.loop_factory is not None


async def test_nobody_plays_it(station):
    station.meter("transformer")


def test_an_ordinary_test():
    pass
'''


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    root = Path(scenarios.__file__ or "").parents[1]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", *arguments],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_pytest_tells_verdicts_in_their_own_words_and_where_the_evidence_is(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(SUITE, encoding="utf-8")
    done = run_pytest(tmp_path, "-v", "-p", "scenarios.plugin", "--station", "sim", "--evidence", "out")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_a_scenario PASSED" in done.stdout
    assert "test_nobody_plays_it INAPPLICABLE" in done.stdout
    assert "test_an_ordinary_test PASSED" in done.stdout
    assert "evidence: out/result.html" in done.stdout
    assert (tmp_path / "out" / "junit.xml").is_file()


def test_a_station_that_is_not_there_is_a_usage_error_with_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(SUITE, encoding="utf-8")
    done = run_pytest(tmp_path, "-p", "scenarios.plugin", "--station", "moon")
    assert done.returncode == 4
    assert "holds no 'moon'; it holds:" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_station_the_shipped_suites_are_passed_over(tmp_path: Path) -> None:
    suites = Path(scenarios.__file__ or "").parent / "suites"
    done = run_pytest(tmp_path, "--import-mode=importlib", "-c", str(suites / "pytest.ini"), str(suites))
    assert "no tests ran" in done.stdout, done.stdout + done.stderr

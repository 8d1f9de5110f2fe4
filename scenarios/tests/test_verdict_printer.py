"""The line that `amiloop test` prints for each scenario."""

import sys

import pytest

from scenarios.result import ScenarioResult
from scenarios.verdict_printer import _line
from scenarios.verdicts import Verdict

RESULT = ScenarioResult(
    name="test_it",
    title="a load profile is read in the range that was asked for",
    verdict=Verdict.FAILED,
    reason="the meter gave 3 rows in place of 4, and the last of them twice",
    wall_s=1.25,
)
WHOLE = f"  FAILED        {RESULT.title}: {RESULT.reason}  (1.2 s)"


def test_a_verdict_is_one_line_where_nobody_looks() -> None:
    assert _line(RESULT) == WHOLE


def test_on_a_narrow_terminal_a_verdict_goes_on_under_its_title(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    lines = _line(RESULT).splitlines()
    assert max(map(len, lines)) <= 60
    assert lines[0].startswith("  FAILED        a load profile")
    assert all(line.startswith(" " * 16) for line in lines[1:])
    assert " ".join(_line(RESULT).split()) == " ".join(WHOLE.split())

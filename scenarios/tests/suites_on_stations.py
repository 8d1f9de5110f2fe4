"""Running suites the way a user does, in this process, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from scenarios.cli import test as command


@dataclass(frozen=True, slots=True)
class Run:
    """status: exit status. json: what --json printed. folder: the evidence."""

    status: int
    json: dict[str, Any]
    folder: Path

    def verdicts(self) -> dict[str, str]:
        return {scenario["name"]: scenario["verdict"] for scenario in self.json["scenarios"]}

    def scenario(self, name: str) -> dict[str, Any]:
        (found,) = [scenario for scenario in self.json["scenarios"] if scenario["name"] == name]
        return dict(found)


def amiloop_test(out: Path, *arguments: str, suites: Sequence[Path] = ()) -> Run:
    """`amiloop test ... --json`."""
    line = [*map(str, suites), *arguments, "--out", str(out), "--json"]
    done = CliRunner().invoke(command, line, standalone_mode=False, catch_exceptions=False)
    told = json.loads(done.stdout)
    return Run(int(done.return_value or 0), told, Path(told["files"]["folder"]))

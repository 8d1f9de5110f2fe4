"""A run of scenarios as values, and as JSON."""

from __future__ import annotations

import platform
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from hes.clock import utc
from hes.dlms.inspect.sealed_nodes import InspectorKeys
from hes.links.facts import LinkFacts
from scenarios.evidence import Evidence
from scenarios.station_file import StationPlan
from scenarios.verdicts import Verdict, worst

PACKAGES = ("amiloop", "cryptography", "pytest", "simpy")
INTERRUPTED = "INTERRUPTED"


@dataclass(slots=True, kw_only=True)
class ScenarioResult:
    """One scenario. name: of the test; title: as a sentence; trace: of what went wrong, for whoever mends it.

    secrets: by meter name, what its sealed APDUs are opened with; they are written nowhere.
    was_cut_short: it was running when the run was interrupted.
    """

    name: str
    title: str
    verdict: Verdict
    reason: str = ""
    suite: str = ""
    about: str = ""
    trace: str = ""
    file: Path | None = None
    evidence: Evidence = field(default_factory=Evidence)
    facts: tuple[LinkFacts, ...] = ()
    secrets: Mapping[str, InspectorKeys] = field(default_factory=dict, repr=False)
    wall_s: float = 0.0
    was_cut_short: bool = False

    @property
    def station_s(self) -> float:
        """How long it took in the station's own time."""
        steps = self.evidence.steps
        return (steps[-1].until_s or steps[-1].from_s) if steps else 0.0

    @property
    def key(self) -> str:
        """What it is called in file names and links: unique in a run."""
        return "".join(c if c.isalnum() or c in "-_" else "-" for c in f"{self.suite}--{self.name}").strip("-")


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRun:
    """A scenario that was chosen and never began; as in `ScenarioResult`."""

    name: str
    suite: str
    title: str


@dataclass(slots=True, kw_only=True)
class RunResult:
    """One run of suites on a station. versions: of what took part.

    scenarios: that came to a verdict, the one that an interruption cut short among them. not_run: all others.
    """

    station: StationPlan
    scenarios: list[ScenarioResult]
    started_epoch_s: float
    wall_s: float
    versions: Mapping[str, str]
    not_run: list[NotRun] = field(default_factory=list)
    is_interrupted: bool = False

    @property
    def verdict(self) -> Verdict:
        """Of all scenarios that were chosen: what did not run is not judged."""
        left = [Verdict.INCONCLUSIVE] if self.not_run else []
        return worst([*(scenario.verdict for scenario in self.scenarios), *left])

    @property
    def outcome(self) -> str:
        """The verdict on the whole run in a word: what an interrupted run would have come to, nobody knows."""
        return INTERRUPTED if self.is_interrupted else self.verdict.value

    @property
    def planned(self) -> int:
        """How many scenarios were chosen."""
        return len(self.scenarios) + len(self.not_run)

    @property
    def ended(self) -> int:
        """How many scenarios came to their own end."""
        return sum(not scenario.was_cut_short for scenario in self.scenarios)

    @property
    def headline(self) -> str:
        """The outcome, of an interrupted run with how far it came."""
        return f"{self.outcome} after {self.ended} of {self.planned}" if self.is_interrupted else self.outcome

    @property
    def counts(self) -> dict[Verdict, int]:
        """How many scenarios came to each verdict, all four of them."""
        found = Counter(scenario.verdict for scenario in self.scenarios)
        return {verdict: found[verdict] for verdict in Verdict}

    @property
    def why_not_run(self) -> str:
        """Why `not_run` did not, in a few words."""
        return "the run was interrupted" if self.is_interrupted else "the run ended before it"

    def to_json(self) -> dict[str, Any]:
        """Verdicts, steps, seed and versions; frames are in files of their own."""
        station = self.station
        return {
            "verdict": self.outcome,
            "interrupted": self.is_interrupted,
            "planned": self.planned,
            "ended": self.ended,
            "counts": {verdict.value: count for verdict, count in self.counts.items()},
            "station": {
                "name": station.name,
                "kind": station.kind,
                "title": station.title,
                "field": station.world.name,
            },
            "seed": station.world.seed,
            "started": utc(self.started_epoch_s).isoformat(timespec="seconds"),
            "wall_s": round(self.wall_s, 3),
            "versions": dict(self.versions),
            "scenarios": [_scenario_json(scenario) for scenario in self.scenarios],
            "not_run": [asdict(scenario) for scenario in self.not_run],
        }


def _scenario_json(scenario: ScenarioResult) -> dict[str, Any]:
    kinds = Counter(entry.kind for entry in scenario.evidence.entries)
    return {
        "name": scenario.name,
        "suite": scenario.suite,
        "title": scenario.title,
        "verdict": scenario.verdict.value,
        "reason": scenario.reason,
        "station_s": round(scenario.station_s, 6),
        "wall_s": round(scenario.wall_s, 3),
        "frames": kinds["frame"],
        "apdus": kinds["apdu"],
        "links": [
            {
                "kind": facts.kind,
                "half_duplex": facts.half_duplex,
                "mtu_octets": facts.mtu_octets,
                "turnaround_s": facts.turnaround_s,
            }
            for facts in scenario.facts
        ],
        "steps": [
            {"title": step.title, "from_s": round(step.from_s, 6), "until_s": round(step.until_s or step.from_s, 6)}
            for step in scenario.evidence.steps
        ],
    }


def versions() -> dict[str, str]:
    """Versions of what takes part in a run."""
    found = {"python": platform.python_version(), "platform": sys.platform}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found

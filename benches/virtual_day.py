"""The virtual day: the whole default world, head-end and field, with database, capture and trace.

There is no peer that does the same; the figures are virtual against wall time, exchanges and values per second, and
the peak memory of a process of its own.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from typing import Any

from benches._measure import DifferenceError, Row

NAME = "virtual_day"
WORLD = "neighbourhood"
ROUNDS = 3
ROUNDS_QUICK = 1

_SCRIPT = """
import json, logging, resource, sys, tempfile
import structlog
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
from pathlib import Path
from sim.run import RunOptions, run_world
from sim.world import parse
folder = Path(tempfile.mkdtemp(dir=sys.argv[2]))
outcome = run_world(parse.load(sys.argv[1]), RunOptions(folder=folder))
print(json.dumps({
    "wall_s": outcome.wall_s, "virtual_s": outcome.virtual_s, "exchanges": outcome.exchanges,
    "values": outcome.totals.read, "digest": outcome.digest,
    "memory_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
}))
"""


def run(quick: bool) -> list[Row]:
    rounds = [_round() for _ in range(ROUNDS_QUICK if quick else ROUNDS)]
    if len({found["digest"] for found in rounds}) != 1:
        raise DifferenceError(f"{NAME}: two runs of world {WORLD} have different digests")
    walls = [float(found["wall_s"]) for found in rounds]
    first = rounds[0]
    wall_s = statistics.median(walls)
    memory_mb = max(int(found["memory_kb"]) for found in rounds) / 1024

    def row(operation: str, value: float, unit: str, note: str = "") -> Row:
        return Row(bench=NAME, operation=operation, implementation="amiloop", value=value, unit=unit, note=note)

    return [
        row(
            "wall time", wall_s, "s", f"{len(rounds)} runs, {min(walls):.1f} to {max(walls):.1f} s; at most 10 s wanted"
        ),
        row("virtual against wall time", float(first["virtual_s"]) / wall_s, "x"),
        row("exchanges with meters", float(first["exchanges"]) / wall_s, "1/s"),
        row("values read, decoded and stored", float(first["values"]) / wall_s, "1/s"),
        row("peak memory", memory_mb, "MB", "under 300 MB wanted"),
    ]


def _round() -> dict[str, Any]:
    """One run in a process of its own: peak memory is a process's, and imports count as they do for a user."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", _SCRIPT, WORLD, folder], capture_output=True, text=True, check=True, timeout=600
        )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found

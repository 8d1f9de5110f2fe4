"""What a run of a world came to: the figures that are printed, put in JSON and drawn in the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hes.reports.figures import DcuFigures, HopFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """success_rate: share of what is due that is read. success_at: local time of day -> share of what is expected by
    then that is read. Both None while there is nothing. values_stored: due or not. files: name -> path.
    """

    world: str
    title: str
    seed: int
    digest: str
    devices: int
    dcus: tuple[DcuFigures, ...]
    values_due: int
    values_read: int
    values_stored: int
    missing_by_cause: Mapping[str, int]
    success_rate: float | None
    success_at: Mapping[str, float | None]
    hops: tuple[HopFigures, ...]
    exchanges: int
    virtual_s: float
    wall_s: float
    files: Mapping[str, Path]

    def to_json(self) -> dict[str, Any]:
        """One JSON object; every count is of values, every duration in seconds."""
        return {
            "world": self.world,
            "seed": self.seed,
            "digest": self.digest,
            "devices": self.devices,
            "values_due": self.values_due,
            "values_read": self.values_read,
            "values_stored": self.values_stored,
            "missing_by_cause": dict(self.missing_by_cause),
            "success_rate": self.success_rate,
            "success_at": dict(self.success_at),
            "dcus": [
                {
                    "name": dcu.name,
                    "terminal_id": dcu.terminal_id,
                    "meters": dcu.meters,
                    "meters_read": dcu.meters_read,
                    "read_all_s": dcu.read_all_s,
                    "sessions": dcu.sessions,
                }
                for dcu in self.dcus
            ],
            "retries_by_hops": {str(hop.hops): hop.retries for hop in self.hops},
            "exchanges": self.exchanges,
            "virtual_s": self.virtual_s,
            "wall_s": round(self.wall_s, 3),
            "files": {name: str(path) for name, path in self.files.items()},
        }

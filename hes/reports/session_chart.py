"""The timeline of the concentrators' sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection

from hes.reports.archive import Archive
from hes.reports.figures import LocalTime, RunReport, duration
from hes.reports.run_charts import DCUS_MAX, left_out
from hes.store import queries

OPENING_EVENTS: Final = frozenset({"login", "opened"})
CLOSING_EVENTS: Final = frozenset({"lost", "closed", "logout"})


@dataclass(slots=True)
class _Presence:
    """A concentrator's sessions: spans with at least one of them, and when and why any was lost."""

    spans: list[tuple[float, float]] = field(default_factory=list)
    losses: list[tuple[float, str]] = field(default_factory=list)
    open: int = 0
    since_s: float = 0.0

    def opened(self, at_s: float) -> None:
        if self.open == 0:
            self.since_s = at_s
        self.open += 1

    def lost(self, at_s: float, why: str) -> None:
        """One session less; a newer one may have taken its place already."""
        self.losses.append((at_s, why))
        self.open = max(self.open - 1, 0)
        if self.open == 0:
            self.spans.append((self.since_s, at_s))

    def end(self, at_s: float) -> None:
        if self.open:
            self.spans.append((self.since_s, max(at_s, self.since_s)))


def _presences(connection: Connection, ended_s: float) -> dict[int, _Presence]:
    found: dict[int, _Presence] = {}
    for event in queries.session_events(connection, None):
        if event.dcu_id is None:
            continue
        if event.event in OPENING_EVENTS:
            found.setdefault(event.dcu_id, _Presence()).opened(event.time_ms / 1000)
        elif event.event in CLOSING_EVENTS and event.dcu_id in found:
            found[event.dcu_id].lost(event.time_ms / 1000, event.detail or event.event)
    for presence in found.values():
        presence.end(ended_s)
    return found


def sessions(connection: Connection, report: RunReport, archive: Archive, local: LocalTime) -> dict[str, Any]:
    """When each concentrator was there, and when it was lost."""
    presences = _presences(connection, report.ended_s)
    if not presences:
        return {"empty": "No concentrator has had a session."}
    shown = sorted(presences, key=lambda dcu_id: -len(presences[dcu_id].losses))[:DCUS_MAX]
    shown.sort(key=archive.name, reverse=True)
    return {
        "traces": [_there(presences, shown, archive, local), _lost(presences, shown, archive, local)],
        "layout": {
            "xaxis": {"type": "date", "range": [local.chart(report.began_s), local.chart(report.ended_s)]},
            "yaxis": {
                "type": "category",
                "automargin": True,
                "categoryorder": "array",
                "categoryarray": [archive.name(dcu_id) for dcu_id in shown],
            },
            "showlegend": True,
        },
        "rows": len(shown),
        "note": left_out(len(presences)),
    }


def _there(
    presences: Mapping[int, _Presence], shown: Sequence[int], archive: Archive, local: LocalTime
) -> dict[str, Any]:
    x: list[str | None] = []
    y: list[str | None] = []
    text: list[str] = []
    for dcu_id in shown:
        for began_s, ended_s in presences[dcu_id].spans:
            x += [local.chart(began_s), local.chart(ended_s), None]
            y += [archive.name(dcu_id), archive.name(dcu_id), None]
            text += [f"there for {duration(ended_s - began_s)}"] * 3
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "session",
        "line": {"width": 9},
        "x": x,
        "y": y,
        "text": text,
        "hovertemplate": "%{y}, %{x|%d %b %H:%M:%S}<br>%{text}<extra></extra>",
    }


def _lost(
    presences: Mapping[int, _Presence], shown: Sequence[int], archive: Archive, local: LocalTime
) -> dict[str, Any]:
    ends = [(dcu_id, at_s, why) for dcu_id in shown for at_s, why in presences[dcu_id].losses]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "session lost",
        "marker": {"symbol": "x-thin", "size": 9, "line": {"width": 2}},
        "x": [local.chart(at_s) for _, at_s, _ in ends],
        "y": [archive.name(dcu_id) for dcu_id, _, _ in ends],
        "text": [why for _, _, why in ends],
        "hovertemplate": "%{y}, %{x|%d %b %H:%M:%S}<br>%{text}<extra></extra>",
    }

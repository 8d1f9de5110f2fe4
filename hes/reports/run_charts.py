"""Charts of a run as data: traces and layouts for plotly, without colours (the page has those).

Each chart is {"traces": [..], "layout": {..}} or, when there is nothing to draw, {"empty": why}.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, func, select

from hes.reports.archive import Archive
from hes.reports.figures import HopFigures, LocalTime, Mark, Progress, RunReport, percent
from hes.store import queries, tables
from hes.store.store import Outcome

Chart = dict[str, Any]

POINTS_MAX: Final = 1_500
"""Points of the success line; a screen shows no more."""
RECEIVED_BUCKET_S: Final = 60
DCUS_MAX: Final = 60
"""Concentrators drawn, the slowest and the least steady first; the table has all."""
DEADLINES_MAX: Final = 60


@dataclass(frozen=True, slots=True)
class ReadTimes:
    """Per concentrator's device id, rising: how long successful readings of one meter took, and how long after the
    opening of their plan they ended. Seconds.
    """

    took_s: Mapping[int, list[float]]
    since_opening_s: Mapping[int, list[float]]

    def all_took_s(self) -> list[float]:
        return sorted(second for seconds in self.took_s.values() for second in seconds)


def success(connection: Connection, report: RunReport, local: LocalTime) -> Chart:
    """Share read of what plans had opened by then, with marks and deadlines."""
    samples = thinned(report.progress or _progress_of_store(connection, report))
    if not samples:
        return {"empty": "No plan has opened and no value has come in, so there is no success to draw."}
    if samples[-1].at_s < report.ended_s:
        samples.append(samples[-1]._replace(at_s=report.ended_s))
    line = {
        "type": "scatter",
        "mode": "lines",
        "name": "read of expected",
        "line": {"shape": "hv"},
        "x": [local.chart(sample.at_s) for sample in samples],
        "y": [_share(sample) for sample in samples],
        "customdata": [[sample.read, sample.expected] for sample in samples],
        "hovertemplate": "%{x|%d %b %H:%M:%S}<br>%{y:.2f} %<br>"
        "%{customdata[0]:,} of %{customdata[1]:,} values<extra></extra>",
    }
    marks = [_marked(mark, samples, local) for mark in sorted(report.marks, key=lambda mark: mark.at_s)]
    occurrences = queries.occurrences(connection, None)
    deadlines = [
        {"x": local.chart(row.closes_s), "label": f"{row.plan} closes"}
        for row in occurrences
        if report.began_s <= row.closes_s <= report.ended_s
    ]
    return {
        "traces": [line],
        "marks": marks,
        "deadlines": deadlines[:DEADLINES_MAX],
        "layout": {
            "xaxis": {"type": "date", "range": [local.chart(report.began_s), local.chart(report.ended_s)]},
            "yaxis": {"range": [0, 102], "ticksuffix": " %", "title": {"text": "values read of those expected"}},
        },
    }


def thinned(samples: Sequence[Progress]) -> list[Progress]:
    """At most about POINTS_MAX samples: the last of each stretch of time, and the very first."""
    if len(samples) <= POINTS_MAX:
        return list(samples)
    first, last = samples[0], samples[-1]
    stretch_s = (last.at_s - first.at_s) / POINTS_MAX or 1.0
    by_stretch = {int((sample.at_s - first.at_s) / stretch_s): sample for sample in samples}
    return [first, *by_stretch.values()]


def _progress_of_store(connection: Connection, report: RunReport) -> list[Progress]:
    read = 0
    found = []
    for bucket in queries.counts_by_received(connection, report.first_s, report.last_s, RECEIVED_BUCKET_S, ()):
        read += bucket.values
        found.append(Progress(bucket.start_s + RECEIVED_BUCKET_S, read, max(report.values_due, read)))
    return found


def _share(sample: Progress) -> float:
    return 100.0 * sample.read / sample.expected if sample.expected else 0.0


def _marked(mark: Mark, samples: Sequence[Progress], local: LocalTime) -> dict[str, Any]:
    before = [sample for sample in samples if sample.at_s <= mark.at_s]
    share = percent(before[-1].read, before[-1].expected) if before else "–"
    return {"x": local.chart(mark.at_s), "label": f"{mark.label}: {share}"}


def read_times(connection: Connection, archive: Archive) -> ReadTimes:
    """From the attempts that succeeded; the first success of a device and opening counts for the second figure."""
    attempt = tables.attempt.c
    query = (
        select(
            attempt.device_id,
            attempt.occurrence_s,
            func.min(attempt.started_ms),
            func.min(attempt.ended_ms),
        )
        .where(attempt.outcome == Outcome.SUCCEEDED.value)
        .group_by(attempt.device_id, attempt.plan, attempt.occurrence_s)
        .order_by(attempt.device_id, attempt.occurrence_s)
    )
    took: dict[int, list[float]] = {}
    since: dict[int, list[float]] = {}
    for device_id, occurrence_s, started_ms, ended_ms in connection.execute(query):
        device = archive.devices.get(device_id)
        if device is None or device.dcu_id is None:
            continue
        took.setdefault(device.dcu_id, []).append((ended_ms - started_ms) / 1000)
        since.setdefault(device.dcu_id, []).append(ended_ms / 1000 - occurrence_s)
    for seconds in (*took.values(), *since.values()):
        seconds.sort()
    return ReadTimes(took, since)


def read_time_boxes(times: ReadTimes, archive: Archive) -> Chart:
    """Two views of the same boxes: how long a reading takes, and when it is done."""
    if not times.took_s:
        return {"empty": "No reading of a meter has succeeded yet."}
    shown = sorted(times.took_s, key=lambda dcu_id: -quantile(times.took_s[dcu_id], 0.5))[:DCUS_MAX]
    shown.sort(key=archive.name, reverse=True)
    views = [
        ("how long a reading takes", _boxes(times.took_s, shown, archive), "seconds from association to last value"),
        ("how long after the plan opens", _boxes(times.since_opening_s, shown, archive), "seconds since the opening"),
    ]
    return {
        "views": [
            {
                "label": label,
                "traces": [boxes],
                "layout": {
                    "xaxis": {"title": {"text": title}, "rangemode": "tozero"},
                    "yaxis": {"type": "category", "automargin": True},
                },
            }
            for label, boxes, title in views
        ],
        "rows": len(shown),
        "note": left_out(len(times.took_s)),
    }


def _boxes(seconds_of: Mapping[int, list[float]], shown: Sequence[int], archive: Archive) -> Chart:
    """Box: the middle half; whiskers: 5 % to 95 %."""
    drawn = {
        key: [quantile(seconds_of[dcu_id], share) for dcu_id in shown]
        for key, share in (("lowerfence", 0.05), ("q1", 0.25), ("median", 0.5), ("q3", 0.75), ("upperfence", 0.95))
    }
    return {
        "type": "box",
        "orientation": "h",
        "y": [archive.name(dcu_id) for dcu_id in shown],
        "name": "",
        "hoverinfo": "x",
        **drawn,
    }


def quantile(rising: Sequence[float], share: float) -> float:
    """The value below which `share` of the numbers lie, between neighbours by proportion."""
    at = share * (len(rising) - 1)
    low = math.floor(at)
    high = min(low + 1, len(rising) - 1)
    return rising[low] + (rising[high] - rising[low]) * (at - low)


def hops(figures: Sequence[HopFigures]) -> Chart:
    """Repeated attempts per hundred, by distance from the concentrator."""
    known = [row for row in sorted(figures, key=lambda row: row.hops) if row.attempts]
    if not known:
        return {"empty": "How many hops away the meters are is not known for this run."}
    return {
        "traces": [
            {
                "type": "bar",
                "name": "",
                "x": [row.hops for row in known],
                "y": [100 * row.retries / row.attempts for row in known],
                "customdata": [[row.meters, row.retries, row.attempts] for row in known],
                "hovertemplate": "%{x} hops, %{customdata[0]:,} meters<br>"
                "%{customdata[1]:,} repeats in %{customdata[2]:,} attempts (%{y:.2f} %)<extra></extra>",
            }
        ],
        "layout": {
            "xaxis": {"title": {"text": "hops from the concentrator"}, "dtick": 1},
            "yaxis": {"title": {"text": "attempts that were repeats"}, "ticksuffix": " %", "rangemode": "tozero"},
        },
    }


def missing(by_cause: Mapping[str, int]) -> Chart:
    known = sorted(((values, cause) for cause, values in by_cause.items() if values), reverse=False)
    if not known:
        return {"empty": "Nothing is missing: every value that was due is here."}
    return {
        "traces": [
            {
                "type": "bar",
                "orientation": "h",
                "name": "",
                "x": [values for values, _ in known],
                "y": [cause_text(cause) for _, cause in known],
                "texttemplate": "%{x:,}",
                "textposition": "outside",
                "cliponaxis": False,
                "hovertemplate": "%{y}: %{x:,} values<extra></extra>",
            }
        ],
        "layout": {
            "xaxis": {"title": {"text": "values due and missing"}, "rangemode": "tozero"},
            "yaxis": {"type": "category", "automargin": True},
        },
        "rows": len(known),
    }


def cause_text(cause: str) -> str:
    """ "meter_silent" as people write it."""
    return cause.replace("_", " ")


def left_out(known: int) -> str:
    """What to say under a chart that shows DCUS_MAX of `known` concentrators."""
    return f"{DCUS_MAX} of {known} concentrators are drawn; the table has all." if known > DCUS_MAX else ""

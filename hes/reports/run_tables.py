"""Headline and tables of a run's report, as HTML."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from hes.reports.archive import Archive
from hes.reports.figures import DcuFigures, RunReport, count, duration, percent
from hes.reports.page import Cell, cards, table
from hes.reports.run_charts import ReadTimes, cause_text, quantile
from hes.store import queries


def headline(report: RunReport, times: ReadTimes) -> str:
    """The figures a reader looks for first."""
    took = times.all_took_s()
    lost = report.values_due - report.values_read
    figures = [
        ("success", percent(report.values_read, report.values_due), "of the values due are read"),
        ("values read", count(report.values_read), f"of {count(report.values_due)} due"),
        ("missing", count(lost), "each with one cause" if lost else "nothing"),
        ("devices", count(report.devices), f"on {len(report.dcus)} concentrators" if report.dcus else "in the archive"),
    ]
    if took:
        p95 = duration(quantile(took, 0.95))
        figures.append(("reading a meter", duration(quantile(took, 0.5)), f"median; 95 % within {p95}"))
    if report.exchanges is not None:
        figures.append(("exchanges", count(report.exchanges), "requests and their answers"))
    span_s = report.ended_s - report.began_s
    if report.wall_s is not None:
        speed = f"{span_s / report.wall_s:,.0f} times real time" if report.wall_s > 0 else "in no time"
        figures.append(("run", duration(report.wall_s), f"for {duration(span_s)}: {speed}"))
    else:
        figures.append(("period", duration(span_s), "in real time"))
    return cards(figures)


def dcus(figures: Sequence[DcuFigures], times: ReadTimes, archive: Archive) -> str:
    ids = {device.number: device.id for device in archive.devices.values()}
    rows = [
        [
            Cell(dcu.name),
            Cell(dcu.terminal_id),
            Cell(count(dcu.meters), dcu.meters),
            Cell(count(dcu.meters_read), dcu.meters_read),
            Cell(percent(dcu.meters_read, dcu.meters), dcu.meters_read / dcu.meters if dcu.meters else -1.0),
            _seconds(dcu.read_all_s, "not all"),
            _median(times, ids.get(dcu.terminal_id)),
            Cell(count(dcu.sessions), dcu.sessions),
        ]
        for dcu in figures
    ]
    titles = ["concentrator", "terminal ID", "meters", "complete", "share", "all read after", "median read", "sessions"]
    return table("Concentrators", titles, rows, empty="The run knew no concentrators.")


def _seconds(seconds: float | None, otherwise: str) -> Cell:
    return Cell(otherwise, float("1e12")) if seconds is None else Cell(duration(seconds), seconds)


def _median(times: ReadTimes, dcu_id: int | None) -> Cell:
    took = times.took_s.get(dcu_id) if dcu_id is not None else None
    return _seconds(quantile(took, 0.5) if took else None, "none")


def attempts(connection: Connection) -> str:
    rows = [
        [Cell(row.plan), Cell(row.outcome), Cell(cause_text(row.cause) or "–"), Cell(count(row.attempts), row.attempts)]
        for row in queries.attempt_counts(connection)
    ]
    return table("Attempts", ["plan", "outcome", "cause", "attempts"], rows, empty="No meter has been tried.")


def missing(connection: Connection) -> str:
    rows = [
        [Cell(row.plan or "–"), Cell(cause_text(row.cause)), Cell(count(row.values), row.values)]
        for row in queries.missing_counts(connection)
    ]
    return table("Missing values", ["plan", "cause", "values"], rows, empty="Nothing is missing.")

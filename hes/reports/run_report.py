"""The report of a run: one HTML file with everything in it, charts included, that works without a network.

Figures that only the run knows come in as `RunReport`; what the store knows (attempts, sessions, curves, deadlines) is
read from it, synchronously, through an engine that cannot write.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

from hes.errors import ConfigError
from hes.reports import load_curves, page, run_charts, run_tables, session_chart
from hes.reports.archive import read_archive
from hes.reports.figures import DcuFigures, HopFigures, LocalTime, Mark, Progress, RunReport
from hes.store.sqlite import reader_engine, store_errors

__all__ = ["DcuFigures", "HopFigures", "Mark", "Progress", "RunReport", "render_run_report", "write_run_report"]


def write_run_report(report: RunReport, store_path: Path, path: Path) -> None:
    """Write the report of the run whose store is `store_path` to `path`.

    Raises ConfigError when plotly's script is not installed or `path` cannot be written, StoreError when the store
    cannot be read.
    """
    engine = reader_engine(store_path)
    try:
        with store_errors(store_path, "be read for the report"), engine.connect() as connection, connection.begin():
            html = render_run_report(report, connection)
    finally:
        engine.dispose()
    try:
        path.write_text(html, encoding="utf-8", newline="\n")
    except OSError as error:
        raise ConfigError(f"the report {path} cannot be written: {error.strerror}", path=str(path)) from error


def render_run_report(report: RunReport, connection: Connection) -> str:
    """The page as text."""
    local = LocalTime(report.zone)
    archive = read_archive(connection)
    read_times = run_charts.read_times(connection, archive)
    charts = {
        "success": run_charts.success(connection, report, local),
        "read-times": run_charts.read_time_boxes(read_times, archive),
        "hops": run_charts.hops(report.hops),
        "missing": run_charts.missing(report.missing_by_cause),
        "curves": load_curves.curves(connection, report, archive, local),
        "sessions": session_chart.sessions(connection, report, archive, local),
    }
    return page.fill(
        "run_report",
        title=page.text(report.title),
        summary=page.text(report.summary),
        period=page.text(f"{local.minute(report.began_s)} to {local.minute(report.ended_s)} ({report.zone})"),
        headline=run_tables.headline(report, read_times),
        dcu_table=run_tables.dcus(report.dcus, read_times, archive),
        attempt_table=run_tables.attempts(connection),
        missing_table=run_tables.missing(connection),
        reproduce=page.facts(report.reproduce),
        files=page.files(report.files),
        data=page.embedded_json(charts),
        plotly=page.plotly_script(),
    )

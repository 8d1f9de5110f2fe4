"""What a run prints: a progress bar on standard error, and the figures on standard output."""

from __future__ import annotations

from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from sim.result import RunResult


class ProgressBar:
    """Virtual time on its way to the end of the run; drawn only where standard error is a terminal."""

    def __init__(self, title: str, length: timedelta) -> None:
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[time]}"),
            TextColumn("{task.fields[read]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task(title, total=length.total_seconds(), time="00:00", read="")
        self.virtual_time = "00:00"

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def advance(self, virtual_s: float, read: int, expected: int) -> None:
        """Called with the virtual time so far and the values read of those expected."""
        share = f"{100 * read / expected:.1f} % of {expected:,} values" if expected else "nothing expected yet"
        self.virtual_time = clock_time(virtual_s)
        self._progress.update(self._task, completed=virtual_s, time=self.virtual_time, read=share)

    def say(self, what: str) -> None:
        self._progress.update(self._task, read=what)


def print_result(result: RunResult) -> None:
    """The figures of a run, for people."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold]{result.title}[/bold]  (world {result.world}, seed {result.seed})")
    for label, value in _figures(result):
        console.print(f"  {label:<19} {value}")
    console.print()
    console.print(_dcu_table(result))
    console.print()
    console.print(_hop_table(result))
    console.print("\nfiles")
    for name, path in result.files.items():
        console.print(f"  {name:<9} {path}")


def _figures(result: RunResult) -> list[tuple[str, str]]:
    causes = ", ".join(f"{cause} {count:,}" for cause, count in result.missing_by_cause.items()) or "none"
    speed = result.virtual_s / result.wall_s if result.wall_s else 0.0
    return [
        ("devices", f"{result.devices:,}"),
        ("values due", f"{result.values_due:,}"),
        ("values read", f"{result.values_read:,} of those due; {result.values_stored:,} stored in all"),
        ("values missing", f"{result.values_due - result.values_read:,} ({causes})"),
        *(
            (f"success at {when}", _share(share, "of what was expected by then"))
            for when, share in result.success_at.items()
        ),
        ("success at the end", _share(result.success_rate, "of what is due")),
        ("virtual time", str(timedelta(seconds=result.virtual_s))),
        ("wall time", f"{result.wall_s:.1f} s ({speed:,.0f} times as fast)"),
        ("digest", result.digest),
    ]


def _share(share: float | None, of_what: str) -> str:
    return "nothing yet" if share is None else f"{100 * share:.2f} % {of_what}"


def _dcu_table(result: RunResult) -> Table:
    table = Table(
        title="concentrators: the first collection, from its opening until all meters are read",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    for heading in ("name", "terminal", "meters", "complete", "time to read all", "sessions"):
        table.add_column(heading, justify="left" if heading in ("name", "terminal") else "right")
    for dcu in result.dcus:
        took = "not all were read" if dcu.read_all_s is None else str(timedelta(seconds=round(dcu.read_all_s)))
        table.add_row(dcu.name, dcu.terminal_id, str(dcu.meters), str(dcu.meters_read), took, str(dcu.sessions))
    return table


def _hop_table(result: RunResult) -> Table:
    table = Table(title="retries by hop count", title_justify="left", box=None, pad_edge=False)
    for heading in ("hops", "meters", "attempts", "retries", "retries per meter"):
        table.add_column(heading, justify="right")
    for hop in result.hops:
        each = hop.retries / hop.meters if hop.meters else 0.0
        table.add_row(str(hop.hops), str(hop.meters), str(hop.attempts), str(hop.retries), f"{each:.2f}")
    return table


def clock_time(seconds: float) -> str:
    """Seconds after a midnight as 06:00; past the first day as 1d 00:30."""
    days, rest = divmod(int(seconds), 86_400)
    text = f"{rest // 3600:02d}:{rest % 3600 // 60:02d}"
    return f"{days}d {text}" if days else text

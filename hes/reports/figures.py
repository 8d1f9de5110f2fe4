"""Small values of a run's report, and times as people in the meters' zone read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hes.errors import ConfigError


class Progress(NamedTuple):
    """How much of what plans had opened by then was read. Values, not rows."""

    at_s: float
    read: int
    expected: int


class Mark(NamedTuple):
    """An instant worth a line in the chart: "02:00", "end"."""

    label: str
    at_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DcuFigures:
    """One concentrator. terminal_id: its number in the store. read_all_s: seconds until all its meters were complete;
    None: they were not. meters_read: how many were.
    """

    name: str
    terminal_id: str
    meters: int
    meters_read: int
    read_all_s: float | None
    sessions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HopFigures:
    """Meters that many hops from their concentrator; retries: attempts after the first of an opening."""

    hops: int
    meters: int
    attempts: int
    retries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What the run knows of itself.

    title, summary: what was run, in a few words and in a sentence. zone: in which civil times are shown.
    began_s, ended_s: civil time, epoch seconds. first_s, last_s: the interval ends that curves show, both included.
    values_due, values_read: values whose window has closed, and those of them that are stored.
    missing_by_cause: the others, by cause. progress: samples of (time, read, expected), rising in time; without any,
    success is drawn from the times at which the store received its values, against `values_due`.
    marks: instants to mark on it besides the deadlines that the store has. wall_s: what the run took; None: it is live.
    reproduce: what makes the run again (world, seed, digest, versions, command), label and value.
    files: what else the run left, label and path (relative to the page it becomes a link).
    """

    title: str
    summary: str = ""
    zone: str = "UTC"
    began_s: int
    ended_s: int
    first_s: int
    last_s: int
    devices: int
    values_due: int
    values_read: int
    missing_by_cause: Mapping[str, int] = field(default_factory=dict)
    progress: tuple[Progress, ...] = ()
    marks: tuple[Mark, ...] = ()
    dcus: tuple[DcuFigures, ...] = ()
    hops: tuple[HopFigures, ...] = ()
    exchanges: int | None = None
    wall_s: float | None = None
    reproduce: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, str], ...] = ()


class LocalTime:
    """Epoch seconds as civil time of one zone."""

    def __init__(self, zone: str) -> None:
        """Raises ConfigError for a zone that is not known here."""
        try:
            self._zone = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ConfigError(f"the time zone {zone!r} is not known on this machine") from error

    def at(self, epoch_s: float) -> datetime:
        return datetime.fromtimestamp(epoch_s, self._zone)

    def chart(self, epoch_s: float) -> str:
        """For a chart's axis, which knows no zones: local time without one."""
        return self.at(epoch_s).replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")

    def minute(self, epoch_s: float) -> str:
        return self.at(epoch_s).strftime("%Y-%m-%d %H:%M")


def duration(seconds: float) -> str:
    """A duration for a person: "0.42 s", "12.5 s", "7 min 05 s", "3 h 20 min"."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def percent(part: int, whole: int) -> str:
    """A share that never rounds up to all, nor down to nothing: "99.99 %" is not "100 %"."""
    if whole == 0:
        return "–"
    if part == whole:
        return "100 %"
    share = 100 * part / whole
    shown = min(round(share, 2), 99.99) if share >= 1 else max(round(share, 2), 0.01 if part else 0.0)
    return f"{shown:.2f} %"


def count(number: int) -> str:
    """With thin spaces between thousands."""
    return f"{number:,}".replace(",", "\N{THIN SPACE}")

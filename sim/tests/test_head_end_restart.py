"""A head-end that stops in the middle of a day and is started again on the database that it left."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import func, select

from hes.acquisition.account import Totals
from hes.app import HeadEnd
from hes.store.sqlite import SqliteStore, reader_engine
from hes.store.tables import invocation_counter, session_event
from sim.media.net import SimNet
from sim.run import RunOptions, RunOutcome, _Run
from sim.tests.small_worlds import run_text, small
from sim.tests.test_world_runs import assert_all_true, missing_rows
from sim.world import parse

HOUR = 3600
NIGHT = 9 * (96 * 4 + 6)  # values of the day before: nine meters, load profile and billing
DAY = 9 * 32 * 4  # the first eight hours


class Shift(NamedTuple):
    """From when to when a head-end runs, in seconds after the start of the world."""

    from_s: float
    to_s: float


class _Restarted(_Run):
    """A run whose field lives on while one head-end after another has its shift."""

    shifts: Sequence[Shift] = ()
    all_totals: list[Totals]

    async def _serve(self, store: SqliteStore, net: SimNet) -> None:
        self.stop_s = self._stop_epoch_s()
        self.all_totals = []
        async with asyncio.TaskGroup() as group:
            field = group.create_task(self.field.run())
            for shift in self.shifts:
                await self._until(shift.from_s)
                head_end = self._head_end(store, net)
                await head_end.start()
                serving = group.create_task(head_end.run())
                await self._until(shift.to_s)
                serving.cancel()
                await asyncio.wait([serving])
                self._closed(head_end)
            await asyncio.sleep(self.stop_s - self.clock.epoch_s())
            field.cancel()

    def _closed(self, head_end: HeadEnd) -> None:
        self.totals = head_end.account.totals()
        self.all_totals.append(self.totals)

    async def _until(self, after_start_s: float) -> None:
        await asyncio.sleep(self.world.start_epoch_s + after_start_s - self.clock.epoch_s())


def run_shifts(text: str, folder: Path, *shifts: tuple[float, float]) -> tuple[RunOutcome, list[Totals]]:
    folder.mkdir(parents=True, exist_ok=True)
    run = _Restarted(parse.parse_text(text), RunOptions(folder=folder))
    run.shifts = [Shift(from_s * HOUR, to_s * HOUR) for from_s, to_s in shifts]
    return run.run(0.0), run.all_totals


def gets_asked(outcome: RunOutcome, between: tuple[str, str] = ("", "~")) -> int:
    """GET requests of profiles in the trace, by their time of day."""
    first, last = between
    count = 0
    for line in outcome.files["trace"].read_text().splitlines():
        if "> inside: get-request" in line and "selection 1" in line and first <= line[11:16] < last:
            count += 1
    return count


@pytest.mark.parametrize("pause_s", [1.0, 300.0])
def test_after_a_restart_nothing_that_is_stored_is_asked_for_and_the_figures_are_those_of_one_run(
    tmp_path: Path, pause_s: float
) -> None:
    """At 05:00 all that is promised so far is there: the window of the day before is open, another has just closed."""
    whole = run_text(small(), tmp_path / "whole")
    at_h = 5.1
    split, totals = run_shifts(small(), tmp_path / "split", (0, at_h), (at_h + pause_s / HOUR, 9.1))
    assert_all_true(split)
    assert (split.totals.due, split.totals.read) == (whole.totals.due, whole.totals.read) == (NIGHT + DAY, NIGHT + DAY)
    assert split.totals.expected == whole.totals.expected
    assert split.totals.missing == {}
    assert totals[0].due == totals[0].read == 9 * 16 * 4, "what fell due in the first shift: the window of 04:00"
    assert gets_asked(split, ("05:06", "08:00")) == 0
    assert gets_asked(split) == gets_asked(whole) > 9 * 3
    assert missing_rows(split) == []


def test_a_restart_in_the_middle_of_a_collection_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """At 00:05 some meters have been read: their rows are not asked for again, and the open window is resumed."""
    split, totals = run_shifts(small(), tmp_path, (0, 5 / 60), (6 / 60, 9.1))
    assert_all_true(split)
    assert 0 < totals[0].expected_read < totals[0].expected
    assert totals[0].due == 0
    assert (split.totals.due, split.totals.read) == (NIGHT + DAY, NIGHT + DAY)
    whole = run_text(small(), tmp_path / "whole")
    again = gets_asked(split) - gets_asked(whole)
    assert again <= 2, "at most what was under way at two concentrators is asked for again"


def test_windows_that_close_while_no_head_end_runs_are_missing_for_that_cause_until_they_are_recovered(
    tmp_path: Path,
) -> None:
    """The window of 04:00 opens and closes between 03:50 and 05:30."""
    text = small(every='"2h"')
    out, totals = run_shifts(text, tmp_path / "away", (0, 3.8), (5.5, 5.501))
    assert out.totals.missing == {"head_end_down": 9 * 8 * 4}
    assert {cause for *_, cause in missing_rows(out)} == {"head_end_down"}
    assert out.totals.due == 9 * 16 * 4
    assert totals[1].expected == NIGHT + 9 * 16 * 4
    twice, totals = run_shifts(text, tmp_path / "twice", (0, 3.8), (5.5, 5.501), (5.6, 9.1))
    assert (twice.totals.due, twice.totals.read) == (NIGHT + DAY, NIGHT + DAY), "the second restart remembers too"
    back, _ = run_shifts(text, tmp_path / "back", (0, 3.8), (5.5, 9.1))
    assert back.totals.missing == {}, "the next window that opens closes the gap as well"
    assert (back.totals.due, back.totals.read) == (NIGHT + DAY, NIGHT + DAY)
    assert missing_rows(back) == []
    assert_all_true(back)


def test_causes_that_were_found_before_the_restart_stay_and_never_captured_rows_are_not_asked_for(
    tmp_path: Path,
) -> None:
    faults = [
        '[[fault]]\nkind = "power-cut"\ntarget = "east-0003"\nfrom = "01:07"\nto = "02:20"',
        '[[fault]]\nkind = "meter-silent"\ntarget = "west-0002"\nfrom = "00:00"',
    ]
    whole = run_text(small(*faults), tmp_path / "whole")
    split, _ = run_shifts(small(*faults), tmp_path / "split", (0, 6.5), (6.6, 9.1))
    assert (
        split.totals.missing == whole.totals.missing == {"never_captured": 5 * 4, "meter_silent": 96 * 4 + 6 + 32 * 4}
    )
    assert {row[-1] for row in missing_rows(split)} == {"never_captured", "meter_silent"}
    assert (split.totals.due, split.totals.read) == (whole.totals.due, whole.totals.read)


def test_a_head_end_that_runs_for_the_first_time_owes_only_what_is_open(tmp_path: Path) -> None:
    """Nobody had promised the window of 04:00, which closed at 05:00; that of the day before closes at 06:00."""
    out, _ = run_shifts(small(), tmp_path, (5.2, 9.1))
    assert out.totals.due == out.totals.read == NIGHT + 9 * 16 * 4
    assert out.totals.missing == {}


def test_invocation_counters_go_on_after_a_restart(tmp_path: Path) -> None:
    """A counter used twice would be refused by the meters: everything would be missing."""
    out, _ = run_shifts(small(), tmp_path, (0, 1), (1.05, 2), (2.05, 3), (3.05, 9.1))
    assert out.totals.missing == {}
    assert_all_true(out)
    engine = reader_engine(out.files["database"])
    with engine.connect() as connection:
        lowest = connection.scalar(select(func.min(invocation_counter.c.next)))
        stopped = connection.scalar(
            select(func.count()).select_from(session_event).where(session_event.c.detail == "the head-end stops")
        )
    engine.dispose()
    assert lowest is not None
    assert lowest > 1024
    assert stopped == 2 * 4, "the end of each session is on the books, of both concentrators in four shifts"


def test_the_digest_of_a_restarted_run_repeats(tmp_path: Path) -> None:
    shifts = ((0.0, 0.2), (0.3, 9.1))
    digests = {run_shifts(small(), tmp_path / str(turn), *shifts)[0].digest for turn in range(2)}
    assert len(digests) == 1


@pytest.mark.parametrize(("day", "rows"), [("2026-10-25", 36), ("2026-03-29", 28)])
def test_every_quarter_hour_is_due_on_days_where_the_clocks_change(tmp_path: Path, day: str, rows: int) -> None:
    """Until 08:00 on the wall clock there are nine hours in autumn and seven in spring."""
    offset = "+02:00" if day.startswith("2026-10") else "+01:00"
    text = small(start=f"{day}T00:00:00{offset}", zone='"Europe/Berlin"', duration='"10h"')
    out = run_text(text, tmp_path)
    assert_all_true(out)
    wanted = NIGHT + 9 * rows * 4
    assert (out.totals.due, out.totals.read, out.totals.missing) == (wanted, wanted, {})


def test_two_lanes_read_side_by_side_and_never_meet_at_a_meter(tmp_path: Path) -> None:
    world = parse.parse_text(small("[head_end]\nlanes_per_dcu = 3"))
    plans = tuple(replace(plan, settle_s=plan.settle_s + number * 20) for number, plan in enumerate(world.plans))
    tmp_path.mkdir(exist_ok=True)
    out = _Run(replace(world, plans=plans), RunOptions(folder=tmp_path)).run(0.0)
    assert_all_true(out)
    assert out.totals.missing == {}
    assert "is held by" not in out.files["trace"].read_text()


class _RestoredBackup(_Restarted):
    """The second head-end starts on a database whose counters are those of a new one."""

    def _head_end(self, store: SqliteStore, net: SimNet) -> HeadEnd:
        if self.all_totals:
            assert store.path is not None
            with sqlite3.connect(store.path) as database:
                database.execute("DELETE FROM invocation_counter")
        return super()._head_end(store, net)


def test_after_a_restored_backup_every_meter_is_read_from_the_counter_that_it_expects(tmp_path: Path) -> None:
    run = _RestoredBackup(parse.parse_text(small()), RunOptions(folder=tmp_path))
    run.shifts = [Shift(0, 5.1 * HOUR), Shift(5.2 * HOUR, 9.1 * HOUR)]
    outcome = run.run(0.0)
    assert_all_true(outcome)
    assert (outcome.totals.due, outcome.totals.read) == (NIGHT + DAY, NIGHT + DAY)
    assert outcome.totals.missing == {}
    trace = outcome.files["trace"].read_text()
    assert trace.count("invocation counter error") == 9, "each meter refuses the old counter once"

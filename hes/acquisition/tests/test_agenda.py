"""The agenda: every window opens once and closes once, whatever the clock does."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hes.acquisition.agenda import HORIZON_S, NEVER_S, Agenda
from hes.acquisition.grids import DAY_S, PeriodGrid, indices
from hes.acquisition.plans import Occurrence, Plan, occurrences
from hes.errors import ConfigError

HOUR = 3600
QUARTERS = PeriodGrid(900)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


START = at("2026-03-02T00:00")


def plan(name: str = "today", zone: str = "UTC", every_s: int = 4 * HOUR, **other: int) -> Plan:
    values = {"lookback_s": every_s, "window_s": every_s, "valid_from_s": 0, "settle_s": 0} | other
    return Plan(name=name, item="load", at_s=tuple(range(0, DAY_S, every_s)), zone=zone, **values)  # type: ignore[arg-type]


def test_a_window_that_opens_when_another_closes_opens_first_and_each_comes_once() -> None:
    agenda = Agenda([plan()], START)
    seen: list[tuple[str, int, int]] = []
    now_s = float(START)
    for _ in range(20):
        seen += [("opens", now_s, o.opens_s) for o in agenda.opening(now_s)]  # type: ignore[misc]
        seen += [("closes", now_s, o.closes_s) for o in agenda.closing(now_s)]  # type: ignore[misc]
        now_s = agenda.next_s
    assert all(at_s == due_s for _, at_s, due_s in seen)
    assert [what for what, *_ in seen[:5]] == ["opens", "opens", "closes", "opens", "closes"]
    opened = [due_s for what, _, due_s in seen if what == "opens"]
    assert opened == [START + 4 * HOUR * k for k in range(20)]


def test_days_go_by_without_a_gap_or_a_repetition() -> None:
    agenda = Agenda([plan()], START)
    opened: list[int] = []
    for now_s in range(START, START + 30 * DAY_S, 900):
        opened += [o.opens_s for o in agenda.opening(now_s)]
        agenda.closing(now_s)
    assert opened == list(range(START, START + 30 * DAY_S, 4 * HOUR))


def test_a_clock_that_jumps_forward_opens_and_closes_all_that_was_jumped_over() -> None:
    agenda = Agenda([plan()], START)
    agenda.opening(START)
    later_s = START + 5 * DAY_S
    opened, closed = agenda.opening(later_s), agenda.closing(later_s)
    assert len(opened) == 5 * 6
    assert len(closed) == 5 * 6, "all but the last, which is open"
    assert [o.closes_s for o in closed] == sorted(o.closes_s for o in closed)


def test_a_clock_that_is_set_back_opens_nothing_again() -> None:
    agenda = Agenda([plan()], START)
    assert len(agenda.opening(START + DAY_S)) == 7
    assert agenda.opening(START) == []
    assert agenda.next_s == START + 4 * HOUR, "the next closing"


def test_a_head_end_without_plans_has_nothing_ahead() -> None:
    agenda = Agenda([], START)
    assert agenda.opening(START) == agenda.closing(START) == []
    assert agenda.next_s == NEVER_S
    late = Agenda([plan(valid_from_s=START + 10 * HORIZON_S)], START)
    assert late.opening(START) == []
    assert late.next_s == NEVER_S


def test_windows_that_are_open_already_are_opened_first() -> None:
    before = Occurrence(START - HOUR, START + HOUR, "yesterday", "load", START - DAY_S, START)
    agenda = Agenda([plan()], START, [before])
    assert [o.plan for o in agenda.opening(START)] == ["yesterday", "today"]
    assert agenda.closing(START + HOUR) == [before]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"])
@pytest.mark.parametrize("every_s", [900, 1800, HOUR, 4 * HOUR, 6 * HOUR, DAY_S])
@pytest.mark.parametrize("month", ["2026-03-02", "2026-10-02"])
def test_a_plan_covers_every_row_whatever_the_clocks_do(zone: str, every_s: int, month: str) -> None:
    """A plan for every four hours used to leave out the hour that comes twice in autumn."""
    start_s = at(f"{month}T00:00")
    found = occurrences(plan(zone=zone, every_s=every_s), start_s, start_s + 36 * DAY_S)
    reached = found[0].covers_from_s
    for occurrence in found:
        assert occurrence.covers_from_s <= reached <= occurrence.covers_to_s
        reached = occurrence.covers_to_s
    covered = [i for o in found for i in indices(QUARTERS, o.covers_from_s, o.covers_to_s)]
    assert set(covered) == set(indices(QUARTERS, found[0].covers_from_s, found[-1].covers_to_s))
    assert len({o.opens_s for o in found}) == len(found), "the store knows an occurrence by its plan and opening"


@pytest.mark.parametrize(
    ("window_s", "settle_s", "lookback_s", "at_s"),
    [(60, 120, 900, (0,)), (60, -1, 900, (0,)), (60, 0, 0, (0,)), (60, 0, 900, ())],
)
def test_a_plan_that_nobody_could_keep_is_refused(
    window_s: int, settle_s: int, lookback_s: int, at_s: tuple[int, ...]
) -> None:
    with pytest.raises(ConfigError):
        Plan(
            name="x",
            item="load",
            at_s=at_s,
            lookback_s=lookback_s,
            window_s=window_s,
            valid_from_s=0,
            settle_s=settle_s,
        )

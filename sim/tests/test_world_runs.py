"""Whole worlds: the head-end against the field, and every stored value against the meter's own function."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from hes.store.sqlite import reader_engine
from hes.store.tables import channel, device, missing, reading
from sim.meter.capture import true_rows
from sim.outcome import result_of
from sim.run import RunOutcome
from sim.tests.small_worlds import run_text, small

DAY_S = 86_400


def stored(outcome: RunOutcome) -> dict[tuple[str, str, str, int], list[int]]:
    """By meter number, kind of channel, channel name and stamp: the values stored, all versions."""
    found: dict[tuple[str, str, str, int], list[int]] = {}
    query = (
        select(device.c.number, channel.c.kind, channel.c.name, reading.c.time_s, reading.c.value)
        .join_from(reading, device, reading.c.device_id == device.c.id)
        .join(channel, channel.c.id == reading.c.channel_id)
        .order_by(reading.c.version)
    )
    engine = reader_engine(outcome.files["database"])
    with engine.connect() as connection:
        for number, kind, name, stamp_s, value in connection.execute(query):
            found.setdefault((number, kind, name, stamp_s), []).append(value)
    engine.dispose()
    return found


def missing_rows(outcome: RunOutcome) -> list[tuple[str, int, int, int, str]]:
    """Meter number, channel id, first and last stamp, cause."""
    engine = reader_engine(outcome.files["database"])
    query = select(
        device.c.number, missing.c.channel_id, missing.c.first_s, missing.c.last_s, missing.c.cause
    ).join_from(missing, device, missing.c.device_id == device.c.id)
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(query)]
    engine.dispose()
    return rows


def truth(outcome: RunOutcome) -> dict[tuple[str, str, str, int], list[int]]:
    """The same, from each meter's own function at the end of the run."""
    kinds = {"load-profile": "load_profile", "billing": "billing"}
    now_s = outcome.world.start_epoch_s + outcome.virtual_s
    found: dict[tuple[str, str, str, int], list[int]] = {}
    for site in outcome.field.sites:
        for named in site.device.meters:
            meter = site.endpoints[named.name].meter()
            for profile, kind in kinds.items():
                for row in true_rows(meter, profile, now_s, outcome.world.start_epoch_s - 2 * DAY_S, None):
                    for name, value in row.values.items():
                        found.setdefault((named.number, kind, name, row.stamp_s), []).append(value)
    return found


def assert_all_true(outcome: RunOutcome) -> None:
    """Every stored value is one that the meter captured for that stamp."""
    captured = truth(outcome)
    for key, values in stored(outcome).items():
        assert set(values) <= set(captured.get(key, [])), key


def counts(outcome: RunOutcome) -> tuple[int, int]:
    return outcome.totals.due, outcome.totals.read


def test_every_value_that_is_due_is_stored_and_equals_the_meters_own_function(tmp_path: Path) -> None:
    outcome = run_text(small(), tmp_path)
    assert_all_true(outcome)
    nine_meters = 9 * (96 * 4 + 6)
    eight_hours = 9 * 32 * 4
    assert counts(outcome) == (nine_meters + eight_hours, nine_meters + eight_hours)
    assert outcome.totals.missing == {}
    assert missing_rows(outcome) == []
    result = result_of(outcome)
    assert result.success_rate == 1.0
    assert result.devices == 11
    assert [dcu.terminal_id for dcu in result.dcus] == ["07310001", "0731012C"]
    assert all(dcu.meters_read == dcu.meters and dcu.read_all_s is not None for dcu in result.dcus)


def test_a_power_cut_leaves_rows_that_were_never_captured_and_nothing_else_missing(tmp_path: Path) -> None:
    cut = '[[fault]]\nkind = "power-cut"\ntarget = "east-0003"\nfrom = "01:07"\nto = "02:20"'
    outcome = run_text(small(cut), tmp_path)
    assert_all_true(outcome)
    assert outcome.totals.missing == {"never_captured": 5 * 4}, "01:15 to 02:15"
    rows = missing_rows(outcome)
    assert {cause for *_, cause in rows} == {"never_captured"}
    assert {number for number, *_ in rows} == {outcome.field.sites[0].device.meters[2].number}


def test_a_clock_set_forward_over_quarter_hours_costs_just_those_rows(tmp_path: Path) -> None:
    step = '[[fault]]\nkind = "clock-step"\ntarget = "west-0002"\nfrom = "02:05"\nstep = "50m"'
    outcome = run_text(small(step), tmp_path)
    assert_all_true(outcome)
    assert outcome.totals.missing == {"never_captured": 3 * 4}, "02:15, 02:30 and 02:45 were jumped over"


def test_a_disconnected_meter_goes_flat_and_is_read_all_the_same(tmp_path: Path) -> None:
    cut = '[[fault]]\nkind = "disconnect"\ntarget = "east-0001"\nfrom = "02:00"'
    outcome = run_text(small(cut), tmp_path)
    assert_all_true(outcome)
    number = outcome.field.sites[0].device.meters[0].number
    start = outcome.world.start_epoch_s
    energies = [
        values[0]
        for (who, kind, name, stamp_s), values in sorted(stored(outcome).items())
        if (who, kind, name) == (number, "load_profile", "active_import") and stamp_s > start + 2 * 3600
    ]
    assert len(energies) == 24
    assert len(set(energies)) == 1
    assert outcome.totals.missing == {}


def test_a_dead_concentrator_is_the_one_cause_of_what_is_missing_until_it_returns(tmp_path: Path) -> None:
    dead = '[[fault]]\nkind = "dcu-down"\ntarget = "west"\nfrom = "03:00"\nto = "06:30"'
    at_six = run_text(small(dead), tmp_path / "a", until_s=5.5 * 3600)
    assert at_six.totals.missing == {"dcu_offline": 4 * 16 * 4}, "the window 04:00 to 05:00 of four meters"
    at_end = run_text(small(dead), tmp_path / "b")
    assert at_end.totals.missing == {}, "the gap is recovered when it is back"
    assert_all_true(at_end)
    assert missing_rows(at_end) == [], "a value that came late is missing no more"


def test_a_meter_that_is_silent_all_night_is_missing_by_that_cause_and_others_do_not_suffer(tmp_path: Path) -> None:
    silent = '[[fault]]\nkind = "meter-silent"\ntarget = "east-0002"\nfrom = "00:00"'
    outcome = run_text(small(silent), tmp_path)
    assert outcome.totals.missing == {"meter_silent": 96 * 4 + 6 + 32 * 4}
    assert {number for number, *_ in missing_rows(outcome)} == {outcome.field.sites[0].device.meters[1].number}


@pytest.mark.parametrize("seed", range(3))
def test_answers_that_come_late_are_never_taken_for_the_next_one(tmp_path: Path, seed: int) -> None:
    """Coverage that goes away for longer than an exchange may last makes answers arrive after their time-out."""
    outages = [
        f'[[fault]]\nkind = "uplink-down"\ntarget = "{dcu}"\nfrom = "{minute // 60:02d}:{minute % 60:02d}"\n'
        f'to = "{(minute + 1) // 60:02d}:{(minute + 1) % 60:02d}"'
        for minute in range(4, 60, 4)
        for dcu in ("east", "west")
    ]
    text = small(*outages, '[head_end]\nexchange_timeout = "21s"', seed=str(seed)).replace(
        'kind = "gprs"', 'kind = "gprs"\noutage_survived = "5m"\ndrops_per_day = 0'
    )
    outcome = run_text(text, tmp_path)
    trace = outcome.files["trace"].read_text()
    assert trace.count("late or unasked: dropped") > 3, "the test must meet what it is about"
    assert_all_true(outcome)
    assert outcome.totals.missing == {}


def test_nothing_that_is_stored_or_never_captured_is_asked_for_again(tmp_path: Path) -> None:
    cut = '[[fault]]\nkind = "power-cut"\ntarget = "east-0003"\nfrom = "01:07"\nto = "02:20"'
    outcome = run_text(small(cut), tmp_path)
    asked: dict[str, int] = {}
    number = outcome.field.sites[0].device.meters[2].number
    for line in outcome.files["trace"].read_text().splitlines():
        if f"to {number} glo-get-request" in line:
            asked[line[:13]] = asked.get(line[:13], 0) + 1
    assert set(asked) == {"2026-03-02T00", "2026-03-02T04", "2026-03-02T08"}, "one reading at each opening, no more"


def test_with_retries_switched_off_nothing_is_asked_twice_and_more_is_missing(tmp_path: Path) -> None:
    noise = '[[fault]]\nkind = "noise"\ntarget = "*"\nfrom = "00:00"\nto = "08:30"\nfactor = 9.0'
    text = small(noise, run_on='"2h"')
    once = run_text(text, tmp_path / "once", retries=False)
    again = run_text(text, tmp_path / "again")
    assert once.totals.due == again.totals.due
    assert once.totals.read < again.totals.read
    assert all(hop.retries == 0 for hop in result_of(once).hops)
    assert sum(hop.retries for hop in result_of(again).hops) > 0
    assert_all_true(once)
    assert_all_true(again)


def test_a_meter_without_its_last_row_of_the_day_counts_as_read_when_the_rest_is_here(tmp_path: Path) -> None:
    """Its slow clock had not reached midnight when the power went: that row cannot come, and nobody waits for it."""
    slow = '[clocks]\noffset = "100s"'
    cut = '[[fault]]\nkind = "power-cut"\ntarget = "east-0003"\nfrom = "00:00"\nto = "00:05"'
    outcome = run_text(small(slow, cut), tmp_path)
    assert outcome.totals.missing == {"never_captured": 4 + 6}
    dcus = result_of(outcome).dcus
    assert [dcu.meters_read for dcu in dcus] == [dcu.meters for dcu in dcus] == [5, 4]
    assert all(dcu.read_all_s is not None for dcu in dcus)

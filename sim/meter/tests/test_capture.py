"""What a meter has captured: the closed form against a meter that steps through time, and the rows on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hes.devices import profiles
from hes.devices.profiles import DeviceProfile
from hes.dlms.cosem_time import epoch_s
from hes.dlms.profile_buffer import decode_rows
from sim.meter import capture, chance, load_shape
from sim.meter.civil import zone
from sim.meter.journal import Journal
from sim.meter.load import DayCache, Quantity
from sim.meter.load_table import LoadKind
from sim.meter.meter import Meter, MeterIdentity, MeterType, tariff_of
from sim.meter.tests.reference import SteppedMeter

START_S = 1_772_409_600  # 2026-03-02T00:00:00Z, a Monday
DAY_S = 86_400
QUARTER_S = 900
CLOCK_ADJUSTED, POWER_DOWN = 0x20, 0x80


def meter_of(
    profile: DeviceProfile | None = None,
    *,
    shape: str = "pv-household",
    zone_name: str = "UTC",
    drift_ppb: int = 0,
    offset_ms: int = 0,
    name: str = "m",
) -> Meter:
    profile = profile or profiles.load("ami-1p")
    kind = LoadKind(load_shape.load(shape), tariff_of(profile))
    identity = MeterIdentity(
        name=name,
        number="731000010001",
        address=b"731000010001",
        system_title=b"AML\x00\x00\x00\x00\x01",
        logical_device_name=b"AML1731000010001",
        entity=chance.key(11, "meter", name),
        drift_ppb=drift_ppb,
        offset_ms=offset_ms,
        clock_set_ms=1000 * START_S,
    )
    return Meter(MeterType(profile, kind, zone(zone_name), DayCache(16)), identity)


def minute_profile(entries: int) -> DeviceProfile:
    profile = profiles.load("ami-1p")
    return profile.with_captured(replace(profile.load_profile, capture_period_s=60, entries=entries))


def stamps(rows: Sequence[bytes]) -> list[int]:
    return [epoch_s(row[4:16]) for row in rows]


def day_stamps(meter: Meter, now_s: int = START_S + 2 * DAY_S) -> list[int]:
    return stamps(capture.rows(meter, meter.profile.load_profile, now_s, START_S + 1, START_S + DAY_S))


# -- against a meter that steps through time

ACTIONS = st.one_of(
    st.tuples(st.just("power"), st.booleans()),
    st.tuples(st.just("relay"), st.booleans()),
    st.tuples(st.just("clock"), st.integers(-400_000, 400_000)),
    st.tuples(st.just("clock onto a stamp"), st.integers(-6, 6)),
    st.tuples(st.just("reset")),
)
RUN_S = 1500


def apply(journal: Journal, at_ms: int, action: tuple[Any, ...]) -> tuple[Any, ...]:
    """Write an action into the journal; gives it as the stepping meter wants it."""
    what, *value = action
    if what == "power":
        journal.power(at_ms, on=value[0])
    elif what == "relay":
        journal.relay(at_ms, int(value[0]))
    elif what.startswith("clock"):
        reading_ms = at_ms + value[0] if what == "clock" else (at_ms // 60_000 + value[0]) * 60_000
        journal.set_clock(at_ms, reading_ms)
        return ("clock", reading_ms)
    else:
        journal.reset(at_ms, "load-profile")
    return action


@settings(max_examples=60)
@given(
    st.integers(-300_000, 300_000),
    st.integers(-90_000, 90_000),
    st.integers(3, 40),
    st.lists(st.tuples(st.integers(1, 300), ACTIONS), max_size=12),
)
@example(0, 0, 40, [(59, ("power", False)), (1, ("power", True)), (60, ("clock", 0))])
@example(0, 0, 40, [(60, ("power", False)), (60, ("power", True)), (1, ("clock onto a stamp", 1))])
@example(0, -1, 40, [(60, ("clock", 60_000)), (1, ("clock", -120_000)), (200, ("reset",))])
@example(0, 0, 40, [(10, ("power", False)), (100, ("clock", 0)), (100, ("power", True))])
@example(0, 0, 40, [(10, ("power", False)), (100, ("power", True)), (0, ("clock", 0))])
@example(0, 0, 3, [(1, ("reset",)), (59, ("reset",)), (1, ("power", False))])
def test_the_closed_form_agrees_with_a_meter_that_steps_through_time(
    drift_ppb: int, offset_ms: int, entries: int, steps: list[tuple[int, tuple[Any, ...]]]
) -> None:
    meter = meter_of(minute_profile(entries), drift_ppb=drift_ppb, offset_ms=offset_ms)
    quantity = Quantity.ACTIVE_IMPORT
    start_ms = 1000 * (START_S + 30_000)
    journal = meter.interventions()
    journal.reset(start_ms, "load-profile")
    rate = 1 + Fraction(drift_ppb, 10**9)
    actions: dict[int, list[tuple[Any, ...]]] = {}
    at_s = start_ms // 1000
    for gap, action in steps:
        at_s += gap
        actions.setdefault(at_s, []).append(apply(journal, 1000 * at_s, action))
    stepped = SteppedMeter(
        load=meter.load,
        quantity=quantity,
        period_ms=60_000,
        entries=entries,
        drift_ppb=drift_ppb,
        at_ms=start_ms,
        reading=Fraction(1000 * START_S + offset_ms) + (start_ms - 1000 * START_S) * rate,
        actions=actions,
    )
    end_s = max(at_s + 100, start_ms // 1000 + RUN_S)
    while stepped.at_ms < 1000 * end_s:
        stepped.step()
    now_s = end_s - 0.001
    rows = decode_rows(
        b"\x01" + bytes([len(stepped.rows)]) + b"".join(capture.rows(meter, meter.profile.load_profile, now_s))
    )
    base = meter.load.energy_mwh(quantity, start_ms)
    assert [(epoch_s(row[0]), row[1]) for row in rows] == [(stamp, status) for stamp, status, _, _ in stepped.rows]
    for row, (_, _, at_least, at_most) in zip(rows, stepped.rows, strict=True):
        assert (base + at_least - 1) // 1000 <= row[2] <= (base + at_most) // 1000
    assert capture.entries(meter, meter.profile.load_profile, now_s) == len(stepped.rows)
    truth = capture.true_rows(meter, "load-profile", now_s)
    assert [(epoch_s(row[0]), *row[1:]) for row in rows] == [(t.stamp_s, t.status, *t.values.values()) for t in truth]


@given(st.integers(1, 60), st.integers(0, 60), st.lists(st.tuples(st.integers(1, 300), ACTIONS), max_size=8))
def test_entries_by_number_are_a_slice_of_the_buffer(
    first: int, count: int, steps: list[tuple[int, tuple[Any, ...]]]
) -> None:
    meter = meter_of(minute_profile(50), drift_ppb=20_000)
    journal, at_s = meter.interventions(), START_S
    for gap, action in steps:
        at_s += gap
        apply(journal, 1000 * at_s, action)
    profile = meter.profile.load_profile
    whole = capture.rows(meter, profile, at_s + 200)
    assert capture.entries(meter, profile, at_s + 200) == len(whole)
    assert (
        capture.entry_rows(meter, profile, at_s + 200, first, first + count - 1) == whole[first - 1 : first - 1 + count]
    )


# -- the rules, one by one


def test_a_day_is_a_quarter_past_midnight_to_midnight() -> None:
    assert day_stamps(meter_of()) == [START_S + QUARTER_S * number for number in range(1, 97)]


def test_a_row_is_captured_when_the_meters_own_clock_says_so() -> None:
    slow = meter_of(offset_ms=-4000)
    profile = slow.profile.load_profile
    stamp = START_S + QUARTER_S
    assert capture.rows(slow, profile, stamp + 3.999, stamp, stamp) == []
    assert len(capture.rows(slow, profile, stamp + 4.0, stamp, stamp)) == 1
    assert capture.true_values(slow, "load-profile", stamp, stamp + 10)[0].at_ms == 1000 * (stamp + 4)


def test_a_clock_set_forward_over_a_stamp_never_captures_that_row() -> None:
    meter = meter_of()
    meter.interventions().set_clock(1000 * (START_S + 10 * QUARTER_S - 60), 1000 * (START_S + 10 * QUARTER_S + 60))
    missing = {START_S + QUARTER_S * number for number in range(1, 97)} - set(day_stamps(meter))
    assert missing == {START_S + 10 * QUARTER_S}
    following = capture.true_values(meter, "load-profile", START_S + 11 * QUARTER_S, START_S + DAY_S)
    assert [row.status for row in following] == [CLOCK_ADJUSTED]
    assert capture.true_values(meter, "load-profile", START_S + 10 * QUARTER_S, START_S + DAY_S) == []


def test_a_clock_set_back_over_a_stamp_captures_it_twice() -> None:
    meter = meter_of()
    stamp = START_S + 10 * QUARTER_S
    meter.interventions().set_clock(1000 * (stamp + 60), 1000 * (stamp - 60))
    twice = capture.true_values(meter, "load-profile", stamp, START_S + DAY_S)
    assert [row.at_ms // 1000 - stamp for row in twice] == [0, 120]
    assert [row.status for row in twice] == [0, CLOCK_ADJUSTED]
    assert twice[0].values["active_import"] <= twice[1].values["active_import"]
    rows = capture.rows(meter, meter.profile.load_profile, START_S + DAY_S, stamp, stamp)
    assert stamps(rows) == [stamp, stamp]


def test_an_outage_leaves_rows_out_and_marks_the_next() -> None:
    meter = meter_of()
    journal = meter.interventions()
    journal.power(1000 * (START_S + 3 * 3600 + 5), on=False)
    journal.power(1000 * (START_S + 5 * 3600 + 1805), on=True)
    seen = day_stamps(meter)
    assert len(seen) == 96 - 10
    assert START_S + 3 * 3600 in seen
    assert START_S + 5 * 3600 + 1800 not in seen
    back = capture.true_values(meter, "load-profile", START_S + 5 * 3600 + 2700, START_S + DAY_S)
    assert [row.status for row in back] == [POWER_DOWN]
    before = capture.true_values(meter, "load-profile", START_S + 3 * 3600, START_S + DAY_S)[0]
    assert back[0].values["active_import"] - before.values["active_import"] < 3000, "nothing counted while it was dark"


def test_no_energy_passes_an_open_relay() -> None:
    meter, untouched = meter_of(), meter_of()
    journal = meter.interventions()
    journal.relay(1000 * (START_S + 9 * 3600), 0)
    journal.relay(1000 * (START_S + 15 * 3600), 1)
    now_s = START_S + 2 * DAY_S
    rows = capture.true_rows(meter, "load-profile", now_s, START_S + 9 * 3600, START_S + 15 * 3600)
    assert len(rows) == 25
    for column in rows[0].values:
        assert len({row.values[column] for row in rows}) == 1, "flat while disconnected"
    for at_s in (START_S + 9 * 3600 - 1, START_S + 15 * 3600 + 1, START_S + DAY_S):
        for quantity in Quantity:
            lost = untouched.energy_mwh(quantity, 1000 * (START_S + 15 * 3600)) - untouched.energy_mwh(
                quantity, 1000 * (START_S + 9 * 3600)
            )
            passed = untouched.energy_mwh(quantity, 1000 * at_s) - meter.energy_mwh(quantity, 1000 * at_s)
            assert passed == (lost if at_s >= START_S + 15 * 3600 else 0)


def test_the_buffer_keeps_the_newest_rows() -> None:
    meter = meter_of()
    profile = meter.profile.load_profile
    assert capture.entries(meter, profile, START_S) == profile.entries
    seen = stamps(capture.rows(meter, profile, START_S))
    assert seen[0] == START_S - (profile.entries - 1) * QUARTER_S
    assert seen[-1] == START_S
    assert capture.rows(meter, profile, START_S, None, seen[0] - 1) == []


def test_billing_stands_at_local_midnight_and_holds_both_rates() -> None:
    meter = meter_of()
    rows = capture.true_rows(meter, "billing", START_S + 60, START_S - 2 * DAY_S, START_S)
    assert [row.stamp_s for row in rows] == [START_S - 2 * DAY_S, START_S - DAY_S, START_S]
    for row in rows:
        parts = row.values["active_import_t1"] + row.values["active_import_t2"]
        assert row.values["active_import"] - parts in (0, 1)
    midnight = capture.true_values(meter, "load-profile", START_S, START_S + 60)[0]
    assert midnight.values["active_import"] == rows[-1].values["active_import"]


@pytest.mark.parametrize(("start", "rows"), [(1_774_742_400, 92), (1_792_882_800, 100)], ids=["spring", "autumn"])
def test_a_day_on_which_clocks_change_has_92_or_100_rows(start: int, rows: int) -> None:
    """2026-03-29 and 2026-10-25 in Lisbon: stamps stay on quarter-hours of UTC, billing on local midnights."""
    meter = meter_of(zone_name="Europe/Lisbon")
    end = start + rows * QUARTER_S
    seen = capture.rows(meter, meter.profile.load_profile, end + 60, start + 1, end)
    assert stamps(seen) == [start + QUARTER_S * number for number in range(1, rows + 1)]
    assert {row[14:16] for row in seen} == {b"\x00\x00", b"\xc4\x80"}
    billing = capture.true_rows(meter, "billing", end + 60, start, end)
    assert [row.stamp_s for row in billing] == [start, end]
    truth = capture.true_rows(meter, "load-profile", end + 60, start + 1, end)
    assert [row[17] for row in seen] == [row.status for row in truth]
    assert {row.status for row in truth} == {0, 0x08}


@pytest.mark.parametrize("name", profiles.shipped())
@pytest.mark.parametrize("zone_name", ["UTC", "Europe/Lisbon", "Asia/Kolkata"])
def test_encoded_rows_decode_to_what_the_oracle_says_for_every_profile(name: str, zone_name: str) -> None:
    meter = meter_of(profiles.load(name), zone_name=zone_name, drift_ppb=-30_000, offset_ms=2500)
    now_s = START_S + 50 * DAY_S + 300
    for profile in meter.profile.profiles:
        rows = capture.rows(meter, profile, now_s, START_S + 20 * DAY_S)
        decoded = decode_rows(b"\x01\x82" + len(rows).to_bytes(2, "big") + b"".join(rows))
        truth = capture.true_rows(meter, profile.name, now_s, START_S + 20 * DAY_S)
        sign = meter.profile.deviation_sign
        assert [epoch_s(row[0], deviation_sign=sign) for row in decoded] == [row.stamp_s for row in truth]
        skipped = 1 + ("status" in [column.name for column in profile.columns])
        assert [row[skipped:] for row in decoded] == [tuple(row.values.values()) for row in truth]


def test_a_register_starts_again_at_zero_where_its_type_ends() -> None:
    profile = profiles.load("ami-1p")
    columns = tuple(
        replace(column, item=replace(column.item, type="long-unsigned")) if column.name.startswith("active") else column
        for column in profile.load_profile.columns
    )
    meter = meter_of(profile.with_captured(replace(profile.load_profile, columns=columns)))
    row = capture.rows(meter, meter.profile.load_profile, START_S, START_S, START_S)[0]
    truth = capture.true_values(meter, "load-profile", START_S, START_S)[0].values["active_import"]
    assert truth > 0xFFFF
    assert int.from_bytes(row[19:21], "big") == truth & 0xFFFF

"""Registers at one instant: they agree with each other and with the rows."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hes.devices import profiles
from hes.errors import ConfigError
from sim.meter import capture, instant
from sim.meter.civil import zone
from sim.meter.load import Quantity
from sim.meter.model import logical_device
from sim.meter.tests.test_capture import DAY_S, QUARTER_S, START_S, meter_of, minute_profile

moments = st.integers(0, 7 * 86_400_000).map(lambda offset: 1000 * START_S + offset)


@given(st.sampled_from([1, 2, 3]), moments)
def test_voltage_and_frequency_stay_in_what_the_standard_allows(phase: int, at_ms: int) -> None:
    meter = meter_of(profiles.load("ami-3p"))
    assert 2070 <= instant.voltage_dv(phase, meter, at_ms) <= 2530
    assert 4950 <= instant.frequency_chz(meter, at_ms) <= 5050
    assert instant.frequency_chz(meter, at_ms) == instant.frequency_chz(meter_of(name="another"), at_ms)


@given(moments)
@example(1000 * (START_S + DAY_S) - 1000)
def test_voltage_does_not_jump_from_quarter_hour_to_quarter_hour(at_ms: int) -> None:
    meter = meter_of()
    assert abs(instant.voltage_dv(1, meter, at_ms) - instant.voltage_dv(1, meter, at_ms + 1000)) <= 1


@given(moments)
def test_three_phases_carry_the_whole_load(at_ms: int) -> None:
    meter = meter_of(profiles.load("ami-3p"), shape="workshop")
    apparent_va = sum(
        instant.current_ca(phase, meter, at_ms) * instant.voltage_dv(phase, meter, at_ms) / 1000 for phase in (1, 2, 3)
    )
    active = meter.power_mw(Quantity.ACTIVE_IMPORT, at_ms) / 1000
    reactive = (
        meter.power_mw(Quantity.REACTIVE_IMPORT, at_ms) - meter.power_mw(Quantity.REACTIVE_EXPORT, at_ms)
    ) / 1000
    assert apparent_va == pytest.approx((active**2 + reactive**2) ** 0.5, abs=10)


def test_power_is_what_the_register_gains() -> None:
    meter = meter_of()
    at_ms = 1000 * (START_S + 10 * 3600)
    gained = meter.energy_mwh(Quantity.ACTIVE_EXPORT, at_ms + 900_000) - meter.energy_mwh(Quantity.ACTIVE_EXPORT, at_ms)
    assert meter.power_mw(Quantity.ACTIVE_EXPORT, at_ms + 450_000) == 4 * gained


def test_maximum_demand_is_the_highest_quarter_hour_of_the_month() -> None:
    meter = meter_of(drift_ppb=20_000, offset_ms=3000)
    now_s = START_S + 3 * DAY_S
    rows = capture.true_rows(meter, "load-profile", now_s, START_S - DAY_S, now_s)  # the month began at START - 1 day
    steps = [
        (after.values["active_import"] - before.values["active_import"], after.stamp_s)
        for before, after in pairwise(rows)
    ]
    highest = max(step for step, _ in steps)
    found = instant.max_demand(meter, 1000 * now_s)
    assert found.power_mw == highest * 4000
    assert found.stamp_ms // 1000 == next(stamp for step, stamp in steps if step == highest)


def test_maximum_demand_begins_anew_with_the_month() -> None:
    meter = meter_of()
    first_of_march = START_S - DAY_S
    assert instant.max_demand(meter, 1000 * first_of_march).power_mw == 0
    assert instant.max_demand(meter, 1000 * (first_of_march + QUARTER_S)).stamp_ms == 1000 * (
        first_of_march + QUARTER_S
    )


def test_average_demand_grows_within_its_period_and_then_becomes_the_last() -> None:
    meter = meter_of(minute_profile(50))
    begin_ms = 1000 * (START_S + 43_200)
    grown = [instant.demand_mw(meter, begin_ms + offset, last=False) for offset in (0, 15_000, 30_000, 59_000)]
    assert grown == sorted(grown)
    assert grown[0] == 0
    last = instant.demand_mw(meter, begin_ms + 60_000, last=True)
    assert last == pytest.approx(meter.power_mw(Quantity.ACTIVE_IMPORT, begin_ms), rel=0.01)


@pytest.mark.parametrize(
    ("number", "exponent", "scaler", "shown"), [(2301, -1, -1, 2301), (2301, -1, 0, 230), (5, 0, -3, 5000)]
)
def test_a_number_is_shown_in_the_profiles_own_scaler(number: int, exponent: int, scaler: int, shown: int) -> None:
    assert instant.rescaled(number, exponent, scaler) == shown


def test_a_profile_with_something_the_simulator_cannot_measure_is_refused() -> None:
    profile = profiles.load("ami-1p")
    items = tuple(replace(item, name="magic") if item.name == "frequency" else item for item in profile.items)
    with pytest.raises(ConfigError, match=r"cannot measure 'magic'; it knows active_import,"):
        logical_device(replace(profile, items=items), zone("UTC"))
    columns = tuple(
        replace(column, item=replace(column.item, name="voltage_l1")) if column.name == "active_export" else column
        for column in profile.load_profile.columns
    )
    captured = replace(profile.load_profile, columns=columns)
    with pytest.raises(ConfigError, match="load-profile: the simulator cannot capture 'voltage_l1'"):
        logical_device(profile.with_captured(captured), zone("UTC"))

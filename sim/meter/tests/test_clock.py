"""The meter's clock: both directions agree exactly, settings take effect at their instant."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sim.meter.clock import MeterClock, Stretch

T0 = 1_772_409_600_000
drifts = st.integers(-500_000, 500_000)
moments = st.integers(T0 - 10**10, T0 + 10**10)


@given(drifts, st.integers(-(10**7), 10**7), moments)
def test_the_instant_of_a_reading_is_the_first_at_which_it_shows(drift: int, offset: int, reading: int) -> None:
    stretch = Stretch(T0, T0 + offset, drift)
    at_ms = stretch.instant_ms(reading)
    assert stretch.reading_ms(at_ms) >= reading
    assert stretch.reading_ms(at_ms - 1) < reading


@given(drifts, st.integers(-(10**7), 10**7), st.lists(moments, max_size=20))
def test_many_readings_are_found_as_one_is(drift: int, offset: int, readings: list[int]) -> None:
    stretch = Stretch(T0, T0 + offset, drift)
    assert stretch.instants_ms(readings) == [stretch.instant_ms(reading) for reading in readings]


def test_a_clock_gains_what_its_drift_says() -> None:
    stretch = Stretch(T0, T0 + 3000, 20_000)
    assert stretch.reading_ms(T0) - T0 == 3000
    assert stretch.reading_ms(T0 + 86_400_000) - (T0 + 86_400_000) == 3000 + 1728


def test_a_setting_is_in_force_from_its_instant_on_and_keeps_the_drift() -> None:
    clock = MeterClock(Stretch(T0, T0, 50_000), [(T0 + 1000, T0 + 9000), (T0 + 5000, T0)])
    assert clock.reading_ms(T0 + 999) == T0 + 999
    assert clock.reading_ms(T0 + 1000) == T0 + 9000
    assert clock.reading_before_ms(T0 + 1000) == T0 + 1000
    assert clock.reading_ms(T0 + 4999) == T0 + 12_999
    assert clock.reading_ms(T0 + 5000) == T0
    assert clock.reading_before_ms(T0 + 5000) == T0 + 13_000
    assert {stretch.drift_ppb for stretch in clock.stretches} == {50_000}

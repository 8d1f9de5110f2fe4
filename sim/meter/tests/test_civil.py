"""Local time: days that begin at local midnight, also where clocks change."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.errors import ConfigError
from sim.meter.civil import DAY_MS, zone
from sim.meter.model import local_time
from sim.meter.row_codec import stamp_octets

ZONES = ("UTC", "Europe/Lisbon", "Europe/Dublin", "America/Sao_Paulo", "Asia/Kolkata", "Australia/Adelaide")
instants = st.integers(1_735_689_600_000, 1_830_297_600_000)  # 2025 to 2027


@given(st.sampled_from(ZONES), instants)
def test_offsets_and_days_are_those_of_the_zone(name: str, at_ms: int) -> None:
    local = datetime.fromtimestamp(at_ms // 1000, ZoneInfo(name))
    offset = local.utcoffset()
    assert offset is not None
    assert zone(name).offset_ms(at_ms) == offset.total_seconds() * 1000
    assert zone(name).day_at(at_ms) == (local.date() - datetime(1970, 1, 1, tzinfo=UTC).date()).days


@given(st.sampled_from(ZONES), instants)
def test_a_day_begins_at_its_midnight_and_ends_at_the_next(name: str, at_ms: int) -> None:
    day = zone(name).day_at(at_ms)
    begin, end = zone(name).midnight_ms(day), zone(name).midnight_ms(day + 1)
    assert begin <= at_ms < end
    assert end - begin in (DAY_MS - 3_600_000, DAY_MS, DAY_MS + 3_600_000)


@given(st.sampled_from(ZONES), instants, st.sampled_from([1, -1]))
def test_stamps_are_written_as_the_clock_object_writes_them(name: str, at_ms: int, sign: int) -> None:
    at_ms -= at_ms % 1000
    written = local_time(zone(name), sign).octets(at_ms // 1000)
    assert stamp_octets(zone(name), at_ms, deviation_sign=sign) == written


def test_standard_time_is_winter_time_on_both_hemispheres() -> None:
    assert zone("Europe/Lisbon").standard_ms == 0
    assert zone("Australia/Adelaide").standard_ms == 34_200_000


def test_an_unknown_zone_is_a_matter_for_a_person() -> None:
    with pytest.raises(ConfigError, match="no time zone 'Nowhere/Land'"):
        zone("Nowhere/Land")

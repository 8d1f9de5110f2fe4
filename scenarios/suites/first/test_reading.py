"""Reading registers and profiles."""

from __future__ import annotations

from scenarios.meter import HLS, LLS, Meter
from scenarios.station import Station
from scenarios.suites.first.expectations import (
    LOAD_PROFILE,
    best_mechanism,
    expect_all_of_yesterday,
    first_stamp_s,
)


async def test_a_register_has_the_unit_of_its_profile_and_never_counts_backwards(
    station: Station, meter: Meter
) -> None:
    """A register has the unit that its device profile states, and never counts backwards."""
    async with meter.association(LLS) as association:
        item = association.item("active_import")
        with station.step("read active import"):
            first = await association.register("active_import")
        with station.step("read it again"):
            second = await association.register("active_import")
    assert first.unit == item.unit, f"unit {first.unit}, the profile says {item.unit}"
    assert second.raw >= first.raw, f"{second.raw} after {first.raw}"


async def test_a_day_of_the_load_profile_comes_in_blocks_and_is_complete(station: Station, meter: Meter) -> None:
    """A day of the load profile, read by range, comes in blocks and is complete."""
    async with meter.association(HLS) as association:
        with station.step("read yesterday by range"):
            rows = await association.rows(LOAD_PROFILE, first_stamp_s(meter, station), station.yesterday()[1])
    assert meter.blocks_received > 1, "the answer came in one piece; this scenario is about blocks"
    expect_all_of_yesterday(station, meter, rows)


async def test_a_range_of_one_hour_gives_the_rows_of_that_hour_alone(station: Station, meter: Meter) -> None:
    """A range gives the rows inside it, both ends included, and no others."""
    period_s = meter.profile.load_profile.capture_period_s
    first_s = first_stamp_s(meter, station) + 40 * period_s
    async with meter.association(LLS) as association:
        with station.step("read four rows"):
            rows = await association.rows(LOAD_PROFILE, first_s, first_s + 3 * period_s)
        with station.step("read a range that holds none"):
            none = await association.rows(LOAD_PROFILE, first_s + 1, first_s + period_s - 1)
    assert [row.stamp_s for row in rows] == [first_s + index * period_s for index in range(4)]
    assert none == []


async def test_yesterdays_profile_of_every_meter(station: Station, meters: tuple[Meter, ...]) -> None:
    """Yesterday's load profile is read from every meter of the station."""
    for meter in meters:
        with station.step(f"read {meter.name}"):
            async with meter.association(best_mechanism(meter)) as association:
                rows = await association.rows(LOAD_PROFILE, first_stamp_s(meter, station), station.yesterday()[1])
            expect_all_of_yesterday(station, meter, rows)

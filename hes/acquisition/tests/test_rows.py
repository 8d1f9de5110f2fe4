"""Rows of a profile become readings."""

from dataclasses import replace
from typing import Any

import pytest

from hes.acquisition.grids import DailyGrid, Grid, PeriodGrid
from hes.acquisition.items import CollectedItem
from hes.acquisition.rows import readings_of
from hes.devices import profiles
from hes.dlms.cosem_time import date_time_octets
from hes.errors import RemoteProtocolError
from hes.store.store import Quality

NOON = 1_772_452_800  # 2026-03-02T12:00:00Z
PROFILE = profiles.load("ami-1p")
ITEM = CollectedItem(
    name="load-profile",
    profile=PROFILE.load_profile,
    grid=PeriodGrid(900),
    columns=6,
    clock_column=0,
    status_column=1,
    channels=tuple((column, column + 10) for column in range(2, 6)),
)


def row(stamp_s: int | None, *values: Any, status: Any = 0) -> tuple[Any, ...]:
    return (None if stamp_s is None else date_time_octets(stamp_s), status, *values)


def test_a_row_becomes_one_reading_per_channel_at_the_end_of_its_interval() -> None:
    readings, indices = readings_of(ITEM, 3, [row(NOON, 1, 2, 3, 4, status=0x20)], 1, 99)
    assert readings == [(NOON, 3, 12 + k, 1 + k, 0x20, 99) for k in range(4)]
    assert indices == [NOON // 900]


def test_null_data_repeats_the_row_before_and_its_time_counts_on() -> None:
    rows = [row(NOON, 1, 2, 3, 4), row(None, 9, None, 3, None, status=None), row(None, None, None, None, None)]
    readings, indices = readings_of(ITEM, 3, rows, 1, 0)
    assert [r[0] for r in readings[::4]] == [NOON, NOON + 900, NOON + 1800]
    assert [r[3] for r in readings] == [1, 2, 3, 4, 9, 2, 3, 4, 9, 2, 3, 4]
    assert len(indices) == 3


def test_a_row_off_the_grid_is_stored_but_covers_nothing() -> None:
    readings, indices = readings_of(ITEM, 3, [row(NOON + 7, 1, 2, 3, 4)], 1, 0)
    assert len(readings) == 4
    assert indices == []


def test_a_profile_without_status_says_so() -> None:
    item = CollectedItem(
        name="billing",
        profile=PROFILE.billing,
        grid=PeriodGrid(900),
        columns=2,
        clock_column=0,
        status_column=None,
        channels=((1, 5),),
    )
    readings, _ = readings_of(item, 3, [(date_time_octets(NOON), 42)], 1, 0)
    assert readings == [(NOON, 3, 5, 42, Quality.NO_STATUS, 0)]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([row(NOON, 1, 2, 3)], "has not the 6 columns"),
        ([row(NOON, 1, 2, 3, b"x")], "not a number"),
        ([(b"short", 0, 1, 2, 3, 4)], "holds no date-time"),
        ([row(None, 1, 2, 3, 4)], "there is none"),
        ([[1, 2, 3, 4, 5, 6]], "has not the 6 columns"),
        ([row(NOON, 1, 2, 3, 2**64)], "not a number"),
    ],
)
def test_a_row_that_is_no_row_is_refused_with_its_reason(rows: list[Any], says: str) -> None:
    with pytest.raises(RemoteProtocolError, match=says):
        readings_of(ITEM, 3, rows, 1, 0)


@pytest.mark.parametrize("status", [-1, 256, b"\x00", True, 0.0, "0", (0,)])
def test_a_status_that_is_no_octet_is_the_meters_fault_and_not_the_stores(status: Any) -> None:
    with pytest.raises(RemoteProtocolError):
        readings_of(ITEM, 3, [row(NOON, 1, 2, 3, 4, status=status)], 1, 0)


@pytest.mark.parametrize("clock", ["0001010101000000000000FF", "270F0C1F05173B3B00800000", "270F0C1F05173B3BFFFD3000"])
@pytest.mark.parametrize("grid", [PeriodGrid(900), DailyGrid("Pacific/Kiritimati"), DailyGrid("America/New_York")])
def test_a_clock_that_was_never_set_is_stored_and_covers_nothing(clock: str, grid: Grid) -> None:
    """The ends of the calendar cannot be told in every zone: that must not end the collection."""
    item = replace(ITEM, grid=grid)
    try:
        readings, indices = readings_of(item, 3, [(bytes.fromhex(clock), 0, 1, 2, 3, 4)], 1, 0)
    except RemoteProtocolError:
        return
    assert len(readings) == 4
    assert indices == []

"""Rows of a profile generic become readings: typed, stamped with the end of their interval, with their quality.

null-data repeats the row before (its time: one capture period later), as compressed buffers may send it.
Source: docs/protocols/axdr.md (null-data in profile buffers).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hes.acquisition.items import CollectedItem
from hes.dlms.cosem_time import epoch_s
from hes.errors import RemoteProtocolError
from hes.store.store import VALUE_MAX, VALUE_MIN, Quality

STATUS_MAX = int(Quality.AMR_STATUS)
GRID_FROM_S, GRID_TO_S = 0, 4_102_444_800
"""Rows stamped outside 1970 .. 2099 come from a clock that was never set: stored, but on no grid."""

ReadingRow = tuple[int, int, int, int, int, int]
"""time_s, device_id, channel_id, value, quality, received_ms: see hes.store.store.Reading."""


def readings_of(
    item: CollectedItem, device_id: int, rows: Sequence[tuple[Any, ...]], deviation_sign: int, received_ms: int
) -> tuple[list[ReadingRow], list[int]]:
    """The readings of `rows`, and the stamp numbers of those rows that stand on the item's grid.

    Raises RemoteProtocolError for a row of another width, a time that is none, a value that is no number, or a status
    that is not one octet.
    """
    readings: list[ReadingRow] = []
    indices: list[int] = []
    grid, clock_column, status_column = item.grid, item.clock_column, item.status_column
    before: tuple[Any, ...] | None = None
    stamp_s = 0
    for number, row in enumerate(rows):
        if type(row) is not tuple or len(row) != item.columns:
            raise RemoteProtocolError(f"row {number} of {item.name} has not the {item.columns} columns of its profile")
        if None in row:
            row = _filled(item, number, row, before)
        before = row
        if row[clock_column] is None:
            stamp_s += item.profile.capture_period_s
        else:
            stamp_s = _stamp(item, number, row[clock_column], deviation_sign)
        quality = int(Quality.NO_STATUS) if status_column is None else _status(item, number, row[status_column])
        if GRID_FROM_S < stamp_s < GRID_TO_S:
            index = grid.index_at_or_before(stamp_s)
            if grid.stamp(index) == stamp_s:
                indices.append(index)
        for column, channel_id in item.channels:
            value = row[column]
            if type(value) is not int or not VALUE_MIN <= value <= VALUE_MAX:
                raise RemoteProtocolError(f"row {number} of {item.name}: column {column} holds {value!r}, not a number")
            readings.append((stamp_s, device_id, channel_id, value, quality, received_ms))
    return readings, indices


def _stamp(item: CollectedItem, number: int, clock: Any, deviation_sign: int) -> int:
    if type(clock) is not bytes or len(clock) != 12:
        raise RemoteProtocolError(f"row {number} of {item.name}: its clock column holds no date-time")
    return epoch_s(clock, deviation_sign=1 if deviation_sign > 0 else -1)


def _status(item: CollectedItem, number: int, value: Any) -> int:
    if type(value) is not int or not 0 <= value <= STATUS_MAX:
        raise RemoteProtocolError(f"row {number} of {item.name}: {value!r} is no status octet")
    return value


def _filled(item: CollectedItem, number: int, row: tuple[Any, ...], before: tuple[Any, ...] | None) -> tuple[Any, ...]:
    """`row` with its nulls taken from the row before, except the clock, which counts on."""
    if before is None:
        raise RemoteProtocolError(f"row {number} of {item.name} repeats a row before it, and there is none")
    return tuple(
        value if value is not None or column == item.clock_column else before[column]
        for column, value in enumerate(row)
    )

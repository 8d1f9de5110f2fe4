"""Null-data in the rows of a profile: "as in the row before", or the next capture period for the time.

Source: docs/protocols/axdr.md (profile buffer).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from hes.dlms import cosem_time
from hes.dlms.selective_access import CaptureObject
from hes.errors import RemoteProtocolError

CLOCK_CLASS: Final = 8


def filled_rows(
    rows: Sequence[Any], columns: Sequence[CaptureObject], capture_period_s: int
) -> tuple[tuple[Any, ...], ...]:
    """Rows with null-data replaced: the value of the row before, for the time that plus one capture period.

    Raises RemoteProtocolError for a row that is no structure of so many members.
    Source: docs/protocols/axdr.md (profile buffer).
    """
    done: list[tuple[Any, ...]] = []
    for row in rows:
        if not isinstance(row, tuple) or len(row) != len(columns):
            raise RemoteProtocolError(f"a row of the profile has not the {len(columns)} members of its columns")
        before = done[-1] if done else None
        done.append(
            tuple(_filled(row, index, column, before, capture_period_s) for index, column in enumerate(columns))
        )
    return tuple(done)


def _filled(
    row: tuple[Any, ...], index: int, column: CaptureObject, before: tuple[Any, ...] | None, capture_period_s: int
) -> Any:
    if row[index] is not None or before is None:
        return row[index]
    known = before[index]
    if column.class_id == CLOCK_CLASS and column.attribute == 2 and isinstance(known, bytes) and capture_period_s:
        return _later(known, capture_period_s)
    return known


def _later(moment: bytes, seconds: int) -> bytes | None:
    """A date-time `seconds` later, None for one that is not exact. Hundredths, deviation and status stay."""
    try:
        value = cosem_time.CosemDateTime.from_octets(moment)
        epoch_s = cosem_time.epoch_s(moment) + seconds
    except RemoteProtocolError:
        return None
    later = cosem_time.date_time_octets(epoch_s, value.deviation_min or 0)
    return later[:8] + moment[8:]

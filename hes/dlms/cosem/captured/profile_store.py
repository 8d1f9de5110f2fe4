"""The buffer of a profile as it is kept: what a new row pushes out, where it stands, how it is sent in short.

Rows are encoded structures, kept with the rank that the sort method gives them: rows stand by rising rank, and rows of
one rank in the order in which they were captured [A].

Source: docs/protocols/cosem-objects.md §7.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from hes.dlms import axdr, cosem_time
from hes.dlms.cosem.profile_generic import SortMethod, row_layout
from hes.dlms.data import Tag
from hes.errors import RemoteProtocolError

UNSORTED: Final = frozenset({SortMethod.FIFO, SortMethod.LIFO})
NULL: Final = b"\x00"
_DATE_TIME_HEAD: Final = b"\x09\x0c"
_RANKS: Final[dict[SortMethod, Callable[[Any], Any]]] = {
    SortMethod.LARGEST: lambda value: -value,
    SortMethod.SMALLEST: lambda value: value,
    SortMethod.NEAREST_TO_ZERO: abs,
    SortMethod.FARTHEST_FROM_ZERO: lambda value: -abs(value),
}


@dataclass(frozen=True, slots=True)
class StoredRow:
    """One captured row. rank: its place by the sort method, 0 where it is not sorted. octets: the encoded structure."""

    rank: float
    octets: bytes


def rank_of(method: SortMethod, value: float) -> float:
    """Where a row with that value of the sort object stands: small ranks first."""
    return 0 if method in UNSORTED else _RANKS[method](value)


def stored(rows: tuple[StoredRow, ...], row: StoredRow, method: SortMethod, entries: int) -> tuple[StoredRow, ...]:
    """The buffer with one more row; the least important one is lost where there is no room for `entries` + 1.

    A row that would stand behind the last one of a full buffer is not kept at all.
    """
    if entries <= 0:
        return ()
    if method is SortMethod.FIFO:
        return (*rows[max(len(rows) + 1 - entries, 0) :], row)
    place = 0 if method is SortMethod.LIFO else bisect_right(rows, row.rank, key=lambda held: held.rank)
    return (*rows[:place], row, *rows[place:])[:entries]


def trimmed(rows: tuple[StoredRow, ...], method: SortMethod, entries: int) -> tuple[StoredRow, ...]:
    """The buffer adjusted to another number of entries: the oldest, or the least important, are lost."""
    if method is SortMethod.FIFO:
        return rows[max(len(rows) - entries, 0) :]
    return rows[:entries]


def number_of(encoded: bytes, instant: Callable[[bytes], int]) -> float | None:
    """What a captured value sorts and selects by: its number, or the instant of a date-time; None where it has none."""
    value, _end = axdr.decode_value(encoded)
    if isinstance(value, bytes) and len(value) == 12:
        try:
            return instant(value)
        except RemoteProtocolError:
            return None
    if encoded[0] == Tag.BIT_STRING:
        return int(value or "0", 2)
    return value if isinstance(value, int | float) else None


def column(row: bytes, index: int) -> bytes:
    """One encoded value of a row, from 0."""
    offsets, _probe = row_layout(row)
    return row[offsets[index] : offsets[index + 1]]


def element(encoded: bytes, index: int) -> bytes | None:
    """The `index`-th element, from 1, of an encoded array or structure; None when there is none."""
    if encoded[0] not in (Tag.ARRAY, Tag.STRUCTURE):
        return None
    count, position = axdr.decode_length(encoded, 1)
    if not 1 <= index <= count:
        return None
    for _ in range(index - 1):
        position = axdr.skip(encoded, position)
    return encoded[position : axdr.skip(encoded, position)]


def compressed(rows: Sequence[bytes], time_column: int | None, period_s: int) -> list[bytes]:
    """The rows with null-data for values that the row before tells: the same value, or the next period.

    time_column: which column is the clock's time, None when none is.
    """
    shortened: list[bytes] = []
    before: list[bytes] | None = None
    for row in rows:
        offsets, _probe = row_layout(row)
        values = [row[start:end] for start, end in pairwise(offsets)]
        if before is None or len(before) != len(values):
            shortened.append(row)
        else:
            short = [
                NULL if (_next(value, last, period_s) if index == time_column else value == last) else value
                for index, (value, last) in enumerate(zip(values, before, strict=True))
            ]
            shortened.append(row[: offsets[0]] + b"".join(short))
        before = values
    return shortened


def _next(value: bytes, last: bytes, period_s: int) -> bool:
    """Whether a date-time is one period after the one before, written in the same way."""
    if value[:2] != _DATE_TIME_HEAD or last[:2] != _DATE_TIME_HEAD or value[11:] != last[11:]:
        return False
    try:
        return period_s > 0 and cosem_time.epoch_s(value[2:]) == cosem_time.epoch_s(last[2:]) + period_s
    except RemoteProtocolError:
        return False


def row_of(values: Iterable[bytes]) -> bytes:
    """The encoded structure of these encoded values."""
    held = list(values)
    return b"\x02" + axdr.encode_length(len(held)) + b"".join(held)

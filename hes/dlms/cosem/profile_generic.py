"""Profile generic, class 7: the buffer, handed out whole, by range of time, by entry and by column.

Rows come from the instance already encoded, one structure each, so that a day of 96 rows is a concatenation. Choosing
columns cuts the encoded rows; the values inside are never built.

Source: docs/protocols/cosem-objects.md §7; docs/protocols/axdr.md (selective access).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from operator import itemgetter
from typing import Any, Final, TypeAlias, TypeVar

from hes.dlms import axdr, data, selective_access
from hes.dlms.codes import DataAccessResult
from hes.dlms.cosem import interface_classes
from hes.dlms.cosem.access import READERS, Role
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.cosem_object import Attribute, CosemObject, Invoker, attribute, constant, method
from hes.dlms.cosem.local_time import UTC, LocalTime
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis
from hes.dlms.selective_access import CaptureObject, EntrySelection, RangeSelection
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

RowsReader: TypeAlias = Callable[[I, float, "int | None", "int | None"], Sequence[bytes]]
"""(instance, now_s, from_s, to_s) -> encoded rows stamped from_s..to_s (seconds since 1970 UTC, both ends included,
None is an open end), in the order of the buffer"""
EntryRowsReader: TypeAlias = Callable[[I, float, int, int], Sequence[bytes]]
"""(instance, now_s, first, last) -> encoded rows of these entries, counted from 1, both included"""
EntriesReader: TypeAlias = Callable[[I, float], int]
"""(instance, now_s) -> entries_in_use"""

_YEAR_ANY: Final = b"\xff\xff"


class SortMethod(IntEnum):
    """Attribute 5. Source: docs/protocols/cosem-objects.md §7."""

    FIFO = 1
    LIFO = 2
    LARGEST = 3
    SMALLEST = 4
    NEAREST_TO_ZERO = 5
    FARTHEST_FROM_ZERO = 6


def capture_object_data(column: CaptureObject) -> Data:
    return data.structure(
        data.u16(column.class_id), data.octets(column.obis), data.i8(column.attribute), data.u16(column.data_index)
    )


def capture_objects_from_value(value: Any) -> tuple[CaptureObject, ...]:
    """Attribute 3 as a meter sent it, as plain values. Raises RemoteProtocolError for any other shape."""
    try:
        columns = tuple(CaptureObject(*column) for column in value)
    except TypeError:
        raise RemoteProtocolError(f"not a list of capture objects: {value!r}") from None
    for column in columns:
        numbers = (column.class_id, column.attribute, column.data_index)
        if not (
            isinstance(column.obis, bytes) and len(column.obis) == 6 and all(type(each) is int for each in numbers)
        ):
            raise RemoteProtocolError(f"not a capture object: {column!r}")
    return columns


class ProfileGeneric(CosemObject[I]):
    """Class 7, Profile generic. `reset` and `capture` are refused unless given."""

    __slots__ = ("_columns", "_entries", "_entry_rows", "_local", "_rows", "_time_column")

    def __init__(
        self,
        logical_name: Obis | str,
        *,
        rows: RowsReader[I],
        entries: EntriesReader[I],
        capture_objects: Sequence[CaptureObject],
        capture_period_s: int,
        profile_entries: int,
        entry_rows: EntryRowsReader[I] | None = None,
        time_column: int = 0,
        sort_method: SortMethod = SortMethod.FIFO,
        local: LocalTime = UTC,
        reset: Invoker[I] | None = None,
        capture: Invoker[I] | None = None,
        readable: Role = READERS,
    ) -> None:
        """time_column: index of the column that ranges restrict, which is also the sort object.

        entry_rows: without it, access by entry cuts the whole buffer. local: civil time of the stamps in a request.
        """
        self._rows, self._entries, self._entry_rows = rows, entries, entry_rows
        self._columns = tuple(capture_objects)
        self._time_column, self._local = self._columns[time_column], local

        def entries_in_use(instance: I, now_s: float) -> bytes:
            return axdr.encode(data.u32(entries(instance, now_s)))

        buffer: Attribute[I] = Attribute(
            get=self._buffer, readable=readable, selectors=(selective_access.BY_RANGE, selective_access.BY_ENTRY)
        )
        super().__init__(
            interface_classes.PROFILE_GENERIC,
            logical_name,
            {
                2: buffer,
                3: constant(data.array(map(capture_object_data, self._columns)), readable=readable),
                4: constant(data.u32(capture_period_s), readable=readable),
                5: constant(data.enum(sort_method), readable=readable),
                6: constant(capture_object_data(self._time_column), readable=readable),
                7: attribute(entries_in_use, readable=readable),
                8: constant(data.u32(profile_entries), readable=readable),
            },
            {index: method(invoker) for index, invoker in ((1, reset), (2, capture)) if invoker is not None},
        )

    def _buffer(self, context: Context[I], selection: bytes) -> bytes | DataAccessResult:
        if not selection:
            return array_of(self._rows(context.instance, context.now_s, None, None))
        try:
            wanted = selective_access.decode(selection)
        except RemoteProtocolError:
            return DataAccessResult.TYPE_UNMATCHED
        if isinstance(wanted, RangeSelection):
            return self._by_range(context, wanted)
        return self._by_entry(context, wanted)

    def _by_range(self, context: Context[I], wanted: RangeSelection) -> bytes | DataAccessResult:
        """A range over another column than the time, or a column that is not captured, is OBJECT_UNDEFINED [A]."""
        if wanted.restricting[:3] != self._time_column[:3]:
            return DataAccessResult.OBJECT_UNDEFINED
        known = {column[:3]: index for index, column in enumerate(self._columns)}
        chosen = sorted({known.get(column[:3], -1) for column in wanted.columns})
        if chosen and chosen[0] < 0:
            return DataAccessResult.OBJECT_UNDEFINED
        try:
            from_s, to_s = instant_of(wanted.from_, self._local), instant_of(wanted.to, self._local)
        except RemoteProtocolError:
            return DataAccessResult.TYPE_UNMATCHED
        if from_s is not None and to_s is not None and from_s > to_s:
            return array_of(())
        rows = self._rows(context.instance, context.now_s, from_s, to_s)
        return array_of(cut_columns(rows, chosen) if chosen and len(chosen) < len(self._columns) else rows)

    def _by_entry(self, context: Context[I], wanted: EntrySelection) -> bytes | DataAccessResult:
        """Entries and columns that do not exist are left out; 0 as a start means the first [A]."""
        in_use = self._entries(context.instance, context.now_s)
        cell = selected_cells(wanted, in_use, len(self._columns))
        if cell is None:
            return array_of(())
        first, last, first_column, last_column = cell
        if self._entry_rows is not None:
            rows = self._entry_rows(context.instance, context.now_s, first, last)
        else:
            rows = self._rows(context.instance, context.now_s, None, None)[first - 1 : last]
        if last_column - first_column + 1 == len(self._columns):
            return array_of(rows)
        return array_of(cut_columns(rows, range(first_column - 1, last_column)))


def selected_cells(wanted: EntrySelection, in_use: int, columns: int) -> tuple[int, int, int, int] | None:
    """First and last entry, first and last column, from 1, of an access by entry; None when it selects nothing."""
    first, last = max(wanted.from_entry, 1), min(wanted.to_entry or in_use, in_use)
    first_column, last_column = max(wanted.from_column, 1), min(wanted.to_column or columns, columns)
    return None if first > last or first_column > last_column else (first, last, first_column, last_column)


def instant_of(value: Any, local: LocalTime) -> int | None:
    """Seconds since 1970 UTC of one end of a range; None is an open end. Raises RemoteProtocolError.

    A date-time without a year leaves its end open [A]; a number is taken as seconds since 1970.
    """
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if not isinstance(value, bytes) or len(value) != 12:
        raise RemoteProtocolError(f"not an instant: {value!r}")
    return None if value[:2] == _YEAR_ANY else local.epoch_s(value)


def array_of(rows: Sequence[bytes]) -> bytes:
    return b"\x01" + axdr.encode_length(len(rows)) + b"".join(rows)


_STRINGS: Final = frozenset((Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING, Tag.BIT_STRING))
_CONTAINERS: Final = frozenset((Tag.ARRAY, Tag.STRUCTURE, Tag.COMPACT_ARRAY))


def cut_columns(rows: Sequence[bytes], columns: Sequence[int]) -> list[bytes]:
    """Each encoded row with only these columns (indices from 0, in this order), encoded again.

    The layout found in one row is used for the next as long as its length and its tag and length octets are the same.
    Raises RemoteProtocolError for a row that is not a structure with these columns.
    """
    head = b"\x02" + axdr.encode_length(len(columns))
    cut: list[bytes] = []
    offsets: list[int] = []
    probe: Callable[[bytes], object] | None = None
    seen: object = None
    row_octets = -1
    for row in rows:
        if probe is None or len(row) != row_octets or probe(row) != seen:
            offsets, probed = row_layout(row)
            if columns and max(columns) >= len(offsets) - 1:
                raise RemoteProtocolError(f"a row with {len(offsets) - 1} columns", columns=list(columns))
            probe = itemgetter(*probed) if probed else None
            seen = probe(row) if probe else None
            row_octets = len(row)
        cut.append(head + b"".join([row[offsets[column] : offsets[column + 1]] for column in columns]))
    return cut


def row_layout(row: bytes) -> tuple[list[int], list[int]]:
    """(where each column starts, and the end of the row; which octets fix that layout, empty when they cannot)."""
    if not row or row[0] != Tag.STRUCTURE:
        raise RemoteProtocolError("a row is a structure", octet_offset=0)
    count, position = axdr.decode_length(row, 1)
    offsets, probed, fixed = [], list(range(position)), True
    for _ in range(count):
        offsets.append(position)
        end = axdr.skip(row, position)
        probed.append(position)
        if row[position] in _STRINGS:
            probed.append(position + 1)
        fixed = (
            fixed and row[position] not in _CONTAINERS and not (row[position] in _STRINGS and row[position + 1] > 127)
        )
        position = end
    offsets.append(position)
    return offsets, probed if fixed else []

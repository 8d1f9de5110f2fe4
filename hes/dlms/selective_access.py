"""Access selection of profile buffers: by range of a column (selector 1) and by entry (selector 2).

A selection is the selector octet and its parameters as encoded data, as GET and SET carry it behind the octet that
says "selected"; empty octets mean no selection.

    1: structure { restricting object { class, logical name, attribute, data index }, from, to, columns }
    2: structure { from entry, to entry, from column, to column }     1-based; 0 as an end means the last one

Source: docs/protocols/axdr.md (selective access) [V].
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from hes.dlms import axdr
from hes.dlms.data import Data, Tag, array, i8, octets, structure, u16, u32
from hes.dlms.obis import OBIS_OCTETS
from hes.errors import RemoteProtocolError

BY_RANGE: Final = 1
BY_ENTRY: Final = 2
COLUMNS_MAX: Final = 256  # columns of one selection; profiles in the field have tens [A]


class Attribute(Protocol):
    """What a selection needs to know of an attribute: any descriptor with these three."""

    @property
    def class_id(self) -> int: ...
    @property
    def obis(self) -> bytes: ...
    @property
    def attribute(self) -> int: ...


class CaptureObject(NamedTuple):
    """One column of a profile. data_index 0 is the whole attribute, n its n-th element."""

    class_id: int
    obis: bytes
    attribute: int
    data_index: int = 0


@dataclass(frozen=True, slots=True)
class RangeSelection:
    """Rows whose value of `restricting` lies between both ends, ends included.

    from_, to: plain values: octets of a date-time for a clock, otherwise what the column holds; None is an open end.
    columns: what to return, empty for all columns.
    """

    restricting: CaptureObject
    from_: Any
    to: Any
    columns: tuple[CaptureObject, ...] = ()


@dataclass(frozen=True, slots=True)
class EntrySelection:
    """Rows and columns by their number, counted from 1; 0 as `to_entry` or `to_column` means the last one."""

    from_entry: int
    to_entry: int = 0
    from_column: int = 1
    to_column: int = 0


def by_range(restricting: Attribute, from_: bytes, to: bytes, columns: Iterable[Attribute] = ()) -> bytes:
    """Selector 1. from_, to: 12 octets of a date-time, sent as octet-strings. Raises LocalProtocolError."""
    parameters = structure(
        _capture_object(restricting), octets(from_), octets(to), array(_capture_object(column) for column in columns)
    )
    return bytes((BY_RANGE,)) + axdr.encode(parameters)


def by_entry(from_entry: int, to_entry: int = 0, from_column: int = 1, to_column: int = 0) -> bytes:
    """Selector 2: entries and columns from 1 on, 0 as an end for the last one. Raises LocalProtocolError."""
    parameters = structure(u32(from_entry), u32(to_entry), u16(from_column), u16(to_column))
    return bytes((BY_ENTRY,)) + axdr.encode(parameters)


def decode(selection: axdr.Octets) -> RangeSelection | EntrySelection:
    """Read a selection. Raises RemoteProtocolError for another selector or parameters of another form."""
    if len(selection) < 1:
        raise RemoteProtocolError("no selector", octet_offset=0)
    selector = selection[0]
    parameters, end = axdr.decode(selection, 1)
    if end != len(selection):
        raise RemoteProtocolError("octets left over behind the selection", octet_offset=end)
    if selector == BY_RANGE:
        return _decode_range(parameters)
    if selector == BY_ENTRY:
        return _decode_entry(parameters)
    raise RemoteProtocolError(f"selector {selector} is not known for a profile buffer", octet_offset=0)


def _capture_object(column: Attribute) -> Data:
    data_index = getattr(column, "data_index", 0)
    return structure(u16(column.class_id), octets(column.obis), i8(column.attribute), u16(data_index))


def _decode_range(parameters: Data) -> RangeSelection:
    restricting, from_, to, columns = _members(parameters, 4)
    if columns.tag != Tag.ARRAY or len(columns.value) > COLUMNS_MAX:
        raise RemoteProtocolError("the columns of a selection are an array of at most 256", octet_offset=1)
    return RangeSelection(
        _decode_capture_object(restricting),
        axdr.plain(from_),
        axdr.plain(to),
        tuple(_decode_capture_object(column) for column in columns.value),
    )


def _decode_capture_object(data: Data) -> CaptureObject:
    class_id, obis, attribute, data_index = _members(data, 4)
    if obis.tag != Tag.OCTET_STRING or len(obis.value) != OBIS_OCTETS:
        raise RemoteProtocolError("a logical name in a selection is an octet-string of 6", octet_offset=1)
    return CaptureObject(
        _number(class_id, Tag.LONG_UNSIGNED), obis.value, _number(attribute, Tag.INTEGER),
        _number(data_index, Tag.LONG_UNSIGNED),
    )  # fmt: skip


def _decode_entry(parameters: Data) -> EntrySelection:
    from_entry, to_entry, from_column, to_column = _members(parameters, 4)
    return EntrySelection(
        _number(from_entry, Tag.DOUBLE_LONG_UNSIGNED),
        _number(to_entry, Tag.DOUBLE_LONG_UNSIGNED),
        _number(from_column, Tag.LONG_UNSIGNED),
        _number(to_column, Tag.LONG_UNSIGNED),
    )


def _members(data: Data, count: int) -> tuple[Data, ...]:
    if data.tag != Tag.STRUCTURE or len(data.value) != count:
        raise RemoteProtocolError(f"a structure of {count} was wanted in the selection", octet_offset=1)
    members: tuple[Data, ...] = data.value
    return members


def _number(data: Data, tag: Tag) -> int:
    if data.tag != tag:
        raise RemoteProtocolError(f"{tag.name} was wanted in the selection, not tag {data.tag}", octet_offset=1)
    number: int = data.value
    return number

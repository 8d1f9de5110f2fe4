"""COSEM data as values: the type tag and what it holds.

`Data` keeps the COSEM type beside the Python value, so that what was read can be written back octet for octet.
`hes.dlms.axdr` turns it into octets and back; ranges are checked there, once, when the octets are made.

Source: docs/protocols/axdr.md (types and tags).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple


class Tag(IntEnum):
    """Type tags of the Data CHOICE. Source: docs/protocols/axdr.md [ASN]; the delta types 28..33 are [M]."""

    NULL = 0
    ARRAY = 1
    STRUCTURE = 2
    BOOLEAN = 3
    BIT_STRING = 4
    DOUBLE_LONG = 5
    DOUBLE_LONG_UNSIGNED = 6
    OCTET_STRING = 9
    VISIBLE_STRING = 10
    UTF8_STRING = 12
    BCD = 13
    INTEGER = 15
    LONG = 16
    UNSIGNED = 17
    LONG_UNSIGNED = 18
    COMPACT_ARRAY = 19
    LONG64 = 20
    LONG64_UNSIGNED = 21
    ENUM = 22
    FLOAT32 = 23
    FLOAT64 = 24
    DATE_TIME = 25
    DATE = 26
    TIME = 27
    DELTA_INTEGER = 28
    DELTA_LONG = 29
    DELTA_DOUBLE_LONG = 30
    DELTA_UNSIGNED = 31
    DELTA_LONG_UNSIGNED = 32
    DELTA_DOUBLE_LONG_UNSIGNED = 33
    DONT_CARE = 255


class Data(NamedTuple):
    """One COSEM value with its type.

    value, by tag: NULL, DONT_CARE: None. ARRAY, STRUCTURE: tuple of Data. COMPACT_ARRAY: `CompactArray`.
    BOOLEAN: bool. BIT_STRING: text of "0" and "1". OCTET_STRING: bytes. VISIBLE_STRING, UTF8_STRING: str.
    BCD: the octet as it stands, 0..255 (see `bcd`). DATE_TIME, DATE, TIME: bytes of 12, 5, 4 octets.
    FLOAT32, FLOAT64: float. All others: int.
    """

    tag: Tag
    value: Any


@dataclass(frozen=True, slots=True)
class TypeDescription:
    """What every element of a compact array looks like.

    tag: any type but COMPACT_ARRAY. count: elements of an ARRAY (0..65535), else 0.
    elements: the one description of what an ARRAY holds, or those of the members of a STRUCTURE; else empty.
    """

    tag: Tag
    count: int = 0
    elements: tuple[TypeDescription, ...] = ()


@dataclass(frozen=True, slots=True)
class CompactArray:
    """An array whose type is said once. `elements` all follow `description`."""

    description: TypeDescription
    elements: tuple[Data, ...]


_NULL = Data(Tag.NULL, None)


def null() -> Data:
    return _NULL


def boolean(value: bool) -> Data:
    return Data(Tag.BOOLEAN, value)


def bits(text: str) -> Data:
    """`text`: the bits as "0" and "1", first bit first."""
    return Data(Tag.BIT_STRING, text)


def i8(value: int) -> Data:
    return Data(Tag.INTEGER, value)


def i16(value: int) -> Data:
    return Data(Tag.LONG, value)


def i32(value: int) -> Data:
    return Data(Tag.DOUBLE_LONG, value)


def i64(value: int) -> Data:
    return Data(Tag.LONG64, value)


def u8(value: int) -> Data:
    return Data(Tag.UNSIGNED, value)


def u16(value: int) -> Data:
    return Data(Tag.LONG_UNSIGNED, value)


def u32(value: int) -> Data:
    return Data(Tag.DOUBLE_LONG_UNSIGNED, value)


def u64(value: int) -> Data:
    return Data(Tag.LONG64_UNSIGNED, value)


def bcd(octet: int) -> Data:
    """`octet`: both digits as they stand on the wire, so 0x42 for the number 42."""
    return Data(Tag.BCD, octet)


def enum(value: int) -> Data:
    return Data(Tag.ENUM, value)


def octets(value: bytes) -> Data:
    return Data(Tag.OCTET_STRING, bytes(value))


def visible(text: str) -> Data:
    return Data(Tag.VISIBLE_STRING, text)


def utf8(text: str) -> Data:
    return Data(Tag.UTF8_STRING, text)


def float32(value: float) -> Data:
    return Data(Tag.FLOAT32, value)


def float64(value: float) -> Data:
    return Data(Tag.FLOAT64, value)


def date_time(value: bytes) -> Data:
    """`value`: the 12 octets of a date-time, sent under its own tag 19 (not as an octet-string)."""
    return Data(Tag.DATE_TIME, bytes(value))


def date(value: bytes) -> Data:
    """`value`: the 5 octets of a date."""
    return Data(Tag.DATE, bytes(value))


def time(value: bytes) -> Data:
    """`value`: the 4 octets of a time."""
    return Data(Tag.TIME, bytes(value))


def array(items: Iterable[Data]) -> Data:
    return Data(Tag.ARRAY, tuple(items))


def structure(*items: Data) -> Data:
    return Data(Tag.STRUCTURE, items)


def compact_array(description: TypeDescription, elements: Iterable[Data]) -> Data:
    return Data(Tag.COMPACT_ARRAY, CompactArray(description, tuple(elements)))

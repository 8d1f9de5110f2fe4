"""A-XDR: COSEM data to octets and back.

Three readers walk the same octets for three needs:

- `decode` keeps every COSEM type (a server, an inspector, whatever is written back);
- `decode_value` gives plain Python values at once (bulk reading);
- `skip` only finds the end (cutting APDUs apart).

All three refuse what is cut off, nested deeper than DEPTH_MAX, or claims more elements than octets that are there, so
that memory stays proportional to the octets received. Whoever has bytes pays no copy; a bytearray or memoryview is
copied once.

Source: docs/protocols/axdr.md.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from hes.dlms import compact_array
from hes.dlms.axdr_scalars import (
    FIXED,
    SIZES,
    STRING_TAGS,
    Octets,
    cut_off,
    decode_length,
    decode_variable,
    encode_length,
    encode_scalar,
    tag_name,
)
from hes.dlms.data import CompactArray, Data, Tag
from hes.errors import LocalProtocolError, RemoteProtocolError

__all__ = [
    "DEPTH_MAX",
    "Octets",
    "decode",
    "decode_all",
    "decode_length",
    "decode_value",
    "encode",
    "encode_length",
    "plain",
    "skip",
    "values_at",
]

DEPTH_MAX: Final = 16  # containers in containers; the deepest COSEM attribute (an object list) has 6 [A]

_NULL, _ARRAY, _STRUCTURE, _COMPACT, _OCTETS, _DONT_CARE = 0, 1, 2, 19, 9, 255
_CONTAINERS: Final = frozenset((_ARRAY, _STRUCTURE))
_TAGS: Final = {int(tag): tag for tag in Tag}
_EMPTY: Final = {_NULL: Data(Tag.NULL, None), _DONT_CARE: Data(Tag.DONT_CARE, None)}


def encode(data: Data) -> bytes:
    """The octets of `data`, tag first. Raises LocalProtocolError when a value does not fit its type."""
    out = bytearray()
    _encode_into(out, data, DEPTH_MAX)
    return bytes(out)


def _encode_into(out: bytearray, data: Data, depth_left: int) -> None:
    tag, value = data
    if tag in _CONTAINERS:
        if not depth_left:
            raise LocalProtocolError(f"data nested deeper than {DEPTH_MAX}")
        out.append(tag)
        out += encode_length(len(value))
        for item in value:
            _encode_into(out, item, depth_left - 1)
    elif tag == _COMPACT:
        out.append(tag)
        out += compact_array.encode(value)
    else:
        content = encode_scalar(tag, value)
        out.append(tag)
        out += content


def decode(octets: Octets, offset: int = 0) -> tuple[Data, int]:
    """The typed value that starts at `offset`, and the offset behind it. Raises RemoteProtocolError."""
    (data,), end = _typed(octets if isinstance(octets, bytes) else bytes(octets), offset, 1, DEPTH_MAX)
    return data, end


def decode_all(octets: Octets) -> Data:
    """The one typed value that `octets` hold, no more and no less. Raises RemoteProtocolError."""
    data, end = decode(octets)
    if end != len(octets):
        raise RemoteProtocolError(f"{len(octets) - end} octets left over behind the data", octet_offset=end)
    return data


def decode_value(octets: Octets, offset: int = 0) -> tuple[Any, int]:
    """The value that starts at `offset` as plain Python, and the offset behind it. Raises RemoteProtocolError.

    array, compact-array: list. structure: tuple. octet-string: bytes. visible-string, utf8-string: str.
    bit-string: str of "0" and "1". null-data, don't-care: None. boolean: bool. enum, bcd and all integers: int.
    float32, float64: float. date-time, date, time: bytes of 12, 5, 4.
    """
    (value,), end = values_at(octets if isinstance(octets, bytes) else bytes(octets), offset, 1, DEPTH_MAX)
    return value, end


def skip(octets: Octets, offset: int = 0) -> int:
    """The offset behind the value that starts at `offset`. Raises RemoteProtocolError.

    Looks at tags and lengths only: contents of compact arrays and of utf8-strings are not looked into.
    """
    return _skip(octets if isinstance(octets, bytes) else bytes(octets), offset, 1, DEPTH_MAX)


def plain(data: Data) -> Any:
    """What `decode_value` gives for the octets of `data`."""
    tag, value = data
    if tag == _STRUCTURE:
        return tuple([plain(item) for item in value])
    if tag == _ARRAY:
        return [plain(item) for item in value]
    if tag == _COMPACT:
        held: CompactArray = value
        return [plain(item) for item in held.elements]
    return value


def values_at(octets: bytes, position: int, count: int, depth_left: int) -> tuple[list[Any], int]:
    """`count` plain values one after the other, as in `decode_value`, and the offset behind them.

    depth_left: containers that may still be nested. Raises RemoteProtocolError.
    The loop that bulk reading spends its time in: inlined on purpose.
    """
    values: list[Any] = []
    append = values.append
    fixed_by_tag = FIXED
    try:
        for _ in range(count):
            tag = octets[position]
            fixed = fixed_by_tag[tag]
            if fixed is not None:
                append(fixed[0](octets, position + 1)[0])
                position += fixed[1]
            elif tag == _OCTETS and octets[position + 1] < 0x80:
                begin = position + 2
                end = begin + octets[position + 1]
                if end > len(octets):
                    cut_off(position)
                append(octets[begin:end])
                position = end
            elif tag in _EMPTY:
                append(None)
                position += 1
            elif tag in _CONTAINERS:
                held_count, begin = _container(octets, position, depth_left)
                held, position = values_at(octets, begin, held_count, depth_left - 1)
                append(tuple(held) if tag == _STRUCTURE else held)
            elif tag == _COMPACT:
                compact, position = compact_array.decode(octets, position + 1, depth_left)
                append([plain(item) for item in compact.elements])
            else:
                value, position = decode_variable(tag, octets, position + 1, position)
                append(value)
    except (IndexError, struct.error):
        cut_off(position)
    return values, position


def _typed(octets: bytes, position: int, count: int, depth_left: int) -> tuple[list[Data], int]:
    """`count` values with their types from `position` on."""
    values: list[Data] = []
    try:
        for _ in range(count):
            octet = octets[position]
            fixed = FIXED[octet]
            if fixed is not None:
                values.append(Data(_TAGS[octet], fixed[0](octets, position + 1)[0]))
                position += fixed[1]
            elif octet in _EMPTY:
                values.append(_EMPTY[octet])
                position += 1
            elif octet in _CONTAINERS:
                held_count, begin = _container(octets, position, depth_left)
                held, position = _typed(octets, begin, held_count, depth_left - 1)
                values.append(Data(_TAGS[octet], tuple(held)))
            elif octet == _COMPACT:
                compact, position = compact_array.decode(octets, position + 1, depth_left)
                values.append(Data(Tag.COMPACT_ARRAY, compact))
            else:
                value, position = decode_variable(octet, octets, position + 1, position)
                values.append(Data(_TAGS[octet], value))
    except (IndexError, struct.error):
        cut_off(position)
    return values, position


def _skip(octets: bytes, position: int, count: int, depth_left: int) -> int:
    for _ in range(count):
        if position >= len(octets):
            cut_off(position)
        tag, start = octets[position], position
        size = SIZES[tag]
        if size:
            position += size
        elif tag in _CONTAINERS:
            held_count, begin = _container(octets, position, depth_left)
            position = _skip(octets, begin, held_count, depth_left - 1)
        elif tag in STRING_TAGS:
            length, begin = decode_length(octets, position + 1)
            position = begin + length
        elif tag == Tag.BIT_STRING:
            length, begin = decode_length(octets, position + 1)
            position = begin + (length + 7) // 8
        elif tag == _COMPACT:
            _, begin = compact_array.decode_description(octets, position + 1, depth_left)
            length, begin = decode_length(octets, begin)
            position = begin + length
        else:
            raise RemoteProtocolError(f"{tag} is not a COSEM type tag", octet_offset=position)
        if position > len(octets):
            cut_off(start)
    return position


def _container(octets: bytes, position: int, depth_left: int) -> tuple[int, int]:
    """(element count, where the elements start) of the array or structure at `position`."""
    if not depth_left:
        raise RemoteProtocolError(f"data nested deeper than {DEPTH_MAX}", octet_offset=position)
    count, begin = decode_length(octets, position + 1)
    if count > len(octets) - begin:  # an element has one octet at least
        raise RemoteProtocolError(
            f"{tag_name(octets[position])} claims {count} elements, {len(octets) - begin} octets follow",
            octet_offset=position,
        )
    return count, begin

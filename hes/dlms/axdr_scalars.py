"""A-XDR below the containers: lengths, and every type that holds one value and no other data.

Three codecs stand on this: `axdr` (tag before every value), `compact_array` (tags said once) and `profile_buffer`
(whole rows at once). All functions here see the octets behind the tag.

Source: docs/protocols/axdr.md.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final, NoReturn

from hes.dlms.data import Tag
from hes.errors import LocalProtocolError, RemoteProtocolError

LENGTH_OCTETS_MAX: Final = 4  # octets behind 81..84; more would be a value no APDU can hold [A]

Octets = bytes | bytearray | memoryview

# struct code by tag; the size follows from it. Tag 3: any octet but 00 is true [ASN]
FIXED_CODES: Final[dict[Tag, str]] = {
    Tag.BOOLEAN: "?",
    Tag.DOUBLE_LONG: "i",
    Tag.DOUBLE_LONG_UNSIGNED: "I",
    Tag.BCD: "B",
    Tag.INTEGER: "b",
    Tag.LONG: "h",
    Tag.UNSIGNED: "B",
    Tag.LONG_UNSIGNED: "H",
    Tag.LONG64: "q",
    Tag.LONG64_UNSIGNED: "Q",
    Tag.ENUM: "B",
    Tag.FLOAT32: "f",
    Tag.FLOAT64: "d",
    Tag.DATE_TIME: "12s",
    Tag.DATE: "5s",
    Tag.TIME: "4s",
    Tag.DELTA_INTEGER: "b",
    Tag.DELTA_LONG: "h",
    Tag.DELTA_DOUBLE_LONG: "i",
    Tag.DELTA_UNSIGNED: "B",
    Tag.DELTA_LONG_UNSIGNED: "H",
    Tag.DELTA_DOUBLE_LONG_UNSIGNED: "I",
}
_STRUCTS: Final = {tag: struct.Struct(">" + code) for tag, code in FIXED_CODES.items()}

# by tag octet: (unpack_from, octets with the tag) of the types of fixed size, None for the others
FIXED: Final[list[tuple[Callable[..., tuple[Any, ...]], int] | None]] = [None] * 256
# by tag octet: octets with the tag, 0 for the types whose size is not fixed; null-data and don't-care are 1
SIZES: Final[list[int]] = [0] * 256
for _tag, _struct in _STRUCTS.items():
    FIXED[_tag] = (_struct.unpack_from, 1 + _struct.size)
    SIZES[_tag] = 1 + _struct.size
SIZES[Tag.NULL] = SIZES[Tag.DONT_CARE] = 1

EMPTY_TAGS: Final = frozenset({Tag.NULL, Tag.DONT_CARE})
STRING_TAGS: Final = frozenset({Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING})
OCTETS_TAGS: Final = frozenset({Tag.DATE_TIME, Tag.DATE, Tag.TIME})


def cut_off(octet_offset: int) -> NoReturn:
    raise RemoteProtocolError(
        f"the octets end inside the value that starts at octet {octet_offset}", octet_offset=octet_offset
    )


def encode_length(count: int) -> bytes:
    """One octet below 128, 81 nn below 256, 82 nnnn below 65536, else 84 nnnnnnnn.

    84 and not the shorter 83 for the largest: some decoders in the field know 81, 82 and 84 only [A].
    """
    if 0 <= count < 0x80:
        return bytes((count,))
    if 0x80 <= count < 0x100:
        return bytes((0x81, count))
    if 0x100 <= count < 0x10000:
        return b"\x82" + count.to_bytes(2, "big")
    if 0x10000 <= count < 0x1_0000_0000:
        return b"\x84" + count.to_bytes(4, "big")
    raise LocalProtocolError(f"a length of {count} cannot be encoded")


def decode_length(octets: Octets, offset: int) -> tuple[int, int]:
    """The length at `offset` and the offset behind it.

    Longer forms than needed are accepted (meters send them); 80 and more than 4 octets of length are not.
    Raises RemoteProtocolError.
    """
    if offset >= len(octets):
        cut_off(offset)
    first = octets[offset]
    if first < 0x80:
        return first, offset + 1
    size = first & 0x7F
    if not 1 <= size <= LENGTH_OCTETS_MAX:
        raise RemoteProtocolError(f"{first:02X} does not start a length", octet_offset=offset)
    end = offset + 1 + size
    if end > len(octets):
        cut_off(offset)
    return int.from_bytes(octets[offset + 1 : end], "big"), end


def bits_text(octets: bytes, bit_count: int) -> str:
    """The first `bit_count` bits of `octets` as "0" and "1", first bit first."""
    if not bit_count:
        return ""
    return f"{int.from_bytes(octets, 'big'):0{8 * len(octets)}b}"[:bit_count]


def decode_variable(tag: int, octets: bytes, offset: int, start: int) -> tuple[Any, int]:
    """The value of a bit-string or string type whose length stands at `offset`, and the offset behind it.

    tag: the type; start: where the value starts, for the errors. Visible-strings are taken as Latin-1, so that no
    octet is refused or lost; UTF-8 must be valid. Raises RemoteProtocolError.
    """
    count, begin = decode_length(octets, offset)
    end = begin + ((count + 7) // 8 if tag == Tag.BIT_STRING else count)
    if end > len(octets):
        cut_off(start)
    if tag == Tag.OCTET_STRING:
        return octets[begin:end], end
    if tag == Tag.VISIBLE_STRING:
        return octets[begin:end].decode("latin-1"), end
    if tag == Tag.BIT_STRING:
        return bits_text(octets[begin:end], count), end
    if tag == Tag.UTF8_STRING:
        return utf8_text(octets[begin:end], start), end
    raise RemoteProtocolError(f"{tag} is not a COSEM type tag", octet_offset=start)


def utf8_text(octets: bytes, start: int) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RemoteProtocolError("a utf8-string that is not UTF-8", octet_offset=start) from error


def encode_scalar(tag: Tag, value: Any) -> bytes:
    """The octets of one value without its tag. Raises LocalProtocolError when the value does not fit the type."""
    try:
        return _encode_scalar(tag, value)
    except (struct.error, OverflowError, UnicodeEncodeError, TypeError, AttributeError) as error:
        raise LocalProtocolError(f"{_shown(value)} does not fit {tag_name(tag)}: {error}") from error


def _encode_scalar(tag: Tag, value: Any) -> bytes:
    packer = _STRUCTS.get(tag)
    if packer is not None:
        if tag == Tag.BOOLEAN and not isinstance(value, bool):
            raise TypeError("a boolean is wanted")
        if tag in OCTETS_TAGS and len(value) != packer.size:
            raise TypeError(f"{packer.size} octets are wanted")
        return packer.pack(value)
    if tag in EMPTY_TAGS:
        if value is not None:
            raise TypeError("there is no value in this type")
        return b""
    if tag == Tag.BIT_STRING:
        if value.strip("01"):
            raise TypeError('only "0" and "1" are bits')
        octet_count = (len(value) + 7) // 8
        packed = int(value, 2) << (8 * octet_count - len(value)) if value else 0
        return encode_length(len(value)) + packed.to_bytes(octet_count, "big")
    if tag == Tag.OCTET_STRING:
        content = bytes(memoryview(value))
    elif tag == Tag.VISIBLE_STRING:
        content = value.encode("latin-1")
    elif tag == Tag.UTF8_STRING:
        content = value.encode("utf-8")
    else:
        raise TypeError("not a type tag")
    return encode_length(len(content)) + content


def tag_name(tag: int) -> str:
    """`double-long-unsigned` for 6; the number itself when it is no tag."""
    return Tag(tag).name.lower().replace("_", "-") if tag in Tag._value2member_map_ else f"tag {tag}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."

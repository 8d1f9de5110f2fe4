"""Compact arrays: the type is said once, the contents follow without tags.

    13 | type description | length of the contents in octets | contents

A description costs few octets and can promise many values, so that everything is weighed before anything is built:
the smallest octet count of an element and its members without octets (null-data, don't-care, empty containers)
follow from the description alone. An array may not promise more than the contents can hold, and members without
octets are bounded per octet of contents. Memory is therefore proportional to the octets received.

Source: docs/protocols/axdr.md (compact-array) [S1].
"""

from __future__ import annotations

import struct
from typing import Any, Final

from hes.dlms.axdr_scalars import (
    EMPTY_TAGS,
    FIXED,
    SIZES,
    cut_off,
    decode_length,
    decode_variable,
    encode_length,
    encode_scalar,
    tag_name,
)
from hes.dlms.data import CompactArray, Data, Tag, TypeDescription
from hes.errors import LocalProtocolError, RemoteProtocolError

MEMBERS_WITHOUT_OCTETS_MAX: Final = 32  # per octet of contents; a profile row has a handful at most [A]
ARRAY_COUNT_MAX: Final = 0xFFFF  # the count in a description has 16 bits
VARIABLE_TAGS: Final = frozenset({Tag.BIT_STRING, Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING})
_BY_OCTET: Final = {int(tag): tag for tag in Tag if tag != Tag.COMPACT_ARRAY}


def decode_description(octets: bytes, offset: int, depth_left: int) -> tuple[TypeDescription, int]:
    """The description at `offset` and the offset behind it. Raises RemoteProtocolError."""
    if offset >= len(octets):
        cut_off(offset)
    tag = _BY_OCTET.get(octets[offset])
    if tag is None:
        raise RemoteProtocolError(f"{octets[offset]} is no type a compact array can hold", octet_offset=offset)
    if tag not in (Tag.ARRAY, Tag.STRUCTURE):
        return TypeDescription(tag), offset + 1
    if not depth_left:
        raise RemoteProtocolError("data nested too deeply", octet_offset=offset)
    if tag == Tag.ARRAY:
        if offset + 3 > len(octets):
            cut_off(offset)
        count = int.from_bytes(octets[offset + 1 : offset + 3], "big")
        held, end = decode_description(octets, offset + 3, depth_left - 1)
        return TypeDescription(tag, count, (held,)), end
    count, end = decode_length(octets, offset + 1)
    if count > len(octets) - end:
        cut_off(offset)
    members = []
    for _ in range(count):
        member, end = decode_description(octets, end, depth_left - 1)
        members.append(member)
    return TypeDescription(tag, 0, tuple(members)), end


def encode_description(description: TypeDescription) -> bytes:
    tag, held = description.tag, description.elements
    if tag == Tag.ARRAY:
        if len(held) != 1 or not 0 <= description.count <= ARRAY_COUNT_MAX:
            raise LocalProtocolError("an array description holds one description and a count of 0..65535")
        return bytes((tag,)) + description.count.to_bytes(2, "big") + encode_description(held[0])
    if tag == Tag.STRUCTURE:
        return bytes((tag,)) + encode_length(len(held)) + b"".join(map(encode_description, held))
    if tag == Tag.COMPACT_ARRAY or held:
        raise LocalProtocolError(f"{tag_name(tag)} cannot be described so in a compact array")
    return bytes((tag,))


def weigh(description: TypeDescription) -> tuple[int, int]:
    """(fewest octets of one element, values in it that occupy no octet)."""
    tag = description.tag
    if tag in EMPTY_TAGS:
        return 0, 1
    if tag == Tag.ARRAY:
        octet_count, empty_count = weigh(description.elements[0])
        octet_count, empty_count = octet_count * description.count, empty_count * description.count
    elif tag == Tag.STRUCTURE:
        weights = [weigh(member) for member in description.elements]
        octet_count, empty_count = sum(o for o, _ in weights), sum(e for _, e in weights)
    else:
        return (1 if tag in VARIABLE_TAGS else SIZES[tag] - 1), 0
    return octet_count, empty_count + (octet_count == 0)


def decode(octets: bytes, offset: int, depth_left: int) -> tuple[CompactArray, int]:
    """The compact array whose description starts at `offset` (behind the tag), and the offset behind it.

    depth_left: containers that may still be nested. Raises RemoteProtocolError.
    """
    description, begin = decode_description(octets, offset, depth_left)
    contents_octets, position = decode_length(octets, begin)
    end = position + contents_octets
    if end > len(octets):
        cut_off(begin)
    if not contents_octets:
        return CompactArray(description, ()), end
    octet_count, empty_count = weigh(description)
    if empty_count > MEMBERS_WITHOUT_OCTETS_MAX * octet_count or octet_count > contents_octets:
        raise RemoteProtocolError("a compact array whose contents do not match its description", octet_offset=offset)
    elements = []
    while position < end:
        value, position = _decode_element(description, octets, position)
        elements.append(Data(description.tag, value))
    if position > end:
        raise RemoteProtocolError("the last element of a compact array runs past its contents", octet_offset=end)
    return CompactArray(description, tuple(elements)), end


def _decode_element(description: TypeDescription, octets: bytes, position: int) -> tuple[Any, int]:
    tag = description.tag
    fixed = FIXED[tag]
    if fixed is not None:
        try:
            return fixed[0](octets, position)[0], position + fixed[1] - 1
        except struct.error:
            cut_off(position)
    if tag in EMPTY_TAGS:
        return None, position
    if tag in VARIABLE_TAGS:
        return decode_variable(tag, octets, position, position)
    held = description.elements
    if tag == Tag.ARRAY:
        if description.count and weigh(held[0])[0] * description.count > len(octets) - position:
            cut_off(position)
        held = held * description.count
    values = []
    for member in held:
        value, position = _decode_element(member, octets, position)
        values.append(Data(member.tag, value))
    return tuple(values), position


def encode(value: CompactArray) -> bytes:
    """Description, length and contents, without the tag. Raises LocalProtocolError when elements do not fit."""
    description = encode_description(value.description)
    octet_count, empty_count = weigh(value.description)
    if value.elements and empty_count > MEMBERS_WITHOUT_OCTETS_MAX * octet_count:
        raise LocalProtocolError("a compact array cannot hold elements of (nearly) no octets")
    contents = b"".join(_encode_element(value.description, element) for element in value.elements)
    return description + encode_length(len(contents)) + contents


def _encode_element(description: TypeDescription, element: Data) -> bytes:
    tag, held = description.tag, description.elements
    if element.tag != tag:
        raise LocalProtocolError(f"{tag_name(element.tag)} in a compact array of {tag_name(tag)}")
    if tag not in (Tag.ARRAY, Tag.STRUCTURE):
        return encode_scalar(tag, element.value)
    if tag == Tag.ARRAY:
        held = held * description.count
    if len(held) != len(element.value):
        raise LocalProtocolError(f"{len(element.value)} values where the description says {len(held)}")
    return b"".join(_encode_element(member, item) for member, item in zip(held, element.value, strict=True))

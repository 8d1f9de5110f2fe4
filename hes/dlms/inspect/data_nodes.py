"""COSEM data as nodes: every element with its octets, and as much as can be read where the octets are wrong.

`hes.dlms.axdr` judges and decodes; this module only remembers where it was when it asked.
"""

from __future__ import annotations

import math
from typing import Any, Final

from hes.dlms import axdr
from hes.dlms.axdr_scalars import tag_name
from hes.dlms.cosem_time import CosemDateTime
from hes.dlms.data import CompactArray, Data, Tag
from hes.dlms.inspect.meanings import ANYTHING, Shape, class_name
from hes.dlms.inspect.node import Node, fault_of
from hes.dlms.obis import OBIS_OCTETS
from hes.dlms.obis_names import labelled, name
from hes.errors import RemoteProtocolError

_CONTAINERS: Final = frozenset({Tag.ARRAY, Tag.STRUCTURE})
_NUMBERS: Final = frozenset(
    {
        Tag.DOUBLE_LONG, Tag.DOUBLE_LONG_UNSIGNED, Tag.INTEGER, Tag.LONG, Tag.UNSIGNED, Tag.LONG_UNSIGNED,
        Tag.LONG64, Tag.LONG64_UNSIGNED, Tag.ENUM,
    }
)  # fmt: skip
_HEAD_OCTETS: Final = 2  # tag and length, or tag and the first octet: of a secret these may be seen
_SPOKEN: Final = frozenset({Tag.OCTET_STRING, Tag.BIT_STRING})
# an octet-string of 12 is shown as a date-time when its year is one that a meter can have lived in, or a wildcard
_YEARS: Final = range(1990, 2101)


class _Stop(Exception):
    """The octets cannot be followed any further; the fault is in `node` already."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self.node = node


def data_node(octets: bytes, offset: int, label: str, shape: Shape = ANYTHING, *, base: int = 0) -> tuple[Node, int]:
    """The value that starts at `offset` of `octets` as a tree, and the offset behind it.

    base: where `octets` start in what is inspected. Wrong octets become a fault inside the tree; the end is then the
    end of `octets`, since nothing says where the next value would start.
    """
    try:
        return _walk(octets, offset, label, shape, base, axdr.DEPTH_MAX)
    except _Stop as stop:
        return stop.node, len(octets)


def value_node(data: Data, label: str, shape: Shape = ANYTHING, *, offset: int = 0, length: int = 0) -> Node:
    """A value that was decoded already. Its elements all tell about the same octets."""
    if data.tag in _CONTAINERS or data.tag is Tag.COMPACT_ARRAY:
        elements = data.value.elements if isinstance(data.value, CompactArray) else data.value
        children = []
        for index, element in enumerate(elements):
            inner_label, inner_shape = _element(data.tag, shape, index)
            children.append(value_node(element, inner_label, inner_shape, offset=offset, length=length))
        return _container(data.tag, label, offset, length, children)
    text, plain = describe(data, shape)
    hidden = ((offset + _HEAD_OCTETS, offset + length),) if shape.is_secret else ()
    return Node(
        label=label,
        value=text,
        type_name=tag_name(data.tag),
        plain=plain,
        offset=offset,
        length=length,
        hidden=hidden,
    )


def describe(data: Data, shape: Shape = ANYTHING) -> tuple[str, Any]:
    """A value that holds no other: as people read it, and as JSON can hold it."""
    tag, value = data
    if shape.is_secret:
        return "(not shown)", None
    if shape.says is not None and tag in _SPOKEN:
        said, held = shape.says(value), value if isinstance(value, str) else value.hex()
        if said:
            return f"{held} ({said})", held
    if tag in (Tag.NULL, Tag.DONT_CARE):
        return "", None
    if tag is Tag.OCTET_STRING:
        return _octet_string(value), value.hex()
    if tag is Tag.DATE_TIME:
        return _date_time(value) or value.hex(), value.hex()
    if tag in (Tag.DATE, Tag.TIME):
        return (_date if tag is Tag.DATE else _time)(value), value.hex()
    if tag in (Tag.VISIBLE_STRING, Tag.UTF8_STRING):
        return repr(value), value
    if tag is Tag.BOOLEAN:
        return ("true" if value else "false"), value
    if tag is Tag.FLOAT32:
        return f"{value:.9g}", value if math.isfinite(value) else None
    if tag is Tag.FLOAT64:
        return repr(value), value if math.isfinite(value) else None
    if tag is Tag.BCD:
        return f"{value:02X}", value
    if tag in _NUMBERS:
        return _number(value, shape), value
    return str(value), value


def _walk(octets: bytes, offset: int, label: str, shape: Shape, base: int, depth_left: int) -> tuple[Node, int]:
    """`data_node`, raising _Stop at the first fault with what there is so far."""
    tag = octets[offset] if offset < len(octets) else None
    if tag not in _CONTAINERS:
        return _leaf(octets, offset, label, shape, base)
    try:
        if not depth_left:
            raise RemoteProtocolError(f"data nested deeper than {axdr.DEPTH_MAX}", octet_offset=offset)
        count, position = axdr.decode_length(octets, offset + 1)
    except RemoteProtocolError as error:
        raise _Stop(_faulty(label, octets, offset, base, shape, error)) from error
    kind = Tag(tag)
    children: list[Node] = []
    for index in range(count):
        inner_label, inner_shape = _element(kind, shape, index)
        try:
            child, position = _walk(octets, position, inner_label, inner_shape, base, depth_left - 1)
        except _Stop as stop:
            children.append(stop.node)
            raise _Stop(_container(kind, label, base + offset, len(octets) - offset, children, count)) from None
        children.append(child)
    return _container(kind, label, base + offset, position - offset, children), position


def _leaf(octets: bytes, offset: int, label: str, shape: Shape, base: int) -> tuple[Node, int]:
    try:
        data, end = axdr.decode(octets, offset)
    except RemoteProtocolError as error:
        raise _Stop(_faulty(label, octets, offset, base, shape, error)) from error
    return value_node(data, label, shape, offset=base + offset, length=end - offset), end


def _faulty(label: str, octets: bytes, offset: int, base: int, shape: Shape, error: RemoteProtocolError) -> Node:
    place, length = base + offset, len(octets) - offset
    hidden = ((place, place + length),) if shape.is_secret else ()
    return Node(label=label, offset=place, length=length, children=(fault_of(error, base, offset),), hidden=hidden)


def _element(tag: Tag, shape: Shape, index: int) -> tuple[str, Shape]:
    """Label and shape of an element of a container of that kind."""
    if shape.is_secret:  # of another type than declared, and no less a secret
        return f"[{index}]", shape
    if tag is Tag.STRUCTURE:
        return shape.member(index)
    return f"[{index}]", shape.each or ANYTHING


def _container(
    tag: Tag, label: str, offset: int, length: int, children: list[Node], claimed: int | None = None
) -> Node:
    """An array or structure. claimed: how many elements it said it has, where not all of them are there."""
    noun = "member" if tag is Tag.STRUCTURE else "element"
    count = len(children) if claimed is None else claimed
    text = f"{count} {noun}" if count == 1 else f"{count} {noun}s"
    return Node(
        label=label,
        value=text,
        type_name=tag_name(tag),
        offset=offset,
        length=length,
        children=tuple(children),
        items=tag is not Tag.STRUCTURE,
    )


def _number(value: int, shape: Shape) -> str:
    if shape.is_class:
        known = class_name(value)
        return f"{value} {known}" if known else str(value)
    if shape.says is not None:
        said = shape.says(value)
        return f"{value} {said}" if said else str(value)
    word = shape.words.get(value) or shape.unit
    return f"{value} {word}" if word else str(value)


def _octet_string(value: bytes) -> str:
    """Hex, with what the octets look like: an OBIS code, a date-time, a text."""
    if not value:
        return "empty"
    if len(value) == OBIS_OCTETS and (value[5] == 0xFF or name(value)):
        return labelled(value)
    moment = octets_as_date_time(value)
    if moment:
        return moment
    if all(0x20 <= octet < 0x7F for octet in value):
        return f"{value.hex()} {value.decode('ascii')!r}"
    return value.hex()


def octets_as_date_time(value: bytes) -> str:
    """An octet-string that can be a date-time as people read it, else ""."""
    if len(value) != 12:
        return ""
    year = int.from_bytes(value[:2], "big")
    return _date_time(value) if year in _YEARS or year == 0xFFFF else ""


def _date_time(value: bytes) -> str:
    try:
        return str(CosemDateTime.from_octets(value))
    except RemoteProtocolError:
        return ""


def _date(value: bytes) -> str:
    """A date of 5 octets, read as a date-time whose time is not specified."""
    text = _date_time(value + b"\xff\xff\xff\xff\x80\x00\xff")
    return text.removesuffix(" **:**:**") or value.hex()


def _time(value: bytes) -> str:
    """A time of 4 octets, read as a date-time whose date is not specified."""
    text = _date_time(b"\xff\xff\xff\xff\xff" + value + b"\x80\x00\xff")
    return text.removeprefix("****-**-** ") or value.hex()

"""Values of a notification, which names nothing: an OBIS code in it says what the value behind it is.

Makes push lists of (code, value) or of (code, value, (scaler, unit)), flat or as structures of structures. What is
recognised is labelled; nothing is judged. Where the object list of a push setup was seen and is as long, it names them.

Source: docs/protocols/hdlc.md §8 (captures of four makes).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from hes.dlms.cosem.registers import ScalerUnit
from hes.dlms.inspect.dressing import dressed
from hes.dlms.inspect.knowledge import Knowledge
from hes.dlms.inspect.node import Node
from hes.dlms.obis import OBIS_OCTETS
from hes.dlms.obis_names import name
from hes.dlms.selective_access import CaptureObject
from hes.dlms.xdlms.common import AttributeDescriptor

PUSH_SETUP: Final = 40
_CONTAINERS: Final = frozenset({"structure", "array"})


def with_list(node: Node, octets: bytes, base: int, known: Knowledge) -> Node | None:
    """The tree of a notification with its members called as a push setup lists them, in their unit; None where no list
    fits. octets, base: of the APDU. The list is that of the setup which the members name, else the first as long."""
    values = [index for index, child in enumerate(node.children) if child.type_name in _CONTAINERS]
    if len(values) != 1:
        return None
    value = node.children[values[0]]
    columns = _list_for(value, known)
    if not columns:
        return None
    members = []
    for child, column in zip(value.children, columns, strict=True):
        start = child.offset - base
        subject = AttributeDescriptor(column.class_id, column.obis, column.attribute)
        named = replace(child, label=known.text(subject))
        members.append(dressed(named, octets[start : start + child.length], subject, known))
    children = list(node.children)
    children[values[0]] = replace(value, children=tuple(members))
    return replace(node, children=tuple(children))


def _list_for(value: Node, known: Knowledge) -> tuple[CaptureObject, ...]:
    said = {_obis(child) for child in value.children} - {b""}
    fitting = {obis: columns for obis, columns in known.pushes.items() if len(columns) == len(value.children)}
    for obis, columns in fitting.items():
        if obis in said and any(column.class_id == PUSH_SETUP for column in columns):
            return columns
    return next(iter(fitting.values()), ())


def with_names(node: Node) -> Node:
    """The tree with values labelled by the codes before them, and scaled where scaler and unit follow."""
    if not node.children:
        return node
    children = [with_names(child) for child in node.children]
    if node.type_name in _CONTAINERS:
        children = [_named(children, index) for index in range(len(children))]
    return replace(node, children=tuple(children))


def _named(children: Sequence[Node], index: int) -> Node:
    node = children[index]
    if _scaler_unit(node) is not None:
        scaler, unit = node.children
        return replace(node, label="scaler and unit", children=(replace(scaler, label="scaler"), _unit_node(unit)))
    said = name(_obis(children[index - 1])) if index else ""
    if not said or _obis(node):
        return node
    known = _scaler_unit(children[index + 1]) if index + 1 < len(children) else None
    text = node.value
    if known is not None and type(node.plain) is int:
        text = f"{known.scaled(node.plain):f} {known.unit_name}".rstrip()
    return replace(node, label=said, value=text)


def _obis(node: Node) -> bytes:
    """The code that an octet-string holds, b"" for anything else."""
    if node.type_name != "octet-string" or not isinstance(node.plain, str) or len(node.plain) != 2 * OBIS_OCTETS:
        return b""
    return bytes.fromhex(node.plain)


def _scaler_unit(node: Node) -> ScalerUnit | None:
    if [child.type_name for child in node.children] != ["integer", "enum"] or node.type_name != "structure":
        return None
    scaler, unit = (child.plain for child in node.children)
    return ScalerUnit(scaler, unit)


def _unit_node(unit: Node) -> Node:
    word = ScalerUnit(0, unit.plain).unit_name
    return replace(unit, label="unit", value=f"{unit.plain} {word}".rstrip())

"""Values in the light of what is known of their device: numbers in their unit, lists and profiles as tables.

A tree is made from octets first (`data_nodes`); here its nodes get what they mean beside what they say. Nothing is
taken away: raw values and places stay, so that programs have both.

Source: docs/protocols/cosem-objects.md §1, §7; docs/protocols/axdr.md (profile buffer).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from hes.dlms import axdr
from hes.dlms.cosem.access_rights import attribute_right, method_right
from hes.dlms.cosem.association_sn import sn_object_list_from_value
from hes.dlms.cosem.interface_classes import interface_class, name_of
from hes.dlms.cosem.object_list import ObjectListElement, object_list_from_value
from hes.dlms.cosem.registers import ScalerUnit
from hes.dlms.cosem.sap_assignment import sap_list_from_value
from hes.dlms.inspect.data_nodes import octets_as_date_time
from hes.dlms.inspect.knowledge import BUFFER, Knowledge, columns_in
from hes.dlms.inspect.meanings import Subject, class_name
from hes.dlms.inspect.node import Node, Table, faults
from hes.dlms.null_data import filled_rows
from hes.dlms.obis_names import name
from hes.dlms.selective_access import CaptureObject
from hes.dlms.xdlms.common import AttributeDescriptor
from hes.errors import RemoteProtocolError

_INTEGERS: Final = frozenset(
    {
        "integer", "long", "double-long", "long64", "unsigned", "long-unsigned", "double-long-unsigned",
        "long64-unsigned",
    }
)  # fmt: skip


def dressed(
    node: Node, encoded: bytes, subject: Subject, known: Knowledge, selected: Sequence[CaptureObject] = ()
) -> Node:
    """The node of the value of an attribute with what is known. encoded: the value. selected: columns asked for, where
    not all of a profile were. A node with a fault stays as it is."""
    if not isinstance(subject, AttributeDescriptor) or next(faults(node), None) is not None:
        return node
    class_id, obis, attribute = subject
    unit = known.scaler_unit(class_id, obis, attribute)
    if unit is not None:
        return in_unit(node, unit)
    make = _TABLES.get((class_id, attribute))
    is_buffer = (class_id, attribute) == BUFFER
    if (make is None and not is_buffer) or not node.children:
        return node
    try:
        value, _ = axdr.decode_value(encoded)
        if is_buffer:
            columns = tuple(selected) or known.columns.get(bytes(obis), ())
            return _with_rows(node, value, columns, known.periods_s.get(bytes(obis), 0), known)
        return node if make is None else replace(node, table=make(value, known))
    except RemoteProtocolError:
        return node  # another shape than expected: shown as it came


def in_unit(node: Node, unit: ScalerUnit) -> Node:
    """A number in its unit; the raw one stays beside it where the scaler moves the point."""
    if node.type_name not in _INTEGERS or type(node.plain) is not int:
        return node
    scaled = f"{unit.scaled(node.plain):f}"
    text = f"{scaled} {unit.unit_name}".rstrip()
    raw = f" (raw {node.plain})" if unit.scaler else ""
    return replace(node, value=f"{text}{raw}", scaled=scaled, unit=unit.unit_name)


def _with_rows(node: Node, value: Any, columns: Sequence[CaptureObject], period_s: int, known: Knowledge) -> Node:
    """A profile's buffer as a table: columns by name and unit, null-data filled in."""
    if not columns or not isinstance(value, list):
        return node
    rows = filled_rows(value, columns, period_s)
    units = [known.scaler_unit(column.class_id, column.obis, column.attribute) for column in columns]
    table = Table(
        tuple(known.column_text(column) for column in columns),
        tuple(tuple(_cell(cell, unit) for cell, unit in zip(row, units, strict=True)) for row in rows),
        numbered=True,
    )
    filled = any(None in row for row in value)
    said = f"{node.value}; null-data filled in from the row before" if filled else node.value
    return replace(node, table=table, value=said)


def _cell(value: Any, unit: ScalerUnit | None) -> str:
    if value is None:
        return ""
    if unit is not None and type(value) is int:
        return f"{unit.scaled(value):f}"
    if isinstance(value, bytes):
        return octets_as_date_time(value) or value.hex()
    return str(value)


# -- lists -----------------------------------------------------------------------------------------------------------


def _object_list(value: Any, known: Knowledge) -> Table:
    version = known.versions.get((15, b"\x00\x00\x28\x00\x00\xff"), 0)
    elements = object_list_from_value(value)
    own = next((each.version for each in elements if each.class_id == 15), version)
    rows = [
        (
            str(each.class_id), str(each.version), str(each.logical_name), class_name(each.class_id),
            name(each.logical_name), _rights_text(each, own),
        )
        for each in elements
    ]  # fmt: skip
    return Table(("class", "v", "logical name", "class name", "object", "rights"), tuple(rows))


def _rights_text(element: ObjectListElement, version: int) -> str:
    """ "1-3 r, 4 rw, call 1": attributes with equal rights together."""
    parts = _runs({index: attribute_right(mode, version).letters for index, mode in element.attributes.items()})
    called = {index: "call" for index, mode in element.methods.items() if method_right(mode, version).can_invoke}
    parts += [f"call {text.removesuffix(' call')}" for text in _runs(called)]
    return ", ".join(part for part in parts if not part.endswith(" -"))


def _runs(letters: dict[int, str]) -> list[str]:
    """ "1-3 r" for 1, 2 and 3 with the same letters, in the order of the indices."""
    found: list[tuple[int, int, str]] = []
    for index, said in sorted(letters.items()):
        if found and found[-1][2] == said and found[-1][1] == index - 1:
            found[-1] = (found[-1][0], index, said)
        else:
            found.append((index, index, said))
    return [f"{first}-{last} {said}" if last > first else f"{first} {said}" for first, last, said in found]


def _sn_object_list(value: Any, _known: Knowledge) -> Table:
    rows = [
        (f"{each.base_name:04X}", str(each.class_id), str(each.version), str(each.logical_name),
         class_name(each.class_id), name(each.logical_name))
        for each in sn_object_list_from_value(value)
    ]  # fmt: skip
    return Table(("base", "class", "v", "logical name", "class name", "object"), tuple(rows))


def _capture_objects(value: Any, known: Knowledge) -> Table:
    """Columns of a profile or the object list of a push: both say class, logical name, attribute, data index."""
    rows = []
    for column in columns_in(value):
        version = known.versions.get((column.class_id, bytes(column.obis)))
        called = name_of(
            column.class_id, column.attribute, version if interface_class(column.class_id, version) else None
        )
        unit = known.scaler_unit(column.class_id, column.obis, column.attribute)
        code = f"{column.class_id}/{'.'.join(map(str, column.obis))}/{column.attribute}"
        code += f" [{column.data_index}]" if column.data_index else ""
        rows.append((code, called, name(column.obis), unit.unit_name if unit is not None else ""))
    return Table(("attribute", "what", "object", "unit"), tuple(rows))


def _saps(value: Any, _known: Knowledge) -> Table:
    names = sap_list_from_value(value).items()
    return Table(
        ("SAP", "logical device"), tuple((str(sap), said.decode("ascii", "backslashreplace")) for sap, said in names)
    )


_TABLES: Final[dict[tuple[int, int], Callable[[Any, Knowledge], Table]]] = {
    (7, 3): _capture_objects,
    (12, 2): _sn_object_list,
    (15, 2): _object_list,
    (17, 2): _saps,
    (40, 2): _capture_objects,
}

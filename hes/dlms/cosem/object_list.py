"""The object list of an Association LN: as a role sees it, in the words of each version, whole or selected.

    selector 1: all objects        3: the objects named, in an array of {class, logical name}
    selector 2: of these classes,  4: the one object named
                without rights

Source: docs/protocols/cosem-objects.md §1.1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from hes.dlms import axdr, data
from hes.dlms.cosem.access import Role
from hes.dlms.cosem.access_rights import BITS_FROM_VERSION
from hes.dlms.cosem.cosem_object import Attribute, CosemObject, Method
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis
from hes.errors import RemoteProtocolError

SELECTORS: Final = (1, 2, 3, 4)
SELECTED_MAX: Final = 512  # classes or objects of one selection [A]
_UNDECLARED: Final[Attribute[Any]] = Attribute()
_NO_RIGHTS: Final = data.structure(data.array(()), data.array(()))


def encode_object_list(objects: Iterable[CosemObject[Any]], role: Role, version: int = 1) -> bytes:
    """Attribute 2 as `role` sees it: the objects it may use, with its rights."""
    return axdr.encode(data.array(element(entry, role, version) for entry in objects if entry.roles & role))


def encode_selected(objects: Iterable[CosemObject[Any]], role: Role, version: int, selection: bytes) -> bytes:
    """What a selection leaves of attribute 2. Raises RemoteProtocolError for parameters of another form."""
    selector = selection[0]
    parameters = axdr.decode_all(selection[1:])
    visible = [entry for entry in objects if entry.roles & role]
    if selector == 2:
        classes = {_number(each, Tag.LONG_UNSIGNED) for each in _array(parameters)}
        chosen = [entry for entry in visible if entry.interface_class.class_id in classes]
        return axdr.encode(data.array(element(entry, role, version, rights=False) for entry in chosen))
    if selector == 1:
        return encode_object_list(visible, role, version)
    wanted = {_object_id(each) for each in ([parameters] if selector == 4 else _array(parameters))}
    chosen = [entry for entry in visible if (entry.interface_class.class_id, bytes(entry.logical_name)) in wanted]
    return encode_object_list(chosen, role, version)


def _array(value: Data) -> tuple[Data, ...]:
    if value.tag is not Tag.ARRAY or len(value.value) > SELECTED_MAX:
        raise RemoteProtocolError(f"an array of at most {SELECTED_MAX} was wanted")
    held: tuple[Data, ...] = value.value
    return held


def _number(value: Data, tag: Tag) -> int:
    if value.tag is not tag:
        raise RemoteProtocolError(f"{tag.name} was wanted, not {value.tag.name}")
    held: int = value.value
    return held


def _object_id(value: Data) -> tuple[int, bytes]:
    if value.tag is not Tag.STRUCTURE or len(value.value) != 2 or value.value[1].tag is not Tag.OCTET_STRING:
        raise RemoteProtocolError("an object is named by its class and its logical name")
    return _number(value.value[0], Tag.LONG_UNSIGNED), value.value[1].value


def element(entry: CosemObject[Any], role: Role, version: int = 1, *, rights: bool = True) -> Data:
    """One object of the list."""
    return data.structure(
        data.u16(entry.interface_class.class_id),
        data.u8(entry.interface_class.version),
        data.octets(entry.logical_name),
        _rights(entry, role, version) if rights else _NO_RIGHTS,
    )


def _rights(entry: CosemObject[Any], role: Role, version: int) -> Data:
    attributes = []
    for index in range(1, len(entry.interface_class.attributes) + 1):
        declared = entry.attributes.get(index, _UNDECLARED)
        selectors = data.array(map(data.i8, declared.selectors)) if declared.selectors else data.null()
        mode = data.enum(_attribute_mode(declared, role, version))
        attributes.append(data.structure(data.i8(index), mode, selectors))
    methods = []
    for index in range(1, len(entry.interface_class.methods) + 1):
        mode = _method_mode(entry.methods.get(index), role, version)
        methods.append(data.structure(data.i8(index), mode))
    return data.structure(data.array(attributes), data.array(methods))


def _attribute_mode(declared: Attribute[Any], role: Role, version: int) -> int:
    """Version 0 has no authenticated modes: it lists them as plain ones."""
    if version >= BITS_FROM_VERSION:
        return declared.mode_bits(role)
    mode = int(declared.mode(role))
    return mode - 3 if version == 0 and mode > 3 else mode


def _method_mode(method: Method[Any] | None, role: Role, version: int) -> Data:
    if version >= BITS_FROM_VERSION:
        return data.enum(0 if method is None else method.mode_bits(role))
    mode = 0 if method is None else int(method.mode(role))
    return data.boolean(bool(mode)) if version == 0 else data.enum(mode)


@dataclass(frozen=True, slots=True)
class ObjectListElement:
    """One object as a meter lists it. attributes, methods: access mode as sent, by index."""

    class_id: int
    version: int
    logical_name: Obis
    attributes: dict[int, int]
    methods: dict[int, int]


def object_list_from_value(value: Any) -> list[ObjectListElement]:
    """Attribute 2 as a meter sent it, as plain values. Raises RemoteProtocolError for any other shape.

    Method modes of version 0 are booleans and come out as 0 and 1.
    """
    elements = []
    try:
        for class_id, version, name, (attributes, methods) in value:
            elements.append(
                ObjectListElement(
                    int(class_id),
                    int(version),
                    Obis(name),
                    {int(index): int(mode) for index, mode, *_selectors in attributes},
                    {int(index): int(mode) for index, mode in methods},
                )
            )
    except Exception as error:
        raise RemoteProtocolError(f"not an object list: element {len(elements)}: {error}") from error
    return elements

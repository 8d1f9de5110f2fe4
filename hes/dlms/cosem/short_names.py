"""Short names: which 16-bit name stands for which attribute or method of a logical device.

A class fixes where its names lie, relative to the base name of the object: attribute k at 8·(k-1), method 1 at the
offset in `METHOD_OFFSETS` and the others every 8 behind it. The device fixes the base names: the reserved ones, and
the rest in the order in which the objects were declared, so that one profile gives the same names everywhere.

Source: docs/protocols/short-names.md §4.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Generic, NamedTuple, TypeVar

from hes.dlms.cosem.cosem_object import CosemObject
from hes.dlms.obis import Obis
from hes.errors import LocalProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

STEP: Final = 8
ASSOCIATION_SN_BASE: Final = 0xFA00
RESERVED_BASES: Final = {  # by class and logical name
    (12, Obis.parse("0.0.40.0.0.255")): ASSOCIATION_SN_BASE,
    (9, Obis.parse("0.0.10.0.125.255")): 0xFB00,  # broadcast receiver script table [M]
    (17, Obis.parse("0.0.41.0.0.255")): 0xFC00,
    (3, Obis.parse("0.0.42.0.0.255")): 0xFD00,  # in old meters
    (1, Obis.parse("0.0.42.0.0.255")): 0xFD00,
}
BASE_FIRST: Final = 0x0100
BASE_END: Final = ASSOCIATION_SN_BASE
ASSOCIATION_LN: Final = 15  # has no short names

_METHOD_OFFSETS: Final[dict[int, int]] = {
    3: 0x28,
    4: 0x38,
    5: 0x48,
    6: 0x30,
    7: 0x58,
    8: 0x60,
    9: 0x20,
    11: 0x10,
    12: 0x20,
    17: 0x20,
    18: 0x40,
    20: 0x50,
    42: 0x60,
    61: 0x28,
    64: 0x30,
    70: 0x20,
}
_METHOD_OFFSETS_OF_VERSION: Final[dict[tuple[int, int], int]] = {
    (40, 0): 0x38,
    (72, 0): 0x60,
    (72, 1): 0x70,
}


def method_offset(class_id: int, version: int) -> int | None:
    """Offset of method 1 from the base name; None for a class of which no source is known."""
    return _METHOD_OFFSETS_OF_VERSION.get((class_id, version), _METHOD_OFFSETS.get(class_id))


def attribute_name(base: int, index: int) -> int:
    """Short name of attribute `index`, from 1. Raises LocalProtocolError for an index without one."""
    if index < 1:
        raise LocalProtocolError(f"attribute {index} has no short name")
    return _in_range(base + STEP * (index - 1))


def method_name(base: int, class_id: int, version: int, index: int) -> int:
    """Short name of method `index`, from 1. Raises LocalProtocolError where none is known."""
    offset = method_offset(class_id, version)
    if offset is None or index < 1:
        raise LocalProtocolError(
            f"no short name is known for method {index} of class {class_id} version {version}", class_id=class_id
        )
    return _in_range(base + offset + STEP * (index - 1))


def _in_range(name: int) -> int:
    if not 0 <= name <= 0xFFFF:
        raise LocalProtocolError(f"short name {name:X} is not one of 16 bits")
    return name


class Place(NamedTuple):
    """What stands behind a short name. number: index of the attribute or method."""

    entry: CosemObject[Any]
    number: int
    is_method: bool


class ShortNames(Generic[I]):
    """The names of one logical device, shared by all of its instances.

    objects: with their base names, in the order in which an object list gives them.
    """

    __slots__ = ("_places", "objects")

    def __init__(self, objects: Iterable[CosemObject[I]]) -> None:
        """objects: Association LN objects among them get no names. Raises LocalProtocolError when names run out."""
        self.objects: list[tuple[int, CosemObject[I]]] = []
        self._places: dict[int, Place] = {}
        following = BASE_FIRST
        for entry in objects:
            declared = entry.interface_class
            if declared.class_id == ASSOCIATION_LN:
                continue
            base = RESERVED_BASES.get((declared.class_id, entry.logical_name))
            if base is None:
                base, following = following, following + _span(entry)
                if following > BASE_END:
                    raise LocalProtocolError(f"the device has too many objects for short names: {entry!r} got none")
            self._add(base, entry)

    def _add(self, base: int, entry: CosemObject[I]) -> None:
        declared = entry.interface_class
        self.objects.append((base, entry))
        for index in range(1, len(declared.attributes) + 1):
            self._places[base + STEP * (index - 1)] = Place(entry, index, is_method=False)
        offset = _methods_at(entry)
        if offset is not None:
            for index in range(1, len(declared.methods) + 1):
                self._places[base + offset + STEP * (index - 1)] = Place(entry, index, is_method=True)

    def find(self, name: int) -> Place | None:
        """What `name` stands for; None for nothing."""
        return self._places.get(name)


def _methods_at(entry: CosemObject[Any]) -> int | None:
    """Offset of the methods; None where no source is known, or where they would lie on attributes."""
    declared = entry.interface_class
    offset = method_offset(declared.class_id, declared.version)
    return None if offset is None or offset < STEP * len(declared.attributes) else offset


def _span(entry: CosemObject[Any]) -> int:
    """Names that the object takes up."""
    declared = entry.interface_class
    attributes_end = STEP * len(declared.attributes)
    return max(attributes_end, (_methods_at(entry) or 0) + STEP * len(declared.methods))

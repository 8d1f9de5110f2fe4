"""What a device has said about its own objects, and what values mean in that light.

Learned from values as they pass by: object lists (versions of classes, short names), scalers and units, columns and
capture periods of profiles, lists of push setups. It can be filled beforehand from a device profile. Nothing is judged:
a value of another shape than expected teaches nothing.

Bounded: each table keeps its first `ENTRIES_MAX` entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, NamedTuple, TypeVar

from hes.dlms import axdr
from hes.dlms.cosem.association_sn import sn_object_list_from_value
from hes.dlms.cosem.interface_classes import interface_class, name_of, name_of_method
from hes.dlms.cosem.object_list import object_list_from_value
from hes.dlms.cosem.profile_generic import capture_objects_from_value
from hes.dlms.cosem.registers import ScalerUnit
from hes.dlms.cosem.short_names import RESERVED_BASES, STEP, method_offset
from hes.dlms.inspect.meanings import Shape, Subject, column_name, rows_of, scaler_attribute, shape_of, subject_code
from hes.dlms.obis_names import name
from hes.dlms.selective_access import CaptureObject
from hes.dlms.xdlms.common import AttributeDescriptor, MethodDescriptor
from hes.errors import RemoteProtocolError

ENTRIES_MAX: Final = 20_000
CLASS_PROFILE, CLASS_ASSOCIATION_SN, CLASS_ASSOCIATION_LN, CLASS_PUSH = 7, 12, 15, 40
BUFFER: Final = (CLASS_PROFILE, 2)

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


class NamedObject(NamedTuple):
    """An object behind a base name."""

    class_id: int
    version: int
    obis: bytes


@dataclass(slots=True)
class Knowledge:
    """Of one logical device. Logical names are plain bytes.

    versions: by class and logical name. scaler_units: by class, logical name and the attribute that holds them.
    columns, periods_s: of profiles. pushes: object lists of push setups. bases: objects by base name.
    """

    versions: dict[tuple[int, bytes], int] = field(default_factory=dict)
    scaler_units: dict[tuple[int, bytes, int], ScalerUnit] = field(default_factory=dict)
    columns: dict[bytes, tuple[CaptureObject, ...]] = field(default_factory=dict)
    periods_s: dict[bytes, int] = field(default_factory=dict)
    pushes: dict[bytes, tuple[CaptureObject, ...]] = field(default_factory=dict)
    bases: dict[int, NamedObject] = field(
        default_factory=lambda: {
            base: NamedObject(class_id, 0, bytes(obis)) for (class_id, obis), base in RESERVED_BASES.items()
        }
    )

    def copy(self) -> Knowledge:
        return Knowledge(**{each.name: dict(getattr(self, each.name)) for each in fields(self)})

    # learning

    def learn(self, subject: Subject, encoded: bytes) -> bool:
        """Take in the value of an attribute; whether it says anything about the device's objects."""
        if isinstance(subject, MethodDescriptor):
            return False
        teach = _TEACHERS.get((subject.class_id, subject.attribute))
        if teach is None and scaler_attribute(subject.class_id) != subject.attribute:
            return False
        try:
            value, _ = axdr.decode_value(encoded)
            if teach is None:
                key = (subject.class_id, bytes(subject.obis), subject.attribute)
                _keep(self.scaler_units, key, ScalerUnit.from_value(value))
            else:
                teach(self, bytes(subject.obis), value)
        except RemoteProtocolError:
            return False  # a fault stands in the tree already; another shape says nothing
        return True

    def _learn_objects(self, _obis: bytes, value: Any) -> None:
        for element in object_list_from_value(value):
            _keep(self.versions, (element.class_id, bytes(element.logical_name)), element.version)

    def _learn_bases(self, _obis: bytes, value: Any) -> None:
        for element in sn_object_list_from_value(value):
            found = NamedObject(element.class_id, element.version, bytes(element.logical_name))
            _keep(self.bases, element.base_name, found)
            _keep(self.versions, (found.class_id, found.obis), found.version)

    def _learn_columns(self, obis: bytes, value: Any) -> None:
        _keep(self.columns, obis, columns_in(value))

    def _learn_period(self, obis: bytes, value: Any) -> None:
        if type(value) is int and value >= 0:
            _keep(self.periods_s, obis, value)

    def _learn_push(self, obis: bytes, value: Any) -> None:
        _keep(self.pushes, obis, columns_in(value))

    # telling

    def scaler_unit(self, class_id: int, obis: bytes, attribute: int) -> ScalerUnit | None:
        """Scaler and unit of the number in that attribute."""
        holder = scaler_attribute(class_id, attribute)
        return None if holder is None else self.scaler_units.get((class_id, bytes(obis), holder))

    def shape(self, subject: Subject | None) -> Shape:
        """What is known of the value of an attribute or the parameter of a method."""
        if isinstance(subject, AttributeDescriptor) and (subject.class_id, subject.attribute) == BUFFER:
            columns = self.columns.get(bytes(subject.obis), ())
            return rows_of(tuple(map(self.column_text, columns)))
        version = None if subject is None else self.versions.get((subject[0], bytes(subject[1])))
        return shape_of(subject, version)

    def text(self, subject: Subject) -> str:
        """ "3/1.0.1.8.0.255/2 Register.value, active energy import (+A), total", by the version of that object."""
        class_id, obis, index = subject
        version = self.versions.get((class_id, bytes(obis)))
        known = version if interface_class(class_id, version) is not None else None
        is_method = isinstance(subject, MethodDescriptor)
        called = (name_of_method if is_method else name_of)(class_id, index, known)
        what = name(obis)
        return f"{subject_code(subject)} {called}, {what}" if what else f"{subject_code(subject)} {called}"

    def column_text(self, column: CaptureObject) -> str:
        """ "1.0.1.8.0.255 (active energy import (+A), total) [Wh]": a column of a profile or of a push."""
        unit = self.scaler_unit(column.class_id, column.obis, column.attribute)
        sign = f" [{unit.unit_name}]" if unit is not None and unit.unit_name else ""
        return column_name(*column) + sign

    def behind(self, short_name: int) -> Subject | None:
        """What a short name stands for: the object with the nearest base name below it that has so many names."""
        for base in sorted((base for base in self.bases if base <= short_name), reverse=True)[:1]:
            return _within(self.bases[base], short_name - base)
        return None


def columns_in(value: Any) -> tuple[CaptureObject, ...]:
    """Capture objects, or the first four members of a push's objects. Raises RemoteProtocolError for other shapes."""
    if not isinstance(value, list) or not all(isinstance(item, tuple) for item in value):
        raise RemoteProtocolError("not a list of capture objects")
    return capture_objects_from_value([item[:4] for item in value])


def _within(found: NamedObject, offset: int) -> Subject | None:
    known = interface_class(found.class_id, found.version) or interface_class(found.class_id)
    if offset % STEP or known is None:
        return None
    methods_at = method_offset(found.class_id, found.version)
    if offset // STEP < len(known.attributes):
        return AttributeDescriptor(found.class_id, found.obis, offset // STEP + 1)
    if methods_at is not None and 0 <= (offset - methods_at) // STEP < len(known.methods):
        return MethodDescriptor(found.class_id, found.obis, (offset - methods_at) // STEP + 1)
    return None


def _keep(table: dict[KeyT, ValueT], key: KeyT, value: ValueT) -> None:
    if key in table or len(table) < ENTRIES_MAX:
        table[key] = value


_TEACHERS: Final[Mapping[tuple[int, int], Any]] = {
    (CLASS_PROFILE, 3): Knowledge._learn_columns,
    (CLASS_PROFILE, 4): Knowledge._learn_period,
    (CLASS_ASSOCIATION_LN, 2): Knowledge._learn_objects,
    (CLASS_ASSOCIATION_SN, 2): Knowledge._learn_bases,
    (CLASS_PUSH, 2): Knowledge._learn_push,
}

"""What each COSEM interface class is made of: names and types of attributes and methods by their index.

Both roles read this table: the server checks indices and types against it, the client, the scan and the inspector name
what they see. The declarations stand in `classes/`, a file for each family; a class that is not there is shown by its
number, and its values are still data.

Source: docs/protocols/cosem-objects.md §1; attribute order [V] unless that page says otherwise.
"""

from __future__ import annotations

from typing import Final

from hes.dlms.cosem.classes import (
    access,
    communication,
    mbus_and_zigbee,
    payment,
    power_line,
    registers,
    time_and_control,
)
from hes.dlms.cosem.classes.access import (
    ASSOCIATION_LN,
    ASSOCIATION_LN_0,
    ASSOCIATION_LN_2,
    ASSOCIATION_LN_3,
    ASSOCIATION_SN,
    SAP_ASSIGNMENT,
    SECURITY_SETUP,
    SECURITY_SETUP_1,
)
from hes.dlms.cosem.classes.declaration import InterfaceClass, declare
from hes.dlms.cosem.classes.registers import (
    DATA,
    DEMAND_REGISTER,
    EXTENDED_REGISTER,
    PROFILE_GENERIC,
    REGISTER,
    REGISTER_ACTIVATION,
    REGISTER_TABLE,
)
from hes.dlms.cosem.classes.time_and_control import (
    ACTIVITY_CALENDAR,
    CLOCK,
    DISCONNECT_CONTROL,
    SCHEDULE,
    SCRIPT_TABLE,
    SINGLE_ACTION_SCHEDULE,
    SPECIAL_DAYS,
)
from hes.dlms.cosem.value_types import ANYTHING, ValueType
from hes.dlms.data import Data

__all__ = [
    "ACTIVITY_CALENDAR",
    "ASSOCIATION_LN",
    "ASSOCIATION_LN_0",
    "ASSOCIATION_LN_2",
    "ASSOCIATION_LN_3",
    "ASSOCIATION_SN",
    "CLASSES",
    "CLOCK",
    "DATA",
    "DEMAND_REGISTER",
    "DISCONNECT_CONTROL",
    "EXTENDED_REGISTER",
    "PROFILE_GENERIC",
    "REGISTER",
    "REGISTER_ACTIVATION",
    "REGISTER_TABLE",
    "SAP_ASSIGNMENT",
    "SCHEDULE",
    "SCRIPT_TABLE",
    "SECURITY_SETUP",
    "SECURITY_SETUP_1",
    "SINGLE_ACTION_SCHEDULE",
    "SPECIAL_DAYS",
    "InterfaceClass",
    "attribute_type",
    "conforms",
    "declare",
    "interface_class",
    "method_type",
    "name_of",
    "name_of_method",
]  # fmt: skip

CLASSES: Final[dict[tuple[int, int], InterfaceClass]] = {
    (declared.class_id, declared.version): declared
    for family in (registers, access, time_and_control, communication, mbus_and_zigbee, power_line, payment)
    for declared in family.CLASSES
}
"""Every declared class by (class_id, version)."""

_NEWEST: Final[dict[int, InterfaceClass]] = {
    class_id: CLASSES[class_id, version] for class_id, version in sorted(CLASSES)
}


def interface_class(class_id: int, version: int | None = None) -> InterfaceClass | None:
    """The class in that version, or in the newest version known here; None when it is not in the table."""
    return _NEWEST.get(class_id) if version is None else CLASSES.get((class_id, version))


def name_of(class_id: int, attribute: int, version: int | None = None) -> str:
    """Name of an attribute for people: "Register.value", or "class 9999 attribute 3" when it is not known."""
    known = interface_class(class_id, version)
    if known is None:
        return f"class {class_id} attribute {attribute}"
    if not 1 <= attribute <= len(known.attributes):
        return f"{known.name} attribute {attribute}"
    return f"{known.name}.{known.attributes[attribute - 1]}"


def name_of_method(class_id: int, method: int, version: int | None = None) -> str:
    """Name of a method for people: "Disconnect control.remote_reconnect", or by numbers when it is not known."""
    known = interface_class(class_id, version)
    if known is None:
        return f"class {class_id} method {method}"
    if not 1 <= method <= len(known.methods):
        return f"{known.name} method {method}"
    return f"{known.name}.{known.methods[method - 1]}"


def attribute_type(class_id: int, attribute: int, version: int | None = None) -> ValueType:
    """What that attribute may hold; anything where the class or the attribute is not known."""
    known = interface_class(class_id, version)
    return ANYTHING if known is None else known.attribute_type(attribute)


def method_type(class_id: int, method: int, version: int | None = None) -> ValueType:
    """What that method takes; anything where the class or the method is not known."""
    known = interface_class(class_id, version)
    return ANYTHING if known is None else known.method_type(method)


def conforms(class_id: int, version: int | None, attribute: int, data: Data) -> str | None:
    """Why `data` cannot be the value of that attribute, in one sentence; None when it can.

    A class or a version that is not in the table takes anything; so does a manufacturer's own attribute (below 1).
    """
    known = interface_class(class_id, version)
    return None if known is None or attribute < 1 else known.mismatch(attribute, data)

"""SAP assignment, class 17: which logical devices stand behind which SAPs.

Source: docs/protocols/cosem-objects.md §1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from hes.dlms import axdr, data
from hes.dlms.cosem import interface_classes
from hes.dlms.cosem.access import EVERYONE, Role
from hes.dlms.cosem.cosem_object import CosemObject, attribute
from hes.dlms.obis import Obis
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

SAP_ASSIGNMENT_NAME: Final = Obis.parse("0.0.41.0.0.255")


class SapAssignment(CosemObject[I]):
    """Class 17, SAP assignment."""

    __slots__ = ()

    def __init__(
        self,
        logical_devices: Callable[[I], Mapping[int, bytes]],
        logical_name: Obis | str = SAP_ASSIGNMENT_NAME,
        *,
        readable: Role = EVERYONE,
    ) -> None:
        """logical_devices: instance -> name (octets) by server SAP."""

        def read(instance: I, _now_s: float) -> bytes:
            names = sorted(logical_devices(instance).items())
            return axdr.encode(data.array(data.structure(data.u16(sap), data.octets(name)) for sap, name in names))

        super().__init__(interface_classes.SAP_ASSIGNMENT, logical_name, {2: attribute(read, readable=readable)})


def sap_list_from_value(value: Any) -> dict[int, bytes]:
    """Attribute 2 as a meter sent it, as plain values: name by SAP. Raises RemoteProtocolError for any other shape."""
    try:
        return {int(sap): bytes(name) for sap, name in value}
    except (TypeError, ValueError) as error:
        raise RemoteProtocolError(f"not a SAP assignment list: {value!r}") from error

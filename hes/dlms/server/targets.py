"""The objects of a logical device as the services reach them: by class, logical name and index.

Attribute 0 stands for all attributes, in the order of their indices, as one structure; null-data stands for those that
may not be read, or are not to be written. It exists only where it was negotiated.

Source: docs/protocols/dlms-roles.md §2 (what is answered when, attribute 0).
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

from hes.dlms import axdr
from hes.dlms.apdu import AttributeDescriptor, MethodDescriptor
from hes.dlms.codes import ActionResult, Conformance, DataAccessResult
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.cosem_object import ActionReply, CosemObject
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

_NULL: Final = b"\x00"
_STRUCTURE: Final = b"\x02"
_ATTRIBUTE0_GET, _ATTRIBUTE0_SET = int(Conformance.ATTRIBUTE0_GET), int(Conformance.ATTRIBUTE0_SET)
_NOT_FOUND: Final = ActionReply(ActionResult.OBJECT_UNDEFINED)
_OTHER_CLASS: Final = ActionReply(ActionResult.OBJECT_CLASS_INCONSISTENT)


class Targets(Generic[I]):
    """Reading, writing and invoking within one association."""

    __slots__ = ("_all_readable", "_all_writable", "_context", "_find")

    def __init__(self, context: Context[I]) -> None:
        self._context = context
        self._find = context.device.finder(context)
        self._all_readable = bool(int(context.conformance) & _ATTRIBUTE0_GET)
        self._all_writable = bool(int(context.conformance) & _ATTRIBUTE0_SET)

    def read(self, descriptor: tuple[int, bytes, int], selection: bytes) -> bytes | DataAccessResult:
        """The encoded attribute, or why it cannot be read."""
        class_id, obis, index = descriptor
        found = self._find(obis)
        if found is None:
            return DataAccessResult.OBJECT_UNDEFINED
        if found.interface_class.class_id != class_id:
            return DataAccessResult.OBJECT_CLASS_INCONSISTENT
        if index == 0 and self._all_readable:
            return DataAccessResult.SCOPE_OF_ACCESS_VIOLATED if selection else self._read_all(found)
        return found.get(self._context, index, selection)

    def write(self, descriptor: AttributeDescriptor, selection: bytes, encoded: bytes) -> DataAccessResult:
        """Write one attribute from its encoded value."""
        class_id, obis, index = descriptor
        found = self._find(obis)
        if found is None:
            return DataAccessResult.OBJECT_UNDEFINED
        if found.interface_class.class_id != class_id:
            return DataAccessResult.OBJECT_CLASS_INCONSISTENT
        if index == 0 and self._all_writable:
            return DataAccessResult.SCOPE_OF_ACCESS_VIOLATED if selection else self._write_all(found, encoded)
        return found.set(self._context, index, encoded, selection)

    def invoke(self, descriptor: MethodDescriptor, encoded: bytes | None) -> ActionReply:
        """Invoke one method with its encoded parameters (None: none were sent)."""
        class_id, obis, index = descriptor
        found = self._find(obis)
        if found is None:
            return _NOT_FOUND
        if found.interface_class.class_id != class_id:
            return _OTHER_CLASS
        return found.act(self._context, index, encoded)

    def _read_all(self, found: CosemObject[I]) -> bytes | DataAccessResult:
        count = len(found.interface_class.attributes)
        values = [found.get(self._context, index) for index in range(1, count + 1)]
        if not any(isinstance(value, bytes) for value in values):
            return DataAccessResult.READ_WRITE_DENIED
        encoded = [value if isinstance(value, bytes) else _NULL for value in values]
        return _STRUCTURE + axdr.encode_length(count) + b"".join(encoded)

    def _write_all(self, found: CosemObject[I], encoded: bytes) -> DataAccessResult:
        """The first attribute that cannot be written ends it; those before it stay written [A]."""
        count = len(found.interface_class.attributes)
        values = _elements(encoded, count)
        if values is None:
            return DataAccessResult.TYPE_UNMATCHED
        for index, value in enumerate(values, 1):
            if value == _NULL:
                continue
            result = found.set(self._context, index, value)
            if result is not DataAccessResult.SUCCESS:
                return result
        return DataAccessResult.SUCCESS


def _elements(encoded: bytes, count: int) -> list[bytes] | None:
    """The encoded elements of a structure of `count`; None for anything else."""
    head = _STRUCTURE + axdr.encode_length(count)
    if not encoded.startswith(head):
        return None
    values, start = [], len(head)
    try:
        for _ in range(count):
            end = axdr.skip(encoded, start)
            values.append(encoded[start:end])
            start = end
    except RemoteProtocolError:
        return None
    return values if start == len(encoded) else None

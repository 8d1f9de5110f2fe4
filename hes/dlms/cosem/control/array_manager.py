"""Array manager, class 123: arrays of other objects read and changed entry by entry.

The rights are those of the arrays themselves: what the client may not read or write there, it may not here either.

Source: docs/protocols/cosem-functions.md §3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from hes.dlms import axdr, data, selective_access
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem.access import READERS, Role
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.control.monitored_value import AttributeReference
from hes.dlms.cosem.cosem_object import ActionReply, CosemObject, Method
from hes.dlms.cosem.inner_calls import as_action_result, elements, members, number
from hes.dlms.cosem.interface_classes import CLASSES
from hes.dlms.cosem.object_state import StatefulObject
from hes.dlms.cosem.stateful_method import Answer
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

ARRAYS_MAX: Final = 64  # [A]
CLASS_PROFILE: Final = 7
PROFILE_BUFFER: Final = 2
ENTRIES_IN_USE: Final = 7


@dataclass(frozen=True, slots=True)
class ManagedArray:
    """An array by its number."""

    array_id: int
    where: AttributeReference

    def to_data(self) -> Data:
        return data.structure(data.u8(self.array_id), self.where.to_data())

    @classmethod
    def from_data(cls, value: Data) -> ManagedArray:
        """Raises RemoteProtocolError for any other shape."""
        array_id, where = members(value, 2)
        return cls(number(array_id, Tag.UNSIGNED), AttributeReference.from_data(where))


@dataclass(frozen=True, slots=True)
class ArrayManagerState:
    arrays: tuple[ManagedArray, ...] = ()


class ArrayManager(StatefulObject[I, ArrayManagerState]):
    """Class 123, Array manager. Entries are counted from 1."""

    __slots__ = ()

    def __init__(
        self,
        logical_name: Obis | str,
        initial: ArrayManagerState,
        *,
        readable: Role = READERS,
        writable: Role = Role.MANAGEMENT,
        invocable: Role = READERS,
    ) -> None:
        """invocable: whoever may read or write one of the arrays; the arrays decide for themselves."""

        def method(parse: Callable[[Data], tuple[int, Any]], work: Callable[..., Answer]) -> Method[I]:
            def invoke(context: Context[I], parameters: Data | None) -> Answer:
                try:
                    array_id, wanted = parse(Data(Tag.NULL, None) if parameters is None else parameters)
                except RemoteProtocolError:
                    return ActionResult.TYPE_UNMATCHED
                found = self._find(context, array_id)
                return ActionResult.OBJECT_UNDEFINED if found is None else work(context, *found, wanted)

            return Method(invoke=invoke, invocable=invocable)

        super().__init__(
            CLASSES[123, 0],
            logical_name,
            {2: self.stored("arrays", _arrays_data, _arrays, readable=readable, writable=writable)},
            {
                1: method(lambda value: (number(value, Tag.UNSIGNED), None), _count),
                2: method(_range, _retrieve),
                3: method(_entry, _insert),
                4: method(_entry, _update),
                5: method(_range, _remove),
            },
            initial=initial,
        )

    def _find(self, context: Context[I], array_id: int) -> tuple[CosemObject[I], int] | None:
        for entry in self.state(context).arrays:
            if entry.array_id == array_id:
                target = context.device.find(entry.where.logical_name)
                if target is not None and target.interface_class.class_id == entry.where.class_id:
                    return target, entry.where.attribute
        return None


def _read(
    context: Context[I], target: CosemObject[I], index: int, selection: bytes = b""
) -> tuple[Data, ...] | ActionResult:
    """The elements of the array as this client sees them."""
    encoded = target.get(context, index, selection)
    if isinstance(encoded, DataAccessResult):
        return as_action_result(encoded)
    try:
        value = axdr.decode_all(encoded)
    except RemoteProtocolError:
        return ActionResult.OTHER_REASON
    if value.tag is not Tag.ARRAY:
        return ActionResult.TYPE_UNMATCHED
    held: tuple[Data, ...] = value.value
    return held


def _write(context: Context[I], target: CosemObject[I], index: int, held: list[Data]) -> ActionResult:
    return as_action_result(target.set(context, index, axdr.encode(data.array(held))))


def _count(context: Context[I], target: CosemObject[I], index: int, _wanted: None) -> Answer:
    """The number of entries: of a profile from its entries_in_use, else in the smallest type that holds it [V]."""
    if target.interface_class.class_id == CLASS_PROFILE and index == PROFILE_BUFFER:
        encoded = target.get(context, ENTRIES_IN_USE)
        if isinstance(encoded, DataAccessResult):
            return as_action_result(encoded)
        return ActionReply(ActionResult.SUCCESS, encoded)
    held = _read(context, target, index)
    if isinstance(held, ActionResult):
        return held
    count = len(held)
    typed = data.u8(count) if count <= 0xFF else data.u16(count) if count <= 0xFFFF else data.u32(count)
    return ActionReply(ActionResult.SUCCESS, axdr.encode(typed))


def _retrieve(context: Context[I], target: CosemObject[I], index: int, wanted: tuple[int, int]) -> Answer:
    """The entries of a range; what lies behind the end is left out, a range that is none is OTHER_REASON [A]."""
    first, last = wanted
    if not 0 < first <= last:
        return ActionResult.OTHER_REASON
    declared = target.attributes.get(index)
    if declared is not None and selective_access.BY_ENTRY in declared.selectors:
        encoded = target.get(context, index, selective_access.by_entry(first, last))
        if isinstance(encoded, DataAccessResult):
            return as_action_result(encoded)
        return ActionReply(ActionResult.SUCCESS, encoded)
    held = _read(context, target, index)
    if isinstance(held, ActionResult):
        return held
    return ActionReply(ActionResult.SUCCESS, axdr.encode(data.array(held[first - 1 : last])))


def _insert(context: Context[I], target: CosemObject[I], index: int, wanted: tuple[int, Data]) -> Answer:
    """Behind the entry of that number; 0 is in front of all, and a number behind the end is the end [V]."""
    held = _read(context, target, index)
    if isinstance(held, ActionResult):
        return held
    position, entry = wanted
    return _write(context, target, index, [*held[:position], entry, *held[position:]])


def _update(context: Context[I], target: CosemObject[I], index: int, wanted: tuple[int, Data]) -> Answer:
    held = _read(context, target, index)
    if isinstance(held, ActionResult):
        return held
    position, entry = wanted
    if not 0 < position <= len(held):
        return ActionResult.OTHER_REASON
    return _write(context, target, index, [*held[: position - 1], entry, *held[position:]])


def _remove(context: Context[I], target: CosemObject[I], index: int, wanted: tuple[int, int]) -> Answer:
    held = _read(context, target, index)
    if isinstance(held, ActionResult):
        return held
    first, last = wanted
    if not 0 < first <= last or first > len(held):
        return ActionResult.OTHER_REASON
    return _write(context, target, index, [*held[: first - 1], *held[last:]])


def _range(value: Data) -> tuple[int, tuple[int, int]]:
    array_id, ends = members(value, 2)
    first, last = (number(end, Tag.LONG_UNSIGNED) for end in members(ends, 2))
    return number(array_id, Tag.UNSIGNED), (first, last)


def _entry(value: Data) -> tuple[int, tuple[int, Data]]:
    array_id, placed = members(value, 2)
    position, entry = members(placed, 2)
    return number(array_id, Tag.UNSIGNED), (number(position, Tag.LONG_UNSIGNED), entry)


def _arrays(value: Data) -> tuple[ManagedArray, ...]:
    return tuple(ManagedArray.from_data(element) for element in elements(value, ARRAYS_MAX))


def _arrays_data(arrays: tuple[ManagedArray, ...]) -> Data:
    return data.array(entry.to_data() for entry in arrays)

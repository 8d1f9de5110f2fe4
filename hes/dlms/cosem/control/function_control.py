"""Function control, class 122: named functions of a meter, each a list of objects, switched on and off.

What a function does when it is off is the host's: it asks `is_active` or is told through `switched`.

Source: docs/protocols/cosem-functions.md §2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeAlias, TypeVar

from hes.dlms import data
from hes.dlms.codes import ActionResult
from hes.dlms.cosem.access import READERS, Role
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.inner_calls import elements, logical_name_of, members, number, octet_string
from hes.dlms.cosem.interface_classes import CLASSES
from hes.dlms.cosem.object_state import StatefulObject
from hes.dlms.cosem.stateful_method import Answer, stateful_method
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

FUNCTIONS_MAX: Final = 64  # [A]
OBJECTS_MAX: Final = 256  # of one function [A]
NAME_OCTETS_MAX: Final = 64  # [A]

Switched: TypeAlias = Callable[[I, float, bytes, bool], None]
"""(instance, now_s, name of the function, active)"""


@dataclass(frozen=True, slots=True)
class MeterFunction:
    """objects: (class, logical name) of what belongs to it."""

    name: bytes
    objects: tuple[tuple[int, Obis], ...] = ()
    active: bool = True

    def to_data(self) -> Data:
        listed = data.array(data.structure(data.u16(class_id), data.octets(name)) for class_id, name in self.objects)
        return data.structure(data.octets(self.name), listed)

    @classmethod
    def from_data(cls, value: Data) -> MeterFunction:
        """Raises RemoteProtocolError for any other shape."""
        name, listed = members(value, 2)
        rows = [members(element, 2) for element in elements(listed, OBJECTS_MAX)]
        objects = tuple((number(class_id, Tag.LONG_UNSIGNED), logical_name_of(held)) for class_id, held in rows)
        return cls(function_name(name), objects)


@dataclass(frozen=True, slots=True)
class FunctionControlState:
    functions: tuple[MeterFunction, ...] = ()


class FunctionControl(StatefulObject[I, FunctionControlState]):
    """Class 122, Function control. A function that is added is active [V]; one that is added again is replaced [V]."""

    __slots__ = ("_switched",)

    def __init__(
        self,
        logical_name: Obis | str,
        initial: FunctionControlState,
        *,
        switched: Switched[I] | None = None,
        readable: Role = READERS,
        invocable: Role = Role.MANAGEMENT,
    ) -> None:
        self._switched = switched
        super().__init__(
            CLASSES[122, 0],
            logical_name,
            {
                2: self.stored("functions", _status_data, readable=readable),
                3: self.stored("functions", _functions_data, readable=readable),
            },
            {
                1: stateful_method(self, _statuses, self._set_status, invocable=invocable),
                2: stateful_method(self, MeterFunction.from_data, _add, invocable=invocable),
                3: stateful_method(self, function_name, _remove, invocable=invocable),
            },
            initial=initial,
        )

    def is_active(self, context: Context[I], name: bytes) -> bool:
        """False for a function that there is not."""
        return any(entry.active for entry in self.state(context).functions if entry.name == name)

    def _set_status(
        self, context: Context[I], state: FunctionControlState, wanted: tuple[tuple[bytes, bool], ...]
    ) -> tuple[FunctionControlState, Answer]:
        """All of them, or none: a name that there is not is OTHER_REASON [A]."""
        statuses = dict(wanted)
        if statuses.keys() - {entry.name for entry in state.functions}:
            return state, ActionResult.OTHER_REASON
        changed = tuple(replace(entry, active=statuses.get(entry.name, entry.active)) for entry in state.functions)
        for before, after in zip(state.functions, changed, strict=True):
            if before.active is not after.active and self._switched is not None:
                self._switched(context.instance, context.now_s, after.name, after.active)
        return FunctionControlState(changed), ActionResult.SUCCESS


def function_name(value: Data) -> bytes:
    """Raises RemoteProtocolError for anything but an octet-string of 1..NAME_OCTETS_MAX."""
    name = octet_string(value)
    if not 0 < len(name) <= NAME_OCTETS_MAX:
        raise RemoteProtocolError(f"a name of {len(name)} octets")
    return name


def _statuses(value: Data) -> tuple[tuple[bytes, bool], ...]:
    rows = [members(element, 2) for element in elements(value, FUNCTIONS_MAX)]
    return tuple((function_name(name), bool(number(active, Tag.BOOLEAN))) for name, active in rows)


def _add(
    _context: Context[I], state: FunctionControlState, added: MeterFunction
) -> tuple[FunctionControlState, Answer]:
    others = tuple(entry for entry in state.functions if entry.name != added.name)
    if len(others) >= FUNCTIONS_MAX:
        return state, ActionResult.OTHER_REASON
    return FunctionControlState((*others, added)), ActionResult.SUCCESS


def _remove(_context: Context[I], state: FunctionControlState, name: bytes) -> tuple[FunctionControlState, Answer]:
    others = tuple(entry for entry in state.functions if entry.name != name)
    if len(others) == len(state.functions):
        return state, ActionResult.OTHER_REASON
    return FunctionControlState(others), ActionResult.SUCCESS


def _status_data(functions: tuple[MeterFunction, ...]) -> Data:
    return data.array(data.structure(data.octets(entry.name), data.boolean(entry.active)) for entry in functions)


def _functions_data(functions: tuple[MeterFunction, ...]) -> Data:
    return data.array(entry.to_data() for entry in functions)

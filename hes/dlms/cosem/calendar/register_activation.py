"""Register activation, class 6: which registers count now, the tariffs among them.

The registers of the active mask count; the others that are assigned do not. Registers that are assigned nowhere always
count. What measures asks `counts`.

Source: docs/protocols/cosem-objects.md §1 (register activation).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from hes.dlms import data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem import interface_classes
from hes.dlms.cosem.access import READERS, Role
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.inner_calls import elements, logical_name_of, members, number, octet_string
from hes.dlms.cosem.object_state import StatefulObject
from hes.dlms.cosem.stateful_method import Answer, stateful_method
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

REGISTERS_MAX: Final = 255  # an index of a mask is one octet, from 1 on
MASKS_MAX: Final = 64  # [A]


@dataclass(frozen=True, slots=True)
class AssignedRegister:
    """A Register, Extended register or Demand register that the object switches."""

    class_id: int
    logical_name: Obis

    def to_data(self) -> Data:
        return data.structure(data.u16(self.class_id), data.octets(self.logical_name))

    @classmethod
    def from_data(cls, value: Data) -> AssignedRegister:
        """Raises RemoteProtocolError for any other shape."""
        class_id, name = members(value, 2)
        return cls(number(class_id, Tag.LONG_UNSIGNED), logical_name_of(name))


@dataclass(frozen=True, slots=True)
class Mask:
    """indices: into the assignment, from 1 on."""

    name: bytes
    indices: tuple[int, ...]

    def to_data(self) -> Data:
        return data.structure(data.octets(self.name), data.array(data.u8(index) for index in self.indices))

    @classmethod
    def from_data(cls, value: Data) -> Mask:
        """Raises RemoteProtocolError for any other shape."""
        name, indices = members(value, 2)
        listed = tuple(number(index, Tag.UNSIGNED) for index in elements(indices, REGISTERS_MAX))
        return cls(octet_string(name), listed)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationState:
    registers: tuple[AssignedRegister, ...] = ()
    masks: tuple[Mask, ...] = ()
    active_mask: bytes = b""


class RegisterActivation(StatefulObject[I, ActivationState]):
    """Class 6, Register activation."""

    __slots__ = ()

    def __init__(
        self,
        logical_name: Obis | str,
        initial: ActivationState = ActivationState(),
        *,
        readable: Role = READERS,
        writable: Role = Role.MANAGEMENT,
    ) -> None:
        """Attributes 2 and 3 are changed by the methods; attribute 4, the active mask, is written."""
        super().__init__(
            interface_classes.REGISTER_ACTIVATION,
            logical_name,
            {
                2: self.stored("registers", _array, readable=readable),
                3: self.stored("masks", _array, readable=readable),
                4: self.stored(
                    "active_mask", data.octets, octet_string, apply=_activate, readable=readable, writable=writable
                ),
            },
            {
                1: stateful_method(self, AssignedRegister.from_data, _add_register, invocable=writable),
                2: stateful_method(self, Mask.from_data, _add_mask, invocable=writable),
                3: stateful_method(self, octet_string, _delete_mask, invocable=writable),
            },
            initial=initial,
        )

    def counts(self, context: Context[I], class_id: int, logical_name: bytes) -> bool:
        """Whether this object lets that register count now."""
        state = self.state(context)
        places = {
            index
            for index, register in enumerate(state.registers, 1)
            if (register.class_id, register.logical_name) == (class_id, logical_name)
        }
        active = next((mask.indices for mask in state.masks if mask.name == state.active_mask), ())
        return not places or not places.isdisjoint(active)


def counts(context: Context[I], class_id: int, logical_name: bytes) -> bool:
    """Whether a register of the device counts now: no object that it is assigned to keeps it from that."""
    return all(
        entry.counts(context, class_id, logical_name)
        for entry in context.device
        if isinstance(entry, RegisterActivation)
    )


def _array(entries: Iterable[AssignedRegister | Mask]) -> Data:
    return data.array(entry.to_data() for entry in entries)


def _activate(_context: Context[I], state: ActivationState, name: bytes) -> ActivationState | DataAccessResult:
    """A mask that is not there is refused [A]; an empty name lets none of the assigned registers count."""
    if name and all(mask.name != name for mask in state.masks):
        return DataAccessResult.OTHER_REASON
    return replace(state, active_mask=name)


def _add_register(
    _context: Context[I], state: ActivationState, register: AssignedRegister
) -> tuple[ActivationState, Answer]:
    """One that is assigned already stays where it is."""
    if register in state.registers:
        return state, ActionResult.SUCCESS
    if len(state.registers) >= REGISTERS_MAX:
        return state, ActionResult.OTHER_REASON
    return replace(state, registers=(*state.registers, register)), ActionResult.SUCCESS


def _add_mask(_context: Context[I], state: ActivationState, mask: Mask) -> tuple[ActivationState, Answer]:
    """A mask of the same name is overwritten; one that names a register which is not there is refused [A]."""
    kept = tuple(held for held in state.masks if held.name != mask.name)
    wrong = any(not 1 <= index <= len(state.registers) for index in mask.indices)
    if wrong or len(kept) >= MASKS_MAX:
        return state, ActionResult.OTHER_REASON
    return replace(state, masks=(*kept, mask)), ActionResult.SUCCESS


def _delete_mask(_context: Context[I], state: ActivationState, name: bytes) -> tuple[ActivationState, Answer]:
    """The active mask cannot be deleted, and one that is not there neither [A]."""
    kept = tuple(mask for mask in state.masks if mask.name != name)
    if len(kept) == len(state.masks) or name == state.active_mask:
        return state, ActionResult.OTHER_REASON
    return replace(state, masks=kept), ActionResult.SUCCESS

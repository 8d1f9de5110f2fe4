"""Register table, class 61: one attribute of many objects whose names differ in group E only, side by side.

Source: docs/protocols/cosem-objects.md §1 (register table).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, TypeVar

from hes.dlms import data
from hes.dlms.codes import ActionResult
from hes.dlms.cosem import interface_classes
from hes.dlms.cosem.access import READERS, Role
from hes.dlms.cosem.captured.profile_store import NULL
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.cosem_object import Attribute, Method
from hes.dlms.cosem.inner_calls import elements, logical_name_of, members, number
from hes.dlms.cosem.object_state import StatefulObject
from hes.dlms.cosem.profile_generic import array_of
from hes.dlms.cosem.registers import ScalerUnit
from hes.dlms.cosem.stateful_method import Answer, no_parameters, stateful_method
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

CELLS_MAX: Final = 256
GROUP_E: Final = 4


@dataclass(frozen=True, slots=True)
class CellDefinition:
    """Attribute `attribute` of the objects with that name, group E replaced by each of `group_e`."""

    class_id: int
    logical_name: Obis
    group_e: tuple[int, ...]
    attribute: int

    def to_data(self) -> Data:
        return data.structure(
            data.u16(self.class_id),
            data.octets(self.logical_name),
            data.array(map(data.u8, self.group_e)),
            data.i8(self.attribute),
        )

    @classmethod
    def from_data(cls, value: Data) -> CellDefinition:
        """Raises RemoteProtocolError for any other shape."""
        class_id, name, group_e, attribute = members(value, 4)
        return cls(
            number(class_id, Tag.LONG_UNSIGNED),
            logical_name_of(name),
            tuple(number(each, Tag.UNSIGNED) for each in elements(group_e, CELLS_MAX)),
            number(attribute, Tag.INTEGER),
        )

    def names(self) -> list[Obis]:
        name = bytes(self.logical_name)
        return [Obis(name[:GROUP_E] + bytes((each,)) + name[GROUP_E + 1 :]) for each in self.group_e]


@dataclass(frozen=True, slots=True)
class RegisterTableState:
    """values: encoded, in the order of the definition; empty after a reset."""

    definition: CellDefinition
    scaler_unit: ScalerUnit
    values: tuple[bytes, ...] = ()


class RegisterTable(StatefulObject[I, RegisterTableState]):
    """Class 61, Register table."""

    __slots__ = ()

    def __init__(
        self,
        logical_name: Obis | str,
        definition: CellDefinition,
        scaler_unit: ScalerUnit,
        *,
        readable: Role = READERS,
        writable: Role = Role.MANAGEMENT,
    ) -> None:
        def with_definition(_context: Context[I], state: RegisterTableState, new: CellDefinition) -> RegisterTableState:
            """Another definition empties the table."""
            return RegisterTableState(new, state.scaler_unit)

        def values(context: Context[I], _selection: bytes) -> bytes:
            return array_of(self.state(context).values)

        def reset(
            _context: Context[I], state: RegisterTableState, _parameters: None
        ) -> tuple[RegisterTableState, Answer]:
            return replace(state, values=()), ActionResult.SUCCESS

        super().__init__(
            interface_classes.REGISTER_TABLE,
            logical_name,
            {
                2: Attribute(get=values, readable=readable),
                3: self.stored(
                    "definition",
                    CellDefinition.to_data,
                    CellDefinition.from_data,
                    apply=with_definition,
                    readable=readable,
                    writable=writable,
                ),
                4: self.stored("scaler_unit", ScalerUnit.to_data, readable=readable),
            },
            {
                1: stateful_method(self, no_parameters, reset, invocable=writable),
                2: Method(invoke=self._capture, invocable=writable),
            },
            initial=RegisterTableState(definition, scaler_unit),
        )

    def _capture(self, context: Context[I], _parameters: Data | None) -> ActionResult:
        self.capture(context)
        return ActionResult.SUCCESS

    def capture(self, context: Context[I]) -> None:
        """Copy what the objects say now; null-data for one that is not there."""
        state = self.state(context)
        wanted = state.definition
        values = tuple(
            context.device.read_encoded(context, wanted.class_id, name, wanted.attribute) or NULL
            for name in wanted.names()
        )
        self.put(context, replace(state, values=values))

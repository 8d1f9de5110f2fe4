"""Script table, class 9: named lists of actions on other objects of the device.

Source: docs/protocols/cosem-objects.md §5.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from hes.dlms import data
from hes.dlms.codes import ActionResult
from hes.dlms.cosem import interface_classes
from hes.dlms.cosem.access import READERS, Role
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.cosem_object import Method
from hes.dlms.cosem.inner_calls import ObjectAction, elements, members, number
from hes.dlms.cosem.object_state import StatefulObject
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

SCRIPTS_MAX: Final = 256  # [A]
ACTIONS_MAX: Final = 64  # of one script [A]


@dataclass(frozen=True, slots=True)
class Script:
    """identifier: 1..65535; 0 is no script."""

    identifier: int
    actions: tuple[ObjectAction, ...]

    def to_data(self) -> Data:
        return data.structure(data.u16(self.identifier), data.array(action.to_data() for action in self.actions))

    @classmethod
    def from_data(cls, value: Data) -> Script:
        """Raises RemoteProtocolError for any other shape."""
        identifier, actions = members(value, 2)
        return cls(
            number(identifier, Tag.LONG_UNSIGNED),
            tuple(ObjectAction.from_data(action) for action in elements(actions, ACTIONS_MAX)),
        )


@dataclass(frozen=True, slots=True)
class ScriptTableState:
    scripts: tuple[Script, ...] = ()


def scripts_data(scripts: Iterable[Script]) -> Data:
    return data.array(script.to_data() for script in scripts)


def scripts_from_data(value: Data) -> tuple[Script, ...]:
    """Attribute 2. Raises RemoteProtocolError for any other shape."""
    return tuple(Script.from_data(script) for script in elements(value, SCRIPTS_MAX))


class ScriptTable(StatefulObject[I, ScriptTableState]):
    """Class 9, Script table. Without `writable` the scripts are those of the profile."""

    __slots__ = ("_fixed",)

    def __init__(
        self,
        logical_name: Obis | str,
        scripts: Iterable[Script],
        *,
        readable: Role = READERS,
        writable: Role = Role.NOBODY,
        invocable: Role = Role.MANAGEMENT,
    ) -> None:
        self._fixed = not writable
        super().__init__(
            interface_classes.SCRIPT_TABLE,
            logical_name,
            {
                2: self.stored(
                    "scripts",
                    scripts_data,
                    scripts_from_data if writable else None,
                    readable=readable,
                    writable=writable,
                )
            },
            {1: Method(invoke=self._execute, invocable=invocable)},
            initial=ScriptTableState(tuple(scripts)),
        )

    @property
    def needs_states(self) -> bool:
        return not self._fixed

    def _execute(self, context: Context[I], parameters: Data | None) -> ActionResult:
        """All actions of the script, in order; the first failure is the result and does not stop the rest [A].

        A script that is not there is OBJECT_UNDEFINED [A].
        """
        try:
            selector = number(parameters or data.null(), Tag.LONG_UNSIGNED)
        except RemoteProtocolError:
            return ActionResult.TYPE_UNMATCHED
        script = next((entry for entry in self.state(context).scripts if entry.identifier == selector), None)
        if script is None or not selector:
            return ActionResult.OBJECT_UNDEFINED
        outcome = ActionResult.SUCCESS
        for action in script.actions:
            result = context.device.execute(context, action)
            outcome = result if outcome is ActionResult.SUCCESS else outcome
        return outcome

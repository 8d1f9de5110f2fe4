"""Parameter monitor, class 65: which of the listed parameters was changed last, when, and to what.

It hears of every attribute that a client, a script or a schedule writes. Version 0: the digest of version 1 needs a
list of hash algorithms that we found no public source for.

Source: docs/protocols/cosem-functions.md §7.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, TypeVar

from hes.dlms import axdr, data
from hes.dlms.codes import ActionResult
from hes.dlms.cosem.access import READERS, Role
from hes.dlms.cosem.clock import NO_DATE_TIME
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.control.monitored_value import NO_ATTRIBUTE, AttributeReference
from hes.dlms.cosem.cosem_object import CosemObject
from hes.dlms.cosem.inner_calls import elements
from hes.dlms.cosem.interface_classes import CLASSES
from hes.dlms.cosem.object_state import StatefulObject
from hes.dlms.cosem.stateful_method import Answer, stateful_method
from hes.dlms.data import Data
from hes.dlms.obis import Obis

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

PARAMETERS_MAX: Final = 256  # [A]
_NULL: Final = data.null()


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterMonitorState:
    parameters: tuple[AttributeReference, ...] = ()
    changed: AttributeReference = NO_ATTRIBUTE
    value: Data = _NULL
    capture_time: bytes = NO_DATE_TIME


class ParameterMonitor(StatefulObject[I, ParameterMonitorState]):
    """Class 65, Parameter monitor, version 0."""

    __slots__ = ()

    def __init__(
        self,
        logical_name: Obis | str,
        initial: ParameterMonitorState,
        *,
        readable: Role = READERS,
        writable: Role = Role.MANAGEMENT,
        invocable: Role = Role.MANAGEMENT,
    ) -> None:
        changed = self.stored("changed", _same, readable=readable)
        super().__init__(
            CLASSES[65, 0],
            logical_name,
            {
                2: replace(changed, get=self._changed),
                3: self.stored("capture_time", data.octets, readable=readable),
                4: self.stored("parameters", _list_data, _list, readable=readable, writable=writable),
            },
            {
                1: stateful_method(self, AttributeReference.from_data, _add, invocable=invocable),
                2: stateful_method(self, AttributeReference.from_data, _delete, invocable=invocable),
            },
            initial=initial,
        )

    def written(self, context: Context[I], target: CosemObject[I], index: int, value: Data) -> None:
        """An attribute was written: remember it if it is listed."""
        state = self.state(context)
        reference = AttributeReference(target.interface_class.class_id, target.logical_name, index)
        if reference not in state.parameters:
            return
        timekeeper = context.device.timekeeper
        now = timekeeper.local(context).octets(int(timekeeper.own_s(context)))
        self.put(context, replace(state, changed=reference, value=value, capture_time=now))

    def _changed(self, context: Context[I], _selection: bytes) -> bytes:
        state = self.state(context)
        reference: tuple[Data, ...] = state.changed.to_data().value
        return axdr.encode(data.structure(*reference, state.value))


def _same(value: Data) -> Data:
    return value


def _add(
    _context: Context[I], state: ParameterMonitorState, reference: AttributeReference
) -> tuple[ParameterMonitorState, Answer]:
    """One that is listed already goes to the end of the list [V]."""
    others = tuple(entry for entry in state.parameters if entry != reference)
    if len(others) >= PARAMETERS_MAX:
        return state, ActionResult.OTHER_REASON
    return replace(state, parameters=(*others, reference)), ActionResult.SUCCESS


def _delete(
    _context: Context[I], state: ParameterMonitorState, reference: AttributeReference
) -> tuple[ParameterMonitorState, Answer]:
    others = tuple(entry for entry in state.parameters if entry != reference)
    if len(others) == len(state.parameters):
        return state, ActionResult.OTHER_REASON
    return replace(state, parameters=others), ActionResult.SUCCESS


def _list(value: Data) -> tuple[AttributeReference, ...]:
    return tuple(AttributeReference.from_data(element) for element in elements(value, PARAMETERS_MAX))


def _list_data(parameters: tuple[AttributeReference, ...]) -> Data:
    return data.array(entry.to_data() for entry in parameters)

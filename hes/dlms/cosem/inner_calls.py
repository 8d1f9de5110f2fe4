"""Calls from one object to another of the same device: scripts, schedules, monitors and limiters act so.

An inner call has the rights of the device itself: what an attribute or method can do, it does, whoever may do it from
outside. What one trigger sets off is bounded, so that a script that calls itself comes to an end.

Source: docs/protocols/cosem-objects.md §5 (script table).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeVar

from hes.dlms import data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem.access import ClientAccess, Role
from hes.dlms.cosem.context import REQUEST_BITS, Context
from hes.dlms.cosem.cosem_object import ActionReply, CosemObject
from hes.dlms.data import Data, Tag
from hes.dlms.obis import OBIS_OCTETS, Obis
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

INNER_DEPTH_MAX: Final = 8  # calls within calls [A]
INNER_CALLS_MAX: Final = 1000  # calls that one trigger may set off [A]
CLASS_SCRIPT_TABLE: Final = 9
SCRIPT_EXECUTE: Final = 1

DEVICE_ITSELF: Final = ClientAccess(client_sap=0, role=Role(0xFFFF))


@dataclass(slots=True, kw_only=True, eq=False)
class InnerContext(Context[I]):
    """The device itself at work, at `now_s`. depth, calls: inner calls on the way, and begun so far.

    local: what is on the way was decided by a limiter, a monitor or a credit, not by a client or its schedule.
    """

    client: ClientAccess = DEVICE_ITSELF
    authenticated: bool = True
    encrypted: bool = True
    request_bits: int = REQUEST_BITS
    protects: bool = True
    depth: int = 0
    calls: int = 0
    local: bool = False


class ServiceId(IntEnum):
    """What an action does. Source: docs/protocols/cosem-objects.md §5."""

    WRITE = 1
    EXECUTE = 2


@dataclass(frozen=True, slots=True)
class ObjectAction:
    """Write attribute `index` of an object, or execute its method `index`, with `parameter`."""

    service: ServiceId
    class_id: int
    logical_name: Obis
    index: int
    parameter: Data

    def to_data(self) -> Data:
        return data.structure(
            data.enum(self.service),
            data.u16(self.class_id),
            data.octets(self.logical_name),
            data.i8(self.index),
            self.parameter,
        )

    @classmethod
    def from_data(cls, value: Data) -> ObjectAction:
        """Raises RemoteProtocolError for any other shape."""
        service, class_id, name, index, parameter = members(value, 5)
        try:
            service_id = ServiceId(number(service, Tag.ENUM))
        except ValueError:
            raise RemoteProtocolError(f"service_id {service.value} is neither write nor execute") from None
        return cls(
            service_id,
            number(class_id, Tag.LONG_UNSIGNED),
            logical_name_of(name),
            number(index, Tag.INTEGER),
            parameter,
        )


@dataclass(frozen=True, slots=True)
class ScriptReference:
    """One script of a script table: what schedules, monitors and limiters set off."""

    script_table: Obis
    selector: int

    def to_data(self) -> Data:
        return data.structure(data.octets(self.script_table), data.u16(self.selector))

    @classmethod
    def from_data(cls, value: Data) -> ScriptReference:
        """Raises RemoteProtocolError for any other shape."""
        name, selector = members(value, 2)
        return cls(logical_name_of(name), number(selector, Tag.LONG_UNSIGNED))

    def action(self) -> ObjectAction:
        """What executes the script."""
        return ObjectAction(
            ServiceId.EXECUTE, CLASS_SCRIPT_TABLE, self.script_table, SCRIPT_EXECUTE, data.u16(self.selector)
        )


def members(value: Data, count: int) -> tuple[Data, ...]:
    """The members of a structure of that many. Raises RemoteProtocolError for anything else."""
    if value.tag is not Tag.STRUCTURE or len(value.value) != count:
        raise RemoteProtocolError(f"a structure of {count} was wanted, not {value.tag.name}")
    held: tuple[Data, ...] = value.value
    return held


def elements(value: Data, count_max: int) -> tuple[Data, ...]:
    """The elements of an array of at most `count_max`. Raises RemoteProtocolError for anything else."""
    if value.tag is not Tag.ARRAY or len(value.value) > count_max:
        raise RemoteProtocolError(f"an array of at most {count_max} was wanted, not {value.tag.name}")
    held: tuple[Data, ...] = value.value
    return held


def number(value: Data, *tags: Tag) -> int:
    """An integer of one of these types. Raises RemoteProtocolError for another type."""
    if value.tag not in tags:
        raise RemoteProtocolError(f"{' or '.join(tag.name for tag in tags)} was wanted, not {value.tag.name}")
    held: int = value.value
    return held


def octet_string(value: Data, *lengths: int) -> bytes:
    """An octet-string of one of these lengths, any when none is given. Raises RemoteProtocolError."""
    if value.tag is not Tag.OCTET_STRING or (lengths and len(value.value) not in lengths):
        raise RemoteProtocolError(f"an octet-string of {lengths or 'any length'} was wanted, not {value!r}")
    held: bytes = value.value
    return held


def logical_name_of(value: Data) -> Obis:
    """Raises RemoteProtocolError for anything but an octet-string of 6."""
    return Obis(octet_string(value, OBIS_OCTETS))


def perform(target: CosemObject[I], context: InnerContext[I], action: ObjectAction) -> ActionResult:
    """Do `action` on `target`, whoever may do it from outside."""
    if action.service is ServiceId.WRITE:
        declared = target.attributes.get(action.index)
        if declared is None or declared.set is None:
            return ActionResult.OBJECT_UNDEFINED if declared is None else ActionResult.READ_WRITE_DENIED
        result = declared.set(context, action.parameter)
        if result is DataAccessResult.SUCCESS:
            for monitor in context.device.parameter_monitors:
                monitor.written(context, target, action.index, action.parameter)
        return as_action_result(result)
    method = target.methods.get(action.index)
    if method is None:
        return ActionResult.OBJECT_UNDEFINED
    reply = method.invoke(context, action.parameter)
    return reply.result if isinstance(reply, ActionReply) else reply


def as_action_result(result: DataAccessResult) -> ActionResult:
    """The same said of an action; what has no counterpart there is OTHER_REASON."""
    try:
        return ActionResult[result.name]
    except KeyError:
        return ActionResult.OTHER_REASON

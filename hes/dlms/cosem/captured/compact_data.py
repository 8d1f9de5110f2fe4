"""Compact data, class 62: captured values in one octet-string, without the types, which a template says once.

The buffer is what a compact array would hold for one element: a structure of the captured values. The template is the
description of that structure. Its number comes first among the captured values, so that a reader knows which template
a buffer was made with.

Source: docs/protocols/cosem-functions.md §5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Final, TypeVar

from hes.dlms import axdr, compact_array, data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem.access import READERS, Role
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.cosem_object import Attribute
from hes.dlms.cosem.inner_calls import elements, logical_name_of, members, number
from hes.dlms.cosem.interface_classes import CLASSES
from hes.dlms.cosem.object_state import StatefulObject
from hes.dlms.cosem.profile_generic import capture_object_data
from hes.dlms.cosem.push.setup import element_of
from hes.dlms.cosem.stateful_method import Answer, no_parameters, stateful_method
from hes.dlms.data import CompactArray, Data, Tag, TypeDescription
from hes.dlms.obis import Obis
from hes.dlms.selective_access import CaptureObject
from hes.errors import LocalProtocolError, RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

COLUMNS_MAX: Final = 128  # captured values [A]
CLASS_COMPACT_DATA: Final = 62
TEMPLATE_ID: Final = 4


class CaptureMethod(IntEnum):
    ON_INVOKING = 0
    IMPLICIT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactDataState:
    """buffer, template: octets of the last capture; b"" before there was one."""

    columns: tuple[CaptureObject, ...] = ()
    template_id: int = 0
    method: CaptureMethod = CaptureMethod.ON_INVOKING
    buffer: bytes = b""
    template: bytes = b""


class CompactData(StatefulObject[I, CompactDataState]):
    """Class 62, Compact data, version 0 or 1.

    Version 1 adds restrictions to the captured columns; they are not offered, so both versions behave alike.
    """

    __slots__ = ()

    def __init__(
        self,
        logical_name: Obis | str,
        initial: CompactDataState,
        *,
        version: int = 0,
        readable: Role = READERS,
        writable: Role = Role.MANAGEMENT,
        invocable: Role = Role.MANAGEMENT,
    ) -> None:
        def kept(
            field: str, encode: Callable[[Any], Data], decode: Callable[[Data], Any], apply: Any = None
        ) -> Attribute[I]:
            return self.stored(field, encode, decode, apply=apply, readable=readable, writable=writable)

        def captured(field: str) -> Attribute[I]:
            def get(context: Context[I], _selection: bytes) -> bytes:
                if self.state(context).method is CaptureMethod.IMPLICIT:
                    self.capture(context)
                return axdr.encode(data.octets(getattr(self.state(context), field)))

            return Attribute(get=get, readable=readable)

        super().__init__(
            CLASSES[62, version],
            logical_name,
            {
                2: captured("buffer"),
                3: kept("columns", _columns_data, _columns, self._with_columns),
                4: kept("template_id", data.u8, _template_id, _with_template_id),
                5: captured("template"),
                6: kept("method", data.enum, _method),
            },
            {
                1: stateful_method(self, no_parameters, _reset, invocable=invocable),
                2: stateful_method(self, no_parameters, self._capture, invocable=invocable),
            },
            initial=initial,
        )

    def capture(self, context: Context[I]) -> None:
        """Capture now, as method 2 does."""
        self.put(context, self._captured(context, self.state(context)))

    def _capture(
        self, context: Context[I], state: CompactDataState, _parameters: None
    ) -> tuple[CompactDataState, Answer]:
        return self._captured(context, state), ActionResult.SUCCESS

    def _captured(self, context: Context[I], state: CompactDataState) -> CompactDataState:
        values = [self._value(context, state, column) for column in state.columns]
        row = Data(Tag.STRUCTURE, tuple(values))
        description = describe(row)
        assert description is not None  # every value in it has been described
        try:
            contents = contents_of(description, row)
        except LocalProtocolError:  # (nearly) nothing but null-data, which no reader would take
            return replace(state, buffer=b"", template=b"")
        return replace(state, buffer=contents, template=compact_array.encode_description(description))

    def _value(self, context: Context[I], state: CompactDataState, column: CaptureObject) -> Data:
        """The value now; null-data for what cannot be read or described [A]."""
        if column[:3] == (CLASS_COMPACT_DATA, self.logical_name, TEMPLATE_ID):
            return data.u8(state.template_id)
        if column.obis == self.logical_name:
            return data.null()
        encoded = context.device.read_encoded(context, column.class_id, column.obis, column.attribute)
        if encoded is not None and column.data_index:
            encoded = element_of(encoded, column.data_index)
        try:
            value = data.null() if encoded is None else axdr.decode_all(encoded)
        except RemoteProtocolError:
            return data.null()
        return value if describe(value) is not None else data.null()

    def _with_columns(
        self, _context: Context[I], state: CompactDataState, columns: tuple[CaptureObject, ...]
    ) -> CompactDataState | DataAccessResult:
        """The number of the template comes first; what had been captured by other columns is gone."""
        if columns and columns[0][:3] != (CLASS_COMPACT_DATA, self.logical_name, TEMPLATE_ID):
            return DataAccessResult.OTHER_REASON
        return replace(state, columns=columns, buffer=b"", template=b"")


def describe(value: Data) -> TypeDescription | None:
    """The description under which `value` can stand in a compact array; None for what cannot be described once."""
    tag, held = value
    if tag is Tag.COMPACT_ARRAY:
        return None
    if tag is Tag.STRUCTURE:
        members_of = [describe(member) for member in held]
        known = tuple(member for member in members_of if member is not None)
        return TypeDescription(tag, 0, known) if len(known) == len(members_of) else None
    if tag is not Tag.ARRAY:
        return TypeDescription(tag)
    each = {describe(element) for element in held}
    if len(each) != 1:
        return None  # nothing says what an empty array would hold
    (description,) = each
    return None if description is None else TypeDescription(tag, len(held), (description,))


def contents_of(description: TypeDescription, row: Data) -> bytes:
    """The octets of one element, without types. Raises LocalProtocolError where it would hold (nearly) none."""
    whole = compact_array.encode(CompactArray(description, (row,)))
    _octets, begin = axdr.decode_length(whole, len(compact_array.encode_description(description)))
    return whole[begin:]


def values_of(buffer: bytes, template: bytes) -> tuple[Data, ...]:
    """The captured values of a buffer (attribute 2) that was made with that template (attribute 5).

    Raises RemoteProtocolError when one of them is malformed or they do not belong together.
    """
    whole = template + axdr.encode_length(len(buffer)) + buffer
    decoded, end = compact_array.decode(whole, 0, axdr.DEPTH_MAX)
    if end != len(whole) or len(decoded.elements) != 1 or decoded.description.tag is not Tag.STRUCTURE:
        raise RemoteProtocolError("the buffer was not made with this template")
    values: tuple[Data, ...] = decoded.elements[0].value
    return values


def _reset(_context: Context[I], state: CompactDataState, _parameters: None) -> tuple[CompactDataState, Answer]:
    return replace(state, buffer=b"", template=b""), ActionResult.SUCCESS


def _with_template_id(_context: Context[I], state: CompactDataState, template_id: int) -> CompactDataState:
    return replace(state, template_id=template_id, buffer=b"", template=b"")


def _template_id(value: Data) -> int:
    return number(value, Tag.UNSIGNED)


def _method(value: Data) -> CaptureMethod:
    try:
        return CaptureMethod(number(value, Tag.ENUM))
    except ValueError as error:
        raise RemoteProtocolError(f"capture method {value.value}") from error


def _columns_data(columns: tuple[CaptureObject, ...]) -> Data:
    return data.array(map(capture_object_data, columns))


def _columns(value: Data) -> tuple[CaptureObject, ...]:
    columns = []
    for element in elements(value, COLUMNS_MAX):
        class_id, name, attribute, data_index = members(element, 4)
        columns.append(
            CaptureObject(
                number(class_id, Tag.LONG_UNSIGNED),
                logical_name_of(name),
                number(attribute, Tag.INTEGER),
                number(data_index, Tag.LONG_UNSIGNED),
            )
        )
    return tuple(columns)


def template_row(logical_name: Obis | str) -> CaptureObject:
    """What comes first in the columns of the compact data object of that name."""
    name = logical_name if isinstance(logical_name, Obis) else Obis.parse(logical_name)
    if len(name) != 6:
        raise LocalProtocolError("a logical name has 6 octets")
    return CaptureObject(CLASS_COMPACT_DATA, name, TEMPLATE_ID)

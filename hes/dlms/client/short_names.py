"""Requests with short names: what the client asks for by class and logical name, said in Read and Write.

`ObjectNames` is the object list of Association SN as a dictionary; with it, GET, SET and ACTION become Reads and Writes
(`ShortNameRequests`), whose answers come out as the same events.

Source: docs/protocols/short-names.md §1, §2, §5.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from hes.dlms.apdu import (
    AttributeDescriptor,
    MethodDescriptor,
    ParameterizedAccess,
    VariableName,
)
from hes.dlms.client.events import ActDone, ClientEvent, Got, GotList, ServiceRefused, SetDone
from hes.dlms.client.exchange import Exchange, Selected
from hes.dlms.client.short_name_exchanges import Finish, ReadExchange, Results, Variable, WriteExchange
from hes.dlms.codes import ActionResult, Conformance, DataAccessResult, code
from hes.dlms.cosem.association_sn import REPLY_TO_HLS_SN, SnObjectListElement
from hes.dlms.cosem.interface_classes import interface_class
from hes.dlms.cosem.short_names import ASSOCIATION_SN_BASE, STEP, attribute_name, method_name, method_offset
from hes.dlms.xdlms.variable_access import SHORT_NAME_MAX
from hes.errors import AccessDenied, LocalProtocolError

OBJECT_LIST: Final = attribute_name(ASSOCIATION_SN_BASE, 2)  # FA08
HLS_REPLY_NAME: Final = method_name(ASSOCIATION_SN_BASE, 12, 2, REPLY_TO_HLS_SN)  # FA58
METHOD_SELECTOR: Final = 1  # which a server looks at nowhere, as far as we know [A]

_SUCCESS: Final = DataAccessResult.SUCCESS
_NULL_DATA: Final = b"\x00"


class ObjectNames:
    """What a device lists, by class and logical name.

    A name beyond what the object has is never given: it would be that of a method, or of the next object, and a Read
    of a method invokes it.
    """

    __slots__ = ("_elements", "_ends")

    def __init__(self, elements: Iterable[SnObjectListElement]) -> None:
        listed = list(elements)
        self._elements = {(element.class_id, bytes(element.logical_name)): element for element in listed}
        bases = sorted({element.base_name for element in listed})
        self._ends = dict(zip(bases, [*bases[1:], SHORT_NAME_MAX + 1], strict=True))

    def attribute(self, attribute: AttributeDescriptor) -> int:
        """Short name of an attribute. Raises AccessDenied (result OBJECT_UNDEFINED) where the device has none."""
        found = self._find(attribute)
        index = attribute.attribute
        name = found.base_name + STEP * (index - 1)
        known = interface_class(found.class_id, found.version)
        methods_at = method_offset(found.class_id, found.version)
        if (
            index < 1
            or (known is not None and index > len(known.attributes))
            or (methods_at is not None and name >= found.base_name + methods_at)
        ):
            raise _unlisted(f"class {found.class_id} version {found.version} has no attribute {index}")
        return self._inside(found, name)

    def method(self, method: MethodDescriptor) -> int:
        """Short name of a method. Raises AccessDenied where the device has none, LocalProtocolError for no source."""
        found = self._find(method)
        known = interface_class(found.class_id, found.version)
        if known is not None and method.method > len(known.methods):
            raise _unlisted(f"class {found.class_id} version {found.version} has no method {method.method}")
        return self._inside(found, method_name(found.base_name, found.class_id, found.version, method.method))

    def _inside(self, found: SnObjectListElement, name: int) -> int:
        end = self._ends[found.base_name]
        if name >= end:
            raise _unlisted(f"name {name:04X} belongs to the next object, at {end:04X}")
        return name

    def _find(self, descriptor: AttributeDescriptor | MethodDescriptor) -> SnObjectListElement:
        found = self._elements.get((descriptor.class_id, bytes(descriptor.obis)))
        if found is None:
            raise _unlisted(f"the device lists no object {bytes(descriptor.obis).hex()} of class {descriptor.class_id}")
        return found

    def class_of(self, logical_name: bytes) -> int | None:
        """Class of the first object of that name; None when the device lists none."""
        return next((class_id for class_id, name in self._elements if name == logical_name), None)


def _unlisted(why: str) -> AccessDenied:
    """The device's own list says no, as the device would if it could be asked by logical name."""
    return AccessDenied(why, result=DataAccessResult.OBJECT_UNDEFINED)


@dataclass(frozen=True, slots=True)
class NamedRequest:
    """What to ask. needed: services it takes. data: encoded values of a Write, None for a Read."""

    needed: Conformance
    variables: tuple[Variable, ...]
    finish: Finish
    data: tuple[bytes, ...] | None = None

    def exchange(self, limit: int, conformance: Conformance) -> Exchange:
        """Raises LocalProtocolError when the request does not fit and may not be cut."""
        if self.data is None:
            allowed = Conformance.BLOCK_TRANSFER_GET in conformance
            return ReadExchange(self.variables, self.finish, limit=limit, blocks_allowed=allowed)
        allowed = Conformance.BLOCK_TRANSFER_SET in conformance
        return WriteExchange(self.variables, self.data, self.finish, limit=limit, blocks_allowed=allowed)


class ShortNameRequests:
    """GET, SET and ACTION as Reads and Writes. names: None until the object list has been read."""

    def __init__(self) -> None:
        self.names: ObjectNames | None = None

    def _known(self) -> ObjectNames:
        if self.names is None:
            raise LocalProtocolError("no object list yet: read it (`read_object_list`) and set `names`")
        return self.names

    def read_object_list(self) -> NamedRequest:
        """Attribute 2 of Association SN, whose name is the same everywhere."""
        return read_request((VariableName(OBJECT_LIST),), _got)

    def get(self, attribute: AttributeDescriptor, selection: bytes = b"") -> NamedRequest:
        return read_request((self._selected(attribute, selection),), _got)

    def get_list(self, attributes: Iterable[Selected]) -> NamedRequest:
        """Objects that the device does not list are not asked for; they come out as OBJECT_UNDEFINED in their place."""
        variables: list[Variable | None] = []
        for attribute, selection in attributes:
            try:
                variables.append(self._selected(attribute, selection))
            except AccessDenied:
                variables.append(None)
        listed = tuple([variable for variable in variables if variable is not None])
        if not listed:
            raise _unlisted("the device lists none of the objects asked for")

        def finish(results: Results) -> ClientEvent:
            answered = iter(results)
            undefined = (DataAccessResult.OBJECT_UNDEFINED, b"")
            return GotList(results=tuple([undefined if each is None else next(answered) for each in variables]))

        return read_request(listed, finish)

    def _selected(self, attribute: AttributeDescriptor, selection: bytes) -> Variable:
        name = self._known().attribute(attribute)
        return ParameterizedAccess(name, selection[0], selection[1:]) if selection else VariableName(name)

    def set(self, attributes: Iterable[Selected], encoded: tuple[bytes, ...]) -> NamedRequest:
        return write_request(tuple([self._selected(*each) for each in attributes]), encoded)

    def method(self, method: MethodDescriptor) -> int:
        """Short name of a method. See `ObjectNames.method`."""
        return self._known().method(method)

    def act(self, method: MethodDescriptor, encoded: bytes | None, conformance: Conformance) -> NamedRequest:
        """By Read, so that what the method returns comes back; by Write where parameters cannot be read with."""
        name = self.method(method)
        if encoded is None:
            return read_request((VariableName(name),), _acted)
        if Conformance.PARAMETERIZED_ACCESS in conformance:
            return read_request((ParameterizedAccess(name, METHOD_SELECTOR, encoded),), _acted)
        return NamedRequest(Conformance.WRITE, (VariableName(name),), _acted, (encoded,))


def read_request(variables: tuple[Variable, ...], finish: Finish | None = None) -> NamedRequest:
    """A Read. finish: what becomes of the results; a GotList unless it is given."""
    needed = Conformance.READ | beyond(variables)
    return NamedRequest(needed, variables, finish or _got_list)


def write_request(variables: tuple[Variable, ...], encoded: tuple[bytes, ...]) -> NamedRequest:
    """A Write, which ends in a SetDone."""
    return NamedRequest(Conformance.WRITE | beyond(variables), variables, _set_done, encoded)


def hls_request(proof: bytes) -> NamedRequest:
    """Pass 3. proof: encoded parameter."""
    return NamedRequest(Conformance(0), (ParameterizedAccess(HLS_REPLY_NAME, METHOD_SELECTOR, proof),), _acted)


def beyond(variables: Sequence[Variable]) -> Conformance:
    """What a list of variables takes beside its service."""
    needed = Conformance.MULTIPLE_REFERENCES if len(variables) > 1 else Conformance(0)
    if any(isinstance(variable, ParameterizedAccess) for variable in variables):
        needed |= Conformance.PARAMETERIZED_ACCESS
    return needed


def _got(results: Results) -> ClientEvent:
    ((result, data),) = results
    return Got(data=data) if result == _SUCCESS else ServiceRefused(result=result)


def _got_list(results: Results) -> ClientEvent:
    return GotList(results=results)


def _set_done(results: Results) -> ClientEvent:
    return SetDone(results=tuple([result for result, _data in results]))


def _acted(results: Results) -> ClientEvent:
    """null-data is what a method gives that returns nothing."""
    ((result, data),) = results
    if result != _SUCCESS:
        return ActDone(result=code(ActionResult, int(result)))
    return ActDone(result=ActionResult.SUCCESS, data=data if data not in (b"", _NULL_DATA) else None)

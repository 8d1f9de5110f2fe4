"""Requests with short names: what the client asks for by class and logical name, said in Read and Write.

`ObjectNames` is the object list of Association SN as a dictionary; with it, GET, SET and ACTION become Reads and Writes
(`ShortNameRequests`), whose answers come out as the same events. An exchange has no invoke id: answers belong to it by
their order.

Source: docs/protocols/short-names.md §1, §2, §5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from hes.dlms import apdu, axdr
from hes.dlms.apdu import (
    AttributeDescriptor,
    BlockNumberAccess,
    DataAccessError,
    DataBlock,
    MethodDescriptor,
    ParameterizedAccess,
    ReadBlockNumber,
    ReadData,
    ReadDataBlockAccess,
    ReadRequest,
    ReadResponse,
    VariableName,
    WriteBlockNumber,
    WriteDataBlockAccess,
    WriteRequest,
    WriteResponse,
    WriteSuccess,
)
from hes.dlms.block_transfer import Block, Incoming, Outgoing
from hes.dlms.client.events import ActDone, ClientEvent, Got, GotList, Ignored, ServiceRefused, SetDone
from hes.dlms.client.exchange import Exchange, Selected, Step, check_blocks, next_block, room, unexpected
from hes.dlms.codes import ActionResult, ApduTag, AttributeResult, Conformance, DataAccessResult, code
from hes.dlms.cosem.association_sn import REPLY_TO_HLS_SN, SnObjectListElement
from hes.dlms.cosem.interface_classes import interface_class
from hes.dlms.cosem.short_names import ASSOCIATION_SN_BASE, attribute_name, method_name, method_offset
from hes.dlms.xdlms.read import ReadResult, decode_read_response_content
from hes.dlms.xdlms.variable_access import SHORT_NAME_MAX
from hes.dlms.xdlms.write import WriteResult
from hes.errors import AccessDenied, LocalProtocolError, RemoteProtocolError

OBJECT_LIST: Final = attribute_name(ASSOCIATION_SN_BASE, 2)  # FA08
HLS_REPLY_NAME: Final = method_name(ASSOCIATION_SN_BASE, 12, 2, REPLY_TO_HLS_SN)  # FA58
METHOD_SELECTOR: Final = 1  # which a server looks at nowhere, as far as we know [A]

READ_BLOCK_HEAD: Final = 6  # 05 01 06 last block(2)
WRITE_BLOCK_HEAD: Final = 8  # 06 01 07 last block(2) 01 09
_SUCCESS: Final = DataAccessResult.SUCCESS
_NULL_DATA: Final = b"\x00"

Variable: TypeAlias = VariableName | ParameterizedAccess
Results: TypeAlias = tuple[tuple[AttributeResult, bytes], ...]
"""(SUCCESS, encoded value or b"") or (result, b""), in the order asked"""
Finish: TypeAlias = Callable[[Results], ClientEvent]


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
        name = attribute_name(found.base_name, index)
        known = interface_class(found.class_id, found.version)
        methods_at = method_offset(found.class_id, found.version)
        if (known is not None and index > len(known.attributes)) or (
            methods_at is not None and name >= found.base_name + methods_at
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


class ReadExchange:
    """One Read until its results are there, the request and the answer in blocks where they are long."""

    got_head = b""
    response_tag: int = ApduTag.READ_RESPONSE
    invoke: int = 0

    def __init__(self, variables: tuple[Variable, ...], finish: Finish, *, limit: int, blocks_allowed: bool) -> None:
        """limit: octets of a plain APDU. Raises LocalProtocolError when the request does not fit and may not be cut."""
        self._count, self._finish, self._limit = len(variables), finish, limit
        self._incoming: Incoming | None = None
        self._outgoing: Outgoing | None = None
        request = ReadRequest(variables)
        self.request = request.encode()
        if len(self.request) > limit:
            check_blocks(len(self.request), limit, allowed=blocks_allowed)
            self._outgoing = Outgoing(request.encode_content())
            self._sendable()

    def _sendable(self) -> Block:
        """The next block, which becomes the request."""
        assert self._outgoing is not None
        block = self._outgoing.next(room(self._limit, READ_BLOCK_HEAD))
        self.request = ReadRequest((ReadDataBlockAccess(block.last, block.number, block.raw),)).encode()
        return block

    def answer(self, octets: bytes) -> Step:
        response = apdu.decode(octets)
        if not isinstance(response, ReadResponse):
            raise unexpected(response)
        match response.results:
            case (DataBlock() as block,):
                return self._block(block)
            case (ReadBlockNumber(number),):
                sent = next_block(self._outgoing, number, lambda _head: self._sendable())
                return sent if isinstance(sent, Ignored) else self.request
        return self._finished(response.results)

    def _block(self, block: DataBlock) -> Step:
        incoming = self._incoming
        if incoming is None:
            incoming = self._incoming = Incoming()
        if block.block == incoming.number:
            return Ignored(reason=f"block {block.block} came again")
        whole = incoming.add(Block(block.last, block.block, block.raw))
        if whole is None:
            self.request = ReadRequest((BlockNumberAccess(block.block),)).encode()
            return self.request
        return self._finished(decode_read_response_content(whole).results)

    def _finished(self, results: tuple[ReadResult, ...]) -> ClientEvent:
        """One error may stand for a transfer of many variables that was aborted."""
        if len(results) == 1 != self._count and isinstance(results[0], DataAccessError):
            return ServiceRefused(result=results[0].result)
        if len(results) != self._count:
            raise RemoteProtocolError(f"{self._count} variables were read, {len(results)} answered")
        outcomes: list[tuple[AttributeResult, bytes]] = []
        for result in results:
            if isinstance(result, ReadData):
                outcomes.append((_SUCCESS, result.data))
            elif isinstance(result, DataAccessError):
                outcomes.append((result.result, b""))
            else:
                raise RemoteProtocolError("a block among other results")
        return self._finish(tuple(outcomes))


class WriteExchange:
    """One Write until its results are there, in blocks where it is long."""

    got_head = b""
    response_tag: int = ApduTag.WRITE_RESPONSE
    invoke: int = 0

    def __init__(
        self,
        variables: tuple[Variable, ...],
        data: tuple[bytes, ...],
        finish: Finish,
        *,
        limit: int,
        blocks_allowed: bool,
    ) -> None:
        """limit: octets of a plain APDU. Raises LocalProtocolError when the request does not fit and may not be cut."""
        self._count, self._finish, self._limit = len(variables), finish, limit
        self._outgoing: Outgoing | None = None
        request = WriteRequest(variables, data)
        self.request = request.encode()
        if len(self.request) > limit:
            check_blocks(len(self.request), limit, allowed=blocks_allowed)
            self._outgoing = Outgoing(request.encode_content())
            self._sendable()

    def _sendable(self) -> Block:
        """The next block, which becomes the request."""
        assert self._outgoing is not None
        block = self._outgoing.next(room(self._limit, WRITE_BLOCK_HEAD))
        octets = b"\x09" + axdr.encode_length(len(block.raw)) + block.raw
        self.request = WriteRequest((WriteDataBlockAccess(block.last, block.number),), (octets,)).encode()
        return block

    def answer(self, octets: bytes) -> Step:
        response = apdu.decode(octets)
        if not isinstance(response, WriteResponse):
            raise unexpected(response)
        match response.results:
            case (WriteBlockNumber(number),):
                sent = next_block(self._outgoing, number, lambda _head: self._sendable())
                return sent if isinstance(sent, Ignored) else self.request
        return self._finished(response.results)

    def _finished(self, results: tuple[WriteResult, ...]) -> ClientEvent:
        failed = len(results) == 1 and isinstance(results[0], DataAccessError)
        if failed and self._count != 1:
            assert isinstance(results[0], DataAccessError)
            return ServiceRefused(result=results[0].result)
        if len(results) != self._count:
            raise RemoteProtocolError(f"{self._count} variables were written, {len(results)} answered")
        if self._outgoing is not None and not self._outgoing.current.last and not failed:
            raise RemoteProtocolError("success before the last block was sent")
        return self._finish(tuple([(_written(result), b"") for result in results]))


def _written(result: WriteResult) -> AttributeResult:
    if isinstance(result, WriteSuccess):
        return _SUCCESS
    if isinstance(result, DataAccessError):
        return result.result
    raise RemoteProtocolError("a block number among other results")


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

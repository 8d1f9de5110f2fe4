"""ACCESS: reading, writing and invoking in one request, carried out in the order given.

D9 is the request, DA the response. Both have the long invoke octets and a time. Specifications and data stand in lists
of their own, as long as each other; what needs no data has null-data there.

Source: docs/protocols/dlms-application.md §3.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple, TypeAlias

from hes.dlms import axdr
from hes.dlms.codes import ActionResult, AttributeResult, DataAccessResult, MethodResult, code
from hes.dlms.xdlms.common import (
    DESCRIPTOR_OCTETS,
    AttributeDescriptor,
    MethodDescriptor,
    Reader,
    encode_descriptor,
    encode_u8,
    encode_u32,
)
from hes.dlms.xdlms.notification import encode_time, read_time
from hes.dlms.xdlms.set import encode_values, read_matching_values
from hes.errors import LocalProtocolError, RemoteProtocolError


class AccessKind(IntEnum):
    """What is asked. Answers know the first three only."""

    GET = 1
    SET = 2
    ACTION = 3
    GET_WITH_SELECTION = 4
    SET_WITH_SELECTION = 5


_SELECTIVE: Final = (AccessKind.GET_WITH_SELECTION, AccessKind.SET_WITH_SELECTION)
KIND_OF_ANSWER: Final = {
    AccessKind.GET: AccessKind.GET,
    AccessKind.SET: AccessKind.SET,
    AccessKind.ACTION: AccessKind.ACTION,
    AccessKind.GET_WITH_SELECTION: AccessKind.GET,
    AccessKind.SET_WITH_SELECTION: AccessKind.SET,
}


class AccessSpecification(NamedTuple):
    """One of the things asked. selection: selector octet and parameters, exactly for the kinds that have one."""

    kind: AccessKind
    target: AttributeDescriptor | MethodDescriptor
    selection: bytes = b""


AccessResult: TypeAlias = tuple[AccessKind, AttributeResult | MethodResult]
"""GET, SET or ACTION, and how it went."""


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """invoke: long-invoke-id-and-priority. time: b"" or 12 octets. data: encoded Data, one for each specification."""

    invoke: int
    time: bytes
    specifications: tuple[AccessSpecification, ...]
    data: tuple[bytes, ...]
    tagged_time: bool = False

    def encode(self) -> bytes:
        if len(self.specifications) != len(self.data):
            raise LocalProtocolError(f"{len(self.specifications)} specifications but {len(self.data)} data")
        head = b"\xd9" + encode_u32(self.invoke, "long invoke id and priority")
        time = encode_time(self.time, tagged=self.tagged_time)
        return head + time + _encode_specifications(self.specifications) + encode_values(self.data)


@dataclass(frozen=True, slots=True)
class AccessResponse:
    """specifications: those of the request, when it asked for a self-descriptive answer, else None."""

    invoke: int
    time: bytes
    specifications: tuple[AccessSpecification, ...] | None
    data: tuple[bytes, ...]
    results: tuple[AccessResult, ...]
    tagged_time: bool = False

    def encode(self) -> bytes:
        if len(self.data) != len(self.results):
            raise LocalProtocolError(f"{len(self.results)} results but {len(self.data)} data")
        head = b"\xda" + encode_u32(self.invoke, "long invoke id and priority")
        head += encode_time(self.time, tagged=self.tagged_time)
        head += b"\x00" if self.specifications is None else b"\x01" + _encode_specifications(self.specifications)
        results = b"".join([encode_u8(kind, "kind") + encode_u8(result, "result") for kind, result in self.results])
        return head + encode_values(self.data) + axdr.encode_length(len(self.results)) + results


def _encode_specifications(specifications: tuple[AccessSpecification, ...]) -> bytes:
    parts = [axdr.encode_length(len(specifications))]
    for kind, target, selection in specifications:
        if bool(selection) != (kind in _SELECTIVE):
            raise LocalProtocolError(f"{kind.name} goes {'with' if kind in _SELECTIVE else 'without'} a selection")
        if isinstance(target, MethodDescriptor) != (kind is AccessKind.ACTION):
            raise LocalProtocolError(f"{kind.name} does not go with a {type(target).__name__}")
        parts.append(encode_u8(kind, "kind") + encode_descriptor(target) + selection)
    return b"".join(parts)


def _read_kind(reader: Reader, highest: AccessKind) -> AccessKind:
    number = reader.u8("kind of access")
    if not 1 <= number <= highest:
        raise RemoteProtocolError(f"kind of access {number} is not known", octet_offset=reader.offset - 1)
    return AccessKind(number)


def _read_specification(reader: Reader) -> AccessSpecification:
    kind = _read_kind(reader, AccessKind.SET_WITH_SELECTION)
    if kind is AccessKind.ACTION:
        return AccessSpecification(kind, reader.method())
    attribute = reader.attribute()
    if kind not in _SELECTIVE:
        return AccessSpecification(kind, attribute)
    start = reader.offset
    reader.u8("access selector")
    reader.data()
    return AccessSpecification(kind, attribute, reader.octets[start : reader.offset])


def _read_specifications(reader: Reader) -> tuple[AccessSpecification, ...]:
    count = reader.count(1 + DESCRIPTOR_OCTETS, "specifications")
    return tuple([_read_specification(reader) for _ in range(count)])


def read_access_request(reader: Reader) -> AccessRequest:
    invoke = reader.u32("long invoke id and priority")
    time, tagged = read_time(reader)
    specifications = _read_specifications(reader)
    data = read_matching_values(reader, len(specifications))
    return AccessRequest(invoke, time, specifications, data, tagged)


def read_access_response(reader: Reader) -> AccessResponse:
    invoke = reader.u32("long invoke id and priority")
    time, tagged = read_time(reader)
    specifications = _read_specifications(reader) if reader.flag("presence of specifications") else None
    data = tuple([reader.data() for _ in range(reader.count(1, "data"))])
    start = reader.offset
    count = reader.count(2, "results")
    if count != len(data) or (specifications is not None and count != len(specifications)):
        raise RemoteProtocolError(f"{count} results for {len(data)} data", octet_offset=start)
    results = tuple([_read_result(reader) for _ in range(count)])
    return AccessResponse(invoke, time, specifications, data, results, tagged)


def _read_result(reader: Reader) -> AccessResult:
    kind = _read_kind(reader, AccessKind.ACTION)
    number = reader.u8("result")
    return kind, code(ActionResult, number) if kind is AccessKind.ACTION else code(DataAccessResult, number)

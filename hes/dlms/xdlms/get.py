"""GET: reading attributes, one, many, or in blocks.

Layouts: C0 is the request, C4 the response; the second octet is the choice. Blocks of a long answer carry the encoding
of the value itself (one attribute) or of the whole list of results (with-list); numbers start at 1.

Source: docs/protocols/dlms-application.md §3.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from hes.dlms import axdr
from hes.dlms.axdr_scalars import FIXED
from hes.dlms.codes import AttributeResult, DataAccessResult, code
from hes.dlms.xdlms.common import (
    DESCRIPTOR_OCTETS,
    AttributeDescriptor,
    Octets,
    Reader,
    encode_descriptor,
    encode_octets,
    encode_selection,
    encode_u8,
    encode_u32,
    invoke_id,
)
from hes.errors import AccessDenied, LocalProtocolError, RemoteProtocolError

_SUCCESS = DataAccessResult.SUCCESS


@dataclass(frozen=True, slots=True)
class GetRequestNormal:
    """Read one attribute. selection: b"" or selector octet and encoded parameters."""

    invoke: int
    attribute: AttributeDescriptor
    selection: bytes = b""

    def encode(self) -> bytes:
        return (
            b"\xc0\x01"
            + encode_u8(self.invoke, "invoke octet")
            + encode_descriptor(self.attribute)
            + encode_selection(self.selection)
        )


@dataclass(frozen=True, slots=True)
class GetRequestNext:
    """Ask for the block after `block`, the last one received."""

    invoke: int
    block: int

    def encode(self) -> bytes:
        return b"\xc0\x02" + encode_u8(self.invoke, "invoke octet") + encode_u32(self.block, "block number")


@dataclass(frozen=True, slots=True)
class GetRequestWithList:
    """Read several attributes; each with its selection or b""."""

    invoke: int
    attributes: tuple[tuple[AttributeDescriptor, bytes], ...]

    def encode(self) -> bytes:
        parts = [b"\xc0\x03", encode_u8(self.invoke, "invoke octet"), axdr.encode_length(len(self.attributes))]
        for attribute, selection in self.attributes:
            parts += (encode_descriptor(attribute), encode_selection(selection))
        return b"".join(parts)


@dataclass(frozen=True, slots=True)
class GetResponseNormal:
    """The answer to one attribute. data: encoded Data when result is SUCCESS, else b""."""

    invoke: int
    result: AttributeResult
    data: bytes = b""

    def encode(self) -> bytes:
        return b"\xc4\x01" + encode_u8(self.invoke, "invoke octet") + encode_data_result(self.result, self.data)


@dataclass(frozen=True, slots=True)
class GetResponseWithBlock:
    """One block of a long answer. raw: octets of this block when result is SUCCESS, else b""."""

    invoke: int
    last: bool
    block: int
    result: AttributeResult
    raw: bytes = b""

    def encode(self) -> bytes:
        if self.result == _SUCCESS:
            tail = b"\x00" + encode_octets(self.raw)
        else:
            _without_octets(self.result, self.raw)
            tail = b"\x01" + encode_u8(self.result, "result")
        head = b"\xc4\x02" + encode_u8(self.invoke, "invoke octet") + (b"\x01" if self.last else b"\x00")
        return head + encode_u32(self.block, "block number") + tail


@dataclass(frozen=True, slots=True)
class GetResponseWithList:
    """The answers to a list, in its order: (SUCCESS, encoded Data) or (result, b"")."""

    invoke: int
    results: tuple[tuple[AttributeResult, bytes], ...]

    def encode(self) -> bytes:
        return b"\xc4\x03" + encode_u8(self.invoke, "invoke octet") + encode_data_results(self.results)


def encode_data_result(result: int, data: bytes) -> bytes:
    """Get-Data-Result: 00 and Data, or 01 and the result."""
    if result == _SUCCESS:
        if not data:
            raise LocalProtocolError("a successful read carries Data; an error result carries none")
        return b"\x00" + data
    _without_octets(result, data)
    return b"\x01" + encode_u8(result, "result")


def encode_data_results(results: tuple[tuple[AttributeResult, bytes], ...]) -> bytes:
    """SEQUENCE OF Get-Data-Result: what a long with-list answer is cut into blocks from."""
    return axdr.encode_length(len(results)) + b"".join(encode_data_result(*result) for result in results)


def decode_data_results(octets: Octets) -> tuple[tuple[AttributeResult, bytes], ...]:
    """Read a whole SEQUENCE OF Get-Data-Result, as it comes out of the blocks of a with-list answer."""
    reader = Reader(bytes(octets))
    results = _read_data_results(reader)
    reader.end()
    return results


def _without_octets(result: int, octets: bytes) -> None:
    if octets:
        raise LocalProtocolError(f"result {result!r} carries no data, but {len(octets)} octets were given")


def read_data_result(reader: Reader) -> tuple[AttributeResult, bytes]:
    if not reader.flag("choice of data or result"):
        return _SUCCESS, reader.data()
    return _read_error(reader), b""


def _read_error(reader: Reader) -> AttributeResult:
    number = reader.u8("data access result")
    if number == 0:
        raise RemoteProtocolError("result is success where data should stand", octet_offset=reader.offset - 1)
    return code(DataAccessResult, number)


def _read_data_results(reader: Reader) -> tuple[tuple[AttributeResult, bytes], ...]:
    return tuple([read_data_result(reader) for _ in range(reader.count(2, "results"))])


# -- decoders, by choice ---------------------------------------------------------------------------------------------


def _request_normal(reader: Reader) -> GetRequestNormal:
    return GetRequestNormal(reader.u8("invoke octet"), reader.attribute(), reader.selection())


def _request_next(reader: Reader) -> GetRequestNext:
    return GetRequestNext(reader.u8("invoke octet"), reader.u32("block number"))


def _request_with_list(reader: Reader) -> GetRequestWithList:
    invoke = reader.u8("invoke octet")
    count = reader.count(DESCRIPTOR_OCTETS + 1, "attributes")
    return GetRequestWithList(invoke, tuple([(reader.attribute(), reader.selection()) for _ in range(count)]))


def _response_normal(reader: Reader) -> GetResponseNormal:
    return GetResponseNormal(reader.u8("invoke octet"), *read_data_result(reader))


def _response_with_block(reader: Reader) -> GetResponseWithBlock:
    invoke = reader.u8("invoke octet")
    last = reader.boolean("last-block")
    block = reader.u32("block number")
    if not reader.flag("choice of raw data or result"):
        return GetResponseWithBlock(invoke, last, block, _SUCCESS, reader.octet_string("raw data"))
    return GetResponseWithBlock(invoke, last, block, _read_error(reader))


def _response_with_list(reader: Reader) -> GetResponseWithList:
    return GetResponseWithList(reader.u8("invoke octet"), _read_data_results(reader))


GetRequest = GetRequestNormal | GetRequestNext | GetRequestWithList
GetResponse = GetResponseNormal | GetResponseWithBlock | GetResponseWithList

REQUESTS: Final[dict[int, Callable[[Reader], GetRequest]]] = {
    1: _request_normal,
    2: _request_next,
    3: _request_with_list,
}
RESPONSES: Final[dict[int, Callable[[Reader], GetResponse]]] = {
    1: _response_normal,
    2: _response_with_block,
    3: _response_with_list,
}

# -- the two that a head-end runs all day ----------------------------------------------------------------------------

_GET = struct.Struct(">HBH6sbB")
_GET_NORMAL = 0xC001


def encode_get_request(invoke: int, class_id: int, obis: bytes, attribute: int, selection: bytes = b"") -> bytes:
    """Octets of a get-request-normal, as `GetRequestNormal(...).encode()` gives them, without the objects.

    Raises LocalProtocolError for a field out of its range.
    """
    if len(obis) == 6:
        try:
            if not selection:
                return _GET.pack(_GET_NORMAL, invoke, class_id, obis, attribute, 0)
            return _GET.pack(_GET_NORMAL, invoke, class_id, obis, attribute, 1) + selection
        except struct.error:
            pass
    return GetRequestNormal(invoke, AttributeDescriptor(class_id, obis, attribute), selection).encode()


def get_response_offset(octets: Octets, invoke: int) -> int:
    """Where the encoded Data of a get-response-normal starts, once its head is what `invoke` may expect.

    Of `invoke` only the id counts: meters answer with other priority and class bits. The Data is not walked: whoever
    decodes it refuses left-over octets.
    Raises AccessDenied (fields: result) when the meter refused, RemoteProtocolError for anything else.
    """
    if len(octets) > 4 and octets[0] == 0xC4 and octets[1] == 1 and not (octets[2] ^ invoke) & 15 and not octets[3]:
        return 4
    if bytes(octets[:2]) != b"\xc4\x01":
        raise RemoteProtocolError(f"not a get-response-normal: {bytes(octets[:2]).hex()}", octet_offset=0)
    reader = Reader(bytes(octets), 2)
    response = _response_normal(reader)
    reader.end()
    if invoke_id(response.invoke ^ invoke):
        raise RemoteProtocolError(f"answer to invoke {response.invoke:02X}, not {invoke:02X}", octet_offset=2)
    raise AccessDenied(f"the meter refused the read: {response.result.name}", result=response.result)


def decode_get_response_value(octets: Octets, invoke: int) -> Any:
    """The plain value (see `axdr.decode_value`) of a get-response-normal that answers `invoke`.

    Raises AccessDenied (fields: result) when the meter refused, RemoteProtocolError when the octets are anything else.
    """
    # the test of get_response_offset once more, and values of fixed size at once: this runs for every register
    if len(octets) > 4 and octets[0] == 0xC4 and octets[1] == 1 and not (octets[2] ^ invoke) & 15 and not octets[3]:
        fixed = FIXED[octets[4]]
        if fixed is not None and len(octets) == 4 + fixed[1]:
            return fixed[0](octets, 5)[0]
    value, end = axdr.decode_value(octets, get_response_offset(octets, invoke))
    if end != len(octets):
        raise RemoteProtocolError(f"{len(octets) - end} octets left over after the APDU", octet_offset=end)
    return value

"""SET: writing attributes, one, many, or in blocks.

C1 is the request, C5 the response; the second octet is the choice. Blocks carry the encoding of the value (one
attribute) or of the whole list of values; each is acknowledged by its number.

Source: docs/protocols/dlms-application.md §3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hes.dlms import axdr
from hes.dlms.codes import AttributeResult, DataAccessResult, code
from hes.dlms.xdlms.common import (
    DESCRIPTOR_OCTETS,
    AttributeDescriptor,
    Octets,
    Reader,
    encode_block,
    encode_descriptor,
    encode_selection,
    encode_u8,
    encode_u32,
    read_block,
)
from hes.errors import LocalProtocolError, RemoteProtocolError

Selected = tuple[AttributeDescriptor, bytes]


@dataclass(frozen=True, slots=True)
class SetRequestNormal:
    """Write one attribute. data: encoded Data. selection: b"" or selector octet and encoded parameters."""

    invoke: int
    attribute: AttributeDescriptor
    data: bytes
    selection: bytes = b""

    def encode(self) -> bytes:
        head = b"\xc1\x01" + encode_u8(self.invoke, "invoke octet") + encode_descriptor(self.attribute)
        return head + encode_selection(self.selection) + self.data


@dataclass(frozen=True, slots=True)
class SetRequestFirstBlock:
    """Begin a long write of one attribute."""

    invoke: int
    attribute: AttributeDescriptor
    selection: bytes
    last: bool
    block: int
    raw: bytes

    def encode(self) -> bytes:
        head = b"\xc1\x02" + encode_u8(self.invoke, "invoke octet") + encode_descriptor(self.attribute)
        return head + encode_selection(self.selection) + encode_block(self.last, self.block, self.raw)


@dataclass(frozen=True, slots=True)
class SetRequestBlock:
    """A further block of a long write."""

    invoke: int
    last: bool
    block: int
    raw: bytes

    def encode(self) -> bytes:
        return b"\xc1\x03" + encode_u8(self.invoke, "invoke octet") + encode_block(self.last, self.block, self.raw)


@dataclass(frozen=True, slots=True)
class SetRequestWithList:
    """Write several attributes: (attribute, selection or b"") each, and as many encoded Data in the same order."""

    invoke: int
    attributes: tuple[Selected, ...]
    data: tuple[bytes, ...]

    def encode(self) -> bytes:
        if len(self.attributes) != len(self.data):
            raise LocalProtocolError(f"{len(self.attributes)} attributes but {len(self.data)} values to write")
        head = b"\xc1\x04" + encode_u8(self.invoke, "invoke octet") + _encode_list(self.attributes)
        return head + encode_values(self.data)


@dataclass(frozen=True, slots=True)
class SetRequestWithListFirstBlock:
    """Begin a long write of several attributes; the blocks carry SEQUENCE OF Data."""

    invoke: int
    attributes: tuple[Selected, ...]
    last: bool
    block: int
    raw: bytes

    def encode(self) -> bytes:
        head = b"\xc1\x05" + encode_u8(self.invoke, "invoke octet") + _encode_list(self.attributes)
        return head + encode_block(self.last, self.block, self.raw)


@dataclass(frozen=True, slots=True)
class SetResponseNormal:
    invoke: int
    result: AttributeResult

    def encode(self) -> bytes:
        return b"\xc5\x01" + encode_u8(self.invoke, "invoke octet") + encode_u8(self.result, "result")


@dataclass(frozen=True, slots=True)
class SetResponseBlock:
    """Block `block` has arrived; send the next."""

    invoke: int
    block: int

    def encode(self) -> bytes:
        return b"\xc5\x02" + encode_u8(self.invoke, "invoke octet") + encode_u32(self.block, "block number")


@dataclass(frozen=True, slots=True)
class SetResponseLastBlock:
    """The last block has arrived, or the transfer was aborted; this is the result of the write."""

    invoke: int
    result: AttributeResult
    block: int

    def encode(self) -> bytes:
        head = b"\xc5\x03" + encode_u8(self.invoke, "invoke octet") + encode_u8(self.result, "result")
        return head + encode_u32(self.block, "block number")


@dataclass(frozen=True, slots=True)
class SetResponseLastBlockWithList:
    invoke: int
    results: tuple[AttributeResult, ...]
    block: int

    def encode(self) -> bytes:
        head = b"\xc5\x04" + encode_u8(self.invoke, "invoke octet") + _encode_results(self.results)
        return head + encode_u32(self.block, "block number")


@dataclass(frozen=True, slots=True)
class SetResponseWithList:
    invoke: int
    results: tuple[AttributeResult, ...]

    def encode(self) -> bytes:
        return b"\xc5\x05" + encode_u8(self.invoke, "invoke octet") + _encode_results(self.results)


def encode_values(values: tuple[bytes, ...]) -> bytes:
    """SEQUENCE OF Data: what a long with-list write or action is cut into blocks from."""
    return axdr.encode_length(len(values)) + b"".join(values)


def decode_values(octets: Octets) -> tuple[bytes, ...]:
    """Read a whole SEQUENCE OF Data, as it comes out of the blocks of a with-list request."""
    reader = Reader(bytes(octets))
    values = read_values(reader)
    reader.end()
    return values


def read_values(reader: Reader) -> tuple[bytes, ...]:
    return tuple([reader.data() for _ in range(reader.count(1, "values"))])


def read_matching_values(reader: Reader, count: int) -> tuple[bytes, ...]:
    """SEQUENCE OF Data that must hold one value for each of `count` descriptors."""
    start = reader.offset
    values = read_values(reader)
    if len(values) != count:
        raise RemoteProtocolError(f"{count} descriptors but {len(values)} values", octet_offset=start)
    return values


def _encode_list(attributes: tuple[Selected, ...]) -> bytes:
    return axdr.encode_length(len(attributes)) + b"".join(
        encode_descriptor(attribute) + encode_selection(selection) for attribute, selection in attributes
    )


def _encode_results(results: tuple[AttributeResult, ...]) -> bytes:
    return axdr.encode_length(len(results)) + b"".join(encode_u8(result, "result") for result in results)


def _read_list(reader: Reader) -> tuple[Selected, ...]:
    count = reader.count(DESCRIPTOR_OCTETS + 1, "attributes")
    return tuple([(reader.attribute(), reader.selection()) for _ in range(count)])


def _read_result(reader: Reader) -> AttributeResult:
    return code(DataAccessResult, reader.u8("data access result"))


def _read_results(reader: Reader) -> tuple[AttributeResult, ...]:
    return tuple([_read_result(reader) for _ in range(reader.count(1, "results"))])


# -- decoders, by choice ---------------------------------------------------------------------------------------------


def _request_normal(reader: Reader) -> SetRequestNormal:
    invoke = reader.u8("invoke octet")
    attribute = reader.attribute()
    selection = reader.selection()
    return SetRequestNormal(invoke, attribute, reader.data(), selection)


def _request_first_block(reader: Reader) -> SetRequestFirstBlock:
    invoke = reader.u8("invoke octet")
    return SetRequestFirstBlock(invoke, reader.attribute(), reader.selection(), *read_block(reader))


def _request_block(reader: Reader) -> SetRequestBlock:
    return SetRequestBlock(reader.u8("invoke octet"), *read_block(reader))


def _request_with_list(reader: Reader) -> SetRequestWithList:
    invoke = reader.u8("invoke octet")
    attributes = _read_list(reader)
    return SetRequestWithList(invoke, attributes, read_matching_values(reader, len(attributes)))


def _request_with_list_first_block(reader: Reader) -> SetRequestWithListFirstBlock:
    return SetRequestWithListFirstBlock(reader.u8("invoke octet"), _read_list(reader), *read_block(reader))


def _response_normal(reader: Reader) -> SetResponseNormal:
    return SetResponseNormal(reader.u8("invoke octet"), _read_result(reader))


def _response_block(reader: Reader) -> SetResponseBlock:
    return SetResponseBlock(reader.u8("invoke octet"), reader.u32("block number"))


def _response_last_block(reader: Reader) -> SetResponseLastBlock:
    return SetResponseLastBlock(reader.u8("invoke octet"), _read_result(reader), reader.u32("block number"))


def _response_last_block_with_list(reader: Reader) -> SetResponseLastBlockWithList:
    return SetResponseLastBlockWithList(reader.u8("invoke octet"), _read_results(reader), reader.u32("block number"))


def _response_with_list(reader: Reader) -> SetResponseWithList:
    return SetResponseWithList(reader.u8("invoke octet"), _read_results(reader))


SetRequest = (
    SetRequestNormal | SetRequestFirstBlock | SetRequestBlock | SetRequestWithList | SetRequestWithListFirstBlock
)
SetResponse = (
    SetResponseNormal | SetResponseBlock | SetResponseLastBlock | SetResponseLastBlockWithList | SetResponseWithList
)

REQUESTS: Final[dict[int, Callable[[Reader], SetRequest]]] = {
    1: _request_normal,
    2: _request_first_block,
    3: _request_block,
    4: _request_with_list,
    5: _request_with_list_first_block,
}
RESPONSES: Final[dict[int, Callable[[Reader], SetResponse]]] = {
    1: _response_normal,
    2: _response_block,
    3: _response_last_block,
    4: _response_last_block_with_list,
    5: _response_with_list,
}

"""Read: attributes by short name, one, several, with parameters, or in blocks.

A request is a list of variables, the answer a list of results in the same order. A long answer comes in blocks: the
result is then one `DataBlock`, and what the blocks hold is the answer behind its tag (count and results).

Source: docs/protocols/short-names.md §1, §2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from hes.dlms import axdr
from hes.dlms.codes import AttributeResult, DataAccessResult, code
from hes.dlms.xdlms.common import Octets, Reader, encode_u8
from hes.dlms.xdlms.variable_access import (
    VariableAccess,
    encode_block_16,
    encode_u16,
    encode_variables,
    read_block_16,
    read_choice,
    read_u16,
    read_variables,
)
from hes.errors import LocalProtocolError, RemoteProtocolError


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """Read the variables, in this order."""

    variables: tuple[VariableAccess, ...]

    def encode(self) -> bytes:
        return b"\x05" + self.encode_content()

    def encode_content(self) -> bytes:
        """What stands behind the tag; a long request is cut into blocks from this."""
        return encode_variables(self.variables)


@dataclass(frozen=True, slots=True)
class ReadData:
    """data: the encoded value."""

    data: bytes

    def encode(self) -> bytes:
        if not self.data:
            raise LocalProtocolError("a successful read carries Data")
        return b"\x00" + self.data


@dataclass(frozen=True, slots=True)
class DataAccessError:
    """Why one variable was not read or written."""

    result: AttributeResult

    def encode(self) -> bytes:
        return b"\x01" + encode_u8(self.result, "result")


@dataclass(frozen=True, slots=True)
class DataBlock:
    """One block of a long answer."""

    last: bool
    block: int
    raw: bytes

    def encode(self) -> bytes:
        return b"\x02" + encode_block_16(self.last, self.block, self.raw)


@dataclass(frozen=True, slots=True)
class ReadBlockNumber:
    """Block `block` of a long request was taken."""

    block: int

    def encode(self) -> bytes:
        return b"\x03" + encode_u16(self.block, "block number")


ReadResult: TypeAlias = ReadData | DataAccessError | DataBlock | ReadBlockNumber


@dataclass(frozen=True, slots=True)
class ReadResponse:
    """The results in the order of the request; a block or a block number stands alone."""

    results: tuple[ReadResult, ...]

    def encode(self) -> bytes:
        return b"\x0c" + self.encode_content()

    def encode_content(self) -> bytes:
        """What stands behind the tag; a long answer is cut into blocks from this."""
        return axdr.encode_length(len(self.results)) + b"".join([result.encode() for result in self.results])


def _data(reader: Reader) -> ReadData:
    return ReadData(reader.data())


def read_access_error(reader: Reader) -> DataAccessError:
    number = reader.u8("data access result")
    if number == 0:
        raise RemoteProtocolError("result is success where an error should stand", octet_offset=reader.offset - 1)
    return DataAccessError(code(DataAccessResult, number))


def _block(reader: Reader) -> DataBlock:
    return DataBlock(*read_block_16(reader))


def _block_number(reader: Reader) -> ReadBlockNumber:
    return ReadBlockNumber(read_u16(reader, "block number"))


RESULTS: Final[dict[int, Callable[[Reader], ReadResult]]] = {
    0: _data,
    1: read_access_error,
    2: _block,
    3: _block_number,
}


def read_read_request(reader: Reader) -> ReadRequest:
    return ReadRequest(read_variables(reader))


def read_read_response(reader: Reader) -> ReadResponse:
    return ReadResponse(tuple([read_choice(reader, RESULTS) for _ in range(reader.count(2, "results"))]))


def decode_read_content(octets: Octets) -> ReadRequest:
    """A whole ReadRequest without its tag, as it comes out of its blocks. Raises RemoteProtocolError."""
    reader = Reader(bytes(octets))
    request = read_read_request(reader)
    reader.end()
    return request


def decode_read_response_content(octets: Octets) -> ReadResponse:
    """A whole ReadResponse without its tag, as it comes out of its blocks. Raises RemoteProtocolError."""
    reader = Reader(bytes(octets))
    response = read_read_response(reader)
    reader.end()
    return response

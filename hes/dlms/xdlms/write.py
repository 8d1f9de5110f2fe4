"""Write and UnconfirmedWrite: attributes and methods by short name, one, several, or in blocks.

Blocks of a long WriteRequest are requests with one `WriteDataBlockAccess` and one octet-string; what they hold is the
request behind its tag (both lists).

Source: docs/protocols/short-names.md §1, §2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from hes.dlms import axdr
from hes.dlms.xdlms.common import Octets, Reader
from hes.dlms.xdlms.read import DataAccessError, read_access_error
from hes.dlms.xdlms.variable_access import (
    VariableAccess,
    check_pairs,
    encode_list_of_data,
    encode_u16,
    encode_variables,
    read_choice,
    read_u16,
    read_variables_and_data,
)


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """Write each variable. data: encoded values, in the order of the variables."""

    variables: tuple[VariableAccess, ...]
    data: tuple[bytes, ...]

    def encode(self) -> bytes:
        return b"\x06" + self.encode_content()

    def encode_content(self) -> bytes:
        """What stands behind the tag; a long request is cut into blocks from this."""
        check_pairs(self.variables, self.data)
        return encode_variables(self.variables) + encode_list_of_data(self.data)


@dataclass(frozen=True, slots=True)
class UnconfirmedWriteRequest:
    """The same, and nothing is answered."""

    variables: tuple[VariableAccess, ...]
    data: tuple[bytes, ...]

    def encode(self) -> bytes:
        check_pairs(self.variables, self.data)
        return b"\x16" + encode_variables(self.variables) + encode_list_of_data(self.data)


@dataclass(frozen=True, slots=True)
class WriteSuccess:
    """One variable was written."""

    def encode(self) -> bytes:
        return b"\x00"


@dataclass(frozen=True, slots=True)
class WriteBlockNumber:
    """Block `block` of a long request was taken."""

    block: int

    def encode(self) -> bytes:
        return b"\x02" + encode_u16(self.block, "block number")


WriteResult: TypeAlias = WriteSuccess | DataAccessError | WriteBlockNumber
WRITTEN: Final = WriteSuccess()


@dataclass(frozen=True, slots=True)
class WriteResponse:
    """The results in the order of the request; a block number stands alone."""

    results: tuple[WriteResult, ...]

    def encode(self) -> bytes:
        results = b"".join([result.encode() for result in self.results])
        return b"\x0d" + axdr.encode_length(len(self.results)) + results


def _success(_reader: Reader) -> WriteSuccess:
    return WRITTEN


def _block_number(reader: Reader) -> WriteBlockNumber:
    return WriteBlockNumber(read_u16(reader, "block number"))


RESULTS: Final[dict[int, Callable[[Reader], WriteResult]]] = {0: _success, 1: read_access_error, 2: _block_number}


def read_write_request(reader: Reader) -> WriteRequest:
    return WriteRequest(*read_variables_and_data(reader))


def read_unconfirmed_write_request(reader: Reader) -> UnconfirmedWriteRequest:
    return UnconfirmedWriteRequest(*read_variables_and_data(reader))


def read_write_response(reader: Reader) -> WriteResponse:
    return WriteResponse(tuple([read_choice(reader, RESULTS) for _ in range(reader.count(1, "results"))]))


def decode_write_content(octets: Octets) -> WriteRequest:
    """A whole WriteRequest without its tag, as it comes out of its blocks. Raises RemoteProtocolError."""
    reader = Reader(bytes(octets))
    request = read_write_request(reader)
    reader.end()
    return request

"""What a short-name service names: one variable, one with parameters, or a block of a long transfer.

A short name is the 16-bit address of one attribute or method. ReadRequest, WriteRequest and InformationReport carry a
list of these specifications; each starts with the octet that says which it is. `detailed-access` (3) is not used in
DLMS/COSEM and is refused.

Source: docs/protocols/short-names.md §1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

from hes.dlms import axdr
from hes.dlms.xdlms.common import Reader, encode_octets, encode_u8
from hes.errors import LocalProtocolError, RemoteProtocolError

Choice = TypeVar("Choice")

SHORT_NAME_MAX: Final = 0xFFFF
BLOCK_NUMBER_16_MAX: Final = 0xFFFF


def encode_u16(value: int, what: str) -> bytes:
    if not 0 <= value <= 0xFFFF:
        raise LocalProtocolError(f"{what} {value} does not fit two octets")
    return value.to_bytes(2, "big")


def read_u16(reader: Reader, what: str) -> int:
    return int.from_bytes(reader.take(2, what), "big")


def encode_block_16(last: bool, block: int, raw: bytes) -> bytes:
    """last-block, block-number (2 octets), raw-data: the blocks of the short-name services."""
    return (b"\x01" if last else b"\x00") + encode_u16(block, "block number") + encode_octets(raw)


def read_block_16(reader: Reader) -> tuple[bool, int, bytes]:
    last = reader.boolean("last-block")
    block = read_u16(reader, "block number")
    return last, block, reader.octet_string("raw data")


@dataclass(frozen=True, slots=True)
class VariableName:
    """An attribute or a method by its short name, 0..65535."""

    name: int

    def encode(self) -> bytes:
        return b"\x02" + encode_u16(self.name, "short name")


@dataclass(frozen=True, slots=True)
class ParameterizedAccess:
    """A short name with a selector and parameters. parameter: encoded Data."""

    name: int
    selector: int
    parameter: bytes

    def encode(self) -> bytes:
        return b"\x04" + encode_u16(self.name, "short name") + encode_u8(self.selector, "selector") + self.parameter


@dataclass(frozen=True, slots=True)
class BlockNumberAccess:
    """Ask for the block of a long answer after `block`, the last one received."""

    block: int

    def encode(self) -> bytes:
        return b"\x05" + encode_u16(self.block, "block number")


@dataclass(frozen=True, slots=True)
class ReadDataBlockAccess:
    """One block of a long ReadRequest. raw: octets of the request behind its tag."""

    last: bool
    block: int
    raw: bytes

    def encode(self) -> bytes:
        return b"\x06" + encode_block_16(self.last, self.block, self.raw)


@dataclass(frozen=True, slots=True)
class WriteDataBlockAccess:
    """One block of a long WriteRequest; its octets stand in the list of data as an octet-string."""

    last: bool
    block: int

    def encode(self) -> bytes:
        return b"\x07" + (b"\x01" if self.last else b"\x00") + encode_u16(self.block, "block number")


VariableAccess: TypeAlias = (
    VariableName | ParameterizedAccess | BlockNumberAccess | ReadDataBlockAccess | WriteDataBlockAccess
)
ACCESS_OCTETS_MIN: Final = 3


def _name(reader: Reader) -> VariableName:
    return VariableName(read_u16(reader, "short name"))


def _parameterized(reader: Reader) -> ParameterizedAccess:
    return ParameterizedAccess(read_u16(reader, "short name"), reader.u8("selector"), reader.data())


def _block_number(reader: Reader) -> BlockNumberAccess:
    return BlockNumberAccess(read_u16(reader, "block number"))


def _read_block(reader: Reader) -> ReadDataBlockAccess:
    return ReadDataBlockAccess(*read_block_16(reader))


def _write_block(reader: Reader) -> WriteDataBlockAccess:
    return WriteDataBlockAccess(reader.boolean("last-block"), read_u16(reader, "block number"))


SPECIFICATIONS: Final[dict[int, Callable[[Reader], VariableAccess]]] = {
    2: _name,
    4: _parameterized,
    5: _block_number,
    6: _read_block,
    7: _write_block,
}


def encode_variables(variables: tuple[VariableAccess, ...]) -> bytes:
    """SEQUENCE OF Variable-Access-Specification."""
    return axdr.encode_length(len(variables)) + b"".join([variable.encode() for variable in variables])


def read_variables(reader: Reader) -> tuple[VariableAccess, ...]:
    return tuple([_read_variable(reader) for _ in range(reader.count(ACCESS_OCTETS_MIN, "variables"))])


def _read_variable(reader: Reader) -> VariableAccess:
    choice = reader.u8("variable access specification")
    read = SPECIFICATIONS.get(choice)
    if read is None:
        raise RemoteProtocolError(
            f"variable access specification {choice} is not one of {sorted(SPECIFICATIONS)}",
            octet_offset=reader.offset - 1,
        )
    return read(reader)


def encode_list_of_data(data: tuple[bytes, ...]) -> bytes:
    """SEQUENCE OF Data, each already encoded."""
    return axdr.encode_length(len(data)) + b"".join(data)


def read_variables_and_data(reader: Reader) -> tuple[tuple[VariableAccess, ...], tuple[bytes, ...]]:
    """Two lists of the same length, as WriteRequest and InformationReport have them.

    Raises RemoteProtocolError when the lengths differ.
    """
    variables = read_variables(reader)
    start = reader.offset
    data = tuple([reader.data() for _ in range(reader.count(1, "values"))])
    if len(data) != len(variables):
        raise RemoteProtocolError(f"{len(variables)} variables with {len(data)} values", octet_offset=start)
    return variables, data


def check_pairs(variables: tuple[VariableAccess, ...], data: tuple[bytes, ...]) -> None:
    """Raises LocalProtocolError when there are not as many values as variables."""
    if len(variables) != len(data):
        raise LocalProtocolError(f"{len(variables)} variables with {len(data)} values")


def read_choice(reader: Reader, choices: Mapping[int, Callable[[Reader], Choice]]) -> Choice:
    """One result of a list: its choice, and what that choice holds. Raises RemoteProtocolError for another choice."""
    choice = reader.u8("choice of result")
    read = choices.get(choice)
    if read is None:
        raise RemoteProtocolError(
            f"result choice {choice} is not one of {sorted(choices)}", octet_offset=reader.offset - 1
        )
    return read(reader)

"""ACTION: invoking methods, one, many, or with long parameters and results in blocks ("pblock").

C3 is the request, C7 the response; the second octet is the choice. Request blocks carry the parameters, response blocks
the result with its return parameters.

Source: docs/protocols/dlms-application.md §3.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from hes.dlms import axdr
from hes.dlms.codes import ActionResult, AttributeResult, DataAccessResult, MethodResult, code
from hes.dlms.xdlms.common import (
    DESCRIPTOR_OCTETS,
    MethodDescriptor,
    Octets,
    Reader,
    encode_block,
    encode_descriptor,
    encode_u8,
    encode_u32,
    read_block,
)
from hes.dlms.xdlms.set import encode_values, read_matching_values
from hes.errors import LocalProtocolError


class ActionOutcome(NamedTuple):
    """What one method gave. data: encoded Data it returned, or None; data_result: said in place of data, or None."""

    result: MethodResult
    data: bytes | None = None
    data_result: AttributeResult | None = None


@dataclass(frozen=True, slots=True)
class ActionRequestNormal:
    """Invoke one method. data: encoded Data of its parameter, None when it is left out."""

    invoke: int
    method: MethodDescriptor
    data: bytes | None = None

    def encode(self) -> bytes:
        head = b"\xc3\x01" + encode_u8(self.invoke, "invoke octet") + encode_descriptor(self.method)
        return head + (b"\x00" if self.data is None else b"\x01" + self.data)


_ACTION: Final = struct.Struct(">HBH6sbB")
_ACTION_NORMAL: Final = 0xC301


def encode_action_request(invoke: int, method: MethodDescriptor, data: bytes | None) -> bytes:
    """Octets of an action-request-normal, as `ActionRequestNormal(...).encode()` gives them, without the object.

    Raises LocalProtocolError for a field out of its range.
    """
    class_id, obis, index = method
    if len(obis) == 6:
        try:
            head = _ACTION.pack(_ACTION_NORMAL, invoke, class_id, obis, index, data is not None)
        except struct.error:
            pass
        else:
            return head if data is None else head + data
    return ActionRequestNormal(invoke, method, data).encode()


@dataclass(frozen=True, slots=True)
class ActionRequestNextBlock:
    """Ask for the block of the result after `block`, the last one received."""

    invoke: int
    block: int

    def encode(self) -> bytes:
        return b"\xc3\x02" + encode_u8(self.invoke, "invoke octet") + encode_u32(self.block, "block number")


@dataclass(frozen=True, slots=True)
class ActionRequestWithList:
    """Invoke several methods; as many encoded Data as methods (null-data where there is no parameter)."""

    invoke: int
    methods: tuple[MethodDescriptor, ...]
    data: tuple[bytes, ...]

    def encode(self) -> bytes:
        if len(self.methods) != len(self.data):
            raise LocalProtocolError(f"{len(self.methods)} methods but {len(self.data)} parameters")
        head = b"\xc3\x03" + encode_u8(self.invoke, "invoke octet") + _encode_list(self.methods)
        return head + encode_values(self.data)


@dataclass(frozen=True, slots=True)
class ActionRequestFirstBlock:
    """Begin to invoke one method whose parameter is long."""

    invoke: int
    method: MethodDescriptor
    last: bool
    block: int
    raw: bytes

    def encode(self) -> bytes:
        head = b"\xc3\x04" + encode_u8(self.invoke, "invoke octet") + encode_descriptor(self.method)
        return head + encode_block(self.last, self.block, self.raw)


@dataclass(frozen=True, slots=True)
class ActionRequestWithListFirstBlock:
    """Begin to invoke several methods whose parameters are long; the blocks carry SEQUENCE OF Data."""

    invoke: int
    methods: tuple[MethodDescriptor, ...]
    last: bool
    block: int
    raw: bytes

    def encode(self) -> bytes:
        head = b"\xc3\x05" + encode_u8(self.invoke, "invoke octet") + _encode_list(self.methods)
        return head + encode_block(self.last, self.block, self.raw)


@dataclass(frozen=True, slots=True)
class ActionRequestBlock:
    """A further block of a long parameter."""

    invoke: int
    last: bool
    block: int
    raw: bytes

    def encode(self) -> bytes:
        return b"\xc3\x06" + encode_u8(self.invoke, "invoke octet") + encode_block(self.last, self.block, self.raw)


@dataclass(frozen=True, slots=True)
class ActionResponseNormal:
    """The outcome of one method. data: encoded Data returned, or None; data_result: said in place of data, or None."""

    invoke: int
    result: MethodResult
    data: bytes | None = None
    data_result: AttributeResult | None = None

    def encode(self) -> bytes:
        outcome = ActionOutcome(self.result, self.data, self.data_result)
        return b"\xc7\x01" + encode_u8(self.invoke, "invoke octet") + encode_outcome(outcome)


@dataclass(frozen=True, slots=True)
class ActionResponseBlock:
    """One block of a long result."""

    invoke: int
    last: bool
    block: int
    raw: bytes

    def encode(self) -> bytes:
        return b"\xc7\x02" + encode_u8(self.invoke, "invoke octet") + encode_block(self.last, self.block, self.raw)


@dataclass(frozen=True, slots=True)
class ActionResponseWithList:
    invoke: int
    outcomes: tuple[ActionOutcome, ...]

    def encode(self) -> bytes:
        return b"\xc7\x03" + encode_u8(self.invoke, "invoke octet") + encode_outcomes(self.outcomes)


@dataclass(frozen=True, slots=True)
class ActionResponseNextBlock:
    """Block `block` of the parameter has arrived; send the next."""

    invoke: int
    block: int

    def encode(self) -> bytes:
        return b"\xc7\x04" + encode_u8(self.invoke, "invoke octet") + encode_u32(self.block, "block number")


def encode_outcome(outcome: ActionOutcome) -> bytes:
    """Action-Response-With-Optional-Data: what a long result of one method is cut into blocks from."""
    result, data, data_result = outcome
    if data is not None and data_result is not None:
        raise LocalProtocolError("a method returns data or a result in its place, not both")
    head = encode_u8(result, "result")
    if data is not None:
        return head + b"\x01\x00" + data
    return head + (b"\x00" if data_result is None else b"\x01\x01" + encode_u8(data_result, "result"))


def encode_outcomes(outcomes: tuple[ActionOutcome, ...]) -> bytes:
    """SEQUENCE OF Action-Response-With-Optional-Data."""
    return axdr.encode_length(len(outcomes)) + b"".join(map(encode_outcome, outcomes))


def decode_outcome(octets: Octets) -> ActionOutcome:
    """Read one whole outcome, as it comes out of the blocks of a long result."""
    reader = Reader(bytes(octets))
    outcome = _read_outcome(reader)
    reader.end()
    return outcome


def decode_outcomes(octets: Octets) -> tuple[ActionOutcome, ...]:
    """Read a whole SEQUENCE OF outcomes, as it comes out of the blocks of a long with-list result."""
    reader = Reader(bytes(octets))
    outcomes = _read_outcomes(reader)
    reader.end()
    return outcomes


def _read_outcome(reader: Reader) -> ActionOutcome:
    result = code(ActionResult, reader.u8("action result"))
    if not reader.flag("presence of return parameters"):
        return ActionOutcome(result)
    if not reader.flag("choice of data or result"):
        return ActionOutcome(result, reader.data())
    return ActionOutcome(result, None, code(DataAccessResult, reader.u8("data access result")))


def _read_outcomes(reader: Reader) -> tuple[ActionOutcome, ...]:
    return tuple([_read_outcome(reader) for _ in range(reader.count(2, "results"))])


def _encode_list(methods: tuple[MethodDescriptor, ...]) -> bytes:
    return axdr.encode_length(len(methods)) + b"".join(map(encode_descriptor, methods))


def _read_list(reader: Reader) -> tuple[MethodDescriptor, ...]:
    return tuple([reader.method() for _ in range(reader.count(DESCRIPTOR_OCTETS, "methods"))])


# -- decoders, by choice ---------------------------------------------------------------------------------------------


def _request_normal(reader: Reader) -> ActionRequestNormal:
    invoke = reader.u8("invoke octet")
    method = reader.method()
    return ActionRequestNormal(invoke, method, reader.data() if reader.flag("presence of parameters") else None)


def _request_next_block(reader: Reader) -> ActionRequestNextBlock:
    return ActionRequestNextBlock(reader.u8("invoke octet"), reader.u32("block number"))


def _request_with_list(reader: Reader) -> ActionRequestWithList:
    invoke = reader.u8("invoke octet")
    methods = _read_list(reader)
    return ActionRequestWithList(invoke, methods, read_matching_values(reader, len(methods)))


def _request_first_block(reader: Reader) -> ActionRequestFirstBlock:
    return ActionRequestFirstBlock(reader.u8("invoke octet"), reader.method(), *read_block(reader))


def _request_with_list_first_block(reader: Reader) -> ActionRequestWithListFirstBlock:
    return ActionRequestWithListFirstBlock(reader.u8("invoke octet"), _read_list(reader), *read_block(reader))


def _request_block(reader: Reader) -> ActionRequestBlock:
    return ActionRequestBlock(reader.u8("invoke octet"), *read_block(reader))


def _response_normal(reader: Reader) -> ActionResponseNormal:
    return ActionResponseNormal(reader.u8("invoke octet"), *_read_outcome(reader))


def _response_block(reader: Reader) -> ActionResponseBlock:
    return ActionResponseBlock(reader.u8("invoke octet"), *read_block(reader))


def _response_with_list(reader: Reader) -> ActionResponseWithList:
    return ActionResponseWithList(reader.u8("invoke octet"), _read_outcomes(reader))


def _response_next_block(reader: Reader) -> ActionResponseNextBlock:
    return ActionResponseNextBlock(reader.u8("invoke octet"), reader.u32("block number"))


ActionRequest = (
    ActionRequestNormal
    | ActionRequestNextBlock
    | ActionRequestWithList
    | ActionRequestFirstBlock
    | ActionRequestWithListFirstBlock
    | ActionRequestBlock
)
ActionResponse = ActionResponseNormal | ActionResponseBlock | ActionResponseWithList | ActionResponseNextBlock

REQUESTS: Final[dict[int, Callable[[Reader], ActionRequest]]] = {
    1: _request_normal,
    2: _request_next_block,
    3: _request_with_list,
    4: _request_first_block,
    5: _request_with_list_first_block,
    6: _request_block,
}
RESPONSES: Final[dict[int, Callable[[Reader], ActionResponse]]] = {
    1: _response_normal,
    2: _response_block,
    3: _response_with_list,
    4: _response_next_block,
}

"""Read, Write and UnconfirmedWrite on the objects of a logical device, within one association with short names.

The same objects as for `Services`, found by name: an attribute is read or written, a method invoked, by Read (what it
returns is the answer) or by Write (what it returns is lost). Works on plain APDUs.

Source: docs/protocols/short-names.md §1, §2, §3, §5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from hes.dlms import apdu, axdr
from hes.dlms.apdu import (
    BlockNumberAccess,
    DataAccessError,
    DataBlock,
    ParameterizedAccess,
    ReadBlockNumber,
    ReadDataBlockAccess,
    ReadRequest,
    ReadResponse,
    UnconfirmedWriteRequest,
    VariableName,
    WriteBlockNumber,
    WriteDataBlockAccess,
    WriteRequest,
    WriteResponse,
    WriteSuccess,
)
from hes.dlms.block_transfer import (
    BLOCK_TRANSFER_OCTETS_MAX,
    Block,
    BlockNumberError,
    Incoming,
    Outgoing,
    capacity,
)
from hes.dlms.codes import (
    ApduTag,
    ConfirmedService,
    Conformance,
    DataAccessResult,
    ErrorGroup,
    ServiceFault,
)
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.cosem_object import ActionReply
from hes.dlms.findings import FindingKind
from hes.dlms.server.refusals import UNKNOWN_SERVICE, malformed
from hes.dlms.xdlms.read import decode_read_content
from hes.dlms.xdlms.variable_access import BLOCK_NUMBER_16_MAX, VariableAccess
from hes.dlms.xdlms.write import WriteResult, decode_write_content
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

READ_BLOCK_HEAD: Final = 6  # 0C 01 02 last block(2)
_NULL_DATA: Final = b"\x00"

_READ, _WRITE = int(Conformance.READ), int(Conformance.WRITE)
_UNCONFIRMED = int(Conformance.UNCONFIRMED_WRITE)
_LIST = int(Conformance.MULTIPLE_REFERENCES)
_PARAMETERS = int(Conformance.PARAMETERIZED_ACCESS)
_READ_BLOCKS = int(Conformance.BLOCK_TRANSFER_GET)
_WRITE_BLOCKS = int(Conformance.BLOCK_TRANSFER_SET)
_GENERAL_BLOCKS = int(Conformance.GENERAL_BLOCK_TRANSFER)

_NEEDED: Final[dict[type, int]] = {
    VariableName: 0,
    ParameterizedAccess: _PARAMETERS,
    BlockNumberAccess: _READ_BLOCKS,
    ReadDataBlockAccess: _READ_BLOCKS,
    WriteDataBlockAccess: _WRITE_BLOCKS,
}
_DATA_RESULTS: Final = {int(result): result for result in DataAccessResult}


def service_error(service: ConfirmedService, fault: ServiceFault) -> bytes:
    """A ConfirmedServiceError: how a service with short names is refused as a whole."""
    return apdu.ConfirmedServiceError(service, ErrorGroup.SERVICE, fault).encode()


_SERVICES: Final = {ApduTag.READ_REQUEST: ConfirmedService.READ, ApduTag.WRITE_REQUEST: ConfirmedService.WRITE}
_MALFORMED: Final = {int(tag): service_error(each, ServiceFault.OTHER) for tag, each in _SERVICES.items()}
_NOT_NEGOTIATED: Final = {each: service_error(each, ServiceFault.SERVICE_UNSUPPORTED) for each in _SERVICES.values()}
_TOO_LONG: Final = service_error(ConfirmedService.READ, ServiceFault.PDU_SIZE)


@dataclass(slots=True)
class _LongRequest:
    """A request arriving in blocks. last: the block last taken; answer: what was said to it, should it come again."""

    service: ConfirmedService
    incoming: Incoming
    last: Block | None = None
    answer: bytes = b""

    def repeats(self, service: ConfirmedService, block: Block) -> bool:
        """Whether that block came before, octet for octet. A block 1 after the last block begins another request: it
        would be the same in a second request, and no invoke id tells them apart."""
        return self.service is service and block == self.last and not (block.last and block.number == 1)


class ShortNameServices(Generic[I]):
    """The services of one association with short names. `limit`: octets that a plain answer may have."""

    __slots__ = ("_capacity", "_conformance", "_context", "_find", "_long_answer", "_long_request", "limit")

    def __init__(self, context: Context[I]) -> None:
        self._context = context
        self._conformance = int(context.conformance)
        self._find = context.device.short_names.find
        self._long_answer: Outgoing | None = None
        self._long_request: _LongRequest | None = None
        self._capacity = 0
        self.limit = 0

    @property
    def in_transfer(self) -> bool:
        """True while blocks are on their way in either direction."""
        return self._long_answer is not None or self._long_request is not None

    def serve(self, octets: bytes) -> bytes | None:
        """The plain answer to a plain request; None for silence. Never raises for what a peer sends."""
        tag = octets[0] if octets else 0
        try:
            request = apdu.decode(octets)
        except apdu.UnknownApduError as error:
            return self._unknown(error.message)
        except RemoteProtocolError as error:
            self._note_malformed(tag, malformed(f"APDU {tag:02X}", error))
            return None if tag == ApduTag.UNCONFIRMED_WRITE_REQUEST else _MALFORMED.get(tag, UNKNOWN_SERVICE)
        if isinstance(request, ReadRequest):
            return self._read(request)
        if isinstance(request, WriteRequest):
            return self._write(request)
        if isinstance(request, UnconfirmedWriteRequest):
            self._write_unconfirmed(request)
            return None
        return self._unknown(f"{type(request).__name__} is nothing that a server with short names is asked")

    def _unknown(self, text: str) -> bytes:
        self._context.note(FindingKind.UNKNOWN_SERVICE, text, "APPL_DATA_SN_N3")
        return UNKNOWN_SERVICE

    def _note_malformed(self, tag: int, text: str) -> None:
        self._context.note(FindingKind.MALFORMED_APDU, text, _CASES.get(tag, ""))

    def _malformed(self, tag: ApduTag, text: str) -> bytes:
        self._note_malformed(tag, text)
        return _MALFORMED[tag]

    def _not_negotiated(self, service: ConfirmedService) -> bytes:
        text = f"{service.name}, or a way of it that is used here, was not negotiated"
        self._context.note(FindingKind.NOT_NEGOTIATED, text, "APPL_DATA_SN_N3")
        return _NOT_NEGOTIATED[service]

    def _too_long(self, octets: int) -> bytes:
        self._context.note_too_long(octets, self.limit, "and no blocks hold it")
        return _TOO_LONG

    def _out_of_turn(self, text: str) -> None:
        """The peer breaks off whatever transfer there was."""
        self._begin()
        self._context.note(FindingKind.BLOCK_OUT_OF_TURN, text)

    def _begin(self) -> None:
        """A new request ends every transfer."""
        self._long_answer = self._long_request = None

    def _lacks(self, service: int, variables: tuple[VariableAccess, ...]) -> bool:
        """True when the request needs what was not negotiated."""
        needed = service | (_LIST if len(variables) > 1 else 0)
        for variable in variables:
            needed |= _NEEDED[type(variable)]
        return needed & ~self._conformance != 0

    # -- Read

    def _read(self, request: ReadRequest) -> bytes:
        variables = request.variables
        if self._lacks(_READ, variables):
            return self._not_negotiated(ConfirmedService.READ)
        if len(variables) == 1:
            (only,) = variables
            if isinstance(only, BlockNumberAccess):
                return self._next_block(only.block)
            if isinstance(only, ReadDataBlockAccess):
                return self._take(ConfirmedService.READ, Block(only.last, only.block, only.raw))
        self._begin()
        return self._read_all(variables)

    def _read_all(self, variables: tuple[VariableAccess, ...]) -> bytes:
        parts, octets = [axdr.encode_length(len(variables))], 0
        for variable in variables:
            if not isinstance(variable, VariableName | ParameterizedAccess):
                return self._malformed(ApduTag.READ_REQUEST, "a block among other variables of a Read")
            value = self._read_one(variable)
            part = b"\x00" + value if isinstance(value, bytes) else bytes((1, value))
            octets += len(part)
            if octets > BLOCK_TRANSFER_OCTETS_MAX:
                return self._too_long(octets)
            parts.append(part)
        if len(parts) == 1:
            return self._malformed(ApduTag.READ_REQUEST, "a Read without any variable")
        whole = b"".join(parts)
        return b"\x0c" + whole if len(whole) < self.limit else self._answer_in_blocks(whole)

    def _read_one(self, variable: VariableName | ParameterizedAccess) -> bytes | DataAccessResult:
        place = self._find(variable.name)
        if place is None:
            return DataAccessResult.OBJECT_UNDEFINED
        entry, index, is_method = place
        if not is_method:
            return entry.get(self._context, index, _selection(variable))
        parameter = _parameter(variable.parameter) if isinstance(variable, ParameterizedAccess) else None
        reply = entry.act(self._context, index, parameter)
        return _result_of(reply) or reply.data or _NULL_DATA

    def _answer_in_blocks(self, whole: bytes) -> bytes:
        octets = capacity(self.limit, READ_BLOCK_HEAD)
        if octets < 1 or not self._conformance & _READ_BLOCKS or len(whole) > octets * BLOCK_NUMBER_16_MAX:
            return b"\x0c" + whole if self._conformance & _GENERAL_BLOCKS else self._too_long(len(whole) + 1)
        self._capacity = octets
        self._long_answer = Outgoing(whole)
        return _block(self._long_answer.next(octets))

    def _next_block(self, number: int) -> bytes:
        """The block after `number`, or the last one again when its answer was lost on the way [A]."""
        outgoing = self._long_answer
        if outgoing is None:
            self._out_of_turn(f"block {number} of a Read is asked for, and no transfer is under way")
            return _read_error(DataAccessResult.NO_LONG_GET_IN_PROGRESS)
        current = outgoing.current
        if number == current.number - 1:
            return _block(current)
        if number != current.number or current.last:
            self._out_of_turn(f"the block after {number} of a Read is asked for, {current.number} was sent last")
            wrong = number != current.number
            return _read_error(
                DataAccessResult.DATA_BLOCK_NUMBER_INVALID if wrong else DataAccessResult.NO_LONG_GET_IN_PROGRESS
            )
        return _block(outgoing.next(self._capacity))

    # -- Write

    def _write(self, request: WriteRequest) -> bytes:
        variables = request.variables
        if self._lacks(_WRITE, variables):
            return self._not_negotiated(ConfirmedService.WRITE)
        if len(variables) == 1 and isinstance(variables[0], WriteDataBlockAccess):
            raw = _octet_string(request.data[0])
            if raw is None:
                return self._malformed(ApduTag.WRITE_REQUEST, "a block of a Write that is no octet-string")
            return self._take(ConfirmedService.WRITE, Block(variables[0].last, variables[0].block, raw))
        self._begin()
        return self._write_all(request)

    def _write_all(self, request: WriteRequest | UnconfirmedWriteRequest) -> bytes:
        named = [each for each in request.variables if isinstance(each, VariableName | ParameterizedAccess)]
        if not named or len(named) != len(request.variables):
            return self._malformed(ApduTag.WRITE_REQUEST, "a Write without variables, or with a block among others")
        results: list[WriteResult] = []
        for variable, encoded in zip(named, request.data, strict=True):
            result = self._write_one(variable, encoded)
            results.append(DataAccessError(result) if result else WriteSuccess())
        return WriteResponse(tuple(results)).encode()

    def _write_one(self, variable: VariableName | ParameterizedAccess, encoded: bytes) -> DataAccessResult:
        place = self._find(variable.name)
        if place is None:
            return DataAccessResult.OBJECT_UNDEFINED
        entry, index, is_method = place
        if is_method:
            return _result_of(entry.act(self._context, index, _parameter(encoded)))
        return entry.set(self._context, index, encoded, _selection(variable))

    def _write_unconfirmed(self, request: UnconfirmedWriteRequest) -> None:
        if self._lacks(_UNCONFIRMED, request.variables):
            text = "UnconfirmedWrite, or a way of it that is used here, was not negotiated"
            self._context.note(FindingKind.NOT_NEGOTIATED, text, "APPL_DATA_SN_N3")
            return
        self._begin()
        self._write_all(request)

    # -- requests in blocks

    def _take(self, service: ConfirmedService, block: Block) -> bytes:
        """One more block of a request. One that comes again is answered as before and not taken twice [A]."""
        transfer = self._long_request
        if transfer is not None and transfer.repeats(service, block):
            return transfer.answer
        if block.number == 1:
            self._begin()
            incoming = Incoming(self._context.device.max_long_request_octets)
            transfer = self._long_request = _LongRequest(service, incoming)
        if transfer is None or transfer.service is not service or (transfer.last is not None and transfer.last.last):
            self._out_of_turn(f"block {block.number} of a {service.name} arrives, and no such transfer is under way")
            return _aborted(service, _NOT_RUNNING[service])
        try:
            whole = transfer.incoming.add(block)
        except BlockNumberError as error:
            self._out_of_turn(f"long {service.name}: {error.message}")
            return _aborted(service, DataAccessResult.DATA_BLOCK_NUMBER_INVALID)
        except RemoteProtocolError as error:
            self._out_of_turn(f"long {service.name}: {error.message}")
            return _aborted(service, _ABORTED[service])
        transfer.last = block
        transfer.answer = _acknowledge(service, block.number) if whole is None else self._execute(service, whole)
        return transfer.answer

    def _execute(self, service: ConfirmedService, whole: bytes) -> bytes:
        """A request that came in blocks. It may need other services than its blocks did."""
        try:
            if service is ConfirmedService.READ:
                read = decode_read_content(whole)
                lacks = self._lacks(_READ, read.variables)
                return self._not_negotiated(service) if lacks else self._read_all(read.variables)
            write = decode_write_content(whole)
            return self._not_negotiated(service) if self._lacks(_WRITE, write.variables) else self._write_all(write)
        except RemoteProtocolError as error:
            tag = ApduTag.READ_REQUEST if service is ConfirmedService.READ else ApduTag.WRITE_REQUEST
            return self._malformed(tag, malformed(f"{service.name} in blocks", error))


_CASES: Final = {int(ApduTag.READ_REQUEST): "APPL_DATA_SN_N1", int(ApduTag.WRITE_REQUEST): "APPL_DATA_SN_N2"}
"""Conformance cases that break a request, by its tag."""
_NOT_RUNNING: Final = {
    ConfirmedService.READ: DataAccessResult.NO_LONG_GET_IN_PROGRESS,
    ConfirmedService.WRITE: DataAccessResult.NO_LONG_SET_IN_PROGRESS,
}
_ABORTED: Final = {
    ConfirmedService.READ: DataAccessResult.LONG_GET_ABORTED,
    ConfirmedService.WRITE: DataAccessResult.LONG_SET_ABORTED,
}


def _parameter(encoded: bytes) -> bytes | None:
    """What a method gets: null-data stands for no parameter, which these services cannot say otherwise [A]."""
    return None if encoded == _NULL_DATA else encoded


def _selection(variable: VariableName | ParameterizedAccess) -> bytes:
    """The selective access of an attribute, as the objects know it."""
    return bytes((variable.selector,)) + variable.parameter if isinstance(variable, ParameterizedAccess) else b""


def _result_of(reply: ActionReply) -> DataAccessResult:
    """The numbers of both tables mean the same, but for two about transfers."""
    number = int(reply.result)
    if number in (15, 16):
        return DataAccessResult.OTHER_REASON
    return _DATA_RESULTS.get(number, DataAccessResult.OTHER_REASON)


def _octet_string(encoded: bytes) -> bytes | None:
    value: Any = axdr.decode_value(encoded)[0] if encoded[:1] == b"\x09" else None
    return value if isinstance(value, bytes) else None


def _block(block: Block) -> bytes:
    return ReadResponse((DataBlock(block.last, block.number, block.raw),)).encode()


def _read_error(result: DataAccessResult) -> bytes:
    return ReadResponse((DataAccessError(result),)).encode()


def _acknowledge(service: ConfirmedService, number: int) -> bytes:
    if service is ConfirmedService.READ:
        return ReadResponse((ReadBlockNumber(number),)).encode()
    return WriteResponse((WriteBlockNumber(number),)).encode()


def _aborted(service: ConfirmedService, result: DataAccessResult) -> bytes:
    if service is ConfirmedService.READ:
        return _read_error(result)
    return WriteResponse((DataAccessError(result),)).encode()

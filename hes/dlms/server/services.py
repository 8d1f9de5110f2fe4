"""GET, SET and ACTION on the objects of a logical device, within one association.

Works on plain APDUs: the server has removed the protection and puts it back. Rights and values are the objects'
business; here is what belongs to the services: which were negotiated, lists, blocks in both directions, and answers
that a peer may ask for again because the first one was lost.

Source: docs/protocols/dlms-application.md §3; docs/protocols/dlms-roles.md §2, §3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Generic, TypeVar

from hes.dlms import apdu
from hes.dlms.apdu import AttributeDescriptor, MethodDescriptor
from hes.dlms.block_transfer import (
    BLOCK_HEAD,
    GET_RESPONSE_HEAD,
    Block,
    BlockNumberError,
    Incoming,
    Outgoing,
    capacity,
)
from hes.dlms.codes import (
    ActionResult,
    ApduTag,
    AttributeResult,
    Conformance,
    DataAccessResult,
)
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.cosem_object import ActionReply
from hes.dlms.server.refusals import MALFORMED, NOT_NEGOTIATED, TOO_LONG, UNKNOWN_SERVICE
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

_SUCCESS: Final = DataAccessResult.SUCCESS
_INVOKE_ID_MASK: Final = 0x0F


class _Service(Enum):
    GET = "get"
    SET = "set"
    ACTION = "action"


@dataclass(slots=True)
class _LongAnswer:
    """An answer on its way in blocks. capacity: octets of raw data in each."""

    service: _Service
    invoke: int
    outgoing: Outgoing
    capacity: int


@dataclass(slots=True)
class _LongRequest:
    """A request arriving in blocks. finish: executes the whole and gives the answer. answer: the last one given."""

    service: _Service
    invoke: int
    incoming: Incoming
    finish: Callable[[bytes], bytes | None]
    acknowledge: Callable[[int], bytes]
    answer: bytes | None = None
    done: bool = False


class Services(Generic[I]):
    """The services of one association. `limit`: octets that a plain answer may have."""

    __slots__ = ("_conformance", "_context", "_find", "_long_answer", "_long_request", "_unconfirmed", "limit")

    def __init__(self, context: Context[I]) -> None:
        self._context = context
        self._conformance = int(context.conformance)
        self._find = context.device.find
        self._long_answer: _LongAnswer | None = None
        self._long_request: _LongRequest | None = None
        self.limit = 0

    def serve(self, octets: bytes) -> bytes | None:
        """The plain answer to a plain request; None when it asks for none. Never raises for what a peer sends."""
        try:
            request = apdu.decode(octets)
        except apdu.UnknownApduError:
            return UNKNOWN_SERVICE
        except RemoteProtocolError:
            return MALFORMED
        row = _HANDLERS.get(type(request))
        if row is None:
            return UNKNOWN_SERVICE
        needed, handler = row
        if needed & ~self._conformance:
            return NOT_NEGOTIATED
        return handler(self, request)

    # -- objects

    def _read(self, descriptor: AttributeDescriptor, selection: bytes) -> bytes | DataAccessResult:
        class_id, obis, index = descriptor
        found = self._find(obis)
        if found is None:
            return DataAccessResult.OBJECT_UNDEFINED
        if found.interface_class.class_id != class_id:
            return DataAccessResult.OBJECT_CLASS_INCONSISTENT
        return found.get(self._context, index, selection)

    def _write(self, descriptor: AttributeDescriptor, selection: bytes, encoded: bytes) -> DataAccessResult:
        class_id, obis, index = descriptor
        found = self._find(obis)
        if found is None:
            return DataAccessResult.OBJECT_UNDEFINED
        if found.interface_class.class_id != class_id:
            return DataAccessResult.OBJECT_CLASS_INCONSISTENT
        return found.set(self._context, index, encoded, selection)

    def _invoke(self, descriptor: MethodDescriptor, encoded: bytes | None) -> ActionReply:
        class_id, obis, index = descriptor
        found = self._find(obis)
        if found is None:
            return ActionReply(ActionResult.OBJECT_UNDEFINED)
        if found.interface_class.class_id != class_id:
            return ActionReply(ActionResult.OBJECT_CLASS_INCONSISTENT)
        return found.act(self._context, index, encoded)

    def _has(self, conformance: Conformance) -> bool:
        return not int(conformance) & ~self._conformance

    def _begin(self) -> None:
        """A new request ends every transfer."""
        self._long_answer = self._long_request = None

    # -- GET

    def _get_normal(self, request: apdu.GetRequestNormal) -> bytes:
        self._begin()
        if request.selection and not self._has(Conformance.SELECTIVE_ACCESS):
            return NOT_NEGOTIATED
        value = self._read(request.attribute, request.selection)
        if not isinstance(value, bytes):
            return apdu.GetResponseNormal(request.invoke, value).encode()
        if len(value) + 4 <= self.limit:
            return bytes((ApduTag.GET_RESPONSE, 1, request.invoke, 0)) + value
        return self._answer_in_blocks(_Service.GET, request.invoke, value)

    def _get_with_list(self, request: apdu.GetRequestWithList) -> bytes:
        self._begin()
        selective = any(selection for _attribute, selection in request.attributes)
        if selective and not self._has(Conformance.SELECTIVE_ACCESS):
            return NOT_NEGOTIATED
        results: list[tuple[AttributeResult, bytes]] = []
        for attribute, selection in request.attributes:
            value = self._read(attribute, selection)
            results.append((_SUCCESS, value) if isinstance(value, bytes) else (value, b""))
        whole = apdu.encode_data_results(tuple(results))
        if len(whole) + 3 <= self.limit:
            return bytes((ApduTag.GET_RESPONSE, 3, request.invoke)) + whole
        return self._answer_in_blocks(_Service.GET, request.invoke, whole)

    def _answer_in_blocks(self, service: _Service, invoke: int, whole: bytes) -> bytes:
        get = service is _Service.GET
        allowed = Conformance.BLOCK_TRANSFER_GET if get else Conformance.BLOCK_TRANSFER_ACTION
        octets = capacity(self.limit, GET_RESPONSE_HEAD if get else BLOCK_HEAD)
        if octets < 1 or not self._has(allowed):
            return TOO_LONG
        self._long_answer = _LongAnswer(service, invoke, Outgoing(whole), octets)
        return self._block(self._long_answer, invoke, self._long_answer.outgoing.next(octets))

    def _block(self, transfer: _LongAnswer, invoke: int, block: Block) -> bytes:
        if transfer.service is _Service.GET:
            return apdu.GetResponseWithBlock(invoke, block.last, block.number, _SUCCESS, block.raw).encode()
        return apdu.ActionResponseBlock(invoke, *block).encode()

    def _next_block(self, service: _Service, invoke: int, number: int) -> bytes:
        """The block after `number`, or the last one again when its answer was lost on the way [A]."""
        transfer = self._long_answer
        if transfer is None or transfer.service is not service or _differ(transfer.invoke, invoke):
            self._begin()
            return _no_transfer(service, invoke, number, DataAccessResult.NO_LONG_GET_IN_PROGRESS)
        outgoing = transfer.outgoing
        if number == outgoing.current.number - 1:
            return self._block(transfer, invoke, outgoing.current)
        if number != outgoing.current.number:
            self._begin()
            return _no_transfer(service, invoke, number, DataAccessResult.DATA_BLOCK_NUMBER_INVALID)
        if outgoing.current.last:
            self._begin()
            return _no_transfer(service, invoke, number, DataAccessResult.NO_LONG_GET_IN_PROGRESS)
        return self._block(transfer, invoke, outgoing.next(transfer.capacity))

    def _get_next(self, request: apdu.GetRequestNext) -> bytes:
        return self._next_block(_Service.GET, request.invoke, request.block)

    # -- SET

    def _set_normal(self, request: apdu.SetRequestNormal) -> bytes | None:
        self._begin()
        if request.selection and not self._has(Conformance.SELECTIVE_ACCESS):
            return NOT_NEGOTIATED
        result = self._write(request.attribute, request.selection, request.data)
        return _confirmed(request.invoke, apdu.SetResponseNormal(request.invoke, result))

    def _set_with_list(self, request: apdu.SetRequestWithList) -> bytes | None:
        self._begin()
        results = self._write_all(request.attributes, request.data)
        return _confirmed(request.invoke, apdu.SetResponseWithList(request.invoke, results))

    def _write_all(
        self, attributes: tuple[tuple[AttributeDescriptor, bytes], ...], data: tuple[bytes, ...]
    ) -> tuple[DataAccessResult, ...]:
        pairs = zip(attributes, data, strict=True)
        return tuple([self._write(attribute, selection, value) for (attribute, selection), value in pairs])

    def _set_first_block(self, request: apdu.SetRequestFirstBlock) -> bytes | None:
        def finish(whole: bytes) -> bytes | None:
            result = self._write(request.attribute, request.selection, whole)
            number = transfer.incoming.number
            return _confirmed(request.invoke, apdu.SetResponseLastBlock(request.invoke, result, number))

        transfer = self._begin_request(_Service.SET, request.invoke, finish)
        return self._take(transfer, Block(request.last, request.block, request.raw))

    def _set_with_list_first_block(self, request: apdu.SetRequestWithListFirstBlock) -> bytes | None:
        def finish(whole: bytes) -> bytes | None:
            number = transfer.incoming.number
            try:
                data = apdu.decode_values(whole)
            except RemoteProtocolError:
                data = ()
            if len(data) == len(request.attributes):
                results = self._write_all(request.attributes, data)
            else:
                results = (DataAccessResult.TYPE_UNMATCHED,) * len(request.attributes)
            return _confirmed(request.invoke, apdu.SetResponseLastBlockWithList(request.invoke, results, number))

        transfer = self._begin_request(_Service.SET, request.invoke, finish)
        return self._take(transfer, Block(request.last, request.block, request.raw))

    def _set_block(self, request: apdu.SetRequestBlock) -> bytes | None:
        return self._further(_Service.SET, request.invoke, Block(request.last, request.block, request.raw))

    # -- ACTION

    def _action_normal(self, request: apdu.ActionRequestNormal) -> bytes | None:
        self._begin()
        return self._answer_action(request.invoke, self._invoke(request.method, request.data))

    def _answer_action(self, invoke: int, reply: ActionReply) -> bytes | None:
        """A long answer carries the returned data alone in its blocks [S1]; the client takes both known forms."""
        answer = _confirmed(invoke, apdu.ActionResponseNormal(invoke, reply.result, reply.data))
        if answer is not None and reply.data is not None and len(answer) > self.limit:
            return self._answer_in_blocks(_Service.ACTION, invoke, reply.data)
        return answer

    def _action_with_list(self, request: apdu.ActionRequestWithList) -> bytes | None:
        self._begin()
        return self._answer_actions(request.invoke, request.methods, request.data)

    def _answer_actions(
        self, invoke: int, methods: tuple[MethodDescriptor, ...], data: tuple[bytes, ...]
    ) -> bytes | None:
        replies = [self._invoke(method, encoded) for method, encoded in zip(methods, data, strict=True)]
        outcomes = tuple([apdu.ActionOutcome(reply.result, reply.data) for reply in replies])
        answer = _confirmed(invoke, apdu.ActionResponseWithList(invoke, outcomes))
        if answer is not None and len(answer) > self.limit:
            return self._answer_in_blocks(_Service.ACTION, invoke, apdu.encode_outcomes(outcomes))
        return answer

    def _action_first_block(self, request: apdu.ActionRequestFirstBlock) -> bytes | None:
        def finish(whole: bytes) -> bytes | None:
            return self._answer_action(request.invoke, self._invoke(request.method, whole))

        transfer = self._begin_request(_Service.ACTION, request.invoke, finish)
        return self._take(transfer, Block(request.last, request.block, request.raw))

    def _action_with_list_first_block(self, request: apdu.ActionRequestWithListFirstBlock) -> bytes | None:
        def finish(whole: bytes) -> bytes | None:
            try:
                data = apdu.decode_values(whole)
            except RemoteProtocolError:
                data = ()
            if len(data) != len(request.methods):
                outcome = apdu.ActionOutcome(ActionResult.TYPE_UNMATCHED)
                outcomes = (outcome,) * len(request.methods)
                return _confirmed(request.invoke, apdu.ActionResponseWithList(request.invoke, outcomes))
            return self._answer_actions(request.invoke, request.methods, data)

        transfer = self._begin_request(_Service.ACTION, request.invoke, finish)
        return self._take(transfer, Block(request.last, request.block, request.raw))

    def _action_block(self, request: apdu.ActionRequestBlock) -> bytes | None:
        return self._further(_Service.ACTION, request.invoke, Block(request.last, request.block, request.raw))

    def _action_next_block(self, request: apdu.ActionRequestNextBlock) -> bytes:
        return self._next_block(_Service.ACTION, request.invoke, request.block)

    # -- requests in blocks

    def _begin_request(self, service: _Service, invoke: int, finish: Callable[[bytes], bytes | None]) -> _LongRequest:
        self._begin()

        def acknowledge(number: int) -> bytes:
            if service is _Service.SET:
                return apdu.SetResponseBlock(invoke, number).encode()
            return apdu.ActionResponseNextBlock(invoke, number).encode()

        self._long_request = _LongRequest(service, invoke, Incoming(), finish, acknowledge)
        return self._long_request

    def _further(self, service: _Service, invoke: int, block: Block) -> bytes | None:
        transfer = self._long_request
        if transfer is None or transfer.service is not service or _differ(transfer.invoke, invoke):
            self._begin()
            return _no_transfer(service, invoke, block.number, DataAccessResult.NO_LONG_SET_IN_PROGRESS)
        return self._take(transfer, block)

    def _take(self, transfer: _LongRequest, block: Block) -> bytes | None:
        """One more block. A repeated one is answered as before and not taken twice, the last one included [A]."""
        service, invoke, number = transfer.service, transfer.invoke, block.number
        if number == transfer.incoming.number and number > 0:
            return transfer.answer
        if transfer.done:
            self._begin()
            return _no_transfer(service, invoke, number, DataAccessResult.NO_LONG_SET_IN_PROGRESS)
        try:
            whole = transfer.incoming.add(block)
        except BlockNumberError:
            self._begin()
            return _no_transfer(service, invoke, number, DataAccessResult.DATA_BLOCK_NUMBER_INVALID)
        except RemoteProtocolError:
            self._begin()
            return _no_transfer(service, invoke, number, DataAccessResult.LONG_SET_ABORTED)
        transfer.done = block.last
        transfer.answer = transfer.acknowledge(number) if whole is None else transfer.finish(whole)
        return transfer.answer


_ACTION_RESULTS: Final = {  # the same, said about an ACTION; a wrong number has no code of its own
    DataAccessResult.NO_LONG_GET_IN_PROGRESS: ActionResult.NO_LONG_ACTION_IN_PROGRESS,
    DataAccessResult.NO_LONG_SET_IN_PROGRESS: ActionResult.NO_LONG_ACTION_IN_PROGRESS,
    DataAccessResult.DATA_BLOCK_NUMBER_INVALID: ActionResult.LONG_ACTION_ABORTED,
    DataAccessResult.LONG_SET_ABORTED: ActionResult.LONG_ACTION_ABORTED,
}


def _no_transfer(service: _Service, invoke: int, number: int, result: DataAccessResult) -> bytes:
    """A transfer that does not go on, with the reason."""
    if service is _Service.GET:
        return apdu.GetResponseWithBlock(invoke, last=True, block=number, result=result).encode()
    if service is _Service.SET:
        return apdu.SetResponseLastBlock(invoke, result, number).encode()
    return apdu.ActionResponseNormal(invoke, _ACTION_RESULTS[result]).encode()


def _differ(invoke: int, other: int) -> bool:
    return (invoke ^ other) & _INVOKE_ID_MASK != 0


def _confirmed(invoke: int, answer: apdu.SetResponse | apdu.ActionResponse) -> bytes | None:
    """The encoded answer; None when the service class says that none is wanted."""
    return answer.encode() if invoke & apdu.INVOKE_CONFIRMED else None


_GET, _SET, _ACTION = int(Conformance.GET), int(Conformance.SET), int(Conformance.ACTION)
_LIST = int(Conformance.MULTIPLE_REFERENCES)
_SET_BLOCKS = _SET | int(Conformance.BLOCK_TRANSFER_SET)
_ACTION_BLOCKS = _ACTION | int(Conformance.BLOCK_TRANSFER_ACTION)

_HANDLERS: Final[dict[type, tuple[int, Callable[[Any, Any], bytes | None]]]] = {
    apdu.GetRequestNormal: (_GET, Services._get_normal),
    apdu.GetRequestNext: (_GET | int(Conformance.BLOCK_TRANSFER_GET), Services._get_next),
    apdu.GetRequestWithList: (_GET | _LIST, Services._get_with_list),
    apdu.SetRequestNormal: (_SET, Services._set_normal),
    apdu.SetRequestWithList: (_SET | _LIST, Services._set_with_list),
    apdu.SetRequestFirstBlock: (_SET_BLOCKS, Services._set_first_block),
    apdu.SetRequestWithListFirstBlock: (_SET_BLOCKS | _LIST, Services._set_with_list_first_block),
    apdu.SetRequestBlock: (_SET_BLOCKS, Services._set_block),
    apdu.ActionRequestNormal: (_ACTION, Services._action_normal),
    apdu.ActionRequestWithList: (_ACTION | _LIST, Services._action_with_list),
    apdu.ActionRequestFirstBlock: (_ACTION_BLOCKS, Services._action_first_block),
    apdu.ActionRequestWithListFirstBlock: (_ACTION_BLOCKS | _LIST, Services._action_with_list_first_block),
    apdu.ActionRequestBlock: (_ACTION_BLOCKS, Services._action_block),
    apdu.ActionRequestNextBlock: (_ACTION_BLOCKS, Services._action_next_block),
}

"""GET, SET, ACTION and ACCESS on the objects of a logical device, within one association.

Works on plain APDUs: the server has removed the protection and puts it back. Rights and values are the objects'
business; here is what belongs to the services: which were negotiated, lists, blocks in both directions, and answers
that a peer may ask for again because the first one was lost.

Source: docs/protocols/dlms-application.md §3; docs/protocols/dlms-roles.md §2, §3.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

from hes.dlms import apdu
from hes.dlms.apdu import AttributeDescriptor, MethodDescriptor
from hes.dlms.block_transfer import (
    BLOCK_HEAD,
    GET_RESPONSE_HEAD,
    Block,
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
from hes.dlms.findings import FindingKind
from hes.dlms.server.access_service import carry_out
from hes.dlms.server.long_transfers import LongAnswer, LongRequest, Service, differ, no_transfer
from hes.dlms.server.refusals import MALFORMED, NOT_NEGOTIATED, TOO_LONG, UNKNOWN_SERVICE, malformed
from hes.dlms.server.targets import Targets
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

CONFIRMATIONS_MAX: Final = 16  # of pushes; older ones are dropped
_SUCCESS: Final = DataAccessResult.SUCCESS
_PLAIN_GET: Final = struct.Struct(">2sBH6sbB")
_PLAIN_GET_HEAD: Final = b"\xc0\x01"
_GOT_HEADS: Final = tuple([bytes((ApduTag.GET_RESPONSE, 1, invoke, 0)) for invoke in range(256)])


class Services(Generic[I]):
    """The services of one association. `limit`: octets that a plain answer may have."""

    __slots__ = ("_conformance", "_context", "_general_blocks", "_long_answer", "_long_request", "_targets", "limit")

    def __init__(self, context: Context[I]) -> None:
        self._context = context
        self._conformance = int(context.conformance)
        self._general_blocks = self._has(Conformance.GENERAL_BLOCK_TRANSFER)
        self._targets = Targets(context)
        self._long_answer: LongAnswer | None = None
        self._long_request: LongRequest | None = None
        self.limit = 0

    @property
    def in_transfer(self) -> bool:
        """True while blocks may be on their way in either direction."""
        return self._long_answer is not None or self._long_request is not None

    def serve(self, octets: bytes) -> bytes | None:
        """The plain answer to a plain request; None when it asks for none. Never raises for what a peer sends."""
        if len(octets) == _PLAIN_GET.size and octets[:2] == _PLAIN_GET_HEAD and not octets[-1]:
            return self._plain_get(octets)
        try:
            request = apdu.decode(octets)
        except apdu.UnknownApduError as error:
            return self._unknown(error.message, octets)
        except RemoteProtocolError as error:
            text = malformed(f"APDU {octets[:1].hex().upper()}", error)
            self._context.note(FindingKind.MALFORMED_APDU, text, _CASES.get(octets[:1], ""))
            return MALFORMED
        row = _HANDLERS.get(type(request))
        if row is None:
            return self._unknown(f"{type(request).__name__} is nothing that a server is asked", octets)
        needed, handler = row
        if needed & ~self._conformance:
            return self._not_negotiated(type(request).__name__)
        return handler(self, request)

    def _has(self, conformance: Conformance) -> bool:
        return not int(conformance) & ~self._conformance

    def _may_select(self, attributes: tuple[tuple[AttributeDescriptor, bytes], ...]) -> bool:
        """Whether no selection is asked for that was not negotiated."""
        return self._has(Conformance.SELECTIVE_ACCESS) or not any(selection for _attribute, selection in attributes)

    def _unknown(self, text: str, octets: bytes) -> bytes:
        self._context.note(FindingKind.UNKNOWN_SERVICE, text, _CASES.get(octets[:1], "APPL_DATA_LN_N4"))
        return UNKNOWN_SERVICE

    def _not_negotiated(self, what: str = "selective access") -> bytes:
        self._context.note(FindingKind.NOT_NEGOTIATED, f"{what} was not negotiated", "APPL_DATA_LN_N4")
        return NOT_NEGOTIATED

    def _begin(self) -> None:
        """A new request ends every transfer."""
        self._long_answer = self._long_request = None

    # -- GET

    def _plain_get(self, octets: bytes) -> bytes:
        """A get-request-normal without selection, which is most of what a meter hears: read without an object."""
        if _GET & ~self._conformance:
            return self._not_negotiated("GetRequestNormal")
        self._long_answer = self._long_request = None
        fields: tuple[bytes, int, int, bytes, int, int] = _PLAIN_GET.unpack(octets)
        _head, invoke, class_id, obis, index, _selection = fields
        value = self._targets.read((class_id, obis, index), b"")
        if isinstance(value, bytes) and len(value) + 4 <= self.limit:
            return _GOT_HEADS[invoke] + value
        return self._got(invoke, value)

    def _get_normal(self, request: apdu.GetRequestNormal) -> bytes:
        self._begin()
        if request.selection and not self._has(Conformance.SELECTIVE_ACCESS):
            return self._not_negotiated()
        return self._got(request.invoke, self._targets.read(request.attribute, request.selection))

    def _got(self, invoke: int, value: bytes | DataAccessResult) -> bytes:
        if not isinstance(value, bytes):
            return apdu.GetResponseNormal(invoke, value).encode()
        answer = _GOT_HEADS[invoke] + value
        return answer if len(answer) <= self.limit else self._in_blocks(Service.GET, invoke, value, answer)

    def _get_with_list(self, request: apdu.GetRequestWithList) -> bytes:
        self._begin()
        if not self._may_select(request.attributes):
            return self._not_negotiated()
        results: list[tuple[AttributeResult, bytes]] = []
        for attribute, selection in request.attributes:
            value = self._targets.read(attribute, selection)
            results.append((_SUCCESS, value) if isinstance(value, bytes) else (value, b""))
        raw = apdu.encode_data_results(tuple(results))
        answer = bytes((ApduTag.GET_RESPONSE, 3, request.invoke)) + raw
        return answer if len(answer) <= self.limit else self._in_blocks(Service.GET, request.invoke, raw, answer)

    def _in_blocks(self, service: Service, invoke: int, raw: bytes, whole: bytes) -> bytes:
        """The first block of a long answer; `whole` where it goes in general blocks; a refusal where there are none."""
        get = service is Service.GET
        octets = capacity(self.limit, GET_RESPONSE_HEAD if get else BLOCK_HEAD)
        if octets > 0 and self._has(Conformance.BLOCK_TRANSFER_GET if get else Conformance.BLOCK_TRANSFER_ACTION):
            self._long_answer = LongAnswer(service, invoke, Outgoing(raw), octets)
            return self._long_answer.next(invoke)
        return self._whole(whole)

    def _whole(self, answer: bytes) -> bytes:
        """An answer that cannot be cut here: too long, unless it goes in general blocks."""
        if len(answer) <= self.limit or self._general_blocks:
            return answer
        self._context.note_too_long(len(answer), self.limit, "and no blocks were negotiated")
        return TOO_LONG

    def _next_block(self, service: Service, invoke: int, number: int) -> bytes:
        """The block after `number`, or the last one again when its answer was lost on the way [A]."""
        transfer = self._long_answer
        if transfer is None or transfer.service is not service or differ(transfer.invoke, invoke):
            self._out_of_turn(service, f"block {number} is asked for", "no such transfer is under way")
            return no_transfer(service, invoke, number, DataAccessResult.NO_LONG_GET_IN_PROGRESS)
        current = transfer.outgoing.current
        if number == current.number - 1:
            return transfer.again(invoke)
        if number == current.number and not current.last:
            return transfer.next(invoke)
        self._out_of_turn(service, f"the block after {number} is asked for", f"block {current.number} was sent last")
        if number == current.number:
            return no_transfer(service, invoke, number, DataAccessResult.NO_LONG_GET_IN_PROGRESS)
        return no_transfer(service, invoke, number, DataAccessResult.DATA_BLOCK_NUMBER_INVALID)

    def _get_next(self, request: apdu.GetRequestNext) -> bytes:
        return self._next_block(Service.GET, request.invoke, request.block)

    # -- SET

    def _set_normal(self, request: apdu.SetRequestNormal) -> bytes | None:
        self._begin()
        if request.selection and not self._has(Conformance.SELECTIVE_ACCESS):
            return self._not_negotiated()
        result = self._targets.write(request.attribute, request.selection, request.data)
        return _confirmed(request.invoke, apdu.SetResponseNormal(request.invoke, result))

    def _set_with_list(self, request: apdu.SetRequestWithList) -> bytes | None:
        self._begin()
        if not self._may_select(request.attributes):
            return self._not_negotiated()
        results = self._write_all(request.attributes, request.data)
        return _confirmed(request.invoke, apdu.SetResponseWithList(request.invoke, results))

    def _write_all(
        self, attributes: tuple[tuple[AttributeDescriptor, bytes], ...], data: tuple[bytes, ...]
    ) -> tuple[DataAccessResult, ...]:
        pairs = zip(attributes, data, strict=True)
        return tuple([self._targets.write(attribute, selection, value) for (attribute, selection), value in pairs])

    def _set_first_block(self, request: apdu.SetRequestFirstBlock) -> bytes | None:
        if request.selection and not self._has(Conformance.SELECTIVE_ACCESS):
            return self._not_negotiated()

        def finish(whole: bytes) -> bytes | None:
            result = self._targets.write(request.attribute, request.selection, whole)
            number = transfer.incoming.number
            return _confirmed(request.invoke, apdu.SetResponseLastBlock(request.invoke, result, number))

        transfer = self._begin_request(Service.SET, request.invoke, finish)
        return self._take(transfer, Block(request.last, request.block, request.raw))

    def _set_with_list_first_block(self, request: apdu.SetRequestWithListFirstBlock) -> bytes | None:
        if not self._may_select(request.attributes):
            return self._not_negotiated()

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

        transfer = self._begin_request(Service.SET, request.invoke, finish, len(request.attributes))
        return self._take(transfer, Block(request.last, request.block, request.raw))

    def _set_block(self, request: apdu.SetRequestBlock) -> bytes | None:
        return self._further(Service.SET, request.invoke, Block(request.last, request.block, request.raw))

    # -- ACTION

    def _action_normal(self, request: apdu.ActionRequestNormal) -> bytes | None:
        self._begin()
        return self._answer_action(request.invoke, self._targets.invoke(request.method, request.data))

    def _answer_action(self, invoke: int, reply: ActionReply) -> bytes | None:
        """A long answer carries the returned data alone in its blocks [S1]; the client takes both known forms."""
        answer = _confirmed(invoke, apdu.ActionResponseNormal(invoke, reply.result, reply.data))
        if answer is not None and reply.data is not None and len(answer) > self.limit:
            return self._in_blocks(Service.ACTION, invoke, reply.data, answer)
        return answer

    def _action_with_list(self, request: apdu.ActionRequestWithList) -> bytes | None:
        self._begin()
        return self._answer_actions(request.invoke, request.methods, request.data)

    def _answer_actions(
        self, invoke: int, methods: tuple[MethodDescriptor, ...], data: tuple[bytes, ...]
    ) -> bytes | None:
        replies = [self._targets.invoke(method, encoded) for method, encoded in zip(methods, data, strict=True)]
        outcomes = tuple([apdu.ActionOutcome(reply.result, reply.data) for reply in replies])
        answer = _confirmed(invoke, apdu.ActionResponseWithList(invoke, outcomes))
        if answer is not None and len(answer) > self.limit:
            return self._in_blocks(Service.ACTION, invoke, apdu.encode_outcomes(outcomes), answer)
        return answer

    def _action_first_block(self, request: apdu.ActionRequestFirstBlock) -> bytes | None:
        def finish(whole: bytes) -> bytes | None:
            return self._answer_action(request.invoke, self._targets.invoke(request.method, whole))

        transfer = self._begin_request(Service.ACTION, request.invoke, finish)
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

        transfer = self._begin_request(Service.ACTION, request.invoke, finish, len(request.methods))
        return self._take(transfer, Block(request.last, request.block, request.raw))

    def _action_block(self, request: apdu.ActionRequestBlock) -> bytes | None:
        return self._further(Service.ACTION, request.invoke, Block(request.last, request.block, request.raw))

    def _action_next_block(self, request: apdu.ActionRequestNextBlock) -> bytes:
        return self._next_block(Service.ACTION, request.invoke, request.block)

    # -- requests in blocks

    def _begin_request(
        self, service: Service, invoke: int, finish: Callable[[bytes], bytes | None], lists: int = 0
    ) -> LongRequest:
        self._begin()
        incoming = Incoming(self._context.device.max_long_request_octets)
        self._long_request = LongRequest(service, invoke, incoming, finish, lists)
        return self._long_request

    def _further(self, service: Service, invoke: int, block: Block) -> bytes | None:
        transfer = self._long_request
        if transfer is None or transfer.service is not service or differ(transfer.invoke, invoke):
            self._out_of_turn(service, f"block {block.number} arrives", "no such transfer is under way")
            return no_transfer(service, invoke, block.number, DataAccessResult.NO_LONG_SET_IN_PROGRESS)
        return self._take(transfer, block)

    def _take(self, transfer: LongRequest, block: Block) -> bytes | None:
        """One more block. `_begin` is not called where it was the last one: it may come again."""
        answer, goes_on = transfer.take(block)
        if not goes_on:
            why = transfer.refusal or f"{transfer.incoming.number} was taken last"
            self._out_of_turn(transfer.service, f"block {block.number} cannot be taken", why)
        return answer

    def _out_of_turn(self, service: Service, what: str, state: str) -> None:
        """The peer breaks off whatever transfer there was."""
        self._begin()
        self._context.note(FindingKind.BLOCK_OUT_OF_TURN, f"long {service.name}: {what}, {state}")

    # -- pushes

    def _confirmed_push(self, request: apdu.DataNotificationConfirm) -> None:
        """The answer to a push, not a request: kept for whoever pushed, and no transfer ends by it."""
        self._context.confirmations.append(request.invoke)
        del self._context.confirmations[:-CONFIRMATIONS_MAX]

    # -- ACCESS

    def _access(self, request: apdu.AccessRequest) -> bytes | None:
        self._begin()
        selective = any(specification.selection for specification in request.specifications)
        if selective and not self._has(Conformance.SELECTIVE_ACCESS):
            return self._not_negotiated()
        response = carry_out(request, self._targets)
        return self._whole(response.encode()) if request.invoke & apdu.LONG_INVOKE_CONFIRMED else None


def _confirmed(invoke: int, answer: apdu.SetResponse | apdu.ActionResponse) -> bytes | None:
    """The encoded answer; None when the service class says that none is wanted."""
    return answer.encode() if invoke & apdu.INVOKE_CONFIRMED else None


_GET, _SET, _ACTION = int(Conformance.GET), int(Conformance.SET), int(Conformance.ACTION)
_LIST = int(Conformance.MULTIPLE_REFERENCES)
_SET_BLOCKS = _SET | int(Conformance.BLOCK_TRANSFER_SET)
_ACTION_BLOCKS = _ACTION | int(Conformance.BLOCK_TRANSFER_ACTION)

_CASES: Final = {b"\xc0": "APPL_DATA_LN_N1", b"\xc1": "APPL_DATA_LN_N3"}
"""Conformance cases that break a request, by its tag."""

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
    apdu.AccessRequest: (int(Conformance.ACCESS), Services._access),
    apdu.DataNotificationConfirm: (int(Conformance.DATA_NOTIFICATION), Services._confirmed_push),
}

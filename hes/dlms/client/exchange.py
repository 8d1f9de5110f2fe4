"""One request of the client until its result is there: answers, refusals, blocks in both directions.

An exchange works on plain APDUs. `answer` gives an event when the exchange is over (or when the APDU changed nothing),
or the plain octets of the next request. Blocks out of turn raise and change nothing, so that the caller may repeat the
last request.

Source: docs/protocols/dlms-application.md §3 (services, block transfer); docs/protocols/dlms-roles.md §3.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Final, Protocol, TypeAlias

from hes.dlms import apdu, axdr
from hes.dlms.apdu import AttributeDescriptor, MethodDescriptor
from hes.dlms.block_transfer import BLOCK_HEAD, FIRST_BLOCK_HEAD, Block, Incoming, Outgoing, capacity
from hes.dlms.client.clauses import BLOCK_OUT_OF_TURN, UNEXPECTED_ANSWER
from hes.dlms.client.events import (
    AccessDone,
    AccessOutcome,
    ActDone,
    ActListDone,
    ClientEvent,
    Got,
    GotList,
    Ignored,
    ServiceRefused,
    SetDone,
)
from hes.dlms.codes import ActionResult, ApduTag, AttributeResult, DataAccessResult
from hes.dlms.xdlms.access import KIND_OF_ANSWER
from hes.dlms.xdlms.common import DESCRIPTOR_OCTETS
from hes.errors import LocalProtocolError, RemoteProtocolError

Step: TypeAlias = "ClientEvent | bytes"
"""an event, or the plain octets to send next"""
Selected: TypeAlias = tuple[AttributeDescriptor, bytes]

_SUCCESS: Final = DataAccessResult.SUCCESS
_NULL: Final = b"\x00"
_LIST_OCTETS: Final = 5  # the longest count before a list
_GOT_HEADS: Final = tuple([bytes((ApduTag.GET_RESPONSE, 1, invoke, 0)) for invoke in range(256)])
_ACTED_HEADS: Final = tuple([bytes((ApduTag.ACTION_RESPONSE, 1, invoke, 0, 1, 0, 0x09)) for invoke in range(256)])
_ACTED_OCTETS: Final = 8  # head, and a length of one octet


class Exchange(Protocol):
    """invoke: the invoke octet. request: plain octets last sent. response_tag: first octet of its answers.

    got_head: what stands before the data of an answer that ends it, b"" where there is more to it.
    """

    got_head: bytes
    invoke: int
    request: bytes
    response_tag: int

    @abstractmethod
    def answer(self, octets: bytes) -> Step:
        """Take a plain answer with our invoke id. Raises RemoteProtocolError."""
        ...


def unexpected(answer: object) -> RemoteProtocolError:
    return RemoteProtocolError(f"{type(answer).__name__} does not answer what was asked", clause=UNEXPECTED_ANSWER)


class GetExchange:
    """GET of one attribute (count None) or of a list of `count`."""

    response_tag: int = ApduTag.GET_RESPONSE

    def __init__(self, invoke: int, request: bytes, count: int | None = None) -> None:
        self.invoke = invoke
        self.request = request
        self._count = count
        self.got_head = _GOT_HEADS[invoke] if count is None else b""
        self._incoming: Incoming | None = None

    def answer(self, octets: bytes) -> Step:
        if self.got_head and octets[:4] == self.got_head:  # the data is not walked here
            if len(octets) == 4:
                raise RemoteProtocolError("an answer without data", octet_offset=4, clause=UNEXPECTED_ANSWER)
            return Got(data=octets[4:])
        answer = apdu.decode(octets)
        match answer:
            case apdu.GetResponseNormal(result=result) if result != _SUCCESS:
                return ServiceRefused(result=result)
            case apdu.GetResponseNormal(data=data) if self._count is None:
                return Got(data=data)
            case apdu.GetResponseWithList(results=results) if self._count is not None:
                return self._list(results)
            case apdu.GetResponseWithBlock():
                return self._block(answer)
        raise unexpected(answer)

    def _list(self, results: tuple[tuple[AttributeResult, bytes], ...]) -> GotList:
        if len(results) != self._count:
            raise RemoteProtocolError(
                f"{self._count} attributes were asked for, {len(results)} answered", clause=UNEXPECTED_ANSWER
            )
        return GotList(results=results)

    def _block(self, answer: apdu.GetResponseWithBlock) -> Step:
        if answer.result != _SUCCESS:
            return ServiceRefused(result=answer.result)
        incoming = self._incoming
        if incoming is None:
            incoming = self._incoming = Incoming()
        if answer.block == incoming.number:
            return Ignored(reason=f"block {answer.block} came again")
        whole = incoming.add(Block(answer.last, answer.block, answer.raw))
        if whole is None:
            self.request = apdu.GetRequestNext(self.invoke, answer.block).encode()
            return self.request
        if self._count is not None:
            return self._list(apdu.decode_data_results(whole))
        if not whole:
            raise RemoteProtocolError("an answer without data", clause=UNEXPECTED_ANSWER)
        return Got(data=whole)


class SetExchange:
    """SET of one attribute or of a list, in one APDU or in blocks."""

    got_head = b""
    response_tag: int = ApduTag.SET_RESPONSE

    def __init__(
        self,
        invoke: int,
        attributes: tuple[Selected, ...],
        data: tuple[bytes, ...],
        *,
        as_list: bool,
        limit: int,
        blocks_allowed: bool,
    ) -> None:
        """limit: octets of a plain APDU. Raises LocalProtocolError when the request does not fit and may not be cut."""
        self.invoke = invoke
        self._attributes, self._as_list, self._limit = attributes, as_list, limit
        self._outgoing: Outgoing | None = None
        if as_list:
            self.request = apdu.SetRequestWithList(invoke, attributes, data).encode()
        else:
            (attribute, selection), (value,) = attributes[0], data
            self.request = apdu.SetRequestNormal(invoke, attribute, value, selection).encode()
        if len(self.request) > limit:
            check_blocks(len(self.request), limit, allowed=blocks_allowed)
            self._outgoing = Outgoing(apdu.encode_values(data) if as_list else data[0])
            self.request = self._first_block()

    def _first_block(self) -> bytes:
        selections = sum(len(selection) for _attribute, selection in self._attributes)
        head = FIRST_BLOCK_HEAD + 1 + selections
        if self._as_list:
            head += _LIST_OCTETS + 10 * (len(self._attributes) - 1)
        block = self._next(head)
        if self._as_list:
            return apdu.SetRequestWithListFirstBlock(self.invoke, self._attributes, *block).encode()
        attribute, selection = self._attributes[0]
        return apdu.SetRequestFirstBlock(self.invoke, attribute, selection, *block).encode()

    def _next(self, head: int) -> Block:
        assert self._outgoing is not None
        return self._outgoing.next(room(self._limit, head))

    def answer(self, octets: bytes) -> Step:
        answer = apdu.decode(octets)
        match answer:
            case apdu.SetResponseBlock(block=number):
                block = next_block(self._outgoing, number, self._next)
                if isinstance(block, Ignored):
                    return block
                self.request = apdu.SetRequestBlock(self.invoke, *block).encode()
                return self.request
            case apdu.SetResponseNormal(result=result) | apdu.SetResponseLastBlock(result=result):
                return self._done((result,) * len(self._attributes))
            case apdu.SetResponseWithList(results=results) | apdu.SetResponseLastBlockWithList(results=results):
                return self._done(results)
        raise unexpected(answer)

    def _done(self, results: tuple[AttributeResult, ...]) -> SetDone:
        done = SetDone(results=results)
        if len(results) != len(self._attributes):
            raise RemoteProtocolError(
                f"{len(self._attributes)} attributes were written, {len(results)} answered", clause=UNEXPECTED_ANSWER
            )
        if done.succeeded and self._outgoing is not None and not self._outgoing.current.last:
            raise RemoteProtocolError("success before the last block was sent", clause=BLOCK_OUT_OF_TURN)
        return done


class ActionExchange:
    """ACTION of one method or of a list, in one APDU or in blocks, with an answer in one APDU or in blocks."""

    got_head = b""
    response_tag: int = ApduTag.ACTION_RESPONSE

    def __init__(
        self,
        invoke: int,
        methods: tuple[MethodDescriptor, ...],
        data: tuple[bytes | None, ...],
        *,
        as_list: bool,
        limit: int,
        blocks_allowed: bool,
    ) -> None:
        """limit: octets of a plain APDU. Raises LocalProtocolError when the request does not fit and may not be cut."""
        self.invoke = invoke
        self._methods, self._as_list, self._limit = methods, as_list, limit
        self._outgoing: Outgoing | None = None
        self._incoming: Incoming | None = None
        self._is_simple = not as_list
        if as_list:
            self.request = apdu.ActionRequestWithList(invoke, methods, _values(data)).encode()
        else:
            self.request = apdu.encode_action_request(invoke, methods[0], data[0])
        if len(self.request) > limit and (as_list or data[0] is not None):
            check_blocks(len(self.request), limit, allowed=blocks_allowed)
            self._is_simple = False
            self._outgoing = Outgoing(apdu.encode_values(_values(data)) if as_list else _values(data)[0])
            self.request = self._first_block()

    def _first_block(self) -> bytes:
        if self._as_list:
            head = FIRST_BLOCK_HEAD + _LIST_OCTETS + DESCRIPTOR_OCTETS * (len(self._methods) - 1)
            return apdu.ActionRequestWithListFirstBlock(self.invoke, self._methods, *self._next(head)).encode()
        return apdu.ActionRequestFirstBlock(self.invoke, self._methods[0], *self._next(FIRST_BLOCK_HEAD)).encode()

    def _next(self, head: int) -> Block:
        assert self._outgoing is not None
        return self._outgoing.next(room(self._limit, head))

    def returned(self, octets: bytes) -> bytes:
        """The encoded Data of an answer that is success with one short octet-string, as HLS gives it; b"" otherwise."""
        count = len(octets) - _ACTED_OCTETS
        if octets[:7] == _ACTED_HEADS[self.invoke] and 0 <= count < 0x80 and octets[7] == count and self._is_simple:
            return octets[6:]
        return b""

    def answer(self, octets: bytes) -> Step:
        returned = self.returned(octets)
        if returned:
            return ActDone(result=ActionResult.SUCCESS, data=returned)
        answer = apdu.decode(octets)
        match answer:
            case apdu.ActionResponseNormal(result=result, data=data, data_result=data_result) if not self._as_list:
                return self._done((ActDone(result=result, data=data, data_result=data_result),))
            case apdu.ActionResponseWithList(outcomes=outcomes) if self._as_list:
                return self._done(tuple(map(_act_done, outcomes)))
            case apdu.ActionResponseNextBlock(block=number):
                block = next_block(self._outgoing, number, self._next)
                if isinstance(block, Ignored):
                    return block
                self.request = apdu.ActionRequestBlock(self.invoke, *block).encode()
                return self.request
            case apdu.ActionResponseBlock():
                return self._block(answer)
        raise unexpected(answer)

    def _done(self, done: tuple[ActDone, ...]) -> ActDone | ActListDone:
        if len(done) != len(self._methods):
            raise RemoteProtocolError(
                f"{len(self._methods)} methods were invoked, {len(done)} answered", clause=UNEXPECTED_ANSWER
            )
        succeeded = all(one.succeeded for one in done)
        if succeeded and self._outgoing is not None and not self._outgoing.current.last:
            raise RemoteProtocolError("success before the last block was sent", clause=BLOCK_OUT_OF_TURN)
        return ActListDone(outcomes=done) if self._as_list else done[0]

    def _block(self, answer: apdu.ActionResponseBlock) -> Step:
        incoming = self._incoming
        if incoming is None:
            incoming = self._incoming = Incoming()
        if answer.block == incoming.number:
            return Ignored(reason=f"block {answer.block} came again")
        whole = incoming.add(Block(answer.last, answer.block, answer.raw))
        if whole is None:
            self.request = apdu.ActionRequestNextBlock(self.invoke, answer.block).encode()
            return self.request
        if self._as_list:
            return self._done(tuple(map(_act_done, apdu.decode_outcomes(whole))))
        return self._done((action_result_of(whole),))


def _values(data: tuple[bytes | None, ...]) -> tuple[bytes, ...]:
    return tuple([_NULL if value is None else value for value in data])


def _act_done(outcome: apdu.ActionOutcome) -> ActDone:
    return ActDone(result=outcome.result, data=outcome.data, data_result=outcome.data_result)


class AccessExchange:
    """ACCESS: one APDU each way, whatever its length; only general blocks can cut it."""

    got_head = b""
    response_tag: int = ApduTag.ACCESS_RESPONSE

    def __init__(self, asked: apdu.AccessRequest) -> None:
        self.invoke = asked.invoke
        self.request = asked.encode()
        self._asked = asked

    def answer(self, octets: bytes) -> Step:
        answer = apdu.decode(octets)
        if not isinstance(answer, apdu.AccessResponse):
            raise unexpected(answer)
        kinds = [KIND_OF_ANSWER[specification.kind] for specification in self._asked.specifications]
        if [kind for kind, _result in answer.results] != kinds:
            raise RemoteProtocolError(
                f"{len(kinds)} things were asked for, and others answered", clause=UNEXPECTED_ANSWER
            )
        if answer.specifications not in (None, self._asked.specifications):
            raise RemoteProtocolError("the answer describes something that was not asked for", clause=UNEXPECTED_ANSWER)
        pairs = zip(answer.results, answer.data, strict=True)
        return AccessDone(
            time=answer.time,
            outcomes=tuple([AccessOutcome(kind, result, data) for (kind, result), data in pairs]),
        )


def action_result_of(raw: bytes) -> ActDone:
    """What the blocks of a long ACTION answer hold.

    Two forms are in use: the whole outcome (result, presence, choice, data), and the returned data alone, which is then
    a success [S1]. Data that is longer than one octet never starts with 00, an outcome with data always does.
    """
    if raw[:1] == b"\x00":
        outcome = apdu.decode_outcome(raw)
        return ActDone(result=outcome.result, data=outcome.data, data_result=outcome.data_result)
    end = axdr.skip(raw, 0)
    if end != len(raw):
        raise RemoteProtocolError(f"{len(raw) - end} octets left over behind the data", octet_offset=end)
    return ActDone(result=ActionResult.SUCCESS, data=raw)


def check_blocks(octets: int, limit: int, *, allowed: bool) -> None:
    """Raises LocalProtocolError when a request of that many octets is too long and cannot be sent in blocks."""
    if not allowed:
        raise LocalProtocolError(
            f"the request has {octets} octets, the server takes {limit}, and no block transfer was negotiated"
        )


def room(limit: int, head: int) -> int:
    """Octets of raw data in one block. Raises LocalProtocolError when there is no room for any."""
    octets = capacity(limit, head)
    if octets < 1:
        raise LocalProtocolError(f"APDUs of {limit} octets leave no room for a block")
    return octets


def next_block(outgoing: Outgoing | None, number: int, make: Callable[[int], Block]) -> Block | Ignored:
    """The block after `number`, which the server has acknowledged. Raises RemoteProtocolError when it was not sent."""
    if outgoing is None or number > outgoing.current.number or number < 1:
        raise RemoteProtocolError(f"block {number} is acknowledged, which was not sent", clause=BLOCK_OUT_OF_TURN)
    if number < outgoing.current.number:
        return Ignored(reason=f"block {number} was acknowledged before")
    if outgoing.current.last:
        raise RemoteProtocolError("another block is asked for after the last one", clause=BLOCK_OUT_OF_TURN)
    return make(BLOCK_HEAD)

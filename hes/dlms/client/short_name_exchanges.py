"""Read and Write until their results are there: one or many variables, in one APDU or in blocks.

An exchange has no invoke id: answers belong to it by their order.

Source: docs/protocols/short-names.md §1, §2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from hes.dlms import apdu, axdr
from hes.dlms.apdu import (
    BlockNumberAccess,
    DataAccessError,
    DataBlock,
    ParameterizedAccess,
    ReadBlockNumber,
    ReadData,
    ReadDataBlockAccess,
    ReadRequest,
    ReadResponse,
    VariableName,
    WriteBlockNumber,
    WriteDataBlockAccess,
    WriteRequest,
    WriteResponse,
    WriteSuccess,
)
from hes.dlms.block_transfer import Block, Incoming, Outgoing
from hes.dlms.client.clauses import BLOCK_OUT_OF_TURN, UNEXPECTED_ANSWER
from hes.dlms.client.events import ClientEvent, Ignored, ServiceRefused
from hes.dlms.client.exchange import Step, check_blocks, next_block, room, unexpected
from hes.dlms.codes import ApduTag, AttributeResult, DataAccessResult
from hes.dlms.xdlms.read import ReadResult, decode_read_response_content
from hes.dlms.xdlms.write import WriteResult
from hes.errors import RemoteProtocolError

READ_BLOCK_HEAD: Final = 6  # 05 01 06 last block(2)
WRITE_BLOCK_HEAD: Final = 8  # 06 01 07 last block(2) 01 09
_SUCCESS: Final = DataAccessResult.SUCCESS

Variable: TypeAlias = VariableName | ParameterizedAccess
Results: TypeAlias = tuple[tuple[AttributeResult, bytes], ...]
"""(SUCCESS, encoded value or b"") or (result, b""), in the order asked"""
Finish: TypeAlias = Callable[[Results], ClientEvent]


class ReadExchange:
    """One Read until its results are there, the request and the answer in blocks where they are long."""

    got_head = b""
    response_tag: int = ApduTag.READ_RESPONSE
    invoke: int = 0

    def __init__(self, variables: tuple[Variable, ...], finish: Finish, *, limit: int, blocks_allowed: bool) -> None:
        """limit: octets of a plain APDU. Raises LocalProtocolError when the request does not fit and may not be cut."""
        self._count, self._finish, self._limit = len(variables), finish, limit
        self._incoming: Incoming | None = None
        self._outgoing: Outgoing | None = None
        request = ReadRequest(variables)
        self.request = request.encode()
        if len(self.request) > limit:
            check_blocks(len(self.request), limit, allowed=blocks_allowed)
            self._outgoing = Outgoing(request.encode_content())
            self._sendable()

    def _sendable(self) -> Block:
        """The next block, which becomes the request."""
        assert self._outgoing is not None
        block = self._outgoing.next(room(self._limit, READ_BLOCK_HEAD))
        self.request = ReadRequest((ReadDataBlockAccess(block.last, block.number, block.raw),)).encode()
        return block

    def answer(self, octets: bytes) -> Step:
        response = apdu.decode(octets)
        if not isinstance(response, ReadResponse):
            raise unexpected(response)
        match response.results:
            case (DataBlock() as block,):
                return self._block(block)
            case (ReadBlockNumber(number),):
                sent = next_block(self._outgoing, number, lambda _head: self._sendable())
                return sent if isinstance(sent, Ignored) else self.request
        return self._finished(response.results)

    def _block(self, block: DataBlock) -> Step:
        incoming = self._incoming
        if incoming is None:
            incoming = self._incoming = Incoming()
        if block.block == incoming.number:
            return Ignored(reason=f"block {block.block} came again")
        whole = incoming.add(Block(block.last, block.block, block.raw))
        if whole is None:
            self.request = ReadRequest((BlockNumberAccess(block.block),)).encode()
            return self.request
        return self._finished(decode_read_response_content(whole).results)

    def _finished(self, results: tuple[ReadResult, ...]) -> ClientEvent:
        """One error may stand for a transfer of many variables that was aborted."""
        if len(results) == 1 != self._count and isinstance(results[0], DataAccessError):
            return ServiceRefused(result=results[0].result)
        if len(results) != self._count:
            raise RemoteProtocolError(
                f"{self._count} variables were read, {len(results)} answered", clause=UNEXPECTED_ANSWER
            )
        outcomes: list[tuple[AttributeResult, bytes]] = []
        for result in results:
            if isinstance(result, ReadData):
                outcomes.append((_SUCCESS, result.data))
            elif isinstance(result, DataAccessError):
                outcomes.append((result.result, b""))
            else:
                raise RemoteProtocolError("a block among other results", clause=BLOCK_OUT_OF_TURN)
        return self._finish(tuple(outcomes))


class WriteExchange:
    """One Write until its results are there, in blocks where it is long."""

    got_head = b""
    response_tag: int = ApduTag.WRITE_RESPONSE
    invoke: int = 0

    def __init__(
        self,
        variables: tuple[Variable, ...],
        data: tuple[bytes, ...],
        finish: Finish,
        *,
        limit: int,
        blocks_allowed: bool,
    ) -> None:
        """limit: octets of a plain APDU. Raises LocalProtocolError when the request does not fit and may not be cut."""
        self._count, self._finish, self._limit = len(variables), finish, limit
        self._outgoing: Outgoing | None = None
        request = WriteRequest(variables, data)
        self.request = request.encode()
        if len(self.request) > limit:
            check_blocks(len(self.request), limit, allowed=blocks_allowed)
            self._outgoing = Outgoing(request.encode_content())
            self._sendable()

    def _sendable(self) -> Block:
        """The next block, which becomes the request."""
        assert self._outgoing is not None
        block = self._outgoing.next(room(self._limit, WRITE_BLOCK_HEAD))
        octets = b"\x09" + axdr.encode_length(len(block.raw)) + block.raw
        self.request = WriteRequest((WriteDataBlockAccess(block.last, block.number),), (octets,)).encode()
        return block

    def answer(self, octets: bytes) -> Step:
        response = apdu.decode(octets)
        if not isinstance(response, WriteResponse):
            raise unexpected(response)
        match response.results:
            case (WriteBlockNumber(number),):
                sent = next_block(self._outgoing, number, lambda _head: self._sendable())
                return sent if isinstance(sent, Ignored) else self.request
        return self._finished(response.results)

    def _finished(self, results: tuple[WriteResult, ...]) -> ClientEvent:
        failed = len(results) == 1 and isinstance(results[0], DataAccessError)
        if failed and self._count != 1:
            assert isinstance(results[0], DataAccessError)
            return ServiceRefused(result=results[0].result)
        if len(results) != self._count:
            raise RemoteProtocolError(
                f"{self._count} variables were written, {len(results)} answered", clause=UNEXPECTED_ANSWER
            )
        if self._outgoing is not None and not self._outgoing.current.last and not failed:
            raise RemoteProtocolError("success before the last block was sent", clause=BLOCK_OUT_OF_TURN)
        return self._finish(tuple([(_written(result), b"") for result in results]))


def _written(result: WriteResult) -> AttributeResult:
    if isinstance(result, WriteSuccess):
        return _SUCCESS
    if isinstance(result, DataAccessError):
        return result.result
    raise RemoteProtocolError("a block number among other results", clause=BLOCK_OUT_OF_TURN)

"""Long answers and long requests on the server, in the blocks that GET, SET and ACTION have of their own.

A lost answer may be asked for again: the last block is sent once more, and a block that comes again is answered as
before and not taken twice [A]. Everything else out of turn ends the transfer with a result that says why.

Source: docs/protocols/dlms-application.md §3 (block transfer); docs/protocols/dlms-roles.md §3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from hes.dlms import apdu
from hes.dlms.block_transfer import Block, BlockNumberError, Incoming, Outgoing
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.errors import RemoteProtocolError

_SUCCESS: Final = DataAccessResult.SUCCESS
_INVOKE_ID_MASK: Final = 0x0F


class Service(Enum):
    GET = "get"
    SET = "set"
    ACTION = "action"


@dataclass(slots=True)
class LongAnswer:
    """An answer on its way in blocks. capacity: octets of raw data in each."""

    service: Service
    invoke: int
    outgoing: Outgoing
    capacity: int

    def next(self, invoke: int) -> bytes:
        return self._encoded(invoke, self.outgoing.next(self.capacity))

    def again(self, invoke: int) -> bytes:
        """The block that was sent last."""
        return self._encoded(invoke, self.outgoing.current)

    def _encoded(self, invoke: int, block: Block) -> bytes:
        if self.service is Service.GET:
            return apdu.GetResponseWithBlock(invoke, block.last, block.number, _SUCCESS, block.raw).encode()
        return apdu.ActionResponseBlock(invoke, *block).encode()


@dataclass(slots=True)
class LongRequest:
    """A request arriving in blocks. finish: executes the whole and gives the answer. answer: the last one given.

    lists: how many results its answer has, 0 when it is not a list. refusal: why it is broken off.
    """

    service: Service
    invoke: int
    incoming: Incoming
    finish: Callable[[bytes], bytes | None]
    lists: int = 0
    answer: bytes | None = None
    done: bool = False
    refusal: str = ""

    def take(self, block: Block) -> tuple[bytes | None, bool]:
        """The answer to one more block, and whether the transfer goes on (or may be asked for again)."""
        number = block.number
        if number == self.incoming.number and number > 0:
            return self.answer, True
        if self.done:
            return self.refused(number, DataAccessResult.NO_LONG_SET_IN_PROGRESS), False
        try:
            whole = self.incoming.add(block)
        except BlockNumberError:
            return self.refused(number, DataAccessResult.DATA_BLOCK_NUMBER_INVALID), False
        except RemoteProtocolError as error:
            self.refusal = error.message
            return self.refused(number, DataAccessResult.LONG_SET_ABORTED), False
        self.done = block.last
        self.answer = self._acknowledge(number) if whole is None else self.finish(whole)
        return self.answer, True

    def _acknowledge(self, number: int) -> bytes:
        if self.service is Service.SET:
            return apdu.SetResponseBlock(self.invoke, number).encode()
        return apdu.ActionResponseNextBlock(self.invoke, number).encode()

    def refused(self, number: int, result: DataAccessResult) -> bytes:
        return no_transfer(self.service, self.invoke, number, result, self.lists)


_ACTION_RESULTS: Final = {  # the same, said about an ACTION; a wrong number has no code of its own
    DataAccessResult.NO_LONG_GET_IN_PROGRESS: ActionResult.NO_LONG_ACTION_IN_PROGRESS,
    DataAccessResult.NO_LONG_SET_IN_PROGRESS: ActionResult.NO_LONG_ACTION_IN_PROGRESS,
    DataAccessResult.DATA_BLOCK_NUMBER_INVALID: ActionResult.LONG_ACTION_ABORTED,
    DataAccessResult.LONG_SET_ABORTED: ActionResult.LONG_ACTION_ABORTED,
}


def no_transfer(service: Service, invoke: int, number: int, result: DataAccessResult, lists: int = 0) -> bytes:
    """A transfer that does not go on, with the reason, for each of a list."""
    if service is Service.GET:
        return apdu.GetResponseWithBlock(invoke, last=True, block=number, result=result).encode()
    if service is Service.SET and lists:
        return apdu.SetResponseLastBlockWithList(invoke, (result,) * lists, number).encode()
    if service is Service.SET:
        return apdu.SetResponseLastBlock(invoke, result, number).encode()
    if lists:
        return apdu.ActionResponseWithList(invoke, (apdu.ActionOutcome(_ACTION_RESULTS[result]),) * lists).encode()
    return apdu.ActionResponseNormal(invoke, _ACTION_RESULTS[result]).encode()


def differ(invoke: int, other: int) -> bool:
    """Whether two invoke octets have different ids."""
    return (invoke ^ other) & _INVOKE_ID_MASK != 0

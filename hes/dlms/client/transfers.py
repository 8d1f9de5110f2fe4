"""A client's general block transfer: blocks of what it asks and is answered, when one APDU is too long for the peer.

`Transfers` is the part of `Client` that cuts and joins; what the joined APDU means is the rest of the client's.

Source: docs/protocols/dlms-application.md §3 (general block transfer).
"""

from __future__ import annotations

from abc import abstractmethod

from hes.dlms import apdu
from hes.dlms.client.clauses import NOT_NEGOTIATED
from hes.dlms.client.events import AwaitMore, ClientEvent, SendNext, TransferEnded
from hes.dlms.client.requests import Requests
from hes.dlms.general_blocks import GeneralBlocks, Outcome, UnconfirmedBlocks
from hes.errors import RemoteProtocolError


class Transfers(Requests):
    """_blocks: None until the first block. _unconfirmed: the same for blocks that nobody acknowledges."""

    server_max_receive_pdu_size: int
    _blocks: GeneralBlocks | None
    _unconfirmed: UnconfirmedBlocks | None

    @property
    def transferring(self) -> bool:
        """True while general blocks are under way: then `repeat` changes nothing that was done already."""
        return self._exchange is not None and self._blocks is not None and self._blocks.active

    def next_deadline(self) -> float | None:
        """When `timed_out` wants to be called; None unless general blocks are under way and `receive` knew the time."""
        return self._blocks.next_deadline() if self._blocks is not None else None

    def timed_out(self, now_s: float) -> SendNext | TransferEnded | None:
        """What the silence of the server in a general block transfer leads to; None when it is not time yet."""
        if self._blocks is None:
            return None
        outcome = self._blocks.timed_out(now_s, at_once=self.settings.general_blocks_at_once)
        if outcome.ended:
            return self._ended(outcome)
        return _send_next(outcome.send) if outcome.send else None

    def _general_block(self, octets: bytes, now_s: float | None) -> ClientEvent:
        """One block; with the last one comes what the whole APDU means."""
        block = apdu.decode(octets)
        assert isinstance(block, apdu.GeneralBlock)
        if not self._cuts:
            text = "a general block, and none were negotiated"
            raise RemoteProtocolError(text, octet_offset=0, clause=NOT_NEGOTIATED)
        if block.window == 0 and block.number:
            if self._unconfirmed is None:
                self._unconfirmed = UnconfirmedBlocks()
            whole = self._unconfirmed.take(block)
            return AwaitMore() if whole is None else self._receive_whole(whole)
        outcome = self._general_blocks().receive(block, at_once=self.settings.general_blocks_at_once, now_s=now_s)
        if outcome.ended:
            return self._ended(outcome)
        if outcome.whole is not None:
            return self._whole(outcome.whole)
        return _send_next(outcome.send) if outcome.send else AwaitMore()

    def _whole(self, octets: bytes) -> ClientEvent:
        """The APDU that the blocks held. Unless the client goes on in blocks, the transfer is over with it."""
        assert self._blocks is not None
        event: ClientEvent | None = None
        try:
            event = self._receive_whole(octets)
        finally:
            if not isinstance(event, SendNext):
                self._blocks.end()
        return event

    def _general_blocks(self) -> GeneralBlocks:
        """Made when they are needed first: most associations never see a block."""
        if self._blocks is None:
            window = self.settings.general_block_window
            self._blocks = GeneralBlocks(self.server_max_receive_pdu_size, initiates=True, window=window)
        return self._blocks

    def _ended(self, outcome: Outcome) -> TransferEnded:
        self._exchange = None
        return TransferEnded(reason=outcome.ended, octets=b"".join(outcome.send))

    def _end_exchange(self) -> None:
        self._exchange = None
        if self._blocks is not None:
            self._blocks.end()

    @abstractmethod
    def _receive_whole(self, octets: bytes) -> ClientEvent:
        """What an APDU means that did not come in blocks, or no longer does."""
        ...


def _send_next(send: tuple[bytes, ...]) -> SendNext:
    return SendNext(octets=send[0], further=send[1:])

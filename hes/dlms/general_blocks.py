"""General block transfer as one side sees it: a message cut into blocks, the peer's put together. Both roles.

A message is a whole APDU, ciphered or not. Each side numbers its blocks from 1; an empty block says only what has come.

    send    blocks up to the peer's window go out at once, all but the last with STR = 1; then the peer is heard.
    receive the end of a burst (STR = 0) is answered: with the number of the last block that came in its turn. Blocks
            behind a gap are kept within the window, and the window announced is the size of the gap, so that only what
            is missing comes again.
    answer  who was sent a message in blocks answers in blocks, and its first one acknowledges the last of the request.

```
IDLE --SEND--> SENDING --BLOCK--> RECEIVING --WHOLE--> TURN --SEND--> SENDING
  `---BLOCK--> RECEIVING
```
SENDING goes on by ACKNOWLEDGED; END leads to IDLE from everywhere. TURN: the peer's message is whole, ours is next.

What the peer lets pass without answering (a lost block at the end of a burst, a lost answer) is repeated by `recover`,
which the owner's clock asks for: `next_deadline` and `timed_out`. A block with number 0 breaks a transfer off.

Source: docs/protocols/dlms-application.md §3 (general block transfer); choices: docs/protocols/dlms-roles.md §3.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from hes.dlms.block_transfer import BLOCK_TRANSFER_OCTETS_MAX, PDU_OCTETS_MAX, capacity
from hes.dlms.state_table import follow
from hes.dlms.xdlms.general_block import GENERAL_BLOCK_HEAD, GENERAL_BLOCK_MAX, WINDOW_MAX, GeneralBlock
from hes.errors import LocalProtocolError, RemoteProtocolError

RECOVERY_S: Final = 10.0  # silence before the last burst is repeated [A]
RECOVERIES_MAX: Final = 3  # in a row, then the transfer is given up [A]
ABORT: Final = GeneralBlock(last=True, streaming=False, window=0, number=0, acknowledged=0).encode()  # [A]


class State(Enum):
    IDLE = "idle"
    SENDING = "sending"
    RECEIVING = "receiving"
    TURN = "our turn"


class Event(Enum):
    SEND = "a message is to be sent"
    ACKNOWLEDGED = "an empty block came"
    BLOCK = "a block of the peer's message came"
    WHOLE = "the peer's message is whole"
    END = "the exchange is over"


TRANSITIONS: Final[dict[State, dict[Event, State]]] = {
    State.IDLE: {Event.SEND: State.SENDING, Event.BLOCK: State.RECEIVING, Event.END: State.IDLE},
    State.SENDING: {
        Event.ACKNOWLEDGED: State.SENDING,
        Event.BLOCK: State.RECEIVING,
        Event.END: State.IDLE,
    },
    State.RECEIVING: {
        Event.ACKNOWLEDGED: State.RECEIVING,
        Event.BLOCK: State.RECEIVING,
        Event.WHOLE: State.TURN,
        Event.END: State.IDLE,
    },
    State.TURN: {Event.SEND: State.SENDING, Event.END: State.IDLE},
}


def step(state: State, event: Event) -> State:
    """The state after `event`. Raises LocalProtocolError for a pair that is not in the table."""
    return follow(TRANSITIONS, state, event, "a block transfer")


class Outcome(NamedTuple):
    """What a block has led to. send: octets for the peer, in order. whole: its message. ended: why it is over.

    remark: what the peer did wrong although it goes on.
    """

    send: tuple[bytes, ...] = ()
    whole: bytes | None = None
    ended: str = ""
    remark: str = ""


NOTHING: Final = Outcome()


class GeneralBlocks:
    """One exchange at a time, in both directions.

    pdu_octets_max: what the peer takes, 0 for no limit. initiates: whether our message comes first, as a client's
    does; what it receives is an answer then. window: blocks that we take at once, 1..63.
    """

    __slots__ = (
        "_acknowledged",
        "_base",
        "_burst_blocks",
        "_burst_last",
        "_capacity",
        "_deadline_s",
        "_first",
        "_initiates",
        "_last_ack",
        "_message",
        "_octets",
        "_parts",
        "_peer_window",
        "_queue",
        "_received",
        "_recoveries",
        "_seen",
        "_sent",
        "state",
        "window",
    )

    def __init__(self, pdu_octets_max: int, *, initiates: bool, window: int = 1) -> None:
        if not 1 <= window <= WINDOW_MAX:
            raise LocalProtocolError(f"a window of {window} blocks: 1 to {WINDOW_MAX} are possible")
        self.window = window
        self.state = State.IDLE
        self._initiates = initiates
        self._capacity = capacity(pdu_octets_max or PDU_OCTETS_MAX, GENERAL_BLOCK_HEAD)
        self._clear()

    def _clear(self) -> None:
        # ours: numbers used, the number before the message's first block, the last one that the peer has taken
        self._message = b""
        self._sent = self._base = self._acknowledged = 0
        self._peer_window = 1  # until the peer has said more [A]
        # the peer's: last number in turn, what is behind a gap, what is put together
        self._received = self._octets = 0
        self._queue: dict[int, GeneralBlock] = {}
        self._parts: list[bytes] = []
        self._burst_blocks = self._burst_last = 0  # blocks of the burst under way, number of its last one
        self._first = self._last_ack = b""
        self._seen = False  # whether the peer has acknowledged anything of ours
        self._deadline_s: float | None = None
        self._recoveries = 0

    @property
    def active(self) -> bool:
        return self.state is not State.IDLE

    def end(self) -> None:
        """The exchange is over, or given up."""
        if self.state is not State.IDLE:
            self.state = step(self.state, Event.END)
            self._clear()

    # -- sending

    def fits(self, octets: int) -> bool:
        """Whether a message of that many octets can be sent: numbers and memory have their bounds."""
        blocks = -(-octets // self._capacity) if self._capacity > 0 else GENERAL_BLOCK_MAX + 1
        return octets <= BLOCK_TRANSFER_OCTETS_MAX and self._sent + blocks <= GENERAL_BLOCK_MAX

    def send(self, message: bytes, *, at_once: int = 1, now_s: float | None = None) -> tuple[bytes, ...]:
        """The first burst of a message. at_once: blocks that the caller can send before it listens.

        Raises LocalProtocolError for a message that does not fit, or while another is under way.
        """
        if not self.fits(len(message)) or not message:
            raise LocalProtocolError(f"a message of {len(message)} octets in blocks of {self._capacity}")
        self.state = step(self.state, Event.SEND)
        self._message = message
        self._base = self._acknowledged = self._sent
        self._touch(now_s)
        return self._burst(at_once)

    @property
    def _final(self) -> int:
        """Number of the message's last block."""
        return self._base - (-len(self._message) // self._capacity)

    def _burst(self, at_once: int) -> tuple[bytes, ...]:
        """The blocks behind the last one acknowledged, as many as the peer's window and the caller allow."""
        start, final = max(self._acknowledged, self._base) + 1, self._final
        end = min(start - 1 + min(self._peer_window, max(at_once, 1)), final)
        blocks = []
        for number in range(start, end + 1):
            offset = (number - self._base - 1) * self._capacity
            piece = self._message[offset : offset + self._capacity]
            block = GeneralBlock(number == final, number < end, self.window, number, self._received, piece)
            blocks.append(block.encode())
        self._sent = max(self._sent, end)
        return tuple(blocks)

    def _empty_blocks(self, acknowledged: int) -> tuple[bytes, ...]:
        """The acknowledgements of ours that the peer lacks: their numbers stand before those of our message."""
        return tuple(
            GeneralBlock(
                last=False, streaming=True, window=self.window, number=number, acknowledged=self._received
            ).encode()
            for number in range(acknowledged + 1, min(self._base, acknowledged + WINDOW_MAX) + 1)
        )

    # -- receiving

    def receive(self, block: GeneralBlock, *, at_once: int = 1, now_s: float | None = None) -> Outcome:
        """Take one block of the peer. at_once: blocks that the caller can send in answer."""
        if block.number == 0:
            return self._end("the peer broke the transfer off")
        if self._begins(block):
            self.end()
        self._touch(now_s)
        if self.state is State.SENDING:
            return self._while_sending(block, at_once)
        if self.state is State.TURN:
            return NOTHING  # it came again while it is worked on
        if self.state is State.IDLE:
            if not block.data:
                return Outcome((ABORT,), ended="a block was acknowledged, and nothing is under way")
            if self._initiates and block.number != 1:
                return NOTHING  # the rest of an answer that was given up
        return self._take(block)

    def _begins(self, block: GeneralBlock) -> bool:
        """Whether a client's block 1 begins a new exchange, rather than coming again because our answer was lost.

        It is new when it differs from the block 1 that we have, or when the peer has acknowledged something of this
        exchange before and nothing now [A].
        """
        if self._initiates or block.number != 1 or block.acknowledged != 0 or not block.data:
            return False
        return not self._first or self._seen or block.data != self._first

    def _while_sending(self, block: GeneralBlock, at_once: int) -> Outcome:
        if block.acknowledged > self._sent:
            return self._abort(f"block {block.acknowledged} is acknowledged, {self._sent} was the last one sent")
        if block.data and self._initiates and block.acknowledged == self._final:  # the answer
            self._received = min(self._received, block.number - 1)  # an empty block of that number was of an older one
            return self._take(block)
        if block.data and block.number > self._received:
            if self._initiates:  # the rest of an older answer
                return NOTHING
            return self._abort(f"block {block.number} follows a message that was whole")
        self.state = step(self.state, Event.ACKNOWLEDGED)
        self._received = max(self._received, block.number)
        if block.acknowledged < self._base and not block.data:
            return Outcome(self._empty_blocks(block.acknowledged) + self._burst(at_once))
        if block.acknowledged < self._acknowledged:
            return NOTHING  # overtaken by one that came before
        self._acknowledged = block.acknowledged
        self._seen = self._seen or block.acknowledged > 0
        self._peer_window = block.window or 1
        return Outcome(self._burst(at_once))

    def _take(self, block: GeneralBlock) -> Outcome:
        """A block of the peer's message; an empty one belongs to it only when it ends it.

        A client that sends more at once than our window is told so and heard all the same; more than any window can be
        is no burst, and is broken off. What a server sends on and on has its bound in octets [A].
        """
        begins = block.number <= self._burst_last  # once more, after an end of the burst that was lost
        self._burst_blocks = 0 if not block.streaming else 1 if begins else self._burst_blocks + 1
        self._burst_last = block.number
        if self._initiates or self._burst_blocks <= self.window:
            return self._taken(block)
        if self._burst_blocks > WINDOW_MAX:
            return self._abort(f"more than {WINDOW_MAX} blocks came in a row, and no window is larger")
        outcome = self._taken(block)
        if self._burst_blocks > self.window + 1:
            return outcome
        remark = f"more than {self.window} blocks came in a row, which is the window"
        return outcome._replace(remark=remark)

    def _taken(self, block: GeneralBlock) -> Outcome:
        if not block.data and not (block.last and self._parts):
            self.state = step(self.state, Event.ACKNOWLEDGED)
            if block.number != self._received + 1:
                return NOTHING
            self._received = block.number  # an acknowledgement that was lost, and came again
            if not self._queue:
                return NOTHING
        else:
            self.state = step(self.state, Event.BLOCK)
            self._seen = self._seen or block.acknowledged > 0
            self._peer_window = block.window or 1
            if self._received < block.number <= self._received + self.window:
                self._queue.setdefault(block.number, block)
        whole = self._drain()
        if self._octets > BLOCK_TRANSFER_OCTETS_MAX:
            return self._abort(f"a message of more than {BLOCK_TRANSFER_OCTETS_MAX} octets is not taken")
        if whole is not None:
            self.state = step(self.state, Event.WHOLE)
            return Outcome(whole=whole)
        if self._sent >= GENERAL_BLOCK_MAX - 1:
            return self._abort("the numbers of blocks are used up")
        return NOTHING if block.streaming else Outcome((self._acknowledge(),))

    def _drain(self) -> bytes | None:
        """Move what is in its turn to the message; the whole once its last block is there."""
        while (block := self._queue.pop(self._received + 1, None)) is not None:
            if not self._parts:
                self._first = block.data
            self._received = block.number
            self._last_ack = b""
            self._parts.append(block.data)
            self._octets += len(block.data)
            if block.last:
                whole = b"".join(self._parts)
                self._parts.clear()
                self._queue.clear()
                return whole
        return None

    def _acknowledge(self) -> bytes:
        """An empty block; the same again while nothing new has come. After ours is sent, each of ours is the last."""
        gap = min(self._queue) - self._received - 1 if self._queue else 0
        window = gap or self.window
        if not self._last_ack:
            self._sent += 1
        block = GeneralBlock(
            last=self._initiates, streaming=False, window=window, number=self._sent, acknowledged=self._received
        )
        self._last_ack = block.encode()
        return self._last_ack

    # -- silence, and breaking off

    def recover(self, at_once: int = 1) -> tuple[bytes, ...]:
        """What to send when the peer has been silent for too long: the last burst, or the last answer, once more."""
        if self.state is State.SENDING:
            return self._burst(at_once) or (self._acknowledge(),)
        return (self._acknowledge(),) if self.state is State.RECEIVING else ()

    def next_deadline(self) -> float | None:
        """When `timed_out` wants to be called, None while nothing is awaited or nobody has told the time."""
        return self._deadline_s if self.state in (State.SENDING, State.RECEIVING) else None

    def timed_out(self, now_s: float, *, at_once: int = 1) -> Outcome:
        """What silence has led to: a repetition, RECOVERIES_MAX times, then the end."""
        deadline_s = self.next_deadline()
        if deadline_s is None or now_s < deadline_s:
            return NOTHING
        if self._recoveries >= RECOVERIES_MAX:
            return self._abort(f"the peer has been silent for {(RECOVERIES_MAX + 1) * RECOVERY_S:g} s")
        self._recoveries += 1
        self._deadline_s = now_s + RECOVERY_S
        return Outcome(self.recover(at_once))

    def _touch(self, now_s: float | None) -> None:
        self._recoveries = 0
        self._deadline_s = None if now_s is None else now_s + RECOVERY_S

    def _abort(self, reason: str) -> Outcome:
        return self._end(reason)._replace(send=(ABORT,))

    def _end(self, reason: str) -> Outcome:
        self.end()
        return Outcome(ended=reason)


def cut_unconfirmed(message: bytes, pdu_octets_max: int) -> tuple[bytes, ...]:
    """A message that nobody answers, such as a push: all blocks in one stream, with window 0.

    As meters in the field do it (docs/protocols/hdlc.md §8, a Landis+Gyr E450): STR = 1 in the last block too.
    Raises LocalProtocolError when it does not fit.
    """
    size = capacity(pdu_octets_max or PDU_OCTETS_MAX, GENERAL_BLOCK_HEAD)
    count = -(-len(message) // size) if size > 0 else 0
    if not 0 < count <= GENERAL_BLOCK_MAX or len(message) > BLOCK_TRANSFER_OCTETS_MAX:
        raise LocalProtocolError(f"a message of {len(message)} octets in blocks of {size}")
    return tuple(
        [
            GeneralBlock(
                last=number == count,
                streaming=True,
                window=0,
                number=number,
                acknowledged=0,
                data=message[(number - 1) * size : number * size],
            ).encode()
            for number in range(1, count + 1)
        ]
    )


class UnconfirmedBlocks:
    """Puts together what `cut_unconfirmed` makes. Nothing can be asked for again: after a gap the message is lost."""

    __slots__ = ("_number", "_octets", "_parts")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._number = self._octets = 0

    def _forget(self) -> None:
        self._parts.clear()
        self._number = self._octets = 0

    def take(self, block: GeneralBlock) -> bytes | None:
        """The message once its last block is there. Raises RemoteProtocolError when it is lost or too long."""
        if block.number == 1:
            self._forget()
        expected = self._number + 1
        self._octets += len(block.data)
        if block.number != expected or self._octets > BLOCK_TRANSFER_OCTETS_MAX:
            self._forget()
            raise RemoteProtocolError(f"block {block.number} came, {expected} was expected; the message is lost")
        self._number = block.number
        self._parts.append(block.data)
        if not block.last:
            return None
        whole = b"".join(self._parts)
        self._forget()
        return whole

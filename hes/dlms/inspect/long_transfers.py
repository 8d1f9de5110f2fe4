"""Long values put together from their blocks, in every direction: as the APDU that they would have been in one piece.

`Transfers` follows the blocks of single services (GET, SET, ACTION, Read, Write), `GeneralBlocks` those of general
block transfer, in which any APDU travels, ciphered or not. Seen from outside: both only watch, so that lost, repeated
and late blocks are told and do no harm.

Source: docs/protocols/dlms-application.md §3; docs/protocols/short-names.md §2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from hes.dlms import apdu as apdus
from hes.dlms import axdr
from hes.dlms.codes import ApduTag
from hes.dlms.inspect.node import Node
from hes.dlms.xdlms.common import encode_descriptor, encode_selection, invoke_id
from hes.errors import RemoteProtocolError

BLOCKS_OCTETS_MAX: Final = 4 * 1024 * 1024
BLOCKS_MAX: Final = 1 << 16
TRANSFERS_MAX: Final = 64


@dataclass(slots=True)
class _Transfer:
    """head: the octets of the APDU that it would have been in one piece. number: of the last block."""

    head: bytes
    octets: bytearray = field(default_factory=bytearray)
    number: int = 0
    is_broken: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a block comes to: the whole APDU with the last one, and what is to be said about it."""

    whole: bytes = b""
    note: str = ""


NOTHING: Final = Outcome()


class Transfers:
    """The long values of one association that are under way."""

    __slots__ = ("_under_way",)

    def __init__(self) -> None:
        self._under_way: dict[tuple[int, int], _Transfer] = {}

    def take(self, value: Any, octets: bytes, *, listed: bool) -> Outcome:
        """A decoded APDU and its octets. listed: what it answers came with a list."""
        part = _part(value, listed=listed)
        if part is None:
            return NOTHING
        head, raw, number, last = part
        key = (octets[0], invoke_id(octets[2]) if octets[0] in _WITH_INVOKE and len(octets) > 2 else 0)
        before = self._under_way.get(key)
        if before is not None and number == before.number == 1 and before.octets == raw:
            return Outcome(note="repeats block 1")
        if head is not None and (number == 1 or octets[0] in _REQUESTS):
            if len(self._under_way) >= TRANSFERS_MAX:
                del self._under_way[next(iter(self._under_way))]
            self._under_way[key] = _Transfer(head)
        transfer = self._under_way.get(key)
        if transfer is None:
            return Outcome(note="the blocks before this one are not here") if last else NOTHING
        note = _order(transfer, number)
        if note.startswith("repeats"):
            return Outcome(note=note)
        transfer.number = number
        if len(transfer.octets) + len(raw) > BLOCKS_OCTETS_MAX:
            transfer.is_broken = True
        else:
            transfer.octets += raw
        if not last:
            return Outcome(note=note)
        del self._under_way[key]
        if transfer.is_broken:
            return Outcome(note=note or f"more than {BLOCKS_OCTETS_MAX} octets in blocks are not put together")
        return Outcome(transfer.head + bytes(transfer.octets), note)


def _order(transfer: _Transfer, number: int) -> str:
    """What is wrong with the number of a block, in words; a gap breaks the transfer."""
    if number == transfer.number and transfer.number:
        return f"repeats block {number}"
    if number != transfer.number + 1:
        transfer.is_broken = True
        return f"block {transfer.number + 1} should come here: what follows cannot be put together"
    return ""


_Part = tuple[bytes | None, bytes, int, bool]
_REQUESTS: Final = frozenset({ApduTag.SET_REQUEST, ApduTag.ACTION_REQUEST})
_WITH_INVOKE: Final = frozenset(
    {ApduTag.GET_RESPONSE, ApduTag.SET_REQUEST, ApduTag.ACTION_REQUEST, ApduTag.ACTION_RESPONSE}
)


def _part(value: Any, *, listed: bool) -> _Part | None:
    """Head (where this block may be the first), raw data, number, last; None for what is no block."""
    begin = _HEADS.get(type(value))
    if begin is not None:
        return begin(value, listed), value.raw, value.block, value.last
    if isinstance(value, apdus.SetRequestBlock | apdus.ActionRequestBlock):
        return None, value.raw, value.block, value.last
    match value:
        case apdus.ReadResponse(results=(apdus.DataBlock(last=last, block=block, raw=raw),)):
            return b"\x0c", raw, block, last
        case apdus.ReadRequest(variables=(apdus.ReadDataBlockAccess(last=last, block=block, raw=raw),)):
            return b"\x05", raw, block, last
        case apdus.WriteRequest(variables=(apdus.WriteDataBlockAccess(last=last, block=block),), data=(encoded,)):
            return b"\x06", _octets_in(encoded), block, last
    return None


def _octets_in(encoded: bytes) -> bytes:
    """The octets in an encoded octet-string, b"" where it is none."""
    try:
        held, _ = axdr.decode_value(encoded)
    except RemoteProtocolError:
        return b""
    return held if isinstance(held, bytes) else b""


def _octet(value: Any) -> bytes:
    return bytes((value.invoke,))


def _get_head(value: apdus.GetResponseWithBlock, listed: bool) -> bytes:
    return b"\xc4\x03" + _octet(value) if listed else b"\xc4\x01" + _octet(value) + b"\x00"


def _set_head(value: apdus.SetRequestFirstBlock, _listed: bool) -> bytes:
    return b"\xc1\x01" + _octet(value) + encode_descriptor(value.attribute) + encode_selection(value.selection)


def _set_list_head(value: apdus.SetRequestWithListFirstBlock, _listed: bool) -> bytes:
    listed = b"".join(encode_descriptor(item) + encode_selection(chosen) for item, chosen in value.attributes)
    return b"\xc1\x04" + _octet(value) + axdr.encode_length(len(value.attributes)) + listed


def _action_head(value: apdus.ActionRequestFirstBlock, _listed: bool) -> bytes:
    return b"\xc3\x01" + _octet(value) + encode_descriptor(value.method) + b"\x01"


def _action_list_head(value: apdus.ActionRequestWithListFirstBlock, _listed: bool) -> bytes:
    methods = b"".join(map(encode_descriptor, value.methods))
    return b"\xc3\x03" + _octet(value) + axdr.encode_length(len(value.methods)) + methods


def _action_answer_head(value: apdus.ActionResponseBlock, listed: bool) -> bytes:
    return (b"\xc7\x03" if listed else b"\xc7\x01") + _octet(value)


# blocks that may be first: the octets that stand before the value when it comes in one piece
_HEADS: Final[dict[type, Callable[[Any, bool], bytes]]] = {
    apdus.GetResponseWithBlock: _get_head,
    apdus.SetRequestFirstBlock: _set_head,
    apdus.SetRequestWithListFirstBlock: _set_list_head,
    apdus.ActionRequestFirstBlock: _action_head,
    apdus.ActionRequestWithListFirstBlock: _action_list_head,
    apdus.ActionResponseBlock: _action_answer_head,
}


# -- general block transfer ------------------------------------------------------------------------------------------


class GeneralBlocks:
    """What one side sends in general blocks. `sent` is the highest number seen, hides: of a message that may hold a
    secret."""

    __slots__ = ("_before", "_blocks", "_last", "_octets", "hides", "sent")

    def __init__(self) -> None:
        self._blocks: dict[int, bytes] = {}
        self._before: dict[int, bytes] = {}  # of the message that was put together last
        self._last = 0
        self._octets = 0
        self.hides = False
        self.sent = 0

    def take(self, block: apdus.GeneralBlock) -> Outcome:
        """One block of this side. An empty one that is not the end of a message only acknowledges."""
        number, held = block.number, self._blocks.get(block.number)
        if not number:
            self._start()
            return Outcome(note="breaks the transfer off")
        if not block.data and not (block.last and self._blocks and number > self.sent):
            return NOTHING
        if number == 1 and held is not None and held != block.data:
            self._start()
            held = None
        if held is not None or (number > 1 and not self._blocks and self._before.get(number) == block.data):
            return Outcome(note=f"repeats block {number}")
        if len(self._blocks) >= BLOCKS_MAX or self._octets + len(block.data) > BLOCKS_OCTETS_MAX:
            self._start()
            return Outcome(note=f"more than {BLOCKS_OCTETS_MAX} octets in blocks are not put together")
        return self._kept(block)

    def _kept(self, block: apdus.GeneralBlock) -> Outcome:
        number = block.number
        self._blocks[number] = block.data
        self._octets += len(block.data)
        is_late = number < self.sent
        self.sent = max(self.sent, number)
        if block.last:
            self._last = number
        missing = [index for index in range(1, self.sent) if index not in self._blocks]
        if self._last and not missing:
            whole = b"".join(self._blocks[index] for index in range(1, self._last + 1))
            self._before = dict(self._blocks)
            self._start()
            return Outcome(whole, "comes late and fills the gap" if is_late else "")
        if missing:
            return Outcome(
                note=f"of this message {_numbers(missing)} {'are' if len(missing) > 1 else 'is'} missing so far"
            )
        return Outcome(note="comes late and fills the gap" if is_late else "")

    def acknowledged(self, number: int) -> str:
        """What the other side says with the number of the last block that came in its turn; "" where all have."""
        if not self.sent or number >= self.sent:
            return ""
        first = number + 1
        return (
            f"block {first} of {self.sent} is wanted"
            if first == self.sent
            else f"blocks {first} to {self.sent} are wanted"
        )

    def _start(self) -> None:
        self._blocks.clear()
        self._last = self._octets = self.sent = 0


def _numbers(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:5]))
    return f"{'blocks' if len(numbers) > 1 else 'block'} {shown}{', ...' if len(numbers) > 5 else ''}"


def note_node(note: str) -> Node:
    return Node(label="note", value=note)

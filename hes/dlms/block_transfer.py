"""Long values in blocks, for both roles: cutting what goes out, putting together what comes in, and how much fits.

Numbers start at 1 and rise by 1. A block is never larger than what the peer can receive once it is ciphered, and what
is put together is bounded, whatever the peer claims.

Source: docs/protocols/dlms-application.md §3 (block transfer).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from hes.dlms import axdr
from hes.dlms.security.forms import LENGTH_OCTETS_MAX, CipheringStyle, protection_octets
from hes.errors import RemoteProtocolError

BLOCK_TRANSFER_OCTETS_MAX: Final = 4 * 1024 * 1024  # a year of quarter hours with ten columns has about 2.5 MB [A]
BLOCKS_MAX: Final = 1 << 16
PDU_OCTETS_MAX: Final = 0xFFFF  # what "no limit" means: the wrapper carries no more

GET_RESPONSE_HEAD: Final = 9  # C4 02 invoke last block(4) choice
BLOCK_HEAD: Final = 8  # tag choice invoke last block(4): SET and ACTION blocks but the first
FIRST_BLOCK_HEAD: Final = 17  # the same with a descriptor of 9 octets


class BlockNumberError(RemoteProtocolError):
    """A block came out of turn."""


class Block(NamedTuple):
    last: bool
    number: int
    raw: bytes


class Outgoing:
    """Octets that leave in blocks. `current` is the block last made, so that it can be sent again."""

    __slots__ = ("_octets", "_sent", "current")

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._sent = 0
        self.current = Block(last=False, number=0, raw=b"")

    def next(self, capacity: int) -> Block:
        """The next block, with at most `capacity` (1 or more) octets."""
        start = self._sent
        self._sent = end = min(start + capacity, len(self._octets))
        self.current = Block(end == len(self._octets), self.current.number + 1, self._octets[start:end])
        return self.current


class Incoming:
    """Blocks that arrive. `number` is the last one taken in its turn. octets_max: of the whole value."""

    __slots__ = ("_octets", "_octets_max", "_parts", "number")

    def __init__(self, octets_max: int = BLOCK_TRANSFER_OCTETS_MAX) -> None:
        self._octets_max = octets_max
        self._parts: list[bytes] = []
        self._octets = 0
        self.number = 0

    def add(self, block: Block) -> bytes | None:
        """Take one block; the whole value once the last one is there.

        Raises BlockNumberError for a block out of turn, RemoteProtocolError when the value grows beyond bounds.
        """
        if block.number != self.number + 1:
            raise BlockNumberError(f"block {block.number} came, {self.number + 1} was expected")
        self._octets += len(block.raw)
        if self._octets > self._octets_max or block.number > BLOCKS_MAX:
            raise RemoteProtocolError(
                f"a value of more than {self._octets_max} octets or {BLOCKS_MAX} blocks is not taken"
            )
        self.number = block.number
        self._parts.append(block.raw)
        if not block.last:
            return None
        whole = b"".join(self._parts)
        self._parts.clear()
        return whole


def plain_limit(pdu_octets_max: int, *, ciphered: bool, style: CipheringStyle = CipheringStyle.SERVICE_SPECIFIC) -> int:
    """Octets that an APDU may have before protection, for a peer that takes `pdu_octets_max` (0: no limit)."""
    limit = pdu_octets_max or PDU_OCTETS_MAX
    if not ciphered:
        return limit
    overhead = protection_octets(style) - LENGTH_OCTETS_MAX + len(axdr.encode_length(limit))
    return max(limit - overhead, 0)


def capacity(limit: int, head_octets: int) -> int:
    """Octets of raw data in one block of at most `limit` octets with `head_octets` before its length; 0: none fit."""
    room = limit - head_octets
    for length_octets, largest in ((1, 0x7F), (2, 0xFF), (3, 0xFFFF)):
        if room - length_octets <= largest:
            return max(room - length_octets, 0)
    return 0xFFFF

"""General block transfer: one APDU, ciphered or not, in numbered pieces that either side may send.

E0 control block(2) ack(2) len data. What the fields oblige to is hes.dlms.general_blocks.

Source: docs/protocols/dlms-application.md §3 (general block transfer).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hes.dlms.xdlms.common import Reader, encode_octets
from hes.errors import LocalProtocolError

WINDOW_MAX: Final = 63
GENERAL_BLOCK_MAX: Final = 0xFFFF  # numbers have 16 bits
GENERAL_BLOCK_HEAD: Final = 6  # E0 control block(2) ack(2), before the length

_LAST, _STREAMING, _WINDOW = 0x80, 0x40, 0x3F


@dataclass(frozen=True, slots=True)
class GeneralBlock:
    """last: nothing of this side's message follows. streaming: more comes without waiting for an answer.

    window: blocks that this side takes at once, 0..63. number: of this block, from 1. acknowledged: the last block of
    the peer that came in its turn, 0 for none.
    """

    last: bool
    streaming: bool
    window: int
    number: int
    acknowledged: int
    data: bytes = b""

    def encode(self) -> bytes:
        numbers = (self.number, self.acknowledged)
        if not 0 <= self.window <= WINDOW_MAX or not all(0 <= number <= GENERAL_BLOCK_MAX for number in numbers):
            raise LocalProtocolError(f"window {self.window} is 0..63, numbers {numbers} are 0..65535")
        control = (_LAST if self.last else 0) | (_STREAMING if self.streaming else 0) | self.window
        head = self.number.to_bytes(2, "big") + self.acknowledged.to_bytes(2, "big")
        return bytes((0xE0, control)) + head + encode_octets(self.data)


def read_general_block(reader: Reader) -> GeneralBlock:
    control = reader.u8("block control")
    number = int.from_bytes(reader.take(2, "block number"), "big")
    acknowledged = int.from_bytes(reader.take(2, "block number acknowledged"), "big")
    data = reader.octet_string("block data")
    return GeneralBlock(
        bool(control & _LAST), bool(control & _STREAMING), control & _WINDOW, number, acknowledged, data
    )

"""The HDLC check sequence: CRC-16/X-25, at the speed of the standard library.

`binascii.crc_hqx` computes the same polynomial with the bits the other way round, so octets are bit-reversed on the
way in and out (one `bytes.translate` each). Source: docs/protocols/hdlc.md §2 [V].
"""

from __future__ import annotations

from binascii import crc_hqx
from typing import Final

REVERSED: Final = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))
"""For `translate`: every octet with its bits in the other order."""

START: Final = 0xFFFF
RESIDUE: Final = 0x1D0F
"""What the register holds behind octets and their own check sequence, whatever they were: behind a header with its
HCS the register of the whole frame is known without looking back."""


def check_sequence(octets: bytes, register: int = START) -> bytes:
    """The two octets that follow `octets` on the wire, low octet first. register: what earlier octets left in it."""
    return (crc_hqx(octets.translate(REVERSED), register) ^ 0xFFFF).to_bytes(2, "big").translate(REVERSED)


def is_intact(octets: bytes | bytearray) -> bool:
    """Whether `octets`, which end with their check sequence, arrived as they were sent."""
    return crc_hqx(octets.translate(REVERSED), START) == RESIDUE

"""The HDLC check sequence: CRC-16/X-25, at the speed of the standard library.

`binascii.crc_hqx` computes the same polynomial with the bits the other way round, so octets are bit-reversed on the
way in and out (one `bytes.translate` each). Source: docs/protocols/hdlc.md §2 [V].
"""

from __future__ import annotations

from binascii import crc_hqx
from typing import Final

_REVERSED: Final = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))
_RESIDUE: Final = 0x1D0F  # what is left after a sequence and its own check sequence


def check_sequence(octets: bytes) -> bytes:
    """The two octets that follow `octets` on the wire, low octet first."""
    return (crc_hqx(octets.translate(_REVERSED), 0xFFFF) ^ 0xFFFF).to_bytes(2, "big").translate(_REVERSED)


def is_intact(octets: bytes) -> bool:
    """Whether `octets`, which end with their check sequence, arrived as they were sent."""
    return crc_hqx(octets.translate(_REVERSED), 0xFFFF) == _RESIDUE

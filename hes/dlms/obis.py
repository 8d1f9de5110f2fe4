"""OBIS codes: the six octets that name a COSEM object.

Source: docs/protocols/axdr.md (OBIS); the written forms are those of meter faceplates and object lists.
"""

from __future__ import annotations

import re
from typing import Final, Self

from hes.errors import LocalProtocolError

OBIS_OCTETS: Final = 6

# 1.0.1.8.0.255 | 1.0.1.8.0 (F = 255) | 1-0:1.8.0*255 | 1-0:1.8.0.255 | 1-0:1.8.0; "&" is the other old mark of F
_DOTTED = re.compile(r"(\d{1,3})[.\-](\d{1,3})[.:](\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:[.*&](\d{1,3}))?", re.ASCII)
_HEX = re.compile(r"[0-9A-Fa-f]{12}", re.ASCII)


class Obis(bytes):
    """Six octets A..F; compares and hashes as plain `bytes`, prints as "1.0.1.8.0.255"."""

    __slots__ = ()

    def __new__(cls, octets: bytes | bytearray | memoryview) -> Self:
        """Raises LocalProtocolError unless there are six octets; decoders check the length first."""
        if len(octets) != OBIS_OCTETS:
            raise LocalProtocolError(f"an OBIS code has 6 octets, this has {len(octets)}: {bytes(octets).hex()}")
        return super().__new__(cls, octets)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "1.0.1.8.0.255", "1.0.1.8.0" (F = 255), "1-0:1.8.0*255", "1-0:1.8.0" or "0100010800FF".

        Raises LocalProtocolError for anything else, reduced forms such as "1.8.0" included: they leave open which
        medium and channel is meant.
        """
        stripped = text.strip()
        if _HEX.fullmatch(stripped):
            return cls(bytes.fromhex(stripped))
        match = _DOTTED.fullmatch(stripped)
        groups = [int(group if group is not None else 255) for group in match.groups()] if match else []
        if not groups or max(groups) > 255:
            raise LocalProtocolError(
                f"not an OBIS code: {text!r}; write it as 1.0.1.8.0.255 or 1-0:1.8.0*255", obis=text
            )
        return cls(bytes(groups))

    def __str__(self) -> str:
        return "{}.{}.{}.{}.{}.{}".format(*self)

    def __repr__(self) -> str:
        return f"Obis.parse({str(self)!r})"

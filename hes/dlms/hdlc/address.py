"""HDLC addresses: 1, 2 or 4 octets on the wire; the last has its lowest bit set. Source: docs/protocols/hdlc.md §3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hes.errors import LocalProtocolError, RemoteProtocolError

ADDRESS_OCTETS_MAX: Final = 4
NO_STATION: Final = 0x00
CLIENT_ALL_STATIONS: Final = 0x7F
ALL_STATIONS: Final = {1: 0x7F, 2: 0x7F, 4: 0x3FFF}
"""The broadcast value of the upper (and of the lower) part, by the length of the address."""
_PART_MAX: Final = {1: 0x7F, 2: 0x7F, 4: 0x3FFF}


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """upper: the logical device. lower: the physical device; None in a one-octet address. octets: 1, 2 or 4."""

    upper: int
    lower: int | None = None
    octets: int = 1

    def __post_init__(self) -> None:
        if self.octets not in _PART_MAX or (self.octets == 1) != (self.lower is None):
            raise LocalProtocolError("an HDLC server address has 1 octet (upper only), or 2 or 4 (upper and lower)")
        limit = _PART_MAX[self.octets]
        if not (0 <= self.upper <= limit and 0 <= (self.lower or 0) <= limit):
            raise LocalProtocolError(f"HDLC address {self} does not fit in {self.octets} octets")

    def encode(self) -> bytes:
        if self.lower is None:
            return bytes((self.upper << 1 | 1,))
        if self.octets == 2:
            return bytes((self.upper << 1, self.lower << 1 | 1))
        return bytes(
            (self.upper >> 6 & 0xFE, self.upper << 1 & 0xFE, self.lower >> 6 & 0xFE, self.lower << 1 & 0xFE | 1)
        )

    @property
    def is_broadcast(self) -> bool:
        """Whether every station is meant, in either part: such frames are never answered."""
        return self.upper == ALL_STATIONS[self.octets] or self.lower == ALL_STATIONS[self.octets]

    def is_meant_by(self, destination: ServerAddress) -> bool:
        """Whether a frame to `destination` is for this station: the same form, each part equal or "all stations"."""
        everybody = ALL_STATIONS[self.octets]
        return (
            destination.octets == self.octets
            and destination.upper in (self.upper, everybody)
            and destination.lower in (self.lower, everybody)
        )

    def __str__(self) -> str:
        return str(self.upper) if self.lower is None else f"{self.upper}/{self.lower}"


def decode_server_address(octets: bytes) -> ServerAddress:
    """An address that has been cut out by its last-octet bits. Raises RemoteProtocolError for 3 or more than 4."""
    if len(octets) == 1:
        return ServerAddress(octets[0] >> 1)
    if len(octets) == 2:
        return ServerAddress(octets[0] >> 1, octets[1] >> 1, 2)
    if len(octets) == 4:
        upper = (octets[0] >> 1) << 7 | octets[1] >> 1
        lower = (octets[2] >> 1) << 7 | octets[3] >> 1
        return ServerAddress(upper, lower, 4)
    raise RemoteProtocolError(f"an HDLC address has 1, 2 or 4 octets, not {len(octets)}", octet_offset=0)


def encode_client_address(client_sap: int) -> bytes:
    """The one octet of a client. Raises LocalProtocolError for a SAP that 7 bits do not hold."""
    if not NO_STATION <= client_sap <= CLIENT_ALL_STATIONS:
        raise LocalProtocolError(f"an HDLC client address is 0..{CLIENT_ALL_STATIONS}, not {client_sap}")
    return bytes((client_sap << 1 | 1,))


def address_end(octets: bytes | bytearray, offset: int) -> int:
    """Where the address that begins at `offset` ends. Raises RemoteProtocolError when it does not within 4 octets."""
    for end in range(offset, min(offset + ADDRESS_OCTETS_MAX, len(octets))):
        if octets[end] & 1:
            return end + 1
    raise RemoteProtocolError("an HDLC address does not end within 4 octets", octet_offset=offset)

"""From a captured packet to the TCP segment or UDP datagram in it: link layer, VLAN tags, IPv4 and IPv6.

Packets that carry neither are not errors: `segment` answers with the reason, for the reader's count.

Source: docs/protocols/captures.md.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address
from typing import Final, NamedTuple

from hes.trace.capture_file import Packet

VLAN_TAGS_MAX: Final = 4
IPV6_HEADERS_MAX: Final = 8

FIN: Final = 0x01
SYN: Final = 0x02
RST: Final = 0x04
ACK: Final = 0x10

_ETHERTYPE_IPV4: Final = 0x0800
_ETHERTYPE_IPV6: Final = 0x86DD
_VLAN: Final = frozenset({0x8100, 0x88A8, 0x9100})
_TCP: Final = 6
_UDP: Final = 17
_IPV6_OPTIONS: Final = frozenset({0, 43, 60})
_IPV6_FRAGMENT: Final = 44


class Endpoint(NamedTuple):
    """One end of a conversation."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class Segment(NamedTuple):
    """A TCP segment or, with `sequence` None, a UDP datagram. octets_lost: payload that the capture cut off."""

    source: Endpoint
    destination: Endpoint
    payload: bytes
    octets_lost: int
    sequence: int | None
    acknowledged: int
    flags: int


class Skipped(NamedTuple):
    """Why a packet holds nothing for us."""

    reason: str


def segment(packet: Packet) -> Segment | Skipped:
    """What `packet` carries. Never raises: what cannot be read is skipped with its reason."""
    strip = _LINKS.get(packet.link_type)
    if strip is None:
        return Skipped(f"link type {packet.link_type}")
    try:
        ethertype, start = strip(packet.octets)
        if ethertype == _ETHERTYPE_IPV4:
            return _ipv4(packet, start)
        if ethertype == _ETHERTYPE_IPV6:
            return _ipv6(packet, start)
        return Skipped("not IP")
    except (struct.error, IndexError, ValueError):
        return Skipped("damaged headers")


def _ethernet(octets: bytes) -> tuple[int, int]:
    return _after_vlan(octets, 12)


def _after_vlan(octets: bytes, start: int) -> tuple[int, int]:
    for _ in range(VLAN_TAGS_MAX):
        (ethertype,) = struct.unpack_from(">H", octets, start)
        if ethertype not in _VLAN:
            return ethertype, start + 2
        start += 4
    raise ValueError("too many VLAN tags")


def _raw(octets: bytes) -> tuple[int, int]:
    return _by_version(octets, 0)


def _by_version(octets: bytes, start: int) -> tuple[int, int]:
    return {4: _ETHERTYPE_IPV4, 6: _ETHERTYPE_IPV6}.get(octets[start] >> 4, 0), start


def _loopback(octets: bytes) -> tuple[int, int]:
    """Four octets of address family, whose numbers differ from system to system: the IP version says the same."""
    return _by_version(octets, 4)


def _linux_cooked(octets: bytes) -> tuple[int, int]:
    return _after_vlan(octets, 14)


def _linux_cooked_2(octets: bytes) -> tuple[int, int]:
    (ethertype,) = struct.unpack_from(">H", octets)
    if ethertype in _VLAN:
        return _after_vlan(octets, 22)
    return ethertype, 20


_LINKS: Final[dict[int, Callable[[bytes], tuple[int, int]]]] = {
    0: _loopback,
    1: _ethernet,
    12: _raw,
    14: _raw,
    101: _raw,
    108: _loopback,
    113: _linux_cooked,
    228: _raw,
    229: _raw,
    276: _linux_cooked_2,
}
"""Link types by their registered number; 12 and 14 are raw IP on some systems."""


def _ipv4(packet: Packet, start: int) -> Segment | Skipped:
    octets = packet.octets
    first, _, length, _, fragment, _, protocol = struct.unpack_from(">BBHHHBB", octets, start)
    if first >> 4 != 4:
        return Skipped("damaged headers")
    if fragment & 0x3FFF:
        return Skipped("IP fragment")
    source, destination = octets[start + 12 : start + 16], octets[start + 16 : start + 20]
    header = (first & 0x0F) * 4
    # length 0: the network card was to cut it into packets, and the capture was taken before it did
    end = start + length if length else len(octets) + packet.octets_lost
    return _transport(packet, protocol, source, destination, start + header, end)


def _ipv6(packet: Packet, start: int) -> Segment | Skipped:
    octets = packet.octets
    _, length, protocol = struct.unpack_from(">IHB", octets, start)
    source, destination = octets[start + 8 : start + 24], octets[start + 24 : start + 40]
    at = start + 40
    end = at + length if length else len(octets) + packet.octets_lost
    for _ in range(IPV6_HEADERS_MAX):
        if protocol == _IPV6_FRAGMENT:
            return Skipped("IP fragment")
        if protocol not in _IPV6_OPTIONS:
            return _transport(packet, protocol, source, destination, at, end)
        protocol, at = octets[at], at + 8 * (octets[at + 1] + 1)
    return Skipped("damaged headers")


@lru_cache(maxsize=4096)
def _address(octets: bytes) -> str:
    return str(ip_address(octets))


def _transport(
    packet: Packet, protocol: int, source: bytes, destination: bytes, start: int, end: int
) -> Segment | Skipped:
    octets = packet.octets
    if protocol == _TCP:
        source_port, destination_port, sequence, acknowledged, offset, flags = struct.unpack_from(
            ">HHIIBB", octets, start
        )
        payload_at = start + (offset >> 4) * 4
        if offset >> 4 < 5:
            return Skipped("damaged headers")
    elif protocol == _UDP:
        source_port, destination_port, length = struct.unpack_from(">HHH", octets, start)
        sequence, acknowledged, flags = None, 0, 0
        payload_at, end = start + 8, min(end, start + length)
    else:
        return Skipped("neither TCP nor UDP")
    payload = octets[payload_at:end]
    return Segment(
        Endpoint(_address(source), source_port),
        Endpoint(_address(destination), destination_port),
        payload,
        max(end - max(payload_at, 0) - len(payload), 0),
        sequence,
        acknowledged,
        flags,
    )

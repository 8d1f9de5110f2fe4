"""The DLMS gateway prefix: it names the device behind a concentrator that an APDU is for, or comes from.

    E6 (request) or E7 (response) | network id | address length | physical device address | APDU

What the address holds is a matter of the concentrator's profile (ASCII or BCD meter number, lower HDLC address).

Source: docs/protocols/wrapper-and-gateway.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hes.errors import LocalProtocolError, RemoteProtocolError

REQUEST_TAG: Final = 0xE6
RESPONSE_TAG: Final = 0xE7
ADDRESS_OCTETS_MAX: Final = 255
_FIXED_OCTETS: Final = 3

Octets = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayFrame:
    """An APDU and the device behind the gateway that it is for (request) or from (response)."""

    is_response: bool
    network_id: int
    address: bytes
    apdu: bytes


def prefix_octets(address: bytes) -> int:
    """How much longer the prefix makes an APDU: so much less fits the peer's largest PDU."""
    return _FIXED_OCTETS + len(address)


def encode_request(network_id: int, address: bytes, apdu: bytes) -> bytes:
    """`apdu` for the device `address`. Raises LocalProtocolError for what the prefix cannot hold."""
    return _encode(REQUEST_TAG, network_id, address, apdu)


def encode_response(network_id: int, address: bytes, apdu: bytes) -> bytes:
    """`apdu` from the device `address`. Raises LocalProtocolError for what the prefix cannot hold."""
    return _encode(RESPONSE_TAG, network_id, address, apdu)


def is_gateway(octets: Octets) -> bool:
    """Whether `octets` start with a gateway prefix rather than an APDU."""
    return len(octets) > 0 and octets[0] in (REQUEST_TAG, RESPONSE_TAG)


def decode(octets: Octets) -> GatewayFrame:
    """Read prefix and APDU. Raises RemoteProtocolError for another tag, a prefix cut off, or no APDU behind it."""
    if not is_gateway(octets):
        raise RemoteProtocolError("neither E6 nor E7: no gateway prefix", octet_offset=0)
    if len(octets) < _FIXED_OCTETS or len(octets) <= _FIXED_OCTETS + octets[2]:
        raise RemoteProtocolError("a gateway frame that ends before its APDU", octet_offset=len(octets))
    end = _FIXED_OCTETS + octets[2]
    return GatewayFrame(
        is_response=octets[0] == RESPONSE_TAG,
        network_id=octets[1],
        address=bytes(octets[_FIXED_OCTETS:end]),
        apdu=bytes(octets[end:]),
    )


def _encode(tag: int, network_id: int, address: bytes, apdu: bytes) -> bytes:
    if not 0 <= network_id <= 255 or len(address) > ADDRESS_OCTETS_MAX or not apdu:
        raise LocalProtocolError(
            f"network {network_id} with an address of {len(address)} and an APDU of {len(apdu)} octets does not fit "
            "the gateway prefix (0..255, at most 255, at least 1)"
        )
    return bytes((tag, network_id, len(address))) + address + apdu

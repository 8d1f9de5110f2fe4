"""Putting right what a decoder checks first, so that damage behind it is seen at all."""

from __future__ import annotations

from hes.dlms import wrapper
from hes.dlms.hdlc.fcs import check_sequence

FLAG = 0x7E


def hdlc(octets: bytes) -> bytes:
    """One HDLC frame with its length, header and frame check sequences as they should be."""
    inner = octets.strip(b"\x7e")
    if len(inner) < 7:
        return octets
    body = inner[:-2]
    length = (len(body) + 2) & 0x7FF
    body = bytes((body[0] & 0xF8 | length >> 8, length & 0xFF)) + body[2:]
    head = _head_octets(body)
    if head is not None and len(body) >= head + 2:
        body = body[:head] + check_sequence(body[:head]) + body[head + 2 :]
    return bytes((FLAG,)) + body + check_sequence(body) + bytes((FLAG,))


def _head_octets(body: bytes) -> int | None:
    """Octets of format, addresses and control; None when the addresses do not end."""
    position = 2
    for _ in range(2):
        while position < len(body) and not body[position] & 1:
            position += 1
        position += 1
    return position + 1 if position < len(body) else None


def wrapped(octets: bytes) -> bytes:
    """A wrapper frame with its version and length as they should be."""
    if len(octets) < wrapper.HEADER_OCTETS:
        return octets
    payload = octets[wrapper.HEADER_OCTETS :]
    return b"\x00\x01" + octets[2:6] + len(payload).to_bytes(2, "big") + payload


def outer_length(octets: bytes) -> bytes:
    """A tag and its length as they should be, for BER and for ciphered APDUs."""
    if len(octets) < 2:
        return octets
    content = octets[2:]
    if len(content) < 0x80:
        return octets[:1] + bytes((len(content),)) + content
    if len(content) < 0x100:
        return octets[:1] + bytes((0x81, len(content))) + content
    return octets[:1] + b"\x82" + len(content).to_bytes(2, "big") + content


def qgdw376(octets: bytes) -> bytes:
    """A 376.1 frame with both lengths and its checksum as they should be."""
    if len(octets) < 8:
        return octets
    body = octets[6:-2]
    length = (len(body) << 2 | octets[1] & 3) & 0xFFFF
    field = length.to_bytes(2, "little")
    return b"\x68" + field + field + b"\x68" + body + bytes((sum(body) & 0xFF, 0x16))

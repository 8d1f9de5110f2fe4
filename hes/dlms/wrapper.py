"""The COSEM wrapper for TCP and UDP: version, two wPorts and a length before every APDU.

    00 01 | source wPort | destination wPort | payload octets | APDU        (two octets each, most significant first)

Source: docs/protocols/wrapper-and-gateway.md.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from hes.errors import LocalProtocolError, RemoteProtocolError

VERSION: Final = 1
HEADER_OCTETS: Final = 8
PAYLOAD_OCTETS_MAX: Final = 0xFFFF
TCP_PORT: Final = 4059  # registered for dlms/cosem, UDP as well

_HEADER: Final = struct.Struct(">HHHH")

Octets = bytes | bytearray | memoryview


class Header(NamedTuple):
    """What stands before the APDU. Both wPorts 0..65535; `payload_octets` counts the APDU alone."""

    source: int
    destination: int
    payload_octets: int


class Frame(NamedTuple):
    """One wrapper PDU."""

    source: int
    destination: int
    apdu: bytes


_frame = tuple.__new__  # Frame(...) costs as much as the rest of a short PDU


def encode(source: int, destination: int, apdu: bytes) -> bytes:
    """`apdu` behind its header. Raises LocalProtocolError for a wPort or a length that 16 bits cannot hold."""
    try:
        return _HEADER.pack(VERSION, source, destination, len(apdu)) + apdu
    except struct.error:
        raise LocalProtocolError(
            f"wPorts {source} -> {destination} with {len(apdu)} octets do not fit the wrapper (0..65535 each)"
        ) from None


def decode_header(octets: Octets) -> Header:
    """The header in the first 8 octets. Raises RemoteProtocolError for fewer octets or another version."""
    if len(octets) < HEADER_OCTETS:
        raise RemoteProtocolError("a wrapper header has 8 octets", octet_offset=len(octets))
    version, source, destination, payload_octets = _HEADER.unpack_from(octets)
    if version != VERSION:
        raise RemoteProtocolError(f"wrapper version {version:#06x}, only 0x0001 is known", octet_offset=0)
    return Header(source, destination, payload_octets)


def decode_datagram(octets: Octets) -> list[Frame]:
    """All PDUs of one UDP datagram, which holds whole ones only. Raises RemoteProtocolError."""
    receiver = Receiver()
    frames = receiver.feed(octets)
    if receiver.fault is not None:
        raise receiver.fault
    if receiver.pending_octets or not frames:
        raise RemoteProtocolError("a datagram that does not end with a wrapper PDU", octet_offset=len(octets))
    return frames


class Receiver:
    """Cuts a stream of octets into wrapper PDUs, however the stream was cut into segments.

    payload_octets_max: a longer APDU is refused when its header arrives, so that at most that much is ever kept.
    A stream with a fault cannot be resumed: nothing in it says where the next PDU starts. PDUs before the fault are
    still handed out; `fault` is set at once, and a feed that has no PDU to give raises it.
    """

    __slots__ = ("_buffer", "_consumed_octets", "_payload_octets_max", "fault")

    def __init__(self, payload_octets_max: int = PAYLOAD_OCTETS_MAX) -> None:
        self._payload_octets_max = payload_octets_max
        self._buffer = bytearray()
        self._consumed_octets = 0
        self.fault: RemoteProtocolError | None = None

    @property
    def pending_octets(self) -> int:
        """Octets of a PDU that is not complete yet."""
        return len(self._buffer)

    @property
    def consumed_octets(self) -> int:
        """Octets of all whole PDUs so far."""
        return self._consumed_octets

    def whole(self, octets: bytes) -> bytes | None:
        """The APDU when `octets` are one whole PDU and nothing is kept; None, and nothing taken, for `feed` otherwise.

        For who knows already what version and wPorts stand in it, as in the answer to one request.
        """
        count = len(octets) - HEADER_OCTETS
        if count < 0 or int.from_bytes(octets[6:8], "big") != count or self._buffer:
            return None
        if count > self._payload_octets_max or self.fault is not None:
            return None
        self._consumed_octets += len(octets)
        return bytes(octets[HEADER_OCTETS:])

    def feed(self, octets: Octets) -> list[Frame]:
        """The PDUs that `octets` complete. Raises RemoteProtocolError for a stream that cannot be followed."""
        if not self._buffer and len(octets) >= HEADER_OCTETS:  # nearly always one whole PDU: nothing to keep
            version, source, destination, payload_octets = _HEADER.unpack_from(octets)
            whole = HEADER_OCTETS + payload_octets == len(octets)
            if whole and version == VERSION and payload_octets <= self._payload_octets_max and self.fault is None:
                self._consumed_octets += len(octets)
                return [_frame(Frame, (source, destination, bytes(octets[HEADER_OCTETS:])))]
        frames: list[Frame] = []
        if self.fault is None:
            self._buffer += octets
            position = self._cut(frames)
            self._consumed_octets += position
            del self._buffer[:position]
        if self.fault is not None:
            self._buffer.clear()
            if not frames:
                raise self.fault
        return frames

    def _cut(self, frames: list[Frame]) -> int:
        """Append whole PDUs to `frames`; the offset in the buffer behind the last one."""
        buffer, position = self._buffer, 0
        while len(buffer) - position >= HEADER_OCTETS:
            version, source, destination, payload_octets = _HEADER.unpack_from(buffer, position)
            if version != VERSION or payload_octets > self._payload_octets_max:
                self.fault = self._complain(version, payload_octets, self._consumed_octets + position)
                break
            begin = position + HEADER_OCTETS
            end = begin + payload_octets
            if end > len(buffer):
                break
            frames.append(Frame(source, destination, bytes(buffer[begin:end])))
            position = end
        return position

    def _complain(self, version: int, payload_octets: int, octet_offset: int) -> RemoteProtocolError:
        if version != VERSION:
            return RemoteProtocolError(
                f"wrapper version {version:#06x}, only 0x0001 is known", octet_offset=octet_offset
            )
        return RemoteProtocolError(
            f"a wrapper PDU of {payload_octets} octets, at most {self._payload_octets_max} are taken",
            octet_offset=octet_offset,
        )

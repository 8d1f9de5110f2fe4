"""Packets out of a capture file: pcap and pcapng, either byte order, any time resolution.

Only the container is read here; what the packets say is the business of `capture_packets`. A file that ends in the
middle of a packet (the capture was still running, the machine died) gives all packets before that; any other breach
of the format is an error with its place in the file.

Source: docs/protocols/captures.md.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, Final, NamedTuple

from hes.errors import ConfigError, RemoteProtocolError

PACKET_OCTETS_MAX: Final = 1 << 20
BLOCK_OCTETS_MAX: Final = 1 << 24
INTERFACES_MAX: Final = 4096
OPTIONS_MAX: Final = 256

_PCAP_MAGIC: Final = {
    b"\xd4\xc3\xb2\xa1": ("<", 1_000_000),
    b"\xa1\xb2\xc3\xd4": (">", 1_000_000),
    b"\x4d\x3c\xb2\xa1": ("<", 1_000_000_000),
    b"\xa1\xb2\x3c\x4d": (">", 1_000_000_000),
}
_PCAPNG_MAGIC: Final = b"\x0a\x0d\x0d\x0a"
_BYTE_ORDER: Final = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_COMPRESSED: Final = {b"\x1f\x8b": "gzip", b"\x28\xb5": "zstd", b"\x04\x22": "lz4", b"\xfd7": "xz"}

_SECTION: Final = 0x0A0D0D0A
_INTERFACE: Final = 1
_PACKET_OLD: Final = 2
_PACKET_SIMPLE: Final = 3
_PACKET: Final = 6
_OPTION_END: Final = 0
_OPTION_COMMENT: Final = 1
_OPTION_RESOLUTION: Final = 9
_OPTION_OFFSET: Final = 14


class Packet(NamedTuple):
    """One captured packet. number: from 1, as Wireshark counts. octets_lost: captured less than was on the link."""

    number: int
    at_epoch_s: float
    link_type: int
    octets: bytes
    octets_lost: int
    comment: str


@dataclass(slots=True)
class CaptureFile:
    """Iterate over it once. truncated: the file ended in the middle of a packet."""

    stream: IO[bytes]
    truncated: bool = False
    offset: int = 0
    _interfaces: list[tuple[int, float, int]] = field(default_factory=list)
    _order: str = "<"

    def __iter__(self) -> Iterator[Packet]:
        magic = self._read(4)
        if magic == _PCAPNG_MAGIC:
            return self._pcapng()
        if magic in _PCAP_MAGIC:
            return self._pcap(*_PCAP_MAGIC[magic])
        kind = _COMPRESSED.get(magic[:2])
        if kind is not None:
            raise ConfigError(f"the capture is compressed with {kind}: unpack it first")
        raise ConfigError(f"not a capture: it starts with {magic.hex() or 'nothing'}, so it is neither pcap nor pcapng")

    def _read(self, count: int) -> bytes:
        octets = self.stream.read(count)
        self.offset += len(octets)
        if len(octets) < count:
            self.truncated = True
        return octets

    def _broken(self, what: str) -> RemoteProtocolError:
        return RemoteProtocolError(f"the capture is damaged: {what}", octet_offset=self.offset)

    # -- pcap

    def _pcap(self, order: str, units_per_s: int) -> Iterator[Packet]:
        header = self._read(20)
        if self.truncated:
            return
        link_type = struct.unpack(f"{order}HHiIII", header)[5] & 0xFFFF
        record = struct.Struct(f"{order}IIII")
        number = 0
        while head := self._read(record.size):
            if len(head) < record.size:
                return
            seconds, fraction, captured, original = record.unpack(head)
            if captured > PACKET_OCTETS_MAX:
                raise self._broken(f"a packet of {captured} octets (at most {PACKET_OCTETS_MAX})")
            octets = self._read(captured)
            if len(octets) < captured:
                return
            number += 1
            yield Packet(number, seconds + fraction / units_per_s, link_type, octets, max(original - captured, 0), "")
        self.truncated = False

    # -- pcapng

    def _pcapng(self) -> Iterator[Packet]:
        readers: dict[int, Callable[[bytes], Packet | None]] = {
            _PACKET: self._enhanced_packet,
            _PACKET_SIMPLE: self._simple_packet,
            _PACKET_OLD: self._old_packet,
            _INTERFACE: self._interface,
        }
        number = 0
        head = _PCAPNG_MAGIC + self._read(4)
        while len(head) == 8:
            body = self._section(head) if head[:4] == _PCAPNG_MAGIC else self._block(head)
            if body is None:
                return
            reader = readers.get(struct.unpack_from(f"{self._order}I", head)[0])
            try:
                packet = reader(body) if reader is not None else None
            except struct.error:
                raise self._broken("a block is shorter than its fields") from None
            if packet is not None:
                number += 1
                yield packet._replace(number=number)
            head = self._read(8)
        self.truncated = bool(head)

    def _section(self, head: bytes) -> bytes | None:
        """A new section may have another byte order and has interfaces of its own."""
        magic = self._read(4)
        if self.truncated:
            return None
        if magic not in _BYTE_ORDER:
            raise self._broken("a section header without its byte-order mark")
        self._order = _BYTE_ORDER[magic]
        self._interfaces.clear()
        return self._block(head, already=4)

    def _block(self, head: bytes, already: int = 0) -> bytes | None:
        """The body of the block that starts with `head`; None where the file ends in it."""
        length = struct.unpack_from(f"{self._order}I", head, 4)[0]
        if length < 12 + already or length % 4 or length > BLOCK_OCTETS_MAX:
            raise self._broken(f"a block of {length} octets")
        body = self._read(length - 12 - already)
        tail = self._read(4)
        if self.truncated:
            return None
        if tail != head[4:8]:
            raise self._broken("the two lengths of a block differ")
        return body

    def _interface(self, body: bytes) -> None:
        if len(self._interfaces) >= INTERFACES_MAX:
            raise self._broken(f"more than {INTERFACES_MAX} interfaces")
        (link_type,) = struct.unpack_from(f"{self._order}H", body)
        units_per_s, offset_s = 1e6, 0
        for code, value in self._options(body, 8):
            if code == _OPTION_RESOLUTION and len(value) == 1:
                units_per_s = 2.0 ** (value[0] & 0x7F) if value[0] & 0x80 else 10.0 ** value[0]
            elif code == _OPTION_OFFSET and len(value) == 8:
                (offset_s,) = struct.unpack(f"{self._order}q", value)
        self._interfaces.append((link_type, units_per_s, offset_s))

    def _enhanced_packet(self, body: bytes) -> Packet:
        interface, high, low, captured, original = struct.unpack_from(f"{self._order}IIIII", body)
        options_at = 20 + captured + -captured % 4
        comments = [
            value.decode("utf-8", "replace")
            for code, value in self._options(body, options_at)
            if code == _OPTION_COMMENT
        ]
        return self._packet(interface, high << 32 | low, body[20 : 20 + captured], captured, original, comments)

    def _old_packet(self, body: bytes) -> Packet:
        interface, _drops, high, low, captured, original = struct.unpack_from(f"{self._order}HHIIII", body)
        return self._packet(interface, high << 32 | low, body[20 : 20 + captured], captured, original, [])

    def _simple_packet(self, body: bytes) -> Packet:
        (original,) = struct.unpack_from(f"{self._order}I", body)
        octets = body[4 : 4 + original]
        return self._packet(0, 0, octets, len(octets), original, [])

    def _packet(
        self, interface: int, time: int, octets: bytes, captured: int, original: int, comments: list[str]
    ) -> Packet:
        if interface >= len(self._interfaces):
            raise self._broken(f"a packet of interface {interface}, which is not described")
        if len(octets) < captured:
            raise self._broken(f"a packet of {captured} octets in a shorter block")
        link_type, units_per_s, offset_s = self._interfaces[interface]
        lost = max(original - captured, 0)
        return Packet(0, time / units_per_s + offset_s, link_type, octets, lost, "\n".join(comments))

    def _options(self, body: bytes, start: int) -> Iterator[tuple[int, bytes]]:
        for _ in range(OPTIONS_MAX):
            if start + 4 > len(body):
                return
            code, length = struct.unpack_from(f"{self._order}HH", body, start)
            if code == _OPTION_END:
                return
            yield code, body[start + 4 : start + 4 + length]
            start += 4 + length + -length % 4

"""A tap that writes pcapng: every session looks like one TCP connection, so that Wireshark and tshark dissect it.

The octets are what went over the link; Ethernet, IPv4 and TCP round them are made up, alike for a simulated town, a
serial line and a real socket: the head-end is 10.0.0.1 port 4059 (the port registered for DLMS/COSEM), each session
has an address of its own, its connections have ports of their own, and sequence numbers, acknowledgements and check
sums are right. A name resolution block tells which address is which session. Notes, and the deciphered APDU where it
is known, become packet comments.

Blocks gather in memory and go to the file whole, about `FLUSH_OCTETS` at a time: after a kill the file is valid up to
its last flush. The tap never raises: when the file cannot be written it stops, says so once, and keeps `failure`.

Source: docs/protocols/captures.md (pcapng blocks, check sums).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import structlog

from hes.errors import ConfigError
from hes.trace.tap import SESSION_CLOSED, SESSION_OPENED, Direction

log = structlog.get_logger()

HEAD_END_PORT: Final = 4059
FLUSH_OCTETS: Final = 65_536
SEGMENT_OCTETS_MAX: Final = 65_000
"""A longer frame becomes several packets: an IPv4 datagram has at most 65,535 octets."""
COMMENT_OCTETS_MAX: Final = 8_192
SNAP_OCTETS: Final = 262_144

_HEAD_END: Final = bytes((10, 0, 0, 1))
_SESSIONS_FROM: Final = 0x0A_01_00_00
"""Sessions are 10.1.0.0 and up, in the order in which they are first heard of."""
_SESSIONS_MAX: Final = 0xFE_FF_FF
_PORTS_FROM: Final = 49_152
_PORTS: Final = 16_384

_FIN: Final = 0x01
_SYN: Final = 0x02
_PUSH: Final = 0x08
_ACK: Final = 0x10
_WINDOW: Final = 0xFFFF
_IP_TCP: Final = 40
"""Octets of an IPv4 and a TCP header without options."""
_FRAME_OVERHEAD: Final = 14 + _IP_TCP

_BLOCK: Final = struct.Struct("<IIIIIII")  # type, length, interface, time (high, low), captured, original
_IP: Final = struct.Struct(">BBHHHBBH")
_TCP: Final = struct.Struct(">HHIIBBHHH")
_TAIL: Final = struct.Struct("<I")
_PADDING: Final = (b"", b"\0\0\0", b"\0\0", b"\0")


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + _PADDING[len(value) & 3]


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def file_header(application: str = "amiloop") -> bytes:
    """Section header and one Ethernet interface whose times are microseconds."""
    section = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + _option(4, application.encode()) + _option(0, b"")
    interface = struct.pack("<HHI", 1, 0, SNAP_OCTETS) + _option(2, b"tap") + _option(9, b"\x06") + _option(0, b"")
    return _block(0x0A0D0D0A, section) + _block(1, interface)


class _End:
    """One direction of one connection: everything that stays the same from packet to packet, and where it is."""

    __slots__ = ("ethernet", "ip_addresses", "ip_sum", "port", "port_peer", "sequence", "tcp_sum")

    def __init__(self, address: bytes, port: int, peer: bytes, port_peer: int) -> None:
        self.ethernet = b"\x02\x00" + peer + b"\x02\x00" + address + b"\x08\x00"
        self.ip_addresses = address + peer
        self.port = port
        self.port_peer = port_peer
        self.sequence = 0
        addresses = int.from_bytes(self.ip_addresses, "big")
        # check sums are sums modulo 65535 of 16-bit words: what never changes is added up once
        self.ip_sum = (0x4500 + 0x4000 + 0x4006 + addresses) % 0xFFFF
        self.tcp_sum = (addresses + 6 + port + port_peer + _WINDOW) % 0xFFFF

    def packet(self, flags: int, acknowledged: int, payload: bytes) -> bytes:
        """An Ethernet frame; `payload` and a SYN or FIN move the sequence on."""
        octets = len(payload)
        sequence = self.sequence
        carried = int.from_bytes(payload, "big") << 8 if octets & 1 else int.from_bytes(payload, "big")
        flags_word = 0x5000 | flags
        tcp_sum = (self.tcp_sum + 20 + octets + flags_word + sequence + acknowledged + carried) % 0xFFFF
        ip_sum = (self.ip_sum + _IP_TCP + octets) % 0xFFFF
        self.sequence = (sequence + octets + (1 if flags & (_SYN | _FIN) else 0)) & 0xFFFFFFFF
        return b"".join(
            (
                self.ethernet,
                _IP.pack(0x45, 0, _IP_TCP + octets, 0, 0x4000, 0x40, 6, -ip_sum % 0xFFFF),
                self.ip_addresses,
                _TCP.pack(
                    self.port, self.port_peer, sequence, acknowledged, 0x50, flags, _WINDOW, -tcp_sum % 0xFFFF, 0
                ),
                payload,
            )
        )


@dataclass(slots=True)
class _Connection:
    device: _End
    head_end: _End


class PcapngTap:
    """Writes a pcapng file; use as a context manager or `close` it."""

    def __init__(self, path: Path, *, comments: bool = True) -> None:
        """comments: write notes and deciphered APDUs. Raises ConfigError when the file cannot be made."""
        try:
            self._file = path.open("wb", buffering=0)
        except OSError as error:
            raise ConfigError(f"the capture {path} cannot be written: {error.strerror}", path=str(path)) from error
        self.path = path
        self.frames = 0
        self.failure: OSError | None = None
        self._comments = comments
        self._buffer = bytearray(file_header())
        self._connections: dict[str, _Connection] = {}
        self._replaced: dict[str, list[_Connection]] = {}
        self._addresses: dict[str, bytes] = {}
        self._connections_made = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def frame(
        self,
        at_epoch_s: float,
        session: str,
        direction: Direction,
        octets: bytes,
        plaintext: bytes | None = None,
        note: str = "",
    ) -> None:
        connection = self._connections.get(session)
        if connection is None:
            connection = self._connect(at_epoch_s, session)
        if direction is Direction.TO_DEVICE:
            sender, receiver = connection.head_end, connection.device
        else:
            sender, receiver = connection.device, connection.head_end
        comment = self._comment(plaintext, note) if note or plaintext is not None else b""
        self.frames += 1
        if len(octets) <= SEGMENT_OCTETS_MAX:
            self._packet(at_epoch_s, sender.packet(_PUSH | _ACK, receiver.sequence, bytes(octets)), comment)
            return
        for start in range(0, len(octets), SEGMENT_OCTETS_MAX):
            part = bytes(octets[start : start + SEGMENT_OCTETS_MAX])
            self._packet(at_epoch_s, sender.packet(_PUSH | _ACK, receiver.sequence, part), comment)
            comment = b""

    def deciphered(self, at_epoch_s: float, session: str, direction: Direction, apdu: bytes) -> None:
        """Nothing: a packet that is written stays as it is, and Wireshark deciphers by itself when given keys."""

    def session_event(self, at_epoch_s: float, session: str, event: str, detail: str = "") -> None:
        """A closed session ends its TCP connection; heard of again, it makes a new one.

        Opened while it is open, it has been replaced: the new connection carries on, the next close is the old one's.
        """
        if event != SESSION_CLOSED:
            known = self._connections.get(session)
            if event == SESSION_OPENED and known is not None:
                self._replaced.setdefault(session, []).append(known)
            if event == SESSION_OPENED or known is None:
                self._connect(at_epoch_s, session)
            return
        replaced = self._replaced.get(session)
        connection = replaced.pop(0) if replaced else self._connections.pop(session, None)
        if connection is None:
            return
        device, head_end = connection.device, connection.head_end
        comment = self._comment(None, detail) if detail else b""
        self._packet(at_epoch_s, device.packet(_FIN | _ACK, head_end.sequence, b""), comment)
        self._packet(at_epoch_s, head_end.packet(_FIN | _ACK, device.sequence, b""), b"")
        self._packet(at_epoch_s, device.packet(_ACK, head_end.sequence, b""), b"")

    def flush(self) -> None:
        """Hand everything so far to the operating system: whole blocks only."""
        if self.failure is None and self._buffer:
            try:
                written = 0
                while written < len(self._buffer):
                    written += self._file.write(memoryview(self._buffer)[written:]) or 0
            except OSError as error:
                self.failure = error
                log.error("capture_stopped", path=str(self.path), error=error.strerror, frames=self.frames)
        self._buffer = bytearray()

    def close(self) -> None:
        """Flush and close; safe to call twice."""
        if not self._file.closed:
            self.flush()
            self._file.close()

    def _connect(self, at_epoch_s: float, session: str) -> _Connection:
        address = self._addresses.get(session)
        if address is None:
            number = _SESSIONS_FROM + len(self._addresses) % _SESSIONS_MAX
            address = self._addresses[session] = number.to_bytes(4, "big")
            self._buffer += _name_block(address, session)
        port = _PORTS_FROM + self._connections_made % _PORTS
        self._connections_made += 1
        device = _End(address, port, _HEAD_END, HEAD_END_PORT)
        head_end = _End(_HEAD_END, HEAD_END_PORT, address, port)
        self._packet(at_epoch_s, device.packet(_SYN, 0, b""), b"")
        self._packet(at_epoch_s, head_end.packet(_SYN | _ACK, device.sequence, b""), b"")
        self._packet(at_epoch_s, device.packet(_ACK, head_end.sequence, b""), b"")
        connection = self._connections[session] = _Connection(device, head_end)
        return connection

    def _comment(self, plaintext: bytes | None, note: str) -> bytes:
        if not self._comments:
            return b""
        text = note if plaintext is None else f"{note}{': ' if note else ''}plaintext {plaintext.hex()}"
        octets = text.encode("utf-8", "replace")
        if len(octets) > COMMENT_OCTETS_MAX:
            octets = octets[:COMMENT_OCTETS_MAX].decode("utf-8", "ignore").encode() + " …".encode()
        return _option(1, octets) + _option(0, b"")

    def _packet(self, at_epoch_s: float, packet: bytes, comment: bytes) -> None:
        """An enhanced packet block."""
        octets = len(packet)
        padding = _PADDING[octets & 3]
        length = 32 + octets + len(padding) + len(comment)
        time_us = round(at_epoch_s * 1e6)
        buffer = self._buffer
        buffer += _BLOCK.pack(6, length, 0, time_us >> 32, time_us & 0xFFFFFFFF, octets, octets)
        buffer += packet
        buffer += padding
        buffer += comment
        buffer += _TAIL.pack(length)
        if len(buffer) >= FLUSH_OCTETS:
            self.flush()


def _name_block(address: bytes, session: str) -> bytes:
    """A name resolution block: Wireshark shows the session's name in the place of its address."""
    name = session.encode("utf-8", "replace")[:255].replace(b"\0", b"") + b"\0"
    record = struct.pack("<HH", 1, 4 + len(name)) + address + name
    padding = _PADDING[len(record) & 3]
    return _block(4, record + padding + struct.pack("<HH", 0, 0))

"""What was said in a capture file: every TCP and UDP conversation as octets in order, with their times.

A TCP direction is put together by sequence number: repeated octets are dropped, segments that came early wait for the
ones before them, and octets that the capture never saw are a gap. A gap is given up when the other end has
acknowledged octets beyond it (it got what the capture did not), when too much waits behind it, or at the end; the
first octets after it say how many are missing before them.

Everything is bounded: file, packet, what waits behind a gap, number of conversations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, NamedTuple

from hes.errors import ConfigError, RemoteProtocolError
from hes.trace.capture_file import CaptureFile, Packet
from hes.trace.capture_packets import ACK, SYN, Endpoint, Segment, Skipped, segment

CAPTURE_OCTETS_MAX: Final = 1 << 30
CONVERSATIONS_MAX: Final = 200_000
WAITING_OCTETS_MAX: Final = 4 << 20
WAITING_SEGMENTS_MAX: Final = 1024
METERING_PORT: Final = 4059
_SEQUENCE: Final = 1 << 32


class Chunk(NamedTuple):
    """Octets that arrived together. missing_octets: how many the capture lacks just before them."""

    at_epoch_s: float
    from_client: bool
    octets: bytes
    missing_octets: int
    packet: int
    comment: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """Two ends and what they said, in order of arrival. The client is who opened it, as far as the capture shows."""

    protocol: str
    client: Endpoint
    server: Endpoint
    chunks: Sequence[Chunk]

    def stream(self, *, from_client: bool) -> list[Chunk]:
        """One direction."""
        return [chunk for chunk in self.chunks if chunk.from_client is from_client]


@dataclass(frozen=True, slots=True)
class Capture:
    """A whole file. skipped: packets that carry no TCP or UDP, by reason. truncated: the file ends in mid-packet.

    damage: where and how the file breaks its format, "" for a sound one; what stands before that is here.
    """

    conversations: Sequence[Conversation]
    packets: int
    skipped: dict[str, int]
    truncated: bool
    damage: str = ""


def read_capture(path: Path) -> Capture:
    """Read a pcap or pcapng file.

    Of one that is damaged, what stands before the damage. Raises ConfigError when it cannot be opened, is too large or
    is no capture.
    """
    try:
        octets = path.stat().st_size
        if octets > CAPTURE_OCTETS_MAX:
            raise ConfigError(
                f"{path} has {octets >> 20} MiB, at most {CAPTURE_OCTETS_MAX >> 20} are read at once: split it",
                path=str(path),
            )
        with path.open("rb") as stream:
            return read_stream(stream)
    except OSError as error:
        raise ConfigError(f"the capture {path} cannot be read: {error.strerror}", path=str(path)) from error


def read_stream(stream: IO[bytes]) -> Capture:
    """The same from an open file or a pipe's octets; its size is the caller's to bound."""
    file = CaptureFile(stream)
    conversations: list[_Growing] = []
    current: dict[tuple[str, Endpoint, Endpoint], _Growing] = {}
    skipped: Counter[str] = Counter()
    packets = 0
    reader = _Sound(file)
    for packet in reader:
        packets += 1
        found = segment(packet)
        if isinstance(found, Skipped):
            skipped[found.reason] += 1
            continue
        protocol = "udp" if found.sequence is None else "tcp"
        ends = sorted((found.source, found.destination))
        key = (protocol, ends[0], ends[1])
        growing = current.get(key)
        if growing is None or growing.is_over(found):
            if len(conversations) >= CONVERSATIONS_MAX:
                skipped["beyond the limit of conversations"] += 1
                continue
            growing = current[key] = _Growing.begun_by(protocol, found)
            conversations.append(growing)
        growing.take(packet, found)
    for growing in conversations:
        growing.end()
    done = [growing.conversation() for growing in conversations]
    said = [talk for talk in done if talk.chunks]
    return Capture(said, packets, dict(sorted(skipped.items())), file.truncated, reader.damage)


class _Sound:
    """The packets of a file up to where it is damaged. damage: where and how, once that was reached."""

    def __init__(self, file: CaptureFile) -> None:
        self._file = file
        self.damage = ""

    def __iter__(self) -> Iterator[Packet]:
        number = 0
        try:
            for packet in self._file:
                yield packet
                number = packet.number
        except RemoteProtocolError as error:
            self.damage = f"{error.message}, behind packet {number} (octet {error.octet_offset} of the file)"


class _Early(NamedTuple):
    payload: bytes
    octets_lost: int
    packet: int
    comment: str


@dataclass(slots=True)
class _Direction:
    """One direction of a TCP connection. expected: sequence number of the next octet; None before the first."""

    emit: Callable[[float, bytes, int, int, str], None]
    opened_at: int | None = None
    expected: int | None = None
    missing: int = 0
    waiting: dict[int, _Early] = field(default_factory=dict)
    waiting_octets: int = 0
    last_s: float = 0.0

    def take(self, packet: Packet, found: Segment) -> None:
        assert found.sequence is not None  # UDP does not come here
        self.last_s = packet.at_epoch_s
        sequence = found.sequence
        if found.flags & SYN:
            self.opened_at = sequence
            sequence = (sequence + 1) % _SEQUENCE
            self.expected = sequence if self.expected is None else self.expected
        if not found.payload and not found.octets_lost:
            return
        if self.expected is None:
            self.expected = sequence
        early = _Early(found.payload, found.octets_lost, packet.number, packet.comment)
        if _ahead(sequence, self.expected) > 0:
            self._wait(sequence, early)
        else:
            self._deliver(sequence, early)
            self._drain()

    def acknowledged(self, number: int, at_epoch_s: float) -> None:
        """The other end has everything below `number`: what is missing below it will not come any more."""
        if self.waiting and self.expected is not None and _ahead(number, self.expected) > 0:
            self.last_s = at_epoch_s
            self._give_up()

    def end(self) -> None:
        while self.waiting:
            self._give_up()

    def _wait(self, sequence: int, early: _Early) -> None:
        known = self.waiting.get(sequence)
        if known is None or len(known.payload) < len(early.payload):
            self.waiting[sequence] = early
            self.waiting_octets += len(early.payload) - (len(known.payload) if known else 0)
        if self.waiting_octets > WAITING_OCTETS_MAX or len(self.waiting) > WAITING_SEGMENTS_MAX:
            self._give_up()

    def _deliver(self, sequence: int, early: _Early) -> None:
        """Emit what is new of octets that begin at or before the expected one."""
        assert self.expected is not None
        known = -_ahead(sequence, self.expected)
        new = early.payload[known:]
        if new:
            self.emit(self.last_s, new, self.missing, early.packet, early.comment)
            self.missing = 0
        lost = max(len(early.payload) + early.octets_lost - known - len(new), 0)
        self.missing += lost
        self.expected = (self.expected + len(new) + lost) % _SEQUENCE

    def _drain(self) -> None:
        while self.waiting and self.expected is not None:
            expected = self.expected
            sequence = expected
            if sequence not in self.waiting:
                sequence = min(self.waiting, key=lambda waiting: _ahead(waiting, expected))
                if _ahead(sequence, expected) > 0:
                    return
            early = self.waiting.pop(sequence)
            self.waiting_octets -= len(early.payload)
            self._deliver(sequence, early)

    def _give_up(self) -> None:
        assert self.expected is not None
        expected = self.expected
        nearest = min(self.waiting, key=lambda sequence: _ahead(sequence, expected))
        self.missing += _ahead(nearest, expected)
        self.expected = nearest
        self._drain()


def _ahead(sequence: int, expected: int) -> int:
    """How far `sequence` lies after `expected` on the circle of 32-bit numbers; negative when before."""
    return (sequence - expected + _SEQUENCE // 2) % _SEQUENCE - _SEQUENCE // 2


class _Growing:
    """A conversation being put together."""

    def __init__(self, protocol: str, client: Endpoint, server: Endpoint) -> None:
        self._protocol = protocol
        self._client = client
        self._server = server
        self._chunks: list[Chunk] = []
        self._from_client = _Direction(self._emitter(from_client=True))
        self._from_server = _Direction(self._emitter(from_client=False))

    @classmethod
    def begun_by(cls, protocol: str, found: Segment) -> _Growing:
        """Who sent the SYN is the client; without one, who does not sit on the metering port; else who spoke first."""
        client, server = found.source, found.destination
        opening = found.flags & (SYN | ACK)
        answers = opening == SYN | ACK
        from_service = METERING_PORT == client.port != server.port
        if answers or (opening != SYN and from_service):
            client, server = server, client
        return cls(protocol, client, server)

    def is_over(self, found: Segment) -> bool:
        """A SYN with another number than the first opens a new connection between the same ends."""
        if found.sequence is None or found.flags & (SYN | ACK) != SYN:
            return False
        opened_at = self._direction(found.source).opened_at
        return opened_at != found.sequence if opened_at is not None else bool(self._chunks)

    def take(self, packet: Packet, found: Segment) -> None:
        if found.sequence is None:
            emit = self._emitter(from_client=found.source == self._client)
            if found.payload:
                emit(packet.at_epoch_s, found.payload, 0, packet.number, packet.comment)
            return
        self._direction(found.source).take(packet, found)
        if found.flags & ACK:
            self._direction(found.destination).acknowledged(found.acknowledged, packet.at_epoch_s)

    def end(self) -> None:
        self._from_client.end()
        self._from_server.end()

    def conversation(self) -> Conversation:
        return Conversation(self._protocol, self._client, self._server, tuple(self._chunks))

    def _direction(self, source: Endpoint) -> _Direction:
        return self._from_client if source == self._client else self._from_server

    def _emitter(self, *, from_client: bool) -> Callable[[float, bytes, int, int, str], None]:
        def emit(at_epoch_s: float, octets: bytes, missing: int, packet: int, comment: str) -> None:
            self._chunks.append(Chunk(at_epoch_s, from_client, octets, missing, packet, comment))

        return emit

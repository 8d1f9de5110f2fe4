"""Q/GDW 376.1: the frames between a master station (the head-end) and a terminal (a data concentrator, DCU).

    68 | L | L | 68 | C | A1 A2 A3 | AFN | SEQ | data units, then AUX | CS | 16

One frame, one datagram of octets, no state: this module turns octets into `Qgdw376Frame` and back, and knows the
handful of frames that keep a link alive (login, heartbeat, logout and what answers them). Who sends when, and after
how many unanswered frames to give up, is the business of the two ends.

Two ways to receive, for two kinds of line:
- on TCP nothing is lost or damaged, so a broken frame means a broken peer: `hes.protocols.framing.StreamSplitter`
  raises and stays failed, and the connection is to be closed;
- on a serial or optical port noise is normal: `Receiver` here drops octets until the next frame that is whole.

Source of every field: docs/protocols/q-gdw-376-1.md; the standard's own text was not read.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from hes.errors import LocalProtocolError, RemoteProtocolError

Octets = bytes | bytearray | memoryview

START = 0x68
END = 0x16
PREAMBLE = 0xFE
"""Sent up to four times before a frame on optical and serial ports."""

PROTOCOL_2005 = 1
PROTOCOL_376_1 = 2

HEADER_OCTETS = 6
"""68 L L 68: after these the length of the frame is known."""
OVERHEAD_OCTETS = 8
"""Octets that L1 does not count: header, CS and 16."""
BODY_OCTETS_MIN = 8
"""C, A1, A2, A3, AFN, SEQ."""
BODY_OCTETS_MAX = 16383
"""14 bits of length; a radio channel allows 255 only."""
FRAME_OCTETS_MAX = BODY_OCTETS_MAX + OVERHEAD_OCTETS

DIR_UP = 0x80
PRM = 0x40
ACD = 0x20
"""Upwards: event counters follow in AUX."""

TIME_TAG = 0x80
FIR = 0x40
FIN = 0x20
CON = 0x10
PSEQ = 0x0F

CONTROL_LINK_TEST_UP = 0xC9
"""Up, initiating, function 9: login, heartbeat, logout."""
CONTROL_LINK_STATUS_DOWN = 0x0B
"""Down, answering, function 11: the master's answer to them."""

AFN_CONFIRM = 0x00
AFN_LINK = 0x02

EVENT_COUNTER_OCTETS = 2
TIME_TAG_OCTETS = 6
CLOCK_OCTETS = 6

ALL_POINTS = 0xFFFF
"""DA = FF 00: every measuring point that exists."""


class LinkService(IntEnum):
    """What AFN 02 asks for. Source: docs/protocols/q-gdw-376-1.md §3."""

    LOGIN = 1
    LOGOUT = 2
    HEARTBEAT = 3


class ConfirmStyle(IntEnum):
    """How a master confirms: F1 for the whole frame, or F3 for each data unit. Terminals accept either."""

    WHOLE_FRAME = 1
    EACH_UNIT = 3


@dataclass(frozen=True, slots=True, order=True)
class TerminalId:
    """Who a terminal is: region code (address 1, four decimal digits) and its number there (address 2, 1..65535).

    Printed as people and the concentrator's own menu print it: four digits and four hex digits, so address 1 = 0731
    and address 2 = 0001 is 07310001, and address 2 = 300 (decimal) is 0731012C.
    """

    region: int
    address: int

    def __post_init__(self) -> None:
        if not 0 <= self.region <= 9999:
            raise LocalProtocolError(f"a region code has four decimal digits, {self.region} has not")
        if not 1 <= self.address <= 0xFFFF:
            raise LocalProtocolError(f"a terminal address is 1..65535, not {self.address}")

    def __str__(self) -> str:
        return f"{self.region:04d}{self.address:04X}"

    @classmethod
    def parse(cls, text: str) -> TerminalId:
        """Read the printed form. Raises LocalProtocolError with the expected form in the sentence."""
        region, address = text[:4], text[4:]
        if len(text) == 8 and region.isascii() and region.isdigit() and _is_hex(address):
            return cls(int(region), int(address, 16))
        raise LocalProtocolError(f"terminal ID {text!r} is not four digits and four hex digits such as 07310001")

    def to_octets(self) -> bytes:
        """A1 (BCD, low octet first) and A2 (binary, low octet first): four octets."""
        return bytes.fromhex(f"{self.region:04d}")[::-1] + self.address.to_bytes(2, "little")

    @classmethod
    def from_octets(cls, octets: Octets, *, octet_offset: int = 0) -> TerminalId:
        """Read A1 and A2. Raises RemoteProtocolError for a region that is not BCD and for address 0."""
        digits = f"{octets[1]:02X}{octets[0]:02X}"
        if not digits.isdigit():
            raise RemoteProtocolError(f"region code {digits} is not BCD", octet_offset=octet_offset)
        address = octets[2] | octets[3] << 8
        if address == 0:
            raise RemoteProtocolError("terminal address 0 is not allowed", octet_offset=octet_offset + 2)
        return cls(int(digits), address)


def _is_hex(text: str) -> bool:
    return all(character in "0123456789abcdefABCDEF" for character in text)


@dataclass(frozen=True, slots=True)
class Qgdw376Frame:
    """One frame. `data` is everything between SEQ and CS: data units, then what AUX carries."""

    control: int
    terminal: TerminalId
    afn: int
    sequence: int
    data: bytes = b""
    master: int = 0
    """Master station address, 0..127: 0 when the terminal starts, else the request's."""
    is_group: bool = False
    protocol: int = PROTOCOL_376_1

    @property
    def is_uplink(self) -> bool:
        """From the terminal to the master."""
        return bool(self.control & DIR_UP)

    @property
    def pseq(self) -> int:
        """The number (0..15) by which an answer names its request."""
        return self.sequence & PSEQ

    @property
    def wants_confirmation(self) -> bool:
        return bool(self.sequence & CON)

    @property
    def units(self) -> bytes:
        """`data` without the AUX that flags announce: event counters (up, ACD) and time tag (TpV).

        A password (down, on some AFNs) is not announced by any flag and stays in.
        """
        aux_octets = TIME_TAG_OCTETS if self.sequence & TIME_TAG else 0
        if self.is_uplink and self.control & ACD:
            aux_octets += EVENT_COUNTER_OCTETS
        return self.data[: max(0, len(self.data) - aux_octets)]

    def encode(self) -> bytes:
        """The octets of the frame. Raises LocalProtocolError if a field does not fit."""
        body_octets = BODY_OCTETS_MIN + len(self.data)
        if body_octets > BODY_OCTETS_MAX:
            raise LocalProtocolError(f"{len(self.data)} octets of data do not fit one frame")
        if not (0 <= self.master <= 127 and self.protocol in {PROTOCOL_2005, PROTOCOL_376_1}):
            raise LocalProtocolError(f"master address {self.master} or protocol {self.protocol} is out of range")
        try:
            head = bytes((self.control,)) + self.terminal.to_octets()
            body = head + bytes((self.master << 1 | self.is_group, self.afn, self.sequence)) + self.data
        except ValueError:
            raise LocalProtocolError("control, AFN and SEQ are one octet each") from None
        length = (body_octets << 2 | self.protocol).to_bytes(2, "little")
        return b"\x68" + length + length + b"\x68" + body + bytes((sum(body) & 0xFF, END))


def frame_octets(octets: Octets, offset: int = 0) -> int | None:
    """How many octets the frame at `offset` has, from its first six; None while they are not all there.

    Raises RemoteProtocolError for a wrong start, unequal lengths, an unknown protocol number or a length too short.
    """
    if len(octets) - offset < HEADER_OCTETS:
        return None
    start, low, high, low_again, high_again, start_again = octets[offset : offset + HEADER_OCTETS]
    if start != START or start_again != START:
        raise RemoteProtocolError("a 376.1 frame starts with 68 L L 68", octet_offset=offset)
    if low != low_again or high != high_again:
        raise RemoteProtocolError("the two lengths of a 376.1 frame differ", octet_offset=offset + 3)
    protocol = low & 0x03
    if protocol not in {PROTOCOL_2005, PROTOCOL_376_1}:
        raise RemoteProtocolError(f"protocol number {protocol} is not 376.1", octet_offset=offset + 1)
    body_octets = (low | high << 8) >> 2
    if body_octets < BODY_OCTETS_MIN:
        raise RemoteProtocolError(f"a 376.1 frame of {body_octets} octets has no room", octet_offset=offset + 1)
    return body_octets + OVERHEAD_OCTETS


def decode(octets: Octets) -> Qgdw376Frame:
    """Read exactly one frame. Raises RemoteProtocolError for anything else, octets left over included."""
    total = frame_octets(octets)
    if total is None or len(octets) < total:
        raise RemoteProtocolError("the 376.1 frame is cut short", octet_offset=len(octets))
    if len(octets) > total:
        raise RemoteProtocolError(f"{len(octets) - total} octets left over after the frame", octet_offset=total)
    frame = bytes(octets)
    if frame[-1] != END:
        raise RemoteProtocolError("a 376.1 frame ends with 16", octet_offset=total - 1)
    body = frame[HEADER_OCTETS:-2]
    if sum(body) & 0xFF != frame[-2]:
        raise RemoteProtocolError("the check sum of the 376.1 frame is wrong", octet_offset=total - 2)
    return Qgdw376Frame(
        control=body[0],
        terminal=TerminalId.from_octets(body[1:5], octet_offset=HEADER_OCTETS + 1),
        afn=body[6],
        sequence=body[7],
        data=body[8:],
        master=body[5] >> 1,
        is_group=bool(body[5] & 1),
        protocol=frame[1] & 0x03,
    )


class Receiver:
    """Frames out of a noisy line: octets that are no part of a whole frame are dropped and counted.

    At most `frame_octets_max` octets are kept. After the line's inter-octet time-out its owner calls `reset()`, so
    that half a frame does not swallow the next one.
    """

    def __init__(self, *, frame_octets_max: int = FRAME_OCTETS_MAX) -> None:
        self.frame_octets_max = frame_octets_max
        self.dropped_octets = 0
        self._buffer = bytearray()

    def feed(self, octets: Octets) -> list[Qgdw376Frame]:
        """The frames that `octets` complete, in order."""
        buffer = self._buffer
        buffer += octets
        frames: list[Qgdw376Frame] = []
        position = 0
        while (start := buffer.find(START, position)) >= 0:
            self.dropped_octets += start - position
            position = start
            try:
                total = frame_octets(buffer, position)
                if total is None or (total <= self.frame_octets_max and len(buffer) < position + total):
                    break
                frames.append(decode(buffer[position : position + total]))
                position += total
            except RemoteProtocolError:
                position += 1
                self.dropped_octets += 1
        else:
            self.dropped_octets += len(buffer) - position
            position = len(buffer)
        del buffer[:position]
        return frames

    def reset(self) -> None:
        """Forget half a frame: the line has been silent for longer than a frame allows."""
        self.dropped_octets += len(self._buffer)
        self._buffer.clear()


def encode_unit(point: int, function: int) -> bytes:
    """DA and DT of one measuring point (0 = the terminal itself) and one Fn (1..): four octets."""
    if not 0 <= point <= 2040 or not 1 <= function <= 2048:
        raise LocalProtocolError(f"p{point} F{function} cannot be named in a data unit")
    da = bytes((1 << (point - 1) % 8, (point - 1) // 8 + 1)) if point else b"\x00\x00"
    return da + bytes((1 << (function - 1) % 8, (function - 1) // 8))


def decode_unit(octets: Octets, offset: int = 0) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Points and Fns that the DA and DT at `offset` name, both ascending; `(ALL_POINTS,)` for every point.

    Raises RemoteProtocolError when fewer than four octets are there or no point or no Fn is named.
    """
    if len(octets) - offset < 4:
        raise RemoteProtocolError("a data unit needs four octets of DA and DT", octet_offset=offset)
    da1, da2, dt1, dt2 = octets[offset : offset + 4]
    if da2 == 0 and da1 in {0x00, 0xFF}:
        points: tuple[int, ...] = (ALL_POINTS,) if da1 else (0,)
    elif da1 == 0 or da2 == 0:
        raise RemoteProtocolError(f"DA {da1:02X}{da2:02X} names no measuring point", octet_offset=offset)
    else:
        points = tuple((da2 - 1) * 8 + bit + 1 for bit in range(8) if da1 >> bit & 1)
    if dt1 == 0:
        raise RemoteProtocolError(f"DT {dt1:02X}{dt2:02X} names no Fn", octet_offset=offset + 2)
    return points, tuple(dt2 * 8 + bit + 1 for bit in range(8) if dt1 >> bit & 1)


def encode_link(
    terminal: TerminalId, service: LinkService, pseq: int, *, clock: TerminalClock | None = None
) -> Qgdw376Frame:
    """Login, heartbeat or logout as a terminal sends it, confirmation wanted.

    pseq: 0..15, from the terminal's frame counter. clock: appended to a heartbeat by some makes.
    """
    data = encode_unit(0, service) + (clock.to_octets() if clock else b"")
    return Qgdw376Frame(CONTROL_LINK_TEST_UP, terminal, AFN_LINK, FIR | FIN | CON | pseq & PSEQ, data)


def link_service(frame: Qgdw376Frame) -> LinkService | None:
    """Login, heartbeat or logout if `frame` is one, else None. Raises RemoteProtocolError for a damaged data unit."""
    if frame.afn != AFN_LINK or not frame.is_uplink:
        return None
    _, functions = decode_unit(frame.units)
    try:
        return LinkService(functions[0])
    except ValueError:
        return None


def confirm(frame: Qgdw376Frame, style: ConfirmStyle = ConfirmStyle.WHOLE_FRAME) -> Qgdw376Frame:
    """The master's answer to a link frame: same PSEQ, confirmation flag cleared."""
    data = encode_unit(0, style)
    if style is ConfirmStyle.EACH_UNIT:
        data += bytes((frame.afn,)) + frame.data[:4] + b"\x00"
    return _answer(frame, data)


def deny(frame: Qgdw376Frame) -> Qgdw376Frame:
    """The master refuses a link frame (AFN 00 F2): the terminal is not in its archive."""
    return _answer(frame, encode_unit(0, 2))


def _answer(frame: Qgdw376Frame, data: bytes) -> Qgdw376Frame:
    control = CONTROL_LINK_STATUS_DOWN
    return Qgdw376Frame(control, frame.terminal, AFN_CONFIRM, FIR | FIN | frame.pseq, data, frame.master)


class Confirmation(NamedTuple):
    """What AFN 00 says about the frame numbered `pseq`."""

    pseq: int
    is_accepted: bool


def confirmation(frame: Qgdw376Frame) -> Confirmation | None:
    """The verdict in an AFN 00 frame, None for any other frame.

    F1 accepts, F2 refuses, F3 lists one error octet per data unit (0 = done). Raises RemoteProtocolError otherwise.
    """
    if frame.afn != AFN_CONFIRM:
        return None
    _, functions = decode_unit(frame.units)
    if functions[0] == ConfirmStyle.EACH_UNIT:
        verdicts = frame.units[9::5]
        if not verdicts:
            raise RemoteProtocolError("a per-unit confirmation names no unit", octet_offset=len(frame.data))
        return Confirmation(frame.pseq, not any(verdicts))
    if functions[0] in {1, 2}:
        return Confirmation(frame.pseq, functions[0] == 1)
    raise RemoteProtocolError(f"AFN 00 F{functions[0]} is neither confirmation nor denial")


class TerminalClock(NamedTuple):
    """A terminal's own clock (data format 01): its local civil time, weekday 1..7 from Monday (0 = not given)."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    weekday: int = 0

    def to_octets(self) -> bytes:
        """Six octets: second, minute, hour, day, weekday and month, year; BCD."""
        second, minute, hour, day, month, year = (
            bytes.fromhex(f"{number:02d}")[0]
            for number in (self.second, self.minute, self.hour, self.day, self.month, self.year % 100)
        )
        return bytes((second, minute, hour, day, self.weekday << 5 | month, year))

    @classmethod
    def from_octets(cls, octets: Octets) -> TerminalClock:
        """Read six octets. Raises RemoteProtocolError unless every digit is BCD and every part is in range."""
        digits = bytes((*octets[:4], octets[4] & 0x1F, octets[5])).hex()
        if not digits.isdigit():
            raise RemoteProtocolError("a terminal's clock is not BCD")
        second, minute, hour, day, month, year = (int(digits[index : index + 2]) for index in range(0, 12, 2))
        if not (second < 60 and minute < 60 and hour < 24 and 1 <= day <= 31 and 1 <= month <= 12):
            raise RemoteProtocolError("a terminal's clock is out of range")
        return cls(2000 + year, month, day, hour, minute, second, octets[4] >> 5)


def clock_of(frame: Qgdw376Frame) -> TerminalClock | None:
    """The clock some makes append to a heartbeat, None when there is none (an unreadable one counts as none)."""
    after_unit = frame.units[4:]
    if len(after_unit) != CLOCK_OCTETS or link_service(frame) is not LinkService.HEARTBEAT:
        return None
    try:
        return TerminalClock.from_octets(after_unit)
    except RemoteProtocolError:
        return None

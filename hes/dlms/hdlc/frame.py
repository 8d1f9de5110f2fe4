"""HDLC frames of format type 3: what stands between two flags.

    7E | format (2) | destination | source | control | [HCS (2) | information] | FCS (2) | 7E

The length in the format field delimits the frame: there is no octet stuffing, 7E may stand anywhere inside, and one
flag may close a frame and open the next. Frames without information have no HCS. Finding frames in a stream of octets
is `receiver.py`'s work.

Every octet of a meter on a serial line passes through here, so each function is one straight path: the frame is bit-
reversed once for both check sequences, and behind a good HCS the register is known (`fcs.RESIDUE`), so that no octet
is summed twice.

Source: docs/protocols/hdlc.md §1-4 (IEC 62056-46).
"""

from __future__ import annotations

from binascii import crc_hqx
from enum import IntEnum
from typing import Final, NamedTuple

from hes.dlms.hdlc.address import address_end
from hes.dlms.hdlc.fcs import RESIDUE, REVERSED, START
from hes.errors import LocalProtocolError, RemoteProtocolError

FLAG: Final = 0x7E
FRAME_OCTETS_MAX: Final = 2047
FRAME_OCTETS_MIN: Final = 7
TYPE_3: Final = 0xA000
SEGMENTED: Final = 0x0800
LENGTH: Final = 0x07FF
POLL_FINAL: Final = 0x10
HEADER_OCTETS_MAX: Final = 2 + 4 + 4 + 1 + 2
"""Format, two addresses, control, HCS."""


class Kind(IntEnum):
    """Frame kinds, by their control octet with N(R), N(S) and the P/F bit masked out."""

    I = 0x00  # noqa: E741 - the standard's own name
    RR = 0x01
    RNR = 0x05
    UI = 0x03
    DM = 0x0F
    DISC = 0x43
    UA = 0x63
    SNRM = 0x83
    FRMR = 0x87


NUMBERED: Final = frozenset((Kind.I, Kind.RR, Kind.RNR))
"""Kinds that carry N(R)."""


def _kind(control: int) -> Kind | None:
    if not control & 1:
        return Kind.I
    if control & 0x03 == 0x01:
        return {0x01: Kind.RR, 0x05: Kind.RNR}.get(control & 0x0F)
    unnumbered = control & 0xEF
    return next((kind for kind in Kind if kind.value == unnumbered and kind not in NUMBERED), None)


KINDS: Final = tuple(_kind(control) for control in range(256))
"""By control octet; None for one that nobody defines."""


class Frame(NamedTuple):
    """One frame. destination, source: address octets as on the wire. segmented: more of this APDU follows."""

    destination: bytes
    source: bytes
    control: int
    information: bytes = b""
    segmented: bool = False

    @property
    def kind(self) -> Kind | None:
        """None for a control octet that nobody defines."""
        return KINDS[self.control]

    @property
    def final(self) -> bool:
        """The P/F bit."""
        return self.control & POLL_FINAL != 0

    @property
    def send(self) -> int:
        """N(S) of an I frame, 0..7."""
        return self.control >> 1 & 7

    @property
    def receive(self) -> int:
        """N(R) of an I, RR or RNR frame, 0..7."""
        return self.control >> 5

    def encode(self) -> bytes:
        """The frame with both flags. Raises LocalProtocolError when it is longer than a frame can be."""
        return encode(*self)

    def __str__(self) -> str:
        kind = self.kind
        name = f"control {self.control:02X}" if kind is None else kind.name
        numbers = f"({self.send},{self.receive})" if kind is Kind.I else f"({self.receive})" if kind in NUMBERED else ""
        octets = f", {len(self.information)} octets" if self.information else ""
        marks = (" P/F" if self.final else "") + (" S" if self.segmented else "")
        return f"{name}{numbers}{marks} {self.source.hex()}>{self.destination.hex()}{octets}"


def control(kind: Kind, *, final: bool = True, send: int = 0, receive: int = 0) -> int:
    """The control octet of a frame; send and receive are N(S) and N(R)."""
    octet = kind.value | (POLL_FINAL if final else 0)
    if kind is Kind.I:
        return octet | send << 1 | receive << 5
    return octet | receive << 5 if kind in NUMBERED else octet


def encode(destination: bytes, source: bytes, control: int, information: bytes = b"", segmented: bool = False) -> bytes:
    """A frame with both flags; arguments as in `Frame`. Raises LocalProtocolError when it is too long to be one."""
    length = 5 + len(destination) + len(source)
    if information:
        length += 2 + len(information)
        if length > FRAME_OCTETS_MAX:
            raise LocalProtocolError(f"an HDLC frame of {length} octets is longer than {FRAME_OCTETS_MAX}")
    format_field = TYPE_3 | SEGMENTED | length if segmented else TYPE_3 | length
    head = b"%c%c%b%b%c" % (format_field >> 8, format_field & 0xFF, destination, source, control)
    check = (crc_hqx(head.translate(REVERSED), START) ^ 0xFFFF).to_bytes(2, "big").translate(REVERSED)
    if not information:
        return b"\x7e%b%b\x7e" % (head, check)
    fcs = (crc_hqx(information.translate(REVERSED), RESIDUE) ^ 0xFFFF).to_bytes(2, "big").translate(REVERSED)
    return b"\x7e%b%b%b%b\x7e" % (head, check, information, fcs)


def decode(octets: bytes) -> Frame:
    """What stands between the flags, as one frame. Raises RemoteProtocolError naming the rule it breaks."""
    length = len(octets)
    if length < FRAME_OCTETS_MIN:
        raise RemoteProtocolError(f"an HDLC frame has at least {FRAME_OCTETS_MIN} octets, not {length}", octet_offset=0)
    first = octets[0]
    if (first << 8 | octets[1]) & ~SEGMENTED != TYPE_3 | length:
        raise _wrong_format(first << 8 | octets[1], length)
    source_at = 3 if octets[2] & 1 else address_end(octets, 2)
    control_at = source_at + 1 if octets[source_at] & 1 else address_end(octets, source_at)
    if source_at == 5 or control_at - source_at == 3:
        raise RemoteProtocolError("an HDLC address has 1, 2 or 4 octets, not 3", octet_offset=2)
    head = control_at + 3  # behind the HCS, or behind the FCS of a frame without information
    if head > length or head + 1 == length:
        raise RemoteProtocolError("the HDLC frame ends inside its header", octet_offset=length)
    reversed_octets = octets.translate(REVERSED)
    information = b""
    if head == length:
        if crc_hqx(reversed_octets, START) != RESIDUE:
            raise RemoteProtocolError("the HDLC frame check sequence (FCS) is wrong", octet_offset=length - 2)
    else:
        if crc_hqx(reversed_octets[:head], START) != RESIDUE:
            raise RemoteProtocolError("the HDLC header check sequence (HCS) is wrong", octet_offset=head - 2)
        if crc_hqx(reversed_octets[head:], RESIDUE) != RESIDUE:
            raise RemoteProtocolError("the HDLC frame check sequence (FCS) is wrong", octet_offset=length - 2)
        information = octets[head:-2]
    return Frame(octets[2:source_at], octets[source_at:control_at], octets[control_at], information, first & 0x08 != 0)


def _wrong_format(format_field: int, length: int) -> RemoteProtocolError:
    if format_field & 0xF000 != TYPE_3:
        return RemoteProtocolError(f"HDLC frame format {format_field >> 12:X} is not type 3 (A)", octet_offset=0)
    return RemoteProtocolError(
        f"the HDLC length field says {format_field & LENGTH}, between the flags are {length}", octet_offset=0
    )

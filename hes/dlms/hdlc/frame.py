"""HDLC frames of format type 3: what stands between two flags, and finding them in a stream of octets.

    7E | format (2) | destination | source | control | [HCS (2) | information] | FCS (2) | 7E

The length in the format field delimits the frame: there is no octet stuffing, 7E may stand anywhere inside, and one
flag may close a frame and open the next. Frames without information have no HCS.
Source: docs/protocols/hdlc.md §1-4 (IEC 62056-46).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from hes.dlms.hdlc.address import address_end
from hes.dlms.hdlc.fcs import check_sequence, is_intact
from hes.errors import LocalProtocolError, RemoteProtocolError

FLAG: Final = 0x7E
FRAME_OCTETS_MAX: Final = 2047
FRAME_OCTETS_MIN: Final = 7
_TYPE_3: Final = 0xA000
_SEGMENTED: Final = 0x0800
_LENGTH: Final = 0x07FF


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


_UNNUMBERED: Final = {kind.value: kind for kind in (Kind.UI, Kind.DM, Kind.DISC, Kind.UA, Kind.SNRM, Kind.FRMR)}


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. destination, source: address octets as on the wire. kind: None for a control octet nobody defines.

    final: the P/F bit. send, receive: N(S) of I frames and N(R) of I, RR and RNR frames, 0..7.
    segmented: more of this APDU follows in the next frame.
    """

    destination: bytes
    source: bytes
    control: int
    information: bytes = b""
    segmented: bool = False

    @property
    def kind(self) -> Kind | None:
        control = self.control
        if not control & 1:
            return Kind.I
        if control & 0x03 == 0x01:
            return {0x01: Kind.RR, 0x05: Kind.RNR}.get(control & 0x0F)
        return _UNNUMBERED.get(control & 0xEF)

    @property
    def final(self) -> bool:
        return bool(self.control & 0x10)

    @property
    def send(self) -> int:
        return self.control >> 1 & 7

    @property
    def receive(self) -> int:
        return self.control >> 5

    def encode(self) -> bytes:
        """The frame with both flags. Raises LocalProtocolError when it is longer than a frame can be."""
        addresses = self.destination + self.source
        information = self.information
        length = 5 + len(addresses) + (len(information) + 2 if information else 0)
        if length > FRAME_OCTETS_MAX:
            raise LocalProtocolError(f"an HDLC frame of {length} octets is longer than {FRAME_OCTETS_MAX}")
        format_field = _TYPE_3 | (_SEGMENTED if self.segmented else 0) | length
        head = format_field.to_bytes(2, "big") + addresses + bytes((self.control,))
        if not information:
            return b"\x7e" + head + check_sequence(head) + b"\x7e"
        body = head + check_sequence(head) + information
        return b"\x7e" + body + check_sequence(body) + b"\x7e"


def control(kind: Kind, *, final: bool = True, send: int = 0, receive: int = 0) -> int:
    """The control octet of a frame; send and receive are N(S) and N(R)."""
    octet = kind.value | (0x10 if final else 0)
    if kind is Kind.I:
        return octet | send << 1 | receive << 5
    return octet | receive << 5 if kind in (Kind.RR, Kind.RNR) else octet


def decode(octets: bytes) -> Frame:
    """What stands between the flags, as one frame. Raises RemoteProtocolError naming the rule it breaks."""
    if len(octets) < FRAME_OCTETS_MIN:
        raise RemoteProtocolError(f"an HDLC frame has at least {FRAME_OCTETS_MIN} octets, not {len(octets)}")
    format_field = octets[0] << 8 | octets[1]
    if format_field & 0xF000 != _TYPE_3:
        raise RemoteProtocolError(f"HDLC frame format {octets[0] >> 4:X} is not type 3 (A)", octet_offset=0)
    if format_field & _LENGTH != len(octets):
        raise RemoteProtocolError(
            f"the HDLC length field says {format_field & _LENGTH}, between the flags are {len(octets)}", octet_offset=0
        )
    source = address_end(octets, 2)
    control_at = address_end(octets, source)
    if source - 2 == 3 or control_at - source == 3:
        raise RemoteProtocolError("an HDLC address has 1, 2 or 4 octets, not 3", octet_offset=2)
    head = control_at + 1
    if head + 2 > len(octets):
        raise RemoteProtocolError("the HDLC frame ends inside its header", octet_offset=len(octets))
    if not is_intact(octets):
        raise RemoteProtocolError("the HDLC frame check sequence (FCS) is wrong", octet_offset=len(octets) - 2)
    information = b""
    if head + 2 < len(octets):
        if head + 4 > len(octets) or not is_intact(octets[: head + 2]):
            raise RemoteProtocolError("the HDLC header check sequence (HCS) is wrong", octet_offset=head)
        information = octets[head + 2 : -2]
    return Frame(
        octets[2:source], octets[source:control_at], octets[control_at], information, bool(format_field & _SEGMENTED)
    )

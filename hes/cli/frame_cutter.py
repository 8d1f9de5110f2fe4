"""Cuts octets into the frames that a head-end's links carry: DLMS wrapper, Q/GDW 376.1, HDLC.

For looking at captures, so it never gives up: octets that start no frame are handed out as a piece of their own, up to
the next place where a frame can start. (A live session does the opposite, see hes.protocols.framing.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hes.dlms import wrapper
from hes.dlms.hdlc.frame import FRAME_OCTETS_MIN
from hes.errors import RemoteProtocolError
from hes.protocols import qgdw376

HDLC_FLAG: Final = 0x7E
_HDLC_FORMAT: Final = 0xA0
_HDLC_OCTETS_MIN: Final = FRAME_OCTETS_MIN + 2
_WRAPPER_START: Final = b"\x00\x01"
_BUFFER_OCTETS_MAX: Final = wrapper.HEADER_OCTETS + wrapper.PAYLOAD_OCTETS_MAX


@dataclass(frozen=True, slots=True)
class Piece:
    """A frame, or octets that are none. is_frame: starts as one; whether it is valid is for the inspector to say."""

    octets: bytes
    is_frame: bool = True


def frame_octets(octets: bytes | bytearray, offset: int = 0) -> int | None:
    """How many octets the frame at `offset` has; None when too few are there to know, 0 when no frame starts there."""
    first = octets[offset]
    left = len(octets) - offset
    if first == HDLC_FLAG:
        if left < 3:
            return None
        if octets[offset + 1] & 0xF0 != _HDLC_FORMAT:
            return 0
        total = ((octets[offset + 1] & 0x07) << 8 | octets[offset + 2]) + 2
        closes = left < total or octets[offset + total - 1] == HDLC_FLAG
        return total if total >= _HDLC_OCTETS_MIN and closes else 0
    if first == qgdw376.START:
        try:
            return qgdw376.frame_octets(octets, offset)
        except RemoteProtocolError:
            return 0
    if first != _WRAPPER_START[0]:
        return 0
    if left < wrapper.HEADER_OCTETS:
        return None if octets[offset : offset + 2] in (_WRAPPER_START, _WRAPPER_START[:left]) else 0
    try:
        header = wrapper.decode_header(octets[offset : offset + wrapper.HEADER_OCTETS])
    except RemoteProtocolError:
        return 0
    return wrapper.HEADER_OCTETS + header.payload_octets


def starts_hdlc(octets: bytes) -> bool:
    """Whether `octets` begin as an HDLC frame does, valid or not."""
    return octets[:1] == bytes((HDLC_FLAG,)) and len(octets) > 1 and octets[1] & 0xF0 == _HDLC_FORMAT


def octets_missing(octets: bytes) -> bool:
    """Whether `octets` are frames of which the last one is longer than what is there."""
    position = 0
    while position < len(octets):
        total = frame_octets(octets, position)
        if total == 0:
            return False
        if total is None or position + total > len(octets):
            return True
        position += total
    return False


class FrameCutter:
    """One direction of one stream. Keeps no more than the longest frame."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._after_hdlc = False

    def feed(self, octets: bytes) -> list[Piece]:
        """The pieces that `octets` complete, in order."""
        self._buffer += octets
        pieces: list[Piece] = []
        position = 0
        while position < len(self._buffer):
            if self._after_hdlc and self._buffer[position] & 0xF0 == _HDLC_FORMAT:
                self._buffer.insert(position, HDLC_FLAG)  # one flag may close a frame and open the next
            total = frame_octets(self._buffer, position)
            if total is None or (total and position + total > len(self._buffer)):
                break
            end = position + total if total else self._next_start(position + 1)
            self._after_hdlc = total > 0 and self._buffer[position] == HDLC_FLAG
            self._append(pieces, Piece(bytes(self._buffer[position:end]), total > 0))
            position = end
        del self._buffer[:position]
        if len(self._buffer) > _BUFFER_OCTETS_MAX:
            pieces += self.rest()
        return pieces

    def rest(self) -> list[Piece]:
        """What is left of a stream that ended, or that lost octets: the start of a frame that never became whole.

        Noise that looked like the start of an HDLC frame does not hide whole ones behind it.
        """
        pieces: list[Piece] = []
        while self._buffer:
            end = self._next_whole_hdlc()
            pieces.append(Piece(bytes(self._buffer[:end])))
            del self._buffer[:end]
            pieces += self.feed(b"") if self._buffer else []
        return pieces

    def _next_whole_hdlc(self) -> int:
        """Where the first whole HDLC frame behind an unfinished one begins; the end of the buffer without one."""
        buffer = self._buffer
        position = buffer.find(HDLC_FLAG, 1) if buffer[0] == HDLC_FLAG else -1
        while position >= 0:
            total = frame_octets(buffer, position)
            if total and position + total <= len(buffer):
                return position
            position = buffer.find(HDLC_FLAG, position + 1)
        return len(buffer)

    def _next_start(self, position: int) -> int:
        while position < len(self._buffer) and frame_octets(self._buffer, position) == 0:
            position += 1
        return position

    @staticmethod
    def _append(pieces: list[Piece], piece: Piece) -> None:
        """Octets that are no frame go on the piece before when that is none either."""
        if not piece.is_frame and pieces and not pieces[-1].is_frame:
            pieces[-1] = Piece(pieces[-1].octets + piece.octets, is_frame=False)
        else:
            pieces.append(piece)


def cut(octets: bytes) -> list[Piece]:
    """All pieces of octets that came whole, such as a file or a line of hex."""
    cutter = FrameCutter()
    return cutter.feed(octets) + cutter.rest()

"""Finding HDLC frames in a stream of octets: a line's noise, half frames and shared flags included.

An opening flag is a candidate; two more octets give its length; when that many have come and a flag closes them, the
frame is decoded. Whatever fails costs the candidate only: the search goes on at the next flag behind it, so the next
good frame is found whatever stood before. What is held never exceeds one frame of the longest length.

Source: docs/protocols/hdlc.md §1, §7 (CTT HDLC_FRAME_P2: a truncated frame is dropped after the inter-octet time-out).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hes.dlms.hdlc import frame as frames
from hes.dlms.hdlc.frame import FLAG, FRAME_OCTETS_MAX, FRAME_OCTETS_MIN, Frame
from hes.errors import RemoteProtocolError

_FLAG_OCTET: Final = bytes((FLAG,))
INTER_OCTET_S: Final = 0.025
"""Default of class 23; through TCP or a concentrator at least 0.5 s. Source: docs/protocols/hdlc.md §7 [S2]."""


@dataclass(slots=True)
class ReceiverCounters:
    """frames: good ones. refused: candidates with a wrong check sequence or format. noise_octets: outside of frames.

    truncated: frames dropped because the line fell silent inside them.
    """

    frames: int = 0
    refused: int = 0
    noise_octets: int = 0
    truncated: int = 0


class Receiver:
    """Octets in, frames out. last_refusal: why the last candidate was not a frame."""

    def __init__(
        self, *, inter_octet_s: float | None = INTER_OCTET_S, frame_octets_max: int = FRAME_OCTETS_MAX
    ) -> None:
        """inter_octet_s: silence inside a frame that ends it; None for a reliable stream, such as TCP."""
        self.counters = ReceiverCounters()
        self.last_refusal: RemoteProtocolError | None = None
        self._inter_octet_s = inter_octet_s
        self._frame_octets_max = min(frame_octets_max, FRAME_OCTETS_MAX)
        self._buffer = bytearray()
        self._heard_s = float("-inf")

    def feed(self, octets: bytes | bytearray | memoryview, now_s: float = 0.0) -> list[Frame]:
        """The frames that `octets` complete, in order. Never raises: what is no frame is counted."""
        found: list[Frame] = []
        deadline_s = self.next_deadline()
        if deadline_s is not None and now_s > deadline_s:
            self._drop_stalled(found)
        self._heard_s = now_s
        self._buffer += octets
        self._scan(0, found)
        return found

    def _scan(self, position: int, found: list[Frame]) -> None:
        while (end := self._candidate(position, found)) is not None:
            position = end
        del self._buffer[:position]

    def _drop_stalled(self, found: list[Frame]) -> None:
        """The line fell silent inside a frame: that one is lost, but not what may stand complete behind its flag."""
        self.counters.truncated += 1
        while len(self._buffer) > 1:
            self._scan(1, found)
        self._buffer.clear()

    def next_deadline(self) -> float | None:
        """When the frame that is under way counts as truncated, None while there is none."""
        if len(self._buffer) <= 1 or self._inter_octet_s is None:
            return None
        return self._heard_s + self._inter_octet_s

    def _candidate(self, position: int, found: list[Frame]) -> int | None:
        """Take the candidate at or behind `position`; where the search goes on, None while octets are missing."""
        buffer = self._buffer
        flag = buffer.find(_FLAG_OCTET, position)
        if flag < 0:
            if position == len(buffer):
                return None
            self.counters.noise_octets += len(buffer) - position
            return len(buffer)
        if flag > position:
            self.counters.noise_octets += flag - position
            return flag
        if len(buffer) < flag + 3:
            if len(buffer) == flag + 2 and buffer[flag + 1] == FLAG:
                return flag + 1
            return None
        if buffer[flag + 1] == FLAG:
            return flag + 1
        length = (buffer[flag + 1] << 8 | buffer[flag + 2]) & 0x07FF
        if buffer[flag + 1] >> 4 != 0xA or not FRAME_OCTETS_MIN <= length <= self._frame_octets_max:
            return self._refused(flag, RemoteProtocolError(f"no HDLC frame begins with {buffer[flag + 1]:02X}"))
        closing = flag + 1 + length
        if len(buffer) <= closing:
            return None
        if buffer[closing] != FLAG:
            return self._refused(flag, RemoteProtocolError("no flag closes the HDLC frame at its length"))
        try:
            found.append(frames.decode(bytes(buffer[flag + 1 : closing])))
        except RemoteProtocolError as error:
            return self._refused(flag, error)
        self.counters.frames += 1
        return closing  # the flag that closes may open the next

    def _refused(self, flag: int, error: RemoteProtocolError) -> int:
        self.counters.refused += 1
        self.last_refusal = error
        return flag + 1

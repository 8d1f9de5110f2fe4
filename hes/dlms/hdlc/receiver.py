"""Finding HDLC frames in a stream of octets: a line's noise, half frames and shared flags included.

An opening flag is a candidate; two more octets give its length; when that many have come and a flag closes them, the
frame is decoded. Whatever fails costs the candidate only: the search goes on at the next flag behind it, so the next
good frame is found whatever stood before. A candidate is refused as soon as its header shows that it cannot become a
frame (format, addresses, HCS), so that noise with a large length field does not swallow the frames behind it. What is
held never exceeds one frame of the longest length, and no octet is looked at again until the candidate can be judged:
the time taken is proportional to the octets, however they are cut.

Source: docs/protocols/hdlc.md §1, §7 (CTT HDLC_FRAME_P2: a truncated frame is dropped after the inter-octet time-out).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from hes.dlms.hdlc import frame as frames
from hes.dlms.hdlc.address import address_end
from hes.dlms.hdlc.fcs import is_intact
from hes.dlms.hdlc.frame import FLAG, FRAME_OCTETS_MAX, FRAME_OCTETS_MIN, HEADER_OCTETS_MAX, LENGTH, Frame
from hes.errors import RemoteProtocolError

Octets = bytes | bytearray | memoryview

INTER_OCTET_S: Final = 0.025
"""Default of class 23; through TCP or a concentrator at least 0.5 s. Source: docs/protocols/hdlc.md §7 [S2]."""
REFUSALS_KEPT: Final = 16
_FLAG_OCTET: Final = bytes((FLAG,))
_TYPE_NIBBLE: Final = frames.TYPE_3 >> 12


@dataclass(slots=True)
class ReceiverCounters:
    """frames: good ones. refused: candidates that were none, see `Receiver.refusals`. noise_octets: between flags and
    candidates. truncated: how often the line fell silent inside a candidate.
    """

    frames: int = 0
    refused: int = 0
    noise_octets: int = 0
    truncated: int = 0


class Receiver:
    """Octets in, frames out. refusals: why the last candidates (at most REFUSALS_KEPT) were no frames."""

    def __init__(
        self, *, inter_octet_s: float | None = INTER_OCTET_S, frame_octets_max: int = FRAME_OCTETS_MAX
    ) -> None:
        """inter_octet_s: silence inside a frame that ends it; None for a stream whose pieces say nothing, such as TCP.

        frame_octets_max: a longer length field is noise.
        """
        self.counters = ReceiverCounters()
        self.refusals: deque[RemoteProtocolError] = deque(maxlen=REFUSALS_KEPT)
        self._inter_octet_s = inter_octet_s
        self._frame_octets_max = min(frame_octets_max, FRAME_OCTETS_MAX)
        self._buffer = bytearray()
        self._wanted_octets = 0  # in the buffer, before there is anything new to judge
        self._heard_s = float("-inf")

    def feed(self, octets: Octets, now_s: float = 0.0) -> list[Frame]:
        """The frames that `octets` complete, in order. Never raises: what is no frame is counted."""
        found: list[Frame] = []
        if self._inter_octet_s is not None and self._buffer and now_s > self._heard_s + self._inter_octet_s:
            self._drop_stalled(found)
        self._heard_s = now_s
        self._buffer += octets
        if len(self._buffer) >= self._wanted_octets:
            self._scan(0, found)
        return found

    def still_heard(self, now_s: float) -> None:
        """The line was not silent until now: what came in the meantime could not be fed yet."""
        self._heard_s = now_s

    @property
    def inside_frame(self) -> bool:
        """Whether the octets of a candidate are under way; a lone flag may be the last one of a frame."""
        return len(self._buffer) > 1

    def next_deadline(self) -> float | None:
        """When the frame that is under way counts as truncated, None while there is none."""
        if self._inter_octet_s is None or not self.inside_frame:
            return None
        return self._heard_s + self._inter_octet_s

    def timed_out(self, now_s: float) -> list[Frame]:
        """Drop a frame that stalled; gives whole ones that stood behind its flag. Nothing happens before the time."""
        deadline_s = self.next_deadline()
        return [] if deadline_s is None or now_s < deadline_s else self.line_silent()

    def line_silent(self) -> list[Frame]:
        """Drop what is under way: somebody knows that nothing more belongs to it. Gives frames as `timed_out` does."""
        found: list[Frame] = []
        if self.inside_frame:
            self._drop_stalled(found)
        return found

    def _scan(self, position: int, found: list[Frame]) -> None:
        self._wanted_octets = 0
        while (end := self._candidate(position, found)) is not None:
            position = end
        del self._buffer[:position]
        self._wanted_octets -= position

    def _drop_stalled(self, found: list[Frame]) -> None:
        """The line fell silent inside a frame: that one is lost, but not what may stand complete behind its flag.

        A lone flag is lost as well: it closed a frame, and the next one has its own (CTT HDLC_FRAME_N1).
        """
        self.counters.truncated += self.inside_frame
        while len(self._buffer) > 1:
            self._scan(1, found)
        self._buffer.clear()
        self._wanted_octets = 0

    def _candidate(self, position: int, found: list[Frame]) -> int | None:
        """Take the candidate at or behind `position`; where the search goes on, None while octets are missing."""
        buffer = self._buffer
        flag = buffer.find(_FLAG_OCTET, position)
        if flag != position:
            end = len(buffer) if flag < 0 else flag
            self.counters.noise_octets += end - position
            return None if end == position else end
        missing = self._header(flag)
        if missing is None:
            return flag + 1
        if missing:
            self._wanted_octets = flag + missing
            return None
        closing = flag + 1 + ((buffer[flag + 1] << 8 | buffer[flag + 2]) & LENGTH)
        if len(buffer) <= closing:
            self._wanted_octets = closing + 1
            return None
        if buffer[closing] != FLAG:
            return self._refused(flag, RemoteProtocolError("no flag closes the HDLC frame at its length"))
        try:
            found.append(frames.decode(bytes(buffer[flag + 1 : closing])))
        except RemoteProtocolError as error:
            return self._refused(flag, error)
        self.counters.frames += 1
        return closing  # the flag that closes may open the next

    def _header(self, flag: int) -> int | None:
        """Judge the header behind `flag`: 0 it may become a frame, None it cannot, else octets wanted from the flag."""
        head = self._buffer[flag + 1 : flag + 1 + HEADER_OCTETS_MAX]
        if not head:
            return 2
        if head[0] == FLAG:
            return None  # one flag more between frames
        if head[0] >> 4 != _TYPE_NIBBLE:
            self._refused(flag, RemoteProtocolError(f"no HDLC frame begins with {head[0]:02X}", octet_offset=0))
            return None
        if len(head) < 2:
            return 3
        length = (head[0] << 8 | head[1]) & LENGTH
        if not FRAME_OCTETS_MIN <= length <= self._frame_octets_max:
            self._refused(flag, RemoteProtocolError(f"an HDLC frame has no {length} octets", octet_offset=0))
            return None
        if len(head) > length:
            del head[length:]  # what stands behind the frame has no say, however much of it came along
        return self._header_check(flag, head, length)

    def _header_check(self, flag: int, head: bytearray, length: int) -> int | None:
        try:
            check_at = address_end(head, address_end(head, 2)) + 1
        except RemoteProtocolError as error:
            if len(head) < min(length, HEADER_OCTETS_MAX):
                return len(head) + 2  # the address may end yet
            self._refused(flag, error)
            return None
        if check_at + 2 >= length:
            return 0  # no information: the frame check sequence speaks for the header too
        if len(head) < check_at + 2:
            return check_at + 3
        if not is_intact(head[: check_at + 2]):
            wrong = "the HDLC header check sequence (HCS) is wrong"
            self._refused(flag, RemoteProtocolError(wrong, octet_offset=check_at))
            return None
        return 0

    def _refused(self, flag: int, error: RemoteProtocolError) -> int:
        self.counters.refused += 1
        self.refusals.append(error)
        return flag + 1

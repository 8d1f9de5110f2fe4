"""Where one frame ends and the next begins on a TCP stream that mixes 376.1 frames and DLMS wrapper frames.

A concentrator keeps its link alive with Q/GDW 376.1 frames (first octet 68) and carries meters' APDUs in DLMS wrapper
frames (first octet 00) on the same connection, so every frame names its own codec by its first octet.

Resynchronisation: there is none, on purpose. TCP delivers every octet, so an octet that starts neither kind of frame,
a wrong check sum or a length beyond the limit means that the peer is broken or is not a concentrator at all. The
splitter hands out what came before, raises `RemoteProtocolError` and stays failed: close the connection.
"""

from __future__ import annotations

from hes.dlms import wrapper
from hes.dlms.wrapper import Frame as WrapperFrame
from hes.errors import RemoteProtocolError
from hes.protocols import qgdw376
from hes.protocols.qgdw376 import Octets, Qgdw376Frame

__all__ = ["Frame", "Qgdw376Frame", "StreamSplitter", "WrapperFrame"]

Frame = Qgdw376Frame | WrapperFrame

WRAPPER_FIRST = 0x00
"""High octet of the wrapper's version, which is 1."""


class StreamSplitter:
    """Frames out of one direction of one TCP connection.

    Memory is bounded by one frame of the larger kind. `fault` is the error that ended it, None while all is well; its
    octet offset counts from the start of the stream.
    """

    def __init__(
        self,
        *,
        frame_octets_max: int = qgdw376.FRAME_OCTETS_MAX,
        payload_octets_max: int = wrapper.PAYLOAD_OCTETS_MAX,
    ) -> None:
        self.frame_octets_max = frame_octets_max
        self.payload_octets_max = payload_octets_max
        self.fault: RemoteProtocolError | None = None
        self._buffer = bytearray()
        self._consumed_octets = 0

    def feed(self, octets: Octets) -> list[Frame]:
        """The frames that `octets` complete, in order.

        Raises RemoteProtocolError at the first octet that cannot be right. When whole frames came before it in the
        same call, they are returned, `fault` is set at once, and the next call raises.
        """
        frames: list[Frame] = []
        if self.fault is None:
            if not self._buffer and (lone := self._lone_wrapper_frame(octets)) is not None:
                self._consumed_octets += len(octets)
                return [lone]
            self._buffer += octets
            position = self._cut(frames)
            del self._buffer[:position]
            self._consumed_octets += position
        if self.fault is not None:
            self._buffer.clear()
            if not frames:
                raise self.fault
        return frames

    def _lone_wrapper_frame(self, octets: Octets) -> WrapperFrame | None:
        """The usual case, without the buffer: `octets` are one wrapper frame, whole and alone; else None."""
        octets_count = len(octets)
        if octets_count < wrapper.HEADER_OCTETS or octets[0] != WRAPPER_FIRST or octets[1] != wrapper.VERSION:
            return None
        header = wrapper.decode_header(octets)
        if header.payload_octets + wrapper.HEADER_OCTETS != octets_count:
            return None
        if header.payload_octets > self.payload_octets_max:
            return None
        return WrapperFrame(header.source, header.destination, bytes(octets[wrapper.HEADER_OCTETS :]))

    def _cut(self, frames: list[Frame]) -> int:
        """Append whole frames to `frames`; the offset in the buffer behind the last one."""
        position = 0
        try:
            while (total := self._octets_of_frame(position)) is not None:
                frames.append(self._frame(position, total))
                position += total
        except RemoteProtocolError as error:
            offset = self._consumed_octets + position
            self.fault = RemoteProtocolError(f"{error.message} (frame at octet {offset})", octet_offset=offset)
            self.fault.__cause__ = error
        return position

    def _octets_of_frame(self, position: int) -> int | None:
        """How many octets the frame at `position` has; None until they are all there."""
        buffer = self._buffer
        available = len(buffer) - position
        if available <= 0:
            return None
        first = buffer[position]
        if first == qgdw376.START:
            total = qgdw376.frame_octets(buffer, position)
            limit = self.frame_octets_max
        elif first != WRAPPER_FIRST:
            raise RemoteProtocolError(f"octet {first:02X} starts neither a 376.1 (68) nor a DLMS wrapper frame (00)")
        elif available < wrapper.HEADER_OCTETS:
            return None
        else:
            header = wrapper.decode_header(buffer[position : position + wrapper.HEADER_OCTETS])
            total = wrapper.HEADER_OCTETS + header.payload_octets
            limit = wrapper.HEADER_OCTETS + self.payload_octets_max
        if total is None:
            return None
        if total > limit:
            raise RemoteProtocolError(f"a frame of {total} octets, at most {limit} are taken")
        return total if available >= total else None

    def _frame(self, position: int, total: int) -> Frame:
        octets = bytes(self._buffer[position : position + total])
        if octets[0] == qgdw376.START:
            return qgdw376.decode(octets)
        header = wrapper.decode_header(octets)
        return WrapperFrame(header.source, header.destination, octets[wrapper.HEADER_OCTETS :])

"""The numbered half of a link: APDUs cut into I frames on the way out and put together on the way in, modulo 8.

An APDU goes behind its LLC header into segments of the agreed length, each an I frame with a number of its own, the S
bit in all but the last. At most a window of them may be without acknowledgement; the last of a row has the P/F bit.
N(R) acknowledges everything below it, and so says where to begin again after a loss.

Source: docs/protocols/hdlc.md §7.
"""

from __future__ import annotations

from typing import Final

from hes.dlms.hdlc import frame as frames
from hes.dlms.hdlc.frame import POLL_FINAL, Frame, Kind
from hes.dlms.hdlc.parameters import Parameters

MODULUS: Final = 8
APDU_OCTETS_MAX: Final = 0x10000
"""Longest APDU that is put together: what the wrapper carries, and a little more. Ours [A]."""
LLC_COMMAND: Final = b"\xe6\xe6\x00"
LLC_RESPONSE: Final = b"\xe6\xe7\x00"


class Outgoing:
    """One APDU on its way out. acknowledged: V(A). outstanding: frames sent from there on."""

    __slots__ = ("_begin", "_octets", "_octets_max", "acknowledged", "outstanding", "window")

    def __init__(self, octets_max: int, window: int) -> None:
        self.window = window
        self.acknowledged = 0
        self.outstanding = 0
        self._octets_max = octets_max
        self._octets = b""
        self._begin = 0  # of the first segment without acknowledgement

    @property
    def next(self) -> int:
        """V(S)."""
        return (self.acknowledged + self.outstanding) % MODULUS

    @property
    def unfinished(self) -> bool:
        """Whether the peer lacks something yet, sent or not."""
        return self._begin < len(self._octets)

    def load(self, information: bytes) -> None:
        """Take a new APDU with its LLC header; what was unfinished is given up, and its numbers are used again."""
        self._octets, self._begin, self.outstanding = information, 0, 0

    def acknowledge(self, receive: int) -> bool:
        """Take a peer's N(R); False when it acknowledges what was not sent."""
        count = (receive - self.acknowledged) % MODULUS
        if count > self.outstanding:
            return False
        self.acknowledged = receive
        self.outstanding -= count
        self._begin += count * self._octets_max
        return True

    def row(self) -> list[tuple[int, bytes, bool]]:
        """A window of segments from the first without acknowledgement on: N(S), octets, whether more follow."""
        segments: list[tuple[int, bytes, bool]] = []
        begin, end = self._begin, len(self._octets)
        while begin < end and len(segments) < self.window:
            following = begin + self._octets_max
            number = (self.acknowledged + len(segments)) % MODULUS
            segments.append((number, self._octets[begin:following], following < end))
            begin = following
        self.outstanding = len(segments)
        return segments


class Incoming:
    """Segments that came. expected: V(R). taken: how many numbers below it have come, as far back as they go."""

    __slots__ = ("_apdu_octets_max", "_octets", "_partial", "expected", "taken")

    def __init__(self, apdu_octets_max: int) -> None:
        self.expected = self.taken = 0
        self._apdu_octets_max = apdu_octets_max
        self._octets = bytearray()
        self._partial = False

    @property
    def partial(self) -> bool:
        """Whether more segments of an APDU are to come."""
        return self._partial

    @property
    def too_long(self) -> bool:
        return len(self._octets) > self._apdu_octets_max

    def is_ahead(self, number: int, window: int) -> bool:
        """Whether a number that is not expected belongs to a row that begins with the expected one: then frames before
        it were lost."""
        return (number - self.expected) % MODULUS < window

    def came(self, number: int) -> bool:
        """Whether a frame with a number that is not expected may have come before."""
        return (self.expected - number) % MODULUS <= self.taken

    def take(self, frame: Frame) -> bytes | None:
        """Take the I frame with the expected number; the APDU with its LLC header that it completes, if it does.

        Once `too_long`, nothing more is kept and no APDU comes: the link has to end.
        """
        self.expected = (self.expected + 1) % MODULUS
        self.taken = min(self.taken + 1, MODULUS - 1)
        self._partial = frame.segmented
        if not self.too_long:
            self._octets += frame.information
        if frame.segmented or self.too_long:
            return None
        whole = bytes(self._octets)
        self._octets.clear()
        return whole


class Flow:
    """Both directions of one link between its SNRM and its end. own, peer: address octets."""

    __slots__ = ("_own", "_peer", "incoming", "llc_in", "llc_out", "outgoing", "parameters")

    def __init__(
        self, parameters: Parameters, own: bytes, peer: bytes, *, is_client: bool, apdu_octets_max: int
    ) -> None:
        self.parameters = parameters
        self.outgoing = Outgoing(parameters.transmit_octets, parameters.transmit_window)
        self.incoming = Incoming(apdu_octets_max + len(LLC_COMMAND))
        self.llc_out = LLC_COMMAND if is_client else LLC_RESPONSE
        self.llc_in = LLC_RESPONSE if is_client else LLC_COMMAND
        self._own = own
        self._peer = peer

    def load(self, apdu: bytes) -> None:
        self.outgoing.load(self.llc_out + apdu)

    def row(self) -> bytes:
        """The I frames to send now, from the first without acknowledgement on; the last has the P/F bit."""
        segments = self.outgoing.row()
        last = len(segments) - 1
        receive = self.incoming.expected << 5
        return b"".join(
            frames.encode(
                self._peer,
                self._own,
                receive | number << 1 | (POLL_FINAL if index == last else 0),
                octets,
                more,
            )
            for index, (number, octets, more) in enumerate(segments)
        )

    def ready(self, kind: Kind = Kind.RR) -> bytes:
        """RR, or RNR, with the P/F bit and the number of the frame that is expected next."""
        return frames.encode(self._peer, self._own, kind.value | POLL_FINAL | self.incoming.expected << 5)

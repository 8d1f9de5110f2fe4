"""Pushes without a link: meters that speak on a customer port, or into a line, without having been asked.

Nothing is set up, acknowledged or repeated here. Framing and check sequences are all there is to check: meters push in
UI frames, but one make sends I frames with control 10 for ever, and addresses are anybody's (client 0, 2 octets for the
destination, broadcast). An APDU may take several frames, with the S bit in all but the last and the LLC header before
the first alone, as in a link. What one frame carries without either is taken when it is a general-block-transfer: one
make puts the LLC header before the first block only.

Source: docs/protocols/hdlc.md §1, §8 (captures of four makes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hes.dlms.hdlc import frame as frames
from hes.dlms.hdlc.address import ServerAddress, encode_client_address
from hes.dlms.hdlc.frame import POLL_FINAL, Frame, Kind
from hes.dlms.hdlc.link_flow import APDU_OCTETS_MAX, LLC_COMMAND, LLC_RESPONSE
from hes.dlms.hdlc.parameters import INFORMATION_OCTETS_DEFAULT, INFORMATION_OCTETS_MAX
from hes.dlms.hdlc.receiver import Octets, Receiver
from hes.errors import LocalProtocolError

SOURCES_MAX: Final = 16
"""APDUs under way at the same time, each from other addresses; the oldest is given up for one more. Ours [A]."""
SILENCE_S: Final = 10.0
"""Segments further apart than this do not belong together. Ours [A]: customer ports push every 2 to 10 s."""
INTER_OCTET_S: Final = 0.5  # who reads a push port mostly reads it through a buffer [A]
_GENERAL_BLOCK_TRANSFER: Final = b"\xe0"
_HEADERS: Final = (LLC_RESPONSE, LLC_COMMAND)


@dataclass(slots=True)
class PushCounters:
    """apdus: whole ones. tails_lost: given up before the last segment. heads_lost: frames of an APDU whose beginning
    was not received. too_long: APDUs beyond the limit. others: frames that carry no push, such as SNRM.
    """

    apdus: int = 0
    tails_lost: int = 0
    heads_lost: int = 0
    too_long: int = 0
    others: int = 0


@dataclass(slots=True)
class _Partial:
    octets: bytearray
    heard_s: float
    skipping: bool = False


class UnnumberedAssembler:
    """Puts the segments of unnumbered APDUs together, by who sends to whom."""

    def __init__(self, *, apdu_octets_max: int = APDU_OCTETS_MAX, silence_s: float = SILENCE_S) -> None:
        self.counters = PushCounters()
        self._apdu_octets_max = apdu_octets_max
        self._silence_s = silence_s
        self._partials: dict[tuple[bytes, bytes], _Partial] = {}

    def take(self, frame: Frame, now_s: float) -> bytes | None:
        """The APDU that this frame completes, without LLC header; None when it completes none."""
        key = (frame.source, frame.destination)
        partial = self._partials.pop(key, None)
        if partial is not None and now_s - partial.heard_s > self._silence_s:
            self._give_up(partial)
            partial = None
        if frame.information.startswith(_HEADERS):
            if partial is not None:
                self._give_up(partial)
            partial = _Partial(bytearray(), now_s)
            octets = frame.information[len(LLC_RESPONSE) :]
        else:
            octets = frame.information
        if partial is None:
            partial = _Partial(bytearray(), now_s, skipping=not self._stands_alone(frame))
            self.counters.heads_lost += partial.skipping
        return self._add(key, partial, octets, frame, now_s)

    def _stands_alone(self, frame: Frame) -> bool:
        return not frame.segmented and frame.information.startswith(_GENERAL_BLOCK_TRANSFER)

    def _add(
        self, key: tuple[bytes, bytes], partial: _Partial, octets: bytes, frame: Frame, now_s: float
    ) -> bytes | None:
        if not partial.skipping:
            partial.octets += octets
            if len(partial.octets) > self._apdu_octets_max:
                self.counters.too_long += 1
                partial.skipping = True
        if frame.segmented:
            if partial.skipping:
                partial.octets.clear()
            partial.heard_s = now_s
            self._keep(key, partial)
            return None
        if partial.skipping:
            return None
        self.counters.apdus += 1
        return bytes(partial.octets)

    def _keep(self, key: tuple[bytes, bytes], partial: _Partial) -> None:
        if len(self._partials) >= SOURCES_MAX:
            oldest = min(self._partials, key=lambda other: self._partials[other].heard_s)
            self._give_up(self._partials.pop(oldest))
        self._partials[key] = partial

    def _give_up(self, partial: _Partial) -> None:
        if not partial.skipping:
            self.counters.tails_lost += 1


@dataclass(frozen=True, slots=True)
class Push:
    """One APDU that a meter sent on its own. destination, source: address octets as on the wire."""

    apdu: bytes
    destination: bytes
    source: bytes
    kind: Kind


class PushReceiver:
    """Octets from a push port in, APDUs out. receiver: counts and names what was no frame."""

    def __init__(self, *, inter_octet_s: float | None = INTER_OCTET_S, apdu_octets_max: int = APDU_OCTETS_MAX) -> None:
        self.receiver = Receiver(inter_octet_s=inter_octet_s)
        self._assembler = UnnumberedAssembler(apdu_octets_max=apdu_octets_max)

    @property
    def counters(self) -> PushCounters:
        return self._assembler.counters

    def feed(self, octets: Octets, now_s: float = 0.0) -> list[Push]:
        """The pushes that `octets` complete, in order. Never raises."""
        return self._pushes(self.receiver.feed(octets, now_s), now_s)

    def next_deadline(self) -> float | None:
        """When a frame that is under way counts as truncated."""
        return self.receiver.next_deadline()

    def timed_out(self, now_s: float) -> list[Push]:
        return self._pushes(self.receiver.timed_out(now_s), now_s)

    def _pushes(self, received: list[Frame], now_s: float) -> list[Push]:
        pushes = []
        for frame in received:
            kind = frame.kind
            if kind is not Kind.UI and kind is not Kind.I:
                self.counters.others += 1
                continue
            apdu = self._assembler.take(frame, now_s)
            if apdu is not None:
                pushes.append(Push(apdu, frame.destination, frame.source, kind))
        return pushes


def unnumbered_frames(
    destination: bytes,
    source: bytes,
    information: bytes,
    *,
    octets_max: int = INFORMATION_OCTETS_DEFAULT,
    control: int = Kind.UI,
    last_final: bool = True,
) -> bytes:
    """`information` (LLC header and APDU) in frames without numbers. last_final: the P/F bit in the last of them."""
    if not 1 <= octets_max <= INFORMATION_OCTETS_MAX:
        raise LocalProtocolError(f"an HDLC information field has 1..{INFORMATION_OCTETS_MAX} octets")
    pieces = []
    for begin in range(0, len(information), octets_max):
        end = begin + octets_max
        more = end < len(information)
        octet = control | POLL_FINAL if last_final and not more else control
        pieces.append(frames.encode(destination, source, octet, information[begin:end], more))
    return b"".join(pieces)


def encode_push(
    apdu: bytes,
    *,
    server: ServerAddress,
    client_sap: int,
    octets_max: int = INFORMATION_OCTETS_DEFAULT,
    kind: Kind = Kind.UI,
) -> bytes:
    """The frames in which a meter pushes `apdu`.

    octets_max: of an information field, 1..2030. kind: UI, or I for control 10 as one make has it.
    """
    destination = encode_client_address(client_sap)
    return unnumbered_frames(destination, server.encode(), LLC_RESPONSE + apdu, octets_max=octets_max, control=kind)

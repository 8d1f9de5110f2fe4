"""HDLC frames as nodes: format, addresses, control, parameters, LLC; segments are put together to the APDU.

Whether a frame is valid is said by the decoders of `hes.dlms.hdlc`. Where one refuses, what stands before it is shown
as far as it can be cut, nothing of the frame goes into an APDU, and a fault names the rule.

Source: docs/protocols/hdlc.md §1-8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from hes.dlms.hdlc import frame as frames
from hes.dlms.hdlc import frame_reject, parameters
from hes.dlms.hdlc.address import ALL_STATIONS, address_end, decode_server_address
from hes.dlms.hdlc.frame import FLAG, KINDS, LENGTH, NUMBERED, SEGMENTED, TYPE_3, Frame, Kind
from hes.dlms.hdlc.link_flow import APDU_OCTETS_MAX, LLC_COMMAND, LLC_RESPONSE, MODULUS
from hes.dlms.inspect.hiding import undecoded_hex
from hes.dlms.inspect.node import Node, Place, fault, fault_of
from hes.errors import RemoteProtocolError

LABEL: Final = "HDLC"
TALKS_MAX: Final = 256
"""Pairs of addresses whose segments are remembered; the oldest is forgotten for one more. Ours [A]."""
KIND_NAMES: Final = {
    Kind.I: "information",
    Kind.RR: "receive ready",
    Kind.RNR: "receive not ready",
    Kind.UI: "unnumbered information",
    Kind.DM: "disconnected mode",
    Kind.DISC: "disconnect",
    Kind.UA: "unnumbered acknowledgement",
    Kind.SNRM: "set normal response mode",
    Kind.FRMR: "frame reject",
}
_LLC: Final = {LLC_COMMAND: "command, client to server", LLC_RESPONSE: "response, server to client"}
_GENERAL_BLOCK_TRANSFER: Final = 0xE0  # one make puts the LLC header before the first block only

MayHide = Callable[[bytes, Frame], bool]
"""Whether the APDU that begins with these octets may hold a secret."""
ApduNode = Callable[[bytes, Frame, int], Node]
"""The tree of an APDU that a frame completes; the last argument is where it stands in what is inspected."""


@dataclass(slots=True)
class _Talk:
    """What one station sends to another. octets: of the APDU under way, which hides something or not. last: its last
    segment."""

    octets: bytearray = field(default_factory=bytearray)
    segments: int = 0
    hides: bool = False
    last: Frame | None = None


class HdlcInspector:
    """Frames in the order in which they were sent, of any number of stations on one line or connection."""

    def __init__(self, apdu_node: ApduNode, may_hide: MayHide) -> None:
        self._apdu_node = apdu_node
        self._may_hide = may_hide
        self._talks: dict[tuple[bytes, bytes], _Talk] = {}

    def node(self, octets: bytes) -> Node:
        """One frame, which begins with its flag. Never raises."""
        body = octets[1:-1] if len(octets) > 1 and octets[-1] == FLAG else octets[1:]
        head = list(_head(body))
        try:
            if body == octets[1:]:
                raise RemoteProtocolError("no flag closes the HDLC frame", octet_offset=len(body))
            frame = frames.decode(body)
        except RemoteProtocolError as error:
            hidden = tuple(self._hidden_in_damaged(octets))
            plain, found = undecoded_hex(octets, hidden), (*head, fault_of(error, 1))
            return Node(label=LABEL, length=len(octets), plain=plain, children=found, hidden=hidden)
        place = len(octets) - 3 - len(frame.information)
        checks = _checks(body, frame, place)
        children = (*head, *checks[:-1], *self._information(frame, place), checks[-1])
        return Node(
            label=LABEL, value=_frame_text(frame), plain=_frame_plain(frame), length=len(octets), children=children
        )

    def _hidden_in_damaged(self, octets: bytes) -> Iterator[Place]:
        """What is hidden in a frame of which nothing is sure, addresses included."""
        nobody = Frame(b"", b"", 0)
        found = [octets.find(llc) for llc in _LLC if llc in octets]
        if any(self._may_hide(octets[place + 3 :], nobody) for place in found):
            yield min(found) + 3, len(octets)
        elif not found and any(talk.hides for talk in self._talks.values()):
            yield 0, len(octets)

    def _information(self, frame: Frame, place: int) -> Iterator[Node]:
        """What the information field says. place: where it begins in the frame."""
        kind, octets = frame.kind, frame.information
        if kind is Kind.SNRM:
            self._forget(frame)
        if not octets:
            return
        if kind is Kind.SNRM or kind is Kind.UA:
            yield _parameters_node(octets, place)
        elif kind is Kind.FRMR:
            reject = frame_reject.decode(octets)
            text = octets.hex() if reject is None else str(reject)
            yield Node(label="rejected", value=text, plain=octets.hex(), offset=place, length=len(octets))
        elif kind is Kind.I or kind is Kind.UI:
            yield from self._segment(frame, place)
        else:
            yield _hidden("information", octets, place)

    def _forget(self, frame: Frame) -> None:
        for key in ((frame.source, frame.destination), (frame.destination, frame.source)):
            self._talks.pop(key, None)

    # APDUs and their segments

    def _segment(self, frame: Frame, place: int) -> Iterator[Node]:
        key = (frame.source, frame.destination)
        talk = self._talks.pop(key, None)
        if talk is not None and _is_repeated(talk.last, frame):
            self._talks[key] = talk
            yield Node(
                label="segment",
                value="repeated",
                offset=place,
                length=len(frame.information),
                hidden=_places(place, frame.information) if talk.hides else (),
            )
            return
        if talk is not None and not _goes_on(talk.last, frame):
            yield Node(label="note", value=f"the APDU of the {talk.segments} segments before is not complete")
            talk = None
        if talk is None:
            yield from self._first(frame, place, key)
        else:
            yield from self._later(frame, place, key, talk)

    def _first(self, frame: Frame, place: int, key: tuple[bytes, bytes]) -> Iterator[Node]:
        llc, octets = frame.information[:3], frame.information
        if llc in _LLC:
            yield Node(label="LLC", value=_LLC[llc], plain=llc.hex(), offset=place, length=3)
            place, octets = place + 3, octets[3:]
        elif frame.segmented or octets[0] != _GENERAL_BLOCK_TRANSFER:
            yield _hidden("segment", octets, place)
            yield Node(label="note", value="no LLC header: the segments before this one are not here")
            return
        if not frame.segmented:
            yield self._apdu_node(octets, frame, place)
            return
        hides = self._may_hide(octets, frame)
        yield _hidden("segment", octets, place, "1st", hides=hides)
        self._keep(key, _Talk(bytearray(octets), 1, hides, frame))

    def _later(self, frame: Frame, place: int, key: tuple[bytes, bytes], talk: _Talk) -> Iterator[Node]:
        talk.segments += 1
        talk.last = frame
        talk.octets += frame.information
        yield _hidden("segment", frame.information, place, f"number {talk.segments}", hides=talk.hides)
        if len(talk.octets) > APDU_OCTETS_MAX:
            yield fault(f"an APDU of more than {APDU_OCTETS_MAX} octets in segments", place, len(frame.information))
        elif frame.segmented:
            self._keep(key, talk)
        else:
            whole = self._apdu_node(bytes(talk.octets), frame, 0)
            yield replace(whole, space=f"offsets from its own start: put together from {talk.segments} segments")

    def _keep(self, key: tuple[bytes, bytes], talk: _Talk) -> None:
        if len(self._talks) >= TALKS_MAX:
            del self._talks[next(iter(self._talks))]
        self._talks[key] = talk


def _is_repeated(last: Frame | None, frame: Frame) -> bool:
    """Whether the last segment came once more; its N(R) may have moved on."""
    return (
        last is not None
        and frame.kind is Kind.I
        and (frame.send, frame.information, frame.segmented) == (last.send, last.information, last.segmented)
    )


def _goes_on(last: Frame | None, frame: Frame) -> bool:
    """Whether the frame is the next of a row. UI frames have no numbers: there a new LLC header begins anew."""
    if last is None or last.kind is not frame.kind:
        return False
    if frame.kind is Kind.I:
        return frame.send == (last.send + 1) % MODULUS or frame.send == last.send == 0
    return frame.information[:3] not in _LLC


# fields


def _head(body: bytes) -> Iterator[Node]:
    """Format, addresses and control, as far as they are there. body: what stands between the flags."""
    if len(body) < 2:
        return
    field_ = body[0] << 8 | body[1]
    text = f"type {'3' if field_ & 0xF000 == TYPE_3 else f'{field_ >> 12:X}?'}, {field_ & LENGTH} octets"
    more = ", more segments follow" if field_ & SEGMENTED else ""
    yield Node(label="format", value=text + more, plain=field_, offset=1, length=2)
    position = 2
    for label in ("destination", "source"):
        try:
            end = address_end(body, position)
        except RemoteProtocolError:
            return
        octets = body[position:end]
        yield Node(
            label=label, value=address_text(octets), plain=octets.hex(), offset=1 + position, length=end - position
        )
        position = end
    if position < len(body):
        octet = body[position]
        yield Node(label="control", value=_control_text(octet), plain=octet, offset=1 + position, length=1)


def _checks(body: bytes, frame: Frame, place: int) -> list[Node]:
    """The check sequences of a valid frame, the header's first where there is one."""
    found = []
    if frame.information:
        found.append(_check("header check (HCS)", body[place - 3 : place - 1], place - 2))
    found.append(_check("frame check (FCS)", body[-2:], len(body) - 1))
    return found


def _check(label: str, octets: bytes, place: int) -> Node:
    return Node(label=label, value=f"{octets.hex()} correct", plain=octets.hex(), offset=place, length=2)


def address_text(octets: bytes) -> str:
    """ "16", "logical 1, physical 17" for an address that says both."""
    try:
        address = decode_server_address(octets)
    except RemoteProtocolError:
        return octets.hex()
    everybody = ALL_STATIONS[address.octets]
    upper, lower = (
        f"{part} (all stations)" if part == everybody else f"{part}" for part in (address.upper, address.lower or 0)
    )
    return upper if address.lower is None else f"logical {upper}, physical {lower}"


def control_name(octet: int) -> str:
    """ "I N(S) 1, N(R) 0, P/F"."""
    kind = KINDS[octet]
    if kind is None:
        return f"{octet:02X}, not defined"
    numbers = {Kind.I: f" N(S) {octet >> 1 & 7}, N(R) {octet >> 5}"}.get(kind, f" N(R) {octet >> 5}")
    text = f"{kind.name}{numbers}" if kind in NUMBERED else kind.name
    return f"{text}, P/F" if octet & frames.POLL_FINAL else text


def _control_text(octet: int) -> str:
    kind = KINDS[octet]
    return f"{octet:02X}: {control_name(octet)}" + (f" ({KIND_NAMES[kind]})" if kind is not None else "")


def _frame_text(frame: Frame) -> str:
    way = f"{address_text(frame.source)} -> {address_text(frame.destination)}"
    return f"{control_name(frame.control)}, {way}" + (", segment" if frame.segmented else "")


def _frame_plain(frame: Frame) -> dict[str, Any]:
    kind = frame.kind
    held: dict[str, Any] = {
        "kind": None if kind is None else kind.name,
        "source": frame.source.hex(),
        "destination": frame.destination.hex(),
        "poll_final": frame.final,
        "segmented": frame.segmented,
    }
    if kind is Kind.I:
        held["send"] = frame.send
    return held | {"receive": frame.receive} if kind in NUMBERED else held


def _parameters_node(octets: bytes, place: int) -> Node:
    try:
        said = parameters.decode(octets)
    except RemoteProtocolError as error:
        children: tuple[Node, ...] = (fault_of(error, place),)
    else:
        children = tuple(_parameter_nodes(said))
    return Node(label="parameters", offset=place, length=len(octets), plain=octets.hex(), children=children)


def _parameter_nodes(said: parameters.Said) -> Iterator[Node]:
    for label, value, default in (
        ("max information field, transmit", said.transmit_octets, parameters.INFORMATION_OCTETS_DEFAULT),
        ("max information field, receive", said.receive_octets, parameters.INFORMATION_OCTETS_DEFAULT),
        ("window, transmit", said.transmit_window, parameters.WINDOW_DEFAULT),
        ("window, receive", said.receive_window, parameters.WINDOW_DEFAULT),
    ):
        unit = " octets" if label.startswith("max") else ""
        text = f"{default}{unit} (not said: the default)" if value is None else f"{value}{unit}"
        yield Node(label=label, value=text, plain=default if value is None else value)
    for number, octets in said.unknown.items():
        yield Node(label=f"item {number:02X}, not known", value=octets.hex(), plain=octets.hex())
    if said.user_data:
        yield Node(label="user data", value=said.user_data.hex(), plain=said.user_data.hex())


def _hidden(label: str, octets: bytes, place: int, which: str = "", *, hides: bool = False) -> Node:
    """Octets that are no whole of their own. hides: a secret may be among them."""
    text = ", ".join(word for word in (which, f"{len(octets)} octets") if word)
    plain = None if hides else octets.hex()
    hidden = _places(place, octets) if hides else ()
    return Node(label=label, value=text, plain=plain, offset=place, length=len(octets), hidden=hidden)


def _places(place: int, octets: bytes) -> tuple[Place, ...]:
    return ((place, place + len(octets)),)

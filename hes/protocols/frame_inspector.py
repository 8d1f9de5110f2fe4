"""Any frame that this head-end meets on a link, as a tree: Q/GDW 376.1 here, all else in `hes.dlms.inspect`.

The inspector of `hes.dlms` knows nothing of concentrators' own protocols, so the frames around DLMS are told apart
here, by their first octet as on a listening port.

Source: docs/protocols/q-gdw-376-1.md §1 (frame, C, SEQ), docs/protocols/names.md (AFN, Fn).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hes.dlms.inspect.conversation import Conversation
from hes.dlms.inspect.hiding import undecoded_hex
from hes.dlms.inspect.knowledge import Knowledge
from hes.dlms.inspect.node import Node, fault_of
from hes.dlms.inspect.sealed_nodes import InspectorKeys
from hes.errors import RemoteProtocolError
from hes.protocols import qgdw376
from hes.protocols.qgdw376 import LinkService, Qgdw376Frame

AFN_NAMES: Final = {
    0x00: "confirm or deny",
    0x01: "reset",
    0x02: "link test",
    0x03: "relay station",
    0x04: "set parameters",
    0x05: "control",
    0x06: "authentication",
    0x08: "cascaded terminal report",
    0x09: "terminal configuration",
    0x0A: "query parameters",
    0x0B: "task data",
    0x0C: "class 1 data (current)",
    0x0D: "class 2 data (history)",
    0x0E: "class 3 data (events)",
    0x0F: "file transfer",
    0x10: "data forwarding",
}
FUNCTION_NAMES: Final = {
    (0x00, 1): "all confirmed",
    (0x00, 2): "all denied",
    (0x00, 3): "confirmed per data unit",
    (0x02, 1): "login",
    (0x02, 2): "logout",
    (0x02, 3): "heartbeat",
    (0x04, 1): "uplink parameters",
    (0x04, 3): "master station IP, port, APN",
    (0x04, 10): "meter archive",
    (0x05, 31): "time synchronisation",
    (0x0A, 10): "meter archive",
    (0x0C, 2): "terminal clock",
    (0x0C, 25): "power, voltage, current",
    (0x0C, 129): "active energy import",
    (0x0D, 161): "active energy import, daily freeze",
    (0x0E, 1): "important events",
    (0x0E, 2): "normal events",
    (0x10, 1): "transparent forwarding",
}
_STARTED: Final = {1: "reset", 4: "user data, no reply", 9: "link test", 10: "class 1 request", 11: "class 2 request"}
_ANSWERED: Final = {0: "confirm", 8: "user data", 9: "no such data", 11: "link status"}

_UNIT_OCTETS: Final = 4
_DATA_AT: Final = qgdw376.HEADER_OCTETS + qgdw376.BODY_OCTETS_MIN


class FrameInspector:
    """Trees of frames in the order in which they were sent, both directions of one connection together."""

    def __init__(self, keys: InspectorKeys | None = None, known: Knowledge | None = None) -> None:
        self.conversation = Conversation(keys, known)

    @property
    def apdus(self) -> int:
        """Whole APDUs seen so far, valid or not."""
        return self.conversation.apdus

    def inspect(self, octets: bytes, *, place: str = "", sender: str = "") -> Node:
        """One frame of whatever kind its first octet says. Never raises. place, sender: as in `Conversation`."""
        if octets[:1] == b"\x68":
            return qgdw376_node(octets)
        return self.conversation.inspect(octets, place=place, sender=sender)


def qgdw376_node(octets: bytes) -> Node:
    """One Q/GDW 376.1 frame."""
    try:
        frame = qgdw376.decode(octets)
    except RemoteProtocolError as error:
        found = (fault_of(error, 0),)
        return Node(label="Q/GDW 376.1", length=len(octets), plain=undecoded_hex(octets), children=found)
    way = "from" if frame.is_uplink else "to"
    held = {"terminal": str(frame.terminal), "uplink": frame.is_uplink, "afn": frame.afn, "pseq": frame.pseq}
    return Node(
        label="Q/GDW 376.1",
        value=f"{_summary(frame)}, {way} terminal {frame.terminal}",
        plain=held,
        length=len(octets),
        children=tuple(_fields(frame)),
    )


def _summary(frame: Qgdw376Frame) -> str:
    """What the frame is about in a word: login, heartbeat, all confirmed, ... or the AFN's name."""
    try:
        _, functions = qgdw376.decode_unit(frame.units)
    except RemoteProtocolError:
        functions = (0,)
    afn = AFN_NAMES.get(frame.afn, f"AFN {frame.afn:02X}")
    return FUNCTION_NAMES.get((frame.afn, functions[0]), afn)


def _fields(frame: Qgdw376Frame) -> Iterator[Node]:
    yield Node(label="control", value=_control_text(frame.control), plain=frame.control, offset=6, length=1)
    master = f", master {frame.master}" if frame.master else ""
    group = ", group" if frame.is_group else ""
    yield Node(label="address", value=f"terminal {frame.terminal}{master}{group}", offset=7, length=5)
    name = AFN_NAMES.get(frame.afn, "unknown")
    yield Node(label="AFN", value=f"{frame.afn:02X} {name}", plain=frame.afn, offset=12, length=1)
    yield Node(label="SEQ", value=_sequence_text(frame.sequence), plain=frame.sequence, offset=13, length=1)
    yield from _units(frame)
    auxiliary = frame.data[len(frame.units) :]
    if auxiliary:
        place = _DATA_AT + len(frame.units)
        yield Node(
            label="AUX", value=_auxiliary_text(frame), plain=auxiliary.hex(), offset=place, length=len(auxiliary)
        )


def _control_text(control: int) -> str:
    starts = bool(control & qgdw376.PRM)
    function = control & 0x0F
    word = (_STARTED if starts else _ANSWERED).get(function, f"function {function}")
    parts = ["up" if control & qgdw376.DIR_UP else "down", "initiating" if starts else "answering", word]
    if control & qgdw376.DIR_UP and control & qgdw376.ACD:
        parts.append("events waiting (ACD)")
    return f"{control:02X}: {', '.join(parts)}"


def _sequence_text(sequence: int) -> str:
    first, last = bool(sequence & qgdw376.FIR), bool(sequence & qgdw376.FIN)
    place = {(True, True): "single", (True, False): "first", (False, True): "last"}.get((first, last), "middle")
    parts = [f"{place} frame", f"number {sequence & qgdw376.PSEQ}"]
    if sequence & qgdw376.CON:
        parts.append("confirmation wanted")
    if sequence & qgdw376.TIME_TAG:
        parts.append("with time tag")
    return f"{sequence:02X}: {', '.join(parts)}"


def _auxiliary_text(frame: Qgdw376Frame) -> str:
    parts = []
    auxiliary = frame.data[len(frame.units) :]
    if frame.is_uplink and frame.control & qgdw376.ACD and len(auxiliary) >= qgdw376.EVENT_COUNTER_OCTETS:
        parts.append(f"event counters {auxiliary[0]} important, {auxiliary[1]} normal")
        auxiliary = auxiliary[qgdw376.EVENT_COUNTER_OCTETS :]
    if auxiliary:
        parts.append(f"time tag {auxiliary.hex()}")
    return "; ".join(parts)


def _units(frame: Qgdw376Frame) -> Iterator[Node]:
    """The data units. How long one is depends on AFN and Fn; only those without data can be told from the next."""
    units = frame.units
    if not units:
        return
    try:
        points, functions = qgdw376.decode_unit(units)
    except RemoteProtocolError as error:
        yield fault_of(error, _DATA_AT)
        return
    named = ", ".join(f"F{function}{_named(frame.afn, function)}" for function in functions)
    where = "all points" if points == (qgdw376.ALL_POINTS,) else ", ".join(f"p{point}" for point in points)
    held = {"points": list(points), "functions": list(functions)}
    yield Node(label="data unit", value=f"{where} {named}", plain=held, offset=_DATA_AT, length=_UNIT_OCTETS)
    data = units[_UNIT_OCTETS:]
    if data:
        shown = undecoded_hex(data)
        text = _clock_text(frame) or shown
        place = _DATA_AT + _UNIT_OCTETS
        yield Node(label="data", value=text, plain=shown, offset=place, length=len(data))


def _named(afn: int, function: int) -> str:
    name = FUNCTION_NAMES.get((afn, function))
    return f" {name}" if name else ""


def _clock_text(frame: Qgdw376Frame) -> str:
    """The clock that some makes append to a heartbeat, "" for any other data."""
    if frame.afn != qgdw376.AFN_LINK or qgdw376.link_service(frame) is not LinkService.HEARTBEAT:
        return ""
    clock = qgdw376.clock_of(frame)
    if clock is None:
        return ""
    return (
        f"terminal clock {clock.year}-{clock.month:02d}-{clock.day:02d} "
        f"{clock.hour:02d}:{clock.minute:02d}:{clock.second:02d}"
    )

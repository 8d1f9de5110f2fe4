"""One line about one frame: what a person wants to see first, read from as few octets as that takes.

Not a decoder: nothing is verified beyond what is printed, and what cannot be read is said to be so. For every octet
explained there is `hes.dlms.inspect`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from functools import lru_cache
from typing import Final

from hes.dlms import acse, axdr
from hes.dlms.codes import ActionResult, ApduTag, DataAccessResult, ServiceError, StateError, code
from hes.dlms.hdlc import frame as frames
from hes.dlms.hdlc.link_flow import LLC_COMMAND, LLC_RESPONSE
from hes.dlms.inspect.apdu_nodes import apdu_name
from hes.dlms.inspect.hdlc_nodes import address_text, control_name
from hes.errors import HesError
from hes.protocols import qgdw376
from hes.trace.values import date_time_text, first_block_text, value_text

Octets = bytes | bytearray | memoryview

WRAPPER_OCTETS: Final = 8
DESCRIPTOR_OCTETS: Final = 9

AFN_NAMES: Final = {
    0x00: "confirm", 0x01: "reset", 0x02: "link", 0x03: "relay", 0x04: "set parameters", 0x05: "control",
    0x06: "authentication", 0x08: "cascade", 0x09: "configuration", 0x0A: "query parameters", 0x0B: "task data",
    0x0C: "current data", 0x0D: "history data", 0x0E: "events", 0x0F: "file", 0x10: "forward",
}  # fmt: skip
"""Source: docs/protocols/q-gdw-376-1.md §3."""


def summary(octets: Octets) -> str:
    """What `octets` (a 376.1 frame, a wrapper frame, an HDLC frame or an APDU) is, in one line. Never raises."""
    frame = bytes(octets)
    try:
        if not frame:
            return "no octets"
        if frame[0] == 0x00:
            return _wrapper(frame)
        if frame[0] == qgdw376.START:
            return _terminal(frame)
        if frame[0] == 0x7E:
            return _hdlc(frame)
        return _payload(frame)
    except (HesError, IndexError, ValueError):
        return f"unreadable, {len(frame)} octets"


def apdu_summary(apdu: Octets) -> str:
    """What one APDU, without any prefix, is, in one line. Never raises."""
    octets = bytes(apdu)
    try:
        head, detail = _head(octets[:2])
        return f"{head} {detail(octets)}" if detail is not None else head
    except (HesError, IndexError, ValueError):
        return f"unreadable APDU, {len(octets)} octets"


def _terminal(frame: bytes) -> str:
    decoded = qgdw376.decode(frame)
    head = f"376.1 {decoded.terminal} {'up' if decoded.is_uplink else 'down'} {_terminal_service(decoded)}"
    wants = " con" if decoded.wants_confirmation else ""
    return f"{head} seq {decoded.pseq}{wants}"


def _terminal_service(frame: qgdw376.Qgdw376Frame) -> str:
    link = qgdw376.link_service(frame)
    if link is not None:
        return link.name.lower()
    if frame.afn == qgdw376.AFN_CONFIRM:
        verdict = qgdw376.confirmation(frame)
        return "deny" if verdict is not None and not verdict.is_accepted else "confirm"
    text = f"AFN {frame.afn:02X} {AFN_NAMES.get(frame.afn, 'unknown')}"
    if len(frame.data) < 4:
        return text
    points, functions = qgdw376.decode_unit(frame.data)
    return f"{text} p{points[0]} F{functions[0]}"


def _wrapper(frame: bytes) -> str:
    if len(frame) < WRAPPER_OCTETS:
        return f"wrapper header cut short, {len(frame)} octets"
    ports = f"wrapper {frame[2] << 8 | frame[3]}>{frame[4] << 8 | frame[5]}"
    if frame[1] != 1:
        return f"{ports} version {frame[1]}"
    said = frame[6] << 8 | frame[7]
    payload = frame[WRAPPER_OCTETS : WRAPPER_OCTETS + said]
    rest = len(frame) - WRAPPER_OCTETS - said
    text = f"{ports} {_payload(payload) if payload else 'empty'}"
    if rest > 0:
        return f"{text}, {rest} octets after it"
    return f"{text}, {-rest} octets short" if rest else text


def _hdlc(frame: bytes) -> str:
    """Kind and addresses, and the APDU where the frame begins one."""
    decoded = frames.decode(frame[1:-1])
    text = f"HDLC {control_name(decoded.control)} {address_text(decoded.source)}>{address_text(decoded.destination)}"
    octets = decoded.information
    if decoded.segmented or octets[:3] not in (LLC_COMMAND, LLC_RESPONSE):
        return f"{text}, {len(octets)} octets{' of more' if decoded.segmented else ''}" if octets else text
    return f"{text} {_payload(octets[3:])}" if len(octets) > 3 else text


def _payload(octets: bytes) -> str:
    """An APDU, or one behind a gateway prefix."""
    if octets[0] not in {0xE6, 0xE7}:
        return apdu_summary(octets)
    if len(octets) < 3:
        return f"gateway prefix cut short, {len(octets)} octets"
    start = 3 + octets[2]
    address = octets[3:start]
    name = address.decode("ascii") if address.isalnum() else address.hex() or "nobody"
    way = "to" if octets[0] == 0xE6 else "from"
    return f"gateway {octets[1]} {way} {name} {apdu_summary(octets[start:])}"


@lru_cache(maxsize=1024)
def _head(first_two: bytes) -> tuple[str, Callable[[bytes], str] | None]:
    """The name of an APDU, and what reads its details: both follow from tag and form."""
    tag = first_two[0]
    name = apdu_name(first_two)
    if name.startswith(("glo-", "ded-")):
        return name, _ciphered
    by_form = _DETAILS.get(tag, {})
    return name, by_form.get(first_two[1] if len(first_two) > 1 else -1) or by_form.get(-1)


def _invoke(octets: bytes) -> str:
    return f"#{octets[2] & 0x0F}"


def _one_object(octets: bytes) -> str:
    """A GET, SET or ACTION request of one attribute or method."""
    class_high, class_low, a, b, c, d, e, f, number = octets[3 : 3 + DESCRIPTOR_OCTETS]
    text = f"#{octets[2] & 0x0F} {class_high << 8 | class_low}/{a}.{b}.{c}.{d}.{e}.{f}:{number}"
    if octets[0] == ApduTag.GET_REQUEST and octets[3 + DESCRIPTOR_OCTETS]:
        return f"{text} selection {octets[4 + DESCRIPTOR_OCTETS]} {value_text(octets, 5 + DESCRIPTOR_OCTETS)}"
    return text


def _list(octets: bytes) -> str:
    return f"{_invoke(octets)} {octets[3]} items"


def _request_block(octets: bytes) -> str:
    return f"{_invoke(octets)} block {int.from_bytes(octets[3:7], 'big')}"


def _block(octets: bytes) -> str:
    last = " last" if octets[3] else ""
    return f"{_invoke(octets)} block {int.from_bytes(octets[4:8], 'big')}{last}, {len(octets)} octets"


def _get_block(octets: bytes) -> str:
    """A block of an answer; the first one begins the value."""
    if octets[8]:
        return f"{_block(octets)}, {_name(DataAccessResult, octets[9])}"
    number = int.from_bytes(octets[4:8], "big")
    begun = first_block_text(octets[axdr.decode_length(octets, 9)[1] :]) if number == 1 else ""
    return f"{_block(octets)}: {begun}" if begun else _block(octets)


def _get_response(octets: bytes) -> str:
    if octets[3]:
        return f"{_invoke(octets)} {_name(DataAccessResult, octets[4])}"
    return f"{_invoke(octets)} {value_text(octets, 4)}"


def _set_response(octets: bytes) -> str:
    return f"{_invoke(octets)} {_name(DataAccessResult, octets[3])}"


def _action_response(octets: bytes) -> str:
    return f"{_invoke(octets)} {_name(ActionResult, octets[3])}"


def _exception(octets: bytes) -> str:
    text = f"{_name(StateError, octets[1])}, {_name(ServiceError, octets[2])}"
    return f"{text}, expects counter {int.from_bytes(octets[3:7], 'big')}" if len(octets) >= 7 else text


def _ciphered(octets: bytes) -> str:
    """Security control and invocation counter of glo-, ded-: after tag and length."""
    return _sealed(octets, 1)


def _general(octets: bytes) -> str:
    """general-glo and general-ded: the system title comes first."""
    end = 2 + octets[1]
    return f"title {octets[2:end].hex()} {_sealed(octets, end)}"


def _sealed(octets: bytes, offset: int) -> str:
    first = octets[offset]
    start = offset + 1 + (first & 0x7F if first > 0x7F else 0)
    counter = int.from_bytes(octets[start + 1 : start + 5], "big")
    return f"SC {octets[start]:02X} IC {counter}, {len(octets) - start} octets"


def _notification(octets: bytes) -> str:
    at = 6 if octets.startswith(b"\x09\x0c", 5) else 5  # some makes put a tag before the time
    start = at + 1 + octets[at]
    time = f" {date_time_text(octets[at + 1 : start])}" if octets[at] else ""
    return f"#{int.from_bytes(octets[1:5], 'big') & 0xFFFFFF}{time} {value_text(octets, start)}"


def _association(octets: bytes) -> str:
    decoded = acse.decode(octets)
    if isinstance(decoded, acse.Aare):
        verdict = decoded.result.name.lower().replace("_", " ")
        diagnostic = decoded.diagnostic.name.lower().replace("_", " ")
        return verdict if diagnostic == "null" else f"{verdict}, {diagnostic}"
    if isinstance(decoded, acse.Aarq):
        return f"mechanism {getattr(decoded.mechanism, 'name', 'unknown' if decoded.mechanism else 'none').lower()}"
    return ""


def _name(table: type[IntEnum], number: int) -> str:
    return code(table, number).name.lower().replace("_", " ")


_ANY: Final = -1
_DETAILS: Final[dict[int, dict[int, Callable[[bytes], str]]]] = {
    ApduTag.GET_REQUEST: {1: _one_object, 2: _request_block, 3: _list},
    ApduTag.GET_RESPONSE: {1: _get_response, 2: _get_block, 3: _list},
    ApduTag.SET_REQUEST: {1: _one_object, 2: _one_object, 3: _block, 4: _list},
    ApduTag.SET_RESPONSE: {1: _set_response, 2: _request_block, 5: _list},
    ApduTag.ACTION_REQUEST: {1: _one_object, 2: _request_block, 3: _list, 4: _one_object, 6: _block},
    ApduTag.ACTION_RESPONSE: {1: _action_response, 2: _block, 3: _list, 4: _request_block},
    ApduTag.EXCEPTION_RESPONSE: {_ANY: _exception},
    ApduTag.DATA_NOTIFICATION: {_ANY: _notification},
    ApduTag.GENERAL_GLO_CIPHERING: {_ANY: _general},
    ApduTag.GENERAL_DED_CIPHERING: {_ANY: _general},
    ApduTag.AARQ: {_ANY: _association},
    ApduTag.AARE: {_ANY: _association},
}

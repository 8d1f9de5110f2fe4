"""ACSE APDUs as nodes: every field by its name, in the order of the wire.

The fields are cut apart with `hes.dlms.ber` and each is read on its own, so that a wrong one does not hide the others;
whether the whole is an APDU that the head-end accepts is asked of `hes.dlms.acse`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from hes.dlms import acse, ber
from hes.dlms.codes import (
    AcseDiagnostic,
    ApduTag,
    AssociationResult,
    ProviderDiagnostic,
    ReleaseReason,
    code,
)
from hes.dlms.inspect.apdu_nodes import Inspected, apdu_name
from hes.dlms.inspect.meanings import CONTEXT_WORDS, MECHANISM_WORDS
from hes.dlms.inspect.node import Node, Place, fault_of, faults
from hes.dlms.inspect.noting_reader import code_text
from hes.errors import RemoteProtocolError

Inside = Callable[[bytes, int], Node]
"""Makes the node of the xDLMS APDU in the user information: its octets, and where they start."""

_USER_INFORMATION: Final = 0xBE
_AUTHENTICATION_VALUE: Final = 0xAC
# in an AARQ that is cut or damaged: an authentication value, or an initiate-request with a dedicated key
_SECRETS_BEGIN: Final = re.compile(rb"\xac|\x01\x01[\x10\x20]")
_TAG_AND_LENGTH_OCTETS: Final = 2
Reading = tuple[str, Any]


def acse_node(octets: bytes, inside: Inside, *, base: int = 0) -> Inspected:
    """An AARQ, AARE, RLRQ or RLRE. inside: see Inside."""
    children: list[Node] = []
    start = _TAG_AND_LENGTH_OCTETS
    try:
        _, start, end = ber.read(octets, 0, len(octets))
        while start < end:
            child, start = _field(octets, start, end, base, inside)
            children.append(child)
    except RemoteProtocolError as error:  # the password may stand in what could not be read
        secret = _SECRETS_BEGIN.search(octets, start) if octets[0] == ApduTag.AARQ else None
        hidden = ((base + secret.start(), base + len(octets)),) if secret is not None else ()
        children.append(replace(fault_of(error, base), hidden=hidden))
    value = None
    try:
        value = acse.decode(octets)
    except RemoteProtocolError as error:
        if not any(found for child in children for found in faults(child)):
            children.append(fault_of(error, base))
    node = Node(label=apdu_name(octets), offset=base, length=len(octets), children=tuple(children))
    return Inspected(node, value)


def _field(octets: bytes, offset: int, end: int, base: int, inside: Inside) -> tuple[Node, int]:
    """The field at `offset` and the offset behind it. Raises RemoteProtocolError when that cannot be known."""
    tag, start, field_end = ber.read(octets, offset, end)
    hidden: tuple[Place, ...] = ()
    label, read = FIELDS[octets[0]].get(tag, (f"field {tag:02X}", _hex))
    place, length = base + offset, field_end - offset
    try:
        if tag == _USER_INFORMATION:
            inner, inner_end = ber.read_only(octets, start, field_end, ber.OCTET_STRING, label)
            child = inside(octets[inner:inner_end], base + inner)
            return Node(label=label, offset=place, length=length, children=(child,)), field_end
        text, plain = read(octets, start, field_end)
    except RemoteProtocolError as error:
        found = (fault_of(error, base, start),)
        hidden = ((base + start, base + field_end),) if read is _authentication else ()
        return Node(label=label, offset=place, length=length, children=found, hidden=hidden), field_end
    if read is _authentication and plain is None:
        hidden = ((base + field_end - _password_octets(octets, start, field_end), base + field_end),)
    return Node(label=label, value=text, plain=plain, offset=place, length=length, hidden=hidden), field_end


# what a field holds: (octets, start, end of the contents) -> text and plain value


def _hex(octets: bytes, start: int, end: int) -> Reading:
    return octets[start:end].hex(), octets[start:end].hex()


def _version(octets: bytes, start: int, end: int) -> Reading:
    bits = ber.bits(octets, start, end, "protocol version")
    return ("version 1" if bits[:1] == "1" else f"bits {bits}"), bits


def _context(octets: bytes, start: int, end: int) -> Reading:
    inner, inner_end = ber.read_only(octets, start, end, ber.OBJECT_IDENTIFIER, "application context name")
    name = octets[inner:inner_end]
    known = acse.CONTEXT_NAMES.get(name)
    return (f"{int(known)} {CONTEXT_WORDS[known]}" if known is not None else f"unknown {name.hex()}"), name.hex()


def _mechanism(octets: bytes, start: int, end: int) -> Reading:
    name = octets[start:end]
    known = acse.MECHANISM_NAMES.get(name)
    return (f"{int(known)} {MECHANISM_WORDS[known]}" if known is not None else f"unknown {name.hex()}"), name.hex()


def _title(octets: bytes, start: int, end: int) -> Reading:
    inner, inner_end = ber.read_only(octets, start, end, ber.OCTET_STRING, "title")
    title = octets[inner:inner_end]
    maker = title[:3]
    text = f"{title.hex()} ({maker.decode('ascii')})" if maker.isalnum() else title.hex()
    return text, title.hex()


def _inner_number(octets: bytes, start: int, end: int) -> int:
    inner, inner_end = ber.read_only(octets, start, end, ber.INTEGER, "number")
    return ber.integer(octets, inner, inner_end, "number")


def _number(octets: bytes, start: int, end: int) -> Reading:
    number = _inner_number(octets, start, end)
    return str(number), number


def _requirements(octets: bytes, start: int, end: int) -> Reading:
    bits = ber.bits(octets, start, end, "ACSE requirements")
    return ("authentication" if bits[:1] == "1" else "none"), bits


def _result(octets: bytes, start: int, end: int) -> Reading:
    number = _inner_number(octets, start, end)
    return code_text(code(AssociationResult, number)), number


def _diagnostic(octets: bytes, start: int, end: int) -> Reading:
    tag, inner, inner_end = ber.read(octets, start, end)
    number = _inner_number(octets, inner, inner_end)
    if tag == 0xA1:
        return f"service user: {code_text(code(AcseDiagnostic, number))}", number
    if tag == 0xA2:
        return f"service provider: {code_text(code(ProviderDiagnostic, number))}", number
    raise RemoteProtocolError("the diagnostic is neither the service user's nor the provider's", octet_offset=start)


def _authentication(octets: bytes, start: int, end: int) -> Reading:
    """A password is not shown, a challenge is: which of both it is follows from the mechanism in the same APDU."""
    inner, inner_end = ber.read_only(octets, start, end, 0x80, "authentication value")
    if _high_level(octets):
        return f"challenge {octets[inner:inner_end].hex()}", octets[inner:inner_end].hex()
    return f"password of {inner_end - inner} octets (not shown)", None


def _password_octets(octets: bytes, start: int, end: int) -> int:
    inner, inner_end = ber.read_only(octets, start, end, 0x80, "authentication value")
    return inner_end - inner


def _high_level(octets: bytes) -> bool:
    tags = {ApduTag.AARQ: 0x8B, ApduTag.AARE: 0x89}
    _, offset, end = ber.read(octets, 0, len(octets))
    while offset < end:
        tag, start, offset = ber.read(octets, offset, end)
        if tag == tags[ApduTag(octets[0])]:
            known = acse.MECHANISM_NAMES.get(octets[start:offset])
            return known is not None and known.high_level
    return False


def _reason(octets: bytes, start: int, end: int) -> Reading:
    number = ber.integer(octets, start, end, "reason")
    if number == ReleaseReason.URGENT:
        return ("urgent (1)" if octets[0] == ApduTag.RLRQ else "not-finished (1)"), number
    return code_text(code(ReleaseReason, number)), number


Field = tuple[str, Callable[[bytes, int, int], Reading]]

_RELEASE: Final[dict[int, Field]] = {0x80: ("reason", _reason), _USER_INFORMATION: ("user information", _hex)}
# Source: docs/protocols/dlms-application.md §2
FIELDS: Final[dict[int, dict[int, Field]]] = {
    ApduTag.AARQ: {
        0x80: ("protocol version", _version),
        0xA1: ("application context", _context),
        0xA2: ("called AP title", _hex),
        0xA3: ("called AE qualifier", _hex),
        0xA4: ("called AP invocation id", _number),
        0xA5: ("called AE invocation id", _number),
        0xA6: ("calling AP title (client's system title)", _title),
        0xA7: ("calling AE qualifier", _hex),
        0xA8: ("calling AP invocation id", _number),
        0xA9: ("calling AE invocation id (user id)", _number),
        0x8A: ("ACSE requirements", _requirements),
        0x8B: ("mechanism", _mechanism),
        _AUTHENTICATION_VALUE: ("authentication value", _authentication),
        0xBD: ("implementation information", _hex),
        _USER_INFORMATION: ("user information", _hex),
    },
    ApduTag.AARE: {
        0x80: ("protocol version", _version),
        0xA1: ("application context", _context),
        0xA2: ("result", _result),
        0xA3: ("diagnostic", _diagnostic),
        0xA4: ("responding AP title (meter's system title)", _title),
        0xA5: ("responding AE qualifier", _hex),
        0xA6: ("responding AP invocation id", _number),
        0xA7: ("responding AE invocation id", _number),
        0x88: ("ACSE requirements", _requirements),
        0x89: ("mechanism", _mechanism),
        0xAA: ("authentication value", _authentication),
        0xBD: ("implementation information", _hex),
        _USER_INFORMATION: ("user information", _hex),
    },
    ApduTag.RLRQ: _RELEASE,
    ApduTag.RLRE: _RELEASE,
}

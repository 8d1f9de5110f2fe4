"""xDLMS APDUs as nodes, unciphered.

The decoders of `hes.dlms.apdu` run on a noting reader. Those of `hes.dlms.initiate` take octets, not a reader: there
the decoded values are shown, and their places follow from the end of the APDU, where every field has a fixed size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hes.dlms import apdu as apdus
from hes.dlms import initiate
from hes.dlms.codes import ApduTag
from hes.dlms.inspect.knowledge import Knowledge
from hes.dlms.inspect.meanings import Subject, conformance_text
from hes.dlms.inspect.node import Node, fault, fault_of
from hes.dlms.inspect.noting_reader import NotingReader
from hes.dlms.selective_access import CaptureObject
from hes.dlms.xdlms.common import Reader
from hes.errors import RemoteProtocolError

INITIATE_TAGS: Final = frozenset({ApduTag.INITIATE_REQUEST, ApduTag.INITIATE_RESPONSE})
_SHORT_CONFORMANCE: Final = b"\x5f\x04\x00"  # the head without its second tag octet, as some meters send it

ACSE_NAMES: Final[dict[int, str]] = {
    ApduTag.AARQ: "AARQ (association request)",
    ApduTag.AARE: "AARE (association response)",
    ApduTag.RLRQ: "RLRQ (release request)",
    ApduTag.RLRE: "RLRE (release response)",
}
FORMS: Final[dict[int, dict[int, str]]] = {
    ApduTag.GET_REQUEST: {1: "normal", 2: "next", 3: "with-list"},
    ApduTag.GET_RESPONSE: {1: "normal", 2: "with-datablock", 3: "with-list"},
    ApduTag.SET_REQUEST: {
        1: "normal", 2: "with-first-datablock", 3: "with-datablock", 4: "with-list",
        5: "with-list-and-first-datablock",
    },
    ApduTag.SET_RESPONSE: {
        1: "normal", 2: "datablock", 3: "last-datablock", 4: "last-datablock-with-list", 5: "with-list",
    },
    ApduTag.ACTION_REQUEST: {
        1: "normal", 2: "next-pblock", 3: "with-list", 4: "with-first-pblock", 5: "with-list-and-first-pblock",
        6: "with-pblock",
    },
    ApduTag.ACTION_RESPONSE: {1: "normal", 2: "with-pblock", 3: "with-list", 4: "next-pblock"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Inspected:
    """An APDU as a tree. value: what the decoder made of it, None where it refused. subjects: what it names."""

    node: Node
    value: Any = None
    subjects: tuple[Subject, ...] = ()


def apdu_name(octets: bytes) -> str:
    """ "get-request normal" and the like; the tag in hex where it is not known."""
    tag = octets[0]
    if tag not in ApduTag._value2member_map_:
        return f"APDU {tag:02X}"
    text = ACSE_NAMES.get(tag) or ApduTag(tag).name.lower().replace("_", "-")
    form = FORMS.get(tag, {}).get(octets[1] if len(octets) > 1 else -1)
    return f"{text} {form}" if form else text


def xdlms_node(
    octets: bytes,
    *,
    base: int = 0,
    asked: Sequence[Subject] = (),
    known: Knowledge | None = None,
    selected: Sequence[CaptureObject] = (),
) -> Inspected:
    """One unciphered APDU of the tables in `hes.dlms.apdu`; another tag or form becomes a fault in the tree."""
    forms = apdus.CHOICES.get(octets[0])
    read: Callable[[Reader], Any] | None
    if forms is not None:
        read = forms.get(octets[1]) if len(octets) > 1 else None
        start = 2
    else:
        read = apdus.SINGLE.get(octets[0])
        start = 1
    if read is None:
        return Inspected(_unknown(octets, base, known_service=forms is not None))
    reader = NotingReader(octets, start, base=base, asked=asked, known=known, selected=selected)
    value = reader.run(read)
    node = Node(label=apdu_name(octets), offset=base, length=len(octets), children=tuple(reader.nodes))
    return Inspected(node, value, tuple(reader.subjects))


def initiate_node(octets: bytes, *, base: int = 0) -> Inspected:
    """An initiate-request or -response, unciphered."""
    label, length = apdu_name(octets), len(octets)
    try:
        value = initiate.decode(octets)
    except RemoteProtocolError as error:
        has_key = octets[0] == ApduTag.INITIATE_REQUEST and octets[1:2] != b"\x00"
        hidden = ((base + 2, base + length),) if has_key else ()
        found = (fault_of(error, base),)
        return Inspected(Node(label=label, offset=base, length=length, children=found, hidden=hidden))
    if isinstance(value, initiate.InitiateRequest):
        children = tuple(_request_nodes(value, octets, base))
    else:
        assert isinstance(value, initiate.InitiateResponse)  # the tags of INITIATE_TAGS give nothing else
        children = tuple(_response_nodes(value, octets, base))
    return Inspected(Node(label=label, offset=base, length=length, children=children), value)


def _request_nodes(value: initiate.InitiateRequest, octets: bytes, base: int) -> Iterator[Node]:
    if value.dedicated_key:
        count = len(value.dedicated_key)
        yield Node(
            label="dedicated key",
            value=f"{count} octets (not shown)",
            offset=base + 2,
            length=1 + count,
            hidden=((base + 3, base + 3 + count),),
        )
    if not value.response_allowed:
        yield Node(label="response allowed", value="false", plain=False, offset=base)
    yield from _agreement_nodes(value, octets, base, behind_octets=2)
    size, place = value.client_max_receive_pdu_size, base + len(octets) - 2
    yield Node(label="client max receive PDU size", value=_size_text(size), plain=size, offset=place, length=2)


def _response_nodes(value: initiate.InitiateResponse, octets: bytes, base: int) -> Iterator[Node]:
    yield from _agreement_nodes(value, octets, base, behind_octets=4)
    size, place = value.server_max_receive_pdu_size, base + len(octets) - 4
    yield Node(label="server max receive PDU size", value=_size_text(size), plain=size, offset=place, length=2)
    name = value.vaa_name
    yield Node(label="VAA name", value=f"{name:#06x}", plain=name, offset=place + 2, length=2)


def _agreement_nodes(
    value: initiate.InitiateRequest | initiate.InitiateResponse, octets: bytes, base: int, *, behind_octets: int
) -> Iterator[Node]:
    """Quality of service, version and conformance. behind_octets: how many follow the conformance bits."""
    bits_at = len(octets) - behind_octets - 3
    short = octets[bits_at - 4] != 0x5F and octets[bits_at - 3 : bits_at] == _SHORT_CONFORMANCE
    version_at = bits_at - (3 if short else 4) - 1
    quality = value.quality_of_service
    if quality is not None:
        place = base + version_at - 1
        yield Node(label="quality of service", value=str(quality), plain=quality, offset=place, length=1)
    version = value.dlms_version
    yield Node(label="DLMS version", value=str(version), plain=version, offset=base + version_at, length=1)
    bits = int(value.conformance)
    text = conformance_text(bits)
    yield Node(label="conformance", value=text, plain=f"{bits:06x}", offset=base + bits_at, length=3)


def _size_text(octets: int) -> str:
    return str(octets) if octets else "0 (no limit)"


def _unknown(octets: bytes, base: int, *, known_service: bool) -> Node:
    if known_service:
        found = f"form {octets[1]} is not known" if len(octets) > 1 else "the APDU ends after its tag"
        child = fault(found, base + 1)
    else:
        child = fault(f"no APDU starts with {octets[0]:02X}", base, len(octets))
    return Node(label=apdu_name(octets), offset=base, length=len(octets), children=(child,))

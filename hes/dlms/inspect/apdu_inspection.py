"""One APDU seen in the light of what its association remembers.

An answer names nothing, so each request is kept until its answer has come. Blocks of a long value are kept until the
last one. AARQ and AARE bring system titles and, once opened, the dedicated key. Values teach what the device's objects
are: see `knowledge`. All of it is bounded.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from hes.dlms import apdu as apdus
from hes.dlms import axdr, initiate
from hes.dlms.acse import Aare, Aarq
from hes.dlms.codes import ApduTag, DataAccessResult
from hes.dlms.inspect.acse_nodes import acse_node
from hes.dlms.inspect.apdu_nodes import INITIATE_TAGS, Inspected, apdu_name, initiate_node, xdlms_node
from hes.dlms.inspect.data_nodes import octets_as_date_time
from hes.dlms.inspect.general_nodes import head_nodes as general_head_nodes
from hes.dlms.inspect.general_nodes import signature_node
from hes.dlms.inspect.hiding import hidden_places, holds_secret, masked_hex
from hes.dlms.inspect.knowledge import BUFFER, Knowledge
from hes.dlms.inspect.long_transfers import GeneralBlocks, Outcome, Transfers, note_node
from hes.dlms.inspect.meanings import Subject, exception_text, subject_code
from hes.dlms.inspect.node import Node, fault, fault_of
from hes.dlms.inspect.noting_reader import UNKNOWN_NAME
from hes.dlms.inspect.push_nodes import with_list, with_names
from hes.dlms.inspect.requests import ANSWERS, REFUSALS, RESPONSES, Asked, Requests
from hes.dlms.inspect.sealed_nodes import (
    CONTENT,
    InspectorKeys,
    Sealed,
    head_nodes,
    is_sealed,
    open_sealed,
    take_apart,
)
from hes.dlms.security import SecurityControl
from hes.dlms.security.general import read_general_signing
from hes.dlms.selective_access import CaptureObject, EntrySelection, RangeSelection
from hes.dlms.selective_access import decode as decode_selection
from hes.errors import RemoteProtocolError

NESTING_MAX: Final = 8  # APDU in general blocks in ciphered APDU in user information; deeper is a mistake [A]
SIDES_MAX: Final = 8
_ACSE: Final = frozenset({ApduTag.AARQ, ApduTag.AARE, ApduTag.RLRQ, ApduTag.RLRE})
_LISTS: Final = (
    apdus.GetRequestWithList, apdus.SetRequestWithList, apdus.SetRequestWithListFirstBlock,
    apdus.ActionRequestWithList, apdus.ActionRequestWithListFirstBlock,
)  # fmt: skip


@dataclass(slots=True)
class AssociationMemory:
    """What was said between one client and one server.

    device: whose keys of `InspectorKeys.devices` opened it. opened: whether any keys have proven to be the right ones.
    general: general blocks by who sends them.
    """

    known: Knowledge = field(default_factory=Knowledge)
    client_title: bytes = b""
    server_title: bytes = b""
    dedicated_key: bytes = field(default=b"", repr=False)
    device: bytes = b""
    opened: bool = False
    requests: Requests = field(default_factory=Requests)
    transfers: Transfers = field(default_factory=Transfers)
    general: dict[Hashable, GeneralBlocks] = field(default_factory=dict)

    def start_anew(self) -> None:
        """A new association forgets keys, titles and blocks; requests that wait were never answered."""
        self.requests.close()
        self.client_title = self.server_title = self.dedicated_key = self.device = b""
        self.opened = False
        self.transfers = Transfers()
        self.general.clear()

    def side(self, sender: Hashable) -> GeneralBlocks:
        """The general blocks of one side."""
        if sender not in self.general and len(self.general) >= SIDES_MAX:
            self.general.clear()
        return self.general.setdefault(sender, GeneralBlocks())


@dataclass(slots=True)
class ApduInspection:
    """One APDU seen in the light of its association's memory."""

    memory: AssociationMemory
    keys: InspectorKeys
    place: str = ""
    sender: Hashable = ""
    nesting: int = 0

    def node(self, octets: bytes, base: int) -> Node:
        """The tree of one APDU, of the first or of an inner one."""
        if not octets:
            return fault("no APDU", base)
        if self.nesting >= NESTING_MAX:
            return fault(f"APDUs inside one another more than {NESTING_MAX} deep", base, len(octets))
        self.nesting += 1
        try:
            return self._any(octets, base)
        finally:
            self.nesting -= 1

    def _any(self, octets: bytes, base: int) -> Node:
        tag = octets[0]
        if tag in _ACSE:
            return self._acse(octets, base)
        if is_sealed(tag):
            return self._sealed(octets, base)
        if tag == ApduTag.GENERAL_SIGNING:
            return self._signed(octets, base)
        if tag in INITIATE_TAGS:
            return self._initiate(octets, base)
        return self._xdlms(octets, base)

    def may_hide(self, begun: bytes) -> bool:
        """Whether the APDU that begins with these octets may hold a secret. Changes nothing.

        For pieces of an APDU: a secret in them is known by its place only once the APDU is whole.
        """
        if not begun:
            return False
        tag = begun[0]
        if tag == ApduTag.GENERAL_SIGNING:
            return True
        if is_sealed(tag):
            return not _begins_encrypted(begun)
        if tag in _ACSE or tag in INITIATE_TAGS:
            return tag not in RESPONSES
        asked = self.memory.requests.first(begun)
        named = xdlms_node(begun, known=self.memory.known).subjects
        subjects = named or (asked.subjects if asked is not None else ())
        return any(holds_secret(self.memory.known.shape(subject)) for subject in subjects)

    # associations

    def _acse(self, octets: bytes, base: int) -> Node:
        if octets[0] == ApduTag.AARQ:
            self.memory.start_anew()
        # titles stand before the user information, and that may need them to be opened
        inspected = acse_node(octets, _unopened, base=base)
        if isinstance(inspected.value, Aarq):
            self.memory.client_title = inspected.value.calling_ap_title
        elif isinstance(inspected.value, Aare):
            self.memory.server_title = inspected.value.responding_ap_title or self.memory.server_title
        asked = self._exchange(octets, apdu_name(octets))
        return _with_first(acse_node(octets, self.node, base=base).node, asked)

    def _initiate(self, octets: bytes, base: int) -> Node:
        inspected = initiate_node(octets, base=base)
        if isinstance(inspected.value, initiate.InitiateRequest):
            self.memory.dedicated_key = inspected.value.dedicated_key
        return inspected.node

    # protection

    def _sealed(self, octets: bytes, base: int) -> Node:
        name = apdu_name(octets)
        try:
            sealed = take_apart(octets)
        except RemoteProtocolError as error:
            return Node(label=name, offset=base, length=len(octets), children=(fault_of(error, base),))
        children = list(head_nodes(sealed, base))
        memory = self.memory
        known = memory.client_title if sealed.from_client else memory.server_title
        bunches = self.keys.bunches((sealed.title, memory.device, memory.server_title, memory.client_title), sealed)
        found = open_sealed(sealed, bunches, known, dedicated=memory.dedicated_key, base=base, is_proven=memory.opened)
        if found.device or found.is_proof:
            memory.device, memory.opened = found.device or memory.device, True
        if found.reason is not None:
            if not sealed.control.encrypted:  # seen apart: what is not proven teaches nothing
                apart = ApduInspection(AssociationMemory(known=memory.known.copy()), self.keys)
                inner = apart.node(sealed.content, 0)
                children = [_without_secrets(child, sealed, inner) for child in children]
            children.append(found.reason)
        elif found.plaintext:
            inner = self.node(found.plaintext, 0)
            if not sealed.control.encrypted:
                children = [_without_secrets(child, sealed, inner) for child in children]
            children.append(replace(inner, space="offsets from its own start: deciphered"))
        return Node(label=name, offset=base, length=len(octets), children=tuple(children))

    def _signed(self, octets: bytes, base: int) -> Node:
        """A signed APDU: its head, what it holds, the signature. Who has the certificates checks that."""
        name = apdu_name(octets)
        try:
            signing = read_general_signing(octets)
        except RemoteProtocolError as error:
            return Node(label=name, offset=base, length=len(octets), children=(fault_of(error, base),))
        count = len(signing.content)
        start = 1 + len(signing.signed) - count
        inner = self.node(signing.content, base + start) if count else fault("nothing is signed", base + start)
        children = (*general_head_nodes(octets, base), inner, signature_node(signing, octets, base))
        return Node(label=name, offset=base, length=len(octets), children=children)

    # services

    def _xdlms(self, octets: bytes, base: int) -> Node:
        tag, memory = octets[0], self.memory
        is_answer = tag in RESPONSES or tag in REFUSALS
        asked = self._answered(octets) if is_answer else None
        about = asked if is_answer else memory.requests.first(octets)  # a later block names nothing
        subjects = about.subjects if about is not None else ()
        columns = asked.columns if asked is not None else ()
        inspected = xdlms_node(octets, base=base, asked=subjects, known=memory.known, selected=columns)
        value = inspected.value
        if self._learned(value, inspected.subjects or subjects):  # a list may say the unit behind the value
            inspected = xdlms_node(octets, base=base, asked=subjects, known=memory.known, selected=columns)
        node = _with_first(inspected.node, _answers_node(asked, memory.known))
        if value is None:
            return node
        if isinstance(value, apdus.ExceptionResponse):
            meaning = exception_text(value.state_error, value.service_error)
            node = _with_last(node, Node(label="means", value=meaning) if meaning else None)
        if tag == ApduTag.DATA_NOTIFICATION:
            node = with_list(node, octets, base, memory.known) or with_names(node)
        if isinstance(value, apdus.GeneralBlock):
            return self._general_block(value, node)
        if tag in ANSWERS:
            node = _with_last(node, self._asked(inspected, octets))
        first = memory.requests.first(octets)
        outcome = memory.transfers.take(value, octets, listed=first is not None and first.listed)
        return self._with_whole(node, outcome, "put together from blocks")

    def _learned(self, value: Any, subjects: tuple[Subject, ...]) -> bool:
        """Whether the values of an answer said something of the device that another one in it may need."""
        given = list(_values(value, subjects))
        taught = [self.memory.known.learn(subject, encoded) for subject, encoded in given]
        return len(given) > 1 and any(taught)

    def _exchange(self, octets: bytes, called: str) -> Node | None:
        """An association or a release: no subjects, no numbers."""
        if octets[0] in RESPONSES:
            return _answers_node(self.memory.requests.answered(octets), self.memory.known)
        return _repeats_node(self.memory.requests.ask(Asked(self.place, called, octets)))

    def _answered(self, octets: bytes) -> Asked | None:
        return self.memory.requests.answered(octets)

    def _asked(self, inspected: Inspected, octets: bytes) -> Node | None:
        """Keep a request; the node that says that it is a repetition."""
        selection, columns = _selection(inspected.value)
        asked = Asked(
            self.place,
            apdu_name(octets),
            octets,
            inspected.subjects,
            selection,
            columns,
            isinstance(inspected.value, _LISTS),
        )
        return _repeats_node(self.memory.requests.ask(asked))

    def _general_block(self, block: apdus.GeneralBlock, node: Node) -> Node:
        side = self.memory.side(self.sender)
        outcome = side.take(block)
        if block.number == 1 and block.data:
            side.hides = self.may_hide(block.data)
        if side.hides:
            node = replace(node, children=tuple(map(_hidden_block, node.children)))
        for sender, other in self.memory.general.items():
            wanted = other.acknowledged(block.acknowledged) if sender != self.sender and not block.streaming else ""
            node = _with_last(node, note_node(wanted) if wanted else None)
        return self._with_whole(node, outcome, "put together from general blocks")

    def _with_whole(self, node: Node, outcome: Outcome, how: str) -> Node:
        """The node of a block with what is to be said about it, and the whole behind the last one."""
        node = _with_last(node, note_node(outcome.note) if outcome.note else None)
        if not outcome.whole:
            return node
        return _with_last(node, replace(self.node(outcome.whole, 0), space=f"offsets from its own start: {how}"))


def _unopened(octets: bytes, base: int) -> Node:
    """User information that is not looked into."""
    return Node(label="user information", offset=base, length=len(octets))


def _without_secrets(child: Node, sealed: Sealed, inner: Node) -> Node:
    """A part of the head of an APDU that is not encrypted; the content hides what the APDU in it, `inner`, hides."""
    places = list(hidden_places(inner))
    if child.label != CONTENT or not places:
        return child
    if sealed.control.compressed:
        places = [(0, child.length)]
    hidden = tuple((child.offset + start, child.offset + end) for start, end in places)
    content = bytes.fromhex(child.plain)
    return replace(child, plain=masked_hex(content, places), hidden=hidden)


def _hidden_block(child: Node) -> Node:
    if child.label != "block data":
        return child
    end = child.offset + child.length
    return replace(child, plain=None, hidden=((child.offset, end),))


def _begins_encrypted(begun: bytes) -> bool:
    """Whether a protected APDU that begins so is surely encrypted."""
    if begun[0] == ApduTag.GENERAL_CIPHERING:
        return False
    try:
        start = 1
        if begun[0] in (ApduTag.GENERAL_GLO_CIPHERING, ApduTag.GENERAL_DED_CIPHERING):
            count, start = axdr.decode_length(begun, start)
            start += count
        _, start = axdr.decode_length(begun, start)
        return SecurityControl(begun[start]).encrypted
    except (RemoteProtocolError, IndexError):
        return False


def _with_first(node: Node, child: Node | None) -> Node:
    return node if child is None else replace(node, children=(child, *node.children))


def _with_last(node: Node, child: Node | None) -> Node:
    return node if child is None else replace(node, children=(*node.children, child))


def _answers_node(asked: Asked | None, known: Knowledge) -> Node | None:
    """Which request this answers, by its frame and what it asked for."""
    if asked is None:
        return None
    subjects = [subject for subject in asked.subjects if subject is not UNKNOWN_NAME]
    about = known.text(subjects[0]) if len(subjects) == 1 else f"{len(subjects)} subjects" if subjects else ""
    text = ", ".join(part for part in (f"{asked.place} {asked.name}".strip(), about, asked.selection) if part)
    held = {"frame": asked.place, "request": asked.name, "about": [subject_code(subject) for subject in subjects]}
    return Node(label="answers", value=text, plain=held)


def _repeats_node(asked: Asked | None) -> Node | None:
    return None if asked is None else note_node(f"repeats {asked.place or 'the request before'}")


def _values(value: Any, subjects: tuple[Subject, ...]) -> Iterator[tuple[Subject, bytes]]:
    """The values in an answer with what they are of."""
    match value:
        case apdus.GetResponseNormal(result=DataAccessResult.SUCCESS, data=encoded):
            given: tuple[bytes, ...] = (encoded,)
        case apdus.GetResponseWithList(results=results):
            given = tuple(encoded for _, encoded in results)
        case apdus.ReadResponse(results=results):
            given = tuple(each.data if isinstance(each, apdus.ReadData) else b"" for each in results)
        case apdus.AccessResponse(data=encoded_data):
            given = encoded_data
        case apdus.SetRequestNormal(data=encoded):
            given = (encoded,)
        case _:
            return
    for subject, encoded in zip(subjects, given, strict=False):
        if encoded and encoded != b"\x00" and subject is not UNKNOWN_NAME:
            yield subject, encoded


def _selection(request: Any) -> tuple[str, tuple[CaptureObject, ...]]:
    """What a read chose of a profile, in words, and the columns where it chose some."""
    if not isinstance(request, apdus.GetRequestNormal) or not request.selection:
        return "", ()
    if request.attribute[:3:2] != BUFFER:
        return f"selector {request.selection[0]}", ()
    try:
        chosen = decode_selection(request.selection)
    except RemoteProtocolError:
        return f"selector {request.selection[0]}", ()
    if isinstance(chosen, RangeSelection):
        return f"from {_end_text(chosen.from_)} to {_end_text(chosen.to)}", chosen.columns
    assert isinstance(chosen, EntrySelection)  # the only other one that decode gives
    return f"entries {chosen.from_entry} to {chosen.to_entry or 'the last'}", ()


def _end_text(value: Any) -> str:
    if isinstance(value, bytes):
        return octets_as_date_time(value) or value.hex()
    return "anywhere" if value is None else str(value)

"""A reader of APDUs that takes notes.

The decoders of `hes.dlms.xdlms` walk an APDU by asking a `Reader` for one field after another, by name. This reader
gives them the same answers and writes down what was asked, what came and where it stood. So the tree shows what the
decoder of the head-end saw, not what a second one would have seen, and where the decoder refuses an APDU the notes up
to there remain.

What a value belongs to: a request names its attributes (or methods) and its values follow in that order; an answer
names nothing, so the attributes of the request that it answers are handed in as `asked`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from hes.dlms.codes import (
    ActionResult,
    ConfirmedService,
    DataAccessResult,
    ErrorGroup,
    ServiceError,
    StateError,
    UnknownCode,
    code,
)
from hes.dlms.inspect.data_nodes import data_node, octets_as_date_time
from hes.dlms.inspect.dressing import dressed
from hes.dlms.inspect.hiding import holds_secret
from hes.dlms.inspect.knowledge import BUFFER, Knowledge
from hes.dlms.inspect.meanings import (
    ANYTHING,
    SELECTIONS,
    Shape,
    Subject,
    conformance_text,
    rows_of,
    subject_code,
)
from hes.dlms.inspect.node import Node, fault_of
from hes.dlms.obis import Obis
from hes.dlms.selective_access import CaptureObject
from hes.dlms.xdlms.access import AccessKind
from hes.dlms.xdlms.common import (
    INVOKE_CONFIRMED,
    INVOKE_HIGH_PRIORITY,
    INVOKE_ID_MASK,
    LONG_INVOKE_BREAK_ON_ERROR,
    LONG_INVOKE_CONFIRMED,
    LONG_INVOKE_HIGH_PRIORITY,
    LONG_INVOKE_ID_MASK,
    LONG_INVOKE_SELF_DESCRIPTIVE,
    AttributeDescriptor,
    MethodDescriptor,
    Reader,
)
from hes.dlms.xdlms.exception import ERROR_CODES
from hes.errors import RemoteProtocolError

_TABLES: Final[dict[str, Any]] = {
    "data access result": DataAccessResult,
    "action result": ActionResult,
    "state error": StateError,
    "service error": ServiceError,
    "service": ConfirmedService,
    "group": ErrorGroup,
}
LABELS: Final = {"invoke octet": "invoke id and priority"}
_ACCESS_RESULT: Final = "result"
_RESULTS: Final = frozenset({"data access result", "action result", _ACCESS_RESULT})
_SHORT_NAME: Final = "short name"
# a place in a list whose short name stands for nothing that is known
BLOCK_LAST, BLOCK_STREAMING, BLOCK_WINDOW = 0x80, 0x40, 0x3F
UNKNOWN_NAME: Final[Subject] = AttributeDescriptor(0, bytes(6), 0)
_WORDS: Final[dict[str, dict[int, str]]] = {
    "kind of access": {kind: kind.name.lower().replace("_", " ") for kind in AccessKind},
    "choice of result": {0: "data", 1: "error", 2: "block", 3: "block number"},
    "variable access specification": {
        2: "name", 4: "parameterized access", 5: "block number", 6: "block of a read", 7: "block of a write",
    },
}  # fmt: skip
_SECRETS: Final = frozenset({"dedicated key"})
_RAW: Final = "raw data"  # of a block: a part of a value
# decided octet by octet in the decoders; the field that follows, or does not, says as much
_LONG_INVOKE: Final = "long invoke id and priority"
_SELECTION: Final = "access selection"


class NotingReader(Reader):
    """`Reader` with notes. nodes: what was read so far, in order; subjects: attributes and methods named in it.

    base: where the octets start in what is inspected. asked: what the answer in these octets belongs to.
    known: what is known of the device. selected: columns that the request wanted of a profile, where not all.
    """

    __slots__ = (
        "_access_kind", "_asked", "_base", "_begun", "_error_group", "_items", "_known", "_quiet",
        "_selected", "_selector", "_taken", "nodes", "subjects",
    )  # fmt: skip

    def __init__(
        self,
        octets: bytes,
        offset: int = 0,
        *,
        base: int = 0,
        asked: Sequence[Subject] = (),
        known: Knowledge | None = None,
        selected: Sequence[CaptureObject] = (),
    ) -> None:
        super().__init__(octets, offset)
        self.nodes: list[Node] = []
        self.subjects: list[Subject] = []
        self._asked = asked
        self._base = base
        self._known = Knowledge() if known is None else known
        self._selected = selected
        self._selector = -1
        self._access_kind = 0
        self._quiet = 0
        self._items = 0
        self._taken = 0
        self._begun: Subject | None = None
        self._error_group = 0

    def run(self, read: Callable[[Reader], Any]) -> Any:
        """What the decoder makes of the octets, or None when it refuses them; then the last node is the fault."""
        try:
            apdu = read(self)
            self.end()
        except RemoteProtocolError as error:
            if not any(node.is_fault for node in self._last_branch()):
                found = fault_of(error, self._base, self.offset)
                if self.is_about_secrets:  # it may stand in what could not be read
                    found = replace(found, hidden=((self._base + self.offset, self._base + len(self.octets)),))
                self.nodes.append(found)
            return None
        return apdu

    # what the decoders ask for

    def take(self, count: int, what: str) -> bytes:
        start = self.offset
        octets = super().take(count, what)
        if not self._quiet:
            if what == _SHORT_NAME:
                self._short_name(int.from_bytes(octets, "big"), start)
            else:
                text, held = _taken_text(octets, what)
                self._note(what, text, start, held)
        return octets

    def u8(self, what: str) -> int:
        start = self.offset
        with self._hushed():
            number = super().u8(what)
        if not self._quiet:
            if what == "action result" or (what in _RESULTS and self._begun is None):
                self._begin()
            if what in ("selector", "access selector"):
                self._selector = number
            if what == "kind of access":
                self._access_kind = number
            self._note(LABELS.get(what) or self._label(what), self._number_text(number, what), start, number)
            if what in ("data access result", _ACCESS_RESULT):
                self._begun = None
        return number

    def u32(self, what: str) -> int:
        start = self.offset
        with self._hushed():
            number = super().u32(what)
        text = _long_invoke_text(number) if what == _LONG_INVOKE else str(number)
        self._note(what, text, start, number)
        return number

    def flag(self, what: str) -> bool:
        with self._hushed():
            value = super().flag(what)
        if what == "choice of data or result" and self._begun is None:
            self._begin()
        return value

    def boolean(self, what: str) -> bool:
        start = self.offset
        with self._hushed():
            value = super().boolean(what)
        self._note(what, "true" if value else "false", start, value)
        return value

    def octet_string(self, what: str) -> bytes:
        start = self.offset
        with self._hushed():
            octets = super().octet_string(what)
        secret = what in _SECRETS or (what == _RAW and self.is_about_secrets)
        text = f"{len(octets)} octets{' (not shown)' if secret else ''}"
        self._note(what, text, start, None if secret else octets.hex(), is_hidden=secret)
        return octets

    @property
    def is_about_secrets(self) -> bool:
        """Whether any of the subjects, as far as they have been read, has a secret for its value."""
        return any(holds_secret(self._known.shape(subject)) for subject in self.subjects or self._asked)

    def data(self) -> bytes:
        if self._quiet:
            return super().data()
        start = self.offset
        label, shape, subject = self._value_label()
        node, end = data_node(self.octets, start, label, shape, base=self._base)
        if subject is not None:
            node = dressed(node, self.octets[start:end], subject, self._known, self._selected)
        self.nodes.append(node)
        return super().data()

    def selection(self) -> bytes:
        start, outer = self.offset, self.nodes
        self.nodes = []
        try:
            return super().selection()
        finally:
            found, self.nodes = self.nodes, outer
            if found:
                children = tuple(found)
                self.nodes.append(
                    Node(
                        label=_SELECTION,
                        offset=self._base + start,
                        length=self.offset - start,
                        children=children,
                    )
                )

    def attribute(self) -> AttributeDescriptor:
        start = self.offset
        with self._hushed():
            attribute = super().attribute()
        self._subject("attribute", attribute, start)
        return attribute

    def method(self) -> MethodDescriptor:
        start = self.offset
        with self._hushed():
            method = super().method()
        self._subject("method", method, start)
        return method

    def count(self, item_octets_min: int, what: str) -> int:
        start = self.offset
        with self._hushed():
            count = super().count(item_octets_min, what)
        self._items = count
        if what == "results":  # of ACCESS: once more from the first
            self._taken, self._begun = 0, None
        self._note(f"number of {what}", str(count), start, count)
        return count

    # notes

    @contextmanager
    def _hushed(self) -> Iterator[None]:
        """No notes of the steps that a field is read in."""
        self._quiet += 1
        try:
            yield
        finally:
            self._quiet -= 1

    def _note(self, label: str, text: str, start: int, held: Any, *, is_hidden: bool = False) -> None:
        if not self._quiet:
            place, end = self._base + start, self._base + self.offset
            hidden = ((place, end),) if is_hidden else ()
            node = Node(label=label, value=text, plain=held, offset=place, length=end - place, hidden=hidden)
            self.nodes.append(node)

    def _subject(self, kind: str, subject: Subject, start: int) -> None:
        self.subjects.append(subject)
        label = f"{kind} [{len(self.subjects) - 1}]" if self._items > 1 else kind
        index = "method" if isinstance(subject, MethodDescriptor) else "attribute"
        held = {"class_id": subject[0], "obis": str(Obis(subject[1])), index: subject[2]}
        self._note(label, self._known.text(subject), start, held)

    def _short_name(self, number: int, start: int) -> None:
        """A short name, with the attribute or method behind it where that is known."""
        subject = self._known.behind(number)
        self.subjects.append(UNKNOWN_NAME if subject is None else subject)
        place = f" [{len(self.subjects) - 1}]" if self._items > 1 else ""
        text = f"{number:04X}" if subject is None else f"{number:04X} {self._known.text(subject)}"
        self._note(f"{_SHORT_NAME}{place}", text, start, number)

    def _begin(self) -> None:
        """The next value or result starts: it belongs to the next attribute or method."""
        subjects = self.subjects or self._asked
        begun = subjects[self._taken] if self._taken < len(subjects) else None
        self._begun = None if begun is UNKNOWN_NAME else begun
        self._taken += 1

    def _label(self, what: str) -> str:
        if what not in _RESULTS:
            return what
        if what == _ACCESS_RESULT and self._begun is None:
            self._begin()
        place = f" [{self._taken - 1}]" if self._items > 1 else ""
        return f"result{place} of {subject_code(self._begun)}" if self._begun is not None else f"result{place}"

    def _value_label(self) -> tuple[str, Shape, Subject | None]:
        """What to call the value that is read now, what is known of it, and whose it is."""
        if self._selector >= 0:
            selector, self._selector = self._selector, -1
            return "parameters", SELECTIONS.get(selector, ANYTHING), None
        if self._begun is None:
            self._begin()
        subject, self._begun = self._begun, None
        place = f"[{self._taken - 1}] " if self._items > 1 else ""
        if subject is None:
            return f"{place}value", ANYTHING, None
        shape = self._known.shape(subject)
        if self._selected and subject[:3:2] == BUFFER:
            shape = rows_of(tuple(map(self._known.column_text, self._selected)))
        if subject in self.subjects and not place:
            return ("parameter" if isinstance(subject, MethodDescriptor) else "value"), shape, subject
        return place + self._known.text(subject), shape, subject

    def _number_text(self, number: int, what: str) -> str:
        if what == "invoke octet":
            return _invoke_text(number)
        if what == "code":
            errors = ERROR_CODES.get(self._error_group)
            return code_text(UnknownCode(number) if errors is None else code(errors, number))
        if what == "group":
            self._error_group = number
        if what == "block control":
            return _control_text(number)
        if what in _WORDS:
            return f"{number} {_WORDS[what].get(number, '')}".rstrip()
        table = _TABLES.get(what)
        if what == _ACCESS_RESULT:
            table = ActionResult if self._access_kind == AccessKind.ACTION else DataAccessResult
        return str(number) if table is None else code_text(code(table, number))

    def _last_branch(self) -> Iterator[Node]:
        """The last node and the last of its children, down to the leaf: where a fault of `data` is."""
        nodes: Sequence[Node] = self.nodes
        while nodes:
            yield nodes[-1]
            nodes = nodes[-1].children


def code_text(member: Any) -> str:
    """ "object-undefined (4)"; "unknown (77)" for a number outside its table."""
    if isinstance(member, UnknownCode):
        return f"unknown ({int(member)})"
    return f"{member.name.lower().replace('_', '-')} ({int(member)})"


def _control_text(control: int) -> str:
    """The first octet of a general block: "last, window 3"."""
    flags = [word for bit, word in ((BLOCK_LAST, "last"), (BLOCK_STREAMING, "streaming")) if control & bit]
    return ", ".join([*flags, f"window {control & BLOCK_WINDOW}"])


def _invoke_text(invoke: int) -> str:
    priority = "high" if invoke & INVOKE_HIGH_PRIORITY else "normal"
    confirmed = "confirmed" if invoke & INVOKE_CONFIRMED else "unconfirmed"
    return f"id {invoke & INVOKE_ID_MASK}, {confirmed}, {priority} priority"


def _long_invoke_text(invoke: int) -> str:
    priority = "high" if invoke & LONG_INVOKE_HIGH_PRIORITY else "normal"
    confirmed = "confirmed" if invoke & LONG_INVOKE_CONFIRMED else "unconfirmed"
    text = f"id {invoke & LONG_INVOKE_ID_MASK}, {confirmed}, {priority} priority"
    if invoke & LONG_INVOKE_SELF_DESCRIPTIVE:
        text += ", self-descriptive"
    return f"{text}, break on error" if invoke & LONG_INVOKE_BREAK_ON_ERROR else text


def _taken_text(octets: bytes, what: str) -> tuple[str, Any]:
    """Text and plain value of a field that is neither a number of fixed kind nor data."""
    if what == "conformance":
        bits = int.from_bytes(octets, "big")
        return conformance_text(bits), f"{bits:06x}"
    if what == "time":
        return octets_as_date_time(octets) or octets.hex(), octets.hex()
    number = int.from_bytes(octets, "big", signed=what == "quality of service")
    return (f"{number:#06x}" if what == "VAA name" else str(number)), number

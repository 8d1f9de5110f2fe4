"""What the values of known attributes mean: names for the members of structures, words for numbers.

A `Shape` follows the value as far as it is known; what it says nothing about is shown by index. It never judges: a
meter that sends another structure than the one here is shown as it sent it.

Names and words come from the declarations of the classes (`hes.dlms.cosem.classes`); what stands here is what a type
does not say: names of contexts and mechanisms, conformance bits, makers in titles, units that a class fixes.

Source: docs/protocols/cosem-objects.md §1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final

from hes.dlms import acse
from hes.dlms.codes import ApplicationContext, Conformance, Mechanism, ServiceError, StateError, UnknownCode
from hes.dlms.cosem.classes.shapes import CAPTURE_OBJECT
from hes.dlms.cosem.interface_classes import attribute_type, interface_class, method_type, name_of
from hes.dlms.cosem.value_types import ANYTHING as ANY_TYPE
from hes.dlms.cosem.value_types import NO_WORDS, Meaning, ValueType, array, struct
from hes.dlms.cosem_time import CosemDateTime
from hes.dlms.obis import OBIS_OCTETS, Obis
from hes.dlms.obis_names import labelled
from hes.dlms.selective_access import BY_ENTRY, BY_RANGE
from hes.dlms.xdlms.common import AttributeDescriptor, MethodDescriptor
from hes.errors import RemoteProtocolError

DATE_OCTETS, TIME_OCTETS = 5, 4
SHAPES_MAX: Final = 4096
TITLE_OCTETS: Final = 8
CONFORMANCE_BITS: Final = 24

Subject = AttributeDescriptor | MethodDescriptor


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of a value.

    members: names and shapes of a structure's members, in order. each: the shape of every element of an array.
    words: what a number stands for. is_class: the number is a class_id. is_secret: the value is not shown.
    says: what octets, bits or a number say, "" where nothing that is known, whatever they are; they are shown as well.
    unit: of a number whose unit is fixed by the class.
    """

    members: tuple[tuple[str, Shape], ...] = ()
    each: Shape | None = None
    words: Mapping[int, str] = field(default_factory=lambda: NO_WORDS)
    is_class: bool = False
    is_secret: bool = False
    says: Callable[[Any], str] | None = None
    unit: str = ""

    def member(self, index: int) -> tuple[str, Shape]:
        """Name and shape of a structure's member; its number and nothing known where there are more than expected."""
        return self.members[index] if index < len(self.members) else (f"[{index}]", ANYTHING)


CONTEXT_WORDS: Final = {
    ApplicationContext.LN: "logical names, no ciphering",
    ApplicationContext.SN: "short names, no ciphering",
    ApplicationContext.LN_CIPHERED: "logical names, with ciphering",
    ApplicationContext.SN_CIPHERED: "short names, with ciphering",
}
MECHANISM_WORDS: Final = {
    Mechanism.NONE: "none (lowest level)",
    Mechanism.LLS: "password (low level)",
    Mechanism.HLS: "manufacturer's own (high level)",
    Mechanism.HLS_MD5: "MD5 (high level)",
    Mechanism.HLS_SHA1: "SHA-1 (high level)",
    Mechanism.HLS_GMAC: "GMAC (high level)",
    Mechanism.HLS_SHA256: "SHA-256 (high level)",
    Mechanism.HLS_ECDSA: "ECDSA (high level)",
}

# what an exception-response comes to. Source: docs/protocols/dlms-application.md §3 (exception-response)
EXCEPTION_MEANS: Final = {
    ServiceError.OPERATION_NOT_POSSIBLE: "the server cannot do this now",
    ServiceError.SERVICE_NOT_SUPPORTED: "the server does not know this service, or it was not agreed on",
    ServiceError.PDU_TOO_LONG: "the request is longer than the server takes, or its answer than the client takes",
    ServiceError.DECIPHERING_ERROR: "the server could not open the request: other keys, title or protection",
    ServiceError.INVOCATION_COUNTER_ERROR: "the counter of the request is too low; the one wanted stands here",
}
NOT_ALLOWED_MEANS: Final = "not in this state, such as before the association is open"

ANYTHING: Final = Shape()


def _context_name(octets: Any) -> str:
    known = acse.CONTEXT_NAMES.get(octets)
    return CONTEXT_WORDS[known] if known is not None else ""


def _mechanism_name(octets: Any) -> str:
    known = acse.MECHANISM_NAMES.get(octets)
    return MECHANISM_WORDS[known] if known is not None else ""


def _conformance(bits: Any) -> str:
    return conformance_text(int(bits, 2)) if isinstance(bits, str) and len(bits) == CONFORMANCE_BITS else ""


def _title(octets: Any) -> str:
    """The maker in a system title."""
    if not isinstance(octets, bytes):
        return ""
    maker = octets[:3]
    return maker.decode("ascii") if len(octets) == TITLE_OCTETS and maker.isalpha() and maker.isascii() else ""


def _date(octets: Any) -> str:
    """A date of 5 octets, read as a date-time whose time is not specified."""
    if not isinstance(octets, bytes) or len(octets) != DATE_OCTETS:
        return ""
    return _moment(octets + b"\xff\xff\xff\xff\x80\x00\xff").removesuffix(" **:**:**")


def _time(octets: Any) -> str:
    """A time of 4 octets, read as a date-time whose date is not specified."""
    if not isinstance(octets, bytes) or len(octets) != TIME_OCTETS:
        return ""
    return _moment(b"\xff\xff\xff\xff\xff" + octets + b"\x80\x00\xff").removeprefix("****-**-** ")


def _moment(octets: bytes) -> str:
    try:
        return str(CosemDateTime.from_octets(octets))
    except RemoteProtocolError:
        return ""


def _bits(words: Mapping[int, str]) -> Callable[[Any], str]:
    """What the bits of a number say, or those of a bit-string, whose first is bit 0."""

    def said(value: Any) -> str:
        if isinstance(value, int):
            value = f"{max(value, 0):b}"[::-1]
        if not isinstance(value, str):
            return ""
        return ", ".join(words.get(index, f"bit {index}") for index, bit in enumerate(value) if bit == "1")

    return said


_SAID: Final[dict[Meaning, Callable[[Any], str]]] = {Meaning.DATE: _date, Meaning.TIME: _time}


def _shape(kind: ValueType) -> Shape:
    """A declared type as far as values are shown by it; of several choices everything that any of them says."""
    if kind.choices:
        shapes = [_shape(each) for each in kind.choices]
        return Shape(
            members=next((each.members for each in shapes if each.members), ()),
            each=next((each.each for each in shapes if each.each is not None), None),
            words=next((each.words for each in shapes if each.words), NO_WORDS),
            is_class=any(each.is_class for each in shapes),
            is_secret=any(each.is_secret for each in shapes),
            says=next((each.says for each in shapes if each.says is not None), None),
        )
    flags = kind.meaning is Meaning.FLAGS
    return Shape(
        members=tuple((name, _shape(member)) for name, member in kind.members),
        each=None if kind.each is None else _shape(kind.each),
        words=NO_WORDS if flags else kind.words,
        is_class=kind.meaning is Meaning.CLASS_ID,
        is_secret=kind.meaning is Meaning.SECRET,
        says=_bits(kind.words) if flags else _SAID.get(kind.meaning),
    )


# what the types do not say: by class and attribute, or by class, attribute and member
_SAYS: Final[dict[tuple[int, int], Callable[[Any], str]]] = {
    (15, 4): _context_name,
    (15, 6): _mechanism_name,
    (64, 4): _title,
    (64, 5): _title,
}
_MEMBERS_SAY: Final[dict[tuple[int, int], dict[str, Callable[[Any], str]]]] = {
    (15, 5): {"conformance": _conformance},
}
_UNITS: Final[dict[tuple[int, int], str]] = {(5, 8): "s", (7, 4): "s", (8, 3): "min", (8, 7): "min"}

# access selection of a profile buffer, by selector. Source: docs/protocols/axdr.md (selective access)
SELECTIONS: Final[dict[int, Shape]] = {
    BY_RANGE: _shape(
        struct(
            ("restricting object", CAPTURE_OBJECT),
            ("from", ANY_TYPE),
            ("to", ANY_TYPE),
            ("selected values", array(CAPTURE_OBJECT)),
        )
    ),
    BY_ENTRY: _shape(
        struct(
            ("from entry", ANY_TYPE),
            ("to entry", ANY_TYPE),
            ("from selected value", ANY_TYPE),
            ("to selected value", ANY_TYPE),
        )
    ),
}

# classes whose attributes hold numbers in the unit of the object: those attributes, and the one that says which unit
SCALED: Final[dict[int, tuple[frozenset[int], int]]] = {
    3: (frozenset({2}), 3),
    4: (frozenset({2}), 3),
    5: (frozenset({2, 3}), 4),
}


def scaler_attribute(class_id: int, attribute: int | None = None) -> int | None:
    """The attribute with scaler and unit for that one, or for any of the class; None when there is none."""
    attributes, scaler = SCALED.get(class_id, (frozenset[int](), 0))
    return scaler if scaler and (attribute is None or attribute in attributes) else None


@lru_cache(maxsize=SHAPES_MAX)
def _attribute_shape(class_id: int, attribute: int, version: int | None) -> Shape:
    shape, key = _shape(attribute_type(class_id, attribute, version)), (class_id, attribute)
    if key in _SAYS:
        return replace(shape, says=_SAYS[key])
    if key in _MEMBERS_SAY:
        said = _MEMBERS_SAY[key]
        members = [(name, replace(each, says=said.get(name, each.says))) for name, each in shape.members]
        return replace(shape, members=tuple(members))
    return replace(shape, unit=_UNITS[key]) if key in _UNITS else shape


@lru_cache(maxsize=SHAPES_MAX)
def _method_shape(class_id: int, method: int, version: int | None) -> Shape:
    return _shape(method_type(class_id, method, version))


def shape_of(subject: Subject | None, version: int | None = None) -> Shape:
    """What is known of the value of an attribute or the parameter of a method, in that version of its class; in the
    newest one where None or where the version is not known."""
    if subject is None:
        return ANYTHING
    class_id, _, index = subject
    known = version if interface_class(class_id, version) is not None else None
    if isinstance(subject, MethodDescriptor):
        return _method_shape(class_id, index, known)
    return _attribute_shape(class_id, index, known)


def rows_of(columns: tuple[str, ...]) -> Shape:
    """The shape of a profile buffer whose columns are called so."""
    return Shape(each=Shape(members=tuple((column, ANYTHING) for column in columns))) if columns else ANYTHING


def class_name(class_id: int) -> str:
    known = interface_class(class_id)
    return known.name if known is not None else ""


def subject_code(subject: Subject) -> str:
    """ "3/1.0.1.8.0.255/2", with "method" in place of the last slash for a method."""
    class_id, obis, index = subject
    logical_name = str(Obis(obis))
    return f"{class_id}/{logical_name} method {index}" if _is_method(subject) else f"{class_id}/{logical_name}/{index}"


def column_name(class_id: int, obis: bytes, attribute: int, data_index: int) -> str:
    """A column of a profile by what it captures."""
    index = f" [{data_index}]" if data_index else ""
    text = labelled(obis) if len(obis) == OBIS_OCTETS else obis.hex()
    return f"{text}{index}" if attribute == 2 else f"{text} {name_of(class_id, attribute)}{index}"


def _is_method(subject: Subject) -> bool:
    return isinstance(subject, MethodDescriptor)


def exception_text(state: StateError | UnknownCode, service: ServiceError | UnknownCode) -> str:
    """What an exception-response means for whoever sent the request; "" where nothing is known."""
    known = EXCEPTION_MEANS.get(service, "") if isinstance(service, ServiceError) else ""
    early = state is StateError.SERVICE_NOT_ALLOWED
    return "; ".join(text for text in (NOT_ALLOWED_MEANS if early else "", known) if text)


def conformance_text(conformance: int) -> str:
    """The services by name, and the bits that have none in hex."""
    known = [bit for bit in Conformance if conformance & bit]
    names = [str(bit.name).lower().replace("_", "-") for bit in known]
    rest = conformance & ~sum(known)
    return ", ".join([*names, f"reserved {rest:06X}"] if rest else names) or "none"

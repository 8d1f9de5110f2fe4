"""What the values of known attributes mean: names for the members of structures, words for numbers.

A `Shape` follows the value as far as it is known; what it says nothing about is shown by index. It never judges: a
meter that sends another structure than the one here is shown as it sent it.

Source: docs/protocols/cosem-objects.md §1, §2 (image status), §3 (disconnect control), §6 (push setup).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from hes.dlms import acse
from hes.dlms.codes import ApplicationContext, Conformance, Mechanism
from hes.dlms.cosem.interface_classes import interface_class, name_of, name_of_method
from hes.dlms.cosem.registers import UNITS
from hes.dlms.obis import OBIS_OCTETS, Obis
from hes.dlms.obis_names import labelled, name
from hes.dlms.xdlms.common import AttributeDescriptor, MethodDescriptor

TITLE_OCTETS: Final = 8
CONFORMANCE_BITS: Final = 24

Subject = AttributeDescriptor | MethodDescriptor


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of a value.

    members: names and shapes of a structure's members, in order. each: the shape of every element of an array.
    words: what a number stands for. is_class: the number is a class_id. is_secret: the value is not shown.
    says: what octets or bits say, "" where they say nothing that is known; the octets are shown as well. unit: of a
    number whose unit is fixed by the class.
    """

    members: tuple[tuple[str, Shape], ...] = ()
    each: Shape | None = None
    words: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
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

ANYTHING: Final = Shape()


def _struct(*members: str | tuple[str, Shape]) -> Shape:
    return Shape(members=tuple((member, ANYTHING) if isinstance(member, str) else member for member in members))


def _words(**words: int) -> Shape:
    return Shape(words=MappingProxyType({number: text.replace("_", " ") for text, number in words.items()}))


_CLASS = ("class", Shape(is_class=True))
_SCALER_UNIT = _struct("scaler", ("unit", Shape(words=MappingProxyType(UNITS))))
_CAPTURE_OBJECT = _struct(_CLASS, "logical name", "attribute", "data index")
_SCRIPT = _struct("script table", "selector")
_ATTRIBUTE_MODES = _words(
    no_access=0, read=1, write=2, read_and_write=3, authenticated_read=4, authenticated_write=5,
    authenticated_read_and_write=6,
)  # fmt: skip
_ACCESS_RIGHTS = _struct(
    ("attributes", Shape(each=_struct("attribute", ("access", _ATTRIBUTE_MODES), "selectors"))),
    (
        "methods",
        Shape(each=_struct("method", ("access", _words(no_access=0, access=1, authenticated_access=2)))),
    ),
)
_CONTROL_STATES = _words(disconnected=0, connected=1, ready_for_reconnection=2)
_IMAGE_STATES = _words(
    not_initiated=0, transfer_initiated=1, verification_initiated=2, verification_successful=3, verification_failed=4,
    activation_initiated=5, activation_successful=6, activation_failed=7,
)  # fmt: skip
_SECRET = Shape(is_secret=True)
_SECONDS = Shape(unit="s")
_MINUTES = Shape(unit="min")


def _context_name(octets: bytes) -> str:
    known = acse.CONTEXT_NAMES.get(octets)
    return CONTEXT_WORDS[known] if known is not None else ""


def _mechanism_name(octets: bytes) -> str:
    known = acse.MECHANISM_NAMES.get(octets)
    return MECHANISM_WORDS[known] if known is not None else ""


def _conformance(bits: str) -> str:
    return conformance_text(int(bits, 2)) if len(bits) == CONFORMANCE_BITS else ""


def _title(octets: bytes) -> str:
    """The maker in a system title."""
    maker = octets[:3]
    return maker.decode("ascii") if len(octets) == TITLE_OCTETS and maker.isalpha() and maker.isascii() else ""


ATTRIBUTES: Final[dict[tuple[int, int], Shape]] = {
    (3, 3): _SCALER_UNIT,
    (4, 3): _SCALER_UNIT,
    (5, 4): _SCALER_UNIT,
    (61, 4): _SCALER_UNIT,
    (5, 8): _SECONDS,
    (7, 3): Shape(each=_CAPTURE_OBJECT),
    (7, 4): _SECONDS,
    (7, 5): _words(FIFO=1, LIFO=2, largest=3, smallest=4, nearest_to_zero=5, farthest_from_zero=6),
    (7, 6): _CAPTURE_OBJECT,
    (8, 3): _MINUTES,
    (8, 7): _MINUTES,
    (9, 2): Shape(
        each=_struct(
            "script",
            (
                "actions",
                Shape(
                    each=_struct(("service", _words(write=1, execute=2)), _CLASS, "logical name", "index", "parameter")
                ),
            ),
        )
    ),
    (11, 2): Shape(each=_struct("index", "date", "day")),
    (15, 2): Shape(each=_struct(_CLASS, "version", "logical name", ("access rights", _ACCESS_RIGHTS))),
    (15, 3): _struct("client SAP", "server SAP"),
    (15, 4): Shape(says=_context_name),
    (15, 5): _struct(
        ("conformance", Shape(says=_conformance)),
        "max receive PDU size",
        "max send PDU size",
        "DLMS version",
        "QoS",
        "cyphering",
    ),
    (15, 6): Shape(says=_mechanism_name),
    (15, 7): _SECRET,
    (15, 8): _words(non_associated=0, association_pending=1, associated=2),
    (17, 2): Shape(each=_struct("SAP", "logical device name")),
    (18, 6): _IMAGE_STATES,
    (18, 7): Shape(each=_struct("size", "identification", "signature")),
    (22, 2): _SCRIPT,
    (22, 4): Shape(each=_struct("time", "date")),
    (40, 2): Shape(each=_CAPTURE_OBJECT),
    (64, 3): _words(suite_0=0, suite_1=1, suite_2=2),
    (64, 4): Shape(says=_title),
    (64, 5): Shape(says=_title),
    (70, 3): _CONTROL_STATES,
}
METHODS: Final[dict[tuple[int, int], Shape]] = {
    (9, 1): ANYTHING,
    (15, 2): _SECRET,
    (18, 1): _struct("identifier", "size"),
    (18, 2): _struct("block number", "block"),
    (64, 2): Shape(each=_struct(("key", _words(GUEK=0, GBEK=1, GAK=2, KEK=3)), "wrapped key")),
}

# access selection of a profile buffer, by selector. Source: docs/protocols/axdr.md (selective access)
SELECTIONS: Final[dict[int, Shape]] = {
    1: _struct(("restricting object", _CAPTURE_OBJECT), "from", "to", ("selected values", Shape(each=_CAPTURE_OBJECT))),
    2: _struct("from entry", "to entry", "from selected value", "to selected value"),
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


def shape_of(subject: Subject | None) -> Shape:
    """What is known of the value of an attribute or the parameter of a method."""
    if subject is None:
        return ANYTHING
    table = METHODS if isinstance(subject, MethodDescriptor) else ATTRIBUTES
    return table.get((subject[0], subject[2]), ANYTHING)


def rows_of(columns: tuple[str, ...]) -> Shape:
    """The shape of a profile buffer whose columns are called so."""
    return Shape(each=_struct(*columns)) if columns else ANYTHING


def class_name(class_id: int) -> str:
    known = interface_class(class_id)
    return known.name if known is not None else ""


def subject_code(subject: Subject) -> str:
    """ "3/1.0.1.8.0.255/2", with "method" in place of the last slash for a method."""
    class_id, obis, index = subject
    logical_name = str(Obis(obis))
    return f"{class_id}/{logical_name} method {index}" if _is_method(subject) else f"{class_id}/{logical_name}/{index}"


def subject_text(subject: Subject) -> str:
    """ "3/1.0.1.8.0.255/2 Register.value, active energy import (+A), total"."""
    class_id, obis, index = subject
    named = name_of_method(class_id, index) if _is_method(subject) else name_of(class_id, index)
    what = name(obis)
    return f"{subject_code(subject)} {named}, {what}" if what else f"{subject_code(subject)} {named}"


def column_name(class_id: int, obis: bytes, attribute: int, data_index: int) -> str:
    """A column of a profile by what it captures."""
    index = f" [{data_index}]" if data_index else ""
    text = labelled(obis) if len(obis) == OBIS_OCTETS else obis.hex()
    return f"{text}{index}" if attribute == 2 else f"{text} {name_of(class_id, attribute)}{index}"


def _is_method(subject: Subject) -> bool:
    return isinstance(subject, MethodDescriptor)


def conformance_text(conformance: int) -> str:
    """The services by name, and the bits that have none in hex."""
    known = [bit for bit in Conformance if conformance & bit]
    names = [str(bit.name).lower().replace("_", "-") for bit in known]
    rest = conformance & ~sum(known)
    return ", ".join([*names, f"reserved {rest:06X}"] if rest else names) or "none"

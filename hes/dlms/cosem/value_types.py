"""What the value of an attribute or the parameter of a method may be: COSEM types with names and meanings.

`ValueType` is the grammar that the class declarations (`classes/`) are written in. One table serves everybody: the
server checks what is written, the scan judges what a device sends, the inspector names members and numbers.

Source: docs/protocols/cosem-objects.md §1; docs/protocols/axdr.md (types).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final

from hes.dlms.data import CompactArray, Data, Tag

NO_WORDS: Final[Mapping[int, str]] = MappingProxyType({})


class Meaning(Enum):
    """What a value stands for beyond its type."""

    PLAIN = "plain"
    CLASS_ID = "class_id"
    LOGICAL_NAME = "logical_name"
    DATE_TIME = "date_time"
    DATE = "date"
    TIME = "time"
    SECRET = "secret"  # noqa: S105 - names what a value is
    FLAGS = "flags"  # `words` name the bits of the number, not its values


@dataclass(frozen=True, slots=True)
class ValueType:
    """One type, or a choice of several.

    tags: tags that are accepted; empty: anything. lengths: octets of a string or bits of a bit-string, any when empty.
    members: names and types of a structure's members, in order. each: type of every element of an array.
    words: what a number stands for, as far as it is known; numbers that are not here are no error.
    choices: further types that are accepted instead.
    """

    tags: frozenset[Tag] = frozenset()
    lengths: frozenset[int] = frozenset()
    members: tuple[tuple[str, ValueType], ...] = ()
    each: ValueType | None = None
    words: Mapping[int, str] = field(default_factory=lambda: NO_WORDS)
    meaning: Meaning = Meaning.PLAIN
    choices: tuple[ValueType, ...] = ()

    def __str__(self) -> str:
        """ "structure {scaler integer, unit enum}"; long choices end in "..."."""
        if self.choices:
            return " or ".join(map(str, self.choices))
        if self.members:
            return "structure {" + ", ".join(f"{name} {kind}" for name, kind in self.members) + "}"
        if self.each is not None:
            return f"array of {self.each}"
        if not self.tags:
            return "anything"
        names = [tag_text(tag) for tag in sorted(self.tags)]
        text = " or ".join(names[:3]) + (" ..." if len(names) > 3 else "")
        return text + ("[" + "|".join(map(str, sorted(self.lengths))) + "]" if self.lengths else "")


def tag_text(tag: Tag) -> str:
    """The type as COSEM writes it: "long-unsigned"."""
    return tag.name.lower().replace("_", "-")


# -- making types ----------------------------------------------------------------------------------------------------


def of(*tags: Tag, meaning: Meaning = Meaning.PLAIN) -> ValueType:
    """One of these types."""
    return ValueType(frozenset(tags), meaning=meaning)


def flags(tag: Tag, **named: int) -> ValueType:
    """A number with names for its bits: flags(Tag.ENUM, read=0)."""
    table = {number: name.replace("_", " ") for name, number in named.items()}
    return ValueType(frozenset({tag}), words=MappingProxyType(table), meaning=Meaning.FLAGS)


def enum(**named: int) -> ValueType:
    """An enum with names for its values: enum(connected=1)."""
    table = {number: name.replace("_", " ").strip() for name, number in named.items()}
    return ValueType(frozenset({Tag.ENUM}), words=MappingProxyType(table))


def octets(*lengths: int, meaning: Meaning = Meaning.PLAIN) -> ValueType:
    """An octet-string of one of these lengths, of any when none is given."""
    return ValueType(frozenset({Tag.OCTET_STRING}), frozenset(lengths), meaning=meaning)


def bit_string(*lengths: int, **named: int) -> ValueType:
    """A bit-string of one of these lengths, with names for its bits; bit 0 is the first."""
    table = {number: name.replace("_", " ") for name, number in named.items()}
    return ValueType(
        frozenset({Tag.BIT_STRING}),
        frozenset(lengths),
        words=MappingProxyType(table),
        meaning=Meaning.FLAGS if named else Meaning.PLAIN,
    )


def struct(*members: tuple[str, ValueType]) -> ValueType:
    """A structure of exactly these members."""
    return ValueType(frozenset({Tag.STRUCTURE}), members=members)


def array(each: ValueType) -> ValueType:
    """An array, or a compact-array, of `each`."""
    return ValueType(frozenset({Tag.ARRAY, Tag.COMPACT_ARRAY}), each=each)


def choice(*choices: ValueType) -> ValueType:
    """Any one of these."""
    return ValueType(choices=choices)


ANYTHING: Final = ValueType()
NULL: Final = of(Tag.NULL)
BOOLEAN: Final = of(Tag.BOOLEAN)
I8, I16, I32, I64 = of(Tag.INTEGER), of(Tag.LONG), of(Tag.DOUBLE_LONG), of(Tag.LONG64)
U8, U16, U32 = of(Tag.UNSIGNED), of(Tag.LONG_UNSIGNED), of(Tag.DOUBLE_LONG_UNSIGNED)
U64: Final = of(Tag.LONG64_UNSIGNED)
ENUM: Final = of(Tag.ENUM)
OCTETS: Final = octets()
BITS: Final = bit_string()
VISIBLE: Final = of(Tag.VISIBLE_STRING)
UTF8: Final = of(Tag.UTF8_STRING)
TEXT: Final = of(Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING)
CLASS_ID: Final = of(Tag.LONG_UNSIGNED, meaning=Meaning.CLASS_ID)
LOGICAL_NAME: Final = octets(6, meaning=Meaning.LOGICAL_NAME)
SECRET: Final = octets(meaning=Meaning.SECRET)
# under their own tag or as octet-strings: both occur in the field; docs/protocols/axdr.md
DATE_TIME: Final = choice(octets(12, meaning=Meaning.DATE_TIME), of(Tag.DATE_TIME, meaning=Meaning.DATE_TIME))
DATE: Final = choice(octets(5, meaning=Meaning.DATE), of(Tag.DATE, meaning=Meaning.DATE))
TIME: Final = choice(octets(4, meaning=Meaning.TIME), of(Tag.TIME, meaning=Meaning.TIME))
SIMPLE: Final = ValueType(  # any type but containers and null
    frozenset(Tag) - {Tag.ARRAY, Tag.STRUCTURE, Tag.COMPACT_ARRAY, Tag.NULL, Tag.DONT_CARE}
)
NOTHING: Final = I8  # the parameter of a method that needs none is integer (0)


# -- judging data ----------------------------------------------------------------------------------------------------


def mismatch(kind: ValueType, value: Data, where: str = "") -> str | None:
    """Why `value` is not of that type, in one sentence with the place; None when it is."""
    if kind.choices:
        reasons = [mismatch(each, value, where) for each in kind.choices]
        return None if None in reasons else f"{where or 'the value'} is {tag_text(value.tag)}, not {kind}"
    tag, held = value
    if kind.tags and tag not in kind.tags:
        return f"{where or 'the value'} is {tag_text(tag)}, not {kind}"
    if kind.lengths and len(held) not in kind.lengths:
        wanted = " or ".join(map(str, sorted(kind.lengths)))
        return f"{where or 'the value'} has {len(held)} {'bits' if tag is Tag.BIT_STRING else 'octets'}, not {wanted}"
    if kind.members:
        return _members_mismatch(kind, held, where)
    if kind.each is not None:
        elements = held.elements if isinstance(held, CompactArray) else held
        for index, element in enumerate(elements):
            reason = mismatch(kind.each, element, f"{where}[{index}]")
            if reason is not None:
                return reason
    return None


def _members_mismatch(kind: ValueType, held: tuple[Data, ...], where: str) -> str | None:
    if len(held) != len(kind.members):
        return f"{where or 'the value'} has {len(held)} members, not {len(kind.members)}"
    for (name, member), element in zip(kind.members, held, strict=True):
        reason = mismatch(member, element, f"{where}.{name}" if where else name)
        if reason is not None:
            return reason
    return None


def default_of(kind: ValueType) -> Data:
    """A value of that type that says as little as possible: zero, empty, not specified."""
    if kind.choices:
        return default_of(kind.choices[0])
    if kind.members:
        return Data(Tag.STRUCTURE, tuple(default_of(member) for _name, member in kind.members))
    tag = min(kind.tags) if kind.tags else Tag.NULL
    length = min(kind.lengths, default=0)
    if tag in (Tag.OCTET_STRING, Tag.DATE_TIME, Tag.DATE, Tag.TIME):
        size = {Tag.DATE_TIME: 12, Tag.DATE: 5, Tag.TIME: 4}.get(tag, length)
        unspecified = {12: b"\xff" * 9 + b"\x80\x00\xff"}.get(size, b"\xff" * size)
        return Data(tag, unspecified if kind.meaning in _INSTANTS else bytes(size))
    if kind.words and tag is not Tag.BIT_STRING and kind.meaning is not Meaning.FLAGS:
        return Data(tag, min(kind.words))
    return Data(tag, "0" * length if tag is Tag.BIT_STRING else _EMPTY.get(tag, 0))


_INSTANTS: Final = frozenset({Meaning.DATE_TIME, Meaning.DATE, Meaning.TIME})
_EMPTY: Final = {
    Tag.NULL: None, Tag.DONT_CARE: None, Tag.ARRAY: (), Tag.STRUCTURE: (), Tag.BOOLEAN: False,
    Tag.VISIBLE_STRING: "", Tag.UTF8_STRING: "", Tag.FLOAT32: 0.0, Tag.FLOAT64: 0.0,
}  # fmt: skip

"""Asking whether a typed value has the shape that an attribute or a method wants.

A client may send anything; every one of these gives None for another shape, which is answered as TYPE_UNMATCHED.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis

Tags: TypeAlias = frozenset[Tag]

INTEGERS: Final[Tags] = frozenset(
    {
        Tag.INTEGER,
        Tag.LONG,
        Tag.DOUBLE_LONG,
        Tag.LONG64,
        Tag.UNSIGNED,
        Tag.LONG_UNSIGNED,
        Tag.DOUBLE_LONG_UNSIGNED,
        Tag.LONG64_UNSIGNED,
    }
)
SIMPLE_NUMBERS: Final[Tags] = INTEGERS | {Tag.BOOLEAN, Tag.ENUM, Tag.BCD}
"""What thresholds are compared with."""


def one(value: Data | None, *tags: Tag) -> Any:
    """The plain value if it has one of these tags; None for anything else (so never ask for NULL)."""
    return value.value if value is not None and value.tag in tags else None


def members(value: Data | None, *tags: Tag | Tags) -> tuple[Any, ...] | None:
    """The plain members of a structure whose members have these tags, one after the other.

    A member of ARRAY or STRUCTURE stays a tuple of `Data`. `tags`: for each member the tag, or the tags that will do.
    """
    if value is None or value.tag is not Tag.STRUCTURE or len(value.value) != len(tags):
        return None
    for member, wanted in zip(value.value, tags, strict=True):
        if member.tag is not wanted if isinstance(wanted, Tag) else member.tag not in wanted:
            return None
    return tuple(member.value for member in value.value)


def elements(value: Data | None, count_max: int) -> tuple[Data, ...] | None:
    """The elements of an array of at most `count_max`."""
    if value is None or value.tag is not Tag.ARRAY or len(value.value) > count_max:
        return None
    held: tuple[Data, ...] = value.value
    return held


def structures(value: Data | None, count_max: int, *tags: Tag | Tags) -> list[tuple[Any, ...]] | None:
    """The plain members of every structure in an array of at most `count_max` of them."""
    held = elements(value, count_max)
    if held is None:
        return None
    rows = [members(element, *tags) for element in held]
    return None if None in rows else [row for row in rows if row is not None]


def logical_name(octets: bytes) -> Obis | None:
    """Six octets as a logical name."""
    return Obis(octets) if len(octets) == 6 else None


def is_zero(value: Data | None) -> bool:
    """True for integer(0), which methods without parameters take, and for none at all, which some clients send [A]."""
    return value is None or (value.tag is Tag.INTEGER and value.value == 0)

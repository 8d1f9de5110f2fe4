"""Structures that several classes share.

Source: docs/protocols/cosem-objects.md §1.
"""

from __future__ import annotations

from typing import Final

from hes.dlms.cosem.units import UNITS
from hes.dlms.cosem.value_types import (
    ANYTHING,
    CLASS_ID,
    DATE_TIME,
    I8,
    LOGICAL_NAME,
    NULL,
    OCTETS,
    U8,
    U16,
    Meaning,
    ValueType,
    array,
    bit_string,
    choice,
    enum,
    of,
    struct,
)
from hes.dlms.data import Tag

UNIT: Final = ValueType(frozenset({Tag.ENUM}), words=UNITS)
SCALER_UNIT: Final = struct(("scaler", I8), ("unit", UNIT))
CAPTURE_OBJECT: Final = struct(
    ("class", CLASS_ID), ("logical name", LOGICAL_NAME), ("attribute", I8), ("data index", U16)
)
OBJECT: Final = struct(("class", CLASS_ID), ("logical name", LOGICAL_NAME))
ATTRIBUTE: Final = struct(("class", CLASS_ID), ("logical name", LOGICAL_NAME), ("attribute", I8))
SCRIPT: Final = struct(("script table", LOGICAL_NAME), ("selector", U16))
WINDOW: Final = struct(("start", DATE_TIME), ("end", DATE_TIME))

_NUMBERS: Final = (
    Tag.INTEGER, Tag.LONG, Tag.DOUBLE_LONG, Tag.LONG64, Tag.UNSIGNED, Tag.LONG_UNSIGNED, Tag.DOUBLE_LONG_UNSIGNED,
    Tag.LONG64_UNSIGNED, Tag.FLOAT32, Tag.FLOAT64,
)  # fmt: skip
NUMBER: Final = of(*_NUMBERS)
REGISTER_VALUE: Final = of(
    Tag.NULL, Tag.BIT_STRING, Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING, Tag.BCD, *_NUMBERS
)
STATUS: Final = of(
    Tag.NULL, Tag.BIT_STRING, Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING, Tag.UNSIGNED, Tag.LONG_UNSIGNED,
    Tag.DOUBLE_LONG_UNSIGNED, Tag.LONG64_UNSIGNED,
)  # fmt: skip

BAUD: Final = enum(_300=0, _600=1, _1200=2, _2400=3, _4800=4, _9600=5, _19200=6, _38400=7, _57600=8, _115200=9)

# restriction of a captured or pushed attribute: by date, by entry, or none
_BY_DATE: Final = struct(("from", DATE_TIME), ("to", DATE_TIME))
_BY_ENTRY: Final = struct(("from", U16), ("to", U16))
RESTRICTION: Final = struct(("type", enum(none=0, by_date=1, by_entry=2)), ("value", choice(NULL, _BY_DATE, _BY_ENTRY)))

# protection parameters of push and data protection: key info by identification, wrapping or agreement
_KEY_OPTIONS: Final = choice(
    struct(("key id", enum(global_unicast_encryption=0, global_broadcast_encryption=1))),
    struct(("KEK id", enum(master_key=0)), ("wrapped key", of(Tag.OCTET_STRING, meaning=Meaning.SECRET))),
    struct(("parameters", OCTETS), ("ciphered data", OCTETS)),
    NULL,
)
PROTECTION_PARAMETERS: Final = array(
    struct(
        ("type", enum(authentication=0, encryption=1, authentication_and_encryption=2, digital_signature=3)),
        (
            "options",
            struct(
                ("transaction id", OCTETS),
                ("originator system title", OCTETS),
                ("recipient system title", OCTETS),
                ("other information", OCTETS),
                ("key info", struct(("type", enum(identified=0, wrapped=1, agreed=2)), ("options", _KEY_OPTIONS))),
            ),
        ),
    )
)

CLOCK_STATUS: Final = ValueType(
    frozenset({Tag.UNSIGNED}),
    words={0: "invalid value", 1: "doubtful value", 2: "different clock base", 3: "invalid status", 7: "summer time"},
    meaning=Meaning.FLAGS,
)
REQUIRED_PROTECTION: Final = ValueType(
    frozenset({Tag.ENUM}),
    words={
        2: "authenticated request", 3: "encrypted request", 4: "signed request",
        5: "authenticated response", 6: "encrypted response", 7: "signed response",
    },
    meaning=Meaning.FLAGS,
)  # fmt: skip
WEEKDAYS: Final = bit_string(7, Monday=0, Tuesday=1, Wednesday=2, Thursday=3, Friday=4, Saturday=5, Sunday=6)

__all__ = [
    "ANYTHING", "ATTRIBUTE", "BAUD", "CAPTURE_OBJECT", "CLOCK_STATUS", "NUMBER", "OBJECT", "PROTECTION_PARAMETERS",
    "REGISTER_VALUE", "REQUIRED_PROTECTION", "RESTRICTION", "SCALER_UNIT", "SCRIPT", "STATUS", "U8", "UNIT", "WEEKDAYS",
    "WINDOW",
]  # fmt: skip

"""Data, registers, profiles and tables: classes 1, 3 to 7, 26, 61 to 63, 66.

Source: docs/protocols/cosem-objects.md §1, §7.
"""

from __future__ import annotations

from typing import Final

from hes.dlms.cosem.classes.declaration import InterfaceClass, changed, declare
from hes.dlms.cosem.classes.shapes import (
    CAPTURE_OBJECT,
    OBJECT,
    REGISTER_VALUE,
    RESTRICTION,
    SCALER_UNIT,
    STATUS,
)
from hes.dlms.cosem.value_types import (
    ANYTHING,
    CLASS_ID,
    DATE_TIME,
    I8,
    LOGICAL_NAME,
    OCTETS,
    U8,
    U16,
    U32,
    U64,
    array,
    choice,
    enum,
    of,
    struct,
)
from hes.dlms.data import Tag

DATA: Final = declare(1, 0, "Data", [("value", ANYTHING)])

REGISTER: Final = declare(3, 0, "Register", [("value", REGISTER_VALUE), ("scaler_unit", SCALER_UNIT)], ["reset"])

EXTENDED_REGISTER: Final = declare(
    4,
    0,
    "Extended register",
    [("value", REGISTER_VALUE), ("scaler_unit", SCALER_UNIT), ("status", STATUS), ("capture_time", DATE_TIME)],
    ["reset"],
)

DEMAND_REGISTER: Final = declare(
    5,
    0,
    "Demand register",
    [
        ("current_average_value", REGISTER_VALUE),
        ("last_average_value", REGISTER_VALUE),
        ("scaler_unit", SCALER_UNIT),
        ("status", STATUS),
        ("capture_time", DATE_TIME),
        ("start_time_current", DATE_TIME),
        ("period", U32),
        ("number_of_periods", U16),
    ],
    ["reset", "next_period"],
)

_MASK: Final = struct(("mask name", OCTETS), ("indices", array(U8)))
REGISTER_ACTIVATION: Final = declare(
    6,
    0,
    "Register activation",
    [("register_assignment", array(OBJECT)), ("mask_list", array(_MASK)), ("active_mask", OCTETS)],
    [("add_register", OBJECT), ("add_mask", _MASK), ("delete_mask", OCTETS)],
)

_SORT_METHOD: Final = enum(FIFO=1, LIFO=2, largest=3, smallest=4, nearest_to_zero=5, farthest_from_zero=6)
_OLD_CAPTURE_OBJECT: Final = struct(("logical name", LOGICAL_NAME), ("class", CLASS_ID), ("attribute", I8))
PROFILE_GENERIC: Final = declare(
    7,
    1,
    "Profile generic",
    [
        ("buffer", array(ANYTHING)),
        ("capture_objects", array(CAPTURE_OBJECT)),
        ("capture_period", U32),
        ("sort_method", _SORT_METHOD),
        ("sort_object", CAPTURE_OBJECT),
        ("entries_in_use", U32),
        ("profile_entries", U32),
    ],
    ["reset", "capture"],
)
PROFILE_GENERIC_0: Final = changed(
    PROFILE_GENERIC,
    0,
    [("capture_objects", array(_OLD_CAPTURE_OBJECT)), ("sort_object", _OLD_CAPTURE_OBJECT)],
    [("get_buffer_by_range", ANYTHING), ("get_buffer_by_index", ANYTHING)],
)

UTILITY_TABLES: Final = declare(26, 0, "Utility tables", [("table_ID", U16), ("length", U32), ("buffer", OCTETS)])

_CELL_DEFINITION: Final = struct(
    ("class", CLASS_ID), ("logical name", LOGICAL_NAME), ("group E values", array(U8)), ("attribute", I8)
)
REGISTER_TABLE: Final = declare(
    61,
    0,
    "Register table",
    [
        ("table_cell_values", array(ANYTHING)),
        ("table_cell_definition", _CELL_DEFINITION),
        ("scaler_unit", SCALER_UNIT),
    ],
    ["reset", "capture"],
)

COMPACT_DATA_0: Final = declare(
    62,
    0,
    "Compact data",
    [
        ("compact_buffer", OCTETS),
        ("capture_objects", array(CAPTURE_OBJECT)),
        ("template_id", U8),
        ("template_description", OCTETS),
        ("capture_method", enum(capture_on_invoking=0, implicit_capture=1)),
    ],
    ["reset", "capture"],
)
_COMPACT_CAPTURE_OBJECT: Final = struct(
    ("class", CLASS_ID),
    ("logical name", LOGICAL_NAME),
    ("attribute", I8),
    ("data index", U16),
    ("restriction", RESTRICTION),
    ("columns", array(CAPTURE_OBJECT)),
)
COMPACT_DATA: Final = changed(
    COMPACT_DATA_0, 1, [("capture_objects", array(choice(_COMPACT_CAPTURE_OBJECT, CAPTURE_OBJECT)))]
)

STATUS_MAPPING: Final = declare(
    63,
    0,
    "Status mapping",
    [
        ("status_word", STATUS),
        ("mapping_table", struct(("table id", U8), ("mapping", choice(U16, array(U16))))),
    ],
)

WAVEFORM: Final = declare(
    66,
    0,
    "Measurement data monitoring objects",
    [
        ("waveform_data", array(ANYTHING)),
        ("trigger_time", U64),
        ("trigger_source", struct(("origin", enum(remote=0, local_script=1)), ("cause", U16))),
        ("status", of(Tag.ENUM)),
        ("sampling_rate", U32),
        ("number_of_samples_before_trigger", U32),
        ("number_of_samples_after_trigger", U32),
        ("scaler_unit", SCALER_UNIT),
    ],
    [("reset", ANYTHING), ("trigger", ANYTHING)],
)

CLASSES: Final[tuple[InterfaceClass, ...]] = (
    DATA, REGISTER, EXTENDED_REGISTER, DEMAND_REGISTER, REGISTER_ACTIVATION, PROFILE_GENERIC_0, PROFILE_GENERIC,
    UTILITY_TABLES, REGISTER_TABLE, COMPACT_DATA_0, COMPACT_DATA, STATUS_MAPPING, WAVEFORM,
)  # fmt: skip

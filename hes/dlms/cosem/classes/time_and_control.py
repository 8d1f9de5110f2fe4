"""Clock, schedules, calendars, and what acts on the load: classes 8 to 11, 18, 20 to 22, 67, 68, 70, 71.

Source: docs/protocols/cosem-objects.md §1 to §5.
"""

from __future__ import annotations

from typing import Final

from hes.dlms.cosem.classes.declaration import InterfaceClass, changed, declare
from hes.dlms.cosem.classes.shapes import (
    ATTRIBUTE,
    CLOCK_STATUS,
    REGISTER_VALUE,
    SCALER_UNIT,
    SCRIPT,
    STATUS,
    WEEKDAYS,
)
from hes.dlms.cosem.value_types import (
    ANYTHING,
    BITS,
    BOOLEAN,
    CLASS_ID,
    DATE,
    DATE_TIME,
    ENUM,
    I8,
    I16,
    LOGICAL_NAME,
    OCTETS,
    SIMPLE,
    TIME,
    U8,
    U16,
    U32,
    array,
    enum,
    struct,
)

CLOCK: Final = declare(
    8,
    0,
    "Clock",
    [
        ("time", DATE_TIME),
        ("time_zone", I16),
        ("status", CLOCK_STATUS),
        ("daylight_savings_begin", DATE_TIME),
        ("daylight_savings_end", DATE_TIME),
        ("daylight_savings_deviation", I8),
        ("daylight_savings_enabled", BOOLEAN),
        (
            "clock_base",
            enum(not_defined=0, internal_crystal=1, mains_50_Hz=2, mains_60_Hz=3, GPS=4, radio_controlled=5),
        ),
    ],
    [
        "adjust_to_quarter",
        "adjust_to_measuring_period",
        "adjust_to_minute",
        "adjust_to_preset_time",
        (
            "preset_adjusting_time",
            struct(("preset time", DATE_TIME), ("validity start", DATE_TIME), ("validity end", DATE_TIME)),
        ),
        ("shift_time", I16),
    ],
)

_ACTION: Final = struct(
    ("service", enum(write=1, execute=2)),
    ("class", CLASS_ID),
    ("logical name", LOGICAL_NAME),
    ("index", I8),
    ("parameter", ANYTHING),
)
SCRIPT_TABLE: Final = declare(
    9,
    0,
    "Script table",
    [("scripts", array(struct(("script", U16), ("actions", array(_ACTION)))))],
    [("execute", U16)],
)

_SCHEDULE_ENTRY: Final = struct(
    ("index", U16),
    ("enable", BOOLEAN),
    ("script table", LOGICAL_NAME),
    ("selector", U16),
    ("switch time", TIME),
    ("validity window", U16),
    ("weekdays", WEEKDAYS),
    ("special days", BITS),
    ("begin date", DATE),
    ("end date", DATE),
)
SCHEDULE: Final = declare(
    10,
    0,
    "Schedule",
    [("entries", array(_SCHEDULE_ENTRY))],
    [
        ("enable_disable", struct(("first A", U16), ("last A", U16), ("first B", U16), ("last B", U16))),
        ("insert", _SCHEDULE_ENTRY),
        ("delete", struct(("first", U16), ("last", U16))),
    ],
)

_SPECIAL_DAY: Final = struct(("index", U16), ("date", DATE), ("day id", U8))
SPECIAL_DAYS: Final = declare(
    11, 0, "Special days table", [("entries", array(_SPECIAL_DAY))], [("insert", _SPECIAL_DAY), ("delete", U16)]
)

_IMAGE: Final = struct(("size", U32), ("identification", OCTETS), ("signature", OCTETS))
IMAGE_TRANSFER: Final = declare(
    18,
    0,
    "Image transfer",
    [
        ("image_block_size", U32),
        ("image_transferred_blocks_status", BITS),
        ("image_first_not_transferred_block_number", U32),
        ("image_transfer_enabled", BOOLEAN),
        (
            "image_transfer_status",
            enum(
                not_initiated=0, transfer_initiated=1, verification_initiated=2, verification_successful=3,
                verification_failed=4, activation_initiated=5, activation_successful=6, activation_failed=7,
            ),
        ),
        ("image_to_activate_info", array(_IMAGE)),
    ],
    [
        ("image_transfer_initiate", struct(("identifier", OCTETS), ("size", U32))),
        ("image_block_transfer", struct(("block number", U32), ("block", OCTETS))),
        "image_verify",
        "image_activate",
    ],
)  # fmt: skip

_SEASON: Final = struct(("season name", OCTETS), ("start", DATE_TIME), ("week name", OCTETS))
_WEEK: Final = struct(
    ("week name", OCTETS), ("Monday", U8), ("Tuesday", U8), ("Wednesday", U8), ("Thursday", U8), ("Friday", U8),
    ("Saturday", U8), ("Sunday", U8),
)  # fmt: skip
_DAY: Final = struct(
    ("day id", U8),
    ("actions", array(struct(("start time", TIME), ("script table", LOGICAL_NAME), ("selector", U16)))),
)
ACTIVITY_CALENDAR: Final = declare(
    20,
    0,
    "Activity calendar",
    [
        ("calendar_name_active", OCTETS),
        ("season_profile_active", array(_SEASON)),
        ("week_profile_table_active", array(_WEEK)),
        ("day_profile_table_active", array(_DAY)),
        ("calendar_name_passive", OCTETS),
        ("season_profile_passive", array(_SEASON)),
        ("week_profile_table_passive", array(_WEEK)),
        ("day_profile_table_passive", array(_DAY)),
        ("activate_passive_calendar_time", DATE_TIME),
    ],
    ["activate_passive_calendar"],
)

REGISTER_MONITOR: Final = declare(
    21,
    0,
    "Register monitor",
    [
        ("thresholds", array(SIMPLE)),
        ("monitored_value", ATTRIBUTE),
        ("actions", array(struct(("up", SCRIPT), ("down", SCRIPT)))),
    ],
)

SINGLE_ACTION_SCHEDULE: Final = declare(
    22,
    0,
    "Single action schedule",
    [
        ("executed_script", SCRIPT),
        (
            "type",
            enum(
                one_time_date_may_have_wildcards=1, same_times_exact_dates=2, same_times_dates_may_have_wildcards=3,
                any_times_exact_dates=4, any_times_dates_may_have_wildcards=5,
            ),
        ),
        ("execution_time", array(struct(("time", TIME), ("date", DATE)))),
    ],
)  # fmt: skip

SENSOR_MANAGER: Final = declare(
    67,
    0,
    "Sensor manager",
    [
        ("serial_number", OCTETS),
        ("metrological_identification", OCTETS),
        ("output_type", ENUM),
        ("adjustment_method", OCTETS),
        ("sealing_method", ENUM),
        ("raw_value", REGISTER_VALUE),
        ("scaler_unit", SCALER_UNIT),
        ("status", STATUS),
        ("capture_time", DATE_TIME),
        ("raw_value_thresholds", array(SIMPLE)),
        ("raw_value_actions", array(struct(("up", SCRIPT), ("down", SCRIPT)))),
        ("processed_value", ATTRIBUTE),
        ("processed_value_thresholds", array(SIMPLE)),
        ("processed_value_actions", array(struct(("up", SCRIPT), ("down", SCRIPT)))),
    ],
    [("reset", ANYTHING)],
)

ARBITRATOR: Final = declare(
    68,
    0,
    "Arbitrator",
    [
        ("actions", array(SCRIPT)),
        ("permissions_table", array(BITS)),
        ("weightings_table", array(array(U16))),
        ("most_recent_requests_table", array(BITS)),
        ("last_outcome", U8),
    ],
    [("request_action", struct(("actor", U8), ("actions", BITS))), "reset"],
)

DISCONNECT_CONTROL: Final = declare(
    70,
    0,
    "Disconnect control",
    [
        ("output_state", BOOLEAN),
        ("control_state", enum(disconnected=0, connected=1, ready_for_reconnection=2)),
        ("control_mode", ENUM),
    ],
    ["remote_disconnect", "remote_reconnect"],
)
DISCONNECT_CONTROL_1: Final = changed(DISCONNECT_CONTROL, 1)
DISCONNECT_CONTROL_2: Final = changed(DISCONNECT_CONTROL, 2)

LIMITER: Final = declare(
    71,
    0,
    "Limiter",
    [
        ("monitored_value", ATTRIBUTE),
        ("threshold_active", SIMPLE),
        ("threshold_normal", SIMPLE),
        ("threshold_emergency", SIMPLE),
        ("min_over_threshold_duration", U32),
        ("min_under_threshold_duration", U32),
        ("emergency_profile", struct(("id", U16), ("activation time", DATE_TIME), ("duration", U32))),
        ("emergency_profile_group_id_list", array(U16)),
        ("emergency_profile_active", BOOLEAN),
        ("actions", struct(("over threshold", SCRIPT), ("under threshold", SCRIPT))),
    ],
)

CLASSES: Final[tuple[InterfaceClass, ...]] = (
    CLOCK, SCRIPT_TABLE, SCHEDULE, SPECIAL_DAYS, IMAGE_TRANSFER, ACTIVITY_CALENDAR, REGISTER_MONITOR,
    SINGLE_ACTION_SCHEDULE, SENSOR_MANAGER, ARBITRATOR, DISCONNECT_CONTROL, DISCONNECT_CONTROL_1, DISCONNECT_CONTROL_2,
    LIMITER,
)  # fmt: skip

"""M-Bus and ZigBee: classes 25, 72 to 74, 76, 77, 101 to 104.

Source: docs/protocols/cosem-objects.md §1.
"""

from __future__ import annotations

from typing import Final

from hes.dlms.cosem.classes.declaration import InterfaceClass, changed, declare
from hes.dlms.cosem.classes.shapes import BAUD
from hes.dlms.cosem.value_types import (
    ANYTHING,
    BOOLEAN,
    DATE_TIME,
    ENUM,
    LOGICAL_NAME,
    OCTETS,
    SECRET,
    U8,
    U16,
    U32,
    array,
    enum,
    struct,
)

SLAVE_PORT: Final = declare(
    25,
    0,
    "M-Bus slave port setup",
    [
        ("default_baud", BAUD),
        ("avail_baud", BAUD),
        ("addr_state", enum(not_assigned=0, assigned=1)),
        ("bus_address", U8),
    ],
)

_KEY_STATUS: Final = enum(
    no_encryption_key=0, encryption_key_set=1, encryption_key_transferred=2,
    encryption_key_set_and_transferred=3, encryption_key_in_use=4,
)  # fmt: skip
_CAPTURE: Final = struct(("data information", OCTETS), ("value information", OCTETS))
_SEND: Final = array(struct(("data information", OCTETS), ("value information", OCTETS), ("data", ANYTHING)))
MBUS_CLIENT_0: Final = declare(
    72,
    0,
    "M-Bus client",
    [
        ("mbus_port_reference", LOGICAL_NAME),
        ("capture_definition", array(_CAPTURE)),
        ("capture_period", U32),
        ("primary_address", U8),
        ("identification_number", U32),
        ("manufacturer_id", U16),
        ("version", U8),
        ("device_type", U8),
        ("access_number", U8),
        ("status", U8),
        ("alarm", U8),
    ],
    [
        ("slave_install", ANYTHING),
        "slave_deinstall",
        "capture",
        "reset_alarm",
        "synchronize_clock",
        ("data_send", _SEND),
        ("set_encryption_key", SECRET),
        ("transfer_key", SECRET),
    ],
)
MBUS_CLIENT: Final = changed(
    MBUS_CLIENT_0, 1, [("configuration", U16), ("encryption_key_status", _KEY_STATUS)], [("slave_install", U8)]
)

MODE_Q_CHANNEL: Final = declare(
    73,
    1,
    "Wireless Mode Q channel",
    [
        ("addr_state", enum(not_assigned=0, assigned=1)),
        ("device_address", OCTETS),
        ("address_mask", OCTETS),
    ],
)

MASTER_PORT: Final = declare(74, 0, "M-Bus master port setup", [("comm_speed", BAUD)])

MBUS_DIAGNOSTIC: Final = declare(
    77,
    0,
    "M-Bus diagnostic",
    [
        ("received_signal_strength", U8),
        ("channel_id", U8),
        (
            "link_status",
            enum(
                none_or_unknown=0, normal=1, temporarily_interrupted=2, permanently_interrupted=3,
            ),
        ),
        ("broadcast_frames_counter", array(struct(("client id", U8), ("counter", U32), ("time stamp", DATE_TIME)))),
        ("transmissions_counter", U32),
        ("FCS_OK_frames_counter", U32),
        ("FCS_NOK_frames_counter", U32),
        ("capture_time", ANYTHING),
    ],
    ["reset"],
)  # fmt: skip

SAS_STARTUP: Final = declare(
    101,
    0,
    "ZigBee SAS startup",
    [
        ("short_address", U16),
        ("extended_pan_id", OCTETS),
        ("pan_id", U16),
        ("channel_mask", U32),
        ("protocol_version", U8),
        ("stack_profile", ENUM),
        ("start_up_control", U8),
        ("trust_center_address", OCTETS),
        ("link_key", SECRET),
        ("network_key", SECRET),
        ("use_insecure_join", BOOLEAN),
    ],
)
SAS_JOIN: Final = declare(
    102,
    0,
    "ZigBee SAS join",
    [("scan_attempts", U8), ("time_between_scans", U16), ("rejoin_interval", U16), ("rejoin_retry_interval", U16)],
)
SAS_FRAGMENTATION: Final = declare(
    103, 0, "ZigBee SAS APS fragmentation", [("aps_interframe_delay", U16), ("aps_max_window_size", U16)]
)
NETWORK_CONTROL: Final = declare(
    104,
    0,
    "ZigBee network control",
    [("enable_disable_joining", BOOLEAN), ("join_timeout", U16), ("active_devices", array(ANYTHING))],
    [
        (method, ANYTHING)
        for method in (
            "register_device", "unregister_device", "unregister_all_devices", "backup_PAN", "restore_PAN",
            "identify_device", "remove_mirror", "update_network_key", "update_link_key", "create_PAN", "remove_PAN",
        )
    ],
)  # fmt: skip

CLASSES: Final[tuple[InterfaceClass, ...]] = (
    SLAVE_PORT, MBUS_CLIENT_0, MBUS_CLIENT, MODE_Q_CHANNEL, MASTER_PORT, MBUS_DIAGNOSTIC, SAS_STARTUP, SAS_JOIN,
    SAS_FRAGMENTATION, NETWORK_CONTROL,
)  # fmt: skip

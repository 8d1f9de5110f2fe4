"""Payment metering: classes 111 to 113, 115, 116.

Source: docs/protocols/cosem-objects.md §1.
"""

from __future__ import annotations

from typing import Final

from hes.dlms.cosem.classes.declaration import InterfaceClass, declare
from hes.dlms.cosem.classes.shapes import ATTRIBUTE
from hes.dlms.cosem.value_types import (
    ANYTHING,
    DATE_TIME,
    I8,
    I16,
    I32,
    LOGICAL_NAME,
    OCTETS,
    TEXT,
    U8,
    U16,
    U32,
    VISIBLE,
    array,
    bit_string,
    enum,
    struct,
)

_CREDIT_CHARGE: Final = struct(
    ("credit", LOGICAL_NAME),
    ("charge", LOGICAL_NAME),
    ("collection", bit_string(collect_when_disconnected=0, collect_in_load_limiting=1, collect_in_friendly_credit=2)),
)
ACCOUNT: Final = declare(
    111,
    0,
    "Account",
    [
        (
            "account_mode_and_status",
            struct(
                ("mode", enum(credit=1, prepayment=2)), ("status", enum(new_inactive=1, active=2, closed=3))
            ),
        ),
        ("current_credit_in_use", U8),
        (
            "current_credit_status",
            bit_string(
                in_credit=0, low_credit=1, next_credit_enabled=2, next_credit_selectable=3, next_credit_selected=4,
                selectable_credit_in_use=5, out_of_credit=6, reserved=7,
            ),
        ),
        ("available_credit", I32),
        ("amount_to_clear", I32),
        ("clearance_threshold", I32),
        ("aggregated_debt", I32),
        ("credit_reference_list", array(LOGICAL_NAME)),
        ("charge_reference_list", array(LOGICAL_NAME)),
        ("credit_charge_configuration", array(_CREDIT_CHARGE)),
        ("token_gateway_configuration", array(struct(("credit", LOGICAL_NAME), ("proportion", U8)))),
        ("account_activation_time", DATE_TIME),
        ("account_closure_time", DATE_TIME),
        ("currency", struct(("name", TEXT), ("scale", I8), ("unit", enum(time=0, consumption=1, monetary=2)))),
        ("low_credit_threshold", I32),
        ("next_credit_available_threshold", I32),
        ("max_provision", U16),
        ("max_provision_period", I32),
    ],
    ["activate_account", "close_account", "reset_account"],
)  # fmt: skip

CREDIT: Final = declare(
    112,
    0,
    "Credit",
    [
        ("current_credit_amount", I32),
        ("credit_type", enum(token=0, reserved=1, emergency=2, time_based=3, consumption_based=4)),
        ("priority", U8),
        ("warning_threshold", I32),
        ("limit", I32),
        (
            "credit_configuration",
            bit_string(
                requires_visual_indication=0, requires_confirmation=1, requires_repayment=2, resettable=3,
                able_to_receive_from_tokens=4,
            ),
        ),
        ("credit_status", enum(enabled=0, selectable=1, selected=2, in_use=3, exhausted=4)),
        ("preset_credit_amount", I32),
        ("credit_available_threshold", I32),
        ("period", DATE_TIME),
    ],
    [("update_amount", I32), ("set_amount_to_value", I32), "invoke_credit"],
)  # fmt: skip

_UNIT_CHARGE: Final = struct(
    ("scaling", struct(("commodity scale", I8), ("price scale", I8))),
    ("commodity", ATTRIBUTE),
    ("table", array(struct(("index", OCTETS), ("charge per unit", I16)))),
)
CHARGE: Final = declare(
    113,
    0,
    "Charge",
    [
        ("total_amount_paid", I32),
        ("charge_type", enum(consumption_based=0, time_based=1, payment_event_based=2)),
        ("priority", U8),
        ("unit_charge_active", _UNIT_CHARGE),
        ("unit_charge_passive", _UNIT_CHARGE),
        ("unit_charge_activation_time", DATE_TIME),
        ("period", U32),
        ("charge_configuration", bit_string(percentage_based_collection=0, continuous_collection=1)),
        ("last_collection_time", DATE_TIME),
        ("last_collection_amount", I32),
        ("total_amount_remaining", I32),
        ("proportion", U16),
    ],
    [
        ("update_unit_charge", ANYTHING),
        "activate_passive_unit_charge",
        "collect",
        ("update_total_amount_remaining", I32),
        ("set_total_amount_remaining", I32),
    ],
)

TOKEN_GATEWAY: Final = declare(
    115,
    0,
    "Token gateway",
    [
        ("token", OCTETS),
        ("token_time", DATE_TIME),
        ("token_description", array(OCTETS)),
        ("token_delivery_method", enum(remote=0, local=1, manual=2)),
        (
            "token_status",
            struct(
                (
                    "status",
                    enum(
                        format_OK=0, authentication_OK=1, validation_OK=2, token_executed=3, format_failure=4,
                        authentication_failure=5, validation_failure=6, execution_failure=7, received=8,
                    ),
                ),
                ("data", bit_string()),
            ),
        ),
    ],
    [("enter", OCTETS)],
)  # fmt: skip

STS_ATTRIBUTES: Final = declare(
    116,
    0,
    "IEC 62055-41 attributes",
    [
        ("meter_pan", ANYTHING),
        ("commodity", VISIBLE),
        ("token_carrier_types", array(ANYTHING)),
        ("encryption_algorithm", U8),
        ("supply_group_code", U32),
        ("tariff_index", U8),
        ("key_revision_number", U8),
        ("key_type", U8),
        ("key_expiry_number", U8),
        ("no_of_kct_supported", U8),
        ("sts_certificate_no", VISIBLE),
    ],
)

CLASSES: Final[tuple[InterfaceClass, ...]] = (ACCOUNT, CREDIT, CHARGE, TOKEN_GATEWAY, STS_ATTRIBUTES)

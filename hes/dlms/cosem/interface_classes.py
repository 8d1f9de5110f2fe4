"""What each COSEM interface class is made of: names of attributes and methods by their index.

Both roles read this table: the server checks indices against it, the client and the inspector name what they see.
`CLASSES` holds the classes this project works with or has to name; a class that is not here is shown by its number.

Source: docs/protocols/cosem-objects.md §1; attribute order [V] unless a comment says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class InterfaceClass:
    """One class in one version.

    attributes, methods: names in order; index 1 is the first (attribute 1 is always logical_name).
    """

    class_id: int
    version: int
    name: str
    attributes: tuple[str, ...]
    methods: tuple[str, ...] = ()

    def attribute_index(self, name: str) -> int:
        """1-based index of the attribute of that name; ValueError when there is none."""
        return self.attributes.index(name) + 1

    def method_index(self, name: str) -> int:
        """1-based index of the method of that name; ValueError when there is none."""
        return self.methods.index(name) + 1


def _declare(class_id: int, version: int, name: str, attributes: str, methods: str = "") -> InterfaceClass:
    return InterfaceClass(class_id, version, name, ("logical_name", *attributes.split()), tuple(methods.split()))


DATA: Final = _declare(1, 0, "Data", "value")
REGISTER: Final = _declare(3, 0, "Register", "value scaler_unit", "reset")
EXTENDED_REGISTER: Final = _declare(4, 0, "Extended register", "value scaler_unit status capture_time", "reset")
DEMAND_REGISTER: Final = _declare(
    5,
    0,
    "Demand register",
    "current_average_value last_average_value scaler_unit status capture_time start_time_current period "
    "number_of_periods",
    "reset next_period",
)
PROFILE_GENERIC: Final = _declare(
    7,
    1,
    "Profile generic",
    "buffer capture_objects capture_period sort_method sort_object entries_in_use profile_entries",
    "reset capture",
)
CLOCK: Final = _declare(
    8,
    0,
    "Clock",
    "time time_zone status daylight_savings_begin daylight_savings_end daylight_savings_deviation "
    "daylight_savings_enabled clock_base",
    "adjust_to_quarter adjust_to_measuring_period adjust_to_minute adjust_to_preset_time preset_adjusting_time "
    "shift_time",
)
_ASSOCIATION_LN_0 = (
    "object_list associated_partners_id application_context_name xDLMS_context_info authentication_mechanism_name "
    "secret association_status"
)
_ASSOCIATION_LN_METHODS = "reply_to_HLS_authentication change_HLS_secret add_object remove_object"
ASSOCIATION_LN: Final = _declare(
    15, 1, "Association LN", _ASSOCIATION_LN_0 + " security_setup_reference", _ASSOCIATION_LN_METHODS
)
ASSOCIATION_SN: Final = _declare(
    12,
    2,
    "Association SN",
    "object_list access_rights_list security_setup_reference",
    "getlist_by_classid getobj_by_logicalname read_by_logicalname get_attributes&methods change_secret "
    "change_HLS_secret get_HLS_challenge reply_to_HLS_authentication",
)
SAP_ASSIGNMENT: Final = _declare(17, 0, "SAP assignment", "SAP_assignment_list", "connect_logical_device")
SECURITY_SETUP: Final = _declare(
    64,
    0,
    "Security setup",
    "security_policy security_suite client_system_title server_system_title",
    "security_activate global_key_transfer",
)
SECURITY_SETUP_1: Final = _declare(
    64,
    1,
    "Security setup",
    "security_policy security_suite client_system_title server_system_title certificates",
    "security_activate key_transfer key_agreement generate_key_pair generate_certificate_request "
    "import_certificate export_certificate remove_certificate",
)
DISCONNECT_CONTROL: Final = _declare(
    70, 0, "Disconnect control", "output_state control_state control_mode", "remote_disconnect remote_reconnect"
)

# Named for the inspector and the object list; the server side of these comes with the features that need them.
_NAMED: Final = (
    _declare(
        6,
        0,
        "Register activation",
        "register_assignment mask_list active_mask",
        "add_register add_mask delete_mask",
    ),
    _declare(9, 0, "Script table", "scripts", "execute"),
    _declare(10, 0, "Schedule", "entries", "enable_disable insert delete"),
    _declare(11, 0, "Special days table", "entries", "insert delete"),
    _declare(15, 0, "Association LN", _ASSOCIATION_LN_0, _ASSOCIATION_LN_METHODS),
    _declare(
        15,
        2,
        "Association LN",
        _ASSOCIATION_LN_0 + " security_setup_reference user_list current_user",
        _ASSOCIATION_LN_METHODS + " add_user remove_user",
    ),
    _declare(
        15,
        3,
        "Association LN",
        _ASSOCIATION_LN_0 + " security_setup_reference user_list current_user",
        _ASSOCIATION_LN_METHODS + " add_user remove_user",
    ),
    _declare(
        18,
        0,
        "Image transfer",
        "image_block_size image_transferred_blocks_status image_first_not_transferred_block_number "
        "image_transfer_enabled image_transfer_status image_to_activate_info",
        "image_transfer_initiate image_block_transfer image_verify image_activate",
    ),
    _declare(
        19,
        1,
        "IEC local port setup",
        "default_mode default_baud prop_baud response_time device_addr pass_p1 pass_p2 pass_w5",
    ),
    _declare(
        20,
        0,
        "Activity calendar",
        "calendar_name_active season_profile_active week_profile_table_active day_profile_table_active "
        "calendar_name_passive season_profile_passive week_profile_table_passive day_profile_table_passive "
        "activate_passive_calendar_time",
        "activate_passive_calendar",
    ),
    _declare(21, 0, "Register monitor", "thresholds monitored_value actions"),
    _declare(22, 0, "Single action schedule", "executed_script type execution_time"),
    # attributes of class 23: [M]
    _declare(
        23,
        1,
        "IEC HDLC setup",
        "comm_speed window_size_transmit window_size_receive max_info_field_length_transmit "
        "max_info_field_length_receive inter_octet_time_out inactivity_time_out device_address",
    ),
    _declare(27, 1, "Modem configuration", "comm_speed initialization_string modem_profile"),
    _declare(
        28,
        2,
        "Auto answer",
        "mode listening_window status number_of_calls number_of_rings list_of_allowed_callers",
    ),
    _declare(29, 2, "Auto connect", "mode repetitions repetition_delay calling_window destination_list", "connect"),
    _declare(
        40,
        0,
        "Push setup",
        "push_object_list send_destination_and_method communication_window randomisation_start_interval "
        "number_of_retries repetition_delay",
        "push",
    ),
    _declare(41, 0, "TCP-UDP setup", "TCP-UDP_port IP_reference MSS nb_of_sim_conn inactivity_time_out"),
    _declare(
        42,
        0,
        "IPv4 setup",
        "DL_reference IP_address multicast_IP_address IP_options subnet_mask gateway_IP_address use_DHCP_flag "
        "primary_DNS_address secondary_DNS_address",
        "add_mc_IP_address delete_mc_IP_address get_nbof_mc_IP_addresses",
    ),
    _declare(43, 0, "MAC address setup", "MAC_address"),
    _declare(44, 0, "PPP setup", "PHY_reference LCP_options IPCP_options PPP_authentication"),
    _declare(45, 0, "GPRS modem setup", "APN PIN_code quality_of_service"),
    _declare(
        47,
        0,
        "GSM diagnostic",
        "operator status cs_attachment ps_status cell_info adjacent_cells capture_time",
    ),
    _declare(
        61,
        0,
        "Register table",
        "table_cell_values table_cell_definition scaler_unit",
        "reset capture",
    ),
    _declare(
        68,
        0,
        "Arbitrator",
        "actions permissions_table weightings_table most_recent_requests_table last_outcome",
        "request_action reset",
    ),
    _declare(
        71,
        0,
        "Limiter",
        "monitored_value threshold_active threshold_normal threshold_emergency min_over_threshold_duration "
        "min_under_threshold_duration emergency_profile emergency_profile_group_id_list emergency_profile_active "
        "actions",
    ),
    _declare(
        72,
        1,
        "M-Bus client",
        "mbus_port_reference capture_definition capture_period primary_address identification_number "
        "manufacturer_id version device_type access_number status alarm configuration encryption_key_status",
        "slave_install slave_deinstall capture reset_alarm synchronize_clock data_send set_encryption_key transfer_key",
    ),
    _declare(
        111,
        0,
        "Account",
        "account_mode_and_status current_credit_in_use current_credit_status available_credit amount_to_clear "
        "clearance_threshold aggregated_debt credit_reference_list charge_reference_list "
        "credit_charge_configuration token_gateway_configuration account_activation_time account_closure_time "
        "currency low_credit_threshold next_credit_available_threshold max_provision max_provision_period",
        "activate_account close_account reset_account",
    ),
    _declare(
        112,
        0,
        "Credit",
        "current_credit_amount credit_type priority warning_threshold limit credit_configuration credit_status "
        "preset_credit_amount credit_available_threshold period",
        "update_amount set_amount_to_value invoke_credit",
    ),
    _declare(
        115,
        0,
        "Token gateway",
        "token token_time token_description token_delivery_method token_status",
        "enter",
    ),
)

CLASSES: Final[dict[tuple[int, int], InterfaceClass]] = {
    (declared.class_id, declared.version): declared
    for declared in (
        DATA,
        REGISTER,
        EXTENDED_REGISTER,
        DEMAND_REGISTER,
        PROFILE_GENERIC,
        CLOCK,
        ASSOCIATION_LN,
        ASSOCIATION_SN,
        SAP_ASSIGNMENT,
        SECURITY_SETUP,
        SECURITY_SETUP_1,
        DISCONNECT_CONTROL,
        *_NAMED,
    )
}

_NEWEST: Final[dict[int, InterfaceClass]] = {
    class_id: CLASSES[class_id, version] for class_id, version in sorted(CLASSES)
}


def interface_class(class_id: int, version: int | None = None) -> InterfaceClass | None:
    """The class in that version, or in the newest version known here; None when it is not in the table."""
    return _NEWEST.get(class_id) if version is None else CLASSES.get((class_id, version))


def name_of(class_id: int, attribute: int, version: int | None = None) -> str:
    """Name of an attribute for people: "Register.value", or "class 9999 attribute 3" when it is not known."""
    known = interface_class(class_id, version)
    if known is None:
        return f"class {class_id} attribute {attribute}"
    if not 1 <= attribute <= len(known.attributes):
        return f"{known.name} attribute {attribute}"
    return f"{known.name}.{known.attributes[attribute - 1]}"


def name_of_method(class_id: int, method: int, version: int | None = None) -> str:
    """Name of a method for people: "Disconnect control.remote_reconnect", or by numbers when it is not known."""
    known = interface_class(class_id, version)
    if known is None:
        return f"class {class_id} method {method}"
    if not 1 <= method <= len(known.methods):
        return f"{known.name} method {method}"
    return f"{known.name}.{known.methods[method - 1]}"

"""Interface classes by number, also those that the table does not hold yet."""

from __future__ import annotations

from typing import Final

from hes.dlms.cosem.interface_classes import CLASSES, InterfaceClass

_PUSH_0: Final = CLASSES[40, 0]


def _more(class_id: int, version: int, name: str, attributes: str, methods: str = "") -> InterfaceClass:
    return InterfaceClass(class_id, version, name, ("logical_name", *attributes.split()), tuple(methods.split()))


_MORE: Final = (
    _more(
        40,
        1,
        "Push setup",
        " ".join((*_PUSH_0.attributes[1:], "port_reference push_client_SAP push_protection_parameters")),
        "push",
    ),
    _more(
        40,
        2,
        "Push setup",
        " ".join(
            (
                *_PUSH_0.attributes[1:],
                "port_reference push_client_SAP push_protection_parameters push_operation_method "
                "confirmation_parameters last_confirmation_date_time",
            )
        ),
        "push reset",
    ),
    _more(
        62,
        0,
        "Compact data",
        "compact_buffer capture_objects template_id template_description capture_method",
        "reset capture",
    ),
    _more(
        62,
        1,
        "Compact data",
        "compact_buffer capture_objects template_id template_description capture_method",
        "reset capture",
    ),
    _more(63, 0, "Status mapping", "status_word mapping_table"),
    _more(
        65,
        0,
        "Parameter monitor",
        "changed_parameter capture_time parameter_list",
        "add_parameter delete_parameter",
    ),
    _more(
        113,
        0,
        "Charge",
        "total_amount_paid charge_type priority unit_charge_active unit_charge_passive unit_charge_activation_time "
        "period charge_configuration last_collection_time last_collection_amount total_amount_remaining proportion",
        "update_unit_charge activate_passive_unit_charge collect update_total_amount_remaining "
        "set_total_amount_remaining",
    ),
    _more(
        122,
        0,
        "Function control",
        "activation_status function_list",
        "set_function_status add_function remove_function",
    ),
    _more(
        123,
        0,
        "Array manager",
        "array_object_list",
        "retrieve_number_of_entries retrieve_entries insert_entry update_entry remove_entries",
    ),
    _more(
        124,
        0,
        "Communication port protection",
        "protection_mode allowed_failed_attempts initial_lockout_time steepness_factor max_lockout_time "
        "port_reference protection_status failed_attempts cumulative_failed_attempts",
        "reset",
    ),
)
_TABLE: Final = {(declared.class_id, declared.version): declared for declared in _MORE} | CLASSES


def declared_class(class_id: int, version: int) -> InterfaceClass:
    """Raises KeyError for a class that nobody declared."""
    return _TABLE[class_id, version]

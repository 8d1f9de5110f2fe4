"""Associations, security and what guards access: classes 12, 15, 17, 30, 64, 65, 122 to 124.

Source: docs/protocols/cosem-objects.md §1; docs/protocols/dlms-application.md §5.
"""

from __future__ import annotations

from typing import Final

from hes.dlms.cosem.classes.declaration import InterfaceClass, changed, declare
from hes.dlms.cosem.classes.shapes import ATTRIBUTE, OBJECT, PROTECTION_PARAMETERS, REQUIRED_PROTECTION
from hes.dlms.cosem.value_types import (
    ANYTHING,
    BOOLEAN,
    CLASS_ID,
    DATE_TIME,
    I8,
    I16,
    LOGICAL_NAME,
    NULL,
    OCTETS,
    SECRET,
    TEXT,
    U8,
    U16,
    U32,
    Meaning,
    ValueType,
    array,
    bit_string,
    choice,
    enum,
    flags,
    octets,
    struct,
)
from hes.dlms.data import Tag

_MODES_0: Final = enum(no_access=0, read=1, write=2, read_and_write=3)
_MODES: Final = enum(
    no_access=0, read=1, write=2, read_and_write=3, authenticated_read=4, authenticated_write=5,
    authenticated_read_and_write=6,
)  # fmt: skip
_MODES_3: Final = flags(
    Tag.ENUM, read=0, write=1, authenticated_request=2, encrypted_request=3, signed_request=4,
    authenticated_response=5, encrypted_response=6, signed_response=7,
)  # fmt: skip
_METHOD_MODES: Final = enum(no_access=0, access=1, authenticated_access=2)
_METHOD_MODES_3: Final = flags(
    Tag.ENUM, access=0, authenticated_request=2, encrypted_request=3, signed_request=4,
    authenticated_response=5, encrypted_response=6, signed_response=7,
)  # fmt: skip


def _object_element(attribute_mode: ValueType, method_mode: ValueType) -> ValueType:
    attribute = struct(("attribute", I8), ("access", attribute_mode), ("selectors", choice(NULL, array(I8))))
    method = struct(("method", I8), ("access", method_mode))
    rights = struct(("attributes", array(attribute)), ("methods", array(method)))
    return struct(("class", CLASS_ID), ("version", U8), ("logical name", LOGICAL_NAME), ("access rights", rights))


_NAME: Final = choice(  # an object identifier as seven numbers, or as its octets
    struct(
        ("joint-iso-ctt", U8), ("country", U8), ("country name", U16), ("organization", U8), ("DLMS UA", U8),
        ("kind", U8), ("id", U8),
    ),
    octets(7),
)  # fmt: skip
_PARTNERS: Final = struct(("client SAP", I8), ("server SAP", U16))
_CONTEXT_INFO: Final = struct(
    ("conformance", bit_string(24)),
    ("max receive PDU size", U16),
    ("max send PDU size", U16),
    ("DLMS version", U8),
    ("quality of service", I8),
    ("ciphering info", OCTETS),
)
_STATUS: Final = enum(non_associated=0, association_pending=1, associated=2)
_USER: Final = struct(("id", U8), ("name", TEXT))

_ELEMENT_0: Final = _object_element(_MODES_0, BOOLEAN)
_ELEMENT_1: Final = _object_element(_MODES, _METHOD_MODES)
_ELEMENT_3: Final = _object_element(_MODES_3, _METHOD_MODES_3)
ASSOCIATION_LN_0: Final = declare(
    15,
    0,
    "Association LN",
    [
        ("object_list", array(_ELEMENT_0)),
        ("associated_partners_id", _PARTNERS),
        ("application_context_name", _NAME),
        ("xDLMS_context_info", _CONTEXT_INFO),
        ("authentication_mechanism_name", _NAME),
        ("secret", SECRET),
        ("association_status", _STATUS),
    ],
    [
        ("reply_to_HLS_authentication", OCTETS),
        ("change_HLS_secret", SECRET),
        ("add_object", _ELEMENT_0),
        ("remove_object", _ELEMENT_0),
    ],
)
ASSOCIATION_LN: Final = changed(
    ASSOCIATION_LN_0,
    1,
    [("object_list", array(_ELEMENT_1)), ("security_setup_reference", octets(0, 6, meaning=Meaning.LOGICAL_NAME))],
    [("add_object", _ELEMENT_1), ("remove_object", _ELEMENT_1)],
)
ASSOCIATION_LN_2: Final = changed(
    ASSOCIATION_LN,
    2,
    [("user_list", array(_USER)), ("current_user", _USER)],
    [("add_user", _USER), ("remove_user", _USER)],
)
ASSOCIATION_LN_3: Final = changed(
    ASSOCIATION_LN_2,
    3,
    [("object_list", array(_ELEMENT_3))],
    [("add_object", _ELEMENT_3), ("remove_object", _ELEMENT_3)],
)

_SN_ELEMENT: Final = struct(("base name", I16), ("class", CLASS_ID), ("version", U8), ("logical name", LOGICAL_NAME))
_SN_RIGHTS: Final = struct(
    ("base name", I16),
    ("attributes", array(struct(("attribute", I8), ("access", _MODES), ("selectors", choice(NULL, array(I8)))))),
    ("methods", array(struct(("method", I8), ("access", _METHOD_MODES)))),
)
ASSOCIATION_SN_0: Final = declare(
    12,
    0,
    "Association SN",
    [("object_list", array(_SN_ELEMENT))],
    [
        ("getlist_by_classid", ANYTHING),
        ("getobj_by_logicalname", ANYTHING),
        ("read_by_logicalname", ANYTHING),
        ("get_attributes&methods", ANYTHING),
        ("change_secret", SECRET),
        ("change_HLS_secret", SECRET),
        ("get_HLS_challenge", ANYTHING),
        ("reply_to_HLS_authentication", OCTETS),
    ],
)
ASSOCIATION_SN_1: Final = changed(ASSOCIATION_SN_0, 1)
ASSOCIATION_SN: Final = changed(
    ASSOCIATION_SN_1,
    2,
    [
        ("access_rights_list", array(_SN_RIGHTS)),
        ("security_setup_reference", octets(0, 6, meaning=Meaning.LOGICAL_NAME)),
    ],
)

_SAP: Final = struct(("SAP", U16), ("logical device name", TEXT))
SAP_ASSIGNMENT: Final = declare(
    17, 0, "SAP assignment", [("SAP_assignment_list", array(_SAP))], [("connect_logical_device", _SAP)]
)

DATA_PROTECTION: Final = declare(
    30,
    0,
    "Data protection",
    [
        ("protection_buffer", OCTETS),
        ("protection_object_list", array(ANYTHING)),
        ("protection_parameters_get", PROTECTION_PARAMETERS),
        ("protection_parameters_set", PROTECTION_PARAMETERS),
        ("required_protection", REQUIRED_PROTECTION),
    ],
    [
        ("get_protected_attributes", ANYTHING),
        ("set_protected_attributes", ANYTHING),
        ("invoke_protected_method", ANYTHING),
    ],
)

_SUITE: Final = enum(AES_GCM_128=0, AES_GCM_128_with_ECDSA_P_256=1, AES_GCM_256_with_ECDSA_P_384=2)
_KEY_ID: Final = enum(global_unicast_encryption=0, global_broadcast_encryption=1, authentication=2, master_key=3)
_KEYS: Final = array(struct(("key", _KEY_ID), ("wrapped key", SECRET)))
_ENTITY: Final = enum(server=0, client=1, certification_authority=2, other=3)
_CERTIFICATE_TYPE: Final = enum(digital_signature=0, key_agreement=1, TLS=2, other=3)
_CERTIFICATE: Final = struct(
    ("entity", _ENTITY), ("type", _CERTIFICATE_TYPE), ("serial number", OCTETS), ("issuer", OCTETS),
    ("subject", OCTETS), ("alternative name", OCTETS),
)  # fmt: skip
_CERTIFICATE_ID: Final = struct(
    ("identified by", enum(entity=0, serial_number=1)),
    (
        "identification",
        choice(
            struct(("entity", _ENTITY), ("type", _CERTIFICATE_TYPE), ("system title", OCTETS)),
            struct(("serial number", OCTETS), ("issuer", OCTETS)),
        ),
    ),
)
_POLICY_0: Final = enum(nothing=0, all_authenticated=1, all_encrypted=2, all_authenticated_and_encrypted=3)
SECURITY_SETUP: Final = declare(
    64,
    0,
    "Security setup",
    [
        ("security_policy", _POLICY_0),
        ("security_suite", _SUITE),
        ("client_system_title", OCTETS),
        ("server_system_title", OCTETS),
    ],
    [("security_activate", _POLICY_0), ("global_key_transfer", _KEYS)],
)
SECURITY_SETUP_1: Final = declare(
    64,
    1,
    "Security setup",
    [
        ("security_policy", REQUIRED_PROTECTION),
        ("security_suite", _SUITE),
        ("client_system_title", OCTETS),
        ("server_system_title", OCTETS),
        ("certificates", array(_CERTIFICATE)),
    ],
    [
        ("security_activate", REQUIRED_PROTECTION),
        ("key_transfer", _KEYS),
        ("key_agreement", array(struct(("key", _KEY_ID), ("key data", OCTETS)))),
        ("generate_key_pair", _CERTIFICATE_TYPE),
        ("generate_certificate_request", _CERTIFICATE_TYPE),
        ("import_certificate", OCTETS),
        ("export_certificate", _CERTIFICATE_ID),
        ("remove_certificate", _CERTIFICATE_ID),
    ],
)

_CHANGED: Final = struct(("class", CLASS_ID), ("logical name", LOGICAL_NAME), ("attribute", I8), ("value", ANYTHING))
PARAMETER_MONITOR_0: Final = declare(
    65,
    0,
    "Parameter monitor",
    [("changed_parameter", _CHANGED), ("capture_time", DATE_TIME), ("parameters", array(ATTRIBUTE))],
    [("add_parameter", ATTRIBUTE), ("delete_parameter", ATTRIBUTE)],
)
PARAMETER_MONITOR: Final = changed(
    PARAMETER_MONITOR_0,
    1,
    [
        ("parameter_list", array(ATTRIBUTE)),
        ("parameter_list_name", OCTETS),
        ("hash_algorithm_id", enum()),
        ("parameter_value_digest", OCTETS),
        ("parameter_values", ANYTHING),
    ],
    without=["parameters"],
)

_FUNCTION: Final = struct(("name", OCTETS), ("objects", array(OBJECT)))
FUNCTION_CONTROL: Final = declare(
    122,
    0,
    "Function control",
    [
        ("activation_status", array(struct(("name", OCTETS), ("active", BOOLEAN)))),
        ("function_list", array(_FUNCTION)),
    ],
    [
        ("set_function_status", array(struct(("name", OCTETS), ("active", BOOLEAN)))),
        ("add_function", _FUNCTION),
        ("remove_function", OCTETS),
    ],
)

_RANGE: Final = struct(("array", U8), ("range", struct(("from", U16), ("to", U16))))
_ENTRY: Final = struct(("array", U8), ("entry", struct(("index", U16), ("value", ANYTHING))))
ARRAY_MANAGER: Final = declare(
    123,
    0,
    "Array manager",
    [("array_object_list", array(struct(("id", U8), ("array", ATTRIBUTE))))],
    [
        ("retrieve_number_of_entries", U8),
        ("retrieve_entries", _RANGE),
        ("insert_entry", _ENTRY),
        ("update_entry", _ENTRY),
        ("remove_entries", _RANGE),
    ],
)

PORT_PROTECTION: Final = declare(
    124,
    0,
    "Communication port protection",
    [
        ("protection_mode", enum(locked=0, locked_on_failed_attempts=1, unlocked=2)),
        ("allowed_failed_attempts", U16),
        ("initial_lockout_time", U32),
        ("steepness_factor", U8),
        ("max_lockout_time", U32),
        ("port_reference", LOGICAL_NAME),
        ("protection_status", enum(unlocked=0, temporarily_locked=1, locked=2)),
        ("failed_attempts", U32),
        ("cumulative_failed_attempts", U32),
    ],
    ["reset"],
)

CLASSES: Final[tuple[InterfaceClass, ...]] = (
    ASSOCIATION_SN_0, ASSOCIATION_SN_1, ASSOCIATION_SN,
    ASSOCIATION_LN_0, ASSOCIATION_LN, ASSOCIATION_LN_2, ASSOCIATION_LN_3, SAP_ASSIGNMENT, DATA_PROTECTION,
    SECURITY_SETUP, SECURITY_SETUP_1, PARAMETER_MONITOR_0, PARAMETER_MONITOR, FUNCTION_CONTROL, ARRAY_MANAGER,
    PORT_PROTECTION,
)  # fmt: skip

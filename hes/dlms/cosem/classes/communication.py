"""Ports, modems, IP and push: classes 19, 23, 24, 27 to 29, 40 to 48, 57 to 59, 100, 151 to 153.

Source: docs/protocols/cosem-objects.md §1, §6.
"""

from __future__ import annotations

from typing import Final

from hes.dlms.cosem.classes.declaration import InterfaceClass, changed, declare
from hes.dlms.cosem.classes.shapes import (
    BAUD,
    CAPTURE_OBJECT,
    PROTECTION_PARAMETERS,
    RESTRICTION,
    WINDOW,
)
from hes.dlms.cosem.value_types import (
    ANYTHING,
    BOOLEAN,
    CLASS_ID,
    DATE_TIME,
    ENUM,
    I8,
    LOGICAL_NAME,
    NULL,
    OCTETS,
    SECRET,
    TEXT,
    U8,
    U16,
    U32,
    VISIBLE,
    Meaning,
    array,
    choice,
    enum,
    octets,
    struct,
)

LOCAL_PORT_0: Final = declare(
    19,
    0,
    "IEC local port setup",
    [
        ("default_mode", enum(IEC_62056_21_mode_C=0, IEC_62056_21_mode_E=1, not_specified=2)),
        ("default_baud", BAUD),
        ("prop_baud", BAUD),
        ("response_time", enum(_20_ms=0, _200_ms=1)),
        ("device_addr", OCTETS),
        ("pass_p1", SECRET),
        ("pass_p2", SECRET),
        ("pass_w5", SECRET),
    ],
)
LOCAL_PORT: Final = changed(
    LOCAL_PORT_0, 1, [("default_mode", enum(IEC_62056_21_mode_A_to_D=0, IEC_62056_21_mode_E=1, HDLC_only=2))]
)

HDLC_SETUP_0: Final = declare(
    23,
    0,
    "IEC HDLC setup",
    [
        ("comm_speed", BAUD),
        ("window_size_transmit", U8),
        ("window_size_receive", U8),
        ("max_info_field_length_transmit", U8),
        ("max_info_field_length_receive", U8),
        ("inter_octet_time_out", U16),
        ("inactivity_time_out", U16),
        ("device_address", U16),
    ],
)
HDLC_SETUP: Final = changed(
    HDLC_SETUP_0, 1, [("max_info_field_length_transmit", U16), ("max_info_field_length_receive", U16)]
)

TWISTED_PAIR_0: Final = declare(
    24,
    0,
    "IEC twisted pair (1) setup",
    [("secondary_address", OCTETS), ("primary_address_list", array(U8)), ("tabi_list", array(I8))],
)
TWISTED_PAIR: Final = declare(
    24,
    1,
    "IEC twisted pair (1) setup",
    [
        ("mode", enum(inactive=0, always_active=1)),
        ("speed", BAUD),
        ("primary_address_list", array(U8)),
        ("tabi_list", array(I8)),
    ],
)

_INITIALIZATION: Final = struct(("request", OCTETS), ("response", OCTETS), ("delay", U16))
MODEM_CONFIGURATION_0: Final = declare(
    27,
    0,
    "PSTN modem configuration",
    [("comm_speed", BAUD), ("initialization_string", array(struct(("request", OCTETS), ("response", OCTETS)))),
     ("modem_profile", array(OCTETS))],
)  # fmt: skip
MODEM_CONFIGURATION: Final = changed(
    MODEM_CONFIGURATION_0, 1, [("initialization_string", array(_INITIALIZATION))], name="Modem configuration"
)

_RINGS: Final = struct(("in window", U8), ("out of window", U8))
AUTO_ANSWER_0: Final = declare(
    28,
    0,
    "Auto answer",
    [
        (
            "mode",
            enum(dedicated_line=0, limited_number_of_calls=1, limited_number_of_connections=2, GSM_modem=3,
                 none_or_no_modem=4),
        ),
        ("listening_window", array(WINDOW)),
        ("status", enum(inactive=0, active=1, locked=2)),
        ("number_of_calls", U8),
        ("number_of_rings", _RINGS),
    ],
)  # fmt: skip
AUTO_ANSWER: Final = changed(
    AUTO_ANSWER_0,
    2,
    [("list_of_allowed_callers", array(struct(("caller id", OCTETS), ("call type", enum(normal=0, wake_up=1)))))],
)

_CONNECT_MODES: Final = enum(
    no_auto_dialling=0, auto_dialling_at_any_time=1, auto_dialling_within_window=2,
    regular_within_window_alarms_at_any_time=3, SMS_by_PLMN=4, SMS_by_PSTN=5, email=6, permanently_connected=101,
    permanently_connected_within_window=102, connected_on_invocation=103, reconnected_on_invocation=104,
)  # fmt: skip
AUTO_CONNECT_0: Final = declare(
    29,
    0,
    "PSTN auto dial",
    [
        ("mode", _CONNECT_MODES),
        ("repetitions", U8),
        ("repetition_delay", U16),
        ("calling_window", array(WINDOW)),
        ("phone_list", array(OCTETS)),
    ],
)
AUTO_CONNECT_1: Final = declare(
    29,
    1,
    "Auto connect",
    [
        ("mode", _CONNECT_MODES),
        ("repetitions", U8),
        ("repetition_delay", U16),
        ("calling_window", array(WINDOW)),
        ("destination_list", array(TEXT)),
    ],
)
AUTO_CONNECT: Final = changed(AUTO_CONNECT_1, 2, methods=["connect"])

_DESTINATION: Final = struct(
    (
        "transport",
        enum(TCP=0, UDP=1, FTP=2, SMTP=3, SMS=4, HDLC=5, M_Bus=6, ZigBee=7, DLMS_gateway=8, CoAP=9),
    ),
    ("destination", OCTETS),
    ("message", enum(A_XDR=0, XML=1)),
)
PUSH_SETUP_0: Final = declare(
    40,
    0,
    "Push setup",
    [
        ("push_object_list", array(CAPTURE_OBJECT)),
        ("send_destination_and_method", _DESTINATION),
        ("communication_window", array(WINDOW)),
        ("randomisation_start_interval", U16),
        ("number_of_retries", U8),
        ("repetition_delay", U16),
    ],
    ["push"],
)
_PUSH_OBJECT: Final = (
    ("class", CLASS_ID), ("logical name", LOGICAL_NAME), ("attribute", I8), ("data index", U16),
    ("restriction", RESTRICTION),
)  # fmt: skip
PUSH_SETUP_1: Final = changed(
    PUSH_SETUP_0,
    1,
    [
        ("push_object_list", array(struct(*_PUSH_OBJECT))),
        ("port_reference", octets(0, 6, meaning=Meaning.LOGICAL_NAME)),
        ("push_client_SAP", I8),
        ("push_protection_parameters", PROTECTION_PARAMETERS),
    ],
)
PUSH_SETUP_2: Final = changed(
    PUSH_SETUP_1,
    2,
    [
        ("push_object_list", array(struct(*_PUSH_OBJECT, ("columns", array(CAPTURE_OBJECT))))),
        ("repetition_delay", struct(("min", U16), ("exponent", U16), ("max", U16))),
        (
            "push_operation_method",
            enum(
                unconfirmed_retry_on_failure=0, unconfirmed_retry_without_supporting_layer_confirmation=1,
                confirmed_retry_without_confirmation=2,
            ),
        ),
        ("confirmation_parameters", struct(("start date", DATE_TIME), ("interval", U32))),
        ("last_confirmation_date_time", DATE_TIME),
    ],
    ["reset"],
)  # fmt: skip
PUSH_SETUP_3: Final = changed(PUSH_SETUP_2, 3)

TCP_UDP_SETUP: Final = declare(
    41,
    0,
    "TCP-UDP setup",
    [
        ("TCP-UDP_port", U16),
        ("IP_reference", LOGICAL_NAME),
        ("MSS", U16),
        ("nb_of_sim_conn", U8),
        ("inactivity_time_out", U16),
    ],
)

_IP_OPTION: Final = struct(
    (
        "type",
        enum(record_route=7, internet_timestamp=68, security=130, loose_source_route=131, strict_source_route=137),
    ),
    ("length", U8),
    ("data", OCTETS),
)
_IP_OPTION_NUMBERED: Final = struct(("type", U8), ("length", U8), ("data", OCTETS))
IPV4_SETUP: Final = declare(
    42,
    0,
    "IPv4 setup",
    [
        ("DL_reference", LOGICAL_NAME),
        ("IP_address", U32),
        ("multicast_IP_address", array(U32)),
        ("IP_options", array(choice(_IP_OPTION_NUMBERED, _IP_OPTION))),
        ("subnet_mask", U32),
        ("gateway_IP_address", U32),
        ("use_DHCP_flag", BOOLEAN),
        ("primary_DNS_address", U32),
        ("secondary_DNS_address", U32),
    ],
    [("add_mc_IP_address", U32), ("delete_mc_IP_address", U32), "get_nbof_mc_IP_addresses"],
)
MAC_ADDRESS_SETUP: Final = declare(43, 0, "MAC address setup", [("MAC_address", OCTETS)])

_PPP_OPTION: Final = struct(("type", U8), ("length", U8), ("data", ANYTHING))
PPP_SETUP: Final = declare(
    44,
    0,
    "PPP setup",
    [
        ("PHY_reference", LOGICAL_NAME),
        ("LCP_options", array(_PPP_OPTION)),
        ("IPCP_options", array(_PPP_OPTION)),
        ("PPP_authentication", choice(NULL, struct(("user name", OCTETS), ("password", SECRET)), ANYTHING)),
    ],
)
_QUALITY: Final = struct(
    ("precedence", U8), ("delay", U8), ("reliability", U8), ("peak throughput", U8), ("mean throughput", U8)
)
GPRS_MODEM_SETUP: Final = declare(
    45,
    0,
    "GPRS modem setup",
    [
        ("APN", OCTETS),
        ("PIN_code", U16),
        ("quality_of_service", struct(("default", _QUALITY), ("requested", _QUALITY))),
    ],
)
SMTP_SETUP: Final = declare(
    46,
    0,
    "SMTP setup",
    [
        ("server_port", U16),
        ("user_name", OCTETS),
        ("login_password", SECRET),
        ("server_address", OCTETS),
        ("sender_address", OCTETS),
    ],
)

_PS_STATUS: Final = enum(
    inactive=0, GPRS=1, EDGE=2, UMTS=3, HSDPA=4, LTE=5, CDMA=6, LTE_Cat_M1=7, LTE_Cat_NB1=8, LTE_Cat_NB2=9
)
GSM_DIAGNOSTIC_0: Final = declare(
    47,
    0,
    "GSM diagnostic",
    [
        ("operator", VISIBLE),
        (
            "status",
            enum(
                not_registered=0, registered_home_network=1, searching=2, registration_denied=3, unknown=4,
                registered_roaming=5,
            ),
        ),
        ("cs_attachment", enum(inactive=0, incoming_call=1, active=2)),
        ("ps_status", _PS_STATUS),
        ("cell_info", struct(("cell", U16), ("location", U16), ("signal quality", U8), ("bit error rate", U8))),
        ("adjacent_cells", array(struct(("cell", U16), ("signal quality", U8)))),
        ("capture_time", DATE_TIME),
    ],
)  # fmt: skip
GSM_DIAGNOSTIC_1: Final = changed(
    GSM_DIAGNOSTIC_0,
    1,
    [
        (
            "cell_info",
            struct(
                ("cell", U32), ("location", U16), ("signal quality", U8), ("bit error rate", U8),
                ("mobile country code", U16), ("mobile network code", U16), ("channel", U32),
            ),
        ),
        ("adjacent_cells", array(struct(("cell", U32), ("signal quality", U8)))),
    ],
)  # fmt: skip
GSM_DIAGNOSTIC: Final = changed(GSM_DIAGNOSTIC_1, 2)

_IPV6: Final = octets(0, 16)
IPV6_SETUP: Final = declare(
    48,
    0,
    "IPv6 setup",
    [
        ("DL_reference", LOGICAL_NAME),
        ("address_config_mode", enum(auto_configuration=0, DHCPv6=1, manual=2, neighbour_discovery=3)),
        ("unicast_IPv6_addresses", array(_IPV6)),
        ("multicast_IPv6_addresses", array(_IPV6)),
        ("gateway_IPv6_addresses", array(_IPV6)),
        ("primary_DNS_address", _IPV6),
        ("secondary_DNS_address", _IPV6),
        ("traffic_class", U8),
        ("neighbor_discovery_setup", array(struct(("max retries", U8), ("retry wait", U16), ("send period", U32)))),
    ],
    [("add_IPv6_address", ANYTHING), ("remove_IPv6_address", ANYTHING)],
)

LLC_TYPE_2: Final = declare(
    58,
    0,
    "ISO/IEC 8802-2 LLC Type 2 setup",
    [
        ("transmit_window_size_k", U8),
        ("receive_window_size_rw", U8),
        ("max_octets_i_pdu_n1", U16),
        ("max_number_transmissions_n2", U8),
        ("acknowledgement_timer", U16),
        ("p_bit_timer", U16),
        ("reject_timer", U16),
        ("busy_state_timer", U16),
    ],
)

_KEY: Final = struct(("id", U32), ("key", SECRET))
NTP_SETUP: Final = declare(
    100,
    0,
    "NTP setup",
    [
        ("activated", BOOLEAN),
        ("server_address", OCTETS),
        ("server_port", U16),
        ("authentication_method", enum(no_security=0, shared_secrets=1, autokey_IFF=2)),
        ("authentication_keys", array(_KEY)),
        ("client_key", SECRET),
    ],
    ["synchronize", ("add_authentication_key", _KEY), ("delete_authentication_key", U32)],
)

LTE_MONITORING_0: Final = declare(
    151,
    0,
    "LTE monitoring",
    [
        (
            "LTE_network_parameters",
            struct(("T3402", U16), ("T3412", U16), ("RSRQ", U8), ("RSRP", U8), ("qRxlevMin", I8)),
        )
    ],
)
LTE_MONITORING: Final = declare(
    151,
    1,
    "LTE monitoring",
    [
        (
            "LTE_network_parameters",
            struct(
                ("T3402", U16), ("T3412", U16), ("T3412ext2", U32), ("T3324", U16), ("TeDRX", U32), ("TPTW", U16),
                ("qRxlevMin", I8), ("qRxlevMinCE", I8), ("qRxlevMinCE1", I8),
            ),
        ),
        (
            "LTE_quality_of_service",
            struct(
                ("RSRQ", I8), ("RSRP", I8), ("SNR", I8),
                ("coverage enhancement", enum(level_0=0, level_1=1, level_2=2)),
            ),
        ),
    ],
)  # fmt: skip

COAP_SETUP: Final = declare(
    152,
    0,
    "CoAP setup",
    [
        ("UDP_reference", LOGICAL_NAME),
        ("ack_timeout", U16),
        ("ack_random_factor", U16),
        ("max_retransmit", U16),
        ("nstart", U16),
        ("delay_ack_timeout", U16),
        ("exponential_back_off", U16),
        ("probing_rate", U16),
        ("CoAP_uri_path", OCTETS),
        ("transport_mode", ENUM),
        ("version", ANYTHING),
        ("token_length", U8),
    ],
)
COAP_DIAGNOSTIC: Final = declare(
    153,
    0,
    "CoAP diagnostic",
    [
        ("messages_counter", ANYTHING),
        ("request_response_counter", ANYTHING),
        ("coap_bt_counter", ANYTHING),
        ("capture_time", ANYTHING),
    ],
    ["reset"],
)

CLASSES: Final[tuple[InterfaceClass, ...]] = (
    LOCAL_PORT_0, LOCAL_PORT, HDLC_SETUP_0, HDLC_SETUP, TWISTED_PAIR_0, TWISTED_PAIR, MODEM_CONFIGURATION_0,
    MODEM_CONFIGURATION, AUTO_ANSWER_0, AUTO_ANSWER, AUTO_CONNECT_0, AUTO_CONNECT_1, AUTO_CONNECT, PUSH_SETUP_0,
    PUSH_SETUP_1, PUSH_SETUP_2, PUSH_SETUP_3, TCP_UDP_SETUP, IPV4_SETUP, MAC_ADDRESS_SETUP, PPP_SETUP,
    GPRS_MODEM_SETUP, SMTP_SETUP, GSM_DIAGNOSTIC_0, GSM_DIAGNOSTIC_1, GSM_DIAGNOSTIC, IPV6_SETUP, LLC_TYPE_2, NTP_SETUP,
    LTE_MONITORING_0, LTE_MONITORING, COAP_SETUP, COAP_DIAGNOSTIC,
)  # fmt: skip

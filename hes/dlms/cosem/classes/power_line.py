"""Power-line carriers: S-FSK 50 to 53, 55, 56; PRIME 80 to 86; G3 90 to 92; G3 hybrid 161, 162.

Source: docs/protocols/cosem-objects.md §1.
"""

from __future__ import annotations

from typing import Final

from hes.dlms.cosem.classes.declaration import InterfaceClass, Named, changed, declare
from hes.dlms.cosem.value_types import (
    ANYTHING,
    BITS,
    BOOLEAN,
    ENUM,
    I8,
    I16,
    OCTETS,
    SECRET,
    U8,
    U16,
    U32,
    ValueType,
    array,
    enum,
    struct,
)


def _all(kind: ValueType, names: str) -> list[Named]:
    """Attributes of one type, by their names."""
    return [(name, kind) for name in names.split()]


# -- S-FSK -----------------------------------------------------------------------------------------------------------

SFSK_PHY_MAC_0: Final = declare(
    50,
    0,
    "S-FSK Phy&MAC setup",
    [
        ("initiator_electrical_phase", enum(not_defined=0, phase_1=1, phase_2=2, phase_3=3)),
        (
            "delta_electrical_phase",
            enum(
                not_defined=0, same_phase=1, _60_degrees=2, _120_degrees=3, _180_degrees=4, minus_120_degrees=5,
                minus_60_degrees=6,
            ),
        ),
        *_all(U8, "max_receiving_gain max_transmitting_gain search_initiator_gain"),
        ("frequencies", struct(("mark", ANYTHING), ("space", ANYTHING))),
        ("mac_address", U16),
        ("mac_group_addresses", array(U16)),
        ("repeater", enum(never=0, always=1, dynamic=2)),
        ("repeater_status", BOOLEAN),
        ("min_delta_credit", U8),
        ("initiator_mac_address", U16),
        ("synchronization_locked", BOOLEAN),
    ],
)  # fmt: skip
SFSK_INITIATOR: Final = declare(
    51,
    0,
    "S-FSK Active initiator",
    [("active_initiator", struct(("system title", OCTETS), ("MAC address", U16), ("L-SAP selector", U8)))],
    ["reset_NEW_not_synchronized"],
)
SFSK_TIMEOUTS: Final = declare(
    52,
    0,
    "S-FSK MAC synchronization timeouts",
    _all(
        U16,
        "search_initiator_timeout synchronization_confirmation_timeout time_out_not_addressed time_out_frame_not_OK",
    ),
)
SFSK_COUNTERS: Final = declare(
    53,
    0,
    "S-FSK MAC counters",
    [
        ("synchronization_register", array(ANYTHING)),
        ("desynchronization_listing", ANYTHING),
        ("broadcast_frames_counter", array(ANYTHING)),
        *_all(U32, "repetitions_counter transmissions_counter CRC_OK_frames_counter CRC_NOK_frames_counter"),
    ],
    ["reset"],
)
SFSK_REPORTING: Final = declare(56, 0, "S-FSK Reporting system list", [("reporting_system_list", array(OCTETS))])

# -- PRIME -----------------------------------------------------------------------------------------------------------

PRIME_SSCS: Final = declare(
    80,
    0,
    "61334-4-32 LLC SSCS setup",
    _all(U16, "service_node_address base_node_address"),
    ["reset"],
)
PRIME_PHY_COUNTERS: Final = declare(
    81,
    0,
    "PRIME NB OFDM PLC Physical layer counters",
    _all(U16, "phy_stats_crc_incorrect_count phy_stats_crc_fail_count phy_stats_tx_drop_count phy_stats_rx_drop_count"),
    ["reset"],
)
PRIME_MAC_SETUP: Final = declare(
    82,
    0,
    "PRIME NB OFDM PLC MAC setup",
    _all(
        U8,
        "mac_min_switch_search_time mac_max_promotion_pdu mac_promotion_pdu_tx_period mac_beacons_per_frame "
        "mac_scp_max_tx_attempts mac_ctl_re_tx_timer mac_max_ctl_re_tx",
    ),
)
PRIME_MAC_FUNCTIONAL: Final = declare(
    83,
    0,
    "PRIME NB OFDM PLC MAC functional parameters",
    [
        ("mac_LNID", I16),
        *_all(U8, "mac_LSID mac_SID"),
        ("mac_SNA", OCTETS),
        ("mac_state", enum(disconnected=0, terminal=1, switch=2, base=3)),
        ("mac_scp_length", I16),
        *_all(
            U8,
            "mac_node_hierarchy_level mac_beacon_slot_count mac_beacon_rx_slot mac_beacon_tx_slot "
            "mac_beacon_rx_frequency mac_beacon_tx_frequency",
        ),
        ("mac_capabilities", U16),
    ],
)
PRIME_MAC_COUNTERS: Final = declare(
    84,
    0,
    "PRIME NB OFDM PLC MAC counters",
    _all(
        U32,
        "mac_tx_data_pkt_count mac_rx_data_pkt_count mac_tx_ctrl_pkt_count mac_rx_ctrl_pkt_count mac_csma_fail_count "
        "mac_csma_ch_busy_count",
    ),
    ["reset"],
)
_DIRECT: Final = struct(
    ("source SID", I16), ("source LNID", I16), ("source LCID", I16), ("destination SID", I16),
    ("destination LNID", I16), ("destination LCID", I16), ("DID", OCTETS),
)  # fmt: skip
_AVAILABLE: Final = struct(("SNA", OCTETS), ("LSID", I16), ("level", I8), ("rx level", I8), ("rx SNR", I8))
_PHY_COMMUNICATION: Final = struct(
    ("EUI", OCTETS), ("tx power", I8), ("tx coding", I8), ("rx coding", I8), ("rx level", I8), ("SNR", I8),
    ("tx power modified", I8), ("tx coding modified", I8), ("rx coding modified", I8),
)  # fmt: skip
PRIME_ADMINISTRATION: Final = declare(
    85,
    0,
    "PRIME NB OFDM PLC MAC network administration data",
    [
        ("mac_list_multicast_entries", array(struct(("LCID", I8), ("members", I16)))),
        ("mac_list_switch_table", array(I16)),
        ("mac_list_direct_table", array(_DIRECT)),
        ("mac_list_available_switches", array(_AVAILABLE)),
        ("mac_list_phy_comm", array(_PHY_COMMUNICATION)),
    ],
    ["reset"],
)
PRIME_APPLICATION: Final = declare(
    86,
    0,
    "PRIME NB OFDM PLC Application identification",
    [("firmware_version", OCTETS), ("vendor_ID", U16), ("product_ID", U16)],
)

# -- G3 --------------------------------------------------------------------------------------------------------------

G3_COUNTERS: Final = declare(
    90,
    1,
    "G3-PLC MAC layer counters",
    _all(
        U32,
        "mac_Tx_data_packet_count mac_Rx_data_packet_count mac_Tx_cmd_packet_count mac_Rx_cmd_packet_count "
        "mac_CSMA_fail_count mac_CSMA_no_ACK_count mac_bad_CRC_count mac_Tx_data_broadcast_count "
        "mac_Rx_data_broadcast_count",
    ),
    ["reset"],
)
_NEIGHBOUR: Final = struct(
    ("short address", U16), ("payload modulation scheme", BOOLEAN), ("tone map", BITS),
    ("modulation", enum(robust=0, DBPSK=1, DQPSK=2, D8PSK=3, _16_QAM=4)), ("tx gain", I8),
    ("tx resolution", enum(_6_dB=0, _3_dB=1)), ("tx coefficients", BITS), ("LQI", U8), ("phase differential", I8),
    ("TMR valid time", U8), ("neighbour valid time", U8),
)  # fmt: skip
_POS: Final = struct(("short address", U16), ("LQI", U8), ("valid time", U8))
G3_MAC_SETUP_3: Final = declare(
    91,
    3,
    "G3-PLC MAC setup",
    [
        *_all(U16, "mac_short_address mac_RC_coord mac_PAN_id"),
        ("mac_key_table", array(struct(("id", U8), ("key", SECRET)))),
        ("mac_frame_counter", U32),
        ("mac_tone_mask", BITS),
        *_all(U8, "mac_TMR_TTL mac_max_frame_retries mac_neighbour_table_entry_TTL"),
        ("mac_neighbour_table", array(_NEIGHBOUR)),
        *_all(
            U8,
            "mac_high_priority_window_size mac_CSMA_fairness_limit mac_beacon_randomization_window_length mac_A mac_K "
            "mac_min_CW_attempts mac_cenelec_legacy_mode mac_FCC_legacy_mode mac_max_BE mac_max_CSMA_backoffs "
            "mac_min_BE",
        ),
        ("mac_broadcast_max_CW_enabled", BOOLEAN),
        ("mac_transmit_atten", U8),
        ("mac_POS_table", array(_POS)),
        ("mac_duplicate_detection_TTL", U8),
    ],
    [("mac_get_neighbour_table_entry", U16), ("mac_get_POS_table_entry", U16)],
)
G3_MAC_SETUP_2: Final = changed(G3_MAC_SETUP_3, 2, without=["mac_duplicate_detection_TTL", "mac_get_POS_table_entry"])
# version 4 calls attribute 10 by another name and keeps its place
G3_MAC_SETUP: Final = declare(
    91,
    4,
    "G3-PLC MAC setup",
    [
        *(
            (name.replace("mac_neighbour_table_entry_TTL", "mac_POS_table_entry_TTL"), kind)
            for name, kind in zip(G3_MAC_SETUP_3.attributes[1:], G3_MAC_SETUP_3.attribute_types[1:], strict=True)
        ),
        ("mac_POS_recent_entry_threshold", U8),
        ("mac_POS_recent_entries", U16),
        ("mac_preamble_length", U8),
    ],
    [("mac_get_neighbour_table_entry", U16), ("mac_get_POS_table_entry", U16)],
)

_ROUTING_CONFIGURATION: Final = struct(
    ("net traversal time", U8), ("routing table entry TTL", U16),
    *((name, U8) for name in ("Kr", "Km", "Kc", "Kq", "Kh", "Krt", "RREQ retries", "RREQ wait")),
    ("blacklist entry TTL", U16), ("unicast RREQ generation enabled", BOOLEAN), ("RLC enabled", BOOLEAN),
    ("add reverse link cost", U8),
)  # fmt: skip
_ROUTE: Final = struct(
    ("destination", U16), ("next hop", U16), ("route cost", U16), ("hop count", U8), ("weak link count", U8),
    ("valid time", U16),
)  # fmt: skip
_CONTEXT: Final = struct(
    ("CID", BITS), ("context length", U8), ("context", OCTETS), ("compression", BOOLEAN), ("valid lifetime", U16)
)
_BLACKLISTED: Final = struct(("address", U16), ("valid time", U16))
G3_ADAPTATION_0: Final = declare(
    92,
    0,
    "G3-PLC 6LoWPAN adaptation layer setup",
    [
        *_all(U8, "adp_max_hops adp_weak_LQI_value adp_security_level"),
        ("adp_prefix_table", array(U8)),
        ("adp_routing_configuration", array(_ROUTING_CONFIGURATION)),
        ("adp_broadcast_log_table_entry_TTL", U16),
        ("adp_routing_table", array(_ROUTE)),
        ("adp_context_information_table", array(_CONTEXT)),
        ("adp_blacklist_table", array(_BLACKLISTED)),
        ("adp_broadcast_log_table", array(struct(("source", U16), ("sequence number", U8), ("valid time", U16)))),
        ("adp_group_table", array(U16)),
        ("adp_max_join_wait_time", U16),
        *_all(U8, "adp_path_discovery_time adp_active_key_index adp_metric_type"),
    ],
)
G3_ADAPTATION_1: Final = changed(
    G3_ADAPTATION_0,
    1,
    [
        ("adp_coord_short_address", U16),
        ("adp_disable_default_routing", BOOLEAN),
        ("adp_device_type", enum(PAN_device=0, PAN_coordinator=1, not_defined=2)),
    ],
)
G3_ADAPTATION_2: Final = changed(
    G3_ADAPTATION_1,
    2,
    [("adp_default_coord_route_enabled", BOOLEAN), ("adp_destination_address_set", array(U16))],
)
G3_ADAPTATION_3: Final = changed(G3_ADAPTATION_2, 3, _all(U8, "adp_low_LQI_value adp_high_LQI_value"))
G3_ADAPTATION: Final = changed(
    G3_ADAPTATION_3,
    4,
    [
        *_all(U16, "adp_delay_low_LQI adp_delay_high_LQI"),
        *_all(U8, "adp_RREQ_jitter_low_LQI adp_RREQ_jitter_high_LQI"),
        ("adp_trickle_data_enabled", BOOLEAN),
        *_all(U8, "adp_trickle_LQI_threshold_low adp_trickle_step"),
        ("adp_trickle_Imin", U16),
        ("adp_trickle_max_Ki", U8),
        *_all(BOOLEAN, "adp_trickle_adaptive_Imin adp_trickle_adaptive_Ki adp_cluster_trickle_enabled"),
        *_all(U8, "adp_cluster_min_LQI adp_cluster_trickle_K adp_cluster_RREQ_route_cost_deviation"),
        ("adp_cluster_trickle_I", U16),
        ("adp_trickle_LQI_threshold_high", U8),
    ],
)
G3_HYBRID_MAC: Final = declare(
    161,
    1,
    "G3-PLC Hybrid RF MAC setup",
    [
        *_all(U8, "mac_max_BE_RF mac_max_CSMA_backoffs_RF mac_max_frame_retries_RF mac_min_BE_RF"),
        ("mac_frame_counter_RF", U32),
        ("mac_duplicate_detection_TTL_RF", U8),
        ("mac_POS_table_RF", array(ANYTHING)),
        ("mac_operating_mode_RF", U8),
        ("mac_channel_number_RF", U16),
        ("mac_duty_cycle_usage_RF", U8),
        *_all(U16, "mac_duty_cycle_period_RF mac_duty_cycle_limit_RF"),
        ("mac_duty_cycle_threshold_RF", U8),
        ("mac_disable_PHY_RF", BOOLEAN),
        ("mac_frequency_band_RF", ENUM),
        *_all(
            U8,
            "mac_transmit_atten_RF mac_adaptive_power_step_RF mac_adaptive_power_high_bound_RF "
            "mac_adaptive_power_low_bound_RF",
        ),
        ("mac_POS_recent_entries_RF", U16),
        ("mac_hopping_enabled_RF", BOOLEAN),
        ("mac_broadcast_interval_duration_RF", U16),
        *_all(U8, "mac_broadcast_slot_duration_RF mac_unicast_slot_duration_RF"),
        ("mac_extended_bitmap_RF", BITS),
        ("mac_beacon_randomization_window_length_RF", U16),
        *_all(U8, "mac_additional_channel_scan_time_RF mac_max_cca_attempts_retries_RF"),
        *_all(U16, "mac_min_inter_Tx_interval_RF mac_initial_retry_time_RF mac_maximum_retry_time_RF"),
        ("mac_max_clock_drift_RF", U8),
        *_all(U16, "mac_FH_unicast_schedule_address_RF mac_FH_unicast_slot_number_RF"),
        *_all(U8, "mac_FH_unicast_offset_RF mac_min_guard_time_RF mac_max_bcast_resync_wait_unit_RF"),
    ],
    [("mac_get_POS_table_entry_RF", U16)],
)
G3_HYBRID_ADAPTATION: Final = declare(
    162,
    1,
    "G3-PLC Hybrid 6LoWPAN adaptation layer setup",
    [
        ("adp_routing_table", array(ANYTHING)),
        ("adp_blacklist_table", array(ANYTHING)),
        *_all(U8, "adp_low_LQI_value_RF adp_high_LQI_value_RF"),
        ("adp_routing_configuration_RF", array(ANYTHING)),
        ("adp_use_backup_media", BOOLEAN),
        *_all(U8, "adp_weak_LQI_value_RF adp_trickle_LQI_threshold_low_RF"),
        *_all(U16, "adp_delay_low_LQI_RF adp_delay_high_LQI_RF"),
        *_all(U8, "adp_RREQ_jitter_low_LQI_RF adp_RREQ_jitter_high_LQI_RF"),
        ("adp_cluster_trickle_I_RF", U16),
        *_all(U8, "adp_cluster_trickle_K_RF adp_cluster_min_LQI_RF"),
        ("adp_last_gasp", BOOLEAN),
        *_all(U8, "adp_probing_interval adp_trickle_LQI_threshold_high_RF"),
    ],
)

CLASSES: Final[tuple[InterfaceClass, ...]] = (
    SFSK_PHY_MAC_0, SFSK_INITIATOR, SFSK_TIMEOUTS, SFSK_COUNTERS, SFSK_REPORTING, PRIME_SSCS, PRIME_PHY_COUNTERS,
    PRIME_MAC_SETUP, PRIME_MAC_FUNCTIONAL, PRIME_MAC_COUNTERS, PRIME_ADMINISTRATION, PRIME_APPLICATION, G3_COUNTERS,
    G3_MAC_SETUP_2, G3_MAC_SETUP_3, G3_MAC_SETUP, G3_ADAPTATION_0, G3_ADAPTATION_1, G3_ADAPTATION_2, G3_ADAPTATION_3,
    G3_ADAPTATION, G3_HYBRID_MAC, G3_HYBRID_ADAPTATION,
)  # fmt: skip

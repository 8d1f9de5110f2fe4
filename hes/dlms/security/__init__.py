"""Security of DLMS/COSEM: suites, keys, sealing and opening of APDUs, proofs of high level security, key wrap."""

from hes.dlms.security.control import (
    AUTHENTICATED,
    AUTHENTICATED_ENCRYPTED,
    ENCRYPTED,
    HEADER_OCTETS,
    INVOCATION_COUNTER_MAX,
    SUITES,
    SYSTEM_TITLE_OCTETS,
    TAG_OCTETS,
    SecurityControl,
    Suite,
)
from hes.dlms.security.errors import InvocationCounterError, SecurityError
from hes.dlms.security.gcm import EncryptionKeys, seal, unseal
from hes.dlms.security.hls import (
    CHALLENGE_OCTETS_MAX,
    CHALLENGE_OCTETS_MIN,
    HLS_CHECKS,
    HLS_PROOFS,
    HlsInputs,
    check_gmac_challenge,
    check_hls_response,
    gmac_challenge,
    hls_response,
)
from hes.dlms.security.key_wrap import unwrap_key, wrap_key

__all__ = [
    "AUTHENTICATED",
    "AUTHENTICATED_ENCRYPTED",
    "CHALLENGE_OCTETS_MAX",
    "CHALLENGE_OCTETS_MIN",
    "ENCRYPTED",
    "HEADER_OCTETS",
    "HLS_CHECKS",
    "HLS_PROOFS",
    "INVOCATION_COUNTER_MAX",
    "SUITES",
    "SYSTEM_TITLE_OCTETS",
    "TAG_OCTETS",
    "EncryptionKeys",
    "HlsInputs",
    "InvocationCounterError",
    "SecurityControl",
    "SecurityError",
    "Suite",
    "check_gmac_challenge",
    "check_hls_response",
    "gmac_challenge",
    "hls_response",
    "seal",
    "unseal",
    "unwrap_key",
    "wrap_key",
]

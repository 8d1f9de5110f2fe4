"""Passes 3 and 4 on the server: what proves the device, and what the client's proof is checked with.

Source: docs/protocols/dlms-application.md §2, §5 (high level security).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hes.dlms import ber
from hes.dlms.acse import Aarq
from hes.dlms.codes import AcseDiagnostic, Mechanism
from hes.dlms.cosem.access import ClientAccess
from hes.dlms.cosem.security_state import SecurityState
from hes.dlms.security.asymmetric import AsymmetricKeys
from hes.dlms.security.errors import SecurityError
from hes.dlms.security.hls import HlsSide, challenge_octets_min
from hes.dlms.server.negotiation import AUTHENTICATION_FAILED, Refused, client_title
from hes.errors import RemoteProtocolError

CALLING_AE_QUALIFIER: Final = 0xA7
RESPONDING_AE_QUALIFIER: Final = 0xA5
NO_PUBLIC_KEYS: Final = AsymmetricKeys()
CERTIFICATE_REFUSED: Final = Refused(AcseDiagnostic.CALLING_AE_QUALIFIER_NOT_RECOGNIZED)


def presented_certificate(aarq: Aarq) -> bytes:
    """The signing certificate that the client brings as its AE qualifier, b"" when it brings none."""
    for tag, contents in aarq.other:
        if tag == CALLING_AE_QUALIFIER:
            try:
                start, end = ber.read_only(contents, 0, len(contents), ber.OCTET_STRING, "calling AE qualifier")
            except RemoteProtocolError:
                return b""
            return contents[start:end]
    return b""


def certificate_field(certificate: bytes) -> tuple[tuple[int, bytes], ...]:
    """The device's own signing certificate as a field of the AARE."""
    return ((RESPONDING_AE_QUALIFIER, ber.encode(ber.OCTET_STRING, certificate)),) if certificate else ()


def asymmetric_keys(aarq: Aarq, client: ClientAccess, state: SecurityState | None) -> AsymmetricKeys | Refused:
    """Key pairs of the device and public keys of this client. A certificate in the AARQ counts with HLS-ECDSA alone,
    and must come from an authority that the device knows; without one the client's key is that which the device holds.
    """
    if state is None or client.security_setup is None:
        return NO_PUBLIC_KEYS
    store = state.key_store(client.security_setup)
    if store is None:
        return NO_PUBLIC_KEYS
    presented = presented_certificate(aarq) if client.mechanism is Mechanism.HLS_ECDSA else b""
    try:
        return store.asymmetric_keys(client_title(aarq, client), presented)
    except SecurityError:
        return CERTIFICATE_REFUSED


def hls_side(
    aarq: Aarq,
    client_challenge: bytes,
    client: ClientAccess,
    state: SecurityState | None,
    pairs: AsymmetricKeys,
    *,
    entropy: Callable[[int], bytes],
    octets: int,
) -> HlsSide | Refused | None:
    """The device's part; None where the mechanism has no passes 3 and 4, Refused where it lacks what they need.

    octets: of the device's challenge, or more where the mechanism wants more.
    """
    if not client.mechanism.high_level:
        return None
    setup = client.security_setup
    if state is None:
        return AUTHENTICATION_FAILED
    if client.mechanism is Mechanism.HLS_ECDSA and not (pairs.signing_key and pairs.peer_signing_key):
        return AUTHENTICATION_FAILED
    if client.mechanism is Mechanism.HLS and client.manufacturer_hls is None:
        return AUTHENTICATION_FAILED
    keys = None if setup is None else state.keys(setup)
    if client.mechanism is Mechanism.HLS_GMAC and keys is None:
        return AUTHENTICATION_FAILED
    count = max(octets, challenge_octets_min(client.mechanism))
    return HlsSide(
        mechanism=client.mechanism,
        challenge=_challenge(entropy(count), client_challenge),
        peer_challenge=client_challenge,
        system_title=state.system_title,
        peer_system_title=client_title(aarq, client),
        secret=state.secret(client.client_sap),
        keys=keys,
        suite=0 if setup is None else state.suite(setup),
        take_counter=None if setup is None else lambda: state.take_send_counter(setup),
        signing_key=pairs.signing_key,
        peer_public_key=pairs.peer_signing_key,
        manufacturer=client.manufacturer_hls,
    )


def _challenge(challenge: bytes, client_challenge: bytes) -> bytes:
    """Never the client's own sent back, which would let it have its own proof answered."""
    if challenge == client_challenge:
        return bytes([octet ^ 0xFF for octet in challenge])
    return challenge

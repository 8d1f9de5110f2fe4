"""Key agreement of suites 1 and 2: a shared secret on the suite's curve, and the key that is derived from it.

Three schemes, with the originator as party U and the recipient as party V:

| scheme | U brings | V brings | where |
|---|---|---|---|
| ephemeral unified C(2e, 0s) | ephemeral key | ephemeral key | method key_agreement of a security setup |
| one-pass C(1e, 1s) | ephemeral key, signed | static key | key-info of general-ciphering, parameter 01 |
| static unified C(0e, 2s) | static key and a nonce | static key | key-info of general-ciphering, parameter 02 |

The derivation is the concatenation function of NIST SP 800-56A in one round: hash(00000001, Z, algorithm, U, V), cut
to the length of the key. The shared secret is never a key itself and is kept nowhere.

Source: docs/protocols/dlms-application.md §5 (key agreement).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from hes.dlms import axdr
from hes.dlms.security.control import SYSTEM_TITLE_OCTETS, Suite
from hes.dlms.security.curves import (
    Curve,
    PrivateKey,
    PublicKey,
    curve_of,
    public_key_from_octets,
    public_octets_of,
)
from hes.dlms.security.errors import SecurityError
from hes.dlms.security.signatures import sign, verify
from hes.dlms.xdlms.common import Octets
from hes.errors import LocalProtocolError

_ALGORITHM_ARC: Final = bytes.fromhex("60857405 0803")  # 2.16.756.5.8.3.x
_ROUND: Final = b"\x00\x00\x00\x01"
_TRANSACTION_OCTETS_MAX: Final = 0x7F  # so that its length stands in one octet, as the derivation wants it


class Algorithm(IntEnum):
    """What a derived key is for: the last arc of 2.16.756.5.8.3.x."""

    AES_GCM_128 = 0
    AES_GCM_256 = 1
    AES_WRAP_128 = 2
    AES_WRAP_256 = 3


CIPHERING_ALGORITHM: Final = {16: Algorithm.AES_GCM_128, 32: Algorithm.AES_GCM_256}  # by octets of the key
WRAP_ALGORITHM: Final = {16: Algorithm.AES_WRAP_128, 32: Algorithm.AES_WRAP_256}


def curve_of_suite(suite: Suite) -> Curve:
    """Raises LocalProtocolError for a suite without public keys."""
    if suite.curve is None:
        raise LocalProtocolError(f"security suite {suite.number} has no public keys")
    return suite.curve


def shared_secret(private: PrivateKey, public: PublicKey) -> bytes:
    """Z, the x coordinate of the common point. Raises SecurityError when the keys lie on different curves."""
    if private.curve.name != public.curve.name:
        raise SecurityError(f"keys on {private.curve.name} and {public.curve.name} cannot agree on anything")
    return private.exchange(ec.ECDH(), public)


def derive_key(
    suite: Suite, secret: bytes, party_u: bytes, party_v: bytes, algorithm: Algorithm | None = None
) -> bytes:
    """The key of `suite.key_octets` octets for `algorithm` (None: ciphering). party_u: title, and the nonce if any."""
    if algorithm is None:
        algorithm = CIPHERING_ALGORITHM[suite.key_octets]
    digest = hashes.Hash(curve_of_suite(suite).hash)
    digest.update(_ROUND + secret + _ALGORITHM_ARC + bytes((algorithm,)) + party_u + party_v)
    return digest.finalize()[: suite.key_octets]


def party_u_with_nonce(title: bytes, transaction_id: bytes) -> bytes:
    """Party U of the static unified scheme: its title, then the transaction id with its length.

    The public text of the Green Book (edition of 2014) puts the nonce with party U; Gurux computes the same octets.
    """
    if len(title) != SYSTEM_TITLE_OCTETS or not 0 < len(transaction_id) <= _TRANSACTION_OCTETS_MAX:
        raise SecurityError("a nonce of 1 to 127 octets is needed in the transaction id to agree on a key")
    return title + axdr.encode_length(len(transaction_id)) + transaction_id


# -- ephemeral public keys on the wire ---------------------------------------------------------------------------------


def signed_public_key(ephemeral: PrivateKey, signing: PrivateKey, *, prefix: bytes = b"") -> bytes:
    """X || Y || r || s. prefix: signed in front of the key and not sent; the key_id octet in method key_agreement."""
    public = public_octets_of(ephemeral)
    return public + sign(signing, prefix + public)


def check_signed_public_key(octets: Octets, curve: Curve, signer: PublicKey, *, prefix: bytes = b"") -> PublicKey:
    """The ephemeral public key inside `octets`. Raises SecurityError unless `signer` has signed it."""
    octets = bytes(octets)
    if len(octets) != curve.public_octets + curve_of(signer).signature_octets:
        raise SecurityError(f"an ephemeral key of {len(octets)} octets; key and signature on {curve.name} have others")
    public, signature = octets[: curve.public_octets], octets[curve.public_octets :]
    verify(signer, prefix + public, signature)
    return public_key_from_octets(curve, public)

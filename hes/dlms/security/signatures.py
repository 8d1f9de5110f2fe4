"""ECDSA as DLMS/COSEM uses it: r || s at full length, hash by the curve, and the nonce derived from key and message.

RFC 6979 leaves nothing to chance: the same key and message give the same signature, which any verifier takes.

Source: docs/protocols/dlms-application.md §5 (signatures).
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from hes.dlms.security.curves import PrivateKey, PublicKey, curve_of
from hes.dlms.security.errors import SecurityError
from hes.dlms.xdlms.common import Octets


def sign(key: PrivateKey, message: bytes) -> bytes:
    """r || s: 64 octets on P-256 (SHA-256), 96 on P-384 (SHA-384)."""
    curve = curve_of(key)
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(curve.hash, deterministic_signing=True)))
    return r.to_bytes(curve.coordinate_octets, "big") + s.to_bytes(curve.coordinate_octets, "big")


def verify(key: PublicKey, message: bytes, signature: Octets) -> None:
    """Raises SecurityError unless `signature` is r || s over `message` by the owner of `key`."""
    curve, signature = curve_of(key), bytes(signature)
    if len(signature) != curve.signature_octets:
        raise SecurityError(f"a signature on {curve.name} has {curve.signature_octets} octets, not {len(signature)}")
    half = curve.coordinate_octets
    r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    try:
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(curve.hash))
    except InvalidSignature:
        raise SecurityError("the signature is wrong: another key, or altered octets") from None

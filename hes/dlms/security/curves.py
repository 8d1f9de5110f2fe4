"""The two elliptic curves of DLMS/COSEM: keys as plain octets, and private keys derived from octets that come in.

A private key is an argument or is made from octets that the caller brings (`private_key_from_entropy`): nothing here
asks an entropy source, so that a run repeats. Public keys travel as X || Y, without the 04 of SEC 1.

Source: docs/protocols/dlms-application.md §5 (suites); reduction of random octets to a scalar: FIPS 186-4 B.4.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from hes.dlms.security.errors import SecurityError
from hes.dlms.xdlms.common import Octets
from hes.errors import LocalProtocolError

PrivateKey = ec.EllipticCurvePrivateKey
PublicKey = ec.EllipticCurvePublicKey

_UNCOMPRESSED: Final = b"\x04"
_EXTRA_OCTETS: Final = 8  # 64 bits more than the order has, so that the reduction shows no bias (FIPS 186-4 B.4.1)


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """coordinate_octets: of X, of Y, and of r and s of a signature. order: of the base point."""

    name: str
    curve: ec.EllipticCurve
    hash: hashes.HashAlgorithm
    coordinate_octets: int
    order: int

    @property
    def public_octets(self) -> int:
        return 2 * self.coordinate_octets

    @property
    def signature_octets(self) -> int:
        return 2 * self.coordinate_octets

    @property
    def entropy_octets(self) -> int:
        """How many fresh octets `private_key_from_entropy` takes."""
        return self.coordinate_octets + _EXTRA_OCTETS


P_256: Final = Curve(
    "P-256", ec.SECP256R1(), hashes.SHA256(), 32, 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
)
P_384: Final = Curve(
    "P-384",
    ec.SECP384R1(),
    hashes.SHA384(),
    48,
    0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
)
CURVES: Final = {curve.curve.name: curve for curve in (P_256, P_384)}


def curve_of(key: PrivateKey | PublicKey) -> Curve:
    """Raises SecurityError for a key on a curve that DLMS/COSEM does not use."""
    curve = CURVES.get(key.curve.name)
    if curve is None:
        raise SecurityError(f"a key on the curve {key.curve.name}; DLMS/COSEM uses P-256 and P-384")
    return curve


def private_key_from_entropy(curve: Curve, octets: bytes) -> PrivateKey:
    """A private key from `curve.entropy_octets` fresh random octets; the same octets give the same key."""
    if len(octets) != curve.entropy_octets:
        raise LocalProtocolError(f"a key on {curve.name} is made from {curve.entropy_octets} octets, not {len(octets)}")
    return ec.derive_private_key(int.from_bytes(octets, "big") % (curve.order - 1) + 1, curve.curve)


def private_key_from_octets(curve: Curve, octets: bytes) -> PrivateKey:
    """The private key d as an integer in `curve.coordinate_octets` octets."""
    number = int.from_bytes(octets, "big")
    if len(octets) != curve.coordinate_octets or not 1 <= number < curve.order:
        raise LocalProtocolError(f"a private key on {curve.name} is a number of {curve.coordinate_octets} octets")
    return ec.derive_private_key(number, curve.curve)


def public_octets_of(key: PrivateKey | PublicKey) -> bytes:
    """X || Y."""
    public = key.public_key() if isinstance(key, PrivateKey) else key
    numbers, size = public.public_numbers(), curve_of(public).coordinate_octets
    return numbers.x.to_bytes(size, "big") + numbers.y.to_bytes(size, "big")


def public_key_from_octets(curve: Curve, octets: Octets) -> PublicKey:
    """Raises SecurityError unless `octets` are X || Y of a point on the curve."""
    if len(octets) != curve.public_octets:
        raise SecurityError(f"a public key on {curve.name} has {curve.public_octets} octets, this has {len(octets)}")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(curve.curve, _UNCOMPRESSED + bytes(octets))
    except ValueError:
        raise SecurityError(f"the public key is no point on {curve.name}") from None

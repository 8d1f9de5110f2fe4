"""The public-key side of one association: this side's own keys, and those of the other side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from hes.dlms.security.certificates import Certificate, CertificateType
from hes.dlms.security.curves import PrivateKey, PublicKey
from hes.dlms.security.errors import SecurityError


@dataclass(frozen=True, slots=True, kw_only=True)
class AsymmetricKeys:
    """Keys of suites 1 and 2; None where there is none.

    certificate: DER of this side's signing certificate, b"" when it sends none.
    """

    signing_key: PrivateKey | None = field(default=None, repr=False)
    agreement_key: PrivateKey | None = field(default=None, repr=False)
    peer_signing_key: PublicKey | None = field(default=None, repr=False)
    peer_agreement_key: PublicKey | None = field(default=None, repr=False)
    certificate: bytes = field(default=b"", repr=False)


def check_chain(certificate: Certificate, authorities: Iterable[Certificate]) -> None:
    """Raises SecurityError unless one of `authorities` has issued the certificate.

    A chain grows as it is stored: an authority of lower rank is taken in when one above it has vouched for it.
    """
    for authority in authorities:
        if authority.subject == certificate.issuer:
            certificate.check_issued_by(authority)
            return
    raise SecurityError("no certification authority that is trusted here has issued the certificate")


def check_signer(certificate: Certificate, system_title: bytes, authorities: Iterable[Certificate]) -> PublicKey:
    """The signing key that `certificate` gives to the owner of `system_title`. Raises SecurityError."""
    if certificate.type is not CertificateType.DIGITAL_SIGNATURE:
        raise SecurityError("the certificate is not one for digital signatures")
    if certificate.system_title != system_title:
        raise SecurityError("the certificate belongs to another system title")
    check_chain(certificate, authorities)
    return certificate.public_key

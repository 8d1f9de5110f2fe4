"""Key pairs and certificates of one device: what Security setup version 1 manages, and what suites 1 and 2 work with.

A key pair that the device makes itself serves nothing until its certificate has come in and fits; then it takes the
place of the one before. Certificates are taken only when an authority that is held here has issued them. Trust anchors
are put in when the device is made, can be read, and neither come nor go over the wire.

Source: docs/protocols/dlms-application.md §5 (certificates).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from hes.dlms.security.asymmetric import AsymmetricKeys, check_chain, check_signer
from hes.dlms.security.certificates import (
    Certificate,
    CertificateEntity,
    CertificateType,
    read_certificate,
    request_certificate,
)
from hes.dlms.security.control import SUITES, Suite
from hes.dlms.security.curves import PrivateKey, PublicKey, private_key_from_entropy, public_octets_of
from hes.dlms.security.errors import SecurityError
from hes.dlms.security.key_agreement import curve_of_suite

CERTIFICATES_MAX: Final = 32
"""How many a device keeps, trust anchors included [A]."""
OWN_TYPES: Final = (CertificateType.DIGITAL_SIGNATURE, CertificateType.KEY_AGREEMENT, CertificateType.TLS)


class KeyStore:
    """Of one device. entropy: count -> that many octets fit for private keys."""

    __slots__ = ("_anchors", "_certificates", "_entropy", "_pairs", "_pending", "suite", "system_title")

    def __init__(
        self,
        *,
        system_title: bytes,
        suite: int,
        entropy: Callable[[int], bytes],
        pairs: dict[CertificateType, PrivateKey] | None = None,
        trust_anchors: Iterable[bytes] = (),
        certificates: Iterable[bytes] = (),
    ) -> None:
        """pairs: private keys by what they are for. certificates: DER, taken as they are, as a factory would.

        Raises LocalProtocolError for suite 0, SecurityError for a certificate that cannot be read.
        """
        self.system_title = system_title
        self.suite: Suite = SUITES[suite]
        curve_of_suite(self.suite)
        self._entropy = entropy
        self._pairs: dict[CertificateType, PrivateKey] = dict(pairs or {})
        self._pending: dict[CertificateType, PrivateKey] = {}
        self._anchors = [read_certificate(octets) for octets in trust_anchors]
        self._certificates = [read_certificate(octets) for octets in certificates]

    def __repr__(self) -> str:
        return f"KeyStore({self.system_title.hex()}, suite {self.suite.number}, {len(list(self))} certificates)"

    def __iter__(self) -> Iterator[Certificate]:
        """All certificates, trust anchors first."""
        yield from self._anchors
        yield from self._certificates

    # -- what ciphering and authentication ask

    @property
    def entropy(self) -> Callable[[int], bytes]:
        return self._entropy

    def asymmetric_keys(self, peer_title: bytes, presented: bytes = b"") -> AsymmetricKeys:
        """Everything for an association with `peer_title`. presented: the signing certificate that it brought.

        Raises SecurityError when that must not be believed.
        """
        signing = self.peer_key(peer_title, CertificateType.DIGITAL_SIGNATURE)
        if presented:
            signing = check_signer(read_certificate(presented), peer_title, self._authorities())
        own = self._find(self.system_title, CertificateType.DIGITAL_SIGNATURE)
        return AsymmetricKeys(
            signing_key=self._pairs.get(CertificateType.DIGITAL_SIGNATURE),
            agreement_key=self._pairs.get(CertificateType.KEY_AGREEMENT),
            peer_signing_key=signing,
            peer_agreement_key=self.peer_key(peer_title, CertificateType.KEY_AGREEMENT),
            certificate=b"" if own is None else own.octets,
        )

    def peer_key(self, system_title: bytes, kind: CertificateType) -> PublicKey | None:
        found = self._find(system_title, kind)
        return None if found is None else found.public_key

    # -- what the methods of Security setup do

    def generate_key_pair(self, kind: CertificateType) -> None:
        """Make a new pair, which waits for its certificate."""
        curve = curve_of_suite(self.suite)
        self._pending[kind] = private_key_from_entropy(curve, self._entropy(curve.entropy_octets))

    def certificate_request(self, kind: CertificateType) -> bytes:
        """PKCS #10 for the pair that was made last, else for the one in use. Raises LookupError without any."""
        return request_certificate(self.system_title, self._pending.get(kind) or self._pairs[kind])

    def import_certificate(self, octets: bytes, now_s: float) -> None:
        """Take a certificate, in place of one for the same owner and use. Raises SecurityError when it is refused."""
        certificate = read_certificate(octets)
        certificate.check_valid(now_s)
        check_chain(certificate, self._authorities())
        if not certificate.is_authority and not certificate.system_title:
            raise SecurityError("the certificate names no system title")
        if certificate.system_title == self.system_title and not certificate.is_authority:
            self._take_own(certificate)
        replaced = [
            known
            for known in self._certificates
            if not known.is_authority
            and (known.system_title, known.type) == (certificate.system_title, certificate.type)
        ]
        kept = [known for known in self._certificates if known not in replaced and known.octets != octets]
        if len(kept) + len(self._anchors) >= CERTIFICATES_MAX:
            raise SecurityError(f"no room for more than {CERTIFICATES_MAX} certificates")
        self._certificates = [*kept, certificate]

    def _take_own(self, certificate: Certificate) -> None:
        """The certificate of one of our own pairs puts that pair into use."""
        for pairs in (self._pending, self._pairs):
            key = pairs.get(certificate.type)
            if key is not None and public_octets_of(key) == public_octets_of(certificate.public_key):
                self._pairs[certificate.type] = key
                self._pending.pop(certificate.type, None)
                return
        raise SecurityError("the certificate is for none of our own key pairs")

    def find_by_owner(
        self, entity: CertificateEntity, kind: CertificateType, system_title: bytes
    ) -> Certificate | None:
        for certificate in self:
            wanted = (self.entity_of(certificate), certificate.type) == (entity, kind)
            if wanted and certificate.system_title == system_title:
                return certificate
        return None

    def find_by_serial(self, serial_number: bytes, issuer: bytes) -> Certificate | None:
        for certificate in self:
            if certificate.issuer == issuer and certificate.serial_number == serial_number:
                return certificate
        return None

    def remove(self, certificate: Certificate) -> None:
        """Forget it, and the private key with it when it was our own. Raises SecurityError for a trust anchor."""
        if certificate not in self._certificates:
            raise SecurityError("trust anchors are not removed")
        self._certificates.remove(certificate)
        if certificate.system_title == self.system_title and not certificate.is_authority:
            self._pairs.pop(certificate.type, None)

    def entity_of(self, certificate: Certificate) -> CertificateEntity:
        """Whose it is. Who is no authority and not this device counts as a client [A]."""
        if certificate.is_authority:
            return CertificateEntity.CERTIFICATION_AUTHORITY
        own = certificate.system_title == self.system_title
        return CertificateEntity.SERVER if own else CertificateEntity.CLIENT

    def _find(self, system_title: bytes, kind: CertificateType) -> Certificate | None:
        for certificate in self._certificates:
            if certificate.system_title == system_title and certificate.type is kind and not certificate.is_authority:
                return certificate
        return None

    def _authorities(self) -> list[Certificate]:
        return [certificate for certificate in self if certificate.is_authority]

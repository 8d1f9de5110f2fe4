"""X.509 certificates as far as DLMS/COSEM uses them: who owns a public key, and what it is for.

A certificate names its owner by the system title: 16 hexadecimal digits as the common name of the subject, or the
serial number of a hardware module name (RFC 4108) in the subject's alternative name. Its key usage says whether the key
signs or agrees on keys; one key never does both. Revocation is not looked at: whoever runs the system removes what is
no longer valid.

Source: docs/protocols/dlms-application.md §5 (certificates).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from hes.dlms import ber
from hes.dlms.security.control import SYSTEM_TITLE_OCTETS
from hes.dlms.security.curves import Curve, PrivateKey, PublicKey, curve_of
from hes.dlms.security.errors import SecurityError
from hes.dlms.xdlms.common import Octets
from hes.errors import RemoteProtocolError

CERTIFICATE_OCTETS_MAX: Final = 4096
"""Longest certificate that is read [A]; one of an end entity on P-384 has some 600."""
HARDWARE_MODULE_NAME: Final = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.4")
ExtensionT = TypeVar("ExtensionT", bound=x509.ExtensionType)
_KNOWN_EXTENSIONS: Final = (x509.KeyUsage, x509.BasicConstraints, x509.SubjectAlternativeName, x509.ExtendedKeyUsage)


class CertificateEntity(IntEnum):
    """Whose certificate. Source: docs/protocols/dlms-application.md §5 (certificates)."""

    SERVER = 0
    CLIENT = 1
    CERTIFICATION_AUTHORITY = 2
    OTHER = 3


class CertificateType(IntEnum):
    """What the key is for. Source: docs/protocols/dlms-application.md §5 (certificates)."""

    DIGITAL_SIGNATURE = 0
    KEY_AGREEMENT = 1
    TLS = 2
    OTHER = 3


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate. octets: DER. serial_number: contents of the DER integer. issuer, subject: DER names.

    alternative_name: DER of the extension, b"" without. system_title: of the owner, b"" where it names none.
    """

    octets: bytes = field(repr=False)
    public_key: PublicKey = field(repr=False, compare=False)
    type: CertificateType
    is_authority: bool
    serial_number: bytes
    issuer: bytes = field(repr=False)
    subject: bytes = field(repr=False)
    alternative_name: bytes = field(repr=False)
    system_title: bytes
    _parsed: x509.Certificate = field(repr=False, compare=False)

    @property
    def curve(self) -> Curve:
        return curve_of(self.public_key)

    def check_issued_by(self, authority: Certificate) -> None:
        """Raises SecurityError unless `authority` may sign certificates and has signed this one."""
        if not authority.is_authority:
            raise SecurityError("the issuer of the certificate is no certification authority")
        if authority.curve.coordinate_octets < self.curve.coordinate_octets:
            raise SecurityError("a key on P-384 is not certified by one on P-256")
        try:
            self._parsed.verify_directly_issued_by(authority._parsed)
        except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
            raise SecurityError("the certificate does not come from the authority that it names") from None

    def check_valid(self, now_s: float) -> None:
        """Raises SecurityError outside of the validity. now_s: seconds since 1970 UTC."""
        start, end = self._parsed.not_valid_before_utc, self._parsed.not_valid_after_utc
        if not start.timestamp() <= now_s <= end.timestamp():
            raise SecurityError("the certificate is not valid at this time")


_UNREADABLE: Final = (
    ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion, RemoteProtocolError,
)  # fmt: skip


def read_certificate(octets: Octets) -> Certificate:
    """Raises SecurityError for what is no X.509 certificate on P-256 or P-384 with a use that is known here."""
    octets = bytes(octets)
    if len(octets) > CERTIFICATE_OCTETS_MAX:
        raise SecurityError(f"a certificate of {len(octets)} octets; at most {CERTIFICATE_OCTETS_MAX} are read")
    try:
        _check_serial_number(octets)
        parsed = x509.load_der_x509_certificate(octets)
        return _read(octets, parsed)
    except SecurityError:
        raise
    except _UNREADABLE as error:
        raise SecurityError(f"the certificate cannot be read: {type(error).__name__}") from None


def _check_serial_number(octets: bytes) -> None:
    """A certificate is {{[0] version, INTEGER serial number, ...}, ...}; the number is above 0 (RFC 5280, 4.1.2.2)."""
    start, end = 0, len(octets)
    for _level in range(2):
        _tag, start, end = ber.read(octets, start, end)
    _tag, _start, version_end = ber.read(octets, start, end)
    _tag, start, end = ber.read(octets, version_end, end)
    if not any(octets[start:end]) or octets[start] & 0x80:
        raise SecurityError("the serial number of the certificate is not above 0")


def _read(octets: bytes, parsed: x509.Certificate) -> Certificate:
    public_key = parsed.public_key()
    if not isinstance(public_key, PublicKey):
        raise SecurityError("the certificate is for no key on an elliptic curve")
    curve_of(public_key)
    authority = _check_extensions(parsed)
    alternative = _extension(parsed, x509.SubjectAlternativeName)
    serial = parsed.serial_number
    return Certificate(
        octets=octets,
        public_key=public_key,
        type=CertificateType.OTHER if authority else _type(parsed),
        is_authority=authority,
        serial_number=serial.to_bytes(serial.bit_length() // 8 + 1, "big"),
        issuer=parsed.issuer.public_bytes(),
        subject=parsed.subject.public_bytes(),
        alternative_name=b"" if alternative is None else alternative.public_bytes(),
        system_title=_title(parsed, alternative),
        _parsed=parsed,
    )


def _check_extensions(parsed: x509.Certificate) -> bool:
    """Whether the owner is an authority. Raises SecurityError for a critical extension that is not known here."""
    for extension in parsed.extensions:
        if extension.critical and not isinstance(extension.value, _KNOWN_EXTENSIONS):
            raise SecurityError(f"the certificate has a critical extension {extension.oid.dotted_string}")
    constraints = _extension(parsed, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def _extension(parsed: x509.Certificate, kind: type[ExtensionT]) -> ExtensionT | None:
    try:
        return parsed.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _type(parsed: x509.Certificate) -> CertificateType:
    """By the key usage, which every certificate has to have."""
    usage = _extension(parsed, x509.KeyUsage)
    if usage is None:
        raise SecurityError("the certificate does not say what its key is for")
    if usage.digital_signature and usage.key_agreement:
        return CertificateType.TLS
    if usage.digital_signature:
        return CertificateType.DIGITAL_SIGNATURE
    if usage.key_agreement:
        return CertificateType.KEY_AGREEMENT
    raise SecurityError("the key of the certificate neither signs nor agrees on keys")


def _title(parsed: x509.Certificate, alternative: x509.SubjectAlternativeName | None) -> bytes:
    """The system title of the owner, b"" when none is named."""
    for other in () if alternative is None else alternative.get_values_for_type(x509.OtherName):
        if other.type_id == HARDWARE_MODULE_NAME:
            return _hardware_serial(other.value)
    for attribute in parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME):
        text = attribute.value
        if isinstance(text, str) and len(text) == 2 * SYSTEM_TITLE_OCTETS:
            try:
                return bytes.fromhex(text)
            except ValueError:
                return b""
    return b""


def _hardware_serial(octets: bytes) -> bytes:
    """The octet-string of SEQUENCE { hwType OBJECT IDENTIFIER, hwSerialNum OCTET STRING }."""
    _tag, start, end = ber.read(octets, 0, len(octets))
    _tag, _start, behind = ber.read(octets, start, end)
    tag, start, stop = ber.read(octets, behind, end)
    serial = octets[start:stop]
    if tag != ber.OCTET_STRING or len(serial) != SYSTEM_TITLE_OCTETS:
        raise SecurityError("the hardware module name holds no system title")
    return serial


# -- making them -------------------------------------------------------------------------------------------------------


def name_of_title(system_title: bytes) -> x509.Name:
    """The subject of an end entity: its system title in upper case hexadecimal digits."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, system_title.hex().upper())])


def request_certificate(system_title: bytes, key: PrivateKey) -> bytes:
    """A certificate signing request (PKCS #10, DER) for `key`, signed with it."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(name_of_title(system_title))
    request = builder.sign(key, curve_of(key).hash, ecdsa_deterministic=True)  # type: ignore[arg-type]
    return request.public_bytes(Encoding.DER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """Issues certificates, for tests and for benches that have no authority of their own. name: common name."""

    name: str
    key: PrivateKey = field(repr=False)

    def issue(
        self,
        subject: x509.Name,
        public_key: PublicKey,
        usage: CertificateType | None,
        *,
        serial_number: int,
        not_before_s: int = 0,
        not_after_s: int = 0xFFFF_FFFF,
    ) -> bytes:
        """A certificate (DER). usage: None makes `subject` an authority. Times: seconds since 1970 UTC."""
        signing = usage in (CertificateType.DIGITAL_SIGNATURE, CertificateType.TLS)
        agreeing = usage in (CertificateType.KEY_AGREEMENT, CertificateType.TLS)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.subject)
            .public_key(public_key)
            .serial_number(serial_number)
            .not_valid_before(datetime.fromtimestamp(not_before_s, UTC))
            .not_valid_after(datetime.fromtimestamp(not_after_s, UTC))
            .add_extension(_usage(signing=signing, agreeing=agreeing, authority=usage is None), critical=True)
        )
        if usage is None:
            builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        issued = builder.sign(self.key, curve_of(self.key).hash, ecdsa_deterministic=True)  # type: ignore[arg-type]
        return issued.public_bytes(Encoding.DER)

    @property
    def subject(self) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])

    def own_certificate(self, *, serial_number: int = 1) -> bytes:
        """The certificate that the authority has signed for itself: a trust anchor."""
        return self.issue(self.subject, self.key.public_key(), None, serial_number=serial_number)


def _usage(*, signing: bool, agreeing: bool, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signing,
        key_agreement=agreeing,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        encipher_only=False,
        decipher_only=False,
    )

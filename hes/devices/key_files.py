"""Private keys and certificates of suites 1 and 2 from files that a secrets file names; nothing in them is ever shown.

A private key is PEM or DER (PKCS #8 or SEC 1, without a passphrase), a certificate PEM or DER; a file of authorities
may hold several certificates in PEM. Paths are relative to the secrets file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key, load_pem_private_key

from hes.devices.secrets_file import DeviceSecrets, Secrets
from hes.dlms.security.asymmetric import AsymmetricKeys
from hes.dlms.security.certificates import CertificateType, read_certificate
from hes.dlms.security.curves import CURVES, PrivateKey, PublicKey
from hes.dlms.security.errors import SecurityError
from hes.errors import ConfigError

FILE_OCTETS_MAX: Final = 256 * 1024
_PEM: Final = b"-----BEGIN"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFiles:
    """Key pairs as the files gave them, and whom the client believes. authorities: certificates in DER."""

    pairs: AsymmetricKeys = field(default_factory=AsymmetricKeys)
    authorities: tuple[bytes, ...] = field(default=(), repr=False)


def read_key_files(secrets: Secrets, device: DeviceSecrets) -> KeyFiles:
    """What the entries of `secrets` for any device and those of `device` name. Raises ConfigError."""

    def path(value: bytes) -> Path | None:
        return Path(secrets.path).parent / value.decode("utf-8") if value else None

    signing, agreement = path(secrets.get("signing_key_file")), path(secrets.get("agreement_key_file"))
    certificate, authorities = path(secrets.get("certificate_file")), path(secrets.get("authorities_file"))
    theirs = path(device.signing_certificate_file), path(device.agreement_certificate_file)
    pairs = AsymmetricKeys(
        signing_key=None if signing is None else private_key(signing),
        agreement_key=None if agreement is None else private_key(agreement),
        certificate=b"" if certificate is None else certificates(certificate)[0],
        peer_signing_key=_peer(theirs[0], CertificateType.DIGITAL_SIGNATURE),
        peer_agreement_key=_peer(theirs[1], CertificateType.KEY_AGREEMENT),
    )
    return KeyFiles(pairs=pairs, authorities=() if authorities is None else certificates(authorities))


def private_key(path: Path) -> PrivateKey:
    """Raises ConfigError for a file that holds no private key on P-256 or P-384."""
    octets = _read(path)
    load = load_pem_private_key if octets.startswith(_PEM) else load_der_private_key
    try:
        key = load(octets, password=None)
    except (ValueError, TypeError):
        raise ConfigError(
            f"{path} holds no private key that can be read without a passphrase.", path=str(path)
        ) from None
    if not isinstance(key, PrivateKey) or key.curve.name not in CURVES:
        raise ConfigError(f"the private key in {path} is not on P-256 or P-384.", path=str(path))
    return key


def certificates(path: Path) -> tuple[bytes, ...]:
    """The certificates in a file, in DER; one at least. Raises ConfigError."""
    octets = _read(path)
    try:
        found = x509.load_pem_x509_certificates(octets) if octets.startswith(_PEM) else []
        ders = tuple([each.public_bytes(Encoding.DER) for each in found]) or (octets,)
        for der in ders:
            read_certificate(der)
    except (ValueError, SecurityError) as error:
        reason = error.message if isinstance(error, SecurityError) else "it is not a certificate"
        raise ConfigError(f"{path} holds no certificate for DLMS/COSEM: {reason}.", path=str(path)) from None
    return ders


def _peer(path: Path | None, kind: CertificateType) -> PublicKey | None:
    if path is None:
        return None
    certificate = read_certificate(certificates(path)[0])
    if certificate.type is not kind:
        raise ConfigError(f"the certificate in {path} is not one for {kind.name.lower().replace('_', ' ')}.")
    return certificate.public_key


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            octets = stream.read(FILE_OCTETS_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.", path=str(path)) from error
    if len(octets) > FILE_OCTETS_MAX:
        raise ConfigError(f"{path} is too long for a key or certificates.", path=str(path))
    return octets

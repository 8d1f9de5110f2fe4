"""Private keys and certificates of suites 1 and 2 from files that a secrets file names; nothing in them is ever shown.

A private key is PEM or DER (PKCS #8 or SEC 1, without a passphrase), a certificate PEM or DER; a file of authorities
may hold several certificates in PEM. Paths are relative to the secrets file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key, load_pem_private_key

from hes.devices.secrets_file import DeviceSecrets, Secrets
from hes.dlms.security.asymmetric import AsymmetricKeys
from hes.dlms.security.certificates import CertificateType, read_certificate
from hes.dlms.security.curves import CURVES, P_256, P_384, PrivateKey, PublicKey, public_key_from_octets
from hes.dlms.security.errors import SecurityError
from hes.errors import ConfigError

FILE_OCTETS_MAX: Final = 256 * 1024
_PEM: Final = b"-----BEGIN"
_PRIVATE, _PUBLIC, _CERTIFICATE = b"PRIVATE KEY-----", b"PUBLIC KEY-----", b"CERTIFICATE-----"
_KINDS: Final = {
    _PRIVATE: "a private key, which belongs to its owner alone",
    _PUBLIC: "a public key, which goes into the secrets file as hex digits",
    _CERTIFICATE: "a certificate",
}
LoadedT = TypeVar("LoadedT")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFiles:
    """Key pairs as the files gave them, and whom the client believes. authorities: certificates in DER."""

    pairs: AsymmetricKeys = field(default_factory=AsymmetricKeys)
    authorities: tuple[bytes, ...] = field(default=(), repr=False)


def read_key_files(secrets: Secrets, device: DeviceSecrets) -> KeyFiles:
    """What the entries of `secrets` for any device and those of `device` name. Raises ConfigError."""
    return device_key_files(secrets, device, own_key_files(secrets))


def own_key_files(secrets: Secrets) -> KeyFiles:
    """What the entries for any device name: the client's own, and whom it believes. Raises ConfigError."""
    pairs = AsymmetricKeys(
        signing_key=_load(secrets, None, "signing_key_file", private_key),
        agreement_key=_load(secrets, None, "agreement_key_file", private_key),
        certificate=_load(secrets, None, "certificate_file", _first_certificate) or b"",
    )
    _check_own_certificate(secrets, None, pairs)
    return KeyFiles(pairs=pairs, authorities=_load(secrets, None, "authorities_file", certificates) or ())


def device_key_files(secrets: Secrets, device: DeviceSecrets, own: KeyFiles) -> KeyFiles:
    """`own` and what the entries of `device` name: its public keys, and what it has in place of `own`.

    A signing key of its own takes a certificate of its own. Raises ConfigError.
    """
    signing = _load(secrets, device, "signing_key_file", private_key)
    certificate = _load(secrets, device, "certificate_file", _first_certificate)
    pairs = AsymmetricKeys(
        signing_key=signing or own.pairs.signing_key,
        agreement_key=_load(secrets, device, "agreement_key_file", private_key) or own.pairs.agreement_key,
        certificate=certificate or (own.pairs.certificate if signing is None else b""),
        peer_signing_key=_peer(secrets, device, "signing", CertificateType.DIGITAL_SIGNATURE),
        peer_agreement_key=_peer(secrets, device, "agreement", CertificateType.KEY_AGREEMENT),
    )
    if signing or certificate:
        _check_own_certificate(secrets, device, pairs)
    return KeyFiles(pairs=pairs, authorities=own.authorities)


def private_key(path: Path) -> PrivateKey:
    """Raises ConfigError for a file that holds no private key on P-256 or P-384."""
    octets = _read(path)
    load = load_pem_private_key if _PEM in octets else load_der_private_key
    try:
        key = load(octets, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        instead = _instead_of(_PRIVATE, octets)
        raise ConfigError(
            f"{path} holds no private key that can be read without a passphrase{instead and f', but {instead}'}.",
            path=str(path),
        ) from None
    if not isinstance(key, PrivateKey) or key.curve.name not in CURVES:
        raise ConfigError(f"the private key in {path} is not on P-256 or P-384.", path=str(path))
    return key


def certificates(path: Path) -> tuple[bytes, ...]:
    """The certificates in a file, in DER; one at least. Raises ConfigError."""
    octets = _read(path)
    try:
        found = x509.load_pem_x509_certificates(octets) if _PEM in octets else []
        ders = tuple([each.public_bytes(Encoding.DER) for each in found]) or (octets,)
        for der in ders:
            read_certificate(der)
    except (ValueError, SecurityError) as error:
        reason = error.message if isinstance(error, SecurityError) else "it is not a certificate"
        instead = _instead_of(_CERTIFICATE, octets)
        reason = f"it is {instead}" if instead else reason
        raise ConfigError(f"{path} holds no certificate for DLMS/COSEM: {reason}.", path=str(path)) from None
    return ders


def _instead_of(wanted: bytes, octets: bytes) -> str:
    """What a file in PEM holds where it should hold `wanted`; "" where it does, or nobody knows."""
    return "" if wanted in octets else next((kind for label, kind in _KINDS.items() if label in octets), "")


def _first_certificate(path: Path) -> bytes:
    return certificates(path)[0]


def _load(
    secrets: Secrets, device: DeviceSecrets | None, entry: str, load: Callable[[Path], LoadedT]
) -> LoadedT | None:
    """What the file holds that `entry` of `device`, or for any device, names; None where there is no such entry.

    Raises ConfigError that names the entry too.
    """
    value: bytes = secrets.get(entry) if device is None else getattr(device, entry)
    if not value:
        return None
    try:
        return load(Path(secrets.path).parent / value.decode("utf-8"))
    except ConfigError as error:
        raise ConfigError(f"{_entry(secrets, device, entry)}: {error.message}", **error.fields) from error


def _entry(secrets: Secrets, device: DeviceSecrets | None, entry: str) -> str:
    """Where a fault is."""
    of = "" if device is None else f" of device {device.system_title.hex().upper()}"
    return f"'{entry}'{of} in the secrets file {secrets.path}"


def _peer(secrets: Secrets, device: DeviceSecrets, name: str, kind: CertificateType) -> PublicKey | None:
    """The device's own public key, from its certificate or as it is."""

    def certified(path: Path) -> PublicKey:
        certificate = read_certificate(certificates(path)[0])
        if certificate.type is not kind:
            raise ConfigError(
                f"the certificate in {path} is not one for {kind.name.lower().replace('_', ' ')}.", path=str(path)
            )
        if certificate.system_title not in (b"", device.system_title):
            owner = certificate.system_title.hex().upper()
            raise ConfigError(f"the certificate in {path} belongs to the system title {owner}.", path=str(path))
        return certificate.public_key

    found = _load(secrets, device, f"{name}_certificate_file", certified)
    octets: bytes = getattr(device, f"{name}_public_key")
    if not octets:
        return found
    entry = _entry(secrets, device, f"{name}_public_key")
    if found is not None:
        raise ConfigError(f"{entry} stands beside '{name}_certificate_file': leave one of them.", path=secrets.path)
    try:
        return public_key_from_octets(P_256 if len(octets) == P_256.public_octets else P_384, octets)
    except SecurityError as error:
        raise ConfigError(f"{entry}: {error.message}.", path=secrets.path) from None


def _check_own_certificate(secrets: Secrets, device: DeviceSecrets | None, pairs: AsymmetricKeys) -> None:
    if not pairs.certificate or pairs.signing_key is None:
        return
    certified = read_certificate(pairs.certificate).public_key
    if certified.public_numbers() != pairs.signing_key.public_key().public_numbers():
        raise ConfigError(
            f"{_entry(secrets, device, 'certificate_file')} is not for the key in 'signing_key_file': name the two "
            "that belong together.",
            path=secrets.path,
        )


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            octets = stream.read(FILE_OCTETS_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.", path=str(path)) from error
    if len(octets) > FILE_OCTETS_MAX:
        raise ConfigError(f"{path} is too long for a key or certificates.", path=str(path))
    return octets

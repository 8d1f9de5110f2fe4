"""Keys and passwords of the reference meter. TEST KEYS: they stand in the source, so everybody knows them.

key = SHA-256 of a label, private key = SHA-512 of one reduced to the curve: our own choice [A]. A key set belongs to a
security setup; certificates are issued by a test authority when the meter is made, and are the same every time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from hes.dlms.cosem.key_store import KeyStore
from hes.dlms.security import EncryptionKeys, HlsInputs
from hes.dlms.security.certificates import Authority, CertificateType, name_of_title
from hes.dlms.security.control import SUITES
from hes.dlms.security.curves import PrivateKey, private_key_from_entropy
from hes.dlms.security.key_agreement import curve_of_suite

SYSTEM_TITLE: Final = b"AMLREFMT"
CLIENT_SYSTEM_TITLE: Final = b"AMLCLIEN"
"""The client whose public keys the meter knows; with other mechanisms than ECDSA any title will do."""
PASSWORD: Final = b"reference-secret"
"""Of LLS, and the secret of the mechanisms that hash one."""
AES_OCTETS: Final = 16


def key(purpose: str, setup: int, octets: int) -> bytes:
    return hashlib.sha256(_label(purpose, setup)).digest()[:octets]


def global_keys(setup: int, suite: int) -> EncryptionKeys:
    octets = SUITES[suite].key_octets
    return EncryptionKeys(key("encryption", setup, octets), key("authentication", setup, octets))


def master_key(setup: int, suite: int) -> bytes:
    return key("master", setup, SUITES[suite].key_octets)


def private_key(owner: str, kind: CertificateType, suite: int) -> PrivateKey:
    """Of suite 1 or 2. owner: client, meter or authority."""
    curve = curve_of_suite(SUITES[suite])
    digest = hashlib.sha512(_label(f"{owner} {kind.name}", suite)).digest()
    return private_key_from_entropy(curve, digest[: curve.entropy_octets])


def authority(suite: int) -> Authority:
    """Who certifies meter and client."""
    return Authority(name="amiloop TEST authority", key=private_key("authority", CertificateType.OTHER, suite))


def key_store(suite: int, entropy: Callable[[int], bytes]) -> KeyStore | None:
    """The meter's key pairs and the certificates of both sides; None for suite 0.

    Under suite 1 it has none of its own for signing, and so brings none with its AARE: there are clients that cannot
    take one (docs/interop.md).
    """
    if suite == 0:
        return None
    issuer = authority(suite)
    kinds = (CertificateType.DIGITAL_SIGNATURE, CertificateType.KEY_AGREEMENT)
    owners = (("meter", SYSTEM_TITLE), ("client", CLIENT_SYSTEM_TITLE))
    return KeyStore(
        system_title=SYSTEM_TITLE,
        suite=suite,
        entropy=entropy,
        pairs={kind: private_key("meter", kind, suite) for kind in kinds},
        trust_anchors=[issuer.own_certificate()],
        certificates=[
            issuer.issue(
                name_of_title(title), private_key(owner, kind, suite).public_key(), kind, serial_number=10 + number
            )
            for number, (owner, title, kind) in enumerate((*owner, kind) for owner in owners for kind in kinds)
            if (suite, owner, kind) != (1, "meter", CertificateType.DIGITAL_SIGNATURE)
        ],
    )


def manufacturer_proof(inputs: HlsInputs) -> bytes:
    """Mechanism 2 as many manufacturers do it: the challenge in blocks of AES-128 under the secret, zeros behind both.

    Source: gurux-dlms and pydlms-client agree on it [S2]; the standard leaves it open.
    """
    padded = inputs.challenge + bytes(-len(inputs.challenge) % AES_OCTETS)
    cipher = Cipher(algorithms.AES(inputs.secret[:AES_OCTETS].ljust(AES_OCTETS, b"\x00")), modes.ECB())  # noqa: S305
    encryptor = cipher.encryptor()
    return encryptor.update(padded) + encryptor.finalize()


def _label(purpose: str, number: int) -> bytes:
    return f"amiloop reference meter {purpose} {number}".encode("ascii")

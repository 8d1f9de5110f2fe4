"""Secrets of meters by reference out of a secrets file, and what is said of files that hold something else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509 import load_der_x509_certificate

from hes.devices.archive import MeterSecrets
from hes.devices.file_keys import FileKeys
from hes.devices.secrets_file import Secrets
from hes.dlms.security.certificates import Authority, CertificateType, name_of_title
from hes.dlms.security.curves import P_256, P_384, Curve, PrivateKey, private_key_from_octets, public_octets_of
from hes.errors import ConfigError

TITLE = bytes.fromhex("414D4C0000000123")
OTHER = bytes.fromhex("414D4C0000000124")
SIGNING, AGREEING = CertificateType.DIGITAL_SIGNATURE, CertificateType.KEY_AGREEMENT
DEVICE = f'[[device]]\nsystem_title = "{TITLE.hex()}"\n'


def key(number: int, curve: Curve = P_256) -> PrivateKey:
    return private_key_from_octets(curve, number.to_bytes(curve.coordinate_octets, "big"))


OWN, METER, SECOND = key(0x5EC2E7 << 200), key(3), key(4, P_384)


def private_pem(of: ec.EllipticCurvePrivateKey) -> bytes:
    return of.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(of: PrivateKey) -> bytes:
    return of.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def certificate(of: PrivateKey, usage: CertificateType = SIGNING, title: bytes = TITLE) -> bytes:
    return Authority(name="Meters", key=key(9, P_384)).issue(
        name_of_title(title), of.public_key(), usage, serial_number=7
    )


def certificate_pem(der: bytes) -> bytes:
    return load_der_x509_certificate(der).public_bytes(Encoding.PEM)


def edwards_certificate() -> bytes:
    """For a key that DLMS/COSEM does not use."""
    edwards: Any = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    return certificate(edwards)


FILES = {
    "own.pem": private_pem(OWN),
    "second.pem": private_pem(SECOND),
    "locked.pem": OWN.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"passphrase")),
    "k1.pem": private_pem(ec.generate_private_key(ec.SECP256K1())),
    "meter.pem": private_pem(METER),
    "public.pem": public_pem(METER),
    "own.crt": certificate(OWN, title=OTHER),
    "second.crt": certificate(SECOND, title=OTHER),
    "meter.crt": certificate(METER),
    "agree.crt": certificate(METER, AGREEING),
    "told.crt": b"Certificate:\n    Version: 3\n" + certificate_pem(certificate(METER)),
    "edwards.crt": certificate_pem(edwards_certificate()),
    "other.crt": certificate(METER, title=OTHER),
}


@pytest.fixture
def keys_of(tmp_path: Path) -> Callable[[str], FileKeys]:
    """The keys of a secrets file with that text, in a folder with FILES."""
    for name, octets in FILES.items():
        (tmp_path / name).write_bytes(octets)

    def make(text: str) -> FileKeys:
        (tmp_path / "secrets.toml").write_text(text)
        return FileKeys(Secrets.read(tmp_path / "secrets.toml"))

    return make


def numbers(public: Any) -> str:
    return public_octets_of(public).hex()


def secrets_of(keys: FileKeys, title: bytes = TITLE) -> MeterSecrets:
    return keys.secrets(title.hex())


def test_a_meter_has_the_keys_of_its_table_and_the_head_ends_own_pairs(keys_of: Callable[[str], FileKeys]) -> None:
    own = f'system_title = "{OTHER.hex()}"\nsigning_key_file = "own.pem"\ncertificate_file = "own.crt"\n'
    more = 'signing_certificate_file = "meter.crt"\nagreement_certificate_file = "agree.crt"\npassword = "12345678"\n'
    keys = keys_of(own + DEVICE + more + f'encryption_key = "{"0A" * 32}"\nauthentication_key = "{"0B" * 32}"\n')
    found = secrets_of(keys)
    assert keys.system_title == OTHER
    assert found.encryption_key == b"\x0a" * 32
    assert found.authentication_key == b"\x0b" * 32
    assert found.password == b"12345678"
    assert found.pairs.signing_key is not None
    assert numbers(found.pairs.signing_key) == numbers(OWN)
    assert found.pairs.certificate == FILES["own.crt"]
    assert found.pairs.peer_signing_key is not None
    assert numbers(found.pairs.peer_signing_key) == numbers(METER)
    assert found.pairs.peer_agreement_key is not None


def test_a_public_key_may_stand_in_the_table_itself(keys_of: Callable[[str], FileKeys]) -> None:
    for meter in (METER, SECOND):
        entries = f'signing_public_key = "{numbers(meter)}"\nagreement_public_key = "{numbers(meter)}"\n'
        pairs = secrets_of(keys_of(DEVICE + entries)).pairs
        assert pairs.peer_signing_key is not None
        assert pairs.peer_agreement_key is not None
        assert numbers(pairs.peer_signing_key) == numbers(pairs.peer_agreement_key) == numbers(meter)


def test_a_certificate_in_pem_may_have_text_above_it(keys_of: Callable[[str], FileKeys]) -> None:
    """As `openssl x509 -text` writes it."""
    assert secrets_of(keys_of(DEVICE + 'signing_certificate_file = "told.crt"\n')).pairs.peer_signing_key is not None


def test_a_meter_of_another_suite_has_another_key_pair_of_ours(keys_of: Callable[[str], FileKeys]) -> None:
    """The certificate that goes with the key for any device does not go with the one for this device."""
    own = 'signing_key_file = "own.pem"\ncertificate_file = "own.crt"\n'
    plain = secrets_of(keys_of(own + DEVICE + 'signing_key_file = "second.pem"\n')).pairs
    assert plain.signing_key is not None
    assert (numbers(plain.signing_key), plain.certificate) == (numbers(SECOND), b"")
    entries = 'signing_key_file = "second.pem"\ncertificate_file = "second.crt"\n'
    assert secrets_of(keys_of(own + DEVICE + entries)).pairs.certificate == FILES["second.crt"]


def test_a_meter_without_a_table_has_what_is_for_any_device(keys_of: Callable[[str], FileKeys]) -> None:
    keys = keys_of(f'key = "{"0A" * 16}"\npassword = "any"\n{DEVICE}encryption_key = "{"0C" * 16}"\n')
    assert secrets_of(keys, OTHER).encryption_key == b"\x0a" * 16
    assert secrets_of(keys).encryption_key == b"\x0c" * 16
    assert secrets_of(keys).password == b"any"
    with pytest.raises(ConfigError, match=f"no device with system title {OTHER.hex().upper()}: add"):
        secrets_of(keys_of(DEVICE), OTHER)


@pytest.mark.parametrize("reference", ["", "meter 1", "00" * 16])
def test_a_reference_that_is_no_system_title_is_refused_and_not_repeated(
    keys_of: Callable[[str], FileKeys], reference: str
) -> None:
    with pytest.raises(ConfigError, match="no system title of 16 hex digits") as caught:
        keys_of(DEVICE).secrets(reference)
    assert not reference or reference not in caught.value.message


def test_a_file_that_was_put_right_counts_at_once(keys_of: Callable[[str], FileKeys], tmp_path: Path) -> None:
    keys = keys_of(DEVICE + 'signing_certificate_file = "late.crt"\n')
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        secrets_of(keys)
    (tmp_path / "late.crt").write_bytes(FILES["meter.crt"])
    assert secrets_of(keys).pairs.peer_signing_key is not None


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ('signing_key_file = "absent.pem"', "'signing_key_file'@ in the secrets file #: *absent.pem cannot be read"),
        ('signing_key_file = "own.crt"', "'signing_key_file'@ in the secrets file #: *holds no private key"),
        ('signing_key_file = "locked.pem"', "'signing_key_file'@ in the secrets file #: *without a passphrase."),
        ('signing_key_file = "public.pem"', "'signing_key_file'@ in the secrets file #: *a public key"),
        ('agreement_key_file = "k1.pem"', "'agreement_key_file'@ in the secrets file #: *not on P-256 or P-384"),
        ('certificate_file = "own.pem"', "'certificate_file'@ in the secrets file #: *it is a private key"),
        (
            'signing_key_file = "own.pem"\ncertificate_file = "meter.crt"',
            "'certificate_file'@ in the secrets file # is not for the key in 'signing_key_file'",
        ),
    ],
)
def test_what_is_wrong_with_the_head_ends_own_files_is_said(
    keys_of: Callable[[str], FileKeys], entry: str, says: str
) -> None:
    """For any device: before anything is read. For one device: when it is read."""
    with pytest.raises(ConfigError) as caught:
        keys_of(entry + "\n")
    assert_said(caught.value, says, where="")
    keys = keys_of(DEVICE + entry + "\n")
    with pytest.raises(ConfigError) as caught:
        secrets_of(keys)
    assert_said(caught.value, says, where=f" of device {TITLE.hex().upper()}")


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ('signing_certificate_file = "absent.crt"', "*absent.crt cannot be read"),
        ('signing_certificate_file = "meter.pem"', "*it is a private key, which belongs to its owner alone"),
        ('signing_certificate_file = "public.pem"', "*a public key, which goes into the secrets file as hex digits"),
        ('signing_certificate_file = "edwards.crt"', "*no certificate for DLMS/COSEM: *no key on an elliptic curve"),
        ('signing_certificate_file = "agree.crt"', "*is not one for digital signature"),
        ('signing_certificate_file = "other.crt"', f"*belongs to the system title {OTHER.hex().upper()}"),
        (f'signing_public_key = "{numbers(METER)[:-2]}00"', "*is no point on P-256"),
        (
            f'signing_public_key = "{numbers(METER)}"\nsigning_certificate_file = "meter.crt"',
            "'signing_public_key'@ in the secrets file # stands beside 'signing_certificate_file'",
        ),
    ],
)
def test_what_is_wrong_with_a_meters_public_key_is_said(
    keys_of: Callable[[str], FileKeys], entry: str, says: str
) -> None:
    keys = keys_of(DEVICE + entry + "\n")
    with pytest.raises(ConfigError) as caught:
        secrets_of(keys)
    assert_said(caught.value, says, where=f" of device {TITLE.hex().upper()}")


def test_a_private_key_in_place_of_a_public_one_is_refused_and_not_repeated(
    keys_of: Callable[[str], FileKeys],
) -> None:
    secret = f"{OWN.private_numbers().private_value:064x}"
    with pytest.raises(ConfigError, match=r"never a private key\) is 128 hex digits or 192 hex digits") as caught:
        keys_of(DEVICE + f'signing_public_key = "{secret}"\n')
    assert secret not in caught.value.message


def test_no_private_key_is_in_a_repr(keys_of: Callable[[str], FileKeys]) -> None:
    keys = keys_of(f'signing_key_file = "own.pem"\n{DEVICE}password = "12345678"\n')
    number = OWN.private_numbers().private_value
    shown = repr(keys) + repr(secrets_of(keys))
    for secret in (f"{number}", f"{number:x}", "12345678"):
        assert secret not in shown


def assert_said(error: ConfigError, says: str, *, where: str) -> None:
    """One sentence with these parts of it, in their order, and no private key. @: of which device; #: the file."""
    message, position = error.message, 0
    assert message.endswith(".")
    assert "\n" not in message
    if says.startswith("*"):
        says = f"@ in the secrets file {says}"
    for part in says.replace("@", where).replace("#", "*secrets.toml").split("*"):
        found = message.find(part, position)
        assert found >= 0, (part, message)
        position = found + len(part)
    assert FILES["own.pem"].splitlines()[1].decode() not in message

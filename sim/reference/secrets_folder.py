"""Everything that a client of the reference meter needs, as files: `amiloop meter --write-secrets FOLDER`.

    setup-0.toml ...      for `--secrets`, one per security setup: a secrets file has one key set per system title
    setup-2-*-key.pem     private keys of the test client, named in the file of their setup
    setup-2-authority.*   the authority that the meter believes: its certificate, and its key to issue others with

They are TEST KEYS that stand in the source. Only their owner may read them all the same, as with real ones.
Format: docs/secrets.md.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hes.dlms.security.certificates import CertificateType
from hes.dlms.security.curves import PrivateKey, public_octets_of
from hes.errors import ConfigError
from sim.reference import known_keys
from sim.reference.associations import OFFERS, SUITE_OF

PAIRS: Final = {"signing": CertificateType.DIGITAL_SIGNATURE, "agreement": CertificateType.KEY_AGREEMENT}
HEADER: Final = """\
# TEST KEYS of the reference meter, security setup {setup}, suite {suite}, clients {clients}. Never for a real meter.
"""


def secrets_name(setup: int) -> str:
    """The file of a security setup."""
    return f"setup-{setup}.toml"


def write_secrets(folder: Path) -> None:
    """Write all files, readable to the owner only. Those that are there already stay, if they say the same.

    Raises ConfigError before anything is written when one of them holds something else, or cannot be written.
    """
    files = {name: octets for setup in SUITE_OF for name, octets in _files(setup).items()}
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        missing = {}
        for name, octets in files.items():
            path = folder / name
            if not path.exists():
                missing[path] = octets
            elif path.read_bytes() != octets:
                raise ConfigError(f"{path} is there and holds something else: name another folder, or remove it")
        for path, octets in missing.items():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(octets)
    except OSError as error:
        raise ConfigError(f"secrets cannot be written to {folder}: {error.strerror}") from None


def _files(setup: int) -> dict[str, bytes]:
    """Of one security setup, by name."""
    suite = SUITE_OF[setup]
    keys = known_keys.global_keys(setup, suite)
    clients = [offer.client_sap for offer in OFFERS if offer.setup == setup]
    entries = {"system_title": known_keys.CLIENT_SYSTEM_TITLE.hex().upper()}
    device = {
        "name": f"reference meter, security setup {setup}",
        "system_title": known_keys.SYSTEM_TITLE.hex().upper(),
        "encryption_key": keys.encryption.hex().upper(),
        "authentication_key": keys.authentication.hex().upper(),
        "master_key": known_keys.master_key(setup, suite).hex().upper(),
        "password": known_keys.PASSWORD.decode("ascii"),
    }
    files = {}
    if suite:
        for name, kind in PAIRS.items():
            entries[f"{name}_key_file"] = file = f"setup-{setup}-client-{name}-key.pem"
            files[file] = _pem(known_keys.private_key("client", kind, suite))
            own = public_octets_of(known_keys.private_key("meter", kind, suite))
            device[f"{name}_public_key"] = own.hex().upper()
        authority = known_keys.authority(suite)
        entries["authorities_file"] = file = f"setup-{setup}-authority.crt"
        files[file] = x509.load_der_x509_certificate(authority.own_certificate()).public_bytes(Encoding.PEM)
        files[f"setup-{setup}-authority-key.pem"] = _pem(authority.key)
    header = HEADER.format(setup=setup, suite=suite, clients=", ".join(map(str, clients)))
    text = f"{header}{_table(entries)}\n[[device]]\n{_table(device)}"
    return {secrets_name(setup): text.encode("ascii"), **files}


def _table(entries: dict[str, str]) -> str:
    return "".join(f'{name} = "{value}"\n' for name, value in entries.items())


def _pem(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

"""What is written for clients of the reference meter can be read back, and takes nobody's place."""

from __future__ import annotations

import pytest
from cryptography import x509

from hes.devices.secrets_file import Secrets
from hes.dlms.security.certificates import read_certificate
from hes.errors import ConfigError
from sim.reference import known_keys
from sim.reference.associations import SUITE_OF
from sim.reference.secrets_folder import secrets_name, write_secrets


@pytest.mark.parametrize(("setup", "suite"), SUITE_OF.items())
def test_each_security_setup_has_its_file(tmp_path, setup, suite):
    write_secrets(tmp_path / "keys")
    secrets = Secrets.read(tmp_path / "keys" / secrets_name(setup))
    device = secrets.device(known_keys.SYSTEM_TITLE)
    assert device.encryption_key == known_keys.global_keys(setup, suite).encryption
    assert device.master_key == known_keys.master_key(setup, suite)
    assert secrets.get("system_title") == known_keys.CLIENT_SYSTEM_TITLE
    assert bool(device.signing_public_key) == bool(secrets.get("signing_key_file")) == bool(suite)


def test_only_their_owner_reads_them(tmp_path):
    write_secrets(tmp_path / "keys")
    files = list((tmp_path / "keys").iterdir())
    assert len(files) == len(SUITE_OF) + 2 * 4
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_the_authority_is_the_one_that_the_meter_believes(tmp_path):
    write_secrets(tmp_path / "keys")
    written = x509.load_pem_x509_certificate((tmp_path / "keys" / "setup-2-authority.crt").read_bytes())
    store = known_keys.key_store(1, bytes)
    assert written.serial_number == x509.load_der_x509_certificate(next(iter(store)).octets).serial_number
    assert read_certificate(known_keys.authority(1).own_certificate()).is_authority


def test_written_again_they_stay_as_they_are(tmp_path):
    write_secrets(tmp_path / "keys")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "keys").iterdir()}
    write_secrets(tmp_path / "keys")
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "keys").iterdir()}


def test_what_somebody_else_wrote_is_left_alone_and_nothing_is_written(tmp_path):
    own = tmp_path / secrets_name(2)
    own.write_text("mine")
    with pytest.raises(ConfigError, match="holds something else"):
        write_secrets(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [own.name]
    assert own.read_text() == "mine"


def test_a_place_where_nothing_can_be_written_is_named(tmp_path):
    with pytest.raises(ConfigError, match="missing"):
        write_secrets(tmp_path / "missing" / "keys")

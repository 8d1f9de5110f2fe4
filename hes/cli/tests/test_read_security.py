"""`amiloop read` with every mechanism and suite, keys and certificates in files, and what is said without them."""

import itertools

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import load_der_x509_certificate

from hes.cli import main as cli
from hes.cli.read import read
from hes.cli.tests.meter_on_tcp import MeterOnTcp
from hes.devices.key_files import certificates, private_key, read_key_files
from hes.devices.secrets_file import DeviceSecrets, Secrets
from hes.dlms.codes import Mechanism
from hes.dlms.security.certificates import CertificateType
from hes.dlms.server import Server
from hes.dlms.tests import published
from hes.dlms.tests import test_hls_sessions as hls
from hes.dlms.tests.test_general_sessions import Session
from hes.errors import ConfigError

HASHED = {Mechanism.HLS_MD5: "md5", Mechanism.HLS_SHA1: "sha1", Mechanism.HLS_SHA256: "sha256"}
TITLES = f'system_title = "{published.CLIENT_TITLE.hex()}"\n'
AGREEING = CertificateType.KEY_AGREEMENT


def entropy():
    numbers = itertools.count(1)
    return lambda count: (next(numbers).to_bytes(8, "big") * 8)[:count]


class Meter(MeterOnTcp):
    """The device of the session tests behind a port."""

    def __init__(self, mechanism, suite=0, store=None):
        device = hls.device(mechanism, suite)
        super().__init__(device=device)
        self.meter = hls.meter(suite, store)
        self.server = Server(device, self.meter, entropy=entropy())


def run(url, *arguments):
    return CliRunner().invoke(read, [url, "ldn", "--client", "40", *map(str, arguments)], standalone_mode=False)


def keys(suite):
    pair = hls.keys(suite)
    return "--key", pair.encryption.hex(), "--auth-key", pair.authentication.hex(), "--counter", "1"


def write_pem(path, key=None, *ders):
    if key is not None:
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    else:
        path.write_bytes(b"".join([load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in ders]))
    return path


@pytest.mark.parametrize("ciphered", [False, True], ids=["plain", "ciphered"])
@pytest.mark.parametrize("mechanism", list(HASHED), ids=lambda mechanism: mechanism.name)
def test_a_secret_that_is_hashed_opens_the_meter(mechanism, ciphered):
    with Meter(mechanism) as meter:
        options = ("--mechanism", HASHED[mechanism], "--password", hls.SECRET.decode(), *(keys(0) if ciphered else ()))
        result = run(meter.url, *options)
    assert result.return_value == 0, result.output
    assert "AML" in result.output


@pytest.mark.parametrize("suite", [1, 2])
@pytest.mark.parametrize("style", ["service-specific", "general-glo", "general-ciphering"])
def test_suites_1_and_2_read_with_gmac(suite, style):
    with Meter(Mechanism.HLS_GMAC, suite) as meter:
        result = run(meter.url, "--auth", "gmac", "--suite", suite, "--style", style, *keys(suite))
    assert result.return_value == 0, result.output


@pytest.mark.parametrize("suite", [1, 2])
@pytest.mark.parametrize("ciphered", [False, True], ids=["plain", "ciphered"])
def test_ecdsa_with_key_and_certificates_in_files(tmp_path, suite, ciphered):
    world = hls.World(suite)
    write_pem(tmp_path / "sign.pem", world.client_key)
    write_pem(tmp_path / "own.pem", None, world.client_certificate)
    write_pem(tmp_path / "root.pem", None, world.authority.own_certificate())
    secrets = tmp_path / "secrets.toml"
    secrets.write_text(
        TITLES + 'signing_key_file = "sign.pem"\ncertificate_file = "own.pem"\nauthorities_file = "root.pem"\n'
    )
    with Meter(Mechanism.HLS_ECDSA, suite, world.store()) as meter:
        result = run(meter.url, "--auth", "ecdsa", "--secrets", secrets, *(keys(suite) if ciphered else ()))
    assert result.return_value == 0, result.output


class AgreeingMeter(MeterOnTcp):
    def __init__(self):
        super().__init__()
        session = Session(1)
        self.server, self.session = session.server, session


@pytest.mark.parametrize("source", ["wrapped", "one-pass", "static"])
def test_keys_that_come_with_each_apdu_and_signatures(tmp_path, source):
    meter = AgreeingMeter()
    client, pairs = meter.session.client.settings.security, meter.session.pairs()
    root = hls.Authority(name="Meters", key=hls.key_of(1, 77))
    write_pem(tmp_path / "sign.pem", pairs.signing_key)
    write_pem(tmp_path / "agree.pem", pairs.agreement_key)
    for name, key, usage in (
        ("meter-sign.pem", pairs.peer_signing_key, CertificateType.DIGITAL_SIGNATURE),
        ("meter-agree.pem", pairs.peer_agreement_key, AGREEING),
    ):
        write_pem(
            tmp_path / name, None, root.issue(hls.name_of_title(published.SERVER_TITLE), key, usage, serial_number=1)
        )
    secrets = tmp_path / "secrets.toml"
    secrets.write_text(
        TITLES + 'signing_key_file = "sign.pem"\nagreement_key_file = "agree.pem"\n[[device]]\n'
        f'system_title = "{published.SERVER_TITLE.hex()}"\nencryption_key = "{client.keys.encryption.hex()}"\n'
        f'authentication_key = "{client.keys.authentication.hex()}"\nmaster_key = "{client.master_key.hex()}"\n'
        'signing_certificate_file = "meter-sign.pem"\nagreement_certificate_file = "meter-agree.pem"\n'
    )
    options = ("--secrets", secrets, "--style", "general-ciphering", "--key-source", source, "--sign", "--counter", "1")
    with meter:
        result = run(meter.url, "--suite", "1", *options)
    assert result.return_value == 0, result.output


# -- what is missing is said before anything is sent


@pytest.fixture
def through_main(monkeypatch, capsys):
    from importlib.metadata import EntryPoint

    entry = EntryPoint("read", "hes.cli.read:read", "amiloop.commands")
    monkeypatch.setattr(cli.amiloop, "_source", lambda: {"read": entry})

    def call(*arguments):
        return cli.run(["read", "tcp://127.0.0.1:1", *arguments]), capsys.readouterr().err

    return call


BOTH = ("--key", "00" * 16, "--auth-key", "11" * 16)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--auth", "md5"), "--auth md5 needs --password"),
        (("--auth", "sha256"), "--auth sha256 needs --password"),
        (("--auth", "ecdsa"), "need --suite 1 or 2"),
        (("--auth", "ecdsa", "--suite", "1"), "signing_key_file"),
        (("--suite", "2", *BOTH), "suite 2 takes keys of 64 hex digits"),
        (("--sign", "--suite", "1"), "--sign needs --key"),
        (("--sign", "--suite", "1", *BOTH), "signing_key_file"),
        (("--key-source", "wrapped", *BOTH), "needs --style general-ciphering"),
        (("--key-source", "wrapped", "--style", "general-ciphering", *BOTH), "master_key"),
        (("--key-source", "static", "--style", "general-ciphering", "--suite", "1", *BOTH), "agreement_key_file"),
        (("--key-source", "static", "--style", "general-ciphering", *BOTH), "need --suite 1 or 2"),
    ],
)
def test_what_is_missing_is_named(through_main, arguments, said):
    status, err = through_main(*arguments)
    assert (status, err.count("\n")) == (2, 1), err
    assert said in err
    assert "0000" not in err


# -- files


def test_files_that_hold_something_else_are_named_and_never_shown(tmp_path):
    world = hls.World(1)
    key = write_pem(tmp_path / "key.pem", world.client_key)
    certificate = write_pem(tmp_path / "certificate.pem", None, world.client_certificate)
    for load, path, said in (
        (private_key, certificate, "no private key"),
        (private_key, tmp_path / "absent.pem", "cannot be read"),
        (certificates, key, "no certificate"),
    ):
        with pytest.raises(ConfigError, match=said) as caught:
            load(path)
        assert str(path) in caught.value.message
        assert key.read_text().splitlines()[1] not in caught.value.message
    huge = tmp_path / "huge.pem"
    huge.write_bytes(bytes(300_000))
    with pytest.raises(ConfigError, match="too long"):
        private_key(huge)


def test_der_is_read_as_well_and_a_certificate_for_another_use_is_refused(tmp_path):
    world = hls.World(1)
    der = tmp_path / "key.der"
    der.write_bytes(world.client_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    assert private_key(der).private_numbers() == world.client_key.private_numbers()
    (tmp_path / "cert.der").write_bytes(world.client_certificate)
    assert certificates(tmp_path / "cert.der") == (world.client_certificate,)
    secrets = Secrets({}, path=str(tmp_path / "secrets.toml"))
    device = DeviceSecrets(system_title=bytes(8), agreement_certificate_file=b"cert.der")
    with pytest.raises(ConfigError, match="not one for key agreement"):
        read_key_files(secrets, device)
    assert read_key_files(Secrets({}), DeviceSecrets(system_title=bytes(8))).pairs.signing_key is None


def test_no_key_is_in_a_repr(tmp_path):
    world = hls.World(1)
    write_pem(tmp_path / "sign.pem", world.client_key)
    secrets = Secrets({"signing_key_file": b"sign.pem"}, path=str(tmp_path / "secrets.toml"))
    files = read_key_files(secrets, DeviceSecrets(system_title=bytes(8)))
    number = files.pairs.signing_key.private_numbers().private_value
    assert str(number) not in repr(files)
    assert f"{number:x}" not in repr(files)

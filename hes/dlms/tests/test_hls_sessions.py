"""Whole associations with every mechanism of high level security, client against server."""

from dataclasses import replace

import pytest

from hes.dlms import acse
from hes.dlms.acse import Aarq
from hes.dlms.apdu import AttributeDescriptor
from hes.dlms.client import Client
from hes.dlms.client.events import Associated, AssociationRefused, Got, SendNext
from hes.dlms.client.settings import ClientSecurity, ClientSettings
from hes.dlms.codes import AcseDiagnostic, ApplicationContext, AssociationResult, Mechanism
from hes.dlms.cosem import ClientAccess, LogicalDevice, Role, SecurityMemory
from hes.dlms.cosem.key_store import KeyStore
from hes.dlms.findings import FindingKind
from hes.dlms.initiate import InitiateRequest
from hes.dlms.security import EncryptionKeys, SecurityError
from hes.dlms.security.asymmetric import AsymmetricKeys
from hes.dlms.security.certificates import Authority, CertificateType, name_of_title
from hes.dlms.security.control import SUITES
from hes.dlms.security.curves import private_key_from_entropy
from hes.dlms.server import Server
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import published
from hes.errors import LocalProtocolError

SECRET = b"the secret of HLS"
ENERGY = AttributeDescriptor(3, bm.ENERGY, 2)
HASHED = (Mechanism.HLS_MD5, Mechanism.HLS_SHA1, Mechanism.HLS_SHA256)


def key_of(suite, seed):
    curve = SUITES[suite].curve
    return private_key_from_entropy(curve, bytes((seed,)) * curve.entropy_octets)


def twisted(inputs):
    return inputs.challenge[::-1] + inputs.secret


def keys(suite):
    count = SUITES[suite].key_octets
    return EncryptionKeys(bytes(range(count)), bytes(range(100, 100 + count)))


class World:
    """Two authorities, a client and a server with pairs and certificates of one suite."""

    def __init__(self, suite):
        self.suite = suite
        self.authority = Authority(name="Root", key=key_of(suite, 1))
        self.stranger = Authority(name="Root", key=key_of(suite, 9))
        self.client_key, self.server_key = key_of(suite, 2), key_of(suite, 3)
        self.client_certificate = self.issue(self.authority, published.CLIENT_TITLE, self.client_key)
        self.server_certificate = self.issue(self.authority, published.SERVER_TITLE, self.server_key)

    @staticmethod
    def issue(authority, title, key, usage=CertificateType.DIGITAL_SIGNATURE):
        return authority.issue(name_of_title(title), key.public_key(), usage, serial_number=7)

    def store(self, **changes):
        fields = {
            "system_title": published.SERVER_TITLE,
            "suite": self.suite,
            "entropy": lambda count: bytes(count),
            "pairs": {CertificateType.DIGITAL_SIGNATURE: self.server_key},
            "trust_anchors": [self.authority.own_certificate()],
            "certificates": [self.server_certificate],
        }
        return KeyStore(**{**fields, **changes})


def meter(suite=0, store=None):
    instance = bm.BenchMeter()
    instance.security = SecurityMemory(system_title=published.SERVER_TITLE, secrets={40: SECRET})
    instance.security.add_setup(
        suite, keys(suite), suite=suite, key_store=store, master_key=bytes(len(keys(suite).encryption))
    )
    return instance


def device(mechanism, suite=0, **changes):
    both = frozenset({ApplicationContext.LN, ApplicationContext.LN_CIPHERED})
    access = ClientAccess(
        client_sap=40,
        role=Role.MANAGEMENT,
        mechanism=mechanism,
        contexts=both,
        security_setup=suite,
        manufacturer_hls=twisted if mechanism is Mechanism.HLS else None,
    )
    return LogicalDevice(
        name=lambda _meter: b"AML",
        clients=(replace(access, **changes),),
        objects=bm.objects(),
        security=lambda instance: instance.security,
    )


def client_settings(mechanism, *, ciphered, suite=0, **security):
    fields = {"system_title": published.CLIENT_TITLE, "keys": keys(suite), "ciphered": ciphered, "suite": suite}
    return ClientSettings(
        client_sap=40,
        mechanism=mechanism,
        password=SECRET,
        security=ClientSecurity(**{**fields, **security}),
        manufacturer_hls=twisted if mechanism is Mechanism.HLS else None,
    )


def associate(settings, device, instance, challenge=bytes(range(32)), dedicated_key=b""):
    """The outcome, with the client and the server it was reached by."""
    server = Server(device, instance, entropy=lambda count: b"\xaa" * count)
    client = Client(settings, send_counter=1)
    octets = client.associate(challenge=challenge, dedicated_key=dedicated_key)
    while True:
        event = client.receive(server.receive(settings.client_sap, octets, bm.NOW_S))
        if not isinstance(event, SendNext):
            return event, client, server
        octets = event.octets


def reads(client, server):
    answer = client.receive(server.receive(40, client.get(ENERGY), bm.NOW_S))
    return isinstance(answer, Got)


@pytest.mark.parametrize("ciphered", [False, True], ids=["plain", "ciphered"])
@pytest.mark.parametrize("mechanism", [Mechanism.HLS, *HASHED, Mechanism.HLS_GMAC], ids=lambda value: value.name)
def test_an_association_opens_with_every_mechanism(mechanism, ciphered):
    event, client, server = associate(client_settings(mechanism, ciphered=ciphered), device(mechanism), meter())
    assert isinstance(event, Associated)
    assert not event.findings
    assert reads(client, server)


@pytest.mark.parametrize("mechanism", [Mechanism.HLS, *HASHED], ids=lambda value: value.name)
def test_mechanisms_with_a_secret_need_no_keys(mechanism):
    security = {"keys": None, "ciphered": False}
    event, client, server = associate(
        client_settings(mechanism, **security), device(mechanism, security_setup=None), meter()
    )
    assert isinstance(event, Associated)
    assert reads(client, server)


@pytest.mark.parametrize("mechanism", [Mechanism.HLS, *HASHED], ids=lambda value: value.name)
def test_another_secret_does_not_open_it(mechanism):
    settings = replace(client_settings(mechanism, ciphered=False), password=b"another secret")
    event, _client, server = associate(settings, device(mechanism), meter())
    assert isinstance(event, AssociationRefused)
    assert server.idle
    assert [finding.kind for finding in server.findings] == [FindingKind.AUTHENTICATION_FAILED]
    assert "secret" not in server.findings[0].text.replace("another secret, system title", "")


@pytest.mark.parametrize("mechanism", HASHED, ids=lambda value: value.name)
def test_a_device_without_a_secret_refuses_at_once(mechanism):
    instance = meter()
    instance.security.change_secret(40, b"")
    event, _client, _server = associate(client_settings(mechanism, ciphered=False), device(mechanism), instance)
    assert event.diagnostic is AcseDiagnostic.AUTHENTICATION_FAILURE


def test_a_changed_secret_counts_from_the_next_association():
    instance = meter()
    settings = client_settings(Mechanism.HLS_SHA256, ciphered=False)
    assert isinstance(associate(settings, device(Mechanism.HLS_SHA256), instance)[0], Associated)
    instance.security.change_secret(40, b"a newer secret")
    assert isinstance(associate(settings, device(Mechanism.HLS_SHA256), instance)[0], AssociationRefused)
    newer = replace(settings, password=b"a newer secret")
    assert isinstance(associate(newer, device(Mechanism.HLS_SHA256), instance)[0], Associated)


@pytest.mark.parametrize("suite", [1, 2])
@pytest.mark.parametrize("mechanism", [Mechanism.HLS_GMAC, Mechanism.HLS_SHA256], ids=lambda value: value.name)
def test_suites_1_and_2_cipher_and_authenticate(mechanism, suite):
    settings = client_settings(mechanism, ciphered=True, suite=suite, dedicated=True)
    key = bytes(range(200, 200 + SUITES[suite].key_octets))
    event, client, server = associate(settings, device(mechanism, suite), meter(suite), dedicated_key=key)
    assert isinstance(event, Associated)
    assert reads(client, server)


@pytest.mark.parametrize("suite", [1, 2])
def test_a_dedicated_key_has_the_length_of_its_suite(suite):
    settings = client_settings(Mechanism.HLS_GMAC, ciphered=True, suite=suite, dedicated=True)
    with pytest.raises(LocalProtocolError, match="dedicated key"):
        Client(settings).associate(challenge=bytes(8), dedicated_key=bytes(48 - SUITES[suite].key_octets))


# -- ECDSA

SUITES_WITH_KEYS = pytest.mark.parametrize("suite", [1, 2])


@SUITES_WITH_KEYS
@pytest.mark.parametrize("ciphered", [False, True], ids=["plain", "ciphered"])
def test_ecdsa_with_certificates_that_travel(suite, ciphered):
    world = World(suite)
    pairs = AsymmetricKeys(signing_key=world.client_key, certificate=world.client_certificate)
    settings = client_settings(
        Mechanism.HLS_ECDSA,
        ciphered=ciphered,
        suite=suite,
        pairs=pairs,
        authorities=(world.authority.own_certificate(),),
    )
    event, client, server = associate(settings, device(Mechanism.HLS_ECDSA, suite), meter(suite, world.store()))
    assert isinstance(event, Associated)
    assert reads(client, server)


@SUITES_WITH_KEYS
def test_ecdsa_with_keys_that_both_sides_hold(suite):
    world = World(suite)
    pairs = AsymmetricKeys(signing_key=world.client_key, peer_signing_key=world.server_key.public_key())
    settings = client_settings(Mechanism.HLS_ECDSA, ciphered=True, suite=suite, pairs=pairs)
    store = world.store(certificates=[world.client_certificate])
    event, _client, _server = associate(settings, device(Mechanism.HLS_ECDSA, suite), meter(suite, store))
    assert isinstance(event, Associated)


def ecdsa(world, store, **pairs):
    fields = {"signing_key": world.client_key, "peer_signing_key": world.server_key.public_key()}
    settings = client_settings(
        Mechanism.HLS_ECDSA, ciphered=False, suite=world.suite, pairs=AsymmetricKeys(**{**fields, **pairs})
    )
    return associate(settings, device(Mechanism.HLS_ECDSA, world.suite), meter(world.suite, store))


def test_a_client_that_the_device_does_not_know_is_refused():
    world = World(1)
    event, _client, _server = ecdsa(world, world.store())
    assert event.diagnostic is AcseDiagnostic.AUTHENTICATION_FAILURE


@pytest.mark.parametrize("fault", ["stranger", "title", "usage", "garbage", "authority"])
def test_a_certificate_that_proves_nothing_is_refused(fault):
    world = World(1)
    title, key = published.CLIENT_TITLE, world.client_key
    certificate = {
        "stranger": world.issue(world.stranger, title, key),
        "title": world.issue(world.authority, published.SERVER_TITLE, key),
        "usage": world.issue(world.authority, title, key, CertificateType.KEY_AGREEMENT),
        "garbage": world.client_certificate[:-1],
        "authority": world.authority.issue(name_of_title(title), key.public_key(), None, serial_number=2),
    }[fault]
    event, _client, _server = ecdsa(world, world.store(), certificate=certificate)
    assert event.diagnostic is AcseDiagnostic.CALLING_AE_QUALIFIER_NOT_RECOGNIZED


def test_a_client_with_another_key_than_its_certificate_says_does_not_get_in():
    world = World(1)
    event, _client, server = ecdsa(world, world.store(), signing_key=key_of(1, 8), certificate=world.client_certificate)
    assert isinstance(event, AssociationRefused)
    assert server.idle


def test_a_server_with_another_key_than_expected_is_not_believed():
    world = World(1)
    with pytest.raises(SecurityError):
        ecdsa(world, world.store(), peer_signing_key=key_of(1, 8).public_key(), certificate=world.client_certificate)


def test_a_server_whose_certificate_comes_from_a_stranger_is_not_believed():
    world = World(1)
    settings = client_settings(
        Mechanism.HLS_ECDSA,
        ciphered=False,
        suite=1,
        pairs=AsymmetricKeys(signing_key=world.client_key, certificate=world.client_certificate),
        authorities=(world.stranger.own_certificate(),),
    )
    with pytest.raises(SecurityError):
        associate(settings, device(Mechanism.HLS_ECDSA, 1), meter(1, world.store()))


# -- challenges


def test_a_challenge_is_as_long_as_its_mechanism_demands():
    world = World(1)
    pairs = AsymmetricKeys(signing_key=world.client_key, peer_signing_key=world.server_key.public_key())
    settings = client_settings(Mechanism.HLS_ECDSA, ciphered=False, suite=1, pairs=pairs)
    with pytest.raises(LocalProtocolError, match="32 to 64"):
        Client(settings).associate(challenge=bytes(31))
    store = world.store(certificates=[world.client_certificate])
    aarq = Aarq(
        calling_ap_title=published.CLIENT_TITLE,
        authentication=True,
        mechanism=Mechanism.HLS_ECDSA,
        authentication_value=bytes(16),
        user_information=InitiateRequest(bm.METER_CONFORMANCE, 1200).encode(),
    )
    strict, lenient = device(Mechanism.HLS_ECDSA, 1), device(Mechanism.HLS_ECDSA, 1, challenge_octets_min=8)
    for offered, result in ((strict, AssociationResult.REJECTED_PERMANENT), (lenient, AssociationResult.ACCEPTED)):
        server = Server(offered, meter(1, store), entropy=lambda count: b"\xaa" * count, challenge_octets=8)
        aare = acse.decode(server.receive(40, aarq.encode(), bm.NOW_S))
        assert aare.result == result
    assert len(aare.authentication_value) == 32

"""Whole associations with general-ciphering and general-signing, client against server."""

import itertools

import pytest

from hes.dlms.apdu import AttributeDescriptor, DataNotification
from hes.dlms.client import Client
from hes.dlms.client.events import Associated, Got, Notified, SendNext, ServiceRefused, SetDone
from hes.dlms.client.settings import ClientSecurity, ClientSettings
from hes.dlms.codes import ApplicationContext, Mechanism
from hes.dlms.cosem import ClientAccess, LogicalDevice, Role, SecurityMemory, SecurityPolicy
from hes.dlms.cosem.key_store import KeyStore
from hes.dlms.security import AUTHENTICATED, EncryptionKeys, SecurityError
from hes.dlms.security.asymmetric import AsymmetricKeys
from hes.dlms.security.certificates import Authority, CertificateType, name_of_title
from hes.dlms.security.ciphering import CipheringStyle, KeyScope
from hes.dlms.security.control import SUITES
from hes.dlms.security.curves import private_key_from_entropy
from hes.dlms.server import Server, protect_notification
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import published

ENERGY = AttributeDescriptor(3, bm.ENERGY, 2)
PROFILE = AttributeDescriptor(7, bm.LOAD_PROFILE, 2)
MESSAGE = AttributeDescriptor(1, bm.MESSAGE, 2)
SIGNING, AGREEING = CertificateType.DIGITAL_SIGNATURE, CertificateType.KEY_AGREEMENT
DD, DF = CipheringStyle.GENERAL_CIPHERING, CipheringStyle.GENERAL_SIGNING
SIGNED_BOTH_WAYS = SecurityPolicy.SIGNED_REQUEST | SecurityPolicy.SIGNED_RESPONSE


def entropy(seed):
    numbers = itertools.count(seed << 32)
    return lambda count: (next(numbers).to_bytes(8, "big") * 8)[:count]


def pair(suite, seed):
    curve = SUITES[suite].curve
    return private_key_from_entropy(curve, bytes((seed,)) * curve.entropy_octets)


class Session:
    """An open HLS-GMAC association under one suite, with key pairs and certificates on both sides."""

    def __init__(self, suite=1, policy=SecurityPolicy.NONE, max_receive=0xFFFF, **security):
        self.suite, count = suite, SUITES[suite].key_octets
        keys, master = EncryptionKeys(bytes(range(count)), bytes(range(9, 9 + count))), bytes(range(5, 5 + count))
        pairs, store = (self.pairs(), self.store()) if suite else (AsymmetricKeys(), None)
        self.meter = bm.BenchMeter()
        self.meter.security = SecurityMemory(system_title=published.SERVER_TITLE)
        self.meter.security.add_setup(
            0, keys, master_key=master, policy=policy, suite=suite, key_store=store, send_counter=100
        )
        access = ClientAccess(
            client_sap=40,
            role=Role.MANAGEMENT,
            mechanism=Mechanism.HLS_GMAC,
            contexts=frozenset({ApplicationContext.LN_CIPHERED}),
            security_setup=0,
        )
        device = LogicalDevice(
            name=lambda _meter: b"AML", clients=(access,), objects=bm.objects(), security=lambda meter: meter.security
        )
        fields = {"system_title": published.CLIENT_TITLE, "keys": keys, "master_key": master, "pairs": pairs}
        settings = ClientSettings(
            client_sap=40,
            mechanism=Mechanism.HLS_GMAC,
            max_receive_pdu_size=max_receive,
            security=ClientSecurity(**{**fields, "suite": suite, **security}),
        )
        self.server = Server(device, self.meter, entropy=entropy(1))
        self.client = Client(settings, send_counter=1, entropy=entropy(2))
        self.longest = 0
        self.tags = []

    def pairs(self):
        suite = self.suite
        return AsymmetricKeys(
            signing_key=pair(suite, 2),
            agreement_key=pair(suite, 3),
            peer_signing_key=pair(suite, 4).public_key(),
            peer_agreement_key=pair(suite, 5).public_key(),
        )

    def store(self):
        root = Authority(name="Root", key=pair(self.suite, 1))

        def certify(title, seed, usage):
            key = pair(self.suite, seed).public_key()
            return root.issue(name_of_title(title), key, usage, serial_number=seed)

        return KeyStore(
            system_title=published.SERVER_TITLE,
            suite=self.suite,
            entropy=entropy(3),
            pairs={SIGNING: pair(self.suite, 4), AGREEING: pair(self.suite, 5)},
            certificates=[
                certify(published.CLIENT_TITLE, 2, SIGNING),
                certify(published.CLIENT_TITLE, 3, AGREEING),
            ],
        )

    def run(self, octets):
        while True:
            self.tags.append(octets[0])
            answer = self.server.receive(40, octets, bm.NOW_S)
            self.longest = max(self.longest, len(answer))
            self.tags.append(answer[0])
            event = self.client.receive(answer)
            if not isinstance(event, SendNext):
                return event
            octets = event.octets

    def open(self):
        event = self.run(self.client.associate(challenge=bytes(range(8))))
        assert isinstance(event, Associated)
        return self


SCOPES = pytest.mark.parametrize(
    "scope", [KeyScope.GLOBAL, KeyScope.WRAPPED, KeyScope.ONE_PASS, KeyScope.STATIC], ids=lambda scope: scope.value
)


@SCOPES
@pytest.mark.parametrize("suite", [1, 2])
def test_every_way_of_giving_a_key_serves_a_whole_association(scope, suite):
    session = Session(suite, style=DD, key_scope=scope).open()
    assert isinstance(session.run(session.client.get(ENERGY)), Got)
    assert isinstance(session.run(session.client.set(MESSAGE, b"\x09\x03abc")), SetDone)
    assert session.meter.message == b"abc"
    assert set(session.tags[2:]) == {0xDD}


@pytest.mark.parametrize("scope", [KeyScope.GLOBAL, KeyScope.WRAPPED], ids=lambda scope: scope.value)
def test_suite_0_has_general_ciphering_under_the_global_key_and_wrapped_ones(scope):
    session = Session(0, style=DD, key_scope=scope).open()
    assert isinstance(session.run(session.client.get(ENERGY)), Got)
    assert set(session.tags[2:]) == {0xDD}


def test_without_a_master_key_suite_0_takes_no_wrapped_key():
    session = Session(0, style=DD, key_scope=KeyScope.WRAPPED)
    keys = session.meter.security.keys(0)
    session.meter.security.add_setup(0, keys, send_counter=100)
    event = session.run(session.client.associate(challenge=bytes(range(8))))
    assert not isinstance(event, Associated)


@SCOPES
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
def test_long_answers_come_in_blocks_that_the_client_can_take(scope, signed):
    session = Session(1, style=DD, key_scope=scope, signed=signed, max_receive=900).open()
    event = session.run(session.client.get(PROFILE))
    assert isinstance(event, Got)
    assert len(event.data) > 2000
    assert 800 < session.longest <= 900


@pytest.mark.parametrize(
    ("style", "tags"),
    [
        (CipheringStyle.SERVICE_SPECIFIC, {0xDB}),
        (CipheringStyle.GENERAL_GLO, {0xDB}),
        (DD, {0xDD}),
        (DF, {0xDF}),
    ],
    ids=lambda value: getattr(value, "value", ""),
)
def test_what_is_signed_is_answered_signed(style, tags):
    control = AUTHENTICATED if style is not DF else None
    changes = {"response_control": AUTHENTICATED} if control else {"response_control": bm.hls().security.control & 0}
    session = Session(1, style=style, signed=True, response_signed=True, **changes).open()
    assert isinstance(session.run(session.client.get(ENERGY)), Got)
    assert set(session.tags[2:]) == tags


def test_a_policy_that_wants_signatures_refuses_what_is_not_signed():
    session = Session(1).open()
    session.meter.security.raise_policy(0, SIGNED_BOTH_WAYS)
    assert isinstance(session.run(session.client.get(ENERGY)), ServiceRefused)
    signing = Session(1, policy=SecurityPolicy.NONE, signed=True, response_signed=True).open()
    signing.meter.security.raise_policy(0, SIGNED_BOTH_WAYS)
    assert isinstance(signing.run(signing.client.get(ENERGY)), Got)


def test_a_policy_that_wants_answers_signed_adds_the_signature():
    session = Session(1, response_signed=False).open()
    session.meter.security.raise_policy(0, SecurityPolicy.SIGNED_RESPONSE)
    assert isinstance(session.run(session.client.get(ENERGY)), Got)
    assert session.tags[-1] == 0xDB  # an APDU that is signed has no tag of its own under service-specific ciphering


def test_a_client_that_wants_signed_answers_takes_no_others():
    session = Session(1, response_signed=True)
    with pytest.raises(SecurityError, match="less than"):  # pass 4 is an answer too
        session.open()


@pytest.mark.parametrize("suite", [1, 2])
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize(
    ("style", "scope"),
    [
        (CipheringStyle.GENERAL_GLO, KeyScope.GLOBAL),
        (DD, KeyScope.GLOBAL),
        (DD, KeyScope.WRAPPED),
        (DD, KeyScope.ONE_PASS),
        (DD, KeyScope.STATIC),
    ],
    ids=lambda value: value.value,
)
def test_a_push_is_protected_in_every_form_and_heard_within_the_association(style, scope, signed, suite):
    session = Session(suite).open()
    push = DataNotification(1, b"", b"\x11\x07")
    octets = protect_notification(
        session.meter.security, 0, push, style=style, key=scope, recipient=published.CLIENT_TITLE, signed=signed
    )
    event = session.client.receive(octets)
    assert isinstance(event, Notified)
    assert (event.notification, event.protected) == (push, True)

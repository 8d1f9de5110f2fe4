"""Security setup on one instance: keys that arrive wrapped or agreed on, key pairs, certificates."""

import itertools
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from hes.dlms import axdr, ber, data
from hes.dlms.codes import ActionResult
from hes.dlms.cosem import ClientAccess, Context, LogicalDevice, Role, SecurityMemory, SecurityPolicy, SecuritySetup
from hes.dlms.cosem.key_management import Agreement, transfer_parameters
from hes.dlms.cosem.key_store import CERTIFICATES_MAX, KeyStore
from hes.dlms.security import EncryptionKeys, SecurityError
from hes.dlms.security.certificates import Authority, CertificateType, name_of_title, read_certificate
from hes.dlms.security.control import SUITES
from hes.dlms.security.curves import private_key_from_entropy, public_octets_of
from hes.dlms.tests import published
from hes.errors import LocalProtocolError

CLIENT, SERVER = published.CLIENT_TITLE, published.SERVER_TITLE
SIGNING, AGREEING = CertificateType.DIGITAL_SIGNATURE, CertificateType.KEY_AGREEMENT
NOW_S = 1_734_264_000
SUITE_NUMBERS = pytest.mark.parametrize("suite", [1, 2])


def entropy(seed):
    numbers = itertools.count(seed << 32)
    return lambda count: (next(numbers).to_bytes(8, "big") * 8)[:count]


def pair(suite, seed):
    curve = SUITES[suite].curve
    return private_key_from_entropy(curve, bytes((seed,)) * curve.entropy_octets)


class Bench:
    """One instance with one setup, asked as a management client."""

    def __init__(self, suite=0, version=1, certificates=(), store=True):
        count = SUITES[suite].key_octets
        self.suite = suite
        self.master_key = bytes(range(7, 7 + count))
        self.memory = SecurityMemory(system_title=SERVER)
        self.store = None
        if suite and store:
            self.root = Authority(name="Root", key=pair(suite, 1))
            self.store = KeyStore(
                system_title=SERVER,
                suite=suite,
                entropy=entropy(1),
                pairs={SIGNING: pair(suite, 4)},
                trust_anchors=[self.root.own_certificate()],
                certificates=[self.certify(CLIENT, pair(suite, 2)), self.certify(SERVER, pair(suite, 4), serial=9)],
            )
        self.memory.add_setup(
            0,
            EncryptionKeys(bytes(count), bytes(range(count))),
            master_key=self.master_key,
            suite=suite,
            key_store=self.store,
            receive_counter=5,
            send_counter=6,
        )
        client = ClientAccess(client_sap=1, role=Role.MANAGEMENT, security_setup=0)
        device = LogicalDevice(
            name=lambda _: b"AML", clients=(client,), objects=(), security=lambda instance: instance.security
        )
        self.context = Context(
            instance=SimpleNamespace(security=self.memory), device=device, client=client,
            client_system_title=CLIENT, now_s=NOW_S,
        )  # fmt: skip
        self.setup = SecuritySetup(0, lambda instance: instance.security, version=version)

    def certify(self, title, key, usage=SIGNING, serial=8, root=None, **times):
        authority = root or self.root
        return authority.issue(name_of_title(title), key.public_key(), usage, serial_number=serial, **times)

    def act(self, method, parameters):
        encoded = parameters if isinstance(parameters, bytes) else axdr.encode(parameters)
        reply = self.setup.act(self.context, method, encoded)
        for work in self.context.after_answer:
            work()
        self.context.after_answer.clear()
        return reply

    def listed(self):
        return axdr.decode_value(self.setup.get(self.context, 6))[0]


# -- keys


@pytest.mark.parametrize("suite", [0, 1, 2])
def test_all_four_kinds_of_keys_are_transferred_at_once(suite):
    bench = Bench(suite)
    count = SUITES[suite].key_octets
    new = {key_id: bytes((key_id + 1,)) * count for key_id in (0, 1, 2, 3)}
    assert bench.act(2, transfer_parameters(bench.master_key, new)).result is ActionResult.SUCCESS
    assert bench.memory.keys(0) == EncryptionKeys(new[0], new[2])
    assert bench.memory.broadcast_keys(0) == EncryptionKeys(new[1], new[2])
    assert bench.memory.master_key(0) == new[3]
    assert (bench.memory.receive_counter(0), bench.memory.take_send_counter(0)) == (0, 0)


def test_a_new_authentication_key_alone_leaves_the_counters():
    bench = Bench()
    bench.act(2, transfer_parameters(bench.master_key, {2: bytes(16)}))
    assert (bench.memory.receive_counter(0), bench.memory.take_send_counter(0)) == (5, 6)


def test_version_0_has_no_master_key_to_transfer():
    bench = Bench(version=0)
    assert bench.act(2, transfer_parameters(bench.master_key, {3: bytes(16)})).result is ActionResult.OTHER_REASON
    assert bench.memory.master_key(0) == bench.master_key


def test_keys_of_another_suite_are_refused_all_together():
    bench = Bench(2)
    new = transfer_parameters(bench.master_key, {0: bytes(32), 2: bytes(16)})
    assert bench.act(2, new).result is ActionResult.OTHER_REASON
    assert bench.memory.keys(0).encryption == bytes(32)
    assert bench.memory.receive_counter(0) == 5


def agreement(bench, key_ids, **changes):
    fields = {
        "suite": bench.suite,
        "client_title": CLIENT,
        "server_title": SERVER,
        "signing_key": pair(bench.suite, 2),
        "server_key": pair(bench.suite, 4).public_key(),
    }
    return Agreement.start(key_ids, entropy(2), **{**fields, **changes})


@SUITE_NUMBERS
def test_both_sides_agree_on_keys(suite):
    bench = Bench(suite)
    ours = agreement(bench, (0, 1, 2, 3))
    reply = bench.act(3, ours.parameters())
    assert reply.result is ActionResult.SUCCESS
    agreed = ours.keys(reply.data)
    assert len(set(agreed.values())) == 4
    assert bench.memory.keys(0) == EncryptionKeys(agreed[0], agreed[2])
    assert bench.memory.broadcast_keys(0).encryption == agreed[1]
    assert bench.memory.master_key(0) == agreed[3]
    assert bench.memory.receive_counter(0) == 0


def test_a_proposal_that_the_client_did_not_sign_changes_nothing():
    bench = Bench(1)
    before = bench.memory.keys(0)
    stranger = agreement(bench, (0,), signing_key=pair(1, 9))
    assert bench.act(3, stranger.parameters()).result is ActionResult.OTHER_REASON
    moved = agreement(bench, (0,)).parameters().replace(b"\x16\x00", b"\x16\x02", 1)  # signed for another key
    assert bench.act(3, moved).result is ActionResult.OTHER_REASON
    assert bench.memory.keys(0) is before


def test_an_answer_that_the_device_did_not_sign_is_not_believed():
    bench = Bench(1)
    ours = agreement(bench, (0,), server_key=pair(1, 9).public_key())
    with pytest.raises(SecurityError):
        ours.keys(bench.act(3, ours.parameters()).data)
    with pytest.raises(SecurityError, match="proposed"):
        ours.keys(axdr.encode(data.array([])))


@pytest.mark.parametrize("parameters", [data.array([]), data.array([data.structure(data.enum(4), data.octets(b""))])])
def test_an_agreement_on_no_key_or_an_unknown_one_is_refused(parameters):
    assert Bench(1).act(3, parameters).result is ActionResult.OTHER_REASON


@pytest.mark.parametrize("method", range(3, 9))
def test_without_a_key_store_nothing_of_it_is_done(method):
    parameters = {3: data.array([]), 4: data.enum(0), 5: data.enum(0), 6: data.octets(b"")}.get(method, data.null())
    assert Bench(0).act(method, parameters).result is ActionResult.OTHER_REASON


@pytest.mark.parametrize("method", range(3, 9))
def test_parameters_of_another_shape_are_unmatched(method):
    for parameters in (data.u8(1), data.structure(data.enum(0), data.null())):
        assert Bench(1).act(method, parameters).result is ActionResult.TYPE_UNMATCHED


def test_signatures_are_a_policy_where_there_are_keys_for_them():
    signing = data.enum(int(SecurityPolicy.SIGNED_REQUEST))
    assert Bench(0).act(1, signing).result is ActionResult.OTHER_REASON
    bench = Bench(1)
    assert bench.act(1, signing).result is ActionResult.SUCCESS
    assert bench.memory.policy(0) is SecurityPolicy.SIGNED_REQUEST


def test_the_suite_is_said():
    assert [Bench(suite).setup.get(Bench(suite).context, 3) for suite in (0, 1, 2)] == [b"\x16\0", b"\x16\1", b"\x16\2"]


# -- certificates


@SUITE_NUMBERS
def test_a_new_key_pair_takes_effect_with_its_certificate(suite):
    bench = Bench(suite)
    before = bench.store.asymmetric_keys(CLIENT).signing_key
    assert bench.act(4, data.enum(SIGNING)).result is ActionResult.SUCCESS
    assert bench.store.asymmetric_keys(CLIENT).signing_key is before
    request = x509.load_der_x509_csr(axdr.decode_value(bench.act(5, data.enum(SIGNING)).data)[0])
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == "CN=4D4D4D0000BC614E"
    new = bench.root.issue(request.subject, request.public_key(), SIGNING, serial_number=77)
    assert bench.act(6, data.octets(new)).result is ActionResult.SUCCESS
    after = bench.store.asymmetric_keys(CLIENT)
    assert public_octets_of(after.signing_key) == public_octets_of(request.public_key())
    assert after.certificate == new
    assert sum(entity == 0 for entity, *_rest in bench.listed()) == 1  # the old one is gone


def test_the_list_says_whose_certificates_there_are():
    bench = Bench(1)
    authority, client, server = bench.listed()
    assert [entry[:2] for entry in (authority, client, server)] == [(2, 3), (1, 0), (0, 0)]
    assert (client[2], server[2]) == (b"\x08", b"\x09")
    assert client[3] == server[3] == authority[3] == bench.root.subject.public_bytes()
    assert client[4] == name_of_title(CLIENT).public_bytes()


def by_owner(entity, kind, title):
    return data.structure(data.enum(0), data.structure(data.enum(entity), data.enum(kind), data.octets(title)))


def by_serial(serial, issuer):
    return data.structure(data.enum(1), data.structure(data.octets(serial), data.octets(issuer)))


def test_a_certificate_is_exported_by_owner_or_by_serial_number():
    bench = Bench(1)
    expected = axdr.encode(data.octets(bench.certify(CLIENT, pair(1, 2))))
    issuer = bench.root.subject.public_bytes()
    for wanted in (by_owner(1, 0, CLIENT), by_serial(b"\x08", issuer), by_serial(ber.encode_integer(8), issuer)):
        assert bench.act(7, wanted).data == expected
    for unknown in (by_owner(1, 1, CLIENT), by_owner(9, 9, CLIENT), by_serial(b"\x07", issuer), by_serial(b"", b"")):
        assert bench.act(7, unknown).result is ActionResult.OTHER_REASON


def test_a_certificate_that_is_removed_takes_the_private_key_with_it():
    bench = Bench(1)
    assert bench.act(8, by_owner(0, 0, SERVER)).result is ActionResult.SUCCESS
    pairs = bench.store.asymmetric_keys(CLIENT)
    assert (pairs.signing_key, pairs.certificate) == (None, b"")
    assert bench.act(5, data.enum(SIGNING)).result is ActionResult.OTHER_REASON


def test_trust_anchors_are_exported_and_not_removed():
    bench = Bench(1)
    anchor = by_serial(b"\x01", bench.root.subject.public_bytes())
    assert bench.act(7, anchor).result is ActionResult.SUCCESS
    assert bench.act(8, anchor).result is ActionResult.OTHER_REASON
    assert len(bench.listed()) == 3


def faulty(bench, fault):
    client, stranger = pair(1, 5), Authority(name="Root", key=pair(1, 9))
    return {
        "stranger": lambda: bench.certify(CLIENT, client, root=stranger),
        "own authority": lambda: stranger.own_certificate(),
        "another's key": lambda: bench.certify(SERVER, client),
        "too early": lambda: bench.certify(CLIENT, client, not_before_s=NOW_S + 1),
        "too late": lambda: bench.certify(CLIENT, client, not_after_s=NOW_S - 1),
        "no title": lambda: bench.root.issue(x509.Name([]), client.public_key(), SIGNING, serial_number=3),
        "garbage": lambda: b"\x30\x03\x02\x01\x01",
        "nothing": lambda: b"",
        "too long": lambda: bytes(5000),
    }[fault]()


@pytest.mark.parametrize(
    "fault",
    [
        "stranger",
        "own authority",
        "another's key",
        "too early",
        "too late",
        "no title",
        "garbage",
        "nothing",
        "too long",
    ],
)
def test_a_certificate_that_proves_nothing_is_discarded(fault):
    bench = Bench(1)
    before = bench.listed()
    assert bench.act(6, data.octets(faulty(bench, fault))).result is ActionResult.OTHER_REASON
    assert bench.listed() == before


def test_an_authority_below_a_trusted_one_may_certify():
    bench = Bench(1)
    below = Authority(name="Below", key=pair(1, 6))
    sub = bench.root.issue(below.subject, below.key.public_key(), None, serial_number=5)
    certificate = bench.certify(CLIENT, pair(1, 7), AGREEING, root=below)
    assert bench.act(6, data.octets(certificate)).result is ActionResult.OTHER_REASON
    assert bench.act(6, data.octets(sub)).result is ActionResult.SUCCESS
    assert bench.act(6, data.octets(certificate)).result is ActionResult.SUCCESS
    found = bench.store.asymmetric_keys(CLIENT).peer_agreement_key
    assert public_octets_of(found) == public_octets_of(pair(1, 7))


def test_a_stronger_key_is_not_certified_by_a_weaker_one():
    bench = Bench(1)
    certificate = read_certificate(bench.certify(CLIENT, pair(2, 5)))
    with pytest.raises(SecurityError, match="P-384"):
        certificate.check_issued_by(read_certificate(bench.root.own_certificate()))


def test_there_is_room_for_so_many_certificates():
    bench = Bench(1)
    results = []
    for number in range(CERTIFICATES_MAX):
        title = b"MANY" + number.to_bytes(4, "big")
        results.append(bench.act(6, data.octets(bench.certify(title, pair(1, 5)))).result)
    assert results.count(ActionResult.SUCCESS) == CERTIFICATES_MAX - 3
    assert len(bench.listed()) == CERTIFICATES_MAX


def test_a_system_title_may_stand_in_the_alternative_name():
    title = SERVER
    value = ber.encode(0x30, ber.encode(ber.OBJECT_IDENTIFIER, b"\x2a\x03") + ber.encode(ber.OCTET_STRING, title))
    name = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.4"), value)
    root = Bench(1).root
    plain = x509.load_der_x509_certificate(root.issue(x509.Name([]), pair(1, 5).public_key(), SIGNING, serial_number=3))
    builder = x509.CertificateBuilder(
        plain.issuer, plain.subject, pair(1, 5).public_key(), 3, plain.not_valid_before_utc, plain.not_valid_after_utc
    )
    for extension in plain.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    builder = builder.add_extension(x509.SubjectAlternativeName([name]), critical=True)
    certificate = read_certificate(builder.sign(root.key, hashes.SHA256()).public_bytes(Encoding.DER))
    assert certificate.system_title == title
    assert certificate.alternative_name


def test_suite_0_has_no_key_store_and_none_shows_its_keys():
    with pytest.raises(LocalProtocolError):
        KeyStore(system_title=SERVER, suite=0, entropy=entropy(1))
    assert repr(Bench(1).store) == "KeyStore(4d4d4d0000bc614e, suite 1, 3 certificates)"

"""The client alone: published octets, servers that break the rules, and what must never be believed."""

import dataclasses

import pytest

from hes.dlms import acse, apdu, axdr, data
from hes.dlms.acse import Aare
from hes.dlms.apdu import AttributeDescriptor, MethodDescriptor
from hes.dlms.association import State
from hes.dlms.client import Client
from hes.dlms.client.events import (
    Associated,
    AssociationRefused,
    Got,
    Ignored,
    Notified,
    Released,
    SendNext,
)
from hes.dlms.client.settings import ClientSettings
from hes.dlms.codes import (
    AcseDiagnostic,
    ActionResult,
    ApplicationContext,
    AssociationResult,
    Conformance,
    DataAccessResult,
    Mechanism,
    ProviderDiagnostic,
    ReleaseReason,
    UnknownCode,
)
from hes.dlms.findings import FindingKind
from hes.dlms.initiate import InitiateResponse
from hes.dlms.security import AUTHENTICATED, SecurityError, gmac_challenge
from hes.dlms.security.ciphering import Ciphering
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import published
from hes.dlms.tests.bench_meter import Bench
from hes.errors import AccessDenied, LocalProtocolError, RemoteProtocolError

CLOCK = AttributeDescriptor(8, bm.CLOCK, 2)
ENERGY = AttributeDescriptor(3, bm.ENERGY, 2)
RELAY = MethodDescriptor(70, bm.RELAY, 1)
NOT_POSSIBLE = bytes.fromhex("D80101")
GRANTED = Conformance(0x00_7E1F)
PUBLISHED = {"conformance": GRANTED, "max_receive_pdu_size": 0x04B0}


def granted(conformance=GRANTED, size=500, **changes):
    return InitiateResponse(conformance, size, **changes).encode()


def aare(**changes):
    fields = {
        "context": ApplicationContext.LN,
        "result": AssociationResult.ACCEPTED,
        "diagnostic": AcseDiagnostic.NULL,
        "user_information": granted(),
    }
    return Aare(**{**fields, **changes}).encode()


def open_client(size=500, **settings):
    client = Client(ClientSettings(**{**PUBLISHED, **settings}))
    client.associate()
    assert isinstance(client.receive(aare(user_information=granted(size=size))), Associated)
    return client


class CipheredServer:
    """The server's side of a ciphered LLS association, driven by hand."""

    def __init__(self, **settings):
        self.client = Client(
            ClientSettings(
                mechanism=Mechanism.LLS,
                password=published.PASSWORD,
                security=bm.client_security(**settings),
            )
        )
        self.ciphering = Ciphering(
            system_title=published.SERVER_TITLE,
            peer_system_title=published.CLIENT_TITLE,
            global_keys=bm.keys(),
            send_counter=10,
        )
        key = published.MASTER_KEY if settings.get("dedicated") else b""
        aarq = acse.decode(self.client.associate(dedicated_key=key))
        self.proposal = self.ciphering.unprotect(aarq.user_information)
        if key:
            self.ciphering.use_dedicated_key(key)

    def accept(self, **changes):
        fields = {
            "context": ApplicationContext.LN_CIPHERED,
            "responding_ap_title": published.SERVER_TITLE,
            "user_information": self.ciphering.protect_initiate(granted()),
        }
        return self.client.receive(aare(**{**fields, **changes}))


# -- published octets


def test_the_published_aarqs_are_sent():
    assert Client(ClientSettings(**PUBLISHED)).associate() == published.AARQ_PLAIN
    lls = ClientSettings(mechanism=Mechanism.LLS, password=published.PASSWORD, **PUBLISHED)
    assert Client(lls).associate() == published.AARQ_LLS
    ciphered = dataclasses.replace(
        lls, security=bm.client_security(system_title=published.SERVER_TITLE, dedicated=True)
    )
    client = Client(ciphered, send_counter=published.COUNTER)
    assert client.associate(dedicated_key=published.MASTER_KEY) == published.AARQ_LLS_CIPHERED


@pytest.mark.parametrize("security", [None, bm.hls().security], ids=["plain", "ciphered"])
def test_a_client_that_does_not_authenticate_keeps_its_password_to_itself(security):
    """Nor does it when the AARQ comes from what was kept of the first one."""
    settings = ClientSettings(password=b"topsecret", security=security)
    for _ in range(2):
        octets = Client(settings, send_counter=1).associate()
        assert b"topsecret" not in octets
        sent = acse.decode(octets)
        assert (sent.authentication, sent.mechanism, sent.authentication_value) == (False, None, b"")


def test_the_published_aare_opens_the_association():
    client = Client(ClientSettings(**PUBLISHED))
    client.associate()
    assert client.busy
    assert client.receive(published.AARE_ACCEPTED) == Associated(
        conformance=Conformance(0x00501F), server_max_receive_pdu_size=500, server_system_title=b""
    )
    assert not client.busy
    assert client.release() == published.RLRQ_PLAIN
    assert client.receive(published.RLRE_PLAIN) == Released(reason=ReleaseReason.NORMAL)
    assert client.state is State.IDLE


def test_the_published_refusals_are_told_apart():
    client = Client(ClientSettings(**PUBLISHED))
    client.associate()
    refused = client.receive(published.AARE_CONTEXT_REFUSED)
    assert isinstance(refused, AssociationRefused)
    assert refused.diagnostic == AcseDiagnostic.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED
    client.associate()
    refused = client.receive(published.AARE_VERSION_TOO_LOW)
    assert refused.refusal.code.name == "DLMS_VERSION_TOO_LOW"
    assert isinstance(refused.error(), AccessDenied)
    assert client.state is State.IDLE


def test_the_published_passes_of_hls_gmac():
    settings = bm.hls(ciphered=False, server_system_title=published.SERVER_TITLE)
    client = Client(settings, send_counter=1)
    client.associate(challenge=published.CLIENT_CHALLENGE)
    pass_3 = client.receive(published.AARE_HLS5_PENDING)
    assert pass_3 == SendNext(octets=bytes.fromhex("C301C1000F0000280000FF010109111000000001") + published.PROOF_STOC)
    assert client.state is State.HLS_PENDING
    opened = client.receive(bytes.fromhex("C701C100010009111001234567") + published.PROOF_CTOS)
    assert isinstance(opened, Associated)
    assert opened.server_system_title == published.SERVER_TITLE


def test_the_published_ciphered_release_is_understood():
    server = CipheredServer()
    server.accept()
    request = acse.decode(server.client.release())
    assert server.ciphering.unprotect(request.user_information).apdu[0] == 0x01
    assert server.client.receive(published.RLRE_CIPHERED) == Released(reason=ReleaseReason.NORMAL)


def test_the_published_push_is_understood():
    client = Client(bm.hls(system_title=published.CLIENT_TITLE))
    event = client.receive(published.GENERAL_GLO_DATA_NOTIFICATION)
    assert isinstance(event, Notified)
    assert event.notification.encode() == published.DATA_NOTIFICATION
    assert event.protected
    assert client.receive(published.DATA_NOTIFICATION) == dataclasses.replace(event, protected=False)
    assert client.receive_counter == 0x101


# -- opening


@pytest.mark.parametrize(
    "changes",
    [
        {"context": ApplicationContext.LN_CIPHERED},
        {"diagnostic": AcseDiagnostic.AUTHENTICATION_REQUIRED},
        {"user_information": b""},
        {"user_information": published.INITIATE_REQUEST},
        {"user_information": granted(vaa_name=0xFA00)},
        {"user_information": published.GLO_INITIATE_RESPONSE},
        {"user_information": bytes.fromhex("0E010601")},
    ],
)
def test_an_aare_that_does_not_fit_is_an_error_and_changes_nothing(changes):
    client = Client(ClientSettings(**PUBLISHED))
    client.associate()
    with pytest.raises(RemoteProtocolError):
        client.receive(aare(**changes))
    assert client.state is State.ASSOCIATION_PENDING
    assert isinstance(client.receive(aare()), Associated)


def test_services_beyond_what_was_asked_are_not_used_and_reported():
    client = Client(ClientSettings(conformance=Conformance.GET))
    client.associate()
    event = client.receive(aare())
    assert event.conformance == Conformance.GET
    assert [finding.kind for finding in event.findings] == [FindingKind.CONFORMANCE_WIDENED]


@pytest.mark.parametrize(
    ("diagnostic", "result"),
    [
        (AcseDiagnostic.AUTHENTICATION_FAILURE, AssociationResult.REJECTED_PERMANENT),
        (ProviderDiagnostic.NO_COMMON_ACSE_VERSION, AssociationResult.REJECTED_TRANSIENT),
        (UnknownCode(77), UnknownCode(9)),
    ],
)
def test_a_refused_association_says_why(diagnostic, result):
    client = Client(bm.lls())
    client.associate()
    event = client.receive(aare(result=result, diagnostic=diagnostic, user_information=b""))
    assert (event.result, event.diagnostic) == (result, diagnostic)
    assert event.error().fields["diagnostic"] == diagnostic


def test_an_exception_ends_the_attempt_to_associate():
    client = Client(bm.lls())
    client.associate()
    assert client.receive(NOT_POSSIBLE).refusal == apdu.decode(NOT_POSSIBLE)
    assert client.state is State.IDLE


def test_an_attempt_that_was_given_up_can_be_made_again():
    client = Client(ClientSettings(**PUBLISHED))
    client.associate()
    client.abandon()
    assert isinstance(client.receive(aare()), Ignored)
    client.associate()
    assert isinstance(client.receive(aare()), Associated)


@pytest.mark.parametrize(
    ("settings", "arguments"),
    [
        (bm.hls(), {}),
        (bm.hls(), {"challenge": b"short"}),
        (bm.hls(), {"challenge": bytes(65)}),
        (bm.hls(), {"challenge": bytes(8), "dedicated_key": bytes(16)}),
        (bm.hls(dedicated=True), {"challenge": bytes(8)}),
        (bm.lls(), {"dedicated_key": bytes(16)}),
    ],
)
def test_what_does_not_fit_the_settings_is_not_sent(settings, arguments):
    client = Client(settings)
    with pytest.raises(LocalProtocolError):
        client.associate(**arguments)
    assert client.state is State.IDLE


PLAIN_SECURITY = {"ciphered": False, "keys": None}


@pytest.mark.parametrize(
    ("mechanism", "security"),
    [
        (Mechanism.HLS, None),
        (Mechanism.HLS_MD5, None),
        (Mechanism.HLS_SHA1, PLAIN_SECURITY),
        (Mechanism.HLS_SHA256, None),
        (Mechanism.HLS_SHA256, PLAIN_SECURITY),
        (Mechanism.HLS_GMAC, None),
        (Mechanism.HLS_GMAC, PLAIN_SECURITY),
        (Mechanism.HLS_ECDSA, None),
        (Mechanism.HLS_ECDSA, PLAIN_SECURITY | {"suite": 1}),
    ],
)
def test_settings_without_what_their_mechanism_needs_are_refused(mechanism, security):
    with pytest.raises(LocalProtocolError, match=r"need|GMAC"):
        ClientSettings(mechanism=mechanism, security=security and bm.client_security(**security))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"ciphered": False, "dedicated": True}, "dedicated key"),
        ({"keys": None}, "needs keys"),
        ({"suite": 3}, "does not exist"),
        ({"suite": 2}, "32 octets"),
    ],
)
def test_security_that_cannot_work_is_refused(changes, complaint):
    with pytest.raises(LocalProtocolError, match=complaint):
        bm.client_security(**changes)


def test_settings_show_no_secret():
    text = repr(bm.lls(security=bm.client_security()))
    assert "12345678" not in text
    assert published.ENCRYPTION_KEY.hex() not in text.lower()


# -- high level security


def hls_client(**security):
    client = Client(bm.hls(ciphered=False, **security), send_counter=1)
    client.associate(challenge=published.CLIENT_CHALLENGE)
    return client


def pending(**changes):
    fields = {
        "diagnostic": AcseDiagnostic.AUTHENTICATION_REQUIRED,
        "responding_ap_title": published.SERVER_TITLE,
        "mechanism": Mechanism.HLS_GMAC,
        "authentication_value": published.SERVER_CHALLENGE,
    }
    return aare(**{**fields, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"diagnostic": AcseDiagnostic.NULL},  # the server does not want to prove itself
        {"authentication_value": published.CLIENT_CHALLENGE},  # our own challenge, sent back
        {"authentication_value": b"short"},
        {"authentication_value": bytes(65)},
        {"mechanism": Mechanism.HLS_MD5},
        {"responding_ap_title": b""},
    ],
)
def test_a_server_that_weakens_hls_is_not_followed(changes):
    client = hls_client()
    with pytest.raises(RemoteProtocolError):
        client.receive(pending(**changes))
    assert client.state is State.ASSOCIATION_PENDING
    assert isinstance(client.receive(pending()), SendNext)


def test_a_server_with_another_title_than_expected_is_not_believed():
    client = hls_client(server_system_title=b"OTHER\0\0\1")
    with pytest.raises(SecurityError, match="system title"):
        client.receive(pending())


PASS_4 = bytes.fromhex("C701C100010009111001234567") + published.PROOF_CTOS


@pytest.mark.parametrize(
    "answer",
    [
        PASS_4[:-1] + b"\x00",
        bytes.fromhex("C701C10001000900"),
        bytes.fromhex("C701C1000100060000000A"),
        bytes.fromhex("C701C10000"),
        bytes.fromhex("C701C1000101FA"),
    ],
)
def test_a_server_that_does_not_prove_itself_ends_the_association(answer):
    client = hls_client()
    client.receive(pending())
    with pytest.raises(RemoteProtocolError):
        client.receive(answer)
    assert client.state is State.IDLE


def test_a_server_that_refuses_the_proof_says_so():
    client = hls_client()
    client.receive(pending())
    event = client.receive(bytes.fromhex("C701C10300"))
    assert event == AssociationRefused(hls_result=ActionResult.READ_WRITE_DENIED)
    assert "READ_WRITE_DENIED" in event.error().message
    assert client.state is State.IDLE
    client.associate(challenge=published.CLIENT_CHALLENGE)
    client.receive(pending())
    assert client.receive(NOT_POSSIBLE).refusal is not None
    assert client.state is State.IDLE


def test_services_wait_for_the_end_of_hls():
    client = hls_client()
    client.receive(pending())
    with pytest.raises(LocalProtocolError):
        client.get(ENERGY)


def test_a_pass_4_under_the_counter_of_its_apdu_is_reported():
    client = Client(bm.hls(), send_counter=1)
    client.associate(challenge=published.CLIENT_CHALLENGE)
    numbers = [20, 21, 21]  # the APDU of pass 4 takes the number of the proof once more
    server = Ciphering(
        system_title=published.SERVER_TITLE,
        peer_system_title=published.CLIENT_TITLE,
        global_keys=bm.keys(),
        send_counter=lambda: numbers.pop(0),
    )
    information = server.protect_initiate(granted())
    pass_3 = client.receive(pending(context=ApplicationContext.LN_CIPHERED, user_information=information))
    assert server.unprotect(pass_3.octets).apdu[0] == 0xC3
    tag = gmac_challenge(bm.keys(), published.SERVER_TITLE, server.take_counter(), published.CLIENT_CHALLENGE)
    proof = axdr.encode(data.octets(tag))
    event = client.receive(server.protect(apdu.ActionResponseNormal(0xC1, ActionResult.SUCCESS, proof).encode()))
    assert isinstance(event, Associated)
    assert FindingKind.HLS_COUNTER_REUSED in {finding.kind for finding in event.findings}


# -- protection


def test_a_ciphered_proposal_must_be_answered_ciphered():
    server = CipheredServer()
    with pytest.raises(SecurityError, match="in the clear"):
        server.accept(user_information=granted())
    weak = server.ciphering.protect(granted(), control=AUTHENTICATED)
    with pytest.raises(SecurityError, match="protected less"):
        server.accept(user_information=weak)
    assert isinstance(server.accept(), Associated)


def test_a_title_learnt_from_a_false_aare_is_forgotten():
    server = CipheredServer()
    with pytest.raises(SecurityError):
        server.accept(responding_ap_title=b"FALSE\0\0\1")
    assert isinstance(server.accept(), Associated)


@pytest.mark.parametrize("protect", [None, AUTHENTICATED])
def test_an_answer_protected_less_than_agreed_is_not_believed(protect):
    server = CipheredServer()
    server.accept()
    server.client.get(ENERGY)
    answer = apdu.GetResponseNormal(0xC1, DataAccessResult.SUCCESS, b"\x11\x01").encode()
    octets = answer if protect is None else server.ciphering.protect(answer, control=protect)
    with pytest.raises(SecurityError, match="protected less"):
        server.client.receive(octets)
    assert server.client.receive(server.ciphering.protect(answer)) == Got(data=b"\x11\x01")


def test_less_protection_of_answers_can_be_agreed():
    server = CipheredServer(response_control=AUTHENTICATED)
    server.accept()
    server.client.get(ENERGY)
    answer = apdu.GetResponseNormal(0xC1, DataAccessResult.SUCCESS, b"\x11\x01").encode()
    assert server.client.receive(server.ciphering.protect(answer, control=AUTHENTICATED)) == Got(data=b"\x11\x01")


def test_a_ciphered_answer_without_keys_is_an_error():
    client = open_client()
    client.get(ENERGY)
    with pytest.raises(SecurityError, match="no keys"):
        client.receive(published.GLO_GET)


def test_counters_go_on_over_associations():
    server = CipheredServer(receive_counter=5)
    assert server.client.receive_counter == 5
    server.accept()
    assert server.client.receive_counter == 11
    replayed = CipheredServer(receive_counter=11)
    with pytest.raises(SecurityError):
        replayed.accept()


def test_an_observer_sees_what_goes_ciphered_as_it_is_inside():
    seen = []
    client = Client(bm.hls(), send_counter=1, on_plain=lambda sent, plain: seen.append((sent, plain[0])))
    bench = Bench(bm.hls())
    bench.client = client
    assert isinstance(bench.associate(), Associated)
    seen.clear()
    assert isinstance(bench.run(client.get(ENERGY)), Got)
    assert seen == [(True, 0xC0), (False, 0xC4)]


def test_what_only_clients_send_is_an_error():
    client = Client(bm.lls())
    with pytest.raises(RemoteProtocolError, match="a server does not send GetRequestNormal"):
        client.receive(published.GET_CLOCK)

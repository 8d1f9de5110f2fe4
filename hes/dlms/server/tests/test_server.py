"""The server alone: who may associate, what is refused and why, and published octets."""

import pytest

from hes.dlms import acse, apdu, axdr, data, initiate
from hes.dlms.acse import Aare
from hes.dlms.apdu import AttributeDescriptor, MethodDescriptor
from hes.dlms.codes import (
    AcseDiagnostic,
    ActionResult,
    ApplicationContext,
    AssociationResult,
    Conformance,
    DataAccessResult,
    Mechanism,
    ProviderDiagnostic,
)
from hes.dlms.cosem import ClientAccess, LogicalDevice, Role, public_client
from hes.dlms.findings import FindingKind
from hes.dlms.obis import Obis
from hes.dlms.security import AUTHENTICATED, gmac_challenge
from hes.dlms.security.ciphering import Ciphering, CipheringStyle
from hes.dlms.server.server import FINDINGS_MAX, protect_notification
from hes.dlms.server.tests.server_wire import (
    NOT_POSSIBLE,
    Wire,
    aarq,
    ciphered_wire,
    client_side,
    initiating,
    lls_aarq,
    plain_wire,
    small_meter,
)
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import published
from hes.errors import LocalProtocolError


def refusal_of(octets):
    """(result, diagnostic, code of the initiate error or None) of a refusing AARE."""
    aare = acse.decode(octets)
    assert isinstance(aare, Aare)
    assert aare.result == AssociationResult.REJECTED_PERMANENT
    error = initiate.decode(aare.user_information).code if aare.user_information else None
    return aare.diagnostic, error


# -- published octets


def test_the_published_aarqs_get_the_published_aare():
    assert Wire(16, small_meter())(published.AARQ_PLAIN) == published.AARE_ACCEPTED
    assert Wire(2, small_meter())(published.AARQ_LLS) == published.AARE_ACCEPTED


def test_the_published_release_gets_the_published_answer():
    wire = Wire(16, small_meter())
    wire(published.AARQ_PLAIN)
    assert wire(published.RLRQ_PLAIN) == published.RLRE_PLAIN
    assert wire.server.idle


def test_an_old_dlms_version_gets_the_published_refusal():
    octets = published.AARQ_PLAIN.replace(bytes.fromhex("065F1F"), bytes.fromhex("055F1F"))
    assert Wire(16, small_meter())(octets) == published.AARE_VERSION_TOO_LOW


def test_an_unknown_context_is_refused_and_dummy_fields_are_not():
    assert refusal_of(Wire(16)(published.AARQ_UNKNOWN_CONTEXT)) == (
        AcseDiagnostic.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED,
        None,
    )
    accepted = acse.decode(Wire(16)(published.AARQ_DUMMY_FIELDS))
    assert accepted.result == AssociationResult.ACCEPTED
    assert accepted.responding_ap_title == b""


def test_the_published_passes_of_hls_gmac():
    wire = Wire(bm.PLAIN_HLS)
    aare = acse.decode(wire(published.AARQ_HLS5))
    assert aare.diagnostic == AcseDiagnostic.AUTHENTICATION_REQUIRED
    assert aare.authentication_value == published.SERVER_CHALLENGE
    pass_3 = bytes.fromhex("C301C1000F0000280000FF010109111000000001") + published.PROOF_STOC
    assert wire(published.GET_CLOCK) == NOT_POSSIBLE  # not before pass 3
    assert wire(pass_3) == bytes.fromhex("C701C100010009111001234567") + published.PROOF_CTOS
    assert wire(published.GET_CLOCK)[:4] == bytes.fromhex("C4010000")


def test_the_published_ciphered_aarq_opens_an_association_with_its_dedicated_key():
    title = published.SERVER_TITLE  # the published client is the one with this title
    meter = bm.BenchMeter()
    meter.security.system_title = published.CLIENT_TITLE
    wire = Wire(bm.CIPHERED_LLS, meter=meter)
    aare = acse.decode(wire(published.AARQ_LLS_CIPHERED))
    assert aare.result == AssociationResult.ACCEPTED
    client = Ciphering(
        system_title=title,
        peer_system_title=published.CLIENT_TITLE,
        global_keys=bm.keys(),
        send_counter=published.COUNTER + 1,
        dedicated_key=published.MASTER_KEY,
        style=CipheringStyle.GENERAL_DED,
    )
    granted = initiate.decode(client.unprotect(aare.user_information).apdu)
    assert granted.server_max_receive_pdu_size == 1224
    answer = client.unprotect(wire(client.protect(published.GET_CLOCK)))
    assert answer.apdu[:4] == bytes.fromhex("C4010000")
    assert meter.security.receive_counter(0) == published.COUNTER + 1


@pytest.mark.parametrize(
    "request_octets", [published.GLO_GET, published.GLO_GET_AUTHENTICATED, published.GENERAL_GLO_GET]
)
def test_the_published_ciphered_gets_are_answered_in_kind(request_octets):
    meter = bm.BenchMeter()
    meter.security.system_title = published.CLIENT_TITLE
    wire = Wire(bm.CIPHERED_LLS, meter=meter)
    client = client_side(
        system_title=published.SERVER_TITLE, peer_system_title=published.CLIENT_TITLE, counter=published.COUNTER - 1
    )
    wire(
        lls_aarq(
            context=ApplicationContext.LN_CIPHERED,
            calling_ap_title=published.SERVER_TITLE,
            user_information=client.protect_initiate(initiating()),
        ).encode()
    )
    answer = wire(request_octets)
    opened = client.unprotect(answer)
    assert opened.apdu[:4] == bytes.fromhex("C4010000")
    assert (answer[0] == 0xDB) == (request_octets[0] == 0xDB)
    assert opened.control == request_octets[11 if request_octets[0] == 0xDB else 2]


def test_published_requests_to_objects():
    wire = Wire(bm.PLAIN_HLS)
    wire(published.AARQ_HLS5)
    wire(bytes.fromhex("C301C1000F0000280000FF010109111000000001") + published.PROOF_STOC)
    assert wire(published.SET_CLOCK) == bytes.fromhex("C501C100")
    assert wire(published.GET_CLOCK) == bytes.fromhex("C4010000090C07E80C0F070C1E0000FFC400")
    assert wire(published.DISCONNECT) == bytes.fromhex("C701C10000")
    assert wire.meter.relay == 0
    assert wire(published.RECONNECT) == bytes.fromhex("C701C10000")
    assert wire.meter.relay == 1
    assert wire(published.GET_LIST)[:4] == bytes.fromhex("C403C102")
    assert len(apdu.decode(wire(published.GET_ENTRIES)).data) > 300


# -- opening: what is refused, and why


@pytest.mark.parametrize(
    ("changes", "diagnostic"),
    [
        ({"protocol_version": "010001"}, ProviderDiagnostic.NO_COMMON_ACSE_VERSION),
        ({"context": ApplicationContext.SN}, AcseDiagnostic.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED),
        ({"context": ApplicationContext.LN_CIPHERED}, AcseDiagnostic.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED),
        ({"mechanism": Mechanism.HLS_GMAC}, AcseDiagnostic.AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED),
        ({"mechanism": b"\x01\x02"}, AcseDiagnostic.AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED),
        ({"mechanism": None}, AcseDiagnostic.AUTHENTICATION_MECHANISM_NAME_REQUIRED),
        ({"authentication": False}, AcseDiagnostic.AUTHENTICATION_REQUIRED),
        (
            {"authentication": False, "mechanism": None, "authentication_value": b""},
            AcseDiagnostic.AUTHENTICATION_REQUIRED,
        ),
        ({"authentication_value": b""}, AcseDiagnostic.AUTHENTICATION_FAILURE),
        ({"authentication_value": b"12345679"}, AcseDiagnostic.AUTHENTICATION_FAILURE),
    ],
)
def test_acse_refusals(changes, diagnostic):
    assert refusal_of(Wire(bm.READER)(lls_aarq(**changes).encode())) == (diagnostic, None)


def test_a_client_without_a_password_gets_in_with_none():
    meter = bm.BenchMeter()
    meter.security.secrets = {}
    for value in (b"", b"12345678"):
        answer = Wire(bm.READER, meter=meter)(lls_aarq(authentication_value=value).encode())
        assert refusal_of(answer) == (AcseDiagnostic.AUTHENTICATION_FAILURE, None)


def test_acse_version_1_among_others_is_accepted():
    assert acse.decode(Wire(bm.READER)(lls_aarq(protocol_version="100001").encode())).result == 0


def test_a_public_association_wants_no_mechanism():
    wire = Wire(16)
    assert refusal_of(wire(lls_aarq().encode()))[0] == AcseDiagnostic.AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED
    assert acse.decode(wire(aarq(authentication=True, mechanism=Mechanism.NONE).encode())).result == 0


@pytest.mark.parametrize("title", [b"", b"M", bytes(10)])
def test_a_title_of_another_length_is_refused_where_it_is_needed(title):
    request = lls_aarq(context=ApplicationContext.LN_CIPHERED, calling_ap_title=title)
    answer = Wire(bm.CIPHERED_LLS)(request.encode())
    assert refusal_of(answer) == (AcseDiagnostic.CALLING_AP_TITLE_NOT_RECOGNIZED, None)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"dlms_version": 5}, 1),
        ({"conformance": Conformance(0)}, 2),
        ({"conformance": Conformance.READ | Conformance.WRITE}, 2),
        ({"client_max_receive_pdu_size": 11}, 3),
        ({"client_max_receive_pdu_size": 1}, 3),
        ({"dedicated_key": bytes(16)}, 4),
    ],
)
def test_initiate_refusals(changes, code):
    answer = Wire(bm.READER)(lls_aarq(user_information=initiating(**changes)).encode())
    assert refusal_of(answer) == (AcseDiagnostic.NO_REASON_GIVEN, code)


@pytest.mark.parametrize(
    "changes",
    [
        {"dlms_version": 7},
        {"client_max_receive_pdu_size": 0},
        {"client_max_receive_pdu_size": 12},
        {"quality_of_service": 5},
        {"response_allowed": False},
    ],
)
def test_unusual_proposals_that_are_accepted(changes):
    aare = acse.decode(Wire(bm.READER)(lls_aarq(user_information=initiating(**changes)).encode()))
    assert aare.result == AssociationResult.ACCEPTED
    assert initiate.decode(aare.user_information).dlms_version == 6


@pytest.mark.parametrize("user_information", [b"", b"\x01", published.INITIATE_RESPONSE, published.GET_CLOCK])
def test_a_proposal_that_is_none_is_refused(user_information):
    answer = Wire(bm.READER)(lls_aarq(user_information=user_information).encode())
    assert refusal_of(answer) == (AcseDiagnostic.NO_REASON_GIVEN, 4)


@pytest.mark.parametrize("key", [bytes(8), bytes(32)])
def test_a_dedicated_key_of_another_length_is_refused(key):
    request = lls_aarq(
        context=ApplicationContext.LN_CIPHERED,
        calling_ap_title=published.CLIENT_TITLE,
        user_information=client_side().protect_initiate(initiating(dedicated_key=key)),
    )
    assert refusal_of(Wire(bm.CIPHERED_LLS)(request.encode())) == (AcseDiagnostic.NO_REASON_GIVEN, 4)


def test_a_dedicated_key_that_is_not_encrypted_is_refused():
    request = lls_aarq(
        context=ApplicationContext.LN_CIPHERED,
        calling_ap_title=published.CLIENT_TITLE,
        user_information=client_side(control=AUTHENTICATED).protect_initiate(initiating(dedicated_key=bytes(16))),
    )
    assert refusal_of(Wire(bm.CIPHERED_LLS)(request.encode())) == (AcseDiagnostic.NO_REASON_GIVEN, 4)


def test_a_proposal_weaker_than_the_policy_is_refused():
    request = aarq(
        context=ApplicationContext.LN_CIPHERED,
        calling_ap_title=published.CLIENT_TITLE,
        authentication=True,
        mechanism=Mechanism.HLS_GMAC,
        authentication_value=published.CLIENT_CHALLENGE,
    )
    assert refusal_of(Wire(bm.PROTECTED_HLS)(request.encode()))[0] == AcseDiagnostic.AUTHENTICATION_FAILURE


def test_a_setup_without_keys_opens_nothing():
    meter = bm.BenchMeter()
    meter.security._setups.clear()
    assert refusal_of(Wire(bm.PLAIN_HLS, meter=meter)(published.AARQ_HLS5))[0] == AcseDiagnostic.AUTHENTICATION_FAILURE


def test_a_replayed_aarq_is_told_the_counter_and_the_open_association_stays():
    wire, ciphering = ciphered_wire()
    request = lls_aarq(
        context=ApplicationContext.LN_CIPHERED,
        calling_ap_title=published.CLIENT_TITLE,
        user_information=client_side().protect_initiate(initiating()),
    )
    assert wire(request.encode()) == bytes.fromhex("D8010600000002")
    assert ciphering.unprotect(wire(ciphering.protect(published.GET_CLOCK))).apdu[0] == 0xC4


def test_a_new_aarq_replaces_the_association():
    wire = plain_wire()
    wire(apdu.GetRequestNormal(0xC1, AttributeDescriptor(7, bm.LOAD_PROFILE, 2)).encode())
    assert acse.decode(wire(lls_aarq().encode())).result == 0
    answer = apdu.decode(wire(apdu.GetRequestNext(0xC1, 1).encode()))
    assert answer.result == DataAccessResult.NO_LONG_GET_IN_PROGRESS
    assert refusal_of(wire(lls_aarq(authentication_value=b"wrong").encode()))
    assert wire(published.GET_CLOCK)[0] == 0xC4  # a refused one does not


# -- hls


@pytest.mark.parametrize(
    "pass_3",
    [
        bytes.fromhex("C301C1000F0000280000FF0101091110000000011A52FE7DD3E72748973C1E29"),
        bytes.fromhex("C301C1000F0000280000FF01010900"),
        bytes.fromhex("C301C1000F0000280000FF01010600000000"),
        bytes.fromhex("C301C1000F0000280000FF0100"),
    ],
)
def test_a_wrong_pass_3_ends_the_association_and_is_reported(pass_3):
    wire = Wire(bm.PLAIN_HLS)
    wire(published.AARQ_HLS5)
    assert apdu.decode(wire(pass_3)).result == ActionResult.READ_WRITE_DENIED
    assert wire.server.idle
    assert [finding.kind for finding in wire.server.take_findings()] == [FindingKind.AUTHENTICATION_FAILED]
    assert wire(published.GET_CLOCK) == NOT_POSSIBLE


@pytest.mark.parametrize(
    "octets", [published.GET_CLOCK, published.DISCONNECT, published.RLRQ_PLAIN, b"\xc0\x01", b"\xff"]
)
def test_nothing_passes_before_pass_3(octets):
    wire = Wire(bm.PLAIN_HLS)
    wire(published.AARQ_HLS5)
    assert wire(octets) == NOT_POSSIBLE
    assert wire.meter.relay == 1


def test_reply_to_hls_in_an_open_association_has_nothing_to_do():
    wire = plain_wire()
    request = apdu.ActionRequestNormal(0xC1, MethodDescriptor(15, Obis.parse("0.0.40.0.0.255"), 1), b"\x09\x00")
    assert apdu.decode(wire(request.encode())).result == ActionResult.OTHER_REASON


def hls_wire(proof_counter):
    """HLS-GMAC in a ciphered context with pass 3 under `proof_counter` in an APDU with counter 2."""
    wire, ciphering = Wire(bm.MANAGEMENT), client_side()
    request = aarq(
        context=ApplicationContext.LN_CIPHERED,
        calling_ap_title=published.CLIENT_TITLE,
        authentication=True,
        mechanism=Mechanism.HLS_GMAC,
        authentication_value=published.CLIENT_CHALLENGE,
        user_information=ciphering.protect_initiate(initiating()),
    )
    wire(request.encode())
    tag = gmac_challenge(bm.keys(), published.CLIENT_TITLE, proof_counter, published.SERVER_CHALLENGE)
    proof = axdr.encode(data.octets(tag))
    pass_3 = apdu.ActionRequestNormal(0xC1, MethodDescriptor(15, Obis.parse("0.0.40.0.0.255"), 1), proof)
    return wire, ciphering, ciphering.unprotect(wire(ciphering.protect(pass_3.encode()))).apdu


@pytest.mark.parametrize(("proof_counter", "reused"), [(0, True), (1, True), (2, True), (3, False), (1000, False)])
def test_a_counter_in_pass_3_moves_no_window_and_its_reuse_is_reported(proof_counter, reused):
    wire, ciphering, answer = hls_wire(proof_counter)
    assert apdu.decode(answer).result == ActionResult.SUCCESS
    assert [finding.kind for finding in wire.server.findings] == [FindingKind.HLS_COUNTER_REUSED] * reused
    assert wire.meter.security.receive_counter(0) == 3
    assert ciphering.unprotect(wire(ciphering.protect(published.GET_CLOCK))).apdu[0] == 0xC4


def test_a_server_whose_entropy_repeats_the_client_does_not_send_its_challenge_back():
    wire = Wire(bm.PLAIN_HLS, challenge=lambda _count: published.CLIENT_CHALLENGE)
    sent = acse.decode(wire(published.AARQ_HLS5)).authentication_value
    assert len(sent) == 8
    assert sent != published.CLIENT_CHALLENGE


# -- the rest


def test_findings_are_bounded():
    wire = plain_wire()
    for _ in range(FINDINGS_MAX + 10):
        wire(published.GLO_GET)
    assert len(wire.server.findings) == FINDINGS_MAX
    assert len(wire.server.take_findings()) == FINDINGS_MAX
    assert wire.server.findings == []


def test_a_push_needs_no_association():
    memory = bm.BenchMeter().security
    notification = apdu.DataNotification(1, b"", b"\x11\x01")
    octets = protect_notification(memory, 0, notification)
    opened = client_side().unprotect(octets)
    assert opened.apdu == notification.encode()
    assert opened.invocation_counter == published.COUNTER
    with pytest.raises(LocalProtocolError, match="has no keys"):
        protect_notification(memory, 9, notification)


def test_servers_of_two_instances_share_their_objects_and_nothing_else():
    first, second = plain_wire(), plain_wire()
    first.meter.offset_s = 100.0
    assert first(published.GET_CLOCK) != second(published.GET_CLOCK)


def test_a_public_client_needs_no_security_state():
    device = LogicalDevice(name=lambda _meter: b"AML", clients=(public_client(),), objects=bm.objects())
    assert Wire(16, device)(published.AARQ_PLAIN)[:1] == b"\x61"
    with pytest.raises(LocalProtocolError, match="security"):
        LogicalDevice(
            name=lambda _meter: b"AML",
            clients=(ClientAccess(client_sap=1, role=Role.MANAGEMENT, security_setup=0),),
            objects=(),
        )


def test_an_aarq_that_was_accepted_is_refused_once_the_password_is_another():
    meter = bm.BenchMeter()
    wire = Wire(bm.READER, meter=meter)
    first, second = wire(lls_aarq().encode()), wire(lls_aarq().encode())
    assert first == second
    assert acse.decode(second).result == AssociationResult.ACCEPTED
    meter.security.secrets = {**meter.security.secrets, bm.READER: b"another password"}
    refused = acse.decode(wire(lls_aarq().encode()))
    assert refused.diagnostic == AcseDiagnostic.AUTHENTICATION_FAILURE

"""The server alone: published octets in, and every refusal that the conformance cases ask for."""

import pytest

from hes.dlms import acse, apdu, axdr, data, initiate
from hes.dlms.acse import Aare, Aarq
from hes.dlms.apdu import AttributeDescriptor, MethodDescriptor
from hes.dlms.ciphering import Ciphering, CipheringStyle
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
from hes.dlms.cosem import Attribute, ClientAccess, CosemObject, LogicalDevice, Role, SecurityPolicy, public_client
from hes.dlms.cosem.interface_classes import DATA
from hes.dlms.findings import FindingKind
from hes.dlms.initiate import InitiateRequest
from hes.dlms.obis import Obis
from hes.dlms.security import AUTHENTICATED, ENCRYPTED, EncryptionKeys, HlsInputs, hls_response, wrap_key
from hes.dlms.server import FINDINGS_MAX, Server, protect_notification
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import published
from hes.errors import LocalProtocolError

ENERGY = AttributeDescriptor(3, bm.ENERGY, 2)
MESSAGE = AttributeDescriptor(1, bm.MESSAGE, 2)
SECURITY_SETUP = Obis.parse("0.0.43.0.0.255")
NOT_POSSIBLE, NOT_NEGOTIATED, MALFORMED = (bytes.fromhex(text) for text in ("D80101", "D80102", "D80103"))
TOO_LONG, NOT_DECIPHERED, UNKNOWN = (bytes.fromhex(text) for text in ("D80104", "D80105", "D80202"))


class Wire:
    """A server to which raw octets are sent from one client SAP."""

    def __init__(self, client_sap, device=bm.DEVICE, meter=None, challenge=bm.challenge):
        self.meter = meter or bm.BenchMeter()
        self.sap = client_sap
        self.server = Server(device, self.meter, entropy=challenge, challenge_octets=8)

    def __call__(self, octets):
        return self.server.receive(self.sap, octets, bm.NOW_S)


def aarq(**changes):
    request = InitiateRequest(bm.METER_CONFORMANCE, 1200)
    return Aarq(**{"context": ApplicationContext.LN, "user_information": request.encode(), **changes})


def lls_aarq(**changes):
    fields = {"authentication": True, "mechanism": Mechanism.LLS, "authentication_value": published.PASSWORD}
    return aarq(**{**fields, **changes})


def initiating(**changes):
    return InitiateRequest(
        **{"conformance": bm.METER_CONFORMANCE, "client_max_receive_pdu_size": 1200, **changes}
    ).encode()


def plain_wire(**changes):
    """A wire with an open LLS association."""
    wire = Wire(bm.READER, **changes)
    assert acse.decode(wire(lls_aarq().encode())).result == AssociationResult.ACCEPTED
    return wire


def client_side(counter=1, **changes):
    fields = {
        "system_title": published.CLIENT_TITLE,
        "peer_system_title": published.SERVER_TITLE,
        "global_keys": bm.keys(),
        "send_counter": counter,
    }
    return Ciphering(**{**fields, **changes})


def ciphered_wire(client_sap=bm.CIPHERED_LLS, **changes):
    """A wire with an open ciphered LLS association, and the client's ciphering."""
    wire, ciphering = Wire(client_sap, **changes), client_side()
    request = lls_aarq(
        context=ApplicationContext.LN_CIPHERED,
        calling_ap_title=published.CLIENT_TITLE,
        user_information=ciphering.protect_initiate(initiating()),
    )
    answer = acse.decode(wire(request.encode()))
    assert answer.result == AssociationResult.ACCEPTED
    ciphering.unprotect(answer.user_information)
    return wire, ciphering


def refusal_of(octets):
    """(result, diagnostic, code of the initiate error or None) of a refusing AARE."""
    aare = acse.decode(octets)
    assert isinstance(aare, Aare)
    assert aare.result == AssociationResult.REJECTED_PERMANENT
    error = initiate.decode(aare.user_information).code if aare.user_information else None
    return aare.diagnostic, error


# -- published octets


def small_meter():
    """The negotiation of the published AARE: conformance 00501F and 500 octets."""
    conformance = Conformance(0x00501F)
    clients = (
        ClientAccess(client_sap=16, role=Role.READER, conformance=conformance),
        ClientAccess(client_sap=2, role=Role.READER, mechanism=Mechanism.LLS, conformance=conformance),
    )
    return LogicalDevice(
        name=lambda _meter: b"AML", clients=clients, objects=bm.objects(), security=lambda meter: meter.security,
        max_receive_pdu_size=500,
    )  # fmt: skip


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
    assert wire(published.GET_CLOCK) == NOT_POSSIBLE
    assert [finding.kind for finding in wire.server.findings] == [FindingKind.AUTHENTICATION_FAILED]


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
    inputs = HlsInputs(
        keys=bm.keys(),
        system_title=published.CLIENT_TITLE,
        challenge=published.SERVER_CHALLENGE,
        invocation_counter=proof_counter,
    )
    proof = axdr.encode(data.octets(hls_response(Mechanism.HLS_GMAC, inputs)))
    pass_3 = apdu.ActionRequestNormal(0xC1, MethodDescriptor(15, Obis.parse("0.0.40.0.0.255"), 1), proof)
    return wire, ciphering, ciphering.unprotect(wire(ciphering.protect(pass_3.encode()))).apdu


@pytest.mark.parametrize(("proof_counter", "reused"), [(0, True), (1, True), (2, True), (3, False), (1000, False)])
def test_a_counter_in_pass_3_moves_no_window_and_its_reuse_is_reported(proof_counter, reused):
    wire, ciphering, answer = hls_wire(proof_counter)
    assert apdu.decode(answer).result == ActionResult.SUCCESS
    assert [finding.kind for finding in wire.server.findings] == [FindingKind.HLS_COUNTER_REUSED] * reused
    assert wire.meter.security.receive_counter(0) == 3
    assert ciphering.unprotect(wire(ciphering.protect(published.GET_CLOCK))).apdu[0] == 0xC4


def test_a_server_without_entropy_of_its_own_refuses_to_reflect():
    wire = Wire(bm.PLAIN_HLS, challenge=lambda _count: published.CLIENT_CHALLENGE)
    with pytest.raises(LocalProtocolError, match="own challenge"):
        wire(published.AARQ_HLS5)


# -- protection


def test_a_client_that_is_not_declared_gets_silence():
    assert Wire(77)(published.AARQ_PLAIN) is None
    assert Wire(16)(b"") is None


@pytest.mark.parametrize("octets", [published.GET_CLOCK, published.GLO_GET, published.RLRQ_PLAIN, b"\x00"])
def test_without_an_association_nothing_is_answered_with_data(octets):
    assert Wire(bm.READER)(octets) == NOT_POSSIBLE


def test_weaker_apdus_than_the_policy_are_refused():
    meter = bm.BenchMeter()
    wire, ciphering = ciphered_wire(meter=meter)
    assert wire(published.GET_CLOCK)[0] == 0xC4  # no policy yet
    meter.security.raise_policy(0, SecurityPolicy.AUTHENTICATED_REQUEST | SecurityPolicy.ENCRYPTED_RESPONSE)
    assert wire(published.GET_CLOCK) == NOT_POSSIBLE
    opened = ciphering.unprotect(wire(ciphering.protect(published.GET_CLOCK, control=AUTHENTICATED)))
    assert opened.control == 0x30  # as the request, and encrypted because the policy says so
    assert wire(ciphering.protect(published.GET_CLOCK, control=ENCRYPTED)) == NOT_POSSIBLE


def test_what_cannot_be_deciphered_is_refused_and_reported():
    wire, ciphering = ciphered_wire()
    request = bytearray(ciphering.protect(published.GET_CLOCK))
    request[-1] ^= 1
    assert wire(bytes(request)) == NOT_DECIPHERED
    assert [finding.kind for finding in wire.server.findings] == [FindingKind.DECIPHERING_FAILED]
    assert plain_wire()(published.GLO_GET) == NOT_DECIPHERED  # no keys in this association


def test_a_failed_apdu_does_not_move_the_window():
    wire, ciphering = ciphered_wire()
    before = wire.meter.security.receive_counter(0)
    wire(client_side(counter=10_000, global_keys=EncryptionKeys(bytes(16), bytes(16))).protect(published.GET_CLOCK))
    assert wire.meter.security.receive_counter(0) == before
    assert ciphering.unprotect(wire(ciphering.protect(published.GET_CLOCK))).apdu[0] == 0xC4


def test_associations_under_one_setup_share_their_counter():
    meter = bm.BenchMeter()
    first, ciphering = ciphered_wire(meter=meter)
    second = Wire(bm.PLAIN_HLS, meter=meter)
    second.server = first.server
    request = aarq(
        context=ApplicationContext.LN_CIPHERED,
        calling_ap_title=published.CLIENT_TITLE,
        authentication=True,
        mechanism=Mechanism.HLS_GMAC,
        authentication_value=published.CLIENT_CHALLENGE,
        user_information=client_side(counter=1).protect_initiate(initiating()),
    )
    assert second(request.encode()) == bytes.fromhex("D8010600000002")


def test_answers_never_share_a_counter():
    wire, ciphering = ciphered_wire()
    answers = [wire(ciphering.protect(published.GET_CLOCK)) for _ in range(5)]
    counters = [int.from_bytes(answer[3:7], "big") for answer in answers]
    assert counters == list(range(counters[0], counters[0] + 5))


def test_a_used_up_counter_ends_in_a_refusal_not_in_a_repetition():
    meter = bm.BenchMeter()
    wire, ciphering = ciphered_wire(meter=meter)
    meter.security._setups[0].send_counter = 0xFFFF_FFFF
    assert wire(ciphering.protect(published.GET_CLOCK)) == NOT_POSSIBLE
    request = lls_aarq(
        context=ApplicationContext.LN_CIPHERED,
        calling_ap_title=published.CLIENT_TITLE,
        user_information=ciphering.protect_initiate(initiating()),
    )
    assert wire(request.encode()) == NOT_POSSIBLE
    pending = Wire(bm.PLAIN_HLS, meter=meter)
    pending(published.AARQ_HLS5)
    assert pending(bytes.fromhex("C301C1000F0000280000FF010109111000000001") + published.PROOF_STOC) == NOT_POSSIBLE


def test_a_plain_attribute_that_needs_authentication_is_denied():
    name = Obis.parse("0.0.96.99.0.255")
    guarded = Attribute(get=lambda _context, _selection: b"\x11\x01", readable=Role.READER, authenticated=True)
    device = LogicalDevice(
        name=lambda _meter: b"AML",
        clients=(
            ClientAccess(
                client_sap=4,
                role=Role.READER,
                mechanism=Mechanism.LLS,
                contexts=frozenset({ApplicationContext.LN_CIPHERED}),
                security_setup=0,
            ),
        ),
        objects=(CosemObject(DATA, name, {2: guarded}),),
        security=lambda meter: meter.security,
    )
    wire, ciphering = ciphered_wire(device=device)
    request = apdu.GetRequestNormal(0xC1, AttributeDescriptor(1, name, 2)).encode()
    assert apdu.decode(wire(request)).result == DataAccessResult.READ_WRITE_DENIED
    assert ciphering.unprotect(wire(ciphering.protect(request))).apdu == bytes.fromhex("C401C1001101")


def test_a_protected_release_is_answered_protected():
    wire, ciphering = ciphered_wire()
    octets = acse.Rlrq(user_information=ciphering.protect_initiate(initiating())).encode()
    rlre = acse.decode(wire(octets))
    assert ciphering.unprotect(rlre.user_information).apdu[0] == 0x08
    assert wire.server.idle


def test_a_replayed_release_is_refused():
    wire, ciphering = ciphered_wire()
    user_information = client_side(counter=1).protect_initiate(initiating())
    assert wire(acse.Rlrq(user_information=user_information).encode())[:3] == bytes.fromhex("D80106")
    assert not wire.server.idle


def test_a_release_without_fields_is_legal():
    wire = plain_wire()
    assert wire(b"\x62\x00") == published.RLRE_PLAIN


# -- services


@pytest.mark.parametrize(
    ("octets", "answer"),
    [
        ("C000C1", UNKNOWN),  # unknown choice
        ("C005C1", UNKNOWN),
        ("FFFF", UNKNOWN),
        ("C401C10011 00", UNKNOWN),  # an answer is no request
        ("0100", UNKNOWN),
        ("C001C1", MALFORMED),
        ("C001C1000301000108", MALFORMED),
        ("C001C1000301000108 00FF0200FF", MALFORMED),  # octets left over
        ("C0", MALFORMED),
        ("05010200 00", UNKNOWN),  # short names
    ],
)
def test_what_is_not_a_request_is_refused_and_the_association_survives(octets, answer):
    wire = plain_wire()
    assert wire(bytes.fromhex(octets)) == answer
    assert wire(published.GET_CLOCK)[0] == 0xC4


def test_an_apdu_longer_than_agreed_is_refused():
    wire = plain_wire()
    assert wire(b"\xc0" + bytes(1224)) == TOO_LONG


def test_attributes_that_do_not_exist_are_undefined():
    wire = plain_wire()
    for index in (0, 4, 100, -1):
        request = apdu.GetRequestNormal(0xC1, AttributeDescriptor(3, bm.ENERGY, index))
        assert apdu.decode(wire(request.encode())).result == DataAccessResult.OBJECT_UNDEFINED


def test_selection_of_an_attribute_that_knows_none_is_refused():
    wire = plain_wire()
    request = apdu.GetRequestNormal(0xC1, ENERGY, bytes.fromhex("0200"))
    assert apdu.decode(wire(request.encode())).result == DataAccessResult.SCOPE_OF_ACCESS_VIOLATED


def long_get(wire, invoke=0xC1):
    return apdu.decode(wire(apdu.GetRequestNormal(invoke, AttributeDescriptor(7, bm.LOAD_PROFILE, 2)).encode()))


def next_of(wire, number, invoke=0xC1):
    return apdu.decode(wire(apdu.GetRequestNext(invoke, number).encode()))


def test_block_numbers_rise_by_one_and_the_last_block_may_be_repeated():
    wire = plain_wire()
    assert long_get(wire).block == 1
    second = next_of(wire, 1)
    assert (second.block, second.last) == (2, False)
    assert next_of(wire, 1) == second
    assert next_of(wire, 2).block == 3


@pytest.mark.parametrize("number", [0, 3, 0xFFFF_FFFF])
def test_a_wrong_block_number_aborts_the_transfer(number):
    wire = plain_wire()
    long_get(wire)
    next_of(wire, 1)
    assert next_of(wire, number).result == DataAccessResult.DATA_BLOCK_NUMBER_INVALID
    assert next_of(wire, 2).result == DataAccessResult.NO_LONG_GET_IN_PROGRESS


def test_another_request_or_invoke_id_ends_a_transfer():
    wire = plain_wire()
    long_get(wire)
    wire(published.GET_CLOCK)
    assert next_of(wire, 1).result == DataAccessResult.NO_LONG_GET_IN_PROGRESS
    long_get(wire)
    assert next_of(wire, 1, invoke=0xC2).result == DataAccessResult.NO_LONG_GET_IN_PROGRESS
    assert next_of(wire, 1).result == DataAccessResult.NO_LONG_GET_IN_PROGRESS


def test_nothing_follows_the_last_block():
    wire = plain_wire()
    answer = long_get(wire)
    while not answer.last:
        answer = next_of(wire, answer.block)
    assert next_of(wire, answer.block).result == DataAccessResult.NO_LONG_GET_IN_PROGRESS


def managing_wire():
    wire = Wire(bm.PLAIN_HLS)
    wire(published.AARQ_HLS5)
    wire(bytes.fromhex("C301C1000F0000280000FF010109111000000001") + published.PROOF_STOC)
    return wire


def test_blocks_of_a_write_are_acknowledged_taken_once_and_in_turn():
    wire = managing_wire()
    raw = axdr.encode(data.octets(b"0123456789"))
    first = apdu.SetRequestFirstBlock(0xC1, MESSAGE, b"", False, 1, raw[:4]).encode()
    last = apdu.SetRequestBlock(0xC1, True, 2, raw[4:]).encode()
    assert apdu.decode(wire(first)) == apdu.SetResponseBlock(0xC1, 1)
    done = apdu.decode(wire(last))
    assert done == apdu.SetResponseLastBlock(0xC1, DataAccessResult.SUCCESS, 2)
    assert apdu.decode(wire(last)) == done  # the answer was lost: it is given again
    assert (wire.meter.message, wire.meter.writes) == (b"0123456789", 1)
    beyond = apdu.decode(wire(apdu.SetRequestBlock(0xC1, True, 3, b"").encode()))
    assert beyond.result == DataAccessResult.NO_LONG_SET_IN_PROGRESS


def test_a_write_with_a_wrong_block_number_is_aborted():
    wire = managing_wire()
    wire(apdu.SetRequestFirstBlock(0xC1, MESSAGE, b"", False, 1, b"\x09\x01").encode())
    wrong = apdu.decode(wire(apdu.SetRequestBlock(0xC1, True, 3, b"A").encode()))
    assert wrong == apdu.SetResponseLastBlock(0xC1, DataAccessResult.DATA_BLOCK_NUMBER_INVALID, 3)
    late = apdu.decode(wire(apdu.SetRequestBlock(0xC1, True, 2, b"A").encode()))
    assert late.result == DataAccessResult.NO_LONG_SET_IN_PROGRESS
    assert wire.meter.writes == 0


def test_a_first_block_that_is_the_last_is_executed_at_once():
    wire = managing_wire()
    whole = apdu.SetRequestFirstBlock(0xC1, MESSAGE, b"", True, 1, b"\x09\x01A").encode()
    assert apdu.decode(wire(whole)) == apdu.SetResponseLastBlock(0xC1, DataAccessResult.SUCCESS, 1)
    wrong = apdu.SetRequestFirstBlock(0xC1, MESSAGE, b"", True, 2, b"\x09\x01A").encode()
    assert apdu.decode(wire(wrong)).result == DataAccessResult.DATA_BLOCK_NUMBER_INVALID


def test_blocks_that_hold_no_data_are_type_unmatched():
    wire = managing_wire()
    request = apdu.SetRequestFirstBlock(0xC1, MESSAGE, b"", True, 1, b"\x09\x05A").encode()
    assert apdu.decode(wire(request)).result == DataAccessResult.TYPE_UNMATCHED
    listed = apdu.SetRequestWithListFirstBlock(0xC1, ((MESSAGE, b""), (ENERGY, b"")), True, 1, b"\x01\x00").encode()
    assert apdu.decode(wire(listed)).results == (DataAccessResult.TYPE_UNMATCHED,) * 2


def test_a_list_of_methods_is_answered_in_one_apdu_or_in_blocks():
    wire = managing_wire()
    echo = MethodDescriptor(1, bm.ECHO, 1)
    short = apdu.ActionRequestWithList(0xC1, (echo, MethodDescriptor(1, bm.ECHO, 2)), (b"\x11\x05", b"\x00"))
    assert apdu.decode(wire(short.encode())).outcomes == (
        apdu.ActionOutcome(ActionResult.SUCCESS, b"\x11\x05"),
        apdu.ActionOutcome(ActionResult.OBJECT_UNDEFINED),
    )
    long = axdr.encode(data.octets(bytes(700)))
    blocks = [
        apdu.ActionRequestWithListFirstBlock(0xC2, (echo, echo), False, 1, apdu.encode_values((long, long))[:900])
    ]
    blocks.append(apdu.ActionRequestBlock(0xC2, True, 2, apdu.encode_values((long, long))[900:]))
    assert apdu.decode(wire(blocks[0].encode())) == apdu.ActionResponseNextBlock(0xC2, 1)
    answer = apdu.decode(wire(blocks[1].encode()))
    raw = answer.raw
    while not answer.last:
        answer = apdu.decode(wire(apdu.ActionRequestNextBlock(0xC2, answer.block).encode()))
        raw += answer.raw
    assert apdu.decode_outcomes(raw) == (apdu.ActionOutcome(ActionResult.SUCCESS, long),) * 2


def test_action_transfers_that_do_not_exist_say_so():
    wire = managing_wire()
    for request in (apdu.ActionRequestBlock(0xC1, True, 2, b""), apdu.ActionRequestNextBlock(0xC1, 1)):
        assert apdu.decode(wire(request.encode())).result == ActionResult.NO_LONG_ACTION_IN_PROGRESS


def test_unconfirmed_services_are_executed_and_not_answered():
    wire = managing_wire()
    assert wire(apdu.SetRequestNormal(0x01, MESSAGE, b"\x09\x01U").encode()) is None
    assert wire.meter.message == b"U"
    assert wire(apdu.ActionRequestNormal(0x01, MethodDescriptor(70, bm.RELAY, 1), b"\x0f\x00").encode()) is None
    assert wire.meter.relay == 0


# -- keys


def key_wire():
    wire = managing_wire()
    return wire, wire.meter.security


def transfer(*keys):
    elements = [data.structure(data.enum(key_id), data.octets(wrapped)) for key_id, wrapped in keys]
    parameters = axdr.encode(data.array(elements))
    return apdu.ActionRequestNormal(0xC1, MethodDescriptor(64, SECURITY_SETUP, 2), parameters).encode()


def test_the_published_key_transfer_takes_effect_after_its_answer():
    meter = bm.BenchMeter()
    wire = Wire(bm.MANAGEMENT, meter=meter)
    ciphering = client_side()
    wire(
        aarq(
            context=ApplicationContext.LN_CIPHERED,
            calling_ap_title=published.CLIENT_TITLE,
            authentication=True,
            mechanism=Mechanism.HLS_GMAC,
            authentication_value=published.CLIENT_CHALLENGE,
            user_information=ciphering.protect_initiate(initiating(dedicated_key=bytes(range(16)))),
        ).encode()
    )
    ciphering.use_dedicated_key(bytes(range(16)))
    proof = axdr.encode(data.octets(ciphering.hls_tag(published.SERVER_CHALLENGE)))
    pass_3 = apdu.ActionRequestNormal(0xC1, MethodDescriptor(15, Obis.parse("0.0.40.0.0.255"), 1), proof)
    ciphering.unprotect(wire(ciphering.protect(pass_3.encode())))
    dedicated = ciphering.protect(published.GET_CLOCK, style=CipheringStyle.GENERAL_DED)
    first = ciphering.unprotect(wire(dedicated))

    new_keys = EncryptionKeys(bytes(range(100, 116)), bytes(range(200, 216)))
    request = transfer(
        (0, wrap_key(published.MASTER_KEY, new_keys.encryption)),
        (2, wrap_key(published.MASTER_KEY, new_keys.authentication)),
    )
    answer = ciphering.unprotect(wire(ciphering.protect(request)))  # still under the old keys
    assert apdu.decode(answer.apdu).result == ActionResult.SUCCESS
    assert meter.security.keys(0) == new_keys
    assert meter.security.receive_counter(0) == 0
    assert wire(ciphering.protect(published.GET_CLOCK)) == NOT_DECIPHERED
    renewed = client_side(counter=0, global_keys=new_keys, dedicated_key=bytes(range(16)), dedicated_send_counter=7)
    assert renewed.unprotect(wire(renewed.protect(published.GET_CLOCK))).invocation_counter == 0
    again = wire(renewed.protect(published.GET_CLOCK, style=CipheringStyle.GENERAL_DED))
    assert renewed.unprotect(again).invocation_counter == first.invocation_counter + 1  # the dedicated counter goes on


@pytest.mark.parametrize(
    "keys",
    [
        ((0, published.WRAPPED_ENCRYPTION_KEY[:-1] + b"\x00"),),  # does not unwrap
        ((7, published.WRAPPED_ENCRYPTION_KEY),),  # no such key
        ((0, published.WRAPPED_ENCRYPTION_KEY), (7, published.WRAPPED_AUTHENTICATION_KEY)),
        ((0, wrap_key(published.MASTER_KEY, bytes(32))),),  # the length of another suite
        (),
    ],
)
def test_a_faulty_key_transfer_changes_nothing(keys):
    wire, memory = key_wire()
    before = memory.keys(0)
    assert apdu.decode(wire(transfer(*keys))).result == ActionResult.OTHER_REASON
    assert memory.keys(0) is before


@pytest.mark.parametrize("parameters", [b"\x00", b"\x11\x01", b"\x01\x01\x11\x01", b"\x01\x01\x02\x01\x16\x00"])
def test_a_key_transfer_of_another_shape_is_type_unmatched(parameters):
    wire, _ = key_wire()
    request = apdu.ActionRequestNormal(0xC1, MethodDescriptor(64, SECURITY_SETUP, 2), parameters)
    assert apdu.decode(wire(request.encode())).result == ActionResult.TYPE_UNMATCHED


def test_a_policy_can_only_be_made_stronger():
    wire = managing_wire()
    activate = MethodDescriptor(64, SECURITY_SETUP, 1)

    def invoke(number):
        return apdu.decode(wire(apdu.ActionRequestNormal(0xC1, activate, bytes((0x16, number))).encode()))

    assert invoke(9).result == ActionResult.OTHER_REASON
    assert invoke(0).result == ActionResult.SUCCESS  # no weaker than it is
    assert wire.meter.security.policy(0) == 0
    assert invoke(3).result == ActionResult.SUCCESS
    assert wire.meter.security.policy(0) == 0x6C
    assert wire(published.GET_CLOCK) == NOT_POSSIBLE  # and holds at once


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

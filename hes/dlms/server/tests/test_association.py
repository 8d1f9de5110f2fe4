"""Protection, counters, keys and policy on the server's side."""

import pytest

from hes.dlms import acse, apdu, axdr, data
from hes.dlms.apdu import AttributeDescriptor, MethodDescriptor
from hes.dlms.codes import (
    ActionResult,
    ApplicationContext,
    DataAccessResult,
    Mechanism,
)
from hes.dlms.cosem import Attribute, ClientAccess, CosemObject, LogicalDevice, Role, SecurityPolicy
from hes.dlms.cosem.interface_classes import DATA
from hes.dlms.findings import FindingKind
from hes.dlms.obis import Obis
from hes.dlms.security import AUTHENTICATED, ENCRYPTED, EncryptionKeys, gmac_challenge, wrap_key
from hes.dlms.security.ciphering import CipheringStyle
from hes.dlms.server.tests.server_wire import (
    NOT_DECIPHERED,
    NOT_POSSIBLE,
    SECURITY_SETUP,
    Wire,
    aarq,
    ciphered_wire,
    client_side,
    initiating,
    lls_aarq,
    managing_wire,
    plain_wire,
)
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import published

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
    first, _ciphering = ciphered_wire(meter=meter)
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
    wire, _ciphering = ciphered_wire()
    user_information = client_side(counter=1).protect_initiate(initiating())
    assert wire(acse.Rlrq(user_information=user_information).encode())[:3] == bytes.fromhex("D80106")
    assert not wire.server.idle


def test_a_release_without_fields_is_legal():
    wire = plain_wire()
    assert wire(b"\x62\x00") == published.RLRE_PLAIN


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
    tag = gmac_challenge(bm.keys(), published.CLIENT_TITLE, ciphering.take_counter(), published.SERVER_CHALLENGE)
    proof = axdr.encode(data.octets(tag))
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

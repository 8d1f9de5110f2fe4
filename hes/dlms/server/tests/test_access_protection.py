"""Rights that want protection, users of a client, secrets that change: what one object or person adds to the policy."""

import pytest

from hes.dlms import acse, apdu, axdr, data
from hes.dlms.apdu import AttributeDescriptor, MethodDescriptor
from hes.dlms.codes import (
    AcseDiagnostic,
    ActionResult,
    ApplicationContext,
    AssociationResult,
    Conformance,
    DataAccessResult,
)
from hes.dlms.cosem import (
    EVERYONE,
    Attribute,
    ClientAccess,
    CosemObject,
    LogicalDevice,
    Role,
    SecurityPolicy,
    attribute,
    method,
)
from hes.dlms.cosem.interface_classes import DATA
from hes.dlms.cosem.object_list import object_list_from_value
from hes.dlms.obis import Obis
from hes.dlms.security import AUTHENTICATED, AUTHENTICATED_ENCRYPTED, ENCRYPTED
from hes.dlms.security.ciphering import is_protected
from hes.dlms.server.tests.server_wire import NOT_POSSIBLE, Wire, aarq, client_side, initiating, lls_aarq
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import published

NAME = Obis.parse("0.0.96.60.0.255")
ASSOCIATION = Obis.parse("0.0.40.0.0.255")
P = SecurityPolicy
DENIED = DataAccessResult.READ_WRITE_DENIED
LONG = data.octets(bytes(range(200)) * 4)


def guarded(protection, value=LONG):
    return CosemObject(
        DATA,
        NAME,
        {2: attribute(value, lambda *_: DataAccessResult.SUCCESS, readable=EVERYONE, protection=protection)},
        {1: method(lambda *_: ActionResult.SUCCESS, protection=protection)},
    )


def device(*objects, association_version=1, mechanism_changes=None):
    both = frozenset({ApplicationContext.LN, ApplicationContext.LN_CIPHERED})
    client = ClientAccess(client_sap=40, role=Role.MANAGEMENT, contexts=both, security_setup=0)
    return LogicalDevice(
        name=lambda _meter: b"AML",
        clients=(client,),
        objects=objects,
        security=lambda meter: meter.security,
        association_version=association_version,
    )


def opened(protection, size=1200, **changes):
    """A wire with an open ciphered association without a policy, and the client's ciphering."""
    wire, ciphering = Wire(40, device=device(guarded(protection), **changes)), client_side()
    request = aarq(
        context=ApplicationContext.LN_CIPHERED,
        calling_ap_title=published.CLIENT_TITLE,
        user_information=ciphering.protect_initiate(
            initiating(
                client_max_receive_pdu_size=size,
                conformance=bm.METER_CONFORMANCE & ~Conformance.GENERAL_BLOCK_TRANSFER,
            )
        ),
    )
    answer = acse.decode(wire(request.encode()))
    assert answer.result == AssociationResult.ACCEPTED
    ciphering.unprotect(answer.user_information)
    return wire, ciphering


GET = apdu.GetRequestNormal(0xC1, AttributeDescriptor(1, NAME, 2)).encode()
SET = apdu.SetRequestNormal(0xC1, AttributeDescriptor(1, NAME, 2), b"\x11\x01").encode()
ACT = apdu.ActionRequestNormal(0xC1, MethodDescriptor(1, NAME, 1), None).encode()
CONTROLS = {"plain": None, "authenticated": AUTHENTICATED, "encrypted": ENCRYPTED, "both": AUTHENTICATED_ENCRYPTED}


def result(wire, ciphering, request, control):
    octets = request if control is None else ciphering.protect(request, control=control)
    answer = wire(octets)
    return apdu.decode(ciphering.unprotect(answer).apdu if is_protected(answer) else answer)


@pytest.mark.parametrize("request_octets", [GET, SET, ACT], ids=["get", "set", "action"])
@pytest.mark.parametrize("sent", list(CONTROLS))
@pytest.mark.parametrize(
    ("protection", "served"),
    [
        (P.NONE, {"plain", "authenticated", "encrypted", "both"}),
        (P.AUTHENTICATED_REQUEST, {"authenticated", "both"}),
        (P.ENCRYPTED_REQUEST, {"encrypted", "both"}),
        (P.AUTHENTICATED_REQUEST | P.ENCRYPTED_REQUEST, {"both"}),
        (P.SIGNED_REQUEST, set()),
    ],
)
def test_a_right_is_granted_to_requests_protected_as_it_says(protection, served, sent, request_octets):
    answer = result(*opened(protection), request_octets, CONTROLS[sent])
    assert (answer.result == DENIED) is (sent not in served)


@pytest.mark.parametrize("sent", list(CONTROLS))
def test_an_answer_is_protected_as_the_right_says_whatever_the_request_was(sent):
    wire, ciphering = opened(P.AUTHENTICATED_RESPONSE | P.ENCRYPTED_RESPONSE)
    request = GET if CONTROLS[sent] is None else ciphering.protect(GET, control=CONTROLS[sent])
    assert ciphering.unprotect(wire(request)).control == 0x30
    other = apdu.GetRequestNormal(0xC1, AttributeDescriptor(1, Obis.parse("0.0.42.0.0.255"), 2)).encode()
    assert wire(other)[0] == 0xC4  # nothing is left over for the next answer


def test_every_block_of_a_guarded_answer_is_protected():
    wire, ciphering = opened(P.ENCRYPTED_RESPONSE, size=200)
    raw, number = b"", 1
    octets = wire(GET)
    while True:
        assert len(octets) <= 200
        opened_block = ciphering.unprotect(octets)
        assert opened_block.control.encrypted
        block = apdu.decode(opened_block.apdu)
        raw += block.raw
        if block.last:
            break
        octets = wire(apdu.GetRequestNext(0xC1, number).encode())
        number += 1
    assert raw == axdr.encode(LONG)


def test_where_no_answer_can_be_protected_the_right_is_not_granted():
    wire = Wire(40, device=device(guarded(P.AUTHENTICATED_RESPONSE)))
    assert acse.decode(wire(aarq().encode())).result == AssociationResult.ACCEPTED
    assert apdu.decode(wire(GET)).result == DENIED


def test_a_policy_that_wants_more_than_a_right_still_counts():
    wire, ciphering = opened(P.AUTHENTICATED_REQUEST)
    wire.meter.security.raise_policy(0, P.ENCRYPTED_REQUEST)
    assert wire(ciphering.protect(GET, control=AUTHENTICATED)) == NOT_POSSIBLE


@pytest.mark.parametrize(("version", "modes"), [(1, (6, 2)), (2, (6, 2)), (3, (3 | 0x64, 1 | 0x64))])
def test_the_object_list_shows_rights_as_its_version_can(version, modes):
    protection = P.AUTHENTICATED_REQUEST | P.AUTHENTICATED_RESPONSE | P.ENCRYPTED_RESPONSE
    wire, ciphering = opened(protection, association_version=version)
    request = apdu.GetRequestNormal(0xC1, AttributeDescriptor(15, ASSOCIATION, 2)).encode()
    listed = object_list_from_value(
        axdr.decode_value(result(wire, ciphering, request, AUTHENTICATED_ENCRYPTED).data)[0]
    )
    found = next(element for element in listed if element.logical_name == NAME)
    assert (found.attributes[2], found.methods.get(1, modes[1])) == modes
    own = next(element for element in listed if element.logical_name == ASSOCIATION)
    assert own.version == version


# -- users: APPL_OPEN_2


def named(user_id):
    return lls_aarq(calling_ae_invocation_id=user_id).encode()


@pytest.mark.parametrize(("user_id", "accepted"), [(7, True), (200, True), (8, False), (None, False)])
def test_appl_open_2_a_user_that_is_listed_gets_in(user_id, accepted):
    wire = Wire(bm.READER)
    wire.meter.security.change_users(bm.READER, {7: "Ada", 200: "Grace"})
    answer = acse.decode(wire(named(user_id)))
    assert (answer.result == AssociationResult.ACCEPTED) is accepted
    if not accepted:
        assert answer.diagnostic is AcseDiagnostic.CALLING_AE_INVOCATION_ID_NOT_RECOGNIZED


@pytest.mark.parametrize("user_id", [None, 7])
def test_without_a_list_nobody_is_asked(user_id):
    assert acse.decode(Wire(bm.READER)(named(user_id))).result == AssociationResult.ACCEPTED


def user(user_id, name):
    return axdr.encode(data.structure(data.u8(user_id), data.visible(name)))


def test_users_are_added_and_removed_and_the_current_one_is_said():
    wire, ciphering = opened(P.NONE, association_version=2)

    def act(index, parameters):
        request = apdu.ActionRequestNormal(0xC1, MethodDescriptor(15, ASSOCIATION, index), parameters).encode()
        return result(wire, ciphering, request, AUTHENTICATED_ENCRYPTED).result

    def get(index):
        request = apdu.GetRequestNormal(0xC1, AttributeDescriptor(15, ASSOCIATION, index)).encode()
        return axdr.decode_value(result(wire, ciphering, request, AUTHENTICATED_ENCRYPTED).data)[0]

    assert act(5, user(7, "Ada")) == act(5, user(9, "Grace")) == ActionResult.SUCCESS
    assert get(10) == [(7, "Ada"), (9, "Grace")]
    assert act(6, user(7, "Grace")) == ActionResult.OTHER_REASON  # another's name
    assert act(6, user(7, "Ada")) == ActionResult.SUCCESS
    assert get(10) == [(9, "Grace")]
    assert get(11) == (0, "")
    assert act(5, b"\x11\x01") == ActionResult.TYPE_UNMATCHED
    results = [act(5, user(number, "many")) for number in range(100, 140)]
    assert results.count(ActionResult.SUCCESS) == 31


# -- secrets


def change_secret(wire, ciphering, secret, control=AUTHENTICATED_ENCRYPTED):
    parameters = axdr.encode(data.octets(secret))
    request = apdu.ActionRequestNormal(0xC1, MethodDescriptor(15, ASSOCIATION, 2), parameters).encode()
    return result(wire, ciphering, request, control).result


def test_a_secret_changes_only_under_encryption_and_where_there_is_one():
    wire, ciphering = opened(P.NONE)
    assert change_secret(wire, ciphering, b"new") == ActionResult.READ_WRITE_DENIED  # this client has no secret
    client = client_side()
    secretive = Wire(bm.CIPHERED_LLS)
    request = lls_aarq(
        context=ApplicationContext.LN_CIPHERED,
        calling_ap_title=published.CLIENT_TITLE,
        user_information=client.protect_initiate(initiating()),
    )
    client.unprotect(acse.decode(secretive(request.encode())).user_information)
    # a reader may not change it
    assert change_secret(secretive, client, b"new") == ActionResult.READ_WRITE_DENIED


def test_the_guards_of_plain_objects_cost_nothing():
    entry = CosemObject(DATA, NAME, {2: Attribute()})
    assert not entry._guards
    assert not entry._method_guards

"""The cases of the application part of the conformance tests that concern services, seen from the server.

Ids and purposes are those of the published table of contents of DLMS UA 1001-6 (Yellow Book Ed. 5); stimulus and
expected answer are our reading (docs/protocols/dlms-roles.md §2). Cases of opening and of authentication stand in
`test_server.py` and `test_association.py`.
"""

import pytest

from hes.dlms import acse, apdu, axdr, data, initiate
from hes.dlms.apdu import AttributeDescriptor
from hes.dlms.codes import AssociationResult, Conformance, DataAccessResult
from hes.dlms.server.tests.server_wire import (
    ENERGY,
    MALFORMED,
    MESSAGE,
    NOT_NEGOTIATED,
    NOT_POSSIBLE,
    UNKNOWN,
    Wire,
    initiating,
    lls_aarq,
    managing_wire,
    plain_wire,
)
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import published

ASSOCIATION = apdu.GetRequestNormal(0xC1, AttributeDescriptor(15, bytes.fromhex("0000280000FF"), 1)).encode()
NAME_READ = bytes.fromhex("C401C10009060000280000FF")


def associated(wire):
    """The helper procedure of the cases: the current association is readable."""
    return wire(ASSOCIATION) == NAME_READ


SERVICES = {
    "get": published.GET_CLOCK,
    "set": published.SET_CLOCK,
    "action": published.DISCONNECT,
    "access": bytes.fromhex("D94000000100010100030100010800FF020100"),
    "general block": bytes.fromhex("E0810001000002C001"),
    "release": published.RLRQ_PLAIN,
}


@pytest.mark.parametrize("request_octets", SERVICES.values(), ids=SERVICES)
def test_appl_idle_n1_nothing_is_given_without_an_association(request_octets):
    assert Wire(bm.READER)(request_octets) == NOT_POSSIBLE


def test_appl_open_1_an_association_with_the_declared_parameters_reads_its_own_name():
    wire = Wire(bm.READER)
    aare = acse.decode(wire(lls_aarq().encode()))
    assert (aare.result, aare.diagnostic) == (AssociationResult.ACCEPTED, 0)
    assert associated(wire)


@pytest.mark.parametrize(
    ("octets", "answer"),
    [
        ("C000C1 0003 0100010800FF 02 00", UNKNOWN),  # subtest 1: a form of GET that there is not
        ("C0FFC1 0003 0100010800FF 02 00", UNKNOWN),
        ("C001C1", MALFORMED),  # subtest 2: elements missing
        ("C001C1 0003 0100010800FF", MALFORMED),
        ("C001C1 0003 0100010800FF 02", MALFORMED),
        ("C003C1 02 0003 0100010800FF 02 00", MALFORMED),
    ],
)
def test_appl_data_ln_n1_faulty_gets_are_refused_and_the_association_lives(octets, answer):
    wire = plain_wire()
    assert wire(bytes.fromhex(octets)) == answer
    assert associated(wire)


@pytest.mark.parametrize(
    ("attribute", "result"),
    [
        (AttributeDescriptor(3, bytes.fromhex("0100630800FF"), 2), DataAccessResult.OBJECT_UNDEFINED),
        (AttributeDescriptor(4, bm.ENERGY, 2), DataAccessResult.OBJECT_CLASS_INCONSISTENT),
        (AttributeDescriptor(3, bm.ENERGY, 99), DataAccessResult.OBJECT_UNDEFINED),
        (AttributeDescriptor(1, bm.SECRET_TEXT, 2), DataAccessResult.READ_WRITE_DENIED),
    ],
)
def test_appl_data_ln_n1_subtest_3_what_is_not_there_gives_a_result_and_no_data(attribute, result):
    wire = plain_wire()
    assert wire(apdu.GetRequestNormal(0xC1, attribute).encode()) == bytes((0xC4, 1, 0xC1, 1, result))
    assert associated(wire)


@pytest.mark.parametrize(
    ("octets", "answer"),
    [
        ("C100C1 0001 000060 0D00FF 02 00 0900", UNKNOWN),
        ("C106C1 0001 000060 0D00FF 02 00 0900", UNKNOWN),
        ("C101C1 0001 000060 0D00FF 02 00", MALFORMED),
        ("C101C1 0001 000060 0D00FF 02 00 09", MALFORMED),
        ("C101C1 0001 000060 0D00FF 02 00 0905 41", MALFORMED),
        ("C101C1 0001 000060 0D00FF 02 00 0900 00", MALFORMED),
        ("C104C1 01 0001 0000600D00FF 02 00 02 0900 0900", MALFORMED),
    ],
)
def test_appl_data_ln_n3_faulty_sets_are_refused_write_nothing_and_the_association_lives(octets, answer):
    wire = managing_wire()
    assert wire(bytes.fromhex(octets)) == answer
    assert wire.meter.writes == 0
    assert associated(wire)


def test_appl_data_ln_n3_what_cannot_be_written_gives_a_result():
    wire = managing_wire()
    text = axdr.encode(data.octets(b"x"))
    for attribute, value, result in (
        (AttributeDescriptor(1, bytes.fromhex("0000FF0D00FF"), 2), text, DataAccessResult.OBJECT_UNDEFINED),
        (ENERGY, text, DataAccessResult.READ_WRITE_DENIED),
        (MESSAGE, b"\x11\x01", DataAccessResult.TYPE_UNMATCHED),
    ):
        answer = wire(apdu.SetRequestNormal(0xC1, attribute, value).encode())
        assert answer == bytes((0xC5, 1, 0xC1, result))
    assert wire.meter.message == b""


NEEDED = {
    "GET": (Conformance.GET, published.GET_CLOCK),
    "SET": (Conformance.SET, published.SET_CLOCK),
    "ACTION": (Conformance.ACTION, published.DISCONNECT),
    "GET list": (Conformance.MULTIPLE_REFERENCES, published.GET_LIST),
    "SET list": (Conformance.MULTIPLE_REFERENCES, b"\xc1\x04\xc1\x00\x00"),
    "ACTION list": (Conformance.MULTIPLE_REFERENCES, b"\xc3\x03\xc1\x00\x00"),
    "GET next": (Conformance.BLOCK_TRANSFER_GET, apdu.GetRequestNext(0xC1, 1).encode()),
    "SET block": (Conformance.BLOCK_TRANSFER_SET, apdu.SetRequestBlock(0xC1, True, 1, b"\x00").encode()),
    "SET first block": (
        Conformance.BLOCK_TRANSFER_SET,
        apdu.SetRequestFirstBlock(0xC1, MESSAGE, b"", True, 1, b"\x09\x00").encode(),
    ),
    "ACTION block": (Conformance.BLOCK_TRANSFER_ACTION, apdu.ActionRequestBlock(0xC1, True, 1, b"\x00").encode()),
    "ACTION next block": (Conformance.BLOCK_TRANSFER_ACTION, apdu.ActionRequestNextBlock(0xC1, 1).encode()),
    "selection": (Conformance.SELECTIVE_ACCESS, published.GET_ENTRIES),
    "selection in SET": (
        Conformance.SELECTIVE_ACCESS,
        apdu.SetRequestNormal(0xC1, MESSAGE, b"\x09\x00", b"\x01\x00").encode(),
    ),
    "selection in a SET block": (
        Conformance.SELECTIVE_ACCESS,
        apdu.SetRequestFirstBlock(0xC1, MESSAGE, b"\x01\x00", True, 1, b"\x09\x00").encode(),
    ),
    "selection in a SET list": (
        Conformance.SELECTIVE_ACCESS,
        apdu.SetRequestWithList(0xC1, ((MESSAGE, b"\x01\x00"),), (b"\x09\x00",)).encode(),
    ),
    "selection in a SET list in blocks": (
        Conformance.SELECTIVE_ACCESS,
        apdu.SetRequestWithListFirstBlock(0xC1, ((MESSAGE, b"\x01\x00"),), True, 1, b"\x01\x09\x00").encode(),
    ),
    "selection in ACCESS": (
        Conformance.SELECTIVE_ACCESS,
        bytes.fromhex("D940000001000104000701006301 00FF02 0100 0100"),
    ),
    "ACCESS": (Conformance.ACCESS, bytes.fromhex("D94000000100010100030100010800FF020100")),
    "general block": (Conformance.GENERAL_BLOCK_TRANSFER, bytes.fromhex("E0810001000002C001")),
    "confirmation of a push": (Conformance.DATA_NOTIFICATION, bytes.fromhex("104000000100")),
}


@pytest.mark.parametrize(("needed", "request_octets"), NEEDED.values(), ids=NEEDED)
def test_appl_data_ln_n4_a_service_that_was_not_negotiated_is_refused_and_the_association_lives(needed, request_octets):
    conformance = bm.METER_CONFORMANCE & ~needed
    wire = managing_wire(bm.device(conformance=conformance))
    assert wire(request_octets) == NOT_NEGOTIATED
    assert wire.meter.writes == 0
    if needed is not Conformance.GET:
        assert associated(wire)


@pytest.mark.parametrize(
    "octets", ["0501020000", "06010200000111 01", "C2000001000060 0D00FF0200", "0F00000001000000", "FE00"]
)
def test_appl_data_ln_n4_services_that_no_server_has_here_are_unknown(octets):
    wire = plain_wire()
    assert wire(bytes.fromhex(octets)) in (UNKNOWN, MALFORMED)
    assert associated(wire)


def test_appl_rel_p1_after_a_release_nothing_is_given():
    wire = plain_wire()
    assert wire(published.RLRQ_PLAIN) == published.RLRE_PLAIN
    assert wire(published.GET_CLOCK) == NOT_POSSIBLE
    assert acse.decode(wire(lls_aarq().encode())).result == AssociationResult.ACCEPTED
    assert associated(wire)


@pytest.mark.parametrize("proposed", [Conformance.GET, Conformance.GET | Conformance.ACCESS | Conformance.READ])
def test_appl_open_13_what_is_negotiated_is_what_both_have(proposed):
    wire = Wire(bm.READER)
    aare = acse.decode(wire(lls_aarq(user_information=initiating(conformance=proposed)).encode()))
    assert initiate.decode(aare.user_information).conformance == proposed & bm.METER_CONFORMANCE

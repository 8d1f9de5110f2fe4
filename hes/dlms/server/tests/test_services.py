"""GET, SET and ACTION on the server: refusals, lists, blocks in both directions."""

import pytest

from hes.dlms import apdu, axdr, data
from hes.dlms.apdu import AttributeDescriptor, MethodDescriptor
from hes.dlms.block_transfer import BLOCK_TRANSFER_OCTETS_MAX
from hes.dlms.codes import (
    ActionResult,
    Conformance,
    DataAccessResult,
)
from hes.dlms.server.tests.server_wire import (
    ENERGY,
    MALFORMED,
    MESSAGE,
    NOT_NEGOTIATED,
    TOO_LONG,
    UNKNOWN,
    Wire,
    lls_aarq,
    managing_wire,
    plain_wire,
)
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import published


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
    wire = plain_wire(device=bm.device(conformance=bm.METER_CONFORMANCE & ~Conformance.ATTRIBUTE0_GET))
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


def test_writes_and_methods_find_the_right_object_or_say_why():
    wire = managing_wire()
    other_class = apdu.SetRequestNormal(0xC1, AttributeDescriptor(3, bm.MESSAGE, 2), b"\x00")
    assert apdu.decode(wire(other_class.encode())).result == DataAccessResult.OBJECT_CLASS_INCONSISTENT
    beyond = apdu.SetRequestNormal(0xC1, AttributeDescriptor(1, bm.MESSAGE, 3), b"\x00")
    assert apdu.decode(wire(beyond.encode())).result == DataAccessResult.OBJECT_UNDEFINED
    selected = apdu.SetRequestNormal(0xC1, MESSAGE, b"\x09\x01A", bytes.fromhex("0100"))
    assert apdu.decode(wire(selected.encode())).result == DataAccessResult.SCOPE_OF_ACCESS_VIOLATED
    action = apdu.ActionRequestNormal(0xC1, MethodDescriptor(3, bm.RELAY, 1), b"\x0f\x00")
    assert apdu.decode(wire(action.encode())).result == ActionResult.OBJECT_CLASS_INCONSISTENT
    assert wire.meter.relay == 1


def test_selection_needs_to_be_negotiated_in_every_service():
    wire = Wire(bm.READER, bm.device(conformance=bm.METER_CONFORMANCE & ~Conformance.SELECTIVE_ACCESS))
    wire(lls_aarq().encode())
    for request in (
        apdu.GetRequestNormal(0xC1, ENERGY, bytes.fromhex("0100")),
        apdu.GetRequestWithList(0xC1, ((ENERGY, b""), (ENERGY, bytes.fromhex("0100")))),
        apdu.SetRequestNormal(0xC1, MESSAGE, b"\x00", bytes.fromhex("0100")),
    ):
        assert wire(request.encode()) == NOT_NEGOTIATED


def test_a_value_that_grows_beyond_what_the_device_takes_is_aborted_at_once():
    wire = managing_wire()
    services = wire.server._associations[bm.PLAIN_HLS].services
    limit = wire.server.device.max_long_request_octets
    wire(apdu.SetRequestFirstBlock(0xC1, MESSAGE, b"", False, 1, b"\x09").encode())
    assert services._long_request.incoming._octets_max == limit
    services._long_request.incoming._octets_max = 10
    acknowledged = apdu.decode(wire(apdu.SetRequestBlock(0xC1, False, 2, bytes(9)).encode()))
    assert acknowledged == apdu.SetResponseBlock(0xC1, 2)
    answer = apdu.decode(wire(apdu.SetRequestBlock(0xC1, False, 3, b"x").encode()))
    assert answer == apdu.SetResponseLastBlock(0xC1, DataAccessResult.LONG_SET_ABORTED, 3)
    assert "more than 10 octets" in wire.server.take_findings()[-1].text


def test_a_value_beyond_all_bounds_aborts_its_transfer():
    wire = managing_wire()
    wire(apdu.SetRequestFirstBlock(0xC1, MESSAGE, b"", False, 1, b"\x09").encode())
    services = wire.server._associations[bm.PLAIN_HLS].services
    services._long_request.incoming._octets = BLOCK_TRANSFER_OCTETS_MAX
    answer = apdu.decode(wire(apdu.SetRequestBlock(0xC1, False, 2, b"x").encode()))
    assert answer == apdu.SetResponseLastBlock(0xC1, DataAccessResult.LONG_SET_ABORTED, 2)
    wire(apdu.ActionRequestFirstBlock(0xC1, MethodDescriptor(1, bm.ECHO, 1), False, 1, b"\x09").encode())
    services._long_request.incoming._octets = BLOCK_TRANSFER_OCTETS_MAX
    answer = apdu.decode(wire(apdu.ActionRequestBlock(0xC1, False, 2, b"x").encode()))
    assert answer.result == ActionResult.LONG_ACTION_ABORTED


@pytest.mark.parametrize("raw", [b"\x01\x00", b"\x02\x00", b"\x05"])
def test_a_list_of_methods_whose_blocks_hold_no_such_list_is_type_unmatched(raw):
    wire = managing_wire()
    echo = MethodDescriptor(1, bm.ECHO, 1)
    request = apdu.ActionRequestWithListFirstBlock(0xC1, (echo, echo), True, 1, raw)
    outcomes = apdu.decode(wire(request.encode())).outcomes
    assert outcomes == (apdu.ActionOutcome(ActionResult.TYPE_UNMATCHED),) * 2
    assert wire.meter.writes == 0

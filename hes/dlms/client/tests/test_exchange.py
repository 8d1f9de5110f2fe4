"""One request of the client until its result is there, with servers that break the rules."""

import pytest

from hes.dlms import acse, apdu, axdr, data
from hes.dlms.acse import Aare
from hes.dlms.apdu import AttributeDescriptor, ExceptionResponse, MethodDescriptor
from hes.dlms.client import Client
from hes.dlms.client.events import (
    ActDone,
    Associated,
    Got,
    GotList,
    Ignored,
    Released,
    ReleaseRefused,
    SendNext,
    ServiceRefused,
    SetDone,
)
from hes.dlms.client.settings import ClientSettings
from hes.dlms.codes import (
    AcseDiagnostic,
    ActionResult,
    ApplicationContext,
    AssociationResult,
    Conformance,
    DataAccessResult,
    ReleaseReason,
    UnknownCode,
)
from hes.dlms.initiate import InitiateResponse
from hes.dlms.obis import Obis
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import published
from hes.errors import LocalProtocolError, RemoteProtocolError

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


def test_invoke_ids_go_round_and_priority_can_be_left_out():
    client = open_client(high_priority=False)
    seen = []
    for _ in range(17):
        seen.append(client.get(ENERGY)[2])
        client.abandon()
    assert seen == [0x41 + i for i in range(15)] + [0x40, 0x41]


def test_one_request_at_a_time():
    client = open_client()
    client.get(ENERGY)
    assert client.busy
    for call in (lambda: client.get(ENERGY), lambda: client.act(RELAY), client.release):
        with pytest.raises(LocalProtocolError, match="a request is under way"):
            call()


def test_nothing_to_repeat_is_an_error():
    with pytest.raises(LocalProtocolError):
        open_client().repeat()


def test_a_list_longer_than_the_server_takes_is_not_sent():
    client = open_client(size=100)
    with pytest.raises(LocalProtocolError, match="the server takes 100"):
        client.get_list([ENERGY] * 20)
    assert not client.busy


def test_a_server_that_takes_almost_nothing_gets_no_blocks():
    client = open_client(size=18)
    with pytest.raises(LocalProtocolError, match="no room"):
        client.set(ENERGY, bytes(100))


# -- answers


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\xff\xff",
        b"\xc0\x01",
        b"\xc4\x01",
        b"\xc4\x01\xc1",
        b"\xc4\x01\xc1\x00",  # no data
        b"\xc4\x01\xc1\x01\x00",  # success without data
        b"\xc4\x04\xc1",
        b"\xc4\x03\xc1\x00",  # a list was not asked for
        b"\xc5\x01\xc1\x00",  # nor was anything written
        b"\xc4\x02\xc1\x00\x00\x00\x00\x02\x00\x01\x11",  # block 2 first
        b"\xc4\x02\xc1\x01\x00\x00\x00\x01\x00\x00",  # a last block and no data
        published.AARQ_PLAIN,
        published.RLRQ_PLAIN,
        published.GET_CLOCK,
    ],
)
def test_a_faulty_answer_is_an_error_and_the_right_one_still_counts(octets):
    client = open_client()
    client.get(ENERGY)
    with pytest.raises(RemoteProtocolError):
        client.receive(octets)
    assert client.receive(bytes.fromhex("C401C1001101")) == Got(data=b"\x11\x01")


def test_any_octets_type_will_do():
    client = open_client()
    for octets in (bytearray, memoryview):
        client.get(ENERGY)
        answer = bytearray.fromhex("C401C0001101")
        answer[2] |= client._exchange.invoke
        event = client.receive(octets(answer))
        assert type(event.data) is bytes


def test_priority_in_an_answer_does_not_matter():
    client = open_client()
    client.get(ENERGY)
    assert client.receive(bytes.fromhex("C40141001101")) == Got(data=b"\x11\x01")


@pytest.mark.parametrize(("number", "result"), [(3, DataAccessResult.READ_WRITE_DENIED), (99, UnknownCode(99))])
def test_a_refused_read_says_why(number, result):
    client = open_client()
    client.get(ENERGY)
    event = client.receive(bytes((0xC4, 1, 0xC1, 1, number)))
    assert event == ServiceRefused(result=result)
    assert event.error().fields["result"] == result
    assert not client.busy


def test_an_exception_answers_what_is_under_way():
    client = open_client()
    assert isinstance(client.receive(NOT_POSSIBLE), Ignored)
    client.get(ENERGY)
    event = client.receive(bytes.fromhex("D801060000002A"))
    assert event.expected_invocation_counter == 42
    assert isinstance(event.refusal, ExceptionResponse)
    client.get(ENERGY)
    assert client.receive(bytes.fromhex("0E050003")).refusal.encode() == bytes.fromhex("0E050003")


def test_a_list_must_have_the_length_asked_for():
    client = open_client()
    client.get_list((ENERGY, CLOCK))
    with pytest.raises(RemoteProtocolError, match="2 attributes"):
        client.receive(bytes.fromhex("C403C1010011 01"))
    event = client.receive(bytes.fromhex("C403C10200110101 04"))
    assert event == GotList(results=((DataAccessResult.SUCCESS, b"\x11\x01"), (DataAccessResult.OBJECT_UNDEFINED, b"")))


def test_a_block_that_comes_twice_is_ignored():
    client = open_client()
    client.get(ENERGY)
    first = bytes.fromhex("C402C100000000010001 09")
    assert client.receive(first) == SendNext(octets=bytes.fromhex("C002C100000001"))
    assert isinstance(client.receive(first), Ignored)
    assert client.repeat() == bytes.fromhex("C002C100000001")
    with pytest.raises(RemoteProtocolError, match="block 3 came"):
        client.receive(bytes.fromhex("C402C101000000030002 0141"))
    assert client.receive(bytes.fromhex("C402C101000000020002 0141")) == Got(data=b"\x09\x01A")


def test_an_aborted_transfer_says_why():
    client = open_client()
    client.get(ENERGY)
    client.receive(bytes.fromhex("C402C100000000010001 09"))
    assert client.receive(bytes.fromhex("C402C101000000020110")) == ServiceRefused(
        result=DataAccessResult.NO_LONG_GET_IN_PROGRESS
    )


def writing(size=40, text=bytes(100)):
    client = open_client(size=size)
    return client, client.set(ENERGY, axdr.encode(data.octets(text)))


def test_blocks_of_a_write_follow_their_acknowledgements():
    client, first = writing()
    assert apdu.decode(first).block == 1
    with pytest.raises(RemoteProtocolError, match="not sent"):
        client.receive(apdu.SetResponseBlock(0xC1, 2).encode())
    second = client.receive(apdu.SetResponseBlock(0xC1, 1).encode())
    assert apdu.decode(second.octets).block == 2
    assert isinstance(client.receive(apdu.SetResponseBlock(0xC1, 1).encode()), Ignored)
    with pytest.raises(RemoteProtocolError, match="before the last block"):
        client.receive(apdu.SetResponseLastBlock(0xC1, DataAccessResult.SUCCESS, 2).encode())
    aborted = apdu.SetResponseLastBlock(0xC1, DataAccessResult.LONG_SET_ABORTED, 2)
    assert client.receive(aborted.encode()) == SetDone(results=(DataAccessResult.LONG_SET_ABORTED,))


def test_no_block_follows_the_last():
    client, octets = writing(text=bytes(30))
    while not apdu.decode(octets).last:
        octets = client.receive(apdu.SetResponseBlock(0xC1, apdu.decode(octets).block).encode()).octets
    with pytest.raises(RemoteProtocolError, match="after the last"):
        client.receive(apdu.SetResponseBlock(0xC1, apdu.decode(octets).block).encode())


def test_an_acknowledgement_without_blocks_is_an_error():
    client = open_client()
    client.set(ENERGY, b"\x11\x01")
    with pytest.raises(RemoteProtocolError):
        client.receive(apdu.SetResponseBlock(0xC1, 1).encode())
    with pytest.raises(RemoteProtocolError, match="1 attributes were written"):
        client.receive(apdu.SetResponseWithList(0xC1, ()).encode())


def test_a_method_may_return_a_result_in_place_of_data():
    client = open_client()
    client.act(RELAY, b"\x0f\x00")
    event = client.receive(bytes.fromhex("C701C1000101FA"))
    assert event == ActDone(result=ActionResult.SUCCESS, data_result=DataAccessResult.OTHER_REASON)


@pytest.mark.parametrize("raw", ["0001000902 4142", "0902 4142"])
def test_both_known_forms_of_a_long_action_answer_are_read(raw):
    client = open_client()
    client.act(RELAY)
    octets = bytes.fromhex(raw)
    more = client.receive(apdu.ActionResponseBlock(0xC1, False, 1, octets[:2]).encode())
    assert more == SendNext(octets=apdu.ActionRequestNextBlock(0xC1, 1).encode())
    assert isinstance(client.receive(apdu.ActionResponseBlock(0xC1, False, 1, octets[:2]).encode()), Ignored)
    event = client.receive(apdu.ActionResponseBlock(0xC1, True, 2, octets[2:]).encode())
    assert event == ActDone(result=ActionResult.SUCCESS, data=b"\x09\x02AB")


def test_a_long_action_answer_with_octets_left_over_is_an_error():
    client = open_client()
    client.act(RELAY)
    with pytest.raises(RemoteProtocolError, match="left over"):
        client.receive(apdu.ActionResponseBlock(0xC1, True, 1, b"\x11\x01\x01").encode())


def test_a_release_that_is_refused_leaves_the_association_open():
    client = open_client()
    client.release()
    assert client.receive(NOT_POSSIBLE) == ReleaseRefused(refusal=apdu.decode(NOT_POSSIBLE))
    client.release()
    event = client.receive(acse.Rlre(reason=ReleaseReason.NOT_FINISHED).encode())
    assert event == ReleaseRefused(reason=ReleaseReason.NOT_FINISHED)
    client.release()
    assert isinstance(client.receive(b"\x63\x00"), Released)
    assert isinstance(client.receive(b"\x63\x00"), Ignored)


def test_after_the_link_is_lost_answers_are_ignored_and_requests_refused():
    client = open_client()
    client.get(ENERGY)
    client.link_lost()
    assert isinstance(client.receive(bytes.fromhex("C401C1001101")), Ignored)
    assert isinstance(client.receive(aare()), Ignored)
    with pytest.raises(LocalProtocolError):
        client.get(ENERGY)


def test_names_of_objects_are_checked_before_anything_is_sent():
    client = open_client()
    with pytest.raises(LocalProtocolError):
        client.get(AttributeDescriptor(3, b"\x01", 2))
    assert not client.busy
    assert client.get(AttributeDescriptor(3, Obis.parse("1.0.1.8.0.255"), 2))[3:] == bytes.fromhex(
        "00030100010800FF0200"
    )

"""Our client fed with the octets of a recorded session: an AARQ, a GET with list, a range of a profile, a release.

The capture has two TCP segments in the other order than they were sent; sequence numbers put them right.
"""

import struct

import pytest

from hes.dlms import acse, apdu, axdr, data, wrapper
from hes.dlms.apdu import AttributeDescriptor
from hes.dlms.client import Client
from hes.dlms.client.events import Associated, Got, GotList, Released
from hes.dlms.client.settings import ClientSettings
from hes.dlms.codes import AssociationResult, Conformance, DataAccessResult, ReleaseReason
from hes.dlms.obis import Obis
from hes.dlms.server.tests.server_wire import NOT_NEGOTIATED, Wire, small_meter
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import published

METER_PORT = 4059


def tcp_payloads(capture, *, from_meter):
    """The octets of one direction, in order: Ethernet or Linux cooked frames with IPv4 and TCP."""
    octets = capture.read_bytes()
    order = "<" if octets[:4] == b"\xd4\xc3\xb2\xa1" else ">"
    link_type = struct.unpack_from(order + "I", octets, 20)[0]
    link_octets = {1: 14, 113: 16, 101: 0}[link_type]
    segments, offset = {}, 24
    while offset < len(octets):
        length = struct.unpack_from(order + "I", octets, offset + 8)[0]
        packet = octets[offset + 16 + link_octets : offset + 16 + length]
        offset += 16 + length
        total, header = int.from_bytes(packet[2:4], "big"), 4 * (packet[0] & 15)
        tcp = packet[header:total]
        if (int.from_bytes(tcp[:2], "big") == METER_PORT) is from_meter:
            payload = tcp[4 * (tcp[12] >> 4) :]
            if payload:
                segments[int.from_bytes(tcp[4:8], "big")] = payload
    return b"".join(segments[number] for number in sorted(segments))


@pytest.fixture
def recorded(captures):
    """(what the client sent, what the meter answered), as APDUs."""
    capture = captures / "sessions" / "DLMS_list.pcap"
    return tuple(
        [frame.apdu for frame in wrapper.Receiver().feed(tcp_payloads(capture, from_meter=from_meter))]
        for from_meter in (False, True)
    )


CLOCK = AttributeDescriptor(8, Obis.parse("0.0.1.0.0.255"), 2)
LOAD_PROFILE = AttributeDescriptor(7, Obis.parse("1.0.99.1.0.255"), 2)
LIST = (
    AttributeDescriptor(1, Obis.parse("1.1.0.0.0.255"), 2),
    AttributeDescriptor(1, Obis.parse("1.1.0.0.1.255"), 2),
    AttributeDescriptor(1, Obis.parse("1.1.0.0.2.255"), 2),
    AttributeDescriptor(3, Obis.parse("1.1.21.25.0.255"), 2),
)
UNCONFIRMED = 0x40  # the recorded client leaves the service class at 0, ours asks for an answer


def one_hour():
    """The recorded selection: an hour of 2018-01-10, written as date-time and not as octet-string."""
    restricting = data.structure(data.u16(8), data.octets(CLOCK.obis), data.i8(2), data.u16(0))
    start, end = bytes.fromhex("07E2010A03131C2A47FFC400"), bytes.fromhex("07E2010A03141C2A47FFC400")
    columns = data.array(())
    parameters = data.structure(restricting, data.date_time(start), data.date_time(end), columns)
    return b"\x01" + axdr.encode(parameters)


def confirmed(request):
    return request[:2] + bytes((request[2] | UNCONFIRMED,)) + request[3:]


def test_the_client_follows_a_recorded_session(recorded):
    sent, answers = recorded
    client = Client(ClientSettings(conformance=Conformance(0x007016), high_priority=False, checked=False))
    assert client.associate() == sent[0]
    opened = client.receive(answers[0])
    assert isinstance(opened, Associated)
    assert (int(opened.conformance), opened.server_max_receive_pdu_size) == (0x001014, 0x0400)
    assert opened.findings == ()

    assert client.get_list(LIST) == confirmed(sent[1])
    listed = client.receive(answers[1])
    assert isinstance(listed, GotList)
    assert [result for result, _ in listed.results] == [DataAccessResult.SUCCESS] * 4
    values = [axdr.decode_value(octets)[0] for _, octets in listed.results]
    assert (values[0], values[2:]) == (0x54001540, [0x4D, None])
    assert isinstance(values[1], float)

    assert client.get(LOAD_PROFILE, one_hour()) == confirmed(sent[2])
    assert client.receive(answers[2]) == Got(data=b"\x01\x00")  # nothing was captured in that hour

    client.release()
    assert client.receive(answers[3]) == Released(reason=ReleaseReason.NORMAL)


def test_the_server_answers_the_recorded_requests(recorded):
    sent, _ = recorded
    wire = Wire(bm.PUBLIC, small_meter())
    assert acse.decode(wire(sent[0])).result == AssociationResult.ACCEPTED
    assert wire(sent[1]) == NOT_NEGOTIATED  # this meter knows no lists
    assert apdu.decode(wire(sent[2])).data == b"\x01\x00"
    assert wire(sent[3]) == published.RLRE_PLAIN

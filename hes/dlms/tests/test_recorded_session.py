"""Our client fed with the octets of a recorded session: an AARQ, a GET with list, a range of a profile, a release.

The capture has two TCP segments in the other order than they were sent; sequence numbers put them right.
"""

import struct

import pytest

from hes.dlms import axdr, wrapper
from hes.dlms.apdu import AttributeDescriptor, GetRequestNormal, GetRequestWithList
from hes.dlms.association import State
from hes.dlms.client import Client
from hes.dlms.client_events import Associated, Got, GotList, Released
from hes.dlms.client_settings import ClientSettings
from hes.dlms.codes import Conformance, DataAccessResult
from hes.dlms.obis import Obis
from hes.dlms.selective_access import by_range

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


def test_the_client_follows_a_recorded_session(recorded):
    sent, answers = recorded
    assert len(sent) == len(answers) == 4
    settings = ClientSettings(
        conformance=Conformance(0x007016), max_receive_pdu_size=0xFFFF, high_priority=False, checked=False
    )
    client = Client(settings)

    assert client.associate() == sent[0]
    opened = client.receive(answers[0])
    assert isinstance(opened, Associated)
    assert (int(opened.conformance), opened.server_max_receive_pdu_size) == (0x001014, 0x0400)
    assert opened.findings == ()

    wanted = [
        AttributeDescriptor(1, Obis.parse("1.1.0.0.0.255"), 2),
        AttributeDescriptor(1, Obis.parse("1.1.0.0.1.255"), 2),
        AttributeDescriptor(1, Obis.parse("1.1.0.0.2.255"), 2),
        AttributeDescriptor(3, Obis.parse("1.1.21.25.0.255"), 2),
    ]
    request = client.get_list(wanted)
    assert GetRequestWithList(request[2], tuple((attribute, b"") for attribute in wanted)).encode() == request
    assert request[3:] == sent[1][3:]  # but for the invoke octet, which that client never changed
    answer = bytearray(answers[1])
    answer[2] = request[2]
    listed = client.receive(bytes(answer))
    assert isinstance(listed, GotList)
    assert [result for result, _ in listed.results] == [DataAccessResult.SUCCESS] * 4
    values = [axdr.decode_value(octets)[0] for _, octets in listed.results]
    assert values[:2] == [0x54001540, 0x17A3D70A]


@pytest.mark.parametrize("number", [2])
def test_a_recorded_range_is_what_we_would_send(recorded, number):
    sent, answers = recorded
    clock = AttributeDescriptor(8, Obis.parse("0.0.1.0.0.255"), 2)
    start, end = bytes.fromhex("07E2010A03131C2A47FFC400"), bytes.fromhex("07E2010A03141C2A47FFC400")
    assert start
    assert end
    profile = AttributeDescriptor(7, Obis.parse("1.0.99.1.0.255"), 2)
    request = GetRequestNormal(sent[number][2], profile, by_range(clock, start, end))
    assert request.encode()[:14] == sent[number][:14]
    assert answers[number]
    assert Got
    assert Released
    assert State

"""The wrapper: published octets, streams cut anywhere, bounds."""

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hes.dlms import wrapper
from hes.dlms.tests.strategies import chunks, damaged
from hes.errors import LocalProtocolError, RemoteProtocolError

AARQ = bytes.fromhex("601DA109060760857405080101BE10040E01000000065F1F0400007E1F04B0")
AARE = bytes.fromhex("6129A109060760857405080101A203020100A305A103020100BE10040E0800065F1F040000501F01F40007")
PORTS = st.integers(0, 0xFFFF)
PDUS = st.lists(st.tuples(PORTS, PORTS, st.binary(max_size=40)), max_size=5)


@pytest.mark.parametrize(
    ("source", "destination", "apdu", "header"),
    [(16, 1, AARQ, "000100100001001F"), (1, 16, AARE, "000100010010002B")],
)
def test_published_frames_read_and_write(source, destination, apdu, header):
    frame = wrapper.encode(source, destination, apdu)
    assert frame == bytes.fromhex(header) + apdu
    assert wrapper.decode_header(frame[:8]) == (source, destination, len(apdu))
    assert wrapper.Receiver().feed(frame) == [(source, destination, apdu)]
    assert wrapper.decode_datagram(frame) == [(source, destination, apdu)]


def test_a_push_header_gives_its_length():
    assert wrapper.decode_header(bytes.fromhex("0001000100010046DB")).payload_octets == 0x46


@given(PDUS, st.lists(st.integers(min_value=0)))
def test_a_stream_may_be_cut_anywhere(pdus, cuts):
    stream = b"".join(wrapper.encode(*pdu) for pdu in pdus)
    receiver = wrapper.Receiver()
    assert [frame for chunk in chunks(stream, cuts) for frame in receiver.feed(chunk)] == pdus
    assert receiver.pending_octets == 0


def _follow(pieces):
    """(frames, the offset of the fault or None) of a stream that arrives in `pieces`."""
    receiver, frames = wrapper.Receiver(payload_octets_max=20), []
    for piece in pieces:
        try:
            frames += receiver.feed(piece)
        except RemoteProtocolError:
            assert receiver.fault is not None
    return frames, receiver.fault.octet_offset if receiver.fault else None


@given(PDUS, st.binary(max_size=30), st.lists(st.integers(min_value=0)))
def test_octet_by_octet_equals_all_at_once_even_for_a_stream_with_a_fault(pdus, rubbish, cuts):
    stream = b"".join(wrapper.encode(*pdu) for pdu in pdus) + rubbish
    at_once = _follow([stream])
    assert _follow([stream[at : at + 1] for at in range(len(stream))]) == at_once
    assert _follow(chunks(stream, cuts)) == at_once


def test_frames_before_a_fault_are_handed_out_and_the_fault_stays():
    receiver = wrapper.Receiver()
    assert receiver.feed(wrapper.encode(1, 16, b"\x0f") + b"\x00\x02" + bytes(6)) == [(1, 16, b"\x0f")]
    assert receiver.fault is not None
    assert receiver.fault.octet_offset == 9
    for more in (b"", wrapper.encode(1, 16, b"\x0f")):
        with pytest.raises(RemoteProtocolError, match="version 0x0002"):
            receiver.feed(more)
    assert receiver.pending_octets == 0


def test_a_length_over_the_limit_is_refused_with_the_header_alone():
    receiver = wrapper.Receiver(payload_octets_max=1024)
    with pytest.raises(RemoteProtocolError, match="1025 octets"):
        receiver.feed(bytes.fromhex("0001000100100401"))


def test_an_apdu_of_no_octets_is_a_frame_of_none():
    assert wrapper.Receiver().feed(bytes.fromhex("0001000100100000")) == [(1, 16, b"")]


@pytest.mark.parametrize("octets", [b"", bytes(7), b"\x00\x02" + bytes(6), b"\x68" + bytes(7)])
def test_no_header_is_refused(octets):
    with pytest.raises(RemoteProtocolError):
        wrapper.decode_header(octets)


@pytest.mark.parametrize("octets", [b"", wrapper.encode(1, 16, AARE)[:-1], wrapper.encode(1, 16, AARE) + b"\x00"])
def test_a_datagram_holds_whole_frames_only(octets):
    with pytest.raises(RemoteProtocolError):
        wrapper.decode_datagram(octets)


def test_a_datagram_may_hold_several_frames():
    assert len(wrapper.decode_datagram(wrapper.encode(1, 16, AARE) * 3)) == 3


@pytest.mark.parametrize("arguments", [(-1, 1, b""), (1, 65536, b""), (1, 1, bytes(65536))])
def test_what_16_bits_cannot_hold_is_our_own_fault(arguments):
    with pytest.raises(LocalProtocolError):
        wrapper.encode(*arguments)


@given(PORTS, PORTS, st.binary(max_size=200))
def test_dlms_cosem_writes_the_same_header(source, destination, apdu):
    from dlms_cosem.protocol.wrappers import WrapperHeader

    theirs = WrapperHeader(source, destination, len(apdu)).to_bytes() + apdu
    assert wrapper.encode(source, destination, apdu) == theirs


def _tcp_payloads(pcap):
    """Payloads of TCP segments in file order by direction; a classic little-endian pcap of Ethernet and IPv4."""
    at, flows = 24, {}
    while at < len(pcap):
        (kept,) = struct.unpack_from("<I", pcap, at + 8)
        packet, at = pcap[at + 16 : at + 16 + kept], at + 16 + kept
        ip = packet[14:]
        if packet[12:14] != b"\x08\x00" or ip[9] != 6:
            continue
        tcp = ip[(ip[0] & 15) * 4 : int.from_bytes(ip[2:4], "big")]
        flows.setdefault((ip[12:20], tcp[:4]), []).append(tcp[(tcp[12] >> 4) * 4 :])
    return flows


def test_a_captured_session_is_cut_into_its_apdus(captures):
    flows = _tcp_payloads((captures / "sessions" / "DLMS_list.pcap").read_bytes())
    frames = []
    for segments in flows.values():
        receiver = wrapper.Receiver()
        frames += [frame for segment in segments for frame in receiver.feed(segment)]
        assert receiver.pending_octets == 0
    assert {0x60, 0x61, 0xC0, 0xC4} <= {frame.apdu[0] for frame in frames}


@given(
    octets=damaged(st.binary(max_size=40).map(lambda apdu: wrapper.encode(1, 16, apdu))),
    kept=st.sampled_from((b"", b"\x00", wrapper.encode(1, 16, b"\xc4")[:-1])),
    limit=st.sampled_from((8, wrapper.PAYLOAD_OCTETS_MAX)),
)
@example(octets=wrapper.encode(1, 16, b"\xc4\x01"), kept=b"", limit=8)
def test_a_whole_pdu_is_cut_the_short_way_as_by_feeding(octets, kept, limit):
    short, long = wrapper.Receiver(limit), wrapper.Receiver(limit)
    for receiver in (short, long):
        receiver.feed(kept)
    apdu = short.whole(octets) if octets[:6] == wrapper.encode(1, 16, b"")[:6] else None
    if apdu is None:
        assert refusal(short.feed, octets) == refusal(long.feed, octets)
    else:
        assert long.feed(octets) == [wrapper.Frame(1, 16, apdu)]
    assert refusal(short.feed, b"\x00\x02" * 4) == refusal(long.feed, b"\x00\x02" * 4)


def refusal(action, octets):
    try:
        return action(octets)
    except RemoteProtocolError as error:
        return error.message, error.octet_offset

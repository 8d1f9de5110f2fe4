"""HDLC frames against published octets, and reception from lines that carry more than frames."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms.hdlc import frame as frames
from hes.dlms.hdlc.address import ServerAddress, decode_server_address
from hes.dlms.hdlc.fcs import check_sequence
from hes.dlms.hdlc.frame import Frame, Kind
from hes.dlms.hdlc.receiver import Receiver
from hes.errors import RemoteProtocolError

# docs/protocols/hdlc.md §8: published frames and captures, each recomputed
PUBLISHED = {
    "SNRM empty": "7EA0070321930F017E",
    "SNRM 128/128/1/1": "7EA01E032193CD3B818012050180060180070400000001080400000001533B7E",
    "SNRM 2030/2030/7/7": "7EA0200321937DD9818014050207EE060207EE0704000000070804000000074EE97E",
    "UA from a meter": "7EA01F21022373E6C781801205019A06019A070400000001080400000001CCA27E",
    "SNRM to 4-byte address": "7EA00A00020023219318717E",
    "RR to a 4-byte address": "7EA00A002254D361513F997E",
    "DM": "7EA00721031F6BE97E",
    "FRMR": "7EA0072103972BE17E",
    "I AARQ": "7EA02B032110FBAFE6E600601DA109060760857405080101BE10040E01000000065F1F0400007E1F04B0CAEA7E",
    "segment": "7EA813210352E79BE6E700C401C100090C072FC07E",
}


def test_the_check_value_of_the_check_sequence_is_the_published_one() -> None:
    assert check_sequence(b"123456789").hex() == "6e90"


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_frames_are_read_and_written_again(name: str) -> None:
    octets = bytes.fromhex(PUBLISHED[name])
    frame = frames.decode(octets[1:-1])
    assert frame.encode() == octets


def test_the_parts_of_a_published_frame_are_named() -> None:
    frame = frames.decode(bytes.fromhex(PUBLISHED["segment"])[1:-1])
    assert (frame.kind, frame.segmented, frame.send, frame.receive, frame.final) == (Kind.I, True, 1, 2, True)
    assert decode_server_address(frame.source) == ServerAddress(1)
    assert frame.information == bytes.fromhex("E6E700C401C100090C07")


def test_addresses_of_two_and_four_octets_are_the_published_ones() -> None:
    assert ServerAddress(1, 17, 2).encode().hex() == "0223"
    assert ServerAddress(1, 17, 4).encode().hex() == "00020023"
    assert ServerAddress(1, 12345, 4).encode().hex() == "0002c073"
    assert ServerAddress(0x3FFF, 1, 4).is_broadcast


@given(st.integers(0, 0x3FFF), st.integers(0, 0x3FFF))
def test_every_four_octet_address_is_read_as_it_was_written(upper: int, lower: int) -> None:
    address = ServerAddress(upper, lower, 4)
    assert decode_server_address(address.encode()) == address


FRAMES = st.builds(
    Frame,
    destination=st.sampled_from([b"\x03", b"\x02\x23", b"\x00\x02\x00\x23"]),
    source=st.sampled_from([b"\x21", b"\x03"]),
    control=st.integers(0, 255),
    information=st.binary(max_size=300) | st.just(b"\x7e" * 40),
    segmented=st.booleans(),
)


@given(FRAMES)
def test_a_frame_is_read_as_it_was_written(frame: Frame) -> None:
    assert frames.decode(frame.encode()[1:-1]) == frame


@given(st.lists(FRAMES, max_size=5), st.randoms(use_true_random=False))
def test_octet_by_octet_gives_the_same_frames_as_all_at_once(sent: list[Frame], chance: random.Random) -> None:
    octets = b"".join(frame.encode()[: -1 if chance.random() < 0.5 else None] for frame in sent) + b"\x7e"
    at_once = Receiver(inter_octet_s=None).feed(octets)
    single = Receiver(inter_octet_s=None)
    assert [frame for octet in octets for frame in single.feed(bytes((octet,)))] == at_once == sent


@given(st.binary(max_size=400))
def test_random_octets_between_flags_are_a_frame_or_the_one_error(octets: bytes) -> None:
    try:
        frames.decode(octets)
    except RemoteProtocolError:
        pass


def test_a_flipped_bit_anywhere_in_a_frame_is_noticed() -> None:
    octets = bytes.fromhex(PUBLISHED["I AARQ"])[1:-1]
    for position in range(len(octets) * 8):
        damaged = bytearray(octets)
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises(RemoteProtocolError):
            frames.decode(bytes(damaged))


@given(st.lists(st.binary(max_size=60), max_size=6), st.randoms(use_true_random=False))
def test_the_next_good_frame_is_received_after_noise_that_ends_in_silence(
    noise: list[bytes], chance: random.Random
) -> None:
    good = Frame(b"\x03", b"\x21", frames.control(Kind.I), b"\xe6\xe7\x00\xc4")
    receiver, now_s = Receiver(), 0.0
    for burst in noise:
        receiver.feed(burst, now_s)
        now_s += 1.0
    assert receiver.feed(good.encode(), now_s)[-1:] == [good]
    assert chance is not None


def test_a_truncated_frame_is_dropped_after_the_inter_octet_time_out_and_the_next_is_taken() -> None:
    receiver = Receiver(inter_octet_s=0.025)
    snrm = bytes.fromhex(PUBLISHED["SNRM empty"])
    assert receiver.feed(snrm[:-2], 1.0) == []
    assert receiver.next_deadline() == 1.025
    assert len(receiver.feed(snrm, 1.1)) == 1
    assert receiver.counters.truncated == 1


def test_what_is_held_never_exceeds_one_frame_however_long_a_line_chatters() -> None:
    receiver, chance = Receiver(inter_octet_s=None), random.Random(5)
    for _ in range(2000):
        receiver.feed(bytes(chance.choices((0x7E, 0xA7, 0xFF, 0x00, chance.randrange(256)), k=50)))
        assert len(receiver._buffer) <= frames.FRAME_OCTETS_MAX + 2

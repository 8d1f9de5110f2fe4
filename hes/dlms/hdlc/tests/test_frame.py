"""HDLC frames against published octets."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms.hdlc import frame as frames
from hes.dlms.hdlc.address import ServerAddress, decode_server_address, encode_client_address
from hes.dlms.hdlc.fcs import RESIDUE, START, check_sequence
from hes.dlms.hdlc.frame import FRAME_OCTETS_MAX, Frame, Kind
from hes.dlms.hdlc.tests import published
from hes.dlms.hdlc.tests.strategies import FRAMES
from hes.errors import LocalProtocolError, RemoteProtocolError


def test_the_check_value_of_the_check_sequence_is_the_published_one() -> None:
    assert check_sequence(b"123456789").hex() == "6e90"


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_behind_a_good_check_sequence_the_register_is_known(head: bytes, rest: bytes) -> None:
    whole = head + check_sequence(head)
    assert check_sequence(whole + rest, START) == check_sequence(rest, RESIDUE)


@pytest.mark.parametrize("name", published.FRAMES)
def test_published_frames_are_read_and_written_again(name: str) -> None:
    octets = bytes.fromhex(published.FRAMES[name])
    assert frames.decode(octets[1:-1]).encode() == octets


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("SNRM 128/128/1/1", "SNRM P/F 21>03, 21 octets"),
        ("UA bare", "UA P/F 03>21"),
        ("DISC", "DISC P/F 21>03"),
        ("DM", "DM P/F 03>21"),
        ("FRMR bare", "FRMR P/F 03>21"),
        ("RR(2) to a 4-octet address", "RR(2) P/F 61>002254d3"),
        ("RNR(1)", "RNR(1) P/F 03>21"),
        ("I GET clock", "I(1,1) P/F 21>03, 16 octets"),
        ("first segment of the response", "I(1,2) P/F S 03>21, 10 octets"),
    ],
)
def test_published_frames_have_the_published_names(name: str, shown: str) -> None:
    assert str(frames.decode(published.body(name))) == shown


def test_the_parts_of_a_published_frame_are_named() -> None:
    frame = frames.decode(published.body("first segment of the response"))
    assert (frame.kind, frame.segmented, frame.send, frame.receive, frame.final) == (Kind.I, True, 1, 2, True)
    assert decode_server_address(frame.source) == ServerAddress(1)
    assert frame.information == bytes.fromhex("E6E700C401C100090C07")


def test_every_control_octet_has_its_published_kind() -> None:
    numbered = {Kind.RR: 0x01, Kind.RNR: 0x05}
    expected: dict[int, Kind] = dict.fromkeys(range(0, 256, 2), Kind.I)
    expected |= {
        base + 0x20 * n + poll: kind for kind, base in numbered.items() for n in range(8) for poll in (0, 0x10)
    }
    unnumbered = {0x93: Kind.SNRM, 0x53: Kind.DISC, 0x73: Kind.UA, 0x1F: Kind.DM, 0x97: Kind.FRMR, 0x13: Kind.UI}
    expected |= unnumbered | {octet & 0xEF: kind for octet, kind in unnumbered.items()}
    assert {octet: kind for octet, kind in enumerate(frames.KINDS) if kind is not None} == expected


def test_the_control_octet_carries_both_numbers_and_the_poll() -> None:
    assert frames.control(Kind.I, send=1, receive=2) == 0x52
    assert frames.control(Kind.I, send=7, receive=7, final=False) == 0xEE
    assert frames.control(Kind.RR, receive=3) == 0x71
    assert frames.control(Kind.SNRM, send=3, receive=3) == 0x93


def test_addresses_of_every_length_are_the_published_ones() -> None:
    assert ServerAddress(1, 17, 2).encode().hex() == "0223"
    assert ServerAddress(1, 17, 4).encode().hex() == "00020023"
    assert ServerAddress(1, 12345, 4).encode().hex() == "0002c073"
    assert encode_client_address(16).hex() == "21"
    assert encode_client_address(1).hex() == "03"


@pytest.mark.parametrize(("address", "meant"), [
    (ServerAddress(0x7F), True),
    (ServerAddress(1), True),
    (ServerAddress(2), False),
    (ServerAddress(1, 17, 2), False),
])  # fmt: skip
def test_a_station_is_meant_by_its_own_address_and_by_all_stations_in_its_form(
    address: ServerAddress, meant: bool
) -> None:
    assert ServerAddress(1).is_meant_by(address) is meant


def test_all_stations_may_stand_in_either_part() -> None:
    station = ServerAddress(1, 17, 4)
    assert station.is_meant_by(ServerAddress(0x3FFF, 0x3FFF, 4))
    assert station.is_meant_by(ServerAddress(1, 0x3FFF, 4))
    assert station.is_meant_by(ServerAddress(0x3FFF, 17, 4))
    assert not station.is_meant_by(ServerAddress(0x3FFF, 18, 4))
    assert ServerAddress(0x3FFF, 1, 4).is_broadcast
    assert ServerAddress(1, 0x7F, 2).is_broadcast
    assert not ServerAddress(0x7F, 1, 4).is_broadcast


@pytest.mark.parametrize("arguments", [(128,), (1, 2, 1), (1, None, 2), (1, 128, 2), (0x4000, 1, 4), (1, 1, 3), (-1,)])
def test_an_address_that_does_not_fit_is_our_own_mistake(arguments: tuple[int, ...]) -> None:
    with pytest.raises(LocalProtocolError, match="HDLC"):
        ServerAddress(*arguments)


def test_a_client_has_one_octet() -> None:
    with pytest.raises(LocalProtocolError, match="not 128"):
        encode_client_address(128)


@given(st.integers(0, 0x3FFF), st.integers(0, 0x3FFF))
def test_every_four_octet_address_is_read_as_it_was_written(upper: int, lower: int) -> None:
    address = ServerAddress(upper, lower, 4)
    assert decode_server_address(address.encode()) == address


@given(FRAMES)
def test_a_frame_is_read_as_it_was_written(frame: Frame) -> None:
    assert frames.decode(frame.encode()[1:-1]) == frame


def test_the_longest_frame_is_written_and_one_octet_more_is_not() -> None:
    longest = Frame(b"\x00\x02\x00\x23", b"\x21", 0x10, bytes(FRAME_OCTETS_MAX - 12))
    assert frames.decode(longest.encode()[1:-1]) == longest
    with pytest.raises(LocalProtocolError, match="longer than 2047"):
        longest._replace(information=bytes(FRAME_OCTETS_MAX - 11)).encode()


@given(st.binary(max_size=400))
def test_random_octets_between_flags_are_a_frame_or_the_one_error(octets: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        frames.decode(octets)


@given(st.binary(min_size=5, max_size=60), st.booleans())
def test_random_octets_with_the_right_length_and_check_are_a_frame_or_the_one_error(rest: bytes, hcs: bool) -> None:
    octets = (0xA000 | len(rest) + 2 + (4 if hcs else 2)).to_bytes(2, "big") + rest
    if hcs:
        octets += check_sequence(octets)
    with contextlib.suppress(RemoteProtocolError):
        frame = frames.decode(octets + check_sequence(octets))
        if frame.information or not hcs:  # an HCS without information is read, but never written
            assert frame.encode()[1:-1] == octets + check_sequence(octets)


def test_a_flipped_bit_anywhere_in_a_frame_is_noticed() -> None:
    octets = published.body("I AARQ")
    for position in range(len(octets) * 8):
        damaged = bytearray(octets)
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises(RemoteProtocolError):
            frames.decode(bytes(damaged))


@pytest.mark.parametrize(
    ("octets", "complaint"),
    [
        ("A00703", "at least 7 octets"),
        ("B0070321930F01", "format B is not type 3"),
        ("A0080321930F01", "length field says 8, between the flags are 7"),
        ("A00703219300FF", "frame check sequence"),
        ("A0090202032193FFFF", "not 3"),
        ("A0090302022193FFFF", "not 3"),
        ("A00B020202020203932193", "does not end within 4 octets"),
        ("A00702020223FF", "ends inside its header"),
        ("A0080321930F0100", "ends inside its header"),
    ],
)
def test_what_is_no_frame_is_refused_with_the_rule_it_breaks(octets: str, complaint: str) -> None:
    with pytest.raises(RemoteProtocolError, match=complaint) as caught:
        frames.decode(bytes.fromhex(octets))
    assert caught.value.octet_offset is not None


def test_a_stale_header_check_is_named_although_the_frame_check_may_be_right() -> None:
    head = bytes.fromhex(published.SNRM_STALE_HCS)[1:-3]
    with pytest.raises(RemoteProtocolError, match="HCS"):
        frames.decode(head + check_sequence(head))

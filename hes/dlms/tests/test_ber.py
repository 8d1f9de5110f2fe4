import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms import ber
from hes.errors import LocalProtocolError, RemoteProtocolError

TAGS = st.integers(0, 255).filter(lambda tag: tag & 0x1F != 0x1F)


@given(tag=TAGS, contents=st.binary(max_size=300), before=st.binary(max_size=3), after=st.binary(max_size=3))
def test_a_field_is_found_where_it_was_written(tag, contents, before, after):
    octets = before + ber.encode(tag, contents) + after
    found, start, end = ber.read(octets, len(before), len(octets))
    assert (found, octets[start:end], octets[end:]) == (tag, contents, after)


@pytest.mark.parametrize(
    ("count", "octets"),
    [
        (0, "00"),
        (127, "7F"),
        (128, "8180"),
        (255, "81FF"),
        (256, "820100"),
        (65536, "83010000"),
        (1 << 24, "8401000000"),
    ],
)
def test_lengths_are_short_below_128_and_long_above(count, octets):
    assert ber.encode_length(count) == bytes.fromhex(octets)


def test_a_length_longer_than_it_must_be_is_read():
    assert ber.read(bytes.fromhex("048400000002AABB"), 0, 8) == (4, 6, 8)


@pytest.mark.parametrize(
    ("octets", "complaint"),
    [
        ("", "ends inside its tag or length"),
        ("04", "ends inside its tag or length"),
        ("0480AABB0000", "indefinite"),
        ("0485000000000100", "a length of 5 octets"),
        ("0482", "ends inside its length"),
        ("0402AA", "claims 2 octets, 1 are there"),
        ("0484FFFFFFFFAA", "claims 4294967295 octets"),
        ("1F810100", "several octets"),
        ("BF1F00", "several octets"),
    ],
)
def test_what_acse_never_uses_is_refused(octets, complaint):
    octets = bytes.fromhex(octets)
    with pytest.raises(RemoteProtocolError, match=complaint):
        ber.read(octets, 0, len(octets))


def test_a_field_may_not_reach_out_of_the_one_around_it():
    octets = bytes.fromhex("A1030404AABBCCDD")
    _, start, end = ber.read(octets, 0, len(octets))
    with pytest.raises(RemoteProtocolError, match="claims 4 octets, 1 are there"):
        ber.read(octets, start, end)


def test_the_only_field_must_have_the_tag_and_fill_its_place():
    octets = bytes.fromhex("0402AABB")
    assert ber.read_only(octets, 0, 4, 4, "title") == (2, 4)
    with pytest.raises(RemoteProtocolError, match="title: tag 04 where 06 should stand"):
        ber.read_only(octets, 0, 4, 6, "title")
    with pytest.raises(RemoteProtocolError, match="title: 1 octets left over"):
        ber.read_only(octets + b"\0", 0, 5, 4, "title")


@given(value=st.integers(0, 2**63 - 1))
def test_an_integer_comes_back(value):
    octets = ber.encode_integer(value)
    _, start, end = ber.read(octets, 0, len(octets))
    assert ber.integer(octets, start, end, "number") == value


def test_an_integer_is_signed_and_has_1_to_8_octets():
    assert ber.integer(b"\xff", 0, 1, "number") == -1
    for octets in (b"", bytes(9)):
        with pytest.raises(RemoteProtocolError):
            ber.integer(octets, 0, len(octets), "number")


@given(bits=st.text("01", max_size=40))
def test_a_bit_string_comes_back(bits):
    octets = ber.encode_bits(bits)
    assert ber.bits(octets, 0, len(octets), "bits") == bits


@pytest.mark.parametrize("octets", ["", "08FF", "01", "FF00"])
def test_a_bit_string_with_more_unused_bits_than_bits_is_refused(octets):
    octets = bytes.fromhex(octets)
    with pytest.raises(RemoteProtocolError):
        ber.bits(octets, 0, len(octets), "bits")


def test_a_field_of_more_than_4_gib_is_our_own_mistake():
    with pytest.raises(LocalProtocolError):
        ber.encode_length(1 << 32)

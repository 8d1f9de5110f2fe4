"""Messages of the sign-on, against the octets of the fact page and under noise."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms.mode_e.messages import (
    LINE_OCTETS_MAX,
    Identification,
    LineReader,
    OptionSelect,
    decode_identification,
    decode_option_select,
    decode_request,
    encode_request,
)
from hes.errors import LocalProtocolError, RemoteProtocolError

ADDRESSES = st.text("0123456789ABCdef ", max_size=32)
IDENTS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="/!\\"), max_size=16)
IDENTIFICATIONS = st.builds(
    Identification,
    manufacturer=st.text("ABCxyz", min_size=3, max_size=3),
    baud_id=st.sampled_from("0123456789AF"),
    options=st.sampled_from(["", "2", "W", "2W"]),
    ident=IDENTS,
)


def test_the_published_octets_come_out() -> None:
    """docs/protocols/mode-e.md §2."""
    assert encode_request().hex() == "2f3f210d0a"
    assert OptionSelect(protocol="2", baud_id="5", mode="2").encode().hex() == "063235320d0a"
    assert OptionSelect(protocol="0", baud_id="5", mode="1").encode().hex() == "063035310d0a"
    assert decode_identification(b"/XXX5\\2IDENT") == Identification(manufacturer="XXX", baud_id="5", ident="IDENT")


@given(ADDRESSES)
def test_a_request_comes_back(address: str) -> None:
    assert decode_request(encode_request(address)[:-2]) == address


@given(IDENTIFICATIONS)
def test_an_identification_comes_back(identification: Identification) -> None:
    assert decode_identification(identification.encode()[:-2]) == identification


@pytest.mark.parametrize("address", ["a" * 33, "1/2", "1!2", "ä"])
def test_an_address_that_cannot_be_asked_for_is_refused(address: str) -> None:
    with pytest.raises(LocalProtocolError, match="a device address"):
        encode_request(address)


@given(st.binary(max_size=40))
def test_any_line_is_a_message_or_none(line: bytes) -> None:
    decode_request(line)
    decode_option_select(line)
    with suppress(RemoteProtocolError):
        decode_identification(line)


@given(st.lists(st.sampled_from([b"/?!", b"/AML5\\2METER", b"\x06252"]), max_size=4), st.integers(1, 9), st.booleans())
def test_lines_are_cut_the_same_however_they_arrive_and_with_parity_left_in(
    lines: list[bytes], size: int, parity: bool
) -> None:
    octets = b"".join(b"\x00\xff" + line + b"\r\n" for line in lines)
    if parity:
        octets = bytes(octet | 0x80 for octet in octets)
    reader = LineReader()
    found = [line for start in range(0, len(octets), size) for line in reader.feed(octets[start : start + size])]
    assert found == lines


@given(st.binary(min_size=200, max_size=600).filter(lambda noise: b"\r\n" not in bytes(o & 0x7F for o in noise)))
def test_noise_is_bounded_and_the_next_line_is_found(noise: bytes) -> None:
    reader = LineReader()
    assert not reader.feed(noise)
    assert len(reader._buffer) <= LINE_OCTETS_MAX
    assert reader.feed(b"\r\n/?!\r\n")[-1] == b"/?!"

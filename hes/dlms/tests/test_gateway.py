"""The gateway prefix: published octets, any address, refusals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms import gateway, wrapper
from hes.errors import LocalProtocolError, RemoteProtocolError

GET_CLOCK = bytes.fromhex("C001C100080000010000FF0200")
REGISTER = bytes.fromhex("C401C10006000003E8")


@pytest.mark.parametrize(
    ("hexed", "is_response", "address", "apdu"),
    [
        ("E601020010C001C100080000010000FF0200", False, b"\x00\x10", GET_CLOCK),
        ("E6010C303337323239313332373530C001C100080000010000FF0200", False, b"037229132750", GET_CLOCK),
        ("E701020010C401C10006000003E8", True, b"\x00\x10", REGISTER),
    ],
)
def test_published_frames_read_and_write(hexed, is_response, address, apdu):
    octets = bytes.fromhex(hexed)
    frame = gateway.GatewayFrame(is_response=is_response, network_id=1, address=address, apdu=apdu)
    assert gateway.decode(octets) == frame
    encode = gateway.encode_response if is_response else gateway.encode_request
    assert encode(1, address, apdu) == octets
    assert len(octets) == len(apdu) + gateway.prefix_octets(address)
    assert gateway.is_gateway(octets)


def test_the_prefix_stands_inside_the_wrapper():
    published = bytes.fromhex("0001000100010012E601020010C001C100080000010000FF0200")
    assert wrapper.encode(1, 1, gateway.encode_request(1, b"\x00\x10", GET_CLOCK)) == published
    (frame,) = wrapper.Receiver().feed(published)
    assert gateway.decode(frame.apdu).apdu == GET_CLOCK


@given(st.booleans(), st.integers(0, 255), st.binary(max_size=255), st.binary(min_size=1, max_size=50))
def test_frames_survive_the_way_through_octets(is_response, network_id, address, apdu):
    encode = gateway.encode_response if is_response else gateway.encode_request
    octets = encode(network_id, address, apdu)
    expected = gateway.GatewayFrame(is_response=is_response, network_id=network_id, address=address, apdu=apdu)
    for kind in (bytes, bytearray, memoryview):
        assert gateway.decode(kind(octets)) == expected
    for end in range(gateway.prefix_octets(address) + 1):
        with pytest.raises(RemoteProtocolError):
            gateway.decode(octets[:end])


@given(st.binary(max_size=20) | st.binary(max_size=20).map(lambda tail: b"\xe6" + tail))
def test_any_octets_give_a_frame_or_a_refusal(octets):
    try:
        frame = gateway.decode(octets)
    except RemoteProtocolError:
        return
    encode = gateway.encode_response if frame.is_response else gateway.encode_request
    assert encode(frame.network_id, frame.address, frame.apdu) == octets


def test_an_apdu_without_prefix_is_told_apart():
    assert not gateway.is_gateway(GET_CLOCK)
    assert not gateway.is_gateway(b"")


@pytest.mark.parametrize(
    "arguments", [(256, b"", b"\x00"), (-1, b"", b"\x00"), (0, bytes(256), b"\x00"), (0, b"", b"")]
)
def test_what_the_prefix_cannot_hold_is_our_own_fault(arguments):
    with pytest.raises(LocalProtocolError):
        gateway.encode_request(*arguments)

"""Pass 3 by ACTION, which is read without an object, against the decoder of all APDUs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms import apdu
from hes.dlms.codes import ActionResult
from hes.dlms.server.hls_exchange import HLS_REPLY, read_pass_3
from hes.errors import RemoteProtocolError


def request(invoke: int, proof: bytes) -> bytes:
    return apdu.ActionRequestNormal(invoke, HLS_REPLY, b"\x09" + bytes((len(proof),)) + proof).encode()


@pytest.mark.parametrize("invoke", [0x00, 0x41, 0xC1, 0xFF])
@pytest.mark.parametrize("count", [0, 16, 17, 64, 127])
def test_pass_3_is_answered_with_what_an_action_response_says(invoke: int, count: int) -> None:
    brought = read_pass_3(request(invoke, bytes(count)), short_names=False)
    assert brought is not None
    assert brought.proof == bytes((9, count)) + bytes(count)
    assert brought.denied == apdu.ActionResponseNormal(invoke, ActionResult.READ_WRITE_DENIED).encode()
    pass_4 = b"\x09\x02ab"
    assert brought.passed(pass_4) == apdu.ActionResponseNormal(invoke, ActionResult.SUCCESS, pass_4).encode()


@given(st.integers(0, 31), st.integers(0, 255), st.integers(0, 3))
def test_what_is_not_quite_pass_3_is_judged_by_the_decoder(place: int, octet: int, more: int) -> None:
    plain = bytearray(request(0xC1, bytes(17)) + bytes(more))
    plain[place] = octet
    brought = read_pass_3(bytes(plain), short_names=False)
    try:
        decoded: object = apdu.decode(bytes(plain))
    except RemoteProtocolError:
        decoded = None
    if isinstance(decoded, apdu.ActionRequestNormal) and decoded.method == HLS_REPLY:
        assert brought is not None
        assert brought.proof == (decoded.data or b"")
    else:
        assert brought is None

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms import initiate
from hes.dlms.apdu import ConfirmedServiceError
from hes.dlms.codes import ConfirmedService, Conformance, ErrorGroup, InitiateError
from hes.dlms.initiate import InitiateRequest, InitiateResponse
from hes.dlms.tests import published
from hes.dlms.tests.strategies import damaged, outcome
from hes.errors import LocalProtocolError, RemoteProtocolError

U8 = st.integers(0, 255)
U16 = st.integers(0, 0xFFFF)
CONFORMANCE = st.integers(0, 0xFFFFFF).map(Conformance)
QUALITY = st.none() | st.integers(-128, 127)
APDUS = st.builds(InitiateRequest, CONFORMANCE, U16, st.binary(max_size=64), st.booleans(), QUALITY, U8) | st.builds(
    InitiateResponse, CONFORMANCE, U16, U16, QUALITY, U8
)
DEDICATED_KEY = published.MASTER_KEY  # the example uses the same octets


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        (published.INITIATE_REQUEST, InitiateRequest(Conformance(0x007E1F), 1200)),
        (published.INITIATE_RESPONSE, InitiateResponse(Conformance(0x00501F), 500)),
        (published.INITIATE_REQUEST_DEDICATED, InitiateRequest(Conformance(0x007E1F), 1200, DEDICATED_KEY)),
        (published.INITIATE_RESPONSE_RELEASE, InitiateResponse(Conformance(0x007C1F), 1024)),
        (
            bytes.fromhex("0100010001FF055F1F0400180000000B"),
            InitiateRequest(
                Conformance.READ | Conformance.WRITE,
                11,
                response_allowed=False,
                quality_of_service=-1,
                dlms_version=5,
            ),
        ),
        (
            bytes.fromhex("080107065F1F0400180000FFFFFA00"),
            InitiateResponse(Conformance(0x180000), 0xFFFF, initiate.VAA_NAME_SN, 7),
        ),
        (
            bytes.fromhex("0E010603"),
            ConfirmedServiceError(ConfirmedService.INITIATE, ErrorGroup.INITIATE, InitiateError.PDU_SIZE_TOO_SHORT),
        ),
    ],
)
def test_published_and_rare_forms_are_read_and_written(octets, value):
    assert initiate.decode(octets) == value
    assert value.encode() == octets


@given(sent=APDUS)
def test_every_apdu_comes_back_as_it_was_sent(sent):
    assert initiate.decode(sent.encode()) == sent


@given(octets=st.binary(max_size=40) | damaged(APDUS.map(lambda apdu: apdu.encode())))
def test_random_octets_give_an_apdu_or_one_error(octets):
    received = outcome(initiate.decode, octets)
    if received is not None:
        assert initiate.decode(received.encode()) == received


def test_a_conformance_tag_of_one_octet_is_read_too():
    octets = published.INITIATE_REQUEST.replace(b"\x5f\x1f\x04", b"\x5f\x04")
    assert initiate.decode(octets) == initiate.decode(published.INITIATE_REQUEST)


def test_response_allowed_may_be_said_although_it_is_the_default():
    octets = bytes.fromhex("0100010100065F1F0400007E1F04B0")
    assert initiate.decode(octets) == initiate.decode(published.INITIATE_REQUEST)


@pytest.mark.parametrize(
    ("octets", "complaint"),
    [
        ("", "ends inside tag"),
        ("0C00", "no initiate request"),
        ("01000000065F1F0400007E1F04B000", "1 octets left over"),
        ("01000000065F1F0400007E1F04", "ends inside client max"),
        ("01020000065F1F0400007E1F04B0", "presence of dedicated key is 02"),
        ("0101000000065F1F0400007E1F04B0", "a dedicated key of 0 octets"),
        ("01018141" + "00" * 65 + "0000065F1F0400007E1F04B0", "a dedicated key of 65 octets"),
        ("01000000065F1F0401007E1F04B0", "does not start with"),
        ("01000000065F1F0300007E04B0", "does not start with"),
        ("0800065F1F0400007E1F04B0", "ends inside VAA name"),
    ],
)
def test_an_apdu_that_breaks_the_layout_is_refused(octets, complaint):
    with pytest.raises(RemoteProtocolError, match=complaint):
        initiate.decode(bytes.fromhex(octets))


@pytest.mark.parametrize(
    "value",
    [
        InitiateRequest(Conformance(1 << 24), 0),
        InitiateRequest(Conformance.GET, 65536),
        InitiateRequest(Conformance.GET, 0, quality_of_service=128),
        InitiateRequest(Conformance.GET, 0, dlms_version=256),
        InitiateResponse(Conformance.GET, 0, -1),
    ],
)
def test_a_field_out_of_range_is_our_own_mistake(value):
    with pytest.raises(LocalProtocolError):
        value.encode()


def test_the_dedicated_key_is_not_shown():
    shown = repr(InitiateRequest(Conformance.GET, 0, b"0123456789abcdef"))
    assert "0123456789abcdef" not in shown

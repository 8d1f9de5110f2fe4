import pytest
from hypothesis import given

from hes.dlms import apdu
from hes.dlms.apdu import (
    ActionOutcome,
    ActionRequestBlock,
    ActionRequestFirstBlock,
    ActionRequestNextBlock,
    ActionRequestNormal,
    ActionRequestWithList,
    ActionRequestWithListFirstBlock,
    ActionResponseBlock,
    ActionResponseNextBlock,
    ActionResponseNormal,
    ActionResponseWithList,
    MethodDescriptor,
    decode_outcome,
    decode_outcomes,
    encode_outcome,
    encode_outcomes,
)
from hes.dlms.codes import ActionResult, DataAccessResult, UnknownCode
from hes.dlms.tests import published
from hes.dlms.xdlms.tests.apdu_strategies import OUTCOMES, many
from hes.errors import LocalProtocolError, RemoteProtocolError

RELAY = "00460000600 30AFF01".replace(" ", "")
DISCONNECT = MethodDescriptor(70, bytes.fromhex("000060030AFF"), 1)
RECONNECT = MethodDescriptor(70, bytes.fromhex("000060030AFF"), 2)
REPLY_TO_HLS = MethodDescriptor(15, bytes.fromhex("0000280000FF"), 1)
TRANSFER_KEYS = MethodDescriptor(64, bytes.fromhex("00002B0000FF"), 2)
SUCCESS = ActionResult.SUCCESS


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        (published.DISCONNECT, ActionRequestNormal(0xC1, DISCONNECT, b"\x0f\x00")),
        (published.RECONNECT, ActionRequestNormal(0xC1, RECONNECT, b"\x0f\x00")),
        (published.PASS_3, ActionRequestNormal(0xC1, REPLY_TO_HLS, published.PASS_3[-19:])),
        (published.PASS_4, ActionResponseNormal(0xC1, SUCCESS, published.PASS_4[-19:])),
        (published.KEY_TRANSFER, ActionRequestNormal(0xC1, TRANSFER_KEYS, published.KEY_TRANSFER[13:])),
    ],
)
def test_published_actions_are_read_and_written(octets, value):
    assert apdu.decode(octets) == value
    assert value.encode() == octets


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        (f"C301C1{RELAY}00", ActionRequestNormal(0xC1, DISCONNECT)),
        ("C302C100000002", ActionRequestNextBlock(0xC1, 2)),
        (f"C303C101{RELAY}010F00", ActionRequestWithList(0xC1, (DISCONNECT,), (b"\x0f\x00",))),
        (f"C304C1{RELAY}000000000101AA", ActionRequestFirstBlock(0xC1, DISCONNECT, False, 1, b"\xaa")),
        (
            f"C305C101{RELAY}000000000101AA",
            ActionRequestWithListFirstBlock(0xC1, (DISCONNECT,), False, 1, b"\xaa"),
        ),
        ("C306C1010000000201BB", ActionRequestBlock(0xC1, True, 2, b"\xbb")),
        ("C701C10000", ActionResponseNormal(0xC1, SUCCESS)),
        ("C701C10300", ActionResponseNormal(0xC1, ActionResult.READ_WRITE_DENIED)),
        ("C701C1000101FA", ActionResponseNormal(0xC1, SUCCESS, None, DataAccessResult.OTHER_REASON)),
        ("C701C100010100", ActionResponseNormal(0xC1, SUCCESS, None, DataAccessResult.SUCCESS)),
        ("C701C1630100 00".replace(" ", ""), ActionResponseNormal(0xC1, UnknownCode(99), b"\x00")),
        ("C702C1000000000101AA", ActionResponseBlock(0xC1, False, 1, b"\xaa")),
        (
            "C703C1020000000100 1105".replace(" ", ""),
            ActionResponseWithList(0xC1, (ActionOutcome(SUCCESS), ActionOutcome(SUCCESS, b"\x11\x05"))),
        ),
        ("C704C100000001", ActionResponseNextBlock(0xC1, 1)),
    ],
)
def test_each_form_stands_on_the_wire_as_the_layout_says(octets, value):
    assert value.encode() == bytes.fromhex(octets)
    assert apdu.decode(bytes.fromhex(octets)) == value


@pytest.mark.parametrize(
    "octets",
    [
        f"C301C1{RELAY}01",  # parameter announced, none there
        f"C301C1{RELAY}02",
        f"C303C101{RELAY}020F000F00",  # one method, two parameters
        "C701C100",  # presence of return parameters missing
        "C701C10001",
        "C701C1000102",
        "C701C10000FF",
    ],
)
def test_an_action_that_breaks_the_layout_is_refused(octets):
    with pytest.raises(RemoteProtocolError):
        apdu.decode(bytes.fromhex(octets))


@pytest.mark.parametrize(
    "value",
    [
        ActionResponseNormal(1, SUCCESS, b"\0", DataAccessResult.SUCCESS),
        ActionRequestWithList(1, (DISCONNECT,), ()),
    ],
)
def test_an_action_that_cannot_stand_on_the_wire_is_our_own_mistake(value):
    with pytest.raises(LocalProtocolError):
        value.encode()


@given(outcomes=many(OUTCOMES))
def test_the_outcomes_of_a_long_list_come_back_from_their_blocks(outcomes):
    octets = encode_outcomes(outcomes)
    assert decode_outcomes(octets) == outcomes
    for outcome in outcomes:
        assert decode_outcome(encode_outcome(outcome)) == outcome
    with pytest.raises(RemoteProtocolError):
        decode_outcomes(octets + b"\0")

import pytest
from hypothesis import given

from hes.dlms import apdu
from hes.dlms.apdu import (
    AttributeDescriptor,
    SetRequestBlock,
    SetRequestFirstBlock,
    SetRequestNormal,
    SetRequestWithList,
    SetRequestWithListFirstBlock,
    SetResponseBlock,
    SetResponseLastBlock,
    SetResponseLastBlockWithList,
    SetResponseNormal,
    SetResponseWithList,
    decode_values,
    encode_values,
)
from hes.dlms.codes import DataAccessResult, UnknownCode
from hes.dlms.tests import published
from hes.dlms.xdlms.tests.apdu_strategies import ENCODED, many
from hes.errors import LocalProtocolError, RemoteProtocolError

CLOCK_TIME = AttributeDescriptor(8, bytes.fromhex("0000010000FF"), 2)
CLOCK = "00080000010000FF02"
SUCCESS = DataAccessResult.SUCCESS


def test_the_published_write_of_a_clock_is_read_and_written():
    value = SetRequestNormal(0xC1, CLOCK_TIME, bytes.fromhex("090C07E80C0F070C1E00FF800000"))
    assert apdu.decode(published.SET_CLOCK) == value
    assert value.encode() == published.SET_CLOCK


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        (f"C101C1{CLOCK}0102110000", SetRequestNormal(0xC1, CLOCK_TIME, b"\x00", b"\x02\x11\x00")),
        (f"C102C1{CLOCK}00000000000102AABB", SetRequestFirstBlock(0xC1, CLOCK_TIME, b"", False, 1, b"\xaa\xbb")),
        ("C103C1010000000201CC", SetRequestBlock(0xC1, True, 2, b"\xcc")),
        (
            f"C104C102{CLOCK}00{CLOCK}0101000211051600",
            SetRequestWithList(0xC1, ((CLOCK_TIME, b""), (CLOCK_TIME, b"\x01\x00")), (b"\x11\x05", b"\x16\x00")),
        ),
        (
            f"C105C101{CLOCK}00000000000101AA",
            SetRequestWithListFirstBlock(0xC1, ((CLOCK_TIME, b""),), False, 1, b"\xaa"),
        ),
        ("C501C100", SetResponseNormal(0xC1, SUCCESS)),
        ("C501C103", SetResponseNormal(0xC1, DataAccessResult.READ_WRITE_DENIED)),
        ("C501C1C8", SetResponseNormal(0xC1, UnknownCode(200))),
        ("C502C100000001", SetResponseBlock(0xC1, 1)),
        ("C503C11300000009", SetResponseLastBlock(0xC1, DataAccessResult.DATA_BLOCK_NUMBER_INVALID, 9)),
        (
            "C504C102000400000003",
            SetResponseLastBlockWithList(0xC1, (SUCCESS, DataAccessResult.OBJECT_UNDEFINED), 3),
        ),
        ("C505C1020C00", SetResponseWithList(0xC1, (DataAccessResult.TYPE_UNMATCHED, SUCCESS))),
    ],
)
def test_each_form_stands_on_the_wire_as_the_layout_says(octets, value):
    assert value.encode() == bytes.fromhex(octets)
    assert apdu.decode(bytes.fromhex(octets)) == value


@pytest.mark.parametrize(
    "octets",
    [
        f"C101C1{CLOCK}00",  # no value
        f"C101C1{CLOCK}0011051105",  # two values
        f"C104C102{CLOCK}00{CLOCK}00011105",  # two attributes, one value
        f"C104C101{CLOCK}000211051105",  # one attribute, two values
        "C103C1010000000202CC",  # raw data cut off
        "C501C1",
        "C504C1020004000000",
        "C505C1050C00",
    ],
)
def test_a_set_that_breaks_the_layout_is_refused(octets):
    with pytest.raises(RemoteProtocolError):
        apdu.decode(bytes.fromhex(octets))


def test_writing_more_attributes_than_values_is_our_own_mistake():
    with pytest.raises(LocalProtocolError, match="2 attributes but 1 values"):
        SetRequestWithList(1, ((CLOCK_TIME, b""),) * 2, (b"\0",)).encode()


@given(values=many(ENCODED))
def test_the_values_of_a_long_list_come_back_from_their_blocks(values):
    octets = encode_values(values)
    assert decode_values(octets) == values
    with pytest.raises(RemoteProtocolError):
        decode_values(octets + b"\0")

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms import apdu, axdr
from hes.dlms.apdu import (
    AttributeDescriptor,
    GetRequestNext,
    GetRequestNormal,
    GetRequestWithList,
    GetResponseNormal,
    GetResponseWithBlock,
    GetResponseWithList,
    decode_data_results,
    decode_get_response_value,
    encode_data_results,
    encode_get_request,
    get_response_offset,
)
from hes.dlms.codes import DataAccessResult, UnknownCode
from hes.dlms.tests import published
from hes.dlms.tests.strategies import comparable, data
from hes.dlms.xdlms.tests.apdu_strategies import ATTRIBUTES, ENCODED, READS, SELECTIONS, U8, many
from hes.errors import AccessDenied, LocalProtocolError, RemoteProtocolError

CLOCK_TIME = AttributeDescriptor(8, bytes.fromhex("0000010000FF"), 2)
IMPORT = AttributeDescriptor(3, bytes.fromhex("0100010800FF"), 2)
EXPORT = AttributeDescriptor(3, bytes.fromhex("0100020800FF"), 2)
LOAD_PROFILE = AttributeDescriptor(7, bytes.fromhex("0100630100FF"), 2)


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        (published.GET_CLOCK, GetRequestNormal(0, CLOCK_TIME)),
        (published.GET_LIST, GetRequestWithList(0xC1, ((IMPORT, b""), (EXPORT, b"")))),
        (
            published.GET_ENTRIES,
            GetRequestNormal(0xC1, LOAD_PROFILE, bytes.fromhex("0202040600000001060000000A120001120000")),
        ),
    ],
)
def test_published_requests_are_read_and_written(octets, value):
    assert apdu.decode(octets) == value
    assert value.encode() == octets


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        ("C002C100000007", GetRequestNext(0xC1, 7)),
        ("C401C1000600012345", GetResponseNormal(0xC1, DataAccessResult.SUCCESS, bytes.fromhex("0600012345"))),
        ("C401C10104", GetResponseNormal(0xC1, DataAccessResult.OBJECT_UNDEFINED)),
        ("C401C1014D", GetResponseNormal(0xC1, UnknownCode(77))),
        (
            "C402C1000000000100030102FF",
            GetResponseWithBlock(0xC1, False, 1, DataAccessResult.SUCCESS, bytes.fromhex("0102FF")),
        ),
        ("C402C101000000050113", GetResponseWithBlock(0xC1, True, 5, DataAccessResult.DATA_BLOCK_NUMBER_INVALID)),
        (
            "C403C10200110901 0D".replace(" ", ""),
            GetResponseWithList(
                0xC1,
                (
                    (DataAccessResult.SUCCESS, bytes.fromhex("1109")),
                    (DataAccessResult.SCOPE_OF_ACCESS_VIOLATED, b""),
                ),
            ),
        ),
    ],
)
def test_each_form_stands_on_the_wire_as_the_layout_says(octets, value):
    assert value.encode() == bytes.fromhex(octets)
    assert apdu.decode(bytes.fromhex(octets)) == value


@pytest.mark.parametrize(
    "octets",
    [
        "C401C102",  # neither data nor result
        "C401C10100",  # result success where data should stand
        "C401C1000600012345FF",  # one octet too many
        "C401C100060001",  # value cut off
        "C401C1000B00",  # no such type
        "C001C100030100010800FF0202",  # access selection neither 00 nor 01
        "C001C100030100010800FF0201",  # selector missing
        "C001C100030100010800FF020102",  # parameters missing
        "C402C1000000000102",  # neither raw data nor result
        "C402C10000000001000401",  # raw data cut off
    ],
)
def test_a_get_that_breaks_the_layout_is_refused(octets):
    with pytest.raises(RemoteProtocolError):
        apdu.decode(bytes.fromhex(octets))


def test_any_octet_but_zero_says_that_a_block_is_the_last():
    assert apdu.decode(bytes.fromhex("C402C1FF000000010000")).last is True


def test_a_manufacturer_attribute_has_a_negative_number():
    octets = encode_get_request(0xC1, 3, IMPORT.obis, -2)
    assert octets[-2:] == b"\xfe\x00"
    assert apdu.decode(octets).attribute.attribute == -2


@pytest.mark.parametrize(
    ("invoke", "class_id", "obis", "attribute"),
    [
        (256, 3, IMPORT.obis, 2),
        (-1, 3, IMPORT.obis, 2),
        (1, 65536, IMPORT.obis, 2),
        (1, 3, IMPORT.obis, 128),
        (1, 3, IMPORT.obis[:5], 2),
        (1, 3, IMPORT.obis + b"\0", 2),
    ],
)
def test_a_request_out_of_range_is_our_own_mistake(invoke, class_id, obis, attribute):
    with pytest.raises(LocalProtocolError):
        encode_get_request(invoke, class_id, obis, attribute)
    with pytest.raises(LocalProtocolError):
        GetRequestNormal(invoke, AttributeDescriptor(class_id, obis, attribute)).encode()


@pytest.mark.parametrize(
    "value",
    [
        GetResponseNormal(1, DataAccessResult.SUCCESS),
        GetResponseNormal(1, DataAccessResult.OTHER_REASON, b"\0"),
        GetResponseWithBlock(1, True, 1, DataAccessResult.OTHER_REASON, b"\0"),
        GetResponseWithBlock(1, True, 2**32, DataAccessResult.SUCCESS, b"\0"),
        GetRequestNext(1, -1),
    ],
)
def test_a_response_that_cannot_stand_on_the_wire_is_our_own_mistake(value):
    with pytest.raises(LocalProtocolError):
        value.encode()


@given(invoke=U8, attribute=ATTRIBUTES, selection=SELECTIONS)
def test_the_short_way_to_a_request_gives_the_same_octets(invoke, attribute, selection):
    assert encode_get_request(invoke, *attribute, selection) == GetRequestNormal(invoke, attribute, selection).encode()


@given(value=data(), invoke=U8)
def test_the_short_way_to_a_value_gives_the_same_value(value, invoke):
    octets = GetResponseNormal(invoke, DataAccessResult.SUCCESS, axdr.encode(value)).encode()
    assert comparable(decode_get_response_value(octets, invoke)) == comparable(axdr.plain(value))
    assert octets[get_response_offset(octets, invoke) :] == axdr.encode(value)


@given(octets=st.binary(max_size=40) | st.binary(max_size=40).map(b"\xc4\x01\xc1\x00".__add__))
def test_the_short_way_refuses_what_the_long_way_refuses(octets):
    try:
        decode_get_response_value(octets, 0xC1)
    except (RemoteProtocolError, AccessDenied):
        return
    decoded = apdu.decode(octets)
    assert isinstance(decoded, GetResponseNormal)


def test_a_refused_read_says_which_result():
    with pytest.raises(AccessDenied, match="READ_WRITE_DENIED") as caught:
        decode_get_response_value(bytes.fromhex("C401C10103"), 0xC1)
    assert caught.value.fields["result"] is DataAccessResult.READ_WRITE_DENIED


@pytest.mark.parametrize(
    ("octets", "complaint"),
    [
        ("C401C2000600012345", "answer to invoke C2, not C1"),
        ("C401C20103", "answer to invoke C2, not C1"),
        ("C402C1000000000100030102FF", "not a get-response-normal"),
        ("C401C10006000123", "end"),
        ("C401C100060001234500", "left over"),
        ("C401C10103FF", "left over"),
        ("C401C100", "end"),
        ("C4", "not a get-response-normal"),
        ("", "not a get-response-normal"),
    ],
)
def test_the_short_way_says_what_is_wrong(octets, complaint):
    with pytest.raises(RemoteProtocolError, match=complaint):
        decode_get_response_value(bytes.fromhex(octets), 0xC1)


def test_an_answer_with_other_priority_bits_is_still_the_answer():
    assert decode_get_response_value(bytes.fromhex("C40141001107"), 0xC1) == 7


@given(results=many(READS))
def test_the_results_of_a_long_list_come_back_from_their_blocks(results):
    octets = encode_data_results(results)
    assert decode_data_results(octets) == results
    with pytest.raises(RemoteProtocolError):
        decode_data_results(octets + b"\0")


@given(encoded=ENCODED)
def test_data_is_kept_as_the_octets_that_came(encoded):
    octets = b"\xc4\x01\xc1\x00" + encoded
    assert apdu.decode(octets).data == encoded

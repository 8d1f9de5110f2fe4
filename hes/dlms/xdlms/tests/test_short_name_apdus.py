"""Read, Write, UnconfirmedWrite and InformationReport against octets that real meters and their readers exchanged.

METER: a recorded session with a meter of 2016 that knows short names only, published with a reader for it.
BLOCK: the logical device name of another meter, which answers even that in a block.
Source of both: docs/protocols/short-names.md §6.
"""

import pytest

from hes.dlms import apdu, axdr
from hes.dlms.apdu import (
    BlockNumberAccess,
    DataAccessError,
    DataBlock,
    InformationReport,
    ParameterizedAccess,
    ReadBlockNumber,
    ReadData,
    ReadDataBlockAccess,
    ReadRequest,
    ReadResponse,
    UnconfirmedWriteRequest,
    VariableName,
    WriteBlockNumber,
    WriteDataBlockAccess,
    WriteRequest,
    WriteResponse,
    WriteSuccess,
)
from hes.dlms.codes import DataAccessResult, UnknownCode
from hes.dlms.xdlms.read import decode_read_content, decode_read_response_content
from hes.dlms.xdlms.write import decode_write_content
from hes.errors import LocalProtocolError, RemoteProtocolError

METER = [
    ("050202FD0802FF08", ReadRequest((VariableName(0xFD08), VariableName(0xFF08)))),
    (
        "0C020009104C475A35313238323338300000000000000A03423332",
        ReadResponse((ReadData(b"\x09\x10LGZ51282380\0\0\0\0\0"), ReadData(b"\x0a\x03B32"))),
    ),
    ("0501023848", ReadRequest((VariableName(0x3848),))),
    ("0C01000A083531323832333830", ReadResponse((ReadData(b"\x0a\x0851282380"),))),
]
BLOCK = bytes.fromhex("0C010201 0001 0F 01000A0B5A49503031373639333236")

LAYOUTS = [
    ("050104070801110A", ReadRequest((ParameterizedAccess(0x0708, 1, b"\x11\x0a"),))),
    ("0501050003", ReadRequest((BlockNumberAccess(3),))),
    ("05010601000203AABBCC", ReadRequest((ReadDataBlockAccess(last=True, block=2, raw=b"\xaa\xbb\xcc"),))),
    ("0C010103", ReadResponse((DataAccessError(DataAccessResult.READ_WRITE_DENIED),))),
    ("0C01030007", ReadResponse((ReadBlockNumber(7),))),
    ("0601020708011105", WriteRequest((VariableName(0x0708),), (b"\x11\x05",))),
    ("0601070000010109020605", WriteRequest((WriteDataBlockAccess(last=False, block=1),), (b"\x09\x02\x06\x05",))),
    ("0D0300010B020009", WriteResponse((WriteSuccess(), DataAccessError(DataAccessResult(11)), WriteBlockNumber(9)))),
    ("1601020708011105", UnconfirmedWriteRequest((VariableName(0x0708),), (b"\x11\x05",))),
    ("180001020708011105", InformationReport((VariableName(0x0708),), (b"\x11\x05",))),
    (
        "18010E323032363031303131323030303001020708011105",
        InformationReport((VariableName(0x0708),), (b"\x11\x05",), b"20260101120000"),
    ),
    (
        "180C07E80C0F070C1E00FF80000001020708011105",
        InformationReport((VariableName(0x0708),), (b"\x11\x05",), bytes.fromhex("07E80C0F070C1E00FF800000"), True),
    ),
]


@pytest.mark.parametrize(("octets", "value"), [*METER, *LAYOUTS])
def test_the_octets_on_the_wire_are_these(octets, value):
    assert apdu.decode(bytes.fromhex(octets)) == value
    assert value.encode() == bytes.fromhex(octets)


def test_a_meter_that_answers_in_one_block_is_read_as_if_it_had_not():
    response = apdu.decode(BLOCK)
    assert response.encode() == BLOCK
    (block,) = response.results
    assert block == DataBlock(last=True, block=1, raw=BLOCK[7:])
    whole = decode_read_response_content(block.raw)
    assert whole == ReadResponse((ReadData(b"\x0a\x0bZIP01769326"),))
    assert axdr.decode_value(whole.results[0].data)[0] == "ZIP01769326"


def test_what_blocks_hold_is_the_request_behind_its_tag():
    read = ReadRequest((VariableName(0x0708), ParameterizedAccess(0x0108, 2, b"\x11\x01")))
    assert decode_read_content(read.encode()[1:]) == read
    write = WriteRequest((VariableName(0x0708),), (b"\x11\x05",))
    assert decode_write_content(write.encode()[1:]) == write
    with pytest.raises(RemoteProtocolError, match="1 octets left over"):
        decode_write_content(write.encode()[1:] + b"\0")
    with pytest.raises(RemoteProtocolError):
        decode_read_content(b"")


@pytest.mark.parametrize(
    ("octets", "complaint"),
    [
        ("0501030708", "variable access specification 3 is not one of"),
        ("058201000207", "256 variables announced but only 2 octets follow"),
        ("0C010400", "result choice 4 is not one of"),
        ("0C010100", "result is success where an error should stand"),
        ("0D010100", "result is success where an error should stand"),
        ("0D0103", "result choice 3 is not one of"),
        ("06010207080211051105", "1 variables with 2 values"),
        ("1601020708001105", "1 variables with 0 values"),
        ("180201020708011105", "neither no time nor one: 02"),
        ("18010001020708011105", "a time of 0 octets"),
    ],
)
def test_what_breaks_the_layout_is_refused_by_name(octets, complaint):
    with pytest.raises(RemoteProtocolError, match=complaint):
        apdu.decode(bytes.fromhex(octets))


def test_a_result_outside_the_table_is_kept_by_number():
    assert apdu.decode(bytes.fromhex("0D0101F9")) == WriteResponse((DataAccessError(UnknownCode(0xF9)),))


@pytest.mark.parametrize(
    "value",
    [
        ReadRequest((VariableName(0x10000),)),
        ReadRequest((BlockNumberAccess(-1),)),
        ReadResponse((ReadData(b""),)),
        WriteRequest((VariableName(8),), ()),
        UnconfirmedWriteRequest((), (b"\0",)),
        InformationReport((), (), b"x" * 33),
        InformationReport((), (), b"x", True),
    ],
)
def test_what_does_not_fit_its_field_is_not_sent(value):
    with pytest.raises(LocalProtocolError):
        value.encode()

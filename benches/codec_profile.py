"""A day of a load profile, 96 rows of 6 columns, from octets to rows: regular, with times, ciphered, irregular.

Inputs: 120 different buffers from a fixed seed; columns are clock (octet-string of 12), status (unsigned) and four
registers (double-long-unsigned). Each peer is driven through the least work that gives it the values.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from dlms_cosem import cosem, enumerations
from dlms_cosem.parsers import ProfileGenericBufferParser
from dlms_cosem.protocol.xdlms import GeneralGlobalCipher
from dlms_cosem.protocol.xdlms.get import GetResponseNormal
from dlms_cosem.security import decrypt
from dlms_cosem.utils import parse_as_dlms_data
from gurux_dlms.enums import DataType, InterfaceType, Security
from gurux_dlms.GXByteBuffer import GXByteBuffer
from gurux_dlms.GXDLMSSettings import GXDLMSSettings
from gurux_dlms.GXReplyData import GXReplyData
from gurux_dlms.internal._GXCommon import _GXCommon
from gurux_dlms.internal._GXDataInfo import _GXDataInfo
from gurux_dlms.secure.GXDLMSSecureClient import GXDLMSSecureClient

from benches._measure import Candidate, Row, compare
from hes.dlms import axdr, security
from hes.dlms.apdu import get_response_offset
from hes.dlms.cosem_time import date_time_octets, epoch_s
from hes.dlms.data import Data, array, i32, null, octets, structure, u8, u16, u32
from hes.dlms.profile_buffer import decode_rows
from hes.dlms.security import ciphering

NAME = "codec_profile"
BUFFERS = 120
ROWS = 96
# how many times as fast as dlms-cosem, and as gurux-dlms
TARGET_PLAIN, TARGET_PLAIN_GURUX = 38, 100
TARGET_CIPHERED, TARGET_CIPHERED_GURUX = 35, 500
INVOKE = 0xC1
START_S = 1_700_000_100
ENCRYPTION_KEY = bytes(range(0x10))  # the well-known keys of the published examples
AUTHENTICATION_KEY = bytes(range(0xD0, 0xE0))
SERVER_TITLE = bytes.fromhex("4D4D4D0000BC614E")
CLIENT_TITLE = bytes.fromhex("4D4D4D0000000001")
KEYS = security.EncryptionKeys(ENCRYPTION_KEY, AUTHENTICATION_KEY)

Change = Callable[[int, list[Data]], list[Data]]


def run(quick: bool) -> list[Row]:
    plain = buffers()
    rows = compare(
        NAME, "96 x 6 plain", plain,
        [
            Candidate("amiloop", decode_rows, as_lists),
            Candidate("amiloop, generic decoder", axdr.decode_value, lambda result: as_lists(result[0])),
            Candidate("dlms-cosem", parse_as_dlms_data, as_lists, TARGET_PLAIN),
            Candidate("gurux-dlms", _gurux_value, as_lists, TARGET_PLAIN_GURUX),
        ],
        quick=quick,
    )  # fmt: skip
    rows += compare(
        NAME, "96 x 6 plain, with times", plain,
        [
            Candidate("amiloop (epoch seconds)", _with_times),
            Candidate("dlms-cosem (datetime)", _dlms_cosem_with_times, _dlms_cosem_timestamps),
            Candidate("gurux-dlms (GXDateTime)", _gurux_with_times, _gurux_timestamps),
        ],
        quick=quick,
    )  # fmt: skip
    rows += compare(
        NAME, "96 x 6 suite 0 ciphered (general-glo get-response)", ciphered(plain),
        [
            Candidate("amiloop", _open, as_lists),
            Candidate("dlms-cosem", _dlms_cosem_open, as_lists, TARGET_CIPHERED),
            Candidate("gurux-dlms", _gurux_open, as_lists, TARGET_CIPHERED_GURUX),
        ],
        quick=quick,
    )  # fmt: skip
    for what, change in IRREGULAR.items():
        rows += compare(
            NAME, f"96 x 6 irregular: {what}", buffers(change),
            [
                Candidate("amiloop", decode_rows, as_lists),
                Candidate("dlms-cosem", parse_as_dlms_data, as_lists),
                Candidate("gurux-dlms", _gurux_value, as_lists),
            ],
            quick=quick,
        )  # fmt: skip
    return rows


# -- inputs ----------------------------------------------------------------------------------------------------------


def buffers(change: Change | None = None) -> list[tuple[bytes]]:
    """BUFFERS different days as encoded arrays; `change` may replace the columns of a row."""
    stream = random.Random(96)
    days = []
    for number in range(BUFFERS):
        rows = []
        for row in range(ROWS):
            clock = octets(date_time_octets(START_S + 86_400 * number + 900 * row, -60))
            registers = [u32(stream.randrange(2**32)) for _ in range(4)]
            columns = [clock, u8(stream.randrange(256)), *registers]
            rows.append(structure(*(columns if change is None else change(row, columns))))
        days.append((axdr.encode(array(rows)),))
    assert len(set(days)) == BUFFERS >= 100
    return days


def _null_clock(row: int, columns: list[Data]) -> list[Data]:
    return [columns[0] if row == 0 else null(), *columns[1:]]


def _mixed(row: int, columns: list[Data]) -> list[Data]:
    """null-data now here, now there, and registers that come in the smallest type that holds them."""
    mixed = [null() if (row + column) % 5 == 0 else data for column, data in enumerate(columns)]
    mixed[3] = (u16(row), i32(-row), columns[3])[row % 3]
    return mixed


IRREGULAR: dict[str, Change] = {"null-data for the clock": _null_clock, "null-data and types that change": _mixed}


def ciphered(plain: list[tuple[bytes]]) -> list[tuple[bytes]]:
    sealed = []
    for counter, (buffer,) in enumerate(plain, 1):
        response = bytes((0xC4, 1, INVOKE, 0)) + buffer
        content = security.seal(security.AUTHENTICATED_ENCRYPTED, KEYS, SERVER_TITLE, counter, response)
        sealed.append((b"\xdb\x08" + SERVER_TITLE + axdr.encode_length(len(content)) + content,))
    return sealed


# -- ours ------------------------------------------------------------------------------------------------------------


def _with_times(buffer: bytes) -> list[tuple[int, Any]]:
    return [(epoch_s(row[0]), row[1:]) for row in decode_rows(buffer)]


def _open(apdu: bytes) -> list[tuple[Any, ...]]:
    general = ciphering.read_general(apdu)
    _, _, response = security.unseal(general.sealed, KEYS, general.system_title)
    return decode_rows(response[get_response_offset(response, INVOKE) :])


# -- dlms-cosem ------------------------------------------------------------------------------------------------------

_PARSER = ProfileGenericBufferParser(
    capture_objects=[
        cosem.CosemAttribute(enumerations.CosemInterface.CLOCK, cosem.Obis(0, 0, 1, 0, 0, 255), 2),
        cosem.CosemAttribute(enumerations.CosemInterface.DATA, cosem.Obis(0, 0, 96, 10, 1, 255), 2),
        *(
            cosem.CosemAttribute(enumerations.CosemInterface.REGISTER, cosem.Obis(1, 0, n, 8, 0, 255), 2)
            for n in range(4)
        ),
    ],
    capture_period=15,
)


def _dlms_cosem_with_times(buffer: bytes) -> Any:
    return _PARSER.parse_bytes(buffer)


def _dlms_cosem_timestamps(rows: Any) -> list[tuple[int, Any]]:
    return [(int(row[0].value.timestamp()), tuple(column.value for column in row[1:])) for row in rows]


def _dlms_cosem_open(apdu: bytes) -> Any:
    general = GeneralGlobalCipher.from_bytes(apdu)
    response = decrypt(
        general.security_control,
        bytes(general.system_title),
        general.invocation_counter,
        ENCRYPTION_KEY,
        general.ciphered_text,
        AUTHENTICATION_KEY,
    )
    return parse_as_dlms_data(GetResponseNormal.from_bytes(response).data)


# -- gurux-dlms ------------------------------------------------------------------------------------------------------

_SETTINGS = GXDLMSSettings(isServer=False, parent=None)
_CLIENT = GXDLMSSecureClient(
    useLogicalNameReferencing=True, clientAddress=16, serverAddress=1, interfaceType=InterfaceType.PDU
)
_CLIENT.ciphering.blockCipherKey = ENCRYPTION_KEY
_CLIENT.ciphering.authenticationKey = AUTHENTICATION_KEY
_CLIENT.ciphering.security = Security.AUTHENTICATION_ENCRYPTION
_CLIENT.ciphering.systemTitle = CLIENT_TITLE
_CLIENT.setServerSystemTitle(SERVER_TITLE)


def _gurux_value(buffer: bytes) -> Any:
    return _GXCommon.getData(_SETTINGS, GXByteBuffer(buffer), _GXDataInfo())


def _gurux_with_times(buffer: bytes) -> Any:
    rows = _gurux_value(buffer)
    return [(_GXCommon.changeType(_SETTINGS, row[0], DataType.DATETIME), row[1:]) for row in rows]


def _gurux_timestamps(rows: Any) -> list[tuple[int, Any]]:
    return [(int(clock.value.timestamp()), tuple(rest)) for clock, rest in rows]


def _gurux_open(apdu: bytes) -> Any:
    reply = GXReplyData()
    _CLIENT.getData(GXByteBuffer(apdu), reply, None)
    return reply.value


# -- equality --------------------------------------------------------------------------------------------------------


def as_lists(value: Any) -> Any:
    """Rows as lists and octet-strings as bytes: every implementation shows them in its own classes."""
    if isinstance(value, (list, tuple)):
        return [as_lists(item) for item in value]
    return bytes(value) if isinstance(value, bytearray) else value

"""What a head-end says and hears all day: a GET request for a register, and the answer with its value.

Inputs: 200 different registers and values from a fixed seed. Every implementation starts from the class, the logical
name and the attribute, and ends with the plain value.
"""

from __future__ import annotations

import random
from typing import Any

from dlms_cosem import cosem, enumerations
from dlms_cosem.protocol.xdlms.get import GetRequestNormal as DlmsCosemGetRequest
from dlms_cosem.protocol.xdlms.get import GetResponseNormal as DlmsCosemGetResponse
from dlms_cosem.utils import parse_as_dlms_data
from gurux_dlms.enums import InterfaceType
from gurux_dlms.GXByteBuffer import GXByteBuffer
from gurux_dlms.GXDLMSClient import GXDLMSClient
from gurux_dlms.GXReplyData import GXReplyData
from gurux_dlms.objects import GXDLMSRegister

from benches._measure import Candidate, Row, compare
from hes.dlms import apdu, axdr
from hes.dlms.obis import Obis

NAME = "codec_get"
INVOKE = 0xC1
REGISTER = 3
VALUE = 2
INPUTS = 200


def run(quick: bool) -> list[Row]:
    stream = random.Random(4059)
    names = [bytes((1, 0, stream.randrange(1, 82), 8, stream.randrange(5), 255)) for _ in range(INPUTS)]
    rows = compare(
        NAME, "get-request encode", [(INVOKE, REGISTER, name, VALUE) for name in names],
        [
            Candidate("amiloop", apdu.encode_get_request),
            Candidate("amiloop, as an object", _request_object),
            Candidate("dlms-cosem", _dlms_cosem_request, target=4.0),
            Candidate("gurux-dlms", _gurux_request, bytes),
        ],
        quick=quick,
    )  # fmt: skip
    values = [stream.randrange(2**32) for _ in range(INPUTS)]
    responses = [bytes((0xC4, 1, INVOKE, 0, 6)) + value.to_bytes(4, "big") for value in values]
    rows += compare(
        NAME, "get-response decode (double-long-unsigned)", [(response, INVOKE) for response in responses],
        [
            Candidate("amiloop", apdu.decode_get_response_value),
            Candidate("amiloop, as an object", _response_object),
            Candidate("dlms-cosem", _dlms_cosem_response, target=4.0),
            Candidate("gurux-dlms", _gurux_response),
        ],
        quick=quick,
    )  # fmt: skip
    return rows


def _request_object(invoke: int, class_id: int, obis: bytes, attribute: int) -> bytes:
    return apdu.GetRequestNormal(invoke, apdu.AttributeDescriptor(class_id, obis, attribute)).encode()


def _response_object(octets: bytes, invoke: int) -> Any:
    response = apdu.decode(octets)
    assert isinstance(response, apdu.GetResponseNormal)
    assert response.invoke == invoke
    return axdr.decode_value(response.data)[0]


def _dlms_cosem_request(invoke: int, class_id: int, obis: bytes, attribute: int) -> Any:
    """Its default invoke id and priority are C1; it has no other way to say so."""
    name = cosem.Obis.from_bytes(obis)
    return DlmsCosemGetRequest(cosem.CosemAttribute(enumerations.CosemInterface(class_id), name, attribute)).to_bytes()


def _dlms_cosem_response(octets: bytes, invoke: int) -> Any:
    return parse_as_dlms_data(DlmsCosemGetResponse.from_bytes(octets).data)


_CLIENT = GXDLMSClient(
    useLogicalNameReferencing=True, clientAddress=16, serverAddress=1, interfaceType=InterfaceType.PDU
)


def _gurux_request(invoke: int, class_id: int, obis: bytes, attribute: int) -> Any:
    return _CLIENT.read(GXDLMSRegister(str(Obis(obis))), attribute)[0]


def _gurux_response(octets: bytes, invoke: int) -> Any:
    reply = GXReplyData()
    _CLIENT.getData(GXByteBuffer(octets), reply, None)
    return reply.value

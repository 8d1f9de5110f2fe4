"""The xDLMS part of opening an association: what the client proposes (01) and what the server grants (08).

Both travel inside the user information of AARQ and AARE, ciphered or not. Sizes and versions are carried, not judged:
refusing a PDU size below 12 or an old version is the association's business.

Source: docs/protocols/dlms-application.md §2 (InitiateRequest, InitiateResponse).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from hes.dlms.codes import CONFORMANCE_MASK, ApduTag, Conformance
from hes.dlms.xdlms.common import Octets, Reader, encode_octets, encode_u8
from hes.dlms.xdlms.exception import ConfirmedServiceError, read_confirmed_service_error
from hes.errors import LocalProtocolError, RemoteProtocolError

DLMS_VERSION: Final = 6
VAA_NAME_LN: Final = 0x0007
VAA_NAME_SN: Final = 0xFA00
PDU_SIZE_MIN: Final = 12
DEDICATED_KEY_OCTETS_MAX: Final = 64
KNOWN_OCTETS_MAX: Final = 32
KNOWN_MAX: Final = 256
"""Proposals and grants of a fleet are alike, so those that have been read are kept: so many, each at most so long. One
with a dedicated key in it is not."""

# [APPLICATION 31], a bit string of 4 octets of which none of the bits is unused
_CONFORMANCE_HEAD: Final = b"\x5f\x1f\x04\x00"
_CONFORMANCE_HEAD_SHORT: Final = b"\x5f\x04\x00"
_PROPOSAL_HEAD: Final = bytes((0x01, 0, 0, 0, DLMS_VERSION))  # no key, response allowed, no quality of service
_GRANT: Final = struct.Struct(">2sB4s3sHH")
_GRANT_TAG: Final = b"\x08\x00"


@dataclass(frozen=True, slots=True)
class InitiateRequest:
    """client_max_receive_pdu_size: octets, 0 is no limit. quality_of_service: -128..127 or None."""

    conformance: Conformance
    client_max_receive_pdu_size: int
    dedicated_key: bytes = field(default=b"", repr=False)
    response_allowed: bool = True
    quality_of_service: int | None = None
    dlms_version: int = DLMS_VERSION

    def encode(self) -> bytes:
        key = b"\x01" + encode_octets(self.dedicated_key) if self.dedicated_key else b"\x00"
        allowed = b"\x00" if self.response_allowed else b"\x01\x00"
        return (
            b"\x01"
            + key
            + allowed
            + _quality_of_service(self.quality_of_service)
            + encode_u8(self.dlms_version, "DLMS version")
            + _conformance(self.conformance)
            + _u16(self.client_max_receive_pdu_size, "client max receive PDU size")
        )


@dataclass(frozen=True, slots=True)
class InitiateResponse:
    """conformance: what was agreed. vaa_name: 0x0007 for LN referencing, 0xFA00 for SN."""

    conformance: Conformance
    server_max_receive_pdu_size: int
    vaa_name: int = VAA_NAME_LN
    quality_of_service: int | None = None
    dlms_version: int = DLMS_VERSION

    def encode(self) -> bytes:
        return (
            b"\x08"
            + _quality_of_service(self.quality_of_service)
            + encode_u8(self.dlms_version, "DLMS version")
            + _conformance(self.conformance)
            + _u16(self.server_max_receive_pdu_size, "server max receive PDU size")
            + _u16(self.vaa_name, "VAA name")
        )


def encode_proposal(conformance: Conformance, client_max_receive_pdu_size: int) -> bytes:
    """Octets of an `InitiateRequest` that says no more than that, without the object."""
    return _PROPOSAL_HEAD + _conformance(conformance) + _u16(client_max_receive_pdu_size, "client max receive PDU size")


def _quality_of_service(value: int | None) -> bytes:
    if value is None:
        return b"\x00"
    if not -128 <= value <= 127:
        raise LocalProtocolError(f"quality of service {value} must be -128..127")
    return b"\x01" + value.to_bytes(1, "big", signed=True)


def _conformance(conformance: Conformance) -> bytes:
    if not 0 <= conformance <= CONFORMANCE_MASK:
        raise LocalProtocolError(f"conformance {int(conformance):X} does not fit 24 bits")
    return _CONFORMANCE_HEAD + conformance.to_bytes(3, "big")


def _u16(value: int, what: str) -> bytes:
    if not 0 <= value <= 0xFFFF:
        raise LocalProtocolError(f"{what} {value} does not fit two octets")
    return value.to_bytes(2, "big")


def _read_quality_of_service(reader: Reader) -> int | None:
    if not reader.flag("presence of quality of service"):
        return None
    return int.from_bytes(reader.take(1, "quality of service"), "big", signed=True)


def _read_conformance(reader: Reader) -> Conformance:
    for head in (_CONFORMANCE_HEAD, _CONFORMANCE_HEAD_SHORT):
        if reader.octets.startswith(head, reader.offset):
            reader.offset += len(head)
            return Conformance(int.from_bytes(reader.take(3, "conformance"), "big"))
    raise RemoteProtocolError("the conformance block does not start with 5F 1F 04 00", octet_offset=reader.offset)


def _read_u16(reader: Reader, what: str) -> int:
    return int.from_bytes(reader.take(2, what), "big")


def _read_request(reader: Reader) -> InitiateRequest:
    key = b""
    if reader.flag("presence of dedicated key"):
        start = reader.offset
        key = reader.octet_string("dedicated key")
        if not 0 < len(key) <= DEDICATED_KEY_OCTETS_MAX:
            raise RemoteProtocolError(f"a dedicated key of {len(key)} octets", octet_offset=start)
    allowed = reader.boolean("response-allowed") if reader.flag("presence of response-allowed") else True
    quality_of_service = _read_quality_of_service(reader)
    version = reader.u8("DLMS version")
    conformance = _read_conformance(reader)
    size = _read_u16(reader, "client max receive PDU size")
    return InitiateRequest(conformance, size, key, allowed, quality_of_service, version)


def _read_response(reader: Reader) -> InitiateResponse:
    quality_of_service = _read_quality_of_service(reader)
    version = reader.u8("DLMS version")
    conformance = _read_conformance(reader)
    size = _read_u16(reader, "server max receive PDU size")
    return InitiateResponse(conformance, size, _read_u16(reader, "VAA name"), quality_of_service, version)


Initiate = InitiateRequest | InitiateResponse | ConfirmedServiceError


def decode(octets: Octets) -> Initiate:
    """Read what user information holds once it is not ciphered: 01, 08, or 0E (the proposal was refused).

    Raises RemoteProtocolError for anything else, octets left over included.
    """
    octets = bytes(octets)
    if len(octets) <= KNOWN_OCTETS_MAX and octets[:2] != b"\x01\x01":
        return _decode_known(octets)
    return _decode(octets)


def _decode(octets: bytes) -> Initiate:
    if len(octets) == _GRANT.size:
        tag, version, head, *fields = _GRANT.unpack(octets)
        if tag == _GRANT_TAG and head == _CONFORMANCE_HEAD:  # nearly every grant: no quality of service
            conformance, size, vaa_name = fields
            return InitiateResponse(Conformance(int.from_bytes(conformance, "big")), size, vaa_name, None, version)
    reader = Reader(octets)
    tag = reader.u8("tag")
    apdu: Initiate
    if tag == ApduTag.INITIATE_REQUEST:
        apdu = _read_request(reader)
    elif tag == ApduTag.INITIATE_RESPONSE:
        apdu = _read_response(reader)
    elif tag == ApduTag.CONFIRMED_SERVICE_ERROR:
        apdu = read_confirmed_service_error(reader)
    else:
        raise RemoteProtocolError(f"tag {tag:02X} is no initiate request, response or error", octet_offset=0)
    reader.end()
    return apdu


_decode_known = lru_cache(maxsize=KNOWN_MAX)(_decode)

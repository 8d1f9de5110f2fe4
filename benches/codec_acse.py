"""Opening an association: the AARQ of a client encoded, and the AARE of a server decoded, down to what was agreed.

Inputs: 600 different proposals and answers, more than our side remembers: every one is read and not looked up. An
AARQ carries a password of 8 octets; an AARE says what was agreed, in the clear. gurux-dlms has one client for all,
which is set anew for each input.
"""

from __future__ import annotations

import random
from functools import reduce
from operator import or_
from typing import Any

from dlms_cosem import enumerations
from dlms_cosem.protocol.acse import ApplicationAssociationRequest, ApplicationAssociationResponse, UserInformation
from dlms_cosem.protocol.xdlms import InitiateRequest as TheirInitiateRequest
from dlms_cosem.protocol.xdlms.conformance import Conformance as TheirConformance
from gurux_dlms import GXByteBuffer, GXDLMSClient, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType
from gurux_dlms.enums import Conformance as GuruxConformance

from benches._measure import Candidate, Row, compare
from hes.dlms import acse, initiate
from hes.dlms.acse import Aare, Aarq
from hes.dlms.codes import AcseDiagnostic, ApplicationContext, AssociationResult, Conformance, Mechanism
from hes.dlms.initiate import InitiateRequest, InitiateResponse

NAME = "codec_acse"
INPUTS = 600
TARGET = 4.0  # times dlms-cosem
SIZE_OCTETS = 1200

# the bits that all three know by name, GET among them: an association without it is of no use
_COMMON = [
    Conformance.BLOCK_TRANSFER_GET,
    Conformance.BLOCK_TRANSFER_SET,
    Conformance.BLOCK_TRANSFER_ACTION,
    Conformance.MULTIPLE_REFERENCES,
    Conformance.DATA_NOTIFICATION,
    Conformance.SET,
    Conformance.SELECTIVE_ACCESS,
    Conformance.EVENT_NOTIFICATION,
    Conformance.ACTION,
    Conformance.PRIORITY_MANAGEMENT,
]
Agreed = tuple[int, int, int, int]
"""result, diagnostic, conformance, and the octets of the longest APDU that the server takes"""


def run(quick: bool) -> list[Row]:
    stream = random.Random(62056)
    passwords = [stream.randbytes(4).hex().encode() for _ in range(INPUTS)]
    agreed = [(_conformance(stream), stream.randrange(64, 0xFFFF)) for _ in range(INPUTS)]
    rows = compare(
        NAME, "AARQ encode (LLS)",
        [(conformance, password) for (conformance, _size), password in zip(agreed, passwords, strict=True)],
        [
            Candidate("amiloop", _aarq),
            Candidate("amiloop, as an object", _aarq_object),
            Candidate("dlms-cosem", _dlms_cosem_aarq, target=TARGET),
            Candidate("gurux-dlms", _gurux_aarq, bytes),
        ],
        quick=quick,
    )  # fmt: skip
    answers = [
        Aare(
            result=AssociationResult.ACCEPTED,
            diagnostic=AcseDiagnostic.NULL,
            user_information=InitiateResponse(conformance, size).encode(),
        ).encode()
        for conformance, size in agreed
    ]
    assert len(set(answers)) > max(acse.KNOWN_APDUS_MAX, initiate.KNOWN_MAX) * 2
    rows += compare(
        NAME, "AARE decode, accepted", [(answer,) for answer in answers],
        [
            Candidate("amiloop", _aare),
            Candidate("dlms-cosem", _dlms_cosem_aare, target=TARGET),
            Candidate("gurux-dlms", _gurux_aare),
        ],
        quick=quick,
    )  # fmt: skip
    return rows


def _conformance(stream: random.Random) -> Conformance:
    return reduce(or_, stream.sample(_COMMON, stream.randrange(1, len(_COMMON))), Conformance.GET)


# -- ours ------------------------------------------------------------------------------------------------------------


def _aarq(conformance: Conformance, password: bytes) -> bytes:
    proposal = initiate.encode_proposal(conformance, SIZE_OCTETS)
    return acse.encode_aarq(ApplicationContext.LN, Mechanism.LLS, password, proposal)


def _aarq_object(conformance: Conformance, password: bytes) -> bytes:
    return Aarq(
        authentication=True,
        mechanism=Mechanism.LLS,
        authentication_value=password,
        user_information=InitiateRequest(conformance, SIZE_OCTETS).encode(),
    ).encode()


def _aare(octets: bytes) -> Agreed:
    aare = acse.decode(octets)
    assert isinstance(aare, Aare)
    granted = initiate.decode(aare.user_information)
    assert isinstance(granted, InitiateResponse)
    return int(aare.result), int(aare.diagnostic), int(granted.conformance), granted.server_max_receive_pdu_size


# -- dlms-cosem ------------------------------------------------------------------------------------------------------

_FIELDS = {bit.name.lower(): bit for bit in [*_COMMON, Conformance.GET] if bit.name}
_RENAMED = {
    "block_transfer_get": "block_transfer_with_get_or_read",
    "block_transfer_set": "block_transfer_with_set_or_write",
    "block_transfer_action": "block_transfer_with_action",
    "multiple_references": "multiple_references",
    "priority_management": "priority_management_supported",
}
_THEIR_FIELDS = {_RENAMED.get(name, name): int(bit) for name, bit in _FIELDS.items()}
_THEIRS: dict[int, TheirConformance] = {}


def _their_conformance(conformance: Conformance) -> TheirConformance:
    """Made once for each, outside of what is measured after the first round: a client has it from its settings."""
    found = _THEIRS.get(conformance)
    if found is None:
        bits = int(conformance)
        found = TheirConformance(**{name: bool(bits & bit) for name, bit in _THEIR_FIELDS.items()})
        _THEIRS[conformance] = found
    return found


def _dlms_cosem_aarq(conformance: Conformance, password: bytes) -> Any:
    initiating = TheirInitiateRequest(
        proposed_conformance=_their_conformance(conformance), client_max_receive_pdu_size=SIZE_OCTETS
    )
    return ApplicationAssociationRequest(
        ciphered=False,
        authentication=enumerations.AuthenticationMechanism.LLS,
        authentication_value=password,
        user_information=UserInformation(content=initiating),
    ).to_bytes()


def _dlms_cosem_aare(octets: bytes) -> Agreed:
    aare = ApplicationAssociationResponse.from_bytes(octets)
    granted = aare.user_information.content
    conformance = int.from_bytes(granted.negotiated_conformance.to_bytes()[1:], "big")
    size = granted.server_max_receive_pdu_size
    return int(aare.result), int(aare.result_source_diagnostics), conformance, size


# -- gurux-dlms ------------------------------------------------------------------------------------------------------

_CLIENT = GXDLMSClient(True, 16, 1, Authentication.LOW, "", InterfaceType.PDU)  # noqa: FBT003 - its own


def _gurux_aarq(conformance: Conformance, password: bytes) -> Any:
    _CLIENT.password = password
    _CLIENT.maxReceivePDUSize = SIZE_OCTETS  # an AARE overwrites it
    _CLIENT.proposedConformance = GuruxConformance(_reversed_bits(conformance))
    return _CLIENT.aarqRequest()[0]


def _gurux_aare(octets: bytes) -> Agreed:
    reply = GXReplyData()
    _CLIENT.getData(GXByteBuffer(octets), reply, None)
    _CLIENT.parseAareResponse(reply.data)
    return 0, 0, _reversed_bits(int(_CLIENT.negotiatedConformance)), _CLIENT.maxReceivePDUSize


def _reversed_bits(conformance: int) -> int:
    """gurux-dlms counts the 24 bits from the other end."""
    return int(format(conformance, "024b")[::-1], 2)

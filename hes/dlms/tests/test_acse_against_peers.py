"""Agreement on ACSE and initiate with gurux-dlms (as client) and dlms-cosem 21.3.2 (below 128 octets)."""

import contextlib
import io

import pytest
from dlms_cosem import enumerations
from dlms_cosem.protocol import xdlms
from dlms_cosem.protocol.acse import (
    ApplicationAssociationRequest,
    ApplicationAssociationResponse,
    ReleaseRequest,
    ReleaseResponse,
    UserInformation,
)
from dlms_cosem.protocol.xdlms.conformance import Conformance as TheirConformance
from gurux_dlms import GXByteBuffer, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType, Security
from gurux_dlms.secure import GXDLMSSecureClient
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms import acse, initiate
from hes.dlms.acse import Aare, Aarq, Rlre, Rlrq
from hes.dlms.codes import AcseDiagnostic, ApplicationContext, AssociationResult, Conformance, Mechanism
from hes.dlms.initiate import InitiateRequest, InitiateResponse
from hes.dlms.security import EncryptionKeys
from hes.dlms.security.ciphering import Ciphering
from hes.dlms.tests import published

WRAPPER_OCTETS = 8
CONFORMANCE = st.integers(0, 0xFFFFFF)
SIZE = st.integers(0, 0xFFFF)
SECRET = st.binary(min_size=1, max_size=16)


def gurux(authentication, *, ciphered=False):
    client = GXDLMSSecureClient(True, 16, 1, authentication, published.PASSWORD.decode(), InterfaceType.WRAPPER)
    if ciphered:
        cipher = client.ciphering
        cipher.security = Security.AUTHENTICATION_ENCRYPTION
        cipher.systemTitle = published.CLIENT_TITLE
        cipher.blockCipherKey = published.ENCRYPTION_KEY
        cipher.authenticationKey = published.AUTHENTICATION_KEY
        cipher.invocationCounter = 1
    return client


def quietly(function, *arguments):
    with contextlib.redirect_stdout(io.StringIO()):
        return function(*arguments)


@pytest.mark.parametrize(
    ("authentication", "mechanism"),
    [
        (Authentication.NONE, None),
        (Authentication.LOW, Mechanism.LLS),
        (Authentication.HIGH_GMAC, Mechanism.HLS_GMAC),
    ],
)
@pytest.mark.parametrize("ciphered", [False, True])
def test_what_gurux_asks_is_read_and_would_be_asked_alike(authentication, mechanism, ciphered):
    octets = bytes(quietly(gurux(authentication, ciphered=ciphered).aarqRequest)[0])[WRAPPER_OCTETS:]
    aarq = acse.decode(octets)
    assert aarq.encode() == octets
    # it names mechanism 0 when it ciphers, as it may
    assert (aarq.mechanism or None) == mechanism
    assert aarq.authentication == (mechanism is not None or ciphered)
    assert aarq.context is (ApplicationContext.LN_CIPHERED if ciphered else ApplicationContext.LN)
    proposal = aarq.user_information
    if ciphered:
        assert aarq.calling_ap_title == published.CLIENT_TITLE
        keys = EncryptionKeys(published.ENCRYPTION_KEY, published.AUTHENTICATION_KEY)
        opened = Ciphering(
            system_title=published.SERVER_TITLE,
            global_keys=keys,
            send_counter=1,
            peer_system_title=aarq.calling_ap_title,
        ).unprotect(proposal)
        proposal = opened.apdu
    request = initiate.decode(proposal)
    assert Conformance.GET | Conformance.SET | Conformance.ACTION in request.conformance
    assert request.encode() == proposal
    if mechanism is Mechanism.LLS:
        assert aarq.authentication_value == published.PASSWORD


@given(conformance=CONFORMANCE, size=st.integers(64, 0xFFFF), long_form=st.booleans())
def test_gurux_reads_the_answer_that_we_write(conformance, size, long_form):
    client = gurux(Authentication.NONE)
    quietly(client.aarqRequest)
    aare = Aare(
        result=AssociationResult.ACCEPTED,
        diagnostic=AcseDiagnostic.NULL,
        user_information=InitiateResponse(Conformance(conformance), size).encode(),
    ).encode()
    if long_form:
        aare = b"\x61\x81" + aare[1:]
    framed = bytes.fromhex("000100010010") + len(aare).to_bytes(2, "big") + aare
    reply = GXReplyData()
    assert quietly(client.getData, GXByteBuffer(framed), reply)
    quietly(client.parseAareResponse, reply.data)
    assert client.maxReceivePDUSize == size
    mirrored = int(f"{conformance:024b}"[::-1], 2)
    assert int(client.negotiatedConformance) == mirrored


MECHANISMS = st.sampled_from(
    [
        (None, None),
        (enumerations.AuthenticationMechanism.LLS, Mechanism.LLS),
        (enumerations.AuthenticationMechanism.HLS_GMAC, Mechanism.HLS_GMAC),
        (enumerations.AuthenticationMechanism.HLS_SHA256, Mechanism.HLS_SHA256),
    ]
)


@given(conformance=CONFORMANCE, size=SIZE, mechanisms=MECHANISMS, secret=SECRET, ciphered=st.booleans())
def test_requests_to_associate_agree_with_dlms_cosem(conformance, size, mechanisms, secret, ciphered):
    conformance &= 0x00_FEDF  # the bits that it knows
    theirs_mechanism, ours_mechanism = mechanisms
    authenticated = ours_mechanism is not None
    theirs_initiate = xdlms.InitiateRequest(
        TheirConformance.from_bytes(conformance.to_bytes(3, "big")), client_max_receive_pdu_size=size
    )
    proposal = InitiateRequest(Conformance(conformance), size)
    assert proposal.encode() == theirs_initiate.to_bytes()
    assert initiate.decode(theirs_initiate.to_bytes()) == proposal
    ours = Aarq(
        context=ApplicationContext.LN_CIPHERED if ciphered else ApplicationContext.LN,
        calling_ap_title=published.CLIENT_TITLE,
        authentication=authenticated,
        mechanism=ours_mechanism,
        authentication_value=secret if authenticated else b"",
        user_information=proposal.encode(),
    )
    theirs = ApplicationAssociationRequest(
        user_information=UserInformation(theirs_initiate),
        system_title=published.CLIENT_TITLE,
        authentication=theirs_mechanism,
        ciphered=ciphered,
        authentication_value=secret if authenticated else None,
    )
    assert ours.encode() == theirs.to_bytes()
    assert acse.decode(theirs.to_bytes()) == ours
    assert ApplicationAssociationRequest.from_bytes(ours.encode()).to_bytes() == ours.encode()


@given(conformance=CONFORMANCE, size=SIZE)
def test_the_answer_to_a_proposal_agrees_with_dlms_cosem(conformance, size):
    conformance &= 0x00_FEDF
    theirs = xdlms.InitiateResponse(
        TheirConformance.from_bytes(conformance.to_bytes(3, "big")), server_max_receive_pdu_size=size
    )
    ours = InitiateResponse(Conformance(conformance), size)
    assert ours.encode() == theirs.to_bytes()
    assert initiate.decode(theirs.to_bytes()) == ours


@pytest.mark.parametrize(
    "octets",
    [
        published.AARE_ACCEPTED,
        published.AARE_CONTEXT_REFUSED,
        published.AARE_VERSION_TOO_LOW,
        published.AARE_HLS5_PENDING,
    ],
)
def test_answers_are_read_as_dlms_cosem_reads_them(octets):
    theirs, ours = ApplicationAssociationResponse.from_bytes(octets), acse.decode(octets)
    assert (int(theirs.result), int(theirs.result_source_diagnostics)) == (ours.result, ours.diagnostic)
    assert theirs.ciphered is False
    assert (theirs.authentication_value or b"") == ours.authentication_value
    assert bytes(theirs.to_bytes()) == ours.encode()


def test_releases_agree_with_dlms_cosem():
    reason = enumerations.ReleaseRequestReason.NORMAL
    assert Rlrq().encode() == ReleaseRequest(reason=reason).to_bytes()
    answer = enumerations.ReleaseResponseReason.NORMAL
    assert Rlre().encode() == ReleaseResponse(reason=answer).to_bytes()

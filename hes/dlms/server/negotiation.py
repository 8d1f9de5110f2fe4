"""How a server judges an AARQ: who asks, in which context, with what proof, for which services.

Pure decisions, in the order in which a refusal is reported: ACSE version, context, authentication, titles, then the
xDLMS proposal. Codes and their order: docs/protocols/dlms-roles.md §1, with the conformance cases named beside.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from cryptography.hazmat.primitives.constant_time import bytes_eq

from hes.dlms.acse import Aare, Aarq
from hes.dlms.apdu import ConfirmedServiceError
from hes.dlms.codes import (
    AcseDiagnostic,
    ApplicationContext,
    ApplicationReferenceError,
    AssociationResult,
    ConfirmedService,
    Conformance,
    ErrorGroup,
    InitiateError,
    Mechanism,
    ProviderDiagnostic,
    UnknownCode,
    common_conformance,
    conformance_in,
)
from hes.dlms.cosem.access import ClientAccess
from hes.dlms.findings import FindingKind
from hes.dlms.initiate import DLMS_VERSION, PDU_SIZE_MIN, InitiateRequest
from hes.dlms.security import CHALLENGE_OCTETS_MAX, SYSTEM_TITLE_OCTETS
from hes.dlms.security.hls import SECRET, TITLED, challenge_octets_min


@dataclass(frozen=True, slots=True)
class Refused:
    """Why an association is refused; `error` is the xDLMS part of it. too_weak: it came with too little protection."""

    diagnostic: AcseDiagnostic | ProviderDiagnostic
    error: ConfirmedServiceError | None = None
    too_weak: bool = False

    @property
    def kind(self) -> FindingKind:
        """What it is as a finding."""
        if self.too_weak:
            return FindingKind.PROTECTION_TOO_WEAK
        if self.diagnostic == AcseDiagnostic.AUTHENTICATION_FAILURE:
            return FindingKind.AUTHENTICATION_FAILED
        return FindingKind.AARQ_REFUSED

    @property
    def text(self) -> str:
        """For people: the codes that the AARE carries, and never what the client had sent."""
        if self.too_weak:
            return "AARQ is protected less than the policy demands"
        if self.kind is FindingKind.AUTHENTICATION_FAILED:
            return "AARQ with a wrong password, challenge or key"
        error = "" if self.error is None else f", {_words(self.error.code)}"
        return f"AARQ refused: {_words(self.diagnostic)}{error}"

    @property
    def case(self) -> str:
        """The conformance case that tests it, "" where there is none."""
        if self.too_weak:
            return "SYMSEC_0_SecPol"
        error = None if self.error is None else self.error.code
        return _INITIATE_CASES.get(error, "") if isinstance(error, InitiateError) else _CASES.get(self.diagnostic, "")

    def aare(self, aarq: Aarq) -> Aare:
        known = isinstance(aarq.context, ApplicationContext)
        return Aare(
            context=aarq.context if known else ApplicationContext.LN,
            result=AssociationResult.REJECTED_PERMANENT,
            diagnostic=self.diagnostic,
            user_information=b"" if self.error is None else self.error.encode(),
        )


def _words(code: IntEnum | UnknownCode) -> str:
    return f"{code.name.lower().replace('_', ' ')} ({code.value})"


_CASES: Final[dict[AcseDiagnostic | ProviderDiagnostic, str]] = {
    ProviderDiagnostic.NO_COMMON_ACSE_VERSION: "APPL_OPEN_4",
    AcseDiagnostic.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED: "APPL_OPEN_5",
    AcseDiagnostic.CALLING_AP_TITLE_NOT_RECOGNIZED: "APPL_OPEN_6",
    AcseDiagnostic.CALLING_AE_INVOCATION_ID_NOT_RECOGNIZED: "APPL_OPEN_2",
    AcseDiagnostic.AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED: "APPL_OPEN_7",
    AcseDiagnostic.AUTHENTICATION_MECHANISM_NAME_REQUIRED: "APPL_OPEN_7",
    AcseDiagnostic.AUTHENTICATION_FAILURE: "APPL_OPEN_7",
    AcseDiagnostic.AUTHENTICATION_REQUIRED: "APPL_OPEN_7",
}
_INITIATE_CASES: Final = {
    InitiateError.REFUSED_BY_THE_VDE_HANDLER: "APPL_OPEN_9",
    InitiateError.DLMS_VERSION_TOO_LOW: "APPL_OPEN_12",
    InitiateError.INCOMPATIBLE_CONFORMANCE: "APPL_OPEN_13",
    InitiateError.PDU_SIZE_TOO_SHORT: "APPL_OPEN_14",
}


def _initiate_error(error: InitiateError) -> Refused:
    refusal = ConfirmedServiceError(ConfirmedService.INITIATE, ErrorGroup.INITIATE, error)
    return Refused(AcseDiagnostic.NO_REASON_GIVEN, refusal)


CONTEXT_REFUSED: Final = Refused(AcseDiagnostic.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED)
AUTHENTICATION_FAILED: Final = Refused(AcseDiagnostic.AUTHENTICATION_FAILURE)
PROTECTED_TOO_LITTLE: Final = Refused(AcseDiagnostic.AUTHENTICATION_FAILURE, too_weak=True)
NOT_DECIPHERED: Final = Refused(
    AcseDiagnostic.AUTHENTICATION_FAILURE,
    ConfirmedServiceError(
        ConfirmedService.INITIATE, ErrorGroup.APPLICATION_REFERENCE, ApplicationReferenceError.DECIPHERING_ERROR
    ),
)
INITIATE_REFUSED: Final = _initiate_error(InitiateError.REFUSED_BY_THE_VDE_HANDLER)


def judge_acse(aarq: Aarq, client: ClientAccess, secret: bytes, users: Container[int] = ()) -> Refused | None:
    """The ACSE part; None when nothing speaks against it. secret: the client's LLS password
    or HLS secret, b"" when it has none: then nobody gets in with it. users: ids of those who may use the client;
    without any nobody is asked.

    Cases APPL_OPEN_2 (users), APPL_OPEN_4 (version), APPL_OPEN_5 (context), APPL_OPEN_6 (titles), APPL_OPEN_7
    (authentication).
    """
    if client.pre_established is not None:
        return Refused(AcseDiagnostic.NO_REASON_GIVEN)
    if not aarq.version_1:
        return Refused(ProviderDiagnostic.NO_COMMON_ACSE_VERSION)
    if aarq.context not in client.contexts:
        return CONTEXT_REFUSED
    refused = _judge_mechanism(aarq, client)
    if refused is not None:
        return refused
    if client.mechanism is Mechanism.LLS and not (secret and bytes_eq(aarq.authentication_value, secret)):
        return AUTHENTICATION_FAILED
    if client.mechanism.high_level and not _challenge_fits(aarq, client):
        return AUTHENTICATION_FAILED
    if client.mechanism in SECRET and not secret:
        return AUTHENTICATION_FAILED
    if needs_title(aarq, client) and len(client_title(aarq, client)) != SYSTEM_TITLE_OCTETS:
        return Refused(AcseDiagnostic.CALLING_AP_TITLE_NOT_RECOGNIZED)
    if users and aarq.calling_ae_invocation_id not in users:
        return Refused(AcseDiagnostic.CALLING_AE_INVOCATION_ID_NOT_RECOGNIZED)
    return None


def _challenge_fits(aarq: Aarq, client: ClientAccess) -> bool:
    shortest = client.challenge_octets_min or challenge_octets_min(client.mechanism)
    return shortest <= len(aarq.authentication_value) <= CHALLENGE_OCTETS_MAX


def _judge_mechanism(aarq: Aarq, client: ClientAccess) -> Refused | None:
    offered = aarq.mechanism
    if client.mechanism is Mechanism.NONE:
        wrong = offered not in (None, Mechanism.NONE)
        return Refused(AcseDiagnostic.AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED) if wrong else None
    if offered is None:
        asked = aarq.authentication or aarq.authentication_value
        return Refused(
            AcseDiagnostic.AUTHENTICATION_MECHANISM_NAME_REQUIRED if asked else AcseDiagnostic.AUTHENTICATION_REQUIRED
        )
    if offered != client.mechanism:
        return Refused(AcseDiagnostic.AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED)
    return None if aarq.authentication else Refused(AcseDiagnostic.AUTHENTICATION_REQUIRED)


def needs_title(aarq: Aarq, client: ClientAccess) -> bool:
    """True when the client's system title takes part: nonces of ciphering and proofs of HLS are made with it."""
    return is_ciphered(aarq) or client.mechanism in TITLED


def is_ciphered(aarq: Aarq) -> bool:
    """True for a context in which APDUs are ciphered."""
    return aarq.context in _CIPHERED


_CIPHERED: Final = frozenset(context for context in ApplicationContext if context.ciphered)


def offered(context: ApplicationContext, client: ClientAccess) -> Conformance:
    """What the client may have in that context: services that refer by the other kind of name are none of it."""
    return conformance_in(client.conformance, short_names=context.short_names)


def client_title(aarq: Aarq, client: ClientAccess) -> bytes:
    """The title sent, or the one known in advance."""
    return aarq.calling_ap_title or client.client_system_title


def judge_initiate(
    request: InitiateRequest, offer: Conformance, *, encrypted: bool, key_octets: int
) -> Refused | Conformance:
    """The xDLMS part: what is granted, or why nothing is. offer: see `offered`. encrypted: the proposal came encrypted.
    key_octets: of a dedicated key in the security suite of the association.

    Cases APPL_OPEN_9 and SYMSEC_0_DedKey_N1 (dedicated key), APPL_OPEN_12 (version; newer ones are accepted and
    answered with 6), APPL_OPEN_13 (conformance), APPL_OPEN_14 (PDU size).
    """
    if request.dedicated_key and (not encrypted or len(request.dedicated_key) != key_octets):
        return INITIATE_REFUSED
    if request.dlms_version < DLMS_VERSION:
        return _initiate_error(InitiateError.DLMS_VERSION_TOO_LOW)
    granted = common_conformance(request.conformance, offer)
    if not granted:
        return _initiate_error(InitiateError.INCOMPATIBLE_CONFORMANCE)
    if 0 < request.client_max_receive_pdu_size < PDU_SIZE_MIN:
        return _initiate_error(InitiateError.PDU_SIZE_TOO_SHORT)
    return granted

"""Opening and closing an association on the server: AARQ and RLRQ in, AARE and RLRE out.

How an AARQ is judged is `negotiation`; here the judgements are put in order, the proposal is opened, and what was
agreed becomes a `ServerAssociation`. Nothing here keeps the associations: `Server` does.

Source: docs/protocols/dlms-application.md §2, §5; docs/protocols/dlms-roles.md §1, §2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from hes.dlms import acse, initiate
from hes.dlms.acse import Aare, Aarq, Rlre, Rlrq
from hes.dlms.association import Event, State, allows, step
from hes.dlms.codes import (
    AcseDiagnostic,
    ApplicationContext,
    AssociationResult,
    Conformance,
    Mechanism,
    ReleaseReason,
)
from hes.dlms.cosem.access import AssociationStatus, ClientAccess
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.logical_device import LogicalDevice
from hes.dlms.findings import Finding, FindingKind
from hes.dlms.initiate import VAA_NAME_LN, VAA_NAME_SN, InitiateRequest, InitiateResponse
from hes.dlms.security import SUITES, SecurityControl
from hes.dlms.security.asymmetric import AsymmetricKeys
from hes.dlms.security.ciphering import InvocationCounterError, Unprotected, is_protected
from hes.dlms.security.hls import HlsSide
from hes.dlms.server.association import ServerAssociation
from hes.dlms.server.hls import asymmetric_keys, certificate_field, hls_side
from hes.dlms.server.negotiation import (
    AUTHENTICATION_FAILED,
    CONTEXT_REFUSED,
    INITIATE_REFUSED,
    NOT_DECIPHERED,
    PROTECTED_TOO_LITTLE,
    Refused,
    client_title,
    is_ciphered,
    judge_acse,
    judge_initiate,
    needs_title,
    offered,
)
from hes.dlms.server.pipeline import counter_expected, protected, unprotect
from hes.dlms.server.protection import Protection, required_control
from hes.dlms.server.refusals import MALFORMED, NOT_POSSIBLE, malformed
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

CHALLENGE_OCTETS: Final = 16
_RELEASED: Final = Rlre(reason=ReleaseReason.NORMAL).encode()


@dataclass(slots=True)
class Opened(Generic[I]):
    """What an AARQ has led to: the octets that answer it, and the association, None when there is none."""

    answer: bytes
    association: ServerAssociation[I] | None = None


@dataclass(frozen=True, slots=True)
class _Accepted:
    """An AARQ without ciphering and HLS that was accepted, and what it led to: for the client that sends it again.

    Nothing in here may depend on more than AARQ, client and device. The password is judged every time.
    """

    octets: bytes
    aarq: Aarq
    granted: Conformance
    max_send_pdu_size: int
    answer: bytes


class Opening(Generic[I]):
    """The AARQs to one instance of `device`. The last one of each client that was accepted is remembered."""

    def __init__(
        self, device: LogicalDevice[I], instance: I, entropy: Callable[[int], bytes], challenge_octets: int
    ) -> None:
        self.device = device
        self.instance = instance
        self._entropy = entropy
        self._challenge_octets = challenge_octets
        self._security = device.security(instance) if device.security else None
        self._accepted: dict[int, _Accepted] = {}

    def associate(
        self, client: ClientAccess, octets: bytes, status: Mapping[int, AssociationStatus], findings: list[Finding]
    ) -> Opened[I]:
        """Judge an AARQ. status: of every association of the device, which the new one lets its objects see."""
        known = self._accepted.get(client.client_sap)
        if known is not None and known.octets == octets:
            aarq = known.aarq
        else:
            known = None
            try:
                decoded = acse.decode(octets)
            except RemoteProtocolError as error:
                findings.append(Finding(FindingKind.MALFORMED_APDU, malformed("AARQ", error), client.client_sap))
                return Opened(MALFORMED)
            assert isinstance(decoded, Aarq)
            aarq = decoded
        secret = self._security.secret(client.client_sap) if self._security else b""
        users = self._security.users(client.client_sap) if self._security else {}
        refused = judge_acse(aarq, client, secret, users)
        if refused is None:
            if known is not None:
                context = self._context(aarq, client, known.granted, known.max_send_pdu_size, status, findings)
                return Opened(known.answer, ServerAssociation(context, None))
            accepted = self._accept(aarq, client, status, findings)
            if isinstance(accepted, Opened):
                self._remember(octets, aarq, accepted)
                return accepted
            refused = accepted
        findings.append(Finding(refused.kind, refused.text, client.client_sap, refused.case))
        return Opened(refused.aare(aarq).encode())

    def _remember(self, octets: bytes, aarq: Aarq, opened: Opened[I]) -> None:
        association = opened.association
        if association is not None and association.protection is None and association.state is State.ASSOCIATED:
            context = association.context
            self._accepted[context.client.client_sap] = _Accepted(
                octets, aarq, context.conformance, context.max_send_pdu_size, opened.answer
            )

    def _accept(
        self, aarq: Aarq, client: ClientAccess, status: Mapping[int, AssociationStatus], findings: list[Finding]
    ) -> Refused | Opened[I]:
        """The xDLMS part: open it, judge it, and set up the association; or why it is refused."""
        pairs = asymmetric_keys(aarq, client, self._security)
        if isinstance(pairs, Refused):
            return pairs
        protection = self._protection(aarq, client, pairs)
        if isinstance(protection, Refused):
            return protection
        opened: Unprotected | None = None
        user_information = aarq.user_information
        if is_protected(user_information):
            if protection is None or not is_ciphered(aarq):
                return CONTEXT_REFUSED
            try:
                opened = protection.open(user_information)
            except InvocationCounterError as error:
                findings.append(Finding(FindingKind.REPLAYED, error.message, client.client_sap))
                return Opened(counter_expected(error))
            except RemoteProtocolError:
                return NOT_DECIPHERED
            user_information = opened.apdu
        control = opened.control if opened else SecurityControl(0)
        if protection is not None and not control.covers(required_control(protection.policy)):
            return PROTECTED_TOO_LITTLE
        try:
            request = initiate.decode(user_information)
        except RemoteProtocolError:
            return INITIATE_REFUSED
        if not isinstance(request, InitiateRequest):
            return INITIATE_REFUSED
        assert isinstance(aarq.context, ApplicationContext)
        offer = offered(aarq.context, client)
        granted = judge_initiate(request, offer, encrypted=control.encrypted, key_octets=_key_octets(protection))
        if isinstance(granted, Refused):
            return granted
        if request.dedicated_key and protection is not None:
            protection.use_dedicated_key(request.dedicated_key)
        hls = hls_side(aarq, client, self._security, pairs, self._entropy, self._challenge_octets)
        if isinstance(hls, Refused):
            return hls
        certificate = pairs.certificate if client.mechanism is Mechanism.HLS_ECDSA else b""
        return self._opened(aarq, client, request, granted, protection, opened, status, hls, certificate, findings)

    def _protection(self, aarq: Aarq, client: ClientAccess, pairs: AsymmetricKeys) -> Protection | Refused | None:
        """The keys that this association works with; None where none are needed."""
        if client.security_setup is None or self._security is None:
            return AUTHENTICATION_FAILED if is_ciphered(aarq) else None
        title = client_title(aarq, client) if needs_title(aarq, client) else b""
        try:
            return Protection(self._security, client.security_setup, title, pairs)
        except LookupError:
            return AUTHENTICATION_FAILED

    def _opened(
        self,
        aarq: Aarq,
        client: ClientAccess,
        request: InitiateRequest,
        granted: Conformance,
        protection: Protection | None,
        opened: Unprotected | None,
        status: Mapping[int, AssociationStatus],
        hls: HlsSide | None,
        certificate: bytes,
        findings: list[Finding],
    ) -> Opened[I]:
        assert isinstance(aarq.context, ApplicationContext)
        vaa_name = VAA_NAME_SN if aarq.context.short_names else VAA_NAME_LN
        user_information = InitiateResponse(granted, self.device.max_receive_pdu_size, vaa_name).encode()
        if opened is not None and protection is not None:
            user_information = protected(protection, user_information, opened, findings, client.client_sap)
            if user_information == NOT_POSSIBLE:
                return Opened(NOT_POSSIBLE)
        max_send_pdu_size = _smaller(request.client_max_receive_pdu_size, self.device.max_send_pdu_size)
        context = self._context(aarq, client, granted, max_send_pdu_size, status, findings)
        high_level = hls is not None
        association = ServerAssociation(context, protection, hls)
        titled = needs_title(aarq, client) and self._security is not None
        aare = Aare(
            context=aarq.context,
            result=AssociationResult.ACCEPTED,
            diagnostic=AcseDiagnostic.AUTHENTICATION_REQUIRED if high_level else AcseDiagnostic.NULL,
            responding_ap_title=self._security.system_title if titled and self._security else b"",
            authentication=high_level,
            mechanism=client.mechanism if high_level else None,
            authentication_value=b"" if hls is None else hls.challenge,
            user_information=user_information,
            other=certificate_field(certificate),
        )
        return Opened(aare.encode(), association)

    def _context(
        self,
        aarq: Aarq,
        client: ClientAccess,
        granted: Conformance,
        max_send_pdu_size: int,
        status: Mapping[int, AssociationStatus],
        findings: list[Finding],
    ) -> Context[I]:
        assert isinstance(aarq.context, ApplicationContext)
        return Context(
            instance=self.instance,
            device=self.device,
            client=client,
            application_context=aarq.context,
            conformance=granted,
            max_send_pdu_size=max_send_pdu_size,
            client_system_title=client_title(aarq, client),
            status=status,
            user_id=aarq.calling_ae_invocation_id,
            findings=findings,
        )


def release(association: ServerAssociation[I], octets: bytes, findings: list[Finding]) -> bytes:
    """A release that is protected less than the policy demands is refused, and the association stays open.

    Case SYMSEC_REL_N1. The proposal inside a protected RLRQ is only looked at for its protection.
    """
    note = association.context.note
    if not allows(association.state, Event.RELEASE):
        note(FindingKind.SERVICE_BEFORE_HLS, "RLRQ before the association is open")
        return NOT_POSSIBLE
    try:
        rlrq = acse.decode(octets)
    except RemoteProtocolError as error:
        note(FindingKind.MALFORMED_APDU, malformed("RLRQ", error))
        return MALFORMED
    assert isinstance(rlrq, Rlrq)
    protection = association.protection
    opened: Unprotected | None = None
    if protection is not None and is_protected(rlrq.user_information):
        checked = unprotect(association, rlrq.user_information, findings)
        if isinstance(checked, bytes):
            return checked
        opened = checked
    association.state = step(association.state, Event.RELEASE)
    if protection is not None and opened is None and not protection.sufficient(None):
        association.state = step(association.state, Event.RELEASE_REFUSED)
        note(FindingKind.RELEASE_REFUSED, "RLRQ is protected less than the policy demands", "SYMSEC_REL_N1")
        return Rlre(reason=ReleaseReason.NOT_FINISHED).encode()
    association.state = step(association.state, Event.RELEASED)
    user_information = b""
    if opened is not None and protection is not None:
        context = association.context
        vaa_name = VAA_NAME_SN if context.application_context.short_names else VAA_NAME_LN
        granted = InitiateResponse(context.conformance, context.device.max_receive_pdu_size, vaa_name).encode()
        user_information = protected(protection, granted, opened, findings, context.client.client_sap)
        if user_information == NOT_POSSIBLE:
            return NOT_POSSIBLE
    if not user_information:
        return _RELEASED
    return Rlre(reason=ReleaseReason.NORMAL, user_information=user_information).encode()


def _key_octets(protection: Protection | None) -> int:
    """Of a dedicated key in the suite of this association."""
    return SUITES[0 if protection is None else protection.suite].key_octets


def _smaller(one: int, other: int) -> int:
    """The smaller of two limits, of which 0 is none."""
    return min(one, other) if one and other else one or other

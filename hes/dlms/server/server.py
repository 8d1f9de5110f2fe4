"""The server of a logical device: requests in, answers out, for every client SAP at once. No I/O, no clock, no chance.

`Server` lives as long as its associations; a device that nobody talks to needs none. What must survive it (keys,
counters, policy) belongs to the instance and is reached through `SecurityState`; values are asked of the instance by
the objects of the shared `LogicalDevice`.

Every request gets an answer or, where the rules say so, none: a peer cannot make `receive` raise. What it did wrong is
kept in `findings` for whoever wants to log it.

Source: docs/protocols/dlms-application.md §2, §3, §5, §7; docs/protocols/dlms-roles.md §1, §2, §4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeVar

from hes.dlms import acse, apdu, initiate
from hes.dlms.acse import Aare, Aarq, Rlre, Rlrq
from hes.dlms.association import Event, State, allows, step
from hes.dlms.axdr import Octets
from hes.dlms.codes import (
    AcseDiagnostic,
    ApduTag,
    ApplicationContext,
    AssociationResult,
    Conformance,
    ReleaseReason,
    ServiceError,
    StateError,
)
from hes.dlms.cosem.access import AssociationStatus, ClientAccess
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.logical_device import LogicalDevice
from hes.dlms.cosem.security_state import SecurityState
from hes.dlms.findings import Finding, FindingKind
from hes.dlms.initiate import InitiateRequest, InitiateResponse
from hes.dlms.security import AUTHENTICATED_ENCRYPTED, SecurityControl
from hes.dlms.security.ciphering import (
    Ciphering,
    CipheringStyle,
    InvocationCounterError,
    KeyScope,
    Unprotected,
    is_protected,
)
from hes.dlms.server.association import Protection, ServerAssociation, required_control
from hes.dlms.server.negotiation import (
    AUTHENTICATION_FAILED,
    CONTEXT_REFUSED,
    INITIATE_REFUSED,
    Refused,
    client_title,
    judge_acse,
    judge_initiate,
    needs_title,
)
from hes.dlms.server.negotiation import (
    NOT_DECIPHERED as AARQ_NOT_DECIPHERED,
)
from hes.dlms.server.services import MALFORMED, NOT_DECIPHERED, NOT_POSSIBLE, TOO_LONG
from hes.errors import LocalProtocolError, RemoteProtocolError

__all__ = ["Server", "protect_notification"]

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

CHALLENGE_OCTETS: Final = 16
FINDINGS_MAX: Final = 64  # older ones are dropped

_STATUS: Final = {
    State.HLS_PENDING: AssociationStatus.PENDING,
    State.ASSOCIATED: AssociationStatus.ASSOCIATED,
    State.RELEASE_PENDING: AssociationStatus.ASSOCIATED,
}


class Server(Generic[I]):
    """All associations of one instance of `device`.

    findings: what peers did wrong or oddly, oldest first, at most FINDINGS_MAX; take them away with `take_findings`.
    """

    def __init__(
        self,
        device: LogicalDevice[I],
        instance: I,
        *,
        entropy: Callable[[int], bytes],
        challenge_octets: int = CHALLENGE_OCTETS,
    ) -> None:
        """entropy: count -> that many octets fit for a challenge. challenge_octets: 8..64."""
        self.device = device
        self.instance = instance
        self.findings: list[Finding] = []
        self._entropy = entropy
        self._challenge_octets = challenge_octets
        self._security = device.security(instance) if device.security else None
        self._associations: dict[int, ServerAssociation[I]] = {}
        self._status: dict[int, AssociationStatus] = {}

    @property
    def idle(self) -> bool:
        """True when no association is open: the server may be dropped."""
        return not self._associations

    def link_lost(self, client_sap: int | None = None) -> None:
        """The layer below is gone: one client's association ends, or all (None)."""
        for sap in [client_sap] if client_sap is not None else list(self._associations):
            association = self._associations.get(sap)
            if association is not None:
                association.state = step(association.state, Event.LINK_LOST)
                self._forget(sap)

    def take_findings(self) -> list[Finding]:
        """The findings so far; they are forgotten here."""
        taken, self.findings = self.findings, []
        return taken

    def receive(self, client_sap: int, octets: Octets, now_s: float) -> bytes | None:
        """The answer to one APDU from that client; None for silence.

        now_s: world time, seconds since 1970 UTC; it reaches the readers of the objects and is used for nothing else.
        """
        octets = bytes(octets)
        client = self.device.clients.get(client_sap)
        if client is None or not octets:
            return None
        limit = self.device.max_receive_pdu_size
        if limit and len(octets) > limit:
            return TOO_LONG
        answer: bytes | None
        if octets[0] == ApduTag.AARQ:
            answer = self._associate(client, octets)
        else:
            association = self._associations.get(client_sap)
            if association is None:
                return NOT_POSSIBLE
            association.context.now_s = now_s
            answer = self._answer(association, octets)
        if len(self.findings) > FINDINGS_MAX:
            del self.findings[:-FINDINGS_MAX]
        return answer

    # -- services

    def _answer(self, association: ServerAssociation[I], octets: bytes) -> bytes | None:
        if octets[0] == ApduTag.RLRQ:
            return self._release(association, octets)
        context = association.context
        if not is_protected(octets):
            if association.protection is not None and required_control(association.protection.policy):
                return NOT_POSSIBLE
            context.authenticated = context.encrypted = False
            answer = association.serve(octets, None, self.findings)
        else:
            opened = self._open(association, octets)
            if isinstance(opened, bytes):
                return opened
            context.authenticated, context.encrypted = opened.control.authenticated, opened.control.encrypted
            answer = association.serve(opened.apdu, opened, self.findings)
            if answer is not None and answer[0] != ApduTag.EXCEPTION_RESPONSE and association.protection is not None:
                answer = _protected(association.protection, answer, opened)
        if context.after_answer:
            self._after_answer(association)
        self._track(association)
        return answer

    def _open(self, association: ServerAssociation[I], octets: bytes) -> Unprotected | bytes:
        """The request inside a protected one, or the answer that refuses it."""
        try:
            opened = association.open(octets)
        except InvocationCounterError as error:
            self._note(association.context.client, FindingKind.REPLAYED, error.message)
            return _counter_expected(error)
        except RemoteProtocolError as error:
            self._note(association.context.client, FindingKind.DECIPHERING_FAILED, error.message)
            return NOT_DECIPHERED
        if association.protection and not opened.control.covers(required_control(association.protection.policy)):
            return NOT_POSSIBLE
        return opened

    def _after_answer(self, association: ServerAssociation[I]) -> None:
        """What was put off until the answer had been protected: new keys, which all associations then take up."""
        pending = association.context.after_answer
        for work in pending:
            work()
        pending.clear()
        for other in self._associations.values():
            if other.protection is not None:
                other.protection.take_new_keys()

    def _track(self, association: ServerAssociation[I]) -> None:
        sap = association.context.client.client_sap
        if association.state is State.IDLE:
            self._forget(sap)
        else:
            self._status[sap] = _STATUS[association.state]

    def _forget(self, client_sap: int) -> None:
        self._associations.pop(client_sap, None)
        self._status.pop(client_sap, None)

    def _note(self, client: ClientAccess, kind: FindingKind, text: str) -> None:
        self.findings.append(Finding(kind, text, client.client_sap))

    # -- opening

    def _associate(self, client: ClientAccess, octets: bytes) -> bytes:
        """An accepted AARQ replaces the association that this client may have had; a refused one leaves it [A]."""
        try:
            aarq = acse.decode(octets)
        except RemoteProtocolError:
            return MALFORMED
        assert isinstance(aarq, Aarq)
        secret = self._security.secret(client.client_sap) if self._security else b""
        refused = judge_acse(aarq, client, secret)
        if refused is None:
            accepted = self._accept(aarq, client)
            if isinstance(accepted, bytes):
                return accepted
            refused = accepted
        if refused.diagnostic == AcseDiagnostic.AUTHENTICATION_FAILURE:
            self._note(client, FindingKind.AUTHENTICATION_FAILED, "AARQ with a wrong password, challenge or key")
        return refused.aare(aarq).encode()

    def _accept(self, aarq: Aarq, client: ClientAccess) -> Refused | bytes:
        """The xDLMS part: open it, judge it, and set up the association. Gives the answer, or why it is refused."""
        protection = self._protection(aarq, client)
        if isinstance(protection, Refused):
            return protection
        opened: Unprotected | None = None
        user_information = aarq.user_information
        if is_protected(user_information):
            if protection is None or aarq.context != ApplicationContext.LN_CIPHERED:
                return CONTEXT_REFUSED
            try:
                opened = protection.ciphering.unprotect(user_information)
            except InvocationCounterError as error:
                self._note(client, FindingKind.REPLAYED, error.message)
                return _counter_expected(error)
            except RemoteProtocolError:
                return AARQ_NOT_DECIPHERED
            user_information = opened.apdu
        control = opened.control if opened else SecurityControl(0)
        if protection is not None and not control.covers(required_control(protection.policy)):
            return AUTHENTICATION_FAILED
        try:
            request = initiate.decode(user_information)
        except RemoteProtocolError:
            return INITIATE_REFUSED
        if not isinstance(request, InitiateRequest):
            return INITIATE_REFUSED
        granted = judge_initiate(request, client, encrypted=control.encrypted)
        if isinstance(granted, Refused):
            return granted
        if request.dedicated_key and protection is not None:
            protection.use_dedicated_key(request.dedicated_key)
        return self._open_association(aarq, client, request, granted, protection, opened)

    def _protection(self, aarq: Aarq, client: ClientAccess) -> Protection | Refused | None:
        """The keys that this association works with; None where none are needed."""
        if client.security_setup is None or self._security is None:
            return AUTHENTICATION_FAILED if needs_title(aarq, client) else None
        title = client_title(aarq, client) if needs_title(aarq, client) else b""
        try:
            return Protection(self._security, client.security_setup, title)
        except LookupError:
            return AUTHENTICATION_FAILED

    def _open_association(
        self,
        aarq: Aarq,
        client: ClientAccess,
        request: InitiateRequest,
        granted: Conformance,
        protection: Protection | None,
        opened: Unprotected | None,
    ) -> bytes:
        assert isinstance(aarq.context, ApplicationContext)
        user_information = InitiateResponse(granted, self.device.max_receive_pdu_size).encode()
        if opened is not None and protection is not None:
            user_information = _protected(protection, user_information, opened)
            if user_information == NOT_POSSIBLE:
                return NOT_POSSIBLE
        self.link_lost(client.client_sap)
        context = Context(
            instance=self.instance,
            device=self.device,
            client=client,
            application_context=aarq.context,
            conformance=granted,
            max_send_pdu_size=_smaller(request.client_max_receive_pdu_size, self.device.max_send_pdu_size),
            client_system_title=client_title(aarq, client),
            status=self._status,
        )
        high_level = client.mechanism.high_level
        challenge = self._challenge(aarq.authentication_value) if high_level else b""
        association = ServerAssociation(
            context,
            protection,
            client_challenge=aarq.authentication_value if high_level else b"",
            server_challenge=challenge,
        )
        self._associations[client.client_sap] = association
        self._track(association)
        titled = needs_title(aarq, client) and self._security is not None
        return Aare(
            context=aarq.context,
            result=AssociationResult.ACCEPTED,
            diagnostic=AcseDiagnostic.AUTHENTICATION_REQUIRED if high_level else AcseDiagnostic.NULL,
            responding_ap_title=self._security.system_title if titled and self._security else b"",
            authentication=high_level,
            mechanism=client.mechanism if high_level else None,
            authentication_value=challenge,
            user_information=user_information,
        ).encode()

    def _challenge(self, client_challenge: bytes) -> bytes:
        """Fresh, and never the client's own sent back."""
        challenge = self._entropy(self._challenge_octets)
        if challenge == client_challenge:
            raise LocalProtocolError("the entropy source gave the client's own challenge")
        return challenge

    # -- closing

    def _release(self, association: ServerAssociation[I], octets: bytes) -> bytes:
        """A release that is protected less than the policy demands is refused, and the association stays open.

        Case SYMSEC_REL_N1. The proposal inside a protected RLRQ is only looked at for its protection.
        """
        if not allows(association.state, Event.RELEASE):
            return NOT_POSSIBLE
        try:
            rlrq = acse.decode(octets)
        except RemoteProtocolError:
            return MALFORMED
        assert isinstance(rlrq, Rlrq)
        protection = association.protection
        opened: Unprotected | None = None
        if protection is not None and is_protected(rlrq.user_information):
            checked = self._open(association, rlrq.user_information)
            if isinstance(checked, bytes):
                return checked
            opened = checked
        association.state = step(association.state, Event.RELEASE)
        if protection is not None and opened is None and required_control(protection.policy):
            association.state = step(association.state, Event.RELEASE_REFUSED)
            return Rlre(reason=ReleaseReason.NOT_FINISHED).encode()
        association.state = step(association.state, Event.RELEASED)
        self._track(association)
        user_information = b""
        if opened is not None and protection is not None:
            context = association.context
            granted = InitiateResponse(context.conformance, self.device.max_receive_pdu_size).encode()
            user_information = _protected(protection, granted, opened)
            if user_information == NOT_POSSIBLE:
                return NOT_POSSIBLE
        return Rlre(reason=ReleaseReason.NORMAL, user_information=user_information).encode()


def _smaller(one: int, other: int) -> int:
    """The smaller of two limits, of which 0 is none."""
    return min(one, other) if one and other else one or other


def _protected(protection: Protection, answer: bytes, request: Unprotected) -> bytes:
    """The answer in kind; NOT_POSSIBLE once the counter of the key has run out."""
    try:
        return protection.protect_like(answer, request)
    except LocalProtocolError:
        return NOT_POSSIBLE


def _counter_expected(error: InvocationCounterError) -> bytes:
    return apdu.ExceptionResponse(
        StateError.SERVICE_NOT_ALLOWED, ServiceError.INVOCATION_COUNTER_ERROR, error.expected
    ).encode()


def protect_notification(
    state: SecurityState,
    setup: int,
    notification: apdu.DataNotification | apdu.EventNotification,
    *,
    control: SecurityControl = AUTHENTICATED_ENCRYPTED,
) -> bytes:
    """A push under the device's global key, as general-glo: it needs no association.

    Raises LocalProtocolError when the setup has no keys or its counter has run out.
    """
    keys = state.keys(setup)
    if keys is None:
        raise LocalProtocolError(f"security setup {setup} has no keys")
    ciphering = Ciphering(
        system_title=state.system_title, global_keys=keys, send_counter=lambda: state.take_send_counter(setup)
    )
    return ciphering.protect(
        notification.encode(), key=KeyScope.GLOBAL, style=CipheringStyle.GENERAL_GLO, control=control
    )

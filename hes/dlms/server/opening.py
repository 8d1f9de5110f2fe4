"""Opening and closing an association on the server: AARQ and RLRQ in, AARE and RLRE out.

How an AARQ is judged is `negotiation`; here the judgements are put in order, the proposal is opened, and what was
agreed becomes a `ServerAssociation`. Nothing here keeps the associations: `Server` does.

Source: docs/protocols/dlms-application.md §2, §5; docs/protocols/dlms-roles.md §1, §2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Generic, NamedTuple, TypeVar

from hes.dlms import acse, initiate
from hes.dlms.acse import Aare, Aarq, Rlre, Rlrq
from hes.dlms.acse_form import Form, encode_release_answer, fixed, form_of, release_information
from hes.dlms.association import Event, allows, step
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
_WITHOUT_KEY: Final = b"\x01\x00"  # a proposal that brings no dedicated key
_RELEASED: Final = Rlre(reason=ReleaseReason.NORMAL).encode()


@dataclass(slots=True)
class Opened(Generic[I]):
    """What an AARQ has led to: the octets that answer it, and the association, None when there is none."""

    answer: bytes
    association: ServerAssociation[I] | None = None


class _Agreed(NamedTuple):
    """max_send_pdu_size: octets of the longest APDU that the client takes."""

    granted: Conformance
    max_send_pdu_size: int


class _Accepted(NamedTuple):
    """An AARQ that was accepted, and what it led to: for the client that sends it again.

    request: its form, in which nothing may differ or, where it was ciphered with HLS-GMAC, the challenge and the
    ciphered proposal. proposal: that in the clear, b"" where nothing differs. answer: the form of the AARE.
    Nothing in here may depend on more than AARQ, client and device: the password, the users, keys, counters and proofs
    are judged every time.
    """

    request: Form
    aarq: Aarq
    proposal: bytes
    agreed: _Agreed
    answer: Form

    def __repr__(self) -> str:
        return f"_Accepted({self.request}, {self.answer})"


class _Asked(NamedTuple):
    """An AARQ at work. challenge: its authentication value. known: what the same one led to before; then `aarq` is of
    that time, and its challenge and user information are not those that came now. status: of every association."""

    client: ClientAccess
    octets: bytes
    aarq: Aarq
    challenge: bytes
    user_information: bytes
    known: _Accepted | None
    status: Mapping[int, AssociationStatus]
    findings: list[Finding]

    def __repr__(self) -> str:
        return f"_Asked(client {self.client.client_sap})"


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
        self._came: set[int] = set()

    def associate(
        self, client: ClientAccess, octets: bytes, status: Mapping[int, AssociationStatus], findings: list[Finding]
    ) -> Opened[I]:
        """Judge an AARQ. status: of every association of the device, which the new one lets its objects see."""
        known = self._accepted.get(client.client_sap)
        brought = None if known is None else known.request.read(octets)
        if known is not None and brought is not None:
            asked = _Asked(client, octets, known.aarq, *brought, known, status, findings)
        else:
            try:
                aarq = acse.decode(octets)
            except RemoteProtocolError as error:
                findings.append(Finding(FindingKind.MALFORMED_APDU, malformed("AARQ", error), client.client_sap))
                return Opened(MALFORMED)
            assert isinstance(aarq, Aarq)
            value, user_information = aarq.authentication_value, aarq.user_information
            asked = _Asked(client, octets, aarq, value, user_information, None, status, findings)
        secret = self._security.secret(client.client_sap) if self._security else b""
        users = self._security.users(client.client_sap) if self._security else {}
        refused = judge_acse(asked.aarq, client, secret, users)
        if refused is None:
            if asked.known is not None and not asked.known.request.information_octets:  # nothing in it differs
                context = self._context(asked, asked.known.agreed)
                return Opened(asked.known.answer.head, ServerAssociation(context, None))
            accepted = self._accept(asked)
            if isinstance(accepted, Opened):
                return accepted
            refused = accepted
        findings.append(Finding(refused.kind, refused.text, client.client_sap, refused.case))
        return Opened(refused.aare(asked.aarq).encode())

    def _accept(self, asked: _Asked) -> Refused | Opened[I]:
        """The xDLMS part: open it, judge it, and set up the association; or why it is refused."""
        aarq, client, findings = asked.aarq, asked.client, asked.findings
        pairs = asymmetric_keys(aarq, client, self._security)
        if isinstance(pairs, Refused):
            return pairs
        protection = self._protection(aarq, client, pairs)
        if isinstance(protection, Refused):
            return protection
        opened: Unprotected | None = None
        proposal = asked.user_information
        if is_protected(proposal):
            if protection is None or not is_ciphered(aarq):
                return CONTEXT_REFUSED
            try:
                opened = protection.open(proposal)
            except InvocationCounterError as error:
                findings.append(Finding(FindingKind.REPLAYED, error.message, client.client_sap))
                return Opened(counter_expected(error))
            except RemoteProtocolError:
                return NOT_DECIPHERED
            proposal = opened.apdu
        control = opened.control if opened else SecurityControl(0)
        if protection is not None and not control.covers(required_control(protection.policy)):
            return PROTECTED_TOO_LITTLE
        if asked.known is not None and asked.known.proposal == proposal:
            agreed: _Agreed | Refused = asked.known.agreed
        else:
            agreed = self._agree(asked, proposal, protection, encrypted=control.encrypted)
        if isinstance(agreed, Refused):
            return agreed
        hls = hls_side(
            aarq, asked.challenge, client, self._security, pairs, entropy=self._entropy, octets=self._challenge_octets
        )
        if isinstance(hls, Refused):
            return hls
        certificate = pairs.certificate if client.mechanism is Mechanism.HLS_ECDSA else b""
        return self._opened(asked, agreed, protection, opened, hls, certificate)

    def _protection(self, aarq: Aarq, client: ClientAccess, pairs: AsymmetricKeys) -> Protection | Refused | None:
        """The keys that this association works with; None where none are needed."""
        if client.security_setup is None or self._security is None:
            return AUTHENTICATION_FAILED if is_ciphered(aarq) else None
        title = client_title(aarq, client) if needs_title(aarq, client) else b""
        try:
            return Protection(self._security, client.security_setup, title, pairs, self._entropy)
        except LookupError:
            return AUTHENTICATION_FAILED

    def _agree(
        self, asked: _Asked, proposal: bytes, protection: Protection | None, *, encrypted: bool
    ) -> Refused | _Agreed:
        """What the proposal leads to. encrypted: it came so."""
        try:
            request = initiate.decode(proposal)
        except RemoteProtocolError:
            return INITIATE_REFUSED
        if not isinstance(request, InitiateRequest):
            return INITIATE_REFUSED
        assert isinstance(asked.aarq.context, ApplicationContext)
        offer = offered(asked.aarq.context, asked.client)
        granted = judge_initiate(request, offer, encrypted=encrypted, key_octets=_key_octets(protection))
        if isinstance(granted, Refused):
            return granted
        if request.dedicated_key and protection is not None:
            protection.use_dedicated_key(request.dedicated_key)
        return _Agreed(granted, _smaller(request.client_max_receive_pdu_size, self.device.max_send_pdu_size))

    def _opened(
        self,
        asked: _Asked,
        agreed: _Agreed,
        protection: Protection | None,
        opened: Unprotected | None,
        hls: HlsSide | None,
        certificate: bytes,
    ) -> Opened[I]:
        aarq, client = asked.aarq, asked.client
        assert isinstance(aarq.context, ApplicationContext)
        user_information = _grant(agreed.granted, self.device.max_receive_pdu_size, aarq.context)
        if opened is not None and protection is not None:
            user_information = protected(protection, user_information, opened, asked.findings, client.client_sap)
            if user_information == NOT_POSSIBLE:
                return Opened(NOT_POSSIBLE)
        association = ServerAssociation(self._context(asked, agreed), protection, hls)
        challenge = b"" if hls is None else hls.challenge
        known = None if asked.known is None else asked.known.answer.write(challenge, user_information)
        if known is not None:
            return Opened(known, association)
        titled = needs_title(aarq, client) and self._security is not None
        aare = Aare(
            context=aarq.context,
            result=AssociationResult.ACCEPTED,
            diagnostic=AcseDiagnostic.NULL if hls is None else AcseDiagnostic.AUTHENTICATION_REQUIRED,
            responding_ap_title=self._security.system_title if titled and self._security else b"",
            authentication=hls is not None,
            mechanism=None if hls is None else client.mechanism,
            authentication_value=challenge,
            user_information=user_information,
            other=certificate_field(certificate),
        )
        answer = aare.encode()
        if protection is None and hls is None:
            self._accepted[client.client_sap] = _Accepted(fixed(asked.octets), aarq, b"", agreed, fixed(answer))
        elif opened is not None and client.mechanism is Mechanism.HLS_GMAC:
            self._remember_ciphered(asked, opened.apdu, agreed, aare, answer)
        return Opened(answer, association)

    def _remember_ciphered(self, asked: _Asked, proposal: bytes, agreed: _Agreed, aare: Aare, answer: bytes) -> None:
        """When the client comes for the second time: many a meter is dropped between two associations."""
        client_sap = asked.client.client_sap
        if client_sap not in self._came:
            self._came.add(client_sap)
            return
        request, form = form_of(asked.aarq, asked.octets), form_of(aare, answer)
        if request is not None and form is not None and proposal.startswith(_WITHOUT_KEY):
            self._accepted[client_sap] = _Accepted(request, asked.aarq, proposal, agreed, form)

    def _context(self, asked: _Asked, agreed: _Agreed) -> Context[I]:
        aarq, client = asked.aarq, asked.client
        assert isinstance(aarq.context, ApplicationContext)
        return Context(
            instance=self.instance,
            device=self.device,
            client=client,
            application_context=aarq.context,
            conformance=agreed.granted,
            max_send_pdu_size=agreed.max_send_pdu_size,
            client_system_title=client_title(aarq, client),
            status=asked.status,
            user_id=aarq.calling_ae_invocation_id,
            findings=asked.findings,
        )


def release(association: ServerAssociation[I], octets: bytes, findings: list[Finding]) -> bytes:
    """A release that is protected less than the policy demands is refused, and the association stays open.

    Case SYMSEC_REL_N1. The proposal inside a protected RLRQ is only looked at for its protection.
    """
    note = association.context.note
    if not allows(association.state, Event.RELEASE):
        note(FindingKind.SERVICE_BEFORE_HLS, "RLRQ before the association is open")
        return NOT_POSSIBLE
    brought = release_information(octets)
    if brought is None:
        try:
            rlrq = acse.decode(octets)
        except RemoteProtocolError as error:
            note(FindingKind.MALFORMED_APDU, malformed("RLRQ", error))
            return MALFORMED
        assert isinstance(rlrq, Rlrq)
        brought = rlrq.user_information
    protection = association.protection
    opened: Unprotected | None = None
    if protection is not None and is_protected(brought):
        checked = unprotect(association, brought, findings)
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
        granted = _grant(context.conformance, context.device.max_receive_pdu_size, context.application_context)
        user_information = protected(protection, granted, opened, findings, context.client.client_sap)
        if user_information == NOT_POSSIBLE:
            return NOT_POSSIBLE
    return encode_release_answer(user_information) if user_information else _RELEASED


@lru_cache(maxsize=64)
def _grant(granted: Conformance, max_receive_pdu_size: int, context: ApplicationContext) -> bytes:
    """The xDLMS part of an AARE or RLRE in the clear; a device gives few different ones."""
    vaa_name = VAA_NAME_SN if context.short_names else VAA_NAME_LN
    return InitiateResponse(granted, max_receive_pdu_size, vaa_name).encode()


def _key_octets(protection: Protection | None) -> int:
    """Of a dedicated key in the suite of this association."""
    return SUITES[0 if protection is None else protection.suite].key_octets


def _smaller(one: int, other: int) -> int:
    """The smaller of two limits, of which 0 is none."""
    return min(one, other) if one and other else one or other

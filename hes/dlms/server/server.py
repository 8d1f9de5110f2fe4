"""The server of a logical device: requests in, answers out, for every client SAP at once. No I/O, no clock, no chance.

    octets -> whose? how long? -> AARQ, RLRQ: `opening`; all else: `pipeline` (unprotect, serve, protect) -> octets
                        `blocks` puts together what comes in general blocks, and cuts what is too long

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

from hes.dlms import apdu
from hes.dlms.association import Event, State, allows, step
from hes.dlms.axdr import Octets
from hes.dlms.codes import ApduTag
from hes.dlms.cosem.access import AssociationStatus, ClientAccess
from hes.dlms.cosem.logical_device import LogicalDevice
from hes.dlms.cosem.security_state import SecurityState
from hes.dlms.findings import Finding, FindingKind
from hes.dlms.security import AUTHENTICATED_ENCRYPTED, SecurityControl
from hes.dlms.security.ciphering import CipheringStyle, KeyScope
from hes.dlms.server import blocks, pipeline
from hes.dlms.server.association import ServerAssociation
from hes.dlms.server.opening import CHALLENGE_OCTETS, Opening, release
from hes.dlms.server.pre_established import pre_established
from hes.dlms.server.protection import Protection
from hes.dlms.server.refusals import NOT_POSSIBLE, TOO_LONG
from hes.dlms.server.reports import information_report
from hes.errors import LocalProtocolError

__all__ = ["Server", "protect_notification"]

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

_CIPHERED_GET: Final = 0xC8
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
        self._opening = Opening(device, instance, entropy, challenge_octets)
        self._associations: dict[int, ServerAssociation[I]] = {}
        self._status: dict[int, AssociationStatus] = {}
        self._further: list[bytes] = []

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
        taken = self.findings.copy()
        self.findings.clear()  # the same list all the while: every association notes in it
        return taken

    def _note(self, kind: FindingKind, text: str, client_sap: int) -> None:
        self.findings.append(Finding(kind, text, client_sap))
        self._bound()

    def _bound(self) -> None:
        if len(self.findings) > FINDINGS_MAX:
            del self.findings[:-FINDINGS_MAX]

    def take_confirmations(self) -> list[int]:
        """Long invoke octets of the pushes that clients have confirmed within their associations."""
        taken: list[int] = []
        for association in self._associations.values():
            taken += association.context.confirmations
            association.context.confirmations.clear()
        return taken

    def receive(self, client_sap: int, octets: Octets, now_s: float, *, at_once: int = 1) -> bytes | None:
        """The answer to one APDU from that client; None for silence.

        now_s: world time, seconds since 1970 UTC; it reaches the readers of the objects and is used for nothing else.
        at_once: APDUs that the caller can carry back for one; what follows the first is there to `take_further`.
        """
        octets = bytes(octets)
        client = self.device.clients.get(client_sap)
        if client is None:
            self._note(FindingKind.UNKNOWN_CLIENT, f"client {client_sap} is not declared", client_sap)
            return None
        if not octets:
            self._note(FindingKind.MALFORMED_APDU, "an APDU without an octet", client_sap)
            return None
        limit = self.device.max_receive_pdu_size
        if limit and len(octets) > limit:
            text = f"a request of {len(octets)} octets, {limit} are taken"
            self._note(FindingKind.REQUEST_TOO_LONG, text, client_sap)
            return TOO_LONG
        answer: bytes | None
        if octets[0] == ApduTag.AARQ:
            answer = self._associate(client_sap, octets)
        else:
            association = self._associations.get(client_sap) or self._pre_established(client)
            if association is None:
                text = f"APDU {octets[0]:02X} without an association"
                self._note(FindingKind.NO_ASSOCIATION, text, client_sap)
                return NOT_POSSIBLE
            association.context.now_s = now_s
            before = association.state
            if association.plain and octets[0] == ApduTag.GET_REQUEST and before is State.ASSOCIATED:
                answer = association.services.serve(octets)  # the short way of `_within` for what a meter hears most
            elif octets[0] == _CIPHERED_GET and not association.cuts:
                answer = pipeline.answer(association, octets, self.findings)  # the same, where no general blocks are
            else:
                answer = self._within(association, octets, now_s, at_once)
            if association.context.after_answer:
                self._after_answer(association)
            if association.state is not before:
                self._track(association)
            elif client.pre_established is not None and not association.in_transfer:
                self._forget(client_sap)
        if len(self.findings) > FINDINGS_MAX:
            del self.findings[:-FINDINGS_MAX]
        return answer

    def _within(self, association: ServerAssociation[I], octets: bytes, now_s: float, at_once: int) -> bytes | None:
        """The answer of an open association. Whatever is no general block ends the transfer that may be under way."""
        if octets[0] == ApduTag.GENERAL_BLOCK_TRANSFER:
            return self._first(blocks.receive(association, octets, self.findings, at_once=at_once, now_s=now_s))
        if association.blocks is not None:
            association.blocks.end()
        if octets[0] == ApduTag.RLRQ:
            if association.context.client.pre_established is not None:
                association.context.note(FindingKind.RELEASE_REFUSED, "RLRQ in an association that nothing ends")
                return NOT_POSSIBLE
            return release(association, octets, self.findings)
        answer = pipeline.answer(association, octets, self.findings)
        if association.cuts and answer is not None and len(answer) > association.octets_max:
            return self._first(blocks.send(association, answer, at_once=at_once, now_s=now_s))
        return answer

    def take_further(self) -> list[bytes]:
        """What goes out behind the last answer, in order; empty unless `receive` was called with more than one
        `at_once`."""
        taken, self._further = self._further, []
        return taken

    def _first(self, answers: tuple[bytes, ...]) -> bytes | None:
        self._further = list(answers[1:])
        return answers[0] if answers else None

    def _pre_established(self, client: ClientAccess) -> ServerAssociation[I] | None:
        """The association that is there without AARQ, for as long as one request or transfer takes."""
        if client.pre_established is None:
            return None
        association = pre_established(self.device, self.instance, client, self._status, self.findings)
        if association is not None:
            self._associations[client.client_sap] = association
            self._track(association)
        return association

    def report(self, client_sap: int, report: apdu.InformationReport) -> bytes:
        """What to send for a report to that client, in its association with short names.

        Raises LocalProtocolError without such an association, where reports were not negotiated, and for one that is
        longer than the client takes.
        """
        association = self._associations.get(client_sap)
        if association is None or not allows(association.state, Event.SERVICE):
            raise LocalProtocolError(f"client {client_sap} has no association that is open")
        return information_report(association, report)

    def _associate(self, client_sap: int, octets: bytes) -> bytes:
        """An accepted AARQ replaces the association that this client may have had; a refused one leaves it [A]."""
        opened = self._opening.associate(self.device.clients[client_sap], octets, self._status, self.findings)
        if opened.association is not None:
            self.link_lost(client_sap)
            self._associations[client_sap] = opened.association
            self._track(opened.association)
        return opened.answer

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
            title, protection = association.context.client_system_title, association.protection
            if title and protection is not None and association.state is State.ASSOCIATED:
                protection.state.note_client(protection.setup, title)

    def _forget(self, client_sap: int) -> None:
        self._associations.pop(client_sap, None)
        self._status.pop(client_sap, None)


def protect_notification(
    state: SecurityState,
    setup: int,
    notification: apdu.DataNotification | apdu.EventNotification | apdu.InformationReport,
    *,
    control: SecurityControl = AUTHENTICATED_ENCRYPTED,
    style: CipheringStyle = CipheringStyle.GENERAL_GLO,
    key: KeyScope = KeyScope.GLOBAL,
    recipient: bytes = b"",
    signed: bool = False,
) -> bytes:
    """A push under the device's global key, as general-glo: it needs no association.

    style: GENERAL_CIPHERING names its key by `key`. recipient: system title, needed for that style and for signatures;
    its public keys are those of the device's key store. The suite of the setup is added to `control`.
    Raises LocalProtocolError when the setup has no keys, something is missing, or its counter has run out.
    """
    store = state.key_store(setup)
    try:
        pairs = None if store is None else store.asymmetric_keys(recipient)
        ciphering = Protection(state, setup, recipient, pairs).ciphering
    except LookupError as error:
        raise LocalProtocolError(str(error)) from None
    return ciphering.protect(
        notification.encode(),
        key=key,
        style=style,
        control=SecurityControl(control | state.suite(setup)),
        signed=signed,
    )

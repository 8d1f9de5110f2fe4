"""One association on the server's side: its state, its protection, and the services inside it.

Source: docs/protocols/dlms-application.md §2 (HLS), §5; docs/protocols/dlms-roles.md §1, §4.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import lru_cache
from typing import Final, Generic, Protocol, TypeVar

from hes.dlms import axdr
from hes.dlms.association import Event, State, allows, step
from hes.dlms.block_transfer import BLOCK_TRANSFER_OCTETS_MAX, PDU_OCTETS_MAX, plain_limit
from hes.dlms.codes import Conformance
from hes.dlms.cosem.context import Context
from hes.dlms.data import Tag
from hes.dlms.findings import Finding, FindingKind
from hes.dlms.general_blocks import GeneralBlocks
from hes.dlms.security import SUITES, SecurityError
from hes.dlms.security.ciphering import CipheringStyle, KeyScope, Unprotected
from hes.dlms.security.forms import protection_octets
from hes.dlms.security.hls import HlsSide
from hes.dlms.server.hls_exchange import read_pass_3
from hes.dlms.server.protection import IN_KIND, Protection
from hes.dlms.server.refusals import NOT_POSSIBLE
from hes.dlms.server.services import Services
from hes.dlms.server.short_name_services import ShortNameServices
from hes.errors import LocalProtocolError, RemoteProtocolError

__all__ = ["ServerAssociation", "ServiceSet"]

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

_OCTET_STRING: Final = bytes((Tag.OCTET_STRING,))
# states of a new association
_ACCEPTED: Final = step(step(State.IDLE, Event.ASSOCIATE), Event.ACCEPTED)
_HLS_REQUIRED: Final = step(step(State.IDLE, Event.ASSOCIATE), Event.HLS_REQUIRED)
_GENERAL_BLOCK_TRANSFER: Final = int(Conformance.GENERAL_BLOCK_TRANSFER)


class ServiceSet(Protocol):
    """The services of one application context. `limit`: octets that a plain answer may have."""

    limit: int

    @property
    @abstractmethod
    def in_transfer(self) -> bool:
        """True while blocks may be on their way in either direction."""
        ...

    @abstractmethod
    def serve(self, octets: bytes) -> bytes | None:
        """The plain answer to a plain request; None for silence. Never raises for what a peer sends."""
        ...


@lru_cache(maxsize=64)
def _limits(octets_max: int) -> tuple[int, int, int]:
    """Octets of a plain answer to a request that was unprotected, service-specific, general."""
    return (
        plain_limit(octets_max, ciphered=False),
        plain_limit(octets_max, ciphered=True),
        plain_limit(octets_max, ciphered=True, style=CipheringStyle.GENERAL_GLO),
    )


class ServerAssociation(Generic[I]):
    """One client's association. `protection`: None where nothing is ever ciphered.

    octets_max: of the longest APDU that the client takes. cuts: whether general block transfer was negotiated.
    blocks: the one under way, None until the first. plain: opened by an AARQ without keys, HLS and general blocks.
    """

    __slots__ = (
        "_hls",
        "_limits",
        "_lowest",
        "blocks",
        "context",
        "cuts",
        "octets_max",
        "plain",
        "protection",
        "services",
        "state",
    )

    def __init__(self, context: Context[I], protection: Protection | None, hls: HlsSide | None = None) -> None:
        """hls: the device's part in passes 3 and 4, which then stand before everything else."""
        self.context, self.protection, self._hls = context, protection, hls
        context.protects = protection is not None and context.application_context.ciphered
        self._lowest = 0
        self.cuts = bool(int(context.conformance) & _GENERAL_BLOCK_TRANSFER)
        self.blocks: GeneralBlocks | None = None
        self.octets_max = octets_max = context.max_send_pdu_size or PDU_OCTETS_MAX
        if self.cuts and context.device.prefers_general_blocks:
            octets_max = BLOCK_TRANSFER_OCTETS_MAX
        self._limits = _limits(octets_max)
        short_names = context.application_context.short_names
        self.services: ServiceSet = ShortNameServices(context) if short_names else Services(context)
        self.services.limit = self._limits[0]
        self.plain = protection is None and hls is None and not self.cuts and context.client.pre_established is None
        self.state = _ACCEPTED if hls is None else _HLS_REQUIRED

    @property
    def in_transfer(self) -> bool:
        """True while blocks may be on their way in either direction."""
        return self.services.in_transfer or (self.blocks is not None and self.blocks.active)

    def open(self, octets: bytes) -> Unprotected:
        """Remove the protection of a request. Raises RemoteProtocolError, SecurityError among them."""
        if self.protection is None:
            raise SecurityError("a ciphered APDU in an association without keys")
        if self.state is State.HLS_PENDING:
            self._lowest = self.protection.lowest_counter
        return self.protection.open(octets)

    def serve(self, plain: bytes, opened: Unprotected | None, findings: list[Finding]) -> bytes | None:
        """The plain answer to a plain request. opened: how the request was protected."""
        if self.state is State.HLS_PENDING:
            return self._pass_3(plain, opened, findings)
        if self.state is not State.ASSOCIATED and not allows(self.state, Event.SERVICE):
            self.context.note(
                FindingKind.NO_ASSOCIATION, f"APDU {plain[0]:02X} while the association is {self.state.value}"
            )
            return NOT_POSSIBLE
        if opened is None:
            self.services.limit = self._limits[self.context.protects]  # access rights may want the answer protected
        else:
            usual = opened.style is CipheringStyle.SERVICE_SPECIFIC and not opened.signed
            self.services.limit = self._limits[1] if usual else self._limit(opened)
        return self.services.serve(plain)

    def _limit(self, opened: Unprotected) -> int:
        """Octets that a plain answer to this request may have."""
        if not opened.signed and opened.style in IN_KIND:
            return self._limits[1 if opened.style is CipheringStyle.SERVICE_SPECIFIC else 2]
        assert self.protection is not None
        curve = SUITES[self.protection.suite].curve
        overhead = protection_octets(
            opened.style,
            scope=opened.scope,
            curve_octets=0 if curve is None else curve.coordinate_octets,
            signed=opened.signed,
        )
        return max(self._limits[0] - overhead, 0)

    def _pass_3(self, plain: bytes, opened: Unprotected | None, findings: list[Finding]) -> bytes:
        """Pass 3, and pass 4 as its answer. Nothing else may pass before. A wrong proof ends the association."""
        brought = read_pass_3(plain, short_names=self.context.application_context.short_names)
        if brought is None or self._hls is None:
            self.context.note(FindingKind.SERVICE_BEFORE_HLS, f"APDU {plain[0]:02X} before HLS has passed")
            return NOT_POSSIBLE
        try:
            proof, _end = axdr.decode_value(brought.proof)
            if not isinstance(proof, bytes):
                raise RemoteProtocolError("the proof is not an octet-string")
            counter = self._hls.check(proof)
        except (RemoteProtocolError, LocalProtocolError) as error:
            self.state = step(self.state, Event.HLS_FAILED)
            findings.append(self._finding(FindingKind.AUTHENTICATION_FAILED, f"HLS pass 3: {error.message}"))
            return brought.denied
        if counter is not None and self._was_used(counter, opened):
            text = f"the proof in pass 3 carries counter {counter}, which was used for another APDU"
            findings.append(self._finding(FindingKind.HLS_COUNTER_REUSED, text))
        try:
            proof = self._hls.proof()
            answer = _OCTET_STRING + axdr.encode_length(len(proof)) + proof
        except LocalProtocolError as error:  # the counter of the key has run out
            findings.append(self._finding(FindingKind.COUNTER_USED_UP, error.message))
            return NOT_POSSIBLE
        self.state = step(self.state, Event.HLS_PASSED)
        return brought.passed(answer)

    def _was_used(self, counter: int, opened: Unprotected | None) -> bool:
        """True when the counter in a proof is that of the APDU around it, or below all that were open before it."""
        if opened is None or opened.scope is not KeyScope.GLOBAL:
            return self.protection is not None and counter < self.protection.lowest_counter
        return counter == opened.invocation_counter or counter < self._lowest

    def _finding(self, kind: FindingKind, text: str) -> Finding:
        return Finding(kind, text, self.context.client.client_sap)

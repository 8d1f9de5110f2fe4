"""What an object may know about the request it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from hes.dlms.codes import ApplicationContext, Conformance
from hes.dlms.cosem.access import AssociationStatus, ClientAccess
from hes.dlms.findings import Finding, FindingKind

if TYPE_CHECKING:
    from hes.dlms.cosem.logical_device import LogicalDevice

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

NO_CONFORMANCE: Final = Conformance(0)
REQUEST_BITS: Final = 0x1C  # of a security policy or an access mode: authenticated, encrypted, signed
RESPONSE_BITS: Final = 0xE0


@dataclass(slots=True, kw_only=True, eq=False)
class Context(Generic[I]):
    """One association as the objects of its device see it. The server keeps it up to date; objects only read it.

    instance: the meter. now_s: world time of the APDU at work, seconds since 1970 UTC (not the meter's own clock).
    authenticated, encrypted: how that APDU was protected. client_system_title: b"" when the client gave none.
    max_send_pdu_size: octets of the longest answer, 0 for no limit. status: of every association that is not idle, by
    client SAP. role_bits: the client's role as a plain number. after_answer: work to do once the answer has been
    protected, such as taking new keys into use. confirmations: long invoke octets of the pushes that the client has
    confirmed, oldest first. request_bits: how the APDU at work is protected; response_bits: what its answer carries
    besides; both as the bits of a security policy. protects: answers can be protected. user_id: who uses the client,
    None where nobody says. findings: the server's, where `note` adds what the client did wrong.
    """

    instance: I
    device: LogicalDevice[I]
    client: ClientAccess
    application_context: ApplicationContext = ApplicationContext.LN
    conformance: Conformance = NO_CONFORMANCE
    max_send_pdu_size: int = 0
    client_system_title: bytes = b""
    status: Mapping[int, AssociationStatus] = field(default_factory=dict)
    now_s: float = 0.0
    authenticated: bool = False
    encrypted: bool = False
    after_answer: list[Callable[[], None]] = field(default_factory=list)
    confirmations: list[int] = field(default_factory=list)
    request_bits: int = 0
    response_bits: int = 0
    protects: bool = False
    user_id: int | None = None
    findings: list[Finding] = field(default_factory=list)
    role_bits: int = field(init=False)

    def __post_init__(self) -> None:
        self.role_bits = int(self.client.role)

    def admits(self, guard: int) -> bool:
        """Whether the APDU at work is protected as `guard` says; then its answer will be too."""
        if guard & REQUEST_BITS & ~self.request_bits or (guard & RESPONSE_BITS and not self.protects):
            text = "an access right demands more protection than the request has, or its answer can have"
            self.note(FindingKind.PROTECTION_TOO_WEAK, text, "SYMSEC_0_SecDataX_N1")
            return False
        self.response_bits |= guard & RESPONSE_BITS
        return True

    def note(self, kind: FindingKind, text: str, case: str = "") -> None:
        """The client broke a rule and is refused. case: id of the conformance case, where `kind` does not say it."""
        self.findings.append(Finding(kind, text, self.client.client_sap, case))

    def note_too_long(self, octets: int, limit: int, why: str) -> None:
        """An answer does not fit: into what the client takes, or into what its device sends at most. limit: of both,
        after protection. why: no blocks helped."""
        own = self.device.max_send_pdu_size
        if own and self.max_send_pdu_size >= own:
            self.note(
                FindingKind.SEND_LIMIT_REACHED,
                f"an answer of {octets} octets where this server sends {limit} at most, {why}",
            )
        else:
            self.note(
                FindingKind.ANSWER_TOO_LONG, f"an answer of {octets} octets where the client takes {limit}, {why}"
            )

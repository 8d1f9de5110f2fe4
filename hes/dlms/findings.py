"""What a peer did that is worth telling a person although the exchange went on, or that was refused: with its rule.

`CLAUSES` is the one place that says which rule each kind is about. We have not read the standards
(docs/protocols/README.md), so a clause is the standard's area and the section of our fact page, never a clause number;
where a conformance case tests the rule its id stands behind. Which stimulus gets which answer:
docs/protocols/dlms-roles.md §7.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class FindingKind(Enum):
    __hash__ = object.__hash__  # a member is one object; the hash of Enum is its name's, worked out in Python each time

    HLS_COUNTER_REUSED = "hls_counter_reused"
    AUTHENTICATION_FAILED = "authentication_failed"
    DECIPHERING_FAILED = "deciphering_failed"
    REPLAYED = "replayed"
    CONFORMANCE_WIDENED = "conformance_widened"
    BLOCK_TRANSFER_ENDED = "block_transfer_ended"
    UNKNOWN_CLIENT = "unknown_client"
    AARQ_REFUSED = "aarq_refused"
    NO_ASSOCIATION = "no_association"
    SERVICE_BEFORE_HLS = "service_before_hls"
    MALFORMED_APDU = "malformed_apdu"
    UNKNOWN_SERVICE = "unknown_service"
    NOT_NEGOTIATED = "not_negotiated"
    REQUEST_TOO_LONG = "request_too_long"
    ANSWER_TOO_LONG = "answer_too_long"
    SEND_LIMIT_REACHED = "send_limit_reached"
    PROTECTION_TOO_WEAK = "protection_too_weak"
    UNEXPECTED_PROTECTION = "unexpected_protection"
    REFLECTED = "reflected"
    RELEASE_REFUSED = "release_refused"
    BLOCK_OUT_OF_TURN = "block_out_of_turn"
    BLOCK_WINDOW_EXCEEDED = "block_window_exceeded"
    COUNTER_USED_UP = "counter_used_up"
    UNEXPECTED_ANSWER = "unexpected_answer"
    WRONG_INVOKE_ID = "wrong_invoke_id"
    AARE_UNEXPECTED = "aare_unexpected"


OWN_LIMITS: Final = frozenset({FindingKind.SEND_LIMIT_REACHED, FindingKind.COUNTER_USED_UP})
"""Where this side could not do what it was asked for, and the peer broke no rule."""

_APPLICATION: Final = "docs/protocols/dlms-application.md"
_ROLES: Final = "docs/protocols/dlms-roles.md"

CLAUSES: Final[dict[FindingKind, str]] = {
    FindingKind.HLS_COUNTER_REUSED: f"IEC 62056-5-3, HLS and invocation counters ({_APPLICATION} §5)",
    FindingKind.AUTHENTICATION_FAILED: f"IEC 62056-5-3, authentication ({_ROLES} §1)",
    FindingKind.DECIPHERING_FAILED: f"IEC 62056-5-3, protected APDUs ({_APPLICATION} §5)",
    FindingKind.REPLAYED: f"IEC 62056-5-3, invocation counters ({_APPLICATION} §5), case SYMSEC_0_FraCount_1",
    FindingKind.CONFORMANCE_WIDENED: f"IEC 62056-5-3, conformance negotiation ({_APPLICATION} §2), case APPL_OPEN_13",
    FindingKind.BLOCK_TRANSFER_ENDED: f"IEC 62056-5-3, general block transfer ({_APPLICATION} §3)",
    FindingKind.UNKNOWN_CLIENT: f"IEC 62056-5-3, addressing of clients ({_ROLES} §1)",
    FindingKind.AARQ_REFUSED: f"IEC 62056-5-3, COSEM-OPEN ({_ROLES} §1)",
    FindingKind.NO_ASSOCIATION: f"IEC 62056-5-3, states of an association ({_ROLES} §2), case APPL_IDLE_N1",
    FindingKind.SERVICE_BEFORE_HLS: f"IEC 62056-5-3, HLS passes 3 and 4 ({_ROLES} §1), case APPL_OPEN_3",
    FindingKind.MALFORMED_APDU: f"IEC 62056-5-3, encoding of APDUs ({_APPLICATION} §2, §3)",
    FindingKind.UNKNOWN_SERVICE: f"IEC 62056-5-3, tags and forms of APDUs ({_APPLICATION} §1, §3)",
    FindingKind.NOT_NEGOTIATED: f"IEC 62056-5-3, conformance negotiation ({_ROLES} §2)",
    FindingKind.REQUEST_TOO_LONG: f"IEC 62056-5-3, maximum PDU size of the server ({_ROLES} §2)",
    FindingKind.ANSWER_TOO_LONG: f"IEC 62056-5-3, maximum PDU size of the client ({_ROLES} §2)",
    FindingKind.SEND_LIMIT_REACHED: f"IEC 62056-5-3, maximum PDU size, this server's own ({_ROLES} §2)",
    FindingKind.PROTECTION_TOO_WEAK: f"IEC 62056-5-3, security policy and access rights ({_ROLES} §2)",
    FindingKind.UNEXPECTED_PROTECTION: f"IEC 62056-5-3, application contexts and ciphering ({_ROLES} §2)",
    FindingKind.REFLECTED: f"IEC 62056-5-3, system titles ({_APPLICATION} §5)",
    FindingKind.RELEASE_REFUSED: f"IEC 62056-5-3, COSEM-RELEASE ({_ROLES} §2)",
    FindingKind.BLOCK_OUT_OF_TURN: f"IEC 62056-5-3, block transfer ({_ROLES} §3)",
    FindingKind.BLOCK_WINDOW_EXCEEDED: f"IEC 62056-5-3, general block transfer, windows ({_ROLES} §3)",
    FindingKind.COUNTER_USED_UP: f"IEC 62056-5-3, invocation counters ({_ROLES} §4)",
    FindingKind.UNEXPECTED_ANSWER: f"IEC 62056-5-3, services and their answers ({_APPLICATION} §3)",
    FindingKind.AARE_UNEXPECTED: f"IEC 62056-5-3, COSEM-OPEN ({_ROLES} §5)",
    FindingKind.WRONG_INVOKE_ID: f"IEC 62056-5-3, invoke-id-and-priority ({_APPLICATION} §3)",
}


def clause_of(kind: FindingKind, case: str = "") -> str:
    """The rule, and the conformance case that tests it where one is known beyond the rule's own."""
    return f"{CLAUSES[kind]}, case {case}" if case else CLAUSES[kind]


@dataclass(frozen=True, slots=True)
class Finding:
    """kind: for programs. text: one sentence for people, without keys or passwords. client_sap: whose association.

    case: id of the conformance case, where it depends on more than the kind.
    """

    kind: FindingKind
    text: str
    client_sap: int
    case: str = ""

    @property
    def clause(self) -> str:
        """Which rule: the standard's area, where our fact pages have it, the conformance case."""
        return clause_of(self.kind, self.case)

    def __str__(self) -> str:
        return f"{self.text} ({self.clause})"

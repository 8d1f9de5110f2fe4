"""What a peer did that is worth telling a person although the exchange went on, or that was refused for safety."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class FindingKind(Enum):
    HLS_COUNTER_REUSED = "hls_counter_reused"
    AUTHENTICATION_FAILED = "authentication_failed"
    DECIPHERING_FAILED = "deciphering_failed"
    REPLAYED = "replayed"
    CONFORMANCE_WIDENED = "conformance_widened"
    BLOCK_TRANSFER_ENDED = "block_transfer_ended"


@dataclass(frozen=True, slots=True)
class Finding:
    """kind: for programs. text: one sentence for people, without keys or passwords. client_sap: whose association."""

    kind: FindingKind
    text: str
    client_sap: int

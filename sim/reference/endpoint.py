"""One logical device of the reference meter behind its address: what a line asks, and wakes."""

from __future__ import annotations

from typing import Final

from hes.dlms.findings import Finding
from hes.dlms.server import PhysicalServer
from sim.reference.life import Life
from sim.reference.meter import ReferenceMeter

CHALLENGE_OCTETS: Final = 32
"""What HLS-ECDSA wants at least, and every other mechanism takes. Source: docs/protocols/dlms-application.md §5."""


class ReferenceEndpoint:
    """`sim.meter_lines.Endpoint` of one logical device; all of a meter's share the meter."""

    def __init__(self, server: PhysicalServer[ReferenceMeter], server_sap: int, life: Life) -> None:
        self.life = life
        self.server = server
        self.server_sap = server_sap

    def ask(self, client_sap: int, apdu: bytes, now_epoch_s: float, *, at_once: int = 1) -> bytes | None:
        """What it says to one APDU of that client; None for nothing."""
        self.life.advance(now_epoch_s)
        answer = self.server.receive(self.server_sap, client_sap, apdu, now_epoch_s, at_once=at_once)
        self.life.disturbed(now_epoch_s)
        return answer

    def take_further(self) -> list[bytes]:
        return self.server.take_further(self.server_sap)

    def take_findings(self) -> list[Finding]:
        return self.server.take_findings(self.server_sap)

    def link_lost(self, client_sap: int | None = None) -> None:
        self.server.link_lost(client_sap, server_sap=self.server_sap)

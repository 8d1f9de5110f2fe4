"""One logical device of the reference meter behind its address: what a line asks, and wakes."""

from __future__ import annotations

from typing import Final

from hes.dlms.cosem.logical_device import LogicalDevice
from hes.dlms.server import Server
from hes.entropy import Entropy
from sim.reference.meter import ReferenceMeter

CHALLENGE_OCTETS: Final = 32
"""What HLS-SHA-256 wants at least, and every other mechanism takes. Source: docs/protocols/dlms-application.md §5."""


class ReferenceEndpoint:
    """`sim.meter_lines.Endpoint` of one logical device; all of a meter's share the meter."""

    def __init__(self, device: LogicalDevice[ReferenceMeter], meter: ReferenceMeter, entropy: Entropy) -> None:
        self.device = device
        self.meter = meter
        self.server = Server(device, meter, entropy=entropy.octets, challenge_octets=CHALLENGE_OCTETS)

    def ask(self, client_sap: int, apdu: bytes, now_epoch_s: float) -> bytes | None:
        """What it says to one APDU of that client; None for nothing."""
        self.meter.advance(now_epoch_s)
        return self.server.receive(client_sap, apdu, now_epoch_s)

    def link_lost(self, client_sap: int | None = None) -> None:
        self.server.link_lost(client_sap)

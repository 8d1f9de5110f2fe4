"""Faults that happen to a meter itself, written to its journal: what it says afterwards follows from there."""

from __future__ import annotations

from sim.faults.faults import FaultLike
from sim.meter.endpoint import MeterEndpoint

DISCONNECTED = 0
"""Control state of the disconnect control. Source: docs/protocols/cosem-objects.md §3."""


def intervene(endpoint: MeterEndpoint, fault: FaultLike, now_epoch_s: float, *, begins: bool) -> None:
    """`fault` begins or ends at a meter. What happens to the way to it is the fault schedule's own business."""
    at_ms = int(now_epoch_s * 1000)
    if fault.kind == "power-cut":
        endpoint.interventions().power(at_ms, on=not begins)
    elif fault.kind == "clock-step" and begins:
        reading_ms = endpoint.meter().reading_ms(at_ms)
        endpoint.interventions().set_clock(at_ms, reading_ms + int((fault.step_s or 0.0) * 1000))
    elif fault.kind == "disconnect":
        endpoint.interventions().relay(at_ms, DISCONNECTED)

"""Media tables of a world file as the parameters of the simulated media: what a file leaves out keeps its default."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from sim.media.g3 import CENELEC_A, FCC, Modulation
from sim.media.gprs import GprsParameters
from sim.media.noise import NOISE_SHAPES, FadingParameters
from sim.media.plc import Fidelity, PlcParameters
from sim.world.file import FadingTable, GprsTable, PlcTable

_BANDS = {band.name: band for band in (CENELEC_A, FCC)}
_GPRS_FIELDS = {
    "boot": "boot_s",
    "registering": "register_s",
    "attach": "attach_s",
    "attach_failure": "attach_failure_ratio",
    "round_trip": "round_trip_s",
    "up_bit_s": "up_bit_s",
    "down_bit_s": "down_bit_s",
    "flow_idle": "flow_idle_s",
    "flow_setup": "flow_setup_s",
    "nat_idle": "nat_idle_s",
    "drops_per_day": "drops_per_day",
    "outage_survived": "outage_survived_s",
}
_PLC_FIELDS = {
    "hop_shares": "hop_shares",
    "frame_error": "frame_error_ratio",
    "frame_error_spread": "frame_error_spread",
    "retries": "retries_max",
    "background_load": "background_load",
    "collisions": "collision_ratio",
    "processing": "processing_s",
}


def gprs_parameters(table: GprsTable) -> GprsParameters:
    """The parameters of a GPRS modem."""
    return replace(GprsParameters(), **_given(table, _GPRS_FIELDS))


def plc_parameters(table: PlcTable) -> PlcParameters:
    """The parameters of a PLC network."""
    given = _given(table, _PLC_FIELDS)
    if table.band is not None:
        given["band"] = _BANDS[table.band]
    if table.modulations is not None:
        given["modulation_shares"] = tuple((Modulation[name], share) for name, share in table.modulations.items())
    if table.noise is not None:
        given["noise"] = NOISE_SHAPES[table.noise]
    if table.fading is not None:
        given["fading"] = _fading(table.fading)
    if table.fidelity is not None:
        given["fidelity"] = Fidelity(table.fidelity)
    return replace(PlcParameters(), **given)


def _fading(table: FadingTable) -> FadingParameters:
    if table.off:
        return FadingParameters(gap_s=math.inf)
    fields = {"gap": "gap_s", "episode": "episode_s", "frame_error": "frame_error_ratio"}
    return replace(FadingParameters(), **_given(table, fields))


def _given(table: GprsTable | PlcTable | FadingTable, fields: dict[str, str]) -> dict[str, Any]:
    values = {field: getattr(table, name) for name, field in fields.items()}
    return {field: value for field, value in values.items() if value is not None}

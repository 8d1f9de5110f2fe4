"""Load curves of a few meters of a run, as charts to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

from sqlalchemy import Connection

from hes.dlms.cosem.registers import ScalerUnit
from hes.reports.archive import Archive
from hes.reports.figures import LocalTime, RunReport
from hes.store import queries
from hes.store.store import Channel, ChannelKind, Device, DeviceKind

METERS_MAX: Final = 12
WORST_METERS: Final = 3
ENERGY_UNITS: Final = frozenset({30, 31, 32})
CUMULATIVE: Final = "8"
"""OBIS group D of a counter that only rises: its differences are the curve."""
GAP_STEPS: Final = 1.5
"""Values further apart than this many usual steps are not joined by a line."""


def curves(connection: Connection, report: RunReport, archive: Archive, local: LocalTime) -> dict[str, Any]:
    """Load curves of a few meters, to choose from: those that lack most, then one of each concentrator in turn."""
    views = []
    for device, lacking in _meters_to_show(connection, archive):
        rows = queries.curves(connection, device.id, report.first_s, report.last_s)
        for channel_id, values in rows.items():
            channel = archive.channels[channel_id]
            if channel.kind is ChannelKind.LOAD_PROFILE and len(values) > 1:
                lacks = f", {lacking} values missing" if lacking else ""
                label = f"{archive.name(device.id)} ({archive.dcu_name(device)}{lacks})"
                views.append({"label": label, **_curve(channel, values, local)})
    if not views:
        return {"empty": "No meter has two values of a load profile in this period."}
    return {"views": views, "choose": ["meter", "channel"]}


def _meters_to_show(connection: Connection, archive: Archive) -> list[tuple[Device, int]]:
    lacking: dict[int, int] = {}
    for row in queries.missing(connection, None):
        lacking[row.device_id] = lacking.get(row.device_id, 0) + row.values
    worst = sorted(lacking, key=lambda device_id: (-lacking[device_id], device_id))[:WORST_METERS]
    by_dcu: dict[int | None, list[int]] = {}
    for device in archive.devices.values():
        if device.kind is DeviceKind.METER and device.id not in worst:
            by_dcu.setdefault(device.dcu_id, []).append(device.id)
    chosen = list(worst)
    for turn in range(METERS_MAX):
        chosen += [ids[turn] for ids in by_dcu.values() if turn < len(ids)]
        if len(chosen) >= METERS_MAX:
            break
    return [(archive.devices[id_], lacking.get(id_, 0)) for id_ in chosen[:METERS_MAX] if id_ in archive.devices]


def _curve(channel: Channel, values: Sequence[tuple[int, int]], local: LocalTime) -> dict[str, Any]:
    """Counters of energy are drawn as the mean power between their readings; anything else as it is."""
    scale = 10.0**channel.scaler
    unit = ScalerUnit(channel.scaler, channel.unit).unit_name
    usual_s = sorted(later - earlier for (earlier, _), (later, _) in pairwise(values))[(len(values) - 1) // 2]
    counter = channel.unit in ENERGY_UNITS and channel.obis.split(".")[3:4] == [CUMULATIVE]
    if counter:
        unit = unit.removesuffix("h")
        points = _power(values, scale, usual_s)
    else:
        points = _as_they_are(values, scale, usual_s)
    what = "mean power" if counter else channel.name
    trace = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": "",
        "x": [local.chart(at_s) for at_s, _ in points],
        "y": [value if value is None else round(value, 6) for _, value in points],
        "line": {"shape": "vh" if counter else "linear"},
        "connectgaps": False,
        "hovertemplate": f"%{{x|%d %b %H:%M}}<br>%{{y:,.6~g}} {unit}<extra></extra>",
    }
    return {
        "channel": f"{channel.name} ({channel.obis})",
        "traces": [trace],
        "layout": {"xaxis": {"type": "date"}, "yaxis": {"title": {"text": f"{what}, {unit}" if unit else what}}},
    }


def _power(values: Sequence[tuple[int, int]], scale: float, usual_s: int) -> list[tuple[int, float | None]]:
    """Mean power of each interval, at its end; None where the counter was not read for longer."""
    return [
        (later, None if later - earlier > GAP_STEPS * usual_s else (value - before) * scale * 3600 / (later - earlier))
        for (earlier, before), (later, value) in pairwise(values)
    ]


def _as_they_are(values: Sequence[tuple[int, int]], scale: float, usual_s: int) -> list[tuple[int, float | None]]:
    points: list[tuple[int, float | None]] = []
    for at_s, value in values:
        if points and at_s - points[-1][0] > GAP_STEPS * usual_s:
            points.append((at_s - 1, None))
        points.append((at_s, value * scale))
    return points

"""What a device profile says of a device's objects, for values that are seen without the answers that say it."""

from __future__ import annotations

from hes.devices.profiles import CapturedProfile, DeviceProfile, EventLog
from hes.dlms.cosem.registers import ScalerUnit
from hes.dlms.inspect.knowledge import Knowledge
from hes.dlms.inspect.meanings import scaler_attribute
from hes.dlms.selective_access import CaptureObject


def knowledge_of(profile: DeviceProfile) -> Knowledge:
    """Units of items, columns and periods of profiles and logs, versions of objects."""
    known = Knowledge()
    for item in profile.items:
        holder = scaler_attribute(item.class_id, item.attribute)
        if holder is not None:
            known.scaler_units[item.class_id, bytes(item.obis), holder] = ScalerUnit(item.scaler, item.unit)
    for captured in profile.profiles:
        known.columns[bytes(captured.obis)] = _columns(captured)
        known.periods_s[bytes(captured.obis)] = captured.capture_period_s
    for log in profile.event_logs:
        known.columns[bytes(log.obis)] = _columns(log)
    for each in profile.objects:
        known.versions[each.class_id, bytes(each.obis)] = each.version
    return known


def _columns(captured: CapturedProfile | EventLog) -> tuple[CaptureObject, ...]:
    items = [column.item for column in captured.columns]
    return tuple(CaptureObject(item.class_id, bytes(item.obis), item.attribute) for item in items)

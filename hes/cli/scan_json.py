"""What `amiloop scan --json` prints: one object, its fields in docs/scan.md."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from hes.cli.read_plan import ConnectPlan
from hes.cli.scan_result import BufferSummary, Scan, ScannedAttribute, ScannedDevice, ScannedObject
from hes.dlms.codes import Mechanism

FORMAT: Final = 1  # counts up when a field is taken away or changes its meaning; new ones may come


def scan_json(scan: Scan, plan: ConnectPlan) -> dict[str, Any]:
    settings = plan.settings
    return {
        "scan": FORMAT,
        "url": scan.url,
        "framing": scan.framing,
        "client": settings.client_sap,
        "authentication": Mechanism(settings.mechanism).name.lower().replace("_", "-"),
        "ciphered": settings.security is not None and settings.security.ciphered,
        "saps": [{"sap": sap, "name": said} for sap, said in scan.saps.items()],
        "logical_devices": [_device_json(device) for device in scan.devices],
        "interrupted": scan.interrupted,
        "complete": scan.complete,
    }


def _device_json(device: ScannedDevice) -> dict[str, Any]:
    agreed = device.associated
    return {
        "sap": device.server_sap,
        "name": device.sap_name,
        "system_title": agreed.server_system_title.hex() if agreed is not None else "",
        "max_pdu_octets": agreed.server_max_receive_pdu_size if agreed is not None else None,
        "conformance": sorted(flag.name.lower().replace("_", "-") for flag in agreed.conformance if flag.name)
        if agreed is not None
        else [],
        "association_version": device.association_version,
        "objects": [_object_json(each) for each in device.objects],
        "classes": {
            str(class_id): count
            for class_id, count in sorted(Counter(each.class_id for each in device.objects).items())
        },
        "unread": device.unread,
        "mismatches": device.mismatches,
        "complete": device.complete,
        "error": device.error,
        "findings": device.findings,
    }


def _object_json(each: ScannedObject) -> dict[str, Any]:
    body: dict[str, Any] = {
        "class_id": each.class_id,
        "class": each.class_name,
        "version": each.version,
        "obis": str(each.obis),
        "name": each.name,
        "attributes": [_attribute_json(attribute) for attribute in each.attributes],
        "methods": [
            {
                "index": one.index,
                "name": one.name,
                "mode": one.mode,
                "invoke": one.right.can_invoke,
                "protection": list(one.right.protection),
            }
            for one in each.methods
        ],
    }
    if each.buffer is not None:
        body["buffer"] = _buffer_json(each.buffer)
    return body


def _attribute_json(attribute: ScannedAttribute) -> dict[str, Any]:
    right = attribute.right
    body: dict[str, Any] = {
        "index": attribute.index,
        "name": attribute.name,
        "mode": attribute.mode,
        "read": right.can_read,
        "write": right.can_write,
        "protection": list(right.protection),
    }
    if attribute.reading is None:
        return body
    if attribute.mismatch:
        body["mismatch"] = attribute.mismatch
    said = attribute.reading.to_json()
    return body | {key: said[key] for key in ("error", "type", "raw", "text", "value", "unit", "scaler") if key in said}


def _buffer_json(buffer: BufferSummary) -> dict[str, Any]:
    body: dict[str, Any] = {"entries": buffer.entries}
    if buffer.error:
        return body | {"error": buffer.error}
    if buffer.table is None:
        return body
    table = buffer.table.to_json()
    rows = table["rows"]
    return body | {"columns": table["columns"], "first": rows[0] if rows else None, "last": rows[-1] if rows else None}

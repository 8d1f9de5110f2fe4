"""A device profile out of what a scan found: what the device says itself, and of the rest what can be concluded.

Whatever cannot be known from outside is left out or stands as a remark at the top of the file. Keys, passwords and
secrets are never in it, nor what the device measured.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from hes import toml_file
from hes.cli.read_plan import ConnectPlan
from hes.cli.scan_facts import Facts
from hes.cli.scan_items import Items
from hes.cli.scan_result import ScannedDevice, ScannedObject
from hes.devices import profile_writer
from hes.devices.profile_file import ProfileFile, check
from hes.dlms.obis import Obis
from hes.errors import ConfigError

LOGICAL_DEVICE_NAME: Final = Obis.parse("0.0.42.0.0.255")


@dataclass(slots=True)
class ProfileDraft:
    """The file's values as TOML has them, and remarks for whoever goes on with it."""

    values: dict[str, Any]
    remarks: list[str] = field(default_factory=list)


def profile_text(device: ScannedDevice, plan: ConnectPlan, path: Path, now_epoch_s: float) -> str:
    """The text of the profile. path: where it will stand; its name becomes the profile's. now_epoch_s: our clock, to
    find the sense of the clock's deviation. Raises ConfigError when too little was read for a profile."""
    draft = _draft(device, plan, path.stem, now_epoch_s)
    try:
        profile = ProfileFile.model_validate(draft.values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(f"no profile can be made of this scan: {place}: {first['msg']}.") from error
    comments = [
        "A device profile written by `amiloop scan`; what it says of rights is what client "
        f"{device.client_sap} was given.",
        *draft.remarks,
    ]
    text = profile_writer.to_toml(profile, comments)
    check(toml_file.parse(text, str(path)))  # every rule between tables holds
    return text


def _draft(device: ScannedDevice, plan: ConnectPlan, stem: str, now_epoch_s: float) -> ProfileDraft:
    facts = Facts(device, plan)
    remarks: list[str] = []
    said_name = facts.text(1, LOGICAL_DEVICE_NAME)
    values: dict[str, Any] = {
        "name": _word(stem) or "scanned",
        "title": f"Scanned from {said_name or 'logical device ' + str(device.server_sap)}"[:120],
        "origin": f"Read from a device by amiloop scan: {said_name or 'logical device without a name'}.",
        "licence": "not stated",
        "manufacturer": facts.manufacturer(said_name),
        "firmware": facts.firmware(),
        "phases": 3 if facts.has_phases() else 1,
        "server_sap": device.server_sap,
        "max_pdu_octets": facts.pdu_octets(),
        "clock": {"deviation_sign": facts.deviation_sign(now_epoch_s, remarks)},
        "security": facts.security(),
        "association": list(facts.associations(remarks)),
    }
    items = Items(device)
    values |= facts.captured(items)
    values["event_log"] = list(facts.event_logs(items))
    switch = facts.disconnect()
    if switch:
        values["disconnect"] = switch
    values["item"] = items.entries()
    values["objects"] = {f"{each.class_id}/{each.obis}": _rights(each) for each in device.objects}
    missing = [
        part for part in ("manufacturer", "firmware", "load_profile", "billing", "disconnect") if not values.get(part)
    ]
    if missing:
        remarks.append(f"Not found: {', '.join(missing)}. The head-end reads with it; the simulator cannot play it.")
    return ProfileDraft(values, remarks)


def _word(text: str) -> str:
    """A name as profiles allow it."""
    return re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-_0123456789")[:40] if text else ""


def _rights(each: ScannedObject) -> dict[str, Any]:
    return {
        "version": each.version,
        "read": [one.index for one in each.attributes if one.right.can_read],
        "write": [one.index for one in each.attributes if one.right.can_write],
        "call": [one.index for one in each.methods if one.right.can_invoke],
    }

"""The data items of a profile that a scan writes: what profiles capture and what registers hold, each with a name.

Names are those of the shipped profiles where the object is the same, else made of what the object is called.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from hes.cli.read_values import CLOCK_CLASS
from hes.cli.scan_result import ScannedDevice
from hes.devices import profiles
from hes.dlms.cosem.registers import ScalerUnit
from hes.dlms.data import Tag
from hes.dlms.inspect.meanings import SCALED
from hes.dlms.obis import OBIS_OCTETS, Obis
from hes.dlms.obis_names import name as obis_name
from hes.dlms.selective_access import CaptureObject

CLOCK: Final = Obis.parse("0.0.1.0.0.255")
_TYPES: Final[dict[Tag, str]] = {
    tag: tag.name.lower().replace("_", "-")
    for tag in Tag
    if tag not in (Tag.NULL, Tag.DONT_CARE, Tag.ARRAY, Tag.STRUCTURE, Tag.COMPACT_ARRAY)
}


class Items:
    """Items by what they are of; `name_of` enters what is new."""

    def __init__(self, device: ScannedDevice) -> None:
        self._device = device
        self._entries: dict[tuple[int, bytes, int], dict[str, Any]] = {}
        self._names: set[str] = set()
        clock = device.object(CLOCK_CLASS, CLOCK) or next(
            (each for each in device.objects if each.class_id == CLOCK_CLASS), None
        )
        if clock is not None:
            self._enter(CLOCK_CLASS, clock.obis, 2, "clock")
        for each in device.objects:
            for attribute in sorted(SCALED.get(each.class_id, (frozenset[int](), 0))[0])[:1]:
                self.name_of(CaptureObject(each.class_id, each.obis, attribute))

    def entries(self) -> list[dict[str, Any]]:
        return list(self._entries.values())

    def name_of(self, column: CaptureObject) -> str | None:
        """The item of a column, entered when it is new; None for a part of an attribute and for a structure."""
        key = (column.class_id, bytes(column.obis), column.attribute)
        if column.data_index or len(column.obis) != OBIS_OCTETS:
            return None
        if key not in self._entries and not self._enter(*key, _known_names().get(key) or _made_up(column)):
            return None
        return str(self._entries[key]["name"])

    def _enter(self, class_id: int, obis: bytes, attribute: int, called: str) -> bool:
        found = self._device.object(class_id, obis)
        reading = found.reading(attribute) if found is not None else None
        data = reading.data if reading is not None else None
        kind = _TYPES.get(data.tag) if data is not None else None
        if kind is None and data is not None:
            return False
        unique = next(each for each in _candidates(called) if each not in self._names)
        self._names.add(unique)
        scaled = reading.scaler_unit if reading is not None else None
        self._entries[class_id, bytes(obis), attribute] = {
            "name": unique,
            "class": class_id,
            "obis": str(Obis(obis)),
            "attribute": attribute,
            "type": kind or _default_type(class_id),
            **_unit(scaled),
        }
        return True


def _default_type(class_id: int) -> str:
    """Of what could not be read: a clock is an octet-string, a number as most meters send it [A]."""
    return "octet-string" if class_id == CLOCK_CLASS else "double-long-unsigned"


def _unit(scaled: ScalerUnit | None) -> dict[str, Any]:
    if scaled is None or not -9 <= scaled.scaler <= 9:
        return {}
    return {"scaler": scaled.scaler, "unit": scaled.unit_name}


def _candidates(called: str) -> Iterator[str]:
    yield called
    for number in range(2, 10_000):
        yield f"{called[:34]}_{number}"


@cache
def _known_names() -> Mapping[tuple[int, bytes, int], str]:
    """What the shipped profiles call their items."""
    return {
        (item.class_id, bytes(item.obis), item.attribute): item.name
        for shipped in profiles.shipped()
        for item in profiles.load(shipped).items
    }


def _made_up(column: CaptureObject) -> str:
    """ "active_energy_import_a_rate_3", or "class_3_1_0_1_8_9_255" for what has no name."""
    words = re.sub(r"[^a-z0-9]+", "_", obis_name(column.obis).lower()).strip("_0123456789")
    if not words:
        words = f"class_{column.class_id}_{'_'.join(map(str, column.obis))}"
    return (words if column.attribute == 2 else f"{words[:36]}_{column.attribute}")[:40].rstrip("_")

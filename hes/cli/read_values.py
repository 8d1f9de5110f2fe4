"""Values that were read, as people and programs want them: scaled, with unit, dates as dates, profiles as tables."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Final, Literal

from hes.cli.meter_times import data_with_sign
from hes.dlms import axdr
from hes.dlms.apdu import AttributeDescriptor
from hes.dlms.cosem.interface_classes import name_of
from hes.dlms.cosem.registers import ScalerUnit
from hes.dlms.cosem_time import CosemDateTime
from hes.dlms.data import Data, Tag
from hes.dlms.inspect.data_nodes import describe, octets_as_date_time, value_node
from hes.dlms.inspect.meanings import shape_of
from hes.dlms.inspect.node import Node, render_text, to_json
from hes.dlms.obis import Obis
from hes.dlms.obis_names import name
from hes.dlms.selective_access import CaptureObject
from hes.errors import RemoteProtocolError

CLOCK_CLASS: Final = 8
PROFILE_CLASS: Final = 7
BUFFER: Final = 2
CLOCK_TIME: Final = (CLOCK_CLASS, 2)
DATE_TIME_OCTETS: Final = 12
TEXT_OCTETS_MIN: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One attribute as it was read. error: why it was not, "" when it was.

    The class of `descriptor` is 0 where nobody could say it; version: of the class, None where nobody said.
    deviation_sign: as in `ReadPlan`; what people are shown
    goes by it, raw values stay as they came. mismatch: in what the value is not of the type that its class declares,
    "" where it is or nobody compared.
    """

    descriptor: AttributeDescriptor
    data: Data | None = None
    scaler_unit: ScalerUnit | None = None
    error: str = ""
    deviation_sign: Literal[1, -1] = 1
    version: int | None = None
    mismatch: str = ""

    @property
    def code(self) -> str:
        class_id, obis, attribute = self.descriptor
        return f"{class_id}/{Obis(obis)}/{attribute}" if class_id else f"{Obis(obis)}/{attribute}"

    @property
    def label(self) -> str:
        """What was read, in words: the object's name, and the attribute where it is not the value."""
        class_id, obis, attribute = self.descriptor
        attribute_name = name_of(class_id, attribute) if class_id else f"attribute {attribute}"
        known = name(obis)
        if not known:
            return attribute_name
        return known if attribute == 2 else f"{known}: {attribute_name}"

    @property
    def text(self) -> str:
        """The value for people; of several lines when it is a structure."""
        shown = self._shown()
        if shown is None:
            return self.error
        number = self._scaled()
        if number is not None:
            unit = self.scaler_unit.unit_name if self.scaler_unit else ""
            return f"{number:f} {unit}".rstrip()
        if isinstance(shown.value, tuple) or hasattr(shown.value, "elements"):
            return render_text(value_node(shown, self.label, shape_of(self.descriptor, self.version)))
        if shown.tag is Tag.OCTET_STRING and _is_text(shown.value):
            return str(shown.value.decode("ascii"))
        if shown.tag in (Tag.VISIBLE_STRING, Tag.UTF8_STRING) and shown.value.isprintable():
            return str(shown.value)
        return self._described(shown)

    def node(self) -> Node | None:
        """The value as a tree, times in the usual sense; None when it was not read."""
        shown = self._shown()
        return None if shown is None else value_node(shown, self.label, shape_of(self.descriptor, self.version))

    def _shown(self) -> Data | None:
        """The value with times in the usual sense."""
        if self.data is None or self.deviation_sign == 1:
            return self.data
        return data_with_sign(self.data, self.deviation_sign)

    def _described(self, shown: Data) -> str:
        """A value without parts; what a clock says instead of a time is said to be none."""
        text = describe(shown, shape_of(self.descriptor, self.version))[0]
        class_id, _, attribute = self.descriptor
        if (class_id, attribute) != CLOCK_TIME or not isinstance(shown.value, bytes):
            return text
        if len(shown.value) != DATE_TIME_OCTETS or octets_as_date_time(shown.value):
            return text
        return f"{text} (no valid date-time{_why_no_time(shown.value)})"

    def _scaled(self) -> Decimal | None:
        if self.data is None or self.scaler_unit is None or type(self.data.value) is not int:
            return None
        return self.scaler_unit.scaled(self.data.value)

    def to_json(self) -> dict[str, Any]:
        class_id, obis, attribute = self.descriptor
        body: dict[str, Any] = {
            "object": self.code,
            "class_id": class_id or None,
            "obis": str(Obis(obis)),
            "attribute": attribute,
            "name": self.label,
        }
        shown = self._shown()
        if self.data is None or shown is None:
            return body | {"error": self.error}
        tree = to_json(value_node(self.data, "value", shape_of(self.descriptor, self.version)))
        body["type"] = tree["type"]
        body["raw"] = _without_places(tree) if "children" in tree else tree.get("plain")
        body["text"] = self._described(shown) if "children" not in tree else tree["value"]
        number = self._scaled()
        if number is not None and self.scaler_unit is not None:
            unit = {"unit": self.scaler_unit.unit_name, "scaler": self.scaler_unit.scaler}
            return body | {"value": _json_number(number)} | unit
        if "children" not in tree and body["raw"] is not None:
            value = axdr.plain(shown)
            body["value"] = None if _is_no_moment(value, self.descriptor) else _json_value(value)
        return body | ({"mismatch": self.mismatch} if self.mismatch else {})


def _is_no_moment(value: Any, descriptor: AttributeDescriptor) -> bool:
    """Whether octets are a date-time that has no form in ISO 8601: not all of it is specified, or it is wrong."""
    if not isinstance(value, bytes) or len(value) != DATE_TIME_OCTETS or _iso_time(value):
        return False
    return bool(octets_as_date_time(value)) or (descriptor.class_id, descriptor.attribute) == CLOCK_TIME


def _why_no_time(octets: bytes) -> str:
    try:
        CosemDateTime.from_octets(octets)
    except RemoteProtocolError as error:
        return f": {error.message}"
    return f": year {int.from_bytes(octets[:2], 'big')}"


def _is_text(octets: bytes) -> bool:
    """Whether octets are a name or a number in ASCII rather than something that happens to look like it."""
    return len(octets) >= TEXT_OCTETS_MIN and all(0x20 <= octet < 0x7F for octet in octets)


def _without_places(tree: dict[str, Any]) -> Any:
    """The plain values of a tree, without labels and octets."""
    if "children" in tree:
        return [_without_places(child) for child in tree["children"]]
    return tree.get("plain")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileTable:
    """The rows of a profile that were read, null-data filled in. scaler_units: by column, None where there is none."""

    descriptor: AttributeDescriptor
    columns: tuple[CaptureObject, ...]
    scaler_units: tuple[ScalerUnit | None, ...]
    rows: tuple[tuple[Any, ...], ...]

    @property
    def headings(self) -> list[str]:
        """The columns by code, with what they are and in which unit."""
        found = []
        for column, scaler_unit in zip(self.columns, self.scaler_units, strict=True):
            code = f"{Obis(column.obis)}" + ("" if column.attribute == 2 else f"/{column.attribute}")
            words = [name(column.obis), scaler_unit.unit_name if scaler_unit else ""]
            extra = ", ".join(word for word in words if word)
            found.append(f"{code} ({extra})" if extra else code)
        return found

    def cells(self) -> list[list[str]]:
        """The rows as text, numbers scaled."""
        return [[_cell(value, unit) for value, unit in zip(row, self.scaler_units, strict=True)] for row in self.rows]

    def to_json(self) -> dict[str, Any]:
        class_id, obis, attribute = self.descriptor
        columns = [
            {
                "class_id": column.class_id,
                "obis": str(Obis(column.obis)),
                "attribute": column.attribute,
                "data_index": column.data_index,
                "name": name(column.obis),
                "unit": unit.unit_name if unit else "",
                "scaler": unit.scaler if unit else 0,
            }
            for column, unit in zip(self.columns, self.scaler_units, strict=True)
        ]
        return {
            "object": f"{class_id}/{Obis(obis)}/{attribute}",
            "class_id": class_id,
            "obis": str(Obis(obis)),
            "attribute": attribute,
            "name": name(obis),
            "columns": columns,
            "rows": [
                [_json_value(value, unit) for value, unit in zip(row, self.scaler_units, strict=True)]
                for row in self.rows
            ],
        }


def _json_value(value: Any, unit: ScalerUnit | None = None) -> Any:
    """A number as a number (scaled), a date-time as ISO 8601, text as text, other octets in hex, null-data None."""
    if unit is not None and type(value) is int:
        return _json_number(unit.scaled(value))
    if isinstance(value, bytes):
        if _is_text(value):
            return value.decode("ascii")
        return _iso_time(value) or octets_as_date_time(value) or value.hex()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _json_number(number: Decimal) -> int | float:
    """JSON has no decimals: whole numbers stay exact, others become the nearest float."""
    return int(number) if number == number.to_integral_value() else float(number)


def _iso_time(octets: bytes) -> str:
    """ "2024-12-15T13:00:00+01:00", without a zone where the meter says none; "" for what is no exact time."""
    if not octets_as_date_time(octets):
        return ""
    moment = CosemDateTime.from_octets(octets)
    parts = (moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second)
    if None in parts:
        return ""
    year, month, day, hour, minute, second = (part or 0 for part in parts)
    deviation = moment.deviation_min
    zone = None if deviation is None else timezone(timedelta(minutes=-deviation))
    micros = (moment.hundredths or 0) * 10_000
    try:
        return datetime(year, month, day, hour, minute, second, micros, tzinfo=zone).isoformat()
    except ValueError:
        return ""


def _cell(value: Any, unit: ScalerUnit | None) -> str:
    if value is None:
        return ""
    if unit is not None and type(value) is int:
        return f"{unit.scaled(value):f}"
    if isinstance(value, bytes):
        return octets_as_date_time(value) or value.hex()
    return str(value)


def decode(encoded: bytes) -> Data:
    """The one value that an attribute was answered with. Raises RemoteProtocolError."""
    return axdr.decode_all(encoded)

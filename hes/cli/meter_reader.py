"""Attributes read through an open association, as commands show them: with scaler and unit, profiles as tables."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, Literal, TypeAlias

from hes.cli.meter_times import with_sign
from hes.cli.read_values import ProfileTable, Reading, decode
from hes.dlms import axdr, profile_buffer
from hes.dlms.apdu import AttributeDescriptor, ExceptionResponse
from hes.dlms.client.clauses import name_clause
from hes.dlms.codes import Conformance
from hes.dlms.cosem.profile_generic import capture_objects_from_value
from hes.dlms.cosem.registers import ScalerUnit
from hes.dlms.data import Data
from hes.dlms.inspect.meanings import scaler_attribute
from hes.dlms.inspect.noting_reader import code_text
from hes.dlms.null_data import filled_rows
from hes.dlms.selective_access import CaptureObject
from hes.errors import AccessDenied, RemoteProtocolError
from hes.protocols.dlms_cosem import DlmsSession

CAPTURE_OBJECTS: Final = 3
CAPTURE_PERIOD: Final = 4

ScalerUnits: TypeAlias = dict[tuple[int, bytes, int], ScalerUnit | None]
"""By class, logical name and attribute that holds them; None where there is none to be had."""


class MeterReader:
    """Reads one object after another. deviation_sign: as in `ConnectPlan`. What is constant is asked for once."""

    def __init__(
        self, dlms: DlmsSession, deviation_sign: Literal[1, -1], known_scaler_units: ScalerUnits | None = None
    ) -> None:
        """known_scaler_units: from a reader before this one, where a connection was opened again."""
        self.dlms = dlms
        self.deviation_sign = deviation_sign
        self.known_scaler_units: ScalerUnits = {} if known_scaler_units is None else known_scaler_units

    @property
    def gives_parts(self) -> bool:
        """Whether rows of a profile may be chosen: selective access, with short names parameterized access."""
        client = self.dlms.client
        wanted = Conformance.PARAMETERIZED_ACCESS if client.settings.short_names else Conformance.SELECTIVE_ACCESS
        return wanted in client.conformance

    async def reading(self, descriptor: AttributeDescriptor, version: int | None = None) -> Reading:
        """One attribute with its scaler and unit. version: of its class, where that is known.

        Raises AccessDenied when the device refuses the attribute.
        """
        data = decode(await self.dlms.get(*descriptor))
        self._note_scaler_unit(descriptor, data)
        scaler_unit = await self.scaler_unit(*descriptor)
        return Reading(
            descriptor=descriptor,
            data=data,
            scaler_unit=scaler_unit,
            deviation_sign=self.deviation_sign,
            version=version,
        )

    def _note_scaler_unit(self, descriptor: AttributeDescriptor, data: Data) -> None:
        """What is read for itself need not be read again for the value beside it."""
        class_id, obis, attribute = descriptor
        if scaler_attribute(class_id) == attribute:
            with suppress(RemoteProtocolError):
                self.known_scaler_units[class_id, bytes(obis), attribute] = ScalerUnit.from_value(axdr.plain(data))

    async def scaler_unit(self, class_id: int, obis: bytes, attribute: int) -> ScalerUnit | None:
        """Scaler and unit of a register's value; None when it has none, does not tell or tells nonsense."""
        scaler = scaler_attribute(class_id, attribute)
        if scaler is None:
            return None
        key = (class_id, bytes(obis), scaler)
        if key not in self.known_scaler_units:
            self.known_scaler_units[key] = await self._asked_scaler_unit(class_id, obis, scaler)
        return self.known_scaler_units[key]

    async def _asked_scaler_unit(self, class_id: int, obis: bytes, attribute: int) -> ScalerUnit | None:
        try:
            value, _ = axdr.decode_value(await self.dlms.get(class_id, obis, attribute))
        except AccessDenied:
            return None
        return ScalerUnit.from_value(value)

    async def columns(self, class_id: int, obis: bytes) -> tuple[CaptureObject, ...]:
        """What a profile captures."""
        captured, _ = axdr.decode_value(await self.dlms.get(class_id, obis, CAPTURE_OBJECTS))
        return capture_objects_from_value(captured)

    async def units(self, columns: Sequence[CaptureObject]) -> tuple[ScalerUnit | None, ...]:
        """Scaler and unit by column."""
        found = [await self.scaler_unit(column.class_id, column.obis, column.attribute) for column in columns]
        return tuple(found)

    async def table(
        self, descriptor: AttributeDescriptor, columns: tuple[CaptureObject, ...], selection: bytes
    ) -> ProfileTable:
        """Rows of a profile's buffer, null-data filled in. selection: which, b"" for all."""
        class_id, obis, _ = descriptor
        rows: list[Any] = profile_buffer.decode_rows(await self.dlms.get(*descriptor, selection))
        period_s = 0
        if any(None in row for row in rows):
            value, _ = axdr.decode_value(await self.dlms.get(class_id, obis, CAPTURE_PERIOD))
            period_s = value if type(value) is int else 0
        return ProfileTable(
            descriptor=descriptor,
            columns=columns,
            scaler_units=await self.units(columns),
            rows=with_sign(filled_rows(rows, columns, period_s), self.deviation_sign),
        )


def why_not_read(error: AccessDenied | RemoteProtocolError) -> str:
    """Why one attribute was not read, in a few words; of a broken rule with the clause."""
    result, refusal = error.fields.get("result"), error.fields.get("refusal")
    if result is not None:
        return f"refused: {code_text(result)}"
    if isinstance(refusal, ExceptionResponse):
        return f"refused: {code_text(refusal.state_error)}, {code_text(refusal.service_error)}"
    if isinstance(error, RemoteProtocolError):
        name_clause(error)
        return f"the meter's answer breaks a rule: {error.sentence}"
    return error.message

"""The objects of the reference meter: at least one of every class whose server side exists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hes.dlms import axdr, data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem.access import EVERYONE
from hes.dlms.cosem.clock import Clock
from hes.dlms.cosem.cosem_object import CosemObject
from hes.dlms.cosem.disconnect_control import ControlState, DisconnectControl
from hes.dlms.cosem.local_time import UTC
from hes.dlms.cosem.profile_generic import ProfileGeneric
from hes.dlms.cosem.registers import DataObject, DemandRegister, ExtendedRegister, Register, ScalerUnit
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis
from sim.reference import load_profile
from sim.reference.load_profile import COLUMNS, EXPORT, IMPORT, PERIOD_S, ROWS_MAX, STATUS, VOLTAGE
from sim.reference.meter import ReferenceMeter

NUMBER: Final = "REF0000001"
"""Of the meter: what stands in its serial number, and its device address in a sign-on."""
SERIAL_NUMBER: Final = Obis.parse("0.0.96.1.0.255")
FIRMWARE: Final = Obis.parse("1.0.0.2.0.255")
LONG_VALUE: Final = Obis.parse("0.0.96.13.0.255")
WRITTEN: Final = Obis.parse("0.0.96.13.1.255")
DEMAND: Final = Obis.parse("1.0.1.4.0.255")
MAX_DEMAND: Final = Obis.parse("1.0.1.6.0.255")
LOAD_PROFILE: Final = Obis.parse("1.0.99.1.0.255")
RELAY: Final = Obis.parse("0.0.96.3.10.255")
WRITTEN_OCTETS_MAX: Final = 0xFFFF
"""Of a value that is written; a longer one is of the right type, and refused for no reason that has a code [A]."""

WATT_HOURS: Final = ScalerUnit(0, 30)
WATTS: Final = ScalerUnit(0, 27)
TENTHS_OF_VOLTS: Final = ScalerUnit(-1, 35)

Objects = Iterator[CosemObject[ReferenceMeter]]


def objects() -> Objects:
    """All of them."""
    yield from identity()
    yield from registers()
    yield from values_to_write()
    yield from profiles()
    yield DisconnectControl(
        RELAY, state=lambda meter, _now_s: meter.relay, switch=_switch, mode=lambda meter: meter.relay_mode
    )


def identity() -> Objects:
    yield Clock(time=lambda meter, now_s: now_s + meter.clock_offset_s, set_time=_set_time)
    yield DataObject(SERIAL_NUMBER, data.octets(NUMBER.encode("ascii")), readable=EVERYONE)
    yield DataObject(FIRMWARE, data.visible("reference 1"))


def registers() -> Objects:
    yield Register(IMPORT, lambda _meter, now_s: _u32(load_profile.import_wh(int(now_s))), WATT_HOURS)
    yield Register(EXPORT, lambda _meter, now_s: _u32(load_profile.export_wh(int(now_s))), WATT_HOURS)
    yield Register(
        VOLTAGE,
        lambda _meter, now_s: axdr.encode(data.u16(load_profile.voltage_dv(int(now_s)))),
        TENTHS_OF_VOLTS,
    )
    yield ExtendedRegister(
        MAX_DEMAND, _u32(228), WATTS, status=data.u8(0), capture_time=lambda _meter, now_s: _border(now_s)
    )
    yield DemandRegister(
        DEMAND,
        current_average=_u32(228),
        last_average=_u32(228),
        scaler_unit=WATTS,
        status=data.u8(0),
        capture_time=lambda _meter, now_s: _border(now_s),
        start_time_current=lambda _meter, now_s: _border(now_s),
        period_s=PERIOD_S,
    )


def values_to_write() -> Objects:
    yield DataObject(STATUS, lambda _meter, now_s: bytes((Tag.UNSIGNED, load_profile.status(int(now_s)))))
    yield DataObject(LONG_VALUE, lambda meter, _now_s: axdr.encode(data.octets(meter.long_value)), write=_set_long)
    yield DataObject(WRITTEN, lambda meter, _now_s: axdr.encode(data.octets(meter.written)), write=_set_written)


def profiles() -> Objects:
    yield ProfileGeneric(
        LOAD_PROFILE,
        rows=lambda meter, _now_s, from_s, to_s: meter.load_profile.between(from_s, to_s),
        entries=lambda meter, _now_s: len(meter.load_profile.rows),
        capture_objects=COLUMNS,
        capture_period_s=PERIOD_S,
        profile_entries=ROWS_MAX,
        reset=_reset_profile,
        capture=_capture,
    )


def _u32(number: int) -> bytes:
    return axdr.encode(data.u32(number))


def _border(now_s: float) -> bytes:
    return b"\x09\x0c" + UTC.octets(int(now_s) // PERIOD_S * PERIOD_S)


def _set_time(meter: ReferenceMeter, now_s: float, own_s: float) -> DataAccessResult:
    meter.clock_offset_s = own_s - now_s
    return DataAccessResult.SUCCESS


def _switch(meter: ReferenceMeter, _now_s: float, state: ControlState) -> ActionResult:
    meter.relay = state
    return ActionResult.SUCCESS


def _set_long(meter: ReferenceMeter, _now_s: float, value: Data) -> DataAccessResult:
    if value.tag is not Tag.OCTET_STRING:
        return DataAccessResult.TYPE_UNMATCHED
    if len(value.value) > WRITTEN_OCTETS_MAX:
        return DataAccessResult.OTHER_REASON
    meter.long_value = value.value
    return DataAccessResult.SUCCESS


def _set_written(meter: ReferenceMeter, _now_s: float, value: Data) -> DataAccessResult:
    if value.tag is not Tag.OCTET_STRING:
        return DataAccessResult.TYPE_UNMATCHED
    if len(value.value) > WRITTEN_OCTETS_MAX:
        return DataAccessResult.OTHER_REASON
    meter.written = value.value
    return DataAccessResult.SUCCESS


def _reset_profile(meter: ReferenceMeter, _now_s: float, _parameters: Data | None) -> ActionResult:
    meter.load_profile.clear()
    return ActionResult.SUCCESS


def _capture(meter: ReferenceMeter, now_s: float, _parameters: Data | None) -> ActionResult:
    meter.load_profile.capture(now_s)
    return ActionResult.SUCCESS

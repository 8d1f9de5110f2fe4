"""The COSEM model of a device profile: built once, shared by all its meters, read through the meter at hand.

Every object comes from the profile's data items, profiles and logs; what all meters have (logical device name, SAP
assignment, associations, security setup, invocation counter) is added by `LogicalDevice` itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache, partial

from hes.devices.profiles import AssociationOffer, CapturedProfile, DataItem, DeviceProfile, EventLog
from hes.dlms import data
from hes.dlms.codes import ActionResult, ApplicationContext, DataAccessResult, Mechanism
from hes.dlms.cosem.access import EVERYONE, ClientAccess, Role, public_client
from hes.dlms.cosem.clock import Clock
from hes.dlms.cosem.cosem_object import CosemObject
from hes.dlms.cosem.disconnect_control import ControlState, DisconnectControl
from hes.dlms.cosem.local_time import LocalTime
from hes.dlms.cosem.logical_device import LogicalDevice
from hes.dlms.cosem.profile_generic import ProfileGeneric
from hes.dlms.cosem.registers import DataObject, DemandRegister, ExtendedRegister, Register, ScalerUnit
from hes.dlms.data import Data
from hes.dlms.selective_access import CaptureObject
from hes.errors import ConfigError
from sim.meter import capture, events, instant
from sim.meter.civil import Zone
from sim.meter.meter import Meter
from sim.meter.row_codec import number_octets, stamp_octets

FIRMWARE_ID = "1.0.0.2.0.255"
METER_NUMBER = "0.0.96.1.0.255"
MODELS_KEPT = 64
CLASS_DATA, CLASS_REGISTER, CLASS_EXTENDED, CLASS_DEMAND, CLASS_CLOCK = 1, 3, 4, 5, 8
CLOCK_FIRST_S, CLOCK_LAST_S = 946_684_800, 4_102_444_799  # years 2000 to 2099, what a meter's calendar knows [A]
POWER_EXPONENT = -3  # instant.* gives demand in mW
_ROLES = {"counters": Role.PUBLIC, "read": Role.READER, "manage": Role.MANAGEMENT}
_MECHANISMS = {"none": Mechanism.NONE, "lls": Mechanism.LLS, "hls-gmac": Mechanism.HLS_GMAC}


@lru_cache(maxsize=MODELS_KEPT)
def logical_device(profile: DeviceProfile, zone: Zone) -> LogicalDevice[Meter]:
    """The model of a profile in a zone. Raises ConfigError for an object that the simulator cannot play."""
    setup = profile.security_setup[4]
    if profile.invocation_counter != bytes((0, 0, 43, 1, setup, 255)):
        raise ConfigError(f"{profile.name}: the invocation counter of security setup {setup} is 0.0.43.1.{setup}.255")
    return LogicalDevice(
        name=lambda meter: meter.identity.logical_device_name,
        clients=[_client(offer, setup) for offer in profile.associations],
        objects=_objects(profile, zone),
        security=lambda meter: meter.security,
        server_sap=profile.server_sap,
        max_receive_pdu_size=profile.max_pdu_octets,
        max_send_pdu_size=profile.max_pdu_octets,
    )


def _client(offer: AssociationOffer, setup: int) -> ClientAccess:
    if offer.rights == "counters" and offer.mechanism == "none":
        return public_client(offer.client_sap)
    context = ApplicationContext.LN_CIPHERED if offer.ciphered else ApplicationContext.LN
    return ClientAccess(
        client_sap=offer.client_sap,
        role=_ROLES[offer.rights],
        mechanism=_MECHANISMS[offer.mechanism],
        contexts=frozenset({context}),
        security_setup=setup if offer.ciphered else None,
    )


def _objects(profile: DeviceProfile, zone: Zone) -> Iterator[CosemObject[Meter]]:
    local = local_time(zone, profile.deviation_sign)
    yield Clock(profile.clock.obis, time=_own_time_s, set_time=_set_time, local=local)
    yield DataObject(METER_NUMBER, _meter_number, readable=EVERYONE)
    yield DataObject(FIRMWARE_ID, data.visible(profile.firmware))
    logs = {log.columns[1].name: log for log in profile.event_logs}
    for item in profile.items:
        if item.class_id != CLASS_CLOCK:
            yield _object(item, logs, zone, profile)
    for captured in profile.profiles:
        yield _profile_generic(captured, local)
    for log in profile.event_logs:
        yield _log(log, local)
    yield DisconnectControl(
        profile.disconnect_control, state=_control_state, switch=_switch, mode=profile.disconnect_mode
    )


def local_time(zone: Zone, deviation_sign: int) -> LocalTime:
    """How a meter in that zone writes instants."""
    return LocalTime(
        standard_deviation_min=-zone.standard_ms // 60_000,
        is_dst=lambda epoch_s: zone.is_summer(int(epoch_s * 1000)),
        deviation_sign=1 if deviation_sign == 1 else -1,
    )


def _object(item: DataItem, logs: dict[str, EventLog], zone: Zone, profile: DeviceProfile) -> CosemObject[Meter]:
    scaler_unit = ScalerUnit(item.scaler, item.unit)
    sign = profile.deviation_sign

    def stamp(stamp_ms: int) -> bytes:
        return b"\x09\x0c" + stamp_octets(zone, stamp_ms, deviation_sign=sign)

    def demand(power_mw: int) -> bytes:
        return number_octets(item, instant.rescaled(power_mw, POWER_EXPONENT, item.scaler))

    if item.class_id == CLASS_DATA and item.name in logs:
        log = logs[item.name]
        return DataObject(item.obis, lambda meter, now_s: number_octets(item, events.last_code(meter, log, now_s)))
    if item.class_id == CLASS_DATA and item.name == capture.STATUS:
        return DataObject(item.obis, lambda meter, now_s: number_octets(item, capture.status_now(meter, now_s)))
    if item.class_id == CLASS_REGISTER:
        read = instant.reading_of(item)
        return Register(
            item.obis, lambda meter, now_s: number_octets(item, read(meter, int(now_s * 1000))), scaler_unit
        )
    if item.class_id == CLASS_EXTENDED and item.name == "max_demand_import":
        return ExtendedRegister(
            item.obis,
            lambda meter, now_s: demand(instant.max_demand(meter, int(now_s * 1000)).power_mw),
            scaler_unit,
            status=data.u8(0),
            capture_time=lambda meter, now_s: stamp(instant.max_demand(meter, int(now_s * 1000)).stamp_ms),
        )
    if item.class_id == CLASS_DEMAND and item.name == "demand_import":

        def border(meter: Meter, now_s: float) -> bytes:
            return stamp(instant.last_border_ms(meter, int(now_s * 1000)))

        return DemandRegister(
            item.obis,
            current_average=lambda meter, now_s: demand(instant.demand_mw(meter, int(now_s * 1000), last=False)),
            last_average=lambda meter, now_s: demand(instant.demand_mw(meter, int(now_s * 1000), last=True)),
            scaler_unit=scaler_unit,
            status=data.u8(0),
            capture_time=border,
            start_time_current=border,
            period_s=profile.load_profile.capture_period_s,
        )
    raise ConfigError(f"{profile.name}: the simulator cannot play {item.name!r} as class {item.class_id}")


def _profile_generic(profile: CapturedProfile, local: LocalTime) -> ProfileGeneric[Meter]:
    for column in profile.channels:
        capture.quantity_of(profile, column.name)
    return ProfileGeneric(
        profile.obis,
        rows=lambda meter, now_s, from_s, to_s: capture.rows(meter, profile, now_s, from_s, to_s),
        entry_rows=lambda meter, now_s, first, last: capture.entry_rows(meter, profile, now_s, first, last),
        entries=lambda meter, now_s: capture.entries(meter, profile, now_s),
        capture_objects=[_capture_object(column.item) for column in profile.columns],
        capture_period_s=profile.capture_period_s,
        profile_entries=profile.entries,
        local=local,
        reset=partial(_reset, profile.name),
    )


def _log(log: EventLog, local: LocalTime) -> ProfileGeneric[Meter]:
    return ProfileGeneric(
        log.obis,
        rows=lambda meter, now_s, from_s, to_s: events.log_rows(meter, log, now_s, from_s, to_s),
        entries=lambda meter, now_s: events.log_entries(meter, log, now_s),
        capture_objects=[_capture_object(column.item) for column in log.columns],
        capture_period_s=0,
        profile_entries=log.entries,
        local=local,
    )


def _capture_object(item: DataItem) -> CaptureObject:
    return CaptureObject(item.class_id, item.obis, item.attribute, 0)


def _own_time_s(meter: Meter, now_s: float) -> float:
    return meter.reading_ms(int(now_s * 1000)) / 1000


def _set_time(meter: Meter, now_s: float, own_s: float) -> DataAccessResult:
    if not CLOCK_FIRST_S <= own_s <= CLOCK_LAST_S:
        return DataAccessResult.OTHER_REASON
    meter.interventions().set_clock(int(now_s * 1000), round(own_s * 1000))
    return DataAccessResult.SUCCESS


def _meter_number(meter: Meter, _now_s: float) -> bytes:
    number = meter.identity.number.encode("ascii")
    return bytes((0x09, len(number))) + number


def _control_state(meter: Meter, _now_s: float) -> ControlState:
    return ControlState.CONNECTED if meter.journal is None else ControlState(meter.journal.control_state)


def _switch(meter: Meter, now_s: float, state: ControlState) -> ActionResult:
    meter.interventions().relay(int(now_s * 1000), int(state))
    return ActionResult.SUCCESS


def _reset(profile_name: str, meter: Meter, now_s: float, _parameters: Data | None) -> ActionResult:
    meter.interventions().reset(int(now_s * 1000), profile_name)
    return ActionResult.SUCCESS

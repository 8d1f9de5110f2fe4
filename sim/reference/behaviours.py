"""Objects of the reference meter that act: image, scripts, schedules, calendar, limiter, register monitor, pushes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hes.dlms import data
from hes.dlms.cosem.calendar.activity_calendar import ActivityCalendar
from hes.dlms.cosem.calendar.schedule import Schedule
from hes.dlms.cosem.calendar.script_table import Script, ScriptTable
from hes.dlms.cosem.calendar.single_action_schedule import SingleActionSchedule, SingleActionState
from hes.dlms.cosem.calendar.special_days import SpecialDays
from hes.dlms.cosem.control.limiter import Limiter, LimiterState
from hes.dlms.cosem.control.monitored_value import AttributeReference
from hes.dlms.cosem.control.register_monitor import RegisterMonitor, RegisterMonitorState, ThresholdActions
from hes.dlms.cosem.cosem_object import CosemObject
from hes.dlms.cosem.generic_object import GenericObject
from hes.dlms.cosem.image.state import ImageToActivate
from hes.dlms.cosem.image.transfer import ImageTransfer
from hes.dlms.cosem.inner_calls import ObjectAction, ScriptReference, ServiceId
from hes.dlms.cosem.interface_classes import CLASSES
from hes.dlms.cosem.push.settings import Destination, ProtectionType, PushProtection, RepetitionDelay
from hes.dlms.cosem.push.setup import PushSetup, PushState
from hes.dlms.cosem.security_setup import SecuritySetup
from hes.dlms.obis import Obis
from hes.dlms.selective_access import CaptureObject
from sim.reference import load_profile, objects
from sim.reference.associations import SUITE_OF
from sim.reference.known_keys import SYSTEM_TITLE
from sim.reference.meter import ReferenceMeter

IMAGE_BLOCK_OCTETS: Final = 128
SAMPLE_PERIOD_S: Final = 60
SCRIPTS: Final = Obis.parse("0.0.10.0.106.255")
SCRIPT_DISCONNECT, SCRIPT_RECONNECT = 1, 2
RELAY_SCHEDULE: Final = Obis.parse("0.0.15.0.1.255")
LIMITER: Final = Obis.parse("0.0.17.0.0.255")
MONITOR: Final = Obis.parse("0.0.16.1.0.255")
SCHEDULE: Final = Obis.parse("0.0.12.0.0.255")
PUSH_PLAIN: Final = Obis.parse("0.0.25.9.0.255")
PUSH_SEALED: Final = Obis.parse("0.1.25.9.0.255")
PUSHED: Final = (
    CaptureObject(1, Obis.parse("0.0.42.0.0.255"), 2),
    CaptureObject(8, load_profile.CLOCK, 2),
    CaptureObject(3, load_profile.IMPORT, 2),
)
"""Behind the logical name of the push setup itself."""
OWN_CLASSES: Final = frozenset({15, 17, 64})
"""A logical device has these by itself."""

Objects = Iterator[CosemObject[ReferenceMeter]]


def behaviours() -> Objects:
    """What the management logical device does by itself or at somebody's word."""
    yield ImageTransfer(
        block_octets=IMAGE_BLOCK_OCTETS,
        store=lambda meter: meter.image,
        verifier=lambda _meter, transfer: (ImageToActivate(transfer.size, transfer.identification, b"verified"),),
        activator=lambda _meter, _transfer: True,
    )
    yield ScriptTable(SCRIPTS, (relay_script(SCRIPT_DISCONNECT, 1), relay_script(SCRIPT_RECONNECT, 2)))
    yield SingleActionSchedule(RELAY_SCHEDULE, SingleActionState(script=ScriptReference(SCRIPTS, SCRIPT_DISCONNECT)))
    yield Schedule(SCHEDULE)
    yield ActivityCalendar()
    yield SpecialDays()
    yield Limiter(LIMITER, LimiterState(monitored=IMPORT, normal=NEVER), sample_period_s=SAMPLE_PERIOD_S)
    yield RegisterMonitor(
        MONITOR,
        RegisterMonitorState(monitored=IMPORT, thresholds=(NEVER,), actions=(ThresholdActions(RECONNECT, RECONNECT),)),
        sample_period_s=SAMPLE_PERIOD_S,
    )
    yield push(PUSH_PLAIN, 0)
    yield push(PUSH_SEALED, 1, PushProtection(ProtectionType.AUTHENTICATION_AND_ENCRYPTION, originator=SYSTEM_TITLE))


IMPORT: Final = AttributeReference(3, load_profile.IMPORT, 2)
NEVER: Final = data.u32(0xFFFF_FFFF)
RECONNECT: Final = ScriptReference(SCRIPTS, SCRIPT_RECONNECT)


def relay_script(identifier: int, method: int) -> Script:
    return Script(identifier, (ObjectAction(ServiceId.EXECUTE, 70, objects.RELAY, method, data.i8(0)),))


def push(name: Obis, version: int, *protections: PushProtection) -> PushSetup[ReferenceMeter]:
    """To an address that a client writes first: attribute 3, HOST:PORT on TCP."""
    state = PushState(
        objects=(CaptureObject(40, name, 1), *PUSHED),
        destination=Destination(),
        retries=3,
        delay=RepetitionDelay(10),
        protections=protections,
    )
    return PushSetup(name, state, version=version)


def security_setups() -> Objects:
    """Version 1 where the suite has key pairs and certificates; a logical device has the others, version 0, by
    itself."""
    for setup, suite in SUITE_OF.items():
        if suite:
            yield SecuritySetup(setup, lambda meter: meter.security, version=1)


def one_of_every_class() -> Objects:
    """Every class in every version that is declared, as data: at 0.128.class / 256.class % 256.version.255."""
    for (class_id, version), declared in CLASSES.items():
        if class_id not in OWN_CLASSES:
            name = Obis(bytes((0, 128, class_id >> 8, class_id & 0xFF, version, 255)))
            yield GenericObject(declared, name, {})

"""A device with one object of every interface class in every version, behaviour included where it is played here.

Logical names are made up from class and version (0.128.class / 256.class % 256.version.255), except for the objects
that refer to each other.
"""

from dataclasses import dataclass, field

from hes.dlms import axdr, data
from hes.dlms.codes import ActionResult
from hes.dlms.cosem import (
    ClientAccess,
    ControlState,
    DisconnectControl,
    GenericObject,
    LogicalDevice,
    ObjectAction,
    ObjectStates,
    Role,
    ScalerUnit,
    ScriptReference,
    ServiceId,
)
from hes.dlms.cosem.calendar.activity_calendar import ActivityCalendar
from hes.dlms.cosem.calendar.register_activation import RegisterActivation
from hes.dlms.cosem.calendar.schedule import Schedule
from hes.dlms.cosem.calendar.script_table import Script, ScriptTable
from hes.dlms.cosem.calendar.settable_clock import SettableClock
from hes.dlms.cosem.calendar.single_action_schedule import SingleActionSchedule, SingleActionState
from hes.dlms.cosem.calendar.special_days import SpecialDays
from hes.dlms.cosem.captured.averaging import AveragingDemandRegister, MaximumRegister
from hes.dlms.cosem.captured.compact_data import CaptureMethod, CompactData, CompactDataState, template_row
from hes.dlms.cosem.captured.status_mapping import MappingTable, StatusMapping
from hes.dlms.cosem.captured.stored_profile import ProfileState, StoredProfile
from hes.dlms.cosem.control.arbitrator import Arbitrator, ArbitratorState
from hes.dlms.cosem.control.array_manager import ArrayManager, ArrayManagerState, ManagedArray
from hes.dlms.cosem.control.function_control import FunctionControl, FunctionControlState, MeterFunction
from hes.dlms.cosem.control.limiter import Limiter, LimiterState
from hes.dlms.cosem.control.monitored_value import AttributeReference
from hes.dlms.cosem.control.parameter_monitor import ParameterMonitor, ParameterMonitorState
from hes.dlms.cosem.control.port_protection import PortProtection, PortProtectionState
from hes.dlms.cosem.control.register_monitor import RegisterMonitor, RegisterMonitorState, ThresholdActions
from hes.dlms.cosem.image.state import ImageMemory, ImageToActivate
from hes.dlms.cosem.image.transfer import ImageTransfer
from hes.dlms.cosem.interface_classes import CLASSES
from hes.dlms.cosem.payment.account import Account
from hes.dlms.cosem.payment.account_values import AccountState
from hes.dlms.cosem.payment.charge import Charge, ChargeState
from hes.dlms.cosem.payment.credit import Credit
from hes.dlms.cosem.payment.credit_rules import CreditState
from hes.dlms.cosem.payment.token_gateway import TokenGateway, TokenOutcome, TokenStatus
from hes.dlms.cosem.push.settings import ProtectionType, PushProtection
from hes.dlms.cosem.push.setup import PushSetup, PushState
from hes.dlms.cosem.setup_objects import (
    Counters,
    G3MacSetup,
    HdlcSetup,
    Ipv4Setup,
    Ipv6Setup,
    MbusClient,
    NtpSetup,
    SetupObject,
)
from hes.dlms.cosem.tests.test_time_windows import NIGHTLY
from hes.dlms.obis import Obis
from hes.dlms.selective_access import CaptureObject

MANAGER = ClientAccess(client_sap=1, role=Role.MANAGEMENT | Role.READER | Role.PUBLIC)
OWN_CLASSES = {15, 17, 64}  # added by the logical device itself
SCRIPT = ScriptReference(Obis(bytes((0, 128, 0, 9, 0, 255))), 1)


@dataclass(eq=False)
class ReferenceMeter:
    states: ObjectStates = field(default_factory=ObjectStates)
    image: ImageMemory = field(default_factory=ImageMemory)
    relay: ControlState = ControlState.CONNECTED


def name_of(class_id, version=0):
    return Obis(bytes((0, 128, class_id >> 8, class_id & 0xFF, version, 255)))


def _switch(meter, _now_s, state):
    meter.relay = state
    return ActionResult.SUCCESS


def _pushed(version):
    objects = (CaptureObject(40, name_of(40, version), 1), CaptureObject(1, name_of(1), 2))
    protections = (PushProtection(ProtectionType.AUTHENTICATION_AND_ENCRYPTION),)
    return PushSetup(
        name_of(40, version),
        PushState(objects=objects, windows=(NIGHTLY,), retries=3, protections=protections),
        version=version,
    )


def _compact(version):
    name = name_of(62, version)
    columns = (template_row(name), CaptureObject(1, name_of(1), 2))
    state = CompactDataState(columns=columns, template_id=7, method=CaptureMethod.IMPLICIT)
    return CompactData(name, state, version=version)


def _metering():
    watt = ScalerUnit(0, 27)
    demand = AveragingDemandRegister(name_of(5), lambda _meter, now_s: int(1500 * now_s), watt, period_s=900)
    reference = AttributeReference(5, name_of(5), 2)
    yield demand
    yield MaximumRegister(name_of(4), demand, watt)
    yield Limiter(
        name_of(71),
        LimiterState(monitored=reference, normal=data.i32(9000), emergency=data.i32(500), groups=(1, 2)),
        sample_period_s=900,
    )
    yield RegisterMonitor(
        name_of(21),
        RegisterMonitorState(
            monitored=reference, thresholds=(data.i32(9000),), actions=(ThresholdActions(SCRIPT, SCRIPT),)
        ),
        sample_period_s=900,
    )
    yield _compact(0)
    yield _compact(1)
    clock = CaptureObject(8, Obis.parse("0.0.1.0.0.255"), 2)
    power = CaptureObject(5, name_of(5), 2)
    yield StoredProfile(
        name_of(7, 1), ProfileState(capture_objects=(clock, power), period_s=900, entries=8), entries_max=16
    )
    yield StatusMapping(name_of(63), data.u16(0x8001), MappingTable(1, 10))


def _control():
    yield SettableClock()
    yield DisconnectControl(name_of(70), state=lambda meter, _now_s: meter.relay, switch=_switch, mode=4)
    yield ImageTransfer(
        name_of(18),
        block_octets=64,
        store=lambda meter: meter.image,
        verifier=lambda _meter, transfer: (ImageToActivate(transfer.size, transfer.identification, b"s"),),
        activator=lambda _meter, _transfer: True,
    )
    yield Arbitrator(
        name_of(68), ArbitratorState(actions=(SCRIPT,), permissions=("1",), weightings=((10,),), requests=("0",))
    )
    yield FunctionControl(name_of(122), FunctionControlState((MeterFunction(b"prepay", ((111, name_of(111)),)),)))
    yield ArrayManager(name_of(123), ArrayManagerState((ManagedArray(1, AttributeReference(68, name_of(68), 2)),)))
    yield PortProtection(name_of(124), PortProtectionState(port=name_of(23, 1)))
    yield ParameterMonitor(name_of(65), ParameterMonitorState(parameters=(AttributeReference(71, name_of(71), 4),)))
    for version in (0, 1, 2):
        yield _pushed(version)
    disconnect = ObjectAction(ServiceId.EXECUTE, 70, name_of(70), 1, data.i8(0))
    script = ScriptReference(name_of(9), 1)
    yield ScriptTable(name_of(9), [Script(1, (disconnect,))], writable=Role.MANAGEMENT)
    yield SingleActionSchedule(name_of(22), SingleActionState(script=script))
    yield Schedule(name_of(10))
    yield SpecialDays(name_of(11))
    yield ActivityCalendar(name_of(20))
    yield RegisterActivation(name_of(6))


def _payment():
    yield Account(name_of(111), AccountState(credits=(name_of(112),), charges=(name_of(113),)))
    yield Credit(name_of(112), CreditState(amount=500, configuration="00001"))
    yield Charge(name_of(113), ChargeState(total_remaining=100))
    yield TokenGateway(
        name_of(115), lambda _meter, _now_s, _token: TokenOutcome(status=TokenStatus.EXECUTION_OK, amount=100)
    )


SETUP_CLASSES = {
    42: Ipv4Setup, 48: Ipv6Setup, 77: Counters, 90: Counters, 91: G3MacSetup, 100: NtpSetup,
}  # fmt: skip


def _communication():
    for version in (0, 1):
        yield HdlcSetup(name_of(23, version), version=version)
        yield MbusClient(name_of(72, version), version=version)
    for (class_id, version), declared in CLASSES.items():
        if class_id in SETUP_CLASSES:
            yield SETUP_CLASSES[class_id](declared, name_of(class_id, version))
        elif class_id in {19, 27, 28, 29, 41, 43, 44, 45, 47, 74, 92, 151}:
            yield SetupObject(declared, name_of(class_id, version))


def objects():
    """One object of each (class, version); those not played here are generic."""
    played = [*_metering(), *_control(), *_payment(), *_communication()]
    there = {(entry.interface_class.class_id, entry.interface_class.version) for entry in played}
    assert len(there) == len(played)
    for key, declared in CLASSES.items():
        if key not in there:
            played.append(GenericObject(declared, name_of(*key), {}))
    return played


def device():
    return LogicalDevice(
        name=lambda _meter: b"AML0000000000002",
        clients=(MANAGER,),
        objects=objects(),
        states=lambda meter: meter.states,
    )


def encoded_values(target, context):
    """(attribute, what a client reads) for all attributes of an object."""
    for index in range(1, len(target.interface_class.attributes) + 1):
        yield index, target.get(context, index)


def value_of(encoded):
    return axdr.decode_all(encoded)

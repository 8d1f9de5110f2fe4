"""COSEM interface classes: declarations for both roles, and objects for the server side."""

from hes.dlms.cosem.access import (
    CLIENT_MANAGEMENT,
    CLIENT_PUBLIC,
    EVERYONE,
    METER_CONFORMANCE,
    PUBLIC_CONFORMANCE,
    READERS,
    AssociationStatus,
    AttributeMode,
    ClientAccess,
    MethodMode,
    Role,
    SecurityPolicy,
    public_client,
)
from hes.dlms.cosem.association_ln import AssociationLn
from hes.dlms.cosem.calendar.activity_calendar import ActivityCalendar, CalendarState
from hes.dlms.cosem.calendar.register_activation import ActivationState, RegisterActivation
from hes.dlms.cosem.calendar.schedule import Schedule, ScheduleEntry
from hes.dlms.cosem.calendar.script_table import Script, ScriptTable
from hes.dlms.cosem.calendar.settable_clock import ClockState, SettableClock
from hes.dlms.cosem.calendar.single_action_schedule import SingleActionSchedule, SingleActionState
from hes.dlms.cosem.calendar.special_days import SpecialDay, SpecialDays
from hes.dlms.cosem.captured.register_table import RegisterTable
from hes.dlms.cosem.captured.stored_profile import ProfileState, StoredProfile
from hes.dlms.cosem.clock import Clock, date_time_of
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.cosem_object import ActionReply, Attribute, CosemObject, Method, attribute, constant, method
from hes.dlms.cosem.device_time import Timekeeper
from hes.dlms.cosem.disconnect_control import ControlState, DisconnectControl, Move, next_state
from hes.dlms.cosem.generic_object import GenericObject
from hes.dlms.cosem.inner_calls import InnerContext, ObjectAction, ScriptReference, ServiceId
from hes.dlms.cosem.interface_classes import (
    CLASSES,
    InterfaceClass,
    attribute_type,
    conforms,
    interface_class,
    method_type,
    name_of,
    name_of_method,
)
from hes.dlms.cosem.local_time import UTC, LocalTime
from hes.dlms.cosem.logical_device import LogicalDevice
from hes.dlms.cosem.object_list import ObjectListElement, object_list_from_value
from hes.dlms.cosem.object_state import ObjectStates, StatefulObject
from hes.dlms.cosem.profile_generic import ProfileGeneric, SortMethod, capture_objects_from_value
from hes.dlms.cosem.registers import DataObject, DemandRegister, ExtendedRegister, Register, ScalerUnit
from hes.dlms.cosem.sap_assignment import SapAssignment, sap_list_from_value
from hes.dlms.cosem.security_setup import SecuritySetup, invocation_counter_name, security_policy_from_value
from hes.dlms.cosem.security_state import SecurityMemory, SecurityState
from hes.dlms.selective_access import CaptureObject

__all__ = [
    "CLASSES",
    "CLIENT_MANAGEMENT",
    "CLIENT_PUBLIC",
    "EVERYONE",
    "METER_CONFORMANCE",
    "PUBLIC_CONFORMANCE",
    "READERS",
    "UTC",
    "ActionReply",
    "ActivationState",
    "ActivityCalendar",
    "AssociationLn",
    "AssociationStatus",
    "Attribute",
    "AttributeMode",
    "CalendarState",
    "CaptureObject",
    "ClientAccess",
    "Clock",
    "ClockState",
    "Context",
    "ControlState",
    "CosemObject",
    "DataObject",
    "DemandRegister",
    "DisconnectControl",
    "ExtendedRegister",
    "GenericObject",
    "InnerContext",
    "InterfaceClass",
    "LocalTime",
    "LogicalDevice",
    "Method",
    "MethodMode",
    "Move",
    "ObjectAction",
    "ObjectListElement",
    "ObjectStates",
    "ProfileGeneric",
    "ProfileState",
    "Register",
    "RegisterActivation",
    "RegisterTable",
    "Role",
    "SapAssignment",
    "ScalerUnit",
    "Schedule",
    "ScheduleEntry",
    "Script",
    "ScriptReference",
    "ScriptTable",
    "SecurityMemory",
    "SecurityPolicy",
    "SecuritySetup",
    "SecurityState",
    "ServiceId",
    "SettableClock",
    "SingleActionSchedule",
    "SingleActionState",
    "SortMethod",
    "SpecialDay",
    "SpecialDays",
    "StatefulObject",
    "StoredProfile",
    "Timekeeper",
    "attribute",
    "attribute_type",
    "capture_objects_from_value",
    "conforms",
    "constant",
    "date_time_of",
    "interface_class",
    "invocation_counter_name",
    "method",
    "method_type",
    "name_of",
    "name_of_method",
    "next_state",
    "object_list_from_value",
    "public_client",
    "sap_list_from_value",
    "security_policy_from_value",
]

"""Push setup, class 40: the object. What it pushes comes out as values; sending them is the host's.

After `LogicalDevice.run_due` the host takes the messages of an instance (`outgoing`), protects them where `control`
says so (`hes.dlms.server.protect_notification`), sends them and reports with `delivered` or `failed`. A push collects
its values when it is sent for the first time; repetitions carry the same octets.

Source: docs/protocols/cosem-objects.md §6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias, TypeVar

from hes.dlms import axdr, data
from hes.dlms.apdu import DataNotification
from hes.dlms.codes import ActionResult
from hes.dlms.cosem.access import READERS, Role
from hes.dlms.cosem.calendar.date_patterns import civil_s, first_instant
from hes.dlms.cosem.clock import NO_DATE_TIME
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.control.monitored_value import NOTHING
from hes.dlms.cosem.cosem_object import Method
from hes.dlms.cosem.interface_classes import CLASSES
from hes.dlms.cosem.logical_device import LogicalDevice
from hes.dlms.cosem.object_state import StatefulObject
from hes.dlms.cosem.push import schedule as push_schedule
from hes.dlms.cosem.push import settings as push_settings
from hes.dlms.cosem.push.schedule import EMPTY_QUEUE, PENDING_MAX, Queue
from hes.dlms.cosem.push.settings import (
    NO_DELAY,
    NO_DESTINATION,
    Destination,
    OperationMethod,
    PushProtection,
    RepetitionDelay,
)
from hes.dlms.cosem.push.time_windows import TimeWindow, next_open
from hes.dlms.cosem.stateful_method import no_parameters, stateful_method
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis
from hes.dlms.security import SecurityControl
from hes.dlms.selective_access import CaptureObject
from hes.errors import LocalProtocolError, RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

CONFIRMED_BIT: Final = 1 << 30  # of the long invoke id and priority
ELEMENT_MASK: Final = 0x0FFF  # data indices that name one element of a complex attribute
NEWEST_VERSION: Final = 2
_NULL: Final = b"\x00"

StartDelay: TypeAlias = Callable[[I, float, int], float]
"""(instance, now_s, interval_s) -> seconds from 0 to interval_s, drawn by the caller"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushMessage:
    """One push on its way. number, attempt (from 1): which push, and how often it has been sent.

    port: logical name of the communication port to use, `NOTHING` for any. client_sap: of the client it is meant for.
    """

    push_setup: Obis
    number: int
    attempt: int
    destination: Destination
    notification: DataNotification
    confirmed: bool
    port: Obis
    client_sap: int
    protections: tuple[PushProtection, ...]

    @property
    def control(self) -> SecurityControl | None:
        """How the notification is to be ciphered; None for not at all. Raises LocalProtocolError for a signature."""
        if any(entry.protection is push_settings.ProtectionType.DIGITAL_SIGNATURE for entry in self.protections):
            raise LocalProtocolError("a push with a digital signature is sealed with general-signing, by the host")
        authenticated = any(entry.authenticates for entry in self.protections)
        encrypted = any(entry.encrypts for entry in self.protections)
        if not authenticated and not encrypted:
            return None
        return SecurityControl.of(authenticated=authenticated, encrypted=encrypted)


@dataclass(frozen=True, slots=True, kw_only=True)
class PushState:
    """Parameters, the pushes at hand, and the messages that the host has not taken yet."""

    objects: tuple[CaptureObject, ...] = ()
    destination: Destination = NO_DESTINATION
    windows: tuple[TimeWindow, ...] = ()
    randomisation_s: int = 0
    retries: int = 0
    delay: RepetitionDelay = NO_DELAY
    port: Obis = NOTHING
    client_sap: int = 0
    protections: tuple[PushProtection, ...] = ()
    method: OperationMethod = OperationMethod.UNCONFIRMED_RETRY_ON_FAILURE
    confirmation: tuple[bytes, int] = (NO_DATE_TIME, 0)
    last_confirmation: bytes = NO_DATE_TIME
    queue: Queue = EMPTY_QUEUE
    outbox: tuple[PushMessage, ...] = ()


class PushSetup(StatefulObject[I, PushState]):
    """Class 40, Push setup, version 0, 1 or 2.

    Of version 2, confirmation_parameters are kept and shown only.
    """

    __slots__ = ("_start_delay",)

    def __init__(
        self,
        logical_name: Obis | str,
        initial: PushState,
        *,
        version: int = 0,
        start_delay: StartDelay[I] | None = None,
        readable: Role = READERS,
        writable: Role = Role.MANAGEMENT,
        invocable: Role = Role.MANAGEMENT,
    ) -> None:
        """start_delay: draws the random delay; without it pushes start at once.

        Raises LocalProtocolError for a version that is not known here.
        """
        if not 0 <= version <= NEWEST_VERSION:
            raise LocalProtocolError(f"push setup version {version} is not known; there are 0, 1 and 2")
        self._start_delay = start_delay
        attributes = {
            index: self.stored(field, encode, decode, readable=readable, writable=writable)
            for index, (field, encode, decode) in enumerate(_fields(version), 2)
        }
        methods: dict[int, Method[I]] = {1: stateful_method(self, no_parameters, self._push, invocable=invocable)}
        if version >= 2:
            methods[2] = stateful_method(self, no_parameters, _reset, invocable=invocable)
        super().__init__(CLASSES[40, version], logical_name, attributes, methods, initial=initial)

    # -- what the host does

    def trigger(self, context: Context[I]) -> None:
        """Push, as method 1 does: for events and schedules of the host."""
        self.put(context, self._triggered(context, self.state(context)))

    def take_outgoing(self, context: Context[I]) -> tuple[PushMessage, ...]:
        """The messages that are to be sent now; they are handed out once."""
        state = self.state(context)
        if state.outbox:
            self.put(context, replace(state, outbox=()))
        return state.outbox

    def delivered(self, context: Context[I], number: int) -> None:
        """The push with that number has arrived or, in method 2, was confirmed."""
        state = self.state(context)
        push = state.queue.find(number)
        if push is None or not push.on_its_way:
            return
        state = replace(state, queue=push_schedule.delivered(state.queue, number))
        if state.method is OperationMethod.CONFIRMED:
            timekeeper = context.device.timekeeper
            written = timekeeper.local(context).octets(int(timekeeper.own_s(context)))
            state = replace(state, last_confirmation=written)
        self.put(context, state)

    def failed(self, context: Context[I], number: int) -> None:
        """The layer below could not send the push with that number."""
        state = self.state(context)
        queue = push_schedule.failed(
            state.queue, number, context.now_s, self._opens_at(context, state), state.retries, state.delay
        )
        if queue is not state.queue:
            self.put(context, replace(state, queue=queue))

    # -- time

    def next_deadline(self, context: Context[I]) -> float | None:
        return self.state(context).queue.next_due_s()

    def run_due(self, context: Context[I]) -> None:
        state = self.state(context)
        opens_at = self._opens_at(context, state)
        queue = state.queue
        for push in queue.pending:
            if push.on_its_way and push.due_s is not None and push.due_s <= context.now_s:
                queue = push_schedule.lost(queue, push, context.now_s, opens_at, state.retries)
        outbox = list(state.outbox)
        for push in queue.pending:
            if not push.on_its_way and push.due_s is not None and push.due_s <= context.now_s:
                ready = push if push.body else replace(push, body=push_body(context, state.objects))
                queue = push_schedule.send(queue, ready, context.now_s, state.method, state.delay)
                outbox.append(self._message(state, ready))
        self.put(context, replace(state, queue=queue, outbox=tuple(outbox[-PENDING_MAX:])))

    def _opens_at(self, context: Context[I], state: PushState) -> push_schedule.OpensAt:
        timekeeper = context.device.timekeeper

        def opens_at(world_s: float) -> float | None:
            if not state.windows:
                return world_s
            local = timekeeper.local(context)
            own_s = timekeeper.own_s(context) + world_s - context.now_s
            now_civil = civil_s(local, int(own_s))
            opened = next_open(state.windows, now_civil)
            if opened is None or opened == now_civil:
                return None if opened is None else world_s
            return timekeeper.world_s(context, first_instant(local, opened))

        return opens_at

    def _triggered(self, context: Context[I], state: PushState) -> PushState:
        delay_s = 0.0
        if state.randomisation_s and self._start_delay is not None:
            delay_s = self._start_delay(context.instance, context.now_s, state.randomisation_s)
        queue = push_schedule.trigger(state.queue, context.now_s, self._opens_at(context, state), delay_s)
        return replace(state, queue=queue)

    def _push(self, context: Context[I], state: PushState, _parameters: None) -> tuple[PushState, ActionResult]:
        return self._triggered(context, state), ActionResult.SUCCESS

    def _message(self, state: PushState, push: push_schedule.PendingPush) -> PushMessage:
        confirmed = state.method is OperationMethod.CONFIRMED
        return PushMessage(
            push_setup=self.logical_name,
            number=push.number,
            attempt=push.sent + 1,
            destination=state.destination,
            notification=DataNotification(push.number | CONFIRMED_BIT * confirmed, b"", push.body),
            confirmed=confirmed,
            port=state.port,
            client_sap=state.client_sap,
            protections=state.protections,
        )


def outgoing(device: LogicalDevice[I], instance: I, now_s: float) -> list[PushMessage]:
    """The messages of all push setups of an instance, in the order of declaration; handed out once."""
    context = device.own_context(instance, now_s)
    return [message for entry in device if isinstance(entry, PushSetup) for message in entry.take_outgoing(context)]


def push_body(context: Context[I], objects: tuple[CaptureObject, ...]) -> bytes:
    """The encoded structure of the listed attributes; null-data for what cannot be read [A]."""
    values = b"".join(_pushed(context, entry) for entry in objects)
    return bytes((Tag.STRUCTURE,)) + axdr.encode_length(len(objects)) + values


def _pushed(context: Context[I], entry: CaptureObject) -> bytes:
    if entry.attribute == 0:
        return _all_attributes(context, entry)
    encoded = context.device.read_encoded(context, entry.class_id, entry.obis, entry.attribute)
    if encoded is None or not entry.data_index:
        return encoded or _NULL
    return element_of(encoded, entry.data_index)


def _all_attributes(context: Context[I], entry: CaptureObject) -> bytes:
    target = context.device.find(entry.obis)
    if target is None or target.interface_class.class_id != entry.class_id:
        return _NULL
    indices = range(1, len(target.interface_class.attributes) + 1)
    values = [context.device.read_encoded(context, entry.class_id, entry.obis, index) or _NULL for index in indices]
    return bytes((Tag.STRUCTURE,)) + axdr.encode_length(len(values)) + b"".join(values)


def element_of(encoded: bytes, data_index: int) -> bytes:
    """The encoded element (counted from 1) of an encoded array or structure; null-data where there is none.

    Indices above 0x0FFF choose parts of a profile buffer and are not offered.
    """
    try:
        value = axdr.decode_all(encoded)
    except RemoteProtocolError:
        return _NULL
    if value.tag not in (Tag.ARRAY, Tag.STRUCTURE) or not 1 <= data_index <= min(len(value.value), ELEMENT_MASK):
        return _NULL
    return axdr.encode(value.value[data_index - 1])


def _reset(_context: Context[I], state: PushState, _parameters: None) -> tuple[PushState, ActionResult]:
    """Forget the pushes at hand and when one was last confirmed [A]."""
    queue = replace(state.queue, pending=())
    return replace(state, queue=queue, outbox=(), last_confirmation=NO_DATE_TIME), ActionResult.SUCCESS


Field: TypeAlias = tuple[str, Callable[[Any], Data], Callable[[Data], Any] | None]


def _fields(version: int) -> list[Field]:
    """(field of the state, how it is written, how it is read) of attributes 2, 3, ..."""
    settings = push_settings
    fields: list[Field] = [
        (
            "objects",
            lambda held: settings.objects_data(held, version),
            lambda value: settings.objects_from_data(value, version),
        ),
        ("destination", Destination.to_data, Destination.from_data),
        ("windows", settings.windows_data, settings.windows_from_data),
        ("randomisation_s", data.u16, settings.of(Tag.LONG_UNSIGNED)),
        ("retries", data.u8, settings.of(Tag.UNSIGNED)),
        (
            "delay",
            lambda held: held.to_data(version),
            lambda value: RepetitionDelay.from_data(value, version),
        ),
        ("port", data.octets, settings.name_from_data),
        ("client_sap", data.i8, settings.of(Tag.INTEGER)),
        ("protections", settings.protections_data, settings.protections_from_data),
        ("method", data.enum, settings.method_from_data),
        ("confirmation", settings.confirmation_data, settings.confirmation_from_data),
        ("last_confirmation", data.date_time, None),
    ]
    return fields[: (6, 9, 12)[version]]

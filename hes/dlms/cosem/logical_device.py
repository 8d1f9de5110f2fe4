"""A logical device: its objects, the clients that may associate, and how to find what belongs to one instance.

One `LogicalDevice` is shared by all meters of a profile and holds nothing of any of them; `I` is the type of the meter.
The objects that every device has (LDN, SAP assignment, associations, security setups, invocation counters) are added
unless they are given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final, Generic, TypeVar

from hes.dlms import axdr
from hes.dlms.block_transfer import BLOCK_TRANSFER_OCTETS_MAX
from hes.dlms.codes import ActionResult
from hes.dlms.cosem import device_time
from hes.dlms.cosem.access import EVERYONE, READERS, ClientAccess, Role
from hes.dlms.cosem.association_ln import CURRENT_ASSOCIATION, AssociationLn, visible
from hes.dlms.cosem.association_sn import AssociationSn
from hes.dlms.cosem.calendar.settable_clock import SettableClock
from hes.dlms.cosem.clock import CLOCK_LOGICAL_NAME, Clock
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.control.parameter_monitor import ParameterMonitor
from hes.dlms.cosem.cosem_object import CosemObject
from hes.dlms.cosem.device_time import Timekeeper, WorldTime
from hes.dlms.cosem.inner_calls import INNER_CALLS_MAX, INNER_DEPTH_MAX, InnerContext, ObjectAction, perform
from hes.dlms.cosem.object_list import encode_object_list
from hes.dlms.cosem.object_state import ObjectStates, StatefulObject
from hes.dlms.cosem.registers import DataObject
from hes.dlms.cosem.sap_assignment import SapAssignment
from hes.dlms.cosem.security_setup import SecuritySetup, invocation_counter
from hes.dlms.cosem.security_state import SecurityState
from hes.dlms.cosem.short_names import ShortNames
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis
from hes.errors import LocalProtocolError, RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

LOGICAL_DEVICE_NAME: Final = Obis.parse("0.0.42.0.0.255")
MANAGEMENT_LOGICAL_DEVICE: Final = 1
_OCTET_STRING: Final = bytes((Tag.OCTET_STRING,))
MAX_RECEIVE_PDU_SIZE: Final = 1224  # octets; a common meter buffer [A]
GENERAL_BLOCK_WINDOW: Final = 8  # blocks of that size: ten kilobytes behind a gap at most [A]


class LogicalDevice(Generic[I]):
    """Objects by logical name and clients by SAP, for every meter of a profile.

    neighbours: the logical devices that its SAP assignment lists; itself, unless a `PhysicalDevice` knows more.
    """

    def __init__(
        self,
        *,
        name: Callable[[I], bytes],
        clients: Sequence[ClientAccess],
        objects: Iterable[CosemObject[I]],
        security: Callable[[I], SecurityState] | None = None,
        server_sap: int = MANAGEMENT_LOGICAL_DEVICE,
        max_receive_pdu_size: int = MAX_RECEIVE_PDU_SIZE,
        max_send_pdu_size: int = 0,
        max_long_request_octets: int = BLOCK_TRANSFER_OCTETS_MAX,
        general_block_window: int = GENERAL_BLOCK_WINDOW,
        prefers_general_blocks: bool = False,
        security_setup_version: int = 0,
        association_version: int = 1,
        managed_associations: Role = Role.NOBODY,
        states: Callable[[I], ObjectStates] | None = None,
        timekeeper: Timekeeper[I] | None = None,
    ) -> None:
        """name: instance -> logical device name, up to 16 octets. security: instance -> its keys and counters.

        states: instance -> what its stateful objects remember; needed when there are any. timekeeper: the meter's own
        time; the clock object 0.0.1.0.0 where there is one, else world time.
        max_receive_pdu_size: octets of the longest APDU that the device takes. max_send_pdu_size: octets of the longest
        that it sends, where its own buffer is smaller than the client's; 0 where it is not.
        max_long_request_octets: of the value of a long SET or ACTION, or a long Write; what grows beyond is aborted.
        general_block_window: general blocks that it takes at once, 1..63. prefers_general_blocks: long answers go in
        general blocks even where the services' own were agreed.
        association_version: of the Association LN objects, 0 to 3; 2 and 3 have users, 3 lists rights with their
        protection. managed_associations: who may write passwords and users and remove objects there, which needs
        `states`.
        Raises LocalProtocolError when a logical name or a client SAP is given twice, or a needed state is not given.
        """
        self.name = name
        self.security = security
        self.association_version = association_version
        self.server_sap = server_sap
        self.neighbours: tuple[LogicalDevice[I], ...] = (self,)
        self.max_receive_pdu_size = max_receive_pdu_size
        self.max_send_pdu_size = max_send_pdu_size
        self.max_long_request_octets = max_long_request_octets
        self.general_block_window = general_block_window
        self.prefers_general_blocks = prefers_general_blocks
        self.clients = {client.client_sap: client for client in clients}
        if len(self.clients) != len(clients):
            raise LocalProtocolError("a client SAP is declared twice")
        self._objects: dict[bytes, CosemObject[I]] = {}
        for entry in objects:
            if entry.logical_name in self._objects:
                raise LocalProtocolError(f"{entry.logical_name} is declared twice", obis=str(entry.logical_name))
            self._objects[entry.logical_name] = entry
        self._managed = managed_associations
        for entry in self._standard_objects(security_setup_version):
            self._objects.setdefault(entry.logical_name, entry)
        self.find: Callable[[bytes], CosemObject[I] | None] = self._objects.get
        """The object with that logical name. Asked for every request: the dictionary answers by itself."""
        self._object_lists: dict[Role, bytes] = {}
        self._short_names: ShortNames[I] | None = None
        self.states = states
        associations = [entry for entry in self if isinstance(entry, AssociationLn)]
        self._associations = {entry.client.client_sap: entry for entry in associations if entry.client is not None}
        stateful = [entry for entry in self if isinstance(entry, StatefulObject)]
        changing = [entry for entry in stateful if entry.needs_states]
        if changing and states is None:
            raise LocalProtocolError(f"{changing[0]!r} remembers its state: the device needs `states`")
        self.parameter_monitors = [entry for entry in stateful if isinstance(entry, ParameterMonitor)]
        self._stateful: list[StatefulObject[I, Any]] = stateful
        self._timed = [entry for entry in stateful if type(entry).next_deadline is not StatefulObject.next_deadline]
        self.timekeeper: Timekeeper[I] = timekeeper or self._own_clock()
        if any(context.short_names for client in clients for context in client.contexts):
            _ = self.short_names  # raises now, and not when a client comes

    def _own_clock(self) -> Timekeeper[I]:
        clock = self.find(CLOCK_LOGICAL_NAME)
        return clock if isinstance(clock, Clock | SettableClock) else WorldTime()

    def _standard_objects(self, security_setup_version: int) -> Iterator[CosemObject[I]]:
        def logical_device_name(instance: I, _now_s: float) -> bytes:
            name = self.name(instance)
            return _OCTET_STRING + axdr.encode_length(len(name)) + name

        yield DataObject(LOGICAL_DEVICE_NAME, logical_device_name, readable=EVERYONE)
        yield SapAssignment(lambda instance: {each.server_sap: each.name(instance) for each in self.neighbours})
        version, managed = self.association_version, self._managed
        yield AssociationLn(CURRENT_ASSOCIATION, readable=EVERYONE, version=version, managed=managed)
        for index, client in enumerate(self.clients.values(), 1):
            name = Obis(bytes((0, 0, 40, 0, index, 255)))
            yield AssociationLn(name, client, readable=READERS, version=version, managed=managed)
        setups = {client.security_setup for client in self.clients.values() if client.security_setup is not None}
        for setup in sorted(setups):
            if self.security is None:
                raise LocalProtocolError("clients with a security setup need `security`")
            yield SecuritySetup(setup, self.security, version=security_setup_version)
            yield invocation_counter(setup, self.security)

    def __iter__(self) -> Iterator[CosemObject[I]]:
        """All objects, in the order they were declared."""
        return iter(self._objects.values())

    def object_list(self, role: Role) -> bytes:
        """The encoded object list as `role` sees it; made once, for all instances."""
        encoded = self._object_lists.get(role)
        if encoded is None:
            encoded = self._object_lists[role] = encode_object_list(self, role, self.association_version)
        return encoded

    def association_of(self, client_sap: int) -> AssociationLn[I] | None:
        """The object that describes the association of that client, other than 0.0.40.0.0."""
        return self._associations.get(client_sap)

    def finder(self, context: Context[I]) -> Callable[[bytes], CosemObject[I] | None]:
        """`find` for the association of `context`: without what was removed from it."""
        return partial(visible, context) if self._managed else self.find

    @property
    def short_names(self) -> ShortNames[I]:
        """The same objects by short name, with Association SN; made when the first client asks for them.

        Raises LocalProtocolError when the device has more objects than names.
        """
        if self._short_names is None:
            self._short_names = ShortNames([AssociationSn(), *self])
        return self._short_names

    # -- what the device does by itself

    def own_context(self, instance: I, now_s: float) -> InnerContext[I]:
        """The device itself at work on `instance`: for hosts and tests that act as the device does."""
        return InnerContext(instance=instance, device=self, now_s=now_s)

    def execute(self, context: Context[I], action: ObjectAction) -> ActionResult:
        """Write an attribute or execute a method of another object, with the device's own rights.

        context: that of the object which asks. Calls within calls are bounded in depth and number: beyond that they are
        TEMPORARY_FAILURE [A].
        """
        inner = self._inner(context)
        if inner.depth >= INNER_DEPTH_MAX or inner.calls >= INNER_CALLS_MAX:
            return ActionResult.TEMPORARY_FAILURE
        target = self._objects.get(action.logical_name)
        if target is None:
            return ActionResult.OBJECT_UNDEFINED
        if target.interface_class.class_id != action.class_id:
            return ActionResult.OBJECT_CLASS_INCONSISTENT
        inner.calls += 1
        inner.depth += 1
        try:
            return perform(target, inner, action)
        finally:
            inner.depth -= 1

    def read_encoded(self, context: Context[I], class_id: int, logical_name: bytes, attribute: int) -> bytes | None:
        """An attribute of another object as encoded data, with the device's own rights; None when there is none."""
        inner = self._inner(context)
        target = self._objects.get(logical_name)
        if target is None or target.interface_class.class_id != class_id or inner.depth >= INNER_DEPTH_MAX:
            return None
        declared = target.attributes.get(attribute)
        if declared is None or declared.get is None:
            return None
        inner.depth += 1
        try:
            encoded = declared.get(inner, b"")
        finally:
            inner.depth -= 1
        return encoded if isinstance(encoded, bytes) else None

    def read(self, context: Context[I], class_id: int, logical_name: bytes, attribute: int) -> Data | None:
        """The same as a typed value."""
        encoded = self.read_encoded(context, class_id, logical_name, attribute)
        try:
            return None if encoded is None else axdr.decode_all(encoded)
        except RemoteProtocolError:
            return None

    def _inner(self, context: Context[I]) -> InnerContext[I]:
        if isinstance(context, InnerContext):
            return context
        inner = self.own_context(context.instance, context.now_s)
        inner.after_answer = context.after_answer
        return inner

    def next_deadline(self, instance: I, now_s: float) -> float | None:
        """World time, seconds, at which `run_due` has something to do; None when the objects wait for nothing.

        The first call for an instance is when it starts to work: nothing before that falls due. The answer holds until
        the next request to the instance or call of `run_due`.
        """
        if not self._timed:
            return None
        return device_time.next_deadline(self._timed, self.own_context(instance, self._handled(instance, now_s)))

    def run_due(self, instance: I, now_s: float) -> float | None:
        """Do what fell due up to `now_s`, in the order of time. Returns the next deadline.

        One call does a bounded amount of work: where the deadline returned is not after `now_s`, call again.
        """
        if not self._timed or self.states is None:
            return None
        context = self.own_context(instance, self._handled(instance, now_s))
        return device_time.run_due(self._timed, context, self.states(instance), now_s)

    def power_up(self, instance: I, now_s: float) -> None:
        """The instance works again after it was off since the last `run_due`: what fell due meanwhile did not happen.

        Objects that have to make up for it do so now.
        """
        if self.states is None:
            return
        off_since_s = self._handled(instance, now_s)
        self.states(instance).handled_until_s = now_s
        for entry in self._stateful:
            entry.powered_up(self.own_context(instance, now_s), off_since_s)

    def clock_set(self, context: Context[I], before_s: float, after_s: float) -> None:
        """Tell the objects that the own clock was set: hosts whose clock object does not do it itself."""
        for entry in self._stateful:
            entry.clock_set(self._inner(context), before_s, after_s)

    def _handled(self, instance: I, now_s: float) -> float:
        assert self.states is not None
        states = self.states(instance)
        if states.handled_until_s is None:
            states.handled_until_s = now_s
        return states.handled_until_s

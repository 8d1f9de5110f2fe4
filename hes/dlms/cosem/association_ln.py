"""Association LN, class 15: what one association may see and do, and what was agreed when it was opened.

The object list is generated from the objects of the device: what is declared once as rights is what the client reads
here and what the services check.

Source: docs/protocols/cosem-objects.md §1 (class 15, access modes), §1.1; docs/protocols/dlms-roles.md.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

from hes.dlms import axdr, data
from hes.dlms.codes import ActionResult, DataAccessResult, Mechanism
from hes.dlms.cosem import interface_classes
from hes.dlms.cosem.access import READERS, AssociationStatus, ClientAccess, Role
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.cosem_object import Attribute, CosemObject, Method
from hes.dlms.cosem.object_list import (
    SELECTORS,
    element,
    encode_object_list,
    encode_selected,
)
from hes.dlms.cosem.object_state import StatefulObject
from hes.dlms.cosem.security_state import SecurityState
from hes.dlms.cosem.value_types import mismatch
from hes.dlms.data import Data, Tag
from hes.dlms.initiate import DLMS_VERSION
from hes.dlms.obis import Obis
from hes.dlms.security.hls import SECRET
from hes.errors import RemoteProtocolError

__all__ = [
    "CURRENT_ASSOCIATION",
    "REPLY_TO_HLS",
    "AssociationLn",
    "security_setup_name",
    "visible",
]

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

CURRENT_ASSOCIATION: Final = Obis.parse("0.0.40.0.0.255")
REPLY_TO_HLS: Final = 1  # methods
CHANGE_HLS_SECRET: Final = 2
ADD_OBJECT: Final = 3
REMOVE_OBJECT: Final = 4
ADD_USER: Final = 5
REMOVE_USER: Final = 6
SECURITY_SETUP_FROM_VERSION: Final = 1
USERS_FROM_VERSION: Final = 2
USERS_MAX: Final = 32
"""Users of one client that a device keeps [A]."""

CONTEXT_ARC: Final = bytes.fromhex("60857405 0801")  # 2.16.756.5.8.1.x
MECHANISM_ARC: Final = bytes.fromhex("60857405 0802")  # 2.16.756.5.8.2.x


def security_setup_name(setup: int) -> Obis:
    """0.0.43.0.setup.255"""
    return Obis(bytes((0, 0, 43, 0, setup, 255)))


class AssociationLn(StatefulObject[I, frozenset[bytes]]):
    """Class 15, Association LN, version 0 to 3: 2 has users of the client, 3 access rights with protection.

    Its state are the logical names of the objects that were removed from the association.
    """

    __slots__ = ("_managed", "_version", "client")

    def __init__(
        self,
        logical_name: Obis = CURRENT_ASSOCIATION,
        client: ClientAccess | None = None,
        readable: Role = READERS,
        version: int = 1,
        managed: Role = Role.NOBODY,
    ) -> None:
        """client: whose association this describes; None for 0.0.40.0.0, which is the association that asks.
        managed: who may select in and change its list of objects, and write its password and its users.
        """
        self.client, self._version, self._managed = client, version, managed

        def readable_as(get: Any) -> Attribute[I]:
            return Attribute(get=get, readable=readable)

        attributes: dict[int, Attribute[I]] = {
            2: Attribute(get=self._object_list, readable=readable, selectors=SELECTORS if managed else ()),
            3: readable_as(self._partners),
            4: readable_as(self._context_name),
            5: readable_as(self._context_info),
            6: readable_as(self._mechanism_name),
            8: readable_as(self._status),
        }
        if version >= SECURITY_SETUP_FROM_VERSION:
            attributes[9] = readable_as(self._security_setup)
        methods: dict[int, Method[I]] = {CHANGE_HLS_SECRET: Method(invoke=self._change_secret)}
        if client is None:
            methods[REPLY_TO_HLS] = Method(invoke=_no_hls_pending, invocable=readable)
        if version >= USERS_FROM_VERSION:
            write_users = self._write_users if managed else None
            attributes[10] = Attribute(get=self._users, set=write_users, readable=READERS, writable=managed)
            attributes[11] = readable_as(self._current_user)
            methods[ADD_USER] = Method(invoke=self._add_user)
            methods[REMOVE_USER] = Method(invoke=self._remove_user)
        if managed:
            attributes[7] = Attribute(set=self._write_password, writable=managed)
            methods[ADD_OBJECT] = Method(invoke=self._add_object, invocable=managed)
            methods[REMOVE_OBJECT] = Method(invoke=self._remove_object, invocable=managed)
        super().__init__(_CLASSES[version], logical_name, attributes, methods, initial=frozenset())

    @property
    def needs_states(self) -> bool:
        return bool(self._managed)

    def _of(self, context: Context[I]) -> ClientAccess:
        return self.client or context.client

    # -- objects

    def _keeper(self, context: Context[I]) -> AssociationLn[I]:
        """The object that keeps what was removed: there are two of the asking association."""
        return context.device.association_of(self._of(context).client_sap) or self

    def hides(self, context: Context[I], logical_name: bytes) -> bool:
        """Whether the object of that name was removed from this association."""
        return logical_name in self.state(context)

    def _object_list(self, context: Context[I], selection: bytes) -> bytes | DataAccessResult:
        role = self._of(context).role
        removed = self._keeper(context).state(context)
        if not selection and not removed:
            return context.device.object_list(role)
        left = [entry for entry in context.device if bytes(entry.logical_name) not in removed]
        if not selection:
            return encode_object_list(left, role, self._version)
        try:
            return encode_selected(left, role, self._version, selection)
        except RemoteProtocolError:
            return DataAccessResult.TYPE_UNMATCHED

    def _named(self, context: Context[I], parameters: Data | None) -> CosemObject[I] | ActionResult:
        """The object that an element of the list names."""
        if parameters is None or mismatch(self.interface_class.method_type(ADD_OBJECT), parameters) is not None:
            return ActionResult.TYPE_UNMATCHED
        class_id, version, name = (member.value for member in parameters.value[:3])
        found = context.device.find(name)
        if found is None or not found.roles & self._of(context).role:
            return ActionResult.OBJECT_UNDEFINED
        known = found.interface_class
        same = (known.class_id, known.version) == (class_id, version)
        return found if same else ActionResult.OBJECT_CLASS_INCONSISTENT

    def _add_object(self, context: Context[I], parameters: Data | None) -> ActionResult:
        """Take back an object that was removed. Its rights are those of the profile, others are denied [A]."""
        found = self._named(context, parameters)
        if isinstance(found, ActionResult):
            return found
        if parameters != element(found, self._of(context).role, self._version):
            return ActionResult.READ_WRITE_DENIED
        keeper = self._keeper(context)
        keeper.put(context, keeper.state(context) - {bytes(found.logical_name)})
        return ActionResult.SUCCESS

    def _remove_object(self, context: Context[I], parameters: Data | None) -> ActionResult:
        """An association cannot be removed [A]."""
        found = self._named(context, parameters)
        if isinstance(found, ActionResult):
            return found
        if isinstance(found, AssociationLn):
            return ActionResult.READ_WRITE_DENIED
        keeper = self._keeper(context)
        keeper.put(context, keeper.state(context) | {bytes(found.logical_name)})
        return ActionResult.SUCCESS

    # -- what was agreed

    def _partners(self, context: Context[I], _selection: bytes) -> bytes:
        return axdr.encode(data.structure(data.i8(self._of(context).client_sap), data.u16(context.device.server_sap)))

    def _context_name(self, context: Context[I], _selection: bytes) -> bytes:
        client = self._of(context)
        name = context.application_context if client is context.client else min(client.contexts)
        return axdr.encode(data.octets(CONTEXT_ARC + bytes((name,))))

    def _context_info(self, context: Context[I], _selection: bytes) -> bytes | DataAccessResult:
        client = self._of(context)
        current = client is context.client
        conformance = context.conformance if current else client.conformance
        return axdr.encode(
            data.structure(
                data.bits(f"{int(conformance):024b}"),
                data.u16(context.device.max_receive_pdu_size),
                data.u16(context.max_send_pdu_size if current else context.device.max_send_pdu_size),
                data.u8(DLMS_VERSION),
                data.i8(0),
                data.octets(b""),
            )
        )

    def _mechanism_name(self, context: Context[I], _selection: bytes) -> bytes:
        mechanism: Mechanism = self._of(context).mechanism
        return axdr.encode(data.octets(MECHANISM_ARC + bytes((mechanism,))))

    def _status(self, context: Context[I], _selection: bytes) -> bytes:
        client = self._of(context)
        idle = AssociationStatus.NON_ASSOCIATED if client.pre_established is None else AssociationStatus.ASSOCIATED
        return axdr.encode(data.enum(context.status.get(client.client_sap, idle)))

    def _security_setup(self, context: Context[I], _selection: bytes) -> bytes:
        """An empty name where nothing is ever ciphered [A]."""
        setup = self._of(context).security_setup
        return axdr.encode(data.octets(b"" if setup is None else security_setup_name(setup)))

    # -- secrets and users: what the device remembers of its clients

    def _memory(self, context: Context[I]) -> SecurityState | None:
        security = context.device.security
        return None if security is None else security(context.instance)

    def _change_secret(self, context: Context[I], parameters: Data | None) -> ActionResult:
        """The new secret as it is, so the call must come encrypted; it counts from the next association [A]."""
        if parameters is None or parameters.tag is not Tag.OCTET_STRING or not parameters.value:
            return ActionResult.TYPE_UNMATCHED
        client, memory = self._of(context), self._memory(context)
        with_secret = client.mechanism in SECRET or client.mechanism in (Mechanism.LLS, Mechanism.HLS)
        if memory is None or not with_secret or not context.encrypted:
            return ActionResult.READ_WRITE_DENIED
        memory.change_secret(client.client_sap, parameters.value)
        return ActionResult.SUCCESS

    def _write_password(self, context: Context[I], value: Data) -> DataAccessResult:
        """Of a client with low level security, whose password crosses the line in the clear anyway [A]."""
        if value.tag is not Tag.OCTET_STRING or not value.value:
            return DataAccessResult.TYPE_UNMATCHED
        client, memory = self._of(context), self._memory(context)
        if memory is None or client.mechanism is not Mechanism.LLS:
            return DataAccessResult.READ_WRITE_DENIED
        memory.change_secret(client.client_sap, value.value)
        return DataAccessResult.SUCCESS

    def _users(self, context: Context[I], _selection: bytes) -> bytes:
        memory = self._memory(context)
        users = {} if memory is None else memory.users(self._of(context).client_sap)
        return axdr.encode(data.array([_user(user_id, name) for user_id, name in users.items()]))

    def _write_users(self, context: Context[I], value: Data) -> DataAccessResult:
        """The whole list at once."""
        if self.interface_class.mismatch(10, value) is not None or len(value.value) > USERS_MAX:
            return DataAccessResult.TYPE_UNMATCHED
        memory = self._memory(context)
        if memory is None:
            return DataAccessResult.OTHER_REASON
        users = {user_id.value: name.value for user_id, name in (user.value for user in value.value)}
        memory.change_users(self._of(context).client_sap, users)
        return DataAccessResult.SUCCESS

    def _current_user(self, context: Context[I], _selection: bytes) -> bytes:
        """Of this association; 0 and no name where nobody was named [A]."""
        memory, user_id = self._memory(context), context.user_id
        own = self._of(context) is context.client
        if memory is None or user_id is None or not own:
            return axdr.encode(_user(0, ""))
        return axdr.encode(_user(user_id, memory.users(context.client.client_sap).get(user_id, "")))

    def _add_user(self, context: Context[I], parameters: Data | None) -> ActionResult:
        return self._change_users(context, parameters, add=True)

    def _remove_user(self, context: Context[I], parameters: Data | None) -> ActionResult:
        return self._change_users(context, parameters, add=False)

    def _change_users(self, context: Context[I], parameters: Data | None, *, add: bool) -> ActionResult:
        match parameters:
            case Data(Tag.STRUCTURE, (Data(Tag.UNSIGNED, user_id), Data(Tag.VISIBLE_STRING, name))):
                memory = self._memory(context)
                if memory is None:
                    return ActionResult.OTHER_REASON
                sap = self._of(context).client_sap
                users = dict(memory.users(sap))
                if add and len(users) >= USERS_MAX and user_id not in users:
                    return ActionResult.OTHER_REASON
                if not add and users.get(user_id) != name:
                    return ActionResult.OTHER_REASON
                if add:
                    users[user_id] = name
                else:
                    del users[user_id]
                memory.change_users(sap, users)
                return ActionResult.SUCCESS
        return ActionResult.TYPE_UNMATCHED


def _user(user_id: int, name: str) -> Data:
    return data.structure(data.u8(user_id), data.visible(name))


def _no_hls_pending(_context: Context[I], _parameters: Data | None) -> ActionResult:
    """The server answers this method itself while HLS is pending; at any other time there is nothing to reply to."""
    return ActionResult.OTHER_REASON


def visible(context: Context[I], logical_name: bytes) -> CosemObject[I] | None:
    """The object of that name as the association of `context` sees it: None where it was removed from it."""
    association = context.device.association_of(context.client.client_sap)
    if association is not None and association.hides(context, logical_name):
        return None
    return context.device.find(logical_name)


_CLASSES: Final = {
    0: interface_classes.ASSOCIATION_LN_0,
    1: interface_classes.ASSOCIATION_LN,
    2: interface_classes.ASSOCIATION_LN_2,
    3: interface_classes.ASSOCIATION_LN_3,
}

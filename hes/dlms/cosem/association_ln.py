"""Association LN, class 15: what one association may see and do, and what was agreed when it was opened.

The object list is generated from the objects of the device: what is declared once as rights is what the client reads
here and what the services check.

Source: docs/protocols/cosem-objects.md §1 (class 15, version 1; access modes).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from hes.dlms import axdr, data
from hes.dlms.codes import ActionResult, DataAccessResult, Mechanism
from hes.dlms.cosem import interface_classes
from hes.dlms.cosem.access import READERS, AssociationStatus, ClientAccess, Role
from hes.dlms.cosem.access_rights import BITS_FROM_VERSION
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.cosem_object import Attribute, CosemObject, Method
from hes.dlms.cosem.security_state import SecurityState
from hes.dlms.data import Data, Tag
from hes.dlms.initiate import DLMS_VERSION
from hes.dlms.obis import Obis
from hes.dlms.security.hls import SECRET
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

CURRENT_ASSOCIATION: Final = Obis.parse("0.0.40.0.0.255")
REPLY_TO_HLS: Final = 1  # methods
CHANGE_HLS_SECRET: Final = 2
ADD_USER: Final = 5
REMOVE_USER: Final = 6
USERS_FROM_VERSION: Final = 2
USERS_MAX: Final = 32
"""Users of one client that a device keeps [A]."""

CONTEXT_ARC: Final = bytes.fromhex("60857405 0801")  # 2.16.756.5.8.1.x
MECHANISM_ARC: Final = bytes.fromhex("60857405 0802")  # 2.16.756.5.8.2.x


def security_setup_name(setup: int) -> Obis:
    """0.0.43.0.setup.255"""
    return Obis(bytes((0, 0, 43, 0, setup, 255)))


def encode_object_list(objects: Iterable[CosemObject[Any]], role: Role, version: int = 1) -> bytes:
    """Attribute 2 as `role` sees it: the objects it may use, with its rights. version: of the Association LN."""
    return axdr.encode(data.array(_element(entry, role, version) for entry in objects if entry.roles & role))


def _element(entry: CosemObject[Any], role: Role, version: int) -> Data:
    bits = version >= BITS_FROM_VERSION
    attributes = []
    for index in range(1, len(entry.interface_class.attributes) + 1):
        declared = entry.attributes.get(index, _UNDECLARED)
        selectors = data.array(map(data.i8, declared.selectors)) if declared.selectors else data.null()
        attributes.append(
            data.structure(
                data.i8(index), data.enum(declared.mode_bits(role) if bits else declared.mode(role)), selectors
            )
        )
    methods = []
    for index in range(1, len(entry.interface_class.methods) + 1):
        method = entry.methods.get(index)
        mode = 0 if method is None else method.mode_bits(role) if bits else method.mode(role)
        methods.append(data.structure(data.i8(index), data.enum(mode)))
    return data.structure(
        data.u16(entry.interface_class.class_id),
        data.u8(entry.interface_class.version),
        data.octets(entry.logical_name),
        data.structure(data.array(attributes), data.array(methods)),
    )


_UNDECLARED: Final[Attribute[Any]] = Attribute()


@dataclass(frozen=True, slots=True)
class ObjectListElement:
    """One object as a meter lists it. attributes, methods: access mode as sent, by index."""

    class_id: int
    version: int
    logical_name: Obis
    attributes: dict[int, int]
    methods: dict[int, int]


def object_list_from_value(value: Any) -> list[ObjectListElement]:
    """Attribute 2 as a meter sent it, as plain values. Raises RemoteProtocolError for any other shape.

    Method modes of version 0 are booleans and come out as 0 and 1.
    """
    elements = []
    try:
        for class_id, version, name, (attributes, methods) in value:
            elements.append(
                ObjectListElement(
                    int(class_id),
                    int(version),
                    Obis(name),
                    {int(index): int(mode) for index, mode, *_selectors in attributes},
                    {int(index): int(mode) for index, mode in methods},
                )
            )
    except Exception as error:
        raise RemoteProtocolError(f"not an object list: element {len(elements)}: {error}") from error
    return elements


class AssociationLn(CosemObject[I]):
    """Class 15, Association LN, version 1, 2 (users of the client) or 3 (access rights with protection).

    client: whose association this describes; None for 0.0.40.0.0, which is the association that asks.
    """

    __slots__ = ("_client", "_version")

    def __init__(
        self,
        logical_name: Obis = CURRENT_ASSOCIATION,
        client: ClientAccess | None = None,
        readable: Role = READERS,
        version: int = 1,
    ) -> None:
        self._client, self._version = client, version

        def readable_as(get: Any) -> Attribute[I]:
            return Attribute(get=get, readable=readable)

        attributes: dict[int, Attribute[I]] = {
            2: readable_as(self._object_list),
            3: readable_as(self._partners),
            4: readable_as(self._context_name),
            5: readable_as(self._context_info),
            6: readable_as(self._mechanism_name),
            8: readable_as(self._status),
            9: readable_as(self._security_setup),
        }
        methods: dict[int, Method[I]] = {CHANGE_HLS_SECRET: Method(invoke=self._change_secret)}
        if client is None:
            methods[REPLY_TO_HLS] = Method(invoke=_no_hls_pending, invocable=readable)
        if version >= USERS_FROM_VERSION:
            attributes[10] = Attribute(get=self._users, readable=READERS)
            attributes[11] = readable_as(self._current_user)
            methods[ADD_USER] = Method(invoke=self._add_user)
            methods[REMOVE_USER] = Method(invoke=self._remove_user)
        super().__init__(_CLASSES[version], logical_name, attributes, methods)

    def _of(self, context: Context[I]) -> ClientAccess:
        return self._client or context.client

    def _object_list(self, context: Context[I], _selection: bytes) -> bytes:
        return context.device.object_list(self._of(context).role)

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

    def _users(self, context: Context[I], _selection: bytes) -> bytes:
        memory = self._memory(context)
        users = {} if memory is None else memory.users(self._of(context).client_sap)
        return axdr.encode(data.array([_user(user_id, name) for user_id, name in users.items()]))

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


_CLASSES: Final = {
    1: interface_classes.ASSOCIATION_LN,
    2: interface_classes.ASSOCIATION_LN_2,
    3: interface_classes.ASSOCIATION_LN_3,
}

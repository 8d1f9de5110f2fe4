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
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.cosem_object import Attribute, CosemObject, Method
from hes.dlms.data import Data
from hes.dlms.initiate import DLMS_VERSION
from hes.dlms.obis import Obis
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

CURRENT_ASSOCIATION: Final = Obis.parse("0.0.40.0.0.255")
REPLY_TO_HLS: Final = 1  # method

CONTEXT_ARC: Final = bytes.fromhex("60857405 0801")  # 2.16.756.5.8.1.x
MECHANISM_ARC: Final = bytes.fromhex("60857405 0802")  # 2.16.756.5.8.2.x


def security_setup_name(setup: int) -> Obis:
    """0.0.43.0.setup.255"""
    return Obis(bytes((0, 0, 43, 0, setup, 255)))


def encode_object_list(objects: Iterable[CosemObject[Any]], role: Role) -> bytes:
    """Attribute 2 as `role` sees it: the objects it may use, with its rights."""
    return axdr.encode(data.array(_element(entry, role) for entry in objects if entry.roles & role))


def _element(entry: CosemObject[Any], role: Role) -> Data:
    attributes = []
    for index in range(1, len(entry.interface_class.attributes) + 1):
        declared = entry.attributes.get(index, _UNDECLARED)
        selectors = data.array(map(data.i8, declared.selectors)) if declared.selectors else data.null()
        attributes.append(data.structure(data.i8(index), data.enum(declared.mode(role)), selectors))
    methods = []
    for index in range(1, len(entry.interface_class.methods) + 1):
        mode = entry.methods[index].mode(role) if index in entry.methods else 0
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
    """Class 15, Association LN, version 1.

    client: whose association this describes; None for 0.0.40.0.0, which is the association that asks.
    """

    __slots__ = ("_client",)

    def __init__(
        self, logical_name: Obis = CURRENT_ASSOCIATION, client: ClientAccess | None = None, readable: Role = READERS
    ) -> None:
        self._client = client

        def readable_as(get: Any) -> Attribute[I]:
            return Attribute(get=get, readable=readable)

        super().__init__(
            interface_classes.ASSOCIATION_LN,
            logical_name,
            {
                2: readable_as(self._object_list),
                3: readable_as(self._partners),
                4: readable_as(self._context_name),
                5: readable_as(self._context_info),
                6: readable_as(self._mechanism_name),
                8: readable_as(self._status),
                9: readable_as(self._security_setup),
            },
            {REPLY_TO_HLS: Method(invoke=_no_hls_pending, invocable=readable)} if client is None else {},
        )

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


def _no_hls_pending(_context: Context[I], _parameters: Data | None) -> ActionResult:
    """The server answers this method itself while HLS is pending; at any other time there is nothing to reply to."""
    return ActionResult.OTHER_REASON

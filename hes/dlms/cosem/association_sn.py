"""Association SN, class 12: what a client with short names may see and do.

There is one, at FA00, and it is the association that asks. Lists are made from the objects of the device, once for
every role, as for Association LN.

Source: docs/protocols/short-names.md §5.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from hes.dlms import axdr, data
from hes.dlms.codes import ActionResult, DataAccessResult, Mechanism
from hes.dlms.cosem import interface_classes
from hes.dlms.cosem.access import EVERYONE, AttributeMode, MethodMode, Role
from hes.dlms.cosem.association_ln import CURRENT_ASSOCIATION, security_setup_name
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.cosem_object import ActionReply, Attribute, CosemObject, Method
from hes.dlms.data import Data
from hes.dlms.obis import Obis
from hes.errors import RemoteProtocolError

if TYPE_CHECKING:
    from hes.dlms.cosem.short_names import ShortNames

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

GETLIST_BY_CLASSID: Final = 1  # methods
GETOBJ_BY_LOGICALNAME: Final = 2
READ_BY_LOGICALNAME: Final = 3
CHANGE_SECRET: Final = 5
REPLY_TO_HLS_SN: Final = 8

VALUES_OCTETS_MAX: Final = 1024 * 1024  # of one read_by_logicalname; a request of a few octets must not cost more [A]
SECRET_OCTETS_MAX: Final = 64  # as long as the longest challenge [A]
_WITH_SECRET: Final = frozenset(
    (Mechanism.LLS, Mechanism.HLS, Mechanism.HLS_MD5, Mechanism.HLS_SHA1, Mechanism.HLS_SHA256)
)

Named = Iterable[tuple[int, CosemObject[Any]]]


def _base_name(base: int) -> Data:
    """An ObjectName is a signed number of 16 bits."""
    return data.i16(base - 0x10000 if base >= 0x8000 else base)


def _element(base: int, entry: CosemObject[Any]) -> Data:
    declared = entry.interface_class
    return data.structure(
        _base_name(base), data.u16(declared.class_id), data.u8(declared.version), data.octets(entry.logical_name)
    )


def _rights(base: int, entry: CosemObject[Any], role: Role) -> Data:
    attributes = []
    for index in range(1, len(entry.interface_class.attributes) + 1):
        declared = entry.attributes.get(index)
        mode = AttributeMode.NO_ACCESS if declared is None else declared.mode(role)
        selectors = data.array(map(data.i8, declared.selectors)) if declared and declared.selectors else data.null()
        attributes.append(data.structure(data.i8(index), data.enum(mode), selectors))
    methods = []
    for index in range(1, len(entry.interface_class.methods) + 1):
        invocable = entry.methods.get(index)
        mode_of_method = MethodMode.NO_ACCESS if invocable is None else invocable.mode(role)
        methods.append(data.structure(data.i8(index), data.enum(mode_of_method)))
    return data.structure(_base_name(base), data.array(attributes), data.array(methods))


def encode_sn_object_list(named: Named, role: Role) -> bytes:
    """Attribute 2 as `role` sees it."""
    return axdr.encode(data.array(_element(base, entry) for base, entry in named if entry.roles & role))


def encode_access_rights(named: Named, role: Role) -> bytes:
    """Attribute 3 as `role` sees it."""
    return axdr.encode(data.array(_rights(base, entry, role) for base, entry in named if entry.roles & role))


@dataclass(frozen=True, slots=True)
class SnObjectListElement:
    """One object as a meter lists it. base_name: 0..65535."""

    base_name: int
    class_id: int
    version: int
    logical_name: Obis


def sn_object_list_from_value(value: Any) -> list[SnObjectListElement]:
    """Attribute 2 as a meter sent it, as plain values. Raises RemoteProtocolError for any other shape."""
    elements: list[SnObjectListElement] = []
    try:
        for base, class_id, version, name in value:
            elements.append(SnObjectListElement(int(base) & 0xFFFF, int(class_id), int(version), Obis(name)))
    except Exception as error:
        raise RemoteProtocolError(f"not an object list: element {len(elements)}: {error}") from error
    return elements


def sn_access_rights_from_value(value: Any) -> dict[int, tuple[dict[int, int], dict[int, int]]]:
    """Attribute 3 as a meter sent it, as plain values: by base name (0..65535) the access modes of attributes and of
    methods. Raises RemoteProtocolError for any other shape."""
    rights = {}
    try:
        for base, attributes, methods in value:
            modes = {int(index): int(mode) for index, mode, *_selectors in attributes}
            rights[int(base) & 0xFFFF] = (modes, {int(index): int(mode) for index, mode in methods})
    except Exception as error:
        raise RemoteProtocolError(f"not a list of access rights: element {len(rights)}: {error}") from error
    return rights


class AssociationSn(CosemObject[I]):
    """Class 12, Association SN, version 2: the association that asks."""

    __slots__ = ("_lists",)

    def __init__(self) -> None:
        self._lists: dict[tuple[int, Role], bytes] = {}

        def readable(get: Any) -> Attribute[I]:
            return Attribute(get=get, readable=EVERYONE)

        def invocable(invoke: Any) -> Method[I]:
            return Method(invoke=invoke, invocable=EVERYONE)

        super().__init__(
            interface_classes.ASSOCIATION_SN,
            CURRENT_ASSOCIATION,
            {2: readable(self._object_list), 3: readable(self._access_rights), 4: readable(self._security_setup)},
            {
                GETLIST_BY_CLASSID: invocable(self._list_by_class),
                GETOBJ_BY_LOGICALNAME: invocable(self._object_by_name),
                READ_BY_LOGICALNAME: invocable(self._read_by_name),
                CHANGE_SECRET: Method(invoke=_change_secret, invocable=Role.MANAGEMENT),
                REPLY_TO_HLS_SN: invocable(_no_hls_pending),
            },
        )

    def _list(self, context: Context[I], index: int, encode: Any) -> bytes:
        """One of the lists, made once for every role."""
        role = context.client.role
        made = self._lists.get((index, role))
        if made is None:
            made = self._lists[index, role] = encode(context.device.short_names.objects, role)
        return made

    def _object_list(self, context: Context[I], _selection: bytes) -> bytes:
        return self._list(context, 2, encode_sn_object_list)

    def _access_rights(self, context: Context[I], _selection: bytes) -> bytes:
        return self._list(context, 3, encode_access_rights)

    def _security_setup(self, context: Context[I], _selection: bytes) -> bytes:
        """An empty name where nothing is ever ciphered [A]."""
        setup = context.client.security_setup
        return axdr.encode(data.octets(b"" if setup is None else security_setup_name(setup)))

    def _visible(self, context: Context[I]) -> Named:
        names: ShortNames[I] = context.device.short_names
        return [(base, entry) for base, entry in names.objects if entry.roles & context.client.role]

    def _list_by_class(self, context: Context[I], parameters: Data | None) -> ActionReply | ActionResult:
        class_id = None if parameters is None else axdr.plain(parameters)
        if not isinstance(class_id, int):
            return ActionResult.TYPE_UNMATCHED
        found = [each for each in self._visible(context) if each[1].interface_class.class_id == class_id]
        return _elements(found)

    def _object_by_name(self, context: Context[I], parameters: Data | None) -> ActionReply | ActionResult:
        wanted = None if parameters is None else axdr.plain(parameters)
        if not isinstance(wanted, tuple) or len(wanted) != 2:
            return ActionResult.TYPE_UNMATCHED
        found = [each for each in self._visible(context) if _is(each[1], *wanted)]
        return _elements(found) if found else ActionResult.OBJECT_UNDEFINED

    def _read_by_name(self, context: Context[I], parameters: Data | None) -> ActionReply | ActionResult:
        """Any one that cannot be read is the result of the whole [A]."""
        wanted = None if parameters is None else axdr.plain(parameters)
        if not isinstance(wanted, list):
            return ActionResult.TYPE_UNMATCHED
        values, octets = [], 0
        for row in wanted:
            if not isinstance(row, tuple) or len(row) != 3 or not isinstance(row[2], int):
                return ActionResult.TYPE_UNMATCHED
            class_id, name, index = row
            entry = next((entry for _base, entry in self._visible(context) if _is(entry, class_id, name)), None)
            if entry is None:
                return ActionResult.OBJECT_UNDEFINED
            value = entry.get(context, index)
            if isinstance(value, DataAccessResult):
                return _ACTION_RESULTS.get(value, ActionResult.OTHER_REASON)
            values.append(value)
            octets += len(value)
            if octets > VALUES_OCTETS_MAX:
                return ActionResult.OTHER_REASON
        return ActionReply(ActionResult.SUCCESS, b"\x01" + axdr.encode_length(len(values)) + b"".join(values))


def _change_secret(context: Context[I], parameters: Data | None) -> ActionResult:
    """Of the client that asks; the secrets of GMAC and ECDSA are keys, and change with their security setup."""
    client, security = context.client, context.device.security
    if client.mechanism not in _WITH_SECRET or security is None:
        return ActionResult.READ_WRITE_DENIED
    secret = None if parameters is None else axdr.plain(parameters)
    if not isinstance(secret, bytes) or not 1 <= len(secret) <= SECRET_OCTETS_MAX:
        return ActionResult.TYPE_UNMATCHED
    security(context.instance).change_secret(client.client_sap, secret)
    return ActionResult.SUCCESS


_ACTION_RESULTS: Final = {  # the numbers that mean the same in both tables
    result: ActionResult(result)
    for result in DataAccessResult
    if result <= DataAccessResult.DATA_BLOCK_UNAVAILABLE or result == DataAccessResult.OTHER_REASON
}


def _is(entry: CosemObject[Any], class_id: object, name: object) -> bool:
    return entry.interface_class.class_id == class_id and entry.logical_name == name


def _elements(found: Named) -> ActionReply:
    return ActionReply(ActionResult.SUCCESS, axdr.encode(data.array(_element(*each) for each in found)))


def _no_hls_pending(_context: Context[I], _parameters: Data | None) -> ActionResult:
    """The server answers this method itself while HLS is pending; at any other time there is nothing to reply to."""
    return ActionResult.OTHER_REASON

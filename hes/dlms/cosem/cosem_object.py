"""The shape that all server-side COSEM objects share: attributes and methods with rights, read through an instance.

A `CosemObject` holds no values. It is built once per profile and serves every meter of it: a reader is asked for the
*encoded* attribute of one instance at one time, so that constants cost nothing and bulk data is never decoded here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar

from hes.dlms import axdr
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem.access import READERS, AttributeMode, MethodMode, Role, SecurityPolicy
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.interface_classes import InterfaceClass
from hes.dlms.data import Data
from hes.dlms.obis import Obis
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile


@dataclass(frozen=True, slots=True)
class ActionReply:
    """What a method gives back: its result and, where it returns something, the encoded data."""

    result: ActionResult
    data: bytes | None = None


Reader: TypeAlias = Callable[[I, float], bytes]
"""(instance, now_s) -> the encoded attribute"""
Writer: TypeAlias = Callable[[I, float, Data], DataAccessResult]
"""(instance, now_s, new value) -> result; the value is only stored on SUCCESS"""
Invoker: TypeAlias = Callable[[I, float, "Data | None"], "ActionResult | ActionReply"]
"""(instance, now_s, parameters) -> result"""

ContextReader: TypeAlias = Callable[[Context[I], bytes], "bytes | DataAccessResult"]
ContextWriter: TypeAlias = Callable[[Context[I], Data], DataAccessResult]
ContextInvoker: TypeAlias = Callable[[Context[I], "Data | None"], "ActionResult | ActionReply"]


_AUTHENTICATED_REQUEST: Final = int(SecurityPolicy.AUTHENTICATED_REQUEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute(Generic[I]):
    """One attribute: how to read and write it, and who may.

    get: (context, selection octets) -> encoded value; None when it cannot be read. set: None when it cannot be written.
    authenticated: True when only APDUs with an authentication tag may touch it. protection: the same in full, what a
    request for it must carry and its answer will, as the bits of a security policy.
    selectors: selective access that `get` understands; without any, a selection is refused.
    """

    get: ContextReader[I] | None = None
    set: ContextWriter[I] | None = None
    readable: Role = Role.NOBODY
    writable: Role = Role.NOBODY
    authenticated: bool = False
    selectors: tuple[int, ...] = ()
    protection: SecurityPolicy = SecurityPolicy.NONE

    @property
    def guard(self) -> int:
        """All that its APDUs must carry, as the bits of a security policy."""
        return int(self.protection) | (_AUTHENTICATED_REQUEST if self.authenticated else 0)

    def mode(self, role: Role) -> AttributeMode:
        """The access mode that an object list shows to `role`, up to version 2 of Association LN."""
        mode = self.mode_bits(role) & 3
        return AttributeMode(mode + 3 if mode and self.guard & _AUTHENTICATED_REQUEST else mode)

    def mode_bits(self, role: Role) -> int:
        """The access mode in version 3: what is allowed and how it must be protected."""
        read = self.get is not None and bool(self.readable & role)
        write = self.set is not None and bool(self.writable & role)
        allowed = int(read) + 2 * int(write)
        return allowed | self.guard if allowed else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Method(Generic[I]):
    """One method: what it does, and who may invoke it."""

    invoke: ContextInvoker[I]
    invocable: Role = Role.MANAGEMENT
    authenticated: bool = False
    protection: SecurityPolicy = SecurityPolicy.NONE

    @property
    def guard(self) -> int:
        """All that its APDUs must carry, as the bits of a security policy."""
        return int(self.protection) | (_AUTHENTICATED_REQUEST if self.authenticated else 0)

    def mode(self, role: Role) -> MethodMode:
        """The access mode that an object list shows to `role`, up to version 2 of Association LN."""
        if not self.invocable & role:
            return MethodMode.NO_ACCESS
        guarded = self.guard & _AUTHENTICATED_REQUEST
        return MethodMode.AUTHENTICATED_ACCESS if guarded else MethodMode.ACCESS

    def mode_bits(self, role: Role) -> int:
        """The access mode in version 3."""
        return 1 | self.guard if self.invocable & role else 0


def constant(value: Data | bytes, *, readable: Role = READERS) -> Attribute[I]:
    """An attribute that is the same for every device of the profile. `value`: typed, or already encoded."""
    encoded = value if isinstance(value, bytes) else axdr.encode(value)

    def get(_context: Context[I], _selection: bytes) -> bytes:
        return encoded

    return Attribute(get=get, readable=readable)


def attribute(
    reader: Reader[I] | Data | bytes | None,
    writer: Writer[I] | None = None,
    *,
    readable: Role = READERS,
    writable: Role = Role.MANAGEMENT,
    authenticated: bool = False,
    protection: SecurityPolicy = SecurityPolicy.NONE,
) -> Attribute[I]:
    """An attribute from plain functions. reader: a function, a constant (typed or encoded), or None: write only."""
    get: ContextReader[I] | None = None
    put: ContextWriter[I] | None = None
    if isinstance(reader, bytes | Data):
        fixed: Attribute[I] = constant(reader)
        get = fixed.get
    elif reader is not None:
        read = reader

        def get(context: Context[I], _selection: bytes) -> bytes:
            return read(context.instance, context.now_s)

    if writer is not None:
        write = writer

        def put(context: Context[I], value: Data) -> DataAccessResult:
            return write(context.instance, context.now_s, value)

    return Attribute(
        get=get,
        set=put,
        readable=readable if get else Role.NOBODY,
        writable=writable if put else Role.NOBODY,
        authenticated=authenticated,
        protection=protection,
    )


def method(
    invoker: Invoker[I],
    *,
    invocable: Role = Role.MANAGEMENT,
    authenticated: bool = False,
    protection: SecurityPolicy = SecurityPolicy.NONE,
) -> Method[I]:
    """A method from a plain function."""

    def invoke(context: Context[I], parameters: Data | None) -> ActionResult | ActionReply:
        return invoker(context.instance, context.now_s, parameters)

    return Method(invoke=invoke, invocable=invocable, authenticated=authenticated, protection=protection)


_DONE: Final = {result: ActionReply(result) for result in ActionResult}


class CosemObject(Generic[I]):
    """One object of a logical device. Subclasses name the interface classes and build their attributes.

    attributes, methods: by index from 2 and from 1. Attribute 1, the logical name, is added here and readable by every
    role that may do anything with the object. An index that the class has but that is not declared is refused as
    READ_WRITE_DENIED, any other as OBJECT_UNDEFINED. roles: who sees the object in the object list.
    """

    __slots__ = (
        "_guards",
        "_method_guards",
        "_readable",
        "attributes",
        "interface_class",
        "logical_name",
        "methods",
        "roles",
    )

    def __init__(
        self,
        interface_class: InterfaceClass,
        logical_name: Obis | str,
        attributes: dict[int, Attribute[I]],
        methods: dict[int, Method[I]] | None = None,
    ) -> None:
        self.interface_class = interface_class
        self.logical_name = logical_name if isinstance(logical_name, Obis) else Obis.parse(logical_name)
        self.methods: dict[int, Method[I]] = methods or {}
        self.roles = Role.NOBODY
        for declared in attributes.values():
            self.roles |= declared.readable | declared.writable
        for invocable in self.methods.values():
            self.roles |= invocable.invocable
        own_name: Attribute[I] = constant(b"\x09\x06" + self.logical_name, readable=self.roles)
        self.attributes: dict[int, Attribute[I]] = {1: own_name, **attributes}
        self._guards = {index: entry.guard for index, entry in self.attributes.items() if entry.guard}
        self._method_guards = {index: entry.guard for index, entry in self.methods.items() if entry.guard}
        # plain numbers: operators of flags cost as much as the rest of a read
        self._readable = {index: int(entry.readable) for index, entry in self.attributes.items() if entry.get}

    def __repr__(self) -> str:
        return f"<{self.interface_class.name} {self.logical_name}>"

    def get(self, context: Context[I], index: int, selection: bytes = b"") -> bytes | DataAccessResult:
        """The encoded attribute, or why it cannot be read."""
        declared = self.attributes.get(index)
        if declared is None:
            return self._missing(index)
        if declared.get is None or not context.role_bits & self._readable[index]:
            return DataAccessResult.READ_WRITE_DENIED
        if self._guards and not context.admits(self._guards.get(index, 0)):
            return DataAccessResult.READ_WRITE_DENIED
        if selection and selection[0] not in declared.selectors:
            return DataAccessResult.SCOPE_OF_ACCESS_VIOLATED
        return declared.get(context, selection)

    def set(self, context: Context[I], index: int, encoded: bytes, selection: bytes = b"") -> DataAccessResult:
        """Write one attribute from its encoded value."""
        declared = self.attributes.get(index)
        if declared is None:
            return self._missing(index)
        if declared.set is None or not (context.client.role & declared.writable):
            return DataAccessResult.READ_WRITE_DENIED
        if self._guards and not context.admits(self._guards.get(index, 0)):
            return DataAccessResult.READ_WRITE_DENIED
        if selection:
            return DataAccessResult.SCOPE_OF_ACCESS_VIOLATED
        try:
            value = axdr.decode_all(encoded)
        except RemoteProtocolError:
            return DataAccessResult.TYPE_UNMATCHED
        result = declared.set(context, value)
        if result is DataAccessResult.SUCCESS:
            for monitor in context.device.parameter_monitors:
                monitor.written(context, self, index, value)
        return result

    def act(self, context: Context[I], index: int, encoded: bytes | None) -> ActionReply:
        """Invoke one method with its encoded parameters (None: none were sent)."""
        declared = self.methods.get(index)
        if declared is None:
            known = 1 <= index <= len(self.interface_class.methods)
            return _DONE[ActionResult.READ_WRITE_DENIED if known else ActionResult.OBJECT_UNDEFINED]
        if not (context.client.role & declared.invocable):
            return _DONE[ActionResult.READ_WRITE_DENIED]
        if self._method_guards and not context.admits(self._method_guards.get(index, 0)):
            return _DONE[ActionResult.READ_WRITE_DENIED]
        try:
            parameters = None if encoded is None else axdr.decode_all(encoded)
        except RemoteProtocolError:
            return _DONE[ActionResult.TYPE_UNMATCHED]
        reply = declared.invoke(context, parameters)
        return reply if isinstance(reply, ActionReply) else _DONE[reply]

    def _missing(self, index: int) -> DataAccessResult:
        known = 1 <= index <= len(self.interface_class.attributes)
        return DataAccessResult.READ_WRITE_DENIED if known else DataAccessResult.OBJECT_UNDEFINED

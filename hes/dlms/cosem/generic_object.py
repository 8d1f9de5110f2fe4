"""An object of any declared class: attributes that are read and written with their types checked, and nothing more.

For classes whose behaviour lies elsewhere (in a modem, a driver, a peer) or is not played: a profile declares their
values, a client sets them, and they are kept with the instance. Methods do what the profile gives them to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, TypeVar

from hes.dlms import axdr
from hes.dlms.codes import DataAccessResult
from hes.dlms.cosem.access import READERS, Role
from hes.dlms.cosem.classes.declaration import InterfaceClass
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.cosem_object import Attribute, Invoker, method
from hes.dlms.cosem.object_state import StatefulObject
from hes.dlms.cosem.value_types import Meaning, default_of
from hes.dlms.data import Data
from hes.dlms.obis import Obis
from hes.errors import LocalProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

_NOTHING_CHANGED: Final[Mapping[int, Data]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class GenericState:
    """Attributes that were changed, by index."""

    values: Mapping[int, Data] = field(default_factory=lambda: _NOTHING_CHANGED)


class GenericObject(StatefulObject[I, GenericState]):
    """One object of `declared`. Attributes without a value start empty: zero, no elements, not specified."""

    __slots__ = ("_declared", "_values", "_writable")

    def __init__(
        self,
        declared: InterfaceClass,
        logical_name: Obis | str,
        values: Mapping[str, Data],
        *,
        writable: Mapping[str, Role] | None = None,
        methods: Mapping[str, Invoker[I]] | None = None,
        readable: Role = READERS,
        invocable: Role = Role.MANAGEMENT,
    ) -> None:
        """values: by attribute name. writable: who may write which attribute. methods: what they do, by name.

        Secrets can be written and never read. Raises LocalProtocolError for a name that the class has not, or a value
        of another type.
        """
        self._declared = declared
        self._writable = dict(writable or {})
        self._values: dict[int, Data] = {}
        invokers = dict(methods or {})
        for name in (*values, *self._writable):
            if name not in declared.attributes:
                raise LocalProtocolError(f"{declared.name} has no attribute {name!r}", obis=str(logical_name))
        for name in invokers:
            if name not in declared.methods:
                raise LocalProtocolError(f"{declared.name} has no method {name!r}", obis=str(logical_name))
        attributes = {}
        for index, (name, kind) in enumerate(zip(declared.attributes, declared.attribute_types, strict=True), 1):
            if index == 1:
                continue
            value = values.get(name, default_of(kind))
            reason = declared.mismatch(index, value)
            if reason is not None:
                raise LocalProtocolError(f"{declared.name}: {reason}", obis=str(logical_name))
            self._values[index] = value
            secret = kind.meaning is Meaning.SECRET
            attributes[index] = self._attribute(index, Role.NOBODY if secret else readable, self._writable.get(name))
        super().__init__(
            declared,
            logical_name,
            attributes,
            {declared.method_index(name): method(invoker, invocable=invocable) for name, invoker in invokers.items()},
            initial=GenericState(),
        )

    @property
    def needs_states(self) -> bool:
        return bool(self._writable)

    def value(self, context: Context[I], index: int) -> Data:
        """The present value of attribute `index` (2 and up)."""
        return self.state(context).values.get(index, self._values[index])

    def change(self, context: Context[I], index: int, value: Data) -> None:
        """Set an attribute from inside, whoever may write it."""
        kept = self.state(context).values
        self.put(context, GenericState(MappingProxyType({**kept, index: value})))

    def _attribute(self, index: int, readable: Role, writable: Role | None) -> Attribute[I]:
        def get(context: Context[I], _selection: bytes) -> bytes:
            return axdr.encode(self.value(context, index))

        def put(context: Context[I], value: Data) -> DataAccessResult:
            if self._declared.mismatch(index, value) is not None:
                return DataAccessResult.TYPE_UNMATCHED
            self.change(context, index, value)
            return DataAccessResult.SUCCESS

        return Attribute(
            get=get,
            set=None if writable is None else put,
            readable=readable,
            writable=writable or Role.NOBODY,
        )

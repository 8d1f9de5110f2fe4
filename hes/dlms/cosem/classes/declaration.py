"""How an interface class is declared: its attributes and methods by index, with names and types."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hes.dlms.cosem.value_types import ANYTHING, LOGICAL_NAME, NOTHING, ValueType, mismatch
from hes.dlms.data import Data

Named = tuple[str, ValueType]


@dataclass(frozen=True, slots=True)
class InterfaceClass:
    """One class in one version.

    attributes, methods: names in order; index 1 is the first (attribute 1 is always logical_name).
    attribute_types, method_types: what their values and parameters may be, in the same order.
    """

    class_id: int
    version: int
    name: str
    attributes: tuple[str, ...]
    methods: tuple[str, ...] = ()
    attribute_types: tuple[ValueType, ...] = ()
    method_types: tuple[ValueType, ...] = ()

    def attribute_index(self, name: str) -> int:
        """1-based index of the attribute of that name; ValueError when there is none."""
        return self.attributes.index(name) + 1

    def method_index(self, name: str) -> int:
        """1-based index of the method of that name; ValueError when there is none."""
        return self.methods.index(name) + 1

    def attribute_type(self, index: int) -> ValueType:
        """What attribute `index` holds; anything where the class has none of that index."""
        return self.attribute_types[index - 1] if 1 <= index <= len(self.attribute_types) else ANYTHING

    def method_type(self, index: int) -> ValueType:
        """What method `index` takes; anything where the class has none of that index."""
        return self.method_types[index - 1] if 1 <= index <= len(self.method_types) else ANYTHING

    def mismatch(self, index: int, value: Data) -> str | None:
        """Why `value` cannot be that of attribute `index`, in one sentence; None when it can."""
        if not 1 <= index <= len(self.attributes):
            return f"{self.name} version {self.version} has no attribute {index}"
        return mismatch(self.attribute_type(index), value, self.attributes[index - 1])


def declare(
    class_id: int, version: int, name: str, attributes: Iterable[Named], methods: Iterable[Named | str] = ()
) -> InterfaceClass:
    """attributes: from index 2 on. methods: from index 1 on; a bare name takes integer (0)."""
    named = (("logical_name", LOGICAL_NAME), *attributes)
    callables = tuple((method, NOTHING) if isinstance(method, str) else method for method in methods)
    return InterfaceClass(
        class_id,
        version,
        name,
        tuple(attribute for attribute, _type in named),
        tuple(method for method, _type in callables),
        tuple(kind for _name, kind in named),
        tuple(kind for _name, kind in callables),
    )


def changed(
    base: InterfaceClass,
    version: int,
    attributes: Iterable[Named] = (),
    methods: Iterable[Named | str] = (),
    *,
    without: Iterable[str] = (),
    name: str = "",
) -> InterfaceClass:
    """The class in another version: attributes and methods of the same name replace those of `base`, others follow."""
    gone = frozenset(without)
    merged = dict(zip(base.attributes[1:], base.attribute_types[1:], strict=True)) | dict(attributes)
    calls = dict(zip(base.methods, base.method_types, strict=True))
    for method in methods:
        calls |= {method: NOTHING} if isinstance(method, str) else {method[0]: method[1]}
    return declare(
        base.class_id,
        version,
        name or base.name,
        [entry for entry in merged.items() if entry[0] not in gone],
        [entry for entry in calls.items() if entry[0] not in gone],
    )

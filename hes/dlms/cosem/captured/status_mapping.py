"""Status mapping, class 63: which entries of a table of statuses the bits of a status word stand for.

Source: docs/protocols/cosem-functions.md §6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

from hes.dlms import axdr, data
from hes.dlms.cosem.access import READERS, Role
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.cosem_object import Attribute, Reader, attribute
from hes.dlms.cosem.inner_calls import elements, members, number
from hes.dlms.cosem.interface_classes import CLASSES
from hes.dlms.cosem.object_state import StatefulObject
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

BITS_MAX: Final = 65_536
_NUMBER_OCTETS: Final = {
    Tag.UNSIGNED: 1,
    Tag.LONG_UNSIGNED: 2,
    Tag.DOUBLE_LONG_UNSIGNED: 4,
    Tag.LONG64_UNSIGNED: 8,
}


@dataclass(frozen=True, slots=True)
class MappingTable:
    """entries: the number of the first entry, the bits after the first standing for the ones that follow; or one number
    for each bit.
    """

    table_id: int
    entries: int | tuple[int, ...] = 0

    def to_data(self) -> Data:
        if isinstance(self.entries, int):
            return data.structure(data.u8(self.table_id), data.u16(self.entries))
        return data.structure(data.u8(self.table_id), data.array(map(data.u16, self.entries)))

    @classmethod
    def from_data(cls, value: Data) -> MappingTable:
        """Raises RemoteProtocolError for any other shape."""
        table_id, mapping = members(value, 2)
        if mapping.tag is Tag.LONG_UNSIGNED:
            return cls(number(table_id, Tag.UNSIGNED), mapping.value)
        listed = tuple(number(entry, Tag.LONG_UNSIGNED) for entry in elements(mapping, BITS_MAX))
        return cls(number(table_id, Tag.UNSIGNED), listed)


@dataclass(frozen=True, slots=True)
class StatusMappingState:
    table: MappingTable


@dataclass(frozen=True, slots=True)
class StatusEntry:
    """One entry of the table and whether its bit is set."""

    entry: int
    is_set: bool


class StatusMapping(StatefulObject[I, StatusMappingState]):
    """Class 63, Status mapping. status_word: a reader, or a constant."""

    __slots__ = ()

    def __init__(
        self,
        logical_name: Obis | str,
        status_word: Reader[I] | Data | bytes,
        table: MappingTable,
        *,
        readable: Role = READERS,
        writable: Role = Role.MANAGEMENT,
    ) -> None:
        word: Attribute[I] = attribute(status_word, readable=readable)
        super().__init__(
            CLASSES[63, 0],
            logical_name,
            {
                2: word,
                3: self.stored(
                    "table", MappingTable.to_data, MappingTable.from_data, readable=readable, writable=writable
                ),
            },
            initial=StatusMappingState(table),
        )

    def entries(self, context: Context[I]) -> tuple[StatusEntry, ...]:
        """How the statuses stand now."""
        encoded = context.device.read_encoded(context, 63, self.logical_name, 2)
        return () if encoded is None else mapped(axdr.decode_all(encoded), self.state(context).table)


def status_bits(word: Data) -> str:
    """The bits of a status word, the leading one first, whatever type it has. Raises RemoteProtocolError."""
    octets = _NUMBER_OCTETS.get(word.tag)
    if octets is not None:
        return f"{word.value:0{8 * octets}b}"
    if word.tag is Tag.BIT_STRING:
        held: str = word.value
        return held
    if word.tag is Tag.OCTET_STRING:
        return "".join(f"{octet:08b}" for octet in word.value)
    if word.tag in (Tag.VISIBLE_STRING, Tag.UTF8_STRING):
        return "".join(f"{octet:08b}" for octet in word.value.encode())
    raise RemoteProtocolError(f"{word.tag.name} is no status word")


def mapped(word: Data, table: MappingTable) -> tuple[StatusEntry, ...]:
    """What the bits say; bits behind the end of an explicit mapping stand for nothing.

    Raises RemoteProtocolError for a word of another type.
    """
    bits = status_bits(word)
    entries = range(table.entries, table.entries + len(bits)) if isinstance(table.entries, int) else table.entries
    return tuple(StatusEntry(entry, bit == "1") for entry, bit in zip(entries, bits, strict=False))

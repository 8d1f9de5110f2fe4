"""Special days table, class 11: dates that follow a day profile of their own.

Source: docs/protocols/cosem-objects.md §5.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final, TypeVar

from hes.dlms import data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem import interface_classes
from hes.dlms.cosem.access import READERS, Role
from hes.dlms.cosem.calendar.date_patterns import DatePattern
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.inner_calls import elements, members, number
from hes.dlms.cosem.object_state import StatefulObject
from hes.dlms.cosem.stateful_method import Answer, stateful_method
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

SPECIAL_DAYS_NAME: Final = Obis.parse("0.0.11.0.0.255")
SPECIAL_DAYS_MAX: Final = 512  # [A]


@dataclass(frozen=True, slots=True)
class SpecialDay:
    """date: 5 octets, wildcards allowed. day_id: of the day profile, or of the bit in a schedule."""

    index: int
    date: bytes
    day_id: int

    def to_data(self) -> Data:
        return data.structure(data.u16(self.index), data.octets(self.date), data.u8(self.day_id))

    @classmethod
    def from_data(cls, value: Data) -> SpecialDay:
        """Raises RemoteProtocolError for any other shape."""
        index, day, day_id = members(value, 3)
        if day.tag not in (Tag.OCTET_STRING, Tag.DATE):
            raise RemoteProtocolError("a date was wanted")
        DatePattern.from_octets(day.value)
        return cls(number(index, Tag.LONG_UNSIGNED), day.value, number(day_id, Tag.UNSIGNED))


@dataclass(frozen=True, slots=True)
class SpecialDaysState:
    """days: by rising index."""

    days: tuple[SpecialDay, ...] = ()


def day_id_on(days: Iterable[SpecialDay], day: date) -> int | None:
    """The day_id of that date: of the lowest index that matches; None where it is no special day."""
    return next((entry.day_id for entry in days if DatePattern.from_octets(entry.date).matches(day)), None)


def _ordered(days: Iterable[SpecialDay]) -> SpecialDaysState:
    return SpecialDaysState(tuple(sorted(days, key=lambda entry: entry.index)))


class SpecialDays(StatefulObject[I, SpecialDaysState]):
    """Class 11, Special days table."""

    __slots__ = ()

    def __init__(
        self,
        logical_name: Obis | str = SPECIAL_DAYS_NAME,
        days: Iterable[SpecialDay] = (),
        *,
        readable: Role = READERS,
        writable: Role = Role.MANAGEMENT,
    ) -> None:
        super().__init__(
            interface_classes.SPECIAL_DAYS,
            logical_name,
            {
                2: self.stored(
                    "days",
                    lambda entries: data.array(entry.to_data() for entry in entries),
                    _days,
                    apply=_replaced,
                    readable=readable,
                    writable=writable,
                )
            },
            {
                1: stateful_method(self, SpecialDay.from_data, _insert, invocable=writable),
                2: stateful_method(self, lambda value: number(value, Tag.LONG_UNSIGNED), _delete, invocable=writable),
            },
            initial=_ordered(days),
        )

    def day_id(self, context: Context[I], day: date) -> int | None:
        """The day_id of that date; None where it is no special day."""
        return day_id_on(self.state(context).days, day)


def special_day_of(context: Context[I], table: Obis, day: date) -> int | None:
    """The same by the name of the table; None when the device has no such table."""
    found = context.device.find(table)
    return found.day_id(context, day) if isinstance(found, SpecialDays) else None


def _days(value: Data) -> tuple[SpecialDay, ...]:
    return tuple(SpecialDay.from_data(entry) for entry in elements(value, SPECIAL_DAYS_MAX))


def _replaced(
    _context: Context[I], _state: SpecialDaysState, days: tuple[SpecialDay, ...]
) -> SpecialDaysState | DataAccessResult:
    """An index that stands twice is refused [A]."""
    twice = len({entry.index for entry in days}) != len(days)
    return DataAccessResult.OTHER_REASON if twice else _ordered(days)


def _insert(_context: Context[I], state: SpecialDaysState, day: SpecialDay) -> tuple[SpecialDaysState, Answer]:
    """The new entry takes the place of those with the same index or the same date."""
    kept = [entry for entry in state.days if entry.index != day.index and entry.date != day.date]
    if len(kept) >= SPECIAL_DAYS_MAX:
        return state, ActionResult.OTHER_REASON
    return _ordered([*kept, day]), ActionResult.SUCCESS


def _delete(_context: Context[I], state: SpecialDaysState, index: int) -> tuple[SpecialDaysState, Answer]:
    """An index that is not there is OTHER_REASON [A]."""
    kept = tuple(entry for entry in state.days if entry.index != index)
    if len(kept) == len(state.days):
        return state, ActionResult.OTHER_REASON
    return SpecialDaysState(kept), ActionResult.SUCCESS

"""Schedule, class 10: scripts at times of day, on weekdays and special days, within a range of dates.

After a power failure, and when the clock is set forward, entries that were missed run in the order of time as long as
their validity window lasts. When the clock is set back, what lies in the repeated time runs again.

Source: docs/protocols/cosem-objects.md §5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, TypeAlias, TypeVar

from hes.dlms import data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem import interface_classes
from hes.dlms.cosem.access import READERS, Role
from hes.dlms.cosem.calendar.date_patterns import DAY_S, DatePattern, TimePattern, date_of, next_instant
from hes.dlms.cosem.calendar.own_time import NextCivil, is_due, next_due_s
from hes.dlms.cosem.calendar.special_days import SPECIAL_DAYS_NAME, special_day_of
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.device_time import handled_own_s
from hes.dlms.cosem.inner_calls import ScriptReference, elements, logical_name_of, members, number
from hes.dlms.cosem.object_state import StatefulObject
from hes.dlms.cosem.stateful_method import Answer, stateful_method
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

INDEX_MAX: Final = 9999
ENTRIES_MAX: Final = 256  # [A]
VALIDITY_FOR_EVER: Final = 0xFFFF
DAYS_SEARCHED: Final = 800  # an entry that comes less often than every second year is looked at again later [A]
MISSED_MAX: Final = 1000  # switches looked at after a power failure; of these ... [A]
MADE_UP_MAX: Final = 100  # ... the latest run [A]
MINUTE_S: Final = 60

SpecialDay: TypeAlias = Callable[[date], "int | None"]
"""date -> its day_id, None where it is no special day"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleEntry:
    """switch_time: 4 octets. begin, end: 5 octets each, with wildcards. weekdays: 7 bits from Monday as text.

    special_days: bits from day_id 1 on as text. validity_min: minutes, VALIDITY_FOR_EVER for ever.
    """

    index: int
    enabled: bool
    script: ScriptReference
    switch_time: bytes
    validity_min: int = 0
    weekdays: str = "1111111"
    special_days: str = ""
    begin: bytes = b"\xff" * 5
    end: bytes = b"\xff" * 5

    def to_data(self) -> Data:
        return data.structure(
            data.u16(self.index),
            data.boolean(self.enabled),
            *self.script.to_data().value,
            data.octets(self.switch_time),
            data.u16(self.validity_min),
            data.bits(self.weekdays),
            data.bits(self.special_days),
            data.octets(self.begin),
            data.octets(self.end),
        )

    @classmethod
    def from_data(cls, value: Data) -> ScheduleEntry:
        """Raises RemoteProtocolError for any other shape, and for times and dates that cannot be."""
        index, enabled, table, selector, time, validity, weekdays, special_days, begin, end = members(value, 10)
        if weekdays.tag is not Tag.BIT_STRING or special_days.tag is not Tag.BIT_STRING or len(weekdays.value) != 7:
            raise RemoteProtocolError("the days of a schedule entry are bit-strings, seven bits for a week")
        TimePattern.from_octets(_octets(time))
        DatePattern.from_octets(_octets(begin))
        DatePattern.from_octets(_octets(end))
        entry = cls(
            index=number(index, Tag.LONG_UNSIGNED),
            enabled=bool(number(enabled, Tag.BOOLEAN)),
            script=ScriptReference(logical_name_of(table), number(selector, Tag.LONG_UNSIGNED)),
            switch_time=time.value,
            validity_min=number(validity, Tag.LONG_UNSIGNED),
            weekdays=weekdays.value,
            special_days=special_days.value,
            begin=begin.value,
            end=end.value,
        )
        if not 1 <= entry.index <= INDEX_MAX:
            raise RemoteProtocolError(f"an index of a schedule is 1..{INDEX_MAX}, not {entry.index}")
        return entry

    def applies(self, day: date, day_id: int | None) -> bool:
        """Whether the entry switches on that day. A special day follows its own bits only."""
        if not in_range(day, DatePattern.from_octets(self.begin), DatePattern.from_octets(self.end)):
            return False
        if day_id is None:
            return self.weekdays[day.weekday()] == "1"
        return self.special_days[day_id - 1 : day_id] == "1" if day_id else False

    def next_civil(self, special_day: SpecialDay) -> NextCivil:
        """When it switches, as the civil seconds from a given one on."""
        time, begin = TimePattern.from_octets(self.switch_time), DatePattern.from_octets(self.begin)

        def find(civil: int) -> int | None:
            if not self.enabled or "1" not in self.weekdays + self.special_days:
                return None
            first, second = divmod(civil, DAY_S)
            start = max(first, next(begin.days_from(first), first) if begin.exact else first)
            for number_of_day in range(start, start + DAYS_SEARCHED):
                at = time.next(second if number_of_day == first else 0)
                if at is None:
                    continue
                day = date_of(number_of_day)
                if self.applies(day, special_day(day)):
                    return number_of_day * DAY_S + at
            return None

        return find


def _octets(value: Data) -> bytes:
    if value.tag not in (Tag.OCTET_STRING, Tag.DATE, Tag.TIME):
        raise RemoteProtocolError("a time and two dates were wanted")
    held: bytes = value.value
    return held


def in_range(day: date, begin: DatePattern, end: DatePattern) -> bool:
    """Whether a day lies in begin..end, both included, in the parts that are given.

    Without years a range may turn with the year: from October to March.
    """
    after = _parts(begin, day) >= _parts(begin)
    before = _parts(end, day) <= _parts(end)
    no_years = begin.year is None and end.year is None
    turns = no_years and len(_parts(begin)) == len(_parts(end)) and _parts(begin) > _parts(end)
    return after or before if turns else after and before


def _parts(pattern: DatePattern, day: date | None = None) -> tuple[int, ...]:
    """Year, month and day as far as the pattern gives them: its own, or those of `day`."""
    given = (pattern.year, pattern.month, pattern.day)
    of = given if day is None else (day.year, day.month, day.day)
    return tuple(part or 0 for part, wanted in zip(of, given, strict=True) if wanted is not None)


@dataclass(frozen=True, slots=True)
class ScheduleState:
    """entries: by rising index."""

    entries: tuple[ScheduleEntry, ...] = ()


class Schedule(StatefulObject[I, ScheduleState]):
    """Class 10, Schedule. special_days: logical name of the table of the device's special days."""

    __slots__ = ("_special_days",)

    def __init__(
        self,
        logical_name: Obis | str,
        entries: Iterable[ScheduleEntry] = (),
        *,
        special_days: Obis = SPECIAL_DAYS_NAME,
        readable: Role = READERS,
        writable: Role = Role.MANAGEMENT,
    ) -> None:
        self._special_days = special_days
        super().__init__(
            interface_classes.SCHEDULE,
            logical_name,
            {
                2: self.stored(
                    "entries",
                    lambda held: data.array(entry.to_data() for entry in held),
                    _entries,
                    apply=_replaced,
                    readable=readable,
                    writable=writable,
                )
            },
            {
                1: stateful_method(self, _four, _enable_disable, invocable=writable),
                2: stateful_method(self, ScheduleEntry.from_data, _insert, invocable=writable),
                3: stateful_method(self, _two, _delete, invocable=writable),
            },
            initial=_ordered(entries),
        )

    def next_deadline(self, context: Context[I]) -> float | None:
        due = [next_due_s(context, find) for _entry, find in self._enabled(context)]
        return min((at for at in due if at is not None), default=None)

    def run_due(self, context: Context[I]) -> None:
        for entry, find in self._enabled(context):
            if is_due(context, find):
                context.device.execute(context, entry.script.action())

    def powered_up(self, context: Context[I], off_since_s: float) -> None:
        own_s = handled_own_s(context)
        self._make_up(context, own_s - int(context.now_s - off_since_s), own_s)

    def clock_set(self, context: Context[I], before_s: float, after_s: float) -> None:
        if after_s > before_s:
            self._make_up(context, int(before_s), int(after_s))

    def _make_up(self, context: Context[I], from_s: int, to_s: int) -> None:
        """Run what was missed after `from_s` up to `to_s` (own time) and is still valid."""
        local = context.device.timekeeper.local(context)
        missed: list[tuple[int, int, ScriptReference]] = []
        for entry, find in self._enabled(context):
            valid = entry.validity_min
            start = from_s if valid == VALIDITY_FOR_EVER else max(from_s, to_s - valid * MINUTE_S - 1)
            instant = next_instant(local, start, find) if valid else None
            while instant is not None and instant <= to_s and len(missed) < MISSED_MAX:
                missed.append((instant, entry.index, entry.script))
                instant = next_instant(local, instant, find)
        for _instant, _index, script in sorted(missed, key=lambda each: each[:2])[-MADE_UP_MAX:]:
            context.device.execute(context, script.action())

    def _enabled(self, context: Context[I]) -> Iterator[tuple[ScheduleEntry, NextCivil]]:
        def special_day(day: date) -> int | None:
            return special_day_of(context, self._special_days, day)

        for entry in self.state(context).entries:
            if entry.enabled:
                yield entry, entry.next_civil(special_day)


def _ordered(entries: Iterable[ScheduleEntry]) -> ScheduleState:
    return ScheduleState(tuple(sorted(entries, key=lambda entry: entry.index)))


def _entries(value: Data) -> tuple[ScheduleEntry, ...]:
    return tuple(ScheduleEntry.from_data(entry) for entry in elements(value, ENTRIES_MAX))


def _replaced(
    _context: Context[I], _state: ScheduleState, entries: tuple[ScheduleEntry, ...]
) -> ScheduleState | DataAccessResult:
    """An index that stands twice is refused [A]."""
    twice = len({entry.index for entry in entries}) != len(entries)
    return DataAccessResult.OTHER_REASON if twice else _ordered(entries)


def _four(value: Data) -> tuple[int, ...]:
    return tuple(number(member, Tag.LONG_UNSIGNED) for member in members(value, 4))


def _two(value: Data) -> tuple[int, ...]:
    return tuple(number(member, Tag.LONG_UNSIGNED) for member in members(value, 2))


def _enable_disable(
    _context: Context[I], state: ScheduleState, ranges: tuple[int, ...]
) -> tuple[ScheduleState, Answer]:
    """Disable the entries of range A, then enable those of range B; a range whose first is above its last is empty."""
    first_a, last_a, first_b, last_b = ranges

    def switched(entry: ScheduleEntry) -> ScheduleEntry:
        if first_b <= entry.index <= last_b:
            return replace(entry, enabled=True)
        return replace(entry, enabled=False) if first_a <= entry.index <= last_a else entry

    return ScheduleState(tuple(switched(entry) for entry in state.entries)), ActionResult.SUCCESS


def _insert(_context: Context[I], state: ScheduleState, entry: ScheduleEntry) -> tuple[ScheduleState, Answer]:
    """An entry of the same index is overwritten."""
    kept = [held for held in state.entries if held.index != entry.index]
    if len(kept) >= ENTRIES_MAX:
        return state, ActionResult.OTHER_REASON
    return _ordered([*kept, entry]), ActionResult.SUCCESS


def _delete(_context: Context[I], state: ScheduleState, wanted: tuple[int, ...]) -> tuple[ScheduleState, Answer]:
    first, last = wanted
    return ScheduleState(tuple(e for e in state.entries if not first <= e.index <= last)), ActionResult.SUCCESS

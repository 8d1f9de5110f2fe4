"""Seasons, weeks and days of an activity calendar: which actions belong to which moment.

Pure arithmetic on civil seconds. A moment's day profile is that of its date in the special days table, else that of its
weekday in the week of the season which began last.

Source: docs/protocols/cosem-objects.md §5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Final, TypeAlias

from hes.dlms import data
from hes.dlms.cosem.calendar.date_patterns import DAY_S, DatePattern, TimePattern, date_of, previous_match
from hes.dlms.cosem.inner_calls import ScriptReference, elements, logical_name_of, members, number, octet_string
from hes.dlms.data import Data, Tag
from hes.errors import RemoteProtocolError

SEASONS_MAX: Final = 64  # of one calendar [A]
WEEKS_MAX: Final = 64  # [A]
DAYS_MAX: Final = 256
ACTIONS_MAX: Final = 128  # of one day [A]
DAYS_SEARCHED: Final = 400  # for the next action, and back for the one in force [A]

SpecialDay: TypeAlias = Callable[[date], "int | None"]
"""date -> day_id of a special day, None for any other"""


@dataclass(frozen=True, slots=True)
class Season:
    """start: 12 octets with wildcards."""

    name: bytes
    start: bytes
    week: bytes

    def to_data(self) -> Data:
        return data.structure(data.octets(self.name), data.octets(self.start), data.octets(self.week))

    @classmethod
    def from_data(cls, value: Data) -> Season:
        """Raises RemoteProtocolError for any other shape."""
        name, start, week = members(value, 3)
        if start.tag not in (Tag.OCTET_STRING, Tag.DATE_TIME) or len(start.value) != 12:
            raise RemoteProtocolError("a season starts at a date-time")
        DatePattern.from_octets(start.value)
        TimePattern.from_octets(start.value)
        return cls(octet_string(name), start.value, octet_string(week))

    def began(self, civil: int) -> int | None:
        """The civil second up to `civil` at which it last began; None when it never did."""
        return previous_match(DatePattern.from_octets(self.start), TimePattern.from_octets(self.start), civil)


@dataclass(frozen=True, slots=True)
class Week:
    """day_ids: from Monday on."""

    name: bytes
    day_ids: tuple[int, int, int, int, int, int, int]

    def to_data(self) -> Data:
        return data.structure(data.octets(self.name), *(data.u8(day_id) for day_id in self.day_ids))

    @classmethod
    def from_data(cls, value: Data) -> Week:
        """Raises RemoteProtocolError for any other shape."""
        name, *days = members(value, 8)
        mon, tue, wed, thu, fri, sat, sun = (number(day, Tag.UNSIGNED) for day in days)
        return cls(octet_string(name), (mon, tue, wed, thu, fri, sat, sun))


@dataclass(frozen=True, slots=True)
class DayAction:
    """start: 4 octets; parts that are not specified count as 0 [A]."""

    start: bytes
    script: ScriptReference

    def to_data(self) -> Data:
        return data.structure(data.octets(self.start), *self.script.to_data().value)

    @classmethod
    def from_data(cls, value: Data) -> DayAction:
        """Raises RemoteProtocolError for any other shape."""
        start, table, selector = members(value, 3)
        if start.tag not in (Tag.OCTET_STRING, Tag.TIME):
            raise RemoteProtocolError("an action starts at a time")
        TimePattern.from_octets(start.value)
        return cls(start.value, ScriptReference(logical_name_of(table), number(selector, Tag.LONG_UNSIGNED)))

    @property
    def second(self) -> int:
        """Second of the day."""
        time = TimePattern.from_octets(self.start)
        return 3600 * (time.hour or 0) + 60 * (time.minute or 0) + time.second


@dataclass(frozen=True, slots=True)
class Day:
    """actions: as they were written; they happen in the order of time."""

    day_id: int
    actions: tuple[DayAction, ...]

    def to_data(self) -> Data:
        return data.structure(data.u8(self.day_id), data.array(action.to_data() for action in self.actions))

    @classmethod
    def from_data(cls, value: Data) -> Day:
        """Raises RemoteProtocolError for any other shape."""
        day_id, actions = members(value, 2)
        listed = tuple(DayAction.from_data(action) for action in elements(actions, ACTIONS_MAX))
        return cls(number(day_id, Tag.UNSIGNED), listed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """One complete calendar, active or passive."""

    name: bytes = b""
    seasons: tuple[Season, ...] = ()
    weeks: tuple[Week, ...] = ()
    days: tuple[Day, ...] = ()


def season_at(calendar: Calendar, civil: int) -> Season | None:
    """The season that began last; of several that began together the one that stands last [A]."""
    found: tuple[int, int] | None = None
    for place, season in enumerate(calendar.seasons):
        began = season.began(civil)
        if began is not None and (found is None or (began, place) > found):
            found = (began, place)
    return None if found is None else calendar.seasons[found[1]]


def day_id_at(calendar: Calendar, civil: int, special_day: SpecialDay) -> int | None:
    """The day profile that holds at that moment; None when no season has begun or its week is missing."""
    day = date_of(civil // DAY_S)
    special = special_day(day)
    if special is not None:
        return special
    season = season_at(calendar, civil)
    wanted = None if season is None else season.week
    week = next((entry for entry in calendar.weeks if entry.name == wanted), None)
    return None if week is None else week.day_ids[day.weekday()]


def actions_at(calendar: Calendar, civil: int, special_day: SpecialDay) -> tuple[DayAction, ...]:
    """The actions that start at that moment, in the order of their day profile."""
    second = civil % DAY_S
    if not any(action.second == second for day in calendar.days for action in day.actions):
        return ()
    day_id = day_id_at(calendar, civil, special_day)
    day = next((entry for entry in calendar.days if entry.day_id == day_id), None)
    return () if day is None else tuple(action for action in day.actions if action.second == second)


def next_switch(calendar: Calendar, civil: int, special_day: SpecialDay) -> int | None:
    """The first civil second from `civil` on at which an action starts."""
    seconds = _seconds(calendar)
    first, from_second = divmod(civil, DAY_S)
    for day in range(first, first + DAYS_SEARCHED) if seconds else ():
        for second in seconds:
            at = day * DAY_S + second
            if (day > first or second >= from_second) and actions_at(calendar, at, special_day):
                return at
    return None


def last_switch(calendar: Calendar, civil: int, special_day: SpecialDay) -> int | None:
    """The last civil second up to `civil` at which an action started: whose effect is in force."""
    seconds = _seconds(calendar)
    last, to_second = divmod(civil, DAY_S)
    for day in range(last, last - DAYS_SEARCHED, -1) if seconds else ():
        for second in reversed(seconds):
            at = day * DAY_S + second
            if (day < last or second <= to_second) and actions_at(calendar, at, special_day):
                return at
    return None


def _seconds(calendar: Calendar) -> list[int]:
    return sorted({action.second for day in calendar.days for action in day.actions})

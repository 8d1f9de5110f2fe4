"""Activity calendar, class 20: tariffs and other actions by season, weekday and special day.

What a power failure or a new time skipped is not done again in full: the last action that was missed is carried out, so
that the tariff is the right one. The same happens when another calendar becomes the active one [A].

Source: docs/protocols/cosem-objects.md §5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final, TypeVar

from hes.dlms import data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem import interface_classes
from hes.dlms.cosem.access import READERS, Role
from hes.dlms.cosem.calendar.date_patterns import DatePattern, TimePattern, civil_s
from hes.dlms.cosem.calendar.own_time import civil_now, is_due, next_due_s
from hes.dlms.cosem.calendar.special_days import SPECIAL_DAYS_NAME, special_day_of
from hes.dlms.cosem.calendar.tables import (
    DAYS_MAX,
    SEASONS_MAX,
    WEEKS_MAX,
    Calendar,
    Day,
    Season,
    SpecialDay,
    Week,
    actions_at,
    last_switch,
    next_switch,
)
from hes.dlms.cosem.clock import NO_DATE_TIME, date_time_of
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.cosem_object import Attribute, Method
from hes.dlms.cosem.device_time import handled_own_s
from hes.dlms.cosem.inner_calls import elements, octet_string
from hes.dlms.cosem.object_state import StatefulObject
from hes.dlms.cosem.stateful_method import no_parameters
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

ACTIVITY_CALENDAR_NAME: Final = Obis.parse("0.0.13.0.0.255")
EMPTY: Final = Calendar()


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarState:
    """activate_time: 12 octets. waiting: it has been written and has not come yet."""

    active: Calendar = EMPTY
    passive: Calendar = EMPTY
    activate_time: bytes = field(default=NO_DATE_TIME)
    waiting: bool = False


_TABLES: Final[tuple[tuple[str, Callable[[Any], Data], Callable[[Data], Any]], ...]] = (
    ("name", data.octets, octet_string),
    (
        "seasons",
        lambda seasons: data.array(entry.to_data() for entry in seasons),
        lambda value: tuple(Season.from_data(entry) for entry in elements(value, SEASONS_MAX)),
    ),
    (
        "weeks",
        lambda weeks: data.array(entry.to_data() for entry in weeks),
        lambda value: tuple(Week.from_data(entry) for entry in elements(value, WEEKS_MAX)),
    ),
    (
        "days",
        lambda days: data.array(entry.to_data() for entry in days),
        lambda value: tuple(Day.from_data(entry) for entry in elements(value, DAYS_MAX)),
    ),
)


class ActivityCalendar(StatefulObject[I, CalendarState]):
    """Class 20, Activity calendar, in the meter's own time. The active tables are changed by activation only."""

    __slots__ = ("_special_days",)

    def __init__(
        self,
        logical_name: Obis | str = ACTIVITY_CALENDAR_NAME,
        initial: CalendarState = CalendarState(),
        *,
        special_days: Obis = SPECIAL_DAYS_NAME,
        readable: Role = READERS,
        writable: Role = Role.MANAGEMENT,
    ) -> None:
        """special_days: logical name of the table of the device's special days."""
        self._special_days = special_days
        attributes: dict[int, Attribute[I]] = {}
        for offset, (table, encode, decode) in enumerate(_TABLES):
            attributes[2 + offset] = self.stored("active", _of(table, encode), readable=readable)
            attributes[6 + offset] = self.stored(
                "passive", _of(table, encode), decode, apply=_into_passive(table), readable=readable, writable=writable
            )
        attributes[10] = self.stored(
            "activate_time", data.octets, _instant, apply=_awaiting, readable=readable, writable=writable
        )
        super().__init__(
            interface_classes.ACTIVITY_CALENDAR,
            logical_name,
            attributes,
            {1: Method(invoke=self._activate_now, invocable=writable)},
            initial=initial,
        )

    # -- time

    def next_deadline(self, context: Context[I]) -> float | None:
        state = self.state(context)
        special_day = self._special_day(context)
        due = [next_due_s(context, lambda civil: next_switch(state.active, civil, special_day))]
        if state.waiting:
            due.append(context.device.timekeeper.world_s(context, self._activation_s(context, state)))
        return min((at for at in due if at is not None), default=None)

    def run_due(self, context: Context[I]) -> None:
        state = self.state(context)
        if state.waiting and self._activation_s(context, state) <= handled_own_s(context):
            self._activate(context)
            return
        special_day = self._special_day(context)
        if is_due(context, lambda civil: next_switch(state.active, civil, special_day)):
            self.apply(context)

    def powered_up(self, context: Context[I], off_since_s: float) -> None:
        own_s = handled_own_s(context)
        self._catch_up(context, own_s - int(context.now_s - off_since_s), own_s)

    def clock_set(self, context: Context[I], before_s: float, after_s: float) -> None:
        self._catch_up(context, int(before_s), int(after_s))

    def _catch_up(self, context: Context[I], before_s: int, after_s: int) -> None:
        """Put into effect what is in force now, unless it was in force before."""
        local, special_day = context.device.timekeeper.local(context), self._special_day(context)
        active = self.state(context).active
        before, after = (last_switch(active, civil_s(local, own_s), special_day) for own_s in (before_s, after_s))
        if before != after:
            self.apply(context)

    def apply(self, context: Context[I]) -> None:
        """Carry out the actions that are in force at `context.now_s`: those that started last."""
        active, special_day = self.state(context).active, self._special_day(context)
        started = last_switch(active, civil_now(context), special_day)
        for action in () if started is None else actions_at(active, started, special_day):
            context.device.execute(context, action.script.action())

    # -- activation

    def _activate_now(self, context: Context[I], parameters: Data | None) -> ActionResult:
        try:
            no_parameters(data.null() if parameters is None else parameters)
        except RemoteProtocolError:
            return ActionResult.TYPE_UNMATCHED
        self._activate(context)
        return ActionResult.SUCCESS

    def _activate(self, context: Context[I]) -> None:
        state = self.state(context)
        self.put(context, replace(state, active=state.passive, waiting=False))
        self.apply(context)

    def _activation_s(self, context: Context[I], state: CalendarState) -> int:
        """Own time at which the passive calendar becomes the active one."""
        return context.device.timekeeper.local(context).epoch_s(state.activate_time)

    def _special_day(self, context: Context[I]) -> SpecialDay:
        def day_id(day: date) -> int | None:
            return special_day_of(context, self._special_days, day)

        return day_id


def _of(table: str, encode: Callable[[Any], Data]) -> Callable[[Calendar], Data]:
    return lambda calendar: encode(getattr(calendar, table))


def _into_passive(table: str) -> Callable[[Any, CalendarState, Any], CalendarState]:
    return lambda _context, state, value: replace(state, passive=replace(state.passive, **{table: value}))


def _instant(value: Data) -> bytes:
    """Any date-time; one with wildcards activates nothing [A]."""
    octets = date_time_of(value)
    if octets is None:
        raise RemoteProtocolError(f"a date-time was wanted, not {Tag(value.tag).name}")
    DatePattern.from_octets(octets)
    TimePattern.from_octets(octets)
    return octets


def _awaiting(context: Context[I], state: CalendarState, octets: bytes) -> CalendarState | DataAccessResult:
    try:
        context.device.timekeeper.local(context).epoch_s(octets)
    except RemoteProtocolError:
        return replace(state, activate_time=octets, waiting=False)
    return replace(state, activate_time=octets, waiting=True)

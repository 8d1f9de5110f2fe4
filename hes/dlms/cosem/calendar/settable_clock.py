"""Clock, class 8, of a meter whose every parameter can be set: zone, summer time, preset time.

What is kept is how far the own clock is from world time, so that time goes on without anybody counting it. Summer time
begins and ends where the two patterns say: begin in standard time, end in summer time, unless they bring a deviation of
their own.

Source: docs/protocols/cosem-objects.md §1 (clock).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache, partial
from typing import Any, Final, TypeVar

from hes.dlms import data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem import interface_classes
from hes.dlms.cosem.access import EVERYONE, Role
from hes.dlms.cosem.calendar.date_patterns import DAY_S, DatePattern, TimePattern, day_number, next_match
from hes.dlms.cosem.clock import (
    CLOCK_LOGICAL_NAME,
    MINUTE_S,
    NO_DATE_TIME,
    QUARTER_S,
    SHIFT_S_MAX,
    date_time_of,
)
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.cosem_object import Attribute, Method
from hes.dlms.cosem.inner_calls import members, number
from hes.dlms.cosem.local_time import LocalTime
from hes.dlms.cosem.object_state import StatefulObject
from hes.dlms.cosem.stateful_method import Answer, no_parameters, stateful_method
from hes.dlms.cosem_time import DEVIATION_ANY, STATUS_DOUBTFUL, STATUS_INVALID_VALUE
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

TIME_ZONE_MIN: Final = range(-720, 841)  # docs/protocols/cosem-objects.md §1
DST_DEVIATION_MIN: Final = range(-120, 121)
HALF_HUNDREDTH_S: Final = 0.005
_ZONES_KEPT: Final = 256
_YEARS_KEPT: Final = 4096


@dataclass(frozen=True, slots=True)
class Preset:
    """A time waiting to be set: own time, and the own time within which it may be."""

    time_s: int
    start_s: int
    end_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockState:
    """offset_s: own time minus world time. time_zone_min: from local standard time to UTC (Amsterdam: -60).

    dst_begin, dst_end: 12 octets with wildcards. status: clock status bits but that of summer time.
    """

    offset_s: float = 0.0
    time_zone_min: int = 0
    dst_begin: bytes = NO_DATE_TIME
    dst_end: bytes = NO_DATE_TIME
    dst_deviation_min: int = 60
    dst_enabled: bool = False
    clock_base: int = 1
    status: int = 0
    preset: Preset | None = None


class SettableClock(StatefulObject[I, ClockState]):
    """Class 8, Clock, with all its attributes and methods; the `Timekeeper` of its device."""

    __slots__ = ()

    def __init__(
        self,
        logical_name: Obis | str = CLOCK_LOGICAL_NAME,
        initial: ClockState = ClockState(),
        *,
        measuring_period_s: int = QUARTER_S,
        readable: Role = EVERYONE,
        writable: Role = Role.MANAGEMENT,
    ) -> None:
        """measuring_period_s: what method 2 adjusts to."""
        self_stored = partial(self.stored, readable=readable, writable=writable)
        attributes: dict[int, Attribute[I]] = {
            2: Attribute(get=self._read_time, set=self._write_time, readable=readable, writable=writable),
            3: self_stored("time_zone_min", data.i16, partial(_in, Tag.LONG, TIME_ZONE_MIN)),
            4: Attribute(get=self._read_status, readable=readable),
            5: self_stored("dst_begin", data.octets, _pattern),
            6: self_stored("dst_end", data.octets, _pattern),
            7: self_stored("dst_deviation_min", data.i8, partial(_in, Tag.INTEGER, DST_DEVIATION_MIN)),
            8: self_stored("dst_enabled", data.boolean, _boolean),
            9: self_stored("clock_base", data.enum, partial(_in, Tag.ENUM, range(6))),
        }
        super().__init__(
            interface_classes.CLOCK,
            logical_name,
            attributes,
            self._methods(measuring_period_s, writable),
            initial=initial,
        )

    # -- the timekeeper of the device

    def own_s(self, context: Context[I]) -> float:
        return context.now_s + self.state(context).offset_s

    def world_s(self, context: Context[I], own_s: float) -> float:
        return own_s - self.state(context).offset_s

    def local(self, context: Context[I]) -> LocalTime:
        return local_time_of(self.state(context))

    # -- attributes

    def _now(self, context: Context[I]) -> int:
        return int((self.own_s(context) + HALF_HUNDREDTH_S) // 1)

    def _read_time(self, context: Context[I], _selection: bytes) -> bytes:
        state = self.state(context)
        return b"\x09\x0c" + local_time_of(state).octets(self._now(context), state.status)

    def _read_status(self, context: Context[I], _selection: bytes) -> bytes:
        return bytes((Tag.UNSIGNED, self._read_time(context, b"")[-1]))

    def _write_time(self, context: Context[I], value: Data) -> DataAccessResult:
        octets = date_time_of(value)
        try:
            own_s = self.local(context).epoch_s(octets or b"")
        except RemoteProtocolError:
            return DataAccessResult.TYPE_UNMATCHED
        self.set_time(context, own_s)
        return DataAccessResult.SUCCESS

    def set_time(self, context: Context[I], own_s: float) -> None:
        """Set the own clock; the objects that keep to it are told."""
        state, before_s = self.state(context), self.own_s(context)
        self.put(context, _set(context, state, own_s))
        context.device.clock_set(context, before_s, own_s)

    def set_status(self, context: Context[I], status: int) -> None:
        """Status bits of the device itself, such as STATUS_INVALID_VALUE after the clock stood still."""
        self.put(context, replace(self.state(context), status=status))

    # -- methods

    def _methods(self, measuring_period_s: int, invocable: Role) -> dict[int, Method[I]]:
        def adjusting_to(period_s: int) -> Method[I]:
            def adjust(context: Context[I], state: ClockState, _parameters: None) -> ActionResult:
                own_s = context.now_s + state.offset_s
                self.set_time(context, int(own_s + period_s / 2) // period_s * period_s)
                return ActionResult.SUCCESS

            return self._acting(no_parameters, adjust, invocable)

        def shift(context: Context[I], state: ClockState, seconds: int) -> ActionResult:
            if abs(seconds) > SHIFT_S_MAX:
                return ActionResult.OTHER_REASON
            self.set_time(context, context.now_s + state.offset_s + seconds)
            return ActionResult.SUCCESS

        def use_preset(context: Context[I], state: ClockState, _parameters: None) -> ActionResult:
            """Nothing preset, or outside its validity, is OTHER_REASON [A]."""
            preset, own_s = state.preset, context.now_s + state.offset_s
            if preset is None or not preset.start_s <= own_s <= preset.end_s:
                return ActionResult.OTHER_REASON
            self.put(context, replace(state, preset=None))
            self.set_time(context, preset.time_s)
            return ActionResult.SUCCESS

        return {
            1: adjusting_to(QUARTER_S),
            2: adjusting_to(measuring_period_s),
            3: adjusting_to(MINUTE_S),
            4: self._acting(no_parameters, use_preset, invocable),
            5: stateful_method(self, _preset_octets, self._keep_preset, invocable=invocable),
            6: self._acting(lambda value: number(value, Tag.LONG), shift, invocable),
        }

    def _acting(
        self,
        parse: Callable[[Data], Any],
        act: Callable[[Context[I], ClockState, Any], ActionResult],
        invocable: Role,
    ) -> Method[I]:
        def invoke(context: Context[I], parameters: Data | None) -> ActionResult:
            try:
                wanted = parse(Data(Tag.NULL, None) if parameters is None else parameters)
            except RemoteProtocolError:
                return ActionResult.TYPE_UNMATCHED
            return act(context, self.state(context), wanted)

        return Method(invoke=invoke, invocable=invocable)

    def _keep_preset(
        self, _context: Context[I], state: ClockState, octets: tuple[bytes, bytes, bytes]
    ) -> tuple[ClockState, Answer]:
        local = local_time_of(state)
        try:
            time_s, start_s, end_s = (local.epoch_s(each) for each in octets)
        except RemoteProtocolError:
            return state, ActionResult.TYPE_UNMATCHED
        return replace(state, preset=Preset(time_s, start_s, end_s)), ActionResult.SUCCESS


def _set(context: Context[I], state: ClockState, own_s: float) -> ClockState:
    """A clock that was set is neither invalid nor doubtful any more [A]."""
    status = state.status & ~(STATUS_INVALID_VALUE | STATUS_DOUBTFUL)
    return replace(state, offset_s=own_s - context.now_s, status=status)


def _in(tag: Tag, allowed: range, value: Data) -> int:
    held = number(value, tag)
    if held not in allowed:
        raise RemoteProtocolError(f"{held} is not between {allowed[0]} and {allowed[-1]}")
    return held


def _boolean(value: Data) -> bool:
    return bool(number(value, Tag.BOOLEAN))


def _pattern(value: Data) -> bytes:
    octets = date_time_of(value) or b""
    DatePattern.from_octets(octets)
    TimePattern.from_octets(octets)
    return octets


def _preset_octets(value: Data) -> tuple[bytes, bytes, bytes]:
    preset, start, end = (date_time_of(member) or b"" for member in members(value, 3))
    return preset, start, end


# -- summer time -----------------------------------------------------------------------------------------------------


def local_time_of(state: ClockState) -> LocalTime:
    """How a clock in that state writes instants."""
    return _local_time(
        state.time_zone_min,
        state.dst_deviation_min,
        state.dst_begin if state.dst_enabled else NO_DATE_TIME,
        state.dst_end if state.dst_enabled else NO_DATE_TIME,
    )


@lru_cache(maxsize=_ZONES_KEPT)
def _local_time(zone_min: int, shift_min: int, begin: bytes, end: bytes) -> LocalTime:
    def is_dst(epoch_s: float) -> bool:
        year = date.fromordinal(date(1970, 1, 1).toordinal() + int(epoch_s) // DAY_S).year
        changes = [
            change
            for around in (year - 1, year, year + 1)
            for change in _changes(around, zone_min, shift_min, begin, end)
            if change[0] <= epoch_s
        ]
        return bool(changes) and max(changes)[1]

    summer = NO_DATE_TIME not in (begin, end)
    never: Callable[[float], bool] = lambda _epoch_s: False  # noqa: E731
    return LocalTime(standard_deviation_min=zone_min, dst_shift_min=shift_min, is_dst=is_dst if summer else never)


@lru_cache(maxsize=_YEARS_KEPT)
def _changes(year: int, zone_min: int, shift_min: int, begin: bytes, end: bytes) -> tuple[tuple[int, bool], ...]:
    """(instant, whether summer time is in force from then on) of the changes in that year, local time."""
    found = []
    for pattern, deviation_min, summer in ((begin, zone_min, True), (end, zone_min - shift_min, False)):
        own = int.from_bytes(pattern[9:11], "big", signed=True)
        minutes = deviation_min if own == DEVIATION_ANY else own
        day = DatePattern.from_octets(pattern)
        start = day_number(date(year, 1, 1)) * DAY_S
        civil = next_match(day, TimePattern.from_octets(pattern), start)
        if civil is not None and civil < day_number(date(year + 1, 1, 1)) * DAY_S:
            found.append((civil + 60 * minutes, summer))
    return tuple(found)

"""Averages over periods: a demand register that works them out, and a register that keeps the highest of them.

Both are functions of an *integral* of the measured quantity over time (energy in Ws for a power in W) that the caller
gives. A demand register remembers nothing as long as its periods follow the clock; `next_period` and `reset` move them.

```
    number_of_periods 3, period P:      |----P----|----P----|----P----|--now
    last_average_value  over            <----------------------------->
    current_average_value over                    <-----------------------> (what has been measured of 3 P)
```

Source: docs/protocols/cosem-functions.md §8.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias, TypeVar

from hes.dlms import axdr, data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem.access import READERS, Role
from hes.dlms.cosem.clock import NO_DATE_TIME
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.cosem_object import Attribute, Reader, attribute, constant
from hes.dlms.cosem.device_time import TICK_S, handled_own_s
from hes.dlms.cosem.inner_calls import number
from hes.dlms.cosem.interface_classes import DEMAND_REGISTER, EXTENDED_REGISTER
from hes.dlms.cosem.object_state import StatefulObject
from hes.dlms.cosem.registers import ScalerUnit
from hes.dlms.cosem.stateful_method import Answer, no_parameters, stateful_method
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

SET_BACK_S: Final = 1.0  # less than this is a rounding, not a clock that was set
PERIODS_MAX: Final = 1440  # a day of minutes [A]

Integral: TypeAlias = Callable[[I, float], int]
"""(instance, world time) -> the quantity summed up over time, in units of the register times seconds; also for times
that have passed, as far back as the averages reach"""
_NO_STATUS: Final = data.u8(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AveragingState:
    """origin_s: own time from which periods are counted; None for periods that follow the clock from 1970 on.

    earlier: boundaries before the origin that still count, newest first. reset_s: nothing before it counts.
    """

    period_s: int
    number_of_periods: int = 1
    origin_s: float | None = None
    earlier: tuple[float, ...] = ()
    reset_s: float | None = None

    @property
    def span_s(self) -> int:
        """What an average is over."""
        return self.period_s * self.number_of_periods


def boundaries(state: AveragingState, own_s: float, count: int) -> list[float]:
    """Ends of periods up to `own_s`, newest first, at least one and at most `count` of them."""
    origin_s = 0.0 if state.origin_s is None else state.origin_s
    periods = max(int((own_s - origin_s) // state.period_s), 0)
    first = max(periods - count + 1, 0)
    regular = [origin_s + state.period_s * index for index in range(periods, first - 1, -1)]
    return (regular + list(state.earlier))[:count]


def as_of(state: AveragingState, own_s: float) -> AveragingState:
    """The state as the clock says now: set back behind `next_period` or `reset`, it knows nothing of them [A]."""
    if state.origin_s is None or own_s >= state.origin_s - SET_BACK_S:
        return state
    return replace(state, origin_s=None, earlier=(), reset_s=None)


class AveragingDemandRegister(StatefulObject[I, AveragingState]):
    """Class 5, Demand register, with averages over a period or, for number_of_periods > 1, a sliding one.

    encode: makes an average (already a whole number) a value. status: attribute 5.
    """

    __slots__ = ("_encode", "_integral")

    def __init__(
        self,
        logical_name: Obis | str,
        integral: Integral[I],
        scaler_unit: ScalerUnit,
        *,
        period_s: int,
        number_of_periods: int = 1,
        status: Reader[I] | Data | bytes = _NO_STATUS,
        encode: Callable[[int], Data] = data.i32,
        readable: Role = READERS,
        writable: Role = Role.MANAGEMENT,
        invocable: Role = Role.MANAGEMENT,
    ) -> None:
        self._integral, self._encode = integral, encode

        def shown(value: Callable[[Context[I]], Data]) -> Attribute[I]:
            return Attribute(get=lambda context, _selection: axdr.encode(value(context)), readable=readable)

        def kept(field: str, write: Callable[[int], Data], decode: Callable[[Data], int]) -> Attribute[I]:
            return self.stored(field, write, decode, apply=_with_periods(field), readable=readable, writable=writable)

        status_attribute: Attribute[I] = attribute(status, readable=readable)
        super().__init__(
            DEMAND_REGISTER,
            logical_name,
            {
                2: shown(lambda context: encode(self.current_average(context))),
                3: shown(lambda context: encode(self.last_average(context))),
                4: constant(scaler_unit.to_data(), readable=readable),
                5: status_attribute,
                6: shown(lambda context: data.octets(_written(context, self.period_start_s(context)))),
                7: shown(lambda context: data.octets(_written(context, self._start_s(context)))),
                8: kept("period_s", data.u32, lambda value: number(value, Tag.DOUBLE_LONG_UNSIGNED)),
                9: kept("number_of_periods", data.u16, lambda value: number(value, Tag.LONG_UNSIGNED)),
            },
            {
                1: stateful_method(self, no_parameters, _reset, invocable=invocable),
                2: stateful_method(self, no_parameters, _next_period, invocable=invocable),
            },
            initial=AveragingState(period_s=period_s, number_of_periods=number_of_periods),
        )

    def state(self, context: Context[I]) -> AveragingState:
        return as_of(super().state(context), context.device.timekeeper.own_s(context))

    def current_average(self, context: Context[I]) -> int:
        """What has been measured of the averaging time so far, over the whole of it."""
        return self._average(context, self._start_s(context), context.device.timekeeper.own_s(context))

    def last_average(self, context: Context[I]) -> int:
        """The average that ended with the last period; 0 before the first one after a reset."""
        state = self.state(context)
        ends = boundaries(state, _settled_own_s(context), state.number_of_periods + 1)
        if not ends or ends[0] == state.reset_s:
            return 0
        begin_s = ends[-1] if len(ends) > state.number_of_periods else max(ends[0] - state.span_s, 0)
        return self._average(context, begin_s, ends[0])

    def period_start_s(self, context: Context[I]) -> float:
        """Own time at which the period at hand began, which is when the last average was captured."""
        return boundaries(self.state(context), _settled_own_s(context), 1)[0]

    def next_period_s(self, context: Context[I]) -> float:
        """Own time at which the period at hand ends by itself."""
        state = self.state(context)
        return boundaries(state, handled_own_s(context), 1)[0] + state.period_s

    def _start_s(self, context: Context[I]) -> float:
        """Own time since which the current average has been measured."""
        state = self.state(context)
        ends = boundaries(state, _settled_own_s(context), state.number_of_periods)
        start_s = ends[-1] if len(ends) == state.number_of_periods else ends[0] - state.span_s + state.period_s
        return start_s if state.reset_s is None else max(start_s, state.reset_s)

    def _average(self, context: Context[I], from_s: float, to_s: float) -> int:
        state, timekeeper = self.state(context), context.device.timekeeper
        if state.reset_s is not None:
            from_s = max(from_s, state.reset_s)
        ends = (from_s, max(from_s, to_s))
        begin, end = (self._integral(context.instance, timekeeper.world_s(context, own_s)) for own_s in ends)
        return (end - begin) // state.span_s


def _settled_own_s(context: Context[I]) -> float:
    """The meter's own time, past the end of a period that has ended up to a rounding."""
    return context.device.timekeeper.own_s(context) + TICK_S / 2


def _written(context: Context[I], own_s: float) -> bytes:
    return context.device.timekeeper.local(context).octets(int(own_s))


def _reset(context: Context[I], state: AveragingState, _parameters: None) -> tuple[AveragingState, Answer]:
    """The period at hand ends and both averages are 0; a new period begins."""
    own_s = context.device.timekeeper.own_s(context)
    return replace(state, origin_s=own_s, earlier=(), reset_s=own_s), ActionResult.SUCCESS


def _next_period(context: Context[I], state: AveragingState, _parameters: None) -> tuple[AveragingState, Answer]:
    """The period at hand ends now, regularly: what it has is the last average. Periods are counted from here."""
    own_s = context.device.timekeeper.own_s(context)
    earlier = tuple(boundaries(state, own_s, state.number_of_periods))
    return replace(state, origin_s=own_s, earlier=earlier), ActionResult.SUCCESS


def _with_periods(field: str) -> Any:
    def apply(_context: Context[I], state: AveragingState, value: int) -> AveragingState | DataAccessResult:
        """New periods follow the clock again [A]."""
        changes: dict[str, Any] = {field: value}
        changed = replace(state, origin_s=None, earlier=(), **changes)
        if not changed.period_s or not 0 < changed.number_of_periods <= PERIODS_MAX:
            return DataAccessResult.OTHER_REASON
        return changed

    return apply


@dataclass(frozen=True, slots=True, kw_only=True)
class MaximumState:
    value: int = 0
    status: Data = _NO_STATUS
    capture_time: bytes = NO_DATE_TIME


NO_MAXIMUM: Final = MaximumState()


class MaximumRegister(StatefulObject[I, MaximumState]):
    """Class 4, Extended register: the highest average of a demand register, its status and when it ended.

    reset forgets it. status: what the status is at the end of a period.
    """

    __slots__ = ("_demand", "_status")

    def __init__(
        self,
        logical_name: Obis | str,
        demand: AveragingDemandRegister[I],
        scaler_unit: ScalerUnit,
        *,
        status: Callable[[I, float], Data] | None = None,
        encode: Callable[[int], Data] = data.i32,
        readable: Role = READERS,
        invocable: Role = Role.MANAGEMENT,
    ) -> None:
        self._demand, self._status = demand, status
        super().__init__(
            EXTENDED_REGISTER,
            logical_name,
            {
                2: self.stored("value", encode, readable=readable),
                3: constant(scaler_unit.to_data(), readable=readable),
                4: self.stored("status", _same, readable=readable),
                5: self.stored("capture_time", data.octets, readable=readable),
            },
            {1: stateful_method(self, no_parameters, _forget, invocable=invocable)},
            initial=NO_MAXIMUM,
        )

    def next_deadline(self, context: Context[I]) -> float | None:
        return context.device.timekeeper.world_s(context, self._demand.next_period_s(context))

    def run_due(self, context: Context[I]) -> None:
        """A period has ended."""
        average = self._demand.last_average(context)
        if average > self.state(context).value:
            status = _NO_STATUS if self._status is None else self._status(context.instance, context.now_s)
            written = _written(context, handled_own_s(context))
            self.put(context, MaximumState(value=average, status=status, capture_time=written))


def _same(value: Data) -> Data:
    return value


def _forget(_context: Context[I], _state: MaximumState, _parameters: None) -> tuple[MaximumState, Answer]:
    return NO_MAXIMUM, ActionResult.SUCCESS

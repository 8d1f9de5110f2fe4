"""Clock, class 8: reading, setting, adjusting and shifting the meter's own time.

The instance owns its clock (with its drift); this object only writes and reads it in the meter's civil time.

Source: docs/protocols/cosem-objects.md §1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias, TypeVar

from hes.dlms import data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem import interface_classes
from hes.dlms.cosem.access import EVERYONE, Role
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.cosem_object import CosemObject, Invoker, Method, attribute, constant, method
from hes.dlms.cosem.local_time import UTC, LocalTime
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

CLOCK_LOGICAL_NAME: Final = Obis.parse("0.0.1.0.0.255")
SHIFT_S_MAX: Final = 900  # shift_time, either way; docs/protocols/cosem-objects.md §1
QUARTER_S: Final = 900
MINUTE_S: Final = 60
CLOCK_BASE_CRYSTAL: Final = 1
NO_DATE_TIME: Final = b"\xff" * 9 + b"\x80\x00\xff"

TimeReader: TypeAlias = Callable[[I, float], float]
"""(instance, now_s) -> what the meter's own clock says, seconds since 1970 UTC"""
TimeSetter: TypeAlias = Callable[[I, float, float], DataAccessResult]
"""(instance, now_s, new own time) -> result"""
StatusReader: TypeAlias = Callable[[I, float], int]
"""(instance, now_s) -> clock status bits; the summer time bit is added from the zone"""


def date_time_of(value: Data) -> bytes | None:
    """The 12 octets of a date-time, sent under its own tag or as an octet-string; None for anything else."""
    if value.tag in (Tag.OCTET_STRING, Tag.DATE_TIME) and len(value.value) == 12:
        octets: bytes = value.value
        return octets
    return None


class Clock(CosemObject[I]):
    """Class 8, Clock. Without `set_time` it can only be read. It is the `Timekeeper` of its device."""

    __slots__ = ("_local", "_time")

    def __init__(
        self,
        logical_name: Obis | str = CLOCK_LOGICAL_NAME,
        *,
        time: TimeReader[I],
        set_time: TimeSetter[I] | None = None,
        local: LocalTime = UTC,
        status: StatusReader[I] | None = None,
        dst_begin: bytes = NO_DATE_TIME,
        dst_end: bytes = NO_DATE_TIME,
        dst_enabled: bool = False,
        clock_base: int = CLOCK_BASE_CRYSTAL,
        measuring_period_s: int = QUARTER_S,
        readable: Role = EVERYONE,
        writable: Role = Role.MANAGEMENT,
    ) -> None:
        """dst_begin, dst_end: 12 octets with wildcards. measuring_period_s: what method 2 adjusts to."""
        self._time, self._local = time, local

        def status_bits(instance: I, now_s: float) -> int:
            return 0 if status is None else status(instance, now_s)

        def read_time(instance: I, now_s: float) -> bytes:
            own_s = int(time(instance, now_s))
            return b"\x09\x0c" + local.octets(own_s, status_bits(instance, now_s))

        def read_status(instance: I, now_s: float) -> bytes:
            own_s = int(time(instance, now_s))
            return bytes((Tag.UNSIGNED, local.octets(own_s, status_bits(instance, now_s))[11]))

        def write_time(instance: I, now_s: float, value: Data) -> DataAccessResult:
            octets = date_time_of(value)
            if octets is None or set_time is None:
                return DataAccessResult.TYPE_UNMATCHED
            try:
                own_s = local.epoch_s(octets)
            except RemoteProtocolError:
                return DataAccessResult.TYPE_UNMATCHED
            return set_time(instance, now_s, own_s)

        super().__init__(
            interface_classes.CLOCK,
            logical_name,
            {
                2: attribute(read_time, write_time if set_time else None, readable=readable, writable=writable),
                3: constant(data.i16(local.standard_deviation_min), readable=readable),
                4: attribute(read_status, readable=readable),
                5: constant(data.octets(dst_begin), readable=readable),
                6: constant(data.octets(dst_end), readable=readable),
                7: constant(data.i8(local.dst_shift_min), readable=readable),
                8: constant(data.boolean(dst_enabled), readable=readable),
                9: constant(data.enum(clock_base), readable=readable),
            },
            _methods(time, set_time, measuring_period_s, writable) if set_time else {},
        )

    def own_s(self, context: Context[I]) -> float:
        return self._time(context.instance, context.now_s)

    def world_s(self, context: Context[I], own_s: float) -> float:
        """A drift of 1000 ppm is followed to 0.1 ms over a day."""
        world_s = context.now_s
        for _ in range(3):
            world_s += own_s - self._time(context.instance, world_s)
        return world_s

    def local(self, _context: Context[I]) -> LocalTime:
        return self._local


def _methods(
    time: TimeReader[I], set_time: TimeSetter[I], measuring_period_s: int, invocable: Role
) -> dict[int, Method[I]]:
    """Adjusting to a preset time (methods 4, 5) is not offered."""

    def adjusting_to(period_s: int) -> Invoker[I]:
        def adjust(instance: I, now_s: float, _parameters: Data | None) -> ActionResult:
            own_s = time(instance, now_s)
            nearest_s = int(own_s + period_s / 2) // period_s * period_s
            return ActionResult(set_time(instance, now_s, nearest_s))

        return adjust

    def shift(instance: I, now_s: float, parameters: Data | None) -> ActionResult:
        if parameters is None or parameters.tag is not Tag.LONG:
            return ActionResult.TYPE_UNMATCHED
        if abs(parameters.value) > SHIFT_S_MAX:
            return ActionResult.OTHER_REASON
        return ActionResult(set_time(instance, now_s, time(instance, now_s) + parameters.value))

    invokers = {
        1: adjusting_to(QUARTER_S),
        2: adjusting_to(measuring_period_s),
        3: adjusting_to(MINUTE_S),
        6: shift,
    }
    return {index: method(invoker, invocable=invocable) for index, invoker in invokers.items()}

"""Single action schedule, class 22: one script at one or many times.

Source: docs/protocols/cosem-objects.md §5.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeVar

from hes.dlms import data
from hes.dlms.codes import DataAccessResult
from hes.dlms.cosem import interface_classes
from hes.dlms.cosem.access import READERS, Role
from hes.dlms.cosem.calendar.date_patterns import DatePattern, TimePattern, next_match
from hes.dlms.cosem.calendar.own_time import is_due, next_due_s
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.inner_calls import ScriptReference, elements, members, number
from hes.dlms.cosem.object_state import StatefulObject
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

TIMES_MAX: Final = 256  # [A]
NO_SCRIPT: Final = ScriptReference(Obis(bytes(6)), 0)


class ScheduleType(IntEnum):
    """Attribute 3: how many times there may be, whether they may differ, whether dates may have wildcards."""

    ONE_TIME = 1
    SAME_TIMES_EXACT_DATES = 2
    SAME_TIMES = 3
    ANY_TIMES_EXACT_DATES = 4
    ANY_TIMES = 5


@dataclass(frozen=True, slots=True)
class ExecutionTime:
    """time: 4 octets. date: 5 octets."""

    time: bytes
    date: bytes

    def to_data(self) -> Data:
        return data.structure(data.octets(self.time), data.octets(self.date))

    @classmethod
    def from_data(cls, value: Data) -> ExecutionTime:
        """Raises RemoteProtocolError for any other shape, or a time or date that cannot be."""
        time, date = members(value, 2)
        if time.tag not in (Tag.OCTET_STRING, Tag.TIME) or date.tag not in (Tag.OCTET_STRING, Tag.DATE):
            raise RemoteProtocolError("a time and a date were wanted")
        TimePattern.from_octets(time.value)
        DatePattern.from_octets(date.value)
        return cls(time.value, date.value)

    def next(self, civil: int) -> int | None:
        """The first civil second from `civil` on."""
        return next_match(DatePattern.from_octets(self.date), TimePattern.from_octets(self.time), civil)


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleActionState:
    script: ScriptReference = NO_SCRIPT
    type: ScheduleType = ScheduleType.ONE_TIME
    times: tuple[ExecutionTime, ...] = ()


def allowed(kind: ScheduleType, times: tuple[ExecutionTime, ...]) -> bool:
    """Whether a schedule of that type may have these times."""
    if kind is ScheduleType.ONE_TIME:
        return len(times) <= 1
    same = len({entry.time for entry in times}) <= 1
    exact = all(DatePattern.from_octets(entry.date).exact for entry in times)
    if kind in (ScheduleType.SAME_TIMES_EXACT_DATES, ScheduleType.SAME_TIMES) and not same:
        return False
    return exact or kind in (ScheduleType.SAME_TIMES, ScheduleType.ANY_TIMES)


def _type(value: Data) -> ScheduleType:
    try:
        return ScheduleType(number(value, Tag.ENUM))
    except ValueError:
        raise RemoteProtocolError(f"there is no schedule type {value.value}") from None


def _times(value: Data) -> tuple[ExecutionTime, ...]:
    return tuple(ExecutionTime.from_data(entry) for entry in elements(value, TIMES_MAX))


class SingleActionSchedule(StatefulObject[I, SingleActionState]):
    """Class 22, Single action schedule, in the meter's own time. What was missed without power stays undone [A]."""

    __slots__ = ()

    def __init__(
        self,
        logical_name: Obis | str,
        initial: SingleActionState = SingleActionState(),
        *,
        readable: Role = READERS,
        writable: Role = Role.MANAGEMENT,
    ) -> None:
        """Times that the type does not allow are refused as OTHER_REASON; the type is to be written first [A]."""

        def with_times(
            _context: Context[I], state: SingleActionState, times: tuple[ExecutionTime, ...]
        ) -> SingleActionState | DataAccessResult:
            if not allowed(state.type, times):
                return DataAccessResult.OTHER_REASON
            return SingleActionState(script=state.script, type=state.type, times=times)

        super().__init__(
            interface_classes.SINGLE_ACTION_SCHEDULE,
            logical_name,
            {
                2: self.stored(
                    "script",
                    ScriptReference.to_data,
                    ScriptReference.from_data,
                    readable=readable,
                    writable=writable,
                ),
                3: self.stored("type", data.enum, _type, readable=readable, writable=writable),
                4: self.stored(
                    "times",
                    lambda times: data.array(entry.to_data() for entry in times),
                    _times,
                    apply=with_times,
                    readable=readable,
                    writable=writable,
                ),
            },
            initial=initial,
        )

    def next_deadline(self, context: Context[I]) -> float | None:
        due = [next_due_s(context, entry.next) for entry in self.state(context).times]
        return min((at for at in due if at is not None), default=None)

    def run_due(self, context: Context[I]) -> None:
        """The script runs once, however many of the times name this instant."""
        state = self.state(context)
        if any(is_due(context, entry.next) for entry in state.times):
            context.device.execute(context, state.script.action())

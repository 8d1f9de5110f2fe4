"""The meter's own time, and what falls due in a device.

Two times: the *world* time of the host (`now_s`, seconds since 1970 UTC, never set) and the meter's *own* time, which a
client may set and which drifts. Deadlines are world time; calendars and schedules keep to own time and convert.

Source: docs/protocols/cosem-objects.md §5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol, TypeVar

from hes.dlms.cosem.context import Context
from hes.dlms.cosem.inner_calls import InnerContext
from hes.dlms.cosem.local_time import UTC, LocalTime
from hes.dlms.cosem.object_state import ObjectStates, StatefulObject

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

INSTANTS_MAX: Final = 1000  # that one call of `run_due` works off [A]
TICK_S: Final = 0.01  # COSEM writes hundredths of a second; nothing falls due twice within one [A]


class Timekeeper(Protocol[I]):
    """The clock of an instance, as far as its other objects need it."""

    def own_s(self, context: Context[I]) -> float:
        """What the meter's own clock says at `context.now_s`, seconds since 1970 UTC."""
        ...

    def world_s(self, context: Context[I], own_s: float) -> float:
        """World time at which the own clock, as it is set now, says `own_s`."""
        ...

    def local(self, context: Context[I]) -> LocalTime:
        """How the meter writes civil time now."""
        ...


class WorldTime:
    """A clock that is always right and says UTC: for devices without a clock object."""

    def own_s(self, context: Context[Any]) -> float:
        return context.now_s

    def world_s(self, _context: Context[Any], own_s: float) -> float:
        return own_s

    def local(self, _context: Context[Any]) -> LocalTime:
        return UTC


def next_deadline(timed: Sequence[StatefulObject[I, Any]], context: InnerContext[I]) -> float | None:
    """The earliest deadline of all, not before the tick after `context.now_s`."""
    deadlines = [entry.next_deadline(context) for entry in timed]
    return max(min(due), context.now_s + TICK_S) if (due := [at for at in deadlines if at is not None]) else None


def run_due(
    timed: Sequence[StatefulObject[I, Any]], context: InnerContext[I], states: ObjectStates, now_s: float
) -> float | None:
    """Work off what fell due up to `now_s`: by time, then in the order of declaration. Returns the next deadline.

    Stops after INSTANTS_MAX instants; the deadline returned is then not after `now_s`. An object that is due at an
    instant runs once there, whatever the others did before it.
    """
    for _ in range(INSTANTS_MAX):
        earliest = context.now_s + TICK_S
        due = [(at, entry) for entry in timed if (at := entry.next_deadline(context)) is not None]
        if not due:
            break
        instant = max(min(at for at, _entry in due), earliest)
        if instant > now_s:
            states.handled_until_s = now_s
            return instant
        context.now_s, context.calls = instant, 0
        states.handled_until_s = instant
        for at, entry in due:
            if at <= instant:
                entry.run_due(context)
        while context.after_answer:
            context.after_answer.pop(0)()
    else:
        return next_deadline(timed, context)
    states.handled_until_s = now_s
    return None


def handled_own_s(context: Context[I]) -> int:
    """The last whole second of the meter's own time that has been worked off; what is due next lies after it.

    Rounded so that an instant converted to world time and back stays itself.
    """
    return int((context.device.timekeeper.own_s(context) + TICK_S / 2) // 1)

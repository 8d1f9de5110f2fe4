"""Deadlines in the meter's own civil time: what schedules and calendars say, as world time and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, TypeVar

from hes.dlms.cosem.calendar.date_patterns import civil_s, next_instant
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.device_time import handled_own_s

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

NextCivil: TypeAlias = Callable[[int], "int | None"]
"""civil second -> the first civil second from it on at which something is to be done"""


def next_due_s(context: Context[I], next_civil: NextCivil) -> float | None:
    """World time of the next thing to do after `context.now_s`."""
    keeper = context.device.timekeeper
    own_s = next_instant(keeper.local(context), handled_own_s(context), next_civil)
    return None if own_s is None else keeper.world_s(context, own_s)


def is_due(context: Context[I], next_civil: NextCivil) -> bool:
    """Whether `context.now_s` is an instant at which something is to be done."""
    own_s = handled_own_s(context)
    return next_instant(context.device.timekeeper.local(context), own_s - 1, next_civil) == own_s


def civil_now(context: Context[I]) -> int:
    """What the meter's clock on the wall says at `context.now_s`."""
    return civil_s(context.device.timekeeper.local(context), handled_own_s(context))

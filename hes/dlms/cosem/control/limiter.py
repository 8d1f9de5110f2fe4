"""Limiter, class 71: a value over a threshold for too long sets off a script, and another one when it falls back.

An emergency profile is in force while its id is in the group list, its activation time has come and its duration has
not passed; its threshold then takes the place of the normal one. That is a function of the state and of the meter's own
time, so nothing has to be switched when it begins or ends.

The value is looked at every `sample_period_s` and when a threshold has been exceeded for its duration; what the
meter's own function of measuring cannot hold still between two samples is not seen.

Source: docs/protocols/cosem-objects.md §4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeVar

from hes.dlms import axdr, data
from hes.dlms.cosem.access import READERS, Role
from hes.dlms.cosem.clock import NO_DATE_TIME, date_time_of
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.control.monitored_value import (
    NO_ATTRIBUTE,
    NOTHING,
    SAMPLE_PERIOD_S,
    AttributeReference,
    comparable,
    next_sample_s,
    run_script,
    threshold,
)
from hes.dlms.cosem.cosem_object import Attribute
from hes.dlms.cosem.inner_calls import (
    InnerContext,
    ScriptReference,
    elements,
    members,
    number,
)
from hes.dlms.cosem.interface_classes import CLASSES
from hes.dlms.cosem.object_state import StatefulObject
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

GROUPS_MAX: Final = 255  # ids in the group list [A]
NO_THRESHOLD: Final = data.u32(0)
NO_SCRIPT: Final = ScriptReference(NOTHING, 0)


@dataclass(frozen=True, slots=True)
class EmergencyProfile:
    """activation_time: 12 octets; with wildcards it never begins [A]."""

    profile_id: int = 0
    activation_time: bytes = NO_DATE_TIME
    duration_s: int = 0

    def to_data(self) -> Data:
        return data.structure(data.u16(self.profile_id), data.octets(self.activation_time), data.u32(self.duration_s))

    @classmethod
    def from_data(cls, value: Data) -> EmergencyProfile:
        """Raises RemoteProtocolError for any other shape."""
        profile_id, activation_time, duration_s = members(value, 3)
        octets = date_time_of(activation_time)
        if octets is None:
            raise RemoteProtocolError("a date-time was wanted")
        return cls(number(profile_id, Tag.LONG_UNSIGNED), octets, number(duration_s, Tag.DOUBLE_LONG_UNSIGNED))


@dataclass(frozen=True, slots=True, kw_only=True)
class LimiterState:
    """Parameters, and how the watched value stands.

    over: the threshold counts as exceeded: the over-script has run and the under-script has not yet.
    since_s: world time since which the value has been on the other side of the threshold; None while it is not.
    """

    monitored: AttributeReference = NO_ATTRIBUTE
    normal: Data = NO_THRESHOLD
    emergency: Data = NO_THRESHOLD
    min_over_s: int = 0
    min_under_s: int = 0
    profile: EmergencyProfile = EmergencyProfile()
    groups: tuple[int, ...] = ()
    over_script: ScriptReference = NO_SCRIPT
    under_script: ScriptReference = NO_SCRIPT
    over: bool = False
    since_s: float | None = None

    def duration_s(self) -> int:
        """How long the value must be on the other side before that counts."""
        return self.min_under_s if self.over else self.min_over_s


def observe(state: LimiterState, limit: float, value: float | None, now_s: float) -> LimiterState:
    """The state after a look at the value. A value equal to the threshold is not over it.

    A value that cannot be read counts for nothing: a duration that was running starts again.
    """
    crossed = value is not None and (value > limit) is not state.over
    if not crossed:
        return state if state.since_s is None else replace(state, since_s=None)
    since_s = now_s if state.since_s is None else state.since_s
    if now_s - since_s >= state.duration_s():
        return replace(state, over=not state.over, since_s=None)
    return state if state.since_s is not None else replace(state, since_s=since_s)


class Limiter(StatefulObject[I, LimiterState]):
    """Class 71, Limiter. `initial` holds the parameters of the profile; clients may change them all."""

    __slots__ = ("_sample_period_s",)

    def __init__(
        self,
        logical_name: Obis | str,
        initial: LimiterState,
        *,
        sample_period_s: float = SAMPLE_PERIOD_S,
        readable: Role = READERS,
        writable: Role = Role.MANAGEMENT,
    ) -> None:
        self._sample_period_s = sample_period_s

        kept = partial(self.stored, readable=readable, writable=writable)

        def shown(encode: Callable[[Context[I]], Data]) -> Attribute[I]:
            return Attribute(get=lambda context, _selection: axdr.encode(encode(context)), readable=readable)

        super().__init__(
            CLASSES[71, 0],
            logical_name,
            {
                2: kept("monitored", AttributeReference.to_data, AttributeReference.from_data),
                3: shown(self.threshold_active),
                4: kept("normal", _same, threshold),
                5: kept("emergency", _same, threshold),
                6: kept("min_over_s", data.u32, _seconds),
                7: kept("min_under_s", data.u32, _seconds),
                8: kept("profile", EmergencyProfile.to_data, EmergencyProfile.from_data),
                9: kept("groups", _groups_data, _groups),
                10: shown(lambda context: data.boolean(self.emergency_active(context))),
                11: self._actions(readable, writable),
            },
            initial=initial,
        )

    def _actions(self, readable: Role, writable: Role) -> Attribute[I]:
        def get(context: Context[I], _selection: bytes) -> bytes:
            state = self.state(context)
            return axdr.encode(data.structure(state.over_script.to_data(), state.under_script.to_data()))

        def apply(
            _context: Context[I], state: LimiterState, scripts: tuple[ScriptReference, ScriptReference]
        ) -> LimiterState:
            return replace(state, over_script=scripts[0], under_script=scripts[1])

        written = self.stored("over_script", _same, _scripts, apply=_with_scripts, writable=writable)
        return replace(written, get=get, readable=readable)

    def emergency_active(self, context: Context[I]) -> bool:
        """Attribute 10."""
        state = self.state(context)
        profile = state.profile
        if profile.profile_id not in state.groups:
            return False
        timekeeper = context.device.timekeeper
        try:
            begin_s = timekeeper.local(context).epoch_s(profile.activation_time)
        except RemoteProtocolError:
            return False
        return begin_s <= timekeeper.own_s(context) < begin_s + profile.duration_s

    def threshold_active(self, context: Context[I]) -> Data:
        """Attribute 3."""
        state = self.state(context)
        return state.emergency if self.emergency_active(context) else state.normal

    def next_deadline(self, context: Context[I]) -> float | None:
        state = self.state(context)
        if not state.monitored.class_id:
            return None
        sample_s = next_sample_s(context.now_s, self._sample_period_s)
        return sample_s if state.since_s is None else min(sample_s, state.since_s + state.duration_s())

    def run_due(self, context: Context[I]) -> None:
        """Look at the value now; hosts that know when it changes may call this at any time."""
        before = self.state(context)
        limit = comparable(self.threshold_active(context))
        if limit is None:
            return
        after = observe(before, limit, before.monitored.value(context), context.now_s)
        if after is before:
            return
        self.put(context, after)
        if after.over is not before.over and isinstance(context, InnerContext):
            run_script(context, after.over_script if after.over else after.under_script)


def _same(value: Data) -> Data:
    return value


def _seconds(value: Data) -> int:
    return number(value, Tag.DOUBLE_LONG_UNSIGNED)


def _groups_data(groups: tuple[int, ...]) -> Data:
    return data.array(map(data.u16, groups))


def _groups(value: Data) -> tuple[int, ...]:
    return tuple(number(element, Tag.LONG_UNSIGNED) for element in elements(value, GROUPS_MAX))


def _with_scripts(
    _context: Context[I], state: LimiterState, scripts: tuple[ScriptReference, ScriptReference]
) -> LimiterState:
    return replace(state, over_script=scripts[0], under_script=scripts[1])


def _scripts(value: Data) -> tuple[ScriptReference, ScriptReference]:
    over, under = members(value, 2)
    return ScriptReference.from_data(over), ScriptReference.from_data(under)

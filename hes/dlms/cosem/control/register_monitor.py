"""Register monitor, class 21: a value that crosses thresholds upwards or downwards sets off scripts.

Every threshold has its own pair of scripts. The first look at a value only says on which side of each threshold it
stands; a value equal to a threshold is not above it [A].

Source: docs/protocols/cosem-objects.md §4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from hes.dlms import data
from hes.dlms.cosem.access import READERS, Role
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.control.monitored_value import (
    NO_ATTRIBUTE,
    SAMPLE_PERIOD_S,
    AttributeReference,
    comparable,
    next_sample_s,
    run_script,
    threshold,
)
from hes.dlms.cosem.cosem_object import Attribute
from hes.dlms.cosem.inner_calls import InnerContext, ScriptReference, elements, members
from hes.dlms.cosem.interface_classes import CLASSES
from hes.dlms.cosem.object_state import StatefulObject
from hes.dlms.data import Data
from hes.dlms.obis import Obis

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

THRESHOLDS_MAX: Final = 64  # [A]


@dataclass(frozen=True, slots=True)
class ThresholdActions:
    """What happens when the value crosses one threshold."""

    up: ScriptReference
    down: ScriptReference

    def to_data(self) -> Data:
        return data.structure(self.up.to_data(), self.down.to_data())

    @classmethod
    def from_data(cls, value: Data) -> ThresholdActions:
        """Raises RemoteProtocolError for any other shape."""
        up, down = members(value, 2)
        return cls(ScriptReference.from_data(up), ScriptReference.from_data(down))


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterMonitorState:
    """thresholds and actions belong together by position. above: for each threshold; () before the first look."""

    monitored: AttributeReference = NO_ATTRIBUTE
    thresholds: tuple[Data, ...] = ()
    actions: tuple[ThresholdActions, ...] = ()
    above: tuple[bool, ...] = ()


def crossings(state: RegisterMonitorState, above: Sequence[bool]) -> list[ScriptReference]:
    """The scripts that the step from `state.above` to `above` sets off, in the order of the thresholds."""
    if len(state.above) != len(above):
        return []
    changed = zip(state.above, above, state.actions, strict=False)
    return [actions.up if now else actions.down for before, now, actions in changed if before is not now]


class RegisterMonitor(StatefulObject[I, RegisterMonitorState]):
    """Class 21, Register monitor."""

    __slots__ = ("_sample_period_s",)

    def __init__(
        self,
        logical_name: Obis | str,
        initial: RegisterMonitorState,
        *,
        sample_period_s: float = SAMPLE_PERIOD_S,
        readable: Role = READERS,
        writable: Role = Role.MANAGEMENT,
    ) -> None:
        self._sample_period_s = sample_period_s

        def kept(
            field: str, encode: Callable[..., Data], decode: Callable[[Data], Any], apply: Any = None
        ) -> Attribute[I]:
            return self.stored(field, encode, decode, apply=apply, readable=readable, writable=writable)

        watched = AttributeReference
        super().__init__(
            CLASSES[21, 0],
            logical_name,
            {
                2: kept("thresholds", data.array, _thresholds, _with_thresholds),
                3: kept("monitored", watched.to_data, watched.from_data, _watching),
                4: kept("actions", _actions_data, _actions),
            },
            initial=initial,
        )

    def next_deadline(self, context: Context[I]) -> float | None:
        state = self.state(context)
        if not state.monitored.class_id or not state.thresholds:
            return None
        return next_sample_s(context.now_s, self._sample_period_s)

    def run_due(self, context: Context[I]) -> None:
        """Look at the value now; hosts that know when it changes may call this at any time."""
        state = self.state(context)
        value = state.monitored.value(context)
        if value is None:
            return
        limits = [comparable(limit) for limit in state.thresholds]
        above = tuple(limit is not None and value > limit for limit in limits)
        if above == state.above:
            return
        self.put(context, replace(state, above=above))
        if isinstance(context, InnerContext):
            for script in crossings(state, above):
                run_script(context, script)


def _with_thresholds(
    _context: Context[I], state: RegisterMonitorState, thresholds: tuple[Data, ...]
) -> RegisterMonitorState:
    return replace(state, thresholds=thresholds, above=())


def _watching(_context: Context[I], state: RegisterMonitorState, monitored: AttributeReference) -> RegisterMonitorState:
    return replace(state, monitored=monitored, above=())


def _thresholds(value: Data) -> tuple[Data, ...]:
    return tuple(threshold(element) for element in elements(value, THRESHOLDS_MAX))


def _actions(value: Data) -> tuple[ThresholdActions, ...]:
    return tuple(ThresholdActions.from_data(element) for element in elements(value, THRESHOLDS_MAX))


def _actions_data(actions: tuple[ThresholdActions, ...]) -> Data:
    return data.array(entry.to_data() for entry in actions)

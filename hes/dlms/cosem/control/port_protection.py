"""Communication port protection, class 124: a port that saw too many failed attempts is locked for longer and longer.

The host reports attempts and asks whether the port is open; nothing in here closes it.

Source: docs/protocols/cosem-functions.md §4.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from functools import partial
from typing import Final, TypeVar

from hes.dlms import axdr, data
from hes.dlms.codes import ActionResult
from hes.dlms.cosem.access import READERS, Role
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.control.monitored_value import NOTHING
from hes.dlms.cosem.cosem_object import Attribute
from hes.dlms.cosem.inner_calls import logical_name_of, number
from hes.dlms.cosem.interface_classes import CLASSES
from hes.dlms.cosem.object_state import StatefulObject
from hes.dlms.cosem.stateful_method import Answer, no_parameters, stateful_method
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

COUNT_MAX: Final = 0xFFFFFFFF


class ProtectionMode(IntEnum):
    LOCKED = 0
    LOCKED_ON_FAILED_ATTEMPTS = 1
    UNLOCKED = 2


class ProtectionStatus(IntEnum):
    UNLOCKED = 0
    TEMPORARILY_LOCKED = 1
    LOCKED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PortProtectionState:
    """failed: attempts since the last that succeeded, or the last reset. locked_until_s: world time."""

    mode: ProtectionMode = ProtectionMode.LOCKED_ON_FAILED_ATTEMPTS
    allowed: int = 3
    initial_lockout_s: int = 60
    steepness: int = 2
    max_lockout_s: int = 3600
    port: Obis = NOTHING
    failed: int = 0
    cumulative: int = 0
    locked_until_s: float | None = None

    def lockout_s(self) -> int:
        """initial x steepness for every failed attempt after the first too many, up to the maximum [A]."""
        lockout_s = self.initial_lockout_s
        for _ in range(self.failed - self.allowed - 1):
            if not 0 < lockout_s < self.max_lockout_s or self.steepness <= 1:
                break
            lockout_s *= self.steepness
        return min(lockout_s, self.max_lockout_s)

    def status(self, now_s: float) -> ProtectionStatus:
        if self.mode is not ProtectionMode.LOCKED_ON_FAILED_ATTEMPTS:
            locked = self.mode is ProtectionMode.LOCKED
            return ProtectionStatus.LOCKED if locked else ProtectionStatus.UNLOCKED
        temporarily = self.locked_until_s is not None and now_s < self.locked_until_s
        return ProtectionStatus.TEMPORARILY_LOCKED if temporarily else ProtectionStatus.UNLOCKED


def attempt_failed(state: PortProtectionState, now_s: float) -> PortProtectionState:
    """One more failed attempt; beyond the allowed number the port is locked from now."""
    failed, cumulative = min(state.failed + 1, COUNT_MAX), min(state.cumulative + 1, COUNT_MAX)
    counted = replace(state, failed=failed, cumulative=cumulative)
    if failed <= state.allowed or state.mode is not ProtectionMode.LOCKED_ON_FAILED_ATTEMPTS:
        return counted
    return replace(counted, locked_until_s=now_s + counted.lockout_s())


class PortProtection(StatefulObject[I, PortProtectionState]):
    """Class 124, Communication port protection."""

    __slots__ = ()

    def __init__(
        self,
        logical_name: Obis | str,
        initial: PortProtectionState,
        *,
        readable: Role = READERS,
        writable: Role = Role.MANAGEMENT,
        invocable: Role = Role.MANAGEMENT,
    ) -> None:
        kept = partial(self.stored, readable=readable, writable=writable)

        def status(context: Context[I], _selection: bytes) -> bytes:
            return axdr.encode(data.enum(self.state(context).status(context.now_s)))

        super().__init__(
            CLASSES[124, 0],
            logical_name,
            {
                2: kept("mode", data.enum, _mode),
                3: kept("allowed", data.u16, lambda value: number(value, Tag.LONG_UNSIGNED)),
                4: kept("initial_lockout_s", data.u32, _seconds),
                5: kept("steepness", data.u8, lambda value: number(value, Tag.UNSIGNED)),
                6: kept("max_lockout_s", data.u32, _seconds),
                7: kept("port", data.octets, logical_name_of),
                8: Attribute(get=status, readable=readable),
                9: kept("failed", data.u32, None),
                10: kept("cumulative", data.u32, None),
            },
            {1: stateful_method(self, no_parameters, _reset, invocable=invocable)},
            initial=initial,
        )

    def is_open(self, context: Context[I]) -> bool:
        """Whether the port may be used now."""
        return self.state(context).status(context.now_s) is ProtectionStatus.UNLOCKED

    def attempt_failed(self, context: Context[I]) -> None:
        """Somebody failed at the port: a wrong password, say."""
        self.put(context, attempt_failed(self.state(context), context.now_s))

    def attempt_succeeded(self, context: Context[I]) -> None:
        """Somebody got in: failed attempts before do not count any more [A]."""
        state = self.state(context)
        if state.failed:
            self.put(context, replace(state, failed=0, locked_until_s=None))


def _reset(_context: Context[I], state: PortProtectionState, _parameters: None) -> tuple[PortProtectionState, Answer]:
    """Failed attempts and lockout are gone; the cumulative count is never reset."""
    return replace(state, failed=0, locked_until_s=None), ActionResult.SUCCESS


def _mode(value: Data) -> ProtectionMode:
    try:
        return ProtectionMode(number(value, Tag.ENUM))
    except ValueError as error:
        raise RemoteProtocolError(f"protection mode {value.value}") from error


def _seconds(value: Data) -> int:
    return number(value, Tag.DOUBLE_LONG_UNSIGNED)

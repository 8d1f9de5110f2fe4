"""Credit, class 112: one source of credit of an account.

Its status is the account's business: whenever an amount changes, the account lets its credits find their places.

Source: docs/protocols/cosem-payment.md §2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from hes.dlms import axdr, data
from hes.dlms.codes import ActionResult
from hes.dlms.cosem.access import READERS, Role
from hes.dlms.cosem.calendar.date_patterns import civil_s, first_instant
from hes.dlms.cosem.clock import date_time_of
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.cosem_object import ActionReply, Method
from hes.dlms.cosem.device_time import TICK_S, handled_own_s
from hes.dlms.cosem.inner_calls import number
from hes.dlms.cosem.interface_classes import CLASSES
from hes.dlms.cosem.object_state import StatefulObject
from hes.dlms.cosem.payment import credit_rules
from hes.dlms.cosem.payment.credit_rules import AMOUNT_MAX, AMOUNT_MIN, CONFIGURATION_BITS, CreditState, CreditType
from hes.dlms.cosem.payment.links import accounts_of, amount, bits_of
from hes.dlms.cosem.push.time_windows import next_match
from hes.dlms.cosem.stateful_method import Answer, no_parameters
from hes.dlms.cosem_time import CosemDateTime
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile


class Credit(StatefulObject[I, CreditState]):
    """Class 112, Credit."""

    __slots__ = ()

    def __init__(
        self,
        logical_name: Obis | str,
        initial: CreditState,
        *,
        readable: Role = READERS,
        writable: Role = Role.MANAGEMENT,
        invocable: Role = Role.MANAGEMENT,
    ) -> None:
        kept = partial(self.stored, readable=readable, writable=writable)

        super().__init__(
            CLASSES[112, 0],
            logical_name,
            {
                2: kept("amount", data.i32, None),
                3: kept("kind", data.enum, _kind),
                4: kept("priority", data.u8, lambda value: number(value, Tag.UNSIGNED)),
                5: kept("warning_threshold", data.i32, amount),
                6: kept("limit", data.i32, amount),
                7: kept("configuration", data.bits, bits_of(CONFIGURATION_BITS)),
                8: kept("status", data.enum, None),
                9: kept("preset_amount", data.i32, amount),
                10: kept("available_threshold", data.i32, amount),
                11: kept("period", data.octets, date_time),
            },
            {
                1: self._method(amount, self._update, invocable),
                2: self._method(amount, self._set, invocable),
                3: self._method(no_parameters, self._invoke, invocable),
            },
            initial=initial,
        )

    def _method(self, parse: Callable[[Data], Any], work: Callable[..., Answer], invocable: Role) -> Method[I]:
        """A method that the account hears of, since it may move other credits too."""

        def invoke(context: Context[I], parameters: Data | None) -> Answer:
            try:
                wanted = parse(Data(Tag.NULL, None) if parameters is None else parameters)
            except RemoteProtocolError:
                return ActionResult.TYPE_UNMATCHED
            return work(context, wanted)

        return Method(invoke=invoke, invocable=invocable)

    def change_amount(self, context: Context[I], to: int) -> ActionResult:
        """Set the amount, and let the accounts of this credit settle. OTHER_REASON beyond what 32 bits hold [A]."""
        if not AMOUNT_MIN <= to <= AMOUNT_MAX:
            return ActionResult.OTHER_REASON
        self.put(context, credit_rules.with_amount(self.state(context), to))
        self._settle(context)
        return ActionResult.SUCCESS

    def reset(self, context: Context[I]) -> None:
        """As new, where its configuration allows that it is reset."""
        state = self.state(context)
        fresh = replace(state, status=credit_rules.CreditStatus.ENABLED)
        self.put(context, replace(fresh, amount=self.initial.amount) if state.resettable else fresh)

    def _settle(self, context: Context[I]) -> None:
        for account in accounts_of(context, self.logical_name):
            account.settle(context)

    def _update(self, context: Context[I], by: int) -> Answer:
        return self.change_amount(context, self.state(context).amount + by)

    def _set(self, context: Context[I], to: int) -> Answer:
        """Gives back what the amount was before."""
        before = self.state(context).amount
        result = self.change_amount(context, to)
        return ActionReply(result, axdr.encode(data.i32(before)))

    def _invoke(self, context: Context[I], _parameters: None) -> Answer:
        """Refused for token credits, which nobody has to invoke, and where there is nothing to offer or select [A]."""
        state = self.state(context)
        invoked = None if state.kind is CreditType.TOKEN else credit_rules.invoke(state)
        if invoked is None:
            return ActionResult.OTHER_REASON
        self.put(context, invoked)
        self._settle(context)
        return ActionResult.SUCCESS

    # -- time: credits of a period start again at their preset amount

    def next_deadline(self, context: Context[I]) -> float | None:
        state = self.state(context)
        if state.kind not in (CreditType.TIME_BASED, CreditType.CONSUMPTION_BASED):
            return None
        return next_instant(context, state.period)

    def run_due(self, context: Context[I]) -> None:
        self.change_amount(context, self.state(context).preset_amount)


def next_instant(context: Context[I], pattern: bytes) -> float | None:
    """World time of the next match of a date-time; None for one that says nothing at all, which never comes."""
    if pattern[:9] == b"\xff" * 9:
        return None
    timekeeper = context.device.timekeeper
    local = timekeeper.local(context)
    found = next_match(pattern, civil_s(local, handled_own_s(context)) + 1)
    return None if found is None else timekeeper.world_s(context, first_instant(local, found))


def is_instant(context: Context[I], pattern: bytes) -> bool:
    """Whether the meter's own time matches a date-time now; one that says nothing at all never does."""
    if pattern[:9] == b"\xff" * 9:
        return False
    timekeeper = context.device.timekeeper
    now_civil = civil_s(timekeeper.local(context), int(timekeeper.own_s(context) + TICK_S / 2))
    return next_match(pattern, now_civil) == now_civil


def date_time(value: Data) -> bytes:
    """12 octets with wildcards, under either tag. Raises RemoteProtocolError for anything else."""
    octets = date_time_of(value)
    if octets is None:
        raise RemoteProtocolError("a date-time was wanted")
    CosemDateTime.from_octets(octets)
    return octets


def _kind(value: Data) -> CreditType:
    try:
        return CreditType(number(value, Tag.ENUM))
    except ValueError as error:
        raise RemoteProtocolError(f"credit type {value.value}") from error

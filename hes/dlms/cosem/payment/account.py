"""Account, class 111: which credits and charges belong together, and how they stand.

Everything that the standard calls dynamic is worked out from the credits and charges when it is asked for, so that it
always agrees with them; only mode, status and configuration are remembered.

Source: docs/protocols/cosem-payment.md §1, §3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from hes.dlms import axdr, data
from hes.dlms.codes import ActionResult
from hes.dlms.cosem.access import READERS, Role
from hes.dlms.cosem.clock import NO_DATE_TIME
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.cosem_object import Attribute, Method
from hes.dlms.cosem.disconnect_control import ControlState, DisconnectControl, Move
from hes.dlms.cosem.inner_calls import number
from hes.dlms.cosem.interface_classes import CLASSES
from hes.dlms.cosem.object_state import StatefulObject
from hes.dlms.cosem.payment import credit_rules
from hes.dlms.cosem.payment.account_values import (
    AccountState,
    AccountStatus,
    CollectionRule,
    Currency,
    PaymentMode,
    mode_and_status,
    names_data,
    names_from_data,
    parts_data,
    parts_from_data,
    shares_from_data,
    with_mode,
)
from hes.dlms.cosem.payment.charge import Charge
from hes.dlms.cosem.payment.credit import Credit, date_time, next_instant
from hes.dlms.cosem.payment.credit_rules import CreditState
from hes.dlms.cosem.payment.links import amount, scaled, within_amounts
from hes.dlms.cosem.stateful_method import no_parameters
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile


class Account(StatefulObject[I, AccountState]):
    """Class 111, Account.

    relay: logical name of a disconnect control that a prepayment account moves locally: open when it is out of credit,
    closed again when it is not. max_provision and its period are kept and shown only.
    """

    __slots__ = ("_relay",)

    def __init__(
        self,
        logical_name: Obis | str,
        initial: AccountState,
        *,
        relay: Obis | None = None,
        readable: Role = READERS,
        writable: Role = Role.MANAGEMENT,
        invocable: Role = Role.MANAGEMENT,
    ) -> None:
        self._relay = relay

        def kept(field: str, encode: Callable[[Any], Data], decode: Callable[[Data], Any]) -> Attribute[I]:
            return self.stored(field, encode, decode, apply=self._applying(field), readable=readable, writable=writable)

        def shown(encode: Callable[[Context[I]], Data]) -> Attribute[I]:
            return Attribute(get=lambda context, _selection: axdr.encode(encode(context)), readable=readable)

        def method(work: Callable[[Context[I]], ActionResult]) -> Method[I]:
            def invoke(context: Context[I], parameters: Data | None) -> ActionResult:
                try:
                    no_parameters(Data(Tag.NULL, None) if parameters is None else parameters)
                except RemoteProtocolError:
                    return ActionResult.TYPE_UNMATCHED
                return work(context)

            return Method(invoke=invoke, invocable=invocable)

        mode = self.stored("mode", data.enum, mode_and_status, apply=with_mode, writable=writable)
        super().__init__(
            CLASSES[111, 0],
            logical_name,
            {
                2: replace(mode, get=shown(self._mode_and_status).get, readable=readable),
                3: shown(lambda context: data.u8(self._in_use_index(context))),
                4: shown(lambda context: data.bits(credit_rules.status_bits(self._states(context)))),
                5: shown(lambda context: data.i32(within_amounts(credit_rules.available(self._states(context))))),
                6: shown(lambda context: data.i32(within_amounts(self._to_clear(context)))),
                7: kept("clearance_threshold", data.i32, amount),
                8: shown(lambda context: data.i32(within_amounts(self.aggregated_debt(context)))),
                9: kept("credits", names_data, names_from_data),
                10: kept("charges", names_data, names_from_data),
                11: kept("collection", parts_data, parts_from_data(CollectionRule.from_data)),
                12: kept("shares", parts_data, shares_from_data),
                13: kept("activation_time", data.octets, date_time),
                14: kept("closure_time", data.octets, date_time),
                15: kept("currency", Currency.to_data, Currency.from_data),
                16: shown(lambda context: data.i32(self._low_credit_threshold(context))),
                17: shown(lambda context: data.i32(credit_rules.next_threshold(self._states(context)))),
                18: kept("max_provision", data.u16, lambda value: number(value, Tag.LONG_UNSIGNED)),
                19: kept("max_provision_period", data.i32, amount),
            },
            {1: method(self.activate), 2: method(self.close), 3: method(self.reset)},
            initial=initial,
        )

    # -- what belongs to it

    def lists(self, context: Context[I], member: Obis) -> bool:
        state = self.state(context)
        return member in state.credits or member in state.charges

    def credits(self, context: Context[I]) -> list[Credit[I]]:
        """Its credit objects by priority; references to nothing are left out."""
        found = [context.device.find(name) for name in self.state(context).credits]
        held: list[Credit[I]] = [entry for entry in found if isinstance(entry, Credit)]
        return sorted(held, key=lambda credit: credit.state(context).priority)

    def charges(self, context: Context[I]) -> list[Charge[I]]:
        found = [context.device.find(name) for name in self.state(context).charges]
        held: list[Charge[I]] = [entry for entry in found if isinstance(entry, Charge)]
        return sorted(held, key=lambda charge: charge.state(context).priority)

    def _states(self, context: Context[I]) -> list[CreditState]:
        return [credit.state(context) for credit in self.credits(context)]

    def active(self, context: Context[I]) -> bool:
        return self.state(context).status is AccountStatus.ACTIVE

    def aggregated_debt(self, context: Context[I]) -> int:
        """Attribute 8: what charges that end have still to collect."""
        scale = self.state(context).currency.scale
        return sum(
            scaled(charge.state(context).total_remaining, charge.state(context).active.price_scale - scale)
            for charge in self.charges(context)
            if not charge.state(context).continuous
        )

    def _in_use_index(self, context: Context[I]) -> int:
        """Position of the credit in use in attribute 9, from 0; the number of credits when there is none."""
        names = self.state(context).credits
        used = credit_rules.in_use(self._states(context))
        return len(names) if used is None else names.index(self.credits(context)[used].logical_name)

    def _low_credit_threshold(self, context: Context[I]) -> int:
        states = self._states(context)
        used = credit_rules.in_use(states)
        return 0 if used is None else states[used].warning_threshold

    def _to_clear(self, context: Context[I]) -> int:
        return credit_rules.amount_to_clear(self._states(context), self.state(context).clearance_threshold)

    def _mode_and_status(self, context: Context[I]) -> Data:
        state = self.state(context)
        return data.structure(data.enum(state.mode), data.enum(state.status))

    def _applying(self, field: str) -> Any:
        def apply(_context: Context[I], state: AccountState, value: Any) -> AccountState:
            changes: dict[str, Any] = {field: value}
            return replace(state, **changes)

        return apply

    # -- its life

    def activate(self, context: Context[I]) -> ActionResult:
        """A new account becomes active: its credits find their places, its charges begin."""
        state = self.state(context)
        if state.status is not AccountStatus.NEW:
            return ActionResult.OTHER_REASON
        self.put(context, replace(state, status=AccountStatus.ACTIVE, activation_time=_own_time(context)))
        for charge in self.charges(context):
            charge.begin(context)
        self.settle(context)
        return ActionResult.SUCCESS

    def close(self, context: Context[I]) -> ActionResult:
        """An active account is closed: nothing is collected any more, and nothing is in use."""
        state = self.state(context)
        if state.status is not AccountStatus.ACTIVE:
            return ActionResult.OTHER_REASON
        self.put(context, replace(state, status=AccountStatus.CLOSED, closure_time=_own_time(context)))
        return ActionResult.SUCCESS

    def reset(self, context: Context[I]) -> ActionResult:
        """An account that is not new becomes new again, with its credits and charges."""
        state = self.state(context)
        if state.status is AccountStatus.NEW:
            return ActionResult.OTHER_REASON
        for credit in self.credits(context):
            credit.reset(context)
        for charge in self.charges(context):
            charge.reset(context)
        self.put(
            context,
            replace(state, status=AccountStatus.NEW, activation_time=NO_DATE_TIME, closure_time=NO_DATE_TIME),
        )
        return ActionResult.SUCCESS

    def settle(self, context: Context[I]) -> None:
        """Let the credits find their places after something changed, and the relay with them."""
        if not self.active(context):
            return
        self._put_credits(context, credit_rules.settle(self._states(context)))
        if self.state(context).mode is PaymentMode.PREPAYMENT:
            self._move_relay(context)

    def _put_credits(self, context: Context[I], states: tuple[CreditState, ...]) -> None:
        for credit, state in zip(self.credits(context), states, strict=True):
            if state is not credit.state(context) and state != credit.state(context):
                credit.put(context, state)

    def _move_relay(self, context: Context[I]) -> None:
        relay = None if self._relay is None else context.device.find(self._relay)
        if not isinstance(relay, DisconnectControl):
            return
        out = credit_rules.out_of_credit(self._states(context))
        relay.move(context, Move.LOCAL_DISCONNECT if out else Move.LOCAL_RECONNECT)

    # -- money

    def collect(self, context: Context[I], charge: Obis, value: int) -> bool:
        """Take an amount of the account's currency from the credit in use; False where that may not be."""
        credits_held = self.credits(context)
        used = credit_rules.in_use([credit.state(context) for credit in credits_held])
        if not self.active(context) or used is None:
            return False
        credit = credits_held[used]
        if not self._may_collect(context, credit.logical_name, charge):
            return False
        return credit.change_amount(context, credit.state(context).amount - value) is ActionResult.SUCCESS

    def _may_collect(self, context: Context[I], credit: Obis, charge: Obis) -> bool:
        """Without rules everything may be collected; with rules only what they name, and when they say."""
        rules = self.state(context).collection
        for rule in rules:
            if rule.credit == credit and rule.charge == charge:
                return rule.when[0] == "1" or not self._disconnected(context)
        return not rules

    def _disconnected(self, context: Context[I]) -> bool:
        relay = None if self._relay is None else context.device.find(self._relay)
        return isinstance(relay, DisconnectControl) and relay.state_of(context) is not ControlState.CONNECTED

    def top_up(self, context: Context[I], value: int) -> bool:
        """A payment: shared out among the credits, then charges of a payment are collected.

        False, and nothing is changed, where the account is not active or its credits cannot take all of it [A].
        """
        state = self.state(context)
        if not self.active(context) or value <= 0:
            return False
        held = self.credits(context)
        index_of = {credit.logical_name: index for index, credit in enumerate(held)}
        shares = [(index_of[share.credit], share.percent) for share in state.shares if share.credit in index_of]
        states, left = credit_rules.distribute([credit.state(context) for credit in held], value, shares)
        if left:
            return False
        self._put_credits(context, states)
        self.settle(context)
        for charge in self.charges(context):
            charge.payment_made(context, value)
        return True

    # -- time

    def next_deadline(self, context: Context[I]) -> float | None:
        state = self.state(context)
        if state.status is AccountStatus.NEW:
            return next_instant(context, state.activation_time)
        return next_instant(context, state.closure_time) if state.status is AccountStatus.ACTIVE else None

    def run_due(self, context: Context[I]) -> None:
        if self.state(context).status is AccountStatus.NEW:
            self.activate(context)
        else:
            self.close(context)


def _own_time(context: Context[I]) -> bytes:
    timekeeper = context.device.timekeeper
    return timekeeper.local(context).octets(int(timekeeper.own_s(context)))

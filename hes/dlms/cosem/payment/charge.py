"""Charge, class 113: what an account collects from its credit in use, by time or by payment.

Collecting by consumption needs tariffs and measured energy and is not done here yet: such a charge keeps its
parameters and is collected by its host.

Source: docs/protocols/cosem-payment.md §4.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from functools import partial
from typing import Final, TypeVar

from hes.dlms import axdr, data
from hes.dlms.codes import ActionResult
from hes.dlms.cosem.access import READERS, Role
from hes.dlms.cosem.clock import NO_DATE_TIME
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.control.monitored_value import NO_ATTRIBUTE, AttributeReference
from hes.dlms.cosem.cosem_object import ActionReply, Method
from hes.dlms.cosem.inner_calls import elements, members, number, octet_string
from hes.dlms.cosem.interface_classes import CLASSES
from hes.dlms.cosem.object_state import StatefulObject
from hes.dlms.cosem.payment.credit import date_time, is_instant, next_instant
from hes.dlms.cosem.payment.credit_rules import AMOUNT_MAX
from hes.dlms.cosem.payment.links import accounts_of, amount, bits_of, scaled
from hes.dlms.cosem.stateful_method import Answer, no_parameters, stateful_method
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

PRICES_MAX: Final = 64  # entries of a charge table [A]
CONFIGURATION_BITS: Final = 2
PROPORTION_WHOLE: Final = 10_000  # of a payment; hundredths of a percent [M]


class ChargeType(IntEnum):
    CONSUMPTION_BASED = 0
    TIME_BASED = 1
    PAYMENT_EVENT_BASED = 2


@dataclass(frozen=True, slots=True)
class UnitCharge:
    """Prices by index of a table, for units of a commodity. The first price is that of charges without a tariff."""

    commodity_scale: int = 0
    price_scale: int = 0
    commodity: AttributeReference = NO_ATTRIBUTE
    prices: tuple[tuple[bytes, int], ...] = ()

    @property
    def price(self) -> int:
        return self.prices[0][1] if self.prices else 0

    def to_data(self) -> Data:
        scaling = data.structure(data.i8(self.commodity_scale), data.i8(self.price_scale))
        table = data.array(data.structure(data.octets(index), data.i16(price)) for index, price in self.prices)
        return data.structure(scaling, self.commodity.to_data(), table)

    @classmethod
    def from_data(cls, value: Data) -> UnitCharge:
        """Raises RemoteProtocolError for any other shape."""
        scaling, commodity, table = members(value, 3)
        commodity_scale, price_scale = members(scaling, 2)
        return cls(
            number(commodity_scale, Tag.INTEGER),
            number(price_scale, Tag.INTEGER),
            AttributeReference.from_data(commodity),
            prices_of(table),
        )


def prices_of(value: Data) -> tuple[tuple[bytes, int], ...]:
    """A charge table: array of {index, price}."""
    rows = [members(element, 2) for element in elements(value, PRICES_MAX)]
    return tuple((octet_string(index), number(price, Tag.LONG)) for index, price in rows)


NO_UNIT_CHARGE: Final = UnitCharge()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeState:
    """Amounts count 10**price_scale of the account's currency. since_s: world time when the period at hand began."""

    total_paid: int = 0
    kind: ChargeType = ChargeType.TIME_BASED
    priority: int = 1
    active: UnitCharge = NO_UNIT_CHARGE
    passive: UnitCharge = NO_UNIT_CHARGE
    activation_time: bytes = NO_DATE_TIME
    period_s: int = 0
    configuration: str = "00"
    last_time: bytes = NO_DATE_TIME
    last_amount: int = 0
    total_remaining: int = 0
    proportion: int = 0
    since_s: float | None = None

    @property
    def percentage(self) -> bool:
        """Bit 0: a part of each payment."""
        return self.configuration[0] == "1"

    @property
    def continuous(self) -> bool:
        """Bit 1: collected for ever; otherwise until nothing remains."""
        return self.configuration[1] == "1"


class Charge(StatefulObject[I, ChargeState]):
    """Class 113, Charge."""

    __slots__ = ()

    def __init__(
        self,
        logical_name: Obis | str,
        initial: ChargeState,
        *,
        readable: Role = READERS,
        writable: Role = Role.MANAGEMENT,
        invocable: Role = Role.MANAGEMENT,
    ) -> None:
        kept = partial(self.stored, readable=readable, writable=writable)

        super().__init__(
            CLASSES[113, 0],
            logical_name,
            {
                2: kept("total_paid", data.i32, None),
                3: kept("kind", data.enum, _kind),
                4: kept("priority", data.u8, lambda value: number(value, Tag.UNSIGNED)),
                5: kept("active", UnitCharge.to_data, UnitCharge.from_data),
                6: kept("passive", UnitCharge.to_data, UnitCharge.from_data),
                7: kept("activation_time", data.octets, date_time),
                8: kept("period_s", data.u32, lambda value: number(value, Tag.DOUBLE_LONG_UNSIGNED)),
                9: kept("configuration", data.bits, bits_of(CONFIGURATION_BITS)),
                10: kept("last_time", data.date_time, None),
                11: kept("last_amount", data.i32, None),
                12: kept("total_remaining", data.i32, None),
                13: kept("proportion", data.u16, lambda value: number(value, Tag.LONG_UNSIGNED)),
            },
            {
                1: stateful_method(self, prices_of, _update_prices, invocable=invocable),
                2: stateful_method(self, no_parameters, _activate_passive, invocable=invocable),
                3: Method(invoke=self._collect_method, invocable=invocable),
                4: stateful_method(self, amount, _add_remaining, invocable=invocable),
                5: stateful_method(self, amount, _set_remaining, invocable=invocable),
            },
            initial=initial,
        )

    # -- collecting

    def collect(self, context: Context[I], wanted: int) -> bool:
        """Collect an amount, or what remains of a charge that ends. False where the account does not give it."""
        state = self.state(context)
        value = min(wanted, AMOUNT_MAX if state.continuous else state.total_remaining)
        if value <= 0:
            return False
        for account in accounts_of(context, self.logical_name):
            in_currency = scaled(value, state.active.price_scale - account.state(context).currency.scale)
            if account.collect(context, self.logical_name, in_currency):
                self.put(context, _collected(context, state, value))
                return True
        return False

    def payment_made(self, context: Context[I], paid: int) -> None:
        """A payment of that amount of the account's currency: charges by payment take theirs."""
        state = self.state(context)
        if state.kind is not ChargeType.PAYMENT_EVENT_BASED:
            return
        wanted = state.active.price
        if state.percentage:
            scale = next((a.state(context).currency.scale for a in accounts_of(context, self.logical_name)), 0)
            wanted = scaled(paid * state.proportion // PROPORTION_WHOLE, scale - state.active.price_scale)
        self.collect(context, wanted)

    def _collect_method(self, context: Context[I], parameters: Data | None) -> ActionResult:
        """Refused for charges by consumption, and for parts of a payment, of which there is none now."""
        if parameters is not None and parameters.tag is not Tag.INTEGER:
            return ActionResult.TYPE_UNMATCHED
        state = self.state(context)
        if state.kind is ChargeType.CONSUMPTION_BASED or state.percentage:
            return ActionResult.OTHER_REASON
        return ActionResult.SUCCESS if self.collect(context, state.active.price) else ActionResult.OTHER_REASON

    # -- the life of its account

    def begin(self, context: Context[I]) -> None:
        """Its account is active from now on: the first period begins."""
        self.put(context, replace(self.state(context), since_s=context.now_s))

    def reset(self, context: Context[I]) -> None:
        """As new: nothing paid, what remained at first remains."""
        self.put(
            context,
            replace(
                self.state(context),
                total_paid=0,
                last_time=NO_DATE_TIME,
                last_amount=0,
                total_remaining=self.initial.total_remaining,
                since_s=None,
            ),
        )

    # -- time

    def next_deadline(self, context: Context[I]) -> float | None:
        state = self.state(context)
        due = [at for at in (self._collection_s(context, state), next_instant(context, state.activation_time)) if at]
        return min(due, default=None)

    def run_due(self, context: Context[I]) -> None:
        state = self.state(context)
        collection_s = self._collection_s(context, state)
        if collection_s is not None and collection_s <= context.now_s:
            self.put(context, replace(state, since_s=collection_s))
            self.collect(context, state.active.price)
        if is_instant(context, state.activation_time):
            self.put(context, replace(self.state(context), active=state.passive, activation_time=NO_DATE_TIME))

    def _collection_s(self, context: Context[I], state: ChargeState) -> float | None:
        """World time of the next collection by time."""
        if state.kind is not ChargeType.TIME_BASED or not state.period_s or state.since_s is None:
            return None
        if not any(account.active(context) for account in accounts_of(context, self.logical_name)):
            return None
        return state.since_s + state.period_s


def _collected(context: Context[I], state: ChargeState, value: int) -> ChargeState:
    timekeeper = context.device.timekeeper
    return replace(
        state,
        total_paid=min(state.total_paid + value, AMOUNT_MAX),
        last_amount=value,
        last_time=timekeeper.local(context).octets(int(timekeeper.own_s(context))),
        total_remaining=state.total_remaining if state.continuous else state.total_remaining - value,
    )


def _update_prices(
    _context: Context[I], state: ChargeState, prices: tuple[tuple[bytes, int], ...]
) -> tuple[ChargeState, Answer]:
    """New prices for indices of the passive table that exist, and further ones behind them."""
    table = dict(state.passive.prices)
    table.update(prices)
    if len(table) > PRICES_MAX:
        return state, ActionResult.OTHER_REASON
    passive = replace(state.passive, prices=tuple(table.items()))
    return replace(state, passive=passive), ActionResult.SUCCESS


def _activate_passive(_context: Context[I], state: ChargeState, _parameters: None) -> tuple[ChargeState, Answer]:
    return replace(state, active=state.passive), ActionResult.SUCCESS


def _add_remaining(_context: Context[I], state: ChargeState, by: int) -> tuple[ChargeState, Answer]:
    """Gives back what remained before; a continuous charge has nothing that could remain."""
    return _with_remaining(state, max(state.total_remaining + by, 0))


def _set_remaining(_context: Context[I], state: ChargeState, to: int) -> tuple[ChargeState, Answer]:
    return (state, ActionResult.OTHER_REASON) if to < 0 else _with_remaining(state, to)


def _with_remaining(state: ChargeState, to: int) -> tuple[ChargeState, Answer]:
    before = ActionReply(ActionResult.SUCCESS, axdr.encode(data.i32(state.total_remaining)))
    if to > AMOUNT_MAX:
        return state, ActionResult.OTHER_REASON
    return (state if state.continuous else replace(state, total_remaining=to)), before


def _kind(value: Data) -> ChargeType:
    try:
        return ChargeType(number(value, Tag.ENUM))
    except ValueError as error:
        raise RemoteProtocolError(f"charge type {value.value}") from error

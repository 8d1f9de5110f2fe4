"""What an account is told and tells: payment mode and status, currency, who collects from whom, shares of a token.

Source: docs/protocols/cosem-payment.md §1, §3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Final, TypeVar

from hes.dlms import data
from hes.dlms.codes import DataAccessResult
from hes.dlms.cosem.clock import NO_DATE_TIME
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.inner_calls import elements, logical_name_of, members, number
from hes.dlms.cosem.payment.links import bits_of
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

REFERENCES_MAX: Final = 32  # credits, charges, pairs and shares of one account [A]
COLLECTION_BITS: Final = 3
PERCENT: Final = 100


class PaymentMode(IntEnum):
    CREDIT = 1
    PREPAYMENT = 2


class AccountStatus(IntEnum):
    NEW = 1
    ACTIVE = 2
    CLOSED = 3


@dataclass(frozen=True, slots=True)
class Currency:
    """unit: 0 time, 1 consumption, 2 monetary. Amounts count 10**scale of it."""

    name: str = "EUR"
    scale: int = -2
    unit: int = 2

    def to_data(self) -> Data:
        return data.structure(data.utf8(self.name), data.i8(self.scale), data.enum(self.unit))

    @classmethod
    def from_data(cls, value: Data) -> Currency:
        """Raises RemoteProtocolError for any other shape."""
        name, scale, unit = members(value, 3)
        if name.tag is not Tag.UTF8_STRING:
            raise RemoteProtocolError("a utf8-string was wanted")
        return cls(name.value, number(scale, Tag.INTEGER), number(unit, Tag.ENUM))


@dataclass(frozen=True, slots=True)
class CollectionRule:
    """A charge may be collected from a credit.

    when: bits for also while the supply is disconnected, the load limited, credit friendly.
    """

    credit: Obis
    charge: Obis
    when: str = "000"

    def to_data(self) -> Data:
        return data.structure(data.octets(self.credit), data.octets(self.charge), data.bits(self.when))

    @classmethod
    def from_data(cls, value: Data) -> CollectionRule:
        """Raises RemoteProtocolError for any other shape."""
        credit, charge, when = members(value, 3)
        return cls(logical_name_of(credit), logical_name_of(charge), bits_of(COLLECTION_BITS)(when))


@dataclass(frozen=True, slots=True)
class TokenShare:
    """At least that many percent of a token go to this credit."""

    credit: Obis
    percent: int

    def to_data(self) -> Data:
        return data.structure(data.octets(self.credit), data.u8(self.percent))

    @classmethod
    def from_data(cls, value: Data) -> TokenShare:
        """Raises RemoteProtocolError for any other shape."""
        credit, percent = members(value, 2)
        return cls(logical_name_of(credit), number(percent, Tag.UNSIGNED))


EUROS: Final = Currency()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """activation_time, closure_time: 12 octets; without a date they never come by themselves."""

    mode: PaymentMode = PaymentMode.PREPAYMENT
    status: AccountStatus = AccountStatus.NEW
    clearance_threshold: int = 0
    credits: tuple[Obis, ...] = ()
    charges: tuple[Obis, ...] = ()
    collection: tuple[CollectionRule, ...] = ()
    shares: tuple[TokenShare, ...] = ()
    activation_time: bytes = NO_DATE_TIME
    closure_time: bytes = NO_DATE_TIME
    currency: Currency = EUROS
    max_provision: int = 0
    max_provision_period: int = 0


def mode_and_status(value: Data) -> tuple[PaymentMode, AccountStatus]:
    mode, status = members(value, 2)
    try:
        return PaymentMode(number(mode, Tag.ENUM)), AccountStatus(number(status, Tag.ENUM))
    except ValueError as error:
        raise RemoteProtocolError(f"mode {mode.value}, status {status.value}") from error


def with_mode(
    _context: Context[I], state: AccountState, value: tuple[PaymentMode, AccountStatus]
) -> AccountState | DataAccessResult:
    """The mode may be written, the status moves by methods only [A]."""
    mode, status = value
    return replace(state, mode=mode) if status is state.status else DataAccessResult.READ_WRITE_DENIED


def names_from_data(value: Data) -> tuple[Obis, ...]:
    return tuple(logical_name_of(element) for element in elements(value, REFERENCES_MAX))


def names_data(names: tuple[Obis, ...]) -> Data:
    return data.array(map(data.octets, names))


def parts_from_data(decode: Callable[[Data], Any]) -> Callable[[Data], Any]:
    return lambda value: tuple(decode(element) for element in elements(value, REFERENCES_MAX))


def parts_data(parts: tuple[Any, ...]) -> Data:
    return data.array(part.to_data() for part in parts)


def shares_from_data(value: Data) -> tuple[TokenShare, ...]:
    shares = tuple(TokenShare.from_data(element) for element in elements(value, REFERENCES_MAX))
    if sum(share.percent for share in shares) > PERCENT:
        raise RemoteProtocolError("shares of more than the whole token")
    return shares

"""How credits, charges and token gateways find the account they belong to.

Source: docs/protocols/cosem-payment.md §1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from hes.dlms.cosem.context import Context
from hes.dlms.cosem.inner_calls import number
from hes.dlms.cosem.payment.credit_rules import AMOUNT_MAX, AMOUNT_MIN
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis
from hes.errors import RemoteProtocolError

if TYPE_CHECKING:
    from hes.dlms.cosem.payment.account import Account

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

CLASS_ACCOUNT: Final = 111


def accounts_of(context: Context[I], member: Obis) -> list[Account[I]]:
    """The accounts that list this credit or charge."""
    return [account for account in _accounts(context) if account.lists(context, member)]


def account_with_gateway(context: Context[I], gateway: Obis) -> Account[I] | None:
    """The account of a token gateway: the one whose name has the same last groups, or the only one there is [A]."""
    accounts = _accounts(context)
    for account in accounts:
        if account.logical_name[4:] == gateway[4:] and account.logical_name[1] == gateway[1]:
            return account
    return accounts[0] if len(accounts) == 1 else None


def _accounts(context: Context[I]) -> list[Account[I]]:
    return [cast("Account[I]", entry) for entry in context.device if entry.interface_class.class_id == CLASS_ACCOUNT]


def amount(value: Data) -> int:
    """double-long. Raises RemoteProtocolError for another type."""
    return number(value, Tag.DOUBLE_LONG)


def within_amounts(value: int) -> int:
    """`value`, or the nearest that a double-long can say: sums and scales of a client's own choosing may go beyond."""
    return min(max(value, AMOUNT_MIN), AMOUNT_MAX)


def scaled(value: int, exponent: int) -> int:
    """value x 10**exponent in whole units, towards zero; exponents beyond 9 either way count as 9."""
    factor = int(10 ** min(abs(exponent), 9))
    if exponent >= 0:
        return value * factor
    return abs(value) // factor * (1 if value >= 0 else -1)


def bits_of(count: int) -> Any:
    """A decoder of bit-strings of that length."""

    def decode(value: Data) -> str:
        if value.tag is not Tag.BIT_STRING or len(value.value) != count:
            raise RemoteProtocolError(f"a bit-string of {count} was wanted, not {value!r}")
        held: str = value.value
        return held

    return decode

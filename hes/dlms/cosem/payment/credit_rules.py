"""Credits of an account, the machine: which one is in use, which are offered, what is left and what is owed.

```
   ENABLED --INVOKE--> SELECTABLE --SELECT--> SELECTED --USE--> IN_USE --EXHAUST--> EXHAUSTED --REPLENISH--> ENABLED
      |  `--INVOKE (no confirmation needed)------^  |            ^  |
      `-------------------USE-----------------------|------------'  |
      ^---------WITHDRAW (of selectable, selected, in use)----------'
```

Pure values: a tuple of credits in the order of their priority (1 is the highest) becomes another one.

Source: docs/protocols/cosem-payment.md §2, §3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, IntEnum
from typing import Final

from hes.dlms.cosem.clock import NO_DATE_TIME
from hes.dlms.state_table import follow

AMOUNT_MIN: Final = -(1 << 31)
AMOUNT_MAX: Final = (1 << 31) - 1
NO_NEXT_CREDIT: Final = AMOUNT_MIN
CONFIGURATION_BITS: Final = 5


class CreditType(IntEnum):
    """Class 112 attribute 3."""

    TOKEN = 0
    RESERVED = 1
    EMERGENCY = 2
    TIME_BASED = 3
    CONSUMPTION_BASED = 4


class CreditStatus(IntEnum):
    """Class 112 attribute 8."""

    ENABLED = 0
    SELECTABLE = 1
    SELECTED = 2
    IN_USE = 3
    EXHAUSTED = 4


class Event(Enum):
    OFFER = "offer"
    INVOKE = "invoke"
    SELECT = "select"
    USE = "use"
    EXHAUST = "exhaust"
    REPLENISH = "replenish"
    WITHDRAW = "withdraw"


_S, _E = CreditStatus, Event

TRANSITIONS: Final[dict[CreditStatus, dict[Event, CreditStatus]]] = {
    _S.ENABLED: {_E.OFFER: _S.SELECTABLE, _E.INVOKE: _S.SELECTED, _E.USE: _S.IN_USE},
    _S.SELECTABLE: {_E.SELECT: _S.SELECTED, _E.WITHDRAW: _S.ENABLED},
    _S.SELECTED: {_E.USE: _S.IN_USE, _E.WITHDRAW: _S.ENABLED},
    _S.IN_USE: {_E.EXHAUST: _S.EXHAUSTED, _E.WITHDRAW: _S.ENABLED},
    _S.EXHAUSTED: {_E.REPLENISH: _S.ENABLED},
}
WAITING: Final = frozenset((CreditStatus.ENABLED, CreditStatus.SELECTABLE, CreditStatus.SELECTED))
CONSUMED: Final = frozenset((CreditStatus.IN_USE, CreditStatus.EXHAUSTED))


def step(status: CreditStatus, event: Event) -> CreditStatus:
    """The status after `event`. Raises LocalProtocolError where the table has none."""
    return follow(TRANSITIONS, status, event, "the credit")


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditState:
    """One credit. Amounts in the currency of its account. configuration: five bits, see the properties.

    period: 12 octets with wildcards, when a time or consumption based credit starts again at its preset amount.
    """

    amount: int = 0
    kind: CreditType = CreditType.TOKEN
    priority: int = 1
    warning_threshold: int = 0
    limit: int = 0
    configuration: str = "00000"
    status: CreditStatus = CreditStatus.ENABLED
    preset_amount: int = 0
    available_threshold: int = 0
    period: bytes = NO_DATE_TIME

    @property
    def confirmed(self) -> bool:
        """Bit 1: somebody has to select it before it is used."""
        return self.configuration[1] == "1"

    @property
    def paid_back(self) -> bool:
        """Bit 2: what was used of it has to be paid back."""
        return self.configuration[2] == "1"

    @property
    def resettable(self) -> bool:
        """Bit 3."""
        return self.configuration[3] == "1"

    @property
    def takes_tokens(self) -> bool:
        """Bit 4: amounts of tokens may go to it."""
        return self.configuration[4] == "1"

    @property
    def usable(self) -> bool:
        """It may be put into use now without anybody selecting it first."""
        if self.amount <= self.limit:
            return False
        return self.status is CreditStatus.SELECTED or (self.status is CreditStatus.ENABLED and not self.confirmed)

    def after(self, event: Event) -> CreditState:
        return replace(self, status=step(self.status, event))


def invoke(credit: CreditState) -> CreditState | None:
    """Offer it, or select it where no confirmation is needed or it is already offered. None where it is neither."""
    if credit.status is CreditStatus.ENABLED:
        return credit.after(Event.OFFER if credit.confirmed else Event.INVOKE)
    return credit.after(Event.SELECT) if credit.status is CreditStatus.SELECTABLE else None


def with_amount(credit: CreditState, amount: int) -> CreditState:
    """Another amount; a credit in use that reaches its limit is exhausted, one that leaves it is enabled again."""
    changed = replace(credit, amount=amount)
    if changed.status is CreditStatus.IN_USE and amount <= credit.limit:
        return changed.after(Event.EXHAUST)
    if changed.status is CreditStatus.EXHAUSTED and amount > credit.limit:
        return changed.after(Event.REPLENISH)
    return changed


def in_use(credits_held: Sequence[CreditState]) -> int | None:
    """Index of the credit that is being consumed."""
    for index, credit in enumerate(credits_held):
        if credit.status is CreditStatus.IN_USE:
            return index
    return None


def next_credit(credits_held: Sequence[CreditState]) -> int | None:
    """Index of the first credit that waits for its turn."""
    return next((index for index, credit in enumerate(credits_held) if credit.status in WAITING), None)


def available(credits_held: Sequence[CreditState]) -> int:
    """Account attribute 5: what may be consumed, the positive amounts of selected credits and of the one in use."""
    counted = (CreditStatus.SELECTED, CreditStatus.IN_USE)
    return sum(max(credit.amount, 0) for credit in credits_held if credit.status in counted)


def amount_to_clear(credits_held: Sequence[CreditState], clearance_threshold: int) -> int:
    """Account attribute 6: what has to be paid to be out of debt [A].

    Overdrawn exhausted credits, and the used part of credits that must be paid back; the clearance threshold on top
    where anything is owed at all.
    """
    owed = 0
    for credit in credits_held:
        if credit.paid_back and credit.status in CONSUMED:
            owed += max(credit.preset_amount - credit.amount, 0)
        elif credit.status is CreditStatus.EXHAUSTED:
            owed += max(-credit.amount, 0)
    return owed + clearance_threshold if owed else 0


def next_threshold(credits_held: Sequence[CreditState]) -> int:
    """Account attribute 17: at how much available credit the next one is offered."""
    index = next_credit(credits_held)
    return NO_NEXT_CREDIT if index is None else credits_held[index].available_threshold


def status_bits(credits_held: Sequence[CreditState]) -> str:
    """Account attribute 4: in credit, low credit, next enabled, next selectable, next selected, selected one in use,
    out of credit, reserved.
    """
    left, used, waiting = available(credits_held), in_use(credits_held), next_credit(credits_held)
    low = used is not None and left < credits_held[used].warning_threshold
    following = None if waiting is None else credits_held[waiting].status
    selected_in_use = used is not None and credits_held[used].confirmed
    bits = (
        left > 0,
        low,
        following is CreditStatus.ENABLED,
        following is CreditStatus.SELECTABLE,
        following is CreditStatus.SELECTED,
        selected_in_use,
        out_of_credit(credits_held),
        False,
    )
    return "".join("01"[bit] for bit in bits)


def out_of_credit(credits_held: Sequence[CreditState]) -> bool:
    """Nothing is in use, and nothing that could be without somebody selecting it."""
    return in_use(credits_held) is None and not any(credit.usable for credit in credits_held)


def settle(credits_held: Sequence[CreditState]) -> tuple[CreditState, ...]:
    """Let the credits of an active account find their places: the highest one that may be is in use.

    The next in line is offered (or selected) when what is available falls to its threshold and withdrawn when it rises
    above it again; a selected one only when that would still hold without it, so that it does not rattle.
    """
    settled = list(credits_held)
    for _ in range(4 * len(settled) + 1):
        before = tuple(settled)
        _settle_once(settled)
        if tuple(settled) == before:
            break
    return tuple(settled)


def _settle_once(settled: list[CreditState]) -> None:
    for index, credit in enumerate(settled):
        settled[index] = with_amount(credit, credit.amount)
    used = in_use(settled)
    best = next((index for index, credit in enumerate(settled) if credit.usable), None)
    if best is not None and (used is None or best < used):
        if used is not None:
            settled[used] = settled[used].after(Event.WITHDRAW)
        settled[best] = settled[best].after(Event.USE)
        return
    waiting = next_credit(settled)
    if waiting is None:
        return
    left, credit = available(settled), settled[waiting]
    threshold = credit.available_threshold
    if credit.status is CreditStatus.SELECTED:
        rises = left - max(credit.amount, 0) > threshold
    else:
        rises = left > threshold
    if credit.status is CreditStatus.ENABLED:
        if credit.confirmed and not rises:
            settled[waiting] = credit.after(Event.OFFER)
    elif rises:
        settled[waiting] = credit.after(Event.WITHDRAW)


def distribute(
    credits_held: Sequence[CreditState], amount: int, shares: Sequence[tuple[int, int]] = ()
) -> tuple[tuple[CreditState, ...], int]:
    """Share a payment out. Returns the credits and what nobody could take.

    shares: (index of a credit, percent of the payment it gets first). The rest goes to the lowest priority in use or
    exhausted, then to the others from the lowest priority up. An emergency credit takes back what was used of it, where
    it has to be paid back, and nothing more; other credits take all, if tokens may go to them.
    """
    held = list(credits_held)
    left = amount
    for index, percent in shares:
        part = min(amount * percent // 100, left)
        held[index] = with_amount(held[index], held[index].amount + part)
        left -= part
    backwards = list(reversed(range(len(held))))
    consumed = [index for index in backwards if held[index].status in CONSUMED]
    for index in (*consumed, *(index for index in backwards if index not in consumed)):
        part = min(_room(held[index], left), left)
        if part:
            held[index] = with_amount(held[index], held[index].amount + part)
            left -= part
    return tuple(held), left


def _room(credit: CreditState, wanted: int) -> int:
    """How much of a payment the credit may take."""
    if credit.kind is CreditType.EMERGENCY:
        return max(credit.preset_amount - credit.amount, 0) if credit.paid_back else 0
    return min(wanted, AMOUNT_MAX - credit.amount) if credit.takes_tokens else 0

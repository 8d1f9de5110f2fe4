"""Exchanges under way on one connection: who owes an answer until when, and of whom a late one may still come.

The gateway header carries the meter's address but nothing that says which request is answered. So one request per meter
is under way at most, and a meter whose request was given up is left alone (in quarantine) until its late answer has
come and been dropped, or until `late_answer_s` has passed.

No I/O and no timer: the session says what time it is, and wakes at `next_deadline_s`. Times are loop times.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from hes.errors import LinkError

NEVER_S = float("inf")


class MeterQuarantined(LinkError):
    """An answer of this meter may still come; nothing was sent. `wait_s` in its fields: for how long at most."""


class Taken(Enum):
    """What an answer was."""

    AWAITED = "awaited"
    LATE = "late"
    UNASKED = "unasked"


@dataclass(frozen=True, slots=True)
class _Pending:
    answer: asyncio.Future[bytes]
    deadline_s: float


class Exchanges:
    """By meter address: the one exchange that is under way, or until when a late answer is waited for."""

    def __init__(self, late_answer_s: float) -> None:
        self._late_answer_s = late_answer_s
        self._pending: dict[bytes, _Pending] = {}
        self._quarantine: dict[bytes, float] = {}

    @property
    def next_deadline_s(self) -> float:
        """When the next exchange times out; NEVER_S when none is under way."""
        return min([pending.deadline_s for pending in self._pending.values()], default=NEVER_S)

    @property
    def kept(self) -> int:
        """How many meters are on the books."""
        return len(self._pending) + len(self._quarantine)

    def begin(self, address: bytes, now_s: float, deadline_s: float) -> asyncio.Future[bytes]:
        """The future of the answer that `address` owes from now on. Raises MeterQuarantined."""
        pending = self._pending.get(address)
        until_s = self._quarantine.get(address, now_s) if pending is None else pending.deadline_s + self._late_answer_s
        if until_s > now_s or pending is not None:
            raise MeterQuarantined(
                f"an answer of meter {name_of(address)} is still under way", wait_s=max(until_s - now_s, 0.0)
            )
        self._quarantine.pop(address, None)
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._pending[address] = _Pending(answer, deadline_s)
        return answer

    def take(self, address: bytes, apdu: bytes) -> Taken:
        """An answer has come."""
        pending = self._pending.pop(address, None)
        if pending is None:
            return Taken.UNASKED if self._quarantine.pop(address, None) is None else Taken.LATE
        if pending.answer.done():  # whoever waited has been cancelled in this very moment
            return Taken.LATE
        pending.answer.set_result(apdu)
        return Taken.AWAITED

    def abandon(self, address: bytes, answer: asyncio.Future[bytes], now_s: float) -> None:
        """Nobody waits for `answer` any more."""
        pending = self._pending.get(address)
        if pending is not None and pending.answer is answer:
            del self._pending[address]
            self._keep_away_from(address, now_s)

    def time_out(self, now_s: float, error: Callable[[bytes], Exception]) -> int:
        """End what has waited long enough with `error(address)`; returns how many exchanges that were."""
        late = [address for address, pending in self._pending.items() if pending.deadline_s <= now_s]
        for address in late:
            answer = self._pending.pop(address).answer
            self._keep_away_from(address, now_s)
            if not answer.done():
                answer.set_exception(error(address))
        return len(late)

    def fail(self, error: Callable[[bytes], Exception]) -> None:
        """The connection is gone, and with it every answer."""
        for address, pending in self._pending.items():
            if not pending.answer.done():
                pending.answer.set_exception(error(address))
        self._pending.clear()
        self._quarantine.clear()

    def _keep_away_from(self, address: bytes, now_s: float) -> None:
        self._quarantine = {known: until_s for known, until_s in self._quarantine.items() if until_s > now_s}
        self._quarantine[address] = now_s + self._late_answer_s


def name_of(address: bytes) -> str:
    """A meter's address as people write it."""
    return address.decode("ascii", "replace")

"""Push setup, the machine: pushes that wait, are on their way, or are to be repeated. Pure values.

A push is triggered, waits for a random part of its interval and for a communication window, and is then *sent*: handed
out as a message. What happens after depends on the operation method:

| method | is done when | is repeated when |
|---|---|---|
| 0 | the host reports it delivered | the host reports a failure |
| 1 | the host reports it delivered | the host reports a failure, or nothing for the repetition delay |
| 2 | it has been confirmed | the host reports a failure, or nothing for the repetition delay |

After `retries` repetitions it is given up. All times are world time in seconds.

Source: docs/protocols/cosem-objects.md §6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from hes.dlms.cosem.push.settings import OperationMethod, RepetitionDelay

PENDING_MAX: Final = 16  # pushes of one setup that wait or are on their way; the oldest gives way [A]
NUMBERS: Final = 1 << 24  # long invoke ids

OpensAt = Callable[[float], float | None]
"""world time -> the first instant from then on at which a window is open, None when none ever is"""


@dataclass(frozen=True, slots=True)
class PendingPush:
    """One push. number: its long invoke id. sent: how often it has been handed out.

    body: encoded data; b"" before it is sent for the first time, so that it holds the values of that moment.
    due_s: when something happens to it next: it is sent or, on its way, counts as lost; None when only a report helps.
    on_its_way: handed out and not yet reported on.
    """

    number: int
    due_s: float | None
    body: bytes = b""
    sent: int = 0
    on_its_way: bool = False


@dataclass(frozen=True, slots=True)
class Queue:
    """pending: in the order of their trigger. given_up: pushes that were dropped or failed for good, ever."""

    pending: tuple[PendingPush, ...] = ()
    next_number: int = 0
    given_up: int = 0

    def find(self, push_number: int) -> PendingPush | None:
        return next((push for push in self.pending if push.number == push_number), None)

    def next_due_s(self) -> float | None:
        return min((push.due_s for push in self.pending if push.due_s is not None), default=None)


EMPTY_QUEUE: Final = Queue()


def trigger(queue: Queue, now_s: float, opens_at: OpensAt, delay_s: float) -> Queue:
    """One more push. delay_s: the random part, counted from now or from the window that opens next.

    A delay that leads out of the window is counted again from the start of the next one [A]; where that is too short as
    well, or no other comes, the push waits for the window only. Without any window to come it is given up at once.
    """
    opened_s = opens_at(now_s)
    if opened_s is None:
        return replace(queue, given_up=queue.given_up + 1)
    due_s = opened_s + delay_s
    later_s = opens_at(due_s)
    if later_s is None:
        due_s = opened_s
    elif later_s != due_s:
        due_s = later_s + delay_s if opens_at(later_s + delay_s) == later_s + delay_s else later_s
    push = PendingPush(queue.next_number, due_s)
    pending, given_up = queue.pending, queue.given_up
    if len(pending) >= PENDING_MAX:
        pending, given_up = pending[1:], given_up + 1
    return Queue((*pending, push), (queue.next_number + 1) % NUMBERS, given_up)


def send(queue: Queue, push: PendingPush, now_s: float, method: OperationMethod, delay: RepetitionDelay) -> Queue:
    """`push`, its body filled in, is on its way from now on."""
    lost_s = None
    if method is not OperationMethod.UNCONFIRMED_RETRY_ON_FAILURE:
        lost_s = now_s + delay.of_retry(push.sent)
    return _put(queue, replace(push, sent=push.sent + 1, on_its_way=True, due_s=lost_s))


def delivered(queue: Queue, push_number: int) -> Queue:
    """It has arrived (methods 0, 1) or was confirmed (method 2)."""
    return replace(queue, pending=tuple(push for push in queue.pending if push.number != push_number))


def failed(
    queue: Queue, push_number: int, now_s: float, opens_at: OpensAt, retries: int, delay: RepetitionDelay
) -> Queue:
    """The layer below could not send it: it is repeated after the delay, in a window, or given up."""
    push = queue.find(push_number)
    if push is None or not push.on_its_way:
        return queue
    return _repeat(queue, push, opens_at(now_s + delay.of_retry(push.sent - 1)), retries)


def lost(queue: Queue, push: PendingPush, now_s: float, opens_at: OpensAt, retries: int) -> Queue:
    """Nothing was heard of it for the repetition delay."""
    return _repeat(queue, push, opens_at(now_s), retries)


def _repeat(queue: Queue, push: PendingPush, due_s: float | None, retries: int) -> Queue:
    if push.sent > retries or due_s is None:
        return replace(delivered(queue, push.number), given_up=queue.given_up + 1)
    return _put(queue, replace(push, on_its_way=False, due_s=due_s))


def _put(queue: Queue, push: PendingPush) -> Queue:
    return replace(queue, pending=tuple(push if held.number == push.number else held for held in queue.pending))

"""Invocation counters: what a sender hands out, and what a receiver has seen.

One counter per key and direction. A sender never uses one twice; a receiver takes only what lies above the last one
verified.

Source: docs/protocols/dlms-application.md §5 (counters).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol

from hes.dlms.security.control import INVOCATION_COUNTER_MAX
from hes.dlms.security.errors import InvocationCounterError, SecurityError
from hes.errors import LocalProtocolError


class SendCounter:
    """Hands out 0, 1, 2, ... from `next`; refuses when the key is used up."""

    __slots__ = ("next",)

    def __init__(self, start: int = 0) -> None:
        self.next = start

    def __call__(self) -> int:
        counter = self.next
        if counter >= INVOCATION_COUNTER_MAX:
            raise LocalProtocolError("the invocation counter has run out; change the key")
        self.next = counter + 1
        return counter


class ReplayWindow:
    """What one key has seen from the peer. `expected`: the lowest counter that will be taken, 0 for a new key."""

    __slots__ = ("_unverified", "expected")

    def __init__(self, expected: int = 0) -> None:
        self.expected = expected
        self._unverified = 0

    def accept(self, counter: int, authenticated: bool = True) -> None:
        """Take `counter`, or raise InvocationCounterError when it does not lie above all before it.

        The highest counter is refused with SecurityError: no sender may use it, and nothing could follow it.
        """
        if counter >= INVOCATION_COUNTER_MAX:
            raise SecurityError(f"invocation counter {counter:X} says that the key is used up; change it")
        if authenticated:
            if counter < self.expected:
                raise InvocationCounterError(expected=self.expected, received=counter)
            self.expected = counter + 1
            return
        lowest = max(self.expected, self._unverified)
        if counter < lowest:
            raise InvocationCounterError(expected=lowest, received=counter)
        self._unverified = counter + 1


class CounterStore(Protocol):
    """Where a sender keeps how far its counters are reserved, for one key. What `save` has written survives a crash."""

    @abstractmethod
    def load(self) -> int:
        """The first counter that was never reserved."""
        ...

    @abstractmethod
    def save(self, first_free: int) -> None:
        """Everything below `first_free` counts as used from now on; returns when that is safe."""
        ...


class ReservedCounter:
    """Hands out counters from blocks that are reserved in a store before any of them is used.

    A crash loses the rest of a block and repeats none. `block`: counters reserved at a time; a small one writes often,
    a large one loses many.
    """

    __slots__ = ("_block", "_end", "_next", "_store")

    def __init__(self, store: CounterStore, block: int = 128) -> None:
        if block < 1:
            raise LocalProtocolError("a block of counters has at least one")
        self._store, self._block = store, block
        self._next = self._end = store.load()

    @property
    def next(self) -> int:
        """The counter that comes next: all below it are used."""
        return self._next

    def __call__(self) -> int:
        """The next counter. Raises LocalProtocolError when the key is used up."""
        counter = self._next
        if counter >= self._end:
            self._reserve(counter)
        self._next = counter + 1
        return counter

    def move_up(self, lowest: int) -> bool:
        """Go on at `lowest`, what the receiver expects; True when that was higher. It never goes down."""
        if lowest <= self._next:
            return False
        if lowest > self._end:
            self._reserve(lowest)
        self._next = lowest
        return True

    def _reserve(self, first: int) -> None:
        if first >= INVOCATION_COUNTER_MAX:
            raise LocalProtocolError("the invocation counter has run out; change the key")
        end = min(first + self._block, INVOCATION_COUNTER_MAX)
        self._store.save(end)
        self._end = end

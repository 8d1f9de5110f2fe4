"""Invocation counters, reserved from the store in blocks before they are used.

A counter must never be used twice with the same key, not even across a crash: a block counts as used as soon as it is
reserved, so a crash loses some counters and repeats none.
"""

from __future__ import annotations

from collections.abc import Callable

from hes.acquisition.patience import patiently
from hes.dlms.security import INVOCATION_COUNTER_MAX
from hes.errors import LocalProtocolError
from hes.store.store import Store

BLOCK = 1024
RESERVE_BELOW = 128
"""A new block is taken when fewer counters than this are left. One request uses one or two, and `prepare` is asked
before each of them, so that many meters may share a key and an answer may have any number of blocks."""


class Counters:
    """The next invocation counter of each key."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._blocks: dict[str, tuple[int, int]] = {}

    async def prepare(self, key_ref: str) -> Callable[[], int]:
        """Make sure that counters are at hand for the next requests; returns the function that gives the next one."""
        used, end = self._blocks.get(key_ref, (0, 0))
        if end - used < RESERVE_BELOW:
            first = await patiently(
                lambda: self._store.reserve_counters(key_ref, BLOCK, at_least=1), "reserve counters", key_ref=key_ref
            )
            _, end = self._blocks.get(key_ref, (0, 0))
            if first >= end:  # somebody who asked at the same time may have had the later block already
                self._blocks[key_ref] = (first, first + BLOCK)

        return self._take(key_ref)

    def next_counter(self, key_ref: str) -> int:
        """The counter that would be given out next; 0 before `prepare`."""
        return self._blocks.get(key_ref, (0, 0))[0]

    async def move_up(self, key_ref: str, lowest: int) -> None:
        """Go on at `lowest` or above: a device has said that it expects no less. It never goes down."""
        used, end = self._blocks.get(key_ref, (0, 0))
        if lowest <= used:
            return
        if lowest + RESERVE_BELOW <= end:
            self._blocks[key_ref] = (lowest, end)
            return
        first = await patiently(
            lambda: self._store.reserve_counters(key_ref, BLOCK, at_least=lowest), "reserve counters", key_ref=key_ref
        )
        if first >= self._blocks.get(key_ref, (0, 0))[1]:
            self._blocks[key_ref] = (first, first + BLOCK)

    def _take(self, key_ref: str) -> Callable[[], int]:
        def take() -> int:
            counter, stop = self._blocks[key_ref]
            if counter >= stop or counter >= INVOCATION_COUNTER_MAX:
                raise LocalProtocolError(f"the invocation counters reserved for {key_ref} are used up")
            self._blocks[key_ref] = (counter + 1, stop)
            return counter

        return take

"""Coverage: which rows of a device's profile are here, and which the meter has been shown never to have captured.

One `Coverage` is two sets of stamp numbers kept as bit sets in Python integers: a year of quarter-hours is 4 kB,
and "what is missing in this range" is a few shifts.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise


class Coverage:
    """What is known of one profile of one device, by stamp number (see hes.acquisition.grids)."""

    __slots__ = ("_absent", "_origin", "_present")

    def __init__(self) -> None:
        self._origin = 0  # stamp number of bit 0; moves down when an earlier number is met
        self._present = 0
        self._absent = 0

    def add_present(self, indices: Iterable[int]) -> int:
        """Note rows that are stored; returns how many of them are new."""
        added = self._bits(indices)
        new = (added & ~self._present).bit_count()
        self._present |= added
        self._absent &= ~added
        return new

    def add_absent(self, indices: Iterable[int]) -> None:
        """Note rows that the meter never captured: they are not asked for again."""
        self._absent |= self._bits(indices) & ~self._present

    def count(self) -> int:
        """How many rows are stored in all."""
        return self._present.bit_count()

    def forget_before(self, index: int) -> int:
        """Forget everything below `index`; returns how many of the forgotten rows were stored."""
        if index <= self._origin:
            return 0
        before = self.count()
        self._present >>= index - self._origin
        self._absent >>= index - self._origin
        self._origin = index
        return before - self.count()

    def is_present(self, index: int) -> bool:
        return index >= self._origin and bool(self._present >> (index - self._origin) & 1)

    def is_absent(self, index: int) -> bool:
        return index >= self._origin and bool(self._absent >> (index - self._origin) & 1)

    def unread(self, span: range) -> list[int]:
        """Stamp numbers of `span` that are not stored, whatever the reason."""
        self._reach(span.start)
        return _set_bits(self._slice(~self._present, span), span.start)

    def to_ask(self, span: range, expected: Coverage | None = None) -> list[range]:
        """Runs of stamp numbers of `span` worth asking for: neither stored nor known never to have been captured.

        expected: ask only for what is present there.
        """
        self._reach(span.start)
        wanted = self._slice(~(self._present | self._absent), span)
        if expected is not None:
            expected._reach(span.start)
            wanted &= expected._slice(expected._present, span)
        return _runs(_set_bits(wanted, span.start))

    def _reach(self, index: int) -> None:
        """Make room for stamp numbers from `index` on."""
        if not self._present | self._absent:
            self._origin = index
        elif index < self._origin:
            shift = self._origin - index
            self._present <<= shift
            self._absent <<= shift
            self._origin = index

    def _bits(self, indices: Iterable[int]) -> int:
        known = list(indices)
        if not known:
            return 0
        self._reach(min(known))
        bits = 0
        for index in known:
            bits |= 1 << (index - self._origin)
        return bits

    def _slice(self, bits: int, span: range) -> int:
        return (bits >> (span.start - self._origin)) & ((1 << max(len(span), 0)) - 1)


def _set_bits(bits: int, start: int) -> list[int]:
    found = []
    while bits:
        low = bits & -bits
        found.append(start + low.bit_length() - 1)
        bits ^= low
    return found


def _runs(numbers: list[int]) -> list[range]:
    runs: list[range] = []
    for number in numbers:
        if runs and runs[-1].stop == number:
            runs[-1] = range(runs[-1].start, number + 1)
        else:
            runs.append(range(number, number + 1))
    return runs


def merge_runs(runs: list[range], count_max: int) -> list[range]:
    """Join the nearest runs until at most `count_max` are left: a few known rows too many beat many requests."""
    runs = list(runs)
    while len(runs) > count_max:
        gaps = [(later.start - earlier.stop, at) for at, (earlier, later) in enumerate(pairwise(runs))]
        _, at = min(gaps)
        runs[at : at + 2] = [range(runs[at].start, runs[at + 1].stop)]
    return runs

"""Chance from a seed: one independent stream of random numbers for each name.

A component that draws from a stream of its own never shifts the draws of another: a meter added to a world leaves every
other meter as it was. Names say who draws and for what: `streams.stream("gprs", "0731012C", "loss")`.
"""

from __future__ import annotations

import hashlib
import random
from typing import Final

_FRACTION_BITS: Final = 53  # as many as a float in [0, 1) holds


class Streams:
    """The named streams of one seed. Equal seed and names give equal draws in any process, on Python 3.11-3.13."""

    def __init__(self, seed: int, *names: str | int) -> None:
        self.seed = seed
        self._names = names

    def within(self, *names: str | int) -> Streams:
        """The streams whose names begin with `names`, for handing a component its own part."""
        return Streams(self.seed, *self._names, *names)

    def stream(self, *names: str | int) -> random.Random:
        """A new generator at the start of the stream `names`.

        Ask once and keep it: asking twice gives two generators with the same draws. One generator takes about 2.5 kB;
        for a draw here and there per device use `fraction`.
        """
        return random.Random(self._key(names))

    def fraction(self, *names: str | int) -> float:
        """The number in [0, 1) that belongs to `names`: always the same, without state and in any order."""
        digest = hashlib.blake2b(self._key(names).encode(), digest_size=8).digest()
        return (int.from_bytes(digest) >> (64 - _FRACTION_BITS)) / (1 << _FRACTION_BITS)

    def _key(self, names: tuple[str | int, ...]) -> str:
        return repr((self.seed, *self._names, *names))


class SeededEntropy:
    """A hes.entropy.Entropy that repeats from the seed. For simulation only: whoever knows the seed knows every key."""

    def __init__(self, streams: Streams, *names: str | int) -> None:
        self._random = streams.stream("entropy", *names)

    def octets(self, count: int) -> bytes:
        return self._random.randbytes(count)

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self._random.random()

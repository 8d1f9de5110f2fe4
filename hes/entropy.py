"""Chance as a port: challenges, nonces, ephemeral keys and back-off jitter come from here and nowhere else."""

from __future__ import annotations

import os
import random
from typing import Protocol


class Entropy(Protocol):
    """A source of octets and of numbers. Under simulation both follow from the seed."""

    def octets(self, count: int) -> bytes:
        """`count` octets fit for challenges and keys."""
        ...

    def uniform(self, low: float, high: float) -> float:
        """A number in [low, high) for jitter; not for secrets."""
        ...


class SystemEntropy:
    """The operating system's generator: for `live` and `hil`."""

    def __init__(self) -> None:
        self._random = random.SystemRandom()

    def octets(self, count: int) -> bytes:
        return os.urandom(count)  # noqa: TID251 - the one place that asks for it

    def uniform(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)

"""Damage: small changes to valid octets, aimed at what decoders trust (lengths, counts, tags, ends).

Every input is a function of the seed, the target and its number, so that a failure can be had again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final

INPUT_OCTETS_MAX: Final = 4096
NOISE_OCTETS_MAX: Final = 64
DAMAGES_MAX: Final = 4
EDGES: Final = bytes.fromhex("00 01 02 06 09 0A 0C 13 7E 7F 80 81 82 84 C1 FE FF")
LENGTHS: Final = tuple(map(bytes.fromhex, ("80", "8100", "8180", "81FF", "820001", "82FFFF", "84FFFFFFFF")))

Damage = Callable[[random.Random, bytes], bytes]


def _flip(chance: random.Random, octets: bytes) -> bytes:
    at = chance.randrange(len(octets))
    return octets[:at] + bytes((octets[at] ^ 1 << chance.randrange(8),)) + octets[at + 1 :]


def _edge(chance: random.Random, octets: bytes) -> bytes:
    at = chance.randrange(len(octets))
    return octets[:at] + bytes((chance.choice(EDGES),)) + octets[at + 1 :]


def _any(chance: random.Random, octets: bytes) -> bytes:
    at = chance.randrange(len(octets))
    return octets[:at] + bytes((chance.randrange(256),)) + octets[at + 1 :]


def _step(chance: random.Random, octets: bytes) -> bytes:
    """One more or less: a length, a count, a block number."""
    at = chance.randrange(len(octets))
    return octets[:at] + bytes(((octets[at] + chance.choice((-1, 1))) & 0xFF,)) + octets[at + 1 :]


def _cut(chance: random.Random, octets: bytes) -> bytes:
    return octets[: chance.randrange(len(octets))]


def _drop(chance: random.Random, octets: bytes) -> bytes:
    at = chance.randrange(len(octets))
    return octets[:at] + octets[at + 1 + chance.randrange(8) :]


def _insert(chance: random.Random, octets: bytes) -> bytes:
    at = chance.randrange(len(octets) + 1)
    return octets[:at] + chance.randbytes(1 + chance.randrange(8)) + octets[at:]


def _repeat(chance: random.Random, octets: bytes) -> bytes:
    at = chance.randrange(len(octets))
    piece = octets[at : at + 1 + chance.randrange(16)]
    return octets[:at] + piece * (1 + chance.randrange(16)) + octets[at:]


def _length(chance: random.Random, octets: bytes) -> bytes:
    """A length in another form or of another size in the place of one octet."""
    at = chance.randrange(len(octets))
    return octets[:at] + chance.choice(LENGTHS) + octets[at + 1 :]


def _append(chance: random.Random, octets: bytes) -> bytes:
    return octets + chance.randbytes(1 + chance.randrange(12))


_DAMAGES: Final[Sequence[Damage]] = (
    _flip, _edge, _any, _step, _step, _cut, _drop, _insert, _repeat, _length, _append,
)  # fmt: skip


class Mutator:
    """Inputs for one target: `next_input` gives valid octets, damaged ones, and noise."""

    def __init__(self, seed: int, name: str, examples: Sequence[bytes], repair: Callable[[bytes], bytes]) -> None:
        self._chance = random.Random(f"{seed}/{name}")
        self._examples = [example for example in examples if example]
        self._repair = repair
        self.mutated_count = 0

    def next_input(self) -> bytes:
        """One in eight is noise, one in sixteen an undamaged example, everything else is damaged."""
        chance = self._chance
        draw = chance.random()
        if draw < 0.125:
            return chance.randbytes(chance.randrange(NOISE_OCTETS_MAX))
        octets = chance.choice(self._examples)
        if draw > 0.9375:
            return octets
        self.mutated_count += 1
        if draw > 0.875:
            octets = self._crossed(octets)
        for _ in range(1 + chance.randrange(DAMAGES_MAX)):
            if octets:
                octets = chance.choice(_DAMAGES)(chance, octets)
        if draw < 0.5:
            octets = self._repair(octets)
        return octets[:INPUT_OCTETS_MAX]

    def _crossed(self, octets: bytes) -> bytes:
        """The beginning of one example and the end of another."""
        other = self._chance.choice(self._examples)
        return octets[: self._chance.randrange(len(octets) + 1)] + other[self._chance.randrange(len(other)) :]

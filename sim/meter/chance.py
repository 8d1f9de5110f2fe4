"""Chance without a generator: every draw is a hash of who asks and what for, so that no draw shifts another.

A key stands for (seed, entity); draws from it are the same on every Python, in any order, in any process.
"""

from __future__ import annotations

import hashlib

KEY_OCTETS = 16
_WORD_OCTETS = 8


def key(seed: int, *names: str) -> bytes:
    """16 octets that stand for an entity of a world, for example key(seed, "meter", "north-0007")."""
    text = "\x1f".join((str(seed), *names))
    return hashlib.blake2b(text.encode(), digest_size=KEY_OCTETS, person=b"amiloop world").digest()


def draw(entity: bytes, label: str, low: int, high: int) -> int:
    """A whole number in low..high, both included; the bias of the modulo is below 2^-32 for the ranges used here."""
    word = hashlib.blake2b(label.encode(), digest_size=_WORD_OCTETS, key=entity).digest()
    return low + int.from_bytes(word, "big") % (high - low + 1)


def octets(entity: bytes, label: bytes, count: int) -> bytes:
    """`count` octets of noise for one label, any number of them from one call."""
    return hashlib.shake_128(entity + label).digest(count)

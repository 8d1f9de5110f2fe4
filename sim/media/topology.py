"""The tree that a PLC network grows into: who relays for whom.

Each meter draws its distance in hops and its parent from its own stream, and a parent is always one that was placed
earlier. So a meter added at the end of a population shifts nobody else.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

HOP_SHARES = (0.45, 0.30, 0.15, 0.07, 0.03)
"""Share of meters at 1, 2, 3, 4 and 5 hops [A]: no field histogram is public (docs/protocols/plc-and-wan.md §2)."""


class Tree:
    """A growing tree of meters below one concentrator."""

    def __init__(self, hop_shares: Sequence[float] = HOP_SHARES) -> None:
        self._shares = tuple(hop_shares)
        self._levels: list[list[bytes]] = [[] for _ in self._shares]
        self._hops: dict[bytes, int] = {}

    def place(self, address: bytes, stream: random.Random) -> bytes | None:
        """Give a meter its parent: another meter, or None for the concentrator itself.

        A distance for which no relay exists yet is cut to the longest that is possible.
        """
        draw = stream.random() * sum(self._shares)
        hops = 1
        for share in self._shares[:-1]:
            draw -= share
            if draw < 0:
                break
            hops += 1
        which = stream.random()
        while hops > 1 and not self._levels[hops - 2]:
            hops -= 1
        candidates = self._levels[hops - 2] if hops > 1 else []
        parent = candidates[int(which * len(candidates))] if candidates else None
        self.attach(address, parent)
        return parent

    def attach(self, address: bytes, parent: bytes | None) -> None:
        """Note a meter whose parent is given: a drawn one, or one from a population file."""
        hops = 1 if parent is None else self._hops[parent] + 1
        self._hops[address] = hops
        while len(self._levels) < hops:
            self._levels.append([])
        self._levels[hops - 1].append(address)

    def hops(self, address: bytes) -> int:
        return self._hops[address]

"""What the matrix is made of: every way to open an association, what is done in it, and what is left out by rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any, Final

PEERS: Final = ("gurux-dlms", "pydlms-client")
"""Clients, against our meter."""
SERVERS: Final = ("pydlms-client",)
"""Servers, against our client."""
FRAMINGS: Final = ("wrapper", "hdlc")
MECHANISMS: Final = ("none", "lls", "hls-gmac")
PROTECTIONS: Final = ("plain", "authenticated", "encrypted", "both")
SCOPES: Final = ("glo", "ded", "general-glo", "general-ded")

OPERATIONS: Final = (
    "register",
    "clock",
    "range",
    "entry",
    "set",
    "action",
    "long_set",
    "long_get",
    "read_list",
    "object_list",
)
"""In one session each, in this order."""

RULES: Final = (
    "a plain session has no scope: nothing is ciphered, so no key is in use",
    "a dedicated key travels in the InitiateRequest, which has to be encrypted: authentication alone allows none",
)


@dataclass(frozen=True, slots=True)
class Combination:
    """One way for one peer to open an association. scope: "" where nothing is ciphered."""

    peer: str
    framing: str
    mechanism: str
    protection: str
    scope: str
    suite: int = 0

    @property
    def name(self) -> str:
        how = self.protection if not self.scope else f"{self.protection} {self.scope}"
        return f"{self.peer} {self.framing} {self.mechanism} {how}" + (f" suite {self.suite}" if self.suite else "")

    def order(self) -> dict[str, Any]:
        return asdict(self)


def every(peers: tuple[str, ...] = PEERS) -> Iterator[Combination]:
    """All that make sense, by RULES."""
    for peer, framing, mechanism, protection in product(peers, FRAMINGS, MECHANISMS, PROTECTIONS):
        for scope in scopes(protection):
            yield Combination(peer, framing, mechanism, protection, scope)


def scopes(protection: str) -> tuple[str, ...]:
    if protection == "plain":
        return ("",)
    if protection == "authenticated":
        return ("glo", "general-glo")
    return SCOPES


def diagonal(peers: tuple[str, ...] = PEERS) -> Iterator[Combination]:
    """A few that together have, for each peer, every protection with every scope, every mechanism on every framing."""
    ways = [(protection, scope) for protection in PROTECTIONS for scope in scopes(protection)]
    pairs = list(product(MECHANISMS, FRAMINGS))
    for peer, place in product(peers, range(max(len(ways), len(pairs)))):
        mechanism, framing = pairs[place % len(pairs)]
        protection, scope = ways[place % len(ways)]
        yield Combination(peer, framing, mechanism, protection, scope)

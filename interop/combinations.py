"""What the matrix is made of: every way to open an association, what is done in it, and what is left out by rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import cycle, product
from typing import Any, Final

PEERS: Final = ("gurux-dlms", "pydlms-client")
"""Clients, against our meter."""
SERVERS: Final = ("pydlms-client",)
"""Servers, against our client."""
FRAMINGS: Final = ("wrapper", "hdlc")
STYLES: Final = ("ln", "sn", "gbt")
"""Logical names, short names, and logical names with general block transfer in place of the services' own blocks."""
MECHANISMS: Final = {
    0: ("none", "lls", "hls", "hls-md5", "hls-sha1", "hls-gmac", "hls-sha256"),
    1: ("hls-gmac", "hls-ecdsa"),
    2: ("hls-gmac", "hls-ecdsa"),
}
"""By security suite."""
GBT_MECHANISMS: Final = ("none", "hls-gmac", "hls-ecdsa")
PROTECTIONS: Final = ("plain", "authenticated", "encrypted", "both", "signed")
SCOPES: Final = ("glo", "ded", "general-glo", "general-ded", "general-ciphering", "general-signing")
"""Keys and forms: service-specific or general APDUs under the global or the dedicated key; general-ciphering under the
global key; plain ones inside general-signing, in an association that was opened with everything ciphered."""

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
    "access_get",
    "access",
)
"""In one session each, in this order."""
GBT_OPERATIONS: Final = ("range", "long_set", "long_get", "object_list")

RULES: Final = (
    "a plain session has no scope: nothing is ciphered, so no key is in use",
    "a dedicated key travels in the InitiateRequest, which has to be encrypted: authentication alone allows none",
    "suites 1 and 2 with the mechanisms that use their keys: GMAC and ECDSA; ECDSA is none of suite 0",
    "general block transfer with long values only, and with none, GMAC and ECDSA: cutting knows no mechanism",
    "general-ciphering and general-signing with pydlms-client alone: gurux-dlms cannot be told to send them; signing "
    "wants the keys of suites 1 and 2; its simulator takes signatures outside of ciphering only, our client makes them "
    "inside",
    "ACCESS has no tag of its own under glo and ded, and is no service of short names",
)


@dataclass(frozen=True, slots=True)
class Combination:
    """One way for one peer to open an association. scope: "" where nothing is ciphered. style: of STYLES.

    role: what the peer is, "client" or "server".
    """

    peer: str
    framing: str
    mechanism: str
    protection: str
    scope: str
    suite: int = 0
    style: str = "ln"
    role: str = "client"

    @property
    def name(self) -> str:
        how = self.protection if not self.scope else f"{self.protection} {self.scope}"
        suite = f" suite {self.suite}" if self.suite else ""
        return f"{self.peer} {self.framing} {self.style} {self.mechanism} {how}{suite}"

    @property
    def operations(self) -> tuple[str, ...]:
        """What can be done in it, by RULES."""
        if self.style == "gbt":
            return GBT_OPERATIONS
        if self.style == "sn" or self.scope in ("glo", "ded"):
            return OPERATIONS[:-2]
        return OPERATIONS

    def order(self) -> dict[str, Any]:
        return {**asdict(self), "operations": self.operations}


def every(
    peers: tuple[str, ...] = PEERS, styles: tuple[str, ...] = STYLES, role: str = "client"
) -> Iterator[Combination]:
    """All that make sense, by RULES."""
    for peer, framing, style, suite in product(peers, FRAMINGS, styles, MECHANISMS):
        for mechanism, protection in product(mechanisms(style, suite), PROTECTIONS):
            for scope in scopes(peer, protection, suite, role):
                yield Combination(peer, framing, mechanism, protection, scope, suite, style, role)


def mechanisms(style: str, suite: int) -> tuple[str, ...]:
    if style == "gbt":
        return tuple(name for name in MECHANISMS[suite] if name in GBT_MECHANISMS)
    return MECHANISMS[suite]


def scopes(peer: str, protection: str, suite: int, role: str = "client") -> tuple[str, ...]:
    """What goes with a protection, by RULES."""
    if protection == "plain":
        return ("",)
    wide = peer == "pydlms-client"
    if protection == "signed":
        return ("general-signing",) if wide and suite and role == "client" else ()
    dedicated = () if protection == "authenticated" else ("ded", "general-ded")
    return ("glo", "general-glo", *dedicated, *(("general-ciphering",) if wide else ()))


def diagonal(
    peers: tuple[str, ...] = PEERS, styles: tuple[str, ...] = STYLES, role: str = "client"
) -> Iterator[Combination]:
    """A few that together have, for each peer, every mechanism of every suite in every style, both framings, and every
    protection and scope.
    """
    for peer in peers:
        chosen = [
            (style, suite, mechanism)
            for style, suite in product(styles, MECHANISMS)
            for mechanism in mechanisms(style, suite)
        ]
        turns = {suite: cycle(ways_of(peer, suite, role)) for suite in MECHANISMS}
        for place, (style, suite, mechanism) in enumerate(chosen):
            protection, scope = next(turns[suite])
            yield Combination(peer, FRAMINGS[place % 2], mechanism, protection, scope, suite, style, role)


def ways_of(peer: str, suite: int, role: str) -> list[tuple[str, str]]:
    """The strongest first where few are taken."""
    ways = [(protection, scope) for protection in PROTECTIONS for scope in scopes(peer, protection, suite, role)]
    return ways[::-1] if suite else ways

"""The security control octet, and the suites it may name.

Suites are rows of SUITES.

Source: docs/protocols/dlms-application.md §5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hes.dlms.security.curves import P_256, P_384, Curve

SYSTEM_TITLE_OCTETS: Final = 8
TAG_OCTETS: Final = 12
HEADER_OCTETS: Final = 5
# no APDU is sealed with the highest counter: at that value the key is used up
INVOCATION_COUNTER_MAX: Final = 0xFFFF_FFFF

SUITE_MASK: Final = 0x0F
AUTHENTICATED_BIT: Final = 0x10
ENCRYPTED_BIT: Final = 0x20
BROADCAST_BIT: Final = 0x40
COMPRESSED_BIT: Final = 0x80


@dataclass(frozen=True, slots=True)
class Suite:
    """What a security suite prescribes. key_octets: of encryption, authentication, dedicated and
    master key. curve: of signatures and key agreement, None where the suite has no public keys."""

    number: int
    name: str
    key_octets: int
    curve: Curve | None = None


SUITES: Final[dict[int, Suite]] = {
    0: Suite(0, "AES-GCM-128", 16),
    1: Suite(1, "ECDH-ECDSA-AES-GCM-128-SHA-256", 16, P_256),
    2: Suite(2, "ECDH-ECDSA-AES-GCM-256-SHA-384", 32, P_384),
}


class SecurityControl(int):
    """The security control octet: suite in bits 3..0, then authenticated, encrypted, broadcast, compressed."""

    __slots__ = ()

    @classmethod
    def of(
        cls, *, suite: int = 0, authenticated: bool = True, encrypted: bool = True, broadcast: bool = False
    ) -> SecurityControl:
        bits = authenticated * AUTHENTICATED_BIT | encrypted * ENCRYPTED_BIT | broadcast * BROADCAST_BIT
        return cls(suite & SUITE_MASK | bits)

    @property
    def suite(self) -> int:
        return self & SUITE_MASK

    @property
    def authenticated(self) -> bool:
        return self & AUTHENTICATED_BIT != 0

    @property
    def encrypted(self) -> bool:
        return self & ENCRYPTED_BIT != 0

    @property
    def broadcast(self) -> bool:
        return self & BROADCAST_BIT != 0

    @property
    def compressed(self) -> bool:
        return self & COMPRESSED_BIT != 0

    def covers(self, required: SecurityControl) -> bool:
        """True when this protects at least as `required` does (authentication and encryption)."""
        wanted = required & (AUTHENTICATED_BIT | ENCRYPTED_BIT)
        return self & wanted == wanted

    def __repr__(self) -> str:
        return f"SecurityControl(0x{int(self):02X})"


AUTHENTICATED: Final = SecurityControl(AUTHENTICATED_BIT)
ENCRYPTED: Final = SecurityControl(ENCRYPTED_BIT)
AUTHENTICATED_ENCRYPTED: Final = SecurityControl(AUTHENTICATED_BIT | ENCRYPTED_BIT)

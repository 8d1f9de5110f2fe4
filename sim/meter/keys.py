"""Keys and passwords of simulated meters, derived from the world's seed. TEST KEYS: whoever knows the seed knows them.

key = HMAC-SHA256(master, label | system title), master = HMAC-SHA256(label, seed): our own derivation [A], cut to the
length wanted. Nothing is stored; the head-end of a simulated world derives the same through `meter_keys`.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from functools import lru_cache

from hes.dlms.security import EncryptionKeys

KEY_OCTETS = 16  # suite 0
PASSWORD_CHARACTERS = 16
SYSTEM_TITLE_OCTETS = 8
KEYS_KEPT = 1024
_MASTER_LABEL = b"amiloop test keys 1"


@dataclass(frozen=True, slots=True)
class MeterKeys:
    """The secrets of one meter. master_key: wraps new keys (RFC 3394). password: LLS, ASCII."""

    encryption_key: bytes
    authentication_key: bytes
    master_key: bytes
    password: bytes
    global_keys: EncryptionKeys = field(init=False, compare=False)
    """The first two together, as one object: it keeps the expanded key."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "global_keys", EncryptionKeys(self.encryption_key, self.authentication_key))

    def __repr__(self) -> str:
        return "MeterKeys(***)"


@lru_cache(maxsize=KEYS_KEPT)
def meter_keys(seed: int, system_title: bytes) -> MeterKeys:
    """The secrets of the meter with this system title in the world with this seed."""
    if len(system_title) != SYSTEM_TITLE_OCTETS:
        raise ValueError(f"a system title has {SYSTEM_TITLE_OCTETS} octets, not {len(system_title)}")
    master = _master(seed)

    def derive(label: bytes) -> bytes:
        return hmac.new(master, label + b"\x00" + system_title, hashlib.sha256).digest()

    return MeterKeys(
        encryption_key=derive(b"encryption")[:KEY_OCTETS],
        authentication_key=derive(b"authentication")[:KEY_OCTETS],
        master_key=derive(b"master")[:KEY_OCTETS],
        password=derive(b"password").hex()[:PASSWORD_CHARACTERS].encode("ascii"),
    )


def head_end_system_title(seed: int) -> bytes:
    """The system title of the head-end of a simulated world: three letters and five octets from the seed."""
    return b"AMH" + hmac.new(_master(seed), b"head-end title", hashlib.sha256).digest()[:5]


@lru_cache(maxsize=64)
def _master(seed: int) -> bytes:
    return hmac.new(_MASTER_LABEL, str(seed).encode("ascii"), hashlib.sha256).digest()

"""Keys and passwords of the reference meter. TEST KEYS: they stand in the source, so everybody knows them.

key = SHA-256 of a label, cut to the length wanted: our own choice [A]. A key set belongs to a security setup.
"""

from __future__ import annotations

import hashlib
from typing import Final

from hes.dlms.security import EncryptionKeys

SYSTEM_TITLE: Final = b"AMLREFMT"
PASSWORD: Final = b"reference-secret"
"""Of LLS, and the secret of the mechanisms that hash one."""
KEY_OCTETS: Final = {0: 16, 1: 16, 2: 32}
"""By security suite. Source: docs/protocols/dlms-application.md §5."""


def key(purpose: str, setup: int, octets: int) -> bytes:
    return hashlib.sha256(f"amiloop reference meter {purpose} {setup}".encode("ascii")).digest()[:octets]


def global_keys(setup: int, suite: int) -> EncryptionKeys:
    octets = KEY_OCTETS[suite]
    return EncryptionKeys(key("encryption", setup, octets), key("authentication", setup, octets))


def master_key(setup: int, suite: int) -> bytes:
    return key("master", setup, KEY_OCTETS[suite])

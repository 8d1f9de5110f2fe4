"""AES key wrap: how new keys travel under the master key (RFC 3394)."""

from __future__ import annotations

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from hes.dlms.security.errors import SecurityError
from hes.dlms.xdlms.common import Octets
from hes.errors import LocalProtocolError


def wrap_key(master_key: bytes, key: bytes) -> bytes:
    """`key` (16 or 32 octets) wrapped under `master_key` (RFC 3394): 8 octets longer."""
    _check_wrap(master_key, len(key))
    return aes_key_wrap(master_key, key)


def unwrap_key(master_key: bytes, wrapped: Octets) -> bytes:
    """The key inside `wrapped` (24 or 40 octets). Raises SecurityError when the check value does not come out."""
    wrapped = bytes(wrapped)
    if len(wrapped) not in (24, 40):
        raise SecurityError(f"a wrapped key has 24 or 40 octets, this has {len(wrapped)}")
    _check_wrap(master_key, len(wrapped) - 8)
    try:
        return aes_key_unwrap(master_key, wrapped)
    except InvalidUnwrap:
        raise SecurityError("the wrapped key does not open under this master key") from None


def _check_wrap(master_key: bytes, key_octets: int) -> None:
    if len(master_key) not in (16, 32) or key_octets not in (16, 32):
        raise LocalProtocolError(
            f"key wrap takes keys of 16 or 32 octets, not {key_octets} under a master key of {len(master_key)}"
        )

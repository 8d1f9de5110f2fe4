"""Keys that come with the APDU they protect: wrapped under the master key, or agreed on by public keys.

`FreshKeys` makes them for what one side sends and finds them in what it receives. A received key is remembered with the
window of its counters, so that an APDU is not taken twice; the memory is bounded, and the oldest are forgotten.

Source: docs/protocols/dlms-application.md §5 (general-ciphering).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from hes.dlms.security.asymmetric import AsymmetricKeys
from hes.dlms.security.control import SUITES
from hes.dlms.security.counters import ReplayWindow
from hes.dlms.security.curves import private_key_from_entropy
from hes.dlms.security.errors import SecurityError
from hes.dlms.security.forms import KeyScope
from hes.dlms.security.gcm import EncryptionKeys
from hes.dlms.security.general import (
    KEK_MASTER,
    ONE_PASS,
    STATIC_UNIFIED,
    AgreedKey,
    Head,
    KeyInfo,
    WrappedKey,
)
from hes.dlms.security.key_agreement import (
    check_signed_public_key,
    curve_of_suite,
    derive_key,
    party_u_with_nonce,
    shared_secret,
    signed_public_key,
)
from hes.dlms.security.key_wrap import unwrap_key, wrap_key
from hes.errors import LocalProtocolError

KEYS_REMEMBERED_MAX: Final = 256
"""Received keys whose windows are kept, one for each APDU [A]."""


@dataclass(slots=True, kw_only=True, eq=False)
class FreshKeys:
    """Of one association. entropy: count -> that many octets fit for keys. master_key: b"" without."""

    suite: int
    authentication_key: bytes = field(repr=False)
    master_key: bytes = field(default=b"", repr=False)
    pairs: AsymmetricKeys = field(default_factory=AsymmetricKeys)
    entropy: Callable[[int], bytes] | None = field(default=None, repr=False)
    _windows: OrderedDict[bytes, ReplayWindow] = field(default_factory=OrderedDict, repr=False)

    def octets(self, count: int) -> bytes:
        """Fresh ones. Raises LocalProtocolError without a source of them."""
        if self.entropy is None:
            raise LocalProtocolError("fresh keys need a source of entropy, and none was given")
        return self.entropy(count)

    # -- sending

    def make(self, scope: KeyScope, head: Head) -> tuple[KeyInfo, EncryptionKeys]:
        """A key for one APDU, and how the other side comes by it. Raises LocalProtocolError when something lacks."""
        if scope is KeyScope.WRAPPED:
            if not self.master_key:
                raise LocalProtocolError("a key cannot be wrapped without a master key")
            key = self.octets(SUITES[self.suite].key_octets)
            return WrappedKey(KEK_MASTER, wrap_key(self.master_key, key)), self._keys(key)
        if scope is KeyScope.ONE_PASS:
            return self._one_pass(head)
        if scope is KeyScope.STATIC:
            return AgreedKey(STATIC_UNIFIED, b""), self._keys(self._static(head))
        raise LocalProtocolError(f"a {scope.value} key does not come with its APDU")

    def _one_pass(self, head: Head) -> tuple[KeyInfo, EncryptionKeys]:
        suite, pairs = SUITES[self.suite], self.pairs
        if pairs.signing_key is None or pairs.peer_agreement_key is None:
            raise LocalProtocolError("the one-pass scheme needs our signing key and the peer's key agreement key")
        curve = curve_of_suite(suite)
        ephemeral = private_key_from_entropy(curve, self.octets(curve.entropy_octets))
        secret = shared_secret(ephemeral, pairs.peer_agreement_key)
        key = derive_key(suite, secret, head.originator, head.recipient)
        return AgreedKey(ONE_PASS, signed_public_key(ephemeral, pairs.signing_key)), self._keys(key)

    def _static(self, head: Head) -> bytes:
        """The same on both sides."""
        pairs = self.pairs
        if pairs.agreement_key is None or pairs.peer_agreement_key is None:
            raise LocalProtocolError("the static scheme needs the key agreement keys of both sides")
        secret = shared_secret(pairs.agreement_key, pairs.peer_agreement_key)
        return derive_key(
            SUITES[self.suite], secret, party_u_with_nonce(head.originator, head.transaction_id), head.recipient
        )

    # -- receiving

    def find(self, key_info: KeyInfo, head: Head) -> tuple[KeyScope, EncryptionKeys]:
        """The key that came with an APDU. Raises SecurityError when it must not be believed, or cannot be computed."""
        try:
            if isinstance(key_info, WrappedKey):
                return KeyScope.WRAPPED, self._keys(self._unwrap(key_info))
            if isinstance(key_info, AgreedKey) and key_info.parameters == ONE_PASS:
                return KeyScope.ONE_PASS, self._keys(self._agree(key_info, head))
            if isinstance(key_info, AgreedKey) and key_info.parameters == STATIC_UNIFIED:
                return KeyScope.STATIC, self._keys(self._static(head))
        except LocalProtocolError as error:
            raise SecurityError(f"the key of this APDU cannot be found: {error.message}") from None
        raise SecurityError("the key of this APDU is given in a way that is not known")

    def _unwrap(self, key_info: WrappedKey) -> bytes:
        if key_info.kek_id != KEK_MASTER or not self.master_key:
            raise SecurityError("the key of this APDU is wrapped with a key that is not here")
        key = unwrap_key(self.master_key, key_info.wrapped)
        if len(key) != SUITES[self.suite].key_octets:
            raise SecurityError(f"the wrapped key has {len(key)} octets, which suite {self.suite} has not")
        return key

    def _agree(self, key_info: AgreedKey, head: Head) -> bytes:
        suite, pairs = SUITES[self.suite], self.pairs
        if pairs.agreement_key is None or pairs.peer_signing_key is None:
            raise SecurityError("the one-pass scheme needs our key agreement key and the peer's signing key")
        ephemeral = check_signed_public_key(key_info.ciphered, curve_of_suite(suite), pairs.peer_signing_key)
        return derive_key(suite, shared_secret(pairs.agreement_key, ephemeral), head.originator, head.recipient)

    def accept(self, mark: bytes, counter: int) -> None:
        """Take `counter` under the key with this mark, or raise InvocationCounterError. mark: the key's own octets."""
        window = self._windows.get(mark)
        if window is None:
            window = self._windows[mark] = ReplayWindow()
            if len(self._windows) > KEYS_REMEMBERED_MAX:
                self._windows.popitem(last=False)
        window.accept(counter)

    def _keys(self, key: bytes) -> EncryptionKeys:
        return EncryptionKeys(key, self.authentication_key)

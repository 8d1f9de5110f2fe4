"""Sealing and opening one APDU with AES-GCM. Stateless; counters are arguments.

Sealed octets are SC(1) | IC(4) | content | tag(12). The nonce is the sender's system title and the counter; what is
authenticated besides the content is SC and the authentication key.

Tags have 12 octets, while the one-shot `AESGCM.decrypt` takes 16 and the streaming cipher, which takes 12, costs more.
So opening runs the one-shot twice: GCM encrypts by adding a key stream, hence encrypting the ciphertext gives the
plaintext, and encrypting that gives the tag to compare. The plaintext is handed out only after the comparison.

Source: docs/protocols/dlms-application.md §5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hes.dlms.security.control import (
    AUTHENTICATED_BIT,
    COMPRESSED_BIT,
    ENCRYPTED_BIT,
    HEADER_OCTETS,
    INVOCATION_COUNTER_MAX,
    SUITE_MASK,
    SUITES,
    SYSTEM_TITLE_OCTETS,
    TAG_OCTETS,
    SecurityControl,
)
from hes.dlms.security.errors import SecurityError
from hes.dlms.xdlms.common import Octets
from hes.errors import LocalProtocolError

_GCM_TAG_OCTETS = 16
_TAG_END = TAG_OCTETS - _GCM_TAG_OCTETS


class _Context(NamedTuple):
    """One key under one security control. encrypt: (nonce, octets, associated) -> ciphertext and 16 octets of tag."""

    control: SecurityControl
    encrypt: Callable[[bytes, bytes, bytes | None], bytes]
    associated: bytes

    def __repr__(self) -> str:
        return f"_Context({self.control!r})"


@dataclass(frozen=True, slots=True)
class EncryptionKeys:
    """A block cipher key and the authentication key that goes with it (GUEK and GAK, dedicated key and GAK, ...).

    Its repr shows nothing. The expanded key is made once, at first use, so share one object per key pair.
    """

    encryption: bytes = field(repr=False)
    authentication: bytes = field(repr=False)
    _contexts: dict[int, _Context] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        lengths = len(self.encryption), len(self.authentication)
        if lengths not in ((16, 16), (32, 32)):
            raise LocalProtocolError(f"encryption and authentication key have {lengths} octets; both need 16, or 32")

    def known(self, control: int) -> _Context | None:
        """What was made for this security control before."""
        return self._contexts.get(control)

    def context(self, control: int) -> _Context | str:
        """What sealing and opening under this security control need, or a sentence on why it cannot be."""
        context = self._contexts.get(control)
        return self._build(control) if context is None else context

    def _build(self, control: int) -> _Context | str:
        suite = SUITES.get(control & SUITE_MASK)
        if suite is None:
            return f"security suite {control & SUITE_MASK} is not supported, only {', '.join(map(str, SUITES))}"
        if not control & (AUTHENTICATED_BIT | ENCRYPTED_BIT):
            return f"security control {control:02X} neither authenticates nor encrypts"
        if control & COMPRESSED_BIT:
            return "the APDU is compressed; compression (V.44) is not built"
        if len(self.encryption) != suite.key_octets or len(self.authentication) != suite.key_octets:
            return f"security suite {suite.number} takes keys of {suite.key_octets} octets, these have others"
        known = next(iter(self._contexts.values()), None)
        encrypt = AESGCM(self.encryption).encrypt if known is None else known.encrypt
        context = _Context(SecurityControl(control), encrypt, bytes((control,)) + self.authentication)
        self._contexts[control] = context
        return context


def seal(
    control: int,
    keys: EncryptionKeys,
    system_title: bytes,
    invocation_counter: int,
    plaintext: bytes,
    header: bytes = b"",
) -> bytes:
    """SC | IC | content | tag for `plaintext`, as `control` says; system_title: 8 octets of the sender.

    header: what general-ciphering authenticates besides, the fields before its key-info.

    Raises LocalProtocolError for a suite that is not built, keys of another length, or a counter that is used up.
    """
    context = keys.known(control)
    if context is None or len(system_title) != SYSTEM_TITLE_OCTETS:
        context = sealing_context(control, keys, system_title)
    counter = counter_octets(invocation_counter)
    nonce = system_title + counter
    head = context.associated[:1] + counter
    if not control & AUTHENTICATED_BIT:
        return head + context.encrypt(nonce, plaintext, None)[:-_GCM_TAG_OCTETS]
    associated = context.associated + header if header else context.associated
    if control & ENCRYPTED_BIT:
        return head + context.encrypt(nonce, plaintext, associated)[:_TAG_END]
    return head + plaintext + context.encrypt(nonce, b"", associated + plaintext)[:_TAG_END]


def sealing_context(control: int, keys: EncryptionKeys, system_title: bytes) -> _Context:
    context = keys.context(control) if 0 <= control <= 0xFF else f"security control {control} is no octet"
    if isinstance(context, str):
        raise LocalProtocolError(context)
    if len(system_title) != SYSTEM_TITLE_OCTETS:
        raise LocalProtocolError(f"a system title has {SYSTEM_TITLE_OCTETS} octets, this has {len(system_title)}")
    return context


def counter_octets(invocation_counter: int) -> bytes:
    if not 0 <= invocation_counter < INVOCATION_COUNTER_MAX:
        raise LocalProtocolError(
            f"invocation counter {invocation_counter} is outside 0..{INVOCATION_COUNTER_MAX - 1}; "
            "when it has run out the key must be changed"
        )
    return invocation_counter.to_bytes(4, "big")


def unseal(
    octets: Octets, keys: EncryptionKeys, system_title: bytes, header: bytes = b""
) -> tuple[SecurityControl, int, bytes]:
    """Open SC | IC | content | tag; system_title: of the sender. header: see `seal`.

    Returns control, counter and plaintext.

    Raises SecurityError (a RemoteProtocolError) when the tag is wrong or the protection is one that is not supported.
    The counter is authenticated when the control says so, and judged by nobody here (see ciphering.ReplayWindow).
    """
    if not isinstance(octets, bytes):
        octets = bytes(octets)
    if len(octets) < HEADER_OCTETS:
        raise SecurityError(f"a protected APDU has a head of {HEADER_OCTETS} octets, this has {len(octets)}")
    context = keys.known(octets[0])
    if context is None or len(system_title) != SYSTEM_TITLE_OCTETS:
        context = opening_context(octets[0], keys, system_title)
    control, encrypt, associated = context
    counter = octets[1:HEADER_OCTETS]
    nonce = system_title + counter
    if not control & AUTHENTICATED_BIT:
        plaintext = encrypt(nonce, octets[HEADER_OCTETS:], None)[:-_GCM_TAG_OCTETS]
        return control, int.from_bytes(counter, "big"), plaintext
    if len(octets) < HEADER_OCTETS + TAG_OCTETS:
        raise SecurityError(f"an authenticated APDU ends with a tag of {TAG_OCTETS} octets", octet_offset=HEADER_OCTETS)
    if header:
        associated += header
    plaintext = octets[HEADER_OCTETS:-TAG_OCTETS]
    if control & ENCRYPTED_BIT:
        plaintext = encrypt(nonce, plaintext, None)[:-_GCM_TAG_OCTETS]
        sealed = encrypt(nonce, plaintext, associated)
    else:
        sealed = encrypt(nonce, b"", associated + plaintext)
    if not compare_digest(sealed[-_GCM_TAG_OCTETS:_TAG_END], octets[-TAG_OCTETS:]):
        raise SecurityError("the authentication tag is wrong: other keys, another system title, or altered octets")
    return control, int.from_bytes(counter, "big"), plaintext


def opening_context(control: int, keys: EncryptionKeys, system_title: bytes) -> _Context:
    context = keys.context(control)
    if isinstance(context, str):
        raise SecurityError(context, octet_offset=0)
    if len(system_title) != SYSTEM_TITLE_OCTETS:
        raise SecurityError(f"the sender's system title has {len(system_title)} octets, not {SYSTEM_TITLE_OCTETS}")
    return context

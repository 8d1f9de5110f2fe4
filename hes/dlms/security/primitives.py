"""Ciphering primitives: sealing and opening one APDU, the HLS proof, key wrap. Stateless; counters are arguments.

Sealed octets are SC(1) | IC(4) | content | tag(12). The nonce is the sender's system title and the counter; what is
authenticated besides the content is SC and the authentication key.

Tags have 12 octets, while the one-shot `AESGCM.decrypt` takes 16 and the streaming cipher, which takes 12, costs more.
So opening runs the one-shot twice: GCM encrypts by adding a key stream, hence encrypting the ciphertext gives the
plaintext, and encrypting that gives the tag to compare. The plaintext is handed out only after the comparison.

Suites are rows of SUITES: suite 0 is built, a further one is a further row.

Source: docs/protocols/dlms-application.md §5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from hes.dlms.codes import Mechanism
from hes.dlms.xdlms.common import Octets
from hes.errors import LocalProtocolError, RemoteProtocolError

SYSTEM_TITLE_OCTETS: Final = 8
TAG_OCTETS: Final = 12
HEADER_OCTETS: Final = 5
# no APDU is sealed with the highest counter: at that value the key is used up
INVOCATION_COUNTER_MAX: Final = 0xFFFF_FFFF
CHALLENGE_OCTETS_MIN: Final = 8
CHALLENGE_OCTETS_MAX: Final = 64

_GCM_TAG_OCTETS = 16
_TAG_END = TAG_OCTETS - _GCM_TAG_OCTETS
_SUITE_MASK = 0x0F
_AUTHENTICATED = 0x10
_ENCRYPTED = 0x20
_BROADCAST = 0x40
_COMPRESSED = 0x80


class SecurityError(RemoteProtocolError):
    """A protected APDU that must not be believed: wrong tag, key, suite or system title. Nothing in it says a key."""


class InvocationCounterError(SecurityError):
    """The counter is not above the last one verified. `expected`: the lowest that would be taken; `received`: it."""

    def __init__(self, *, expected: int, received: int) -> None:
        super().__init__(
            f"invocation counter {received} was used before; {expected} or more is expected",
            expected=expected,
            received=received,
        )
        self.expected = expected
        self.received = received


@dataclass(frozen=True, slots=True)
class Suite:
    """What a security suite prescribes for ciphering. key_octets: of encryption, authentication and master key."""

    number: int
    name: str
    key_octets: int


SUITES: Final[dict[int, Suite]] = {0: Suite(0, "AES-GCM-128", 16)}


class SecurityControl(int):
    """The security control octet: suite in bits 3..0, then authenticated, encrypted, broadcast, compressed."""

    __slots__ = ()

    @classmethod
    def of(
        cls, *, suite: int = 0, authenticated: bool = True, encrypted: bool = True, broadcast: bool = False
    ) -> SecurityControl:
        bits = authenticated * _AUTHENTICATED | encrypted * _ENCRYPTED | broadcast * _BROADCAST
        return cls(suite & _SUITE_MASK | bits)

    @property
    def suite(self) -> int:
        return self & _SUITE_MASK

    @property
    def authenticated(self) -> bool:
        return self & _AUTHENTICATED != 0

    @property
    def encrypted(self) -> bool:
        return self & _ENCRYPTED != 0

    @property
    def broadcast(self) -> bool:
        return self & _BROADCAST != 0

    @property
    def compressed(self) -> bool:
        return self & _COMPRESSED != 0

    def covers(self, required: SecurityControl) -> bool:
        """True when this protects at least as `required` does (authentication and encryption)."""
        wanted = required & (_AUTHENTICATED | _ENCRYPTED)
        return self & wanted == wanted

    def __repr__(self) -> str:
        return f"SecurityControl(0x{int(self):02X})"


AUTHENTICATED: Final = SecurityControl(_AUTHENTICATED)
ENCRYPTED: Final = SecurityControl(_ENCRYPTED)
AUTHENTICATED_ENCRYPTED: Final = SecurityControl(_AUTHENTICATED | _ENCRYPTED)


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

    def context(self, control: int) -> _Context | str:
        """What sealing and opening under this security control need, or a sentence on why it cannot be."""
        context = self._contexts.get(control)
        return self._build(control) if context is None else context

    def _build(self, control: int) -> _Context | str:
        suite = SUITES.get(control & _SUITE_MASK)
        if suite is None:
            return f"security suite {control & _SUITE_MASK} is not supported, only {', '.join(map(str, SUITES))}"
        if not control & (_AUTHENTICATED | _ENCRYPTED):
            return f"security control {control:02X} neither authenticates nor encrypts"
        if control & _COMPRESSED:
            return "compressed APDUs are not supported"
        if len(self.encryption) != suite.key_octets or len(self.authentication) != suite.key_octets:
            return f"security suite {suite.number} takes keys of {suite.key_octets} octets, these have others"
        known = next(iter(self._contexts.values()), None)
        encrypt = AESGCM(self.encryption).encrypt if known is None else known.encrypt
        context = _Context(SecurityControl(control), encrypt, bytes((control,)) + self.authentication)
        self._contexts[control] = context
        return context


# -- sealing and opening ---------------------------------------------------------------------------------------------


def seal(control: int, keys: EncryptionKeys, system_title: bytes, invocation_counter: int, plaintext: bytes) -> bytes:
    """SC | IC | content | tag for `plaintext`, as `control` says; system_title: 8 octets of the sender.

    Raises LocalProtocolError for a suite that is not built, keys of another length, or a counter that is used up.
    """
    context = _sealing_context(control, keys, system_title)
    counter = _counter_octets(invocation_counter)
    nonce = system_title + counter
    header = context.associated[:1] + counter
    if not control & _AUTHENTICATED:
        return header + context.encrypt(nonce, plaintext, None)[:-_GCM_TAG_OCTETS]
    if control & _ENCRYPTED:
        return header + context.encrypt(nonce, plaintext, context.associated)[:_TAG_END]
    return header + plaintext + context.encrypt(nonce, b"", context.associated + plaintext)[:_TAG_END]


def _sealing_context(control: int, keys: EncryptionKeys, system_title: bytes) -> _Context:
    context = keys.context(control) if 0 <= control <= 0xFF else f"security control {control} is no octet"
    if isinstance(context, str):
        raise LocalProtocolError(context)
    if len(system_title) != SYSTEM_TITLE_OCTETS:
        raise LocalProtocolError(f"a system title has {SYSTEM_TITLE_OCTETS} octets, this has {len(system_title)}")
    return context


def _counter_octets(invocation_counter: int) -> bytes:
    if not 0 <= invocation_counter < INVOCATION_COUNTER_MAX:
        raise LocalProtocolError(
            f"invocation counter {invocation_counter} is outside 0..{INVOCATION_COUNTER_MAX - 1}; "
            "when it has run out the key must be changed"
        )
    return invocation_counter.to_bytes(4, "big")


def unseal(octets: Octets, keys: EncryptionKeys, system_title: bytes) -> tuple[SecurityControl, int, bytes]:
    """Open SC | IC | content | tag; system_title: of the sender. Returns control, counter and plaintext.

    Raises SecurityError (a RemoteProtocolError) when the tag is wrong or the protection is one that is not supported.
    The counter is authenticated when the control says so, and judged by nobody here (see ciphering.ReplayWindow).
    """
    if not isinstance(octets, bytes):
        octets = bytes(octets)
    if len(octets) < HEADER_OCTETS:
        raise SecurityError(f"a protected APDU has a head of {HEADER_OCTETS} octets, this has {len(octets)}")
    control, encrypt, associated = _opening_context(octets[0], keys, system_title)
    counter = octets[1:HEADER_OCTETS]
    nonce = system_title + counter
    if not control & _AUTHENTICATED:
        plaintext = encrypt(nonce, octets[HEADER_OCTETS:], None)[:-_GCM_TAG_OCTETS]
        return control, int.from_bytes(counter, "big"), plaintext
    if len(octets) < HEADER_OCTETS + TAG_OCTETS:
        raise SecurityError(f"an authenticated APDU ends with a tag of {TAG_OCTETS} octets", octet_offset=HEADER_OCTETS)
    plaintext = octets[HEADER_OCTETS:-TAG_OCTETS]
    if control & _ENCRYPTED:
        plaintext = encrypt(nonce, plaintext, None)[:-_GCM_TAG_OCTETS]
        sealed = encrypt(nonce, plaintext, associated)
    else:
        sealed = encrypt(nonce, b"", associated + plaintext)
    if not compare_digest(sealed[-_GCM_TAG_OCTETS:_TAG_END], octets[-TAG_OCTETS:]):
        raise SecurityError("the authentication tag is wrong: other keys, another system title, or altered octets")
    return control, int.from_bytes(counter, "big"), plaintext


def _opening_context(control: int, keys: EncryptionKeys, system_title: bytes) -> _Context:
    context = keys.context(control)
    if isinstance(context, str):
        raise SecurityError(context, octet_offset=0)
    if len(system_title) != SYSTEM_TITLE_OCTETS:
        raise SecurityError(f"the sender's system title has {len(system_title)} octets, not {SYSTEM_TITLE_OCTETS}")
    return context


# -- high level security ---------------------------------------------------------------------------------------------


def gmac_challenge(
    keys: EncryptionKeys, system_title: bytes, invocation_counter: int, challenge: bytes, *, suite: int = 0
) -> bytes:
    """SC | IC | tag: the sender's proof (HLS mechanism 5) for the other side's `challenge` of 8 to 64 octets."""
    _check_challenge(challenge)
    context = _sealing_context(suite | _AUTHENTICATED, keys, system_title)
    counter = _counter_octets(invocation_counter)
    tag = context.encrypt(system_title + counter, b"", context.associated + challenge)[:TAG_OCTETS]
    return context.associated[:1] + counter + tag


def check_gmac_challenge(octets: Octets, keys: EncryptionKeys, system_title: bytes, challenge: bytes) -> int:
    """The counter inside the proof `octets` (SC | IC | tag) of the sender with `system_title`.

    Raises SecurityError unless it proves knowledge of the keys for `challenge`. The counter moves no window.
    """
    octets = bytes(octets)
    if len(octets) != HEADER_OCTETS + TAG_OCTETS:
        raise SecurityError(f"an HLS-GMAC proof has {HEADER_OCTETS + TAG_OCTETS} octets, this has {len(octets)}")
    if octets[0] & ~_SUITE_MASK != _AUTHENTICATED:
        raise SecurityError(f"an HLS-GMAC proof is authenticated only, control is {octets[0]:02X}", octet_offset=0)
    context = _opening_context(octets[0], keys, system_title)
    counter = octets[1:HEADER_OCTETS]
    expected = context.encrypt(system_title + counter, b"", context.associated + challenge)[:TAG_OCTETS]
    if not compare_digest(expected, octets[HEADER_OCTETS:]):
        raise SecurityError("the HLS proof is wrong: other keys, another system title or another challenge")
    return int.from_bytes(counter, "big")


def _check_challenge(challenge: bytes) -> None:
    if not CHALLENGE_OCTETS_MIN <= len(challenge) <= CHALLENGE_OCTETS_MAX:
        raise LocalProtocolError(
            f"a challenge has {CHALLENGE_OCTETS_MIN} to {CHALLENGE_OCTETS_MAX} octets, this has {len(challenge)}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HlsInputs:
    """Everything a mechanism may mix into the proof of one side ("prover") to the other ("verifier").

    challenge: the one the verifier sent. own_challenge: the one the prover sent.
    """

    keys: EncryptionKeys
    system_title: bytes
    challenge: bytes
    invocation_counter: int = 0
    peer_system_title: bytes = b""
    own_challenge: bytes = b""
    secret: bytes = field(default=b"", repr=False)


def _prove_gmac(inputs: HlsInputs) -> bytes:
    return gmac_challenge(inputs.keys, inputs.system_title, inputs.invocation_counter, inputs.challenge)


def _check_gmac(octets: Octets, inputs: HlsInputs) -> int | None:
    return check_gmac_challenge(octets, inputs.keys, inputs.system_title, inputs.challenge)


HLS_PROOFS: Final[dict[Mechanism, Callable[[HlsInputs], bytes]]] = {Mechanism.HLS_GMAC: _prove_gmac}
HLS_CHECKS: Final[dict[Mechanism, Callable[[Octets, HlsInputs], int | None]]] = {Mechanism.HLS_GMAC: _check_gmac}


def hls_response(mechanism: Mechanism, inputs: HlsInputs) -> bytes:
    """What the prover sends in pass 3 (client) or 4 (server). Raises LocalProtocolError when it is not built."""
    prove = HLS_PROOFS.get(mechanism)
    if prove is None:
        raise LocalProtocolError(
            f"authentication mechanism {mechanism.name} is not supported", mechanism=int(mechanism)
        )
    return prove(inputs)


def check_hls_response(mechanism: Mechanism, octets: Octets, inputs: HlsInputs) -> int | None:
    """Verify pass 3 or 4 from the prover's side of `inputs`. Returns the counter in it where there is one.

    Raises SecurityError for a wrong proof, LocalProtocolError when the mechanism is not built.
    """
    check = HLS_CHECKS.get(mechanism)
    if check is None:
        raise LocalProtocolError(
            f"authentication mechanism {mechanism.name} is not supported", mechanism=int(mechanism)
        )
    return check(octets, inputs)


# -- key wrap --------------------------------------------------------------------------------------------------------


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

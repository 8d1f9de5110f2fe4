"""High level security: what each side sends in passes 3 and 4 to prove itself, and how the other checks it.

A proof is made by a "prover" for a challenge that the "verifier" sent. `HlsInputs` holds all that any mechanism mixes,
seen from the prover; both roles fill it, once as prover and once, with the places changed, as verifier. Mechanisms are
rows of HLS_PROOFS and HLS_CHECKS.

Source: docs/protocols/dlms-application.md §5 (high level security).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Final

from hes.dlms.codes import Mechanism
from hes.dlms.security.control import AUTHENTICATED_BIT, HEADER_OCTETS, SUITE_MASK, TAG_OCTETS
from hes.dlms.security.curves import PrivateKey, PublicKey
from hes.dlms.security.errors import SecurityError
from hes.dlms.security.gcm import EncryptionKeys, counter_octets, opening_context, sealing_context
from hes.dlms.security.signatures import sign, verify
from hes.dlms.xdlms.common import Octets
from hes.errors import LocalProtocolError

CHALLENGE_OCTETS_MIN: Final = 8
CHALLENGE_OCTETS_MAX: Final = 64
CHALLENGE_OCTETS_MIN_OF: Final = {Mechanism.HLS_ECDSA: 32}
"""Where a mechanism wants more than the others. Source: docs/protocols/dlms-application.md §5."""
TITLED: Final = frozenset({Mechanism.HLS_GMAC, Mechanism.HLS_SHA256, Mechanism.HLS_ECDSA})
"""Mechanisms whose proofs are made with both system titles."""
SECRET: Final = frozenset({Mechanism.HLS_MD5, Mechanism.HLS_SHA1, Mechanism.HLS_SHA256})
"""Mechanisms whose proofs are made with the HLS secret."""


def challenge_octets_min(mechanism: Mechanism) -> int:
    return CHALLENGE_OCTETS_MIN_OF.get(mechanism, CHALLENGE_OCTETS_MIN)


def gmac_challenge(
    keys: EncryptionKeys, system_title: bytes, invocation_counter: int, challenge: bytes, *, suite: int = 0
) -> bytes:
    """SC | IC | tag: the sender's proof (HLS mechanism 5) for the other side's `challenge` of 8 to 64 octets."""
    if not CHALLENGE_OCTETS_MIN <= len(challenge) <= CHALLENGE_OCTETS_MAX:
        raise LocalProtocolError(
            f"a challenge has {CHALLENGE_OCTETS_MIN} to {CHALLENGE_OCTETS_MAX} octets, this has {len(challenge)}"
        )
    _control, encrypt, associated = sealing_context(suite | AUTHENTICATED_BIT, keys, system_title)
    counter = counter_octets(invocation_counter)
    return associated[:1] + counter + encrypt(system_title + counter, b"", associated + challenge)[:TAG_OCTETS]


def check_gmac_challenge(octets: Octets, keys: EncryptionKeys, system_title: bytes, challenge: bytes) -> int:
    """The counter inside the proof `octets` (SC | IC | tag) of the sender with `system_title`.

    Raises SecurityError unless it proves knowledge of the keys for `challenge`. The counter moves no window.
    """
    octets = bytes(octets)
    if len(octets) != HEADER_OCTETS + TAG_OCTETS:
        raise SecurityError(f"an HLS-GMAC proof has {HEADER_OCTETS + TAG_OCTETS} octets, this has {len(octets)}")
    if octets[0] & ~SUITE_MASK != AUTHENTICATED_BIT:
        raise SecurityError(f"an HLS-GMAC proof is authenticated only, control is {octets[0]:02X}", octet_offset=0)
    context = opening_context(octets[0], keys, system_title)
    counter = octets[1:HEADER_OCTETS]
    expected = context.encrypt(system_title + counter, b"", context.associated + challenge)[:TAG_OCTETS]
    if not compare_digest(expected, octets[HEADER_OCTETS:]):
        raise SecurityError("the HLS proof is wrong: other keys, another system title or another challenge")
    return int.from_bytes(counter, "big")


@dataclass(frozen=True, slots=True, kw_only=True)
class HlsInputs:
    """Everything a mechanism may mix into the proof of one side ("prover") to the other ("verifier").

    challenge: the one the verifier sent. own_challenge: the one the prover sent. Titles: 8 octets each, b"" where the
    mechanism does not want them. secret: the HLS secret. keys, suite, take_counter: for GMAC; take_counter gives a
    fresh invocation counter of the prover and is called by the prover alone. signing_key: the prover's, for its own
    proof; public_key: of the prover, for the verifier. manufacturer: gives the proof of mechanism 2.
    """

    challenge: bytes
    own_challenge: bytes = b""
    system_title: bytes = b""
    peer_system_title: bytes = b""
    secret: bytes = field(default=b"", repr=False)
    keys: EncryptionKeys | None = None
    suite: int = 0
    take_counter: Callable[[], int] | None = None
    signing_key: PrivateKey | None = field(default=None, repr=False)
    public_key: PublicKey | None = None
    manufacturer: ManufacturerHls | None = None


ManufacturerHls = Callable[[HlsInputs], bytes]
"""Mechanism 2: the manufacturer's secret way from challenge and secret to a proof, given by whoever knows it."""


def _message(inputs: HlsInputs) -> bytes:
    """Titles and challenges as mechanisms 6 and 7 put them in a row."""
    if not inputs.system_title or not inputs.peer_system_title:
        raise SecurityError("this mechanism needs the system titles of both sides")
    return inputs.system_title + inputs.peer_system_title + inputs.challenge + inputs.own_challenge


def _md5(inputs: HlsInputs) -> bytes:
    return hashlib.md5(inputs.challenge + _secret(inputs), usedforsecurity=False).digest()  # as mechanism 3 says


def _sha1(inputs: HlsInputs) -> bytes:
    return hashlib.sha1(inputs.challenge + _secret(inputs), usedforsecurity=False).digest()  # as mechanism 4 says


def _sha256(inputs: HlsInputs) -> bytes:
    return hashlib.sha256(_secret(inputs) + _message(inputs)).digest()


def _manufacturer(inputs: HlsInputs) -> bytes:
    if inputs.manufacturer is None:
        raise LocalProtocolError("mechanism 2 is the manufacturer's own: give the function that makes its proofs")
    return inputs.manufacturer(inputs)


def _secret(inputs: HlsInputs) -> bytes:
    if not inputs.secret:
        raise LocalProtocolError("this authentication mechanism needs the HLS secret")
    return inputs.secret


def _prove_gmac(inputs: HlsInputs) -> bytes:
    if inputs.keys is None or inputs.take_counter is None:
        raise LocalProtocolError("HLS-GMAC needs keys and an invocation counter")
    return gmac_challenge(inputs.keys, inputs.system_title, inputs.take_counter(), inputs.challenge, suite=inputs.suite)


def _check_gmac(octets: Octets, inputs: HlsInputs) -> int | None:
    if inputs.keys is None:
        raise LocalProtocolError("HLS-GMAC needs keys")
    return _check_gmac_of_suite(octets, inputs.keys, inputs.system_title, inputs.challenge, inputs.suite)


def _check_gmac_of_suite(
    octets: Octets, keys: EncryptionKeys, system_title: bytes, challenge: bytes, suite: int
) -> int | None:
    if len(octets) and octets[0] & SUITE_MASK != suite:
        raise SecurityError(f"an HLS proof of suite {octets[0] & SUITE_MASK} where suite {suite} is in use")
    return check_gmac_challenge(octets, keys, system_title, challenge)


def _prove_ecdsa(inputs: HlsInputs) -> bytes:
    if inputs.signing_key is None:
        raise LocalProtocolError("HLS-ECDSA needs a signing key")
    return sign(inputs.signing_key, _message(inputs))


def _check_ecdsa(octets: Octets, inputs: HlsInputs) -> int | None:
    if inputs.public_key is None:
        raise SecurityError("the signing key of the other side is not known, so its proof cannot be checked")
    verify(inputs.public_key, _message(inputs), octets)
    return None


def _compared(prove: Callable[[HlsInputs], bytes]) -> Callable[[Octets, HlsInputs], int | None]:
    """The check of a mechanism whose proof either side can compute."""

    def check(octets: Octets, inputs: HlsInputs) -> int | None:
        if not compare_digest(prove(inputs), bytes(octets)):
            raise SecurityError("the HLS proof is wrong: another secret, system title or challenge")
        return None

    return check


HLS_PROOFS: Final[dict[Mechanism, Callable[[HlsInputs], bytes]]] = {
    Mechanism.HLS: _manufacturer,
    Mechanism.HLS_MD5: _md5,
    Mechanism.HLS_SHA1: _sha1,
    Mechanism.HLS_GMAC: _prove_gmac,
    Mechanism.HLS_SHA256: _sha256,
    Mechanism.HLS_ECDSA: _prove_ecdsa,
}
HLS_CHECKS: Final[dict[Mechanism, Callable[[Octets, HlsInputs], int | None]]] = {
    Mechanism.HLS: _compared(_manufacturer),
    Mechanism.HLS_MD5: _compared(_md5),
    Mechanism.HLS_SHA1: _compared(_sha1),
    Mechanism.HLS_GMAC: _check_gmac,
    Mechanism.HLS_SHA256: _compared(_sha256),
    Mechanism.HLS_ECDSA: _check_ecdsa,
}


def hls_response(mechanism: Mechanism, inputs: HlsInputs) -> bytes:
    """What the prover sends in pass 3 (client) or 4 (server).

    Raises LocalProtocolError when the mechanism is none of HLS or something that it needs is missing.
    """
    prove = HLS_PROOFS.get(mechanism)
    if prove is None:
        raise LocalProtocolError(f"mechanism {mechanism.name} has no proofs", mechanism=int(mechanism))
    return prove(inputs)


def check_hls_response(mechanism: Mechanism, octets: Octets, inputs: HlsInputs) -> int | None:
    """Verify pass 3 or 4 from the prover's side of `inputs`. Returns the counter in it where there is one.

    Raises SecurityError for a wrong proof, LocalProtocolError as `hls_response` does.
    """
    check = HLS_CHECKS.get(mechanism)
    if check is None:
        raise LocalProtocolError(f"mechanism {mechanism.name} has no proofs", mechanism=int(mechanism))
    return check(octets, inputs)


@dataclass(slots=True, kw_only=True, eq=False)  # not frozen: that costs more than the proof, in each association
class HlsSide:
    """One side's part in passes 3 and 4: it proves itself to the other, and checks the other's proof.

    challenge: the one this side sent, peer_challenge: the one it was sent. The rest: see HlsInputs, which GMAC, the
    mechanism of nearly all, does without.
    """

    mechanism: Mechanism
    challenge: bytes
    peer_challenge: bytes
    system_title: bytes = b""
    peer_system_title: bytes = b""
    secret: bytes = field(default=b"", repr=False)
    keys: EncryptionKeys | None = None
    suite: int = 0
    take_counter: Callable[[], int] | None = None
    signing_key: PrivateKey | None = field(default=None, repr=False)
    peer_public_key: PublicKey | None = None
    manufacturer: ManufacturerHls | None = None

    def proof(self) -> bytes:
        """What this side sends. Raises LocalProtocolError when something that the mechanism needs is missing."""
        if self.mechanism is Mechanism.HLS_GMAC and self.keys is not None and self.take_counter is not None:
            counter = self.take_counter()
            return gmac_challenge(self.keys, self.system_title, counter, self.peer_challenge, suite=self.suite)
        inputs = HlsInputs(
            challenge=self.peer_challenge,
            own_challenge=self.challenge,
            system_title=self.system_title,
            peer_system_title=self.peer_system_title,
            secret=self.secret,
            keys=self.keys,
            suite=self.suite,
            take_counter=self.take_counter,
            signing_key=self.signing_key,
            manufacturer=self.manufacturer,
        )
        return hls_response(self.mechanism, inputs)

    def check(self, octets: Octets) -> int | None:
        """The counter in the other side's proof, None where it has none. Raises SecurityError for a wrong proof."""
        if self.mechanism is Mechanism.HLS_GMAC and self.keys is not None:
            return _check_gmac_of_suite(octets, self.keys, self.peer_system_title, self.challenge, self.suite)
        inputs = HlsInputs(
            challenge=self.challenge,
            own_challenge=self.peer_challenge,
            system_title=self.peer_system_title,
            peer_system_title=self.system_title,
            secret=self.secret,
            keys=self.keys,
            suite=self.suite,
            public_key=self.peer_public_key,
            manufacturer=self.manufacturer,
        )
        return check_hls_response(self.mechanism, octets, inputs)

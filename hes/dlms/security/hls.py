"""High level security: what each side sends in passes 3 and 4 to prove itself, and how the other checks it.

Source: docs/protocols/dlms-application.md §5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Final

from hes.dlms.codes import Mechanism
from hes.dlms.security.control import AUTHENTICATED_BIT, HEADER_OCTETS, SUITE_MASK, TAG_OCTETS
from hes.dlms.security.errors import SecurityError
from hes.dlms.security.gcm import EncryptionKeys, counter_octets, opening_context, sealing_context
from hes.dlms.xdlms.common import Octets
from hes.errors import LocalProtocolError

CHALLENGE_OCTETS_MIN: Final = 8
CHALLENGE_OCTETS_MAX: Final = 64


def gmac_challenge(
    keys: EncryptionKeys, system_title: bytes, invocation_counter: int, challenge: bytes, *, suite: int = 0
) -> bytes:
    """SC | IC | tag: the sender's proof (HLS mechanism 5) for the other side's `challenge` of 8 to 64 octets."""
    _check_challenge(challenge)
    context = sealing_context(suite | AUTHENTICATED_BIT, keys, system_title)
    counter = counter_octets(invocation_counter)
    tag = context.encrypt(system_title + counter, b"", context.associated + challenge)[:TAG_OCTETS]
    return context.associated[:1] + counter + tag


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

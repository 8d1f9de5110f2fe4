"""New keys for a device: the parameters of key_transfer and key_agreement, as both roles make and read them.

A client wraps keys with `transfer_parameters`, or agrees on them: `Agreement.parameters` goes out, `Agreement.keys`
reads the answer. A device reads the same with `keyed_octets` and `answer_agreement`. Nothing here keeps a key.

Source: docs/protocols/dlms-application.md §5 (keys, key agreement).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from hes.dlms import axdr, data
from hes.dlms.data import Data, Tag
from hes.dlms.security.control import SUITES, Suite
from hes.dlms.security.curves import PrivateKey, PublicKey, private_key_from_entropy
from hes.dlms.security.errors import SecurityError
from hes.dlms.security.key_agreement import (
    WRAP_ALGORITHM,
    check_signed_public_key,
    curve_of_suite,
    derive_key,
    shared_secret,
    signed_public_key,
)
from hes.dlms.security.key_wrap import wrap_key

KEY_ENCRYPTION: Final = 0
"""Global unicast encryption key; then the broadcast encryption key, the authentication key and the master key."""
KEY_BROADCAST: Final = 1
KEY_AUTHENTICATION: Final = 2
KEY_MASTER: Final = 3
KEYS_MAX: Final = 4  # elements in one method call: there are four kinds of keys


def _elements(keys: Mapping[int, bytes]) -> Data:
    return data.array([data.structure(data.enum(key_id), data.octets(octets)) for key_id, octets in keys.items()])


def transfer_parameters(master_key: bytes, keys: Mapping[int, bytes]) -> bytes:
    """Encoded parameters of key_transfer: `keys` by key_id, each wrapped."""
    return axdr.encode(_elements({key_id: wrap_key(master_key, key) for key_id, key in keys.items()}))


def keyed_octets(parameters: Data | None) -> dict[int, bytes] | None:
    """Octets by key_id, of a call to either method or its answer; None for another shape or a key named twice."""
    if parameters is None or parameters.tag is not Tag.ARRAY or len(parameters.value) > KEYS_MAX:
        return None
    found: dict[int, bytes] = {}
    for element in parameters.value:
        if element.tag is not Tag.STRUCTURE or len(element.value) != 2:
            return None
        key_id, octets = element.value
        if key_id.tag is not Tag.ENUM or octets.tag is not Tag.OCTET_STRING or key_id.value in found:
            return None
        found[key_id.value] = octets.value
    return found


def _derived(suite: Suite, own: PrivateKey, other: PublicKey, titles: tuple[bytes, bytes], key_id: int) -> bytes:
    """titles: of client and server, parties U and V."""
    algorithm = WRAP_ALGORITHM[suite.key_octets] if key_id == KEY_MASTER else None
    return derive_key(suite, shared_secret(own, other), *titles, algorithm)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """The client's part in key_agreement. signing_key: its own; server_key: the server's signing key."""

    suite: int
    client_title: bytes
    server_title: bytes
    signing_key: PrivateKey = field(repr=False)
    server_key: PublicKey = field(repr=False)
    ephemeral: Mapping[int, PrivateKey] = field(repr=False)

    @classmethod
    def start(
        cls,
        key_ids: Iterable[int],
        entropy: Callable[[int], bytes],
        *,
        suite: int,
        client_title: bytes,
        server_title: bytes,
        signing_key: PrivateKey,
        server_key: PublicKey,
    ) -> Agreement:
        """entropy: count -> that many fresh octets."""
        curve = curve_of_suite(SUITES[suite])
        return cls(
            suite=suite,
            client_title=client_title,
            server_title=server_title,
            signing_key=signing_key,
            server_key=server_key,
            ephemeral={id_: private_key_from_entropy(curve, entropy(curve.entropy_octets)) for id_ in key_ids},
        )

    def parameters(self) -> bytes:
        """Encoded parameters of the method."""
        sent = {
            key_id: signed_public_key(key, self.signing_key, prefix=bytes((key_id,)))
            for key_id, key in self.ephemeral.items()
        }
        return axdr.encode(_elements(sent))

    def keys(self, returned: bytes) -> dict[int, bytes]:
        """The agreed keys by key_id. returned: encoded return parameters. Raises RemoteProtocolError, SecurityError."""
        answers = keyed_octets(axdr.decode_all(returned))
        if answers is None or answers.keys() != self.ephemeral.keys():
            raise SecurityError("the device did not answer for the keys that were proposed")
        suite, titles = SUITES[self.suite], (self.client_title, self.server_title)
        agreed = {}
        for key_id, octets in answers.items():
            prefix = bytes((key_id,))
            other = check_signed_public_key(octets, curve_of_suite(suite), self.server_key, prefix=prefix)
            agreed[key_id] = _derived(suite, self.ephemeral[key_id], other, titles, key_id)
        return agreed


def answer_agreement(
    proposed: Mapping[int, bytes],
    entropy: Callable[[int], bytes],
    *,
    suite: int,
    client_title: bytes,
    server_title: bytes,
    signing_key: PrivateKey,
    client_key: PublicKey,
) -> tuple[dict[int, bytes], bytes]:
    """The device's part: the agreed keys by key_id, and the encoded return parameters. Raises SecurityError."""
    row, curve = SUITES[suite], curve_of_suite(SUITES[suite])
    agreed, answers = {}, {}
    for key_id, octets in proposed.items():
        prefix = bytes((key_id,))
        other = check_signed_public_key(octets, curve, client_key, prefix=prefix)
        ephemeral = private_key_from_entropy(curve, entropy(curve.entropy_octets))
        agreed[key_id] = _derived(row, ephemeral, other, (client_title, server_title), key_id)
        answers[key_id] = signed_public_key(ephemeral, signing_key, prefix=prefix)
    return agreed, axdr.encode(_elements(answers))

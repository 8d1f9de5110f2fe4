"""What a device remembers about keys and counters, across associations and power cycles.

A `Server` object lives as long as its associations; counters and keys live with the instance. The server sees them
through the `SecurityState` port; `SecurityMemory` is the implementation for devices that keep them in memory.

One security setup (0.0.43.E) is one pair of global keys with one counter for sending and one for receiving, whoever
the client is: docs/protocols/dlms-application.md §5 counts per key and direction, and clients that share a key share
its counter [A].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from hes.dlms.cosem.access import SecurityPolicy
from hes.dlms.security import EncryptionKeys


class SecurityState(Protocol):
    """Keys, secrets and counters of one device. `setup` is the E of 0.0.43.E."""

    @property
    def system_title(self) -> bytes:
        """8 octets."""
        ...

    def secret(self, client_sap: int) -> bytes:
        """LLS password of that client, b"" when it has none."""
        ...

    def keys(self, setup: int) -> EncryptionKeys | None:
        """Global keys now in force; None when the setup has none."""
        ...

    def master_key(self, setup: int) -> bytes:
        """Key that wraps new keys, b"" when there is none."""
        ...

    def policy(self, setup: int) -> SecurityPolicy:
        """What every APDU under this setup must carry."""
        ...

    def raise_policy(self, setup: int, policy: SecurityPolicy) -> None:
        """Keep a stronger policy."""
        ...

    def replace_keys(self, setup: int, *, encryption: bytes | None, authentication: bytes | None) -> None:
        """Keep new keys (None: unchanged). A new encryption key starts both counters again at 0."""
        ...

    def take_send_counter(self, setup: int) -> int:
        """A counter never used before with this key."""
        ...

    def receive_counter(self, setup: int) -> int:
        """The lowest counter that is still acceptable."""
        ...

    def advance_receive_counter(self, setup: int, lowest: int) -> None:
        """Everything below `lowest` has been used up."""
        ...


@dataclass(slots=True)
class _Setup:
    keys: EncryptionKeys
    master_key: bytes = field(default=b"", repr=False)
    policy: SecurityPolicy = SecurityPolicy.NONE
    send_counter: int = 0
    receive_counter: int = 0


@dataclass(slots=True, kw_only=True)
class SecurityMemory:
    """`SecurityState` in memory: any number of setups, added with `add_setup`."""

    system_title: bytes
    secrets: Mapping[int, bytes] = field(default_factory=dict, repr=False)
    _setups: dict[int, _Setup] = field(default_factory=dict, repr=False)

    def add_setup(
        self,
        setup: int,
        keys: EncryptionKeys,
        *,
        master_key: bytes = b"",
        policy: SecurityPolicy = SecurityPolicy.NONE,
        send_counter: int = 0,
        receive_counter: int = 0,
    ) -> None:
        """send_counter: the next to use. receive_counter: the lowest acceptable."""
        self._setups[setup] = _Setup(keys, master_key, policy, send_counter, receive_counter)

    def secret(self, client_sap: int) -> bytes:
        return self.secrets.get(client_sap, b"")

    def keys(self, setup: int) -> EncryptionKeys | None:
        found = self._setups.get(setup)
        return None if found is None else found.keys

    def master_key(self, setup: int) -> bytes:
        return self._setups[setup].master_key

    def policy(self, setup: int) -> SecurityPolicy:
        return self._setups[setup].policy

    def raise_policy(self, setup: int, policy: SecurityPolicy) -> None:
        self._setups[setup].policy |= policy

    def replace_keys(self, setup: int, *, encryption: bytes | None, authentication: bytes | None) -> None:
        found = self._setups[setup]
        found.keys = EncryptionKeys(encryption or found.keys.encryption, authentication or found.keys.authentication)
        if encryption is not None:
            found.send_counter = found.receive_counter = 0

    def take_send_counter(self, setup: int) -> int:
        found = self._setups[setup]
        counter = found.send_counter
        found.send_counter = counter + 1
        return counter

    def receive_counter(self, setup: int) -> int:
        return self._setups[setup].receive_counter

    def advance_receive_counter(self, setup: int, lowest: int) -> None:
        self._setups[setup].receive_counter = lowest

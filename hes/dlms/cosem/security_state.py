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
from hes.dlms.cosem.key_store import KeyStore
from hes.dlms.security import EncryptionKeys


class SecurityState(Protocol):
    """Keys, secrets and counters of one device. `setup` is the E of 0.0.43.E."""

    @property
    def system_title(self) -> bytes:
        """8 octets."""
        ...

    def secret(self, client_sap: int) -> bytes:
        """LLS password or HLS secret of that client, b"" when it has none."""
        ...

    def change_secret(self, client_sap: int, secret: bytes) -> None:
        """Keep a new password or HLS secret for that client."""
        ...

    def users(self, client_sap: int) -> Mapping[int, str]:
        """Users of that client by id; where there are any, an association has to name one of them."""
        ...

    def change_users(self, client_sap: int, users: Mapping[int, str]) -> None:
        """Keep another list of users."""
        ...

    def suite(self, setup: int) -> int:
        """Security suite of the setup: 0, 1 or 2."""
        ...

    def key_store(self, setup: int) -> KeyStore | None:
        """Key pairs and certificates of suites 1 and 2; None where the setup has none."""
        ...

    def client_title(self, setup: int) -> bytes:
        """System title of the client that last had an association under the setup; b"" when none has said one."""
        ...

    def note_client(self, setup: int, system_title: bytes) -> None:
        """That client has an association under the setup now."""
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

    def broadcast_keys(self, setup: int) -> EncryptionKeys | None:
        """The key that many devices share, with the authentication key; None when the setup has none."""
        ...

    def replace_keys(
        self,
        setup: int,
        *,
        encryption: bytes | None,
        authentication: bytes | None,
        broadcast: bytes | None = None,
        master: bytes | None = None,
    ) -> None:
        """Keep new keys, all or none (None: unchanged). A new encryption or broadcast key starts its counters at 0."""
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

    def broadcast_counter(self, setup: int) -> int:
        """The lowest counter that is still acceptable under the broadcast key."""
        ...

    def advance_broadcast_counter(self, setup: int, lowest: int) -> None:
        """Everything below `lowest` has been used up under the broadcast key."""
        ...


@dataclass(slots=True)
class _Setup:
    keys: EncryptionKeys
    master_key: bytes = field(default=b"", repr=False)
    policy: SecurityPolicy = SecurityPolicy.NONE
    send_counter: int = 0
    receive_counter: int = 0
    suite: int = 0
    broadcast_keys: EncryptionKeys | None = None
    broadcast_counter: int = 0
    key_store: KeyStore | None = None
    client_title: bytes = b""


@dataclass(slots=True, kw_only=True)
class SecurityMemory:
    """`SecurityState` in memory: any number of setups, added with `add_setup`."""

    system_title: bytes
    secrets: Mapping[int, bytes] = field(default_factory=dict, repr=False)
    client_users: Mapping[int, Mapping[int, str]] = field(default_factory=dict)
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
        suite: int = 0,
        broadcast_key: bytes = b"",
        key_store: KeyStore | None = None,
    ) -> None:
        """send_counter: the next to use. receive_counter: the lowest acceptable."""
        self._setups[setup] = _Setup(
            keys,
            master_key,
            policy,
            send_counter,
            receive_counter,
            suite,
            EncryptionKeys(broadcast_key, keys.authentication) if broadcast_key else None,
            key_store=key_store,
        )

    def secret(self, client_sap: int) -> bytes:
        return self.secrets.get(client_sap, b"")

    def change_secret(self, client_sap: int, secret: bytes) -> None:
        self.secrets = {**self.secrets, client_sap: secret}

    def users(self, client_sap: int) -> Mapping[int, str]:
        return self.client_users.get(client_sap, {})

    def change_users(self, client_sap: int, users: Mapping[int, str]) -> None:
        self.client_users = {**self.client_users, client_sap: users}

    def suite(self, setup: int) -> int:
        return self._setups[setup].suite

    def key_store(self, setup: int) -> KeyStore | None:
        found = self._setups.get(setup)
        return None if found is None else found.key_store

    def client_title(self, setup: int) -> bytes:
        return self._setups[setup].client_title

    def note_client(self, setup: int, system_title: bytes) -> None:
        self._setups[setup].client_title = system_title

    def keys(self, setup: int) -> EncryptionKeys | None:
        found = self._setups.get(setup)
        return None if found is None else found.keys

    def master_key(self, setup: int) -> bytes:
        return self._setups[setup].master_key

    def policy(self, setup: int) -> SecurityPolicy:
        return self._setups[setup].policy

    def raise_policy(self, setup: int, policy: SecurityPolicy) -> None:
        self._setups[setup].policy |= policy

    def broadcast_keys(self, setup: int) -> EncryptionKeys | None:
        return self._setups[setup].broadcast_keys

    def replace_keys(
        self,
        setup: int,
        *,
        encryption: bytes | None,
        authentication: bytes | None,
        broadcast: bytes | None = None,
        master: bytes | None = None,
    ) -> None:
        found = self._setups[setup]
        gak = authentication or found.keys.authentication
        unicast = EncryptionKeys(encryption or found.keys.encryption, gak)
        gbek = broadcast or (found.broadcast_keys.encryption if found.broadcast_keys else b"")
        found.broadcast_keys = EncryptionKeys(gbek, gak) if gbek else None
        found.keys = unicast
        found.master_key = master or found.master_key
        if encryption is not None:
            found.send_counter = found.receive_counter = 0
        if broadcast is not None:
            found.broadcast_counter = 0

    def take_send_counter(self, setup: int) -> int:
        found = self._setups[setup]
        counter = found.send_counter
        found.send_counter = counter + 1
        return counter

    def receive_counter(self, setup: int) -> int:
        return self._setups[setup].receive_counter

    def advance_receive_counter(self, setup: int, lowest: int) -> None:
        self._setups[setup].receive_counter = lowest

    def broadcast_counter(self, setup: int) -> int:
        return self._setups[setup].broadcast_counter

    def advance_broadcast_counter(self, setup: int, lowest: int) -> None:
        self._setups[setup].broadcast_counter = lowest

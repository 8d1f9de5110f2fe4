"""What one simulated meter remembers about keys and counters: a few numbers, kept from association to association."""

from __future__ import annotations

from collections.abc import Mapping

from hes.dlms.cosem.access import POLICY_OF_NUMBER, SecurityPolicy
from hes.dlms.cosem.key_store import KeyStore
from hes.dlms.security import EncryptionKeys
from sim.meter import chance
from sim.meter.keys import meter_keys

POLICY_AUTHENTICATED_ENCRYPTED = POLICY_OF_NUMBER[3]


class MeterSecurity:
    """`hes.dlms.cosem.security_state.SecurityState` of a simulated meter with one security setup.

    password_saps: the clients that prove themselves with the password.
    """

    __slots__ = (
        "_broadcast",
        "_broadcast_keys",
        "_challenges",
        "_client",
        "_keys",
        "_master_key",
        "_password_saps",
        "_policy",
        "_receive",
        "_secrets",
        "_seed",
        "_send",
        "_users",
        "system_title",
    )

    def __init__(self, seed: int, system_title: bytes, password_saps: frozenset[int] = frozenset()) -> None:
        self.system_title = system_title
        self._seed = seed
        self._password_saps = password_saps
        self._keys: EncryptionKeys | None = None
        self._policy = POLICY_AUTHENTICATED_ENCRYPTED
        self._send = 0
        self._receive = 0
        self._challenges = 0
        self._client = b""
        self._secrets: dict[int, bytes] = {}
        self._users: dict[int, Mapping[int, str]] = {}
        self._master_key = b""
        self._broadcast_keys: EncryptionKeys | None = None
        self._broadcast = 0

    def secret(self, client_sap: int) -> bytes:
        changed = self._secrets.get(client_sap)
        if changed is not None:
            return changed
        return meter_keys(self._seed, self.system_title).password if client_sap in self._password_saps else b""

    def change_secret(self, client_sap: int, secret: bytes) -> None:
        self._secrets[client_sap] = secret

    def users(self, client_sap: int) -> Mapping[int, str]:
        return self._users.get(client_sap, {})

    def change_users(self, client_sap: int, users: Mapping[int, str]) -> None:
        self._users[client_sap] = users

    def suite(self, setup: int) -> int:
        return 0

    def key_store(self, setup: int) -> KeyStore | None:
        return None

    def client_title(self, setup: int) -> bytes:
        return self._client

    def note_client(self, setup: int, system_title: bytes) -> None:
        self._client = system_title

    def keys(self, setup: int) -> EncryptionKeys | None:
        return self._keys or meter_keys(self._seed, self.system_title).global_keys

    def master_key(self, setup: int) -> bytes:
        return self._master_key or meter_keys(self._seed, self.system_title).master_key

    def policy(self, setup: int) -> SecurityPolicy:
        return self._policy

    def raise_policy(self, setup: int, policy: SecurityPolicy) -> None:
        self._policy |= policy

    def broadcast_keys(self, setup: int) -> EncryptionKeys | None:
        return self._broadcast_keys

    def replace_keys(
        self,
        setup: int,
        *,
        encryption: bytes | None,
        authentication: bytes | None,
        broadcast: bytes | None = None,
        master: bytes | None = None,
    ) -> None:
        present = meter_keys(self._seed, self.system_title).global_keys if self._keys is None else self._keys
        gak = authentication or present.authentication
        self._keys = EncryptionKeys(encryption or present.encryption, gak)
        gbek = broadcast or (self._broadcast_keys.encryption if self._broadcast_keys else b"")
        self._broadcast_keys = EncryptionKeys(gbek, gak) if gbek else None
        self._master_key = master or self._master_key
        if encryption is not None:
            self._send = self._receive = 0
        if broadcast is not None:
            self._broadcast = 0

    def take_send_counter(self, setup: int) -> int:
        counter = self._send
        self._send = counter + 1
        return counter

    def receive_counter(self, setup: int) -> int:
        return self._receive

    def advance_receive_counter(self, setup: int, lowest: int) -> None:
        self._receive = lowest

    def broadcast_counter(self, setup: int) -> int:
        return self._broadcast

    def advance_broadcast_counter(self, setup: int, lowest: int) -> None:
        self._broadcast = lowest

    def challenge(self, entity: bytes, count: int) -> bytes:
        """`count` octets for a challenge: another one every time, the same in every run."""
        self._challenges += 1
        return chance.octets(entity, b"challenge" + self._challenges.to_bytes(8, "big"), count)

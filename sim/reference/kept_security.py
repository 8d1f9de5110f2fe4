"""`SecurityMemory` whose invocation counters outlive the process, in a `CounterFile`. All else is as in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from hes.dlms.cosem.access import SecurityPolicy
from hes.dlms.cosem.key_store import KeyStore
from hes.dlms.cosem.security_state import SecurityMemory
from hes.dlms.security import EncryptionKeys
from sim.counter_file import CounterFile, KeyCounters


@dataclass(slots=True, kw_only=True)
class KeptSecurity(SecurityMemory):
    """Counters go by key: setups under the same key count together. counters: where they are kept."""

    counters: CounterFile
    _unicast: dict[int, KeyCounters] = field(default_factory=dict, repr=False)
    _broadcast: dict[int, KeyCounters] = field(default_factory=dict, repr=False)

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
        SecurityMemory.add_setup(
            self,
            setup,
            keys,
            master_key=master_key,
            policy=policy,
            suite=suite,
            broadcast_key=broadcast_key,
            key_store=key_store,
        )
        self._unicast[setup] = self.counters.of_key(self.system_title, keys.encryption, first=send_counter)
        if broadcast_key:
            self._broadcast[setup] = self.counters.of_key(self.system_title, broadcast_key)

    def replace_keys(
        self,
        setup: int,
        *,
        encryption: bytes | None,
        authentication: bytes | None,
        broadcast: bytes | None = None,
        master: bytes | None = None,
    ) -> None:
        """A key that was here before goes on with its counters. Raises StoreError when there is no room for them."""
        unicast = self._unicast[setup] if encryption is None else self.counters.of_key(self.system_title, encryption)
        if broadcast is not None:
            self._broadcast[setup] = self.counters.of_key(self.system_title, broadcast)
        self._unicast[setup] = unicast
        SecurityMemory.replace_keys(
            self,
            setup,
            encryption=encryption,
            authentication=authentication,
            broadcast=broadcast,
            master=master,
        )

    def take_send_counter(self, setup: int) -> int:
        return self._unicast[setup].take()

    def receive_counter(self, setup: int) -> int:
        return self._unicast[setup].expected

    def advance_receive_counter(self, setup: int, lowest: int) -> None:
        self._unicast[setup].advance(lowest)

    def broadcast_counter(self, setup: int) -> int:
        counters = self._broadcast.get(setup)
        return 0 if counters is None else counters.expected

    def advance_broadcast_counter(self, setup: int, lowest: int) -> None:
        self._broadcast[setup].advance(lowest)

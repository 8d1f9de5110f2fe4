"""`MeterSecurity` of a served meter whose invocation counters outlive the process, in a `CounterFile`."""

from __future__ import annotations

from sim.counter_file import CounterFile, KeyCounters
from sim.meter.security import MeterSecurity

SETUP = 0
"""A simulated meter has one security setup, and looks at no number."""


class KeptMeterSecurity(MeterSecurity):
    """Counters go by key; all else is as in memory. counters: where they are kept."""

    __slots__ = ("_broadcast_counters", "_counters", "_unicast_counters")

    def __init__(
        self, seed: int, system_title: bytes, password_saps: frozenset[int] = frozenset(), *, counters: CounterFile
    ) -> None:
        super().__init__(seed, system_title, password_saps)
        keys = self.keys(SETUP)
        assert keys is not None
        self._counters = counters
        self._unicast_counters = counters.of_key(system_title, keys.encryption)
        self._broadcast_counters: KeyCounters | None = None

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
        unicast, shared = self._unicast_counters, self._broadcast_counters
        if encryption is not None:
            unicast = self._counters.of_key(self.system_title, encryption)
        if broadcast is not None:
            shared = self._counters.of_key(self.system_title, broadcast)
        super().replace_keys(
            setup, encryption=encryption, authentication=authentication, broadcast=broadcast, master=master
        )
        self._unicast_counters, self._broadcast_counters = unicast, shared

    def take_send_counter(self, setup: int) -> int:
        return self._unicast_counters.take()

    def receive_counter(self, setup: int) -> int:
        return self._unicast_counters.expected

    def advance_receive_counter(self, setup: int, lowest: int) -> None:
        self._unicast_counters.advance(lowest)

    def broadcast_counter(self, setup: int) -> int:
        return 0 if self._broadcast_counters is None else self._broadcast_counters.expected

    def advance_broadcast_counter(self, setup: int, lowest: int) -> None:
        if self._broadcast_counters is not None:
            self._broadcast_counters.advance(lowest)

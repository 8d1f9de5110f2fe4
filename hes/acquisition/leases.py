"""Leases: at most one association per physical device, held with a fencing token.

Whoever lost its lease may still be running: it finds out at its next exchange, because the route asks
`check(lease)` before any octet leaves.
"""

from __future__ import annotations

from dataclasses import dataclass

from hes.devices.archive import DeviceId
from hes.errors import HesError


class LeaseLost(HesError):
    """The device's lease has passed to somebody else."""


class LeaseHeld(HesError):
    """Somebody else holds the device; ask again later."""


@dataclass(frozen=True, slots=True)
class Lease:
    """token rises with every lease given out, so that an old one is told from a new one."""

    device_id: DeviceId
    token: int
    holder: str


class Leases:
    """The leases of one collector."""

    def __init__(self) -> None:
        self._held: dict[DeviceId, Lease] = {}
        self._token_last = 0

    def acquire(self, device_id: DeviceId, holder: str) -> Lease:
        """Raises LeaseHeld while another holds the device."""
        held = self._held.get(device_id)
        if held is not None:
            raise LeaseHeld(f"device {device_id} is held by {held.holder}", device_id=device_id, holder=held.holder)
        self._token_last += 1
        lease = Lease(device_id, self._token_last, holder)
        self._held[device_id] = lease
        return lease

    def revoke(self, device_id: DeviceId) -> None:
        """Take the device from whoever holds it; its next exchange raises LeaseLost."""
        self._held.pop(device_id, None)

    def release(self, lease: Lease) -> None:
        if self._held.get(lease.device_id) == lease:
            del self._held[lease.device_id]

    def check(self, lease: Lease) -> None:
        """Raises LeaseLost if `lease` is no longer the one in force."""
        if self._held.get(lease.device_id) != lease:
            raise LeaseLost(f"the lease on device {lease.device_id} is no longer held", device_id=lease.device_id)

"""Which device is read next: the one that may be asked and whose window closes first.

A device stands in the queue at most once, whatever number of plans want something of it: what is asked is worked out
when its turn comes, so nothing is asked twice. While it is in somebody's hand (from `take` to `done`) it is not given
out again: put back meanwhile, it waits until it is laid down.
"""

from __future__ import annotations

import asyncio
import heapq
from dataclasses import dataclass

from hes.devices.archive import DeviceId

SLACK_ENTRIES = 64
"""Entries that have been replaced and may lie about, besides as many as there are devices in the queue."""


@dataclass(frozen=True, slots=True, order=True)
class _Entry:
    closes_s: float
    order: int
    not_before_s: float
    device_id: DeviceId


class DeviceQueue:
    """Devices of one concentrator that wait for their turn."""

    def __init__(self) -> None:
        self._ready: list[_Entry] = []
        self._later: list[tuple[float, _Entry]] = []
        self._queued: dict[DeviceId, _Entry] = {}
        self._in_hand: set[DeviceId] = set()
        self._order = 0
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._queued)

    @property
    def entries(self) -> int:
        """What the queue holds in memory, replaced entries included."""
        return len(self._ready) + len(self._later)

    def put(self, device_id: DeviceId, *, closes_s: float, not_before_s: float = float("-inf")) -> None:
        """Queue a device, or move it to these times if it is queued already.

        closes_s: on any scale, for the order only. not_before_s: loop time.
        """
        self._order += 1
        self._queued[device_id] = _Entry(closes_s, self._order, not_before_s, device_id)
        self._enter(device_id)
        if self.entries > 2 * len(self._queued) + SLACK_ENTRIES:
            self._tidy()

    async def wait(self) -> None:
        """Until `take` would give a device."""
        loop = asyncio.get_running_loop()
        while not self._has_ready(loop.time()):
            self._changed.clear()
            wake = loop.call_at(self._later[0][0], self._changed.set) if self._later else None
            try:
                await self._changed.wait()
            finally:
                if wake is not None:
                    wake.cancel()

    def take(self) -> DeviceId | None:
        """The next device whose time has come, into the caller's hand; None when there is none."""
        if not self._has_ready(asyncio.get_running_loop().time()):
            return None
        device_id = heapq.heappop(self._ready).device_id
        del self._queued[device_id]
        self._in_hand.add(device_id)
        return device_id

    def done(self, device_id: DeviceId) -> None:
        """Lay a device down again: from now on it may be taken, if it has been put back."""
        self._in_hand.discard(device_id)
        if device_id in self._queued:
            self._enter(device_id)

    def _enter(self, device_id: DeviceId) -> None:
        if device_id not in self._in_hand:
            entry = self._queued[device_id]
            heapq.heappush(self._later, (entry.not_before_s, entry))
            self._changed.set()

    def _has_ready(self, now_s: float) -> bool:
        while self._later and self._later[0][0] <= now_s:
            _, entry = heapq.heappop(self._later)
            heapq.heappush(self._ready, entry)
        while self._ready and self._queued.get(self._ready[0].device_id) is not self._ready[0]:
            heapq.heappop(self._ready)
        return bool(self._ready)

    def _tidy(self) -> None:
        """Throw out what has been replaced."""
        self._ready = []
        self._later = [
            (entry.not_before_s, entry) for device_id, entry in self._queued.items() if device_id not in self._in_hand
        ]
        heapq.heapify(self._later)

"""Which device is read next: the one that may be asked and whose window closes first.

A device stands in the queue at most once, whatever number of plans want something of it: what is asked is worked out
when its turn comes, so nothing is asked twice.
"""

from __future__ import annotations

import asyncio
import heapq
from dataclasses import dataclass

from hes.devices.archive import DeviceId


@dataclass(frozen=True, slots=True, order=True)
class _Entry:
    closes_s: float
    order: int
    device_id: DeviceId


class DeviceQueue:
    """Devices of one concentrator that wait for their turn. All times are loop times."""

    def __init__(self) -> None:
        self._ready: list[_Entry] = []
        self._later: list[tuple[float, _Entry]] = []
        self._queued: dict[DeviceId, _Entry] = {}
        self._order = 0
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._queued)

    def put(self, device_id: DeviceId, *, closes_s: float, not_before_s: float = float("-inf")) -> None:
        """Queue a device, or move it to these times if it is queued already."""
        self._order += 1
        entry = _Entry(closes_s, self._order, device_id)
        self._queued[device_id] = entry
        heapq.heappush(self._later, (not_before_s, entry))
        self._changed.set()

    async def get(self) -> DeviceId:
        """The next device whose time has come; waits for one."""
        loop = asyncio.get_running_loop()
        while True:
            self._promote(loop.time())
            while self._ready:
                entry = heapq.heappop(self._ready)
                if self._queued.get(entry.device_id) is entry:
                    del self._queued[entry.device_id]
                    return entry.device_id
            await self._wait(loop)

    def _promote(self, now_s: float) -> None:
        while self._later and self._later[0][0] <= now_s:
            _, entry = heapq.heappop(self._later)
            heapq.heappush(self._ready, entry)

    async def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        """Until something is put, or the earliest waiting device may be asked."""
        self._changed.clear()
        wake = loop.call_at(self._later[0][0], self._changed.set) if self._later else None
        try:
            await self._changed.wait()
        finally:
            if wake is not None:
                wake.cancel()

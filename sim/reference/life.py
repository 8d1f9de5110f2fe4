"""What the reference meter does by itself: rows, schedules, limits, pushes, each when it is due.

`advance` is arithmetic and can be called at any time; `begin` puts it on the running loop, where one timer is armed
again after everything that a client did.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from hes.clock import Clock
from hes.dlms.cosem.logical_device import LogicalDevice
from hes.dlms.cosem.push.setup import PushMessage, outgoing
from sim.reference.meter import ReferenceMeter

SLEEP_S_MAX: Final = 60.0
"""The machine's clock may be set: nobody sleeps longer than that without a look at it [A]."""
ROUNDS_MAX: Final = 1000
"""Calls of `run_due` at a time: each does a bounded amount of work."""

Send = Callable[[PushMessage], None]


class Life:
    """Of one meter with its logical devices. send: told of every push that is to go out, on the loop."""

    def __init__(
        self, meter: ReferenceMeter, devices: Sequence[LogicalDevice[ReferenceMeter]], clock: Clock, send: Send
    ) -> None:
        self._meter, self._devices, self._clock, self._send = meter, tuple(devices), clock, send
        self._timer: asyncio.TimerHandle | None = None

    def advance(self, now_s: float) -> None:
        """Everything that was due until now is done."""
        self._meter.load_profile.advance(now_s)
        for device in self._devices:
            for _ in range(ROUNDS_MAX):
                deadline_s = device.run_due(self._meter, now_s)
                if deadline_s is None or deadline_s > now_s:
                    break

    def deadline_s(self, now_s: float) -> float:
        """When something is due next, in world time."""
        deadlines = [device.next_deadline(self._meter, now_s) for device in self._devices]
        return min(self._meter.load_profile.due_s, *(each for each in deadlines if each is not None))

    def begin(self) -> None:
        """From now on, what is due is done when it is due, on the running loop."""
        self._wake()

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def disturbed(self, now_s: float) -> None:
        """Somebody changed something: what is due next may have changed too."""
        if self._timer is not None:
            self._arm(now_s)

    def _wake(self) -> None:
        now_s = self._clock.epoch_s()
        self.advance(now_s)
        for device in self._devices:
            for message in outgoing(device, self._meter, now_s):
                self._send(message)
        self._arm(now_s)

    def _arm(self, now_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        wait_s = min(max(self.deadline_s(now_s) - now_s, 0.0), SLEEP_S_MAX)
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._wake)

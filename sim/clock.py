"""Civil time of a simulated world: an offset to loop time, so that no one else needs to know when the world starts."""

from __future__ import annotations

import asyncio

from sim.loop import LOOP_START_S


class VirtualClock:
    """A hes.clock.Clock over a loop that starts at LOOP_START_S.

    start_epoch_s: civil time of that moment, in seconds since 1970-01-01T00:00:00Z.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, start_epoch_s: float) -> None:
        self._loop = loop
        self._offset_s = start_epoch_s - LOOP_START_S
        self.start_epoch_s = start_epoch_s

    def epoch_s(self) -> float:
        return self._loop.time() + self._offset_s

    def loop_time_s(self, epoch_s: float) -> float:
        """The loop time at which it is `epoch_s`: the argument for call_at and post_at."""
        return epoch_s - self._offset_s

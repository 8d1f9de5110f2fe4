"""Time at a speed of its own, for a head-end and a field that live in one process on one loop.

`ScaledLoop` is an ordinary selector loop whose clock runs `speed` times as fast as the machine's: every `sleep`,
`timeout` and `call_at` of whatever runs on it shrinks alike. `ScaledClock` is civil time on such a loop. Whoever stands
outside (a head-end in another process, a real meter) lives in real time and cannot take part: `sim.pacer` refuses.

At speed 60 the machine's timers, good to about a millisecond, are good to about 60 ms of the world's time.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from typing import Any, Final

from hes.errors import ConfigError

SPEED_MAX: Final = 1000.0
"""Beyond that a millisecond of the machine is more than a second of the world: use virtual time (sim.run)."""


class _ScaledSelector(selectors.DefaultSelector):
    """Waits for as long as the machine's clock needs to make the loop's clock pass the time asked for."""

    def __init__(self, speed: float) -> None:
        super().__init__()
        self._speed = speed

    def select(self, timeout: float | None = None) -> list[Any]:
        return super().select(None if timeout is None else timeout / self._speed)


class ScaledLoop(asyncio.SelectorEventLoop):
    """An ordinary loop whose `time()` runs at `speed`. For `asyncio.Runner(loop_factory=lambda: ScaledLoop(60))`."""

    def __init__(self, speed: float) -> None:
        """Raises ConfigError unless speed is above 0 and at most SPEED_MAX."""
        check_range(speed)
        self.speed = speed
        super().__init__(_ScaledSelector(speed))
        self._born_s = super().time()

    def time(self) -> float:
        machine_s = super().time()
        return self._born_s + (machine_s - self._born_s) * self.speed


class ScaledClock:
    """A hes.clock.Clock that keeps step with a ScaledLoop: it shows `start_epoch_s` when it is made."""

    def __init__(self, loop: ScaledLoop, start_epoch_s: float) -> None:
        self.loop = loop
        self.speed = loop.speed
        self._offset_s = start_epoch_s - loop.time()

    def epoch_s(self) -> float:
        return self.loop.time() + self._offset_s


def check_range(speed: float) -> None:
    """Raises ConfigError for a speed that no loop can keep."""
    if not (math.isfinite(speed) and 0 < speed <= SPEED_MAX):
        raise ConfigError(f"a speed lies above 0 and at most at {SPEED_MAX:g}, not at {speed:g}", speed=speed)

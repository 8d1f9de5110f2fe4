"""A loop whose clock jumps to the next timer as soon as nothing is ready: tests of timing that take no time."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Coroutine
from typing import Any

START_S = 1000.0


class JumpingLoop(asyncio.SelectorEventLoop):
    """When nothing is ready, time is at once that of the next timer."""

    now_s = START_S

    def time(self) -> float:
        return self.now_s

    def _run_once(self) -> None:
        self._drop_cancelled()
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self.now_s = max(self.now_s, self._scheduled[0].when())  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]

    def _drop_cancelled(self) -> None:
        """Time must not jump to what will not happen."""
        timers = self._scheduled  # type: ignore[attr-defined]
        while timers and timers[0].cancelled():
            heapq.heappop(timers)._scheduled = False
            self._timer_cancelled_count -= 1  # type: ignore[attr-defined]


def run(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(main)

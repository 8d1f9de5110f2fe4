"""Wall-clock watchdog: virtual time cannot see a callback that computes, sleeps or waits for a lock. A thread can."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Final

import structlog

from sim import describe
from sim.loop import VirtualLoop

_LOOKS_PER_PERIOD: Final = 4
_FRAMES_SHOWN: Final = 8


def _log(message: str) -> None:
    structlog.get_logger("sim.watchdog").warning("callback_blocked", detail=message)


class Watchdog:
    """Context manager around a run: reports, once each and while it lasts, every callback that blocks the loop.

    blocked_wall_s: seconds of wall time that one callback may take; it is noticed up to a quarter later.
    report: called on the watchdog's own thread with the name of the callback and where it is; the default logs.
    """

    def __init__(self, loop: VirtualLoop, blocked_wall_s: float, report: Callable[[str], object] = _log) -> None:
        self._loop = loop
        self._blocked_wall_s = blocked_wall_s
        self._report = report
        self._loop_thread_id = threading.get_ident()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="sim-watchdog", daemon=True)

    def __enter__(self) -> Watchdog:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        seen: object = None
        since_s = 0.0
        reported = False
        while not self._ended.wait(self._blocked_wall_s / _LOOKS_PER_PERIOD):
            current, now_s = self._loop.current, time.perf_counter()
            if current is None or current is not seen:
                seen, since_s, reported = current, now_s, False
            elif not reported and now_s - since_s >= self._blocked_wall_s:
                reported = True
                self._report(self._sentence(current, now_s - since_s))

    def _sentence(self, current: object, blocked_s: float) -> str:
        frame = sys._current_frames().get(self._loop_thread_id)
        stack = "".join(traceback.format_stack(frame, _FRAMES_SHOWN)) if frame is not None else ""
        return (
            f"{describe.entry(current)} has blocked the loop for {blocked_s:.1f} s of wall time, "
            f"at {self._loop.now_s} s of virtual time:\n{stack}"
        )

"""Why a world cannot go on, in a sentence that names who waits or who spins."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from sim import describe
from sim.errors import NoProgress, NothingLeftToHappen
from sim.tasks import tasks_in_order

_TASKS_NAMED_MAX: Final = 20
_SPINNERS_NAMED_MAX: Final = 5
SPIN_SAMPLE: Final = 1000  # callbacks


def nothing_left(loop: asyncio.AbstractEventLoop) -> NothingLeftToHappen:
    """The error for a loop with an empty heap: lists the tasks that nobody will wake."""
    tasks = [describe.task(task) for task in tasks_in_order(loop)]
    named = "".join(f"\n  {name}" for name in tasks[:_TASKS_NAMED_MAX])
    more = f"\n  and {len(tasks) - _TASKS_NAMED_MAX} more" if len(tasks) > _TASKS_NAMED_MAX else ""
    return NothingLeftToHappen(
        f"nothing left to happen at {loop.time()} s: no callback is ready and no timer is set, "
        f"so nobody will wake the tasks that wait ({len(tasks)}):{named}{more}",
        now_s=loop.time(),
        tasks=tasks,
    )


class SpinWatch:
    """Remembers who runs during the last SPIN_SAMPLE callbacks before the limit, and raises NoProgress at the limit."""

    def __init__(self, callbacks_per_instant_max: int) -> None:
        self.callbacks_max = callbacks_per_instant_max
        self.suspicious = callbacks_per_instant_max - SPIN_SAMPLE
        self._names: Counter[str] = Counter()
        self._instant_s = 0.0

    def note(self, now_s: float, callbacks: int, entries: Iterable[Any]) -> None:
        """callbacks: how many have run or are about to run in the instant `now_s`; entries: those about to run."""
        if now_s != self._instant_s:
            self._instant_s = now_s
            self._names.clear()
        self._names.update(describe.entry(entry) for entry in itertools.islice(entries, SPIN_SAMPLE))
        if callbacks <= self.callbacks_max:
            return
        spinners = [f"{count} x {name}" for name, count in self._names.most_common(_SPINNERS_NAMED_MAX)]
        raise NoProgress(
            f"no progress: {callbacks} callbacks in one instant, at {now_s} s. Most of the last ones: "
            f"{'; '.join(spinners)}. Wait for time with `await asyncio.sleep(seconds)`, for a condition with an "
            "asyncio.Event, and compare deadlines with >=: here a timer fires exactly on time.",
            now_s=now_s,
            callbacks=spinners,
        )

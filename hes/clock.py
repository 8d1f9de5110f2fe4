"""Civil time as a port: services ask a Clock, and nothing else reads one."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Civil time. Loop time (`asyncio.get_running_loop().time()`) is for durations and deadlines."""

    def epoch_s(self) -> float:
        """Seconds since 1970-01-01T00:00:00Z."""
        ...


class SystemClock:
    """The machine's own clock: for `live` and `hil`."""

    def epoch_s(self) -> float:
        return time.time()  # noqa: TID251 - the one place that reads it


def utc(epoch_s: float) -> datetime:
    """`epoch_s` as a timezone-aware UTC datetime."""
    return datetime.fromtimestamp(epoch_s, UTC)

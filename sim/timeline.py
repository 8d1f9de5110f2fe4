"""How a run came along: the values read of those expected, over virtual time, and when each concentrator was done."""

from __future__ import annotations

from bisect import bisect_right


class Timeline:
    """Points (civil time, values read, values expected), rising in time; told by the collector at every change."""

    def __init__(self, start_epoch_s: float) -> None:
        self._times = [float(start_epoch_s)]
        self._values = [(0, 0)]

    def progress(self, at_epoch_s: float, read: int, expected: int) -> None:
        """A change (hes.acquisition.collector.ProgressListener)."""
        if at_epoch_s == self._times[-1]:
            self._values[-1] = (read, expected)
        else:
            self._times.append(at_epoch_s)
            self._values.append((read, expected))

    @property
    def latest(self) -> tuple[int, int]:
        """(values read, values expected) now."""
        return self._values[-1]

    def share_at(self, at_epoch_s: float) -> float | None:
        """Share of what was expected by then that was read by then; None while nothing was expected."""
        read, expected = self._values[bisect_right(self._times, at_epoch_s) - 1]
        return read / expected if expected else None

    def points(self) -> list[tuple[float, int, int]]:
        return [(at, read, expected) for at, (read, expected) in zip(self._times, self._values, strict=True)]

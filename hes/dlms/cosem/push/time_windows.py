"""Windows between two date-times that may have wildcards, such as "every day from 01:00 to 05:00".

All arithmetic is on *civil* seconds: local time counted as if it were UTC. A window is open from a match of its start
until the next match of its end. No window at all is always open [A].

Source: docs/protocols/cosem-objects.md §6; docs/protocols/axdr.md (date-time).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hes.dlms.cosem.calendar import date_patterns
from hes.dlms.cosem.calendar.date_patterns import DatePattern, TimePattern


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """start, end: 12 octets each, with wildcards."""

    start: bytes
    end: bytes


def is_open(windows: Sequence[TimeWindow], civil: int) -> bool:
    """Whether one of the windows is open at that civil second."""
    return not windows or any(_opened_s(window, civil) is not None for window in windows)


def next_open(windows: Sequence[TimeWindow], civil: int) -> int | None:
    """The first civil second from `civil` on at which a window is open; None when none ever opens again."""
    if is_open(windows, civil):
        return civil
    starts = [start for window in windows if (start := next_match(window.start, civil)) is not None]
    return min(starts, default=None)


def _opened_s(window: TimeWindow, civil: int) -> int | None:
    """When the window that is open at `civil` opened; None when it is shut."""
    opened = previous_match(window.start, civil)
    if opened is None:
        return None
    shut = next_match(window.end, opened + 1)
    return opened if shut is None or shut > civil else None


def next_match(pattern: bytes, civil: int) -> int | None:
    """The first civil second from `civil` on that matches 12 octets; hundredths and deviation are not looked at."""
    return date_patterns.next_match(*_patterns(pattern), civil)


def previous_match(pattern: bytes, civil: int) -> int | None:
    """The last civil second up to `civil` that matches 12 octets."""
    return date_patterns.previous_match(*_patterns(pattern), civil)


def _patterns(octets: bytes) -> tuple[DatePattern, TimePattern]:
    return DatePattern.from_octets(octets[:5]), TimePattern.from_octets(octets[5:9])

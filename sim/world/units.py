"""Quantities as people write them in a world file: durations, times of the run, times of day."""

from __future__ import annotations

import re
from datetime import time

DAY_S = 86_400
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PART = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d)")
_CLOCK = re.compile(r"(\d{1,4}):([0-5]\d)(?::([0-5]\d))?")

DURATION = 'a duration such as "30s", "1h30m" or "250ms"'
TIME_OF_DAY = 'a time of day such as "06:00"'
TIME_OF_RUN = 'hours and minutes after the start such as "03:00", or "27:30" for 03:30 on the second day'


def duration_s(value: object) -> float:
    """Seconds of "1h30m", "-5s", "250ms". Raises ValueError with what is wanted."""
    if isinstance(value, str):
        text = value.strip()
        sign = -1.0 if text.startswith("-") else 1.0
        text = text.removeprefix("-")
        parts = _PART.findall(text)
        if parts and "".join(number + unit for number, unit in parts) == text:
            return sign * sum(float(number) * _UNITS_S[unit] for number, unit in parts)
    raise ValueError(f"should be {DURATION}")


def written(seconds: float) -> str:
    """A duration as people write it, in its largest whole unit: 5400 is "90m"."""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        if seconds % size == 0 and (seconds or unit == "s"):
            return f"{int(seconds // size)}{unit}"
    return f"{seconds * 1000:g}ms"


def whole_seconds(value: object) -> int:
    """A duration without a fraction of a second."""
    seconds = duration_s(value)
    if seconds != int(seconds):
        raise ValueError("should be a duration in whole seconds")
    return int(seconds)


def time_of_run_s(value: object) -> int:
    """Seconds after the start of "27:30" or of a TOML local time."""
    if isinstance(value, time) and value.tzinfo is None and not value.microsecond:
        return value.hour * 3600 + value.minute * 60 + value.second
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"should be {TIME_OF_RUN}")
    return int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3] or 0)


def time_of_day_s(value: object) -> int:
    """Seconds after midnight, below 24:00."""
    try:
        seconds = time_of_run_s(value)
    except ValueError:
        seconds = DAY_S
    if seconds >= DAY_S:
        raise ValueError(f"should be {TIME_OF_DAY}")
    return seconds

"""Listeners on lines: which lines this process has open, and several stations on one of them.

A line is found by its device, whatever name it was opened under. Lines belong to the loop that serves them.
"""

from __future__ import annotations

import asyncio
import os
from weakref import WeakKeyDictionary

from hes.errors import ConfigError, LinkError
from hes.links.line import Line, Seat
from hes.links.line_pacer import LineSettings
from hes.links.registry import LinkUrl

_lines: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Line]] = WeakKeyDictionary()


class LineListener:
    """One station's seat on a line."""

    def __init__(self, line: Line, seat: Seat, address: str) -> None:
        self.addresses = (address,)
        self._line = line
        self._seat = seat

    def close(self) -> None:
        """The seat is given up; a station that has heard or said anything stays until its transport closes."""
        self._line.stand_up(self._seat)

    async def wait_closed(self) -> None:
        """Nothing to wait for. The device is free when the stations are gone too."""


def enlist(line: Line, path: str) -> None:
    """Make `line` known as the one whose device is at `path`, until it is closed."""
    lines = _lines.setdefault(line.loop, {})
    device = os.path.realpath(path)
    lines[device] = line
    line.on_closed = lambda: lines.pop(device, None)


def join(url: LinkUrl, settings: LineSettings, *, shared: bool) -> Line | None:
    """The line that stations listen on at `url` already; None when there is none.

    Raises LinkError unless all of its stations share it, ConfigError when they run it in another way.
    """
    line = _lines.get(asyncio.get_running_loop(), {}).get(os.path.realpath(url.place))
    if line is None or not line.seats:
        return None
    if not (shared and line.shared):
        raise LinkError(
            f"{url.place} is busy: a station listens there already (several share a line when each says shared=yes)",
            url=url.text,
        )
    if settings != line.settings:
        raise ConfigError(
            f"link {url.text!r}: the line runs at {line.settings} with {line.settings.turnaround_s * 1000:g} ms "
            "turnaround, and all of its stations must say the same",
            url=url.text,
        )
    return line

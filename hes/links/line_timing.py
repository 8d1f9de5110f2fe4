"""Whose turn it is on a line, and when octets have crossed it: the timers around a `LinePacer`.

Two kinds. With `UartTiming` the hardware sets the pace (or whoever is at the other end), and all there is to do is to
leave the line alone for the turnaround after the other side spoke. With `MediumTiming` we are the line itself: octets
of both directions go one behind the other and count as arrived when baud and format say so.

Nothing arrives from inside `carry`, so that writing never calls back into protocols.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from hes.links.line_pacer import LinePacer, LineSettings, Passage

if TYPE_CHECKING:
    from hes.links.line_transport import LineTransport

GRAIN_S: Final = 0.002
"""Octets of a faster line are handed over together, this far apart; at 9600 baud that is two octets. Ours [A]."""

Arrived = Callable[["LineTransport | None", bytes], None]
"""Called with who sent (None: the other end of the descriptor) and the octets that have crossed."""


class Timing(Protocol):
    """When octets count as having crossed the line."""

    @property
    def inbound_octets(self) -> int:
        """Octets from the other end of the descriptor that are still on their way."""
        ...

    def begin(self, arrived: Arrived) -> None: ...

    def carry(self, source: LineTransport | None, octets: bytes) -> None:
        """`source` begins to send `octets`; they are copied by the caller and not empty."""
        ...

    def end_s(self, now_s: float) -> float:
        """When everything that was sent so far will have crossed, were the line left alone from now on."""
        ...

    def change(self, settings: LineSettings) -> None:
        """Go on at another speed; what was sent before has crossed."""
        ...

    def drop(self, source: LineTransport) -> None:
        """What `source` has sent and has not crossed yet is gone."""
        ...

    def stop(self) -> None: ...


class UartTiming:
    """The descriptor's own pace; after the other side spoke, silence for the turnaround.

    Our stations count as one speaker: what they send goes out in the order in which it was written.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, settings: LineSettings) -> None:
        self._loop = loop
        self._pacer = LinePacer(settings)
        self._queue: deque[tuple[LineTransport, bytes]] = deque()
        self._timer: asyncio.Handle | None = None
        self._arrived: Arrived
        self.inbound_octets = 0

    def begin(self, arrived: Arrived) -> None:
        self._arrived = arrived

    def carry(self, source: LineTransport | None, octets: bytes) -> None:
        if source is None:
            self._pacer.heard("them", self._loop.time())
            self._arrived(None, octets)
            return
        self._queue.append((source, octets))
        if self._timer is None:
            self._timer = self._loop.call_soon(self._send)

    def end_s(self, now_s: float) -> float:
        queued_s = sum(len(octets) for _, octets in self._queue) * self._pacer.settings.character_s
        return max(self._pacer.clear_s("us", now_s), self._pacer.free_s) + queued_s

    def change(self, settings: LineSettings) -> None:
        self._pacer.change(settings, self._loop.time())

    def drop(self, source: LineTransport) -> None:
        self._queue = deque(entry for entry in self._queue if entry[0] is not source)

    def stop(self) -> None:
        self._queue.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _send(self) -> None:
        self._timer = None
        now_s = self._loop.time()
        clear_s = self._pacer.clear_s("us", now_s)
        if clear_s > now_s:
            self._timer = self._loop.call_at(clear_s, self._send)
            return
        queue, self._queue = self._queue, deque()
        for source, octets in queue:
            self._pacer.carry("us", len(octets), now_s)
            self._arrived(source, octets)


@dataclass(slots=True)
class _Crossing:
    """Octets on their way. done_count: how many of them have arrived."""

    source: LineTransport | None
    octets: bytes
    passage: Passage
    done_count: int = 0


class MediumTiming:
    """The line itself: one direction at a time, and nothing arrives earlier than baud and format allow."""

    def __init__(self, loop: asyncio.AbstractEventLoop, settings: LineSettings) -> None:
        self._loop = loop
        self._pacer = LinePacer(settings)
        self._grain_octets = _grain_octets(settings)
        self._crossings: deque[_Crossing] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._arrived: Arrived
        self.inbound_octets = 0

    def begin(self, arrived: Arrived) -> None:
        self._arrived = arrived

    def carry(self, source: LineTransport | None, octets: bytes) -> None:
        passage = self._pacer.carry(source, len(octets), self._loop.time())
        self._crossings.append(_Crossing(source, octets, passage))
        if source is None:
            self.inbound_octets += len(octets)
        self._arm()

    def end_s(self, now_s: float) -> float:
        return max(now_s, self._pacer.free_s)

    def change(self, settings: LineSettings) -> None:
        self._pacer.change(settings, self._loop.time())
        self._grain_octets = _grain_octets(settings)

    def drop(self, source: LineTransport) -> None:
        self._crossings = deque(crossing for crossing in self._crossings if crossing.source is not source)

    def stop(self) -> None:
        self._crossings.clear()
        self.inbound_octets = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._timer is None and self._crossings:
            head = self._crossings[0]
            index = min(head.done_count + self._grain_octets, head.passage.octets_count) - 1
            self._timer = self._loop.call_at(head.passage.arrival_s(index), self._tick)

    def _tick(self) -> None:
        self._timer = None
        for source, octets in self._take_arrived(self._loop.time()):
            self._arrived(source, octets)
        self._arm()

    def _take_arrived(self, now_s: float) -> list[tuple[LineTransport | None, bytes]]:
        pieces: list[tuple[LineTransport | None, bytes]] = []
        while self._crossings:
            head = self._crossings[0]
            count = head.passage.arrived_count(now_s)
            if count > head.done_count:
                pieces.append((head.source, head.octets[head.done_count : count]))
                if head.source is None:
                    self.inbound_octets -= count - head.done_count
                head.done_count = count
            if count < head.passage.octets_count:
                break
            self._crossings.popleft()
        return pieces


def _grain_octets(settings: LineSettings) -> int:
    return max(1, math.ceil(GRAIN_S / settings.character_s))

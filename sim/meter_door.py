"""Where clients come to meters: the door that all connections of one place share, and what each of them is.

How frames are cut and answered is the matter of `sim.meter_lines`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from hes.clock import Clock
from hes.dlms.findings import Finding
from hes.errors import LinkError
from hes.links.facts import LINK_FACTS, LinkFacts
from hes.links.turns import TakesTurns
from sim.finding_log import FindingLog

log = structlog.get_logger()

CONNECTIONS_MAX = 8
"""Connections that one place takes at a time; one more is closed at once."""
LOOK_EVERY_S = 30.0
"""How often a door looks after its lines; what is told of time below is true to so many seconds."""
FIRST_FRAME_S = 60.0
"""A connection without a whole frame is ended after that [A]: it keeps a place from others."""
SILENT_S = 300.0
"""And one that fell silent after that [A]: as an association does, see sim.meter.endpoint.ASSOCIATION_IDLE_S."""


class Endpoint(Protocol):
    """A meter, or one logical device of it, behind its address."""

    def ask(self, client_sap: int, apdu: bytes, now_epoch_s: float, *, at_once: int = 1) -> bytes | None:
        """What it says to one APDU of that client, None for nothing. at_once: APDUs that can be carried back."""
        ...

    def take_further(self) -> list[bytes]:
        """What goes out behind the last answer, in order."""
        ...

    def take_findings(self) -> list[Finding]:
        """What its clients did wrong since this was asked last."""
        ...

    def link_lost(self, client_sap: int | None = None) -> None:
        """The way to it is gone for one client, or for all (None)."""
        ...


@dataclass(frozen=True, slots=True)
class Station:
    """A meter on a line. server_sap: its logical device; lower: its address on an HDLC line; name: in the log."""

    endpoint: Endpoint
    server_sap: int
    lower: int
    name: str = ""


def _new_future() -> asyncio.Future[LinkError]:
    return asyncio.get_running_loop().create_future()


@dataclass(slots=True)
class Door:
    """What the lines of one place share; made on the running loop.

    lines: those that are open, in the order in which they came. gone: why nobody will come any more, once that is so.
    by_sap: the stations by their logical device, for a place with one meter. One timer looks after all lines.
    """

    stations: tuple[Station, ...]
    clock: Clock
    lines: dict[MeterLine, None] = field(default_factory=dict)
    gone: asyncio.Future[LinkError] = field(default_factory=_new_future)
    by_sap: dict[int, Station] = field(init=False)
    _timer: asyncio.TimerHandle | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.by_sap = {station.server_sap: station for station in self.stations}

    def enter(self, line: MeterLine) -> None:
        self.lines[line] = None
        if self._timer is None:
            self._timer = self.gone.get_loop().call_later(LOOK_EVERY_S, self._look)

    def close(self) -> None:
        """Close what is open, as who serves here ends."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for line in list(self.lines):
            line.close()

    def _look(self) -> None:
        self._timer = None
        for line in list(self.lines):
            line.look_after()
        if self.lines:
            self._timer = self.gone.get_loop().call_later(LOOK_EVERY_S, self._look)


MakeLine = Callable[[Door], "MeterLine"]


class MeterLine(TakesTurns):
    """One connection, or a serial line for as long as it exists."""

    def __init__(self, door: Door) -> None:
        super().__init__()
        self._door = door
        self._is_closing = False
        self._findings = FindingLog()
        self._frames_before = 0
        self._silent_s = -LOOK_EVERY_S  # the first look may come at once

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if len(self._door.lines) >= CONNECTIONS_MAX:
            log.warning("connection_refused", reason=f"{CONNECTIONS_MAX} are open already")
            self.close()
            return
        self._door.enter(self)

    def data_received(self, data: bytes) -> None:
        if len(data) > self.turn_octets:
            self.take_in_turns(data)
        elif not self._is_closing:
            self.take(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self in self._door.lines:
            del self._door.lines[self]
            self.over()
            self._findings.over()
        # a device that was unplugged; a lost connection is none of hes.links' errors
        if isinstance(exc, LinkError) and not (self._is_closing or self._door.gone.done()):
            self._door.gone.set_result(exc)

    def look_after(self) -> None:
        """End a connection that is of no use to anybody, whatever waits to be sent. Called every LOOK_EVERY_S."""
        frames = self.frames()
        self._silent_s += LOOK_EVERY_S
        if frames != self._frames_before:
            self._frames_before, self._silent_s = frames, 0.0
        if self._silent_s >= (SILENT_S if frames else FIRST_FRAME_S) and self._is_connection():
            if not self._is_closing:
                log.warning("connection_ended", reason=f"no whole frame came for {self._silent_s:.0f} s")
            self._is_closing = True
            assert self._transport is not None
            self._transport.abort()

    def _is_connection(self) -> bool:
        """Whether there is another end that can come again: not on a line, and UDP has a time of its own."""
        facts = None if self._transport is None else self._transport.get_extra_info(LINK_FACTS)
        return isinstance(facts, LinkFacts) and not facts.connectionless and facts.kind != "serial"

    def frames(self) -> int:
        """A number that grows with every whole frame that comes."""
        raise NotImplementedError

    def over(self) -> None:
        """The connection is."""
        raise NotImplementedError

    def write(self, octets: bytes) -> None:
        if octets and self._transport is not None:
            self._transport.write(octets)

    def close(self) -> None:
        self._is_closing = True
        if self._transport is not None:
            self._transport.close()

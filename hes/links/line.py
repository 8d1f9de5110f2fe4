"""One serial line in this process: a descriptor that never blocks, and the stations that share it.

    descriptor <-> Line (timing) <-> LineTransport <-> protocol, once per station

A line has no connections: a station hears whatever is sent, from the moment it is there. Where stations wait for
callers (`serial-listen://`, `pty-listen://`) each has a *seat*: its protocol is made when the seat is taken and, should
it have closed its transport, again with the next octets that the line brings. As on a wire, every station hears what
the others send; which frames are meant for it is a matter of its protocol.

Bounds: what is read ahead, what a paused station has not read (both stop the reading, and so in the end the sender),
what a station may write, and how long one that closes waits for its last octets to go.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from hes.errors import ConfigError, LinkError
from hes.links.facts import LinkFacts
from hes.links.line_pacer import LineSettings
from hes.links.line_timing import Timing
from hes.links.line_transport import LineTransport
from hes.links.registry import ProtocolFactory

READ_OCTETS_MAX: Final = 4096
"""Octets taken from the descriptor at a time: what a tty holds."""
INBOUND_OCTETS_MAX: Final = 4096
"""Octets read ahead of a paced line; enough to keep it busy, and the rest presses back on the sender. Ours [A]."""
UNREAD_OCTETS_MAX: Final = 65536
"""Octets kept for a station that has paused reading, before the whole line waits for it. Ours [A]."""
STATIONS_MAX: Final = 256
"""Stations of one line; RS485 knows 32 unit loads, and receivers of an eighth of one. Ours [A]."""
CLOSE_PATIENCE_S: Final = 5.0
"""Beyond the time that the line needs for them, how long the last octets of a closing station may take. Ours [A]."""
UNSENT_LOOK_S: Final = 0.001
"""Shortest time between two looks at whether the hardware has sent everything. Ours [A]."""


class Descriptor(Protocol):
    """A file descriptor that octets go through; no call blocks."""

    name: str

    @property
    def read_fd(self) -> int:
        """What the loop watches to know when to read."""
        ...

    @property
    def write_fd(self) -> int:
        """What the loop watches to know when there is room again."""
        ...

    def read(self, octets_max: int) -> bytes:
        """What is there, or nothing. OSError when the device is gone."""
        ...

    def write(self, octets: memoryview) -> int:
        """How many octets were taken, 0 when there is no room. OSError when the device is gone."""
        ...

    def unsent_octets(self) -> int:
        """Octets that were taken and have not left yet."""
        ...

    def configure(self, settings: LineSettings) -> None:
        """Go on at another speed and format. OSError when the device is gone, ConfigError when it cannot."""
        ...

    def close(self, *, discard: bool) -> None:
        """discard: drop what has not left yet instead of waiting for it."""
        ...


@dataclass(slots=True)
class Seat:
    """A station's place on the line, while its listener is open."""

    factory: ProtocolFactory
    context: contextvars.Context
    transport: LineTransport | None = None


class Line:
    """A descriptor and its stations; closed when the last seat and the last station are gone.

    shared: whether more stations may take seats. on_shut: called once, when the last seat is given up.
    on_closed: called once, when the descriptor is closed.
    """

    def __init__(
        self,
        descriptor: Descriptor,
        facts: LinkFacts,
        settings: LineSettings,
        timing: Timing,
        *,
        shared: bool = False,
        on_shut: Callable[[], None] | None = None,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.facts = facts
        self.settings = settings
        self.shared = shared
        self.stations: list[LineTransport] = []
        self.seats: list[Seat] = []
        self.on_closed: Callable[[], object] | None = None
        self._descriptor = descriptor
        self._timing = timing
        self._on_shut = on_shut
        self._to_write: deque[tuple[LineTransport, memoryview]] = deque()
        self._is_closed = False
        self._is_watching = False
        self._is_full = False
        timing.begin(self._arrived)

    @property
    def name(self) -> str:
        return self._descriptor.name

    # -- stations come and go

    def attach(self, factory: ProtocolFactory, context: contextvars.Context) -> LineTransport:
        """A new station on the line, `connection_made` done. Raises what the factory raises."""
        try:
            protocol = context.run(factory)
        except BaseException:
            self._close_if_empty(discard=True)
            raise
        transport = LineTransport(self, context)
        self.stations.append(transport)
        transport.made(protocol)
        self.watch()
        return transport

    def sit(self, factory: ProtocolFactory) -> Seat:
        """A seat for a station, which is there at once. Raises LinkError when the line has no room."""
        if len(self.seats) >= STATIONS_MAX:
            raise LinkError(f"{self.name} has {STATIONS_MAX} stations already: open another line for more")
        seat = Seat(factory, contextvars.copy_context())
        self.seats.append(seat)
        try:
            self._fill(seat)
        except BaseException:
            self.stand_up(seat)
            raise
        return seat

    def stand_up(self, seat: Seat) -> None:
        """Take the seat away; a station that has a conversation stays until it closes."""
        if seat in self.seats:
            self.seats.remove(seat)
            if seat.transport is not None and not seat.transport.is_used:
                seat.transport.lose(None, orderly=True)
            self._shut_if_empty()
            self._close_if_empty(discard=False)

    def leave(self, station: LineTransport) -> None:
        """`station` wants to close: it is lost in good order when its last octet has left."""
        self.watch()
        now_s = self.loop.time()
        needed_s = self._timing.end_s(now_s) - now_s + station.unsent_octets * self.settings.character_s
        self._look_after(station, now_s + needed_s + CLOSE_PATIENCE_S)

    def detach(self, station: LineTransport, *, orderly: bool) -> None:
        """`station` is over. What it wrote and has not been sent is dropped."""
        if station.leaving is not None:
            station.leaving.cancel()
        self._timing.drop(station)
        self._to_write = deque(entry for entry in self._to_write if entry[0] is not station)
        self.stations.remove(station)
        for seat in self.seats:
            if seat.transport is station:
                seat.transport = None
        self._close_if_empty(discard=not orderly)
        self.watch()

    # -- octets

    def send(self, station: LineTransport, octets: bytes) -> None:
        self._timing.carry(station, octets)

    def change(self, settings: LineSettings) -> None:
        """Go on at another speed and format, as soon as everything that was sent has left.

        A device that cannot do so is lost: its stations could not talk to anybody.
        """
        if self._is_closed:
            return
        now_s = self.loop.time()
        unsent_octets = self._descriptor.unsent_octets() + sum(station.unsent_octets for station in self.stations)
        wait_s = max(self._timing.end_s(now_s) - now_s, unsent_octets * self.settings.character_s)
        if wait_s > 0:
            self.loop.call_later(max(wait_s, UNSENT_LOOK_S), self.change, settings)
            return
        try:
            self._descriptor.configure(settings)
        except (OSError, ConfigError) as error:
            self.lose(str(error), error)
            return
        self.settings = settings
        self._timing.change(settings)

    def watch(self) -> None:
        """Read while there is room for what comes."""
        unread = max((station.unread_octets for station in self.stations), default=0)
        wanted = not (
            self._is_closed or unread >= UNREAD_OCTETS_MAX or self._timing.inbound_octets >= INBOUND_OCTETS_MAX
        )
        if wanted and not self._is_watching:
            self.loop.add_reader(self._descriptor.read_fd, self._readable)
        elif self._is_watching and not wanted:
            self.loop.remove_reader(self._descriptor.read_fd)
        self._is_watching = wanted

    def lose(self, why: str, cause: BaseException | None) -> None:
        """The device is gone, and with it every station."""
        error = LinkError(f"{self.name} is gone: {why}", place=self.name)
        error.__cause__ = cause
        self.seats.clear()
        self._shut_if_empty()
        for station in list(self.stations):
            station.lose(error)
        self._close_if_empty(discard=True)

    # -- inside

    def _readable(self) -> None:
        try:
            octets = self._descriptor.read(READ_OCTETS_MAX)
        except OSError as error:
            self.lose(error.strerror or str(error), error)
            return
        if octets:
            self._timing.carry(None, octets)
            self.watch()

    def _arrived(self, source: LineTransport | None, octets: bytes) -> None:
        """Octets have crossed the line: everybody hears them but who sent them."""
        if source is None:
            self._fill_empty_seats()
        elif source.is_lost:
            return
        else:
            self._to_write.append((source, memoryview(octets)))
            self._write()
        for station in list(self.stations):
            if station is not source:
                station.receive(octets)
        self.watch()

    def _fill(self, seat: Seat) -> None:
        seat.transport = self.attach(seat.factory, seat.context.copy())
        if seat.transport.is_lost:  # closed from inside connection_made
            seat.transport = None

    def _fill_empty_seats(self) -> None:
        for seat in [seat for seat in self.seats if seat.transport is None]:
            try:
                self._fill(seat)
            except Exception as error:
                self.loop.call_exception_handler(
                    {"message": f"no protocol for a station of {self.name}", "exception": error}
                )

    def _write(self) -> None:
        """Give the descriptor what has crossed; what it does not take now waits for room."""
        if self._is_full:
            return
        while self._to_write:
            source, octets = self._to_write[0]
            try:
                count = self._descriptor.write(octets)
            except OSError as error:
                self.lose(error.strerror or str(error), error)
                return
            if count == len(octets):
                self._to_write.popleft()
            elif count > 0:
                self._to_write[0] = (source, octets[count:])
            else:
                self._is_full = True
                self.loop.add_writer(self._descriptor.write_fd, self._writable)
                return
            source.sent(count)
            if source.leaving is not None and source.unsent_octets == 0 and not source.is_lost:
                source.leaving.cancel()
                source.leaving = self.loop.call_soon(self._look_after, source, self.loop.time() + CLOSE_PATIENCE_S)

    def _writable(self) -> None:
        self.loop.remove_writer(self._descriptor.write_fd)
        self._is_full = False
        self._write()

    def _look_after(self, station: LineTransport, deadline_s: float) -> None:
        """How far a closing station is. Its handle is cancelled when it is lost."""
        now_s = self.loop.time()
        if station.unsent_octets == 0:
            unsent_octets = self._descriptor.unsent_octets()
            if unsent_octets == 0:
                station.lose(None, orderly=True)
                return
            look_s = now_s + max(unsent_octets * self.settings.character_s, UNSENT_LOOK_S)
        else:
            look_s = deadline_s
        if now_s >= deadline_s:
            station.lose(LinkError(f"{self.name} did not take the last octets", place=self.name))
            return
        station.leaving = self.loop.call_at(min(look_s, deadline_s), self._look_after, station, deadline_s)

    def _shut_if_empty(self) -> None:
        if not self.seats and self._on_shut is not None:
            on_shut, self._on_shut = self._on_shut, None
            on_shut()

    def _close_if_empty(self, *, discard: bool) -> None:
        if self._is_closed or self.stations or self.seats:
            return
        self._is_closed = True
        self.watch()
        if self._is_full:
            self.loop.remove_writer(self._descriptor.write_fd)
        self._timing.stop()
        self._to_write.clear()
        self._descriptor.close(discard=discard)
        if self.on_closed is not None:
            self.on_closed()

"""Meters at the end of a real link: octets in, their answers out, framed as the DLMS wrapper or as HDLC.

A line is an `asyncio.Protocol`, so any link of hes.links will do. Meters hold no connection: a line asks their
endpoints, as the simulated media do, and tells them when a way to them is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from hes.clock import Clock
from hes.dlms import wrapper
from hes.dlms.codes import ApduTag
from hes.dlms.findings import Finding
from hes.dlms.hdlc.address import ServerAddress, decode_server_address
from hes.dlms.hdlc.line_dispatcher import LineDispatcher, LineEvent, Peer
from hes.dlms.hdlc.link_events import LinkDown, LinkFinding, Received, ReceivedUnnumbered, Transmit
from hes.dlms.hdlc.link_settings import ServerLinkSettings
from hes.dlms.server.physical_device import ALL_STATIONS, goes_to_all
from hes.errors import LinkError, RemoteProtocolError
from hes.links.facts import LINK_FACTS, LinkFacts
from hes.links.turns import TakesTurns
from sim.finding_log import FindingLog

log = structlog.get_logger()

CONNECTIONS_MAX = 8
"""Connections that one place takes at a time; one more is closed at once."""
HDLC_LOWER_FIRST = 17
"""Lower HDLC address of the first meter on a line; the next ones follow. 16..125 fit one octet and are free for use.
Source: docs/protocols/hdlc.md §3; the choice is ours [A]."""
BLOCKS_AT_ONCE = 63
"""General blocks that a wrapper line carries in answer to one APDU: the largest window there is."""
WRAPPER_CLAUSE = "IEC 62056-47, wrapper header (docs/protocols/wrapper-and-gateway.md)"
"""The rule that a broken stream breaks, as in `hes.dlms.findings`."""
LOOK_EVERY_S = 30.0
"""How often a door looks after its lines; what is told of time below is true to so many seconds."""
FIRST_FRAME_S = 60.0
"""A connection without a whole frame is ended after that [A]: it keeps a place from others."""
SILENT_S = 300.0
"""And one that fell silent after that [A]: as an association does, see sim.meter.endpoint.ASSOCIATION_IDLE_S."""
METERS_MAX = 100
"""Meters on one line: their lower addresses fit one octet, and a bus has 32 by rights [A]."""


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


class WrapperLine(MeterLine):
    """Wrapper frames to the logical devices of the one meter of a door. A broken stream ends the connection."""

    def __init__(self, door: Door) -> None:
        super().__init__(door)
        self._stations = door.by_sap
        self._receiver = wrapper.Receiver()

    def take(self, data: bytes) -> None:
        try:
            frames = self._receiver.feed(data)
        except RemoteProtocolError:
            frames = []
        now_s = self._door.clock.epoch_s()
        for source, destination, apdu in frames:
            station = self._stations.get(destination)
            if station is None:
                if destination in ALL_STATIONS:
                    self._to_all(source, apdu, now_s)
                else:
                    self._tell_nobody(source, destination, now_s)
                continue
            endpoint = station.endpoint
            answer = endpoint.ask(source, apdu, now_s, at_once=BLOCKS_AT_ONCE)
            if findings := endpoint.take_findings():
                self._findings.tell(findings, meter=station.name, now_s=now_s)
            if answer is None or self._transport is None:
                continue
            self._transport.write(wrapper.encode(destination, source, answer))
            if answer[0] == ApduTag.GENERAL_BLOCK_TRANSFER:
                for further in endpoint.take_further():
                    self.write(wrapper.encode(destination, source, further))
        if self._receiver.fault is not None:
            log.warning("connection_ended", reason=self._receiver.fault.message, clause=WRAPPER_CLAUSE)
            self.close()

    def _to_all(self, source: int, apdu: bytes, now_s: float) -> None:
        """Carried out by every logical device, and never answered."""
        for station in self._stations.values() if goes_to_all(apdu) else ():
            station.endpoint.ask(source, apdu, now_s)
            self._findings.tell(station.endpoint.take_findings(), meter="all stations", now_s=now_s)

    def _tell_nobody(self, source: int, destination: int, now_s: float) -> None:
        here = " and ".join(map(str, self._stations))
        self._findings.tell_frame(
            "unknown_logical_device",
            f"a frame to wPort {destination}; here is {here}",
            clause=WRAPPER_CLAUSE,
            client=source,
            meter=self._door.stations[0].name,
            now_s=now_s,
        )

    def frames(self) -> int:
        return self._receiver.consumed_octets

    def over(self) -> None:
        """Associations live as long as anybody is connected: the wrapper does not say whose they are."""
        if (pending := self._receiver.pending_octets) and not self._is_closing:
            reason = f"the client ended it inside a frame, of which {pending} octets had come"
            log.warning("connection_ended", reason=reason, clause=WRAPPER_CLAUSE)
        if not self._door.lines:
            for station in self._stations.values():
                station.endpoint.link_lost()


class HdlcLine(MeterLine):
    """HDLC frames to the meters of a door, each at an address of its own.

    A meter is reached as logical device and lower address in two or four octets; where it is the only one, the logical
    device in one octet is enough.
    """

    def __init__(self, door: Door) -> None:
        super().__init__(door)
        self._loop = asyncio.get_running_loop()
        self._station_at = dict(_addresses(door.stations))
        self._dispatcher = LineDispatcher(dict.fromkeys(self._station_at, ServerLinkSettings()))
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = 0.0
        self._told = 0

    def take(self, data: bytes) -> None:
        self._act(self._dispatcher.receive(data, self._loop.time()))

    def take_waiting(self, data: bytes) -> None:
        self._dispatcher.receiver.still_heard(self._loop.time())  # the pause was ours
        self.take(data)

    def frames(self) -> int:
        return self._dispatcher.receiver.counters.frames

    def look_after(self) -> None:
        self._tell_noise()
        super().look_after()

    def _tell_noise(self) -> None:
        """What was no frame, as counts: on a line that is noise, and nobody's mistake."""
        counters, refusals = self._dispatcher.receiver.counters, self._dispatcher.receiver.refusals
        noise = counters.refused + counters.noise_octets + counters.truncated
        if noise == self._told:
            return
        self._told = noise
        log.warning(
            "line_was_noisy",
            frames=counters.frames,
            refused=counters.refused,
            truncated=counters.truncated,
            octets_between=counters.noise_octets,
            last_refusal=refusals[-1].message if refusals else None,
        )

    def over(self) -> None:
        self._act(self._dispatcher.line_lost())
        self._tell_noise()
        if elsewhere := self._dispatcher.elsewhere:
            log.warning("frames_for_nobody", frames=elsewhere, here=[str(address) for address in self._station_at])
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _act(self, events: Iterable[LineEvent]) -> None:
        for peer, event in events:
            if isinstance(event, Transmit):
                self.write(event.octets)
            elif isinstance(event, Received):
                answer = self._ask(peer, event.apdu)
                self.write(self._dispatcher.answer(peer, answer, self._loop.time(), event.number))
            elif isinstance(event, ReceivedUnnumbered):
                if goes_to_all(event.apdu) or not decode_server_address(event.destination).is_broadcast:
                    self._ask(peer, event.apdu)  # carried out, and never answered
            elif isinstance(event, LinkFinding):
                self._findings.tell_link(
                    event,
                    client=peer.client_sap,
                    meter=self._station_at[peer.server].name,
                    now_s=self._door.clock.epoch_s(),
                )
            elif isinstance(event, LinkDown):
                self._station_at[peer.server].endpoint.link_lost(peer.client_sap)
        self._arm()

    def _ask(self, peer: Peer, apdu: bytes) -> bytes | None:
        station, now_s = self._station_at[peer.server], self._door.clock.epoch_s()
        endpoint = station.endpoint
        answer = endpoint.ask(peer.client_sap, apdu, now_s)
        if findings := endpoint.take_findings():
            self._findings.tell(findings, meter=station.name, now_s=now_s)
        return answer

    def _arm(self) -> None:
        """One timer at the dispatcher's next deadline; it may fire early, never late."""
        deadline_s = self._dispatcher.next_deadline()
        if deadline_s is None or (self._timer is not None and self._timer_s <= deadline_s):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_s = deadline_s
        self._timer = self._loop.call_at(deadline_s, self._timed_out)

    def _timed_out(self) -> None:
        self._timer = None
        if self._unread:
            return  # what has come already is taken first, and sets the timer again
        self._act(self._dispatcher.timed_out(self._loop.time()))


def _addresses(stations: tuple[Station, ...]) -> Iterable[tuple[ServerAddress, Station]]:
    for station in stations:
        if len({station.lower for station in stations}) == 1:
            yield ServerAddress(station.server_sap), station
        for octets in (2, 4):
            yield ServerAddress(station.server_sap, station.lower, octets), station

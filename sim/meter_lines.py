"""Meters at the end of a real link: octets in, their answers out, framed as the DLMS wrapper or as HDLC.

A line is an `asyncio.Protocol`, so any link of hes.links will do. Meters hold no connection: a line asks their
endpoints, as the simulated media do, and tells them when a way to them is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog

from hes.dlms import wrapper
from hes.dlms.codes import ApduTag
from hes.dlms.hdlc.address import ServerAddress, decode_server_address
from hes.dlms.hdlc.line_dispatcher import LineDispatcher, LineEvent, Peer
from hes.dlms.hdlc.link_events import LinkDown, LinkFinding, Received, ReceivedUnnumbered, Transmit
from hes.dlms.hdlc.link_settings import ServerLinkSettings
from hes.dlms.server.physical_device import ALL_STATIONS, goes_to_all
from hes.errors import RemoteProtocolError
from sim.meter_door import Door, Endpoint, MakeLine, MeterLine, Station

__all__ = ["HDLC_LOWER_FIRST", "METERS_MAX", "Door", "Endpoint", "HdlcLine", "MakeLine", "Station", "WrapperLine"]

log = structlog.get_logger()

HDLC_LOWER_FIRST = 17
"""Lower HDLC address of the first meter on a line; the next ones follow. 16..125 fit one octet and are free for use.
Source: docs/protocols/hdlc.md §3; the choice is ours [A]."""
BLOCKS_AT_ONCE = 63
"""General blocks that a wrapper line carries in answer to one APDU: the largest window there is."""
WRAPPER_CLAUSE = "IEC 62056-47, wrapper header (docs/protocols/wrapper-and-gateway.md)"
"""The rule that a broken stream breaks, as in `hes.dlms.findings`."""
METERS_MAX = 100
"""Meters on one line: their lower addresses fit one octet, and a bus has 32 by rights [A]."""


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

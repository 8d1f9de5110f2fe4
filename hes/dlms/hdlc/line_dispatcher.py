"""The server's side of a line with several stations: octets in, events out, no clock and no I/O.

    line = LineDispatcher({ServerAddress(1, 17, 2): settings, ServerAddress(1, 18, 2): settings})
    for peer, event in line.receive(octets, now_s): ...
    octets = line.answer(peer, apdu, now_s, number)

A station is a server address in one form; a logical device that is reached in several forms is declared in each. Every
client has a link of its own to every station. A link exists from its SNRM to its end; what comes without one costs
nothing and keeps nothing, so that a line may have thousands of stations.

Frames to other stations are ignored in silence, and so is everything that cannot be told to be meant for one: a client
address that is not one octet, "no station", and any frame to all stations but UI. UI is handed on to every station it
is meant for and never answered.

Source: docs/protocols/hdlc.md §3, §5.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from hes.dlms.hdlc.address import (
    CLIENT_ALL_STATIONS,
    NO_STATION,
    ServerAddress,
    decode_server_address,
    encode_client_address,
)
from hes.dlms.hdlc.frame import Frame, Kind
from hes.dlms.hdlc.link import State
from hes.dlms.hdlc.link_events import LinkEvent, LinkFinding, LinkFindingKind, ReceivedUnnumbered, Transmit
from hes.dlms.hdlc.link_settings import INTER_OCTET_S, ServerLinkSettings
from hes.dlms.hdlc.push import UnnumberedAssembler, encode_push
from hes.dlms.hdlc.receiver import Octets, Receiver
from hes.dlms.hdlc.server_link import ServerLink
from hes.errors import LocalProtocolError

LINKS_MAX: Final = 64
"""Links at the same time on one line; one more is refused by DM. Ours [A]: 32 stations with two clients each."""
_NOBODY: Final = frozenset(encode_client_address(sap) for sap in (NO_STATION, CLIENT_ALL_STATIONS))


class Peer(NamedTuple):
    """Who speaks with whom on the line."""

    server: ServerAddress
    client_sap: int


class LineEvent(NamedTuple):
    """What happened on the link of `peer`. Transmit goes out on the line, in the order of the events."""

    peer: Peer
    event: LinkEvent


class LineDispatcher:
    """All stations of one line. receiver: where octets become frames. elsewhere: frames for nobody here."""

    def __init__(
        self,
        stations: Mapping[ServerAddress, ServerLinkSettings],
        *,
        inter_octet_s: float | None = INTER_OCTET_S,
        links_max: int = LINKS_MAX,
    ) -> None:
        for station in stations:
            if station.is_broadcast:
                raise LocalProtocolError(f"{station} means all stations and cannot be one")
        self.receiver = Receiver(inter_octet_s=inter_octet_s)
        self.elsewhere = 0
        self._stations = {station.encode(): (station, settings) for station, settings in stations.items()}
        self._links: dict[Peer, ServerLink] = {}
        self._links_max = links_max
        self._unnumbered = UnnumberedAssembler()

    @property
    def links(self) -> Mapping[Peer, ServerLink]:
        """The links that are up, or whose last frame was rejected."""
        return self._links

    def receive(self, octets: Octets, now_s: float) -> list[LineEvent]:
        """What `octets` from the line mean. Never raises for what a peer does."""
        events: list[LineEvent] = []
        for frame in self.receiver.feed(octets, now_s):
            self._take(frame, now_s, events)
        return events

    def answer(self, peer: Peer, apdu: bytes | None, now_s: float, number: int | None = None) -> bytes:
        """See `ServerLink.answer`; no octets when the link is gone."""
        link = self._links.get(peer)
        return b"" if link is None else link.answer(apdu, now_s, number)

    def push(self, peer: Peer, apdu: bytes) -> bytes:
        """The UI frames in which the station speaks to the client on its own, as long as its link or its limits say."""
        link = self._links.get(peer)
        limits = self._stations[peer.server.encode()][1].limits if link is None else link.parameters
        return encode_push(apdu, server=peer.server, client_sap=peer.client_sap, octets_max=limits.transmit_octets)

    def next_deadline(self) -> float | None:
        """When `timed_out` wants to be called, None while nothing is awaited."""
        deadlines = [link.next_deadline() for link in self._links.values()]
        deadlines.append(self.receiver.next_deadline())
        return min((deadline_s for deadline_s in deadlines if deadline_s is not None), default=None)

    def timed_out(self, now_s: float) -> list[LineEvent]:
        """What time has brought about: frames that stalled, links that fell asleep."""
        events: list[LineEvent] = []
        for frame in self.receiver.timed_out(now_s):
            self._take(frame, now_s, events)
        for peer, link in list(self._links.items()):
            events += (LineEvent(peer, event) for event in link.timed_out(now_s))
            self._keep(peer, link)
        return events

    def line_lost(self) -> list[LineEvent]:
        """What lies below is gone, and every link with it."""
        self.receiver.line_silent()
        events = [LineEvent(peer, event) for peer, link in self._links.items() for event in link.line_lost()]
        self._links.clear()
        return events

    def _take(self, frame: Frame, now_s: float, events: list[LineEvent]) -> None:
        if len(frame.source) != 1 or frame.source in _NOBODY:
            self.elsewhere += 1
            return
        client_sap = frame.source[0] >> 1
        if frame.kind is Kind.UI:
            self._take_unnumbered(frame, client_sap, now_s, events)
            return
        found = self._stations.get(frame.destination)
        if found is None:
            self.elsewhere += 1
            return
        station, settings = found
        peer = Peer(station, client_sap)
        link = self._links.get(peer)
        if link is None:
            if len(self._links) >= self._links_max and frame.kind is Kind.SNRM and frame.final:
                self._refuse(peer, frame, events)
                return
            link = ServerLink(server=frame.destination, client=frame.source, settings=settings)
        events += [LineEvent(peer, event) for event in link.receive_frame(frame, now_s)]
        self._keep(peer, link)

    def _take_unnumbered(self, frame: Frame, client_sap: int, now_s: float, events: list[LineEvent]) -> None:
        destination = decode_server_address(frame.destination)
        if destination.is_broadcast:
            meant = [station for station, _ in self._stations.values() if station.is_meant_by(destination)]
        else:
            meant = [destination] if frame.destination in self._stations else []
        if not meant:
            self.elsewhere += 1
            return
        apdu = self._unnumbered.take(frame, now_s)
        if apdu is None:
            return
        for station in meant:
            event = ReceivedUnnumbered(apdu, frame.destination, frame.source)
            events.append(LineEvent(Peer(station, client_sap), event))

    def _refuse(self, peer: Peer, frame: Frame, events: list[LineEvent]) -> None:
        events.append(LineEvent(peer, LinkFinding(LinkFindingKind.LINKS_FULL, frame)))
        disconnected = Frame(frame.source, frame.destination, Kind.DM | 0x10)
        events.append(LineEvent(peer, Transmit(disconnected.encode())))

    def _keep(self, peer: Peer, link: ServerLink) -> None:
        if link.state is State.DISCONNECTED:
            self._links.pop(peer, None)
        else:
            self._links[peer] = link

"""Simulated connections: `sim://NAME` and `sim-listen://NAME` for hes.links, over a model of the link in between.

A connection is what TCP makes of a link: octets arrive whole and in order or not at all, later when the link is down,
and an end that loses its link tells nobody. The last point is why concentrators send heartbeats:

- `SimConnection.cut_site()`: the end at the site (the one that dialled) hears at once that its modem lost the
  network; the other end hears nothing. What it writes is retransmitted into the void until TCP gives up;
- an idle connection loses its entry in the operator's address translation: from then on octets towards the site
  vanish, and octets from the site are answered with a reset.

Times come from a `LinkModel` (sim/media/link_model.py; GPRS is one), one per site, shared by all its connections. One
post_at per segment; protocol callbacks run in the context in which their end was opened, as on a real loop.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import random
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Any, cast

from hes.errors import LinkError
from hes.links.facts import LINK_FACTS
from hes.links.registry import Links, LinkUrl, Pair, ProtocolFactory
from sim.media.link_model import Lan, LinkModel
from sim.scheduler import Scheduler

__all__ = ["Lan", "LinkModel", "SimConnection", "SimListener", "SimNet", "SimTransport"]

WINDOW_OCTETS = 65535
"""Octets that TCP takes from a writer before the reader has read any."""
HIGH_WATER_OCTETS = 65536
"""asyncio's own default for `pause_writing`."""
RETRANSMIT_GIVE_UP_S = 924.6
"""Linux with its default tcp_retries2 = 15: how long unacknowledged octets are sent again [M]."""
SYN_GIVE_UP_S = 127.0
"""Linux with its default tcp_syn_retries = 6 [M]."""

_END_OF_FILE = b""
"""Travels in order behind the last octets; a segment is never empty otherwise."""

SegmentObserver = Callable[[float, int, bool, bytes], None]
"""Called on arrival with now_s, the connection's number, True for from-the-site, and the octets."""


class SimNet:
    """Places to listen at, and the connections that were made to them."""

    def __init__(self, scheduler: Scheduler, *, on_segment: SegmentObserver | None = None) -> None:
        self.scheduler = scheduler
        self.on_segment = on_segment
        self.connections: dict[int, SimConnection] = {}
        """Those with an end still open, by number, oldest first."""
        self.fragmenter: Callable[[bytes], Iterator[bytes]] | None = None
        self._doors: dict[str, SimListener] = {}
        self._opened_count = 0

    def register(self, links: Links, link: LinkModel) -> None:
        """Make `sim://` in `links` go over `link`, and `sim-listen://` listen in this net."""

        async def connect(url: LinkUrl, factory: ProtocolFactory) -> Pair:
            return await self._connect(url, factory, link)

        links.register("sim", connect)
        links.register("sim-listen", self._listen)

    def links(self, link: LinkModel) -> Links:
        """A new registry for what stands at the site of `link`."""
        links = Links()
        self.register(links, link)
        return links

    def connections_of(self, name: str) -> list[SimConnection]:
        """Open connections over the link called `name` or to the place called `name`."""
        return [each for each in self.connections.values() if name in {each.link.name, each.place}]

    def fragment(self, stream: random.Random, *, octets_max: int) -> None:
        """Fault: from now on every write arrives in pieces of 1..octets_max octets."""

        def pieces(octets: bytes) -> Iterator[bytes]:
            position = 0
            while position < len(octets):
                end = position + 1 + int(stream.random() * octets_max)
                yield octets[position:end]
                position = end

        self.fragmenter = pieces

    async def _listen(self, url: LinkUrl, factory: ProtocolFactory) -> SimListener:
        if url.place in self._doors:
            raise LinkError(f"{url.place} is busy: something else listens there already", url=url.text)
        door = self._doors[url.place] = SimListener(self._doors, url.place, factory)
        return door

    async def _connect(self, url: LinkUrl, factory: ProtocolFactory, link: LinkModel) -> Pair:
        if (reason := link.trouble()) is not None:
            raise LinkError(f"{url.place} cannot be reached: {reason}", url=url.text)
        for is_from_site in (True, False):
            arrival_s = link.arrival_s(0, is_from_site=is_from_site)
            if arrival_s == math.inf:
                await self._until(self.scheduler.now_s + SYN_GIVE_UP_S)
                raise LinkError(f"{url.place} did not answer", url=url.text)
            await self._until(arrival_s)
        door = self._doors.get(url.place)
        if door is None:
            raise LinkError(f"{url.place} refused the connection: nothing listens there", url=url.text)
        if (reason := link.trouble()) is not None:
            raise LinkError(f"{url.place} cannot be reached: {reason}", url=url.text)
        self._opened_count += 1
        connection = SimConnection(self, self._opened_count, url.place, link)
        transport = connection.open(factory(), door)
        return transport, transport.get_protocol()

    async def _until(self, when_s: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.scheduler.post_at(when_s, _wake, future)
        await future


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class SimListener:
    """A place where connections are accepted."""

    def __init__(self, doors: dict[str, SimListener], place: str, factory: ProtocolFactory) -> None:
        self.factory = factory
        self.context = copy_context()
        self.addresses = (f"sim://{place}",)
        self._doors = doors
        self._place = place

    def close(self) -> None:
        if self._doors.get(self._place) is self:
            del self._doors[self._place]

    async def wait_closed(self) -> None:
        """Nothing to wait for: the place is free when `close` returns."""


class SimConnection:
    """Both ends of one connection and what happens between them. `site` is the end that dialled."""

    def __init__(self, net: SimNet, number: int, place: str, link: LinkModel) -> None:
        self.number = number
        self.place = place
        self.link = link
        self.is_cut = False
        """The site's end is gone and the other was not told."""
        self.is_forgotten = False
        """Idle for too long: the network in between has no entry for this connection any more."""
        self._net = net
        self._scheduler = net.scheduler
        self._last_traffic_s = net.scheduler.now_s
        self._stalled_until_s = 0.0
        self.site: SimTransport
        self.centre: SimTransport

    def open(self, protocol: asyncio.BaseProtocol, door: SimListener) -> SimTransport:
        """Make both ends; the site's is connected when this returns, the other when the last handshake octet is in."""
        self.site = SimTransport(self, self._scheduler, copy_context(), is_site=True)
        self.centre = SimTransport(self, self._scheduler, door.context.copy(), is_site=False)
        self.site.peer, self.centre.peer = self.centre, self.site
        self._net.connections[self.number] = self
        self.link.opened(self)
        arrival_s = self.link.arrival_s(0, is_from_site=True)
        if arrival_s == math.inf:
            arrival_s = self._scheduler.now_s
        self.site.last_arrival_s = arrival_s
        self._scheduler.post_at(arrival_s, self.centre.make, door.factory)
        self.site.made(protocol)
        return self.site

    # -- what can go wrong, for fault schedules

    def reset(self) -> None:
        """Fault: something in the middle resets the connection; both ends hear it now."""
        self.site.lose(ConnectionResetError("connection reset in the network"))
        self.centre.lose(ConnectionResetError("connection reset in the network"))

    def stall(self, until_s: float) -> None:
        """Fault: nothing sent from now on arrives before loop time `until_s`."""
        self._stalled_until_s = max(self._stalled_until_s, until_s)

    def cut_site(self, reason: str) -> None:
        """The site's modem lost the network: its end is gone, the other knows nothing."""
        self.is_cut = True
        self.site.lose(ConnectionAbortedError(reason))

    def release(self) -> None:
        """The link is back: what was held is on its way again."""
        if self.is_cut or self.is_forgotten:
            return
        for end in (self.site, self.centre):
            held, end.held = end.held, deque()
            for octets in held:
                self.send(end, octets)

    # -- what the ends use

    def send(self, end: SimTransport, octets: bytes) -> None:
        """Put a segment from `end` on its way, or hold it while there is no way."""
        now_s = self._scheduler.now_s
        idle_s, self._last_traffic_s = now_s - self._last_traffic_s, now_s
        if idle_s > self.link.nat_idle_s:
            self.is_forgotten = True
        arrival_s = math.inf
        if not (self.is_cut or end.held):
            arrival_s = self.link.arrival_s(len(octets), is_from_site=end.is_site)
        if self.is_forgotten and end.is_site and arrival_s < math.inf:
            error = ConnectionResetError("the network had forgotten the idle connection")
            self._scheduler.post_at(arrival_s, self.site.lose, error)
            return
        if arrival_s == math.inf or self.is_forgotten:
            self._hold(end, octets, now_s)
            return
        end.last_arrival_s = max(arrival_s, end.last_arrival_s, self._stalled_until_s)
        self._scheduler.post_at(end.last_arrival_s, end.peer.arrive, octets)

    def _hold(self, end: SimTransport, octets: bytes, now_s: float) -> None:
        if not end.held:
            end.held_since_s = now_s
            self._scheduler.post_at(now_s + RETRANSMIT_GIVE_UP_S, end.give_up, now_s)
        end.held.append(octets)

    def send_reset(self, end: SimTransport) -> None:
        """Tell the other end that `end` was aborted, if there is a way."""
        if not self.is_cut:
            arrival_s = self.link.arrival_s(0, is_from_site=end.is_site)
            if arrival_s < math.inf:
                self._scheduler.post_at(
                    max(arrival_s, end.last_arrival_s), end.peer.lose, ConnectionResetError("connection reset by peer")
                )

    def ended(self) -> None:
        if self.site.is_lost and self.centre.is_lost and self.number in self._net.connections:
            del self._net.connections[self.number]
            self.link.closed(self)

    def observe(self, end: SimTransport, octets: bytes) -> None:
        if self._net.on_segment is not None:
            self._net.on_segment(self._scheduler.now_s, self.number, not end.is_site, octets)

    def pieces(self, octets: bytes) -> Iterator[bytes]:
        return iter((octets,)) if self._net.fragmenter is None else self._net.fragmenter(octets)


class SimTransport(asyncio.Transport):
    """One end of a SimConnection, as asyncio knows transports."""

    peer: SimTransport

    def __init__(
        self, connection: SimConnection, scheduler: Scheduler, context: contextvars.Context, *, is_site: bool
    ) -> None:
        super().__init__()
        self.connection = connection
        self.is_site = is_site
        self.is_lost = False
        self.held: deque[bytes] = deque()
        self.held_since_s = 0.0
        self.last_arrival_s = 0.0
        self._scheduler = scheduler
        self._context = context
        self._protocol: Any = None
        self._is_closing = False
        self._is_paused = False
        self._is_writing_paused = False
        self._inbox: deque[bytes] = deque()
        self._unread_octets = 0  # written here, not yet read by the peer's protocol
        self._high_octets, self._low_octets = HIGH_WATER_OCTETS, HIGH_WATER_OCTETS // 4

    # -- asyncio's side

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == LINK_FACTS:
            return self.connection.link.facts
        if name in {"peername", "sockname"}:
            is_place = self.is_site == (name == "peername")
            return (self.connection.place if is_place else self.connection.link.name, self.connection.number)
        return default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return cast("asyncio.BaseProtocol", self._protocol)

    def is_closing(self) -> bool:
        return self._is_closing

    def is_reading(self) -> bool:
        return not (self._is_paused or self._is_closing)

    def pause_reading(self) -> None:
        self._is_paused = True

    def resume_reading(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self._scheduler.post_at(self._scheduler.now_s, self._drain, None)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high_octets = (HIGH_WATER_OCTETS if low is None else 4 * low) if high is None else high
        self._low_octets = self._high_octets // 4 if low is None else low

    def get_write_buffer_size(self) -> int:
        return max(0, self._unread_octets - WINDOW_OCTETS)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low_octets, self._high_octets

    def can_write_eof(self) -> bool:
        return False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_closing or not data:
            return
        octets = bytes(data)
        self._unread_octets += len(octets)
        for piece in self.connection.pieces(octets):
            self.connection.send(self, piece)
        if not self._is_writing_paused and self.get_write_buffer_size() > self._high_octets:
            self._is_writing_paused = True
            self._protocol.pause_writing()  # in the caller's context, as asyncio does: it may be our own callback

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self.connection.send(self, _END_OF_FILE)
            self._end(None)

    def abort(self) -> None:
        if not self.is_lost:
            self.connection.send_reset(self)
            self.lose(None)

    # -- the connection's side

    def made(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol
        self._call(protocol.connection_made, self)

    def make(self, factory: ProtocolFactory) -> None:
        if not self.is_lost:
            self.made(self._context.run(factory))

    def arrive(self, octets: bytes) -> None:
        """A segment is here: hand it over, or keep it while the protocol does not read."""
        if self._is_closing:
            return
        if self._is_paused or self._inbox:
            self._inbox.append(octets)
        else:
            self._take(octets)

    def lose(self, error: Exception | None) -> None:
        """This end is gone, whatever the other thinks."""
        self._is_closing = True
        self.held.clear()
        self._end(error)

    def give_up(self, held_since_s: float) -> None:
        if self.held and self.held_since_s == held_since_s:
            self.lose(TimeoutError("the peer acknowledged nothing any more"))

    def _end(self, error: Exception | None) -> None:
        if not self.is_lost:
            self.is_lost = True
            self._inbox.clear()
            self._scheduler.post_at(self._scheduler.now_s, self._tell_lost, error)

    def _tell_lost(self, error: Exception | None) -> None:
        if self._protocol is not None:
            self._call(self._protocol.connection_lost, error)
        self.connection.ended()

    def _drain(self, _: None) -> None:
        while self._inbox and not self._is_paused:
            self._take(self._inbox.popleft())

    def _take(self, octets: bytes) -> None:
        if octets == _END_OF_FILE:
            if not self._call(self._protocol.eof_received):
                self.close()
            return
        self.connection.observe(self, octets)
        self._call(self._protocol.data_received, octets)
        self.peer.was_read(len(octets))

    def was_read(self, octets_count: int) -> None:
        self._unread_octets -= octets_count
        if self._is_writing_paused and self.get_write_buffer_size() <= self._low_octets:
            self._is_writing_paused = False
            if not self._is_closing:
                self._call(self._protocol.resume_writing)

    def _call(self, callback: Callable[..., Any], *args: Any) -> Any:
        """Run a protocol's callback in its context; what it raises ends this end only, as on asyncio's own loops."""
        try:
            return self._context.run(callback, *args)
        except Exception as error:
            asyncio.get_running_loop().call_exception_handler(
                {"message": f"{callback!r} failed", "exception": error, "transport": self, "protocol": self._protocol}
            )
            if not self.is_lost:
                self.abort()
            return None

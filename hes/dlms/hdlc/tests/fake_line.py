"""A client and a server on a line that loses, repeats, cuts and damages frames, in time that passes when nobody works.

`Bench` moves octets and time; it knows nothing of the protocol but where a frame ends. What the line does to the n-th
frame is said beforehand, so a run repeats exactly.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, repeat

from hes.dlms.hdlc.address import ServerAddress
from hes.dlms.hdlc.client_link import ClientLink
from hes.dlms.hdlc.frame import Frame
from hes.dlms.hdlc.line_dispatcher import LineDispatcher
from hes.dlms.hdlc.link_events import Delivered, LinkDown, LinkEvent, LinkUp, Received, Transmit
from hes.dlms.hdlc.link_settings import CLIENT_DEFAULTS, SERVER_DEFAULTS, ClientLinkSettings, ServerLinkSettings
from hes.dlms.hdlc.receiver import Receiver

METER = ServerAddress(1, 17, 2)
CLIENT_SAP = 16
LATENCY_S = 0.05
STEPS_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one frame. repeat_s: it comes again so much later, before the frames sent behind it: HDLC needs a
    line that keeps the order. octets: how many of them arrive."""

    lose: bool = False
    repeat_s: float | None = None
    octets: int | None = None
    flip_bit: int | None = None

    def pieces(self, frame: bytes) -> Iterator[tuple[float, bytes]]:
        """When, behind the usual time, and what arrives."""
        if self.flip_bit is not None:
            place = self.flip_bit % (8 * len(frame))
            damaged = bytearray(frame)
            damaged[place // 8] ^= 1 << place % 8
            frame = bytes(damaged)
        if not self.lose:
            yield 0.0, frame if self.octets is None else frame[: self.octets % len(frame)]
        if self.repeat_s is not None:
            yield self.repeat_s, frame


NO_FAULT = Fault()


def cut_into_frames(octets: bytes) -> list[bytes]:
    receiver = Receiver(inter_octet_s=None)
    frames = [frame.encode() for frame in receiver.feed(octets)]
    assert b"".join(frames) == octets
    return frames


@dataclass
class Bench:
    """answer: what the meter's application says to a request; None for nothing. work_s: how long it takes for it."""

    client_settings: ClientLinkSettings = CLIENT_DEFAULTS
    server_settings: ServerLinkSettings = SERVER_DEFAULTS
    answer: Callable[[bytes], bytes | None] = lambda apdu: apdu
    faults: Iterable[Fault] = ()
    work_s: float = 0.0
    now_s: float = 100.0
    requests: list[bytes] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    client_events: list[LinkEvent] = field(default_factory=list)
    server_events: list[LinkEvent] = field(default_factory=list)
    on_air: list[tuple[bool, Frame]] = field(default_factory=list)
    frames_sent: int = 0

    def __post_init__(self) -> None:
        self.client = ClientLink(client_sap=CLIENT_SAP, server=METER, settings=self.client_settings)
        self.line = LineDispatcher({METER: self.server_settings})
        self._faults = chain(self.faults, repeat(NO_FAULT))
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._last_s = {True: 0.0, False: 0.0}  # of the last arrival in each direction: a line keeps the order

    # what a test does

    def connect(self) -> bool:
        self.transmit(True, self.client.connect(self.now_s))
        return isinstance(self.run_until(LinkUp, LinkDown), LinkUp)

    def exchange(self, apdu: bytes, *, answered: bool = True) -> LinkEvent:
        self.transmit(True, self.client.send(apdu, self.now_s, answered=answered))
        return self.run_until(Received, Delivered, LinkDown)

    def disconnect(self) -> LinkDown:
        self.transmit(True, self.client.disconnect(self.now_s))
        down = self.run_until(LinkDown)
        assert isinstance(down, LinkDown)
        return down

    def run_until(self, *wanted: type) -> LinkEvent:
        """Let things happen until the client has an event of that kind."""
        seen = len(self.client_events)
        for _ in range(STEPS_MAX):
            for event in self.client_events[seen:]:
                if isinstance(event, wanted):
                    return event
            seen = len(self.client_events)
            self.step()
        raise AssertionError("no end")

    def run_for(self, duration_s: float) -> None:
        end_s = self.now_s + duration_s
        while (next_s := self.next_s()) is not None and next_s <= end_s:
            self.step()
        self.now_s = end_s

    # how the world goes on

    def next_s(self) -> float | None:
        times = [self._queue[0][0] if self._queue else None, self.client.next_deadline(), self.line.next_deadline()]
        return min((time_s for time_s in times if time_s is not None), default=None)

    def step(self) -> None:
        next_s = self.next_s()
        assert next_s is not None, "nobody waits for anything, and nothing was reported"
        self.now_s = max(self.now_s, next_s)
        if self._queue and self._queue[0][0] <= self.now_s:
            heapq.heappop(self._queue)[2]()
        else:
            self.at_client(self.client.timed_out(self.now_s))
            for _, event in self.line.timed_out(self.now_s):
                self.at_server(event)

    def transmit(self, from_client: bool, octets: bytes) -> None:
        for frame in cut_into_frames(octets):
            self.frames_sent += 1
            self.on_air += ((from_client, found) for found in Receiver(inter_octet_s=None).feed(frame))
            for later_s, piece in next(self._faults).pieces(frame):
                at_s = max(self.now_s + LATENCY_S + later_s, self._last_s[from_client])
                self._last_s[from_client] = at_s
                self.at(at_s, self._arrival(from_client, piece))

    def at(self, time_s: float, action: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._queue, (time_s, self._number, action))

    def _arrival(self, from_client: bool, octets: bytes) -> Callable[[], None]:
        def arrive() -> None:
            if from_client:
                for _, event in self.line.receive(octets, self.now_s):
                    self.at_server(event)
            else:
                self.at_client(self.client.receive(octets, self.now_s))

        return arrive

    def at_client(self, events: list[LinkEvent]) -> None:
        self.client_events += events
        for event in events:
            if isinstance(event, Transmit):
                self.transmit(True, event.octets)
            elif isinstance(event, Received):
                self.answers.append(event.apdu)

    def at_server(self, event: LinkEvent) -> None:
        self.server_events.append(event)
        if isinstance(event, Transmit):
            self.transmit(False, event.octets)
        elif isinstance(event, Received):
            self.requests.append(event.apdu)
            if self.work_s:
                self.at(self.now_s + self.work_s, lambda: self._give_answer(event))
            else:
                self._give_answer(event)

    def _give_answer(self, request: Received) -> None:
        for peer in list(self.line.links):
            octets = self.line.answer(peer, self.answer(request.apdu), self.now_s, request.number)
            self.transmit(False, octets)

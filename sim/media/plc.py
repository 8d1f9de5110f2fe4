"""A G3-PLC network below one concentrator, frame by frame.

A datagram to a meter goes hop by hop, stored and forwarded: on each hop it is cut into MAC frames, each frame waits for
the channel (CSMA/CA), is sent, is lost or acknowledged, and is sent again up to `retries_max` times. The meter
thinks, and its answer comes back the same way. A datagram whose frame is never acknowledged is gone: only the
concentrator's own first hop learns so at once, everybody else by time-out.

The transformer's low-voltage network is one channel: one frame at a time, and who finds it taken waits and may collide.
Other traffic on it (joining, route discovery, neighbours' networks) exists as a share of time and of collisions, not as
frames. Routes do not change in the course of a run [A].

One callback on the shared heap per frame; no task, no process. In `PER_EXCHANGE` fidelity the same steps run in one go
when the exchange starts, and one event ends it: the same draws, the same times, as long as the concentrator runs one
exchange at a time and nothing else changes meanwhile.

Every link draws from streams of its own, so a meter more or less changes nothing for the others.
Source of the figures: docs/protocols/plc-and-wan.md §1, §2.
"""

from __future__ import annotations

import asyncio
import math
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hes.clock import Clock
from sim.dcu.ports import MeterSilent, UnknownMeter
from sim.media.g3 import Modulation, frames_of
from sim.media.noise import Fading
from sim.media.plc_parameters import (
    Direction,
    ExchangeStatistics,
    Fidelity,
    FrameObserver,
    LinkStatistics,
    Outcome,
    PlcParameters,
)
from sim.media.topology import Tree
from sim.scheduler import Scheduler

__all__ = [
    "Direction",
    "ExchangeStatistics",
    "Fidelity",
    "FrameObserver",
    "LinkStatistics",
    "MeterEndpoint",
    "Outcome",
    "PlcLink",
    "PlcNetwork",
    "PlcParameters",
]

StreamFactory = Callable[..., random.Random]
"""`stream(*names)`: an independent random stream per name (sim.streams.Streams.stream)."""

Frames = tuple[tuple[int, float], ...]
"""PSDU octets and seconds on the air of each frame of a datagram."""
Cuts = dict[int, Frames]
"""Frames by the datagram's octets: shared by all links of one modulation."""


_ACKNOWLEDGED, _LOST, _COLLIDED = Outcome.ACKNOWLEDGED, Outcome.LOST, Outcome.COLLIDED
_DOWN, _UP = Direction.DOWN, Direction.UP

FRAME_ERROR_RATIO_MAX = 0.98
NOISE_LOOK_S = 300.0
"""How long a noise factor may be used before the hour of the day is looked at again."""


class MeterEndpoint(Protocol):
    """A meter as the medium sees it: octets in, octets out."""

    @property
    def address(self) -> bytes: ...

    def answer(self, octets: bytes, now_epoch_s: float) -> bytes | None:
        """What the meter says to `octets` (a DLMS wrapper frame), None for nothing."""
        ...


class PlcLink:
    """The link between a node and its parent, named after the node, with all that a frame on it needs."""

    __slots__ = (
        "cuts", "fading", "frame_error_ratio", "hops", "is_on", "link_id", "modulation", "number", "parent",
        "random", "statistics",
    )  # fmt: skip

    def __init__(
        self,
        link_id: str,
        parent: PlcLink | None,
        modulation: Modulation,
        frame_error_ratio: float,
        cuts: Cuts | None = None,
    ) -> None:
        self.link_id = link_id
        self.number = zlib.crc32(link_id.encode())
        """The same link has the same number in every run, whatever else there is."""
        self.parent = parent
        self.modulation = modulation
        self.frame_error_ratio = frame_error_ratio
        self.cuts: Cuts = {} if cuts is None else cuts
        self.hops: int = 1 if parent is None else parent.hops + 1
        self.is_on = True
        """Whether the node at its far end has power."""
        self.random: Callable[[], float] | None = None
        self.fading: Fading | None = None
        self.statistics = LinkStatistics()


@dataclass(slots=True)
class _Node:
    """A meter in the network: its endpoint, the links on the way to it, and how long it thinks."""

    endpoint: MeterEndpoint
    path: tuple[PlcLink, ...]
    processing_s: tuple[float, float]
    is_silent: bool = False


@dataclass(slots=True, eq=False)
class _Flight:
    """One exchange under way. `octets` is the datagram that travels now; `frames` are its MAC frames on this hop."""

    node: _Node
    octets: bytes
    future: asyncio.Future[bytes]
    started_s: float
    is_down: bool = True
    hop: int = 0
    frames: Frames = ()
    frame: int = 0
    attempt: int = 0
    is_collided: bool = False
    is_thinking: bool = False
    answer: bytes | None = None
    failure: str = ""


class PlcNetwork:
    """The PLC network of one concentrator: a `sim.dcu.ports.MeterNetwork`.

    name: prefixes link ids and stream names. stream: gives named random streams. utc_offset_s: local time of the noise.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        stream: StreamFactory,
        clock: Clock,
        name: str,
        parameters: PlcParameters | None = None,
        *,
        utc_offset_s: int = 0,
        on_frame: FrameObserver | None = None,
    ) -> None:
        self.name = name
        self.parameters = parameters = parameters or PlcParameters()
        self.on_frame = on_frame
        self.statistics = ExchangeStatistics()
        self.links: dict[bytes, PlcLink] = {}
        """By the address of the node at the far end, in the order in which they were added."""
        self._scheduler = scheduler
        self._stream = stream
        self._clock = clock
        self._utc_offset_s = utc_offset_s
        self._tree = Tree(parameters.hop_shares)
        self._nodes: dict[bytes, _Node] = {}
        self._cuts: dict[Modulation, Cuts] = {}
        self._free_s = -math.inf  # when the channel is free of our own frames
        self._extra_noise: list[float] = []
        self._noise_factor = 1.0
        self._noise_until_s = -math.inf
        self._built_s = scheduler.now_s
        band = parameters.band
        self._before_s = parameters.interframe_symbols * band.symbol_s + parameters.priority_window_slots * band.slot_s
        self._after_s = parameters.response_symbols * band.symbol_s + band.acknowledgement_s
        self._slot_s = band.slot_s
        self._slots = 1 << parameters.backoff_exponent_min
        self._background_load = parameters.background_load
        self._collision_ratio = parameters.collision_ratio

    # -- the population

    def add_meter(
        self,
        endpoint: MeterEndpoint,
        *,
        parent: bytes | None = None,
        is_placed: bool = False,
        modulation: Modulation | None = None,
        frame_error_ratio: float | None = None,
        processing_s: tuple[float, float] | None = None,
    ) -> PlcLink:
        """Add a meter behind `parent` (None and is_placed: at the concentrator), or where its own stream puts it.

        What is not given is drawn from the meter's own stream. processing_s: shortest and longest time to answer.
        """
        address = endpoint.address
        stream = self._stream("plc", self.name, address_text(address), "place")
        if parent is None and not is_placed:
            parent = self._tree.place(address, stream)
        else:
            self._tree.attach(address, parent)
        parameters = self.parameters
        drawn_modulation = _pick(parameters.modulation_shares, stream.random())
        spread = parameters.frame_error_spread
        drawn_ratio = parameters.frame_error_ratio * math.exp(stream.normalvariate(-spread * spread / 2, spread))
        parent_link = None if parent is None else self.links[parent]
        modulation = modulation or drawn_modulation
        link = self.links[address] = PlcLink(
            f"{self.name}/{address_text(address)}",
            parent_link,
            modulation,
            min(drawn_ratio, 0.5) if frame_error_ratio is None else frame_error_ratio,
            self._cuts.setdefault(modulation, {}),
        )
        path = (link,) if parent is None else (*self._nodes[parent].path, link)
        self._nodes[address] = _Node(endpoint, path, processing_s or parameters.processing_s)
        return link

    def hops(self, address: bytes) -> int:
        """How many links lie between the concentrator and a meter."""
        return len(self._node(address).path)

    def statistics_by_hop(self) -> dict[int, LinkStatistics]:
        """Sums over the links that end 1, 2, ... hops away from the concentrator."""
        sums: dict[int, LinkStatistics] = {}
        for link in self.links.values():
            sums.setdefault(link.hops, LinkStatistics()).add(link.statistics)
        return dict(sorted(sums.items()))

    # -- what can go wrong

    def set_power(self, address: bytes, *, is_on: bool) -> None:
        """Fault: a meter without power neither answers nor relays."""
        self._node(address).path[-1].is_on = is_on

    def set_silent(self, address: bytes, *, is_silent: bool) -> None:
        """Fault: a meter answers nothing any more, while its modem goes on relaying for others."""
        self._node(address).is_silent = is_silent

    def begin_noise(self, factor: float) -> None:
        """Fault: frame errors rise by `factor`, on top of the hour's noise, until `end_noise(factor)`."""
        self._extra_noise.append(factor)
        self._noise_until_s = -math.inf

    def end_noise(self, factor: float) -> None:
        self._extra_noise.remove(factor)
        self._noise_until_s = -math.inf

    # -- exchanges

    async def exchange(self, address: bytes, octets: bytes, timeout_s: float) -> bytes:
        """Carry `octets` to a meter and its answer back.

        Raises MeterSilent after timeout_s, or as soon as the first hop stays unacknowledged; UnknownMeter at once. An
        answer that arrives later is counted and dropped.
        """
        node = self._node(address)
        scheduler = self._scheduler
        now_s = scheduler.now_s
        flight = _Flight(node, octets, asyncio.get_running_loop().create_future(), now_s)
        self.statistics.started += 1
        scheduler.post_at(now_s + timeout_s, _time_out, flight)
        if self.parameters.fidelity is Fidelity.PER_FRAME:
            scheduler.post_at(self._enter_hop(flight, now_s), self._tick, flight)
        else:
            self._run_ahead(flight, now_s)
        return await flight.future

    def _node(self, address: bytes) -> _Node:
        node = self._nodes.get(address)
        if node is None:
            raise UnknownMeter(f"{self.name} has no meter {address_text(address)}", meter=address_text(address))
        return node

    def _tick(self, flight: _Flight) -> None:
        """One event per frame, and one for the meter's thinking."""
        scheduler = self._scheduler
        now_s = scheduler.now_s
        next_s = self._advance(flight, now_s)
        if next_s is None:
            self._finish(flight)
        else:
            scheduler.post_at(next_s, self._tick, flight)

    def _run_ahead(self, flight: _Flight, now_s: float) -> None:
        """The whole exchange at once; its end is the only event."""
        next_s: float | None = self._enter_hop(flight, now_s)
        while next_s is not None:
            now_s = next_s
            next_s = self._advance(flight, now_s)
        self._scheduler.post_at(now_s, self._finish, flight)

    def _advance(self, flight: _Flight, now_s: float) -> float | None:
        """What was under way ends at `now_s`; start what follows and return when that ends, None when all is over."""
        if flight.is_thinking:
            flight.is_thinking = False
            return self._answer(flight, now_s)
        link = flight.node.path[flight.hop]
        statistics = link.statistics
        outcome = self._outcome(flight, link, now_s)
        statistics.frames += 1
        if self.on_frame is not None:
            psdu_octets = flight.frames[flight.frame][0]
            self.on_frame(now_s, link.number, _DOWN if flight.is_down else _UP, psdu_octets, outcome)
        if outcome is _ACKNOWLEDGED:
            statistics.acknowledged += 1
            flight.attempt = 0
            flight.frame += 1
            if flight.frame < len(flight.frames):
                return self._send(flight, link, now_s)
            statistics.datagrams += 1
            return self._next_hop(flight, now_s)
        if outcome is _LOST:
            statistics.lost += 1
        else:
            statistics.collided += 1
        flight.attempt += 1
        if flight.attempt <= self.parameters.retries_max:
            return self._send(flight, link, now_s)
        statistics.datagrams_dropped += 1
        self._drop(flight)
        return None

    def _outcome(self, flight: _Flight, link: PlcLink, now_s: float) -> Outcome:
        """Draw what became of the frame that ends now."""
        if now_s >= self._noise_until_s:
            self._look_at_noise(now_s)
        fading = link.fading
        if fading is None:
            fading = self._wake_link(link)
        if fading.changes_s <= now_s:
            fading.advance(now_s)
        receiver_is_on = link.is_on if flight.is_down else (link.parent is None or link.parent.is_on)
        ratio = link.frame_error_ratio * self._noise_factor
        if ratio > FRAME_ERROR_RATIO_MAX:
            ratio = FRAME_ERROR_RATIO_MAX
        if ratio < fading.frame_error_ratio:
            ratio = fading.frame_error_ratio
        draw = link.random()  # type: ignore[misc]  # set by _wake_link
        collision_ratio = self._collision_ratio
        if flight.is_collided or draw < collision_ratio:
            return _COLLIDED
        if not receiver_is_on or draw < collision_ratio + (1 - collision_ratio) * ratio:
            return _LOST
        return _ACKNOWLEDGED

    def _enter_hop(self, flight: _Flight, now_s: float) -> float:
        """Cut the datagram for the link of this hop and send the first frame."""
        link = flight.node.path[flight.hop]
        datagram_octets = len(flight.octets)
        frames = link.cuts.get(datagram_octets)
        if frames is None:
            parameters = self.parameters
            frames = frames_of(parameters.band, link.modulation, parameters.overhead, datagram_octets)
            link.cuts[datagram_octets] = frames
        flight.frames = frames
        flight.frame = flight.attempt = 0
        return self._send(flight, link, now_s)

    def _send(self, flight: _Flight, link: PlcLink, now_s: float) -> float:
        """Wait for the channel and send; when the frame and its acknowledgement, or the wait for it, are over."""
        draw = link.random
        if draw is None:
            self._wake_link(link)
            draw = link.random
            assert draw is not None
        wait_s = int(draw() * self._slots) * self._slot_s
        background_load = self._background_load
        if background_load and draw() < background_load:
            wait_s += self._defer_to_others(draw)
        start_s = now_s
        flight.is_collided = False
        if self._free_s > now_s:  # another of our own exchanges is on the air: contend with it when it ends
            start_s = self._free_s
            flight.is_collided = draw() * self._slots < 1.0
        end_s = start_s + self._before_s + wait_s + flight.frames[flight.frame][1] + self._after_s
        self._free_s = end_s
        return end_s

    def _defer_to_others(self, draw: Callable[[], float]) -> float:
        """Seconds lost to background frames found on the air: one at least, with a longer back-off after each."""
        parameters = self.parameters
        wait_s = 0.0
        exponent = parameters.backoff_exponent_min
        for _ in range(parameters.backoffs_max):
            exponent = min(exponent + 1, parameters.backoff_exponent_max)
            wait_s += draw() * parameters.background_frame_s + int(draw() * (1 << exponent)) * self._slot_s
            if draw() >= parameters.background_load:
                break
        return wait_s

    def _next_hop(self, flight: _Flight, now_s: float) -> float | None:
        """The datagram has crossed a link: on to the next, to the meter, or home."""
        path = flight.node.path
        if flight.is_down:
            if flight.hop + 1 < len(path):
                flight.hop += 1
                return self._enter_hop(flight, now_s)
            flight.is_thinking = True
            low, high = flight.node.processing_s
            return now_s + low + (high - low) * path[-1].random()  # type: ignore[misc]  # awake: it has just sent
        if flight.hop == 0:
            flight.answer = flight.octets
            return None
        flight.hop -= 1
        if not path[flight.hop].is_on:  # the relay that holds the datagram has lost its power
            self._drop(flight)
            return None
        return self._enter_hop(flight, now_s)

    def _answer(self, flight: _Flight, now_s: float) -> float | None:
        node = flight.node
        answer = None
        if node.path[-1].is_on and not node.is_silent:
            epoch_s = self._clock.epoch_s() + (now_s - self._scheduler.now_s)
            answer = node.endpoint.answer(flight.octets, epoch_s)
        if answer is None:
            self.statistics.unanswered += 1
            flight.failure = "it heard the request and did not answer"
            return None
        flight.octets = answer
        flight.is_down = False
        return self._enter_hop(flight, now_s)

    def _drop(self, flight: _Flight) -> None:
        if flight.is_down:
            self.statistics.dropped_down += 1
        else:
            self.statistics.dropped_up += 1
        way = "to" if flight.is_down else "from"
        flight.failure = f"a frame {way} it was never acknowledged at hop {flight.hop + 1}"

    def _finish(self, flight: _Flight) -> None:
        """All that can happen has happened: wake who waits, unless nobody can know yet or nobody waits any more."""
        future = flight.future
        if flight.answer is None:
            if flight.is_down and flight.hop == 0 and flight.attempt and not future.done():
                future.set_exception(_silent(flight))
            return
        if future.done():
            self.statistics.late += 1
            return
        self.statistics.answered += 1
        self.statistics.seconds += self._scheduler.now_s - flight.started_s
        future.set_result(flight.answer)

    # -- the channel's quality

    def _hourly_noise(self, now_s: float) -> tuple[float, float]:
        epoch_s = self._clock.epoch_s() + (now_s - self._scheduler.now_s)
        return self.parameters.noise.at(epoch_s + self._utc_offset_s)

    def _look_at_noise(self, now_s: float) -> None:
        factor, holds_s = self._hourly_noise(now_s)
        self._noise_factor = factor * math.prod(self._extra_noise)
        self._noise_until_s = now_s + min(holds_s, NOISE_LOOK_S)

    def _wake_link(self, link: PlcLink) -> Fading:
        """Give a link its streams when its first frame comes: idle links cost none."""
        link.random = self._stream("plc", link.link_id, "frames").random
        stream = self._stream("plc", link.link_id, "fading")
        fading = link.fading = Fading(stream, self.parameters.fading, self._hourly_noise, self._built_s)
        return fading


def _time_out(flight: _Flight) -> None:
    if not flight.future.done():
        flight.future.set_exception(_silent(flight))


def _silent(flight: _Flight) -> MeterSilent:
    meter = address_text(flight.node.endpoint.address)
    return MeterSilent(f"meter {meter} is silent: {flight.failure or 'no answer in time'}", meter=meter)


def _pick(shares: tuple[tuple[Modulation, float], ...], draw: float) -> Modulation:
    left = draw * math.fsum(share for _, share in shares)
    for modulation, share in shares:
        left -= share
        if left < 0:
            return modulation
    return shares[-1][0]


def address_text(address: bytes) -> str:
    """A physical address for people: as text where it is text, else in hex."""
    return address.decode("ascii") if address.isascii() and address.decode("ascii").isprintable() else address.hex()

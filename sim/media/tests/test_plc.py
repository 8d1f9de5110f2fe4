"""The PLC network against closed forms, against itself in another fidelity, and against what field engineers see."""

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import pytest

from sim.clock import VirtualClock
from sim.dcu.ports import MeterSilent, UnknownMeter
from sim.loop import LOOP_START_S, VirtualLoop
from sim.media.g3 import FrameOverhead, Modulation, frames_of
from sim.media.noise import BAD_EVENING, QUIET, FadingParameters
from sim.media.plc import Direction, Fidelity, Outcome, PlcNetwork, PlcParameters
from sim.run_loop import run
from sim.streams import Streams

MIDNIGHT = 1_700_006_400.0
NO_FADING = FadingParameters(gap_s=math.inf)
CLEAN = PlcParameters(
    frame_error_ratio=0.0,
    frame_error_spread=0.0,
    noise=QUIET,
    fading=NO_FADING,
    background_load=0.0,
    collision_ratio=0.0,
    processing_s=(0.3, 0.3),
)
ORDINARY = PlcParameters()
ResultT = TypeVar("ResultT")


class Meter:
    """Answers with as many octets as the first two octets of the request say; keeps when it was asked."""

    def __init__(self, address: bytes) -> None:
        self.address = address
        self.asked_epoch_s: list[float] = []

    def answer(self, octets: bytes, now_epoch_s: float) -> bytes | None:
        self.asked_epoch_s.append(now_epoch_s)
        return bytes(int.from_bytes(octets[:2]))


def meter_address(number: int) -> bytes:
    return b"%012d" % number


def ask(request_octets: int, answer_octets: int) -> bytes:
    return answer_octets.to_bytes(2) + bytes(request_octets - 2)


class Area:
    """A PLC network in virtual time."""

    def __init__(self, loop: VirtualLoop, parameters: PlcParameters, *, seed: int = 1) -> None:
        self.loop = loop
        self.frames: list[tuple[float, int, int, int, int]] = []
        self.meters: dict[bytes, Meter] = {}
        self.network = PlcNetwork(
            loop,
            Streams(seed).stream,
            VirtualClock(loop, MIDNIGHT),
            "area",
            parameters,
            on_frame=lambda *frame: self.frames.append(frame),
        )

    def chain(self, hops: int, modulation: Modulation = Modulation.DBPSK, frame_error_ratio: float = 0.0) -> bytes:
        """Meters one behind the other; the address of the last."""
        parent = None
        for number in range(hops):
            address = meter_address(number)
            self.network.add_meter(
                self.meter(address),
                parent=parent,
                is_placed=True,
                modulation=modulation,
                frame_error_ratio=frame_error_ratio,
            )
            parent = address
        return meter_address(hops - 1)

    def grow(self, count: int) -> list[bytes]:
        addresses = [meter_address(number) for number in range(count)]
        for address in addresses:
            self.network.add_meter(self.meter(address))
        return addresses

    def meter(self, address: bytes) -> Meter:
        meter = self.meters[address] = Meter(address)
        return meter

    async def latency_s(self, address: bytes, octets: bytes, timeout_s: float = 60.0) -> float:
        """Seconds of one exchange; infinite when the meter was silent."""
        began_s = self.loop.now_s
        try:
            await self.network.exchange(address, octets, timeout_s)
        except MeterSilent:
            return math.inf
        return self.loop.now_s - began_s


def live(
    story: Callable[[Area], Awaitable[ResultT]], parameters: PlcParameters = CLEAN, *, seed: int = 1
) -> tuple[ResultT, Area]:
    """Run `story(area)` in virtual time; its result and the area."""
    loop = VirtualLoop()
    area = Area(loop, parameters, seed=seed)

    async def main() -> ResultT:
        return await story(area)

    return run(main(), loop=loop), area


# -- closed forms


@pytest.mark.parametrize("hops", [1, 3, 5])
@pytest.mark.parametrize("modulation", [Modulation.ROBO, Modulation.DQPSK])
def test_without_loss_a_chain_takes_its_frames_its_gaps_and_the_mean_back_off(
    hops: int, modulation: Modulation
) -> None:
    async def story(area: Area) -> float:
        address = area.chain(hops, modulation)
        latencies = [await area.latency_s(address, ask(60, 400)) for _ in range(400)]
        return math.fsum(latencies) / len(latencies)

    mean_s, area = live(story)
    band = CLEAN.band
    frames = [*frames_of(band, modulation, FrameOverhead(), 60), *frames_of(band, modulation, FrameOverhead(), 400)]
    gaps_s = (10 + 10) * band.symbol_s + (7 + 3.5) * band.slot_s + band.acknowledgement_s
    expected_s = 0.3 + hops * math.fsum(on_air_s + gaps_s for _, on_air_s in frames)
    assert mean_s == pytest.approx(expected_s, rel=0.005)
    assert len(area.frames) == 400 * hops * len(frames)


@pytest.mark.parametrize("frame_error_ratio", [0.05, 0.2, 0.5])
def test_frames_are_sent_as_often_as_the_frame_error_ratio_asks_for(frame_error_ratio: float) -> None:
    async def story(area: Area) -> int:
        address = area.chain(1, frame_error_ratio=frame_error_ratio)
        latencies = [await area.latency_s(address, ask(20, 20)) for _ in range(6000)]
        return sum(latency == math.inf for latency in latencies)

    silent, area = live(story)
    sends = CLEAN.retries_max + 1
    dropped = frame_error_ratio**sends
    statistics = area.network.links[meter_address(0)].statistics
    mean_sends = statistics.frames / (statistics.datagrams + statistics.datagrams_dropped)
    assert mean_sends == pytest.approx((1 - dropped) / (1 - frame_error_ratio), rel=0.02)
    assert silent == pytest.approx(6000 * (1 - (1 - dropped) ** 2), abs=3 * math.sqrt(6000 * 2 * dropped) + 1)
    assert statistics.frames == statistics.acknowledged + statistics.lost


def test_background_traffic_costs_its_share_of_time() -> None:
    async def story(area: Area) -> float:
        address = area.chain(1)
        latencies = [await area.latency_s(address, ask(20, 20)) for _ in range(4000)]
        return math.fsum(latencies) / len(latencies)

    calm_s, _ = live(story)
    busy_s, _ = live(story, replace(CLEAN, background_load=0.2))
    slot_s = CLEAN.band.slot_s
    meetings = [0.2**count for count in range(1, 7)]  # each with half a frame left of it and a longer back-off
    backoffs = [(2 ** min(3 + count, 8) - 1) / 2 * slot_s for count in range(1, 7)]
    expected_s = math.fsum(
        meeting * (CLEAN.background_frame_s / 2 + backoff) for meeting, backoff in zip(meetings, backoffs, strict=True)
    )
    assert busy_s - calm_s == pytest.approx(2 * expected_s, rel=0.08)


def test_collisions_are_losses_of_their_own_kind() -> None:
    async def story(area: Area) -> None:
        address = area.chain(1)
        for _ in range(4000):
            await area.latency_s(address, ask(20, 20))

    _, area = live(story, replace(CLEAN, collision_ratio=0.1))
    outcomes = Counter(outcome for *_, outcome in area.frames)
    assert outcomes[Outcome.COLLIDED] / len(area.frames) == pytest.approx(0.1, rel=0.1)
    assert outcomes[Outcome.LOST] == 0


# -- fidelity, determinism, independence


def test_per_frame_and_per_exchange_give_the_same_latencies_bit_by_bit() -> None:
    async def story(area: Area) -> list[float]:
        addresses = area.grow(60)
        latencies = []
        for turn in range(900):
            latencies.append(await area.latency_s(addresses[turn * 7 % 60], ask(40, turn % 500), timeout_s=30.0))
            await asyncio.sleep(10.0)
        return latencies

    per_frame, frames = live(story, ORDINARY)
    per_exchange, exchanges = live(story, replace(ORDINARY, fidelity=Fidelity.PER_EXCHANGE))
    assert per_frame == per_exchange
    assert frames.frames == exchanges.frames
    assert frames.network.statistics == exchanges.network.statistics
    assert math.inf in per_frame


def _busy_hours(area: Area, addresses: list[bytes]) -> Awaitable[list[float]]:
    async def story() -> list[float]:
        latencies = []
        for turn in range(300):
            latencies.append(await area.latency_s(addresses[turn % len(addresses)], ask(40, 100)))
            await asyncio.sleep(60.0)
        return latencies

    return story()


def test_a_seed_repeats_exactly_and_another_differs() -> None:
    async def story(area: Area) -> list[float]:
        return await _busy_hours(area, area.grow(20))

    (first, one), (again, two), (other, _) = (live(story, ORDINARY, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert one.frames == two.frames
    assert first != other


def test_a_new_meter_shifts_nobody_elses_draws() -> None:
    async def without(area: Area) -> list[float]:
        return await _busy_hours(area, area.grow(20))

    async def with_one_more(area: Area) -> list[float]:
        return await _busy_hours(area, area.grow(21)[:20])

    (alone, _), (in_company, _) = live(without, ORDINARY), live(with_one_more, ORDINARY)
    assert alone == in_company


# -- the channel is shared


def test_two_exchanges_at_once_share_the_air_and_frames_never_overlap() -> None:
    async def story(area: Area) -> None:
        area.chain(2)
        async with asyncio.TaskGroup() as tasks:
            for number in (0, 1) * 30:
                tasks.create_task(area.latency_s(meter_address(number), ask(60, 400)))

    _, area = live(story)
    gap_s = CLEAN.interframe_symbols * CLEAN.band.symbol_s
    shortest = {
        octets: frames_of(CLEAN.band, Modulation.DBPSK, FrameOverhead(), octets - 44)[0][1] for octets in (104, 235, 66)
    }
    for (ended_s, *_), (next_ended_s, _, _, octets, _) in zip(area.frames, area.frames[1:], strict=False):
        assert next_ended_s - ended_s > shortest.get(octets, 0.02) + gap_s
    assert {outcome for *_, outcome in area.frames} == {Outcome.ACKNOWLEDGED, Outcome.COLLIDED}


# -- silence


def test_a_late_answer_is_counted_and_never_given_to_a_later_exchange() -> None:
    async def story(area: Area) -> None:
        address = area.chain(3, Modulation.ROBO)
        began_s = area.loop.now_s
        with pytest.raises(MeterSilent, match="no answer in time"):
            await area.network.exchange(address, ask(20, 700), 2.0)
        assert area.loop.now_s - began_s == 2.0
        assert len(await area.network.exchange(address, ask(20, 50), 60.0)) == 50
        await asyncio.sleep(60.0)

    _, area = live(story)
    assert area.network.statistics.late == 1
    assert area.network.statistics.answered == 1


def test_an_exchange_that_nobody_waits_for_any_more_harms_nobody() -> None:
    async def story(area: Area) -> None:
        address = area.chain(2)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await area.network.exchange(address, ask(20, 20), 30.0)
        assert len(await area.network.exchange(address, ask(20, 21), 30.0)) == 21
        await asyncio.sleep(60.0)

    live(story)


def test_a_dead_first_hop_is_known_at_once_and_a_dead_deeper_one_only_by_time_out() -> None:
    async def story(area: Area) -> None:
        address = area.chain(2)
        area.network.set_power(address, is_on=False)
        assert await area.latency_s(meter_address(0), ask(20, 20), 20.0) < 2.0
        began_s = area.loop.now_s
        with pytest.raises(MeterSilent, match="a frame to it was never acknowledged at hop 2"):
            await area.network.exchange(address, ask(20, 20), 20.0)
        assert area.loop.now_s - began_s == pytest.approx(20.0)
        area.network.set_power(address, is_on=True)
        area.network.set_power(meter_address(0), is_on=False)
        began_s = area.loop.now_s
        with pytest.raises(MeterSilent, match="a frame to it was never acknowledged at hop 1"):
            await area.network.exchange(address, ask(20, 20), 20.0)
        assert area.loop.now_s - began_s < 2.0
        area.network.set_power(meter_address(0), is_on=True)
        assert await area.latency_s(address, ask(20, 20), 20.0) < 2.0

    _, area = live(story)
    assert area.network.statistics.dropped_down == 2


def test_a_silent_meter_goes_on_relaying() -> None:
    async def story(area: Area) -> None:
        address = area.chain(2)
        area.network.set_silent(meter_address(0), is_silent=True)
        with pytest.raises(MeterSilent, match="heard the request and did not answer"):
            await area.network.exchange(meter_address(0), ask(20, 20), 20.0)
        assert await area.latency_s(address, ask(20, 20), 20.0) < 2.0

    live(story)


def test_power_lost_while_a_datagram_is_on_its_way_loses_the_datagram() -> None:
    async def story(area: Area) -> None:
        address = area.chain(2, Modulation.ROBO)

        async def cut() -> None:
            await asyncio.sleep(0.75)  # the answer is crossing the outer hop towards the relay
            area.network.set_power(meter_address(0), is_on=False)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(cut())
            with pytest.raises(MeterSilent):
                await area.network.exchange(address, ask(20, 100), 20.0)

    _, area = live(story)
    assert area.network.statistics.dropped_up == 1


def test_an_unknown_meter_is_said_to_be_unknown() -> None:
    async def story(area: Area) -> None:
        with pytest.raises(UnknownMeter, match="area has no meter 037229132750"):
            await area.network.exchange(b"037229132750", b"", 20.0)

    live(story)


# -- what is told


def test_every_frame_is_told_with_link_direction_and_size() -> None:
    async def story(area: Area) -> None:
        await area.latency_s(area.chain(2), ask(60, 300))

    _, area = live(story)
    links = [area.network.links[meter_address(number)].number for number in (0, 1)]
    down, up = Direction.DOWN, Direction.UP
    assert [(link, way, octets) for _, link, way, octets, _ in area.frames] == [
        (links[0], down, 104),
        (links[1], down, 104),
        (links[1], up, 235),
        (links[1], up, 133),
        (links[0], up, 235),
        (links[0], up, 133),
    ]
    times_s = [at_s for at_s, *_ in area.frames]
    assert times_s == sorted(times_s)


def test_the_meter_is_asked_at_the_civil_time_when_it_has_thought() -> None:
    async def story(area: Area) -> float:
        return await area.latency_s(area.chain(1), ask(20, 20))

    for parameters in (CLEAN, replace(CLEAN, fidelity=Fidelity.PER_EXCHANGE)):
        _, area = live(story, parameters)
        [asked_epoch_s] = area.meters[meter_address(0)].asked_epoch_s
        first_frame_s = area.frames[0][0]
        assert asked_epoch_s == pytest.approx(MIDNIGHT + first_frame_s - LOOP_START_S + 0.3)


def test_statistics_add_up_by_hop() -> None:
    async def story(area: Area) -> None:
        address = area.chain(3)
        for _ in range(5):
            await area.latency_s(address, ask(20, 300))
        await area.latency_s(meter_address(0), ask(20, 20))

    _, area = live(story)
    by_hop = area.network.statistics_by_hop()
    assert [statistics.frames for statistics in by_hop.values()] == [5 * 3 + 2, 5 * 3, 5 * 3]
    assert [statistics.datagrams for statistics in by_hop.values()] == [5 * 2 + 2, 5 * 2, 5 * 2]
    assert sum(statistics.frames for statistics in by_hop.values()) == len(area.frames)


# -- what a utility sees

SESSION = [(110, 120), (60, 60), (60, 60), (80, 500), (40, 500), (40, 500), (40, 300), (60, 150), (30, 30)]
"""Octets of request and answer: association in three steps, clock, a load profile in blocks, billing, release."""


async def _session(area: Area, address: bytes) -> bool:
    for request_octets, answer_octets in SESSION:
        if await area.latency_s(address, ask(request_octets, answer_octets), 20.0) == math.inf:
            return False
        await asyncio.sleep(0.9)  # the rest of the way to the head-end and back
    return True


def test_about_one_session_in_twenty_fails_at_first_and_a_retry_some_minutes_later_succeeds() -> None:
    async def story(area: Area) -> tuple[Counter[str], Counter[str]]:
        addresses = area.grow(250)
        sessions: Counter[str] = Counter()
        failures: Counter[str] = Counter()
        for turn in range(3200):
            address = addresses[turn * 37 % 250]
            depth = "deep" if area.network.hops(address) >= 3 else "near"
            sessions[depth] += 1
            if not await _session(area, address):
                failures[depth] += 1
                await asyncio.sleep(900.0)
                failures["twice"] += not await _session(area, address)
        return sessions, failures

    (sessions, failures), area = live(story, ORDINARY)
    first_attempts = failures["deep"] + failures["near"]
    assert 0.035 < first_attempts / sessions.total() < 0.065
    assert failures["deep"] / sessions["deep"] > 1.5 * failures["near"] / sessions["near"]
    assert failures["twice"] / first_attempts < 0.2
    lost = sum(outcome != Outcome.ACKNOWLEDGED for *_, outcome in area.frames)
    assert 0.05 < lost / len(area.frames) < 0.10


def test_a_bad_evening_loses_one_frame_in_five() -> None:
    async def story(area: Area) -> Counter[tuple[bool, bool]]:
        addresses = area.grow(100)
        for turn in range(2400):
            await area.latency_s(addresses[turn % 100], ask(40, 100))
            await asyncio.sleep(35.0)
        return Counter(
            (18 <= (at_s - LOOP_START_S) / 3600 % 24 < 22, outcome == Outcome.ACKNOWLEDGED)
            for at_s, _, _, _, outcome in area.frames
        )

    parameters = replace(ORDINARY, noise=BAD_EVENING, fading=NO_FADING, collision_ratio=0.0, frame_error_spread=0.0)
    counts, _ = live(story, parameters)
    assert counts[True, False] / (counts[True, False] + counts[True, True]) == pytest.approx(0.20, rel=0.15)
    assert counts[False, False] / (counts[False, False] + counts[False, True]) == pytest.approx(0.05, rel=0.15)


def test_a_noise_fault_multiplies_the_errors_while_it_lasts() -> None:
    async def story(area: Area) -> list[float]:
        address = area.chain(1, frame_error_ratio=0.05)
        shares = []
        for factor in (None, 6.0, None):
            if factor:
                area.network.begin_noise(factor)
            before = len(area.frames)
            for _ in range(1500):
                await area.latency_s(address, ask(20, 20))
            frames = area.frames[before:]
            shares.append(sum(outcome == Outcome.LOST for *_, outcome in frames) / len(frames))
            if factor:
                area.network.end_noise(factor)
        return shares

    shares, _ = live(story)
    assert shares == pytest.approx([0.05, 0.30, 0.05], rel=0.2)

"""Civil time of a simulated world."""

import asyncio

from hes.clock import Clock, utc
from sim.clock import VirtualClock
from sim.loop import LOOP_START_S, VirtualLoop
from sim.run_loop import run


def test_civil_time_starts_where_the_world_says_and_moves_with_the_loop():
    loop = VirtualLoop()
    clock: Clock = VirtualClock(loop, 1_900_000_000)

    async def main():
        before = clock.epoch_s()
        await asyncio.sleep(86_400)
        return before, clock.epoch_s()

    assert run(main(), loop=loop) == (1_900_000_000, 1_900_086_400)
    assert utc(1_900_000_000).isoformat() == "2030-03-17T17:46:40+00:00"


def test_a_civil_instant_is_turned_into_loop_time_for_scheduling():
    loop = VirtualLoop()
    clock = VirtualClock(loop, 1_900_000_000)
    assert clock.loop_time_s(1_900_000_000) == LOOP_START_S
    seen = []
    loop.post_at(clock.loop_time_s(1_900_000_900), lambda _: seen.append(clock.epoch_s()), None)
    run(asyncio.sleep(1000), loop=loop)
    assert seen == [1_900_000_900]

"""The virtual loop beside SimPy: what one event costs as a device callback, a SimPy process or an asyncio sleep.

10 000 chains each wait 20 times for a random while: as many meters with one timer each. Every engine gets the same
delays and must finish the chains in the same order at the same instants. The heap holds 10 000 entries throughout;
`heapq` alone is the floor under every engine written in Python.
"""

from __future__ import annotations

import asyncio
import gc
import heapq
import itertools
import random
import statistics
import time
from collections.abc import Callable, Generator
from typing import Any

import simpy

from benches._measure import DifferenceError, Row
from sim.loop import LOOP_START_S, VirtualLoop
from sim.run_loop import garbage_policy

NAME = "virtual_loop"
CHAINS, CHAINS_QUICK = 10_000, 500
WAITS = 20
ROUNDS, ROUNDS_QUICK = 7, 3

TARGETS = {"SimPy alone, processes": 1.5}  # a device callback stays that much cheaper than a SimPy process

Delays = list[list[float]]
Finished = list[tuple[float, int]]  # loop time, chain


def run(quick: bool) -> list[Row]:
    chance = random.Random(353)
    delays = [[chance.uniform(0, 900) for _ in range(WAITS)] for _ in range(CHAINS_QUICK if quick else CHAINS)]
    rounds = ROUNDS_QUICK if quick else ROUNDS
    with garbage_policy("rare"):
        rows = _compare("one timer", delays, TIMERS, rounds)
        return rows + _compare("a wait under a deadline that holds", delays, DEADLINES, rounds)


def _compare(
    operation: str, delays: Delays, engines: dict[str, Callable[[Delays], Finished]], rounds: int
) -> list[Row]:
    """Interleaved rounds; microseconds per wait. The first engine is the measure of the others."""
    names = list(engines)
    taken_us: dict[str, list[float]] = {name: [] for name in names}
    expected = engines[names[0]](delays)
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            gc.collect()
            start_s = time.perf_counter()
            finished = engines[name](delays)
            taken_us[name].append(1e6 * (time.perf_counter() - start_s) / (len(delays) * WAITS))
            if finished != expected:
                raise DifferenceError(f"{NAME}, {operation}: {name} and {names[0]} end the chains differently")
    rows = []
    for name, taken in taken_us.items():
        low, median, high = statistics.quantiles(taken, n=4)
        ratio = statistics.median(theirs / ours for theirs, ours in zip(taken, taken_us[names[0]], strict=True))
        rows.append(
            Row(
                bench=NAME,
                operation=operation,
                implementation=name,
                value=median,
                low=low,
                high=high,
                ratio=ratio,
                target=TARGETS.get(name),
                note=f"{1e3 / median:,.0f} k/s",
            )
        )
    return rows


def _post_at(delays: Delays) -> Finished:
    loop = VirtualLoop()
    finished: Finished = []

    def step(chain: tuple[int, Any]) -> None:
        for delay_s in chain[1]:
            loop.post_at(loop.env._now + delay_s, step, chain)
            return
        finished.append((loop.now_s, chain[0]))
        if len(finished) == len(delays):
            loop.stop()

    for number, waits in enumerate(delays):
        step((number, iter(waits)))
    loop.run_forever()
    loop.close()
    return finished


def _simpy_on_the_loop(delays: Delays) -> Finished:
    loop = VirtualLoop()
    finished: Finished = []

    async def main() -> None:
        await loop.wait_event(loop.env.all_of([_story(loop.env, *chain, finished) for chain in enumerate(delays)]))

    loop.run_until_complete(main())
    loop.close()
    return finished


def _simpy_alone(delays: Delays) -> Finished:
    env = simpy.Environment(initial_time=LOOP_START_S)
    finished: Finished = []
    for chain in enumerate(delays):
        _story(env, *chain, finished)
    env.run()
    return finished


def _story(env: simpy.Environment, number: int, waits: list[float], finished: Finished) -> simpy.Process:
    def story() -> Generator[simpy.Event, Any, None]:
        for delay_s in waits:
            yield env.timeout(delay_s)
        finished.append((env.now, number))

    return env.process(story())


def _simpy_callbacks(delays: Delays) -> Finished:
    env = simpy.Environment(initial_time=LOOP_START_S)
    finished: Finished = []

    def step(event: simpy.Event) -> None:
        chain: Any = event.value
        for delay_s in chain[1]:
            env.timeout(delay_s, chain).callbacks.append(step)
            return
        finished.append((env.now, chain[0]))

    for number, waits in enumerate(delays):
        env.timeout(0, (number, iter(waits))).callbacks.append(step)
    env.run()
    return finished


def _heapq(delays: Delays) -> Finished:
    queue: list[Any] = []
    numbers = itertools.count()
    finished: Finished = []
    now_s = LOOP_START_S

    def step(chain: tuple[int, Any]) -> None:
        for delay_s in chain[1]:
            heapq.heappush(queue, (now_s + delay_s, next(numbers), step, chain))
            return
        finished.append((now_s, chain[0]))

    for number, waits in enumerate(delays):
        step((number, iter(waits)))
    while queue:
        now_s, _, fn, argument = heapq.heappop(queue)
        fn(argument)
    return finished


def _sleep(delays: Delays) -> Finished:
    return _tasks(delays, asyncio.sleep)


def _timeout(delays: Delays) -> Finished:
    async def wait(delay_s: float) -> None:
        async with asyncio.timeout(10_000):
            await asyncio.sleep(delay_s)

    return _tasks(delays, wait)


def _tasks(delays: Delays, wait: Callable[[float], Any]) -> Finished:
    loop = VirtualLoop()
    finished: Finished = []

    async def worker(number: int, waits: list[float]) -> None:
        for delay_s in waits:
            await wait(delay_s)
        finished.append((loop.now_s, number))

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for number, waits in enumerate(delays):
                group.create_task(worker(number, waits))

    loop.run_until_complete(main())
    loop.close()
    return finished


TIMERS: dict[str, Callable[[Delays], Finished]] = {
    "virtual loop, post_at": _post_at,
    "virtual loop, asyncio.sleep": _sleep,
    "virtual loop, SimPy processes": _simpy_on_the_loop,
    "SimPy alone, processes": _simpy_alone,
    "SimPy alone, callbacks": _simpy_callbacks,
    "heapq and a call": _heapq,
}
DEADLINES: dict[str, Callable[[Delays], Finished]] = {
    "virtual loop, asyncio.sleep": _sleep,
    "the same in asyncio.timeout": _timeout,
}

"""The wall-clock watchdog. Here blocking is real: callbacks wait, on a lock, until they have been named."""

import asyncio
import threading
import time

import structlog.testing

from sim.loop import VirtualLoop
from sim.run_loop import run
from sim.watchdog import Watchdog

NAMED_WITHIN_S = 20  # far more than it takes, for a loaded machine
BLOCKED_WALL_S = 0.3  # more than a loaded machine keeps a short callback from going on


class Reports(list):
    """Takes reports and lets go of the callback that waits for one."""

    def __init__(self):
        super().__init__()
        self.arrived = threading.Event()

    def __call__(self, sentence):
        self.append(sentence)
        self.arrived.set()


def watched(main):
    reports = Reports()
    loop = VirtualLoop()
    with Watchdog(loop, blocked_wall_s=BLOCKED_WALL_S, report=reports):
        run(main(reports), loop=loop)
    return reports


def test_a_callback_that_blocks_is_named_while_it_blocks_with_its_stack():
    def compute_for_long(reports):
        assert reports.arrived.wait(NAMED_WITHIN_S)

    async def main(reports):
        loop = asyncio.get_running_loop()
        loop.post_at(loop.time() + 5, compute_for_long, reports)
        await asyncio.sleep(10)

    (sentence,) = watched(main)
    assert "compute_for_long" in sentence.splitlines()[0]
    assert "at 1005.0 s of virtual time" in sentence
    assert "reports.arrived.wait(NAMED_WITHIN_S)" in sentence


def test_a_task_that_blocks_is_named_by_its_coroutine():
    async def reads_a_file_the_slow_way(reports):
        assert reports.arrived.wait(NAMED_WITHIN_S)

    (sentence,) = watched(reads_a_file_the_slow_way)
    assert sentence.startswith("Task-1 ")
    assert "reads_a_file_the_slow_way" in sentence.splitlines()[0]


def test_many_short_callbacks_are_not_a_block():
    async def main(reports):
        ends_s = time.perf_counter() + 3 * BLOCKED_WALL_S
        while time.perf_counter() < ends_s:  # noqa: ASYNC110 - wall time, which no event announces
            await asyncio.sleep(0.001)

    assert watched(main) == []


def test_a_run_can_be_asked_to_watch_and_then_logs():
    never = threading.Event()

    async def main():
        while not logs:
            never.wait(2 * BLOCKED_WALL_S)
            await asyncio.sleep(0)

    with structlog.testing.capture_logs() as logs:
        run(main(), loop=VirtualLoop(), blocked_wall_s=BLOCKED_WALL_S)
    assert logs[0]["event"] == "callback_blocked"
    assert "has blocked the loop" in logs[0]["detail"]

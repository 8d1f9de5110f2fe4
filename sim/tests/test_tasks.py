"""Sets of tasks have one order: in every process, and in every run of one process."""

import asyncio
import gc
import random
import sys

import pytest

from sim.loop import VirtualLoop
from sim.run_loop import run
from sim.tasks import SimTask, tasks_in_order

COUNT = 2_000

ORDERS = """
import asyncio, sys
from sim.loop import VirtualLoop
from sim.run_loop import run

count, junk = int(sys.argv[1]), [object() for _ in range(int(sys.argv[2]))]

async def worker(number, order):
    try:
        await asyncio.sleep(9)
    finally:
        order.append(number)

async def boom():
    await asyncio.sleep(1)
    raise ValueError

async def abort_order():
    order = []
    try:
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                group.create_task(worker(number, order))
            group.create_task(boom())
    except* ValueError:
        pass
    return order

async def wait_order():
    tasks = [asyncio.get_running_loop().create_task(asyncio.sleep(1, number)) for number in range(count)]
    done, _ = await asyncio.wait(tasks)
    return [task.result() for task in done]

async def completion_order():
    tasks = [asyncio.get_running_loop().create_task(asyncio.sleep(1, number)) for number in range(count)]
    return [await task for task in asyncio.as_completed(tasks)]

async def generator(number, order):
    try:
        yield number
    finally:
        order.append(number)

async def close_order(order):
    kept = [generator(number, order) for number in range(count)]
    for one in kept:
        await anext(one)
    return kept

print(run(abort_order(), loop=VirtualLoop()))
print(run(wait_order(), loop=VirtualLoop()))
print(run(completion_order(), loop=VirtualLoop()))
closed = []
kept = run(close_order(closed), loop=VirtualLoop())
print(closed)
"""


@pytest.fixture(scope="module")
def orders(in_process):
    """Printed orders of processes that differ in hash seed and in what they allocated before."""
    variants = ((0, 0), (0, 17), (1, 333), (12_345, 0))
    return [in_process(ORDERS, str(COUNT), str(junk), hash_seed=seed).splitlines() for seed, junk in variants]


@pytest.mark.parametrize(
    ("line", "what"),
    list(enumerate(("TaskGroup abort", "asyncio.wait", "as_completed of tasks", "closing async generators"))),
)
def test_the_order_is_the_same_in_every_process(orders, line, what):
    assert len({lines[line] for lines in orders}) == 1, what


def test_a_task_group_cancels_and_asyncio_wait_returns_in_order_of_creation(orders):
    assert orders[0][0] == orders[0][1] == str(list(range(COUNT)))


def test_async_generators_are_closed_in_order_of_first_use(orders):
    assert orders[0][3] == str(list(range(COUNT)))


def test_a_second_run_in_the_same_process_repeats_the_first():
    async def main():
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(asyncio.sleep(1, number)) for number in range(30)]
        names = [task.get_name() for task in tasks]
        done, _ = await asyncio.wait(tasks)
        return names, [task.result() for task in done]

    assert run(main(), loop=VirtualLoop()) == run(main(), loop=VirtualLoop())


def test_tasks_are_named_and_numbered_by_their_loop_from_one():
    async def main():
        mine = asyncio.current_task()
        named = asyncio.get_running_loop().create_task(asyncio.sleep(0), name="collector")
        assert [task.serial for task in (mine, named)] == [1, 2]
        assert [hash(task) for task in (mine, named)] == [1, 2]
        assert mine != named
        assert mine == asyncio.current_task()
        await named
        return mine.get_name(), named.get_name()

    assert run(main(), loop=VirtualLoop()) == ("Task-1", "collector")


def test_unfinished_tasks_are_listed_in_order_of_creation():
    async def main():
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(asyncio.sleep(100)) for _ in range(100)]
        assert tasks_in_order(loop)[1:] == tasks

    run(main(), loop=VirtualLoop())


def test_a_task_factory_of_the_users_own_is_respected():
    made = []

    def factory(loop, coro, **options):
        made.append(coro.__name__)
        return SimTask(coro, loop=loop, **options)

    async def main():
        return await asyncio.get_running_loop().create_task(asyncio.sleep(1, "done"))

    loop = VirtualLoop()
    loop.set_task_factory(factory)
    assert run(main(), loop=loop) == "done"
    assert made[:2] == ["main", "sleep"]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
def test_eager_tasks_work_and_are_numbered_too():
    async def worker():
        await asyncio.sleep(1)
        return asyncio.current_task().serial

    async def main():
        return await asyncio.gather(*(worker() for _ in range(5)))

    loop = VirtualLoop()
    loop.set_task_factory(asyncio.create_eager_task_factory(SimTask))
    assert run(main(), loop=loop) == [2, 3, 4, 5, 6]


def test_async_generators_left_half_way_are_closed_without_waiting_for_the_collector():
    log = []

    async def readings():
        try:
            while True:
                yield random.Random(1)
        finally:
            await asyncio.sleep(0)
            log.append("closed")

    async def main():
        async for _ in readings():
            break
        await asyncio.sleep(1)

    gc.disable()
    try:
        run(main(), loop=VirtualLoop())
    finally:
        gc.enable()
    assert log == ["closed"]

"""A small world of every kind of code at once; prints the digest of its domain events. Run by test_same_digest.py.

Usage: python digest_world.py SEED [debug]. Meters are SimPy processes behind a shared half-duplex line, DCUs are device
callbacks, the head-end is asyncio code with a TaskGroup, timeouts, an executor, a queue and as_completed.
"""

import asyncio
import hashlib
import sys

import simpy

from sim import guards
from sim.clock import VirtualClock
from sim.loop import VirtualLoop
from sim.run_loop import run
from sim.streams import SeededEntropy, Streams

METERS = 60
ROUNDS = 4
PERIOD_S = 900


class World:
    def __init__(self, seed):
        self.streams = Streams(seed)
        costs = self.streams.stream("executor")
        self.loop = VirtualLoop(executor_cost_s=lambda: costs.uniform(0, 0.01))
        self.clock = VirtualClock(self.loop, 1_900_000_000)
        self.entropy = SeededEntropy(self.streams)
        self.line = simpy.Resource(self.loop.env, capacity=4)
        self.digest = hashlib.sha256()
        self.count = 0

    def say(self, *event):
        self.count += 1
        self.digest.update(repr((round(self.clock.epoch_s(), 9), *event)).encode())


def answer(world, meter, inbox):
    """A meter as a story: takes the line, answers after a while, loses one answer in ten."""
    chance = world.streams.stream("meter", meter)
    while True:
        request, respond = yield inbox.get()
        with world.line.request() as turn:
            yield turn
            yield world.loop.env.timeout(chance.uniform(0.05, 0.5))
        if chance.random() < 0.1:
            world.say("lost", meter)
        else:
            world.loop.post_at(world.loop.now_s + chance.expovariate(2.0), respond, (meter, request))


async def read(world, meter, inbox, number):
    """One exchange with retries; the answer of a device callback meets the timeout of asyncio."""
    for attempt in range(3):
        future = asyncio.get_running_loop().create_future()

        def respond(octets, future=future):
            world.say("answer", octets, future.done())
            if not future.done():
                future.set_result(octets)

        inbox.put(((number, attempt, world.entropy.octets(4)), respond))
        try:
            async with asyncio.timeout(1.5):
                octets = await future
        except TimeoutError:
            world.say("timeout", meter, attempt)
        else:
            stored = await asyncio.to_thread(hashlib.sha256, repr(octets).encode())
            world.say("stored", meter, stored.hexdigest())
            return
    raise ConnectionError(meter)


async def guarded_read(world, meter, inbox, number):
    try:
        await read(world, meter, inbox, number)
    except ConnectionError:
        world.say("gave up", meter)
    finally:
        world.say("exchange over", meter)


async def abort_all(world, inboxes):
    async def boom():
        await asyncio.sleep(0.7)
        raise ValueError

    try:
        async with asyncio.TaskGroup() as group:
            for meter, inbox in inboxes.items():
                group.create_task(guarded_read(world, meter, inbox, -1))
            group.create_task(boom())
    except* ValueError:
        world.say("aborted")


async def head_end(world):
    env = world.loop.env
    inboxes = {f"meter {number}": simpy.Store(env) for number in range(METERS)}
    for meter, inbox in inboxes.items():
        env.process(answer(world, meter, inbox))
    for number in range(ROUNDS):
        await world.loop.wait_event(env.timeout(PERIOD_S))
        async with asyncio.TaskGroup() as group:
            for meter, inbox in inboxes.items():
                group.create_task(guarded_read(world, meter, inbox, number))
    for over in asyncio.as_completed([guarded_read(world, meter, inbox, 99) for meter, inbox in inboxes.items()]):
        await asyncio.wait_for(over, 60)
    tasks = [world.loop.create_task(guarded_read(world, meter, inbox, 100)) for meter, inbox in inboxes.items()]
    done, pending = await asyncio.wait(tasks, timeout=1.0)
    world.say("waited", [task.get_name() for task in done], [task.get_name() for task in pending])
    for task in pending:
        task.cancel()
    await abort_all(world, inboxes)


def main(seed, debug):
    world = World(seed)
    world.loop.set_debug(debug)
    with guards.installed(world.clock, world.streams):
        run(head_end(world), loop=world.loop)
    return world.count, world.digest.hexdigest()


if __name__ == "__main__":
    count, digest = main(int(sys.argv[1]), "debug" in sys.argv)
    again = main(int(sys.argv[1]), debug=False)
    sys.stdout.write(f"{count} {digest} {(count, digest) == again}\n")

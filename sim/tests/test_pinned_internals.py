"""The private names of SimPy 4.1 and asyncio that the virtual loop touches: where one fails, read sim/loop.py."""

import asyncio
import inspect
import itertools
from importlib.metadata import version

import pytest
import simpy
from simpy.events import NORMAL, PENDING, URGENT

from sim.handles import ReadyHandle, TimedHandle


def test_simpy_is_the_version_whose_internals_are_known():
    assert version("simpy").startswith("4.1.")


def test_simpy_keeps_a_plain_heap_a_counter_and_a_clock():
    env = simpy.Environment(initial_time=1000.0)
    assert type(env._queue) is list
    assert type(env._eid) is itertools.count
    assert env._now == env.now == 1000.0
    assert (URGENT, NORMAL) == (0, 1)


def test_simpy_pushes_time_priority_number_and_event():
    env = simpy.Environment(initial_time=1000.0)
    event = env.timeout(5)
    process = env.process(iter_of(env))
    assert env._queue == [(1000.0, URGENT, 1, process._target), (1005.0, NORMAL, 0, event)]
    assert next(env._eid) == 2


def iter_of(env):
    yield env.timeout(1)


def test_a_simpy_event_has_callbacks_until_processed_and_a_failure_is_defused_by_presence():
    env = simpy.Environment()
    event = env.event()
    assert event.callbacks == []
    assert event._value is PENDING
    assert not hasattr(event, "_ok")
    assert not hasattr(event, "_defused")
    event.fail(ValueError("x"))
    assert event._ok is False
    assert isinstance(event._value, ValueError)
    event.defused = True
    assert event._defused is True
    env.step()
    assert event.callbacks is None
    assert event.processed


def test_simpys_own_step_is_the_one_that_the_loop_repeats_inline():
    source = inspect.getsource(simpy.Environment.step)
    for line in (
        "self._now, _, _, event = heappop(self._queue)",
        "callbacks, event.callbacks = event.callbacks, None",
        "callback(event)",
        "if not event._ok and not hasattr(event, '_defused'):",
    ):
        assert line in source


def test_asyncio_calls_run_once_until_stopping():
    source = inspect.getsource(asyncio.BaseEventLoop.run_forever)
    assert "self._run_once()" in source
    assert "if self._stopping:" in source


@pytest.mark.parametrize(
    "name",
    ["_ready", "_stopping", "_closed", "_debug", "_thread_id", "_timer_cancelled_count", "_task_factory", "_asyncgens"],
)
def test_asyncio_keeps_its_state_where_the_loop_looks_for_it(name):
    loop = asyncio.BaseEventLoop()
    assert hasattr(loop, name)
    loop.close()


def test_the_slim_handles_fill_every_slot_that_asyncio_declares():
    slots = {slot for cls in (asyncio.Handle, asyncio.TimerHandle) for slot in cls.__slots__} - {"__weakref__"}
    assert slots == {
        "_callback",
        "_args",
        "_cancelled",
        "_loop",
        "_source_traceback",
        "_repr",
        "_context",
        "_scheduled",
        "_when",
    }
    assert ReadyHandle.__slots__ == TimedHandle.__slots__ == ()

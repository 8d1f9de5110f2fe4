"""Tasks and futures whose place in a set does not depend on a memory address.

asyncio keeps tasks in sets: `asyncio.wait` returns them in set order, `TaskGroup` cancels them in set order. A set
iterates by hash, the default hash is the address, and the address changes from one process to the next. Here the
hash is a number that the loop counts, so that one order exists per program. The number belongs to the loop and not
to the class: a second run in the same process counts from the start and therefore repeats the first.
"""

from __future__ import annotations

import asyncio
import sys
import weakref
from collections.abc import AsyncGenerator, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from sim.loop import VirtualLoop

_T = TypeVar("_T")


class SimTask(asyncio.Task[_T]):
    """A task that hashes by `serial`, its number among the tasks of its loop, from 1 in order of creation.

    Its default name is `Task-<serial>`; asyncio's own counts over the whole process and would differ in a second run.
    On Python 3.12+ `asyncio.create_eager_task_factory(SimTask)` gives the eager kind.
    """

    def __init__(
        self, coro: Coroutine[Any, Any, _T], *, loop: VirtualLoop, name: object = None, **options: Any
    ) -> None:
        self.serial = next(loop.task_serials)  # first: the base class puts the new task into a set
        super().__init__(coro, loop=loop, name=f"Task-{self.serial}" if name is None else str(name), **options)

    def __hash__(self) -> int:
        return self.serial


class SimFuture(asyncio.Future[_T]):
    """A future that hashes by its number among those of its loop: what run_in_executor returns.

    Futures of `loop.create_future` keep asyncio's own class, which a task awaits a quarter faster: pass tasks, not bare
    futures, to `asyncio.wait`.
    """

    def __init__(self, *, loop: VirtualLoop) -> None:
        self.serial = next(loop.future_serials)
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self.serial


def tasks_in_order(loop: asyncio.AbstractEventLoop) -> list[asyncio.Task[Any]]:
    """The unfinished tasks of `loop` in order of creation; tasks of a foreign factory come last."""
    return sorted(asyncio.all_tasks(loop), key=lambda task: getattr(task, "serial", sys.maxsize))


class AsyncGeneratorsInOrder:
    """The loop's weak collection of running async generators, in order of first use.

    asyncio keeps a WeakSet, whose order is that of addresses: `shutdown_asyncgens` would run their `finally` blocks in
    another order in each process.
    """

    def __init__(self) -> None:
        self._alive: dict[int, weakref.ref[AsyncGenerator[Any, Any]]] = {}

    def add(self, generator: AsyncGenerator[Any, Any]) -> None:
        key = id(generator)
        self._alive[key] = weakref.ref(generator, lambda _: self._alive.pop(key, None))

    def discard(self, generator: AsyncGenerator[Any, Any]) -> None:
        self._alive.pop(id(generator), None)

    def clear(self) -> None:
        self._alive.clear()

    def __len__(self) -> int:
        return len(self._alive)

    def __iter__(self) -> Iterator[AsyncGenerator[Any, Any]]:
        alive = [reference() for reference in self._alive.values()]
        return iter([generator for generator in alive if generator is not None])

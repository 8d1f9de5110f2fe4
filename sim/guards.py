"""Guards on the clocks and the chance of the machine, for the time of a simulated run.

Our own code takes civil time from a Clock and chance from an Entropy or a named stream; reading the machine's instead
would make a run unrepeatable, so it raises OutsideWorldError. Libraries cannot be told: SQLAlchemy's pool, logging and
structlog ask `time.time()`, some draw jitter from `random`. They get virtual civil time and draws from the seed.

Who is asking is read from the calling frame: the top-level package of its module. What this cannot see, because the
name was bound before the guards came or lives in C: `from time import time` in a library, cryptography's own random
numbers, `time.localtime()` without argument. Ruff's TID251 covers the first kind for our own code.
"""

from __future__ import annotations

import asyncio
import asyncio.tasks
import base64
import datetime
import os
import random
import secrets
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any, Final

from hes.clock import Clock
from sim.errors import OutsideWorldError, SimulationError
from sim.streams import Streams

OURS: Final = ("hes", "sim", "scenarios")

_ASK_CLOCK: Final = "take civil time from the Clock (hes.clock)"
_ASK_LOOP: Final = "take durations and deadlines from asyncio.get_running_loop().time()"
_ASK_SLEEP: Final = "await asyncio.sleep(seconds)"
_ASK_ENTROPY: Final = "take octets from the Entropy (hes.entropy)"
_ASK_STREAM: Final = "draw from a named stream (sim.streams) or from the Entropy (hes.entropy)"
_TOKEN_OCTETS: Final = 32  # the default of the secrets module

_installed = False


@contextmanager
def installed(clock: Clock, streams: Streams, *, ours: Iterable[str] = OURS) -> Iterator[None]:
    """Guard the machine's clocks and chance until the block ends.

    clock: what libraries read. streams: libraries draw from its stream "libraries". ours: packages that may not ask.
    Applies to the whole process, so one at a time.
    """
    global _installed
    if _installed:
        raise SimulationError("the guards are installed already: one simulated run per process at a time")
    _installed = True
    with ExitStack() as stack:
        guards = _Guards(stack, frozenset(ours))
        stack.callback(_uninstalled)
        guards.clocks(clock)
        guards.chance(streams.stream("libraries"))
        guards.dates(clock)
        _replace(stack, (asyncio, asyncio.tasks), "as_completed", _as_completed_in_order(asyncio.as_completed))
        if sys.version_info < (3, 12):
            _replace(stack, (asyncio, asyncio.tasks), "wait_for", _wait_for_in_the_same_task(asyncio.wait_for))
        yield


def _uninstalled() -> None:
    global _installed
    _installed = False


class _Guards:
    """Puts guards in place and leaves on `stack` how to take them away."""

    def __init__(self, stack: ExitStack, ours: frozenset[str]) -> None:
        self._stack = stack
        self._ours = ours

    def clocks(self, clock: Clock) -> None:
        self._guard(time, "time", _ASK_CLOCK, clock.epoch_s)
        self._guard(time, "time_ns", _ASK_CLOCK, lambda: int(clock.epoch_s() * 1e9))
        for name in ("monotonic", "monotonic_ns"):
            self._guard(time, name, _ASK_LOOP, getattr(time, name))
        self._guard(time, "sleep", _ASK_SLEEP, time.sleep)

    def chance(self, draws: random.Random) -> None:
        def token(octets: int | None = None) -> bytes:
            return draws.randbytes(_TOKEN_OCTETS if octets is None else octets)

        self._guard(os, "urandom", _ASK_ENTROPY, draws.randbytes)
        for name in ("uuid1", "uuid4"):
            self._guard(uuid, name, _ASK_ENTROPY, lambda *_, **__: uuid.UUID(bytes=draws.randbytes(16), version=4))
        secret: dict[str, Callable[..., Any]] = {
            "token_bytes": token,
            "token_hex": lambda octets=None: token(octets).hex(),
            "token_urlsafe": lambda octets=None: base64.urlsafe_b64encode(token(octets)).rstrip(b"=").decode(),
            "randbelow": draws.randrange,
            "randbits": draws.getrandbits,
            "choice": draws.choice,
        }
        for name, library in secret.items():
            self._guard(secrets, name, _ASK_ENTROPY, library)
        for name in random.__all__:
            if isinstance(getattr(getattr(random, name), "__self__", None), random.Random):
                self._guard(random, name, _ASK_STREAM, getattr(draws, name))
        for cls in (random.Random, random.SystemRandom):
            _replace(self._stack, (cls,), "seed", self._seed_guard(cls.seed))

    def dates(self, clock: Clock) -> None:
        """Guard `datetime.datetime` and `datetime.date`, in their module and in ours that imported the names."""
        for real, methods in ((datetime.datetime, ("now", "utcnow", "today")), (datetime.date, ("today",))):
            guarded = self._guarded_date(real, methods, clock)
            ours = [module for name, module in sorted(sys.modules.items()) if self._is_ours(name)]
            for module in (datetime, *ours):
                for name in [name for name, value in vars(module).items() if value is real]:
                    _replace(self._stack, (module,), name, guarded)

    def _guard(self, module: Any, name: str, instead: str, library: Callable[..., Any]) -> None:
        def guarded(*args: Any, **options: Any) -> Any:
            self._refuse_ours(sys._getframe(1), f"{module.__name__}.{name}", instead)
            return library(*args, **options)

        guarded.__name__ = guarded.__qualname__ = name
        _replace(self._stack, (module,), name, guarded)

    def _seed_guard(self, seed: Callable[..., None]) -> Callable[..., None]:
        """Random() without a seed takes one from the machine."""

        def guarded(generator: random.Random, a: Any = None, *args: Any, **options: Any) -> None:
            if a is None:
                frame = sys._getframe(1)
                while frame.f_back is not None and frame.f_globals.get("__name__") == "random":
                    frame = frame.f_back
                self._refuse_ours(frame, "random.Random() without a seed", _ASK_STREAM)
            seed(generator, a, *args, **options)

        return guarded

    def _guarded_date(self, real: type[Any], methods: Iterable[str], clock: Clock) -> type[Any]:
        def reading(method: str) -> classmethod[Any, Any, Any]:
            def read(cls: type[Any], tz: datetime.tzinfo | None = None) -> Any:
                self._refuse_ours(sys._getframe(1), f"{real.__name__}.{method}", _ASK_CLOCK)
                if method == "utcnow":
                    return real.fromtimestamp(clock.epoch_s(), datetime.UTC).replace(tzinfo=None)
                return real.fromtimestamp(clock.epoch_s(), *([] if tz is None else [tz]))

            return classmethod(read)

        def make(cls: type[Any], *args: Any, **options: Any) -> Any:
            return real.__new__(real if cls is guarded else cls, *args, **options)

        def as_pydantic_field(cls: type[Any], source: Any, handler: Any) -> Any:
            return handler.generate_schema(real)  # pydantic knows types by identity

        body: dict[str, Any] = {
            "__new__": make,
            "__module__": real.__module__,
            "__get_pydantic_core_schema__": classmethod(as_pydantic_field),
            "real": real,
        }
        body.update({method: reading(method) for method in methods})
        guarded = _DateType(real.__name__, (real,), body)
        return guarded

    def _refuse_ours(self, caller: FrameType, what: str, instead: str) -> None:
        module = str(caller.f_globals.get("__name__", ""))
        if self._is_ours(module):
            raise OutsideWorldError(
                f"{module} line {caller.f_lineno} asked {what}, which no seed repeats: {instead}.",
                module=module,
                asked=what,
            )

    def _is_ours(self, module: str) -> bool:
        return module.partition(".")[0] in self._ours


class _DateType(type):
    """Type of a guarded datetime or date: it makes real ones, and every real one is an instance of it."""

    real: type[Any]

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, cls.real) if "real" in vars(cls) else super().__instancecheck__(instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, cls.real) if "real" in vars(cls) else super().__subclasscheck__(subclass)


def _as_completed_in_order(original: Callable[..., Any]) -> Callable[..., Any]:
    """asyncio.as_completed puts bare coroutines into a set and starts them in its order; here, in the order given."""

    def as_completed(fs: Iterable[Any], *, timeout: float | None = None) -> Any:
        return original([asyncio.ensure_future(awaitable) for awaitable in fs], timeout=timeout)

    return as_completed


def _wait_for_in_the_same_task(original: Callable[..., Any]) -> Callable[..., Any]:
    """asyncio.wait_for of Python 3.11 makes a task, which starts a step later than the call and shifts all numbers.

    Since 3.12 it awaits inside asyncio.timeout. For one digest on every version, 3.11 does so too.
    """

    async def wait_for(fut: Any, timeout: float | None) -> Any:  # noqa: ASYNC109 - asyncio's name
        if timeout is not None and timeout <= 0:
            return await original(fut, timeout)
        async with asyncio.timeout(timeout):
            return await fut

    return wait_for


def _replace(stack: ExitStack, owners: Iterable[Any], name: str, value: object) -> None:
    for owner in owners:
        stack.callback(setattr, owner, name, vars(owner)[name])
        setattr(owner, name, value)

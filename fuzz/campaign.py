"""Many executions of many targets, on all cores, and what came of them."""

from __future__ import annotations

import gc
import multiprocessing
import resource
import signal
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from fuzz.corpus import inputs_of
from fuzz.mutate import Mutator
from fuzz.target import Feed, Target

DEADLINE_S: Final = 2.0  # no input may take longer; the slowest honest ones take milliseconds
FAILURES_MAX: Final = 5  # of one target, before it is left
PART_EXECUTIONS: Final = 20_000  # what one worker does at a time


class TooSlow(BaseException):
    """An input took longer than DEADLINE_S. Not an Exception: no decoder may swallow it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """inputs: what the session was fed, the last one included. reason: the last lines of the traceback."""

    target: str
    inputs: tuple[bytes, ...]
    reason: str


@dataclass(slots=True, kw_only=True)
class Part:
    """A share of one target's executions. mutated_count: damaged valid octets among them."""

    target: str
    executions: int = 0
    mutated_count: int = 0
    refused_count: int = 0
    elapsed_s: float = 0.0
    slowest_s: float = 0.0
    growth_kb: int = 0
    failures: list[Failure] = field(default_factory=list)


@contextmanager
def deadline() -> Iterator[None]:
    """Ends what takes longer than DEADLINE_S with TooSlow."""

    def stop(_number: int, _frame: object) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGALRM, stop)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def run_part(target: Target, seed: int, part: int, executions: int) -> Part:
    """`executions` inputs of `target`; the same for the same seed and part."""
    mutator = Mutator(seed, f"{target.name}/{part}", [*target.examples(), *inputs_of(target.name)], target.repair)
    done = Part(target=target.name)
    gc.collect()
    before_kb = _memory_kb()
    start_s = time.perf_counter()
    fed: list[bytes] = []
    feed = target.session()
    with deadline():
        for number in range(executions):
            if target.stateful and number % target.session_inputs == 0:
                feed, fed = target.session(), []
            octets = mutator.next_input()
            if target.stateful:
                fed.append(octets)
            else:
                fed = [octets]
            reason = _execute(target, feed, octets, done)
            done.executions += 1
            if reason:
                done.failures.append(Failure(target=target.name, inputs=tuple(fed), reason=reason))
                feed, fed = target.session(), []
                if len(done.failures) >= FAILURES_MAX:
                    break
    done.elapsed_s = time.perf_counter() - start_s
    done.mutated_count = mutator.mutated_count
    feed = target.session()
    gc.collect()
    done.growth_kb = _memory_kb() - before_kb
    return done


def _execute(target: Target, feed: Feed, octets: bytes, done: Part) -> str:
    """Why this input failed, "" when it did not."""
    start_s = time.perf_counter()
    signal.setitimer(signal.ITIMER_REAL, DEADLINE_S)
    try:
        reason = outcome(target, feed, octets)
    except TooSlow:
        return f"took longer than {DEADLINE_S:g} s:\n" + "".join(traceback.format_exc(limit=-3))
    done.refused_count += reason is None
    done.slowest_s = max(done.slowest_s, time.perf_counter() - start_s)
    return reason or ""


def outcome(target: Target, feed: Feed, octets: bytes) -> str | None:
    """What came out that must not: the end of its traceback. "" for a value, None for a refusal."""
    try:
        feed(octets)
    except target.may_raise:
        return None
    except Exception:  # whatever else comes out is what is looked for
        return traceback.format_exc(limit=-3)
    return ""


def _memory_kb() -> int:
    with open("/proc/self/statm") as pages:
        return int(pages.read().split()[1]) * resource.getpagesize() // 1024


def shares(targets: Sequence[Target], executions: int) -> dict[str, int]:
    """How many executions each target gets, by weight; at least one part's worth of everybody's is kept."""
    total = sum(target.weight for target in targets)
    return {target.name: max(1, round(executions * target.weight / total)) for target in targets}


_targets: dict[str, Target] = {}


def _work(job: tuple[str, int, int, int]) -> Part:
    name, seed, part, executions = job
    return run_part(_targets[name], seed, part, executions)


def run(targets: Sequence[Target], executions: int, seed: int, workers: int) -> Iterator[Part]:
    """All parts of a campaign, as they end. The workers are forked, so that examples are drawn once."""
    _targets.update({target.name: target for target in targets})
    for target in targets:
        target.examples()
    jobs = [
        (name, seed, part, min(PART_EXECUTIONS, count - part * PART_EXECUTIONS))
        for name, count in shares(targets, executions).items()
        for part in range(-(-count // PART_EXECUTIONS))
    ]
    if workers == 1:
        yield from map(_work, jobs)
        return
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        yield from pool.imap_unordered(_work, jobs)

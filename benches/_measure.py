"""Measuring side by side: interleaved rounds, medians, ratios, and equality before speed."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import metadata
from itertools import cycle, islice, starmap
from typing import Any

PEERS = ("dlms-cosem", "gurux-dlms", "cryptography", "simpy", "sqlalchemy", "uvloop")
ROUNDS, ROUNDS_QUICK = 15, 5
ROUND_S, ROUND_QUICK_S = 0.1, 0.02  # per implementation


class DifferenceError(Exception):
    """Two implementations gave different values for the same input: their speed means nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the result.

    value: median over the rounds, in `unit`; low, high: quartiles. ratio: how many times the value of the first
    implementation of this operation (our own), so more than 1 means slower where the unit is a time.
    target: the least ratio that we want to keep between us and this implementation, if there is one. A row that is
    compared with no implementation but with a figure that is wanted has the ratio to that, so that 1 is enough.
    """

    bench: str
    operation: str
    implementation: str
    value: float
    unit: str = "us"
    low: float | None = None
    high: float | None = None
    ratio: float | None = None
    target: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One implementation of an operation.

    operation: called with the arguments of one input. comparable: turns its result into what is compared.
    """

    name: str
    operation: Callable[..., Any]
    comparable: Callable[[Any], Any] = lambda result: result
    target: float | None = None


def compare(
    bench: str, operation: str, inputs: Sequence[tuple[Any, ...]], candidates: Sequence[Candidate], *, quick: bool
) -> list[Row]:
    """Check that all `candidates` agree on all `inputs`, then time them; the first one is ours.

    Raises DifferenceError. What libraries print is thrown away.
    """
    rounds, round_s = (ROUNDS_QUICK, ROUND_QUICK_S) if quick else (ROUNDS, ROUND_S)
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        _check_equal(bench, operation, inputs[:20] if quick else inputs, candidates)
        counts = [_calls_in(candidate, inputs, round_s) for candidate in candidates]
        times_us: list[list[float]] = [[] for _ in candidates]
        for turn in range(rounds):
            order = [(turn + step) % len(candidates) for step in range(len(candidates))]
            for index in order:
                elapsed_s = _time_s(candidates[index], inputs, counts[index])
                times_us[index].append(1e6 * elapsed_s / counts[index])
    rows = []
    for candidate, taken_us in zip(candidates, times_us, strict=True):
        low, median, high = statistics.quantiles(taken_us, n=4)
        ratio = statistics.median(theirs / ours for theirs, ours in zip(taken_us, times_us[0], strict=True))
        rows.append(
            Row(
                bench=bench,
                operation=operation,
                implementation=candidate.name,
                value=median,
                low=low,
                high=high,
                ratio=ratio,
                target=candidate.target,
            )
        )
    return rows


def _check_equal(
    bench: str, operation: str, inputs: Sequence[tuple[Any, ...]], candidates: Sequence[Candidate]
) -> None:
    ours = candidates[0]
    for arguments in inputs:
        expected = ours.comparable(ours.operation(*arguments))
        for candidate in candidates[1:]:
            if candidate.comparable(candidate.operation(*arguments)) != expected:
                shown = [argument.hex() if isinstance(argument, bytes) else argument for argument in arguments]
                raise DifferenceError(f"{bench}, {operation}: {candidate.name} and {ours.name} differ for {shown}")


def _calls_in(candidate: Candidate, inputs: Sequence[tuple[Any, ...]], wanted_s: float) -> int:
    """How many calls take about `wanted_s`, at least one."""
    count = 1
    while (taken_s := _time_s(candidate, inputs, count)) < wanted_s / 4:
        count *= 4
    return max(1, round(count * wanted_s / taken_s))


def _time_s(candidate: Candidate, inputs: Sequence[tuple[Any, ...]], count: int) -> float:
    arguments = list(islice(cycle(inputs), count))
    start_s = time.perf_counter()
    deque(starmap(candidate.operation, arguments), maxlen=0)  # a loop in C, so that short operations are not drowned
    return time.perf_counter() - start_s


def machine() -> dict[str, Any]:
    """What the numbers depend on."""
    versions = {}
    for package in PEERS:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": platform.system(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "packages": versions,
    }

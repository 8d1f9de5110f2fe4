"""Whole sessions over loopback: connect, associate, three GETs, release, close; with a password, and ciphered.

One `amiloop meter --tcp` in another process serves everybody, on uvloop. The clients take turns: ours (WrapperSession
and DlmsSession, opened by hes.links) on uvloop and on asyncio, and two independent ones, unmodified, each with blocking
sockets. All must read the same: names, the scaler and unit of a register, and its value, which may only rise from one
session to the next. Two questions:

- How many sessions a second? METERS meters are read at once, as a head-end does: ours from one loop, the others with a
  thread for each meter. Processes and threads go to whichever core the system gives them.
- How long does one take? One meter, one session after the other, client and meter on one core: each waits for the
  other, and half of the time is the kernel's and that of caches that the other has filled.

The meter's work counts for all of them alike: the ratios are those of what an operator sees, not of client code alone.
The logs of dlms-cosem and of the meter are silenced, for as released the former is 3 to 4 times slower.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack, nullcontext

from benches._measure import DifferenceError, Row
from benches._served_meter import Meter, one_core, served, silence
from benches._session_clients import Counters, Sessions, Target, Values, Way, blocking, dlms_cosem, gurux, ours
from hes.loops import new_event_loop

NAME = "sessions"
OPERATIONS = {
    Way.LLS: "connect, associate (LLS), 3 GETs, release, close",
    Way.HLS_GMAC: "the same with HLS-GMAC, authenticated and encrypted",
}
METERS = 32
SESSIONS, SESSIONS_QUICK = 4, 1  # with each meter in each round, where all are read at once
ALONE, ALONE_QUICK = 60, 10  # where there is one meter
ROUNDS, ROUNDS_QUICK = 15, 4
SLOW_CLIENTS_SHARE = 10  # gurux-dlms does AES in Python: it has a tenth of the ciphered sessions
TARGETS = {
    Way.LLS: {"dlms-cosem": 2.0, "gurux-dlms": 2.5},
    Way.HLS_GMAC: {"dlms-cosem": 3.0, "gurux-dlms": 30.0},
}


def run(quick: bool) -> list[Row]:
    rounds = ROUNDS_QUICK if quick else ROUNDS
    return [
        *_both_ways(METERS, rounds, SESSIONS_QUICK if quick else SESSIONS),
        *_both_ways(1, rounds, ALONE_QUICK if quick else ALONE),
    ]


def _both_ways(meters: int, rounds: int, sessions: int) -> list[Row]:
    rows = []
    with one_core() if meters == 1 else nullcontext(), served(meters) as found, silence():
        for way in Way:
            with ExitStack() as stack:
                taken_us = _measured(_clients(found, way, stack), meters, rounds, _counts(way, sessions))
                rows += _rows(way, meters, taken_us)
    return rows


def _clients(meters: list[Meter], way: Way, stack: ExitStack) -> dict[str, Sessions]:
    targets = [Target(meter, Counters()) for meter in meters]
    return {
        "amiloop on uvloop": ours(targets, way, stack, new_event_loop),
        "amiloop on asyncio": ours(targets, way, stack, asyncio.new_event_loop),
        "dlms-cosem": blocking(dlms_cosem, targets, way, stack),
        "gurux-dlms": blocking(gurux, targets, way, stack),
    }


def _counts(way: Way, sessions: int) -> Callable[[str], int]:
    return lambda name: (
        max(1, sessions // SLOW_CLIENTS_SHARE) if (way, name) == (Way.HLS_GMAC, "gurux-dlms") else sessions
    )


def _measured(
    clients: dict[str, Sessions], meters: int, rounds: int, count_of: Callable[[str], int]
) -> dict[str, list[float]]:
    """Microseconds per session of each round. Raises DifferenceError."""
    names = list(clients)
    taken_us: dict[str, list[float]] = {name: [] for name in names}
    latest = [values[0] for values in clients[names[0]](1)]
    for turn in range(-1, rounds):  # the first one warms up
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            count = count_of(name)
            start_s = time.perf_counter()
            found = clients[name](count)
            elapsed_s = time.perf_counter() - start_s
            if turn >= 0:
                taken_us[name].append(1e6 * elapsed_s / (count * meters))
            latest = [_checked(name, *of_meter) for of_meter in zip(latest, found, strict=True)]
    return taken_us


def _checked(name: str, latest: Values, values: list[Values]) -> Values:
    """The last of `values`, if each follows from the one before it."""
    for found in values:
        if found[:2] != latest[:2] or found[2] < latest[2]:
            raise DifferenceError(f"{NAME}: {name} read {found} where {latest} was read before")
        latest = found
    return latest


def _rows(way: Way, meters: int, taken_us: dict[str, list[float]]) -> list[Row]:
    mine = next(iter(taken_us.values()))
    how = f"{meters} meters at once" if meters > 1 else "one after the other on one core"
    rows = []
    for name, taken in taken_us.items():
        low, median, high = statistics.quantiles(taken, n=4)
        rows.append(
            Row(
                bench=NAME,
                operation=f"{how}: {OPERATIONS[way]}",
                implementation=name,
                value=median,
                low=low,
                high=high,
                ratio=statistics.median(theirs / our for theirs, our in zip(taken, mine, strict=True)),
                target=TARGETS[way].get(name) if meters > 1 else None,
                note=f"{1e6 / median:,.0f} sessions/s",
            )
        )
    return rows

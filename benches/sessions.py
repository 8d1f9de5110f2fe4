"""Whole sessions over loopback: connect, associate, three GETs, release, close; with a password, and ciphered.

One `amiloop meter --tcp` in another process serves everybody, on uvloop. The clients take turns, one session after
the other: ours (WrapperSession and DlmsSession, opened by hes.links) on uvloop and on asyncio, and two independent
ones, unmodified, each with a blocking socket. All must read the same: a name, the scaler and unit of a register, and
its value, which may only rise from one session to the next.

Meter and clients share one core. Time on the wire and the meter's work count for all of them alike: the ratios are
those of what an operator sees, not of client code alone. The log of dlms-cosem is silenced, for as released it is 3 to
4 times slower.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack

from benches._measure import DifferenceError, Row
from benches._served_meter import Meter, one_core, served, silence
from benches._session_clients import Counters, Sessions, Values, Way, dlms_cosem, gurux, ours
from hes.loops import new_event_loop

NAME = "sessions"
OPERATIONS = {
    Way.LLS: "connect, associate (LLS), 3 GETs, release, close",
    Way.HLS_GMAC: "the same with HLS-GMAC, authenticated and encrypted",
}
SESSIONS, SESSIONS_QUICK = 60, 10  # of each client in each round
ROUNDS, ROUNDS_QUICK = 15, 4
SLOW_CLIENTS_SHARE = 10  # gurux-dlms does AES in Python: it has a tenth of the ciphered sessions
TARGETS = {
    Way.LLS: {"dlms-cosem": 2.0, "gurux-dlms": 2.5},
    Way.HLS_GMAC: {"dlms-cosem": 3.0, "gurux-dlms": 30.0},
}


def run(quick: bool) -> list[Row]:
    rounds, sessions = (ROUNDS_QUICK, SESSIONS_QUICK) if quick else (ROUNDS, SESSIONS)
    rows = []
    with one_core(), served() as meter, silence():
        for way in Way:
            with ExitStack() as stack:
                rows += _rows(way, _measured(_clients(meter, way, stack), rounds, _counts(way, sessions)))
    return rows


def _clients(meter: Meter, way: Way, stack: ExitStack) -> dict[str, Sessions]:
    counters = Counters()
    return {
        "amiloop on uvloop": ours(meter, way, counters, stack, new_event_loop),
        "amiloop on asyncio": ours(meter, way, counters, stack, asyncio.new_event_loop),
        "dlms-cosem": dlms_cosem(meter, way, counters),
        "gurux-dlms": gurux(meter, way, counters),
    }


def _counts(way: Way, sessions: int) -> Callable[[str], int]:
    return lambda name: (
        max(1, sessions // SLOW_CLIENTS_SHARE) if (way, name) == (Way.HLS_GMAC, "gurux-dlms") else sessions
    )


def _measured(clients: dict[str, Sessions], rounds: int, count_of: Callable[[str], int]) -> dict[str, list[float]]:
    """Microseconds per session of each round. Raises DifferenceError."""
    names = list(clients)
    taken_us: dict[str, list[float]] = {name: [] for name in names}
    latest = clients[names[0]](1)[0]
    for turn in range(-1, rounds):  # the first one warms up
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            count = count_of(name)
            start_s = time.perf_counter()
            values = clients[name](count)
            elapsed_s = time.perf_counter() - start_s
            if turn >= 0:
                taken_us[name].append(1e6 * elapsed_s / count)
            latest = _checked(name, latest, values)
    return taken_us


def _checked(name: str, latest: Values, values: list[Values]) -> Values:
    """The last of `values`, if each follows from the one before it."""
    for found in values:
        if found[:2] != latest[:2] or found[2] < latest[2]:
            raise DifferenceError(f"{NAME}: {name} read {found} where {latest} was read before")
        latest = found
    return latest


def _rows(way: Way, taken_us: dict[str, list[float]]) -> list[Row]:
    mine = next(iter(taken_us.values()))
    rows = []
    for name, taken in taken_us.items():
        low, median, high = statistics.quantiles(taken, n=4)
        rows.append(
            Row(
                bench=NAME,
                operation=OPERATIONS[way],
                implementation=name,
                value=median,
                low=low,
                high=high,
                ratio=statistics.median(theirs / our for theirs, our in zip(taken, mine, strict=True)),
                target=TARGETS[way].get(name),
                note=f"{1e6 / median:,.0f} sessions/s",
            )
        )
    return rows

"""The other direction: our own client against servers that nobody here wrote, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from interop import our_client
from interop.combinations import Combination
from interop.matrix import Matrix, Progress
from interop.meter_process import DEADLINE_S
from interop.outcomes import in_turn
from interop.places import PAST_ALL, Offer

PLAIN, CIPHERED = 32, 64
"""First client SAP without and with ciphering, in every server's process; the number of the mechanism is added."""
MODULES = {"pydlms-client": "interop.pydlms_server"}


@contextmanager
def server(peer: str, framing: str, suite: int, protection: str) -> Iterator[Offer]:
    """A server of theirs, filled like the reference meter; protection: what it demands of ciphered clients."""
    command = [sys.executable, "-m", MODULES[peer], framing, str(suite), protection]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)  # it logs
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate(timeout=DEADLINE_S)


def run(combinations: Iterable[Combination], progress: Progress | None = None) -> Matrix:
    """Each combination in a session of its own; `peer` is the server."""
    matrix = Matrix()
    offers: dict[tuple[str, str, int, str], Offer] = {}
    with ExitStack() as stack:
        for each in combinations:
            which = (each.peer, each.framing, each.suite, each.protection)
            if which not in offers:
                offers[which] = stack.enter_context(server(*which))
            row = in_turn(
                partial(make_peer, offers[which], each),
                each.name,
                list(each.operations),
            )
            matrix.rows[each] = row
            if progress is not None:
                progress(each, row)
    return matrix


def make_peer(offer: Offer, combination: Combination) -> our_client.OurPeer:
    mechanism = our_client.mechanism_of(combination.mechanism)
    plain = combination.protection == "plain"
    settings = our_client.settings(combination.order(), (PLAIN if plain else CIPHERED) + mechanism)
    ciphers = settings.security is not None
    return our_client.OurPeer(offer, settings, our_client.counter(offer) + PAST_ALL if ciphers else 0)

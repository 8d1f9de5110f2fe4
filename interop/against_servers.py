"""The other direction: our own client against servers that nobody here wrote, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from contextlib import ExitStack
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


class Servers:
    """A process of theirs, in which a server begins for every way that is asked for."""

    def __init__(self, peer: str) -> None:
        command = [sys.executable, "-m", MODULES[peer]]
        quiet = subprocess.DEVNULL  # it logs
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=quiet, text=True
        )
        self._offers: dict[str, Offer] = {}

    def offer(self, combination: Combination) -> Offer:
        """A server filled like the reference meter, which demands that protection of ciphered clients."""
        line = f"{combination.framing} {combination.suite} {combination.protection}\n"
        if line not in self._offers:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(line)
            self._process.stdin.flush()
            self._offers[line] = json.loads(self._process.stdout.readline())
        return self._offers[line]

    def end(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=DEADLINE_S)


def run(combinations: Iterable[Combination], progress: Progress | None = None) -> Matrix:
    """Each combination in a session of its own; `peer` is the server."""
    matrix = Matrix()
    processes: dict[str, Servers] = {}
    with ExitStack() as stack:
        for each in combinations:
            if each.peer not in processes:
                processes[each.peer] = Servers(each.peer)
                stack.callback(processes[each.peer].end)
            offer = processes[each.peer].offer(each)
            row = in_turn(partial(make_peer, offer, each), each.name, list(each.operations))
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

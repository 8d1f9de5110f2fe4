"""Independent clients, unmodified, read a meter of ours that another process serves: every cell of the matrix.

{wrapper, HDLC} x {no security, LLS, HLS-GMAC with ciphering} x {clock, register, profile by range}, by gurux-dlms and by
dlms-cosem 21.3.2. What they read is held against what the simulated meter truly measured, which no decoder has touched.
Known faults of theirs are reproduced one by one (docs/interop.md); nothing else is excused.
"""

from __future__ import annotations

import json
import os
import resource
import select
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hes.clock import SystemClock
from hes.dlms import acse
from hes.dlms.acse import Rlrq
from hes.dlms.hdlc import frame as frames
from hes.dlms.hdlc.address import ServerAddress, encode_client_address
from hes.dlms.hdlc.frame import Kind
from hes.dlms.obis import Obis
from hes.dlms.security import EncryptionKeys, unseal
from sim.expose import ExposedMeters
from sim.meter.capture import true_rows
from sim.meter.load import Quantity
from sim.world import parse

pytest.importorskip("dlms_cosem")
pytest.importorskip("gurux_dlms")

pytestmark = pytest.mark.xdist_group("live peers")  # the meters serve all tests of this file

AMILOOP = [sys.executable, "-c", "from hes.cli.main import main; main()"]
WORKER = [sys.executable, "-m", "sim.tests.peer_worker"]
METER = "north-0003"
DEADLINE_S = 20.0
HOUR_S, ROW_S = 3600, 900
PEERS = ("gurux-dlms", "dlms-cosem")
FRAMINGS = ("wrapper", "hdlc")
CLIENTS = {"none": 3, "lls": 2, "gmac": 1}  # client SAP that a meter of ours gives to each kind of security
PUBLIC = 16
PAST_ALL = 1 << 20  # room between the invocation counters of one session and those of the next

every_peer = pytest.mark.parametrize("peer", PEERS)
every_framing = pytest.mark.parametrize("framing", FRAMINGS)
every_security = pytest.mark.parametrize("security", CLIENTS)

Offer = dict[str, Any]


class TimeLimit(Exception):
    """The peer did not come back in time, and was killed."""


class Worker:
    """A process in which the peers run; begun anew after it had to be killed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def ask(self, order: dict[str, Any], limit_s: float = DEADLINE_S) -> Any:
        """What the peer read. Raises TimeLimit, or AssertionError with what the peer raised."""
        answer = self.answer(order, limit_s)
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def answer(self, order: dict[str, Any], limit_s: float = DEADLINE_S) -> dict[str, Any]:
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        if not select.select([process.stdout], [], [], limit_s)[0]:
            self.kill()
            raise TimeLimit
        line = process.stdout.readline()
        assert line, f"the peer ended with status {process.wait(DEADLINE_S)}"
        return dict(json.loads(line))

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(WORKER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self._process


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    working = Worker()
    yield working
    working.kill()


@pytest.fixture(scope="module")
def offers() -> Iterator[dict[str, Offer]]:
    """One meter per framing, each in a process of its own, and what they print of themselves."""
    started = {}
    for framing in FRAMINGS:
        options = ["--hdlc"] if framing == "hdlc" else []
        command = [*AMILOOP, "meter", "--tcp", "127.0.0.1:0", "--name", METER, "--json", *options]
        started[framing] = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield {framing: json.loads(process.stdout.readline()) for framing, process in started.items()}  # type: ignore[union-attr]
    finally:
        for process in started.values():
            process.terminate()
        for process in started.values():
            process.communicate(timeout=DEADLINE_S)


@pytest.fixture(scope="module")
def truth() -> ExposedMeters:
    """The same meter here: what it measured is a function of seed, meter and time."""
    return ExposedMeters(parse.load("neighbourhood"), METER)


class Session:
    """Orders for one peer on one meter."""

    def __init__(self, worker: Worker, peer: str, offer: Offer, security: str) -> None:
        self.worker = worker
        self.order: dict[str, Any] = {
            "peer": peer, "offer": offer, "security": security, "client_sap": CLIENTS[security],
        }  # fmt: skip
        if security == "gmac":
            self.order["counter"] = self.counter(offer) + PAST_ALL

    def counter(self, offer: Offer) -> int:
        """The meter's invocation counter, as gurux reads it with the public client."""
        public = {"peer": "gurux-dlms", "offer": offer, "security": "none", "client_sap": PUBLIC}
        return int(self.worker.ask({**public, "what": "counter", "arguments": [offer["invocation_counter"]]}))

    def read(self, what: str, *arguments: Any) -> Any:
        return self.worker.ask({**self.order, "what": what, "arguments": arguments})


Open = Callable[..., Session]


@pytest.fixture
def opened(worker: Worker, offers: dict[str, Offer]) -> Open:
    def make(peer: str, framing: str, security: str) -> Session:
        return Session(worker, peer, offers[framing], security)

    return make


def energy_wh(truth: ExposedMeters) -> int:
    meter = truth.stations[0].endpoint.meter()
    return meter.energy_mwh(Quantity.ACTIVE_IMPORT, int(truth.clock.epoch_s() * 1000)) // 1000


# the matrix


@every_peer
@every_framing
@every_security
def test_the_clock_is_read(opened: Open, peer: str, framing: str, security: str) -> None:
    read_s = opened(peer, framing, security).read("clock")
    assert read_s == pytest.approx(SystemClock().epoch_s(), abs=60)


@every_peer
@every_framing
@every_security
def test_a_register_is_read(opened: Open, truth: ExposedMeters, peer: str, framing: str, security: str) -> None:
    before = energy_wh(truth)
    value = opened(peer, framing, security).read("register")
    assert before <= value <= energy_wh(truth)


@every_peer
@every_framing
@every_security
def test_a_profile_is_read_by_range(
    opened: Open, truth: ExposedMeters, peer: str, framing: str, security: str
) -> None:
    now_s = truth.clock.epoch_s()
    last_s = int(now_s) // HOUR_S * HOUR_S - HOUR_S
    first_s = last_s - 6 * HOUR_S
    rows = opened(peer, framing, security).read("profile", first_s, last_s)
    expected = true_rows(truth.stations[0].endpoint.meter(), "load-profile", now_s, first_s, last_s)
    assert [row[0] for row in rows] == list(range(first_s, last_s + 1, ROW_S))
    assert rows == [[row.stamp_s, row.status, *row.values.values()] for row in expected]

"""Independent clients, unmodified, read a meter of ours that another process serves: every cell of the matrix.

{wrapper, HDLC} x {no security, LLS, HLS-GMAC with ciphering} x {clock, register, profile by range}, by gurux-dlms and
by dlms-cosem 21.3.2. What they read is held against what the simulated meter truly measured, straight from its model.
Known faults of theirs are reproduced one by one (docs/interop.md); nothing else is excused.
"""

from __future__ import annotations

import resource
import socket
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest

from hes.clock import SystemClock
from hes.dlms import acse
from hes.dlms.acse import Rlrq
from hes.dlms.hdlc import frame as frames
from hes.dlms.hdlc.address import ServerAddress, encode_client_address
from hes.dlms.hdlc.frame import Kind
from hes.dlms.security import EncryptionKeys, unseal
from interop.meter_process import DEADLINE_S, Offer, TimeLimit, Worker, served
from sim.expose import ExposedMeters
from sim.meter import capture
from sim.meter.capture import true_rows
from sim.meter.load import Quantity
from sim.world import parse

pytest.importorskip("dlms_cosem")
pytest.importorskip("gurux_dlms")

pytestmark = pytest.mark.xdist_group("live peers")  # the meters serve all tests of this file

METER = "north-0003"
PATIENCE_S = 0.6  # timeout given to dlms-cosem where it is about to wait for it
ROWS_SEARCHED = 480  # with 8 places in a link each: one of them will do
HANGS_S = 1.0  # after that a peer is not expected to come back
HOUR_S, ROW_S = 3600, 900
PEERS = ("gurux-dlms", "dlms-cosem")
FRAMINGS = ("wrapper", "hdlc")
CLIENTS = {"none": 3, "lls": 2, "gmac": 1}  # client SAP that a meter of ours gives to each kind of security
PUBLIC = 16
PAST_ALL = 1 << 20  # room between the invocation counters of one session and those of the next

every_peer = pytest.mark.parametrize("peer", PEERS)
every_framing = pytest.mark.parametrize("framing", FRAMINGS)
every_security = pytest.mark.parametrize("security", CLIENTS)


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    working = Worker()
    yield working
    working.kill()


@pytest.fixture(scope="module")
def offers(worker: Worker) -> Iterator[dict[str, Offer]]:
    """One meter per framing, each with a ciphered session behind it: dlms-cosem takes no counter of 0 from a meter."""
    with served("wrapper", "--name", METER) as wrapper, served("hdlc", "--name", METER) as hdlc:
        for offer in (wrapper, hdlc):
            Session(worker, "gurux-dlms", offer, "gmac").read("register")
        yield {"wrapper": wrapper, "hdlc": hdlc}


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

    def read(self, what: str, *arguments: Any, limit_s: float = DEADLINE_S, **how: Any) -> Any:
        return self.worker.ask({**self.order, "what": what, "arguments": arguments, "how": how}, limit_s)

    def fails(self, what: str) -> str:
        """What the peer raises when it does that."""
        return str(self.worker.answer({**self.order, "what": what})["error"])


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
def test_a_profile_is_read_by_range(opened: Open, truth: ExposedMeters, peer: str, framing: str, security: str) -> None:
    now_s = truth.clock.epoch_s()
    last_s = int(now_s) // HOUR_S * HOUR_S - HOUR_S
    first_s = last_s - 6 * HOUR_S
    rows = opened(peer, framing, security).read("profile", first_s, last_s)
    expected = true_rows(truth.stations[0].endpoint.meter(), "load-profile", now_s, first_s, last_s)
    assert [row[0] for row in rows] == list(range(first_s, last_s + 1, ROW_S))
    assert rows == [[row.stamp_s, row.status, *row.values.values()] for row in expected]


# what they do wrong, one by one


@every_framing
def test_dlms_cosem_gives_a_clock_of_utc_without_its_zone(opened: Open, framing: str) -> None:
    assert opened("dlms-cosem", framing, "none").read("clock_zone") is None


def ends_like_a_flag(row: bytes, number: int) -> bool:
    """Whether the answer with one row of a profile, the so manieth of a link, has 7E as the last octet of its FCS."""
    answer = b"\xe6\xe7\x00\xc4\x01\xc1\x00\x01\x01" + row
    control = frames.control(Kind.I, final=True, send=number % 8, receive=(number + 1) % 8)
    addresses = encode_client_address(CLIENTS["none"]), ServerAddress(1, 17, 2).encode()
    return frames.encode(*addresses, control, answer)[-2] == 0x7E


def test_dlms_cosem_waits_for_its_timeout_when_a_frame_ends_with_the_octet_of_a_flag(
    opened: Open, truth: ExposedMeters
) -> None:
    """It takes the last octet of the FCS for the end and the flag for another beginning, with 1 answer in 256."""
    now_s = truth.clock.epoch_s()
    last_s = int(now_s) // HOUR_S * HOUR_S - HOUR_S
    meter = truth.stations[0].endpoint.meter()
    (profile,) = (each for each in meter.profile.profiles if each.name == "load-profile")
    stamps_s = [last_s - ROW_S * place for place in range(ROWS_SEARCHED)]
    rows = {stamp_s: capture.rows(meter, profile, now_s, stamp_s, stamp_s)[0] for stamp_s in stamps_s}
    number, found_s = next(
        found for found in product(range(1, 9), stamps_s) if ends_like_a_flag(rows[found[1]], found[0])
    )  # number 0 was the AARE
    fillers_s = [stamp_s for stamp_s in stamps_s if not any(ends_like_a_flag(rows[stamp_s], k) for k in range(8))]
    wanted_s = [*fillers_s[: number - 1], found_s]
    read = opened("dlms-cosem", "hdlc", "none").read("single_rows", wanted_s, patience_s=PATIENCE_S)
    assert [stamp_s for stamp_s, _ in read] == wanted_s  # in the end it has the frame
    assert [took_s >= PATIENCE_S for _, took_s in read] == [False] * (number - 1) + [True]


def test_dlms_cosem_never_sees_the_end_of_an_hdlc_link(opened: Open) -> None:
    """A UA without an information field has no HCS; it looks for one, and then for more octets, for ever."""
    with pytest.raises(TimeLimit):
        opened("dlms-cosem", "hdlc", "none").read("disconnect", limit_s=HANGS_S)


def test_dlms_cosem_spins_when_the_meter_hangs_up(worker: Worker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as meter:
        offer = {
            "url": f"tcp://127.0.0.1:{meter.getsockname()[1]}", "framing": "wrapper", "server_sap": 1, "test_keys": {},
        }  # fmt: skip
        order = {"peer": "dlms-cosem", "offer": offer, "security": "none", "client_sap": 3, "what": "clock"}
        worker.begin(order)
        line, _ = meter.accept()
        with line:
            line.recv(1000)
        before_s = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        with pytest.raises(TimeLimit):
            worker.finish(HANGS_S)
        used_s = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert used_s.ru_utime + used_s.ru_stime - before_s > HANGS_S / 4  # busy, not waiting


def test_dlms_cosem_decodes_a_truncated_value_for_ever(worker: Worker) -> None:
    assert worker.ask({"what": "decode", "octets": "0202120001120002"}) == "[1, 2]"
    with pytest.raises(TimeLimit):
        worker.ask({"what": "decode", "octets": "0202120001"}, HANGS_S)


def test_dlms_cosem_uses_the_counter_of_its_proof_twice(opened: Open, offers: dict[str, Offer]) -> None:
    session = opened("dlms-cosem", "wrapper", "gmac")
    sent = [bytes.fromhex(octets) for octets in session.read("sent")]
    stored = offers["wrapper"]["test_keys"]
    keys = EncryptionKeys(bytes.fromhex(stored["encryption_key"]), bytes.fromhex(stored["authentication_key"]))
    proof = next(octets for octets in sent if octets[0] == 0xDB)
    _, outer, plain = unseal(proof[11:], keys, b"DLCCLIEN")  # DB, 8 octets of title, length
    inner = plain[plain.index(b"\x09\x11\x10") :]  # octet-string of 17: control, counter, tag
    assert int.from_bytes(inner[3:7], "big") == outer


def test_dlms_cosem_sends_user_information_with_a_release_that_is_not_ciphered(opened: Open) -> None:
    sent = [bytes.fromhex(octets) for octets in opened("dlms-cosem", "wrapper", "lls").read("sent")]
    release = acse.decode(sent[-1])
    assert isinstance(release, Rlrq)
    assert release.user_information


def test_dlms_cosem_cannot_read_the_exception_that_tells_it_of_an_old_counter(opened: Open) -> None:
    error = opened("dlms-cosem", "wrapper", "gmac").fails("register_with_an_old_counter")
    assert error.startswith("IndexError")


def test_dlms_cosem_refuses_a_meter_whose_counter_begins_at_0(worker: Worker) -> None:
    with served("wrapper", "--name", METER) as offer:  # nobody has had a ciphered word with this one
        error = Session(worker, "dlms-cosem", offer, "gmac").fails("register")
        assert error.startswith("LocalDlmsProtocolError: Received invocation counter is not larger")

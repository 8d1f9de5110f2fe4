"""A client whose invocation counter is behind: it moves up once, as far as it may, and never down."""

import asyncio
from functools import partial

import pytest

from hes.dlms.client import Client
from hes.dlms.client.settings import ClientSettings
from hes.dlms.server import Server
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import published
from hes.errors import AccessDenied, LinkError
from hes.protocols.counter_recovery import (
    CEILING,
    JUMP_MAX,
    CounterJumpRefused,
    CounterRecovery,
    open_recovering,
    read_counter_object,
)
from hes.protocols.dlms_cosem import DlmsSession

COUNTER_OBJECT = bm.Obis.parse("0.0.43.1.0.255")
DECIPHERING_ERROR = bytes.fromhex("D80105")


class FixedEntropy:
    def octets(self, count):
        return (published.CLIENT_CHALLENGE * 8)[:count]

    def uniform(self, low, high):
        return low


class Bench:
    """A meter that expects `expected`, and a client whose next counter is `ours`. answers: instead of the meter's."""

    def __init__(self, ours, expected, *, answers=(), public=True, jump_max=JUMP_MAX):
        self.meter = bm.BenchMeter()
        self.meter.security.advance_receive_counter(0, expected)
        self.server = Server(bm.DEVICE, self.meter, entropy=bm.challenge, challenge_octets=8)
        self.next = ours
        self.answers = list(answers)
        self.asked = []
        self.recovery = CounterRecovery(
            next_counter=lambda: self.next,
            move_up=self.move_up,
            read_expected=self.read_expected if public else None,
            jump_max=jump_max,
        )

    async def exchange(self, sap, apdu):
        self.asked.append(sap)
        if self.answers and sap != bm.PUBLIC:
            return self.answers.pop(0)
        return self.server.receive(sap, apdu, bm.NOW_S)

    def take(self):
        self.next += 1
        return self.next - 1

    async def move_up(self, lowest):
        assert lowest >= self.next
        self.next = lowest

    async def read_expected(self):
        public = Client(ClientSettings(client_sap=bm.PUBLIC))
        return await read_counter_object(self.session(public), COUNTER_OBJECT)

    def session(self, client):
        return DlmsSession(client, partial(self.exchange, client.settings.client_sap), FixedEntropy())

    def open(self):
        make = lambda: self.session(Client(bm.hls(), send_counter=self.take))  # noqa: E731 - as short as it is

        async def run():
            session = await open_recovering(make, self.recovery)
            return await session.get(3, bm.ENERGY, 2)

        return asyncio.run(run())


def test_a_counter_in_step_is_left_alone():
    bench = Bench(ours=10, expected=10)
    assert bench.open()
    assert set(bench.asked) == {bm.MANAGEMENT}


def test_the_counter_that_the_exception_names_is_taken():
    bench = Bench(ours=1, expected=5000)
    assert bench.open()
    assert bench.next == 5000 + 4  # AARQ, proof, pass 3, GET
    assert bm.PUBLIC not in bench.asked


def test_a_meter_that_wants_the_very_next_counter_gets_it():
    bench = Bench(ours=10, expected=11)
    assert bench.open()
    assert bench.next == 11 + 4


def test_keys_that_are_wrong_are_not_tried_again_with_the_counter_in_step():
    bench = Bench(ours=4999, expected=4999, answers=[DECIPHERING_ERROR, DECIPHERING_ERROR])
    with pytest.raises(AccessDenied):
        bench.open()
    assert bench.asked.count(bm.MANAGEMENT) == 1


def test_a_meter_that_only_says_it_cannot_decipher_is_asked_through_the_public_client():
    bench = Bench(ours=1, expected=5000, answers=[DECIPHERING_ERROR])
    assert bench.open()
    assert bench.next == 5001 + 4
    assert bm.PUBLIC in bench.asked


def test_without_a_public_client_the_refusal_stands():
    with pytest.raises(AccessDenied, match="refused"):
        Bench(ours=1, expected=5000, answers=[DECIPHERING_ERROR], public=False).open()


def test_a_refusal_for_another_reason_stands_and_no_counter_moves():
    aare = bytes.fromhex("6129A109060760857405080103A203020101A305A103020102BE10040E0800065F1F040000501F01F40007")
    bench = Bench(ours=1, expected=5000, answers=[aare])
    with pytest.raises(AccessDenied):
        bench.open()
    assert (bench.next, bm.PUBLIC in bench.asked) == (2, False)


def test_a_meter_that_names_a_lower_counter_moves_nothing():
    bench = Bench(ours=100, expected=0, answers=[bytes.fromhex("D801060000000A")])
    with pytest.raises(AccessDenied):
        bench.open()
    assert bench.next == 101


def test_a_meter_that_always_wants_more_is_followed_once():
    chase = [bytes.fromhex(f"D80106{number:08X}") for number in (1000, 2000, 3000)]
    bench = Bench(ours=1, expected=0, answers=chase)
    with pytest.raises(AccessDenied):
        bench.open()
    assert bench.next == 1001


@pytest.mark.parametrize("named", [JUMP_MAX + 1000, 0xFFFFFFFE])
def test_nobody_uses_up_a_key_by_naming_a_counter_far_away(named):
    bench = Bench(ours=1, expected=0, answers=[bytes.fromhex(f"D80106{named:08X}")])
    with pytest.raises(CounterJumpRefused, match="by hand"):
        bench.open()
    assert bench.next == 2


def test_near_the_end_of_a_key_nothing_is_followed():
    bench = Bench(ours=CEILING, expected=0, answers=[bytes.fromhex(f"D80106{CEILING + 5:08X}")])
    with pytest.raises(CounterJumpRefused):
        bench.open()


def test_when_the_counter_cannot_be_read_the_first_refusal_is_told():
    bench = Bench(ours=1, expected=5000, answers=[DECIPHERING_ERROR])

    async def lost():
        raise LinkError("nothing came back")

    bench.recovery = CounterRecovery(next_counter=lambda: bench.next, move_up=bench.move_up, read_expected=lost)
    with pytest.raises(AccessDenied, match="refused"):
        bench.open()

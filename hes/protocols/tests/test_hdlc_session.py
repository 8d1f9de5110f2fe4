"""The HDLC session before a meter that is our own server side, in time that passes when nobody works."""

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import pytest

from hes.dlms import axdr
from hes.dlms.client import Client
from hes.dlms.client.settings import ClientSettings
from hes.dlms.hdlc import frame as frames
from hes.dlms.hdlc.address import ServerAddress
from hes.dlms.hdlc.frame import Kind
from hes.dlms.hdlc.line_dispatcher import LineDispatcher, Peer
from hes.dlms.hdlc.link_events import LINK_CLAUSES, DownReason, LinkFindingKind, LinkUp, Received, Transmit
from hes.dlms.hdlc.link_flow import LLC_RESPONSE
from hes.dlms.hdlc.link_settings import ClientLinkSettings, ServerLinkSettings
from hes.dlms.hdlc.parameters import Parameters
from hes.dlms.server import Server
from hes.dlms.tests import bench_meter
from hes.errors import LinkError, LocalProtocolError, RemoteProtocolError
from hes.links.registry import Links
from hes.protocols.dlms_cosem import DlmsSession
from hes.protocols.hdlc_session import ExchangeTimeout, HdlcSession, LinkIsDown, SessionLost

METER = ServerAddress(1, 17, 2)
GET = bytes.fromhex("C001C100080000010000FF0200")
ANSWER = bytes.fromhex("C401C10006000003E8")
EVENT = bytes.fromhex("C200000100000100000AFF020600000001")
PUSH = bytes.fromhex("0F00000001000600000001")
LIMITS = Parameters(transmit_octets=64, receive_octets=64, transmit_window=3, receive_window=3)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop that jumps to its next timer instead of waiting for it."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        outer = self

        class Selector(selectors.DefaultSelector):
            def select(self, timeout: float | None = None) -> Any:
                assert timeout is not None, "nothing left to happen"
                outer.now_s += timeout
                return super().select(0)

        super().__init__(Selector())

    def time(self) -> float:
        return self.now_s


class Meter(asyncio.Transport):
    """The far end of the line: our server side, or silence. answer: what its application says, None for later."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self.loop = loop
        self.line = LineDispatcher({METER: ServerLinkSettings(limits=LIMITS, inactivity_s=3600.0)})
        self.answer: Callable[[bytes], bytes | None] = lambda apdu: ANSWER
        self.answer_of: Callable[[int, bytes], bytes | None] = lambda _, apdu: self.answer(apdu)
        self.silent = self.closed = False
        self.requests: list[tuple[Peer, Received]] = []
        self.links = 0
        self.session: HdlcSession | None = None

    def write(self, data: Any) -> None:
        assert not self.closed
        if self.silent:
            return
        for peer, event in self.line.receive(bytes(data), self.loop.now_s):
            if isinstance(event, Transmit):
                self.says(event.octets)
            elif isinstance(event, LinkUp):
                self.links += 1
            elif isinstance(event, Received):
                self.requests.append((peer, event))
                answer = self.answer_of(peer.client_sap, event.apdu)
                if answer is not None:
                    self.answers(answer)

    def answers(self, apdu: bytes) -> None:
        """To the last request."""
        peer, event = self.requests[-1]
        self.says(self.line.answer(peer, apdu, self.loop.now_s, event.number))

    def says(self, octets: bytes) -> None:
        if octets:
            self.loop.call_later(0.1, self.is_heard, octets)

    def is_heard(self, octets: bytes) -> None:
        assert self.session is not None
        self.session.data_received(octets)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def loop() -> Iterator[VirtualTimeLoop]:
    loop = VirtualTimeLoop()
    yield loop
    loop.close()


class FixedEntropy:
    def octets(self, count: int) -> bytes:
        return bytes(range(1, count + 1))

    def uniform(self, low: float, high: float) -> float:
        return low


class Bench:
    def __init__(self, loop: VirtualTimeLoop, **settings: Any) -> None:
        self.pushes: list[tuple[int, int, bytes]] = []
        self.frames: list[tuple[bool, str]] = []
        self.loop = loop
        self.meter = Meter(loop)
        self.session = HdlcSession(
            client_sap=16,
            server=METER,
            timeout_s=60.0,
            settings=ClientLinkSettings(proposal=LIMITS, **settings),
            peer="meter 7",
            on_push=lambda *push: self.pushes.append(push),
            tap=lambda sent, octets: self.frames.append((sent, str(frames.decode(octets[1:-1])))),
        )
        self.meter.session = self.session
        self.session.connection_made(self.meter)

    def run(self, main: Awaitable[Any]) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(main, 1e9))

    def connected(self) -> "Bench":
        self.run(self.session.connect())
        return self


@pytest.fixture
def bench(loop: VirtualTimeLoop) -> Bench:
    return Bench(loop)


def test_the_link_is_set_up_and_an_exchange_gives_the_answer(bench: Bench) -> None:
    assert bench.run(bench.session.connect()) == LIMITS
    assert bench.run(bench.session.exchange(GET)) == ANSWER
    bench.session.close()
    assert bench.frames == [
        (True, "SNRM P/F 21>0223, 21 octets"),
        (False, "UA P/F 0223>21, 21 octets"),
        (True, "I(0,0) P/F 21>0223, 16 octets"),
        (False, "I(0,1) P/F 0223>21, 12 octets"),
        (True, "DISC P/F 21>0223"),
    ]
    assert bench.meter.closed


def test_the_first_exchange_sets_the_link_up_where_nobody_has(bench: Bench) -> None:
    assert bench.run(bench.session.exchange(GET)) == ANSWER
    assert (bench.session.link_up, bench.session.counters.links) == (True, 1)


def test_long_requests_and_answers_go_in_segments(bench: Bench) -> None:
    bench.meter.answer = lambda apdu: ANSWER * 100
    assert bench.run(bench.session.exchange(GET * 100)) == ANSWER * 100
    assert bench.meter.requests[0][1].apdu == GET * 100


def test_octets_may_come_one_by_one(bench: Bench) -> None:
    def trickle(octets: bytes) -> None:
        for octet in octets:
            bench.session.data_received(bytes((octet,)))

    bench.meter.is_heard = trickle  # type: ignore[method-assign]
    assert bench.run(bench.session.exchange(GET)) == ANSWER


def test_a_meter_that_does_not_answer_snrm_times_out_in_a_sentence(bench: Bench) -> None:
    bench.meter.silent = True
    with pytest.raises(ExchangeTimeout, match=r"^no answer from meter 7 \(asked 4 times, 5 s each\); the HDLC link is"):
        bench.run(bench.session.connect())
    assert bench.loop.now_s == 1020.0
    assert not bench.session.link_up
    assert bench.session.connected


def test_the_exchange_as_a_whole_has_a_deadline_of_its_own(bench: Bench) -> None:
    bench.session.timeout_s = 7.0
    bench.meter.silent = True
    with pytest.raises(ExchangeTimeout, match=r"no answer from meter 7 within 7 s\."):
        bench.run(bench.session.connect())
    assert bench.loop.now_s == 1007.0
    bench.meter.silent = False
    assert bench.run(bench.session.connect()) == LIMITS


def test_a_link_that_was_given_up_is_not_set_up_by_an_answer_that_comes_too_late(bench: Bench) -> None:
    async def late() -> None:
        bench.session.timeout_s = 2.0
        bench.loop.call_later(3.0, bench.session.data_received, frames.encode(b"\x21", METER.encode(), 0x73))
        bench.meter.silent = True
        with pytest.raises(ExchangeTimeout):
            await bench.session.connect()
        await asyncio.sleep(2.0)

    bench.run(late())
    assert not bench.session.link_up
    assert bench.session.counters.findings == 1


def test_a_meter_that_refuses_the_link_says_so(bench: Bench) -> None:
    refusal = frames.encode(b"\x21", METER.encode(), 0x1F)
    bench.meter.line = LineDispatcher({})
    bench.loop.call_later(1.0, bench.session.data_received, refusal)
    with pytest.raises(LinkIsDown, match=r"to meter 7 could not be set up: the other side refused the link") as caught:
        bench.run(bench.session.connect())
    assert caught.value.fields["reason"] is DownReason.REFUSED
    with pytest.raises(LinkIsDown, match="connect again"):
        bench.run(bench.session.exchange(GET))


def test_a_lost_answer_is_fetched_by_a_poll(bench: Bench) -> None:
    bench.connected()
    says, bench.meter.says = bench.meter.says, lambda octets: None  # type: ignore[method-assign]
    bench.loop.call_later(1.0, setattr, bench.meter, "says", says)
    start_s = bench.loop.now_s
    assert bench.run(bench.session.exchange(GET)) == ANSWER
    assert bench.loop.now_s == pytest.approx(start_s + 5.1)
    assert len(bench.meter.requests) == 1


def test_a_meter_that_falls_silent_ends_the_link_and_it_is_not_set_up_again_by_itself(bench: Bench) -> None:
    bench.connected()
    bench.meter.silent = True
    with pytest.raises(ExchangeTimeout, match="asked 4 times"):
        bench.run(bench.session.exchange(GET))
    bench.meter.silent = False
    with pytest.raises(LinkIsDown, match="the other side fell silent"):
        bench.run(bench.session.exchange(GET))
    bench.connected()
    assert bench.run(bench.session.exchange(GET)) == ANSWER
    assert bench.session.counters.timeouts == 1


def test_a_link_that_the_meter_has_forgotten_is_an_error_in_one_sentence(bench: Bench) -> None:
    bench.connected()
    bench.meter.line.line_lost()
    with pytest.raises(LinkIsDown) as caught:
        bench.run(bench.session.exchange(GET))
    assert caught.value.message == (
        "the HDLC link to meter 7 is down: the other side knows of no link (DM); connect again."
    )


def test_a_rejected_frame_names_the_reason(bench: Bench) -> None:
    bench.connected()
    reject = frames.encode(b"\x21", METER.encode(), 0x97, bytes.fromhex("100004"))
    bench.meter.silent = True
    bench.loop.call_later(1.0, bench.session.data_received, reject)
    with pytest.raises(LinkIsDown, match=r"a frame was rejected \(FRMR\): control 10, information too long"):
        bench.run(bench.session.exchange(GET))


def test_an_answer_without_the_llc_header_is_the_meters_fault(bench: Bench) -> None:
    bench.connected()
    bench.meter.silent = True
    bench.loop.call_later(1.0, bench.session.data_received, frames.encode(b"\x21", METER.encode(), 0x30, ANSWER))
    with pytest.raises(RemoteProtocolError, match="no LLC header") as caught:
        bench.run(bench.session.exchange(GET))
    assert bench.session.counters.findings == 1
    clause = LINK_CLAUSES[LinkFindingKind.WRONG_LLC]
    assert caught.value.clause == clause
    assert bench.session.counters.rules_broken() == [f"HDLC: an APDU without its LLC header, 1 times ({clause})"]


def test_other_addresses_get_a_link_of_their_own_and_the_old_one_is_released(bench: Bench) -> None:
    async def both() -> None:
        await bench.session.exchange(GET)
        await bench.session.exchange(GET, client_sap=1)
        await bench.session.exchange(GET, client_sap=1)

    bench.run(both())
    assert [peer.client_sap for peer, _ in bench.meter.requests] == [16, 1, 1]
    assert list(bench.meter.line.links) == [Peer(METER, 1)]
    assert bench.meter.links == 2


def test_pushes_go_to_their_handler_whatever_is_under_way(bench: Bench) -> None:
    bench.connected()
    push = frames.encode(b"\x21", METER.encode(), 0x13, LLC_RESPONSE + PUSH)
    bench.loop.call_soon(bench.session.data_received, push)
    bench.loop.call_later(0.05, bench.session.data_received, push)
    assert bench.run(bench.session.exchange(GET)) == ANSWER
    assert bench.pushes == [(1, 16, PUSH)] * 2


def test_a_notification_in_an_i_frame_is_not_the_answer_and_the_answer_is_asked_for(bench: Bench) -> None:
    bench.connected()
    bench.meter.silent = True
    own = METER.encode()
    event = frames.encode(b"\x21", own, frames.control(Kind.I, receive=1), LLC_RESPONSE + EVENT)
    answer = frames.encode(b"\x21", own, frames.control(Kind.I, send=1, receive=1), LLC_RESPONSE + ANSWER)
    bench.loop.call_later(0.1, bench.session.data_received, event)
    bench.loop.call_later(0.7, bench.session.data_received, answer)
    assert bench.run(bench.session.exchange(GET)) == ANSWER
    assert bench.pushes == [(1, 16, EVENT)]
    assert bench.frames[-2:] == [(True, "RR(1) P/F 21>0223"), (False, "I(1,1) P/F 0223>21, 12 octets")]


def test_the_answer_behind_one_to_something_else_can_be_asked_for(bench: Bench) -> None:
    async def two() -> tuple[bytes, bytes]:
        bench.meter.silent = True
        own = METER.encode()
        other = frames.encode(b"\x21", own, frames.control(Kind.I, receive=1), LLC_RESPONSE + b"\xc4\x01\xc0\x01\x02")
        answer = frames.encode(b"\x21", own, frames.control(Kind.I, send=1, receive=1), LLC_RESPONSE + ANSWER)
        bench.loop.call_later(0.1, bench.session.data_received, other)
        bench.loop.call_later(0.7, bench.session.data_received, answer)
        return await bench.session.exchange(GET), await bench.session.next_answer()

    bench.connected()
    assert bench.run(two()) == (b"\xc4\x01\xc0\x01\x02", ANSWER)
    assert bench.frames[-2] == (True, "RR(1) P/F 21>0223")


def test_the_answer_is_not_lost_when_it_comes_together_with_another(bench: Bench) -> None:
    async def two() -> tuple[bytes, bytes]:
        bench.meter.silent = True
        own = METER.encode()
        octets = [
            frames.encode(b"\x21", own, frames.control(Kind.I, send=send, receive=1, final=bool(send)), information)
            for send, information in enumerate((LLC_RESPONSE + b"\xc4\x01\xc0\x01\x02", LLC_RESPONSE + ANSWER))
        ]
        bench.loop.call_later(0.1, bench.session.data_received, b"".join(octets))
        return await bench.session.exchange(GET), await bench.session.next_answer()

    bench.connected()
    assert bench.run(two()) == (b"\xc4\x01\xc0\x01\x02", ANSWER)
    assert bench.session.counters.late_answers == 0


def test_the_next_answer_of_a_silent_meter_ends_the_link(bench: Bench) -> None:
    bench.connected()
    bench.meter.silent = True
    with pytest.raises(ExchangeTimeout, match="asked 4 times"):
        bench.run(bench.session.next_answer())
    with pytest.raises(LinkIsDown):
        bench.run(bench.session.next_answer())


def test_a_cancelled_exchange_leaves_the_session_usable_and_its_answer_is_dropped(bench: Bench) -> None:
    async def cancelled() -> bytes:
        bench.meter.answer = lambda apdu: None
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await bench.session.exchange(GET)
        bench.meter.answer = lambda apdu: ANSWER
        bench.loop.call_later(3.0, bench.meter.answers, b"\xc4\x01\xc0\x01\x02")
        return await bench.session.exchange(GET + b"\x00")

    assert bench.run(cancelled()) == ANSWER
    assert bench.session.counters.late_answers == 1
    assert [event.apdu for _, event in bench.meter.requests] == [GET, GET + b"\x00"]


def test_an_exchange_that_took_too_long_does_not_fool_the_next_one(bench: Bench) -> None:
    async def late() -> bytes:
        bench.session.timeout_s = 2.0
        bench.meter.answer = lambda apdu: None
        with pytest.raises(ExchangeTimeout, match="within 2 s"):
            await bench.session.exchange(GET)
        bench.meter.answer = lambda apdu: ANSWER
        bench.session.timeout_s = 60.0
        bench.loop.call_later(1.0, bench.meter.answers, b"\xc4\x01\xc0\x01\x02")
        return await bench.session.exchange(GET)

    assert bench.run(late()) == ANSWER
    assert bench.session.counters.late_answers == 1


def test_a_cancelled_connect_leaves_the_session_usable(bench: Bench) -> None:
    async def cancelled() -> bytes:
        bench.meter.silent = True
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await bench.session.connect()
        bench.meter.silent = False
        return await bench.session.exchange(GET)

    assert bench.run(cancelled()) == ANSWER


def test_a_meter_that_does_not_confirm_the_release_is_left_to_forget_it(bench: Bench) -> None:
    bench.connected()
    bench.meter.silent = True
    bench.run(bench.session.disconnect())
    assert not bench.session.link_up
    bench.meter.silent = False
    assert bench.run(bench.session.exchange(GET)) == ANSWER


def test_a_peer_that_hangs_up_ends_the_exchange(bench: Bench) -> None:
    bench.connected()
    bench.meter.silent = True
    bench.loop.call_later(1.0, bench.session.connection_lost, ConnectionResetError("reset by peer"))
    with pytest.raises(SessionLost, match="meter 7 closed the connection: reset by peer"):
        bench.run(bench.session.exchange(GET))
    with pytest.raises(LinkError):
        bench.run(bench.session.exchange(GET))
    assert not bench.session.connected


def test_closing_ends_the_exchange_and_may_be_done_twice(bench: Bench) -> None:
    bench.connected()
    bench.meter.answer = lambda apdu: None
    bench.loop.call_later(1.0, bench.session.close)
    with pytest.raises(SessionLost, match="closed by us"):
        bench.run(bench.session.exchange(GET))
    bench.session.close()
    assert bench.frames[-1] == (True, "DISC P/F 21>0223")
    assert bench.meter.closed


def test_a_second_exchange_at_the_same_time_is_our_own_mistake(bench: Bench) -> None:
    async def both() -> None:
        async with asyncio.timeout(1e6), asyncio.TaskGroup() as group:
            first = group.create_task(bench.session.exchange(GET))
            await asyncio.sleep(0)
            with pytest.raises(LocalProtocolError, match="running"):
                await bench.session.exchange(GET)
            assert await first == ANSWER

    bench.run(both())


@pytest.mark.parametrize("apdu", [b"", bytes(0x10001)])
def test_an_apdu_that_cannot_be_sent_is_our_own_mistake(bench: Bench, apdu: bytes) -> None:
    bench.connected()
    with pytest.raises(LocalProtocolError, match="an APDU of 1"):
        bench.run(bench.session.exchange(apdu))
    assert bench.run(bench.session.exchange(GET)) == ANSWER


def test_a_session_that_is_not_connected_says_so(loop: VirtualTimeLoop) -> None:
    session = HdlcSession(client_sap=16, server=METER, timeout_s=1.0)
    with pytest.raises(LocalProtocolError, match="not connected"):
        loop.run_until_complete(session.exchange(GET))


def test_an_association_with_hls_reads_a_profile_in_blocks_and_segments(bench: Bench) -> None:
    """All of it together: clients of two associations, our COSEM server and a link of 64 octets."""
    meter = bench_meter.BenchMeter()
    server = Server(bench_meter.DEVICE, meter, entropy=bench_meter.challenge, challenge_octets=8)
    bench.meter.answer_of = lambda client_sap, apdu: server.receive(client_sap, apdu, bench_meter.NOW_S)

    async def reads(settings: ClientSettings, class_id: int, obis: bytes, attribute: int) -> Any:
        exchange = partial(bench.session.exchange, client_sap=settings.client_sap, server_sap=settings.server_sap)
        client = Client(settings, send_counter=1)
        dlms = DlmsSession(client, exchange, FixedEntropy(), next_answer=bench.session.next_answer)
        await dlms.open()
        value = axdr.decode_value(await dlms.get(class_id, obis, attribute))[0]
        await dlms.release()
        return value

    async def both() -> tuple[int, int]:
        clock = await reads(bench_meter.public(), 8, bench_meter.CLOCK, 2)
        profile = await reads(bench_meter.hls(), 7, bench_meter.LOAD_PROFILE, 2)
        return len(clock), len(profile)

    assert bench.run(both()) == (12, 96)
    assert bench.session.counters.links == 2


def test_one_timer_serves_everything(bench: Bench) -> None:
    armed = 0
    call_at = bench.loop.call_at

    def counted(when: float, *arguments: Any, **options: Any) -> asyncio.TimerHandle:
        nonlocal armed
        armed += arguments[0] == bench.session._timer_fired
        return call_at(when, *arguments, **options)

    async def many() -> None:
        for _ in range(100):
            await bench.session.exchange(GET)

    bench.connected()
    bench.loop.call_at = counted  # type: ignore[method-assign]
    start_s = bench.loop.now_s
    bench.run(many())
    assert armed <= (bench.loop.now_s - start_s) / 5.0 + 2


def test_a_session_over_tcp() -> None:
    class Far(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport
            self.line = LineDispatcher({METER: ServerLinkSettings(limits=LIMITS)})

        def data_received(self, data: bytes) -> None:
            assert isinstance(self.transport, asyncio.Transport)
            for peer, event in self.line.receive(data, 0.0):
                if isinstance(event, Transmit):
                    self.transport.write(event.octets)
                elif isinstance(event, Received):
                    self.transport.write(self.line.answer(peer, event.apdu * 50, 0.0, event.number))

    async def main() -> tuple[bytes, bool]:
        links = Links()
        listener = await links.listen("tcp-listen://127.0.0.1:0", Far)
        _, session = await links.connect(
            listener.addresses[0],
            lambda: HdlcSession(
                client_sap=16, server=METER, timeout_s=10.0, settings=ClientLinkSettings(inter_octet_s=None)
            ),
        )
        answer = await session.exchange(GET)
        await session.disconnect()
        session.close()
        listener.close()
        await listener.wait_closed()
        return answer, session.link_up

    assert asyncio.run(main()) == (GET * 50, False)

"""The wrapper session over a transport that only remembers what was written, in time that passes when nobody works."""

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from hes.dlms import wrapper
from hes.dlms.codes import ApduTag
from hes.dlms.hdlc.push import PushReceiver
from hes.dlms.hdlc.tests.published import PUSH_IN_BLOCKS
from hes.errors import LinkError, LocalProtocolError, RemoteProtocolError
from hes.protocols.push_blocks import ENDS_MAX, PushBlocks
from hes.protocols.wrapper_session import ExchangeTimeout, SessionLost, WrapperSession

GET = bytes.fromhex("C001C100080000010000FF0200")
ANSWER = bytes.fromhex("C401C10006000003E8")
PUSH = bytes.fromhex("0F00000001000600000001")
CIPHERED = bytes.fromhex("DB084D4D4D0000BC614E1E3001234567411312FF935A47566827C467BC7D825C3BE4A77C3FCC056B6B")


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


class Wire(asyncio.Transport):
    """The far end: `written` holds the frames sent, `answer` is called with each."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False
        self.answer: Callable[[bytes], None] = lambda frame: None

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))
        self.answer(bytes(data))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def loop() -> Iterator[VirtualTimeLoop]:
    loop = VirtualTimeLoop()
    yield loop
    loop.close()


class Bench:
    def __init__(self, loop: VirtualTimeLoop, **options: Any) -> None:
        self.pushes: list[tuple[int, int, bytes]] = []
        self.frames: list[tuple[bool, bytes]] = []
        self.loop = loop
        self.wire = Wire()
        self.session = WrapperSession(
            client_sap=16,
            server_sap=1,
            timeout_s=10.0,
            peer="meter 7",
            on_push=lambda *push: self.pushes.append(push),
            tap=lambda *frame: self.frames.append(frame),
            **options,
        )
        self.session.connection_made(self.wire)

    def receive(self, apdu: bytes, source: int = 1, destination: int = 16) -> None:
        self.session.data_received(wrapper.encode(source, destination, apdu))

    def answer_with(self, *apdus: bytes, source: int = 1, destination: int = 16) -> None:
        octets = b"".join(wrapper.encode(source, destination, apdu) for apdu in apdus)
        self.wire.answer = lambda _: self.session.data_received(octets)

    def run(self, main: Awaitable[Any]) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(main, 1e9))


@pytest.fixture
def bench(loop: VirtualTimeLoop) -> Bench:
    return Bench(loop)


def test_an_exchange_sends_the_request_and_gives_the_answer(bench: Bench) -> None:
    bench.answer_with(ANSWER)
    assert bench.run(bench.session.exchange(GET)) == ANSWER
    assert bench.wire.written == [wrapper.encode(16, 1, GET)]
    assert bench.frames == [(True, wrapper.encode(16, 1, GET)), (False, wrapper.encode(1, 16, ANSWER))]


def test_an_answer_may_come_octet_by_octet(bench: Bench) -> None:
    def trickle(_: bytes) -> None:
        for octet in wrapper.encode(1, 16, ANSWER):
            bench.session.data_received(bytes((octet,)))

    bench.wire.answer = trickle
    assert bench.run(bench.session.exchange(GET)) == ANSWER


def test_another_association_uses_other_ports_on_the_same_connection(bench: Bench) -> None:
    bench.answer_with(ANSWER, source=1, destination=2)
    assert bench.run(bench.session.exchange(GET, client_sap=2)) == ANSWER
    assert bench.wire.written == [wrapper.encode(2, 1, GET)]


def test_an_exchange_without_an_answer_times_out_exactly_at_its_deadline(bench: Bench) -> None:
    with pytest.raises(ExchangeTimeout, match=r"no answer from meter 7 within 10 s\."):
        bench.run(bench.session.exchange(GET))
    assert bench.loop.now_s == 1010.0
    assert bench.session.counters.timeouts == 1
    assert bench.session.connected


def test_one_timer_serves_all_exchanges_and_moves_with_the_deadline(bench: Bench) -> None:
    async def two() -> None:
        bench.answer_with(ANSWER)
        await bench.session.exchange(GET)
        await asyncio.sleep(8)
        bench.wire.answer = lambda _: None
        with pytest.raises(ExchangeTimeout):
            await bench.session.exchange(GET)

    bench.run(two())
    assert bench.loop.now_s == 1018.0


def test_a_shorter_deadline_than_the_one_before_is_kept(bench: Bench) -> None:
    async def two() -> None:
        bench.answer_with(ANSWER)
        await bench.session.exchange(GET)
        bench.wire.answer = lambda _: None
        bench.session.timeout_s = 2.0
        with pytest.raises(ExchangeTimeout):
            await bench.session.exchange(GET)

    bench.run(two())
    assert bench.loop.now_s == 1002.0


def test_a_late_answer_is_dropped_and_counted_and_the_next_exchange_is_not_fooled(bench: Bench) -> None:
    async def late() -> bytes:
        with pytest.raises(ExchangeTimeout):
            await bench.session.exchange(GET)
        bench.receive(b"\xc4\x01\xc1\x01\x02")
        bench.answer_with(ANSWER)
        return await bench.session.exchange(GET)

    assert bench.run(late()) == ANSWER
    assert bench.session.counters.late_answers == 1


def test_the_answer_behind_a_wrong_one_can_be_waited_for(bench: Bench) -> None:
    async def two() -> bytes:
        bench.answer_with(b"\xc4\x01\xc0\x01\x02")
        await bench.session.exchange(GET)
        bench.loop.call_later(3, bench.receive, ANSWER)
        return await bench.session.next_answer()

    assert bench.run(two()) == ANSWER


def test_the_answer_is_not_lost_when_it_comes_together_with_a_wrong_one(bench: Bench) -> None:
    async def two() -> tuple[bytes, bytes]:
        bench.answer_with(b"\xc4\x01\xc0\x01\x02", ANSWER)
        return await bench.session.exchange(GET), await bench.session.next_answer()

    assert bench.run(two()) == (b"\xc4\x01\xc0\x01\x02", ANSWER)
    assert bench.session.counters.late_answers == 0


@pytest.mark.parametrize("push", [PUSH, bytes.fromhex("C200000100000100000AFF020600000001")])
def test_a_push_in_the_middle_of_an_exchange_goes_to_its_handler(bench: Bench, push: bytes) -> None:
    bench.answer_with(push, ANSWER)
    assert bench.run(bench.session.exchange(GET)) == ANSWER
    assert bench.pushes == [(1, 16, push)]


def test_a_ciphered_apdu_is_a_push_when_no_answer_is_awaited_and_the_answer_when_one_is(bench: Bench) -> None:
    bench.receive(CIPHERED)
    assert bench.pushes == [(1, 16, CIPHERED)]
    bench.answer_with(CIPHERED)
    assert bench.run(bench.session.exchange(GET)) == CIPHERED


def test_a_push_in_blocks_goes_to_its_handler_once_and_whole(bench: Bench) -> None:
    blocks = [push.apdu for push in PushReceiver().feed(PUSH_IN_BLOCKS)]
    for apdu in (*blocks, blocks[0], blocks[2], *blocks):  # the second one lacks a block
        bench.receive(apdu)
    whole = b"".join(apdu[7:] for apdu in blocks)
    assert bench.pushes == [(1, 16, whole)] * 2
    assert whole[0] == ApduTag.DATA_NOTIFICATION
    assert (bench.session.counters.pushes, bench.session.counters.late_answers) == (2, 0)


def test_pushes_in_blocks_from_many_ends_are_bounded() -> None:
    first, second, third = [push.apdu for push in PushReceiver().feed(PUSH_IN_BLOCKS)]
    pushes = PushBlocks()
    for source in range(ENDS_MAX + 1):
        assert pushes.take(source, 16, first) is None
    for source in range(ENDS_MAX + 1):
        assert pushes.take(source, 16, second) is None
        assert (pushes.take(source, 16, third) is None) == (source == 0)
    assert pushes.lost == 2
    assert pushes.take(1, 16, b"\xe0\x00\x00\x01") is None
    assert pushes.lost == 3


def test_frames_between_other_processes_are_dropped_and_counted(bench: Bench) -> None:
    def answer(_: bytes) -> None:
        bench.receive(ANSWER, source=3, destination=16)
        bench.receive(ANSWER, source=1, destination=17)
        bench.receive(ANSWER)

    bench.wire.answer = answer
    assert bench.run(bench.session.exchange(GET)) == ANSWER
    assert bench.session.counters.strays == 2


def test_a_peer_that_hangs_up_ends_the_exchange(bench: Bench) -> None:
    bench.wire.answer = lambda _: bench.session.connection_lost(ConnectionResetError("reset by peer"))
    with pytest.raises(SessionLost, match="meter 7 closed the connection: reset by peer"):
        bench.run(bench.session.exchange(GET))
    with pytest.raises(LinkError):
        bench.run(bench.session.exchange(GET))
    assert not bench.session.connected


def test_octets_that_are_no_wrapper_frame_end_the_session(bench: Bench) -> None:
    bench.wire.answer = lambda _: bench.session.data_received(b"HTTP/1.1 400 Bad Request\r\n")
    with pytest.raises(RemoteProtocolError, match="wrapper version"):
        bench.run(bench.session.exchange(GET))
    assert bench.wire.closed


def test_a_frame_before_the_fault_is_still_the_answer(bench: Bench) -> None:
    octets = wrapper.encode(1, 16, ANSWER) + b"HTTP/1.1"
    bench.wire.answer = lambda _: bench.session.data_received(octets)
    assert bench.run(bench.session.exchange(GET)) == ANSWER
    assert bench.wire.closed


def test_closing_ends_the_exchange_and_may_be_done_twice(bench: Bench) -> None:
    bench.wire.answer = lambda _: bench.session.close()
    with pytest.raises(SessionLost, match="closed by us"):
        bench.run(bench.session.exchange(GET))
    bench.session.close()
    assert bench.wire.closed


def test_a_second_exchange_at_the_same_time_is_our_own_mistake(bench: Bench) -> None:
    async def both() -> None:
        async with asyncio.timeout(1e6), asyncio.TaskGroup() as group:
            first = group.create_task(bench.session.exchange(GET))
            await asyncio.sleep(0)
            with pytest.raises(LocalProtocolError, match="running"):
                await bench.session.exchange(GET)
            bench.receive(ANSWER)
            assert await first == ANSWER

    bench.run(both())


def test_a_question_goes_out_at_once_and_its_future_can_be_given_up(bench: Bench) -> None:
    async def asked() -> bytes:
        first = bench.session.ask(GET)
        assert len(bench.wire.written) == 1
        first.cancel()
        second = bench.session.ask(GET, client_sap=2)
        bench.receive(ANSWER, destination=2)
        assert bench.wire.written[1] == wrapper.encode(2, 1, GET)
        with pytest.raises(LocalProtocolError, match="do not fit"):
            bench.session.ask(bytes(0x10000))
        return await second

    assert bench.run(asked()) == ANSWER
    assert bench.session.counters.late_answers == 0


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("cuts", [(), (3,), (8,), (9,)])
@pytest.mark.parametrize(
    "apdus", [(ANSWER,), (PUSH, ANSWER), (ANSWER, PUSH), (PUSH, PUSH, ANSWER), (CIPHERED,), (b"", ANSWER)]
)
def test_an_answer_is_found_however_it_comes(
    loop: VirtualTimeLoop, apdus: tuple[bytes, ...], cuts: tuple[int, ...], watched: bool
) -> None:
    """One whole frame has a short way; watched frames, cut ones and several at once have not."""
    bench = Bench(loop)
    if not watched:
        bench.session._tap = None
    octets = b"".join(wrapper.encode(1, 16, apdu) for apdu in apdus)

    def answer(_: bytes) -> None:
        for low, high in pairwise([0, *cuts, len(octets)]):
            bench.session.data_received(octets[low:high])

    bench.wire.answer = answer
    assert bench.run(bench.session.exchange(GET)) == next(apdu for apdu in apdus if apdu != PUSH)
    assert len(bench.pushes) == apdus.count(PUSH)


def test_a_cancelled_exchange_leaves_the_session_usable(bench: Bench) -> None:
    async def cancelled() -> bytes:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await bench.session.exchange(GET)
        bench.answer_with(ANSWER)
        return await bench.session.exchange(GET)

    assert bench.run(cancelled()) == ANSWER


def test_a_session_that_is_not_connected_says_so(loop: VirtualTimeLoop) -> None:
    session = WrapperSession(client_sap=16, server_sap=1, timeout_s=1.0)
    with pytest.raises(LocalProtocolError, match="not connected"):
        loop.run_until_complete(session.exchange(GET))

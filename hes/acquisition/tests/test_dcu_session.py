"""One concentrator's session: login, heartbeats, exchanges, late answers, and every way in which it may end."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hes.acquisition.dcu_session import LINGER_S
from hes.acquisition.exchanges import MeterQuarantined
from hes.acquisition.tests.jumping_loop import START_S, run
from hes.acquisition.tests.session_bench import (
    ASK,
    EAST,
    LIMITS,
    METER,
    OTHER,
    WEST,
    Bench,
    answer,
    ask,
    link,
    verdicts,
)
from hes.dlms import gateway, wrapper
from hes.errors import LocalProtocolError
from hes.protocols.gateway_route import GatewayRoute, MeterBusy, RouteAnswer
from hes.protocols.qgdw376 import CONTROL_LINK_TEST_UP, LinkService, Qgdw376Frame
from hes.protocols.wrapper_session import ExchangeTimeout, SessionLost

DATA = bytes.fromhex("C401C1000600000001")


def now_s() -> float:
    return asyncio.get_running_loop().time()


# -- login and life signs


def test_a_login_is_confirmed_and_registered_and_heartbeats_are_answered() -> None:
    async def main() -> None:
        bench = Bench()
        session, transport = bench.online()
        session.data_received(link(EAST, LinkService.HEARTBEAT, pseq=1))
        assert verdicts(transport) == [True, True]
        assert bench.registry.online("07310001") is session
        assert bench.opened == [session]
        assert session.counters.heartbeats == 1
        session.data_received(link(EAST, LinkService.LOGIN, pseq=2))
        assert verdicts(transport) == [True, True, True], "a login that comes again is confirmed again"
        assert bench.opened == [session], "and is no new session"

    run(main())


def test_a_flood_of_heartbeats_lets_others_have_their_turn_and_is_answered_in_the_end() -> None:
    async def main() -> None:
        bench = Bench()
        session, transport = bench.online()
        transport.sent.clear()
        beat = link(EAST, LinkService.HEARTBEAT)
        session.data_received(beat * 1000)
        assert len(transport.sent) == session.turn_octets // len(beat) < 1000
        assert not transport.reads
        session.pause_writing()
        await asyncio.sleep(1)
        assert len(transport.sent) == session.turn_octets // len(beat), (
            "a terminal that does not read them gets no more"
        )
        session.resume_writing()
        await asyncio.sleep(1)
        assert len(transport.sent) == 1000
        assert transport.reads

    run(main())


def test_an_unknown_terminal_is_told_so_and_hung_up_on() -> None:
    async def main() -> None:
        bench = Bench(known={str(WEST)})
        session, transport = bench.dial()
        session.data_received(link(EAST, LinkService.LOGIN) + link(WEST, LinkService.LOGIN))
        assert verdicts(transport) == [False]
        assert transport.is_closing()
        assert bench.closed == ["terminal 07310001 is not in the archive"]
        assert bench.registry.terminals() == [], "what came behind the refused login does not count"

    run(main())


def test_a_heartbeat_before_the_login_ends_the_session() -> None:
    async def main() -> None:
        bench = Bench()
        session, transport = bench.dial()
        session.data_received(link(EAST, LinkService.HEARTBEAT))
        assert transport.is_closing()
        assert verdicts(transport) == []

    run(main())


def test_one_connection_speaks_for_one_terminal() -> None:
    """A second login under another name would leave the first name in the registry for ever."""

    async def main() -> None:
        bench = Bench()
        session, transport = bench.online(EAST)
        session.data_received(link(WEST, LinkService.LOGIN))
        assert transport.is_closing()
        await session.disconnected
        assert bench.registry.terminals() == []

    run(main())


def test_a_logout_is_confirmed_and_ends_the_session() -> None:
    async def main() -> None:
        bench = Bench()
        session, transport = bench.online()
        session.data_received(link(EAST, LinkService.LOGOUT, pseq=3))
        assert verdicts(transport) == [True, True]
        await session.disconnected
        assert bench.closed == ["the terminal logged out"]
        assert bench.tap.events[-1] == ("07310001", "closed", "the terminal logged out")

    run(main())


def test_who_does_not_log_in_is_hung_up_on_in_time_whatever_it_says_meanwhile() -> None:
    """One octet now and then must not hold a connection for ever."""

    async def main() -> None:
        bench = Bench()
        session, _ = bench.dial()
        frame = wrapper.encode(1, 1, bytes(50))
        for octet in frame[:20]:
            session.data_received(bytes((octet,)))
            await asyncio.sleep(10)
        await session.disconnected
        assert bench.closed == ["no login"]
        assert now_s() == START_S + 200

    run(main())
    started: list[float] = []

    async def alone() -> None:
        bench = Bench()
        session, _ = bench.dial()
        await session.disconnected
        started.append(now_s())

    run(alone())
    assert started == [START_S + LIMITS.login_s]


def test_a_session_lives_as_long_as_it_is_heard() -> None:
    async def main() -> None:
        bench = Bench()
        session, _ = bench.online()
        for _ in range(3):
            await asyncio.sleep(LIMITS.silence_s - 1)
            session.data_received(link(EAST, LinkService.HEARTBEAT))
        heard_s = now_s()
        await session.disconnected
        assert bench.closed == ["silent for 600 s"]
        assert now_s() == heard_s + LIMITS.silence_s

    run(main())


@settings(max_examples=30, deadline=None)
@given(st.floats(0.001, 90_000, allow_subnormal=False))
def test_silence_is_noticed_at_any_time_of_day(wait_s: float) -> None:
    """Sums of times are rounded: a timer must not wake a moment before its time for ever."""

    async def main() -> None:
        bench = Bench()
        session, _ = bench.dial()
        await asyncio.sleep(min(wait_s, 59.0))
        session.data_received(link(EAST, LinkService.LOGIN))
        for _ in range(int(wait_s // 500)):
            await asyncio.sleep(500)
            session.data_received(link(EAST, LinkService.HEARTBEAT))
        await session.disconnected
        assert bench.closed == ["silent for 600 s"]

    run(main())


# -- exchanges


def test_answers_find_their_meters_in_any_order() -> None:
    async def main() -> None:
        session, transport = Bench().online()
        first, second = ask(session, METER), ask(session, OTHER)
        await asyncio.sleep(0)
        assert [octets[:8] for octets in transport.sent[1:]] == [transport.sent[1][:8]] * 2
        session.data_received(answer(b"\x02", OTHER) + answer(b"\x01", METER))
        assert (await first, await second) == (b"\x01", b"\x02")
        assert session.counters.exchanges == 2

    run(main())


def test_an_exchange_times_out_at_its_deadline_and_the_late_answer_is_dropped() -> None:
    async def main() -> None:
        bench = Bench()
        session, transport = bench.online()
        with pytest.raises(ExchangeTimeout):
            await session.exchange(METER, 1, 1, ASK)
        assert now_s() == START_S + LIMITS.exchange_s
        with pytest.raises(MeterQuarantined) as caught:
            await session.exchange(METER, 1, 1, ASK)
        assert caught.value.fields["wait_s"] == LIMITS.late_answer_s
        assert len(transport.sent) == 2, "a meter in quarantine is sent nothing"
        session.data_received(answer(b"late"))
        assert bench.tap.frames[-1][2] == "late or unasked: dropped"
        again = ask(session)
        await asyncio.sleep(0)
        session.data_received(answer(b"right"))
        assert await again == b"right"
        assert (session.counters.timeouts, session.counters.late_answers) == (1, 1)

    run(main())


def test_a_quarantine_ends_by_itself() -> None:
    async def main() -> None:
        session, _ = Bench().online()
        with pytest.raises(ExchangeTimeout):
            await session.exchange(METER, 1, 1, ASK)
        await asyncio.sleep(LIMITS.late_answer_s)
        again = ask(session)
        await asyncio.sleep(1)
        session.data_received(answer(DATA))
        assert await again == DATA

    run(main())


def test_a_cancelled_exchange_keeps_the_meter_away_until_its_answer_has_come() -> None:
    async def main() -> None:
        session, _ = Bench().online()
        given_up = ask(session)
        await asyncio.sleep(1)
        given_up.cancel()
        await asyncio.wait([given_up])
        with pytest.raises(MeterQuarantined):
            await session.exchange(METER, 1, 1, ASK)
        session.data_received(answer(DATA))
        again = ask(session)
        await asyncio.sleep(0)
        session.data_received(answer(b"right"))
        assert await again == b"right"

    run(main())


def test_an_answer_in_the_moment_of_the_cancellation_is_not_waited_for_again() -> None:
    async def main() -> None:
        session, _ = Bench().online()
        given_up = ask(session)
        await asyncio.sleep(0)
        given_up.cancel()
        session.data_received(answer(DATA))
        await asyncio.wait([given_up])
        again = ask(session)
        await asyncio.sleep(0)
        session.data_received(answer(b"right"))
        assert await again == b"right"

    run(main())


def test_a_request_of_the_concentrators_own_is_no_answer() -> None:
    """It used to take the exchange off the books: nobody answered it any more, not even its deadline."""

    async def main() -> None:
        session, _ = Bench().online()
        waiting = ask(session)
        await asyncio.sleep(0)
        session.data_received(wrapper.encode(1, 1, gateway.encode_request(1, METER, b"\x0f\x00")))
        session.data_received(answer(DATA))
        assert await waiting == DATA
        assert session.counters.unexpected == 1
        waiting = ask(session)
        await asyncio.sleep(0)
        session.data_received(wrapper.encode(1, 1, gateway.encode_request(1, METER, b"\x0f\x00")))
        with pytest.raises(ExchangeTimeout):
            await waiting

    run(main())


def test_what_nobody_asked_for_is_counted_and_dropped() -> None:
    async def main() -> None:
        session, transport = Bench().online()
        session.data_received(answer(DATA) + wrapper.encode(1, 1, DATA))
        assert (session.counters.unexpected, session.counters.late_answers) == (2, 0)
        assert not transport.is_closing()

    run(main())


def test_what_the_concentrator_says_in_the_meters_place_is_raised() -> None:
    async def main() -> None:
        session, _ = Bench().online()
        waiting = ask(session)
        await asyncio.sleep(0)
        session.data_received(answer(GatewayRoute().answer_octets(RouteAnswer.BUSY)))
        with pytest.raises(MeterBusy):
            await waiting
        again = ask(session)
        await asyncio.sleep(0)
        session.data_received(answer(DATA))
        assert await again == DATA, "an answer is an answer: nothing is late"

    run(main())


def test_a_request_that_cannot_be_written_leaves_nothing_behind() -> None:
    async def main() -> None:
        session, _ = Bench().online()
        with pytest.raises(LocalProtocolError):
            await session.exchange(METER, 1, 1, b"")
        waiting = ask(session)
        await asyncio.sleep(0)
        session.data_received(answer(DATA))
        assert await waiting == DATA

    run(main())


def test_the_books_of_an_exchange_do_not_grow_with_meters_that_were_silent_once() -> None:
    async def main() -> None:
        session, _ = Bench().online()
        for number in range(20):
            with pytest.raises(ExchangeTimeout):
                await session.exchange(b"%012d" % number, 1, 1, ASK)
            session.data_received(link(EAST, LinkService.HEARTBEAT))
        assert session._exchanges.kept <= LIMITS.late_answer_s / LIMITS.exchange_s + 1

    run(main())


# -- the end


def test_a_lost_connection_fails_what_is_under_way_and_unregisters() -> None:
    async def main() -> None:
        bench = Bench()
        session, transport = bench.online()
        waiting = ask(session)
        await asyncio.sleep(1)
        transport.lose(ConnectionResetError())
        with pytest.raises(SessionLost):
            await waiting
        assert bench.registry.online("07310001") is None
        assert bench.registry.was_online_since("07310001", now_s())
        assert bench.closed == ["closed by the concentrator (ConnectionResetError)"]
        with pytest.raises(SessionLost):
            await session.exchange(METER, 1, 1, ASK)

    run(main())


def test_a_newer_login_replaces_the_session_at_once_even_if_the_old_connection_hangs() -> None:
    async def main() -> None:
        bench = Bench()
        old, old_transport = bench.online(stuck=True)
        waiting = ask(old)
        await asyncio.sleep(0)
        new, _ = bench.online()
        assert bench.registry.online("07310001") is new
        with pytest.raises(SessionLost):
            await waiting
        assert now_s() == START_S, "nobody waits for a connection that is as good as gone"
        assert bench.closed == ["replaced by a newer login"]
        old.data_received(link(EAST, LinkService.HEARTBEAT))
        assert old.counters.heartbeats == 0
        await old.disconnected
        assert old_transport.aborted
        assert now_s() == START_S + LINGER_S
        assert bench.registry.online("07310001") is new, "the old one's end does not touch the new one"
        assert bench.closed == ["replaced by a newer login"], "a session ends once"

    run(main())


def test_a_silent_peer_is_off_the_registry_although_its_connection_cannot_be_closed() -> None:
    async def main() -> None:
        bench = Bench()
        session, transport = bench.online(stuck=True)
        await asyncio.sleep(LIMITS.silence_s)
        assert bench.registry.online("07310001") is None
        await session.disconnected
        assert transport.aborted

    run(main())


def test_a_stream_of_garbage_is_refused() -> None:
    async def main() -> None:
        bench = Bench()
        session, transport = bench.dial()
        session.data_received(b"GET / HTTP/1.1\r\n\r\n")
        assert transport.is_closing()
        await session.disconnected
        assert bench.closed[0].startswith("neither 376.1 nor DLMS wrapper")
        assert bench.tap.events[0] == ("conn-00001", "opened", "")

    run(main())


def test_garbage_behind_a_whole_frame_lets_the_frame_count() -> None:
    async def main() -> None:
        bench = Bench()
        session, transport = bench.online()
        waiting = ask(session)
        await asyncio.sleep(0)
        session.data_received(answer(DATA) + b"\xff\xff")
        assert await waiting == DATA
        assert transport.is_closing()

    run(main())


def test_a_peer_that_starts_with_the_wrapper_gets_nothing_and_is_hung_up_on() -> None:
    """A meter that dials in by itself: nobody reads it on this door yet."""

    async def main() -> None:
        bench = Bench()
        session, transport = bench.dial()
        for _ in range(10):
            session.data_received(wrapper.encode(1, 1, DATA))
            await asyncio.sleep(5)
        assert transport.sent == []
        await session.disconnected
        assert bench.closed == ["no login"]
        assert now_s() == START_S + LIMITS.login_s
        assert {name for name, _, _ in bench.tap.frames} == {"conn-00001"}

    run(main())


def test_a_damaged_link_frame_is_passed_over() -> None:
    async def main() -> None:
        session, transport = Bench().online()
        session.data_received(Qgdw376Frame(CONTROL_LINK_TEST_UP, EAST, 0x02, 0x70, b"").encode())
        assert not transport.is_closing()
        assert session.counters.unexpected == 1

    run(main())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=6), st.booleans())
def test_no_octets_make_a_session_raise(pieces: list[bytes], framed: bool) -> None:
    async def main() -> None:
        session, _ = Bench().online()
        for piece in pieces:
            if framed:
                piece = wrapper.encode(1, 1, piece)
            session.data_received(piece)

    run(main())

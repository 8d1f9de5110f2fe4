"""Lines and their stations on a clock that jumps: pacing, turnaround, sharing, bounds."""

import asyncio
import contextvars
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hes.errors import ConfigError, LinkError
from hes.links import line as line_module
from hes.links.checks import End
from hes.links.facts import LinkFacts
from hes.links.line import CLOSE_PATIENCE_S, INBOUND_OCTETS_MAX, READ_OCTETS_MAX, UNREAD_OCTETS_MAX, Line
from hes.links.line_pacer import CharacterFormat, LineSettings
from hes.links.line_speed import change_speed
from hes.links.line_timing import GRAIN_S, MediumTiming, UartTiming
from hes.links.line_transport import WRITE_OCTETS_MAX
from hes.links.tests.jumping_loop import START_S, JumpingLoop, Wire

FACTS = LinkFacts(kind="pty", half_duplex=True, connectionless=True, exclusive=True)
SEVEN_BITS = CharacterFormat(data_bits=7, parity="E")
SLOW = LineSettings(baud=1000)
"""10 ms an octet."""
EXACT_S = 1e-6


class Ear(End):
    """An end that notes when octets came: (loop time, how many so far)."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[float, int]] = []

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.heard.append((asyncio.get_running_loop().time(), len(self.received)))


def _run(story: Callable[[], Awaitable[None]], late_s: Callable[[], float] = lambda: 0.0) -> None:
    async def main() -> None:
        await story()

    with asyncio.Runner(loop_factory=lambda: JumpingLoop(late_s)) as runner:
        runner.run(main())


def _medium(settings: LineSettings = SLOW) -> tuple[Wire, Line]:
    wire = Wire()
    return wire, Line(wire, FACTS, settings, MediumTiming(asyncio.get_running_loop(), settings))


def _uart(settings: LineSettings = SLOW) -> tuple[Wire, Line]:
    wire = Wire()
    return wire, Line(wire, FACTS, settings, UartTiming(asyncio.get_running_loop(), settings))


def _station(line: Line, make: Callable[[], Any] = Ear) -> Any:
    return line.attach(make, contextvars.copy_context()).get_protocol()


async def _at(when_s: float) -> None:
    """Until `when_s` seconds after the start."""
    await asyncio.sleep(START_S + when_s - asyncio.get_running_loop().time())


# -- pace


def test_what_a_station_hears_takes_the_time_of_the_line() -> None:
    async def story() -> None:
        wire, line = _medium()
        ear = _station(line)
        wire.bring(b"0123456789")
        await ear.until_received(10)
        assert [count for _, count in ear.heard] == list(range(1, 11))
        assert [when for when, _ in ear.heard] == pytest.approx(
            [START_S + 0.01 * count for count in range(1, 11)], abs=EXACT_S
        )
        ear.pipe.abort()

    _run(story)


def test_what_a_station_says_takes_the_time_of_the_line() -> None:
    async def story() -> None:
        wire, line = _medium()
        ear = _station(line)
        ear.pipe.write(b"012")
        ear.pipe.write(b"34")
        assert ear.pipe.get_write_buffer_size() == 5
        await _at(0.0301)
        assert wire.octets == b"012"
        assert ear.pipe.get_write_buffer_size() == 2
        ear.pipe.close()
        await ear.until_lost()
        assert wire.taken[-1] == (pytest.approx(START_S + 0.05, abs=EXACT_S), b"4")
        assert wire.closed == [False]

    _run(story)


def test_a_fast_line_hands_octets_over_in_grains_and_none_too_early() -> None:
    async def story() -> None:
        settings = LineSettings(baud=115200)
        wire, line = _medium(settings)
        ear = _station(line)
        wire.bring(bytes(1000))
        await ear.until_received(1000)
        for when_s, count in ear.heard:
            assert when_s >= START_S + count * settings.character_s - EXACT_S
        assert ear.heard[-1][0] == pytest.approx(START_S + 1000 * settings.character_s, abs=EXACT_S)
        assert len(ear.heard) <= 1000 * settings.character_s / GRAIN_S + 1
        ear.pipe.abort()

    _run(story)


def test_a_long_transfer_on_a_loop_that_is_always_late_does_not_drift() -> None:
    """50 000 octets, more than is read ahead, every timer up to 3 ms late: the end is one timer late at most."""
    stream = random.Random(5)

    async def story() -> None:
        settings = LineSettings(baud=19200)
        wire, line = _medium(settings)
        ear = _station(line)
        wire.bring(bytes(50_000))
        async with asyncio.timeout(3600):
            while len(ear.received) < 50_000:
                ear._changed.clear()
                await ear._changed.wait()
        took_s = asyncio.get_running_loop().time() - START_S
        line_s = 50_000 * 10 / 19200
        assert line_s <= took_s <= line_s + 0.003 + EXACT_S
        assert all(when_s >= START_S + count * settings.character_s for when_s, count in ear.heard)
        ear.pipe.abort()

    _run(story, lambda: stream.random() * 0.003)


def test_an_answer_waits_for_the_question_to_end_and_for_the_turnaround() -> None:
    async def story() -> None:
        wire, line = _medium(LineSettings(baud=1000, turnaround_s=0.5))
        ear = _station(line)
        wire.bring(b"ask")
        await ear.until_received(3)
        ear.pipe.write(b"!")
        ear.pipe.close()
        await ear.until_lost()
        assert wire.taken == [(pytest.approx(START_S + 0.03 + 0.5 + 0.01, abs=EXACT_S), b"!")]

    _run(story)


def test_who_speaks_into_another_ones_octets_is_put_behind_them() -> None:
    async def story() -> None:
        wire, line = _medium()
        ear = _station(line)
        ear.pipe.write(b"12345")
        wire.bring(b"ab")
        await ear.until_received(2)
        assert [when_s for when_s, _ in wire.taken] == pytest.approx(
            [START_S + 0.01 * count for count in range(1, 6)], abs=EXACT_S
        )
        assert [when_s for when_s, _ in ear.heard] == pytest.approx([START_S + 0.06, START_S + 0.07], abs=EXACT_S)
        ear.pipe.abort()

    _run(story)


def test_a_uart_keeps_quiet_for_the_turnaround_after_the_last_octet_heard() -> None:
    async def story() -> None:
        wire, line = _uart(LineSettings(baud=1000, turnaround_s=0.25))
        ear = _station(line)
        wire.bring(b"a")
        await ear.until_received(1)
        ear.pipe.write(b"answer")
        await _at(0.2)
        wire.bring(b"b")  # the other side was not done: the silence counts from here
        await ear.until_received(2)
        ear.pipe.write(b" at once")
        await _at(0.44)
        assert not wire.taken
        ear.pipe.close()
        await ear.until_lost()
        assert wire.octets == b"answer at once"
        assert [when_s for when_s, _ in wire.taken] == pytest.approx([START_S + 0.45] * 2, abs=EXACT_S)

    _run(story)


def test_a_uart_without_turnaround_does_not_wait() -> None:
    async def story() -> None:
        wire, line = _uart()
        ear = _station(line)
        wire.bring(b"a")
        await ear.until_received(1)
        ear.pipe.write(b"b")
        ear.pipe.write(b"c")
        ear.pipe.close()
        await ear.until_lost()
        assert wire.taken == [(START_S, b"b"), (START_S, b"c")]

    _run(story)


# -- several stations


@pytest.mark.parametrize("open_line", [_medium, _uart])
def test_stations_of_a_line_hear_the_caller_and_each_other_but_not_themselves(open_line: Any) -> None:
    async def story() -> None:
        wire, line = open_line()
        first, second, third = (_station(line) for _ in range(3))
        wire.bring(b"who")
        await third.until_received(3)
        second.pipe.write(b"me")
        await third.until_received(5)
        assert (bytes(first.received), bytes(second.received), bytes(third.received)) == (b"whome", b"who", b"whome")
        assert wire.octets == b"me"
        for ear in (first, second):
            ear.pipe.abort()
        assert not wire.closed
        third.pipe.close()
        await third.until_lost()
        assert wire.closed == [False]

    _run(story)


def test_a_station_that_raises_ends_alone() -> None:
    class Broken(Ear):
        def data_received(self, data: bytes) -> None:
            raise ValueError("broken station")

    async def story() -> None:
        reported: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
        wire, line = _medium()
        broken, sound = _station(line, Broken), _station(line)
        wire.bring(b"hello")
        await sound.until_received(5)
        await broken.until_lost()
        assert isinstance(broken.error, ValueError)
        assert [str(context["exception"]) for context in reported] == ["broken station"]
        sound.pipe.abort()

    _run(story)


def test_a_seat_whose_station_has_closed_gets_a_new_one_with_the_next_octets() -> None:
    async def story() -> None:
        made: list[Ear] = []

        def factory() -> Ear:
            made.append(Ear())
            return made[-1]

        wire, line = _medium()
        seat = line.sit(factory)
        wire.bring(b"one")
        await made[0].until_received(3)
        made[0].pipe.close()
        await made[0].until_lost()
        assert len(made) == 1
        wire.bring(b"two")
        await _at(1.0)
        assert [bytes(ear.received) for ear in made] == [b"one", b"two"]
        line.stand_up(seat)
        assert not wire.closed
        made[1].pipe.abort()
        assert wire.closed

    _run(story)


def test_a_seat_nobody_ever_spoke_to_takes_its_station_with_it() -> None:
    async def story() -> None:
        wire, line = _medium()
        ends = [Ear(), Ear()]
        first, second = (line.sit(lambda end=end: end) for end in ends)
        line.stand_up(first)
        await ends[0].until_lost()
        assert ends[1].events == ["made"]
        line.stand_up(second)
        assert wire.closed == [False]
        await ends[1].until_lost()

    _run(story)


def test_a_line_has_room_for_so_many_stations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_module, "STATIONS_MAX", 2)

    async def story() -> None:
        wire, line = _medium()
        seats = [line.sit(Ear), line.sit(Ear)]
        with pytest.raises(LinkError, match="has 2 stations already"):
            line.sit(Ear)
        for seat in seats:
            line.stand_up(seat)
        assert wire.closed

    _run(story)


def test_a_factory_that_raises_leaves_no_line_behind() -> None:
    def factory() -> Ear:
        raise ValueError("no protocol")

    async def story() -> None:
        for take in (lambda line: line.attach(factory, contextvars.copy_context()), lambda line: line.sit(factory)):
            wire, line = _medium()
            with pytest.raises(ValueError, match="no protocol"):
                take(line)
            assert wire.closed

    _run(story)


def test_a_lost_device_is_lost_for_every_station_with_the_reason() -> None:
    async def story() -> None:
        wire, line = _uart()
        first, second = _station(line), _station(line)
        wire.gone = OSError(5, "it was unplugged")
        first.pipe.write(b"x")
        await first.until_lost()
        await second.until_lost()
        for ear in (first, second):
            assert isinstance(ear.error, LinkError)
            assert ear.error.message == "wire is gone: it was unplugged"
            assert ear.error.__cause__ is wire.gone
        assert wire.closed == [True]

    _run(story)


# -- bounds


def test_no_more_is_read_ahead_than_the_bound() -> None:
    async def story() -> None:
        wire, line = _medium()
        ear = _station(line)
        wire.bring(bytes(100_000))
        await _at(0.005)
        assert line._timing.inbound_octets <= INBOUND_OCTETS_MAX + READ_OCTETS_MAX
        ear.pipe.abort()

    _run(story)


def test_a_paused_station_holds_the_line_up_once_enough_waits_for_it() -> None:
    async def story() -> None:
        wire, line = _uart()
        paused, other = _station(line), _station(line)
        paused.pipe.pause_reading()
        wire.bring(bytes(100_000))
        await _at(1.0)
        held = len(other.received)
        assert UNREAD_OCTETS_MAX <= held < UNREAD_OCTETS_MAX + READ_OCTETS_MAX
        assert not paused.received
        paused.pipe.resume_reading()
        await paused.until_received(100_000)
        await other.until_received(100_000)
        paused.pipe.pause_reading()
        wire.bring(bytes(100_000))
        await _at(2.0)
        assert len(other.received) < 200_000
        paused.pipe.abort()  # and whoever leaves holds nothing up
        await other.until_received(200_000)
        other.pipe.abort()

    _run(story)


def test_a_station_that_never_stops_writing_is_ended() -> None:
    async def story() -> None:
        wire, line = _medium()
        ear = _station(line)
        for _ in range(WRITE_OCTETS_MAX // (1 << 20) + 1):
            ear.pipe.write(bytes(1 << 20))
        await ear.until_lost()
        assert isinstance(ear.error, LinkError)
        assert "the line is too slow" in ear.error.message
        assert wire.closed == [True]

    _run(story)


def test_writing_too_much_from_inside_data_received_pauses_there_and_then() -> None:
    class Eager(Ear):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.pipe.set_write_buffer_limits(high=10)
            self.pipe.write(bytes(20))
            assert self.events[-1] == "paused"

    async def story() -> None:
        wire, line = _medium()
        eager = _station(line, Eager)
        wire.bring(b"?")
        await eager.until(lambda: "resumed" in eager.events)
        assert len(wire.octets) == 18  # down to the low-water mark, a quarter of the high one
        assert eager.events == ["made", "data", "paused", "resumed"]
        eager.pipe.abort()

    _run(story)


def test_what_the_device_has_no_room_for_waits_in_order() -> None:
    async def story() -> None:
        wire, line = _uart()
        first, second = _station(line), _station(line)
        wire.make_room(4)
        first.pipe.write(b"abc")
        second.pipe.write(b"def")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert wire.octets == b"abcd"
        assert second.pipe.get_write_buffer_size() == 2
        wire.make_room(100)
        first.pipe.write(b"ghi")
        first.pipe.close()
        second.pipe.close()
        await first.until_lost()
        await second.until_lost()
        assert wire.octets == b"abcdefghi"
        assert wire.closed == [False]

    _run(story)


def test_a_closing_station_waits_until_the_hardware_has_sent_everything() -> None:
    async def story() -> None:
        wire, line = _uart()
        ear = _station(line)
        wire.unsent = [50, 20, 1]
        ear.pipe.write(bytes(50))
        ear.pipe.close()
        await ear.until_lost()
        assert ear.error is None
        assert asyncio.get_running_loop().time() == pytest.approx(START_S + 0.5 + 0.2 + 0.01, abs=EXACT_S)
        assert wire.closed == [False]

    _run(story)


def test_a_closing_station_whose_octets_nobody_takes_gives_up() -> None:
    async def story() -> None:
        wire, line = _uart()
        ear = _station(line)
        wire.make_room(0)
        ear.pipe.write(bytes(50))
        ear.pipe.close()
        await ear.until_lost()
        assert isinstance(ear.error, LinkError)
        assert ear.error.message == "wire did not take the last octets"
        waited_s = asyncio.get_running_loop().time() - START_S
        assert CLOSE_PATIENCE_S <= waited_s <= CLOSE_PATIENCE_S + 2 * 50 * SLOW.character_s
        assert wire.closed == [True]

    _run(story)


def test_abort_drops_what_is_on_the_way_and_leaves_the_others_octets_alone() -> None:
    async def story() -> None:
        wire, line = _medium()
        first, second = _station(line), _station(line)
        first.pipe.write(b"gone")
        second.pipe.write(b"kept")
        await _at(0.015)
        first.pipe.abort()
        second.pipe.close()
        await second.until_lost()
        assert wire.octets == b"gkept"

    _run(story)


def test_a_protocol_that_closes_in_connection_made_is_lost_and_the_seat_is_free() -> None:
    class Shy(Ear):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            transport.close()

    async def story() -> None:
        wire, line = _medium()
        shy = Shy()
        seat = line.sit(lambda: shy)
        assert seat.transport is None
        await shy.until_lost()
        assert not wire.closed
        line.stand_up(seat)
        assert wire.closed == [False]

    _run(story)


# -- speed


@pytest.mark.parametrize("make", [_medium, _uart])
def test_the_speed_changes_when_the_last_octet_has_left_and_what_follows_goes_at_the_new_one(make: Any) -> None:
    async def story() -> None:
        wire, line = make()
        ear = _station(line)
        ear.pipe.write(b"01234")  # 50 ms
        change_speed(ear.pipe, baud=10_000, character=SEVEN_BITS)
        await _at(0.049)
        assert wire.configured == []
        await _at(0.2)
        ((when_s, settings),) = wire.configured
        assert when_s >= START_S + 0.05 - EXACT_S
        assert (
            settings == line.settings == LineSettings(baud=10_000, character=CharacterFormat(data_bits=7, parity="E"))
        )
        if make is _medium:
            wire.bring(b"x" * 10)
            await ear.until_received(10)
            assert ear.heard[-1][0] == pytest.approx(START_S + 0.2 + 0.01, abs=EXACT_S)
        ear.pipe.abort()

    _run(story)


def test_a_port_that_cannot_change_its_speed_is_lost_with_the_reason() -> None:
    async def story() -> None:
        wire, line = _uart()
        ear = _station(line)

        def refuse(settings: LineSettings) -> None:
            raise ConfigError(f"no {settings}")

        wire.configure = refuse  # type: ignore[method-assign]
        change_speed(ear.pipe, baud=300, character=CharacterFormat())
        await ear.until_lost()
        assert "no 300 8N1" in str(ear.error)

    _run(story)


def test_a_link_without_a_speed_says_so() -> None:
    class Other(asyncio.Transport):
        def get_extra_info(self, name: str, default: Any = None) -> Any:
            return LinkFacts(kind="tcp")

    with pytest.raises(ConfigError, match=r"tcp has no speed .* needs serial:// or pty://"):
        change_speed(Other(), baud=300, character=CharacterFormat())

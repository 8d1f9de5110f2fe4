"""Serial ports: the contract over a null modem of pseudo terminals, and what can be wrong with a port."""

import asyncio
import errno
import os
import termios
import threading
from collections.abc import Awaitable, Callable

import pytest
import serial

from hes.errors import ConfigError, LinkError
from hes.links import Links, facts_of
from hes.links.checks import CHECKS, Check, End, Rig
from hes.links.tests.null_modem import null_modem, open_descriptors

FAST = "baud=4000000"
LOOPS = ["asyncio", "uvloop"]
MISSING = "/dev/no-such-port"


def _run(story: Callable[[], Awaitable[None]], loop: str = "asyncio") -> None:
    """Run `story` and see that it leaves no thread behind."""

    async def main() -> None:
        await story()

    factory = None if loop == "asyncio" else pytest.importorskip(loop).new_event_loop
    threads = set(threading.enumerate())
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())
        assert set(threading.enumerate()) <= threads


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("options", [FAST, f"{FAST}&rs485_turnaround_ms=0.5"], ids=["full duplex", "rs485"])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_serial_ports_keep_the_contract_of_links(check: Check, options: str, loop: str) -> None:
    async def story() -> None:
        with null_modem() as modem:
            far, near = modem.ports
            listen_url, nobody_url = f"serial-listen://{far}?{options}", f"serial://{MISSING}?{options}"
            await check(Rig(Links(), listen_url, nobody_url, f"serial://{near}?{options}"))

    _run(story, loop)


# -- what can be wrong


async def _sentence(url: str) -> str:
    with pytest.raises(LinkError) as caught:
        await (Links().listen(url, End) if "-listen://" in url else Links().connect(url, End))
    assert caught.value.fields["url"] == url
    return caught.value.message


@pytest.mark.parametrize("scheme", ["serial", "serial-listen"])
def test_a_missing_port_says_so(scheme: str) -> None:
    sentence = asyncio.run(_sentence(f"{scheme}://{MISSING}"))
    assert sentence == f"{MISSING} does not exist: plug it in, or look for the right name in /dev/serial/by-id"


@pytest.mark.parametrize("place", ["/dev/null", "/etc/passwd", "/tmp"])
def test_what_is_no_serial_port_says_so(place: str) -> None:
    assert asyncio.run(_sentence(f"serial://{place}")).startswith(f"{place} is no serial port: look for")


def test_a_port_that_another_program_has_is_busy_and_then_free_again() -> None:
    async def story() -> None:
        with null_modem() as modem:
            url = f"serial://{modem.ports[0]}"
            with serial.Serial(modem.ports[0], exclusive=True):
                expected = f"{modem.ports[0]} is busy: another program has it open, close that one first"
                assert await _sentence(url) == expected
                assert await _sentence(url.replace("://", "-listen://")) == expected
            transport, end = await Links().connect(url, End)
            assert await _sentence(url) == expected
            transport.abort()
            await end.until_lost()

    _run(story)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
def test_a_port_without_permission_names_the_group(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise serial.SerialException(number, "could not open port")

    monkeypatch.setattr("serial.Serial", refuse)
    sentence = asyncio.run(_sentence("serial:///dev/null"))
    assert sentence == "/dev/null may not be opened by this user: join the group that owns it, often dialout"


@pytest.mark.parametrize("error", [ValueError("Failed to set custom baud rate"), termios.error(22, "Invalid argument")])
def test_settings_that_the_driver_refuses_are_a_matter_for_the_url(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("serial.Serial", refuse)
    with pytest.raises(ConfigError, match="/dev/null cannot be set to 12345 7E1: its driver does not do that"):
        asyncio.run(Links().connect("serial:///dev/null?baud=12345&format=7E1", End))


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("serial://ttyUSB0", "needs the path of a port, such as serial:///dev/ttyUSB0"),
        ("serial:///dev/null?baud=fast", "baud=fast is not a whole number from 50 to 4000000"),
        ("serial:///dev/null?baud=49", "baud=49 is not a whole number"),
        ("serial:///dev/null?baud=9600.0", "baud=9600.0 is not a whole number"),
        ("serial:///dev/null?baud=", "baud= is not a whole number"),
        ("serial:///dev/null?baud=1&baud=2", "gives baud twice"),
        ("serial:///dev/null?format=8X1", "format=8X1 is not data bits 5..8, parity N, E or O and stop bits 1 or 2"),
        ("serial:///dev/null?rs485_turnaround_ms=-1", "rs485_turnaround_ms=-1 is not a number from 0 to 10000"),
        ("serial:///dev/null?rs485_turnaround_ms=nan", "rs485_turnaround_ms=nan is not a number"),
        ("serial:///dev/null?turnaround_ms=5", "an option 'turnaround_ms' that serial does not know"),
        ("serial:///dev/null?shared=yes", "an option 'shared' that serial does not know"),
        ("serial-listen:///dev/null?shared=perhaps", "shared=perhaps is not yes or no"),
        ("serial-listen:///dev/null?bauds=9600", r"known: rs485_turnaround_ms, baud, format, shared"),
        ("tcp://127.0.0.1:1?baud=9600", r"'baud' that tcp does not know \(it has none\)"),
        ("tcp-listen://127.0.0.1:0?backlog=1", r"'backlog' that tcp-listen does not know"),
    ],
)
def test_a_wrong_option_is_named_with_what_is_allowed(url: str, sentence: str) -> None:
    links = Links()
    with pytest.raises(ConfigError, match=sentence):
        asyncio.run(links.listen(url, End) if "-listen://" in url else links.connect(url, End))


# -- what a port does


def test_a_port_that_is_unplugged_is_lost_with_a_reason() -> None:
    async def story() -> None:
        with null_modem() as modem:
            _, near = await Links().connect(f"serial://{modem.ports[0]}", End)
            modem.unplug()
            await near.until_lost()
            assert isinstance(near.error, LinkError)
            gone = "is gone: it was unplugged, or its other end was closed"
            assert near.error.message == f"{modem.ports[0]} {gone}"

    _run(story)


def test_the_speed_is_set_and_octets_pass_as_they_are() -> None:
    async def story() -> None:
        with null_modem() as modem:
            transport, end = await Links().connect(f"serial://{modem.ports[0]}?baud=2400", End)
            watcher = os.open(modem.ports[0], os.O_RDWR | os.O_NOCTTY)
            input_flags, output_flags, _, local, in_speed, out_speed, _ = termios.tcgetattr(watcher)
            os.close(watcher)
            assert in_speed == out_speed == termios.B2400
            assert not local & (termios.ECHO | termios.ICANON | termios.ISIG)
            assert not output_flags & termios.OPOST
            assert not input_flags & (termios.ICRNL | termios.IXON | termios.ISTRIP)
            transport.abort()
            await end.until_lost()

    _run(story)


def test_a_real_port_gets_the_format_and_a_pseudo_terminal_the_only_one_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[object, ...]] = []

    def note(*_: object, **options: object) -> None:
        asked.append(tuple(options[name] for name in ("baudrate", "bytesize", "parity", "stopbits", "exclusive")))
        raise ValueError("enough")

    async def story() -> None:
        with null_modem() as modem:
            monkeypatch.setattr("serial.Serial", note)
            for port in ("/dev/null", modem.ports[0]):
                with pytest.raises(ConfigError):
                    await Links().connect(f"serial://{port}?baud=300&format=7e2", End)

    _run(story)
    assert asked == [(300, 7, "E", 2, True), (300, 8, "N", 1, True)]


def test_octets_from_before_opening_are_not_heard() -> None:
    async def story() -> None:
        with null_modem() as modem:
            far, _ = await Links().connect(f"serial://{modem.ports[1]}", End)
            far.write(b"stale")
            await modem.until_waiting(0, 5)
            transport, near = await Links().connect(f"serial://{modem.ports[0]}", End)
            far.write(b"fresh")
            await near.until_received(5)
            assert bytes(near.received) == b"fresh"
            far.abort()
            transport.abort()
            await near.until_lost()

    _run(story)


def test_rs485_leaves_the_line_alone_for_the_turnaround() -> None:
    """Never earlier than the arithmetic says; how much later is the machine's affair."""
    turnaround_s = 0.03

    async def story() -> None:
        loop = asyncio.get_running_loop()
        with null_modem() as modem:
            answered: list[float] = []

            class Meter(End):
                def data_received(self, data: bytes) -> None:
                    answered.append(loop.time())
                    self.pipe.write(b"answer")

            url = f"serial-listen://{modem.ports[0]}?rs485_turnaround_ms={turnaround_s * 1000}"
            door = await Links().listen(url, Meter)
            transport, near = await Links().connect(f"serial://{modem.ports[1]}", End)
            transport.write(b"?")
            await near.until_received(6)
            assert loop.time() >= answered[0] + turnaround_s
            door.close()
            transport.abort()

    _run(story)


def test_facts_say_half_duplex_where_a_turnaround_is_given() -> None:
    async def story() -> None:
        with null_modem() as modem:
            for option, half_duplex, turnaround_s in (
                ("", False, 0.0),
                ("?rs485_turnaround_ms=0", True, 0.0),
                ("?rs485_turnaround_ms=12.5", True, 0.0125),
            ):
                transport, end = await Links().connect(f"serial://{modem.ports[0]}{option}", End)
                facts = facts_of(transport)
                assert (facts.kind, facts.half_duplex, facts.turnaround_s) == ("serial", half_duplex, turnaround_s)
                assert facts.connectionless
                assert facts.exclusive
                transport.abort()
                await end.until_lost()

    _run(story)


def test_several_stations_share_a_port_when_each_says_so() -> None:
    async def story() -> None:
        with null_modem() as modem:
            links, stations = Links(), [End(), End()]
            url = f"serial-listen://{modem.ports[0]}?{FAST}&shared=yes"
            doors = [await links.listen(url, lambda end=end: end) for end in stations]
            transport, near = await links.connect(f"serial://{modem.ports[1]}?{FAST}", End)
            transport.write(b"who?")
            for station in stations:
                await station.until_received(4)
            stations[0].pipe.write(b"I")
            await near.until_received(1)
            await stations[1].until_received(5)
            assert bytes(stations[1].received) == b"who?I"
            assert "several share a line" in await _sentence(url.replace("&shared=yes", ""))
            with pytest.raises(ConfigError, match="the line runs at 4000000 8N1 with 0 ms turnaround, and all of its"):
                await links.listen(url.replace("4000000", "9600"), End)
            for door in doors:
                door.close()
            for end in (near, *stations):
                end.pipe.abort()
                await end.until_lost()

    _run(story)


@pytest.mark.parametrize("url", ["serial://{}", "serial-listen://{}", "pty-listen://auto", "udp://127.0.0.1:9"])
def test_opening_that_is_cancelled_leaves_nothing_open(url: str) -> None:
    async def story() -> None:
        with null_modem() as modem:
            link_url, links = url.format(modem.ports[0]), Links()
            opened = [open_descriptors()]
            for steps in range(8):

                async def door_or_pipe() -> None:
                    if "-listen://" in link_url:
                        (await links.listen(link_url, End)).close()
                    else:
                        (await links.connect(link_url, End))[0].abort()

                task = asyncio.ensure_future(door_or_pipe())
                for _ in range(steps):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
                for _ in range(4):
                    await asyncio.sleep(0)
                opened.append(open_descriptors())
            assert set(opened) == {opened[0]}

    _run(story)

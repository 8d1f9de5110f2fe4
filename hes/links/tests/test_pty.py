"""Pseudo terminals as lines: the contract, the line's own speed, and programs that come and go at the other end."""

import asyncio
import os
import select
import stat
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hes.errors import ConfigError, LinkError
from hes.links import Links, facts_of
from hes.links.checks import CHECKS, Check, End, Rig, check_both_ends_tell_the_same_facts
from hes.links.line_pacer import LineSettings
from hes.links.pty import PtyMaster, _link
from hes.links.registry import Listener
from hes.links.tests.null_modem import open_descriptors

FAST = "baud=4000000"


def _run(story: Callable[[], Awaitable[None]], loop: str = "asyncio") -> None:
    """Run `story` and see that it leaves no thread and no descriptor behind."""

    async def main() -> None:
        await story()

    factory = None if loop == "asyncio" else pytest.importorskip(loop).new_event_loop
    threads = set(threading.enumerate())
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.get_loop()
        descriptors = open_descriptors()
        runner.run(main())
        assert set(threading.enumerate()) <= threads
        if loop == "asyncio":  # uvloop opens some of its own on the way
            assert open_descriptors() == descriptors


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("options", [FAST, f"{FAST}&format=8E2&turnaround_ms=0.5"], ids=["plain", "turnaround"])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_ptys_keep_the_contract_of_links(check: Check, options: str, loop: str, tmp_path: Path) -> None:
    async def story() -> None:
        await check(Rig(Links(), f"pty-listen://{tmp_path}/line?{options}", f"pty://{tmp_path}/nobody"))

    _run(story, loop)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "check",
    [check for check in CHECKS if check is not check_both_ends_tell_the_same_facts],  # one end is told `serial`
    ids=lambda check: check.__name__,
)
def test_a_pty_can_be_opened_as_a_serial_port_too(check: Check, tmp_path: Path) -> None:
    url = f"pty-listen://{tmp_path}/line?{FAST}&format=7E1"
    caller_url = f"serial://{tmp_path}/line?{FAST}&format=7E1"
    _run(lambda: check(Rig(Links(), url, f"serial://{tmp_path}/nobody", caller_url)))


@contextmanager
def _opened(path: str) -> Iterator[int]:
    """The other end, as any program opens it."""
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


async def _read(descriptor: int, octets_count: int) -> bytes:
    octets = b""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(30):
        while len(octets) < octets_count:
            readable = asyncio.Event()
            loop.add_reader(descriptor, readable.set)
            await readable.wait()
            loop.remove_reader(descriptor)
            octets += os.read(descriptor, octets_count)
    return octets


def _device(door: Listener) -> str:
    return door.addresses[0].removeprefix("pty://").partition("?")[0]


async def _close(door: Listener, *ends: End) -> None:
    door.close()
    for end in ends:
        end.pipe.abort()
        await end.until_lost()


# -- programs come and go


def test_a_station_outlives_the_programs_that_open_the_other_end() -> None:
    async def story() -> None:
        station = End()
        door = await Links().listen(f"pty-listen://auto?{FAST}", lambda: station)
        device = _device(door)
        for turn in range(3):
            with _opened(device) as program:
                os.write(program, b"ask")
                await station.until_received(3 * turn + 3)
                station.pipe.write(b"answer")
                assert await _read(program, 6) == b"answer"
        assert station.events.count("made") == 1
        assert "lost" not in station.events
        await _close(door, station)

    _run(story)


def test_what_a_program_writes_right_before_it_ends_is_heard() -> None:
    async def story() -> None:
        station = End()
        door = await Links().listen(f"pty-listen://auto?{FAST}", lambda: station)
        with _opened(_device(door)) as program:
            os.write(program, bytes(3000))
        await station.until_received(3000)
        await _close(door, station)

    _run(story)


def test_what_is_sent_while_nobody_has_the_other_end_open_is_lost() -> None:
    async def story() -> None:
        station = End()
        door = await Links().listen(f"pty-listen://auto?{FAST}", lambda: station)
        for moment in (b"before anybody came", b"after somebody left"):
            station.pipe.set_write_buffer_limits(high=0)
            station.pipe.write(moment)
            await station.until(lambda: station.events.count("resumed") == station.events.count("paused"))
            with _opened(_device(door)) as program:
                station.pipe.write(b"now")
                assert await _read(program, 3) == b"now"
        await _close(door, station)

    _run(story)


def test_a_line_that_nobody_uses_costs_no_time() -> None:
    """A hang-up is reported by the kernel for ever; the loop must hear of it once."""

    async def story() -> None:
        loop = asyncio.get_running_loop()
        station = End()
        door = await Links().listen(f"pty-listen://auto?{FAST}", lambda: station)
        with _opened(_device(door)) as program:
            os.write(program, b"x")
            await station.until_received(1)
        turns = 0

        def count() -> None:
            nonlocal turns
            turns += 1

        selector = loop._selector  # type: ignore[attr-defined]
        real = selector.select
        selector.select = lambda timeout=None: (count(), real(timeout))[1]
        await asyncio.sleep(0.05)
        selector.select = real
        assert turns < 10
        await _close(door, station)

    _run(story)


def test_another_process_talks_over_the_line() -> None:
    """A program that knows nothing of asyncio: blocking reads and writes on the device."""
    program = (
        "import os, sys; line = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY); os.write(line, b'ping\\n');"
        "print(os.read(line, 5).decode())"
    )

    async def story() -> None:
        class Echo(End):
            def data_received(self, data: bytes) -> None:
                super().data_received(data)
                if bytes(self.received) == b"ping\n":
                    self.pipe.write(b"pong\n")

        station = Echo()
        door = await Links().listen(f"pty-listen://auto?{FAST}", lambda: station)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, _device(door), stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(30):
            output, _ = await process.communicate()
        assert output == b"pong\n\n"
        await _close(door, station)

    asyncio.run(story())  # not `_run`: asyncio may wait for a process in a thread


# -- speed


def test_octets_take_the_time_of_the_line_both_ways() -> None:
    """Never earlier than baud and format allow; how much later is the machine's affair."""
    settings = LineSettings(baud=19200)
    line_s = 40 * settings.character_s

    async def story() -> None:
        loop = asyncio.get_running_loop()
        links, station = Links(), End()
        door = await links.listen("pty-listen://auto?baud=19200&turnaround_ms=5", lambda: station)
        transport, near = await links.connect(door.addresses[0], End)
        began_s = loop.time()
        transport.write(bytes(40))
        await station.until_received(40)
        heard_s = loop.time()
        assert heard_s - began_s >= line_s
        station.pipe.write(bytes(40))
        await near.until_received(40)
        assert loop.time() - began_s >= line_s + 0.005 + line_s
        await _close(door, near, station)

    _run(story)


def test_facts_say_half_duplex_and_the_address_carries_the_settings() -> None:
    async def story() -> None:
        links = Links()
        door = await links.listen("pty-listen://auto?baud=300&format=7e1&turnaround_ms=20.5", End)
        assert door.addresses[0].endswith("?baud=300&format=7E1&turnaround_ms=20.5")
        transport, near = await links.connect(door.addresses[0], End)
        facts = facts_of(transport)
        assert (facts.kind, facts.half_duplex, facts.turnaround_s, facts.mtu_octets) == ("pty", True, 0.0205, 0)
        await _close(door, near)

    _run(story)


# -- names


def test_a_path_is_a_link_to_the_device_while_the_listener_is_open(tmp_path: Path) -> None:
    async def story() -> None:
        path, station = tmp_path / "line1", End()
        door = await Links().listen(f"pty-listen://{path}?{FAST}", lambda: station)
        assert door.addresses[0].startswith(f"pty://{path}?")
        assert stat.S_ISCHR(path.stat().st_mode)
        with _opened(str(path)) as program:
            os.write(program, b"hello")
            await station.until_received(5)
            door.close()
            assert not path.is_symlink()
            os.write(program, b" again")
            await station.until_received(11)
            await _close(door, station)

    _run(story)


def test_a_link_that_leads_nowhere_is_replaced_and_one_of_somebody_else_is_left(tmp_path: Path) -> None:
    async def story() -> None:
        path = tmp_path / "line1"
        path.symlink_to("/dev/pts/no-such-terminal")
        door = await Links().listen(f"pty-listen://{path}", End)
        assert path.exists()
        path.unlink()
        path.write_text("somebody else's")
        door.close()
        assert path.read_text() == "somebody else's"

    _run(story)


@contextmanager
def _terminal() -> Iterator[PtyMaster]:
    master = PtyMaster()
    try:
        yield master
    finally:
        master.close(discard=True)


def test_a_link_that_was_left_to_the_number_that_the_new_terminal_gets_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "line1"
    with _terminal() as master:  # after a crash the kernel gives the same number again
        path.symlink_to(master.device)
        _link(str(path), master.device)
        assert os.readlink(path) == master.device


def test_a_link_to_the_terminal_of_another_program_is_left_to_it(tmp_path: Path) -> None:
    async def story() -> None:
        path = tmp_path / "line1"
        with _terminal() as theirs:
            path.symlink_to(theirs.device)
            with pytest.raises(LinkError, match=f"leads to {theirs.device}, which is in use, by another meter perhaps"):
                await Links().listen(f"pty-listen://{path}", End)
            assert os.readlink(path) == theirs.device

    _run(story)


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("{}/taken", "{}/taken is there already and is no link to a pseudo terminal: choose another path"),
        ("{}/no/folder/line", "the folder of {}/no/folder/line does not exist: make it first"),
        ("{}/taken/line", "the folder of {}/taken/line does not exist: make it first"),
    ],
)
def test_a_path_that_cannot_be_made_says_why(tmp_path: Path, place: str, sentence: str) -> None:
    async def story() -> None:
        (tmp_path / "taken").touch()
        with pytest.raises(LinkError) as caught:
            await Links().listen(f"pty-listen://{place.format(tmp_path)}", End)
        assert caught.value.message == sentence.format(tmp_path)

    _run(story)


def test_a_folder_that_must_not_be_written_to_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    async def story() -> None:
        monkeypatch.setattr("hes.links.pty.os.symlink", refuse)
        with pytest.raises(LinkError, match="cannot be made by this user: choose a path in a folder"):
            await Links().listen(f"pty-listen://{tmp_path}/line", End)

    _run(story)


def test_a_machine_without_pseudo_terminals_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError(28, "No space left on device")

    async def story() -> None:
        monkeypatch.setattr("hes.links.pty.os.openpty", refuse)
        with pytest.raises(LinkError, match="this machine gives no pseudo terminal: No space left on device"):
            await Links().listen("pty-listen://auto", End)

    _run(story)


def test_a_system_without_epoll_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(select, "epoll")
    with pytest.raises(LinkError, match="pseudo terminals can be listened on under Linux only"):
        asyncio.run(Links().listen("pty-listen://auto", End))


def test_a_caller_of_a_line_that_is_not_there_is_told_to_start_it(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="line does not exist: start what listens there"):
        asyncio.run(Links().connect(f"pty://{tmp_path}/line", End))


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("pty-listen://line1", "needs a path, such as pty-listen:///tmp/line1, or pty-listen://auto"),
        ("pty-listen://auto?rs485_turnaround_ms=5", r"known: turnaround_ms, baud, format, shared"),
        ("pty-listen://auto?turnaround_ms=10001", "turnaround_ms=10001 is not a number from 0 to 10000"),
        ("pty://line1", "needs the path of a port, such as pty:///"),
        ("pty:///tmp/x?shared=yes", "'shared' that pty does not know"),
    ],
)
def test_a_wrong_url_is_named_with_what_is_allowed(url: str, sentence: str) -> None:
    links = Links()
    with pytest.raises(ConfigError, match=sentence):
        asyncio.run(links.listen(url, End) if "-listen://" in url else links.connect(url, End))


# -- several stations


def test_several_stations_share_a_line_that_ends_with_the_last_one(tmp_path: Path) -> None:
    async def story() -> None:
        links, stations = Links(), [End(), End(), End()]
        url = f"pty-listen://{tmp_path}/bus?{FAST}&shared=yes"
        doors = [await links.listen(url, lambda end=end: end) for end in stations]
        assert len({door.addresses for door in doors}) == 1
        transport, near = await links.connect(doors[0].addresses[0], End)
        transport.write(b"who?")
        for station in stations:
            await station.until_received(4)
        stations[1].pipe.write(b"me")
        await near.until_received(2)
        await stations[2].until_received(6)
        assert [bytes(station.received) for station in stations] == [b"who?me", b"who?", b"who?me"]
        doors[0].close()
        stations[0].pipe.close()
        await stations[0].until_lost()
        assert (tmp_path / "bus").exists()
        transport.write(b"who else?")
        await stations[2].until_received(15)
        assert bytes(stations[0].received) == b"who?me"
        for door in doors[1:]:
            door.close()
        assert not (tmp_path / "bus").exists()
        for station in stations:
            station.pipe.abort()
        await near.until_lost()
        assert isinstance(near.error, LinkError)

    _run(story)


def test_an_auto_line_is_joined_by_its_device_and_other_settings_are_refused() -> None:
    async def story() -> None:
        links = Links()
        first = await links.listen(f"pty-listen://auto?{FAST}&shared=yes", End)
        address = first.addresses[0].replace("pty://", "pty-listen://")
        second = await links.listen(f"{address}&shared=yes", End)
        with pytest.raises(ConfigError, match="the line runs at 4000000 8N1 with 0 ms turnaround"):
            await links.listen(f"{address}&shared=yes&turnaround_ms=1", End)
        with pytest.raises(LinkError, match="several share a line when each says shared=yes"):
            await links.listen(address, End)
        first.close()
        second.close()

    _run(story)

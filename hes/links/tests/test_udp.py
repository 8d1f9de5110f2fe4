"""UDP: the contract on the loopback, one pair per peer, and what is bounded."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from hes.errors import ConfigError, LinkError
from hes.links import Links, facts_of, udp, udp_transport
from hes.links.checks import CHECKS, Check, End, Line, Rig
from hes.links.udp import UdpListener

LISTEN = "udp-listen://127.0.0.1:0"


def _run(story: Callable[[], Awaitable[None]], loop: str = "asyncio") -> None:
    async def main() -> None:
        await story()

    factory = None if loop == "asyncio" else pytest.importorskip(loop).new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())


def _rig() -> Rig:
    return Rig(Links(), LISTEN, "udp://127.0.0.1:9")


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_udp_keeps_the_contract_of_links(check: Check, loop: str) -> None:
    _run(lambda: check(_rig()), loop)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_udp_keeps_the_contract_over_ipv6(check: Check) -> None:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    _run(lambda: check(Rig(Links(), "udp-listen://[::1]:0", "udp://[::1]:9")))


async def _listen(url: str, ends: list[End]) -> UdpListener:
    def accept() -> End:
        ends.append(End())
        return ends[-1]

    door = await Links().listen(url, accept)
    assert isinstance(door, UdpListener)
    return door


def _peer(door: UdpListener) -> socket.socket:
    """A bare socket that sends to `door`."""
    host, _, port = door.addresses[0].removeprefix("udp://").rpartition(":")
    peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer.connect((host, int(port)))
    peer.setblocking(False)
    return peer


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what happens in here sets no event
            await asyncio.sleep(0)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_caller_that_is_told_that_nothing_listens_loses_its_pair(loop: str) -> None:
    async def story() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
            bound.bind(("127.0.0.1", 0))
            port = bound.getsockname()[1]
        transport, end = await Links().connect(f"udp://127.0.0.1:{port}", End)
        transport.write(b"anybody?")
        await end.until_lost()
        assert isinstance(end.error, ConnectionRefusedError)
        transport.write(b"nobody")

    _run(story, loop)


def test_each_address_is_a_peer_of_its_own_and_knows_who_it_is() -> None:
    async def story() -> None:
        ends: list[End] = []
        door = await _listen(LISTEN, ends)
        with _peer(door) as first, _peer(door) as second:
            first.send(b"1")
            second.send(b"2")
            second.send(b"2")
            await _until(lambda: len(ends) == 2 and len(ends[1].received) == 2)
            names = [end.pipe.get_extra_info("peername") for end in ends]
            assert names == [first.getsockname(), second.getsockname()]
            ends[1].pipe.write(b"two")
            ends[0].pipe.write(b"one")
            loop = asyncio.get_running_loop()
            assert await loop.sock_recv(first, 10) == b"one"
            assert await loop.sock_recv(second, 10) == b"two"
        door.close()
        for end in ends:
            end.pipe.close()
            await end.until_lost()
        await door.wait_closed()

    _run(story)


def test_a_peer_that_was_silent_for_long_is_dropped_and_met_again() -> None:
    async def story() -> None:
        ends: list[End] = []
        door = await _listen(f"{LISTEN}?idle_s=0.1", ends)
        with _peer(door) as peer:
            peer.send(b"1")
            await _until(lambda: bool(ends))
            await ends[0].until_lost()
            assert isinstance(ends[0].error, TimeoutError)
            assert str(ends[0].error) == f"127.0.0.1:{peer.getsockname()[1]} was silent for 0.1 s"
            peer.send(b"2")
            await _until(lambda: len(ends) == 2)
        door.close()
        ends[1].pipe.abort()
        await ends[1].until_lost()

    _run(story)


def test_one_peer_too_many_is_not_heard_until_another_one_ends() -> None:
    async def story() -> None:
        ends: list[End] = []
        door = await _listen(f"{LISTEN}?peers=1", ends)
        with _peer(door) as first, _peer(door) as second:
            first.send(b"1")
            await _until(lambda: bool(ends))
            second.send(b"2")
            await _until(lambda: door.dropped_count == 1)
            assert len(ends) == 1
            ends[0].pipe.close()
            second.send(b"2")
            await _until(lambda: len(ends) == 2)
        door.close()
        ends[1].pipe.abort()

    _run(story)


def test_a_closed_listener_hears_its_peers_and_no_new_ones() -> None:
    async def story() -> None:
        ends: list[End] = []
        door = await _listen(LISTEN, ends)
        with _peer(door) as first, _peer(door) as second:
            first.send(b"1")
            await _until(lambda: bool(ends))
            door.close()
            second.send(b"2")
            first.send(b"3")
            await ends[0].until_received(2)
            await _until(lambda: door.dropped_count == 1)
            assert bytes(ends[0].received) == b"13"
            assert len(ends) == 1
        ends[0].pipe.close()
        await ends[0].until_lost()

    _run(story)


def test_empty_datagrams_mean_nothing() -> None:
    async def story() -> None:
        ends: list[End] = []
        door = await _listen(LISTEN, ends)
        with _peer(door) as peer, _peer(door) as other:
            peer.send(b"")
            other.send(b"x")
            await _until(lambda: bool(ends))
            other.send(b"")
            other.send(b"y")
            await ends[0].until_received(2)
            assert len(ends) == 1
            assert ends[0].pieces == [b"x", b"y"]
        door.close()
        ends[0].pipe.abort()

    _run(story)


def test_a_paused_protocol_keeps_so_much_and_the_rest_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp_transport, "UNREAD_OCTETS_MAX", 1000)

    async def story() -> None:
        line = await Line.open(_rig())
        near, far = await line.dial()
        far.pipe.pause_reading()
        for size in (600, 300, 200, 100):  # the third one is too much, and the fourth fits again
            near.pipe.write(bytes(size))
        assert isinstance(line.listener, UdpListener)
        listener = line.listener
        await _until(lambda: listener.dropped_count == 1)
        far.pipe.resume_reading()
        await far.until_received(1000)
        assert [len(piece) for piece in far.pieces] == [600, 300, 100]
        await line.close()

    _run(story)


def test_what_the_system_does_not_take_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp, "UNSENT_OCTETS_MAX", 10)

    async def story() -> None:
        line = await Line.open(_rig())
        near, far = await line.dial()
        near.pipe.write(bytes(11))
        near.pipe.write(b"fits")
        await far.until_received(4)
        assert bytes(far.received) == b"fits"
        await line.close()

    _run(story)


def test_a_protocol_that_raises_ends_its_own_pair_only() -> None:
    class Broken(End):
        def data_received(self, data: bytes) -> None:
            raise ValueError("broken protocol")

    async def story() -> None:
        reported: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
        ends = [Broken(), End()]
        waiting = iter(ends)
        door = await Links().listen(LISTEN, lambda: next(waiting))
        assert isinstance(door, UdpListener)
        with _peer(door) as first, _peer(door) as second, _peer(door) as third:
            first.send(b"1")
            await ends[0].until_lost()
            second.send(b"2")
            await ends[1].until_received(1)
            third.send(b"3")  # the factory has no more
            await _until(lambda: len(reported) == 2)
            second.send(b"4")
            await ends[1].until_received(2)
        assert [str(error) for error in reported] == ["broken protocol", ""]
        door.close()
        ends[1].pipe.abort()

    _run(story)


def test_a_name_is_looked_up() -> None:
    async def story() -> None:
        links, heard = Links(), End()
        door = await links.listen("udp-listen://localhost:0", lambda: heard)
        transport, near = await links.connect(door.addresses[0], End)
        assert facts_of(transport).datagrams
        transport.write(b"hello")
        await heard.until_received(5)
        door.close()
        for end in (near, heard):
            end.pipe.abort()
            await end.until_lost()

    _run(story)


def test_a_busy_port_says_so_in_one_sentence() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        with pytest.raises(LinkError, match=rf"port {port} of 127\.0\.0\.1 is busy: stop the program"):
            asyncio.run(Links().listen(f"udp-listen://127.0.0.1:{port}", End))


def test_an_unknown_host_says_so_in_one_sentence() -> None:
    with pytest.raises(LinkError, match=r"host no\.such\.host\.invalid is not known"):
        asyncio.run(Links().connect("udp://no.such.host.invalid:4059", End))


def test_listening_on_another_machines_address_says_so() -> None:
    with pytest.raises(LinkError, match=r"192\.0\.2\.7 is not an address of this machine"):
        asyncio.run(Links().listen("udp-listen://192.0.2.7:0", End))


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("udp://127.0.0.1", "needs a host and a port"),
        ("udp://127.0.0.1:0", r"needs a port to send to \(1\.\.65535\)"),
        ("udp://127.0.0.1:9?peers=3", r"'peers' that udp does not know \(it has none\)"),
        ("udp-listen://127.0.0.1:0?peers=0", "peers=0 is not a whole number from 1 to 1000000"),
        ("udp-listen://127.0.0.1:0?idle_s=soon", "idle_s=soon is not a number from 0.1 to 86400"),
        ("udp-listen://127.0.0.1:0?idle=3", "known: peers, idle_s"),
    ],
)
def test_a_wrong_url_is_named_with_what_is_allowed(url: str, sentence: str) -> None:
    links = Links()
    with pytest.raises(ConfigError, match=sentence):
        asyncio.run(links.listen(url, End) if "-listen://" in url else links.connect(url, End))

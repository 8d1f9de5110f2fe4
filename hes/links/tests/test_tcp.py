"""TCP links on the machine's own loopback."""

import asyncio
import socket
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hes.errors import ConfigError, LinkError
from hes.links.checks import CHECKS, Check, End, Rig
from hes.links.registry import Links, LinkUrl


@pytest.fixture
def nobodys_port() -> Iterator[int]:
    """A port that is bound but does not listen: connecting to it is refused, and nobody else can take it."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_tcp_keeps_the_contract_of_links(check: Check, nobodys_port: int) -> None:
    rig = Rig(Links(), "tcp-listen://127.0.0.1:0", f"tcp://127.0.0.1:{nobodys_port}")
    asyncio.run(_awaited(check, rig))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_tcp_keeps_the_contract_on_uvloop_too(check: Check, nobodys_port: int) -> None:
    uvloop = pytest.importorskip("uvloop")
    rig = Rig(Links(), "tcp-listen://127.0.0.1:0", f"tcp://127.0.0.1:{nobodys_port}")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_awaited(check, rig))


async def _awaited(check: Check, rig: Rig) -> None:
    await check(rig)


def test_a_refused_connection_says_so_in_one_sentence(nobodys_port: int) -> None:
    with pytest.raises(LinkError, match=rf"127\.0\.0\.1:{nobodys_port} refused the connection: nothing listens"):
        asyncio.run(Links().connect(f"tcp://127.0.0.1:{nobodys_port}", End))


def test_an_unknown_host_says_so_in_one_sentence() -> None:
    with pytest.raises(LinkError, match=r"host no\.such\.host\.invalid is not known"):
        asyncio.run(Links().connect("tcp://no.such.host.invalid:4059", End))


def test_a_busy_port_says_so_in_one_sentence(nobodys_port: int) -> None:
    with pytest.raises(LinkError, match=rf"port {nobodys_port} of 127\.0\.0\.1 is busy: stop the program"):
        asyncio.run(Links().listen(f"tcp-listen://127.0.0.1:{nobodys_port}", End))


def test_listening_on_another_machines_address_says_so() -> None:
    with pytest.raises(LinkError, match=r"192\.0\.2\.7 is not an address of this machine"):
        asyncio.run(Links().listen("tcp-listen://192.0.2.7:0", End))


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("127.0.0.1:4059", "not of the form scheme://place"),
        ("tcp://", "not of the form"),
        ("tcp://127.0.0.1", "needs a host and a port"),
        ("tcp://127.0.0.1:99999", "needs a host and a port"),
        ("tcp://host:port", "needs a host and a port"),
        ("tcp://:4059", "needs a host and a port"),
        ("tcp://127.0.0.1:4059/path", "needs a host and a port"),
        ("carrier-pigeon://loft", "no kind of link is called 'carrier-pigeon'"),
        ("tcp-listen://127.0.0.1:0", "one to listen on"),
    ],
)
def test_a_wrong_url_is_a_matter_for_the_person_who_wrote_it(url: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        asyncio.run(Links().connect(url, End))


def test_connecting_and_listening_are_not_mixed_up() -> None:
    with pytest.raises(ConfigError, match="write tcp-listen://"):
        asyncio.run(Links().listen("tcp://127.0.0.1:0", End))


def test_a_url_keeps_the_case_of_its_place_and_its_options() -> None:
    url = LinkUrl.parse("SIM://Head-End/Main?rate=9600&quiet=")
    assert (url.scheme, url.place) == ("sim", "Head-End/Main")
    assert url.options == (("rate", "9600"), ("quiet", ""))


def test_an_ipv6_address_stands_in_brackets() -> None:
    assert LinkUrl.parse("tcp://[::1]:4059").host_and_port() == ("::1", 4059)


@given(st.text(max_size=40))
@example("tcp://[::1")
@example("tcp://[]:1")
def test_any_text_is_a_url_or_a_config_error(text: str) -> None:
    try:
        host, port = LinkUrl.parse(text).host_and_port()
    except ConfigError:
        return
    assert host
    assert 0 <= port <= 0xFFFF


def test_an_installed_package_adds_a_kind_of_link(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    async def connect(url: LinkUrl, factory: object) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        opened.append(url.place)
        return asyncio.Transport(), asyncio.Protocol()

    class EntryPoint:
        def load(self) -> object:
            return connect

    def entry_points(*, group: str, name: str) -> list[EntryPoint]:
        return [EntryPoint()] if (group, name) == ("amiloop.links", "pigeon") else []

    monkeypatch.setattr("hes.links.registry.entry_points", entry_points)
    links = Links()
    asyncio.run(links.connect("pigeon://loft", End))
    assert opened == ["loft"]
    assert "pigeon" in links.schemes

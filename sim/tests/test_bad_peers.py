"""Peers that no standard foresees: slow ones, endless ones, and two masters on one line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from hes.dlms import acse, wrapper
from hes.dlms.client import Client
from hes.dlms.client.settings import ClientSettings
from hes.dlms.hdlc.address import ServerAddress
from hes.dlms.hdlc.client_link import ClientLink
from hes.dlms.hdlc.line_dispatcher import LineDispatcher
from hes.dlms.hdlc.link_events import LinkUp, Received, Transmit
from hes.dlms.hdlc.link_settings import ServerLinkSettings
from hes.links.registry import Links
from sim import run_loop
from sim.clock import VirtualClock
from sim.expose import ExposedMeters, serve_meters
from sim.loop import VirtualLoop
from sim.media.net import Lan, SimNet
from sim.tests.small_worlds import small
from sim.world import parse

START_S = 1_900_000_000
BENCH, PUBLIC = 3, 16
AARQ = wrapper.encode(PUBLIC, 1, Client(ClientSettings(client_sap=PUBLIC)).associate())


class Peer(asyncio.Protocol):
    """What a peer hears, and whether it was hung up on."""

    def __init__(self) -> None:
        self.heard = b""
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.heard += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)


def with_a_meter(*, hdlc: bool, main: Callable[[asyncio.Transport, Peer], Coroutine[Any, Any, None]]) -> None:
    """Run `main` in virtual time as the peer of a meter."""
    loop = VirtualLoop()
    links: Links = SimNet(loop).links(Lan(loop))

    async def play() -> None:
        meters = ExposedMeters(parse.parse_text(small()), clock=VirtualClock(loop, START_S))
        announced: asyncio.Future[str] = loop.create_future()
        service = asyncio.ensure_future(
            serve_meters(links, "sim-listen://meter", meters, announced.set_result, hdlc=hdlc)
        )
        await announced
        transport, peer = await links.connect("sim://meter", Peer)
        await main(transport, peer)
        transport.abort()
        service.cancel()
        await asyncio.wait((service,))

    run_loop.run(play(), loop=loop)


def test_a_peer_that_sends_one_octet_a_second_is_answered_when_its_frame_is_whole() -> None:
    async def main(transport: asyncio.Transport, peer: Peer) -> None:
        for octet in AARQ:
            assert peer.heard == b""
            transport.write(bytes((octet,)))
            await asyncio.sleep(1)
        (frame,) = wrapper.Receiver().feed(peer.heard)
        assert isinstance(acse.decode(frame.apdu), acse.Aare)

    with_a_meter(hdlc=False, main=main)


@pytest.mark.parametrize("hdlc", [False, True], ids=["wrapper", "HDLC"])
def test_a_peer_that_never_stops_costs_no_more_than_one_frame_and_the_meter_lives_on(hdlc: bool) -> None:
    endless = b"\x7e\xa7\xff" + b"\x7e\xa7\xfe" * 400 if hdlc else wrapper.encode(PUBLIC, 1, bytes(60_000))

    async def main(transport: asyncio.Transport, peer: Peer) -> None:
        for _ in range(100):
            if transport.is_closing():
                break
            transport.write(endless)
            await asyncio.sleep(0.1)
        assert len(peer.heard) < 100 * 64, "noise is not answered at length"

    with_a_meter(hdlc=hdlc, main=main)


def test_two_masters_on_one_line_have_a_link_each_and_a_collision_costs_only_what_collided() -> None:
    address = ServerAddress(1)
    line = LineDispatcher({address: ServerLinkSettings()})
    masters = {sap: ClientLink(client_sap=sap, server=address) for sap in (PUBLIC, BENCH)}
    apdus: list[tuple[int, bytes]] = []
    now_s = 0.0

    def say(octets: bytes) -> None:
        """Octets on the line; what the station answers is heard by both masters, until nobody has more to say."""
        nonlocal now_s
        waiting = [octets]
        while waiting:
            now_s += 0.01
            for peer, event in line.receive(waiting.pop(0), now_s):
                if isinstance(event, Received):
                    apdus.append((peer.client_sap, event.apdu))
                    waiting += hear(line.answer(peer, event.apdu[::-1], now_s, event.number))
                elif isinstance(event, Transmit):
                    waiting += hear(event.octets)

    def hear(octets: bytes) -> list[bytes]:
        more = []
        for sap, master in masters.items():
            for event in master.receive(octets, now_s):
                if isinstance(event, Transmit):
                    more.append(event.octets)
                elif isinstance(event, Received):
                    answers.append((sap, event.apdu))
                elif isinstance(event, LinkUp):
                    up.append(sap)
        return more

    answers: list[tuple[int, bytes]] = []
    up: list[int] = []
    for master in masters.values():
        say(master.connect(now_s))
    assert up == [PUBLIC, BENCH]

    first, second = masters[PUBLIC].send(b"from sixteen", now_s), masters[BENCH].send(b"from three", now_s)
    say(bytes(octet for pair in zip(first, second, strict=False) for octet in pair))
    assert apdus == [], "both talked at once: nothing of it is taken for a frame"
    now_s += 1.0

    say(first)
    say(second)
    assert apdus == [(PUBLIC, b"from sixteen"), (BENCH, b"from three")]
    assert answers == [(PUBLIC, b"neetxis morf"), (BENCH, b"eerht morf")], "each hears its own answer only"

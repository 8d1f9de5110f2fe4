"""The state machines: a server, a client, both ends of an HDLC link, a port that signs on.

Each is fed several inputs before a new one is made, so that one input finds what the ones before it have left behind:
half a transfer, an association that is pending, a counter that has moved.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import count
from typing import Final

from fuzz import pairs, repair, short_names
from fuzz.target import Feed, Target
from hes.dlms.apdu import AttributeDescriptor, MethodDescriptor
from hes.dlms.association import State
from hes.dlms.client import Client
from hes.dlms.client.events import SendNext
from hes.dlms.hdlc.address import ServerAddress
from hes.dlms.hdlc.client_link import ClientLink
from hes.dlms.hdlc.line_dispatcher import LineDispatcher
from hes.dlms.hdlc.link import State as LinkState
from hes.dlms.hdlc.link_events import Received
from hes.dlms.hdlc.link_settings import ServerLinkSettings
from hes.dlms.mode_e import ClientSignOn, ServerSignOn, SignOnSettings
from hes.dlms.server.tests.server_wire import Wire, ciphered_wire, managing_wire, plain_wire
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import published, test_roles_fuzz
from hes.dlms.tests.bench_meter import Bench

CLOCK: Final = AttributeDescriptor(8, bm.CLOCK, 2)
ENERGY: Final = AttributeDescriptor(3, bm.ENERGY, 2)
BUFFER: Final = AttributeDescriptor(7, bm.LOAD_PROFILE, 2)
MESSAGE: Final = AttributeDescriptor(1, bm.MESSAGE, 2)
ECHO: Final = MethodDescriptor(1, bm.ECHO, 1)
LARGE: Final = bm.device(max_receive_pdu_size=4000)
METER: Final = ServerAddress(1, 17, 2)
LONG_TEXT: Final = b"\x09\x82\x08\x00" + bytes(2048)

REQUESTS: Final = [published.AARQ_LLS, *test_roles_fuzz.REQUESTS]
ASKING: Final[Sequence[Callable[[Client], bytes]]] = (
    lambda client: client.get(ENERGY),
    lambda client: client.get_list((ENERGY, CLOCK)),
    lambda client: client.get(BUFFER),
    lambda client: client.get_list((ENERGY, BUFFER)),
    lambda client: client.set_list(((MESSAGE, LONG_TEXT), (MESSAGE, b"\x00"))),
    lambda client: client.set(MESSAGE, LONG_TEXT),
    lambda client: client.act(ECHO, LONG_TEXT),
    lambda client: client.release(),
)
_number = count()


def _server(make: Callable[[], Wire]) -> Callable[[], Feed]:
    return lambda: make()


def _ciphered_server() -> Feed:
    """Damage under valid ciphering: what a client with the keys could send."""
    wire, ciphering = ciphered_wire(device=LARGE)

    def feed(octets: bytes) -> None:
        if octets and not wire.server.idle:
            wire(ciphering.protect(octets))

    return feed


def _client(settings: object) -> Callable[[], Feed]:
    """A client that keeps asking, each session something else."""

    def session() -> Feed:
        ask = ASKING[next(_number) % len(ASKING)]
        bench = Bench(settings)  # type: ignore[arg-type]
        bench.associate()
        client = bench.client
        ask(client)

        def feed(octets: bytes) -> None:
            if client.state is not State.ASSOCIATED:
                client.link_lost()
                bench.server.link_lost()
                bench.associate()
            if not client.busy:
                ask(client)
            event = client.receive(octets)
            assert not isinstance(event, SendNext) or event.octets

        return feed

    return session


def _associating_client() -> Feed:
    client = Client(bm.hls() if next(_number) & 1 else bm.lls(), send_counter=1)

    def feed(octets: bytes) -> None:
        if client.state is State.IDLE:
            challenge = published.CLIENT_CHALLENGE if client.settings.mechanism.high_level else b""
            client.associate(challenge=challenge)
        client.receive(octets)

    return feed


def _hdlc_server() -> Feed:
    line = LineDispatcher({METER: ServerLinkSettings()})
    now_s = 0.0

    def feed(octets: bytes) -> None:
        nonlocal now_s
        now_s += 0.3
        for peer, event in line.receive(octets, now_s):
            if isinstance(event, Received):
                line.answer(peer, event.apdu * 3, now_s, event.number)
        line.timed_out(now_s)

    return feed


def _hdlc_client() -> Feed:
    link = ClientLink(client_sap=16, server=METER)
    now_s = 0.0
    link.connect(now_s)

    def feed(octets: bytes) -> None:
        nonlocal now_s
        now_s += 0.3
        link.receive(octets, now_s)
        link.timed_out(now_s)
        if link.state is LinkState.DISCONNECTED:
            link.connect(now_s)
        elif link.state is LinkState.CONNECTED and link.idle:
            link.send(published.GET_CLOCK * 20, now_s)

    return feed


def _sign_on() -> Feed:
    settings = SignOnSettings()
    client, server = ClientSignOn(settings), ServerSignOn(settings)
    client.start(0.0)
    now_s = 0.0

    def feed(octets: bytes) -> None:
        nonlocal now_s
        now_s += 0.7
        for side in (client, server):
            side.receive(octets, now_s)
            side.timed_out(now_s)
        server.link_ended()

    return feed


def answers() -> list[bytes]:
    """What a server of ours says, for a client to be damaged with."""
    found: dict[bytes, None] = dict.fromkeys(
        [published.AARE_ACCEPTED, published.AARE_HLS5_PENDING, published.RLRE_PLAIN, published.DATA_NOTIFICATION]
    )
    for settings in (bm.lls(max_receive_pdu_size=200), bm.hls()):
        bench = Bench(settings)
        bench.associate()
        for ask in ASKING:
            bench.run(ask(bench.client))
        found |= dict.fromkeys(octets for side, octets in bench.wire if side == "S")
    return list(found)


def line_frames(frames: Sequence[bytes]) -> list[bytes]:
    """Frames between the fuzzed client and the fuzzed meter, and any others."""
    line, link = LineDispatcher({METER: ServerLinkSettings()}), ClientLink(client_sap=16, server=METER)
    chance = random.Random(1)
    sent = [link.connect(0.0)]
    seen: list[bytes] = []
    for turn in range(40):
        octets = b"".join(sent)
        seen.append(octets)
        replies = []
        for peer, event in line.receive(octets, float(turn)):
            if isinstance(event, Received):
                replies.append(line.answer(peer, event.apdu * chance.randrange(1, 8), float(turn), event.number))
            else:
                replies += [octets for octets in [getattr(event, "octets", b"")] if octets]
        seen.append(b"".join(replies))
        sent = [octets for event in link.receive(seen[-1], float(turn)) if (octets := getattr(event, "octets", b""))]
        if link.state is LinkState.CONNECTED and link.idle:
            sent.append(link.send(published.GET_CLOCK * 9, float(turn)))
    return [octets for octets in seen if octets] + list(frames)


def targets(apdus: Callable[[], Sequence[bytes]], frames: Callable[[], Sequence[bytes]]) -> list[Target]:
    """All machines. apdus, frames: give valid ones of every kind, beside those that fit the state."""

    def requests() -> list[bytes]:
        return REQUESTS + list(apdus()[::15])

    def replies() -> list[bytes]:
        return answers() + list(apdus()[::15])

    def line() -> list[bytes]:
        return line_frames(frames()[::5])

    def server(name: str, session: Callable[[], Feed], weight: float = 0.4) -> Target:
        return Target(
            name=name, session=session, examples=requests, weight=weight, stateful=True, may_raise=(),
            machines=("hes.dlms.server.server", "hes.dlms.server.services"),
        )  # fmt: skip

    return [
        server("server_public", _server(lambda: Wire(bm.PUBLIC))),
        server("server_lls", _server(plain_wire)),
        server("server_hls", _server(managing_wire)),
        server("server_ciphered", _ciphered_server, 0.3),
        *(
            Target(name=name, session=session, examples=replies, weight=0.3, stateful=True,
                   machines=("hes.dlms.client.client", "hes.dlms.client.exchange"))
            for name, session in (
                ("client_lls", _client(bm.lls(max_receive_pdu_size=200))),
                ("client_ciphered", _client(bm.hls())),
                ("client_associating", _associating_client),
            )
        ),
        *(
            Target(name=name, session=session, examples=line, weight=0.6, stateful=True, repair=repair.hdlc,
                   may_raise=(), machines=modules)
            for name, session, modules in (
                ("hdlc_server", _hdlc_server, ("hes.dlms.hdlc.server_link", "hes.dlms.hdlc.line_dispatcher")),
                ("hdlc_client", _hdlc_client, ("hes.dlms.hdlc.client_link",)),
            )
        ),
        *short_names.targets(apdus),
        *pairs.targets(lambda: line() + requests()[::4], ASKING),
        Target(name="sign_on", session=_sign_on, weight=0.3, stateful=True, may_raise=(),
               examples=lambda: [b"/?!\r\n", b"/AML5\\2METER\r\n", b"\x06252\r\n"],
               machines=("hes.dlms.mode_e.client", "hes.dlms.mode_e.server")),
    ]  # fmt: skip

"""Two real peers with a bad way between them: the input says what happens to what one of them has just sent.

Single inputs seldom fit the state of a machine with numbers and counters. Here the traffic is genuine, and the damage
strikes it in the middle of transfers: octets pass, vanish, come twice, change, or others come in their place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from fuzz import repair
from fuzz.target import Feed, Target
from hes.dlms import apdu
from hes.dlms.association import State
from hes.dlms.client import Client, ClientSettings
from hes.dlms.client.events import SendNext
from hes.dlms.general_blocks import GeneralBlocks, Outcome
from hes.dlms.hdlc.address import ServerAddress
from hes.dlms.hdlc.client_link import ClientLink
from hes.dlms.hdlc.line_dispatcher import LineDispatcher
from hes.dlms.hdlc.link import State as LinkState
from hes.dlms.hdlc.link_events import Received, Transmit
from hes.dlms.hdlc.link_settings import ClientLinkSettings, ServerLinkSettings
from hes.dlms.hdlc.parameters import Parameters
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests.bench_meter import Bench
from hes.dlms.xdlms.general_block import GeneralBlock
from hes.errors import RemoteProtocolError

METER: Final = ServerAddress(1, 17, 2)
SMALL: Final = Parameters(transmit_octets=32, receive_octets=32, transmit_window=3, receive_window=3)
STEPS_S: Final = (0.01, 0.3, 1.0, 6.0, 130.0)
Ask = Callable[[Client], bytes]


def carried(sent: bytes, octets: bytes, mend: Callable[[bytes], bytes]) -> list[bytes]:
    """What arrives of `sent`, as `octets` have it."""
    how = octets[0] % 12 if octets else 0
    if how < 5 or not sent:
        return [sent] if sent else []
    if how == 5:
        return []
    if how == 6:
        return [sent, sent]
    if how == 7:
        return [octets[1:]]
    if how == 8:
        return [octets[1:] + sent]
    if how == 9:
        return [sent[: 1 + (octets[-1] % len(sent))]]
    altered = bytearray(sent)
    for at, change in zip(octets[1::2], octets[2::2], strict=False):
        altered[at % len(altered)] ^= change
    return [mend(bytes(altered)) if how == 10 else bytes(altered)]


def _hdlc_pair() -> Feed:
    """A link with small frames and windows; both sides always have something to say."""
    line = LineDispatcher({METER: ServerLinkSettings(limits=SMALL)})
    link = ClientLink(client_sap=16, server=METER, settings=ClientLinkSettings(proposal=SMALL))
    now_s = 0.0
    to_meter: list[bytes] = [link.connect(now_s)]
    to_client: list[bytes] = []

    def hear_meter(arrived: bytes) -> None:
        for peer, event in line.receive(arrived, now_s):
            if isinstance(event, Transmit):
                to_client.append(event.octets)
            elif isinstance(event, Received):
                answer = event.apdu * 3 if len(event.apdu) % 5 else None
                to_client.append(line.answer(peer, answer, now_s, event.number))

    def feed(octets: bytes) -> None:
        nonlocal now_s
        now_s += STEPS_S[octets[-1] % len(STEPS_S)] if octets and octets[-1] > 200 else STEPS_S[0]
        for sent in [to_meter.pop(0)] if to_meter else []:
            for arrived in carried(sent, octets, repair.hdlc):
                hear_meter(arrived)
        for sent in [to_client.pop(0)] if to_client else []:
            for arrived in carried(sent, octets[::-1], repair.hdlc):
                to_meter.extend(one.octets for one in link.receive(arrived, now_s) if isinstance(one, Transmit))
        to_meter.extend(one.octets for one in link.timed_out(now_s) if isinstance(one, Transmit))
        to_client.extend(one.octets for _peer, one in line.timed_out(now_s) if isinstance(one, Transmit))
        if link.state is LinkState.DISCONNECTED:
            to_meter.append(link.connect(now_s))
        elif link.idle:
            to_meter.append(link.send(octets[:200] or b"\xc0", now_s))
        del to_meter[8:], to_client[8:]

    return feed


def _associations(settings: ClientSettings, asking: Sequence[Ask]) -> Callable[[], Feed]:
    """A client that asks one thing after the other of a server, in small blocks."""

    def session() -> Feed:
        bench = Bench(settings)
        bench.associate()
        client, turn = bench.client, 0
        sent = b""

        def feed(octets: bytes) -> None:
            nonlocal sent, turn
            if client.state is not State.ASSOCIATED:
                client.abandon()
                client.link_lost()
                bench.server.link_lost()
                bench.associate()
                sent = b""
            if not sent:
                client.abandon()
                turn += 1
                sent = asking[turn % len(asking)](client)
            request, sent = sent, b""
            for arrived in carried(request, octets, bytes):
                answer = bench.server.receive(client.settings.client_sap, arrived, bench.now_s)
                for heard in carried(answer or b"", octets[::-1], bytes):
                    sent = _heard(client, heard) or sent

        return feed

    return session


def _heard(client: Client, octets: bytes) -> bytes:
    """What the client wants to send next; nothing where it refuses what came."""
    try:
        event = client.receive(octets)
    except RemoteProtocolError:
        return b""
    return event.octets if isinstance(event, SendNext) else b""


def _block_pair() -> Feed:
    """Two messages in general blocks, one after the other, over the bad way."""
    ours, theirs = GeneralBlocks(60, initiates=True, window=4), GeneralBlocks(60, initiates=False, window=7)
    now_s = 0.0
    to_them: list[bytes] = []
    to_us: list[bytes] = []

    def hear(side: GeneralBlocks, octets: bytes) -> Outcome:
        if octets[:1] != b"\xe0":
            return Outcome()
        block = apdu.decode(octets)
        assert isinstance(block, GeneralBlock)
        return side.receive(block, at_once=4, now_s=now_s)

    def feed(octets: bytes) -> None:
        nonlocal now_s
        now_s += STEPS_S[octets[-1] % len(STEPS_S)] if octets and octets[-1] > 200 else STEPS_S[0]
        if not ours.active:
            theirs.end()
            to_them[:], to_us[:] = ours.send((octets or b"\xc0") * 9, at_once=4, now_s=now_s), ()
        for arrived in carried(to_them.pop(0) if to_them else b"", octets, bytes):
            with suppress(RemoteProtocolError):
                heard = hear(theirs, arrived)
                to_us.extend(heard.send)
                if heard.whole is not None:
                    to_us.extend(theirs.send(heard.whole, at_once=4, now_s=now_s))
        for arrived in carried(to_us.pop(0) if to_us else b"", octets[::-1], bytes):
            with suppress(RemoteProtocolError):
                heard = hear(ours, arrived)
                to_them.extend(heard.send)
                if heard.whole is not None:
                    ours.end()
        for side, out in ((ours, to_them), (theirs, to_us)):
            out.extend(side.timed_out(now_s, at_once=4).send)
        del to_them[16:], to_us[16:]

    return feed


def targets(noise: Callable[[], Sequence[bytes]], asking: Sequence[Ask]) -> list[Target]:
    """noise: gives octets that decide about damage, and that come in the place of others."""
    server = ("hes.dlms.server.services", "hes.dlms.server.pipeline", "hes.dlms.server.association")
    client = ("hes.dlms.client.client", "hes.dlms.client.exchange", "hes.dlms.client.channel")
    hdlc = ("hes.dlms.hdlc.client_link", "hes.dlms.hdlc.server_link", "hes.dlms.hdlc.link_flow", "hes.dlms.hdlc.push")
    return [
        Target(name="general_blocks_pair", session=_block_pair, examples=noise, machines=("hes.dlms.general_blocks",),
               weight=0.4, stateful=True, session_inputs=64, may_raise=()),
        Target(name="hdlc_pair", session=_hdlc_pair, examples=noise, machines=hdlc, weight=0.6, stateful=True,
               session_inputs=64, may_raise=()),
        *(
            Target(name=name, session=_associations(settings, asking), examples=noise, machines=server + client,
                   weight=0.4, stateful=True, session_inputs=64, may_raise=())
            for name, settings in (
                ("pair_lls", bm.lls(max_receive_pdu_size=100)),
                ("pair_ciphered", bm.hls()),
            )
        ),
    ]  # fmt: skip

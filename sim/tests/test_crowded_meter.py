"""A client that floods a meter, one that never reads, one that only keeps its place: others are served all the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import structlog

from hes.clock import Clock
from hes.dlms import wrapper
from hes.dlms.hdlc.address import ServerAddress
from hes.dlms.hdlc.frame import Frame, Kind
from hes.links.line_transport import HIGH_WATER_OCTETS
from hes.links.registry import Links
from hes.protocols.wrapper_session import WrapperSession
from sim.finding_log import LINES_PER_SECOND
from sim.meter_door import CONNECTIONS_MAX, FIRST_FRAME_S, LOOK_EVERY_S, SILENT_S, Door, MakeLine
from sim.meter_lines import HdlcLine, WrapperLine
from sim.tests.hdlc_session import HdlcSession
from sim.tests.test_expose import PATIENCE_S, PUBLIC, associated, exposed, play, play_virtually, serving

AARQ = bytes.fromhex("601DA109060760857405080101BE10040E01000000065F1F040000101FFFFF")
OBJECT_LIST = wrapper.encode(PUBLIC, 1, bytes.fromhex("C001C1000F0000280000FF0200"))
SNRM = Frame(ServerAddress(1).encode(), bytes((PUBLIC << 1 | 1,)), Kind.SNRM | 0x10).encode()
REQUESTS = 20_000
UA_OCTETS = 32
"""Our answer to SNRM: as many octets as that has parameters."""


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as captured:
        yield captured


class Silent(asyncio.Protocol):
    """Notes what comes and when it is over. complete: done when `wanted_octets` are here."""

    def __init__(self) -> None:
        self.got = bytearray()
        self.wanted_octets = 0
        self.complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.got += data
        if len(self.got) == self.wanted_octets:
            self.complete.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(None)


async def connect(links: Links, url: str, octets: bytes = b"") -> tuple[asyncio.Transport, Silent]:
    transport, silent = await links.connect(url, Silent)
    transport.write(octets)
    return transport, silent


@asynccontextmanager
async def opened(
    url: str, make: MakeLine, links: Links | None = None, clock: Clock | None = None
) -> AsyncIterator[tuple[str, Door]]:
    """A meter behind a door that can be looked at; gives the URL to connect to too."""
    meters = exposed(clock=clock)
    door = Door(meters.stations, meters.clock)
    listener = await (links or Links()).listen(url, partial(make, door))
    yield listener.addresses[0], door
    listener.close()
    door.close()


def test_a_client_that_never_reads_is_not_answered_on_and_others_are_served() -> None:
    async def main(links: Links, clock: Clock) -> None:
        async with opened("sim-listen://meter", WrapperLine, links, clock) as (url, door):
            transport, _ = await connect(links, url, wrapper.encode(PUBLIC, 1, AARQ))
            transport.pause_reading()
            transport.write(OBJECT_LIST * REQUESTS)
            await asyncio.sleep(10)
            line = next(iter(door.lines))
            assert line._transport is not None
            assert not line._transport.is_reading()
            assert HIGH_WATER_OCTETS < line._transport.get_write_buffer_size() < 10 * HIGH_WATER_OCTETS
            assert line.frames() < len(OBJECT_LIST) * REQUESTS / 2
            make = partial(WrapperSession, client_sap=PUBLIC, server_sap=1, timeout_s=PATIENCE_S)
            _, other = await links.connect(url, make)
            await associated(other.exchange, PUBLIC)
            transport.resume_reading()
            await asyncio.sleep(10)
            assert line.frames() == len(OBJECT_LIST) * REQUESTS + wrapper.HEADER_OCTETS + len(AARQ), "it goes on"

    play_virtually(main)


def test_every_frame_of_a_flood_is_answered_in_the_end_and_others_meanwhile() -> None:
    async def main() -> None:
        async with opened("tcp-listen://127.0.0.1:0", HdlcLine) as (url, _):
            transport, flood = await connect(Links(), url)
            flood.wanted_octets = UA_OCTETS * REQUESTS
            transport.write(SNRM * REQUESTS)
            await asyncio.sleep(0)
            _, other = await Links().connect(url, partial(HdlcSession, PUBLIC + 1, ServerAddress(1)))
            await other.open()
            assert len(flood.got) < flood.wanted_octets / 2
            await flood.complete
            transport.abort()
            other.transport.abort()

    play(main)


@pytest.mark.parametrize("hdlc", [False, True], ids=["wrapper", "HDLC"])
@pytest.mark.parametrize("octets", [b"", b"\x00\x01", b"\x7e\xa0"], ids=["nothing", "half a header", "half a frame"])
def test_connections_without_a_frame_give_their_places_back(lines: list[Any], hdlc: bool, octets: bytes) -> None:
    if not hdlc and octets.startswith(b"\x7e"):
        return  # that is no wrapper, and ends at once

    async def main(links: Links, clock: Clock) -> None:
        async with serving("sim-listen://meter", exposed(clock=clock), hdlc=hdlc, links=links) as url:
            loop = asyncio.get_running_loop()
            held = [(await connect(links, url, octets))[1] for _ in range(CONNECTIONS_MAX)]
            begin_s = loop.time()
            await asyncio.wait([each.lost for each in held])
            assert FIRST_FRAME_S <= loop.time() - begin_s <= FIRST_FRAME_S + LOOK_EVERY_S + 1
            if not hdlc:
                make = partial(WrapperSession, client_sap=PUBLIC, server_sap=1, timeout_s=PATIENCE_S)
                _, session = await links.connect(url, make)
                await associated(session.exchange, PUBLIC)

    play_virtually(main)
    assert [line["event"] for line in lines].count("connection_ended") == CONNECTIONS_MAX


def test_a_connection_lives_as_long_as_an_association_without_a_word_and_anew_after_each() -> None:
    async def main(links: Links, clock: Clock) -> None:
        async with serving("sim-listen://meter", exposed(clock=clock), hdlc=False, links=links) as url:
            loop = asyncio.get_running_loop()
            transport, client = await connect(links, url)
            for _ in range(3):
                transport.write(wrapper.encode(PUBLIC, 1, AARQ))
                said_s = loop.time()
                await asyncio.wait([client.lost], timeout=SILENT_S - 1)
                assert not client.lost.done()
            await client.lost
            assert SILENT_S <= loop.time() - said_s <= SILENT_S + LOOK_EVERY_S + 1

    play_virtually(main)


def test_a_client_that_never_reads_loses_its_place_too() -> None:
    async def main(links: Links, clock: Clock) -> None:
        async with serving("sim-listen://meter", exposed(clock=clock), hdlc=False, links=links) as url:
            transport, client = await connect(links, url, wrapper.encode(PUBLIC, 1, AARQ))
            transport.pause_reading()
            transport.write(OBJECT_LIST * 1000)
            async with asyncio.timeout(2 * SILENT_S):
                await client.lost

    play_virtually(main)


def test_a_line_is_never_given_up() -> None:
    async def main() -> None:
        async with opened("pty-listen://auto?baud=921600", HdlcLine) as (url, door):
            _, session = await Links().connect(url, partial(HdlcSession, PUBLIC, ServerAddress(1)))
            await session.open()
            (line,) = door.lines
            for _ in range(int(2 * SILENT_S / LOOK_EVERY_S)):
                line.look_after()
            await session.close()
            session.transport.close()

    play(main)


# -- what broken input leaves in the log


def said_after(octets: bytes, *, hdlc: bool, waiting_s: float = 1.0) -> None:
    """A client says that, waits, and goes."""

    async def main(links: Links, clock: Clock) -> None:
        async with serving("sim-listen://meter", exposed(clock=clock), hdlc=hdlc, links=links) as url:
            transport, _ = await connect(links, url, octets)
            await asyncio.sleep(waiting_s)
            transport.close()
            await asyncio.sleep(1)

    play_virtually(main)


def test_a_frame_to_a_logical_device_that_is_not_there_is_named(lines: list[Any]) -> None:
    said_after(wrapper.encode(PUBLIC, 9, AARQ), hdlc=False)
    (line,) = lines
    assert (line["event"], line["kind"], line["client"]) == ("peer_broke_a_rule", "unknown_logical_device", PUBLIC)
    assert line["text"] == "a frame to wPort 9; here is 1"


def test_many_of_them_are_counted(lines: list[Any]) -> None:
    said_after(wrapper.encode(PUBLIC, 9, AARQ) * 1000, hdlc=False)
    assert len(lines) == LINES_PER_SECOND + 1
    assert lines[-1]["left_out"] == 1000 - LINES_PER_SECOND


def test_a_connection_that_ends_inside_a_frame_is_told(lines: list[Any]) -> None:
    said_after(wrapper.encode(PUBLIC, 1, AARQ)[:20], hdlc=False)
    (line,) = lines
    assert line["event"] == "connection_ended"
    assert line["reason"] == "the client ended it inside a frame, of which 20 octets had come"


BAD_FCS = SNRM[:-2] + bytes((SNRM[-2] ^ 1,)) + SNRM[-1:]


@pytest.mark.parametrize(
    ("octets", "counts"),
    [
        (BAD_FCS * 100 + SNRM, {"frames": 1, "refused": 100}),
        (SNRM[:5], {"frames": 0, "truncated": 1}),
        (b"GET / HTTP/1.1", {"frames": 0, "octets_between": 14}),
    ],
    ids=["wrong FCS", "half a frame", "no frame"],
)
def test_what_is_no_hdlc_frame_is_one_line_with_counts(lines: list[Any], octets: bytes, counts: dict[str, int]) -> None:
    said_after(octets, hdlc=True)
    (line,) = lines
    assert line["event"] == "line_was_noisy"
    assert {name: line[name] for name in counts} == counts


def test_frames_to_other_addresses_are_counted_once_it_is_over(lines: list[Any]) -> None:
    said_after(Frame(ServerAddress(9).encode(), SNRM[4:5], Kind.SNRM | 0x10).encode() * 3, hdlc=True)
    (line,) = lines
    assert (line["event"], line["frames"]) == ("frames_for_nobody", 3)
    assert line["here"][0] == str(ServerAddress(1))


def test_noise_is_told_while_a_line_lives_and_not_again_before_there_is_more(lines: list[Any]) -> None:
    said_after(BAD_FCS + SNRM, hdlc=True, waiting_s=3 * LOOK_EVERY_S)
    assert [line["event"] for line in lines] == ["line_was_noisy"]


@pytest.mark.parametrize("hdlc", [False, True], ids=["wrapper", "HDLC"])
def test_an_orderly_client_leaves_no_line(lines: list[Any], hdlc: bool) -> None:
    said_after(SNRM * 2 if hdlc else wrapper.encode(PUBLIC, 1, AARQ), hdlc=hdlc)
    assert lines == []

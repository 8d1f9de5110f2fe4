"""Simulated meters on real links: wrapper and HDLC over TCP, several meters on one pseudo-terminal."""

from __future__ import annotations

import asyncio
import os
import pty
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from unittest.mock import MagicMock

import pytest
from gurux_dlms import GXDLMSClient, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType
from gurux_dlms.objects import GXDLMSRegister

from hes.clock import Clock, SystemClock
from hes.dlms import axdr, profile_buffer
from hes.dlms.client import Client
from hes.dlms.client.settings import ClientSecurity, ClientSettings
from hes.dlms.codes import Mechanism
from hes.dlms.cosem_time import date_time_octets, epoch_s
from hes.dlms.hdlc.address import ServerAddress
from hes.dlms.hdlc.link_events import DownReason
from hes.dlms.hdlc.link_settings import INACTIVITY_S, ClientLinkSettings
from hes.dlms.obis import Obis
from hes.dlms.security import SecurityControl
from hes.dlms.selective_access import CaptureObject, by_range
from hes.entropy import SystemEntropy
from hes.errors import ConfigError, LinkError
from hes.links.registry import Links, LinkUrl, ProtocolFactory
from hes.protocols.dlms_cosem import DlmsSession
from hes.protocols.wrapper_session import SessionLost, WrapperSession
from sim import run_loop
from sim.clock import VirtualClock
from sim.expose import ExposedMeters, serve_meters
from sim.loop import VirtualLoop
from sim.media.net import Lan, SimNet
from sim.meter.capture import true_rows
from sim.meter.keys import meter_keys
from sim.meter.load import Quantity
from sim.meter_door import CONNECTIONS_MAX
from sim.tests.hdlc_session import HdlcSession
from sim.tests.small_worlds import small
from sim.world import parse

PATIENCE_S = 60
PUBLIC, BENCH, MANAGEMENT = 16, 3, 1
START_S = 1_900_000_000
HOUR_S = 3600
COUNTER = Obis.parse("0.0.43.1.0.255")
LOAD_PROFILE = Obis.parse("1.0.99.1.0.255")
CLOCK = CaptureObject(8, Obis.parse("0.0.1.0.0.255"), 2)
NAME = Obis.parse("0.0.42.0.0.255")
CHANNELS = ("active_import", "active_export", "reactive_import", "reactive_export")
Exchange = Callable[[bytes], Awaitable[bytes]]
Open = Callable[[int], Awaitable[Exchange]]
"""Given a client, gives the way to exchange APDUs as that client."""


@asynccontextmanager
async def serving(url: str, meters: ExposedMeters, *, hdlc: bool, links: Links | None = None) -> AsyncIterator[str]:
    """Meters at `url`; gives the URL to connect to."""
    announced: asyncio.Future[Sequence[str]] = asyncio.get_running_loop().create_future()
    service = serve_meters(links or Links(), url, meters, announced.set_result, hdlc=hdlc)
    running = asyncio.ensure_future(service)
    try:
        await asyncio.wait((announced, running), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        yield announced.result()[0]
    finally:
        running.cancel()
        await asyncio.wait((running,))


def play(main: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await main()

    asyncio.run(bounded())


def play_virtually(main: Callable[[Links, Clock], Coroutine[None, None, None]]) -> None:
    """The same in virtual time: `main` gets links and a clock of a world in which a second takes no time."""
    loop = VirtualLoop()
    links = SimNet(loop).links(Lan(loop))
    run_loop.run(main(links, VirtualClock(loop, START_S)), loop=loop)


def exposed(first: str | None = None, count: int = 1, clock: Clock | None = None) -> ExposedMeters:
    return ExposedMeters(parse.parse_text(small()), first, count, clock=clock)


async def associated(exchange: Exchange, client_sap: int) -> DlmsSession:
    session = DlmsSession(Client(ClientSettings(client_sap=client_sap)), exchange, SystemEntropy())
    await session.open()
    return session


async def device_name(exchange: Exchange) -> bytes:
    session = await associated(exchange, BENCH)
    return axdr.decode_value(await session.get(1, Obis.parse("0.0.42.0.0.255"), 2))[0]


async def read_rows(open_as: Open, meters: ExposedMeters, place: int = 0) -> dict[int, tuple[int, ...]]:
    """The last six hours' load profile of a meter through its ciphered association: values by stamp."""
    device = meters.devices[place]
    public = DlmsSession(Client(ClientSettings(client_sap=PUBLIC)), await open_as(PUBLIC), SystemEntropy())
    await public.open()
    counter, _ = axdr.decode_value(await public.get(1, COUNTER, 2))
    await public.release()
    settings = ClientSettings(
        client_sap=MANAGEMENT,
        mechanism=Mechanism.HLS_GMAC,
        security=ClientSecurity(
            system_title=b"AMLTEST1",
            keys=meter_keys(meters.population.world.seed, device.system_title).global_keys,
            control=SecurityControl.of(),
            server_system_title=device.system_title,
        ),
    )
    client = Client(settings, send_counter=counter + 1)
    session = DlmsSession(client, await open_as(MANAGEMENT), SystemEntropy())
    await session.open()
    name, _ = axdr.decode_value(await session.get(1, NAME, 2))
    assert name == device.identity.logical_device_name, "it must be this meter and no other"
    last_s = int(meters.clock.epoch_s()) // HOUR_S * HOUR_S
    selection = by_range(CLOCK, date_time_octets(last_s - 6 * HOUR_S), date_time_octets(last_s))
    rows = profile_buffer.decode_rows(await session.get(7, LOAD_PROFILE, 2, selection))
    await session.release()
    found: dict[int, tuple[int, ...]] = {}
    stamp_s = 0
    for clock, _status, *values in rows:
        stamp_s = epoch_s(clock) if clock else stamp_s + 900
        found[stamp_s] = tuple(values)
    return found


def truth(meters: ExposedMeters, place: int = 0) -> dict[int, tuple[int, ...]]:
    """The same from the meter's own function."""
    now_s = meters.clock.epoch_s()
    last_s = int(now_s) // HOUR_S * HOUR_S
    meter = meters.stations[place].endpoint.meter()
    rows = true_rows(meter, "load-profile", now_s, last_s - 6 * HOUR_S, last_s)
    return {row.stamp_s: tuple(row.values[channel] for channel in CHANNELS) for row in rows}


# -- the wrapper


async def over_wrapper(url: str, client_sap: int) -> Exchange:
    make = partial(WrapperSession, client_sap=client_sap, server_sap=1, timeout_s=PATIENCE_S)
    _, session = await Links().connect(url, make)
    return session.exchange


def test_a_meter_on_the_wrapper_says_over_tcp_what_its_own_function_says() -> None:
    async def main() -> None:
        meters = exposed("east-0003")
        async with serving("tcp-listen://127.0.0.1:0", meters, hdlc=False) as url:
            rows = await read_rows(partial(over_wrapper, url), meters)
            assert len(rows) == 25
            assert rows == truth(meters)
            assert not meters.stations[0].endpoint.is_awake, "released: nothing is kept"

    play(main)


def test_an_association_ends_with_the_last_connection() -> None:
    async def main(links: Links, clock: Clock) -> None:
        meters = exposed(clock=clock)
        endpoint = meters.stations[0].endpoint
        async with serving("sim-listen://meter", meters, hdlc=False, links=links) as url:
            make = partial(WrapperSession, client_sap=PUBLIC, server_sap=1, timeout_s=PATIENCE_S)
            (first, session), (second, _) = [await links.connect(url, make) for _ in range(2)]
            await associated(session.exchange, PUBLIC)
            first.abort()
            await asyncio.sleep(1)
            assert endpoint.is_awake
            second.abort()
            await asyncio.sleep(1)
            assert not endpoint.is_awake

    play_virtually(main)


def test_one_connection_too_many_is_closed_and_the_others_live() -> None:
    async def main() -> None:
        async with serving("tcp-listen://127.0.0.1:0", exposed(), hdlc=False) as url:
            make = partial(WrapperSession, client_sap=PUBLIC, server_sap=1, timeout_s=PATIENCE_S)
            sessions = [(await Links().connect(url, make))[1] for _ in range(CONNECTIONS_MAX + 1)]
            await associated(sessions[0].exchange, PUBLIC)
            with pytest.raises(SessionLost):
                await associated(sessions[-1].exchange, PUBLIC)
            for session in sessions:
                session.close()

    play(main)


def test_octets_that_are_no_wrapper_end_the_connection() -> None:
    async def main() -> None:
        async with serving("tcp-listen://127.0.0.1:0", exposed(), hdlc=False) as url:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert await reader.read() == b""
            writer.close()

    play(main)


# -- HDLC


async def over_hdlc(url: str, server: ServerAddress, sessions: list[HdlcSession], client_sap: int) -> Exchange:
    """One connection for all links: where there is one already, its line is used again, as on a bus."""
    settings = ClientLinkSettings(response_s=PATIENCE_S / 4)
    if sessions:
        await sessions[-1].close()
    session = HdlcSession(client_sap, server, settings)
    if sessions:
        sessions[0].transport.set_protocol(session)
        session.connection_made(sessions[0].transport)
    else:
        await Links().connect(url, lambda: session)
    sessions.append(session)
    await session.open()
    return session.exchange


@pytest.mark.parametrize(
    "server",
    [ServerAddress(1), ServerAddress(1, 17, 2), ServerAddress(1, 17, 4)],
    ids=["one octet", "two octets", "four octets"],
)
def test_a_meter_on_hdlc_says_over_tcp_what_its_own_function_says(server: ServerAddress) -> None:
    async def main() -> None:
        meters = exposed("east-0002")
        sessions: list[HdlcSession] = []
        async with serving("tcp-listen://127.0.0.1:0", meters, hdlc=True) as url:
            rows = await read_rows(partial(over_hdlc, url, server, sessions), meters)
            assert len(rows) == 25, "more than one segment"
            assert rows == truth(meters)
            down = await sessions[-1].close()
            assert down.reason is DownReason.CLOSED_BY_US

    play(main)


def test_three_meters_on_one_pseudo_terminal_answer_each_at_its_own_address() -> None:
    async def main() -> None:
        meters = exposed("east-0002", 3)
        sessions: list[HdlcSession] = []
        async with serving("pty-listen://auto?baud=921600", meters, hdlc=True) as url:
            for place in (2, 0, 1):
                server = ServerAddress(1, meters.stations[place].lower, 2)
                rows = await read_rows(partial(over_hdlc, url, server, sessions), meters, place)
                assert rows == truth(meters, place)
            assert [station.lower for station in meters.stations] == [17, 18, 19]
            sessions[0].transport.close()

    play(main)


def test_where_several_meters_are_nobody_answers_to_the_logical_device_alone() -> None:
    async def main() -> None:
        async with serving("tcp-listen://127.0.0.1:0", exposed(count=2), hdlc=True) as url:
            quick = ClientLinkSettings(response_s=0.05, retries_max=0)
            transport, session = await Links().connect(url, lambda: HdlcSession(PUBLIC, ServerAddress(1), quick))
            with pytest.raises(AssertionError, match="fell silent"):
                await session.open()
            transport.abort()

    play(main)


def test_a_link_that_ends_takes_its_clients_association_with_it_and_no_other() -> None:
    async def main(links: Links, clock: Clock) -> None:
        meters = exposed(clock=clock)
        endpoint = meters.stations[0].endpoint
        async with serving("sim-listen://meter", meters, hdlc=True, links=links) as url:
            ends = []
            for client_sap in (PUBLIC, BENCH):
                _, session = await links.connect(url, partial(HdlcSession, client_sap, ServerAddress(1)))
                await session.open()
                await associated(session.exchange, client_sap)
                ends.append(session)
            await ends[0].close()
            assert endpoint.is_awake
            ends[1].transport.abort()
            await asyncio.sleep(1)
            assert not endpoint.is_awake

    play_virtually(main)


def test_a_link_that_nobody_uses_is_forgotten_and_its_association_too() -> None:
    async def main(links: Links, clock: Clock) -> None:
        meters = exposed(clock=clock)
        endpoint = meters.stations[0].endpoint
        async with serving("sim-listen://meter", meters, hdlc=True, links=links) as url:
            _, session = await links.connect(url, partial(HdlcSession, PUBLIC, ServerAddress(1)))
            await session.open()
            await associated(session.exchange, PUBLIC)
            await asyncio.sleep(INACTIVITY_S - 1)
            assert endpoint.is_awake
            await asyncio.sleep(2)
            assert not endpoint.is_awake

    play_virtually(main)


def gurux_read(url: str, lower: int) -> int:
    """The active energy that the unmodified gurux client reads over HDLC, on a socket of its own."""
    client = GXDLMSClient(True, PUBLIC, 1, Authentication.NONE, None, InterfaceType.HDLC)
    client.serverAddress = GXDLMSClient.getServerAddress(1, lower)
    client.clientAddress = BENCH
    host, port = url.removeprefix("tcp://").rsplit(":", 1)
    with socket.create_connection((host, int(port)), PATIENCE_S) as line:

        def ask(frames: Any) -> GXReplyData:
            reply = GXReplyData()
            for frame in frames if isinstance(frames, list) else [frames]:
                line.sendall(bytes(frame))
                octets = bytearray(line.recv(4096))
                while not client.getData(octets, reply, GXReplyData()):
                    octets += line.recv(4096)
                while reply.isMoreData():
                    line.sendall(bytes(client.receiverReady(reply)))
                    octets = bytearray(line.recv(4096))
                    while not client.getData(octets, reply, GXReplyData()):
                        octets += line.recv(4096)
            return reply

        client.parseUAResponse(ask(client.snrmRequest()).data)
        client.parseAareResponse(ask(client.aarqRequest()).data)
        register = GXDLMSRegister("1.0.1.8.0.255")
        reply = ask(client.read(register, 2))
        assert reply.error == 0
        value = client.updateValue(register, 2, reply.value)
        ask(client.disconnectRequest())
        return int(value)


def test_the_unmodified_gurux_client_reads_a_meter_over_hdlc() -> None:
    async def main() -> None:
        meters = exposed(count=2)
        async with serving("tcp-listen://127.0.0.1:0", meters, hdlc=True) as url:
            before = energy_wh(meters, 1)
            energy = await asyncio.to_thread(gurux_read, url, 18)
            assert before <= energy <= energy_wh(meters, 1)

    play(main)


def energy_wh(meters: ExposedMeters, place: int) -> int:
    meter = meters.stations[place].endpoint.meter()
    return meter.energy_mwh(Quantity.ACTIVE_IMPORT, int(meters.clock.epoch_s() * 1000)) // 1000


# -- places and meters


def test_a_serial_port_that_goes_away_ends_the_service_with_a_sentence() -> None:
    async def main() -> None:
        master, slave = pty.openpty()
        path = os.ttyname(slave)
        os.close(slave)
        loop = asyncio.get_running_loop()
        unplug = partial(loop.call_soon, os.close, master)
        with pytest.raises(LinkError, match="is gone"):
            await serve_meters(Links(), f"serial-listen://{path}", exposed(), lambda _: unplug(), hdlc=True)

    play(main)


def test_several_meters_on_the_wrapper_have_a_port_each() -> None:
    async def main() -> None:
        meters = exposed(count=3)
        announced: asyncio.Future[Sequence[str]] = asyncio.get_running_loop().create_future()
        url = "tcp-listen://127.0.0.1:0"
        running = asyncio.ensure_future(serve_meters(Links(), url, meters, announced.set_result, hdlc=False))
        try:
            places = await announced
            names = [await device_name(await over_wrapper(place, BENCH)) for place in places]
        finally:
            running.cancel()
            await asyncio.wait((running,))
        assert names == [f"AML1{device.number}".encode() for device in meters.devices]
        for place in places:  # all are closed again
            with pytest.raises(LinkError, match="refused the connection"):
                await Links().connect(place, asyncio.Protocol)

    play(main)


@pytest.mark.parametrize(
    ("url", "opened"),
    [
        ("tcp-listen://127.0.0.1:4059", ["tcp-listen://127.0.0.1:4059", "tcp-listen://127.0.0.1:4060"]),
        ("udp-listen://[::1]:65534", ["udp-listen://[::1]:65534", "udp-listen://[::1]:65535"]),
        ("tcp-listen://localhost:0", ["tcp-listen://localhost:0"] * 2),
    ],
)
def test_the_ports_follow_one_another(url: str, opened: list[str]) -> None:
    """The second one is taken: the service says so and lets go of the first."""
    asked: list[str] = []
    first = MagicMock()

    async def opener(link: LinkUrl, _: ProtocolFactory) -> Any:
        asked.append(link.text)
        if len(asked) == 2:
            raise LinkError("the port is in use")
        return first

    async def main() -> None:
        links = Links()
        links.register(url.partition(":")[0], opener)
        with pytest.raises(LinkError, match="in use"):
            await serve_meters(links, url, exposed(count=2), print, hdlc=False)

    play(main)
    assert asked == opened
    first.close.assert_called_once_with()


def test_ports_beyond_the_last_one_are_refused() -> None:
    async def main() -> None:
        with pytest.raises(ConfigError, match="2 meters from port 65535 on need ports up to 65536, 65535 is the last"):
            await serve_meters(Links(), "tcp-listen://127.0.0.1:65535", exposed(count=2), print, hdlc=False)

    play(main)


def test_several_meters_on_the_wrapper_of_one_line_are_refused() -> None:
    async def main() -> None:
        with pytest.raises(ConfigError, match="serve several on HDLC"):
            await serve_meters(Links(), "serial-listen:///dev/ttyS0", exposed(count=2), print, hdlc=False)

    play(main)


def test_meters_that_a_world_does_not_have_are_refused() -> None:
    with pytest.raises(ConfigError, match="has no meter 'north-0001'; its first is east-0001"):
        exposed("north-0001")
    with pytest.raises(ConfigError, match="has 2 meters from west-0003 on, not 3"):
        exposed("west-0003", 3)


def test_meters_are_found_by_number_and_their_clocks_are_set_when_they_start() -> None:
    number = exposed("west-0002").devices[0].number
    meters = exposed(number)
    assert meters.devices[0].name == "west-0002"
    now_ms = int(SystemClock().epoch_s() * 1000)
    assert abs(meters.stations[0].endpoint.meter().reading_ms(now_ms) - now_ms) <= 6000

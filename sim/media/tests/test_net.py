"""Simulated connections keep the contract of hes.links and fail the way TCP over a bad link fails."""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable

import pytest

from hes.errors import LinkError
from hes.links.checks import CHECKS, Check, End, Line, Rig
from sim.loop import LOOP_START_S, VirtualLoop
from sim.media.gprs import GprsModem, GprsParameters
from sim.media.net import RETRANSMIT_GIVE_UP_S, SYN_GIVE_UP_S, Lan, SimNet
from sim.run_loop import run

CALM = GprsParameters(drops_per_day=0.0, attach_failure_ratio=0.0)


async def _attached(loop: VirtualLoop, parameters: GprsParameters = CALM, name: str = "modem") -> GprsModem:
    modem = GprsModem(loop, random.Random(7), name, parameters)
    await modem.power_on()
    await modem.dial()
    return modem


def _rig(net: SimNet, link: Lan | GprsModem) -> Rig:
    return Rig(net.links(link), "sim-listen://Head-End", "sim://nobody")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_simulated_lan_keeps_the_contract_of_links(check: Check) -> None:
    loop = VirtualLoop()

    async def main() -> None:
        await check(_rig(SimNet(loop), Lan(loop)))

    run(main(), loop=loop)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_gprs_keeps_the_contract_of_links_in_fragments_too(check: Check) -> None:
    loop = VirtualLoop()

    async def main() -> None:
        net = SimNet(loop)
        net.fragment(random.Random(1), octets_max=9000)
        await check(_rig(net, await _attached(loop, GprsParameters(drops_per_day=0.0, up_bit_s=1e9, down_bit_s=1e9))))

    run(main(), loop=loop)


class Ends:
    """A connection over a GPRS modem, with both ends in hand."""

    def __init__(self, net: SimNet, modem: GprsModem, line: Line, site: End, centre: End) -> None:
        self.net, self.modem, self.line, self.site, self.centre = net, modem, line, site, centre

    @classmethod
    async def open(cls, loop: VirtualLoop, parameters: GprsParameters = CALM) -> "Ends":
        net = SimNet(loop)
        modem = await _attached(loop, parameters)
        line = await Line.open(_rig(net, modem))
        return cls(net, modem, line, *await line.dial())


def _story(story: Callable[[VirtualLoop, Ends], Awaitable[None]], parameters: GprsParameters = CALM) -> None:
    """Run `story(loop, ends)` in virtual time."""
    loop = VirtualLoop()

    async def main() -> None:
        await story(loop, await Ends.open(loop, parameters))

    run(main(), loop=loop)


def test_a_modem_that_loses_the_network_ends_its_own_side_only() -> None:
    async def story(loop: VirtualLoop, ends: Ends) -> None:
        ends.modem.drop()
        await ends.site.until_lost()
        assert isinstance(ends.site.error, ConnectionAbortedError)
        await asyncio.sleep(7200.0)
        assert ends.centre.events == ["made"], "nobody told the other side"
        written_s = loop.now_s
        ends.centre.pipe.write(b"hello?")
        await asyncio.sleep(100.0)
        ends.centre.pipe.write(b"hello??")
        with pytest.raises(TimeoutError):
            await ends.centre.until_lost()
        await asyncio.sleep(RETRANSMIT_GIVE_UP_S)
        assert isinstance(ends.centre.error, TimeoutError)
        assert not ends.site.received
        assert loop.now_s > written_s + RETRANSMIT_GIVE_UP_S
        assert not ends.net.connections

    _story(story)


def test_octets_wait_out_a_short_outage_and_arrive_in_order() -> None:
    async def story(loop: VirtualLoop, ends: Ends) -> None:
        ends.site.pipe.write(b"one ")
        ends.modem.begin_outage()
        ends.site.pipe.write(b"two ")
        ends.centre.pipe.write(b"down")
        await asyncio.sleep(30.0)
        assert bytes(ends.centre.received) == b"one ", "what was on its way arrives"
        assert not ends.site.received
        ends.modem.end_outage()
        ends.site.pipe.write(b"three")
        await ends.centre.until_received(13)
        await ends.site.until_received(4)
        assert bytes(ends.centre.received) == b"one two three"

    _story(story)


def test_a_long_outage_costs_the_data_connection() -> None:
    async def story(loop: VirtualLoop, ends: Ends) -> None:
        began_s = loop.now_s
        ends.modem.begin_outage()
        await asyncio.sleep(61.0)
        assert ends.site.events[-1] == "lost"
        assert not ends.modem.is_attached
        with pytest.raises(LinkError, match="the modem has no data connection"):
            await ends.line.rig.links.connect("sim://Head-End", End)
        with pytest.raises(LinkError, match="does not answer"):
            await ends.modem.dial()
        assert not await ends.modem.ping()
        ends.modem.end_outage()
        await ends.modem.dial()
        assert await ends.modem.ping()
        _, again = await ends.line.dial()
        assert again.events == ["made"]
        assert loop.now_s - began_s < 200.0

    _story(story)


def test_an_idle_connection_is_forgotten_in_the_middle() -> None:
    async def story(loop: VirtualLoop, ends: Ends) -> None:
        await asyncio.sleep(ends.modem.nat_idle_s - 5.0)
        ends.centre.pipe.write(b"in time")
        await ends.site.until_received(7)
        await asyncio.sleep(ends.modem.nat_idle_s + 1.0)
        ends.centre.pipe.write(b"too late")
        await asyncio.sleep(60.0)
        assert bytes(ends.site.received) == b"in time"
        ends.site.pipe.write(b"heartbeat")
        await ends.site.until_lost()
        assert isinstance(ends.site.error, ConnectionResetError), "the site hears it as soon as it speaks"
        assert ends.centre.events == ["made"]
        await asyncio.sleep(RETRANSMIT_GIVE_UP_S)
        assert isinstance(ends.centre.error, TimeoutError)

    _story(story)


def test_the_site_hears_a_reset_when_it_is_the_first_to_use_a_forgotten_connection() -> None:
    async def story(loop: VirtualLoop, ends: Ends) -> None:
        await asyncio.sleep(ends.modem.nat_idle_s + 1.0)
        ends.site.pipe.write(b"heartbeat")
        await ends.site.until_lost()
        assert isinstance(ends.site.error, ConnectionResetError)
        assert ends.centre.events == ["made"]

    _story(story)


def test_the_first_segment_after_a_pause_pays_for_the_block_flow_and_large_ones_for_the_rate() -> None:
    fixed = GprsParameters(
        round_trip_s=(0.6, 0.6), flow_setup_s=(1.5, 1.5), drops_per_day=0.0, attach_failure_ratio=0.0, attach_s=(9, 9)
    )

    async def story(loop: VirtualLoop, ends: Ends) -> None:
        async def latency_s(octets_count: int, end: End, other: End) -> float:
            sent_s, before = loop.now_s, len(other.received)
            end.pipe.write(bytes(octets_count))
            await other.until_received(before + octets_count)
            return loop.now_s - sent_s

        await asyncio.sleep(10.0)
        assert await latency_s(20, ends.site, ends.centre) == pytest.approx(0.3 + 1.5 + 60 * 8 / 26_800)
        assert await latency_s(20, ends.site, ends.centre) == pytest.approx(0.3 + 60 * 8 / 26_800)
        assert await latency_s(1000, ends.centre, ends.site) == pytest.approx(0.3 + 1040 * 8 / 53_600)
        await asyncio.sleep(0.5)
        ends.site.pipe.write(bytes(1000))  # the line is busy with these when the next are written
        expected_s = 0.3 + (1040 + 3000 + 3 * 40) * 8 / 26_800
        assert await latency_s(3000, ends.site, ends.centre) == pytest.approx(expected_s)

    _story(story, fixed)


def test_the_operator_drops_the_data_connection_as_often_as_said() -> None:
    loop = VirtualLoop()

    async def main() -> None:
        modem = await _attached(loop, GprsParameters(drops_per_day=4.0, attach_failure_ratio=0.0))
        until_s = loop.now_s + 100 * 86400
        while loop.now_s < until_s:
            await asyncio.sleep(60.0)
            await modem.dial()
        assert modem.drops_count == pytest.approx(400, rel=0.15)

    run(main(), loop=loop)


def test_a_modem_needs_power_registration_and_luck() -> None:
    loop = VirtualLoop()

    async def main() -> None:
        modem = GprsModem(loop, random.Random(1), "modem", GprsParameters(attach_failure_ratio=1.0))
        assert modem.trouble() == "the modem has no data connection"
        with pytest.raises(LinkError, match="does not answer"):
            await modem.dial()
        assert loop.now_s - LOOP_START_S == pytest.approx(75.0)
        await modem.power_on()
        with pytest.raises(LinkError, match="refused"):
            await modem.dial()
        modem.begin_outage()
        with pytest.raises(LinkError, match="no network registration"):
            await modem.power_on()

    run(main(), loop=loop)


def test_a_network_that_swallows_everything_makes_connecting_time_out() -> None:
    async def story(loop: VirtualLoop, ends: Ends) -> None:
        ends.modem.begin_outage()
        began_s = loop.now_s
        with pytest.raises(LinkError, match="did not answer"):
            await ends.line.rig.links.connect("sim://Head-End", End)
        assert loop.now_s - began_s == pytest.approx(SYN_GIVE_UP_S)

    _story(story)


def test_a_fixed_line_holds_octets_through_an_outage() -> None:
    loop = VirtualLoop()

    async def main() -> None:
        net, lan = SimNet(loop), Lan(loop, "fibre")
        line = await Line.open(_rig(net, lan))
        near, far = await line.dial()
        lan.begin_outage()
        near.pipe.write(b"x")
        await asyncio.sleep(600.0)
        assert not far.received
        lan.end_outage()
        await far.until_received(1)
        lan.drop()
        await near.until_lost()
        await far.until_lost()
        assert isinstance(near.error, ConnectionResetError)

    run(main(), loop=loop)


def test_a_stalled_connection_delivers_late_and_a_reset_one_not_at_all() -> None:
    loop = VirtualLoop()

    async def main() -> None:
        net = SimNet(loop)
        line = await Line.open(_rig(net, Lan(loop, "site-7")))
        near, far = await line.dial()
        [connection] = net.connections_of("site-7")
        assert net.connections_of("Head-End") == [connection]
        connection.stall(loop.now_s + 40.0)
        stalled_s = loop.now_s
        near.pipe.write(b"late")
        with pytest.raises(TimeoutError):
            await far.until_received(4)  # within the 30 s that it waits at most
        await far.until_received(4)
        assert loop.now_s - stalled_s == pytest.approx(40.0)
        connection.reset()
        await near.until_lost()
        await far.until_lost()
        assert not net.connections

    run(main(), loop=loop)


def test_an_observer_sees_each_segment_where_it_arrives() -> None:
    loop = VirtualLoop()
    seen: list[tuple[float, int, bool, bytes]] = []

    async def main() -> None:
        net = SimNet(loop, on_segment=lambda *segment: seen.append(segment))
        line = await Line.open(_rig(net, Lan(loop, latency_s=0.25)))
        near, far = await line.dial()
        near.pipe.write(b"up")
        await far.until_received(2)
        far.pipe.write(b"down")
        await near.until_received(4)

    run(main(), loop=loop)
    assert [(number, is_from_site, octets) for _, number, is_from_site, octets in seen] == [
        (1, True, b"up"),
        (1, False, b"down"),
    ]
    assert seen[1][0] - seen[0][0] == pytest.approx(0.25)


def test_an_exception_in_a_protocol_ends_its_connection_and_reaches_the_loops_handler() -> None:
    loop = VirtualLoop()
    complaints: list[BaseException] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context["exception"]))

    class Broken(End):
        def data_received(self, data: bytes) -> None:
            raise ValueError("cannot read this")

    async def main() -> None:
        net = SimNet(loop)
        links = net.links(Lan(loop))
        ends: list[Broken] = []

        def accept() -> Broken:
            ends.append(Broken())
            return ends[-1]

        await links.listen("sim-listen://Head-End", accept)
        _, near = await links.connect("sim://Head-End", End)
        near.pipe.write(b"x")
        await near.until_lost()
        assert ends[0].events == ["made", "lost"]

    run(main(), loop=loop)
    assert [type(complaint) for complaint in complaints] == [ValueError]


def test_a_thousand_dialling_modems_repeat_exactly_from_a_seed() -> None:
    def connect_all(seed: int) -> list[float]:
        loop = VirtualLoop()
        times: list[float] = []

        async def dial(net: SimNet, number: int) -> None:
            modem = GprsModem(loop, random.Random(f"{seed}-{number}"), f"modem-{number}", CALM)
            await modem.power_on()
            await modem.dial()
            await net.links(modem).connect("sim://Head-End", End)
            times.append(loop.now_s)

        async def main() -> None:
            net = SimNet(loop)
            await net.links(Lan(loop)).listen("sim-listen://Head-End", End)
            async with asyncio.TaskGroup() as tasks:
                for number in range(300):
                    tasks.create_task(dial(net, number))

        run(main(), loop=loop)
        return times

    times = connect_all(1)
    assert times == connect_all(1)
    assert times != connect_all(2)
    assert times == sorted(times)
    assert math.isfinite(times[-1])


def test_an_answer_too_large_for_the_buffer_pauses_the_writer_inside_its_own_callback() -> None:
    """`pause_writing` comes from `write`, which a protocol calls in `data_received`: the connection must live on."""
    loop, size = VirtualLoop(), 1 << 20

    class Answering(asyncio.Protocol):
        def __init__(self) -> None:
            self.paused = 0

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.write(bytes(size))

        def pause_writing(self) -> None:
            self.paused += 1

    class Asking(asyncio.Protocol):
        def __init__(self) -> None:
            self.received = 0
            self.whole = loop.create_future()

        def data_received(self, data: bytes) -> None:
            self.received += len(data)
            if self.received == size:
                self.whole.set_result(None)

    async def main() -> None:
        links, answering = SimNet(loop).links(Lan(loop)), Answering()
        await links.listen("sim-listen://place", lambda: answering)
        transport, asking = await links.connect("sim://place", Asking)
        transport.write(b"go")
        async with asyncio.timeout(3600):
            await asking.whole
        assert answering.paused == 1

    run(main(), loop=loop)

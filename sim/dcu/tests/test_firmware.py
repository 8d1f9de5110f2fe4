"""A concentrator's firmware in virtual time, against a small head-end and meters that do as they are told."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest

from hes.clock import SystemClock
from hes.dlms import gateway, wrapper
from hes.entropy import SystemEntropy
from hes.links import Links
from hes.protocols import qgdw376
from hes.protocols.framing import StreamSplitter, WrapperFrame
from hes.protocols.qgdw376 import ConfirmStyle, LinkService, Qgdw376Frame, TerminalId
from sim.clock import VirtualClock
from sim.dcu.config import DcuConfig, OwnWork
from sim.dcu.firmware import Dcu
from sim.dcu.forwarding import Refusal
from sim.dcu.ports import FixedLine, MeterSilent, Modem, UnknownMeter
from sim.dcu.states import Event, State
from sim.loop import LOOP_START_S, VirtualLoop
from sim.media.gprs import GprsModem, GprsParameters
from sim.media.net import Lan, SimNet
from sim.run_loop import run
from sim.streams import SeededEntropy, Streams

TERMINAL = TerminalId.parse("0731012C")
GOOD, MUTE, SLOW, STRANGER = b"037229132750", b"037229132751", b"037229132752", b"000000000000"
GET_CLOCK = bytes.fromhex("C001C100080000010000FF0200")
CONFIG = DcuConfig(
    terminal=TERMINAL, main_url="sim://main", meters=(GOOD, MUTE, SLOW), heartbeat_s=60.0, meter_timeout_s=20.0
)


class HeadEnd(asyncio.Protocol):
    """Accepts concentrators, confirms what they send while `is_answering`, and keeps all frames with their times."""

    def __init__(self) -> None:
        self.is_answering = True
        self.style = ConfirmStyle.WHOLE_FRAME
        self.refuses = False
        self.frames: list[tuple[float, Qgdw376Frame | WrapperFrame]] = []
        self.connected_s: list[float] = []
        self.lost_s: list[float] = []
        self.transport: asyncio.Transport
        self._splitter = StreamSplitter()
        self._changed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.connected_s.append(now_s())
        self._splitter = StreamSplitter()
        self._changed.set()

    def data_received(self, data: bytes) -> None:
        for frame in self._splitter.feed(data):
            self.frames.append((now_s(), frame))
            if isinstance(frame, Qgdw376Frame) and self.is_answering:
                answer = qgdw376.deny(frame) if self.refuses else qgdw376.confirm(frame, self.style)
                self.transport.write(answer.encode())
            self._changed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost_s.append(now_s())
        self._changed.set()

    def services(self) -> list[LinkService]:
        found = [qgdw376.link_service(frame) for _, frame in self.frames if isinstance(frame, Qgdw376Frame)]
        return [service for service in found if service is not None]

    def times_of(self, service: LinkService) -> list[float]:
        return [
            at_s
            for at_s, frame in self.frames
            if isinstance(frame, Qgdw376Frame) and qgdw376.link_service(frame) is service
        ]

    def answers(self) -> list[tuple[float, WrapperFrame]]:
        return [(at_s, frame) for at_s, frame in self.frames if isinstance(frame, WrapperFrame)]

    def ask(self, address: bytes, apdu: bytes = GET_CLOCK, network_id: int = 1) -> None:
        self.transport.write(wrapper.encode(1, 17, gateway.encode_request(network_id, address, apdu)))

    async def until(self, condition: Any, within_s: float = 3600.0) -> None:
        async with asyncio.timeout(within_s):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def until_answers(self, count: int) -> list[tuple[float, gateway.GatewayFrame]]:
        await self.until(lambda: len(self.answers()) >= count)
        return [(at_s, gateway.decode(frame.apdu)) for at_s, frame in self.answers()]


@dataclass
class Meters:
    """A meter network: GOOD answers after a second, SLOW after `slow_s`, MUTE never."""

    slow_s: float = 10.0
    asked: list[tuple[float, bytes, bytes]] = field(default_factory=list)
    at_once: int = 0
    at_once_max: int = 0

    async def exchange(self, address: bytes, octets: bytes, timeout_s: float) -> bytes:
        if address == STRANGER:
            raise UnknownMeter("no such meter")
        self.asked.append((now_s(), address, octets))
        self.at_once += 1
        self.at_once_max = max(self.at_once, self.at_once_max)
        try:
            takes_s = {GOOD: 1.0, SLOW: self.slow_s}.get(address, float("inf"))
            await asyncio.sleep(min(takes_s, timeout_s))
            if takes_s > timeout_s:
                raise MeterSilent("silent")
        finally:
            self.at_once -= 1
        header = wrapper.decode_header(octets)
        return wrapper.encode(header.destination, header.source, b"\xc4" + octets[8:])


def now_s() -> float:
    return asyncio.get_running_loop().time() - LOOP_START_S


@dataclass
class Street:
    """One concentrator and one head-end in a virtual world."""

    loop: VirtualLoop
    dcu: Dcu
    main: HeadEnd
    reserve: HeadEnd
    meters: Meters
    net: SimNet
    links: Links
    history: list[tuple[float, Event, State]]


def live(
    story: Any,
    config: DcuConfig = CONFIG,
    *,
    modem: GprsParameters | None = None,
    fixed: Modem | None = None,
    listening: tuple[str, ...] = ("main", "reserve"),
    seed: int = 1,
) -> Street:
    """Run `story(street)` while the concentrator lives; the street as it is afterwards."""
    loop = VirtualLoop()
    streams = Streams(seed)
    net = SimNet(loop)
    meters = Meters()
    history: list[tuple[float, Event, State]] = []
    line: Lan | GprsModem = Lan(loop) if modem is None else GprsModem(loop, streams.stream("gprs"), "modem", modem)

    async def main() -> Street:
        dcu = Dcu(
            config,
            links=net.links(line),
            meters=meters,
            clock=VirtualClock(loop, 1_700_006_400.0),
            entropy=SeededEntropy(streams, "dcu"),
            modem=fixed or line,
            on_state=lambda _, event, after: history.append((now_s(), event, after)),
        )
        street = Street(loop, dcu, HeadEnd(), HeadEnd(), meters, net, net.links(Lan(loop)), history)
        for name in listening:
            end = getattr(street, name)
            await street.links.listen(f"sim-listen://{name}", lambda end=end: end)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(dcu.run())
            story_: Coroutine[Any, Any, None] = story(street)
            await story_
            running.cancel()
        return street

    return run(main(), loop=loop)


async def _online(street: Street) -> None:
    await street.main.until(lambda: LinkService.LOGIN in street.main.services())
    await asyncio.sleep(1.0)
    assert street.dcu.state is State.ONLINE


# -- login and heartbeat


@pytest.mark.parametrize("style", ConfirmStyle)
def test_the_concentrator_logs_in_by_its_terminal_id_and_beats_every_period(style: ConfirmStyle) -> None:
    async def story(street: Street) -> None:
        street.main.style = style
        await asyncio.sleep(600.0)

    street = live(story)
    first = street.main.frames[0][1]
    assert isinstance(first, Qgdw376Frame)
    assert first.encode()[:12].hex() == "683200320068c931072c0100"
    assert street.main.services() == [LinkService.LOGIN] + [LinkService.HEARTBEAT] * 9
    beats_s = street.main.times_of(LinkService.HEARTBEAT)
    gaps = [later - earlier for earlier, later in pairwise(beats_s)]
    assert gaps == pytest.approx([60.0] * 8, abs=0.01)
    numbers = [frame.pseq for _, frame in street.main.frames if isinstance(frame, Qgdw376Frame)]
    assert numbers == list(range(10))
    assert len(street.main.connected_s) == 1


def test_an_unanswered_login_is_sent_again_then_the_connection_is_made_anew() -> None:
    async def story(street: Street) -> None:
        street.main.is_answering = False
        await street.main.until(lambda: len(street.main.connected_s) == 2)
        street.main.is_answering = True
        await street.main.until(lambda: len(street.main.services()) == 4)
        await asyncio.sleep(1.0)
        assert street.dcu.state is State.ONLINE

    street = live(story)
    logins_s = street.main.times_of(LinkService.LOGIN)
    assert [round(later - earlier) for earlier, later in pairwise(logins_s[:3])] == [15, 15]
    assert street.main.lost_s[0] == pytest.approx(45.0, abs=0.1)
    assert 30.0 <= street.main.connected_s[1] - street.main.lost_s[0] <= 60.1


def test_a_refused_login_is_tried_again_later_and_later() -> None:
    async def story(street: Street) -> None:
        street.main.refuses = True
        await street.main.until(lambda: len(street.main.connected_s) == 5)

    street = live(story)
    rests = [up - down for down, up in zip(street.main.lost_s, street.main.connected_s[1:], strict=True)]
    assert all(30.0 * 2**index <= rest <= 60.1 * 2**index for index, rest in enumerate(rests))
    assert len(set(rests)) == 4


def test_main_and_reserve_address_are_tried_in_turn() -> None:
    async def story(street: Street) -> None:
        await street.reserve.until(lambda: len(street.reserve.services()) >= 2)

    street = live(story, replace(CONFIG, reserve_url="sim://reserve"), listening=("reserve",))
    assert street.reserve.services() == [LinkService.LOGIN, LinkService.HEARTBEAT]
    events = [event for _, event, _ in street.history]
    assert events.count(Event.CONNECT_FAILED) == 1


# -- losing the link


def test_three_unanswered_heartbeats_end_the_connection_and_a_new_one_is_made() -> None:
    async def story(street: Street) -> None:
        await _online(street)
        street.main.is_answering = False
        await street.main.until(lambda: bool(street.main.lost_s))
        street.main.is_answering = True
        await street.main.until(lambda: street.main.services().count(LinkService.LOGIN) == 2)

    street = live(story)
    assert street.main.services() == [LinkService.LOGIN, *[LinkService.HEARTBEAT] * 3, LinkService.LOGIN]
    assert street.main.lost_s[0] == pytest.approx(3 * 60.0 + 15.0, abs=1.0)
    assert 30.0 <= street.main.connected_s[1] - street.main.lost_s[0] <= 60.1


def test_an_answered_heartbeat_forgives_the_missed_ones() -> None:
    async def story(street: Street) -> None:
        await _online(street)
        for _ in range(4):
            street.main.is_answering = False
            await asyncio.sleep(130.0)
            street.main.is_answering = True
            await asyncio.sleep(70.0)

    street = live(story)
    assert not street.main.lost_s


def test_a_lost_connection_is_made_again() -> None:
    async def story(street: Street) -> None:
        await _online(street)
        street.main.transport.abort()
        await street.main.until(lambda: street.main.services().count(LinkService.LOGIN) == 2)

    street = live(story)
    assert Event.LINK_LOST in [event for _, event, _ in street.history]


def test_a_frame_that_is_no_frame_ends_the_connection() -> None:
    async def story(street: Street) -> None:
        await _online(street)
        street.main.transport.write(b"HTTP/1.1 400 Bad Request\r\n")
        await street.main.until(lambda: len(street.main.connected_s) == 2)

    live(story)


def test_a_network_that_answers_no_ping_is_dialled_again_and_the_module_reset_in_the_end() -> None:
    class DeadLine(FixedLine):
        resets = 0

        async def ping(self) -> bool:
            return False

        def power_off(self) -> None:
            self.resets += 1

    line = DeadLine()

    async def story(street: Street) -> None:
        await asyncio.sleep(400.0)

    street = live(story, fixed=line, listening=())
    events = [event for _, event, _ in street.history]
    assert events[:4] == [Event.POWER_ON, Event.MODEM_READY, Event.ATTACHED, Event.CONNECT_FAILED]
    assert events[: events.index(Event.DIALS_EXHAUSTED)].count(Event.DIAL_AGAIN) == CONFIG.redials_max
    reset_s = next(at_s for at_s, event, _ in street.history if event is Event.DIALS_EXHAUSTED)
    back_s = next(at_s for at_s, event, _ in street.history if event is Event.RESET_DONE)
    assert back_s - reset_s == pytest.approx(CONFIG.module_off_s)


# -- transparent access


def test_a_request_reaches_the_meter_without_its_prefix_and_the_answer_comes_back_with_one() -> None:
    async def story(street: Street) -> None:
        await _online(street)
        street.main.ask(GOOD, network_id=9)
        await street.main.until_answers(1)

    street = live(story)
    [(_, address, octets)] = street.meters.asked
    assert (address, octets) == (GOOD, wrapper.encode(1, 17, GET_CLOCK))
    [(_, frame)] = street.main.answers()
    assert (frame.source, frame.destination) == (17, 1)
    answered = gateway.decode(frame.apdu)
    assert (answered.is_response, answered.network_id, answered.address) == (True, 9, GOOD)
    assert answered.apdu == b"\xc4" + GET_CLOCK
    assert street.dcu.forward_statistics.answered == 1


def test_a_silent_meter_is_reported_within_the_concentrators_own_time_out() -> None:
    async def story(street: Street) -> None:
        await _online(street)
        street.main.ask(MUTE)
        street.main.ask(MUTE)
        asked_s = now_s()
        (first_s, first), (second_s, second) = await street.main.until_answers(2)
        assert first.apdu == second.apdu == Refusal.SILENT.value == bytes.fromhex("D80103")
        assert first.address == MUTE
        assert first_s - asked_s == pytest.approx(20.0, abs=0.1)
        assert second_s - asked_s == pytest.approx(20.0, abs=0.1)

    assert live(story).dcu.forward_statistics.silent == 2


def test_an_unknown_meter_is_refused_at_once() -> None:
    async def story(street: Street) -> None:
        await _online(street)
        street.main.ask(STRANGER)
        asked_s = now_s()
        [(at_s, frame)] = await street.main.until_answers(1)
        assert frame.apdu == Refusal.UNKNOWN.value == bytes.fromhex("D80203")
        assert at_s - asked_s < 0.1

    street = live(story)
    assert street.meters.asked == []


def test_an_answer_that_comes_after_the_time_out_is_never_forwarded() -> None:
    async def story(street: Street) -> None:
        street.meters.slow_s = 21.0
        await _online(street)
        street.main.ask(SLOW)
        await asyncio.sleep(60.0)
        street.main.ask(GOOD)
        (_, first), (_, second) = await street.main.until_answers(2)
        assert first.apdu == Refusal.SILENT.value
        assert second.apdu == b"\xc4" + GET_CLOCK

    live(story)


def test_requests_wait_their_turn_and_one_too_many_is_answered_busy() -> None:
    async def story(street: Street) -> None:
        await _online(street)
        for _ in range(7):
            street.main.ask(GOOD)
        answers = await street.main.until_answers(7)
        busy = [frame.apdu == Refusal.BUSY.value for _, frame in answers]
        assert busy == [True] * 2 + [False] * 5, "one is under way, four wait"
        assert Refusal.BUSY.value == bytes.fromhex("D80101")

    street = live(story, replace(CONFIG, queue_max=4))
    assert street.meters.at_once_max == 1
    assert street.dcu.forward_statistics.busy == 2


def test_several_meters_may_be_served_at_once_but_never_one_meter_twice() -> None:
    async def story(street: Street) -> None:
        await _online(street)
        for address in (SLOW, SLOW, GOOD, GOOD):
            street.main.ask(address)
        await street.main.until_answers(4)

    street = live(story, replace(CONFIG, forwards_at_once=3, meter_timeout_s=40.0))
    assert street.meters.at_once_max == 2
    assert [address for _, address, _ in street.meters.asked] == [SLOW, GOOD, GOOD, SLOW]


def test_what_is_no_gateway_request_is_passed_over() -> None:
    async def story(street: Street) -> None:
        await _online(street)
        street.main.transport.write(wrapper.encode(1, 1, GET_CLOCK))
        street.main.transport.write(wrapper.encode(1, 1, b""))
        street.main.transport.write(wrapper.encode(1, 1, gateway.encode_response(1, GOOD, GET_CLOCK)))
        street.main.ask(GOOD)
        await street.main.until_answers(1)

    street = live(story)
    assert street.dcu.forward_statistics.not_understood == 3


def test_an_answer_for_a_connection_that_is_gone_goes_nowhere() -> None:
    async def story(street: Street) -> None:
        await _online(street)
        street.main.ask(SLOW)
        await asyncio.sleep(1.0)
        street.main.transport.abort()
        await street.main.until(lambda: len(street.main.connected_s) == 2)
        await asyncio.sleep(30.0)

    street = live(story)
    assert street.main.answers() == []
    assert street.dcu.forward_statistics.undeliverable == 1


# -- the concentrator's own work


def test_a_meter_that_its_own_work_has_is_answered_busy_and_is_free_again_afterwards() -> None:
    work = OwnWork(period_s=600.0, spread_s=0.0, exchange_timeout_s=15.0)

    async def story(street: Street) -> None:
        await _online(street)
        await asyncio.sleep(600.0 - now_s() + 4.5)  # MUTE is being visited; GOOD was before
        street.main.ask(MUTE)
        street.main.ask(GOOD)
        (busy_s, busy), (_, good) = await street.main.until_answers(2)
        assert busy.apdu == Refusal.BUSY.value
        assert good.apdu == b"\xc4" + GET_CLOCK
        await asyncio.sleep(20.0)
        street.main.ask(MUTE)
        (*_, (_, silent)) = await street.main.until_answers(3)
        assert silent.apdu == Refusal.SILENT.value
        assert busy_s < now_s()

    street = live(story, replace(CONFIG, own_work=work))
    assert street.dcu.own_work_statistics.rounds == 1
    assert list(street.dcu.visits) == [GOOD]
    assert len(street.dcu.visits[GOOD].answers) == 3


def test_own_work_leaves_a_meter_alone_that_the_head_end_is_using() -> None:
    work = OwnWork(period_s=600.0, spread_s=0.0, quiet_s=30.0)

    async def story(street: Street) -> None:
        await _online(street)
        for _ in range(60):
            street.main.ask(GOOD)
            await asyncio.sleep(11.0)

    street = live(story, replace(CONFIG, own_work=work, meters=(GOOD,)))
    assert street.dcu.own_work_statistics.postponed == 1
    assert street.dcu.own_work_statistics.visits == 0


# -- death and return


@pytest.mark.parametrize("modem", [None, GprsParameters(drops_per_day=0.0, attach_failure_ratio=0.0)])
def test_a_concentrator_without_power_says_nothing_and_comes_back_as_if_new(modem: GprsParameters | None) -> None:
    async def story(street: Street) -> None:
        await _online(street)
        street.main.ask(SLOW)
        street.main.ask(SLOW)
        await asyncio.sleep(2.0)
        street.dcu.power_off()
        await asyncio.sleep(0)
        off_s = now_s()
        await asyncio.sleep(1800.0)
        assert street.dcu.state is State.OFF
        assert street.main.lost_s == [], "the head-end is not told"
        assert street.dcu.power_off() is None, "it is off already"
        assert all(at_s < off_s for at_s, _ in street.main.frames)
        street.dcu.power_on()
        await street.main.until(lambda: street.main.services().count(LinkService.LOGIN) == 2)

    street = live(story, modem=modem)
    assert street.main.answers() == []
    last_login = [frame for _, frame in street.main.frames if isinstance(frame, Qgdw376Frame)][-1]
    assert last_login.pseq == 0
    assert len(street.main.connected_s) == 2


def test_power_that_flickers_within_an_instant_still_costs_the_connection() -> None:
    async def story(street: Street) -> None:
        await _online(street)
        street.dcu.power_off()
        street.dcu.power_on()
        await street.main.until(lambda: len(street.main.connected_s) == 2)

    live(story, modem=GprsParameters(drops_per_day=0.0))


def test_two_lives_from_one_seed_are_the_same_and_another_seed_differs() -> None:
    async def story(street: Street) -> None:
        for _ in range(40):
            await asyncio.sleep(600.0)
            if street.dcu.state is State.ONLINE:
                street.main.ask(GOOD)

    parameters = GprsParameters(drops_per_day=40.0)
    first, again, other = (live(story, modem=parameters, seed=seed) for seed in (3, 3, 4))
    assert first.main.frames == again.main.frames
    assert first.history == again.history
    assert first.history != other.history


# -- on real sockets


def test_the_same_firmware_runs_on_real_sockets() -> None:
    async def story() -> tuple[HeadEnd, Dcu]:
        links, head_end, meters = Links(), HeadEnd(), Meters()
        door = await links.listen("tcp-listen://127.0.0.1:0", lambda: head_end)
        config = replace(CONFIG, main_url=door.addresses[0])
        dcu = Dcu(config, links=links, meters=meters, clock=SystemClock(), entropy=SystemEntropy())
        async with asyncio.timeout(20.0), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(dcu.run())
            await head_end.until(lambda: LinkService.LOGIN in head_end.services())
            head_end.ask(STRANGER)
            [(_, refused)] = await head_end.until_answers(1)
            assert refused.apdu == Refusal.UNKNOWN.value
            running.cancel()
        await head_end.until(lambda: bool(head_end.lost_s))
        door.close()
        return head_end, dcu

    head_end, dcu = asyncio.run(story())
    assert dcu.state is State.OFF
    assert head_end.services() == [LinkService.LOGIN]

"""Both sides of a sign-on: together over a line with its own time, and each against a peer that misbehaves."""

import heapq
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms.mode_e import ChangeLine, ClientSignOn, HandedOver, ServerSignOn, SignOnEvent, SignOnFailed, Transmit
from hes.dlms.mode_e.messages import Identification
from hes.dlms.mode_e.settings import SignOnSettings
from hes.dlms.mode_e.states import TRANSITIONS, Event, State, step
from hes.errors import LocalProtocolError

SETTINGS = SignOnSettings()
IDENTIFICATION = SETTINGS.identification.encode()
SELECTED = bytes.fromhex("063235320d0a")
START_S = 1000.0


def only(events: list[SignOnEvent], kind: type) -> list[SignOnEvent]:
    return [event for event in events if isinstance(event, kind)]


class Line:
    """A reader and a meter that hear each other only at the same speed; what they do is done in order of time."""

    def __init__(self, client: ClientSignOn, server: ServerSignOn, *, echo: bool = False) -> None:
        self.client, self.server, self.echo = client, server, echo
        self.speed = {client: (300, True), server: (300, True)}
        self.done: dict[object, list[SignOnEvent]] = {client: [], server: []}
        self._queue: list[tuple[float, int, object, bytes]] = []
        self._order = count()
        self.now_s = START_S

    def act(self, who: object, events: list[SignOnEvent]) -> None:
        for event in events:
            self.done[who].append(event)
            if isinstance(event, ChangeLine):
                self.speed[who] = (event.baud, event.seven_bits)
            elif isinstance(event, Transmit):
                other = self.server if who is self.client else self.client
                arrives_s = self.now_s + len(event.octets) * 10 / self.speed[who][0]
                heapq.heappush(self._queue, (arrives_s, next(self._order), other, event.octets))
                if self.echo and who is self.client:
                    heapq.heappush(self._queue, (arrives_s, next(self._order), who, event.octets))

    def run(self) -> None:
        self.act(self.client, self.client.start(self.now_s))
        for _turn in range(100):
            deadlines = [who.next_deadline() for who in (self.client, self.server)]
            at_s = min([s for s in deadlines if s is not None] + [entry[0] for entry in self._queue[:1]], default=None)
            if at_s is None:
                return
            self.now_s = at_s
            if self._queue and self._queue[0][0] <= at_s:
                _at_s, _order, who, octets = heapq.heappop(self._queue)
                assert isinstance(who, ClientSignOn | ServerSignOn)
                self.act(who, who.receive(octets, at_s))
            else:
                for who in (self.client, self.server):
                    self.act(who, who.timed_out(at_s))
        raise AssertionError("the sign-on never ends")


@pytest.mark.parametrize("echo", [False, True])
def test_both_sides_change_to_the_fastest_common_speed(echo: bool) -> None:
    client, server = ClientSignOn(SignOnSettings(baud_max=4800)), ServerSignOn(SETTINGS)
    line = Line(client, server, echo=echo)
    line.run()
    handed = HandedOver(identification=SETTINGS.identification, baud=4800)
    assert line.done[client][-1] == line.done[server][-1] == handed
    assert line.speed[client] == line.speed[server] == (4800, False)
    assert server.link_ended() == [ChangeLine(baud=300, seven_bits=True)]
    assert server.state is State.IDLE


def test_a_meter_that_confirms_at_the_new_speed_is_followed_when_the_wait_is_over() -> None:
    client = ClientSignOn(SETTINGS)
    client.start(START_S)
    client.receive(IDENTIFICATION, START_S + 1)
    assert client.receive(b"\xfe\x00\x81", START_S + 1.3) == []  # 9600 Bd heard at 300
    deadline_s = client.next_deadline()
    assert deadline_s == pytest.approx(START_S + 1 + 12 / 30 + SETTINGS.response_s)
    assert client.timed_out(deadline_s) == [ChangeLine(baud=9600, seven_bits=False)]
    assert only(client.timed_out(deadline_s + SETTINGS.settle_s), HandedOver)


def test_silence_is_asked_again_after_a_rest_and_given_up_in_one_sentence() -> None:
    client = ClientSignOn(SignOnSettings(address="123", attempts_max=2))
    asked = only(client.start(START_S), Transmit)
    events: list[SignOnEvent] = []
    while (deadline_s := client.next_deadline()) is not None:
        events += client.timed_out(deadline_s)
    assert only(events, Transmit) == asked
    assert events[-1] == SignOnFailed("nothing answered the sign-on to device 123 at 300 Bd, asked 2 times")


def test_a_late_identification_counts_as_long_as_octets_come() -> None:
    client = ClientSignOn(SETTINGS)
    client.start(START_S)
    for index in range(len(IDENTIFICATION)):
        now_s = START_S + 1 + index  # within 1.5 s of each other
        assert client.timed_out(now_s) == []
        events = client.receive(IDENTIFICATION[index : index + 1], now_s)
    assert events == [Transmit(SELECTED)]


@pytest.mark.parametrize(
    ("identification", "words"),
    [
        (Identification(manufacturer="ABC", baud_id="5", options="", ident="OLD"), "ABC OLD"),
        (Identification(manufacturer="ABC", baud_id="Q"), "Q"),
    ],
)
def test_a_meter_without_mode_e_is_named(identification: Identification, words: str) -> None:
    client = ClientSignOn(SETTINGS)
    client.start(START_S)
    (failed,) = client.receive(identification.encode(), START_S + 1)
    assert isinstance(failed, SignOnFailed)
    assert words in failed.reason
    assert client.next_deadline() is None


def test_a_meter_answers_its_own_address_and_the_empty_one_only() -> None:
    server = ServerSignOn(SignOnSettings(address="0042"))
    assert server.receive(b"/?43!\r\n", START_S) == []
    assert server.receive(b"/?42!\r\n", START_S) == [Transmit(IDENTIFICATION)]
    assert server.receive(b"/?!\r\n", START_S) == [Transmit(IDENTIFICATION)]  # asked again: the answer was lost


def test_a_port_with_several_meters_answers_for_each_of_them() -> None:
    server = ServerSignOn(SignOnSettings(address="0042", also=("0043",)))
    assert server.receive(b"/?44!\r\n", START_S) == []
    assert server.receive(b"/?43!\r\n", START_S) == [Transmit(IDENTIFICATION)]


@pytest.mark.parametrize("select", ["063035300d0a", "063035310d0a", "063236320d0a"])  # readout, programming, too fast
def test_another_mode_or_speed_is_not_taken(select: str) -> None:
    server = ServerSignOn(SETTINGS)
    server.receive(b"/?!\r\n", START_S)
    assert server.receive(bytes.fromhex(select), START_S + 1) == []
    assert server.state is State.IDLE


def test_a_meter_that_nobody_selects_goes_back_to_idle() -> None:
    server = ServerSignOn(SETTINGS)
    server.receive(b"/?!\r\n", START_S)
    deadline_s = server.next_deadline()
    assert deadline_s is not None
    server.timed_out(deadline_s)
    assert server.state is State.IDLE
    assert server.receive(SELECTED, deadline_s + 1) == []


def test_every_state_is_reached_and_what_is_not_in_the_table_raises() -> None:
    assert set(TRANSITIONS) == set(State)
    assert {after for row in TRANSITIONS.values() for after in row.values()} == set(State)
    for state in State:
        for event in Event:
            if event not in TRANSITIONS[state]:
                with pytest.raises(LocalProtocolError):
                    step(state, event)


@given(
    st.lists(st.sampled_from([b"/?!\r\n", IDENTIFICATION, SELECTED, b"\x00" * 50, b"\r\n"]) | st.binary(max_size=20))
)
def test_no_octets_break_either_side(pieces: list[bytes]) -> None:
    client, server = ClientSignOn(SETTINGS), ServerSignOn(SETTINGS)
    client.start(START_S)
    now_s = START_S
    for piece in pieces:
        now_s += 0.7
        for side in (client, server):
            side.receive(piece, now_s)
            side.timed_out(now_s)

"""Both sides take any steps in any order on a line that misbehaves as it likes: the numbers never go apart."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hes.dlms.hdlc.address import ServerAddress
from hes.dlms.hdlc.client_link import ClientLink
from hes.dlms.hdlc.line_dispatcher import LineDispatcher, Peer
from hes.dlms.hdlc.link import State
from hes.dlms.hdlc.link_events import DownReason, LinkDown, LinkEvent, LinkUp, Received, Transmit
from hes.dlms.hdlc.link_settings import ClientLinkSettings, Recovery, ServerLinkSettings
from hes.dlms.hdlc.parameters import Parameters
from hes.dlms.hdlc.tests.fake_line import cut_into_frames

METER = ServerAddress(1, 17, 2)
PEER = Peer(METER, 16)
SMALL = Parameters(transmit_octets=16, receive_octets=16, transmit_window=3, receive_window=2)
SIZES = st.integers(1, 80)


class Pair(RuleBasedStateMachine):
    """What is on the way stands in two queues; every rule is one thing that may happen next."""

    def __init__(self) -> None:
        super().__init__()
        self.client = ClientLink(
            client_sap=16, server=METER, settings=ClientLinkSettings(proposal=SMALL, recovery=Recovery.POLL)
        )
        self.line = LineDispatcher({METER: ServerLinkSettings(limits=SMALL, inactivity_s=60.0)})
        self.now_s = 0.0
        self.to_server: list[bytes] = []
        self.to_client: list[bytes] = []
        self.asked: bytes | None = None  # the client's request, until its answer comes
        self.at_work: Received | None = None  # the server's
        self.handed_on: set[bytes] = set()
        self.count = 0

    # -- steps

    @rule(snrm=st.just(True))
    def connects(self, snrm: bool) -> None:
        self.asked = None
        self.to_server += cut_into_frames(self.client.connect(self.now_s))

    @precondition(lambda self: self.client.idle)
    @rule(size=SIZES)
    def asks(self, size: int) -> None:
        self.count += 1
        self.asked = self.count.to_bytes(2, "big") + b"?" * size
        self.to_server += cut_into_frames(self.client.send(self.asked, self.now_s))

    @precondition(lambda self: self.client.state is not State.DISCONNECTED)
    @rule()
    def disconnects(self) -> None:
        self.asked = None
        self.to_server += cut_into_frames(self.client.disconnect(self.now_s))

    @precondition(lambda self: self.at_work is not None)
    @rule(size=SIZES, silent=st.booleans())
    def application_answers(self, size: int, silent: bool) -> None:
        request, self.at_work = self.at_work, None
        assert request is not None
        answer = None if silent and size > 70 else request.apdu[:2] + b"!" * size
        self.to_client += cut_into_frames(self.line.answer(PEER, answer, self.now_s, request.number))

    @precondition(lambda self: self.to_server)
    @rule()
    def server_hears(self) -> None:
        self.at_server(self.line.receive(self.to_server.pop(0), self.now_s))

    @precondition(lambda self: self.to_client)
    @rule()
    def client_hears(self) -> None:
        self.at_client(self.client.receive(self.to_client.pop(0), self.now_s))

    @precondition(lambda self: self.to_server)
    @rule()
    def client_is_lost(self) -> None:
        del self.to_server[0]

    @precondition(lambda self: self.to_client)
    @rule()
    def server_is_lost(self) -> None:
        del self.to_client[0]

    @precondition(lambda self: self.to_server)
    @rule()
    def client_is_heard_twice(self) -> None:
        self.to_server.insert(0, self.to_server[0])

    @precondition(lambda self: self.to_client)
    @rule()
    def server_is_heard_twice(self) -> None:
        self.to_client.insert(0, self.to_client[0])

    @precondition(lambda self: self.client.next_deadline() is not None and not self.to_client and not self.to_server)
    @rule()
    def client_waits(self) -> None:
        self.now_s = max(self.now_s, self.client.next_deadline() or 0.0)
        self.at_client(self.client.timed_out(self.now_s))

    @precondition(lambda self: self.line.next_deadline() is not None)
    @rule()
    def server_is_left_alone(self) -> None:
        self.now_s = max(self.now_s, self.line.next_deadline() or 0.0)
        self.at_server(self.line.timed_out(self.now_s))
        self.at_client(self.client.timed_out(self.now_s))

    @rule()
    def line_breaks(self) -> None:
        self.asked = None
        self.to_client, self.to_server = [], []
        self.at_client(self.client.line_lost())
        self.at_server(self.line.line_lost())

    # -- what comes of them

    def at_client(self, events: list[LinkEvent]) -> None:
        for event in events:
            if isinstance(event, Transmit):
                self.to_server += cut_into_frames(event.octets)
            elif isinstance(event, Received):
                assert self.asked is not None, "an answer that nobody waits for"
                assert event.apdu[:2] == self.asked[:2], "the answer to another request"
                assert set(event.apdu[2:]) == {ord("!")}
                self.asked = None
            elif isinstance(event, (LinkUp, LinkDown)):
                self.asked = None

    def at_server(self, events: object) -> None:
        for _, event in events:  # type: ignore[attr-defined]
            if isinstance(event, Transmit):
                self.to_client += cut_into_frames(event.octets)
            elif isinstance(event, Received):
                assert event.apdu not in self.handed_on, "carried out twice"
                assert set(event.apdu[2:]) == {ord("?")}
                self.handed_on.add(event.apdu)
                self.at_work = event
            elif isinstance(event, LinkDown):
                assert event.reason is not DownReason.FRAME_REJECTED, "the client broke a rule"
                self.at_work = None

    # -- what always holds

    @invariant()
    def whoever_waits_has_a_deadline(self) -> None:
        if self.client.state in (State.CONNECTING, State.DISCONNECTING) or self.asked is not None:
            assert self.client.next_deadline() is not None
        for link in self.line.links.values():
            assert link.next_deadline() is not None

    @invariant()
    def no_more_is_outstanding_than_the_window(self) -> None:
        flows = [self.client._flow, *(link._flow for link in self.line.links.values())]
        for flow in flows:
            assert flow.outgoing.outstanding <= flow.outgoing.window
            assert 0 <= flow.incoming.expected < 8
            assert 0 <= flow.outgoing.next < 8

    @invariant()
    def a_link_that_is_idle_has_the_same_numbers_on_both_sides(self) -> None:
        server = self.line.links.get(PEER)
        quiet = not self.to_client and not self.to_server and self.client._turn.deadline_s is None
        if server is None or server.state is not State.CONNECTED or not (self.client.idle and quiet):
            return
        assert self.client._flow.outgoing.next == server._flow.incoming.expected
        assert self.client._flow.incoming.expected == server._flow.outgoing.next


TestPair = Pair.TestCase

"""The server's side: what it owes a poll, what it refuses, and several stations with several clients on one line."""

import pytest

from hes.dlms.hdlc import frame as frames
from hes.dlms.hdlc.address import ServerAddress
from hes.dlms.hdlc.frame import Frame, Kind
from hes.dlms.hdlc.frame_reject import FrameReject, RejectReason
from hes.dlms.hdlc.line_dispatcher import LineDispatcher, Peer
from hes.dlms.hdlc.link import State
from hes.dlms.hdlc.link_events import (
    DownReason,
    LinkDown,
    LinkEvent,
    LinkFinding,
    LinkFindingKind,
    LinkUp,
    Received,
    ReceivedUnnumbered,
    Transmit,
)
from hes.dlms.hdlc.link_flow import LLC_COMMAND, LLC_RESPONSE
from hes.dlms.hdlc.link_settings import ServerLinkSettings
from hes.dlms.hdlc.parameters import Parameters
from hes.dlms.hdlc.push import PushReceiver
from hes.dlms.hdlc.receiver import Receiver
from hes.errors import LocalProtocolError

STATION, OTHER = ServerAddress(1, 17, 2), ServerAddress(1, 18, 2)
CLIENT = 16
PEER = Peer(STATION, CLIENT)


class Line:
    """A line as its client sees it: frames in, answers out, and everything else that happened."""

    def __init__(self, *stations: ServerAddress, links_max: int = 64, **settings: object) -> None:
        shared = ServerLinkSettings(**settings)  # type: ignore[arg-type]
        self.line = LineDispatcher(dict.fromkeys(stations or (STATION, OTHER), shared), links_max=links_max)
        self.now_s = 50.0
        self.happened: list[tuple[Peer, LinkEvent]] = []
        self.findings: list[LinkFindingKind] = []

    def hears(
        self,
        kind: Kind,
        information: bytes = b"",
        *,
        to: ServerAddress = STATION,
        client: int = CLIENT,
        segmented: bool = False,
        **numbers: int,
    ) -> list[str]:
        octets = frames.encode(
            to.encode(), bytes((client << 1 | 1,)), frames.control(kind, **numbers), information, segmented
        )
        return self.hears_octets(octets)

    def hears_octets(self, octets: bytes) -> list[str]:
        sent: list[str] = []
        for peer, event in self.line.receive(octets, self.now_s):
            if isinstance(event, Transmit):
                sent += shown(event.octets)
            elif isinstance(event, LinkFinding):
                self.findings.append(event.kind)
            else:
                self.happened.append((peer, event))
        return sent

    def events(self) -> list[LinkEvent]:
        """What happened since the last time this was asked."""
        events = [event for _, event in self.happened]
        self.happened.clear()
        return events

    def connects(self, **proposed: int) -> None:
        (ua,) = self.hears(Kind.SNRM, Parameters(**proposed).encode())
        assert ua.startswith("UA P/F")
        assert [type(event) for event in self.events()] == [LinkUp]

    def is_asked(self, apdu: bytes = b"\xc0", **numbers: int) -> int:
        """A request that the application has to answer; its number."""
        assert self.hears(Kind.I, LLC_COMMAND + apdu, **numbers) == []
        (request,) = self.events()
        assert isinstance(request, Received)
        assert request.apdu == apdu
        return request.number

    def answers(self, apdu: bytes | None, number: int | None = None) -> list[str]:
        return shown(self.line.answer(PEER, apdu, self.now_s, number))


def shown(octets: bytes) -> list[str]:
    return [str(frame) for frame in Receiver(inter_octet_s=None).feed(octets)]


ROW = dict.fromkeys(("transmit_window", "receive_window"), 7) | dict.fromkeys(("transmit_octets", "receive_octets"), 8)
WIDE = Parameters(transmit_octets=2030, receive_octets=2030, transmit_window=7, receive_window=7)


def test_an_answer_goes_out_in_rows_of_the_window_and_every_poll_fetches_the_next() -> None:
    line = Line(limits=WIDE)
    line.connects(**ROW | {"receive_window": 3})
    line.is_asked()
    assert line.answers(bytes(40)) == [
        "I(0,1) S 0223>21, 8 octets",
        "I(1,1) S 0223>21, 8 octets",
        "I(2,1) P/F S 0223>21, 8 octets",
    ]
    assert line.hears(Kind.RR, receive=3)[0] == "I(3,1) S 0223>21, 8 octets"
    assert line.hears(Kind.RR, receive=6) == ["RR(1) P/F 0223>21"]


def test_what_was_lost_of_an_answer_is_sent_again_from_there_on() -> None:
    line = Line(limits=WIDE)
    line.connects(**ROW)
    line.is_asked()
    line.answers(bytes(40))
    assert line.hears(Kind.RR, receive=4) == ["I(4,1) S 0223>21, 8 octets", "I(5,1) P/F 0223>21, 3 octets"]
    assert line.hears(Kind.RR, receive=4) == ["I(4,1) S 0223>21, 8 octets", "I(5,1) P/F 0223>21, 3 octets"]


def test_a_gap_in_the_request_is_answered_by_the_number_that_is_missing() -> None:
    line = Line(limits=WIDE)
    line.connects(**ROW)
    assert line.hears(Kind.I, LLC_COMMAND, segmented=True, final=False, send=0) == []
    assert line.hears(Kind.I, b"456", segmented=True, final=False, send=2) == []
    assert line.hears(Kind.I, b"789", send=3) == ["RR(1) P/F 0223>21"]
    assert line.findings == [LinkFindingKind.OUT_OF_SEQUENCE] * 2
    for send, piece in enumerate((b"123", b"456"), start=1):
        assert line.hears(Kind.I, piece, segmented=True, final=False, send=send) == []
    assert line.hears(Kind.I, b"789", send=3) == []
    assert line.events() == [Received(b"123456789", 1)]


def test_a_number_that_never_came_is_a_gap_and_no_repetition() -> None:
    line = Line()
    line.connects()
    assert line.hears(Kind.I, LLC_COMMAND + b"\xc0", send=3) == ["RR(0) P/F 0223>21"]
    assert line.findings == [LinkFindingKind.OUT_OF_SEQUENCE]


def test_a_repeated_request_fetches_the_stored_answer_and_is_not_handed_on() -> None:
    line = Line()
    line.connects()
    line.is_asked()
    assert line.answers(b"\xc4") == ["I(0,1) P/F 0223>21, 4 octets"]
    assert line.hears(Kind.I, LLC_COMMAND + b"\xc0") == ["I(0,1) P/F 0223>21, 4 octets"]
    assert line.findings == [LinkFindingKind.REPEATED]
    assert line.events() == []


def test_a_request_without_an_answer_is_acknowledged_by_rr() -> None:
    line = Line()
    line.connects()
    assert line.answers(None, line.is_asked()) == ["RR(1) P/F 0223>21"]


def test_a_request_without_the_poll_bit_is_answered_when_the_poll_comes() -> None:
    line = Line()
    line.connects()
    line.is_asked(final=False)
    assert line.answers(b"\xc4") == []
    assert line.hears(Kind.RR) == ["I(0,1) P/F 0223>21, 4 octets"]


def test_a_client_that_asks_while_the_application_works_hears_that_its_request_came() -> None:
    line = Line()
    line.connects()
    number = line.is_asked()
    assert line.hears(Kind.RR) == ["RR(1) P/F 0223>21"]
    assert line.answers(b"\xc4", number) == []  # the poll it was due to has been answered
    assert line.hears(Kind.RR) == ["I(0,1) P/F 0223>21, 4 octets"]


def test_another_request_while_the_application_works_is_not_taken() -> None:
    line = Line()
    line.connects()
    number = line.is_asked()
    assert line.hears(Kind.I, LLC_COMMAND + b"\xc1", send=1) == ["RNR(1) P/F 0223>21"]
    assert line.findings == [LinkFindingKind.NOT_READY]
    assert line.answers(b"\xc4", number) == []
    assert line.hears(Kind.RR) == ["I(0,1) P/F 0223>21, 4 octets"]
    assert line.is_asked(b"\xc1", send=1, receive=1) == number + 1


def test_an_answer_to_a_request_of_a_link_that_is_gone_is_dropped() -> None:
    line = Line()
    line.connects()
    number = line.is_asked()
    line.hears(Kind.SNRM)
    line.events()
    assert line.answers(b"\xc4", number) == []
    assert line.is_asked(b"\xc1") == number + 1
    assert line.answers(b"\xc4", number) == []
    line.hears(Kind.DISC)
    assert line.answers(b"\xc4", number + 1) == []


def test_an_answer_that_nobody_asked_for_is_our_own_mistake() -> None:
    line = Line()
    line.connects()
    with pytest.raises(LocalProtocolError, match="no request"):
        line.answers(b"\xc4")


def test_a_busy_client_gets_no_i_frames_until_it_is_ready() -> None:
    line = Line()
    line.connects(receive_octets=8)
    line.is_asked()
    line.answers(bytes(20))
    assert line.hears(Kind.RNR, receive=1) == ["RR(1) P/F 0223>21"]
    assert line.hears(Kind.RNR, receive=1) == ["RR(1) P/F 0223>21"]
    assert line.hears(Kind.RR, receive=1) == ["I(1,1) P/F S 0223>21, 8 octets"]


def test_frames_without_the_poll_bit_are_not_answered() -> None:
    line = Line()
    line.connects()
    assert line.hears(Kind.RR, final=False) == []
    assert line.hears(Kind.RNR, final=False) == []
    assert line.hears(Kind.I, LLC_COMMAND, segmented=True, final=False) == []
    assert line.hears(Kind.DISC, final=False) == []
    assert line.hears(Kind.SNRM, final=False) == []
    assert line.findings == [LinkFindingKind.NOT_POLLED] * 2
    assert line.line.links[PEER].state is State.CONNECTED


def test_a_new_request_gives_up_the_rest_of_an_answer_and_its_numbers_are_used_again() -> None:
    line = Line(limits=WIDE)
    line.connects(**ROW | {"receive_window": 1})
    line.is_asked()
    line.answers(bytes(40))
    line.hears(Kind.RR, receive=1)
    line.is_asked(b"\xc1", send=1, receive=1)
    assert line.answers(b"\xc5") == ["I(1,2) P/F 0223>21, 4 octets"]


def test_a_request_without_an_answer_gives_up_the_rest_of_the_one_before_as_well() -> None:
    line = Line()
    line.connects(receive_octets=8)
    line.is_asked()
    line.answers(bytes(40))
    line.is_asked(b"\xc1", send=1, receive=1)
    assert line.answers(None) == ["RR(2) P/F 0223>21"]


def test_snrm_on_a_link_is_a_new_one_and_the_application_is_told() -> None:
    line = Line()
    line.connects()
    line.answers(b"\xc4", line.is_asked())
    line.hears(Kind.SNRM)
    assert line.events() == [LinkDown(DownReason.RESET), LinkUp(Parameters())]
    line.is_asked(send=0)


def test_snrm_that_cannot_be_read_is_refused() -> None:
    line = Line()
    assert line.hears(Kind.SNRM, b"\x81\x80\x12") == ["DM P/F 0223>21"]
    assert line.findings == [LinkFindingKind.WRONG_PARAMETERS]
    assert line.events() == []
    assert line.line.links == {}


def test_a_request_without_end_is_rejected() -> None:
    line = Line(apdu_octets_max=300)
    line.connects()
    answers = [line.hears(Kind.I, bytes(128), segmented=True, send=send) for send in range(3)]
    assert answers == [["RR(1) P/F 0223>21"], ["RR(2) P/F 0223>21"], ["FRMR P/F 0223>21, 3 octets"]]
    assert line.findings == [LinkFindingKind.APDU_TOO_LONG]


def test_a_meter_that_does_not_reject_forgets_the_link_instead() -> None:
    line = Line(apdu_octets_max=300, rejects_frames=False)
    line.connects()
    assert [line.hears(Kind.I, bytes(128), segmented=True, send=send) for send in range(3)][2] == []
    assert line.events() == [LinkDown(DownReason.APDU_TOO_LONG)]
    assert line.hears(Kind.RR) == ["DM P/F 0223>21"]


def test_a_request_without_the_llc_header_is_acknowledged_and_not_handed_on() -> None:
    line = Line()
    line.connects()
    assert line.hears(Kind.I, LLC_RESPONSE + b"\xc0") == ["RR(1) P/F 0223>21"]
    assert line.findings == [LinkFindingKind.WRONG_LLC]
    assert line.events() == []


def test_after_a_rejection_nothing_else_is_said_until_the_link_is_set_up_again() -> None:
    line = Line()
    line.connects()
    reject = FrameReject(control=0x10, next_send=0, next_receive=0, reason=RejectReason.INFORMATION_TOO_LONG)
    assert line.hears(Kind.I, bytes(129)) == ["FRMR P/F 0223>21, 3 octets"]
    assert line.events() == [LinkDown(DownReason.FRAME_REJECTED, str(reject))]
    assert line.hears(Kind.I, LLC_COMMAND + b"\xc0") == ["FRMR P/F 0223>21, 3 octets"]
    assert line.hears(Kind.RR, final=False) == []
    assert line.hears(Kind.DISC) == ["UA P/F 0223>21"]
    assert line.events() == []
    assert line.hears(Kind.DISC) == ["DM P/F 0223>21"]


def test_a_link_is_forgotten_at_the_second_of_its_inactivity_time_out() -> None:
    line = Line(inactivity_s=120.0)
    line.connects()
    line.now_s += 60.0
    line.hears(Kind.RR)
    assert line.line.next_deadline() == 230.0
    assert line.line.timed_out(229.9) == []
    assert line.line.timed_out(230.0) == [(PEER, LinkDown(DownReason.INACTIVE))]
    assert line.line.next_deadline() is None
    assert line.line.links == {}


def test_a_link_may_last_for_ever() -> None:
    line = Line(inactivity_s=None)
    line.connects()
    assert line.line.next_deadline() is None


def test_stations_have_links_of_their_own_and_so_have_clients() -> None:
    line = Line()
    for station, client in ((STATION, 16), (OTHER, 16), (STATION, 1)):
        (ua,) = line.hears(Kind.SNRM, to=station, client=client)
        assert ua == f"UA P/F {station.encode().hex()}>{client << 1 | 1:02x}, 21 octets"
    line.hears(Kind.I, LLC_COMMAND + b"\xc0", to=OTHER)
    line.hears(Kind.I, LLC_COMMAND + b"\xc1", client=1)
    assert line.happened[-2:] == [(Peer(OTHER, 16), Received(b"\xc0", 1)), (Peer(STATION, 1), Received(b"\xc1", 1))]
    assert line.hears(Kind.DISC) == ["UA P/F 0223>21"]
    assert set(line.line.links) == {Peer(OTHER, 16), Peer(STATION, 1)}
    assert shown(line.line.answer(Peer(OTHER, 16), b"\xc4", 50.0)) == ["I(0,1) P/F 0225>21, 4 octets"]


def test_frames_to_other_stations_are_ignored_in_silence_and_keep_nothing() -> None:
    line = Line()
    for address in (ServerAddress(1, 19, 2), ServerAddress(2, 17, 2), ServerAddress(1), ServerAddress(1, 17, 4)):
        for kind in (Kind.SNRM, Kind.DISC, Kind.I, Kind.RR):
            assert line.hears(kind, to=address) == []
    assert line.happened == line.findings == []
    assert line.line.elsewhere == 16
    assert line.line.links == {}


@pytest.mark.parametrize("client", [0x00, 0x7F])
def test_a_client_that_is_no_station_or_all_of_them_is_nobody(client: int) -> None:
    line = Line()
    assert line.hears(Kind.SNRM, client=client) == []


def test_one_client_too_many_is_refused() -> None:
    line = Line(links_max=2)
    line.hears(Kind.SNRM, client=1)
    line.hears(Kind.SNRM, client=2)
    assert line.hears(Kind.SNRM, client=3) == ["DM P/F 0223>07"]
    assert line.findings == [LinkFindingKind.LINKS_FULL]
    assert line.hears(Kind.SNRM, client=2) == ["UA P/F 0223>05, 21 octets"]
    assert line.hears(Kind.DISC, client=3) == ["DM P/F 0223>07"]


def test_what_comes_without_a_link_keeps_nothing() -> None:
    line = Line()
    for kind in (Kind.I, Kind.RR, Kind.RNR, Kind.DISC):
        assert line.hears(kind) == ["DM P/F 0223>21"]
    for kind in (Kind.UA, Kind.FRMR, Kind.DM):
        assert line.hears(kind) == []
    assert line.line.links == {}


@pytest.mark.parametrize(
    ("address", "stations"),
    [
        (ServerAddress(0x7F, 0x7F, 2), [STATION, OTHER]),
        (ServerAddress(1, 0x7F, 2), [STATION, OTHER]),
        (ServerAddress(0x7F, 18, 2), [OTHER]),
        (STATION, [STATION]),
    ],
)
@pytest.mark.parametrize("final", [True, False])
def test_ui_is_handed_on_to_every_station_it_is_meant_for_and_never_answered(
    address: ServerAddress, stations: list[ServerAddress], final: bool
) -> None:
    line = Line()
    assert line.hears(Kind.UI, LLC_COMMAND + b"\x01", to=address, final=False, segmented=True) == []
    assert line.hears(Kind.UI, b"\x02", to=address, final=final) == []
    event = ReceivedUnnumbered(b"\x01\x02", address.encode(), b"\x21")
    assert line.happened == [(Peer(station, CLIENT), event) for station in stations]


@pytest.mark.parametrize("address", [ServerAddress(0x3FFF, 0x3FFF, 4), ServerAddress(2, 0x7F, 2), ServerAddress(0x7F)])
def test_ui_to_stations_that_are_not_here_is_ignored(address: ServerAddress) -> None:
    line = Line()
    assert line.hears(Kind.UI, LLC_COMMAND + b"\x01", to=address) == []
    assert line.happened == []
    assert line.line.elsewhere == 1


def test_a_station_pushes_as_long_as_its_link_or_its_limits_say() -> None:
    line = Line(limits=Parameters(transmit_octets=100))
    assert shown(line.line.push(PEER, bytes(150))) == ["UI S 0223>21, 100 octets", "UI P/F 0223>21, 53 octets"]
    line.connects(receive_octets=80)
    octets = line.line.push(PEER, b"\x0f" * 100)
    assert shown(octets) == ["UI S 0223>21, 80 octets", "UI P/F 0223>21, 23 octets"]
    (push,) = PushReceiver().feed(octets)
    assert push.apdu == b"\x0f" * 100


def test_the_end_of_the_line_ends_every_link() -> None:
    line = Line()
    line.hears(Kind.SNRM)
    line.hears(Kind.SNRM, to=OTHER)
    down = LinkDown(DownReason.LINE_LOST)
    assert line.line.line_lost() == [(PEER, down), (Peer(OTHER, CLIENT), down)]
    assert line.line.links == {}
    assert line.hears(Kind.RR) == ["DM P/F 0223>21"]


def test_all_stations_is_no_station() -> None:
    with pytest.raises(LocalProtocolError, match="all stations"):
        LineDispatcher({ServerAddress(1, 0x7F, 2): ServerLinkSettings()})


def test_a_frame_that_stalls_is_dropped_by_the_timer_of_the_line() -> None:
    line = Line()
    octets = Frame(STATION.encode(), b"\x21", 0x93).encode()
    assert line.hears_octets(octets[:-3]) == []
    assert line.line.next_deadline() == 50.5
    assert line.line.timed_out(50.5) == []
    assert line.line.receiver.counters.truncated == 1
    assert line.hears_octets(octets) == ["UA P/F 0223>21, 21 octets"]

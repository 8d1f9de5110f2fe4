"""The client's side, frame by frame and to the second: what it sends, what it waits for, and when it gives up."""

import itertools

import pytest

from hes.dlms.hdlc import frame as frames
from hes.dlms.hdlc.address import ServerAddress
from hes.dlms.hdlc.client_link import ClientLink
from hes.dlms.hdlc.frame import Frame, Kind
from hes.dlms.hdlc.link import State
from hes.dlms.hdlc.link_events import (
    Delivered,
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
from hes.dlms.hdlc.link_flow import LLC_RESPONSE
from hes.dlms.hdlc.link_settings import ClientLinkSettings, Recovery
from hes.dlms.hdlc.parameters import DEFAULTS, Parameters
from hes.dlms.hdlc.tests import published
from hes.errors import LocalProtocolError

CLIENT, SERVER = b"\x21", b"\x03"
NOW_S = 100.0


def from_server(kind: Kind, information: bytes = b"", *, segmented: bool = False, **numbers: int) -> bytes:
    return frames.encode(CLIENT, SERVER, frames.control(kind, **numbers), information, segmented)


def published_octets(name: str) -> bytes:
    return bytes.fromhex(published.FRAMES[name])


def mirrored(proposal: Parameters) -> Parameters:
    """The same, as the server says it in its UA."""
    return Parameters(
        transmit_octets=proposal.receive_octets,
        receive_octets=proposal.transmit_octets,
        transmit_window=proposal.receive_window,
        receive_window=proposal.transmit_window,
    )


class Head:
    """A client whose octets are read as frames; time stands still unless a test moves it."""

    def __init__(self, *, connected: bool = True, **settings: object) -> None:
        self.link = ClientLink(
            client_sap=16,
            server=ServerAddress(1),
            settings=ClientLinkSettings(**settings),  # type: ignore[arg-type]
        )
        self.now_s = NOW_S
        self.findings: list[LinkFindingKind] = []
        self.sent: list[Frame] = []
        if connected:
            self.sends(self.link.connect(self.now_s))
            (up,) = self.hears(from_server(Kind.UA, mirrored(self.link.settings.proposal).encode()))
            assert isinstance(up, LinkUp)
            self.sent.clear()

    def sends(self, octets: bytes) -> list[str]:
        found = self.link.receiver.__class__(inter_octet_s=None).feed(octets)
        assert b"".join(frame.encode() for frame in found) == octets
        self.sent += found
        return [str(frame) for frame in found]

    def hears(self, octets: bytes) -> list[LinkEvent]:
        return self._noted(self.link.receive(octets, self.now_s))

    def waits(self) -> list[LinkEvent]:
        """Until the next deadline."""
        deadline_s = self.link.next_deadline()
        assert deadline_s is not None
        assert self.link.timed_out(deadline_s - 0.001) == []
        self.now_s = deadline_s
        return self._noted(self.link.timed_out(deadline_s))

    def _noted(self, events: list[LinkEvent]) -> list[LinkEvent]:
        others: list[LinkEvent] = []
        for event in events:
            if isinstance(event, LinkFinding):
                self.findings.append(event.kind)
            else:
                others.append(event)
        return others

    def says(self, events: list[LinkEvent]) -> list[str]:
        """The frames in `events`, which are all to be sent."""
        shown = []
        for event in events:
            assert isinstance(event, Transmit)
            shown += self.sends(event.octets)
        return shown

    def asks(self, apdu: bytes = published.GET_CLOCK, **options: bool) -> list[str]:
        return self.sends(self.link.send(apdu, self.now_s, **options))


def test_a_session_has_the_published_octets() -> None:
    head = Head(connected=False)
    link = head.link
    assert link.connect(NOW_S) == published_octets("SNRM empty")
    assert link.receive(published_octets("UA 128/128/1/1"), NOW_S) == [LinkUp(DEFAULTS)]
    assert link.send(published.AARQ, NOW_S) == published_octets("I AARQ")
    assert link.receive(published_octets("I AARE"), NOW_S) == [Received(published.AARE)]
    assert link.send(published.GET_CLOCK, NOW_S) == published_octets("I GET clock")
    first = link.receive(published_octets("first segment of the response"), NOW_S)
    assert first == [Transmit(published_octets("RR(2)"))]
    assert link.receive(published_octets("last segment of the response"), NOW_S) == [
        Received(bytes.fromhex("C401C100090C07E80C0F070C1E00FF800000"))
    ]
    assert link.idle
    assert link.next_deadline() is None
    assert link.disconnect(NOW_S) == published_octets("DISC")
    assert link.receive(published_octets("UA bare"), NOW_S) == [LinkDown(DownReason.CLOSED_BY_US)]


def test_the_proposal_is_what_snrm_says() -> None:
    seven = Parameters(transmit_octets=2030, receive_octets=2030, transmit_window=7, receive_window=7)
    head = Head(connected=False, proposal=seven)
    assert head.link.connect(NOW_S) == published_octets("SNRM 2030/2030/7/7")
    head.hears(from_server(Kind.UA, Parameters(transmit_octets=64, receive_octets=32, receive_window=3).encode()))
    assert head.link.parameters == Parameters(transmit_octets=32, receive_octets=64, transmit_window=3)
    head = Head(connected=False, says_defaults=True)
    assert head.link.connect(NOW_S) == published_octets("SNRM 128/128/1/1")


def test_snrm_is_repeated_and_then_given_up_at_its_time() -> None:
    head = Head(connected=False, response_s=5.0, retries_max=3)
    head.sends(head.link.connect(NOW_S))
    for count in range(1, 4):
        assert head.says(head.waits()) == ["SNRM P/F 21>03"]
        assert head.now_s == NOW_S + 5.0 * count
    assert head.waits() == [LinkDown(DownReason.NO_ANSWER, "asked 4 times, 5 s each")]
    assert head.now_s == NOW_S + 20.0
    assert head.link.next_deadline() is None
    assert head.link.state is State.DISCONNECTED


def test_a_server_may_refuse_the_link() -> None:
    head = Head(connected=False)
    head.sends(head.link.connect(NOW_S))
    assert head.hears(from_server(Kind.DM)) == [LinkDown(DownReason.REFUSED)]


def test_parameters_that_cannot_be_read_end_the_attempt() -> None:
    head = Head(connected=False)
    head.sends(head.link.connect(NOW_S))
    (down,) = head.hears(from_server(Kind.UA, b"\x81\x80\x12\x05"))
    assert isinstance(down, LinkDown)
    assert down.reason is DownReason.WRONG_PARAMETERS
    assert "past the information field" in str(down)


def test_a_row_of_a_window_has_the_poll_in_its_last_frame_alone() -> None:
    head = Head(proposal=Parameters(transmit_octets=8, transmit_window=3))
    assert head.asks(bytes(40)) == [
        "I(0,0) S 21>03, 8 octets",
        "I(1,0) S 21>03, 8 octets",
        "I(2,0) P/F S 21>03, 8 octets",
    ]
    assert head.says(head.hears(from_server(Kind.RR, receive=3)))[-1] == "I(5,0) P/F 21>03, 3 octets"


def test_numbers_go_round_after_seven() -> None:
    head = Head()
    for count in range(20):
        send, receive = count % 8, count % 8
        assert head.asks() == [f"I({send},{receive}) P/F 21>03, 16 octets"]
        answer = from_server(Kind.I, LLC_RESPONSE + bytes((count,)), send=send, receive=(send + 1) % 8)
        assert head.hears(answer) == [Received(bytes((count,)))]


def test_what_was_lost_of_a_row_is_sent_again_from_there_on() -> None:
    head = Head(proposal=Parameters(transmit_octets=8, transmit_window=7))
    head.asks(bytes(40))
    again = head.says(head.hears(from_server(Kind.RR, receive=4)))
    assert again == ["I(4,0) S 21>03, 8 octets", "I(5,0) P/F 21>03, 3 octets"]


def test_after_silence_the_server_is_asked_where_it_stands() -> None:
    head = Head()
    head.asks()
    assert head.says(head.waits()) == ["RR(0) P/F 21>03"]
    assert head.now_s == NOW_S + 5.0
    assert head.says(head.hears(from_server(Kind.RR, receive=0))) == ["I(0,0) P/F 21>03, 16 octets"]
    assert head.hears(from_server(Kind.I, LLC_RESPONSE + b"\x01", receive=1)) == [Received(b"\x01")]


def test_after_silence_the_same_frames_are_sent_if_the_server_wants_it_so() -> None:
    head = Head(recovery=Recovery.RESEND)
    head.asks()
    assert head.says(head.waits()) == ["I(0,0) P/F 21>03, 16 octets"]


def test_an_answer_that_was_lost_is_repeated_by_the_server_when_polled() -> None:
    head = Head()
    head.asks()
    head.says(head.waits())
    assert head.hears(from_server(Kind.I, LLC_RESPONSE + b"\x01", receive=1)) == [Received(b"\x01")]
    assert head.link.idle


def test_silence_to_every_repetition_ends_the_link_at_its_time() -> None:
    head = Head(response_s=5.0, retries_max=2)
    head.asks()
    head.says(head.waits())
    head.says(head.waits())
    assert head.waits() == [LinkDown(DownReason.NO_ANSWER, "asked 3 times, 5 s each")]
    assert head.now_s == NOW_S + 15.0
    with pytest.raises(LocalProtocolError, match=r"disconnected \(NDM\)"):
        head.asks()


def test_a_server_that_answers_but_never_takes_a_frame_is_given_up() -> None:
    head = Head(retries_max=3)
    head.asks()
    for _ in range(3):
        assert head.says(head.hears(from_server(Kind.RR, receive=0))) == ["I(0,0) P/F 21>03, 16 octets"]
    assert head.hears(from_server(Kind.RR, receive=0)) == [LinkDown(DownReason.NO_PROGRESS)]


def test_a_gap_in_the_answer_is_asked_for_at_once() -> None:
    head = Head(proposal=Parameters(receive_octets=8, receive_window=7))
    head.asks()
    pieces = [LLC_RESPONSE + b"01234", b"56789abc", b"def"]
    row = [
        from_server(Kind.I, piece, segmented=index < 2, final=index == 2, send=index, receive=1)
        for index, piece in enumerate(pieces)
    ]
    assert head.hears(row[0]) == []
    assert head.says(head.hears(row[2])) == ["RR(1) P/F 21>03"]
    assert head.findings == [LinkFindingKind.OUT_OF_SEQUENCE]
    assert head.now_s == NOW_S
    assert head.hears(row[1] + row[2]) == [Received(b"0123456789abcdef")]


def test_a_gap_before_the_whole_answer_is_asked_for_at_once() -> None:
    head = Head(proposal=Parameters(receive_octets=8, receive_window=7))
    head.asks()
    assert head.says(head.hears(from_server(Kind.I, b"56", send=1, receive=1))) == ["RR(0) P/F 21>03"]


def test_a_frame_without_the_final_bit_starts_the_wait_again() -> None:
    head = Head(proposal=Parameters(receive_octets=8, receive_window=7))
    head.asks()
    head.now_s += 4.0
    assert head.hears(from_server(Kind.I, LLC_RESPONSE + b"01234", segmented=True, final=False, receive=1)) == []
    assert head.link.next_deadline() == NOW_S + 9.0


def test_an_answer_whose_final_bit_was_lost_is_given_at_once_and_the_next_request_waits_for_the_turn() -> None:
    head = Head()
    head.asks()
    assert head.hears(from_server(Kind.I, LLC_RESPONSE + b"\x01", final=False, receive=1)) == [Received(b"\x01")]
    assert head.link.idle
    assert head.asks() == []
    assert not head.link.idle
    assert head.says(head.waits()) == ["RR(1) P/F 21>03"]
    assert head.says(head.hears(from_server(Kind.RR, receive=1))) == ["I(1,1) P/F 21>03, 16 octets"]


def test_a_busy_server_is_polled_until_it_is_ready_and_nothing_is_sent_meanwhile() -> None:
    head = Head(busy_poll_s=0.5, proposal=Parameters(transmit_octets=8))
    head.asks()
    assert head.hears(from_server(Kind.RNR, receive=1)) == []
    assert head.link.next_deadline() == NOW_S + 0.5
    for _ in range(10):
        assert head.says(head.waits()) == ["RR(0) P/F 21>03"]
        assert head.hears(from_server(Kind.RNR, receive=1)) == []
    assert head.says(head.waits()) == ["RR(0) P/F 21>03"]
    assert head.says(head.hears(from_server(Kind.RR, receive=1))) == ["I(1,0) P/F 21>03, 8 octets"]


def test_a_server_that_stays_busy_is_given_up() -> None:
    head = Head(busy_polls_max=3)
    head.asks()
    for _ in range(3):
        assert head.hears(from_server(Kind.RNR, receive=0)) == []
        assert head.says(head.waits()) == ["RR(0) P/F 21>03"]
    assert head.hears(from_server(Kind.RNR, receive=0)) == [LinkDown(DownReason.BUSY)]


def test_a_server_that_has_no_answer_yet_is_asked_again() -> None:
    head = Head()
    head.asks()
    assert head.hears(from_server(Kind.RR, receive=1)) == []
    assert head.says(head.waits()) == ["RR(0) P/F 21>03"]
    assert head.now_s == NOW_S + 0.5
    assert head.hears(from_server(Kind.I, LLC_RESPONSE + b"\x01", receive=1)) == [Received(b"\x01")]


def test_what_was_not_the_answer_does_not_end_the_wait_for_it() -> None:
    head = Head()
    head.asks()
    assert head.hears(from_server(Kind.I, LLC_RESPONSE + b"\xc2", receive=1)) == [Received(b"\xc2")]
    head.link.expect_answer(head.now_s)
    assert not head.link.idle
    assert head.says(head.waits()) == ["RR(1) P/F 21>03"]
    assert head.now_s == NOW_S + 0.5
    assert head.hears(from_server(Kind.I, LLC_RESPONSE + b"\xc4", send=1, receive=1)) == [Received(b"\xc4")]
    assert head.link.idle


def test_an_apdu_that_needs_no_answer_is_delivered_when_it_is_acknowledged() -> None:
    head = Head()
    head.asks(answered=False)
    assert head.hears(from_server(Kind.RR, receive=1)) == [Delivered()]
    assert head.link.idle


def test_a_repeated_answer_is_not_given_twice_and_not_answered() -> None:
    head = Head()
    head.asks()
    answer = from_server(Kind.I, LLC_RESPONSE + b"\x01", receive=1)
    assert head.hears(answer + answer) == [Received(b"\x01")]
    assert head.findings == [LinkFindingKind.REPEATED]


def test_a_repeated_answer_is_not_taken_for_the_answer_to_the_next_request() -> None:
    """Or every frame would be sent twice from there on."""
    head = Head()
    head.asks()
    answer = from_server(Kind.I, LLC_RESPONSE + b"\x01", receive=1)
    head.hears(answer)
    assert head.asks() == ["I(1,1) P/F 21>03, 16 octets"]
    assert head.hears(answer) == []
    assert head.findings == [LinkFindingKind.REPEATED]
    assert head.link.next_deadline() == NOW_S + 5.0
    assert head.hears(from_server(Kind.I, LLC_RESPONSE + b"\x02", send=1, receive=2)) == [Received(b"\x02")]


def test_an_answer_from_before_the_last_one_is_old_even_where_its_number_might_be_ahead() -> None:
    head = Head(proposal=Parameters(receive_window=7))
    answers = [from_server(Kind.I, LLC_RESPONSE + b"\x01", send=send, receive=send + 1) for send in range(2)]
    for answer in answers:
        head.asks()
        head.hears(answer)
    head.asks()
    assert head.hears(answers[0]) == []
    assert head.findings == [LinkFindingKind.REPEATED]


def test_what_comes_twice_is_counted_once() -> None:
    head = Head(busy_polls_max=1)
    head.asks()
    busy = from_server(Kind.RNR, receive=0)
    assert head.hears(busy + busy + busy) == []
    assert head.link.state is State.CONNECTED


def test_what_nobody_asked_for_is_not_answered() -> None:
    head = Head()
    for kind, receive in itertools.product((Kind.RR, Kind.RNR), (0, 3)):
        assert head.hears(from_server(kind, receive=receive)) == []
    assert head.findings == [LinkFindingKind.WRONG_ACKNOWLEDGEMENT] * 2


def test_a_wrong_acknowledgement_is_ignored_and_the_time_out_recovers() -> None:
    head = Head()
    head.asks()
    assert head.hears(from_server(Kind.RR, receive=5)) == []
    assert head.hears(from_server(Kind.I, LLC_RESPONSE + b"\x01", receive=2)) == []
    assert head.findings == [LinkFindingKind.WRONG_ACKNOWLEDGEMENT] * 2
    assert head.says(head.waits()) == ["RR(0) P/F 21>03"]


def test_a_rejected_frame_ends_the_link_with_the_reason_and_it_can_be_set_up_again() -> None:
    head = Head()
    head.asks()
    (down,) = head.hears(from_server(Kind.FRMR, bytes.fromhex("100004")))
    assert str(down) == "a frame was rejected (FRMR): control 10, information too long"
    assert head.link.state is State.REJECTED
    assert head.sends(head.link.connect(NOW_S)) == ["SNRM P/F 21>03"]
    assert head.hears(from_server(Kind.UA)) == [LinkUp(DEFAULTS)]


def test_a_rejection_without_reason_is_one_as_well() -> None:
    head = Head()
    assert head.hears(from_server(Kind.FRMR)) == [LinkDown(DownReason.FRAME_REJECTED)]


def test_a_server_that_has_forgotten_the_link_says_so() -> None:
    head = Head()
    head.asks()
    assert head.hears(from_server(Kind.DM)) == [LinkDown(DownReason.DISCONNECTED_MODE)]
    assert head.link.next_deadline() is None


def test_an_information_field_longer_than_agreed_is_taken_and_told() -> None:
    head = Head()
    head.asks()
    apdu = bytes(200)
    assert head.hears(from_server(Kind.I, LLC_RESPONSE + apdu, receive=1)) == [Received(apdu)]
    assert head.findings == [LinkFindingKind.TOO_LONG]


def test_segments_without_end_end_the_link() -> None:
    head = Head(apdu_octets_max=1000)
    head.asks()
    for index in range(7):
        segment = bytes(128) if index else LLC_RESPONSE + bytes(125)
        assert head.says(head.hears(from_server(Kind.I, segment, segmented=True, send=index, receive=1)))
    (down,) = head.hears(from_server(Kind.I, bytes(128), segmented=True, send=7, receive=1))
    assert down == LinkDown(DownReason.APDU_TOO_LONG)


def test_an_answer_without_the_llc_header_is_told_and_not_given() -> None:
    head = Head()
    head.asks()
    assert head.hears(from_server(Kind.I, b"\xe6\xe6\x00\xc4", receive=1)) == []
    assert head.findings == [LinkFindingKind.WRONG_LLC]
    assert head.link.idle


def test_frames_of_others_and_our_own_echo_are_ignored_in_silence() -> None:
    head = Head()
    octets = head.link.send(published.GET_CLOCK, NOW_S)
    others = [
        frames.encode(b"\x23", SERVER, 0x73),
        frames.encode(CLIENT, b"\x05", 0x1F),
        frames.encode(CLIENT, b"\x02\x23", 0x1F),
    ]
    assert head.hears(octets + b"".join(others)) == []
    assert head.findings == []
    assert head.link.elsewhere == 4


def test_a_push_between_request_and_answer_is_told_apart_by_its_control_octet() -> None:
    head = Head()
    head.asks()
    push = frames.encode(CLIENT, SERVER, 0x13, LLC_RESPONSE + b"\x0f\x01")
    answer = from_server(Kind.I, LLC_RESPONSE + b"\xc4", receive=1)
    assert head.hears(push + answer) == [ReceivedUnnumbered(b"\x0f\x01", CLIENT, SERVER), Received(b"\xc4")]


def test_a_push_to_all_clients_from_another_meter_in_segments_is_put_together() -> None:
    head = Head(connected=False)
    pieces = [
        frames.encode(b"\xff", b"\x02\x23", 0x03, LLC_RESPONSE + b"\x0f", segmented=True),
        frames.encode(b"\xff", b"\x02\x23", 0x13, b"\x01"),
    ]
    assert head.hears(pieces[0]) == []
    assert head.hears(pieces[1]) == [ReceivedUnnumbered(b"\x0f\x01", b"\xff", b"\x02\x23")]


def test_frames_that_mean_nothing_to_a_client_are_told_and_change_nothing() -> None:
    head = Head()
    for control in (0x93, 0x53, 0x73):
        assert head.hears(frames.encode(CLIENT, SERVER, control)) == []
    assert head.hears(frames.encode(CLIENT, SERVER, 0xFF)) == []
    assert head.findings == [LinkFindingKind.UNEXPECTED] * 3 + [LinkFindingKind.UNDEFINED_CONTROL]
    assert head.link.idle


def test_an_answer_that_has_begun_is_not_late() -> None:
    head = Head(response_s=5.0, inter_octet_s=1.0)
    head.asks()
    answer = from_server(Kind.I, LLC_RESPONSE + b"\x01", receive=1)
    for index in range(len(answer) - 1):
        head.now_s = NOW_S + 4.0 + 0.3 * index
        assert head.hears(answer[index : index + 1]) == []
        assert head.link.timed_out(head.now_s) == []
    assert head.now_s > NOW_S + 5.0
    assert head.hears(answer[-1:]) == [Received(b"\x01")]


def test_noise_that_never_ends_puts_the_time_out_off_once() -> None:
    head = Head(response_s=5.0, inter_octet_s=1.0)
    head.asks()
    while head.now_s < NOW_S + 9.9:
        assert head.hears(b"\x7e\xa0") == []
        assert head.link.timed_out(head.now_s) == []
        head.now_s += 0.5
    head.hears(b"\x7e\xa0")
    assert head.says(head.waits()) == ["RR(0) P/F 21>03"]
    assert head.now_s == NOW_S + 10.0


def test_half_a_frame_on_a_stream_without_time_is_dropped_with_the_response_time_out() -> None:
    head = Head(inter_octet_s=None)
    head.asks()
    answer = from_server(Kind.I, LLC_RESPONSE + b"\x01", receive=1)
    assert head.hears(answer[:10]) == []
    assert head.says(head.waits()) == ["RR(0) P/F 21>03"]
    assert head.hears(answer) == [Received(b"\x01")]


def test_a_truncated_answer_costs_one_poll() -> None:
    head = Head(inter_octet_s=0.5)
    head.asks()
    answer = from_server(Kind.I, LLC_RESPONSE + b"\x01", receive=1)
    assert head.hears(answer[:10]) == []
    assert head.waits() == []
    assert head.now_s == NOW_S + 0.5
    assert head.says(head.waits()) == ["RR(0) P/F 21>03"]
    assert head.now_s == NOW_S + 5.0
    assert head.hears(answer) == [Received(b"\x01")]


def test_the_link_is_kept_alive_by_a_poll() -> None:
    head = Head()
    assert head.sends(head.link.keep_alive(NOW_S)) == ["RR(0) P/F 21>03"]
    assert head.asks() == []
    assert head.says(head.hears(from_server(Kind.RR, receive=0))) == ["I(0,0) P/F 21>03, 16 octets"]
    assert head.link.keep_alive(NOW_S) == b""


@pytest.mark.parametrize("answer", [Kind.UA, Kind.DM])
def test_the_link_is_released_by_either_answer(answer: Kind) -> None:
    head = Head()
    head.asks()
    assert head.sends(head.link.disconnect(NOW_S)) == ["DISC P/F 21>03"]
    assert head.hears(from_server(answer)) == [LinkDown(DownReason.CLOSED_BY_US)]


def test_disc_is_repeated_and_then_given_up() -> None:
    head = Head(retries_max=1)
    head.sends(head.link.disconnect(NOW_S))
    assert head.says(head.waits()) == ["DISC P/F 21>03"]
    (down,) = head.waits()
    assert isinstance(down, LinkDown)
    assert down.reason is DownReason.NO_ANSWER


def test_the_end_of_the_line_is_told_once() -> None:
    head = Head()
    head.asks()
    assert head.link.line_lost() == [LinkDown(DownReason.LINE_LOST)]
    assert head.link.line_lost() == []
    assert head.link.next_deadline() is None


def test_a_link_is_set_up_anew_with_numbers_from_zero() -> None:
    head = Head()
    head.asks()
    head.hears(from_server(Kind.I, LLC_RESPONSE + b"\x01", receive=1))
    head.sends(head.link.connect(NOW_S))
    head.hears(from_server(Kind.UA))
    assert head.asks() == ["I(0,0) P/F 21>03, 16 octets"]


@pytest.mark.parametrize("apdu", [b"", bytes(1001)])
def test_an_apdu_that_cannot_be_sent_is_our_own_mistake(apdu: bytes) -> None:
    head = Head(apdu_octets_max=1000)
    with pytest.raises(LocalProtocolError, match=r"1\.\.1000 octets"):
        head.asks(apdu)


def test_a_second_request_while_one_is_under_way_is_our_own_mistake() -> None:
    head = Head()
    head.asks()
    with pytest.raises(LocalProtocolError, match="under way"):
        head.asks()


def test_a_request_before_the_link_is_up_is_our_own_mistake() -> None:
    with pytest.raises(LocalProtocolError, match="I is not allowed while the HDLC link is disconnected"):
        Head(connected=False).asks()


def test_what_goes_to_all_stations_is_ui_without_the_poll() -> None:
    head = Head(connected=False)
    octets = head.link.send_unnumbered(bytes(200), ServerAddress(0x3FFF, 0x3FFF, 4))
    assert head.sends(octets) == ["UI S 21>fefefeff, 128 octets", "UI 21>fefefeff, 75 octets"]


@pytest.mark.parametrize("wrong", [{"response_s": 0.0}, {"retries_max": -1}, {"busy_poll_s": 0.0}])
def test_settings_without_sense_are_our_own_mistake(wrong: dict[str, float]) -> None:
    with pytest.raises(LocalProtocolError, match="more than 0 s"):
        ClientLinkSettings(**wrong)  # type: ignore[arg-type]

"""The HDLC cases of the conformance tests (DLMS UA 1001-3, ids of Yellow Book Ed. 5) against our server side.

The texts of the cases are not public: stimulus and expected answer are our reading of their purpose and of what an
independent re-implementation of them does. Source: docs/protocols/hdlc.md §9.
"""

import pytest

from hes.dlms.hdlc import frame as frames
from hes.dlms.hdlc import frame_reject, parameters
from hes.dlms.hdlc.address import ServerAddress
from hes.dlms.hdlc.fcs import check_sequence
from hes.dlms.hdlc.frame import Frame, Kind
from hes.dlms.hdlc.frame_reject import RejectReason
from hes.dlms.hdlc.line_dispatcher import LineDispatcher
from hes.dlms.hdlc.link_events import Received, Transmit
from hes.dlms.hdlc.link_flow import LLC_COMMAND, LLC_RESPONSE
from hes.dlms.hdlc.link_settings import SERVER_DEFAULTS, ServerLinkSettings
from hes.dlms.hdlc.parameters import Parameters
from hes.dlms.hdlc.receiver import Receiver
from hes.dlms.hdlc.tests import published

DECLARED = ServerAddress(1, 17, 4)
CLIENT = b"\x21"
PAUSE_S = 5.0  # a tester waits for the answer, or for its absence
SNRM, DISC, UA, DM = Kind.SNRM, Kind.DISC, Kind.UA, Kind.DM


class Meter:
    """Our server with an application that knows one AARQ; it is spoken to in octets."""

    def __init__(self, *stations: ServerAddress, settings: ServerLinkSettings = SERVER_DEFAULTS) -> None:
        self.line = LineDispatcher(dict.fromkeys(stations or (DECLARED,), settings))
        self.now_s = 0.0
        self.requests: list[bytes] = []

    def hears(self, octets: bytes) -> list[Frame]:
        """Its answer; `PAUSE_S` later nothing of it is under way any more."""
        sent = b""
        for peer, event in self.line.receive(octets, self.now_s):
            if isinstance(event, Transmit):
                sent += event.octets
            elif isinstance(event, Received):
                self.requests.append(event.apdu)
                answer = {published.AARQ: published.AARE, published.GET_CLOCK: published.CLOCK}.get(event.apdu)
                sent += self.line.answer(peer, answer, self.now_s, event.number)
        self.passes(PAUSE_S)
        return Receiver(inter_octet_s=None).feed(sent)

    def passes(self, duration_s: float) -> None:
        end_s = self.now_s + duration_s
        while (deadline_s := self.line.next_deadline()) is not None and deadline_s <= end_s:
            self.now_s = deadline_s
            self.line.timed_out(self.now_s)
        self.now_s = end_s

    def is_sent(
        self,
        kind: Kind | int,
        information: bytes = b"",
        *,
        to: bytes = DECLARED.encode(),
        source: bytes = CLIENT,
        segmented: bool = False,
        **numbers: int,
    ) -> list[Frame]:
        """kind: or a control octet."""
        octet = frames.control(kind, **numbers) if isinstance(kind, Kind) else kind
        return self.hears(frames.encode(to, source, octet, information, segmented))

    def asked_for(self, *wanted: Kind) -> None:
        """Set up: bring it to a state, by frames that it must answer so."""
        for kind in wanted:
            assert [frame.kind for frame in self.is_sent(kind)] == [UA]


def kinds(answer: list[Frame]) -> list[Kind | None]:
    assert all(frame.final for frame in answer[-1:])
    assert all(frame.destination == CLIENT and frame.source == DECLARED.encode() for frame in answer)
    return [frame.kind for frame in answer]


def raw(body: bytes) -> bytes:
    return b"\x7e" + body + b"\x7e"


def with_check(body: bytes) -> bytes:
    return body + check_sequence(body)


def snrm_body(**replaced: bytes) -> bytes:
    """An SNRM without flags whose parts may be wrong, its check sequence right all the same."""
    parts = {"format": b"\xa0\x0a", "destination": DECLARED.encode(), "source": CLIENT, "control": b"\x93"} | replaced
    return with_check(b"".join(parts.values()))


def still_disconnected(meter: Meter) -> None:
    assert kinds(meter.is_sent(DISC)) == [DM]


def still_connected(meter: Meter, expected: int = 0) -> None:
    answer = meter.is_sent(Kind.RR)
    assert [(frame.kind, frame.receive) for frame in answer] == [(Kind.RR, expected)]


def recovers(meter: Meter) -> None:
    assert kinds(meter.is_sent(SNRM)) == [UA]
    still_connected(meter)


def test_frame_p1_the_link_is_set_up_and_released() -> None:
    """HDLC_FRAME_P1"""
    meter = Meter()
    assert kinds(meter.is_sent(DISC)) == [DM]
    assert kinds(meter.is_sent(SNRM)) == [UA]
    (ready,) = meter.is_sent(Kind.RR)
    assert (ready.kind, ready.receive, ready.final) == (Kind.RR, 0, True)
    assert kinds(meter.is_sent(DISC)) == [UA]
    assert kinds(meter.is_sent(DISC)) == [DM]


@pytest.mark.parametrize("truncated", [raw(snrm_body())[:-2], raw(snrm_body())[:-2] + b"\x7e", b"\x7e\xa0", b"\x7e"])
def test_frame_p2_a_frame_that_stops_is_dropped_after_the_inter_octet_time_out(truncated: bytes) -> None:
    """HDLC_FRAME_P2"""
    meter = Meter()
    meter.asked_for(SNRM)
    assert meter.hears(truncated) == []
    still_connected(meter)


def test_frame_p2_octets_within_the_inter_octet_time_out_are_one_frame() -> None:
    """HDLC_FRAME_P2, the other half: the time-out does not cut what is merely slow."""
    meter = Meter()
    octets = raw(snrm_body())
    for index in range(len(octets) - 1):
        assert meter.line.receive(octets[index : index + 1], meter.now_s) == []
        meter.now_s += 0.4
    assert kinds(meter.hears(octets[-1:])) == [UA]


def test_frame_p3_the_link_is_forgotten_after_the_inactivity_time_out() -> None:
    """HDLC_FRAME_P3"""
    meter = Meter(settings=ServerLinkSettings(inactivity_s=120.0))
    meter.asked_for(SNRM)
    meter.passes(114.9)  # with the pause after the SNRM: 119.9
    still_connected(meter)
    meter.passes(115.0)
    still_disconnected(meter)


@pytest.mark.parametrize("unflagged", [raw(snrm_body())[1:], raw(snrm_body())[:-1], snrm_body()])
def test_frame_n1_a_frame_without_its_flags_is_ignored(unflagged: bytes) -> None:
    """HDLC_FRAME_N1"""
    meter = Meter()
    still_disconnected(meter)
    assert meter.hears(unflagged) == []
    still_disconnected(meter)


@pytest.mark.parametrize("body", [b"", b"\xa0", b"\xa0\x02", b"\xa0\x04\x03\x21", with_check(b"\xa0\x05\x21")])
def test_frame_n2_a_frame_that_is_too_short_is_ignored(body: bytes) -> None:
    """HDLC_FRAME_N2"""
    meter = Meter()
    assert meter.hears(raw(body)) == []
    assert kinds(meter.is_sent(SNRM)) == [UA]


@pytest.mark.parametrize("nibble", [nibble for nibble in range(16) if nibble != 0xA])
def test_frame_n3_another_format_type_is_ignored(nibble: int) -> None:
    """HDLC_FRAME_N3"""
    meter = Meter()
    assert meter.hears(raw(snrm_body(format=bytes((nibble << 4, 0x0A))))) == []
    still_disconnected(meter)


@pytest.mark.parametrize("length", [9, 11, 8, 12, 0x7FF, 0])
def test_frame_n4_a_wrong_length_is_ignored(length: int) -> None:
    """HDLC_FRAME_N4"""
    meter = Meter()
    assert meter.hears(raw(snrm_body(format=(0xA000 | length).to_bytes(2, "big")))) == []
    still_disconnected(meter)


@pytest.mark.parametrize("control", [0xFF, 0x19, 0x1D, 0xB3, 0x33])
def test_frame_n5_an_unknown_control_octet_is_rejected(control: int) -> None:
    """HDLC_FRAME_N5"""
    meter = Meter()
    meter.asked_for(SNRM)
    (reject,) = meter.is_sent(control)
    assert (reject.kind, reject.final) == (Kind.FRMR, True)
    said = frame_reject.decode(reject.information)
    assert said is not None
    assert (said.control, said.reason) == (control, RejectReason.UNDEFINED_CONTROL)
    assert kinds(meter.is_sent(Kind.RR)) == [Kind.FRMR]
    recovers(meter)


def test_frame_n5_a_meter_may_be_silent_instead() -> None:
    """HDLC_FRAME_N5, as a device profile may have it."""
    meter = Meter(settings=ServerLinkSettings(rejects_frames=False))
    meter.asked_for(SNRM)
    assert meter.is_sent(0xFF) == []
    still_connected(meter)


def test_frame_n7_a_wrong_header_check_is_ignored() -> None:
    """HDLC_FRAME_N7: the octets of the tester, and the same with a right FCS behind the wrong HCS."""
    meter = Meter(ServerAddress(1))
    octets = bytes.fromhex(published.SNRM_STALE_HCS)
    for wrong in (octets, raw(with_check(octets[1:-3]))):
        assert meter.hears(wrong) == []
        assert [frame.kind for frame in meter.is_sent(DISC, to=b"\x03")] == [DM]
    assert [frame.kind for frame in meter.hears(bytes.fromhex(published.FRAMES["SNRM 128/128/1/1"]))] == [UA]


@pytest.mark.parametrize("information", [b"", Parameters().encode()])
@pytest.mark.parametrize("flipped", [1, 0x80, 0xFF])
def test_frame_n8_a_wrong_frame_check_is_ignored(information: bytes, flipped: int) -> None:
    """HDLC_FRAME_N8"""
    meter = Meter()
    octets = bytearray(frames.encode(DECLARED.encode(), CLIENT, 0x93, information))
    octets[-2] ^= flipped
    assert meter.hears(bytes(octets)) == []
    still_disconnected(meter)


@pytest.mark.parametrize("address", [ServerAddress(1), ServerAddress(1, 17, 2), ServerAddress(1, 17, 4)])
def test_address_p1_every_declared_form_of_the_address_works(address: ServerAddress) -> None:
    """HDLC_ADDRESS_P1"""
    meter = Meter(ServerAddress(1), ServerAddress(1, 17, 2), ServerAddress(1, 17, 4))
    (answer,) = meter.is_sent(SNRM, to=address.encode())
    assert (answer.kind, answer.source, answer.destination) == (UA, address.encode(), CLIENT)


@pytest.mark.parametrize("source", [b"\x20\x21", b"\x00\x21", b"\x02\x00\x02\x21"])
def test_address_n1_a_client_address_of_more_than_one_octet_is_ignored(source: bytes) -> None:
    """HDLC_ADDRESS_N1"""
    meter = Meter()
    assert meter.is_sent(SNRM, source=source) == []
    still_disconnected(meter)


@pytest.mark.parametrize(
    "address",
    [
        ServerAddress(2, 17, 4),
        ServerAddress(1, 18, 4),
        ServerAddress(0, 0, 4),
        ServerAddress(0x3FFE, 0x3FFE, 4),
        ServerAddress(0x3FFF, 17, 4),  # all stations: only UI may be sent there, and nothing is answered
        ServerAddress(0x3FFF, 0x3FFF, 4),
    ],
)
def test_address_n4_an_unknown_destination_is_ignored(address: ServerAddress) -> None:
    """HDLC_ADDRESS_N4"""
    meter = Meter()
    assert meter.is_sent(SNRM, to=address.encode()) == []
    still_disconnected(meter)


@pytest.mark.parametrize("address", [ServerAddress(1), ServerAddress(1, 17, 2)])
def test_address_n6_a_shorter_form_than_declared_is_ignored(address: ServerAddress) -> None:
    """HDLC_ADDRESS_N6"""
    meter = Meter()
    assert meter.is_sent(SNRM, to=address.encode()) == []
    still_disconnected(meter)


@pytest.mark.parametrize("destination", [b"\x00\x02\x23", b"\x00\x00\x02\x00\x23"])
def test_address_n7_a_destination_of_3_or_5_octets_is_ignored(destination: bytes) -> None:
    """HDLC_ADDRESS_N7"""
    meter = Meter()
    length = 6 + len(destination)
    assert meter.hears(raw(snrm_body(format=bytes((0xA0, length)), destination=destination))) == []
    still_disconnected(meter)


@pytest.mark.parametrize("proposed", [2030, 1024, 256, 255, 129, 128, 64, 1])
@pytest.mark.parametrize("limit", [128, 2030])
def test_ndm2nrm_p1_the_longest_information_field_is_negotiated(proposed: int, limit: int) -> None:
    """HDLC_NDM2NRM_P1"""
    meter = Meter(settings=ServerLinkSettings(limits=Parameters(transmit_octets=limit, receive_octets=limit)))
    (answer,) = meter.is_sent(SNRM, Parameters(transmit_octets=proposed, receive_octets=proposed).encode())
    said = parameters.decode(answer.information)
    assert (said.transmit_octets, said.receive_octets) == (min(proposed, limit), min(proposed, limit))


def test_ndm2nrm_p1_the_two_directions_are_negotiated_crosswise() -> None:
    """HDLC_NDM2NRM_P1: what the client transmits is what the meter receives."""
    meter = Meter(settings=ServerLinkSettings(limits=Parameters(transmit_octets=500, receive_octets=300)))
    (answer,) = meter.is_sent(SNRM, Parameters(transmit_octets=2030, receive_octets=200).encode())
    said = parameters.decode(answer.information)
    assert (said.transmit_octets, said.receive_octets) == (200, 300)


@pytest.mark.parametrize("proposed", range(1, 8))
@pytest.mark.parametrize("limit", [1, 4, 7])
def test_ndm2nrm_p2_the_window_is_negotiated(proposed: int, limit: int) -> None:
    """HDLC_NDM2NRM_P2"""
    meter = Meter(settings=ServerLinkSettings(limits=Parameters(transmit_window=limit, receive_window=limit)))
    (answer,) = meter.is_sent(SNRM, Parameters(transmit_window=proposed, receive_window=proposed).encode())
    said = parameters.decode(answer.information)
    assert (said.transmit_window, said.receive_window) == (min(proposed, limit), min(proposed, limit))


def test_info_p1_an_aarq_in_one_frame_is_answered_by_an_aare() -> None:
    """HDLC_INFO_P1"""
    meter = Meter()
    meter.asked_for(SNRM)
    (answer,) = meter.is_sent(Kind.I, LLC_COMMAND + published.AARQ)
    assert (answer.kind, answer.send, answer.receive, answer.final) == (Kind.I, 0, 1, True)
    assert answer.information == LLC_RESPONSE + published.AARE


@pytest.mark.parametrize("octets", [1, 10, 33])
def test_info_p1_an_aarq_in_segments_is_answered_by_an_aare(octets: int) -> None:
    """HDLC_INFO_P1, segmented; more than 8 segments pass through every number."""
    meter = Meter()
    meter.asked_for(SNRM)
    whole = LLC_COMMAND + published.AARQ
    segments = [whole[begin : begin + octets] for begin in range(0, len(whole), octets)]
    for index, segment in enumerate(segments[:-1]):
        (ready,) = meter.is_sent(Kind.I, segment, segmented=True, send=index % 8)
        assert (ready.kind, ready.receive) == (Kind.RR, (index + 1) % 8)
    (answer,) = meter.is_sent(Kind.I, segments[-1], send=(len(segments) - 1) % 8)
    assert answer.information == LLC_RESPONSE + published.AARE
    assert meter.requests == [published.AARQ]


def test_info_n1_an_information_field_that_is_too_long_is_rejected() -> None:
    """HDLC_INFO_N1"""
    meter = Meter()
    meter.asked_for(SNRM)
    (reject,) = meter.is_sent(Kind.I, LLC_COMMAND + bytes(126))
    said = frame_reject.decode(reject.information)
    assert (reject.kind, said is not None and said.reason) == (Kind.FRMR, RejectReason.INFORMATION_TOO_LONG)
    assert meter.requests == []
    recovers(meter)


def test_info_n1_the_longest_information_field_is_taken() -> None:
    """HDLC_INFO_N1, the other half."""
    meter = Meter()
    meter.asked_for(SNRM)
    assert kinds(meter.is_sent(Kind.I, LLC_COMMAND + bytes(125))) == [Kind.RR]
    assert meter.requests == [bytes(125)]


@pytest.mark.parametrize("receive", range(1, 8))
def test_info_n2_a_wrong_acknowledgement_is_rejected(receive: int) -> None:
    """HDLC_INFO_N2"""
    meter = Meter()
    meter.asked_for(SNRM)
    (reject,) = meter.is_sent(Kind.I, LLC_COMMAND + published.AARQ, receive=receive)
    said = frame_reject.decode(reject.information)
    assert (reject.kind, said is not None and said.reason) == (Kind.FRMR, RejectReason.WRONG_ACKNOWLEDGEMENT)
    assert meter.requests == []
    recovers(meter)


@pytest.mark.parametrize("send", range(1, 8))
def test_info_n3_a_wrong_number_is_answered_by_the_expected_one(send: int) -> None:
    """HDLC_INFO_N3"""
    meter = Meter()
    meter.asked_for(SNRM)
    (ready,) = meter.is_sent(Kind.I, LLC_COMMAND + published.AARQ, send=send)
    assert (ready.kind, ready.receive, ready.final) == (Kind.RR, 0, True)
    assert meter.requests == []
    assert kinds(meter.is_sent(Kind.I, LLC_COMMAND + published.AARQ)) == [Kind.I]


@pytest.mark.parametrize("says_disconnected", [True, False])
def test_ndmop_n1_an_i_frame_without_a_link_is_not_carried_out(says_disconnected: bool) -> None:
    """HDLC_NDMOP_N1"""
    meter = Meter(settings=ServerLinkSettings(says_disconnected=says_disconnected))
    answer = meter.is_sent(Kind.I, LLC_COMMAND + published.AARQ)
    assert kinds(answer) == ([DM] if says_disconnected else [])
    assert meter.requests == []
    recovers(meter)


def test_the_same_frame_twice_is_carried_out_once_and_answered_twice() -> None:
    """101 of the independent re-implementation"""
    meter = Meter()
    meter.asked_for(SNRM)
    first = meter.is_sent(Kind.I, LLC_COMMAND + published.AARQ)
    again = meter.is_sent(Kind.I, LLC_COMMAND + published.AARQ)
    assert first == again
    assert meter.requests == [published.AARQ]
    (clock,) = meter.is_sent(Kind.I, LLC_COMMAND + published.GET_CLOCK, send=1, receive=1)
    assert clock.information == LLC_RESPONSE + published.CLOCK

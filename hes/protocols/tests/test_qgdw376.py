"""Q/GDW 376.1 frames against published and captured octets (docs/protocols/q-gdw-376-1.md, vectors)."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hes.errors import LocalProtocolError, RemoteProtocolError
from hes.protocols import qgdw376
from hes.protocols.qgdw376 import (
    Confirmation,
    ConfirmStyle,
    LinkService,
    Qgdw376Frame,
    Receiver,
    TerminalClock,
    TerminalId,
)

CHANGSHA_1 = TerminalId(731, 1)

LOGIN = "683200320068C931070100000270000001007516"
CONFIRM_F1 = "6832003200680B3107010000006000000100A516"
HEARTBEAT = "683200320068C931070100000271000004007916"
CONFIRM_F3 = "684A004A00680B3107010000006100000400020000040000AF16"
LOGOUT = "683200320068C931070100000272000002007816"
FIELD_HEARTBEAT = "683200320068C920210700000271000004008816"
FIELD_ANSWER = "684A004A00680B2021070000006100000400020000040000BE16"
OTHER_LOGIN = "683200320068C900023412000271000001008516"
OTHER_CONFIRM = "6832003200680B0002341200006100000100B516"
HEARTBEAT_WITH_CLOCK = "684A004A0068C9340894040002750000040033301412D2209316"

OTHER_FRAMES = {
    "read clock": "6832003200684B31070100020C6000000200F416",
    "clock answered": "684A004A00688831070100020C600000020030451015F224E116",
    "deny": "6832003200688831070100020060000002002516",
    "time sync": "688A008A00684A310701000205700000400330451015F22400000000000000000000000000000000ED16",
    "set F10": (
        "68E600E600684A31070100020470000002010100020002007F1E502713297203000000000000040B0000000000001100"
        "000000000000000000000000000000E616"
    ),
    "query F10": "6842004200684B31070100020A600000020101000200F616",
    "forward SNRM": "686E006E00684B31070100021060000001001FCB9E1409007EA0070321930F017E0616",
    "capture: module version": (
        "689E009E00684B20211C000410E1000001001FCBA8140F00680F000A0000000000000301000E160119101612004E16"
    ),
    "F129 request": "6832003200684B31070100020C61010101100616",
    "F129 answer": (
        "68AE00AE00688831070100020C6101010110451015122404007856341200785634020000000005000000000500000000000916"
    ),
    "F25 request": "6832003200684B31070100020C6201010103FA16",
    "F25 answer": (
        "683E013E01688831070100020C6201010103451015122456340256340200000000000050040050040000000000000082"
        "098209001000100523EEEEEEEE500301EEEEEEEEEEEE0500008438028438020000000000001616"
    ),
    "F161 request": "683E003E00684B31070100020D63010101141412245716",
    "F161 answer": (
        "68BA00BA00688831070100020D6301010114141224050015122404007856341200785634020000000005000000000500000000000A16"
    ),
    "ERC14 with ACD": "687A007A0068E431070100000E6400000100010000010E0A451015122405111512240100AC16",
    "events request": "683A003A00684B31070100020E65000001000001FB16",
}


LINK_FRAMES = (
    *(LOGIN, CONFIRM_F1, HEARTBEAT, CONFIRM_F3, LOGOUT, FIELD_HEARTBEAT, FIELD_ANSWER, OTHER_LOGIN, OTHER_CONFIRM),
    HEARTBEAT_WITH_CLOCK,
)


@pytest.mark.parametrize("text", [*LINK_FRAMES, *OTHER_FRAMES.values()])
def test_a_published_frame_decodes_and_encodes_to_the_same_octets(text: str) -> None:
    octets = bytes.fromhex(text)
    assert qgdw376.decode(octets).encode() == octets


@pytest.mark.parametrize(
    ("service", "pseq", "text"),
    [(LinkService.LOGIN, 0, LOGIN), (LinkService.HEARTBEAT, 1, HEARTBEAT), (LinkService.LOGOUT, 2, LOGOUT)],
)
def test_link_frames_are_those_of_the_published_terminal_07310001(service: LinkService, pseq: int, text: str) -> None:
    frame = qgdw376.encode_link(CHANGSHA_1, service, pseq)
    assert frame.encode().hex().upper() == text
    decoded = qgdw376.decode(bytes.fromhex(text))
    assert (decoded.terminal, qgdw376.link_service(decoded), decoded.pseq) == (CHANGSHA_1, service, pseq)
    assert decoded.wants_confirmation
    assert decoded.is_uplink
    assert qgdw376.confirmation(decoded) is None
    assert qgdw376.clock_of(decoded) is None


@pytest.mark.parametrize(
    ("request_text", "style", "answer_text"),
    [
        (LOGIN, ConfirmStyle.WHOLE_FRAME, CONFIRM_F1),
        (HEARTBEAT, ConfirmStyle.EACH_UNIT, CONFIRM_F3),
        (FIELD_HEARTBEAT, ConfirmStyle.EACH_UNIT, FIELD_ANSWER),
        (OTHER_LOGIN, ConfirmStyle.WHOLE_FRAME, OTHER_CONFIRM),
    ],
)
def test_confirmations_are_those_seen_in_the_field(request_text: str, style: ConfirmStyle, answer_text: str) -> None:
    request = qgdw376.decode(bytes.fromhex(request_text))
    answer = qgdw376.confirm(request, style)
    assert answer.encode().hex().upper() == answer_text
    assert qgdw376.confirmation(answer) == Confirmation(request.pseq, is_accepted=True)
    assert not answer.wants_confirmation


def test_a_denial_is_a_confirmation_that_refuses() -> None:
    request = qgdw376.decode(bytes.fromhex(LOGIN))
    denial = qgdw376.deny(request)
    assert qgdw376.confirmation(denial) == Confirmation(0, is_accepted=False)
    assert qgdw376.link_service(denial) is None
    terminal_denies = qgdw376.decode(bytes.fromhex(OTHER_FRAMES["deny"]))
    assert qgdw376.confirmation(terminal_denies) == Confirmation(0, is_accepted=False)


def test_one_refused_unit_refuses_the_whole_confirmation() -> None:
    frame = qgdw376.decode(bytes.fromhex(CONFIRM_F3))
    refused = Qgdw376Frame(frame.control, frame.terminal, 0, frame.sequence, frame.data[:-1] + b"\x01")
    assert qgdw376.confirmation(refused) == Confirmation(1, is_accepted=False)


def test_a_heartbeat_may_carry_the_terminals_clock() -> None:
    frame = qgdw376.decode(bytes.fromhex(HEARTBEAT_WITH_CLOCK))
    clock = qgdw376.clock_of(frame)
    assert clock == TerminalClock(2020, 12, 12, 14, 30, 33, weekday=6)
    assert qgdw376.encode_link(frame.terminal, LinkService.HEARTBEAT, 5, clock=clock).encode() == frame.encode()


def test_a_clock_that_is_not_one_counts_as_none() -> None:
    frame = qgdw376.decode(bytes.fromhex(HEARTBEAT_WITH_CLOCK))
    damaged = Qgdw376Frame(frame.control, frame.terminal, frame.afn, frame.sequence, frame.data[:4] + b"\xee" * 6)
    assert qgdw376.clock_of(damaged) is None


def test_event_counters_and_time_tag_are_not_taken_for_data_units() -> None:
    plain = qgdw376.encode_link(CHANGSHA_1, LinkService.HEARTBEAT, 3)
    aux = b"\x05\x06" + bytes(6)
    tagged = Qgdw376Frame(plain.control | 0x20, CHANGSHA_1, plain.afn, plain.sequence | 0x80, plain.data + aux)
    assert tagged.units == plain.data
    assert qgdw376.link_service(tagged) is LinkService.HEARTBEAT
    assert qgdw376.clock_of(tagged) is None


@pytest.mark.parametrize(
    ("text", "terminal", "octets"),
    [
        ("07310001", TerminalId(731, 1), "31070100"),
        ("0731012C", TerminalId(731, 300), "31072C01"),
        ("0731ffff", TerminalId(731, 0xFFFF), "3107FFFF"),
        ("99990a0B", TerminalId(9999, 0x0A0B), "99990B0A"),
    ],
)
def test_terminal_id_prints_address_1_in_decimal_and_address_2_in_hex(
    text: str, terminal: TerminalId, octets: str
) -> None:
    assert TerminalId.parse(text) == terminal
    assert str(terminal) == text.upper()
    assert terminal.to_octets() == bytes.fromhex(octets)
    assert TerminalId.from_octets(bytes.fromhex(octets)) == terminal


@pytest.mark.parametrize(
    "text", ["", "0731001", "073100011", "07g10001", "0A310001", "0731 001", "07310000", "٠٧٣١0001"]
)
def test_a_terminal_id_in_another_form_is_refused(text: str) -> None:
    with pytest.raises(LocalProtocolError):
        TerminalId.parse(text)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({0: 0x69}, "starts with 68"),
        ({5: 0x69}, "starts with 68"),
        ({3: 0x33}, "lengths .* differ"),
        ({1: 0x33, 3: 0x33}, "protocol number 3"),
        ({1: 0x1E, 3: 0x1E}, "no room"),
        ({-1: 0x17}, "ends with 16"),
        ({-2: 0x00}, "check sum"),
        ({7: 0xAB, -2: (0x75 + 0xAB - 0x31) & 0xFF}, "not BCD"),
        ({9: 0x00, -2: 0x74}, "address 0"),
    ],
)
def test_each_broken_rule_has_its_sentence(change: dict[int, int], sentence: str) -> None:
    octets = bytearray.fromhex(LOGIN)
    for index, octet in change.items():
        octets[index] = octet
    with pytest.raises(RemoteProtocolError, match=sentence):
        qgdw376.decode(octets)


def test_too_few_and_too_many_octets_are_refused() -> None:
    octets = bytes.fromhex(LOGIN)
    for end in range(len(octets)):
        with pytest.raises(RemoteProtocolError):
            qgdw376.decode(octets[:end])
    with pytest.raises(RemoteProtocolError, match="left over"):
        qgdw376.decode(octets + b"\x00")


@pytest.mark.parametrize(
    ("point", "function", "octets"),
    [(0, 1, "00000100"), (0, 10, "00000201"), (1, 25, "01010103"), (2, 33, "02010104"), (9, 129, "01020110")],
)
def test_data_units_name_point_and_function(point: int, function: int, octets: str) -> None:
    assert qgdw376.encode_unit(point, function).hex() == octets
    assert qgdw376.decode_unit(bytes.fromhex(octets)) == ((point,), (function,))


def test_a_data_unit_may_name_several_points_and_functions() -> None:
    assert qgdw376.decode_unit(bytes.fromhex("8102 0510")) == ((9, 16), (129, 131))
    assert qgdw376.decode_unit(bytes.fromhex("FF00 0100")) == ((qgdw376.ALL_POINTS,), (1,))


@pytest.mark.parametrize("octets", ["000001", "00010100", "01000100", "00000000"])
def test_a_data_unit_that_names_nothing_is_refused(octets: str) -> None:
    with pytest.raises(RemoteProtocolError):
        qgdw376.decode_unit(bytes.fromhex(octets))


def test_what_does_not_fit_a_frame_is_our_own_error() -> None:
    for bad in (
        Qgdw376Frame(256, CHANGSHA_1, 0, 0),
        Qgdw376Frame(0, CHANGSHA_1, 0, 0, master=128),
        Qgdw376Frame(0, CHANGSHA_1, 0, 0, protocol=0),
        Qgdw376Frame(0, CHANGSHA_1, 0, 0, bytes(16376)),
    ):
        with pytest.raises(LocalProtocolError):
            bad.encode()
    longest = Qgdw376Frame(0, CHANGSHA_1, 0, 0, bytes(16375)).encode()
    assert len(longest) == qgdw376.FRAME_OCTETS_MAX
    assert qgdw376.decode(longest).data == bytes(16375)


terminals = st.builds(TerminalId, st.integers(0, 9999), st.integers(1, 0xFFFF))
octet = st.integers(0, 255)
frames = st.builds(
    Qgdw376Frame, octet, terminals, octet, octet, st.binary(max_size=60), st.integers(0, 127), st.booleans(),
    st.sampled_from([1, 2]),
)  # fmt: skip


@given(frames)
def test_any_frame_survives_the_wire(frame: Qgdw376Frame) -> None:
    assert qgdw376.decode(frame.encode()) == frame


@given(st.binary(max_size=40))
@example(bytes.fromhex("6832003200 68"))
def test_arbitrary_octets_give_a_frame_or_a_remote_error(octets: bytes) -> None:
    for probe in (octets, b"\x68" + octets, bytes.fromhex("683200320068") + octets):
        try:
            frame = qgdw376.decode(probe)
        except RemoteProtocolError:
            continue
        assert frame.encode() == probe


@given(frames, st.binary(max_size=12))
def test_reading_the_meaning_of_arbitrary_data_gives_a_value_or_a_remote_error(
    frame: Qgdw376Frame, data: bytes
) -> None:
    for afn in (qgdw376.AFN_CONFIRM, qgdw376.AFN_LINK):
        probe = Qgdw376Frame(0xC9, frame.terminal, afn, frame.sequence, data)
        for meaning in (qgdw376.link_service, qgdw376.confirmation, qgdw376.clock_of):
            try:
                meaning(probe)
            except RemoteProtocolError:
                continue


@given(st.lists(st.one_of(frames.map(Qgdw376Frame.encode), st.binary(max_size=20)), max_size=6))
@example([b"\x68\x68\x68", bytes.fromhex(LOGIN)])
def test_a_noisy_line_gives_the_same_frames_octet_by_octet_as_at_once(pieces: list[bytes]) -> None:
    stream = b"".join(pieces)
    at_once, singly = Receiver(), Receiver()
    together = at_once.feed(stream)
    apart = [frame for octet in stream for frame in singly.feed(bytes((octet,)))]
    assert together == apart
    assert at_once.dropped_octets == singly.dropped_octets


@given(frames, st.binary(max_size=30).filter(lambda noise: 0x68 not in noise))
def test_a_frame_after_noise_and_preamble_is_found(frame: Qgdw376Frame, noise: bytes) -> None:
    receiver = Receiver()
    assert receiver.feed(noise + b"\xfe" * 4 + frame.encode()) == [frame]
    assert receiver.dropped_octets == len(noise) + 4


def test_a_damaged_frame_costs_only_itself() -> None:
    damaged = bytearray.fromhex(LOGIN)
    damaged[10] ^= 0x55
    receiver = Receiver()
    assert receiver.feed(bytes(damaged) + bytes.fromhex(HEARTBEAT)) == [qgdw376.decode(bytes.fromhex(HEARTBEAT))]
    assert receiver.dropped_octets == len(damaged)


def test_half_a_frame_is_forgotten_after_silence() -> None:
    receiver = Receiver()
    assert receiver.feed(bytes.fromhex(LOGIN)[:9]) == []
    receiver.reset()
    assert receiver.feed(bytes.fromhex(LOGIN)) == [qgdw376.decode(bytes.fromhex(LOGIN))]
    assert receiver.dropped_octets == 9


def test_a_length_beyond_the_ports_limit_does_not_hold_the_line() -> None:
    receiver = Receiver(frame_octets_max=263)
    claims_16383 = bytes.fromhex("68FEFFFEFF68")
    assert receiver.feed(claims_16383 + bytes.fromhex(LOGIN)) == [qgdw376.decode(bytes.fromhex(LOGIN))]

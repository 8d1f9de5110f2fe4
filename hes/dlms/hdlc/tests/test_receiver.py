"""Reception from lines that carry more than frames."""

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hes.dlms.hdlc import frame as frames
from hes.dlms.hdlc import receiver as receiver_module
from hes.dlms.hdlc.fcs import REVERSED, check_sequence
from hes.dlms.hdlc.frame import FRAME_OCTETS_MAX, HEADER_OCTETS_MAX, Frame, Kind
from hes.dlms.hdlc.receiver import REFUSALS_KEPT, Receiver
from hes.dlms.hdlc.tests import published
from hes.dlms.hdlc.tests.strategies import FRAMES

SNRM = bytes.fromhex(published.FRAMES["SNRM empty"])
AARQ = bytes.fromhex(published.FRAMES["I AARQ"])
ALIKE = st.lists(st.sampled_from([0x7E, 0xA0, 0xA8, 0x07, 0x03, 0x21, 0x93, 0xFF, 0x00]), max_size=300).map(bytes)
STREAMS = st.lists(FRAMES.map(Frame.encode) | st.binary(max_size=40) | ALIKE, max_size=6).map(b"".join)


def reasons(receiver: Receiver) -> list[str]:
    return [refusal.message for refusal in receiver.refusals]


@given(st.lists(FRAMES, max_size=5), st.randoms(use_true_random=False))
def test_frames_may_share_their_flags_and_have_more_of_them_between(sent: list[Frame], chance: random.Random) -> None:
    octets = b"\x7e".join(frame.encode()[: -1 if chance.random() < 0.5 else None] for frame in sent) + b"\x7e\x7e\x7e"
    assert Receiver(inter_octet_s=None).feed(octets) == sent


@given(STREAMS, st.integers(1, 50))
@example(b"\x7e\xa0\x07\x00\x00\x00\x01\x00\x01", 1)
def test_octet_by_octet_or_in_pieces_gives_the_same_as_all_at_once(octets: bytes, size: int) -> None:
    at_once, single, pieces = (Receiver(inter_octet_s=None) for _ in range(3))
    expected = at_once.feed(octets)
    assert [frame for octet in octets for frame in single.feed(bytes((octet,)))] == expected
    cut = [octets[begin : begin + size] for begin in range(0, len(octets), size)]
    assert [frame for piece in cut for frame in pieces.feed(memoryview(piece))] == expected
    assert single.counters == pieces.counters == at_once.counters
    assert reasons(single) == reasons(pieces) == reasons(at_once)


@given(STREAMS)
def test_every_octet_is_in_a_frame_or_accounted_for(octets: bytes) -> None:
    receiver = Receiver(inter_octet_s=None)
    found = receiver.feed(octets)
    in_frames = sum(len(frame.encode()) - 1 for frame in found)
    others = in_frames + receiver.counters.noise_octets + receiver.counters.refused
    assert others <= len(octets)
    assert len(octets) - others <= octets.count(0x7E) + FRAME_OCTETS_MAX


class Work:
    """How many octets pass the check sequences, and how many candidates are judged."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.octets = self.judged = self.scans = 0
        intact, decode, scan = receiver_module.is_intact, frames.decode, Receiver._candidate

        def counted_intact(octets: bytes) -> bool:
            self.octets += len(octets)
            return intact(octets)

        def counted_decode(octets: bytes) -> Frame:
            self.octets += len(octets)
            return decode(octets)

        def counted_scan(receiver: Receiver, position: int, found: list[Frame]) -> int | None:
            self.scans += 1
            return scan(receiver, position, found)

        monkeypatch.setattr(receiver_module, "is_intact", counted_intact)
        monkeypatch.setattr(frames, "decode", counted_decode)
        monkeypatch.setattr(Receiver, "_candidate", counted_scan)


def stream(count: int) -> bytes:
    return (AARQ + b"\x7e\xa7\xff\x03\x21\x00garbage" + SNRM[:-1]) * count + b"\x7e"


@pytest.mark.parametrize("piece_octets", [1, 7, 10**9])
def test_the_work_is_proportional_to_the_octets_however_they_are_cut(
    monkeypatch: pytest.MonkeyPatch, piece_octets: int
) -> None:
    done = []
    for count in (100, 200, 400):
        work = Work(monkeypatch)
        octets = stream(count)
        receiver = Receiver(inter_octet_s=None)
        found = [
            frame
            for begin in range(0, len(octets), piece_octets)
            for frame in receiver.feed(octets[begin : begin + piece_octets])
        ]
        assert len(found) == 2 * count
        done.append((work.octets, work.scans))
        monkeypatch.undo()
    assert done[1][0] == 2 * done[0][0]
    assert done[2][0] == 4 * done[0][0]
    assert done[2][0] <= 2 * len(stream(400))
    assert done[2][1] <= 3 * len(stream(400))


def test_the_worst_stream_makes_a_bounded_number_of_octets_be_checked_for_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every third octet opens a candidate whose length is right: only the header of each is summed."""
    work = Work(monkeypatch)
    octets = b"\x7e\xa7\xfa" * 5000  # 2042 octets, and a flag stands where they end
    Receiver(inter_octet_s=None).feed(octets)
    assert work.octets <= HEADER_OCTETS_MAX * len(octets) / 3
    assert REVERSED[0x80] == 0x01


@given(st.lists(st.binary(max_size=60) | ALIKE, max_size=6))
def test_the_next_good_frame_is_received_after_noise_that_ends_in_silence(noise: list[bytes]) -> None:
    good = Frame(b"\x03", b"\x21", frames.control(Kind.I), b"\xe6\xe7\x00\xc4")
    receiver, now_s = Receiver(), 0.0
    for burst in noise:
        receiver.feed(burst, now_s)
        now_s += 1.0
    assert receiver.feed(good.encode(), now_s)[-1:] == [good]


@given(st.binary(max_size=30))
def test_noise_without_silence_costs_no_more_than_the_frame_it_runs_into(noise: bytes) -> None:
    receiver = Receiver(inter_octet_s=None)
    found = receiver.feed(noise + AARQ * 60)
    assert frames.decode(AARQ[1:-1]) in found


def test_noise_that_looks_like_a_long_frame_does_not_swallow_the_frames_behind_it() -> None:
    receiver = Receiver(inter_octet_s=None)
    assert receiver.feed(b"\x7e\xa7\xff\x03\x21\x93\x00\x00" + SNRM) == [frames.decode(SNRM[1:-1])]
    assert reasons(receiver) == ["the HDLC header check sequence (HCS) is wrong"]


def test_a_truncated_frame_is_dropped_after_the_inter_octet_time_out_and_the_next_is_taken() -> None:
    receiver = Receiver(inter_octet_s=0.025)
    assert receiver.feed(SNRM[:-2], 1.0) == []
    assert receiver.next_deadline() == 1.025
    assert receiver.timed_out(1.024) == []
    assert receiver.counters.truncated == 0
    assert receiver.timed_out(1.025) == []
    assert receiver.counters.truncated == 1
    assert receiver.next_deadline() is None
    assert len(receiver.feed(SNRM, 1.1)) == 1


def test_octets_that_come_late_find_the_truncated_frame_gone_without_the_timer() -> None:
    receiver = Receiver(inter_octet_s=0.025)
    receiver.feed(SNRM[:-2], 1.0)
    assert len(receiver.feed(SNRM, 1.1)) == 1
    assert receiver.counters.truncated == 1


def test_a_whole_frame_behind_the_flag_of_a_truncated_one_is_not_lost_with_it() -> None:
    receiver = Receiver(inter_octet_s=0.025)
    head = bytes.fromhex("A0FF032110")
    assert receiver.feed(b"\x7e" + head + check_sequence(head) + b"\xe6\xe6" + SNRM, 1.0) == []
    assert receiver.timed_out(1.025) == [frames.decode(SNRM[1:-1])]


def test_a_closing_flag_opens_the_next_frame_only_if_it_follows_at_once() -> None:
    receiver = Receiver(inter_octet_s=0.025)
    assert len(receiver.feed(SNRM, 1.0)) == 1
    assert len(receiver.feed(SNRM[1:], 1.01)) == 1
    assert receiver.feed(SNRM[1:], 2.0) == []
    assert receiver.counters.truncated == 0


def test_the_deadline_moves_with_every_octet() -> None:
    receiver = Receiver(inter_octet_s=0.025)
    for index, octet in enumerate(SNRM[:-1]):
        receiver.feed(bytes((octet,)), 1.0 + 0.02 * index)
    assert receiver.next_deadline() == pytest.approx(1.0 + 0.02 * (len(SNRM) - 2) + 0.025)
    assert len(receiver.feed(SNRM[-1:], 1.0 + 0.02 * (len(SNRM) - 1))) == 1


def test_without_an_inter_octet_time_out_only_the_owner_of_the_line_ends_a_frame() -> None:
    receiver = Receiver(inter_octet_s=None)
    receiver.feed(SNRM[:-2], 1.0)
    assert receiver.next_deadline() is None
    assert receiver.feed(b"", 1e9) == receiver.line_silent() == []
    assert receiver.counters.truncated == 1


def test_a_length_beyond_the_limit_is_noise() -> None:
    receiver = Receiver(inter_octet_s=None, frame_octets_max=40)
    assert receiver.feed(AARQ + SNRM) == [frames.decode(SNRM[1:-1])]
    assert reasons(receiver)[0] == "an HDLC frame has no 43 octets"


def test_what_is_held_never_exceeds_one_frame_however_long_a_line_chatters() -> None:
    receiver, chance = Receiver(inter_octet_s=None), random.Random(5)
    for _ in range(2000):
        receiver.feed(bytes(chance.choices((0x7E, 0xA7, 0xFF, 0x00, chance.randrange(256)), k=50)))
        assert len(receiver._buffer) <= FRAME_OCTETS_MAX + 2
        assert len(receiver.refusals) <= REFUSALS_KEPT

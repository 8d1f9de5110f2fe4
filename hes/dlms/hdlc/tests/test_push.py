"""Pushes without a link: recorded ones, and every way in which one may be cut, mixed or lost."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hes.dlms import apdu as apdus
from hes.dlms.hdlc import frame as frames
from hes.dlms.hdlc.address import ServerAddress
from hes.dlms.hdlc.frame import Frame, Kind
from hes.dlms.hdlc.link_flow import LLC_COMMAND, LLC_RESPONSE
from hes.dlms.hdlc.push import SILENCE_S, SOURCES_MAX, Push, PushCounters, PushReceiver, encode_push
from hes.dlms.hdlc.receiver import Receiver
from hes.dlms.hdlc.tests import published
from hes.errors import LocalProtocolError

METER = ServerAddress(1, 17, 2)


def pieces(apdu: bytes, server: ServerAddress = METER, octets_max: int = 40) -> list[bytes]:
    octets = encode_push(apdu, server=server, client_sap=103, octets_max=octets_max)
    return [frame.encode() for frame in Receiver(inter_octet_s=None).feed(octets)]


def test_a_recorded_notification_in_three_segments_is_one_apdu() -> None:
    receiver = PushReceiver()
    (push,) = receiver.feed(published.PUSH_IN_SEGMENTS)
    assert (push.destination, push.source, push.kind) == (b"\xcf", METER.encode(), Kind.UI)
    notification = apdus.decode(push.apdu)
    assert isinstance(notification, apdus.DataNotification)
    assert notification.invoke == 0x4022C
    assert len(push.apdu) == 154 - 3 + 154 + 35
    assert receiver.counters == PushCounters(apdus=1)


def test_a_recorded_notification_is_written_as_it_was_recorded() -> None:
    (push,) = PushReceiver().feed(published.PUSH_IN_SEGMENTS)
    assert encode_push(push.apdu, server=METER, client_sap=103, octets_max=154) == published.PUSH_IN_SEGMENTS


def test_recorded_blocks_are_apdus_of_their_own_although_only_the_first_has_an_llc_header() -> None:
    receiver = PushReceiver()
    pushes = receiver.feed(published.PUSH_IN_BLOCKS)
    assert [push.apdu[:4].hex() for push in pushes] == ["e0400001", "e0400002", "e0c00003"]
    assert {(push.destination, push.source) for push in pushes} == {(b"\xce\xff", b"\x03")}
    assert receiver.counters == PushCounters(apdus=3)


@given(st.binary(min_size=1, max_size=500), st.integers(1, 200), st.sampled_from((Kind.UI, Kind.I)), st.integers(1, 60))
def test_every_push_is_read_as_it_was_written(apdu: bytes, octets_max: int, kind: Kind, piece: int) -> None:
    octets_max = max(octets_max, 3)
    whole = LLC_RESPONSE + apdu
    # a segment that begins like an LLC header is taken for the beginning of the next APDU: one in 8 million
    assume(not any(whole[at:].startswith((LLC_COMMAND, LLC_RESPONSE)) for at in range(octets_max, 600, octets_max)))
    octets = encode_push(apdu, server=METER, client_sap=16, octets_max=octets_max, kind=kind)
    receiver = PushReceiver()
    got = [push for begin in range(0, len(octets), piece) for push in receiver.feed(octets[begin : begin + piece], 1.0)]
    assert got == [Push(apdu, b"\x21", METER.encode(), kind)]


def test_the_segments_of_two_meters_may_be_mixed() -> None:
    one, other = pieces(b"\x0f" * 100), pieces(b"\x10" * 100, ServerAddress(1, 18, 2))
    receiver = PushReceiver()
    got = receiver.feed(b"".join(piece for pair in zip(one, other, strict=True) for piece in pair))
    assert [push.apdu[:1] for push in got] == [b"\x0f", b"\x10"]


def test_an_apdu_without_its_last_segment_is_given_up_for_the_next_one() -> None:
    receiver = PushReceiver()
    assert receiver.feed(b"".join(pieces(b"\x0f" * 100)[:-1])) == []
    (push,) = receiver.feed(b"".join(pieces(b"\x10" * 100)))
    assert push.apdu == b"\x10" * 100
    assert receiver.counters == PushCounters(apdus=1, tails_lost=1)


@pytest.mark.parametrize("lost", [1, 2])
def test_an_apdu_without_its_first_segments_is_not_handed_on(lost: int) -> None:
    receiver = PushReceiver()
    assert receiver.feed(b"".join(pieces(b"\x0f" * 100)[lost:])) == []
    assert receiver.counters == PushCounters(heads_lost=1)
    assert len(receiver.feed(b"".join(pieces(b"\x10" * 100)))) == 1


def test_segments_further_apart_than_the_silence_do_not_belong_together() -> None:
    receiver = PushReceiver()
    first, *others = pieces(b"\x0f" * 100)
    assert receiver.feed(first, 1.0) == []
    assert receiver.feed(b"".join(others), 1.0 + SILENCE_S + 0.1) == []
    assert receiver.counters == PushCounters(tails_lost=1, heads_lost=1)


def test_an_apdu_beyond_the_limit_is_dropped_and_what_is_kept_stays_small() -> None:
    receiver = PushReceiver(apdu_octets_max=200)
    assert receiver.feed(b"".join(pieces(bytes(1000)))) == []
    assert receiver.counters == PushCounters(too_long=1)
    assert len(receiver.feed(b"".join(pieces(bytes(200))))) == 1


def test_of_too_many_senders_at_a_time_the_oldest_is_given_up() -> None:
    receiver = PushReceiver()
    for index in range(SOURCES_MAX + 5):
        assert receiver.feed(pieces(b"\x0f" * 100, ServerAddress(1, index, 2))[0], float(index) / 10) == []
    assert receiver.counters == PushCounters(tails_lost=5)
    assert len(receiver._assembler._partials) == SOURCES_MAX


def test_frames_that_carry_no_push_are_counted() -> None:
    receiver = PushReceiver()
    octets = b"".join(bytes.fromhex(published.FRAMES[name]) for name in ("SNRM empty", "UA bare", "RR(0)", "DM"))
    assert receiver.feed(octets) == []
    assert receiver.counters == PushCounters(others=4)


def test_a_notification_may_come_behind_the_command_header() -> None:
    frame = Frame(b"\x21", b"\x03", Kind.UI, LLC_COMMAND + b"\x0f")
    assert [push.apdu for push in PushReceiver().feed(frame.encode())] == [b"\x0f"]


def test_what_follows_silence_in_mid_frame_is_received() -> None:
    octets = frames.encode(b"\x21", b"\x03", Kind.UI, LLC_RESPONSE + b"\x0f")
    receiver = PushReceiver(inter_octet_s=0.5)
    assert receiver.feed(octets[:9], 1.0) == []
    assert receiver.next_deadline() == 1.5
    assert receiver.timed_out(1.5) == []
    assert receiver.receiver.counters.truncated == 1
    assert len(receiver.feed(octets, 2.0)) == 1


def test_segments_of_no_octets_are_our_own_mistake() -> None:
    with pytest.raises(LocalProtocolError, match=r"1\.\.2030"):
        encode_push(b"\x0f", server=METER, client_sap=16, octets_max=0)

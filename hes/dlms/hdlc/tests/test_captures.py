"""What real devices sent: every file's frames and APDUs counted, and every refusal named."""

import re
from collections import Counter
from pathlib import Path

import pytest

from hes.dlms import apdu as apdus
from hes.dlms.hdlc.frame import Frame, Kind
from hes.dlms.hdlc.push import PushReceiver
from hes.dlms.hdlc.receiver import Receiver, ReceiverCounters
from hes.dlms.hdlc.tests import published
from hes.trace.capture_reader import read_capture

RECORD = re.compile(r"\[[^\]]*Received (\d+)[^\]]*\]([^\[]*)")
KAIFA, KAMSTRUP = "kaifa-2017-09-12.txt", "kamstrup-2017-10-19.txt"


def records(path: Path) -> list[bytes]:
    """What the port gave at a time: mostly a frame, sometimes half of one or one and a half."""
    found = []
    for count, text in RECORD.findall(path.read_text()):
        octets = bytes.fromhex(text)
        assert len(octets) == int(count)
        found.append(octets)
    return found


@pytest.mark.parametrize(
    ("name", "record_count", "octet_count", "apdu_count", "kind", "control", "destination", "source"),
    [
        (KAIFA, 619, 35055, 611, Kind.I, 0x10, b"\x01", b"\x02\x01"),
        (KAMSTRUP, 159, 35798, 156, Kind.UI, 0x13, b"\x2b", b"\x21"),
    ],
)
def test_every_frame_of_a_customer_port_is_a_notification(
    captures: Path,
    name: str,
    record_count: int,
    octet_count: int,
    apdu_count: int,
    kind: Kind,
    control: int,
    destination: bytes,
    source: bytes,
) -> None:
    pieces = records(captures / "han" / name)
    assert (len(pieces), sum(map(len, pieces))) == (record_count, octet_count)
    receiver = PushReceiver(inter_octet_s=None)
    pushes = [push for piece in pieces for push in receiver.feed(piece)]
    assert len(pushes) == apdu_count
    assert {(push.kind, push.destination, push.source) for push in pushes} == {(kind, destination, source)}
    assert {type(apdus.decode(push.apdu)) for push in pushes} == {apdus.DataNotification}
    assert list(receiver.receiver.refusals) == []
    assert receiver.receiver.counters == ReceiverCounters(frames=apdu_count)
    found = Receiver(inter_octet_s=None).feed(b"".join(pieces))
    assert {frame.control for frame in found} == {control}
    assert b"".join(frame.encode() for frame in found) == b"".join(pieces)


@pytest.mark.parametrize("name", [KAIFA, KAMSTRUP])
def test_a_customer_port_that_is_opened_in_mid_frame_loses_that_frame_alone(captures: Path, name: str) -> None:
    pieces = records(captures / "han" / name)
    octets = b"".join(pieces)
    receiver = PushReceiver(inter_octet_s=None)
    receiver.feed(octets[17:])
    assert receiver.counters.apdus == len(PushReceiver(inter_octet_s=None).feed(octets)) - 1
    assert [str(refusal) for refusal in receiver.receiver.refusals] == []  # two flags in a row: no candidate between


def spoken(captures: Path, *, from_client: bool) -> tuple[list[Frame], Receiver]:
    (talk,) = read_capture(captures / "sessions" / "data1.pcapng").conversations
    receiver = Receiver(inter_octet_s=None)
    found = [frame for chunk in talk.stream(from_client=from_client) for frame in receiver.feed(chunk.octets)]
    return found, receiver


def test_the_client_of_the_recorded_session_says_98_frames_and_one_that_is_none(captures: Path) -> None:
    found, receiver = spoken(captures, from_client=True)
    assert Counter(frame.kind for frame in found) == {Kind.SNRM: 1, Kind.I: 74, Kind.RR: 22, Kind.DISC: 1}
    assert receiver.counters == ReceiverCounters(frames=98, refused=1, noise_octets=43)
    # the AARQ, whose octets somebody has changed behind the HCS
    assert [str(refusal) for refusal in receiver.refusals] == ["the HDLC frame check sequence (FCS) is wrong"]
    numbers = [frame.send for frame in found if frame.kind is Kind.I]
    assert numbers == [number % 8 for number in range(1, 75)]
    assert {frame.information[:3] for frame in found if frame.kind is Kind.I} == {b"\xe6\xe6\x00"}


def test_the_server_of_the_recorded_session_says_one_ua(captures: Path) -> None:
    found, receiver = spoken(captures, from_client=False)
    assert [frame.encode().hex() for frame in found] == [published.FRAMES["UA 128/128/1/1"].lower()]
    assert receiver.counters == ReceiverCounters(frames=1)

"""Cutting a stream of 376.1 and wrapper frames."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hes.dlms import wrapper
from hes.errors import RemoteProtocolError
from hes.protocols import qgdw376
from hes.protocols.framing import Frame, StreamSplitter, WrapperFrame
from hes.protocols.qgdw376 import LinkService, Qgdw376Frame, TerminalId

LOGIN = bytes.fromhex("683200320068C931070100000270000001007516")
AARQ = bytes.fromhex("000100100001001F601DA109060760857405080101BE10040E01000000065F1F0400007E1F04B0")
THROUGH_GATEWAY = bytes.fromhex("0001000100010012E601020010C001C100080000010000FF0200")


def test_login_and_apdus_share_one_connection() -> None:
    login, associate, get = StreamSplitter().feed(LOGIN + AARQ + THROUGH_GATEWAY)
    assert isinstance(login, Qgdw376Frame)
    assert qgdw376.link_service(login) is LinkService.LOGIN
    assert associate == WrapperFrame(16, 1, AARQ[8:])
    assert get == WrapperFrame(1, 1, THROUGH_GATEWAY[8:])


def test_what_is_whole_comes_out_before_the_rest_has_arrived() -> None:
    splitter = StreamSplitter()
    assert len(splitter.feed(LOGIN + AARQ[:20])) == 1
    assert splitter.feed(b"") == []
    assert splitter.feed(AARQ[20:]) == [WrapperFrame(16, 1, AARQ[8:])]


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (b"GET / HTTP/1.1\r\n", "octet 47 starts neither"),
        (b"\x16\x03\x01", "octet 16 starts neither"),
        (bytes.fromhex("0002001000010000"), "version"),
        (LOGIN[:-2] + b"\x00\x16", "check sum"),
        (bytes.fromhex("683200330068"), "lengths"),
    ],
)
def test_a_broken_frame_ends_the_stream_after_what_came_before(broken: bytes, sentence: str) -> None:
    splitter = StreamSplitter()
    assert len(splitter.feed(LOGIN + broken)) == 1
    assert splitter.fault is not None
    assert splitter.fault.octet_offset == len(LOGIN)
    for more in (b"", LOGIN):
        with pytest.raises(RemoteProtocolError, match=sentence):
            splitter.feed(more)
    with pytest.raises(RemoteProtocolError, match=sentence):
        StreamSplitter().feed(broken)


def test_a_frame_beyond_the_limit_is_refused_from_its_header_alone() -> None:
    with pytest.raises(RemoteProtocolError, match="at most 508"):
        StreamSplitter(payload_octets_max=500).feed(wrapper.encode(1, 1, bytes(501))[:8])
    with pytest.raises(RemoteProtocolError, match="at most 263"):
        StreamSplitter(frame_octets_max=263).feed(bytes.fromhex("680204020468"))


terminals = st.builds(TerminalId, st.integers(0, 9999), st.integers(1, 0xFFFF))
octet = st.integers(0, 255)
frames = st.one_of(
    st.builds(WrapperFrame, st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.binary(max_size=40)),
    st.builds(Qgdw376Frame, octet, terminals, octet, octet, st.binary(max_size=40)),
)


def encode(frame: Frame) -> bytes:
    return frame.encode() if isinstance(frame, Qgdw376Frame) else wrapper.encode(*frame)


@given(st.lists(frames, max_size=8), st.data())
def test_frames_come_out_as_they_went_in_however_tcp_cuts_them(sent: list[Frame], data: st.DataObject) -> None:
    stream = b"".join(map(encode, sent))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=10)))
    splitter = StreamSplitter()
    bounds = [0, *cuts, len(stream)]
    received = [frame for start, end in pairwise(bounds) for frame in splitter.feed(stream[start:end])]
    assert received == sent


@given(st.lists(frames, max_size=3), st.binary(max_size=40))
@example([WrapperFrame(0, 0, b"")], b"\x00\x02\x00\x00\x00\x00\x00\x00")
def test_octet_by_octet_is_the_same_as_at_once_faults_included(sent: list[Frame], tail: bytes) -> None:
    stream = b"".join(map(encode, sent)) + tail
    at_once, singly = StreamSplitter(), StreamSplitter()
    together: list[Frame] = []
    apart: list[Frame] = []
    try:
        together += at_once.feed(stream)
    except RemoteProtocolError:
        assert at_once.fault is not None
    try:
        for value in stream:
            apart += singly.feed(bytes((value,)))
    except RemoteProtocolError:
        assert singly.fault is not None
    assert together == apart
    assert (at_once.fault is None) == (singly.fault is None)
    if at_once.fault and singly.fault:
        assert (at_once.fault.message, at_once.fault.octet_offset) == (singly.fault.message, singly.fault.octet_offset)

"""One line about each frame."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.errors import ConfigError
from hes.trace.tap import SESSION_CLOSED, Direction, Taps
from hes.trace.text import TextTap, apdu_summary, summary


@pytest.mark.parametrize(
    ("octets", "line"),
    [
        ("683200320068C931070100000270000001007516", "376.1 07310001 up login seq 0 con"),
        ("683200320068C931070100000271000004007916", "376.1 07310001 up heartbeat seq 1 con"),
        ("684A004A00680B3107010000006100000400020000040000AF16", "376.1 07310001 down confirm seq 1"),
        ("6832003200688831070100020060000002002516", "376.1 07310001 up deny seq 0"),
        ("683E003E00684B31070100020D63010101141412245716", "376.1 07310001 down AFN 0D history data p1 F161 seq 3"),
        ("683200320068C931070100000270000001007616", "unreadable, 20 octets"),
        ("0001000100010012E601020010C001C100080000010000FF0200",
         "wrapper 1>1 gateway 1 to 0010 get-request normal #1 8/0.0.1.0.0.255:2"),
        ("00010001000100177E", "wrapper 1>1 APDU 7E, 22 octets short"),
        ("0001001000010002D801", "wrapper 16>1 unreadable APDU, 2 octets"),
        ("E7010431323334C401C10006000003E8",
         "gateway 1 from 1234 get-response normal #1 data 06000003.., 5 octets"),
        ("C001C100070100630100FF020101020412000809060000010000FF0F02120000",
         "get-request normal #1 7/1.0.99.1.0.255:2 selection 1"),
        ("C002C100000005", "get-request next #1 block 5"),
        ("C401C10104", "get-response normal #1 object undefined"),
        ("C402C101000000070002ABCD", "get-response with-datablock #1 block 7 last, 12 octets"),
        ("C501C103", "set-response normal #1 read write denied"),
        ("C701C100", "action-response normal #1 success"),
        ("D80106000010FF", "exception-response service not allowed, invocation counter error, expects counter 4351"),
        ("C81E3000001234AABBCC", "glo-get-request SC 30 IC 4660, 8 octets"),
        ("DB084D4D4D0000000001153000000007AABB",
         "general-glo-ciphering title 4d4d4d0000000001 SC 30 IC 7, 7 octets"),
        ("6129A109060760857405080101A203020100A305A103020100BE10040E0800065F1F040000501F01F40007",
         "AARE (association response) accepted"),
        ("7EA0070321930F017E", "HDLC frame, 9 octets"),
        ("", "no octets"),
        ("E7", "gateway prefix cut short, 1 octets"),
        ("E60101", "gateway 1 to nobody unreadable APDU, 0 octets"),
        ("D80101FF", "exception-response service not allowed, operation not possible"),
        ("D8", "unreadable APDU, 1 octets"),
    ],
)  # fmt: skip
def test_a_frame_is_described_in_one_line(octets: str, line: str) -> None:
    assert summary(bytes.fromhex(octets)) == line
    assert "\n" not in summary(bytes.fromhex(octets))


@given(st.one_of(st.binary(max_size=60), st.binary(max_size=40).map(lambda tail: b"\x00\x01\x00\x01\x00\x01" + tail)))
def test_no_octets_make_a_summary_raise(octets: bytes) -> None:
    assert summary(octets).isprintable()
    assert apdu_summary(octets).isprintable()
    assert summary(memoryview(octets)) == summary(octets)


def test_the_trace_has_a_line_per_frame_and_session_change(tmp_path: Path) -> None:
    path = tmp_path / "trace.txt"
    with TextTap(path, hex_octets_max=4) as tap:
        taps = Taps([tap])
        taps.add(Taps())
        taps.frame(1_733_788_800.25, "07310001", Direction.TO_DEVICE, bytes.fromhex("C0020100000005"), note="a\nb")
        taps.frame(
            1_733_788_800.5, "07310001", Direction.FROM_DEVICE, b"\xcc\x05\x30\0\0\0\1", b"\xc4\x01\x01\x00\x11\x07"
        )
        taps.session_event(1_733_788_861, "07310001", SESSION_CLOSED, "idle\nfor long")
    assert path.read_text(encoding="utf-8").splitlines() == [
        "2024-12-10T00:00:00.250000Z 07310001 > 7 get-request next #1 block 5 | a b | c0020100..",
        "2024-12-10T00:00:00.500000Z 07310001 < 7 glo-get-response SC 30 IC 1, 5 octets"
        " | {get-response normal #1 data 1107, 2 octets} | cc053000..",
        "2024-12-10T00:01:01.000000Z 07310001 = closed: idle for long",
    ]


def test_a_trace_that_cannot_be_written_ends_quietly(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        TextTap(tmp_path / "nowhere" / "trace.txt")
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    tap = TextTap(Path("/dev/full"))
    tap.session_event(0.0, "a", "login")
    tap.flush()
    tap.session_event(0.0, "a", "logout")
    tap.close()
    tap.close()
    assert tap.failure is not None

"""One line about each frame."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms import axdr, data
from hes.dlms.cosem_time import date_time_octets
from hes.errors import ConfigError
from hes.trace.tap import SESSION_CLOSED, Direction, Taps
from hes.trace.text import TextTap, apdu_summary, summary
from hes.trace.values import value_text

NOW_S = 1_734_264_000


def rows(count: int, period_s: int | None) -> data.Data:
    """A profile with time and value; without a period only the first row says its time."""
    return data.array(
        [
            data.structure(
                data.octets(date_time_octets(NOW_S + number * (period_s or 0), -60))
                if period_s or not number
                else data.null(),
                data.u32(1000 + number),
            )
            for number in range(count)
        ]
    )


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
         "gateway 1 from 1234 get-response normal #1 1000"),
        ("C001C100070100630100FF020101020412000809060000010000FF0F02120000",
         "get-request normal #1 7/1.0.99.1.0.255:2 selection 1 {8, 0.0.1.0.0.255, 2, 0}"),
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
        ("7EA0070321930F017E", "HDLC SNRM, P/F 16>1"),
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


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (data.octets(date_time_octets(NOW_S, -60)), "2024-12-15 13:00:00"),
        (data.octets(bytes.fromhex("FFFFFFFFFFFF0C1EFFFF800000"[:24])), "ffffffffffff0c1effff8000"),
        (data.octets(b"AML0000000000001"), "'AML0000000000001'"),
        (data.octets(bytes(20)), "00000000000000000000000000000000.. (20 octets)"),
        (data.octets(b""), "empty"),
        (data.visible("text"), "'text'"),
        (data.boolean(True), "true"),
        (data.null(), "null"),
        (data.octets(bytes.fromhex("0100010800FF")), "1.0.1.8.0.255"),
        (data.structure(data.i8(-1), data.enum(30)), "{-1, 30}"),
        (data.array([]), "[]"),
        (data.array([data.u8(1), data.u8(2)]), "[1, 2]"),
        (rows(25, 900), "25 rows, first 2024-12-15 13:00:00 last 2024-12-15 19:00:00"),
        (rows(1, 900), "1 row, {2024-12-15 13:00:00, 1000}"),
        (rows(25, None), "25 rows, first 2024-12-15 13:00:00 last {null, 1024}"),
        (data.structure(*[data.u32(1)] * 20), "structure of 20, 102 octets"),
    ],
)  # fmt: skip
def test_the_value_of_an_answer_is_readable(value: data.Data, text: str) -> None:
    encoded = axdr.encode(value)
    assert value_text(encoded) == text
    assert apdu_summary(b"\xc4\x01\xc1\x00" + encoded) == f"get-response normal #1 {text}"
    assert value_text(encoded[:-1]).isprintable()


def test_the_first_block_of_a_profile_says_how_many_rows_come() -> None:
    raw = axdr.encode(rows(25, 900))[:100]
    apdu = b"\xc4\x02\xc1\x00\x00\x00\x00\x01\x00" + axdr.encode_length(len(raw)) + raw
    assert apdu_summary(apdu) == (
        "get-response with-datablock #1 block 1, 110 octets: 25 rows, first 2024-12-15 13:00:00"
    )


def test_a_pushed_value_is_readable() -> None:
    apdu = b"\x0f\x00\x00\x00\x05\x0c" + date_time_octets(NOW_S) + axdr.encode(data.u32(7))
    assert apdu_summary(apdu) == "data-notification #5 2024-12-15 12:00:00 7"


@given(st.binary(max_size=60))
def test_no_octets_make_a_value_raise(octets: bytes) -> None:
    assert value_text(octets).isprintable()


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
        " | {get-response normal #1 7} | cc053000..",
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

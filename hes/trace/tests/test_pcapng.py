"""The capture tap, read back by scapy, by tshark where there is one, and by our own reader."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.utils import RawPcapNgReader

from hes.errors import ConfigError
from hes.trace.capture_reader import read_capture
from hes.trace.pcapng import FLUSH_OCTETS, HEAD_END_PORT, PcapngTap
from hes.trace.tap import SESSION_CLOSED, SESSION_OPENED, Direction

UP, DOWN = Direction.FROM_DEVICE, Direction.TO_DEVICE
LOGIN = bytes.fromhex("683200320068C931070100000270000001007516")
CONFIRM = bytes.fromhex("6832003200680B3107010000006000000100A516")
MIDNIGHT_S = 1_733_788_800.0


def packets(path: Path) -> list[tuple[float, Ether]]:
    """(time, dissected packet) as scapy reads them."""
    with RawPcapNgReader(str(path)) as reader:
        return [((meta.tshigh << 32 | meta.tslow) / meta.tsresol, Ether(data)) for data, meta in reader]


def sums_are_right(packet: Ether) -> bool:
    """scapy computes the check sums anew where they are taken out."""
    wanted = (packet[IP].chksum, packet[TCP].chksum)
    fresh = packet.copy()
    del fresh[IP].chksum, fresh[TCP].chksum
    fresh = Ether(bytes(fresh))
    return wanted == (fresh[IP].chksum, fresh[TCP].chksum)


def test_a_session_is_one_tcp_connection_from_handshake_to_end(tmp_path: Path) -> None:
    path = tmp_path / "run.pcapng"
    with PcapngTap(path) as tap:
        tap.session_event(MIDNIGHT_S, "07310001", SESSION_OPENED)
        tap.frame(MIDNIGHT_S + 0.25, "07310001", UP, LOGIN)
        tap.frame(MIDNIGHT_S + 0.5, "07310001", DOWN, CONFIRM)
        tap.session_event(MIDNIGHT_S + 1, "07310001", SESSION_CLOSED, "idle")
        tap.frame(MIDNIGHT_S + 2, "07310001", UP, LOGIN)
    found = packets(path)
    flags = [str(packet[TCP].flags) for _, packet in found]
    assert flags == ["S", "SA", "A", "PA", "PA", "FA", "FA", "A", "S", "SA", "A", "PA"]
    assert [at_s - MIDNIGHT_S for at_s, _ in found[3:6]] == [0.25, 0.5, 1.0]
    assert bytes(found[3][1][TCP].payload) == LOGIN
    assert found[3][1][TCP].dport == found[4][1][TCP].sport == HEAD_END_PORT
    assert found[4][1][TCP].ack == found[3][1][TCP].seq + len(LOGIN)
    assert found[8][1][TCP].sport != found[0][1][TCP].sport, "a new connection has a port of its own"
    assert found[8][1][IP].src == found[0][1][IP].src, "but the session keeps its address"
    assert all(sums_are_right(packet) for _, packet in found)


def test_a_session_that_dials_in_again_has_two_connections_until_the_old_one_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "run.pcapng"
    with PcapngTap(path) as tap:
        for number in range(2):
            tap.session_event(MIDNIGHT_S, "a", SESSION_OPENED)
            tap.frame(MIDNIGHT_S, "a", UP, LOGIN)
            tap.session_event(MIDNIGHT_S, "a", "login", str(number))
        tap.session_event(MIDNIGHT_S, "a", SESSION_CLOSED, "replaced")
        tap.frame(MIDNIGHT_S, "a", DOWN, CONFIRM)
        tap.session_event(MIDNIGHT_S, "a", SESSION_CLOSED)
        tap.session_event(MIDNIGHT_S, "a", SESSION_CLOSED)
    old, new = read_capture(path).conversations
    assert [chunk.octets for chunk in old.chunks] == [LOGIN]
    assert [chunk.octets for chunk in new.chunks] == [LOGIN, CONFIRM]
    ends = [packet[TCP].sport for _, packet in packets(path) if packet[TCP].flags.F]
    assert ends == [old.client.port, HEAD_END_PORT, new.client.port, HEAD_END_PORT]


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(list(Direction)), st.binary(min_size=1))))
def test_every_packet_has_right_sums_and_every_stream_comes_back(
    tmp_path_factory: pytest.TempPathFactory, frames: list[tuple[str, Direction, bytes]]
) -> None:
    path = tmp_path_factory.mktemp("capture") / "run.pcapng"
    with PcapngTap(path) as tap:
        for number, (session, direction, octets) in enumerate(frames):
            tap.frame(MIDNIGHT_S + number, session, direction, octets)
    assert all(sums_are_right(packet) for _, packet in packets(path))
    capture = read_capture(path)
    sessions = list(dict.fromkeys(session for session, _, _ in frames))
    assert len(capture.conversations) == len(sessions)
    for session, conversation in zip(sessions, capture.conversations, strict=True):
        wanted = [(d is UP, octets) for s, d, octets in frames if s == session]
        assert [(chunk.from_client, chunk.octets) for chunk in conversation.chunks] == wanted


def test_sequence_numbers_go_round(tmp_path: Path) -> None:
    path = tmp_path / "run.pcapng"
    with PcapngTap(path) as tap:
        tap.session_event(MIDNIGHT_S, "a", SESSION_OPENED)
        tap._connections["a"].device.sequence = 0xFFFF_FFFE
        for _ in range(3):
            tap.frame(MIDNIGHT_S, "a", UP, LOGIN)
    found = [packet for _, packet in packets(path)][3:]
    assert [packet[TCP].seq for packet in found] == [0xFFFF_FFFE, 18, 38]
    assert all(sums_are_right(packet) for packet in found)


def test_a_frame_longer_than_a_datagram_becomes_several_packets(tmp_path: Path) -> None:
    path = tmp_path / "run.pcapng"
    octets = bytes(range(256)) * 300
    with PcapngTap(path) as tap:
        tap.frame(MIDNIGHT_S, "a", DOWN, octets, note="long")
    (conversation,) = read_capture(path).conversations
    assert b"".join(chunk.octets for chunk in conversation.chunks) == octets
    assert [chunk.comment for chunk in conversation.chunks] == ["long", ""]


def test_notes_and_plaintext_are_comments_and_can_be_left_out(tmp_path: Path) -> None:
    for comments, wanted in ((True, "late: Grüße: plaintext c001"), (False, "")):
        path = tmp_path / f"{comments}.pcapng"
        with PcapngTap(path, comments=comments) as tap:
            tap.frame(MIDNIGHT_S, "a", UP, LOGIN, b"\xc0\x01", "late: Grüße")
        (conversation,) = read_capture(path).conversations
        assert conversation.chunks[0].comment == wanted


def test_a_comment_that_is_too_long_is_cut_and_the_file_stays_whole(tmp_path: Path) -> None:
    path = tmp_path / "run.pcapng"
    with PcapngTap(path) as tap:
        tap.frame(MIDNIGHT_S, "a", UP, LOGIN, bytes(60_000))
        tap.frame(MIDNIGHT_S, "a", UP, LOGIN)
    (conversation,) = read_capture(path).conversations
    assert conversation.chunks[0].comment.endswith("0 …")
    assert len(conversation.chunks) == 2


KILLED = """
import os, signal, sys
from pathlib import Path
from hes.trace.pcapng import PcapngTap
from hes.trace.tap import Direction
tap = PcapngTap(Path(sys.argv[1]))
for number in range(5000):
    tap.frame(1733788800.0 + number, "07310001", Direction.FROM_DEVICE, bytes(100))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_leaves_whole_blocks(tmp_path: Path) -> None:
    path = tmp_path / "run.pcapng"
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False, cwd=os.getcwd())
    capture = read_capture(path)
    assert not capture.truncated
    lost = 5000 - len(capture.conversations[0].chunks)
    assert 0 <= lost <= FLUSH_OCTETS // 100


def test_a_full_disk_ends_the_capture_and_nothing_else(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    tap = PcapngTap(Path("/dev/full"))
    for _ in range(2):
        tap.frame(MIDNIGHT_S, "a", UP, bytes(FLUSH_OCTETS // 2))
        tap.frame(MIDNIGHT_S, "a", UP, bytes(FLUSH_OCTETS))
    tap.close()
    tap.close()
    assert tap.failure is not None


def test_a_file_that_cannot_be_made_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        PcapngTap(tmp_path / "nowhere" / "run.pcapng")


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_tshark_finds_nothing_to_complain_about(tmp_path: Path) -> None:
    path = tmp_path / "run.pcapng"
    with PcapngTap(path) as tap:
        for number in range(40):
            session = f"0731000{number % 2}"
            tap.frame(MIDNIGHT_S + number, session, UP, LOGIN + bytes(number), note="hello" if number == 3 else "")
            tap.frame(MIDNIGHT_S + number + 0.5, session, DOWN, CONFIRM * number or CONFIRM)
        tap.session_event(MIDNIGHT_S + 50, "07310001", SESSION_CLOSED)
    checks = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
    columns = ["frame.time_epoch", "tcp.stream", "tcp.checksum.status", "ip.checksum.status", "frame.comment"]
    options = [part for column in columns for part in ("-e", column)]
    command = ["tshark", "-r", str(path), *checks, "-T", "fields", *options]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    rows = [line.split("\t") for line in lines]
    assert len(rows) == 2 * 3 + 80 + 3
    assert {(row[2], row[3]) for row in rows} == {("1", "1")}
    assert {row[1] for row in rows} == {"0", "1"}
    assert [row[4] for row in rows if row[4]] == ["hello"]
    warnings = ["tshark", "-r", str(path), *checks, "-q", "-z", "expert,warn"]
    assert "Warns" not in subprocess.run(warnings, check=True, capture_output=True, text=True).stdout

"""Reading captures: files that scapy wrote in every form, TCP put together from what a link does to it."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt
from scapy.layers.l2 import CookedLinux, Dot1AD, Dot1Q, Ether, Loopback
from scapy.packet import Packet, Raw
from scapy.utils import PcapNgWriter, PcapWriter

from hes.errors import ConfigError, RemoteProtocolError
from hes.trace.capture_file import PACKET_OCTETS_MAX
from hes.trace.capture_reader import Capture, read_capture, read_stream

CLIENT, SERVER = "192.0.2.1", "192.0.2.2"
OPENED = 1000


def tcp(sequence: int, octets: bytes = b"", *, flags: str = "A", ack: int = 0, back: bool = False) -> Packet:
    source, destination = (SERVER, CLIENT) if back else (CLIENT, SERVER)
    ports = {"sport": 4059, "dport": 50_000} if back else {"sport": 50_000, "dport": 4059}
    header = TCP(seq=sequence % 2**32, ack=ack % 2**32, flags=flags, **ports)
    return IP(src=source, dst=destination) / header / Raw(octets)


def ether() -> Ether:
    """With addresses given: scapy would ask the network for them."""
    return Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")


def written(packets: list[Packet], **options: object) -> bytes:
    """A pcap file of raw IP packets at 100.0, 101.0, .. s."""
    buffer = io.BytesIO()
    buffer.close = lambda: None  # type: ignore[method-assign]
    writer = PcapWriter(buffer, linktype=101, **options)
    writer.write_header(None)
    for number, packet in enumerate(packets):
        writer.write_packet(bytes(packet), sec=100 + number, usec=0)
    writer.flush()
    return buffer.getvalue()


def read(octets: bytes) -> Capture:
    return read_stream(io.BytesIO(octets))


def said(capture: Capture, *, from_client: bool = True) -> list[tuple[bytes, int]]:
    """(octets, missing before them), neighbours put together."""
    parts: list[tuple[bytes, int]] = []
    for conversation in capture.conversations:
        for chunk in conversation.stream(from_client=from_client):
            if parts and not chunk.missing_octets:
                parts[-1] = (parts[-1][0] + chunk.octets, parts[-1][1])
            else:
                parts.append((chunk.octets, chunk.missing_octets))
    return parts


@pytest.mark.parametrize("endianness", ["<", ">"])
@pytest.mark.parametrize("nano", [False, True])
def test_pcap_of_either_byte_order_and_resolution(*, endianness: str, nano: bool) -> None:
    buffer = io.BytesIO()
    writer = PcapWriter(buffer, linktype=101, endianness=endianness, nano=nano)
    writer.write_header(None)
    writer.write_packet(bytes(tcp(0, b"hello")), sec=1_733_788_800, usec=250_000_000 if nano else 250_000)
    writer.flush()
    capture = read(buffer.getvalue())
    (chunk,) = capture.conversations[0].chunks
    assert (chunk.at_epoch_s, chunk.octets, chunk.packet) == (1_733_788_800.25, b"hello", 1)


def wrapped(link: Callable[[Packet], Packet]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with PcapNgWriter(str(path)) as writer:
            writer.write([link(tcp(0, b"hello"))])

    return write


@pytest.mark.parametrize(
    "link",
    [
        lambda ip: ether() / ip,
        lambda ip: ether() / Dot1Q(vlan=7) / ip,
        lambda ip: ether() / Dot1AD(vlan=7) / Dot1Q(vlan=8) / ip,
        lambda ip: ether() / ip / Raw(b""),
        lambda ip: CookedLinux(proto=0x0800) / ip,
        lambda ip: Loopback(type=2) / ip,
        lambda ip: ip,
        lambda ip: ether() / IPv6(src="2001:db8::1", dst="2001:db8::2") / ip[TCP],
        lambda ip: ether() / IPv6(src="2001:db8::1", dst="2001:db8::2") / IPv6ExtHdrDestOpt() / ip[TCP],
    ],
    ids=["ethernet", "vlan", "two vlans", "empty raw", "sll", "loopback", "raw ip", "ipv6", "ipv6 options"],
)
def test_pcapng_of_every_link_type_that_is_met(link: Callable[[Packet], Packet], tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    wrapped(link)(path)
    capture = read_capture(path)
    assert capture.skipped == {}
    assert said(capture) == [(b"hello", 0)]
    assert capture.conversations[0].server.port == 4059


def test_the_second_linux_cooked_form() -> None:
    header = struct.pack(">HHIHBB8s", 0x0800, 0, 1, 1, 0, 6, bytes(8))
    frame = header + bytes(tcp(0, b"hello"))
    pcap = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 276)
    assert said(read(pcap + struct.pack("<IIII", 1, 0, len(frame), len(frame)) + frame)) == [(b"hello", 0)]


def test_ethernet_padding_is_no_payload(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    with PcapNgWriter(str(path)) as writer:
        writer.write([Ether(bytes(ether() / tcp(0, b"hi")) + bytes(18))])
    assert said(read_capture(path)) == [(b"hi", 0)]


def test_udp_datagrams_keep_their_borders() -> None:
    there = IP(src=CLIENT, dst=SERVER) / UDP(sport=4059, dport=4059)
    back = IP(src=SERVER, dst=CLIENT) / UDP(sport=4059, dport=4059)
    capture = read(written([there / Raw(b"one"), there / Raw(b"two"), back / Raw(b"three")]))
    (conversation,) = capture.conversations
    chunks = [(chunk.from_client, chunk.octets) for chunk in conversation.chunks]
    assert (conversation.protocol, chunks) == ("udp", [(True, b"one"), (True, b"two"), (False, b"three")])


# -- TCP put together


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[tuple[int, bytes]]]:
    """A stream and segments of it, each at least once, repeated and cut differently, in any order."""
    octets = draw(st.binary(min_size=1, max_size=60))
    borders = sorted({0, len(octets), *draw(st.lists(st.integers(0, len(octets))))})
    whole = [(start, octets[start:end]) for start, end in pairwise(borders)]
    spans = draw(st.lists(st.tuples(st.integers(0, len(octets) - 1), st.integers(1, 20)), max_size=6))
    again = [(start, octets[start : start + length]) for start, length in spans]
    return octets, draw(st.permutations(whole + again))


@given(streams(), st.sampled_from([OPENED, 2**32 - 20]))
def test_any_order_and_any_repetition_give_the_stream(
    stream: tuple[bytes, list[tuple[int, bytes]]], opened: int
) -> None:
    octets, segments = stream
    packets = [tcp(opened, flags="S"), *(tcp(opened + 1 + start, part) for start, part in segments)]
    assert said(read(written(packets))) == [(octets, 0)]


@given(streams(), st.sets(st.integers(0, 10)))
def test_lost_segments_leave_gaps_of_the_right_size(
    stream: tuple[bytes, list[tuple[int, bytes]]], lost: set[int]
) -> None:
    octets, segments = stream
    kept = [part for number, part in enumerate(segments) if number not in lost]
    packets = [tcp(OPENED, flags="S"), *(tcp(OPENED + 1 + start, part) for start, part in kept)]
    there = {index for start, part in kept for index in range(start, start + len(part))}
    position = 0
    for part, missing in said(read(written(packets))):
        assert not there & set(range(position, position + missing))
        position += missing
        assert octets[position : position + len(part)] == part
        position += len(part)
    assert position == max(there, default=-1) + 1


def test_what_the_peer_acknowledged_is_not_waited_for() -> None:
    packets = [
        tcp(OPENED, flags="S"),
        tcp(OPENED + 1, b"ab"),
        tcp(OPENED + 5, b"ef"),
        tcp(1, b"!", ack=OPENED + 7, back=True),
        tcp(OPENED + 7, b"gh"),
    ]
    capture = read(written(packets))
    assert said(capture) == [(b"ab", 0), (b"efgh", 2)]
    assert [chunk.octets for chunk in capture.conversations[0].chunks] == [b"ab", b"!", b"ef", b"gh"]


def test_a_keep_alive_is_no_octet() -> None:
    packets = [tcp(5, b"abc"), tcp(7, b"c"), tcp(8, b"d")]
    assert said(read(written(packets))) == [(b"abcd", 0)]


def test_octets_cut_off_by_the_snap_length_are_missing() -> None:
    cut = bytes(tcp(OPENED, b"abcdef"))
    packets = written([tcp(OPENED + 6, b"gh")])
    record = struct.pack("<IIII", 99, 0, len(cut) - 2, len(cut)) + cut[:-2]
    assert said(read(packets[:24] + record + packets[24:])) == [(b"abcd", 0), (b"gh", 2)]


def test_a_new_syn_on_the_same_ports_is_a_new_conversation() -> None:
    packets = [tcp(1, flags="S"), tcp(1, flags="S"), tcp(2, b"one"), tcp(900, flags="S"), tcp(901, b"two")]
    capture = read(written(packets))
    assert [[chunk.octets for chunk in talk.chunks] for talk in capture.conversations] == [[b"one"], [b"two"]]


@pytest.mark.parametrize(
    "packets",
    [
        [tcp(9, flags="S", back=True), tcp(10, b"x", back=True)],
        [tcp(9, flags="SA"), tcp(10, b"x", back=True)],
    ],
    ids=["syn", "syn and ack"],
)
def test_who_opened_the_connection_is_the_client_whatever_the_port(packets: list[Packet]) -> None:
    assert read(written(packets)).conversations[0].client.port == 4059


def test_without_a_syn_the_metering_port_is_the_server() -> None:
    capture = read(written([tcp(1, b"answer", back=True), tcp(1, b"request")]))
    (conversation,) = capture.conversations
    assert (conversation.client.port, conversation.server.port) == (50_000, 4059)
    assert [chunk.from_client for chunk in conversation.chunks] == [False, True]


def test_what_is_not_ours_is_counted_by_its_reason() -> None:
    fragment = IP(src=CLIENT, dst=SERVER, flags="MF") / Raw(b"x")
    packets = [fragment, IP(src=CLIENT, dst=SERVER, proto=1) / Raw(b"x"), Raw(b"\x45\x00"), Raw(b"\x00" * 30)]
    wanted = {"IP fragment": 1, "damaged headers": 1, "neither TCP nor UDP": 1, "not IP": 1}
    assert read(written(packets)).skipped == wanted


def test_too_much_behind_a_gap_gives_the_gap_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hes.trace.capture_reader.WAITING_SEGMENTS_MAX", 3)
    packets = [tcp(OPENED, flags="S"), *(tcp(OPENED + 10 + 2 * number, b"ab") for number in range(4))]
    capture = read(written([*packets, tcp(OPENED + 1, b"late")]))
    assert said(capture) == [(b"ab" * 4, 9)]
    assert capture.conversations[0].chunks[0].packet == 2


# -- files


def test_a_file_that_ends_in_a_packet_gives_what_came_before(tmp_path: Path) -> None:
    pcap = written([tcp(1, b"one"), tcp(4, b"two")])
    with PcapNgWriter(str(tmp_path / "a.pcapng")) as writer:
        writer.write([ether() / tcp(1, b"one"), ether() / tcp(4, b"two")])
    for whole in (pcap, (tmp_path / "a.pcapng").read_bytes()):
        assert not read(whole).truncated
        cut = read(whole[:-3])
        assert cut.truncated
        assert said(cut) == [(b"one", 0)]


def test_sections_have_byte_orders_and_interfaces_of_their_own() -> None:
    def section(order: str, resolution: bytes, ticks: int, offset_s: int) -> bytes:
        def block(kind: int, body: bytes) -> bytes:
            length = struct.pack(f"{order}I", len(body) + 12)
            return struct.pack(f"{order}I", kind) + length + body + length

        def option(code: int, value: bytes) -> bytes:
            return struct.pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4)

        packet = bytes(tcp(1, b"abc"))
        times = struct.pack(f"{order}IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, len(packet), len(packet))
        options = option(1, "Grüße".encode()) + option(0, b"")
        interface = option(9, resolution) + option(14, struct.pack(f"{order}q", offset_s)) + option(0, b"")
        return (
            block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1))
            + block(1, struct.pack(f"{order}HHI", 101, 0, 0) + interface)
            + block(0x0BAD, b"\1\2\3\4")
            + block(6, times + packet + bytes(-len(packet) % 4) + options)
            + block(3, struct.pack(f"{order}I", len(packet)) + packet + bytes(-len(packet) % 4))
        )

    capture = read(section("<", b"\x09", 5_500_000_000, 100) + section(">", b"\x81", 7, 0))
    assert capture.packets == 4
    (conversation,) = capture.conversations
    assert [(chunk.at_epoch_s, chunk.comment) for chunk in conversation.chunks] == [(105.5, "Grüße")]


def test_files_that_are_no_captures_are_config_errors(tmp_path: Path) -> None:
    for octets, message in ((b"", "neither"), (b"time;value", "neither"), (b"\x1f\x8b\x08\x00", "gzip")):
        with pytest.raises(ConfigError, match=message):
            read(octets)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_capture(tmp_path / "nowhere.pcap")


def test_a_packet_of_an_impossible_size_ends_the_reading_and_its_place_is_told() -> None:
    pcap = written([tcp(1, b"one")])
    absurd = pcap + struct.pack("<IIII", 1, 0, PACKET_OCTETS_MAX + 1, 1)
    capture = read(absurd)
    assert said(capture) == [(b"one", 0)]
    assert capture.damage.startswith("the capture is damaged: a packet of")
    assert capture.damage.endswith(f"behind packet 1 (octet {len(absurd)} of the file)")
    assert read(pcap).damage == ""


VALID = written([tcp(1, b"one"), tcp(4, b"two")])


@given(st.binary(max_size=300), st.sampled_from([VALID[:24], VALID[:4], b"\x0a\x0d\x0d\x0a"]))
@example(b"\x1c\x00\x00\x00\x4d\x3c\x2b\x1a", b"\x0a\x0d\x0d\x0a")
def test_arbitrary_octets_give_a_capture_or_one_of_two_errors(octets: bytes, head: bytes) -> None:
    with suppress(RemoteProtocolError, ConfigError):
        read(head + octets)


@given(st.data())
def test_a_damaged_packet_is_skipped_or_read_but_never_raises(data: st.DataObject) -> None:
    octets = bytearray(VALID)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(40, len(octets) - 1))
        octets[at] = data.draw(st.integers(0, 255))
    with suppress(RemoteProtocolError):  # a record's length may be among what was damaged
        assert read(bytes(octets)).packets <= 2


def test_real_captures_of_dlms_over_tcp(captures: Path) -> None:
    wrapper = read_capture(captures / "sessions" / "DLMS_list.pcap")
    (conversation,) = wrapper.conversations
    assert conversation.server.port == 4059
    assert conversation.chunks[0].octets[:9].hex() == "00010010000100" + conversation.chunks[0].octets[7:9].hex()
    assert not any(chunk.missing_octets for chunk in conversation.chunks)
    hdlc = read_capture(captures / "sessions" / "data1.pcapng")
    assert hdlc.conversations[0].chunks[0].octets.hex().startswith("7ea0")

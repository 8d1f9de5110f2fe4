"""Frames of every kind on a link, read for people."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hes.dlms import gateway, wrapper
from hes.dlms.inspect.node import Node, faults, render_text, to_json
from hes.protocols.frame_inspector import FrameInspector
from hes.protocols.qgdw376 import Qgdw376Frame, TerminalId

# docs/protocols/q-gdw-376-1.md §5
LOGIN = "683200320068C931070100000270000001007516"
CONFIRM = "6832003200680B3107010000006000000100A516"
CONFIRM_EACH = "684A004A00680B3107010000006100000400020000040000AF16"
HEARTBEAT_WITH_CLOCK = "684A004A0068C9340894040002750000040033301412D2209316"
DENY = "6832003200688831070100020060000002002516"
EVENT = "687A007A0068E431070100000E6400000100010000010E0A451015122405111512240100AC16"
FORWARD = "686E006E00684B31070100021060000001001FCB9E1409007EA0070321930F017E0616"


def inspect(octets: str) -> Node:
    return FrameInspector().inspect(bytes.fromhex(octets))


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        (LOGIN, "login, from terminal 07310001"),
        (CONFIRM, "all confirmed, to terminal 07310001"),
        (CONFIRM_EACH, "confirmed per data unit, to terminal 07310001"),
        (HEARTBEAT_WITH_CLOCK, "heartbeat, from terminal 08340494"),
        (DENY, "all denied, from terminal 07310001"),
        (EVENT, "important events, from terminal 07310001"),
        (FORWARD, "transparent forwarding, to terminal 07310001"),
    ],
)
def test_a_terminal_frame_says_what_it_is_about(octets: str, value: str) -> None:
    tree = inspect(octets)
    assert (tree.label, tree.value) == ("Q/GDW 376.1", value)
    assert not list(faults(tree))


def test_every_field_of_a_terminal_frame_is_shown() -> None:
    assert render_text(inspect(HEARTBEAT_WITH_CLOCK)).splitlines()[1:] == [
        "  control: C9: up, initiating, link test",
        "  address: terminal 08340494",
        "  AFN: 02 link test",
        "  SEQ: 75: single frame, number 5, confirmation wanted",
        "  data unit: p0 F3 heartbeat",
        "  data: terminal clock 2020-12-12 14:30:33",
    ]
    assert "  AUX: event counters 1 important, 0 normal" in render_text(inspect(EVENT)).splitlines()


def test_a_wrong_check_sum_is_a_fault_with_its_place() -> None:
    (fault,) = faults(inspect(CONFIRM[:-4] + "A616"))
    assert fault.value == "the check sum of the 376.1 frame is wrong (octet 18)"


def test_terminal_and_meter_frames_of_one_connection_are_read_by_one_inspector() -> None:
    inspector = FrameInspector()
    asked = gateway.encode_request(1, b"\x00\x10", bytes.fromhex("C001C100080000010000FF0200"))
    answered = gateway.encode_response(1, b"\x00\x10", bytes.fromhex("C401C100090C07E80C0F070C1E00FF800000"))
    inspector.inspect(bytes.fromhex(LOGIN))
    inspector.inspect(wrapper.encode(1, 1, asked))
    inspector.inspect(bytes.fromhex(HEARTBEAT_WITH_CLOCK))
    text = render_text(inspector.inspect(wrapper.encode(1, 1, answered)))
    assert "8/0.0.1.0.0.255/2 Clock.time, clock: Sun 2024-12-15 12:30:00" in text


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255), st.binary(max_size=40), st.booleans())
@example(0xE4, 0x0E, 0x60, b"\x01", False)
@example(0xE4, 0x0E, 0xE0, b"", False)
def test_any_terminal_frame_becomes_a_tree(control: int, afn: int, sequence: int, units: bytes, cut: bool) -> None:
    octets = Qgdw376Frame(control, TerminalId(731, 1), afn, sequence, units).encode()
    tree = FrameInspector().inspect(octets[:-3] if cut else octets)
    assert render_text(tree)
    json.dumps(to_json(tree))


@given(st.binary(max_size=60))
def test_any_octets_become_a_tree(octets: bytes) -> None:
    for form in (octets, b"\x68" + octets):
        assert render_text(FrameInspector().inspect(form))

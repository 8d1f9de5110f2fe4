"""HDLC frames as trees: every field by name, segments put together, and the rule that a wrong frame breaks."""

import json

from hypothesis import given
from hypothesis import strategies as st

from hes.dlms import axdr, data
from hes.dlms.hdlc import frame as frames
from hes.dlms.hdlc.frame import Kind
from hes.dlms.hdlc.link_flow import LLC_COMMAND, LLC_RESPONSE
from hes.dlms.hdlc.parameters import Parameters
from hes.dlms.inspect.conversation import Conversation
from hes.dlms.inspect.node import Node, faults, render_text, to_json

CLIENT, SERVER = b"\x21", b"\x02\x23"
GET_CLOCK = bytes.fromhex("C001C100080000010000FF0200")
CLOCK_ANSWER = bytes.fromhex("C401C100090C07E80C0F070C1E00FF800000")


def lines(node: Node) -> list[str]:
    return [line.strip() for line in render_text(node).splitlines()]


def answer(send: int, octets: bytes, *, segmented: bool = False) -> bytes:
    return frames.encode(CLIENT, SERVER, frames.control(Kind.I, send=send, receive=1), octets, segmented)


def test_snrm_and_ua_say_their_parameters_by_name() -> None:
    said = Parameters(transmit_octets=256, receive_octets=512, transmit_window=2, receive_window=3).encode()
    tree = Conversation().inspect(frames.encode(SERVER, CLIENT, frames.control(Kind.SNRM), said))
    assert lines(tree)[:5] == [
        "HDLC: SNRM, P/F, 16 -> logical 1, physical 17",
        "format: type 3, 33 octets",
        "destination: logical 1, physical 17",
        "source: 16",
        "control: 93: SNRM, P/F (set normal response mode)",
    ]
    assert lines(tree)[6:11] == [
        "parameters",
        "max information field, transmit: 256 octets",
        "max information field, receive: 512 octets",
        "window, transmit: 2",
        "window, receive: 3",
    ]
    assert not list(faults(tree))
    bare = Conversation().inspect(
        frames.encode(CLIENT, SERVER, frames.control(Kind.UA), bytes.fromhex("81800420020040"))
    )
    assert "item 20, not known: 0040" in lines(bare)
    assert "window, receive: 1 (not said: the default)" in lines(bare)


def test_an_answer_in_segments_is_put_together_and_labelled_with_what_was_asked() -> None:
    conversation = Conversation()
    conversation.inspect(frames.encode(SERVER, CLIENT, frames.control(Kind.I), LLC_COMMAND + GET_CLOCK))
    whole = LLC_RESPONSE + CLOCK_ANSWER
    first = conversation.inspect(answer(0, whole[:8], segmented=True))
    assert "segment: 1st, 5 octets" in lines(first)
    ready = conversation.inspect(frames.encode(SERVER, CLIENT, frames.control(Kind.RR, receive=1)))
    assert lines(ready)[0] == "HDLC: RR N(R) 1, P/F, 16 -> logical 1, physical 17"
    repeated = conversation.inspect(answer(0, whole[:8], segmented=True))
    assert "segment: repeated" in lines(repeated)
    conversation.inspect(answer(1, whole[8:14], segmented=True))
    last = conversation.inspect(answer(2, whole[14:]))
    assert "get-response normal [offsets from its own start: put together from 3 segments]" in lines(last)
    assert "8/0.0.1.0.0.255/2 Clock.time, clock: Sun 2024-12-15 12:30:00 (octet-string)" in lines(last)
    assert conversation.apdus == 2


def test_a_segment_that_was_lost_makes_no_wrong_apdu() -> None:
    conversation = Conversation()
    whole = LLC_RESPONSE + CLOCK_ANSWER
    conversation.inspect(answer(0, whole[:8], segmented=True))
    last = conversation.inspect(answer(2, whole[14:]))
    assert "note: the APDU of the 1 segments before is not complete" in lines(last)
    assert conversation.apdus == 0


def test_a_wrong_check_sequence_names_its_rule_and_keeps_the_fields_that_can_be_read() -> None:
    conversation = Conversation()
    good = answer(0, LLC_RESPONSE + CLOCK_ANSWER)
    for place, rule in ((6, "header check sequence (HCS)"), (20, "frame check sequence (FCS)")):
        octets = bytearray(good)
        octets[place] ^= 0x10
        tree = conversation.inspect(bytes(octets))
        (fault,) = faults(tree)
        assert rule in fault.value
        assert "source: logical 1, physical 17" in lines(tree)
    (fault,) = faults(conversation.inspect(good[:-1]))
    assert "no flag closes the HDLC frame" in fault.value
    assert conversation.apdus == 0


def test_a_pushed_list_is_labelled_by_its_codes_and_scaled() -> None:
    pushed = data.structure(
        data.octets(bytes.fromhex("0100010800FF")),
        data.u32(12345),
        data.structure(data.i8(-1), data.enum(30)),
        data.octets(bytes.fromhex("0100200700FF")),
        data.u16(230),
    )
    apdu = b"\x0f\x00\x00\x00\x01\x00" + axdr.encode(pushed)
    shown = lines(Conversation().inspect(frames.encode(CLIENT, SERVER, Kind.UI, LLC_RESPONSE + apdu)))
    assert "active energy import (+A), total: 1234.5 Wh (double-long-unsigned)" in shown
    assert "unit: 30 Wh (enum)" in shown
    assert "voltage L1, instantaneous: 230 (long-unsigned)" in shown


@given(st.lists(st.binary(max_size=40), max_size=6), st.integers(0, 255), st.booleans())
def test_any_frames_become_trees(informations: list[bytes], control: int, segmented: bool) -> None:
    conversation = Conversation()
    for information in informations:
        octets = frames.encode(CLIENT, SERVER, control, information, segmented and bool(information))
        for form in (octets, octets[:-1], octets[:5], b"\x7e" + information):
            tree = conversation.inspect(form)
            assert render_text(tree)
            json.dumps(to_json(tree))

"""When octets arrive on a line: the arithmetic alone."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.errors import LocalProtocolError
from hes.links.line_pacer import BAUD_MAX, BAUD_MIN, CharacterFormat, LinePacer, LineSettings

SETTINGS = st.builds(
    LineSettings,
    baud=st.integers(BAUD_MIN, BAUD_MAX),
    character=st.builds(
        CharacterFormat,
        data_bits=st.integers(5, 8),
        parity=st.sampled_from("NEO"),
        stop_bits=st.integers(1, 2),
    ),
    turnaround_s=st.floats(0, 1),
)


@pytest.mark.parametrize(
    ("text", "bits"), [("8N1", 10), ("7E1", 10), ("8E1", 11), ("8n2", 11), ("7O2", 11), ("8E2", 12), ("5N1", 7)]
)
def test_a_character_has_its_start_parity_and_stop_bits(text: str, bits: int) -> None:
    character = CharacterFormat.parse(text)
    assert character is not None
    assert character.bits == bits
    assert str(character) == text.upper()


@pytest.mark.parametrize("text", ["", "8N", "9N1", "8X1", "8N3", "8N1 ", "N81", "8N1.5", "٨N1"])
def test_what_is_no_character_format_is_none(text: str) -> None:
    assert CharacterFormat.parse(text) is None


@pytest.mark.parametrize(
    ("baud", "text", "expected_ms"),
    [(1200, "8E1", 9.17), (2400, "8E1", 4.58), (9600, "8N1", 1.04), (9600, "8E1", 1.15), (115200, "8N1", 0.087)],
)
def test_a_character_takes_the_time_that_is_known_for_its_line(baud: int, text: str, expected_ms: float) -> None:
    character = CharacterFormat.parse(text)
    assert character is not None
    character_ms = LineSettings(baud=baud, character=character).character_s * 1000
    assert character_ms == pytest.approx(expected_ms, abs=0.006)


def test_octets_follow_each_other_and_the_next_write_follows_them() -> None:
    pacer = LinePacer(LineSettings(baud=1000))  # 10 ms an octet
    first = pacer.carry("a", 3, 5.0)
    assert [first.arrival_s(index) for index in range(3)] == pytest.approx([5.01, 5.02, 5.03])
    second = pacer.carry("a", 2, 5.005)
    assert second.arrival_s(0) == pytest.approx(5.04)
    assert second.end_s == pacer.free_s == pytest.approx(5.05)


def test_an_idle_line_begins_when_it_is_spoken_on() -> None:
    pacer = LinePacer(LineSettings(baud=1000, turnaround_s=0.5))
    assert pacer.free_s == -math.inf
    pacer.carry("a", 1, 1.0)
    assert pacer.carry("a", 1, 7.0).arrival_s(0) == pytest.approx(7.01)
    assert pacer.clear_s("b", 9.0) == 9.0


def test_another_speaker_waits_for_the_line_and_the_turnaround() -> None:
    pacer = LinePacer(LineSettings(baud=1000, turnaround_s=0.5))
    pacer.carry("a", 10, 1.0)
    assert pacer.clear_s("a", 1.02) == 1.02
    assert pacer.clear_s("b", 1.02) == pytest.approx(1.6)
    assert pacer.clear_s("b", 1.55) == pytest.approx(1.6)
    assert pacer.carry("b", 1, 1.02).arrival_s(0) == pytest.approx(1.61)
    assert pacer.carry("a", 1, 1.02).arrival_s(0) == pytest.approx(2.12)


def test_what_was_heard_at_its_own_pace_keeps_others_off_for_the_turnaround() -> None:
    pacer = LinePacer(LineSettings(baud=1000, turnaround_s=0.25))
    pacer.heard("them", 3.0)
    pacer.heard("them", 3.125)
    assert pacer.clear_s("us", 3.25) == 3.375
    assert pacer.clear_s("them", 3.25) == 3.25


def test_no_octets_cannot_be_put_on_a_line() -> None:
    with pytest.raises(LocalProtocolError):
        LinePacer(LineSettings()).carry("a", 0, 1.0)


def test_a_transfer_of_days_does_not_drift() -> None:
    """Ten million octets in writes of 1 to 250, each given while the one before is on the line."""
    pacer = LinePacer(LineSettings(baud=9600, character=CharacterFormat(parity="E")))
    octets = writes = 0
    while octets < 10_000_000:
        count = 1 + writes % 250
        now_s = 1000.0 if octets == 0 else pacer.free_s - 1e-5
        pacer.carry("a", count, now_s)
        octets += count
        writes += 1
    assert pacer.free_s == 1000.0 + octets * 11 / 9600


@given(SETTINGS, st.floats(0, 1e6), st.lists(st.integers(1, 5000), min_size=1, max_size=5))
def test_an_octet_has_arrived_when_its_time_has_come_and_not_before(
    settings: LineSettings, now_s: float, counts: list[int]
) -> None:
    pacer = LinePacer(settings)
    for count in counts:
        passage = pacer.carry("a", count, now_s)
        for index in {0, count // 2, count - 1}:
            arrival_s = passage.arrival_s(index)
            assert arrival_s > now_s
            assert passage.arrived_count(arrival_s) >= index + 1
            assert passage.arrived_count(math.nextafter(arrival_s, 0)) <= index
        assert passage.arrived_count(now_s) == 0
        assert passage.arrived_count(math.inf) == count


@given(
    SETTINGS,
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 300), st.floats(0, 2)), min_size=1, max_size=30),
)
def test_nobody_speaks_while_another_does(settings: LineSettings, writes: list[tuple[str, int, float]]) -> None:
    """Arrivals are in the order of the writes, a character apart, with the turnaround between two speakers."""
    pacer = LinePacer(settings)
    now_s, last, last_s = 0.0, "", -math.inf
    for speaker, count, pause_s in writes:
        now_s += pause_s
        passage = pacer.carry(speaker, count, now_s)
        begin_s = passage.arrival_s(0) - settings.character_s
        assert begin_s >= now_s - 1e-9
        gap_s = settings.turnaround_s if last not in ("", speaker) else 0.0
        assert begin_s >= last_s + gap_s - 1e-9
        assert passage.end_s == pytest.approx(begin_s + count * settings.character_s)
        last, last_s = speaker, passage.end_s

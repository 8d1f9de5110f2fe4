"""When two sequences of APDUs count as the same."""

from __future__ import annotations

from scenarios.compare import compare, compare_runs
from scenarios.evidence import Entry, Evidence

ASK = bytes.fromhex("C001C100080000010000FF0200")
CLOCK = bytes.fromhex("C401C100090C07EA0302010A070000800000")
LATER = bytes.fromhex("C401C100090C07EA0302010A070100800000")
REGISTER = bytes.fromhex("C401C1000600000007")
MORE = bytes.fromhex("C401C1000600000008")
LONGER = bytes.fromhex("C401C100150000000000000008")
REFUSED = bytes.fromhex("C401C10103")


def said(*octets: bytes, meter: str = "meter", lag_s: float = 0.1) -> Evidence:
    """Requests and answers in turn."""
    entries = [
        Entry(kind="apdu", at_s=place * lag_s, step=0, source=meter, to_device=place % 2 == 0, octets=apdu)
        for place, apdu in enumerate(octets)
    ]
    return Evidence(entries=entries)


def test_equal_octets_are_identical() -> None:
    found = compare("one", said(ASK, CLOCK), said(ASK, CLOCK))
    assert (found.apdus, found.identical, found.differences) == (2, 2, [])


def test_values_that_follow_a_clock_may_differ() -> None:
    assert compare("one", said(ASK, CLOCK), said(ASK, LATER)).differences == []
    found = compare("one", said(ASK, REGISTER), said(ASK, MORE))
    assert (found.identical, found.differences) == (1, [])


def test_another_type_another_result_and_another_question_are_differences() -> None:
    for other in (LONGER, REFUSED, CLOCK):
        (difference,) = compare("one", said(ASK, REGISTER), said(ASK, other)).differences
        assert (difference.place, difference.meter) == (2, "meter")
    (difference,) = compare("one", said(ASK), said(ASK[:-2] + b"\x03\x00")).differences
    assert difference.first.startswith("to the meter c001c1")


def test_an_apdu_that_is_missing_is_a_difference() -> None:
    (difference,) = compare("one", said(ASK, CLOCK), said(ASK)).differences
    assert difference.second == ""


def test_a_scenario_that_only_one_run_has_differs_in_everything() -> None:
    (found,) = compare_runs({"one": said(ASK, CLOCK)}, {})
    assert len(found.differences) == 2


def test_meters_that_are_spoken_to_side_by_side_are_compared_each_for_itself() -> None:
    first = Evidence(entries=said(ASK, CLOCK, meter="a").entries + said(ASK, REGISTER, meter="b").entries)
    second = Evidence(entries=said(ASK, REGISTER, meter="b").entries + said(ASK, CLOCK, meter="a").entries)
    assert compare("one", first, second).differences == []


def test_times_are_compared_exchange_by_exchange() -> None:
    timing = compare("one", said(ASK, CLOCK, ASK, CLOCK), said(ASK, CLOCK, ASK, CLOCK, lag_s=0.35)).timing
    assert timing.exchanges == 2
    assert round(timing.difference_s, 6) == 0.25

"""The first suite on every station, and the same APDUs on two of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hes import resources
from scenarios.compare import compare_runs
from scenarios.folder import read_run
from scenarios.tests.suites_on_stations import Run, amiloop_test

BAUD = 38_400  # the shipped line keeps 9600, which only takes longer
BUSY_MACHINE_S = 0.5
BITS_PER_OCTET = 10  # start, eight data bits, stop


@pytest.fixture(scope="module")
def on_sim(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return amiloop_test(tmp_path_factory.mktemp("sim"), "--station", "sim")


@pytest.fixture(scope="module")
def on_tcp(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return amiloop_test(tmp_path_factory.mktemp("tcp"), "--station", "tcp")


def test_every_scenario_passes_in_virtual_time(on_sim: Run) -> None:
    assert set(on_sim.verdicts().values()) == {"PASSED"}
    assert on_sim.status == 0


def test_every_scenario_passes_on_sockets(on_tcp: Run) -> None:
    assert set(on_tcp.verdicts().values()) == {"PASSED"}
    assert on_tcp.status == 0


@pytest.fixture(scope="module")
def on_pty(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The shipped station, but for its speed."""
    home = tmp_path_factory.mktemp("pty")
    shipped = resources.file("scenarios/stations", "pty").read_text(encoding="utf-8")
    assert "\nbaud = 9600\n" in shipped
    station = home / "pty.toml"
    station.write_text(shipped.replace("\nbaud = 9600\n", f"\nbaud = {BAUD}\n"), encoding="utf-8")
    return amiloop_test(home, "--station", str(station))


def test_every_scenario_that_a_line_can_play_passes_on_it(on_pty: Run) -> None:
    left = {name: verdict for name, verdict in on_pty.verdicts().items() if verdict != "PASSED"}
    assert left == {
        "test_a_disconnect_that_is_lost_on_its_way_moves_nothing": "INAPPLICABLE",
        "test_a_concentrator_that_lost_its_link_logs_in_again_and_its_meters_answer": "INAPPLICABLE",
    }
    assert on_pty.scenario("test_a_concentrator_that_lost_its_link_logs_in_again_and_its_meters_answer")["reason"] == (
        "station pty has no concentrator: its meters hang on a line"
    )
    assert on_pty.status == 0


def test_a_line_says_the_same_apdus_too_wherever_it_does_not_repair_itself(on_sim: Run, on_pty: Run) -> None:
    """HDLC repeats lost frames below the APDUs, and the line has fewer meters; all else is the same."""
    own_ways = ("lost", "every_meter", "concentrator")
    sim, pty = (
        {k: v for k, v in read_run(run.folder).items() if not any(w in k for w in own_ways)} for run in (on_sim, on_pty)
    )
    comparisons = compare_runs(sim, pty)
    assert len(comparisons) >= 15
    assert {comparison.scenario: comparison.differences for comparison in comparisons if comparison.differences} == {}


def test_a_day_of_the_load_profile_takes_the_time_of_its_octets_on_the_line(on_pty: Run) -> None:
    evidence = read_run(on_pty.folder)["test_reading--test_a_day_of_the_load_profile_comes_in_blocks_and_is_complete"]
    (number,) = [n for n, step in enumerate(evidence.steps) if step.title == "read yesterday by range"]
    octets = sum(len(entry.octets) for entry in evidence.of_step(number) if entry.kind == "frame")
    line_s = octets * BITS_PER_OCTET / BAUD
    step = evidence.steps[number]
    assert step.until_s is not None
    assert line_s <= step.until_s - step.from_s <= 1.1 * line_s + BUSY_MACHINE_S


def test_every_scenario_says_the_same_apdus_in_virtual_time_and_on_sockets(on_sim: Run, on_tcp: Run) -> None:
    comparisons = compare_runs(read_run(on_sim.folder), read_run(on_tcp.folder))
    assert len(comparisons) == len(on_sim.verdicts()) == len(on_tcp.verdicts())
    assert {comparison.scenario: comparison.differences for comparison in comparisons if comparison.differences} == {}
    assert all(comparison.apdus >= 6 for comparison in comparisons), (
        "an association, a question, a release: six at least"
    )
    apdus = sum(comparison.apdus for comparison in comparisons)
    identical = sum(comparison.identical for comparison in comparisons)
    assert identical > 0.95 * apdus, "only what follows a clock may differ in its octets"


def test_an_earlier_run_can_be_compared_with_from_the_command_line(on_sim: Run, tmp_path: Path) -> None:
    same = amiloop_test(tmp_path, "--station", "sim", "-k", "relay", "--against", str(on_sim.folder))
    assert same.status == 0
    told = same.json["comparison"]
    assert (told["same"], len(told["scenarios"])) == (True, 3)
    assert all(entry["identical"] == entry["apdus"] for entry in told["scenarios"])
    assert told["second"]["links"][0]["kind"] == "sim"
    assert (same.folder / "comparison.json").is_file()
    other = amiloop_test(tmp_path, "--station", "sim", "-k", "relay", "--seed", "4", "--against", str(on_sim.folder))
    assert set(other.verdicts().values()) == {"PASSED"}
    assert (other.json["comparison"]["same"], other.status) == (False, 1), "other keys, other octets"


def test_times_differ_by_no_more_than_the_links_and_a_busy_machine_explain(on_sim: Run, on_tcp: Run) -> None:
    """The field keeps the same time on both; what a link adds is its turnaround and this machine's own slowness."""
    for comparison in compare_runs(read_run(on_sim.folder), read_run(on_tcp.folder)):
        assert comparison.timing.exchanges > 0
        assert -0.01 < comparison.timing.difference_s < 0.25, comparison.scenario


def test_equal_seeds_leave_equal_octets_and_another_seed_other_ones(on_sim: Run, tmp_path: Path) -> None:
    again = amiloop_test(tmp_path, "--station", "sim", "-k", "load_profile or replayed")
    other = amiloop_test(tmp_path, "--station", "sim", "-k", "load_profile or replayed", "--seed", "4")
    assert len(again.verdicts()) == 2
    for path in sorted((again.folder / "frames").iterdir()):
        assert path.read_bytes() == (on_sim.folder / "frames" / path.name).read_bytes()
        assert path.read_bytes() != (other.folder / "frames" / path.name).read_bytes()
    assert set(other.verdicts().values()) == {"PASSED"}

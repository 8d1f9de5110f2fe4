"""The first suite on every station, and the same APDUs on two of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.compare import compare_runs
from scenarios.folder import read_run
from scenarios.tests.suites_on_stations import Run, amiloop_test


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


def test_every_scenario_says_the_same_apdus_in_virtual_time_and_on_sockets(
    on_sim: Run, on_tcp: Run, record_property: pytest.FixtureRequest
) -> None:
    comparisons = compare_runs(read_run(on_sim.folder), read_run(on_tcp.folder))
    assert len(comparisons) == len(on_sim.verdicts()) == len(on_tcp.verdicts())
    assert {comparison.scenario: comparison.differences for comparison in comparisons if comparison.differences} == {}
    assert all(comparison.apdus >= 6 for comparison in comparisons), (
        "an association, a question, a release: six at least"
    )
    apdus = sum(comparison.apdus for comparison in comparisons)
    identical = sum(comparison.identical for comparison in comparisons)
    assert identical > 0.95 * apdus, "only what follows a clock may differ in its octets"


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

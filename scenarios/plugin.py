"""The pytest plug-in: scenarios run on a station, and every run leaves evidence.

    pytest -p scenarios.plugin --station sim my_suite/            evidence in a folder of its own below runs/
    pytest -p scenarios.plugin --station my-station.toml --evidence out/ my_suite/

Without `--station` it does nothing at all. What it does with one is in scenarios/pytest_station.py. It is named with -p
and not found by entry point: pytest would rewrite the asserts of every module that comes in the same package, hes and
sim too, in every test run of the environment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

STATION = "--station"
EVIDENCE = "--evidence"
SEED = "--station-seed"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("amiloop", "amiloop scenarios")
    group.addoption(STATION, metavar="STATION", help="Run async tests on this station: sim, tcp, pty or a file.")
    group.addoption(EVIDENCE, metavar="DIR", help="Where the evidence of the run goes: a folder of its own below runs.")
    group.addoption(SEED, metavar="SEED", type=int, help="Another seed than that of the station's field.")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption(STATION) is not None:
        from scenarios.pytest_station import StationPlugin

        config.pluginmanager.register(StationPlugin(config), "amiloop-station")

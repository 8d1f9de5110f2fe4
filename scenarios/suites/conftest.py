"""Scenarios are for a station: a pytest without one passes them over."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return True if config.getoption("--station", default=None) is None else None

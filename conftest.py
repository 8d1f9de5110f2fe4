"""What every test shares: hypothesis profiles, the captures folder, and the rule that CI skips nothing silently."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True)
settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile("nightly", max_examples=5000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.fixture(scope="session")
def captures() -> Path:
    """The folder of real octets named by AMILOOP_CAPTURES; absent, the test skips (and fails under CI=true)."""
    named = os.environ.get("AMILOOP_CAPTURES", "")
    folder = Path(named)
    if named and folder.is_dir():
        return folder
    reason = "AMILOOP_CAPTURES does not name a folder of captures"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)

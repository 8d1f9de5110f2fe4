"""Running scripts in other processes: with other hash seeds, and on the other Pythons that amiloop supports."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import simpy
import structlog

import sim

PYTHONS = ("3.11", "3.12", "3.13")

Script = Callable[..., str]


def _candidates(version: str) -> list[str]:
    """Paths that may be Python `version`: on PATH, and beside pyenv's shims, which refuse what is not selected."""
    found = [sys.executable] if sys.version_info[:2] == tuple(map(int, version.split("."))) else []
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        named = shutil.which(f"python{version}", path=folder)
        if named is not None and Path(folder).name == "shims":
            found += map(str, sorted(Path(folder).parent.glob(f"versions/{version}*/bin/python{version}")))
        elif named is not None:
            found.append(named)
    return found


def _starts(python: str) -> bool:
    return subprocess.run([python, "-c", "import asyncio, sqlite3"], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="session")
def pythons() -> dict[str, str]:
    """Version to executable, for every supported Python that this machine has; the running one always."""
    found = {version: next(filter(_starts, _candidates(version)), None) for version in PYTHONS}
    return {version: python for version, python in found.items() if python is not None}


@pytest.fixture(scope="session")
def pure_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pure-Python packages that the loop imports, for interpreters that have none installed."""
    folder = tmp_path_factory.mktemp("pure_packages")
    for package in (simpy, structlog):
        source = Path(package.__file__ or "").parent
        (folder / source.name).symlink_to(source, target_is_directory=True)
    return folder


@pytest.fixture(scope="session")
def in_process(pure_packages: Path) -> Script:
    """Run a script (text, or a file) in a fresh process and return what it printed."""

    def run(script: str | Path, *args: str, hash_seed: int = 0, python: str = sys.executable) -> str:
        root = Path(sim.__file__ or "").parents[1]
        path = os.pathsep.join(map(str, (root, pure_packages)))
        what = ["-c", script] if isinstance(script, str) else [str(script)]
        done = subprocess.run(
            [python, "-W", "error", *what, *args],
            capture_output=True,
            text=True,
            timeout=100,
            env={**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run

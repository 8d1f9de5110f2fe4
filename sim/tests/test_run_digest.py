"""Same seed, same world: the digest of a whole run, in other processes, with other hash seeds, on other Pythons."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from sim.streams import Streams
from sim.tests.small_worlds import run_text, small

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
from pathlib import Path
from sim.tests.small_worlds import run_text, small
print(run_text(small(), Path(sys.argv[1])).digest)
"""
PYTHONS = ("3.11", "3.12", "3.13")


def digest_in_process(python: Path | str, folder: Path, hash_seed: str) -> str:
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [str(python), "-c", SCRIPT, str(folder)],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.split()[-1]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> str:
    return run_text(small(), tmp_path_factory.mktemp("reference")).digest


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_the_digest_is_the_same_in_another_process_with_another_hash_seed(
    reference: str, hash_seed: str, tmp_path: Path
) -> None:
    assert digest_in_process(sys.executable, tmp_path, hash_seed) == reference


@pytest.mark.parametrize("version", [v for v in PYTHONS if v != f"3.{sys.version_info[1]}"])
def test_the_digest_is_the_same_on_the_other_supported_pythons(reference: str, version: str, tmp_path: Path) -> None:
    python = ROOT / f".venv-{version}" / "bin" / "python"
    if not python.exists():
        pytest.skip(f"no environment for Python {version}: `make pythons` builds one where that Python is installed")
    assert digest_in_process(python, tmp_path, "1") == reference


def test_another_seed_is_another_world(reference: str, tmp_path: Path) -> None:
    assert run_text(small(), tmp_path, seed=8).digest != reference


class _OneDrawAltered(random.Random):
    """A stream whose draw number `at` comes out as a loss."""

    at = 40

    def random(self) -> float:
        self.at -= 1
        return 0.0 if self.at == 0 else super().random()


def test_altering_one_loss_draw_changes_the_digest(
    reference: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    altered: list[tuple[str | int, ...]] = []
    original = Streams.stream

    def stream(self: Streams, *names: str | int) -> random.Random:
        found = original(self, *names)
        if not altered and names[-1] == "frames" and str(names[1]).startswith("east/"):
            altered.append(names)
            changed = _OneDrawAltered(0)
            changed.setstate(found.getstate())
            return changed
        return found

    monkeypatch.setattr(Streams, "stream", stream)
    digest = run_text(small(), tmp_path).digest
    assert altered, "the stream that is to be altered was never asked for"
    assert digest != reference

"""Same seed, same domain events: in any process, on every supported Python, with any PYTHONHASHSEED, debug or not."""

from pathlib import Path

import pytest

WORLD = Path(__file__).with_name("digest_world.py")
HASH_SEEDS = (0, 1, 12_345)


@pytest.fixture(scope="module")
def reference(in_process):
    return in_process(WORLD, "1")


def test_the_world_is_worth_a_digest_and_a_second_run_in_one_process_repeats_it(reference):
    count, digest, repeated = reference.split()
    assert int(count) > 1000
    assert len(digest) == 64
    assert repeated == "True"


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("hash_seed", HASH_SEEDS)
def test_the_digest_is_the_same_on_every_python_with_every_hash_seed(
    pythons, in_process, reference, version, hash_seed
):
    if version not in pythons:
        pytest.skip(f"there is no working python{version} on PATH")
    assert in_process(WORLD, "1", python=pythons[version], hash_seed=hash_seed) == reference


def test_debug_mode_changes_nothing(in_process, reference):
    assert in_process(WORLD, "1", "debug") == reference


def test_another_seed_gives_another_digest(in_process, reference):
    assert in_process(WORLD, "2").split()[1] != reference.split()[1]

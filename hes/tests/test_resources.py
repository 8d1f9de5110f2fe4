"""Data files are found in a checkout and in a wheel, and their absence is said in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from hes import resources
from hes.errors import ConfigError


def test_a_checkout_has_its_data_beside_the_packages() -> None:
    assert resources.file("fixtures/profiles", "ami-1p").is_file()
    assert resources.file("scenarios/worlds", "neighbourhood").is_file()
    assert [path.name for path in resources.files("scenarios/worlds")] == sorted(
        path.name for path in resources.folder("scenarios/worlds").glob("*.toml")
    )


def wheel(tmp_path: Path) -> Path:
    """An installed tree: fixtures inside `hes`, worlds in the package `scenarios` beside it."""
    hes = tmp_path / "site-packages" / "hes"
    for folder, name in (("_shipped/fixtures/profiles", "ami-1p.toml"), ("../scenarios/worlds", "village.toml")):
        (hes / folder).mkdir(parents=True)
        (hes / folder / name).write_text("# shipped\n")
    return hes


def test_a_wheel_has_its_fixtures_inside_hes(tmp_path: Path) -> None:
    hes = wheel(tmp_path)
    found = resources.file("fixtures/profiles", "ami-1p", hes_folder=hes)
    assert found == hes / "_shipped/fixtures/profiles/ami-1p.toml"
    assert resources.file_or_shipped("village", "scenarios/worlds", hes_folder=hes).name == "village.toml"


def test_the_wheels_own_copy_wins_over_a_strangers_folder(tmp_path: Path) -> None:
    hes = wheel(tmp_path)
    foreign = hes.parent / "fixtures" / "profiles"
    foreign.mkdir(parents=True)
    assert resources.folder("fixtures/profiles", hes_folder=hes) == hes / "_shipped/fixtures/profiles"


def test_an_incomplete_installation_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'fixtures/profiles' is missing .* looked for .*_shipped"):
        resources.folder("fixtures/profiles", hes_folder=tmp_path / "hes")


def test_a_path_and_a_bare_name_are_told_apart(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text("")
    assert resources.file_or_shipped(str(own), "scenarios/worlds") == own
    with pytest.raises(ConfigError, match="there is no such file"):
        resources.file_or_shipped(str(tmp_path / "other.toml"), "scenarios/worlds")
    with pytest.raises(ConfigError, match=r"holds no 'atlantis'; it holds: .*neighbourhood"):
        resources.file_or_shipped("atlantis", "scenarios/worlds")
    with pytest.raises(ConfigError, match=r"is a folder, not a \.toml file"):
        resources.file_or_shipped(str(tmp_path), "scenarios/worlds")
    with pytest.raises(ConfigError, match="there is no such file"):
        resources.file_or_shipped("../neighbourhood", "scenarios/worlds")

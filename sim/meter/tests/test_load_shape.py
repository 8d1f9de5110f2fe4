"""Load shapes as data: what ships loads and says where it comes from; what is wrong is said line by line."""

from __future__ import annotations

from itertools import pairwise

import pytest

from hes import toml_file
from hes.errors import ConfigError
from sim.meter import load_shape

GOOD = """name = "flat"
title = "Flat"
origin = "made up"
licence = "MIT"
mean_daily_wh = 1000
spread_percent = 0
[active_import]
permille = 1000
day_noise_percent = 0
slot_noise_percent = 0
weekday = [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]
"""


@pytest.mark.parametrize("name", load_shape.shipped())
def test_every_shipped_shape_loads_and_names_its_origin(name: str) -> None:
    shape = load_shape.load(name)
    assert shape.name == name
    assert shape.origin
    assert shape.licence
    assert all(len(day) == load_shape.SLOTS_PER_DAY for _, channel in shape.channels for day in channel.days)


def test_hours_become_quarter_hours_with_the_same_sum_and_no_steps() -> None:
    weights = tuple(range(10, 130, 5))
    slots = load_shape.slots(weights)
    assert sum(slots) == 4 * 8 * sum(weights)
    rising = slots[6:90]
    assert all(0 <= after - before <= 10 for before, after in pairwise(rising))


def test_every_fault_of_a_shape_is_listed_with_its_line() -> None:
    bad = GOOD.replace("mean_daily_wh = 1000", "mean_daily_wh = 0").replace("day_noise_percent = 0", "day_noise = 0")
    bad = bad.replace("[1,1,1,", "[1,")
    with pytest.raises(ConfigError) as caught:
        load_shape.check(toml_file.parse(bad, "shape.toml"))
    lines = caught.value.message.splitlines()
    assert [line.split(": ", 1)[0] for line in lines] == ["shape.toml:5", "shape.toml:7", "shape.toml:9"]
    assert "did you mean 'day_noise_percent'?" in lines[2]


def test_a_wrong_number_of_weights_is_a_fault() -> None:
    with pytest.raises(ConfigError, match=r"shape.toml:11: active_import.weekday: 22 weights"):
        load_shape.check(toml_file.parse(GOOD.replace("[1,1,1,", "[1,"), "shape.toml"))


def test_an_unknown_shape_is_named_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"no 'castle'; it holds: household,"):
        load_shape.load("castle")

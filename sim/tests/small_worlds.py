"""Worlds small enough for tests, and how to run them."""

from __future__ import annotations

from pathlib import Path

from sim.run import RunOptions, RunOutcome, run_world
from sim.world import parse

SMALL = """
name = "small"
title = "Two concentrators, a few meters"
seed = 7
start = 2026-03-02T00:00:00+00:00
zone = "UTC"
duration = "8h"
run_on = "1h"

[[plan]]
name = "yesterday"
what = "load-profile"
at = "00:00"
lookback = "1d"
settle = "3m"
window = "6h"

[[plan]]
name = "billing"
what = "billing"
at = "00:00"
lookback = "1d"
settle = "3m"
window = "6h"

[[plan]]
name = "quarter-hours"
what = "load-profile"
every = "4h"
settle = "3m"
window = "1h"

[media.gprs]
kind = "gprs"

[media.plc]
kind = "plc"

[[dcu]]
name = "east"
region = "0731"
address = 1
uplink = "gprs"
field = "plc"

[[dcu.meters]]
profile = "ami-1p"
shape = "household"
count = 5

[[dcu]]
name = "west"
region = "0731"
address = 300
uplink = "gprs"
field = "plc"

[[dcu.meters]]
profile = "ami-1p"
shape = "household"
count = 4
"""


def small(*more: str, **replaced: str) -> str:
    """The small world's text with tables added at its end, and `key = value` lines of its head replaced."""
    text = SMALL
    for key, value in replaced.items():
        (old,) = [line for line in text.splitlines() if line.startswith(f"{key} = ")]
        text = text.replace(old, f"{key} = {value}", 1)
    return "\n".join((text, *more))


def run_text(text: str, folder: Path, **options: object) -> RunOutcome:
    """Run a world given as text; its files go to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    return run_world(parse.parse_text(text), RunOptions(folder=folder, **options))  # type: ignore[arg-type]

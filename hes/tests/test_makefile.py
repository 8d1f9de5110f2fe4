"""The Makefile keeps its promises whatever lies in the checkout."""

from __future__ import annotations

import re
from pathlib import Path

MAKEFILE = Path(__file__).parents[2] / "Makefile"


def test_no_target_of_the_help_is_mistaken_for_a_folder_of_its_name() -> None:
    """`make fuzz` did nothing once the folder fuzz/ was newer than the environment."""
    text = MAKEFILE.read_text(encoding="utf-8")
    told = set(re.findall(r"^([a-z]+):.*##", text, flags=re.MULTILINE))
    phony = {name for line in re.findall(r"^\.PHONY:(.*)$", text, flags=re.MULTILINE) for name in line.split()}
    assert {"run", "test", "dev", "fuzz"} <= told
    assert told <= phony

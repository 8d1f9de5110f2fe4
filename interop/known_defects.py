"""Cells that are not green, each by a defect of the peer that a test shows in the peer alone.

The tests stand in `sim/tests/test_gurux_defects.py`; a release that mends a defect makes its test fail.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from interop.combinations import Combination

REPRODUCTIONS: Final = "sim/tests/test_gurux_defects.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """sign: what a cell shows. says: part of what the peer raised. reproduction: a test in REPRODUCTIONS."""

    sign: str
    peer: str
    operation: str
    where: Callable[[Combination], bool]
    says: str
    what: str
    reproduction: str


DEFECTS: Final = (
    Defect(
        sign="G1",
        peer="gurux-dlms",
        operation="long_set",
        where=lambda each: each.scope.startswith("general") and each.protection in ("authenticated", "both"),
        says="PDU is too long",
        what="blocks of a long SET under general-glo or general-ded exceed what the meter takes: the tag is forgotten",
        reproduction="test_gurux_sends_longer_apdus_than_the_server_takes_under_general_ciphering",
    ),
)


def defect_of(combination: Combination, operation: str, said: str) -> Defect | None:
    """Why that cell is not green, None when nothing known explains it."""
    for defect in DEFECTS:
        same = defect.peer == combination.peer and defect.operation == operation
        if same and defect.says in said and defect.where(combination):
            return defect
    return None

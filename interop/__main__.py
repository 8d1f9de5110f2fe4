"""`python -m interop`: run the matrix and print it."""

from __future__ import annotations

import argparse
import sys
import time

from interop import against_servers, combinations, known_defects, matrix
from interop.combinations import Combination
from interop.matrix import COLUMNS, Row
from interop.outcomes import NOT_OFFERED, OK

SAID_CHARACTERS = 200
NAMES = 66
"""Characters of the first column."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m interop", description=__doc__)
    parser.add_argument("--lean", action="store_true", help="the diagonal only, as in the test suite")
    parser.add_argument("--only", default="", metavar="TEXT", help="combinations with TEXT in their name")
    options = parser.parse_args()
    make = combinations.diagonal if options.lean else combinations.every
    began_s = time.perf_counter()
    cells = []
    for title, run, peers, role in (
        ("they read the reference meter", matrix.run, combinations.PEERS, "client"),
        ("we read their servers", against_servers.run, combinations.SERVERS, "server"),
    ):
        chosen = [each for each in make(peers, combinations.STYLES, role) if options.only in each.name]
        print(f"{title:<{NAMES}}" + " ".join(f"{name[:8]:<8}" for name in COLUMNS))
        done = run(chosen, lambda combination, row: print(line(combination, row), flush=True))
        print_causes(done)
        cells += list(done.cells())
    green = sum(said == OK for *_, said in cells)
    print(f"{green} of {len(cells)} cells green, {time.perf_counter() - began_s:.0f} s; left out by rule:")
    for rule in combinations.RULES:
        print(f"  {rule}")
    return 1 if any(sign(*cell) == "X" for cell in cells) else 0


def line(combination: Combination, row: Row) -> str:
    cells = [sign(combination, name, row[name]) if name in row else "" for name in COLUMNS]
    return f"{combination.name:<{NAMES}}" + " ".join(f"{cell:<8}" for cell in cells)


def sign(combination: Combination, operation: str, said: str) -> str:
    """ok, the sign of a known defect of the peer, - where the meter offers nothing, X for what nobody explains."""
    if said in (OK, NOT_OFFERED):
        return {OK: "ok", NOT_OFFERED: "-"}[said]
    defect = known_defects.defect_of(combination, operation, said)
    return defect.sign if defect else "X"


def print_causes(done: matrix.Matrix) -> None:
    """What every cell that is not green is due to."""
    causes: dict[str, list[str]] = {}
    for combination, operation, said in done.not_green():
        defect = known_defects.defect_of(combination, operation, said)
        cause = said[:SAID_CHARACTERS] if defect is None else f"{defect.sign}: {defect.what}; {shown_by(defect)}"
        causes.setdefault(cause.replace("\n", " "), []).append(f"{combination.name}: {operation}")
    for said, where in causes.items():
        print(f"{said}\n    {len(where)} cells, such as {where[0]}")


def shown_by(defect: known_defects.Defect) -> str:
    return f"{known_defects.REPRODUCTIONS[defect.sign[0]]}::{defect.reproduction}"


if __name__ == "__main__":
    sys.exit(main())

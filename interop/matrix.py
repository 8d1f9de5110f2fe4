"""Every combination, by each peer against the reference meter, and the table that comes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field

from interop.combinations import FRAMINGS, OPERATIONS, PEERS, Combination
from interop.meter_process import TimeLimit, Worker, served
from interop.outcomes import OK

SESSION_LIMIT_S = 60.0
COLUMNS = (*OPERATIONS, "release")

Row = dict[str, str]
Progress = Callable[[Combination, Row], None]


@dataclass(slots=True)
class Matrix:
    """outcome: by combination and operation, "ok", "not offered", or what the peer said."""

    rows: dict[Combination, Row] = field(default_factory=dict)

    def cells(self) -> Iterable[tuple[Combination, str, str]]:
        for combination, row in self.rows.items():
            for operation, said in row.items():
                yield combination, operation, said

    def not_green(self) -> list[tuple[Combination, str, str]]:
        return [cell for cell in self.cells() if cell[2] != OK]


def run(combinations: Iterable[Combination], progress: Progress | None = None) -> Matrix:
    """Each in a session of its own."""
    matrix = Matrix()
    workers = {peer: Worker() for peer in PEERS}
    with ExitStack() as stack:
        for worker in workers.values():
            stack.callback(worker.kill)
        offers = {framing: stack.enter_context(served(framing, "--model", "reference")) for framing in FRAMINGS}
        for combination in combinations:
            order = {
                "what": "matrix",
                "offer": offers[combination.framing],
                "combination": combination.order(),
            }
            try:
                answer = workers[combination.peer].answer(order, SESSION_LIMIT_S)
                row = answer.get("value") or dict.fromkeys(combination.operations, answer.get("error", "?"))
            except TimeLimit:
                row = dict.fromkeys(combination.operations, f"did not come back in {SESSION_LIMIT_S:.0f} s")
            matrix.rows[combination] = row
            if progress is not None:
                progress(combination, row)
    return matrix

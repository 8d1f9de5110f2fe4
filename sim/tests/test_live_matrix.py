"""A representative diagonal of the live matrix: gurux-dlms, unmodified, in its own process, does everything.

`make interop` runs all of it (docs/interop.md).
"""

from __future__ import annotations

import pytest

pytest.importorskip("gurux_dlms")
pytest.importorskip("pydlms")

from interop import combinations, matrix
from interop.combinations import MECHANISMS, PROTECTIONS, SCOPES, Combination
from interop.known_defects import defect_of
from interop.outcomes import OK

pytestmark = pytest.mark.xdist_group("live matrix")

DIAGONAL = tuple(combinations.diagonal())


@pytest.fixture(scope="module")
def done() -> matrix.Matrix:
    return matrix.run(DIAGONAL)


@pytest.mark.parametrize("combination", DIAGONAL, ids=lambda each: each.name)
def test_a_session_of_gurux_does_everything(done: matrix.Matrix, combination: Combination) -> None:
    unexplained = {
        operation: said
        for operation, said in done.rows[combination].items()
        if said != OK and defect_of(combination, operation, said) is None
    }
    assert unexplained == {}


def test_the_diagonal_has_every_value_of_every_dimension() -> None:
    assert {each.mechanism for each in DIAGONAL} == set(MECHANISMS)
    assert {each.protection for each in DIAGONAL} == set(PROTECTIONS)
    assert {each.scope for each in DIAGONAL} == {"", *SCOPES}

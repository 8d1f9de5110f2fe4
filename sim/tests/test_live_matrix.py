"""A representative diagonal of the live matrix: clients of others, unmodified and in their own process, do everything
with our meter, and so does our client with servers of others.

`make interop` runs all of it (docs/interop.md).
"""

from __future__ import annotations

import pytest

pytest.importorskip("gurux_dlms")
pytest.importorskip("pydlms")

from interop import against_servers, combinations, matrix
from interop.combinations import FRAMINGS, MECHANISMS, PROTECTIONS, SCOPES, SERVERS, STYLES, Combination
from interop.known_defects import defect_of
from interop.outcomes import OK

pytestmark = pytest.mark.xdist_group("live matrix")

DIAGONAL = tuple(combinations.diagonal())
SERVERS_DIAGONAL = tuple(combinations.diagonal(SERVERS, STYLES, "server"))


@pytest.fixture(scope="module")
def theirs() -> matrix.Matrix:
    return matrix.run(DIAGONAL)


@pytest.fixture(scope="module")
def ours() -> matrix.Matrix:
    return against_servers.run(SERVERS_DIAGONAL)


@pytest.mark.parametrize("combination", DIAGONAL, ids=lambda each: each.name)
def test_a_client_of_others_does_everything_with_our_meter(theirs: matrix.Matrix, combination: Combination) -> None:
    assert unexplained(theirs, combination) == {}


@pytest.mark.parametrize("combination", SERVERS_DIAGONAL, ids=lambda each: each.name)
def test_our_client_does_everything_with_a_server_of_others(ours: matrix.Matrix, combination: Combination) -> None:
    assert unexplained(ours, combination) == {}


def unexplained(done: matrix.Matrix, combination: Combination) -> dict[str, str]:
    """What went wrong and is no known defect of the peer."""
    return {
        operation: said
        for operation, said in done.rows[combination].items()
        if said != OK and defect_of(combination, operation, said) is None
    }


def test_the_diagonal_has_every_value_of_every_dimension() -> None:
    assert {(each.suite, each.mechanism) for each in DIAGONAL} == {
        (suite, mechanism) for suite in MECHANISMS for mechanism in MECHANISMS[suite]
    }
    assert {each.style for each in DIAGONAL} == set(STYLES)
    assert {each.framing for each in DIAGONAL} == set(FRAMINGS)
    assert {each.protection for each in DIAGONAL} == set(PROTECTIONS)
    assert {each.scope for each in DIAGONAL} == {"", *SCOPES}

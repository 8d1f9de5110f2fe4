"""Every input that once reached something new, and every target with a little fresh damage."""

import pytest

from fuzz.campaign import run_part
from fuzz.corpus import FOLDER, inputs_of
from fuzz.target import Target
from fuzz.targets import targets

FRESH_INPUTS = 60
ALL = {target.name: target for target in targets()}


@pytest.mark.parametrize("target", ALL.values(), ids=ALL)
def test_the_corpus_gives_values_or_the_one_error(target: Target) -> None:
    feed = target.session()
    for number, octets in enumerate(inputs_of(target.name)):
        if target.stateful and number % target.session_inputs == 0:
            feed = target.session()
        try:
            feed(octets)
        except target.may_raise:
            continue


@pytest.mark.parametrize("target", ALL.values(), ids=ALL)
def test_fresh_damage_gives_values_or_the_one_error(target: Target) -> None:
    part = run_part(target, seed=2, part=0, executions=FRESH_INPUTS)
    assert part.executions == FRESH_INPUTS
    assert part.mutated_count >= FRESH_INPUTS / 2
    assert [failure.reason for failure in part.failures] == []


def test_every_corpus_belongs_to_a_target() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} <= set(ALL)

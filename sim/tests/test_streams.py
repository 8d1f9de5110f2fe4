"""Named streams: independent, repeatable, and the same on every Python."""

import itertools
import math

import pytest

from hes.entropy import Entropy
from sim.streams import SeededEntropy, Streams


def draws(random, count=20):
    return [random.random() for _ in range(count)]


def test_the_draws_of_a_name_are_pinned_for_every_version_of_python():
    random = Streams(353).stream("gprs", "0731012C", "loss")
    assert [random.getrandbits(32) for _ in range(3)] == [3351672526, 230676556, 3143665604]
    assert Streams(353).fraction("meter", 7, "slot", 95) == 0.30302168022482323


def test_equal_seed_and_names_give_equal_draws_and_any_difference_gives_others():
    assert draws(Streams(1).stream("a", 2)) == draws(Streams(1).stream("a", 2))
    keys = [(1, "a", 2), (2, "a", 2), (1, "a", "2"), (1, "a2"), (1, "a", 2, ""), (1, "('a', 2)"), (1,)]
    seen = [tuple(draws(Streams(seed).stream(*names))) for seed, *names in keys]
    assert len(set(seen)) == len(keys)


def test_a_new_entity_does_not_shift_the_draws_of_another():
    streams = Streams(5)
    alone = draws(streams.stream("meter", 1))
    first, other = streams.stream("meter", 1), streams.stream("meter", 2)
    together = [(first.random(), other.random())[0] for _ in range(20)]
    assert together == alone


def test_streams_within_a_component_are_the_streams_whose_names_begin_with_it():
    assert draws(Streams(5).within("grid", 3).stream("noise")) == draws(Streams(5).stream("grid", 3, "noise"))
    assert Streams(5).within("grid").fraction(3) == Streams(5).fraction("grid", 3)


def test_fractions_are_spread_evenly_and_need_no_order():
    streams = Streams(9)
    values = [streams.fraction("meter", number) for number in range(20_000)]
    assert all(0 <= value < 1 for value in values)
    assert math.fsum(values) / len(values) == pytest.approx(0.5, abs=0.01)
    assert len(set(values)) == len(values)
    pairs = [later > earlier for earlier, later in itertools.pairwise(values)]
    assert sum(pairs) / len(pairs) == pytest.approx(0.5, abs=0.02)
    assert streams.fraction("meter", 19_999) == values[-1]


def test_seeded_entropy_repeats_from_the_seed_and_differs_by_name():
    entropy: Entropy = SeededEntropy(Streams(1))
    octets = entropy.octets(16)
    assert octets == SeededEntropy(Streams(1)).octets(16)
    assert len({octets, SeededEntropy(Streams(2)).octets(16), SeededEntropy(Streams(1), "meter 7").octets(16)}) == 3
    assert entropy.octets(0) == b""
    assert all(2.0 <= entropy.uniform(2.0, 3.0) < 3.0 for _ in range(1000))

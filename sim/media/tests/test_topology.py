"""Who relays for whom."""

from collections import Counter

import pytest

from sim.media.topology import HOP_SHARES, Tree
from sim.streams import Streams


def _grow(count: int, seed: int = 1) -> tuple[Tree, dict[bytes, bytes | None]]:
    tree, streams = Tree(), Streams(seed)
    parents = {}
    for number in range(count):
        address = b"%012d" % number
        parents[address] = tree.place(address, streams.stream("place", number))
    return tree, parents


def test_a_large_tree_has_the_hop_shares_that_were_asked_for() -> None:
    tree, parents = _grow(4000)
    hops = Counter(tree.hops(address) for address in parents)
    for level, share in enumerate(HOP_SHARES, start=1):
        assert hops[level] / 4000 == pytest.approx(share, abs=0.02)


def test_every_meter_is_one_hop_behind_its_parent() -> None:
    tree, parents = _grow(500)
    for address, parent in parents.items():
        assert tree.hops(address) == (1 if parent is None else tree.hops(parent) + 1)


def test_a_new_meter_moves_nobody_else() -> None:
    _, parents = _grow(200)
    _, more = _grow(201)
    assert {address: more[address] for address in parents} == parents
    assert _grow(200, seed=2)[1] != parents


def test_a_tree_may_be_given_instead_of_drawn() -> None:
    tree = Tree((1.0,))
    tree.attach(b"a", None)
    tree.attach(b"b", b"a")
    tree.attach(b"c", b"b")
    assert [tree.hops(address) for address in (b"a", b"b", b"c")] == [1, 2, 3]

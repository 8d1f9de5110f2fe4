import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms.security import INVOCATION_COUNTER_MAX
from hes.dlms.security.counters import ReservedCounter
from hes.errors import LocalProtocolError


class Store:
    """What is on the disk. broken: the next save fails, as when the disk is full."""

    def __init__(self, first=0):
        self.first_free = first
        self.saves = 0
        self.broken = False

    def load(self):
        return self.first_free

    def save(self, first_free):
        if self.broken:
            raise OSError("no space")
        assert first_free > self.first_free
        self.first_free = first_free
        self.saves += 1


@given(steps=st.lists(st.integers(0, 40) | st.just("crash"), max_size=40), block=st.integers(1, 20))
def test_no_counter_is_ever_used_twice_whenever_the_sender_crashes(steps, block):
    store = Store()
    counter, used = ReservedCounter(store, block), []
    for step in steps:
        if step == "crash":
            counter = ReservedCounter(store, block)
        else:
            used += [counter() for _ in range(step)]
    assert used == sorted(set(used))
    assert not used or used[-1] < store.first_free


def test_a_block_is_reserved_before_its_first_counter_is_used():
    store = Store(7)
    counter = ReservedCounter(store, 10)
    assert store.saves == 0
    assert [counter() for _ in range(10)] == list(range(7, 17))
    assert (store.saves, store.first_free) == (1, 17)
    store.broken = True
    with pytest.raises(OSError, match="no space"):
        counter()
    store.broken = False
    assert counter() == 17


@pytest.mark.parametrize(("lowest", "moved", "after"), [(0, False, 1), (1, False, 1), (5, True, 5), (999, True, 999)])
def test_a_counter_moves_up_and_never_down(lowest, moved, after):
    store = Store()
    counter = ReservedCounter(store, 10)
    counter()
    assert counter.move_up(lowest) is moved
    assert counter() == after
    assert store.first_free > after
    assert ReservedCounter(store, 10)() >= store.first_free - 10


def test_the_highest_counter_is_never_reserved():
    counter = ReservedCounter(Store(INVOCATION_COUNTER_MAX - 2), 10)
    assert [counter(), counter()] == [INVOCATION_COUNTER_MAX - 2, INVOCATION_COUNTER_MAX - 1]
    with pytest.raises(LocalProtocolError, match="run out"):
        counter()
    with pytest.raises(LocalProtocolError, match="run out"):
        ReservedCounter(Store(), 10).move_up(INVOCATION_COUNTER_MAX)
    with pytest.raises(LocalProtocolError):
        ReservedCounter(Store(), 0)

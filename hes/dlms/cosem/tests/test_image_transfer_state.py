from collections import deque
from copy import deepcopy

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hes.dlms.codes import ActionResult
from hes.dlms.cosem import image_transfer_state as machine
from hes.dlms.cosem.image_transfer_state import (
    TRANSITIONS,
    Event,
    ImageMemory,
    ImageToActivate,
    ImageTransferState,
    ImageTransferStatus,
)
from hes.errors import LocalProtocolError

NAME = b"firmware-2"
BODY = bytes(range(250)) * 4  # 1000 octets: seven blocks of 128 and one of 104
BLOCK = 128
GOOD = (ImageToActivate(len(BODY), NAME, b"sig"),)


def begun(body=BODY):
    state, store = ImageTransferState(), ImageMemory()
    assert machine.initiate(state, store, NAME, len(body), block_octets=BLOCK) is ActionResult.SUCCESS
    return state, store


def put(state, store, number, body=BODY):
    return machine.take_block(state, store, number, body[number * BLOCK : (number + 1) * BLOCK])


def filled():
    state, store = begun()
    for number in range(state.block_count):
        assert put(state, store, number) is ActionResult.SUCCESS
    return state, store


def verify(state, outcome=GOOD, now_s=0.0, duration_s=0.0):
    return machine.verify(state, lambda: outcome, now_s=now_s, duration_s=duration_s)


def activate(state, outcome=True, now_s=0.0, verification_s=0.0, activation_s=0.0):
    return machine.activate(
        state,
        lambda: GOOD,
        lambda: outcome,
        now_s=now_s,
        verification_s=verification_s,
        activation_s=activation_s,
    )


def test_every_status_has_a_row_and_is_reached():
    assert set(TRANSITIONS) == set(ImageTransferStatus)
    seen, todo = set(), deque([ImageTransferStatus.NOT_INITIATED])
    while todo:
        status = todo.popleft()
        if status not in seen:
            seen.add(status)
            todo.extend(TRANSITIONS[status].values())
    assert seen == set(ImageTransferStatus)


@pytest.mark.parametrize("status", ImageTransferStatus)
@pytest.mark.parametrize("event", Event)
def test_what_the_table_does_not_hold_raises(status, event):
    if event in TRANSITIONS[status]:
        assert machine.step(status, event) is TRANSITIONS[status][event]
    else:
        with pytest.raises(LocalProtocolError):
            machine.step(status, event)


def test_initiating_clears_the_bitmap_and_the_first_missing_block():
    state, store = filled()
    assert (state.first_missing, state.block_count) == (8, 8)
    assert machine.initiate(state, store, b"other", 300, block_octets=BLOCK) is ActionResult.SUCCESS
    assert state.status is ImageTransferStatus.INITIATED
    assert (state.first_missing, state.block_count, bytes(state.received)) == (0, 3, b"\0")


def test_blocks_may_come_in_any_order_and_more_than_once():
    state, store = begun()
    for number in (7, 3, 3, 0, 1, 7, 2):
        assert put(state, store, number) is ActionResult.SUCCESS
    assert state.first_missing == 4
    assert bytes(state.received) == b"\xf1"
    for number in (6, 5, 4):
        put(state, store, number)
    assert state.complete
    assert state.first_missing == state.block_count
    assert bytes(store.body) == BODY


def test_a_wrong_number_is_other_reason_and_a_wrong_length_type_unmatched():
    state, store = begun()
    assert machine.take_block(state, store, 8, BODY[:BLOCK]) is ActionResult.OTHER_REASON
    assert machine.take_block(state, store, 0, BODY[: BLOCK - 1]) is ActionResult.TYPE_UNMATCHED
    assert machine.take_block(state, store, 7, BODY[:BLOCK]) is ActionResult.TYPE_UNMATCHED
    assert machine.take_block(state, store, 0, b"") is ActionResult.TYPE_UNMATCHED
    assert bytes(state.received) == b"\0"
    assert bytes(store.body) == bytes(1000)


def test_no_blocks_are_taken_without_an_initiated_transfer():
    assert put(ImageTransferState(), ImageMemory(), 0) is ActionResult.OTHER_REASON
    state, store = filled()
    verify(state)
    assert put(state, store, 0, bytes(1000)) is ActionResult.OTHER_REASON
    assert bytes(store.body) == BODY


def test_an_image_that_is_too_large_or_has_no_name_is_not_begun():
    state, store = begun()
    put(state, store, 0)
    for name, size in ((b"", 10), (b"n" * 256, 10), (NAME, 0), (NAME, store.octets_max + 1), (NAME, 0xFFFFFFFF)):
        assert machine.initiate(state, store, name, size, block_octets=BLOCK) is ActionResult.OTHER_REASON
    assert state.size == 1000
    assert state.has_block(0)


def test_verifying_an_incomplete_image_fails_and_keeps_the_state():
    state, store = begun()
    for number in (0, 1, 3, 4, 5, 6, 7):
        put(state, store, number)
    before = deepcopy(state)
    assert verify(state) is ActionResult.OTHER_REASON
    assert activate(state) is ActionResult.OTHER_REASON
    assert state == before
    assert put(state, store, 2) is ActionResult.SUCCESS
    assert verify(state) is ActionResult.SUCCESS


def test_a_bad_image_fails_verification_and_can_only_be_verified_again_or_replaced():
    state, store = filled()
    assert verify(state, ()) is ActionResult.OTHER_REASON
    assert state.status is ImageTransferStatus.VERIFICATION_FAILED
    assert put(state, store, 0) is ActionResult.OTHER_REASON
    assert verify(state, ()) is ActionResult.OTHER_REASON
    assert verify(state) is ActionResult.SUCCESS
    assert verify(state, ()) is ActionResult.SUCCESS  # a verified image stays verified


def test_while_verifying_every_method_answers_temporary_failure():
    state, store = filled()
    assert verify(state, now_s=100, duration_s=30) is ActionResult.TEMPORARY_FAILURE
    assert (state.status, state.due_s) == (ImageTransferStatus.VERIFYING, 130)
    assert verify(state, now_s=129, duration_s=30) is ActionResult.TEMPORARY_FAILURE
    assert put(state, store, 0) is ActionResult.TEMPORARY_FAILURE
    assert activate(state) is ActionResult.TEMPORARY_FAILURE
    assert machine.initiate(state, store, NAME, 10, block_octets=BLOCK) is ActionResult.TEMPORARY_FAILURE
    machine.settle(state, lambda: GOOD, lambda: True, now_s=129.9, activation_s=5)
    assert state.status is ImageTransferStatus.VERIFYING
    machine.settle(state, lambda: GOOD, lambda: True, now_s=130, activation_s=5)
    assert (state.status, state.due_s, state.to_activate) == (ImageTransferStatus.VERIFIED, None, GOOD)


def test_activation_of_an_unverified_image_verifies_it_first():
    state, _ = filled()
    assert activate(state) is ActionResult.SUCCESS
    assert state.status is ImageTransferStatus.ACTIVATED
    state, _ = filled()
    assert activate(state, now_s=10, verification_s=30, activation_s=60) is ActionResult.TEMPORARY_FAILURE
    machine.settle(state, lambda: GOOD, lambda: True, now_s=40, activation_s=60)
    assert (state.status, state.due_s) == (ImageTransferStatus.ACTIVATING, 100)
    machine.settle(state, lambda: GOOD, lambda: True, now_s=1000, activation_s=60)
    assert (state.status, state.due_s) == (ImageTransferStatus.ACTIVATED, None)


def test_a_late_look_finds_verification_and_activation_both_ended():
    state, _ = filled()
    activate(state, now_s=10, verification_s=30, activation_s=60)
    machine.settle(state, lambda: GOOD, lambda: True, now_s=1000, activation_s=60)
    assert state.status is ImageTransferStatus.ACTIVATED


def test_activation_asked_for_before_a_failed_verification_is_forgotten():
    state, _ = filled()
    activate(state, now_s=10, verification_s=30)
    machine.settle(state, tuple, lambda: True, now_s=40, activation_s=0)
    assert (state.status, state.activate_next) == (ImageTransferStatus.VERIFICATION_FAILED, False)


def test_a_failed_activation_may_be_tried_again():
    state, _ = filled()
    assert activate(state, outcome=False) is ActionResult.OTHER_REASON
    assert state.status is ImageTransferStatus.ACTIVATION_FAILED
    assert activate(state) is ActionResult.SUCCESS
    assert activate(state) is ActionResult.OTHER_REASON  # there is nothing left to activate


def test_nothing_moves_while_image_transfer_is_disabled():
    state, store = filled()
    state.enabled = False
    before = deepcopy(state)
    assert machine.initiate(state, store, NAME, 10, block_octets=BLOCK) is ActionResult.READ_WRITE_DENIED
    assert put(state, store, 0) is ActionResult.READ_WRITE_DENIED
    assert verify(state) is ActionResult.READ_WRITE_DENIED
    assert activate(state) is ActionResult.READ_WRITE_DENIED
    assert state == before


def test_a_transfer_survives_a_power_failure_between_any_two_blocks():
    state, store = begun()
    for number in (5, 0, 7, 1, 2, 3, 6, 4):
        state, store = deepcopy((state, store))
        assert put(state, store, number) is ActionResult.SUCCESS
    state, store = deepcopy((state, store))
    assert verify(state) is ActionResult.SUCCESS
    assert bytes(store.body) == BODY


class Transfers(RuleBasedStateMachine):
    """Against a model that is a plain set of block numbers and the status by name."""

    def __init__(self):
        super().__init__()
        self.state, self.store = ImageTransferState(), ImageMemory(octets_max=600)
        self.blocks, self.size, self.status, self.now_s = set(), 0, "NOT_INITIATED", 0.0
        self.good = True

    def count(self):
        return -(-self.size // 64)

    @property
    def busy(self):
        return self.status in ("VERIFYING", "ACTIVATING")

    @rule(size=st.integers(0, 700))
    def initiate(self, size):
        result = machine.initiate(self.state, self.store, NAME, size, block_octets=64)
        if not self.state.enabled:
            assert result is ActionResult.READ_WRITE_DENIED
        elif self.busy:
            assert result is ActionResult.TEMPORARY_FAILURE
        elif 0 < size <= 600:
            assert result is ActionResult.SUCCESS
            self.size, self.blocks, self.status = size, set(), "INITIATED"
        else:
            assert result is ActionResult.OTHER_REASON

    @rule(number=st.integers(0, 12), short=st.booleans())
    def block(self, number, short):
        length = max(min(64, self.size - 64 * number), 0) - short
        result = machine.take_block(self.state, self.store, number, bytes([number + 1]) * max(length, 0))
        if self.state.enabled and self.status == "INITIATED" and number < self.count() and not short:
            assert result is ActionResult.SUCCESS
            self.blocks.add(number)
        else:
            assert result is not ActionResult.SUCCESS

    @precondition(lambda self: self.state.enabled)
    @rule(duration_s=st.sampled_from((0, 5)))
    def verify(self, duration_s):
        complete = self.size > 0 and len(self.blocks) == self.count()
        result = machine.verify(self.state, self.verifier, now_s=self.now_s, duration_s=duration_s)
        if self.status == "VERIFIED":
            assert result is ActionResult.SUCCESS
        elif self.busy:
            assert result is ActionResult.TEMPORARY_FAILURE
        elif self.status in ("INITIATED", "VERIFICATION_FAILED") and complete:
            ended = "VERIFIED" if self.good else "VERIFICATION_FAILED"
            self.status = "VERIFYING" if duration_s else ended
        else:
            assert result is ActionResult.OTHER_REASON

    @precondition(lambda self: self.state.enabled and self.status in ("VERIFIED", "ACTIVATION_FAILED"))
    @rule(duration_s=st.sampled_from((0, 5)))
    def activate(self, duration_s):
        machine.activate(
            self.state,
            self.verifier,
            lambda: self.good,
            now_s=self.now_s,
            verification_s=0,
            activation_s=duration_s,
        )
        self.status = "ACTIVATING" if duration_s else self.activated()

    def activated(self):
        return "ACTIVATED" if self.good else "ACTIVATION_FAILED"

    def verifier(self):
        return (ImageToActivate(self.size, NAME),) if self.good else ()

    @rule(seconds=st.integers(0, 10), good=st.booleans())
    def time_passes(self, seconds, good):
        self.now_s += seconds
        self.good = good
        if self.state.due_s is not None and self.now_s >= self.state.due_s:
            verified = "VERIFIED" if good else "VERIFICATION_FAILED"
            self.status = verified if self.status == "VERIFYING" else self.activated()
        machine.settle(self.state, self.verifier, lambda: self.good, now_s=self.now_s, activation_s=5)

    @rule(enabled=st.booleans())
    def enable(self, enabled):
        self.state.enabled = enabled

    @rule()
    def power_fails(self):
        self.state, self.store = deepcopy((self.state, self.store))

    @invariant()
    def agrees_with_the_model(self):
        assert self.state.status.name == self.status
        assert [number for number in range(self.count()) if self.state.has_block(number)] == sorted(self.blocks)
        missing = [number for number in range(self.count()) if number not in self.blocks]
        assert self.state.first_missing == (missing[0] if missing else self.count())
        assert (self.state.due_s is not None) == self.busy
        for number in self.blocks:
            assert self.store.body[64 * number] == number + 1


TestTransfers = Transfers.TestCase
TestTransfers.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)

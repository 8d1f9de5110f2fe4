from collections import deque
from copy import deepcopy
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hes.dlms.codes import ActionResult
from hes.dlms.cosem.image import state as machine
from hes.dlms.cosem.image.state import (
    TRANSITIONS,
    Event,
    ImageMemory,
    ImageToActivate,
    ImageTransferState,
    ImageTransferStatus,
    ImageWork,
)
from hes.errors import LocalProtocolError

NAME = b"firmware-2"
BODY = bytes(range(250)) * 4  # 1000 octets: seven blocks of 128 and one of 104
BLOCK = 128


class Transfer:
    """State and store together, as a device holds them."""

    def __init__(self, octets_max=1 << 20):
        self.state, self.store, self.good, self.activates = ImageTransferState(), ImageMemory(octets_max), True, True

    def initiate(self, size=1000, name=NAME, block=BLOCK):
        self.state, result = machine.initiate(self.state, self.store, name, size, block_octets=block)
        return result

    def block(self, number, octets):
        self.state, result = machine.take_block(self.state, self.store, number, octets)
        return result

    def put(self, number):
        return self.block(number, BODY[number * BLOCK : (number + 1) * BLOCK])

    def work(self, verification_s=0.0, activation_s=0.0):
        held = (ImageToActivate(self.state.size, NAME, b"sig"),) if self.good else ()
        return ImageWork(lambda: held, lambda: self.activates, verification_s, activation_s)

    def verify(self, now_s=0.0, duration_s=0.0):
        self.state, result = machine.verify(self.state, self.work(duration_s), now_s)
        return result

    def activate(self, now_s=0.0, verification_s=0.0, activation_s=0.0):
        self.state, result = machine.activate(self.state, self.work(verification_s, activation_s), now_s)
        return result

    def settle(self, now_s, activation_s=0.0):
        self.state = machine.settle(self.state, self.work(0, activation_s), now_s)


def begun():
    transfer = Transfer()
    assert transfer.initiate() is ActionResult.SUCCESS
    return transfer


def filled():
    transfer = begun()
    for number in range(transfer.state.block_count):
        assert transfer.put(number) is ActionResult.SUCCESS
    return transfer


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
    transfer = filled()
    assert (transfer.state.first_missing, transfer.state.block_count) == (8, 8)
    assert transfer.initiate(300, b"other") is ActionResult.SUCCESS
    state = transfer.state
    assert state.status is ImageTransferStatus.INITIATED
    assert (state.first_missing, state.block_count, state.received) == (0, 3, b"\0")


def test_blocks_may_come_in_any_order_and_more_than_once():
    transfer = begun()
    for number in (7, 3, 3, 0, 1, 7, 2):
        assert transfer.put(number) is ActionResult.SUCCESS
    assert transfer.state.first_missing == 4
    assert transfer.state.received == b"\xf1"
    for number in (6, 5, 4):
        transfer.put(number)
    assert transfer.state.complete
    assert transfer.state.first_missing == transfer.state.block_count
    assert bytes(transfer.store.body) == BODY


def test_a_wrong_number_is_other_reason_and_a_wrong_length_type_unmatched():
    transfer = begun()
    before = transfer.state
    assert transfer.block(8, BODY[:BLOCK]) is ActionResult.OTHER_REASON
    assert transfer.block(0, BODY[: BLOCK - 1]) is ActionResult.TYPE_UNMATCHED
    assert transfer.block(7, BODY[:BLOCK]) is ActionResult.TYPE_UNMATCHED
    assert transfer.block(0, b"") is ActionResult.TYPE_UNMATCHED
    assert transfer.state is before
    assert bytes(transfer.store.body) == bytes(1000)


def test_no_blocks_are_taken_without_an_initiated_transfer():
    assert Transfer().put(0) is ActionResult.OTHER_REASON
    transfer = filled()
    transfer.verify()
    assert transfer.block(0, bytes(BLOCK)) is ActionResult.OTHER_REASON
    assert bytes(transfer.store.body) == BODY


def test_an_image_that_is_too_large_or_has_no_name_is_not_begun():
    transfer = begun()
    transfer.put(0)
    before = transfer.state
    for name, size in ((b"", 10), (b"n" * 256, 10), (NAME, 0), (NAME, 1 + (1 << 20)), (NAME, 0xFFFFFFFF)):
        assert transfer.initiate(size, name) is ActionResult.OTHER_REASON
    assert transfer.state is before


def test_verifying_an_incomplete_image_fails_and_keeps_the_state():
    transfer = begun()
    for number in (0, 1, 3, 4, 5, 6, 7):
        transfer.put(number)
    before = transfer.state
    assert transfer.verify() is ActionResult.OTHER_REASON
    assert transfer.activate() is ActionResult.OTHER_REASON
    assert transfer.state is before
    assert transfer.put(2) is ActionResult.SUCCESS
    assert transfer.verify() is ActionResult.SUCCESS


def test_a_bad_image_fails_verification_and_can_only_be_verified_again_or_replaced():
    transfer = filled()
    transfer.good = False
    assert transfer.verify() is ActionResult.OTHER_REASON
    assert transfer.state.status is ImageTransferStatus.VERIFICATION_FAILED
    assert transfer.put(0) is ActionResult.OTHER_REASON
    assert transfer.verify() is ActionResult.OTHER_REASON
    transfer.good = True
    assert transfer.verify() is ActionResult.SUCCESS
    transfer.good = False
    assert transfer.verify() is ActionResult.SUCCESS  # a verified image stays verified


def test_while_verifying_every_method_answers_temporary_failure():
    transfer = filled()
    assert transfer.verify(now_s=100, duration_s=30) is ActionResult.TEMPORARY_FAILURE
    assert (transfer.state.status, transfer.state.due_s) == (ImageTransferStatus.VERIFYING, 130)
    assert transfer.verify(now_s=129, duration_s=30) is ActionResult.TEMPORARY_FAILURE
    assert transfer.put(0) is ActionResult.TEMPORARY_FAILURE
    assert transfer.activate() is ActionResult.TEMPORARY_FAILURE
    assert transfer.initiate(10) is ActionResult.TEMPORARY_FAILURE
    transfer.settle(129.9)
    assert transfer.state.status is ImageTransferStatus.VERIFYING
    transfer.settle(130)
    assert (transfer.state.status, transfer.state.due_s) == (ImageTransferStatus.VERIFIED, None)
    assert transfer.state.to_activate == (ImageToActivate(1000, NAME, b"sig"),)


def test_activation_of_an_unverified_image_verifies_it_first():
    transfer = filled()
    assert transfer.activate() is ActionResult.SUCCESS
    assert transfer.state.status is ImageTransferStatus.ACTIVATED
    transfer = filled()
    assert transfer.activate(10, 30, 60) is ActionResult.TEMPORARY_FAILURE
    transfer.settle(40, 60)
    assert (transfer.state.status, transfer.state.due_s) == (ImageTransferStatus.ACTIVATING, 100)
    transfer.settle(1000, 60)
    assert (transfer.state.status, transfer.state.due_s) == (ImageTransferStatus.ACTIVATED, None)


def test_a_late_look_finds_verification_and_activation_both_ended():
    transfer = filled()
    transfer.activate(10, 30, 60)
    transfer.settle(1000, 60)
    assert transfer.state.status is ImageTransferStatus.ACTIVATED


def test_activation_asked_for_before_a_failed_verification_is_forgotten():
    transfer = filled()
    transfer.activate(10, 30)
    transfer.good = False
    transfer.settle(40)
    state = transfer.state
    assert (state.status, state.activate_next) == (ImageTransferStatus.VERIFICATION_FAILED, False)


def test_a_failed_activation_may_be_tried_again():
    transfer = filled()
    transfer.activates = False
    assert transfer.activate() is ActionResult.OTHER_REASON
    assert transfer.state.status is ImageTransferStatus.ACTIVATION_FAILED
    transfer.activates = True
    assert transfer.activate() is ActionResult.SUCCESS
    assert transfer.activate() is ActionResult.OTHER_REASON  # there is nothing left to activate


def test_nothing_moves_while_image_transfer_is_disabled():
    transfer = filled()
    transfer.state = before = replace(transfer.state, enabled=False)
    assert transfer.initiate(10) is ActionResult.READ_WRITE_DENIED
    assert transfer.put(0) is ActionResult.READ_WRITE_DENIED
    assert transfer.verify() is ActionResult.READ_WRITE_DENIED
    assert transfer.activate() is ActionResult.READ_WRITE_DENIED
    assert transfer.state is before


class Transfers(RuleBasedStateMachine):
    """Against a model that is a plain set of block numbers and the status by name."""

    def __init__(self):
        super().__init__()
        self.transfer = Transfer(octets_max=600)
        self.blocks, self.size, self.status, self.now_s = set(), 0, "NOT_INITIATED", 0.0

    @property
    def state(self):
        return self.transfer.state

    def count(self):
        return -(-self.size // 64)

    @property
    def busy(self):
        return self.status in ("VERIFYING", "ACTIVATING")

    @rule(size=st.integers(0, 700))
    def initiate(self, size):
        result = self.transfer.initiate(size, block=64)
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
        result = self.transfer.block(number, bytes([number + 1]) * max(length, 0))
        if self.state.enabled and self.status == "INITIATED" and number < self.count() and not short:
            assert result is ActionResult.SUCCESS
            self.blocks.add(number)
        else:
            assert result is not ActionResult.SUCCESS

    @precondition(lambda self: self.state.enabled)
    @rule(duration_s=st.sampled_from((0, 5)))
    def verify(self, duration_s):
        complete = self.size > 0 and len(self.blocks) == self.count()
        result = self.transfer.verify(self.now_s, duration_s)
        if self.status == "VERIFIED":
            assert result is ActionResult.SUCCESS
        elif self.busy:
            assert result is ActionResult.TEMPORARY_FAILURE
        elif self.status in ("INITIATED", "VERIFICATION_FAILED") and complete:
            self.status = "VERIFYING" if duration_s else self.verified()
        else:
            assert result is ActionResult.OTHER_REASON

    @precondition(lambda self: self.state.enabled and self.status in ("VERIFIED", "ACTIVATION_FAILED"))
    @rule(duration_s=st.sampled_from((0, 5)))
    def activate(self, duration_s):
        self.transfer.activate(self.now_s, 0, duration_s)
        self.status = "ACTIVATING" if duration_s else self.activated()

    def verified(self):
        return "VERIFIED" if self.transfer.good else "VERIFICATION_FAILED"

    def activated(self):
        return "ACTIVATED" if self.transfer.activates else "ACTIVATION_FAILED"

    @rule(seconds=st.integers(0, 10), good=st.booleans(), activates=st.booleans())
    def time_passes(self, seconds, good, activates):
        self.now_s += seconds
        self.transfer.good, self.transfer.activates = good, activates
        if self.state.due_s is not None and self.now_s >= self.state.due_s:
            self.status = self.verified() if self.status == "VERIFYING" else self.activated()
        self.transfer.settle(self.now_s)

    @rule(enabled=st.booleans())
    def enable(self, enabled):
        self.transfer.state = replace(self.state, enabled=enabled)

    @rule()
    def power_fails(self):
        self.transfer.state, self.transfer.store = deepcopy((self.transfer.state, self.transfer.store))

    @invariant()
    def agrees_with_the_model(self):
        assert self.state.status.name == self.status
        assert [number for number in range(self.count()) if self.state.has_block(number)] == sorted(self.blocks)
        missing = [number for number in range(self.count()) if number not in self.blocks]
        assert self.state.first_missing == (missing[0] if missing else self.count())
        assert (self.state.due_s is not None) == self.busy
        for number in self.blocks:
            assert self.transfer.store.body[64 * number] == number + 1


TestTransfers = Transfers.TestCase
TestTransfers.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)

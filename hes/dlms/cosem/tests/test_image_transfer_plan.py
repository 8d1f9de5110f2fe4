from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hes.dlms import axdr
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem.image import state as machine
from hes.dlms.cosem.image.plan import (
    Done,
    GivenUp,
    ImageTransferPlan,
    Invoke,
    Poll,
    ReadAttribute,
    WriteAttribute,
)
from hes.dlms.cosem.image.state import (
    ImageMemory,
    ImageToActivate,
    ImageTransferState,
    ImageTransferStatus,
    ImageWork,
)
from hes.errors import LocalProtocolError

NAME = b"firmware-2"
BODY = bytes(range(256)) * 5
BLOCK = 100


class Meter:
    """The machine of the server's side, with a line that loses blocks."""

    def __init__(self, lose=(), *, hide=(), verification_s=0, activation_s=0, good=True):
        self.state, self.store = ImageTransferState(), ImageMemory()
        self.lose, self.hide, self.good = list(lose), hide, good
        self.durations_s = verification_s, activation_s
        self.now_s = 0.0
        self.sent = []

    def work(self):
        held = (ImageToActivate(len(BODY), NAME, b"s"),) if self.good else ()
        return ImageWork(lambda: held, lambda: True, *self.durations_s)

    def read(self, attribute):
        self.state = state = machine.settle(self.state, self.work(), self.now_s)
        return {
            2: BLOCK,
            3: "".join("01"[state.has_block(number)] for number in range(state.block_count)),
            4: state.first_missing,
            5: state.enabled,
            6: int(state.status),
            7: [(image.size, image.identification, image.signature) for image in state.to_activate],
        }[attribute]

    def act(self, method, parameters):
        plain = axdr.plain(parameters)
        if method == 1:
            moved = machine.initiate(self.state, self.store, plain[0], plain[1], block_octets=BLOCK)
        elif method == 2:
            self.sent.append(plain[0])
            if self.lose and self.lose.pop(0):
                return ActionResult.SUCCESS  # the meter never saw it
            moved = machine.take_block(self.state, self.store, *plain)
        elif method == 3:
            moved = machine.verify(self.state, self.work(), self.now_s)
        else:
            moved = machine.activate(self.state, self.work(), self.now_s)
        self.state, result = moved
        return result

    def run(self, plan, steps_max=2000):
        for _ in range(steps_max):
            step = plan.next_step()
            match step:
                case ReadAttribute(attribute) if attribute in self.hide:
                    plan.answered(DataAccessResult.READ_WRITE_DENIED)
                case ReadAttribute(attribute):
                    plan.read(attribute, self.read(attribute))
                case WriteAttribute(attribute, value):
                    assert attribute == 5
                    self.state = replace(self.state, enabled=value.value)
                    plan.answered(DataAccessResult.SUCCESS)
                case Invoke(method, parameters):
                    plan.answered(self.act(method, parameters))
                case Poll():
                    self.now_s += 10
                case Done() | GivenUp():
                    return step
        raise AssertionError("the plan does not end")


def test_an_image_is_enabled_sent_verified_compared_and_activated():
    meter = Meter()
    meter.state = replace(meter.state, enabled=False)
    assert meter.run(ImageTransferPlan(BODY, NAME)) == Done(ImageTransferStatus.ACTIVATED)
    assert meter.sent == list(range(13))
    assert bytes(meter.store.body) == BODY
    assert meter.state.status is ImageTransferStatus.ACTIVATED


def test_only_the_blocks_that_the_bitmap_shows_missing_are_sent_again():
    lost = {2, 5, 12}
    meter = Meter(lose=[number in lost for number in range(13)] + [True])
    assert isinstance(meter.run(ImageTransferPlan(BODY, NAME)), Done)
    assert meter.sent == [*range(13), 2, 5, 12, 2]


def test_without_a_bitmap_the_first_missing_block_leads_the_recovery():
    meter = Meter(lose=[number in (2, 5) for number in range(13)], hide=(3,))
    assert isinstance(meter.run(ImageTransferPlan(BODY, NAME)), Done)
    assert meter.sent == [*range(13), 2, 5]


def test_a_meter_at_work_is_polled():
    meter = Meter(verification_s=25, activation_s=35)
    assert isinstance(meter.run(ImageTransferPlan(BODY, NAME)), Done)
    assert meter.now_s >= 60


def test_activation_may_be_left_to_a_schedule():
    meter = Meter()
    assert meter.run(ImageTransferPlan(BODY, NAME, activate=False)) == Done(ImageTransferStatus.VERIFIED)
    assert meter.state.status is ImageTransferStatus.VERIFIED


def test_a_transfer_cut_off_is_taken_up_where_it_stopped():
    meter = Meter()
    first = ImageTransferPlan(BODY, NAME)
    for _ in range(8):
        step = first.next_step()
        if isinstance(step, ReadAttribute):
            first.read(step.attribute, meter.read(step.attribute))
        else:
            first.answered(meter.act(step.method, step.parameters))
    assert meter.sent == [0, 1, 2, 3, 4]
    assert isinstance(meter.run(ImageTransferPlan(BODY, NAME, resume=True)), Done)
    assert meter.sent == list(range(13))


def test_a_round_may_be_sent_in_one_go():
    meter = Meter()
    plan = ImageTransferPlan(BODY, NAME)
    while not plan.missing:
        step = plan.next_step()
        if isinstance(step, ReadAttribute):
            plan.read(step.attribute, meter.read(step.attribute))
        else:
            plan.answered(meter.act(step.method, step.parameters))
    for block in plan.blocks():
        meter.act(2, block)
    assert plan.next_step() == ReadAttribute(3)
    assert isinstance(meter.run(plan), Done)
    assert len(meter.sent) == 13


@pytest.mark.parametrize(
    ("meter", "plan", "words"),
    [
        (Meter(good=False), ImageTransferPlan(BODY, NAME), "did not verify"),
        (Meter(good=False, verification_s=9), ImageTransferPlan(BODY, NAME), "did not verify"),
        (Meter(), ImageTransferPlan(BODY, NAME, signature=b"t"), "another image"),
        (Meter(lose=[True] * 400), ImageTransferPlan(BODY, NAME, rounds_max=3), "still missing after 3 rounds"),
        (Meter(lose=[True] * 40, hide=(3,)), ImageTransferPlan(BODY, NAME, rounds_max=1), "still missing"),
        (Meter(hide=(2,)), ImageTransferPlan(BODY, NAME), "cannot be read"),
        (Meter(), ImageTransferPlan(BODY * 1000, NAME), "does not take"),
    ],
)
def test_what_cannot_go_on_by_itself_is_given_up_with_a_reason(meter, plan, words):
    ended = meter.run(plan, steps_max=10_000)
    assert isinstance(ended, GivenUp)
    assert words in ended.reason


@pytest.mark.parametrize(("attribute", "value"), [(5, 1), (2, 0), (2, "x")])
def test_a_value_that_no_meter_may_give_ends_the_plan(attribute, value):
    plan = ImageTransferPlan(BODY, NAME)
    if attribute == 2:
        plan.read(5, True)
    plan.read(attribute, value)
    assert isinstance(plan.next_step(), GivenUp)


def test_an_outcome_that_nobody_asked_for_is_an_error_of_the_caller():
    plan = ImageTransferPlan(BODY, NAME)
    with pytest.raises(LocalProtocolError):
        plan.read(3, "")
    with pytest.raises(LocalProtocolError):
        ImageTransferPlan(b"", NAME)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.booleans(), max_size=60), st.booleans())
def test_whatever_gets_lost_the_whole_image_arrives(lose, bitmap):
    meter = Meter(lose=lose, hide=() if bitmap else (3,))
    assert isinstance(meter.run(ImageTransferPlan(BODY, NAME, rounds_max=70)), Done)
    assert bytes(meter.store.body) == BODY

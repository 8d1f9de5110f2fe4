import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hes.dlms.cosem.push import schedule as machine
from hes.dlms.cosem.push.schedule import PENDING_MAX, Queue
from hes.dlms.cosem.push.settings import OperationMethod, RepetitionDelay

ANSWERED = OperationMethod.CONFIRMED
FIXED = RepetitionDelay(30)


def always(world_s):
    return world_s


def hourly(world_s):
    """Open for the first ten minutes of every hour."""
    return world_s if world_s % 3600 < 600 else (world_s // 3600 + 1) * 3600


def never(_world_s):
    return None


@pytest.mark.parametrize(
    ("delay", "expected"),
    [
        (RepetitionDelay(30), [30, 30, 30, 30]),
        (RepetitionDelay(10, 200, 60), [10, 20, 40, 60, 60]),
        (RepetitionDelay(100, 150, 300), [100, 150, 225, 300]),
        (RepetitionDelay(100, 50, 300), [100, 50, 25, 12.5]),
        (RepetitionDelay(400, 200, 300), [300, 300]),
    ],
)
def test_the_delay_of_a_retry_grows_by_its_exponent_up_to_its_maximum(delay, expected):
    assert [delay.of_retry(index) for index in range(len(expected))] == expected


def test_an_exponent_that_explodes_is_bounded():
    assert RepetitionDelay(1, 0xFFFF, 0xFFFF).of_retry(255) == 0xFFFF
    assert RepetitionDelay(0, 0xFFFF, 0xFFFF).of_retry(255) == 0


@pytest.mark.parametrize(
    ("now_s", "delay_s", "due_s"),
    [
        (100, 0, 100),
        (100, 250, 350),
        (700, 0, 3600),  # shut: at the next opening
        (700, 250, 3850),
        (500, 200, 3800),  # the delay leads out of the window: counted again in the next one
        (500, 700, 3600),  # a delay longer than the window: as soon as it opens
    ],
)
def test_a_push_waits_for_its_delay_and_its_window(now_s, delay_s, due_s):
    assert machine.trigger(Queue(), now_s, hourly, delay_s).next_due_s() == due_s


def test_a_push_without_any_window_to_come_is_given_up():
    assert machine.trigger(Queue(), 0, never, 0) == Queue(given_up=1)


def test_a_full_queue_gives_up_its_oldest_push():
    queue = Queue()
    for _ in range(PENDING_MAX + 2):
        queue = machine.trigger(queue, 0, always, 0)
    assert [push.number for push in queue.pending] == list(range(2, PENDING_MAX + 2))
    assert queue.given_up == 2


def sent(method, retries=2, opens_at=always, delay=FIXED):
    """A push on its way since second 0."""
    queue = machine.trigger(Queue(), 0, opens_at, 0)
    return machine.send(queue, queue.pending[0], 0, method, delay)


def test_an_unconfirmed_push_waits_for_a_report_only():
    queue = sent(OperationMethod.UNCONFIRMED_RETRY_ON_FAILURE)
    assert queue.next_due_s() is None
    assert machine.delivered(queue, 0).pending == ()
    again = machine.failed(queue, 0, 5, always, 2, FIXED)
    assert (again.next_due_s(), again.pending[0].on_its_way) == (35, False)


@pytest.mark.parametrize(
    "method", [OperationMethod.UNCONFIRMED_RETRY_WITHOUT_LOWER_CONFIRMATION, OperationMethod.CONFIRMED]
)
def test_a_push_that_nobody_confirms_is_lost_after_the_repetition_delay(method):
    queue = sent(method)
    assert queue.next_due_s() == 30
    queue = machine.lost(queue, queue.pending[0], 30, always, 2)
    assert (queue.next_due_s(), queue.pending[0].on_its_way) == (30, False)
    queue = machine.send(queue, queue.pending[0], 30, method, FIXED)
    queue = machine.lost(queue, queue.pending[0], 60, always, 2)
    queue = machine.send(queue, queue.pending[0], 60, method, FIXED)
    assert queue.pending[0].sent == 3
    queue = machine.lost(queue, queue.pending[0], 90, always, 2)
    assert queue == Queue(next_number=1, given_up=1)


def test_a_retry_waits_for_the_window_too():
    queue = machine.failed(sent(ANSWERED, opens_at=hourly), 0, 590, hourly, 2, FIXED)
    assert queue.next_due_s() == 3600
    assert machine.failed(sent(ANSWERED), 0, 590, never, 2, FIXED).given_up == 1


def test_a_report_on_a_push_that_is_not_on_its_way_changes_nothing():
    queue = machine.trigger(Queue(), 0, always, 0)
    assert machine.failed(queue, 0, 0, always, 2, FIXED) is queue
    assert machine.failed(queue, 9, 0, always, 2, FIXED) is queue


class Pushes(RuleBasedStateMachine):
    """Whatever host and network do, each push is sent at most 1 + retries times and ends in exactly one way."""

    RETRIES = 3

    def __init__(self):
        super().__init__()
        self.queue, self.now_s = Queue(), 0.0
        self.method, self.delay = ANSWERED, RepetitionDelay(20, 200, 100)
        self.sends, self.triggered, self.arrived, self.sent_at = {}, 0, 0, {}

    @rule(delay_s=st.integers(0, 900))
    def trigger(self, delay_s):
        self.triggered += 1
        self.queue = machine.trigger(self.queue, self.now_s, hourly, delay_s)

    @rule(method=st.sampled_from(OperationMethod))
    def change_method(self, method):
        self.method = method

    @rule(seconds=st.integers(0, 2000))
    def time_passes(self, seconds):
        end_s = self.now_s + seconds
        while (due_s := self.queue.next_due_s()) is not None and due_s <= end_s:
            self.now_s = max(self.now_s, due_s)
            for push in self.queue.pending:
                if push.due_s is None or push.due_s > self.now_s:
                    continue
                if push.on_its_way:
                    self.queue = machine.lost(self.queue, push, self.now_s, hourly, self.RETRIES)
                else:
                    assert self.now_s % 3600 < 600
                    self.sends[push.number] = self.sends.get(push.number, 0) + 1
                    self.queue = machine.send(self.queue, push, self.now_s, self.method, self.delay)
        self.now_s = end_s

    @precondition(lambda self: self.queue.pending)
    @rule(data=st.data(), arrives=st.booleans())
    def report(self, data, arrives):
        push = data.draw(st.sampled_from(self.queue.pending))
        if not push.on_its_way:
            return
        if arrives:
            self.arrived += 1
            self.queue = machine.delivered(self.queue, push.number)
        else:
            self.queue = machine.failed(self.queue, push.number, self.now_s, hourly, self.RETRIES, self.delay)

    @invariant()
    def nothing_is_lost_or_sent_too_often(self):
        assert all(count <= 1 + self.RETRIES for count in self.sends.values())
        assert self.triggered == self.arrived + self.queue.given_up + len(self.queue.pending)
        assert len(self.queue.pending) <= PENDING_MAX
        for push in self.queue.pending:
            assert push.sent == self.sends.get(push.number, 0)
            assert push.on_its_way or push.due_s is not None


TestPushes = Pushes.TestCase
TestPushes.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)

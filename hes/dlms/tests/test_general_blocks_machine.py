"""Both ends of general block transfer on an ordered line, with everything that can happen to a block, in any order."""

from collections import deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hes.dlms import apdu
from hes.dlms.general_blocks import ABORT, GeneralBlocks, State

LENGTHS = st.integers(4, 200)


class Line(RuleBasedStateMachine):
    """Requests and answers are numbered, so that one can never be taken for another."""

    @initialize(
        sizes=st.tuples(st.integers(11, 60), st.integers(11, 60)),  # 4 octets in a block: the number is in the first
        windows=st.tuples(st.integers(1, 63), st.integers(1, 63)),
        at_once=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    )
    def open(self, sizes, windows, at_once):
        self.client = GeneralBlocks(sizes[0], initiates=True, window=windows[0])
        self.server = GeneralBlocks(sizes[1], initiates=False, window=windows[1])
        self.at_once = at_once
        self.to_server, self.to_client = deque(), deque()
        self.count = 0
        self.request = b""
        self.executed: list[bytes] = []
        self.answers: list[bytes] = []
        self.finished = True

    @precondition(lambda self: self.finished)
    @rule(length=LENGTHS)
    def ask(self, length):
        self.count += 1
        self.request = self.count.to_bytes(4, "big") * (length // 4)
        self.finished = False
        self.client.end()
        self.to_server.extend(self.client.send(self.request, at_once=self.at_once[0]))

    @precondition(lambda self: not self.finished)
    @rule()
    def give_up(self):
        """The server is told; what is still on its way to the client is dropped before the next request."""
        self.client.end()
        self.to_client.clear()
        self.to_server.append(ABORT)
        self.finished = True

    @precondition(lambda self: self.to_server)
    @rule(arrives=st.sampled_from((1, 1, 1, 0, 2)), length=LENGTHS)
    def reach_the_server(self, arrives, length):
        octets = self.to_server.popleft()
        for _ in range(1 if octets == ABORT else arrives):
            outcome = self.server.receive(apdu.decode(octets), at_once=self.at_once[1])
            self.to_client.extend(outcome.send)
            if outcome.whole is not None:
                self.executed.append(outcome.whole)
                self.answers.append(b"A" + outcome.whole[:4] * (length // 4))
                self.to_client.extend(self.server.send(self.answers[-1], at_once=self.at_once[1]))

    @precondition(lambda self: self.to_client)
    @rule(arrives=st.sampled_from((1, 1, 1, 0, 2)))
    def reach_the_client(self, arrives):
        octets = self.to_client.popleft()
        for _ in range(arrives):
            outcome = self.client.receive(apdu.decode(octets), at_once=self.at_once[0])
            if outcome.ended:
                self.finished = True
            self.to_server.extend(outcome.send)
            if outcome.whole is not None:
                assert outcome.whole in self.answers  # a late one is known by its invoke id, one layer up
                self.finished = True
                self.client.end()

    @precondition(lambda self: not self.finished and not self.to_server and not self.to_client)
    @rule()
    def grow_tired_of_waiting(self):
        self.to_server.extend(self.client.recover(self.at_once[0]))

    @invariant()
    def nothing_is_executed_twice_or_in_part(self):
        if hasattr(self, "executed"):
            assert len(self.executed) == len(set(self.executed))
            assert all(whole == whole[:4] * (len(whole) // 4) for whole in self.executed)

    @invariant()
    def the_states_say_what_is_kept(self):
        if hasattr(self, "client"):
            for side in (self.client, self.server):
                assert side.active == (side.state is not State.IDLE)
                assert len(side._queue) < side.window
                assert side.active or not side._parts


TestLine = Line.TestCase
TestLine.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)

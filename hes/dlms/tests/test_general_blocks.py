"""General block transfer: published octets, windows, losses and repetitions, and what breaks a transfer off."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hes.dlms import apdu
from hes.dlms.general_blocks import (
    ABORT,
    NOTHING,
    RECOVERIES_MAX,
    RECOVERY_S,
    TRANSITIONS,
    Event,
    GeneralBlocks,
    State,
    UnconfirmedBlocks,
    cut_unconfirmed,
    step,
)
from hes.dlms.hdlc.push import PushReceiver
from hes.dlms.hdlc.tests.published import PUSH_IN_BLOCKS
from hes.dlms.xdlms.general_block import WINDOW_MAX
from hes.errors import LocalProtocolError, RemoteProtocolError

ANSWER = bytes.fromhex("C401C1000928") + bytes(range(40))
BLOCK_1 = bytes.fromhex("E0010001000019C401C1000928000102030405060708090A0B0C0D0E0F101112")
ACKNOWLEDGED_1 = bytes.fromhex("E0810001000100")
BLOCK_2 = bytes.fromhex("E0810002000115131415161718191A1B1C1D1E1F2021222324252627")
MESSAGE = bytes(range(1, 101))


def pair(size=32, client_window=1, server_window=1):
    client = GeneralBlocks(size, initiates=True, window=client_window)
    return client, GeneralBlocks(size, initiates=False, window=server_window)


def take(side, octets, at_once=63):
    return side.receive(apdu.decode(octets), at_once=at_once)


def block(number, data=b"", *, last=False, streaming=False, window=1, acknowledged=0):
    return apdu.GeneralBlock(last, streaming, window, number, acknowledged, data)


def test_every_state_has_a_row_is_reached_and_is_left_by_the_end():
    assert set(TRANSITIONS) == set(State)
    assert {state for row in TRANSITIONS.values() for state in row.values()} == set(State)
    for state in State:
        assert step(state, Event.END) is State.IDLE
        for event in set(Event) - set(TRANSITIONS[state]):
            with pytest.raises(LocalProtocolError):
                step(state, event)


def test_the_published_blocks_are_sent_and_read():
    client, server = pair()
    assert server.send(ANSWER) == (BLOCK_1,)
    assert take(client, BLOCK_1).send == (ACKNOWLEDGED_1,)
    assert take(server, ACKNOWLEDGED_1).send == (BLOCK_2,)
    assert take(client, BLOCK_2).whole == ANSWER
    assert (client.state, server.state) == (State.TURN, State.SENDING)


def test_a_window_fills_once_the_client_has_said_how_large_it_is():
    client, server = pair(size=17, client_window=4)
    (first,) = server.send(MESSAGE, at_once=63)
    burst = take(server, *take(client, first).send).send
    decoded = [apdu.decode(octets) for octets in burst]
    assert [(one.number, one.streaming, one.last) for one in decoded] == [
        (2, True, False), (3, True, False), (4, True, False), (5, False, False)
    ]  # fmt: skip
    outcomes = [take(client, octets) for octets in burst]
    assert [len(outcome.send) for outcome in outcomes] == [0, 0, 0, 1]
    assert apdu.decode(outcomes[-1].send[0]).acknowledged == 5


def test_a_caller_that_sends_one_at_a_time_is_never_given_more():
    client, server = pair(size=17, client_window=63)
    (octets,) = server.send(MESSAGE)
    while (outcome := take(client, octets)).whole is None:
        (octets,) = take(server, *outcome.send, at_once=1).send
    assert outcome.whole == MESSAGE


def test_only_what_is_missing_comes_again():
    client, server = pair(size=17, client_window=5)
    (first,) = server.send(MESSAGE, at_once=63)
    burst = take(server, *take(client, first).send).send
    for octets in burst[:1] + burst[3:-1]:  # blocks 3 and 4 are lost
        assert take(client, octets).send == ()
    (answer,) = take(client, burst[-1]).send
    assert (apdu.decode(answer).acknowledged, apdu.decode(answer).window) == (2, 2)
    again = take(server, answer).send
    assert [apdu.decode(octets).number for octets in again] == [3, 4]
    assert [apdu.decode(octets).data for octets in again] == [apdu.decode(octets).data for octets in burst[1:3]]
    assert take(client, again[0]).send == ()
    (answer,) = take(client, again[1]).send
    assert (apdu.decode(answer).acknowledged, apdu.decode(answer).window) == (6, 5)


def test_a_request_in_blocks_is_answered_in_blocks():
    client, server = pair(size=60)
    (octets,) = client.send(MESSAGE)
    (answer,) = take(server, octets).send
    assert apdu.decode(answer) == block(1, acknowledged=1)
    (octets,) = take(client, answer).send
    assert take(server, octets).whole == MESSAGE
    (octets,) = server.send(b"\xc5\x01\xc1\x00")
    assert apdu.decode(octets) == block(2, b"\xc5\x01\xc1\x00", last=True, acknowledged=2)
    assert take(client, octets).whole == b"\xc5\x01\xc1\x00"


def test_a_last_block_without_data_ends_a_message():
    client, _ = pair()
    client.receive(block(1, b"\xc4\x01"))
    assert client.receive(block(2, last=True, acknowledged=1)).whole == b"\xc4\x01"


def test_a_request_that_comes_again_is_taken_once_and_its_answer_repeated():
    client, server = pair(size=200)
    (request,) = client.send(MESSAGE)
    assert take(server, request).whole == MESSAGE
    assert take(server, request) == NOTHING  # still at work
    answer = server.send(b"done")
    assert take(server, request).send == answer


def test_another_request_begins_anew():
    _, server = pair()
    server.receive(block(1, b"one"))
    assert server.receive(block(1, b"two", last=True)).whole == b"two"
    server.send(ANSWER)
    assert server.receive(block(1, b"three", last=True)).whole == b"three"


def test_the_same_request_after_an_answer_that_arrived_begins_anew():
    _, server = pair()
    server.receive(block(1, b"one", last=True))
    server.send(ANSWER)
    server.receive(block(2, last=True, acknowledged=1))
    assert server.receive(block(1, b"one", last=True)).whole == b"one"


@pytest.mark.parametrize(
    "wrong", [block(2, last=True, acknowledged=7), block(3, b"more", acknowledged=0)], ids=["acknowledged", "more"]
)
def test_what_cannot_be_breaks_a_transfer_off(wrong):
    _, server = pair()
    server.receive(block(1, b"one", last=True))
    server.send(ANSWER)
    outcome = server.receive(wrong)
    assert outcome.send == (ABORT,)
    assert outcome.ended
    assert not server.active


def test_an_acknowledgement_of_nothing_is_broken_off_and_the_breaking_off_is_understood():
    client, server = pair()
    assert server.receive(block(1, acknowledged=1)).send == (ABORT,)
    client.send(MESSAGE)
    assert take(client, ABORT).ended
    assert not client.active


def test_an_acknowledgement_that_was_overtaken_is_passed_over():
    _, server = pair(size=17)
    server.send(MESSAGE)
    server.receive(block(1, last=True, acknowledged=1))
    server.receive(block(2, last=True, acknowledged=2))
    assert server.receive(block(1, last=True, acknowledged=1)) == NOTHING


def test_silence_is_met_by_repetitions_and_then_by_the_end():
    client, _ = pair(size=60)
    assert client.next_deadline() is None
    burst = client.send(MESSAGE, now_s=100.0)
    assert client.next_deadline() == 100.0 + RECOVERY_S
    assert client.timed_out(100.0 + RECOVERY_S - 0.01) == NOTHING
    for count in range(1, RECOVERIES_MAX + 1):
        assert client.timed_out(100.0 + count * RECOVERY_S).send == burst
    outcome = client.timed_out(100.0 + (RECOVERIES_MAX + 1) * RECOVERY_S)
    assert outcome.send == (ABORT,)
    assert "silent" in outcome.ended
    assert client.next_deadline() is None


def test_an_acknowledgement_is_repeated_under_its_own_number():
    client, server = pair()
    (answer,) = take(client, server.send(ANSWER)[0]).send
    assert client.recover() == (answer,)
    assert client.recover() == (answer,)


def test_a_message_too_long_for_its_numbers_is_not_begun():
    server = GeneralBlocks(8, initiates=False)
    assert not server.fits(0xFFFF + 1)
    with pytest.raises(LocalProtocolError):
        server.send(bytes(0xFFFF + 1))
    assert not GeneralBlocks(7, initiates=False).fits(1)
    assert server.state is State.IDLE


def test_numbers_are_not_used_twice():
    _, server = pair()
    server.receive(block(1, b"x"))
    server._sent = 0xFFFE
    outcome = server.receive(block(2, b"x", acknowledged=1))
    assert (outcome.send, outcome.ended) == ((ABORT,), "the numbers of blocks are used up")


def test_what_is_put_together_is_bounded(monkeypatch):
    monkeypatch.setattr("hes.dlms.general_blocks.BLOCK_TRANSFER_OCTETS_MAX", 10)
    _, server = pair()
    server.receive(block(1, bytes(8)))
    assert "not taken" in server.receive(block(2, bytes(8), acknowledged=1)).ended


def test_blocks_beyond_the_window_are_not_kept():
    _, server = pair(server_window=3)
    server.receive(block(1, b"a", streaming=True))
    for number in range(3, 60):
        server.receive(block(number, b"x", streaming=True))
    assert server.receive(block(2, b"b")).send == (block(1, window=3, acknowledged=4).encode(),)


def test_a_late_acknowledgement_of_an_older_request_hides_no_block_of_the_answer():
    """Nothing in a block says which exchange it belongs to: an empty one that has the number of the answer's first."""
    client, server = pair(size=12)
    (request,) = client.send(MESSAGE[:4])
    assert take(client, block(1, acknowledged=1, window=2).encode()).whole is None
    take(server, request)
    (first,) = server.send(MESSAGE[:9])
    (acknowledged,) = take(client, first).send
    (second,) = take(server, acknowledged).send
    assert take(client, second).whole == MESSAGE[:9]


def test_the_rest_of_an_answer_that_was_given_up_is_passed_over():
    client, _ = pair(client_window=5)
    assert client.receive(block(3, b"old", streaming=True)) == NOTHING
    assert client.receive(block(1, b"new", last=True)).whole == b"new"


def test_windows_are_1_to_63():
    for window in (0, 64):
        with pytest.raises(LocalProtocolError):
            GeneralBlocks(100, initiates=True, window=window)


@given(st.binary(min_size=1, max_size=400), st.integers(8, 300))
def test_a_push_is_put_together_and_lost_with_any_of_its_blocks(message, size):
    blocks = cut_unconfirmed(message, size)
    assert all(len(octets) <= size for octets in blocks)
    receiver = UnconfirmedBlocks()
    wholes = [receiver.take(apdu.decode(octets)) for octets in blocks]
    assert wholes == [None] * (len(blocks) - 1) + [message]
    if len(blocks) > 1:
        receiver.take(apdu.decode(blocks[0]))
        with pytest.raises(RemoteProtocolError):
            receiver.take(apdu.decode(blocks[2] if len(blocks) > 2 else blocks[0][:3] + b"\x00\x07" + blocks[0][5:]))


def test_the_push_of_a_meter_in_the_field_is_put_together_and_cut_again():
    pushes = PushReceiver().feed(PUSH_IN_BLOCKS)
    receiver = UnconfirmedBlocks()
    (whole,) = [whole for push in pushes if (whole := receiver.take(apdu.decode(push.apdu))) is not None]
    notification = apdu.decode(whole)
    assert isinstance(notification, apdu.DataNotification)
    assert notification.time == bytes.fromhex("07E5061C010F1B32FF800000")
    thirds = cut_unconfirmed(whole, 7 + -(-len(whole) // 3))
    assert [octets[:6] for octets in thirds] == [push.apdu[:6] for push in pushes]


FATES = st.sampled_from(("arrives",) * 5 + ("lost", "twice"))


@settings(deadline=None)
@given(
    request=st.binary(min_size=1, max_size=300),
    answer=st.binary(min_size=1, max_size=300),
    sizes=st.tuples(st.integers(8, 90), st.integers(8, 90)),
    windows=st.tuples(st.integers(1, 63), st.integers(1, 63)),
    at_once=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    fates=st.lists(FATES, max_size=120),
)
@example(bytes(5), b"\0", (8, 8), (1, 4), (4, 1), ["arrives"] * 4 + ["lost", "arrives", "lost"])
def test_both_messages_arrive_once_whatever_the_line_loses_or_repeats(request, answer, sizes, windows, at_once, fates):
    client = GeneralBlocks(sizes[0], initiates=True, window=windows[0])
    server = GeneralBlocks(sizes[1], initiates=False, window=windows[1])
    fates = iter(fates)  # afterwards everything arrives

    def carried(octets):
        return [one for one in octets for _ in range({"lost": 0, "twice": 2}.get(next(fates, "arrives"), 1))]

    to_server = client.send(request, at_once=at_once[0])
    executed = 0
    for _ in range(2000):
        to_client = []
        for octets in carried(to_server):
            outcome = take(server, octets, at_once[1])
            assert not outcome.ended
            to_client += outcome.send
            if outcome.whole is not None:
                executed += 1
                assert outcome.whole == request
                to_client += server.send(answer, at_once=at_once[1])
        to_server = []
        for octets in carried(to_client):
            outcome = take(client, octets, at_once[0])
            assert not outcome.ended
            if outcome.whole is not None:
                assert (outcome.whole, executed) == (answer, 1)
                return
            to_server += outcome.send
        to_server = to_server or client.recover(at_once[0])
    pytest.fail("the transfer does not end")


def test_a_burst_beyond_the_window_is_taken_and_remarked_once():
    server = GeneralBlocks(0, initiates=False, window=8)
    outcomes = [server.receive(block(number, b"x", streaming=True)) for number in range(1, 21)]
    assert [outcome.remark != "" for outcome in outcomes] == [number == 9 for number in range(1, 21)]
    assert "window" in outcomes[8].remark
    assert server.receive(block(21, b"x", last=True)).whole == b"x" * 21


def test_a_burst_that_comes_again_because_its_end_was_lost_is_within_the_window():
    server = GeneralBlocks(0, initiates=False, window=8)
    for _ in range(3):
        for number in range(1, 8):
            assert server.receive(block(number, b"x", streaming=True)) == NOTHING
    assert server.receive(block(8, b"x", last=True)).whole == b"x" * 8


def test_a_stream_without_an_end_is_broken_off():
    server = GeneralBlocks(0, initiates=False, window=8)
    for number in range(1, WINDOW_MAX + 1):
        assert server.receive(block(number, b"x", streaming=True)).send == ()
    outcome = server.receive(block(WINDOW_MAX + 1, b"x", streaming=True))
    assert outcome.send == (ABORT,)
    assert "no window is larger" in outcome.ended
    assert server.state is State.IDLE


def test_a_server_that_streams_on_is_heard_to_its_end():
    client = GeneralBlocks(0, initiates=True)
    client.send(b"ask")
    for number in range(1, 200):
        client.receive(block(number, b"x", streaming=True, acknowledged=1))
    assert client.receive(block(200, b"x", last=True, acknowledged=1)).whole == b"x" * 200

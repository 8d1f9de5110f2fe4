"""Client and server over a line that loses, repeats, cuts and damages: every APDU arrives once, or its loss is told."""

from hypothesis import given
from hypothesis import strategies as st

from hes.dlms.hdlc.link import State
from hes.dlms.hdlc.link_events import DownReason, LinkDown, Received
from hes.dlms.hdlc.link_settings import ClientLinkSettings, Recovery, ServerLinkSettings
from hes.dlms.hdlc.parameters import Parameters
from hes.dlms.hdlc.tests.fake_line import NO_FAULT, Bench, Fault

FAULTS = st.one_of(
    st.just(NO_FAULT),
    st.just(NO_FAULT),
    st.just(Fault(lose=True)),
    st.builds(Fault, repeat_s=st.sampled_from((0.0, 0.001, 0.04))),
    st.builds(Fault, octets=st.integers(0, 300)),
    st.builds(Fault, flip_bit=st.integers(0, 3000)),
)
PARAMETERS = st.builds(
    Parameters,
    transmit_octets=st.integers(8, 300),
    receive_octets=st.integers(8, 300),
    transmit_window=st.integers(1, 7),
    receive_window=st.integers(1, 7),
)
WORK_S = st.sampled_from((0.0, 0.0, 0.02, 0.3, 7.0))  # how long the meter's application takes
SIZES = st.lists(st.tuples(st.integers(1, 900), st.integers(1, 900)), min_size=1, max_size=5)


def _apdu(index: int, octets: int, side: int) -> bytes:
    """Told apart by its first octets, and full of flags."""
    return (bytes((side, index)) + b"\x7e\xa0\x07" * octets)[: octets + 2]


def _bench(
    sizes: list[tuple[int, int]],
    proposal: Parameters,
    limits: Parameters,
    recovery: Recovery,
    faults: list[Fault],
    work_s: float,
    retries_max: int = 3,
) -> Bench:
    replies = {_apdu(index, ask, 1): _apdu(index, answer, 2) for index, (ask, answer) in enumerate(sizes)}
    return Bench(
        client_settings=ClientLinkSettings(proposal=proposal, recovery=recovery, retries_max=retries_max),
        server_settings=ServerLinkSettings(limits=limits, inactivity_s=1000.0),
        answer=replies.__getitem__,
        faults=faults,
        work_s=work_s,
    )


@given(
    sizes=SIZES,
    proposal=PARAMETERS,
    limits=PARAMETERS,
    recovery=st.sampled_from(Recovery),
    faults=st.lists(FAULTS, max_size=60),
    work_s=WORK_S,
)
def test_every_apdu_arrives_exactly_once_or_the_failure_is_reported(
    sizes: list[tuple[int, int]],
    proposal: Parameters,
    limits: Parameters,
    recovery: Recovery,
    faults: list[Fault],
    work_s: float,
) -> None:
    bench = _bench(sizes, proposal, limits, recovery, faults, work_s)
    asked: list[bytes] = []
    answered: list[bytes] = []
    down = not bench.connect()
    for index, (ask, answer) in enumerate(sizes):
        if down:
            break
        asked.append(_apdu(index, ask, 1))
        event = bench.exchange(asked[-1])
        down = isinstance(event, LinkDown)
        if not down:
            answered.append(_apdu(index, answer, 2))
            assert event == Received(answered[-1])
    if not down:
        down_event = bench.disconnect()
        assert down_event.reason in (DownReason.CLOSED_BY_US, DownReason.NO_ANSWER)
    assert bench.answers == answered
    if down:
        assert bench.client.state is not State.CONNECTED
        assert bench.requests in (asked, asked[:-1])  # the last one may have got through
    else:
        assert bench.requests == asked


@given(
    sizes=SIZES,
    proposal=PARAMETERS,
    limits=PARAMETERS,
    recovery=st.sampled_from(Recovery),
    faults=st.lists(st.tuples(st.integers(0, 12), FAULTS), max_size=3),
    work_s=st.sampled_from((0.0, 0.3)),  # longer than the response time-out would cost a repetition itself
)
def test_no_link_goes_down_for_as_many_faults_as_it_has_retries(
    sizes: list[tuple[int, int]],
    proposal: Parameters,
    limits: Parameters,
    recovery: Recovery,
    faults: list[tuple[int, Fault]],
    work_s: float,
) -> None:
    spread = [fault for gap, fault in faults for fault in [NO_FAULT] * gap + [fault]]
    bench = _bench(sizes, proposal, limits, recovery, spread, work_s)
    assert bench.connect()
    for index, (ask, answer) in enumerate(sizes):
        assert bench.exchange(_apdu(index, ask, 1)) == Received(_apdu(index, answer, 2))
    assert bench.disconnect().reason is DownReason.CLOSED_BY_US

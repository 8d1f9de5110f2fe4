from hypothesis import given
from hypothesis import strategies as st

from hes.dlms import axdr, data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem import ScriptReference
from hes.dlms.cosem.control.arbitrator import Arbitrator, ArbitratorState, request, winner
from hes.dlms.cosem.tests.object_bench import ObjectBench
from hes.dlms.cosem.tests.test_limiter import SCRIPTS, DisconnectScripts, relay
from hes.dlms.obis import Obis

ARBITRATOR = "0.0.96.3.20.255"
START = ArbitratorState(
    actions=tuple(ScriptReference(Obis.parse(SCRIPTS), selector) for selector in (1, 2, 3)),
    permissions=("111", "110", "001"),
    weightings=((10, 20, 5), (15, 15, 0), (0, 0, 100)),
)


def bench(initial=START):
    return ObjectBench(DisconnectScripts(), relay(), Arbitrator(ARBITRATOR, initial))


def ask(meter, actor, wanted):
    return meter.act(ARBITRATOR, 1, data.structure(data.u8(actor), data.bits(wanted)))


def selectors(meter):
    return [selector for selector, _ in meter.meter.done]


def test_the_action_with_the_single_highest_weight_runs():
    meter = bench()
    assert ask(meter, 0, "100") is ActionResult.SUCCESS
    assert (selectors(meter), meter.get(ARBITRATOR, 6)) == ([1], 1)
    assert ask(meter, 1, "010") is ActionResult.SUCCESS  # 10 against 15
    assert (selectors(meter), meter.get(ARBITRATOR, 6)) == ([1, 2], 2)
    assert meter.get(ARBITRATOR, 5) == ["100", "010", "000"]


def test_weights_of_all_actors_are_summed():
    meter = bench()
    ask(meter, 0, "110")
    ask(meter, 1, "100")  # 25 against 20
    assert selectors(meter) == [2, 1]


def test_where_two_are_equal_nothing_happens_and_the_outcome_stays():
    meter = bench(ArbitratorState(actions=START.actions[:2], permissions=("11", "11"), weightings=((5, 0), (0, 5))))
    ask(meter, 0, "10")
    assert ask(meter, 1, "01") is ActionResult.SUCCESS
    assert (selectors(meter), meter.get(ARBITRATOR, 6)) == ([1], 1)


def test_an_actor_may_only_ask_for_what_he_is_permitted():
    meter = bench()
    assert ask(meter, 1, "001") is ActionResult.READ_WRITE_DENIED
    assert ask(meter, 3, "001") is ActionResult.OTHER_REASON
    assert ask(meter, 0, "0010") is ActionResult.OTHER_REASON
    assert meter.act(ARBITRATOR, 1, data.u8(1)) is ActionResult.TYPE_UNMATCHED
    assert (selectors(meter), meter.get(ARBITRATOR, 5)) == ([], [])


def test_a_request_may_be_taken_back():
    meter = bench()
    ask(meter, 2, "001")
    ask(meter, 0, "100")
    assert selectors(meter) == [3, 3]
    ask(meter, 2, "000")
    assert selectors(meter) == [3, 3, 1]


def test_reset_forgets_requests_and_outcome():
    meter = bench()
    ask(meter, 0, "100")
    assert meter.act(ARBITRATOR, 2) is ActionResult.SUCCESS
    assert (meter.get(ARBITRATOR, 5), meter.get(ARBITRATOR, 6)) == ([], 0)


def test_the_result_is_that_of_the_script():
    missing = ArbitratorState(
        actions=(ScriptReference(Obis.parse("0.0.10.0.1.255"), 1),), permissions=("1",), weightings=((1,),)
    )
    assert ask(bench(missing), 0, "1") is ActionResult.OBJECT_UNDEFINED


def test_tables_are_read_as_they_were_written():
    meter = bench(ArbitratorState())
    for attribute, value in (
        (2, data.array([START.actions[0].to_data()])),
        (3, data.array([data.bits("1"), data.bits("0")])),
        (4, data.array([data.array([data.u16(5)])])),
    ):
        assert meter.set(ARBITRATOR, attribute, value) is DataAccessResult.SUCCESS
        assert meter.encoded(ARBITRATOR, attribute) == axdr.encode(value)
        assert meter.set(ARBITRATOR, attribute, data.array([data.null()])) is DataAccessResult.TYPE_UNMATCHED
    assert meter.set(ARBITRATOR, 6, data.u8(1)) is DataAccessResult.READ_WRITE_DENIED


@given(
    st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 3), st.text("01", min_size=3, max_size=3)), max_size=8),
)
def test_the_winner_is_the_single_maximum_of_the_last_requests(weights, asked):
    state = ArbitratorState(
        actions=START.actions, permissions=("111",) * len(weights), weightings=tuple(map(tuple, weights))
    )
    last = {}
    for actor, wanted in asked:
        after = request(state, actor, wanted)
        if actor < len(weights):
            last[actor], state = wanted, after
        else:
            assert after is ActionResult.OTHER_REASON
    sums = [sum(weights[actor][index] for actor, wanted in last.items() if wanted[index] == "1") for index in range(3)]
    best = [index for index, total in enumerate(sums) if total == max(sums) and total]
    assert winner(state) == (best[0] if len(best) == 1 else None)

from collections import deque
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms.cosem.payment import credit_rules as rules
from hes.dlms.cosem.payment.credit_rules import (
    AMOUNT_MIN,
    TRANSITIONS,
    CreditState,
    CreditStatus,
    CreditType,
    Event,
)
from hes.errors import LocalProtocolError

TOKEN = CreditState(amount=1000, warning_threshold=200, configuration="00001")
EMERGENCY = CreditState(
    amount=500,
    preset_amount=500,
    kind=CreditType.EMERGENCY,
    priority=2,
    available_threshold=100,
    configuration="01100",
)


def settled(*credits_held):
    return rules.settle(credits_held)


def names(credits_held):
    return [credit.status.name for credit in credits_held]


def test_every_status_has_a_row_and_is_reached():
    assert set(TRANSITIONS) == set(CreditStatus)
    seen, todo = set(), deque([CreditStatus.ENABLED])
    while todo:
        status = todo.popleft()
        if status not in seen:
            seen.add(status)
            todo.extend(TRANSITIONS[status].values())
    assert seen == set(CreditStatus)


@pytest.mark.parametrize("status", CreditStatus)
@pytest.mark.parametrize("event", Event)
def test_what_the_table_does_not_hold_raises(status, event):
    if event in TRANSITIONS[status]:
        assert rules.step(status, event) is TRANSITIONS[status][event]
    else:
        with pytest.raises(LocalProtocolError):
            rules.step(status, event)


def test_the_highest_credit_with_an_amount_is_in_use():
    assert names(settled(TOKEN, EMERGENCY)) == ["IN_USE", "ENABLED"]
    spare = replace(TOKEN, priority=2)
    assert names(settled(replace(TOKEN, amount=0), spare)) == ["ENABLED", "IN_USE"]


def test_a_credit_that_reaches_its_limit_is_exhausted_and_the_next_one_follows():
    used, spare = settled(TOKEN, replace(TOKEN, priority=2))
    assert names(settled(rules.with_amount(used, 1), spare)) == ["IN_USE", "ENABLED"]
    assert names(settled(rules.with_amount(used, 0), spare)) == ["EXHAUSTED", "IN_USE"]


def test_emergency_credit_is_offered_at_its_threshold_and_withdrawn_above_it():
    used, emergency = settled(TOKEN, EMERGENCY)
    low = settled(rules.with_amount(used, 100), emergency)
    assert names(low) == ["IN_USE", "SELECTABLE"]
    assert names(settled(rules.with_amount(low[0], 101), low[1])) == ["IN_USE", "ENABLED"]


def test_an_offered_credit_is_only_used_once_somebody_selects_it():
    used, emergency = settled(TOKEN, EMERGENCY)
    out = settled(rules.with_amount(used, 0), emergency)
    assert names(out) == ["EXHAUSTED", "SELECTABLE"]
    assert rules.out_of_credit(out)
    helped = settled(out[0], rules.invoke(out[1]))
    assert names(helped) == ["EXHAUSTED", "IN_USE"]
    assert not rules.out_of_credit(helped)
    assert rules.status_bits(helped)[5] == "1"


def test_a_selected_credit_does_not_rattle():
    used, emergency = settled(TOKEN, EMERGENCY)
    low = settled(rules.with_amount(used, 50), emergency)
    selected = settled(low[0], rules.invoke(low[1]))
    assert names(selected) == ["IN_USE", "SELECTED"]
    assert rules.available(selected) == 550  # above the threshold, but not without the selected one
    assert names(settled(rules.with_amount(selected[0], 101), selected[1])) == ["IN_USE", "ENABLED"]


def test_a_topped_up_token_credit_takes_over_from_emergency():
    out = settled(
        replace(TOKEN, amount=0, status=CreditStatus.EXHAUSTED),
        replace(EMERGENCY, amount=300, status=CreditStatus.IN_USE),
    )
    shared, left = rules.distribute(out, 1000)
    assert (left, [credit.amount for credit in shared]) == (0, [800, 500])
    assert names(settled(*shared)) == ["IN_USE", "ENABLED"]


def test_what_was_used_of_emergency_credit_has_to_be_cleared():
    out = (
        replace(TOKEN, amount=-40, limit=0, status=CreditStatus.EXHAUSTED),
        replace(EMERGENCY, amount=300, status=CreditStatus.IN_USE),
    )
    assert rules.amount_to_clear(out, 25) == 40 + 200 + 25
    assert rules.amount_to_clear(settled(TOKEN, EMERGENCY), 25) == 0


def test_a_payment_goes_to_shares_first_and_then_from_the_lowest_priority_up():
    held = (TOKEN, replace(TOKEN, priority=2, amount=0), EMERGENCY)
    shared, left = rules.distribute(held, 1000, [(0, 30)])
    assert ([credit.amount for credit in shared], left) == ([1300, 700, 500], 0)


def test_credits_that_take_no_tokens_leave_the_payment_over():
    closed = replace(TOKEN, configuration="00000")
    assert rules.distribute((closed, EMERGENCY), 10) == ((closed, EMERGENCY), 10)


def test_the_bits_of_the_credit_status():
    assert rules.status_bits(settled(TOKEN, EMERGENCY)) == "10100000"
    low = settled(replace(TOKEN, amount=100), EMERGENCY)
    assert rules.status_bits(low) == "11010000"
    out = settled(replace(TOKEN, amount=0, status=CreditStatus.EXHAUSTED))
    assert rules.status_bits(out) == "00000010"


def test_the_threshold_of_the_next_credit():
    assert rules.next_threshold(settled(TOKEN, EMERGENCY)) == 100
    assert rules.next_threshold(settled(TOKEN)) == AMOUNT_MIN


CREDITS = st.builds(
    CreditState,
    amount=st.integers(-50, 300),
    kind=st.sampled_from(CreditType),
    limit=st.integers(-20, 20),
    available_threshold=st.integers(-50, 200),
    preset_amount=st.integers(0, 200),
    configuration=st.text("01", min_size=5, max_size=5),
    status=st.sampled_from(CreditStatus),
)


@given(st.lists(CREDITS, max_size=4).filter(lambda held: names(held).count("IN_USE") <= 1))
def test_settling_ends_uses_one_credit_at_most_and_changes_no_amount(held):
    after = rules.settle(held)
    assert rules.settle(after) == after
    assert names(after).count("IN_USE") <= 1
    assert [credit.amount for credit in after] == [credit.amount for credit in held]
    used = rules.in_use(after)
    for index, credit in enumerate(after):
        if credit.status is CreditStatus.IN_USE:
            assert credit.amount > credit.limit
        if used is None or index < used:
            assert not credit.usable
    assert rules.available(after) >= 0
    assert rules.amount_to_clear(after, 10) >= 0


@given(st.lists(CREDITS, max_size=4), st.integers(1, 500), st.lists(st.integers(0, 40), max_size=2))
def test_a_payment_is_shared_out_to_the_last_unit(held, paid, percents):
    shares = [(index, percent) for index, percent in enumerate(percents) if index < len(held)]
    shared, left = rules.distribute(held, paid, shares)
    before, after = (sum(credit.amount for credit in credits_held) for credits_held in (held, shared))
    assert after - before == paid - left
    assert all(new.amount >= old.amount for old, new in zip(held, shared, strict=True))

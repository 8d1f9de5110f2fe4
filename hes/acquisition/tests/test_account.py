"""The account: every figure of a run from one place."""

import pytest

from hes.acquisition.account import Account, Blame, ItemAccount
from hes.acquisition.causes import Cause
from hes.acquisition.grids import PeriodGrid
from hes.acquisition.leases import LeaseHeld, LeaseLost, Leases
from hes.devices.archive import DeviceId

METER = DeviceId(7)
QUARTERS = PeriodGrid(900)


def opened(span: range) -> tuple[Account, ItemAccount]:
    account = Account()
    item = account.open_item(METER, "load-profile", QUARTERS, 4)
    account.expect(item, span)
    return account, item


def test_values_are_expected_once_whatever_number_of_plans_cover_them() -> None:
    account, item = opened(range(100, 110))
    account.expect(item, range(105, 112))
    assert account.progress() == (0, 12 * 4)


def test_a_row_read_before_its_plan_opens_counts_when_it_opens() -> None:
    account, item = opened(range(100, 110))
    account.store(item, [108, 110])
    assert account.progress() == (4, 40)
    account.expect(item, range(110, 112))
    assert account.progress() == (8, 48)


def test_only_rows_that_a_plan_opened_are_asked_for() -> None:
    _, item = opened(range(100, 104))
    assert item.to_ask(range(95, 120)) == [range(100, 104)]


def test_a_missing_row_has_one_cause_until_it_is_read_late() -> None:
    account, item = opened(range(100, 104))
    account.store(item, [100])
    account.never_captured(item, [101])
    missing = account.fall_due(item, range(100, 104), Blame(Cause.METER_SILENT, "day"))
    silent = Blame(Cause.METER_SILENT, "day")
    assert missing == {101: Blame(Cause.NEVER_CAPTURED, "day"), 102: silent, 103: silent}
    assert account.fall_due(item, range(100, 104), Blame(Cause.DCU_BUSY, "again")) == {}, "a row falls due once"
    totals = account.totals()
    assert (totals.due, totals.read) == (16, 4)
    assert totals.missing == {"meter_silent": 8, "never_captured": 4}
    account.store(item, [102])
    assert account.never_captured(item, [103]) == {103: Blame(Cause.NEVER_CAPTURED, "day")}
    totals = account.totals()
    assert (totals.due, totals.read, totals.missing) == (16, 8, {"never_captured": 8})
    assert totals.success_rate == 0.5


def test_storing_twice_is_counted_once() -> None:
    account, item = opened(range(100, 104))
    assert account.store(item, [100, 101, 101]) == [100, 101]
    assert account.store(item, [101, 102]) == [102]
    assert account.progress() == (12, 16)


def test_a_lease_is_held_by_one_and_an_old_token_is_worth_nothing() -> None:
    leases = Leases()
    first = leases.acquire(METER, "lane 1")
    with pytest.raises(LeaseHeld):
        leases.acquire(METER, "lane 2")
    leases.revoke(METER)
    second = leases.acquire(METER, "lane 2")
    assert second.token > first.token
    leases.check(second)
    with pytest.raises(LeaseLost):
        leases.check(first)
    leases.release(first)
    leases.check(second)


def test_a_reading_that_was_under_way_when_the_window_closed_gives_the_cause_when_it_fails() -> None:
    account, item = opened(range(100, 104))
    account.store(item, [100])
    account.never_captured(item, [101])
    account.fall_due(item, range(100, 104), Blame(Cause.NOT_REACHED, "day"))
    account.store(item, [102])
    assert account.blame_attempt(item, range(100, 104), Cause.METER_SILENT) == {103: Blame(Cause.METER_SILENT, "day")}
    assert account.blame_attempt(item, range(100, 104), Cause.DCU_BUSY) == {}, "what has a cause keeps it"
    assert account.totals().missing == {"meter_silent": 4, "never_captured": 4}


def test_what_was_known_before_is_not_found_again() -> None:
    account, item = opened(range(100, 104))
    known = {101: Blame(Cause.METER_SILENT, "day")}
    found = account.fall_due(item, range(100, 104), Blame(Cause.HEAD_END_DOWN, "day"), known)
    assert set(found) == {100, 102, 103}
    assert account.totals().missing == {"head_end_down": 12, "meter_silent": 4}


def test_rows_that_are_forgotten_stay_in_the_sums() -> None:
    account, item = opened(range(100, 110))
    account.store(item, [100, 101, 105])
    account.fall_due(item, range(100, 108), Blame(Cause.METER_SILENT, "day"))
    before = account.totals()
    account.forget_before(QUARTERS.stamp(104))
    assert account.totals() == before
    assert set(item.blames) == {106, 107}
    assert item.to_ask(range(90, 120)) == [range(106, 110)], "what is forgotten is not asked for again"
    account.store(item, [106])
    account.fall_due(item, range(108, 110), Blame(Cause.METER_SILENT, "day"))
    totals = account.totals()
    assert (totals.due, totals.read, totals.missing) == (40, 16, {"meter_silent": 24})
    account.forget_before(QUARTERS.stamp(200))
    assert account.totals() == totals
    assert not item.blames


def test_success_is_no_number_while_nothing_is_due() -> None:
    account, item = opened(range(100, 104))
    assert account.totals().success_rate is None
    account.fall_due(item, range(100, 104), Blame(Cause.METER_SILENT, "day"))
    assert account.totals().success_rate == 0.0

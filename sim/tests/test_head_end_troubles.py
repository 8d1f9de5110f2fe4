"""What must not end a head-end, what must, and how it says so."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from hes.devices.archive import MeterSecrets
from hes.errors import ConfigError, StoreError
from hes.store.sqlite import SqliteStore
from sim.run import RunOutcome, WorldKeys
from sim.tests.small_worlds import run_text, small
from sim.tests.test_world_runs import assert_all_true, missing_rows

PER_METER = 96 * 4 + 6 + 32 * 4


def one_meter(outcome: RunOutcome) -> str:
    return outcome.field.sites[0].device.meters[1].number


def trouble_with(monkeypatch: pytest.MonkeyPatch, error: Callable[[str], Exception]) -> list[str]:
    """The keys of one meter (the second to be asked for) cannot be had."""
    refs: list[str] = []
    original = WorldKeys.secrets

    def secrets(self: WorldKeys, key_ref: str) -> MeterSecrets:
        if key_ref not in refs:
            refs.append(key_ref)
        if refs.index(key_ref) == 1:
            raise error(key_ref)
        return original(self, key_ref)

    monkeypatch.setattr(WorldKeys, "secrets", secrets)
    return refs


def test_a_key_that_is_not_there_is_missing_for_its_meter_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trouble_with(monkeypatch, lambda ref: ConfigError("no such key", key_ref=ref))
    outcome = run_text(small(), tmp_path)
    assert_all_true(outcome)
    assert outcome.totals.missing == {"not_configured": PER_METER}
    assert len({number for number, *_ in missing_rows(outcome)}) == 1


def test_a_defect_of_ours_that_one_meter_sets_off_costs_that_meter_and_not_the_town(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trouble_with(monkeypatch, lambda _: ZeroDivisionError("a defect"))
    outcome = run_text(small(), tmp_path)
    assert_all_true(outcome)
    assert outcome.totals.missing == {"internal_error": PER_METER}
    said = capsys.readouterr()
    assert "reading_crashed" in said.out + said.err
    assert "ZeroDivisionError: a defect" in said.out + said.err


def refuse_first(monkeypatch: pytest.MonkeyPatch, method: str, count: int, error: StoreError) -> Callable[[], int]:
    """The store refuses the first `count` calls of a method; gives how many there were."""
    original: Callable[..., Coroutine[Any, Any, Any]] = getattr(SqliteStore, method)
    calls = 0

    async def called(self: SqliteStore, *args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls <= count:
            raise error
        return await original(self, *args, **kwargs)

    monkeypatch.setattr(SqliteStore, method, called)
    return lambda: calls


@pytest.mark.parametrize("method", ["reserve_counters", "add_occurrences", "write_batch"])
def test_a_database_that_is_locked_for_a_moment_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    calls = refuse_first(monkeypatch, method, 3, StoreError("database is locked", retriable=True))
    outcome = run_text(small(), tmp_path)
    assert calls() > 3
    assert outcome.totals.missing == {}
    assert_all_true(outcome)


@pytest.mark.parametrize("method", ["reserve_counters", "add_occurrences", "write_batch"])
def test_a_database_that_is_broken_ends_the_head_end_with_that_error_and_nothing_round_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    refuse_first(monkeypatch, method, 10**6, StoreError("no such table"))
    with pytest.raises(StoreError):
        run_text(small(), tmp_path, until_s=3600)


def test_what_cannot_be_written_at_the_very_end_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last flush used to fail without a word, and the run reported values that were nowhere."""
    calls = 0
    original = SqliteStore.write_batch

    async def called(self: SqliteStore, batch: Any) -> Any:
        nonlocal calls
        calls += 1
        if any(event.detail == "the head-end stops" for event in batch.session_events):
            raise StoreError("disk gone")
        return await original(self, batch)

    monkeypatch.setattr(SqliteStore, "write_batch", called)
    with pytest.raises(StoreError, match="disk gone"):
        run_text(small(), tmp_path, until_s=3600)
    assert calls > 1

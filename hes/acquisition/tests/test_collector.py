"""The collector's bookkeeping, piece by piece; whole days are in sim/tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest
import structlog

from hes.acquisition.bundle import BundleSink, Want
from hes.acquisition.causes import Cause
from hes.acquisition.collector import Collector
from hes.acquisition.exchanges import MeterQuarantined
from hes.acquisition.plans import Plan
from hes.acquisition.reader import Failure, failure_of, tell_findings
from hes.acquisition.registry import Registry
from hes.acquisition.retries import RetryPolicy
from hes.acquisition.tests.jumping_loop import run
from hes.acquisition.tests.session_bench import LoopClock
from hes.acquisition.tests.test_bundle import BILLING, LOAD, METER
from hes.devices.archive import Archive, Dcu, DeviceId, Meter
from hes.dlms.findings import CLAUSES, Finding, FindingKind
from hes.errors import AccessDenied, ConfigError, LinkError, RemoteProtocolError, StoreError
from hes.store.store import Attempt, Batch, Missing, PlanOccurrence

EAST = Dcu(device_id=DeviceId(1), name="east", terminal_id="07310001")
PLAN = Plan(
    name="hours", item="load-profile", at_s=(1800, 5400), lookback_s=900, window_s=900, valid_from_s=0, settle_s=0
)


class FakeStore:
    def __init__(self) -> None:
        self.windows: list[PlanOccurrence] = []

    async def occurrences(self) -> list[PlanOccurrence]:
        return []

    async def add_occurrences(self, occurrences: Sequence[PlanOccurrence]) -> None:
        self.windows += occurrences

    async def coverage(self, *_: object, **__: object) -> dict[Any, Any]:
        return {}

    async def missing(self, **_: object) -> list[Missing]:
        return []


class FakeWriter:
    """full: nobody can hand over readings."""

    def __init__(self) -> None:
        self.readings: list[Any] = []
        self.missing: list[Missing] = []
        self.attempts: list[Attempt] = []
        self.full = False

    async def put(self, batch: Batch) -> None:
        if self.full:
            await asyncio.get_running_loop().create_future()
        self.note(batch)

    def note(self, batch: Batch) -> None:
        self.readings += batch.readings
        self.missing += batch.missing
        self.attempts += batch.attempts


class HalfEntropy:
    def octets(self, count: int) -> bytes:
        return bytes(count)

    def uniform(self, low: float, high: float) -> float:
        return (low + high) / 2


Reading = Callable[[BundleSink, Meter, Sequence[Want]], Coroutine[Any, Any, Failure | None]]


class ScriptedReader:
    """Does what it is told, one reading after the other; notes when it was asked and for how much."""

    def __init__(self, *readings: Reading) -> None:
        self.readings = list(readings)
        self.asked: list[tuple[float, int]] = []

    async def read(self, session: object, meter: Meter, wants: Sequence[Want], sink: BundleSink) -> Failure | None:
        rows = sum(len(span) for want in wants for span in want.runs)
        self.asked.append((asyncio.get_running_loop().time(), rows))
        return await self.readings.pop(0)(sink, meter, wants)


def fails(failure: Failure, after_s: float = 0.0) -> Reading:
    async def reading(sink: BundleSink, meter: Meter, wants: Sequence[Want]) -> Failure | None:
        await asyncio.sleep(after_s)
        return failure

    return reading


def delivers(after_s: float = 0.0) -> Reading:
    async def reading(sink: BundleSink, meter: Meter, wants: Sequence[Want]) -> Failure | None:
        await asyncio.sleep(after_s)
        for want in wants:
            rows = [index for span in want.runs for index in span]
            await sink.rows_read(meter, want.item, [(index * 900, 3, 12, 1, 0, 0) for index in rows], rows, [])
        return None

    return reading


class Bench:
    def __init__(self, reader: ScriptedReader, plans: Sequence[Plan] = (PLAN,), lanes: int = 1, **policy: Any) -> None:
        self.writer, self.store, self.registry = FakeWriter(), FakeStore(), Registry()
        self.reader = reader
        parts: Any = {"reader": reader, "writer": self.writer, "store": self.store}
        self.collector = Collector(
            archive=Archive([EAST], [METER]),
            plans=plans,
            items={METER.profile.name: {"load-profile": LOAD, "billing": BILLING}},
            registry=self.registry,
            clock=LoopClock(),
            entropy=HalfEntropy(),
            policy=RetryPolicy(**{"first_s": 60.0, "recovery_s": 0.0, **policy}),
            lanes_per_dcu=lanes,
            **parts,
        )

    async def until(self, loop_s: float, *, online: bool = True) -> None:
        """Collect until then."""
        session: Any = object()
        if online:
            self.registry.add(EAST.terminal_id, session)
        await self.collector.resume()
        task = asyncio.ensure_future(self.collector.run())
        await asyncio.sleep(loop_s - asyncio.get_running_loop().time())
        if task.done():
            task.result()
        task.cancel()
        await asyncio.wait([task])

    @property
    def causes(self) -> list[str]:
        return [row.cause for row in self.writer.missing]


SILENT = Failure(Cause.METER_SILENT, "no answer")


def test_what_is_due_is_asked_at_the_opening_and_booked() -> None:
    async def main() -> None:
        bench = Bench(ScriptedReader(delivers()))
        await bench.until(3000)
        assert bench.reader.asked == [(1800.0, 1)]
        assert [row.outcome for row in bench.writer.attempts] == ["succeeded"]
        assert bench.store.windows == [PlanOccurrence("hours", 1800, 2700)]
        assert bench.causes == []
        assert bench.collector.account.totals().success_rate == 1.0

    run(main())


def test_a_failed_reading_comes_back_after_its_back_off_until_its_attempts_are_used_up() -> None:
    async def main() -> None:
        bench = Bench(ScriptedReader(*[fails(SILENT)] * 3), attempts_max=3)
        await bench.until(3000)
        assert [at_s for at_s, _ in bench.reader.asked] == [1800.0, 1860.0, 1980.0]
        assert [row.number for row in bench.writer.attempts] == [1, 2, 3]
        assert bench.causes == ["meter_silent"]

    run(main())


def test_a_meter_in_quarantine_is_left_alone_for_as_long_and_that_is_no_attempt() -> None:
    async def main() -> None:
        quarantined = failure_of(MeterQuarantined("late", wait_s=100.0))
        bench = Bench(ScriptedReader(fails(SILENT), fails(quarantined), delivers()), attempts_max=2)
        await bench.until(3000)
        assert [at_s for at_s, _ in bench.reader.asked] == [1800.0, 1860.0, 1960.0]
        assert [row.number for row in bench.writer.attempts] == [1, 2]
        assert bench.causes == []

    run(main())


def test_a_reading_that_is_under_way_when_the_window_closes_names_the_cause_when_it_fails() -> None:
    async def main() -> None:
        bench = Bench(ScriptedReader(fails(SILENT, after_s=1000)))
        await bench.until(3000)
        assert bench.causes == ["not_reached", "meter_silent"], "the later one takes its place"
        assert bench.collector.account.totals().missing == {"meter_silent": 1}

    run(main())


def test_a_reading_that_succeeds_after_the_window_has_closed_leaves_nothing_missing() -> None:
    async def main() -> None:
        bench = Bench(ScriptedReader(delivers(after_s=1000)))
        await bench.until(3000)
        assert bench.causes == ["not_reached"]
        assert bench.collector.account.totals().missing == {}, "the store takes it out when the reading comes in"

    run(main())


def test_a_window_that_opens_during_a_reading_is_asked_for_right_after_it_and_blamed_on_nothing() -> None:
    """The rows of the new window used to be taken for rows that the meter's clock had not reached."""

    async def main() -> None:
        other = Plan(
            name="late", item="load-profile", at_s=(1900,), lookback_s=1900, window_s=900, valid_from_s=0, settle_s=0
        )
        bench = Bench(ScriptedReader(delivers(after_s=500), delivers()), plans=[PLAN, other])
        await bench.until(3000)
        assert [at_s for at_s, _ in bench.reader.asked] == [1800.0, 2300.0]
        assert [row.plan for row in bench.writer.attempts] == ["hours", "late"]
        assert bench.causes == []

    run(main())


@pytest.mark.parametrize("lanes", [1, 3])
def test_a_meter_is_in_one_lane_at_a_time(lanes: int) -> None:
    async def main() -> None:
        other = Plan(
            name="late", item="load-profile", at_s=(1900,), lookback_s=1900, window_s=900, valid_from_s=0, settle_s=0
        )
        bench = Bench(ScriptedReader(fails(SILENT, after_s=500), delivers()), plans=[PLAN, other], lanes=lanes)
        await bench.until(3000)
        assert [at_s for at_s, _ in bench.reader.asked] == [1800.0, 2360.0]

    run(main())


def test_lanes_hold_no_meter_while_the_concentrator_is_away() -> None:
    """What is urgent when it comes back is read first, and what has closed meanwhile not at all."""

    async def main() -> None:
        bench = Bench(ScriptedReader(delivers()))
        returning: Any = object()
        asyncio.get_running_loop().call_at(5500, bench.registry.add, EAST.terminal_id, returning)
        await bench.until(6400, online=False)
        assert bench.causes == ["dcu_offline"]
        assert bench.reader.asked == [(5500.0, 1)]

    run(main())


def test_a_reading_that_is_cancelled_before_the_writer_took_it_is_not_on_the_books() -> None:
    """The account used to say stored before the writer had room: those rows were never asked for again, nor written."""

    async def main() -> None:
        bench = Bench(ScriptedReader(fails(SILENT)), attempts_max=1)
        await bench.until(2000)
        bench.writer.full = True
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await bench.collector.rows_read(METER, LOAD, [(1800, 3, 12, 1, 0, 0)], [2], [])
        account = bench.collector.account.item(METER.device_id, "load-profile")
        assert account is not None
        assert not account.stored.is_present(2)

    run(main())


def test_rows_of_a_clock_gone_wild_do_not_blow_up_the_books() -> None:
    async def main() -> None:
        bench = Bench(ScriptedReader(fails(SILENT)), attempts_max=1)
        await bench.until(2000)
        far = 10**9
        await bench.collector.rows_read(METER, LOAD, [(far * 900, 3, 12, 1, 0, 0)], [2, far], [])
        account = bench.collector.account.item(METER.device_id, "load-profile")
        assert account is not None
        assert account.stored.is_present(2)
        assert not account.stored.is_present(far)
        assert len(bench.writer.readings) == 1

    run(main())


def test_a_collector_without_plans_waits() -> None:
    async def main() -> None:
        bench = Bench(ScriptedReader(), plans=[])
        await bench.until(100_000)
        assert bench.reader.asked == []

    run(main())


def test_the_attempt_of_a_meter_that_broke_a_rule_says_which() -> None:
    clause = CLAUSES[FindingKind.UNEXPECTED_ANSWER]
    failure = failure_of(RemoteProtocolError("APDU C5 does not answer what was asked", clause=clause))
    assert failure.cause is Cause.PROTOCOL_ERROR
    assert failure.detail == f"APDU C5 does not answer what was asked [{clause}]"


def test_what_a_meter_did_oddly_at_the_opening_is_in_the_log_with_the_rule() -> None:
    finding = Finding(FindingKind.CONFORMANCE_WIDENED, "the server granted 000001 beyond what was asked", 1)
    with structlog.testing.capture_logs() as lines:
        tell_findings((finding,), "731000010001")
    assert lines == [
        {
            "event": "peer_broke_a_rule",
            "log_level": "warning",
            "kind": "conformance_widened",
            "clause": finding.clause,
            "client": 1,
            "text": finding.text,
            "meter": "731000010001",
        }
    ]


def test_only_an_error_that_says_nothing_of_the_meter_is_ours() -> None:
    assert failure_of(ConfigError("no key")).cause is Cause.NOT_CONFIGURED
    assert failure_of(AccessDenied("no")).cause is Cause.ACCESS_DENIED
    assert failure_of(LinkError("gone")).cause is Cause.LINK_LOST
    assert failure_of(ZeroDivisionError()).cause is Cause.INTERNAL_ERROR
    assert failure_of(StoreError("x")).cause is Cause.INTERNAL_ERROR
    assert not failure_of(ZeroDivisionError()).retriable

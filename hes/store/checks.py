"""What every store must do, whoever wrote it: run each of `CHECKS` against an adapter, each on storage of its own.

A check is handed `open_store`, which opens the same, at first empty, storage every time it is called:

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_the_adapter_keeps_the_contract(check, tmp_path):
        asyncio.run(check(lambda: MyStore.open(tmp_path / "store")))
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from hes.errors import StoreError
from hes.store.store import (
    VALUE_MAX,
    VALUE_MIN,
    Attempt,
    AttemptCount,
    Batch,
    CauseCount,
    ChannelKind,
    DeviceAttempts,
    DeviceClock,
    DeviceCount,
    DeviceKind,
    Missing,
    NewChannel,
    NewDevice,
    Outcome,
    Plan,
    PlanOccurrence,
    Quality,
    Reading,
    SessionEvent,
    Store,
    StoredReading,
    TimeCount,
    Written,
)

OpenStore = Callable[[], Awaitable[Store]]
Check = Callable[[OpenStore], Awaitable[None]]

DAY_S = 1_733_788_800
"""2024-12-10T00:00:00Z: the midnight that the checks' day begins with."""
QUARTER_S = 900


def expect(actual: object, wanted: object, what: str) -> None:
    """Compare, and say what was expected of the adapter when it does otherwise."""
    if actual != wanted:
        raise AssertionError(f"{what}: expected {wanted!r}, the store said {actual!r}")


async def archive(store: Store) -> tuple[int, int, int, int]:
    """One concentrator with two meters and one channel: ids (dcu, first meter, second meter, channel)."""
    dcu, first, second = await store.add_devices(
        [
            NewDevice(kind=DeviceKind.DCU, number="07310001"),
            NewDevice(kind=DeviceKind.METER, number="000000000001", dcu_number="07310001"),
            NewDevice(kind=DeviceKind.METER, number="000000000002", dcu_number="07310001"),
        ]
    )
    (channel,) = await store.add_channels([energy()])
    return dcu, first, second, channel


def energy(scaler: int = 0) -> NewChannel:
    return NewChannel(
        name="energy import",
        class_id=3,
        obis="1.0.1.8.0.255",
        attribute=2,
        kind=ChannelKind.LOAD_PROFILE,
        unit=30,
        scaler=scaler,
        data_type=6,
    )


def reading(device_id: int, channel_id: int, quarter: int, value: int, received_s: int = 0) -> Reading:
    """A value of the quarter-hour that ends `quarter` quarters after the day begins."""
    time_s = DAY_S + QUARTER_S * quarter
    return Reading(time_s, device_id, channel_id, value, 0, 1000 * (received_s or time_s + 60))


async def devices_are_known_by_number(open_store: OpenStore) -> None:
    store = await open_store()
    new = NewDevice(kind=DeviceKind.METER, number="42", system_title=b"AML\x00\x00\x00\x00\x01", key_ref="vault/42")
    ids = await store.add_devices([new])
    expect(await store.add_devices([new]), ids, "a known number keeps its id")
    renamed = NewDevice(kind=DeviceKind.METER, number="42", name="cellar", profile="p1", key_ref="vault/43")
    expect(await store.add_devices([renamed]), ids, "a known number with other facts keeps its id")
    (device,) = await store.devices()
    expect((device.name, device.profile, device.key_ref), ("cellar", "p1", "vault/43"), "facts are corrected")
    expect(device.kind, DeviceKind.METER, "the kind comes back as what it is")
    expect(await store.devices(kind=DeviceKind.DCU), [], "devices are told apart by kind")
    await store.close()


async def relations_have_validity_dates(open_store: OpenStore) -> None:
    store = await open_store()
    dcu, first, _, _ = await archive(store)
    moved = NewDevice(kind=DeviceKind.METER, number="000000000001", dcu_number="0731012C", related_from_s=DAY_S)
    other, _ = await store.add_devices([NewDevice(kind=DeviceKind.DCU, number="0731012C"), moved])

    async def concentrator(at_s: int | None) -> int | None:
        return next(device.dcu_id for device in await store.devices(at_s=at_s) if device.id == first)

    expect(await concentrator(DAY_S - 1), dcu, "before the move the meter hung on its first concentrator")
    expect(await concentrator(DAY_S), other, "from the move on it hangs on the other")
    expect(await concentrator(None), other, "without a time the open relation counts")
    await store.close()


async def a_relation_to_an_unknown_concentrator_is_refused_whole(open_store: OpenStore) -> None:
    store = await open_store()
    orphan = NewDevice(kind=DeviceKind.METER, number="2", dcu_number="none")
    await _refused(store.add_devices([NewDevice(kind=DeviceKind.METER, number="1"), orphan]))
    expect(await store.devices(), [], "a refused call leaves nothing behind")
    await store.close()


async def a_changed_scaler_is_another_channel(open_store: OpenStore) -> None:
    store = await open_store()
    whole, again, thousandth = await store.add_channels([energy(), energy(), energy(-3)])
    expect(again, whole, "the same channel is entered once")
    expect(len({whole, thousandth}), 2, "another scaler is another channel")
    found = await store.channels()
    expect([(channel.id, channel.scaler) for channel in found], [(whole, 0), (thousandth, -3)], "channels come by id")
    await store.close()


async def a_second_different_value_is_kept_beside_the_first(open_store: OpenStore) -> None:
    store = await open_store()
    _, meter, _, channel = await archive(store)
    first = reading(meter, channel, 1, 100)
    expect(await store.write_batch(Batch(readings=[first])), Written(1, 0, 0), "a first value is stored")
    later = first._replace(received_ms=first.received_ms + 1)
    expect(await store.write_batch(Batch(readings=[later])), Written(0, 0, 1), "the same value again is not stored")
    other = later._replace(value=101, quality=int(Quality.RECOVERED | 0x20))
    written = await store.write_batch(Batch(readings=[other, reading(meter, channel, 2, 7)]))
    expect(written, Written(1, 1, 0), "a different value is a version, its neighbour is stored as usual")
    third = other._replace(value=102)
    expect(
        await store.write_batch(Batch(readings=[third, other, first])), Written(0, 1, 2), "versions are compared too"
    )
    curve = await store.readings(meter, channel, first.time_s, first.time_s, versions=True)
    wanted = [
        StoredReading(first.time_s, 100, 0, first.received_ms, 0),
        StoredReading(first.time_s, 101, other.quality, other.received_ms, 1),
        StoredReading(first.time_s, 102, third.quality, third.received_ms, 2),
    ]
    expect(curve, wanted, "every version keeps its value, quality and time")
    expect(await store.readings(meter, channel, DAY_S, first.time_s), wanted[:1], "the curve is of first values")
    await store.close()


async def two_values_in_one_batch_are_two_versions(open_store: OpenStore) -> None:
    store = await open_store()
    _, meter, _, channel = await archive(store)
    rows = [reading(meter, channel, 1, value) for value in (5, 6, 5)]
    expect(await store.write_batch(Batch(readings=rows)), Written(1, 1, 1), "order of arrival makes the versions")
    await store.close()


async def values_keep_all_their_64_bits(open_store: OpenStore) -> None:
    store = await open_store()
    _, meter, _, channel = await archive(store)
    rows = [reading(meter, channel, 1, VALUE_MIN), reading(meter, channel, 2, VALUE_MAX)]
    await store.write_batch(Batch(readings=rows))
    curve = await store.readings(meter, channel, DAY_S, DAY_S + 86_400)
    expect([stored.value for stored in curve], [VALUE_MIN, VALUE_MAX], "no value is rounded or wrapped")
    await _refused(store.write_batch(Batch(readings=[reading(meter, channel, 3, VALUE_MAX + 1)])))
    await store.close()


async def a_batch_is_all_or_nothing(open_store: OpenStore) -> None:
    store = await open_store()
    _, meter, _, channel = await archive(store)
    impossible = Missing(meter, channel, DAY_S, DAY_S - 1, 0, "daily", "meter_silent")
    await _refused(store.write_batch(Batch(readings=[reading(meter, channel, 1, 1)], missing=[impossible])))
    expect(await store.coverage(DAY_S, DAY_S + 86_400), {}, "a refused batch stored nothing")
    expect(await store.write_batch(Batch()), Written(0, 0, 0), "the store works on after a refusal")
    await store.close()


async def coverage_says_which_times_are_there(open_store: OpenStore) -> None:
    store = await open_store()
    _, first, second, channel = await archive(store)
    (scaled,) = await store.add_channels([energy(-3)])
    rows = [reading(first, channel, quarter, 1) for quarter in (3, 1, 96)]
    rows += [reading(second, scaled, 1, 1), reading(first, channel, 1, 2), reading(first, channel, 97, 1)]
    await store.write_batch(Batch(readings=rows))
    covered = await store.coverage(DAY_S + 1, DAY_S + 86_400)
    times = {key: [(time_s - DAY_S) // QUARTER_S for time_s in found] for key, found in covered.items()}
    expect(times, {(first, channel): [1, 3, 96], (second, scaled): [1]}, "both ends count, and each time once")
    narrowed = await store.coverage(DAY_S + 1, DAY_S + 86_400, [scaled])
    expect(list(narrowed), [(second, scaled)], "coverage can be asked by channel")
    await store.close()


async def values_are_counted_by_time_and_device(open_store: OpenStore) -> None:
    store = await open_store()
    _, first, second, channel = await archive(store)
    rows = [reading(first, channel, quarter, 1, DAY_S + 7200 + quarter) for quarter in range(1, 97)]
    rows += [reading(second, channel, quarter, 1, DAY_S + 10_800) for quarter in (4, 5)]
    await store.write_batch(Batch(readings=[*rows, reading(second, channel, 5, 2, DAY_S + 90_000)]))
    day = (DAY_S + 1, DAY_S + 86_400)
    expect(
        await store.counts_by_received(*day, 3600),
        [TimeCount(DAY_S + 7200, 96), TimeCount(DAY_S + 10_800, 2)],
        "values count once, in the hour their first version came",
    )
    hours = await store.counts_by_time(*day, 3600)
    expect((len(hours), hours[0], hours[1]), (24, TimeCount(DAY_S, 5), TimeCount(DAY_S + 3600, 5)), "hours of a day")
    expect(hours[-1], TimeCount(DAY_S + 23 * 3600, 4), "24:00 belongs to the last hour of its day")
    expect(await store.counts_by_device(*day), [DeviceCount(first, 96), DeviceCount(second, 2)], "counts per device")
    expect(await store.counts_by_device(*day, channel_ids=[channel + 1]), [], "counts can be narrowed to channels")
    await store.close()


async def every_missing_value_has_one_cause(open_store: OpenStore) -> None:
    store = await open_store()
    _, first, second, channel = await archive(store)
    await store.write_batch(Batch(readings=[reading(first, channel, 3, 1)]))
    gap = Missing(first, channel, DAY_S + 900, DAY_S + 5400, 900, "daily", "meter_silent")
    one = Missing(second, channel, DAY_S + 900, DAY_S + 900, 0, "daily", "dcu_offline")
    await store.write_batch(Batch(missing=[gap, one]))
    left = await store.missing(device_id=first)
    spans = [(row.first_s - DAY_S, row.last_s - DAY_S) for row in left]
    expect(spans, [(900, 1800), (3600, 5400)], "a value that is stored is not missing")
    newer = Missing(first, channel, DAY_S + 1800, DAY_S + 3600, 900, "recovery", "never_captured")
    await store.write_batch(Batch(missing=[newer]))
    wanted = [
        CauseCount("daily", "dcu_offline", 1),
        CauseCount("daily", "meter_silent", 3),
        CauseCount("recovery", "never_captured", 2),
    ]
    expect(await store.missing_counts(), wanted, "the newest cause takes over the times it shares")
    late = [reading(first, channel, quarter, 9) for quarter in (1, 5)] + [reading(second, channel, 1, 9)]
    await store.write_batch(Batch(readings=late))
    wanted = [CauseCount("daily", "meter_silent", 1), CauseCount("recovery", "never_captured", 2)]
    expect(await store.missing_counts(), wanted, "a value that comes in late is missing no longer")
    await store.close()


async def attempts_sessions_and_clocks_are_kept(open_store: OpenStore) -> None:
    store = await open_store()
    dcu, first, second, _ = await archive(store)
    good = Attempt(first, "daily", DAY_S, 2, 5000, 5300, Outcome.SUCCEEDED, "", "", 210)
    bad = Attempt(first, "daily", DAY_S, 1, 1000, 4000, Outcome.FAILED, "meter_silent", "no answer in 3 s", 60)
    other = bad._replace(device_id=second)
    events = [SessionEvent(2000, dcu, "login", "07310001"), SessionEvent(1000, None, "refused", "terminal 99")]
    clocks = [DeviceClock(first, 2000, -1500), DeviceClock(first, 1000, 10), DeviceClock(second, 3000, 0)]
    await store.write_batch(Batch(attempts=[bad, good, other], session_events=events, clocks=clocks))
    wanted = [AttemptCount("daily", "failed", "meter_silent", 2), AttemptCount("daily", "succeeded", "", 1)]
    expect(await store.attempt_counts(), wanted, "attempts by outcome and cause")
    by_device = [DeviceAttempts(first, "daily", 2, 1, 300), DeviceAttempts(second, "daily", 1, 0, 0)]
    expect(await store.attempts_by_device(), by_device, "attempts by device")
    expect(await store.session_events(), [events[1], events[0]], "session events come by time")
    expect(await store.session_events(dcu_id=dcu), [events[0]], "session events of one concentrator")
    expect(await store.clocks(), [clocks[0], clocks[2]], "the latest clock of each device")
    await store.close()


async def plans_have_occurrences(open_store: OpenStore) -> None:
    store = await open_store()
    await store.add_plans([Plan("daily", "at 00:15"), Plan("billing", "")])
    await store.add_plans([Plan("daily", "at 00:30")])
    rows = [PlanOccurrence("daily", DAY_S, DAY_S + 7200), PlanOccurrence("billing", DAY_S, DAY_S + 21_600)]
    await store.add_occurrences(rows)
    await store.add_occurrences([rows[0]._replace(closes_s=DAY_S + 9000)])
    expect(await store.occurrences(plan="daily"), [rows[0]._replace(closes_s=DAY_S + 9000)], "a deadline can move")
    expect([row.plan for row in await store.occurrences()], ["billing", "daily"], "all windows, by opening")
    await _refused(store.add_occurrences([PlanOccurrence("unknown", DAY_S, DAY_S)]))
    await store.close()


async def counters_are_never_given_out_twice(open_store: OpenStore) -> None:
    store = await open_store()
    expect(await store.reserve_counters("vault/1", 100), 0, "counters begin at 0")
    blocks = await asyncio.gather(*(store.reserve_counters("vault/1", 10) for _ in range(20)))
    expect(sorted(blocks), list(range(100, 300, 10)), "blocks of many who ask at once do not overlap")
    expect(await store.reserve_counters("vault/2", 1, at_least=5000), 5000, "a device may say where to go on")
    expect(await store.reserve_counters("vault/2", 1, at_least=7), 5001, "but never back")
    await store.close()
    store = await open_store()
    expect(await store.reserve_counters("vault/1", 1), 300, "a restart goes on where the last one ended")
    await _refused(store.reserve_counters("vault/1", 1, at_least=2**32))
    await store.close()


async def what_was_written_is_there_after_a_restart(open_store: OpenStore) -> None:
    store = await open_store()
    _, meter, _, channel = await archive(store)
    await store.write_batch(Batch(readings=[reading(meter, channel, 1, 1)]))
    await store.set_run_info({"world": "village", "seed": "1"})
    await store.set_run_info({"seed": "2"})
    await store.close()
    await store.close()
    await _refused(store.run_info())
    store = await open_store()
    expect(await store.run_info(), {"seed": "2", "world": "village"}, "run information is kept by key")
    expect(list(await store.coverage(DAY_S, DAY_S + 86_400)), [(meter, channel)], "readings outlive the process")
    await store.close()


async def readers_and_the_writer_do_not_wait_for_each_other(open_store: OpenStore) -> None:
    store = await open_store()
    _, meter, _, channel = await archive(store)
    batches = [Batch(readings=[reading(meter, channel, quarter, 1)]) for quarter in range(1, 41)]
    work = [store.write_batch(batch) for batch in batches]
    await asyncio.gather(*work, *(store.counts_by_device(DAY_S, DAY_S + 86_400) for _ in range(40)))
    expect(await store.counts_by_device(DAY_S, DAY_S + 86_400), [DeviceCount(meter, 40)], "every batch arrived")
    await store.close()


async def _refused(call: Awaitable[object]) -> None:
    try:
        await call
    except StoreError:
        return
    raise AssertionError("the store should have refused with StoreError")


CHECKS: tuple[Check, ...] = (
    devices_are_known_by_number,
    relations_have_validity_dates,
    a_relation_to_an_unknown_concentrator_is_refused_whole,
    a_changed_scaler_is_another_channel,
    a_second_different_value_is_kept_beside_the_first,
    two_values_in_one_batch_are_two_versions,
    values_keep_all_their_64_bits,
    a_batch_is_all_or_nothing,
    coverage_says_which_times_are_there,
    values_are_counted_by_time_and_device,
    every_missing_value_has_one_cause,
    attempts_sessions_and_clocks_are_kept,
    plans_have_occurrences,
    counters_are_never_given_out_twice,
    what_was_written_is_there_after_a_restart,
    readers_and_the_writer_do_not_wait_for_each_other,
)

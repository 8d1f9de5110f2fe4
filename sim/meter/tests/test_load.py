"""The load as a function of time: it never runs backwards, its parts make the whole, and it is the same everywhere."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.meter import chance, load_shape
from sim.meter.load import DAY_MS, SLOT_MS, DayCache, MeterLoad, Quantity
from sim.meter.load_shape import SLOTS_PER_DAY
from sim.meter.load_table import LoadKind, flat_tariff

MONDAY = 20_514  # 2026-03-02, in days since 1970
WORKING_DAYS_T1 = tuple(
    tuple(1 if weekday < 5 and 24 <= slot < 88 else 2 for slot in range(96)) for weekday in range(7)
)
KINDS = {name: LoadKind(load_shape.load(name), WORKING_DAYS_T1) for name in load_shape.shipped()}

shapes = st.sampled_from(sorted(KINDS))
entities = st.integers(0, 400).map(lambda number: chance.key(1, "meter", str(number)))
days = st.integers(MONDAY - 3000, MONDAY + 3000)


def load_of(shape: str, entity: bytes = b"a meter's entity", offset_ms: int = 0) -> MeterLoad:
    return MeterLoad(KINDS[shape], entity, cache=DayCache(8), utc_offset_ms=offset_ms)


@given(shapes, entities, days, st.sampled_from(Quantity))
def test_no_quarter_hour_runs_backwards_and_days_join(shape: str, entity: bytes, day: int, quantity: Quantity) -> None:
    load = load_of(shape, entity)
    curve = load.curve(quantity, day)
    assert len(curve) == SLOTS_PER_DAY + 1
    assert curve == sorted(curve)
    assert curve[-1] == load.curve(quantity, day + 1)[0]


@given(shapes, entities, st.integers(0, 3 * DAY_MS), st.integers(0, 2 * DAY_MS), st.sampled_from(Quantity))
def test_a_register_never_falls(shape: str, entity: bytes, at: int, more: int, quantity: Quantity) -> None:
    load = load_of(shape, entity)
    at_ms = MONDAY * DAY_MS + at
    assert load.energy_mwh(quantity, at_ms) <= load.energy_mwh(quantity, at_ms + more)


@given(shapes, entities, days, st.integers(0, DAY_MS - 1))
def test_the_two_rates_make_the_total(shape: str, entity: bytes, day: int, in_day: int) -> None:
    load = load_of(shape, entity)
    curves = [
        load.curve(quantity, day)
        for quantity in (Quantity.ACTIVE_IMPORT, Quantity.ACTIVE_IMPORT_T1, Quantity.ACTIVE_IMPORT_T2)
    ]
    assert all(total == first + second for total, first, second in zip(*curves, strict=True))
    at_ms = max(MONDAY, day) * DAY_MS + in_day
    total, first, second = (
        load.energy_mwh(quantity, at_ms)
        for quantity in (Quantity.ACTIVE_IMPORT, Quantity.ACTIVE_IMPORT_T1, Quantity.ACTIVE_IMPORT_T2)
    )
    assert first + second <= total <= first + second + 1


@given(shapes, entities, days)
def test_each_rate_runs_in_its_own_hours_only(shape: str, entity: bytes, day: int) -> None:
    load = load_of(shape, entity)
    first = load.curve(Quantity.ACTIVE_IMPORT_T1, day)
    rates = WORKING_DAYS_T1[(day - 4) % 7]
    moved = [slot for slot in range(SLOTS_PER_DAY) if first[slot + 1] > first[slot]]
    assert all(rates[slot] == 1 for slot in moved)


@given(shapes, entities, days, st.sampled_from(Quantity))
def test_a_single_point_agrees_with_the_whole_day(shape: str, entity: bytes, day: int, quantity: Quantity) -> None:
    curve = load_of(shape, entity).curve(quantity, day)
    lone = load_of(shape, entity)
    for slot in (0, 1, 23, 24, 25, 50, 87, 88, 95):
        at_ms = day * DAY_MS + slot * SLOT_MS
        assert lone.energy_mwh(quantity, at_ms) == max(0, curve[slot])
        assert lone.power_mw(quantity, at_ms) == 4 * (curve[slot + 1] - curve[slot])


@given(
    shapes,
    entities,
    st.integers(-6 * 3_600_000, 6 * 3_600_000),
    st.sampled_from([60_000, 300_000, 900_000, 3_600_000]),
    st.integers(1, 200),
    st.sampled_from(Quantity),
)
def test_many_instants_agree_with_one_at_a_time(
    shape: str, entity: bytes, start: int, step: int, count: int, quantity: Quantity
) -> None:
    load = load_of(shape, entity, offset_ms=3_600_000)
    instants = [MONDAY * DAY_MS + start + step * number + 17 * number for number in range(count)]
    assert load.energies_wh(quantity, instants) == [load.energy_mwh(quantity, at) // 1000 for at in instants]


def test_the_year_has_the_mean_that_the_shape_promises() -> None:
    """A customer without spread: 365 days of the shape's mean within a few per mille, whatever the noise."""
    for name, kind in KINDS.items():
        load = MeterLoad(kind, b"year", cache=DayCache(4), mean_daily_wh=kind.shape.mean_daily_wh)
        for channel, shape in kind.shape.channels:
            quantity = Quantity[channel.upper()]
            year = load.curve(quantity, MONDAY + 1461)[0] - load.curve(quantity, MONDAY)[0]
            wanted = 1461 * kind.shape.mean_daily_wh * shape.permille
            assert year == pytest.approx(wanted, rel=0.01), (name, channel)


def test_noise_changes_days_and_does_not_add_up() -> None:
    load = load_of("household", chance.key(3, "meter", "noisy"))
    days_wh = [
        (
            load.curve(Quantity.ACTIVE_IMPORT, MONDAY + 7 * week + 1)[0]
            - load.curve(Quantity.ACTIVE_IMPORT, MONDAY + 7 * week)[0]
        )
        for week in range(52)
    ]
    assert max(days_wh) > 1.3 * min(days_wh)


def test_meters_differ_and_a_meter_more_changes_nobody() -> None:
    curves = {
        number: tuple(load_of("household", chance.key(1, "meter", str(number))).curve(Quantity.ACTIVE_IMPORT, MONDAY))
        for number in range(20)
    }
    assert len(set(curves.values())) == 20


def test_the_cache_is_bounded_and_changes_no_answer() -> None:
    cache = DayCache(3)
    load = MeterLoad(KINDS["shop"], b"shop", cache=cache)
    first = [load.curve(Quantity.ACTIVE_IMPORT, MONDAY + day) for day in range(10)]
    assert len(cache) == 3
    assert [load.curve(Quantity.ACTIVE_IMPORT, MONDAY + day) for day in range(10)] == first


def test_one_cache_keeps_meters_of_different_kinds_apart() -> None:
    cache = DayCache()
    loads = [MeterLoad(KINDS[name], b"same", cache=cache) for name in ("household", "shop")]
    loads.append(MeterLoad(LoadKind(load_shape.load("shop"), flat_tariff()), b"same", cache=cache))
    loads.append(MeterLoad(KINDS["shop"], b"same", cache=cache, mean_daily_wh=5))
    curves = [tuple(load.curve(Quantity.ACTIVE_IMPORT_T1, MONDAY)) for load in loads]
    assert len(set(curves)) == 4


def test_the_same_on_every_python() -> None:
    """Pinned: these numbers may only change together with the shapes or the formula, never with the interpreter."""
    digest = hashlib.sha256()
    for name in ("household", "pv-household", "workshop"):
        load = load_of(name, chance.key(42, "meter", "pinned"))
        for quantity in Quantity:
            digest.update(repr(load.curve(quantity, MONDAY)).encode())
    assert digest.hexdigest() == "55e3f263bb92a3e9ddeaa7b98848dc28029df77394ba10eb7a4e0728ecaf14dd"


def test_commissioning_lies_before_any_run_and_registers_start_there_at_zero() -> None:
    load = load_of("household", chance.key(5, "meter", "old"))
    assert load.energy_mwh(Quantity.ACTIVE_IMPORT, load.commissioned_ms) == 0
    assert load.energy_mwh(Quantity.ACTIVE_IMPORT, load.commissioned_ms - DAY_MS) == 0
    assert load.energy_mwh(Quantity.ACTIVE_IMPORT, load.commissioned_ms + 30 * DAY_MS) > 0

"""One bundle: what it asks, what it proves, and what it goes on with when the meter says no."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hes.acquisition.bundle import CLASS_PROFILE_GENERIC, Bundle, Want
from hes.acquisition.grids import DailyGrid, PeriodGrid
from hes.acquisition.items import CollectedItem
from hes.clock import Clock
from hes.devices import profiles
from hes.devices.archive import DeviceId, Meter
from hes.dlms.cosem_time import date_time_octets
from hes.errors import AccessDenied
from hes.protocols.gateway_route import MeterSilent

NOON = 1_772_452_800  # 2026-03-02T12:00:00Z
PROFILE = profiles.load("ami-1p")
METER = Meter(
    device_id=DeviceId(3), number="000000000001", dcu="east", profile=PROFILE, system_title=bytes(8), key_ref="k"
)
LOAD = CollectedItem("load-profile", PROFILE.load_profile, PeriodGrid(900), 6, 0, 1, ((2, 12),))
BILLING = CollectedItem("billing", PROFILE.billing, DailyGrid("UTC"), 7, 0, None, ((1, 20),))
EMPTY = b"\x01\x00"


class FixedClock:
    def epoch_s(self) -> float:
        return float(NOON)


class ScriptedSession:
    """Answers the clock itself, and each profile as it is told: octets, or errors one after the other."""

    def __init__(self, **answers: Any) -> None:
        self.asked: list[str] = []
        self._answers = {name: list(each) for name, each in answers.items()}

    async def get(self, class_id: int, obis: bytes, attribute: int, selection: bytes = b"") -> bytes:
        if class_id != CLASS_PROFILE_GENERIC:
            return b"\x09\x0c" + date_time_octets(NOON)
        name = "load" if obis == LOAD.profile.obis else "billing"
        self.asked.append(name)
        answer = self._answers[name].pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, bytes)
        return answer


class NotingSink:
    def __init__(self) -> None:
        self.never: dict[str, list[int]] = {}
        self.clocks: list[int] = []

    def clock_read(self, meter: Meter, meter_s: int, now_s: float) -> None:
        self.clocks.append(meter_s)

    async def rows_read(self, meter: Meter, item: CollectedItem, readings: Any, indices: Any, never: list[int]) -> None:
        self.never.setdefault(item.name, []).extend(never)


def read(session: ScriptedSession, repeats: int = 0) -> NotingSink:
    sink = NotingSink()
    clock: Clock = FixedClock()
    wire: Any = session
    at, day = NOON // 900, BILLING.grid.index_at_or_before(NOON)
    wants = [Want(LOAD, [range(at - 2, at + 1)]), Want(BILLING, [range(day, day + 1)])]
    asyncio.run(Bundle(wire, METER, sink, clock, repeats).read(wants))
    return sink


def test_rows_that_the_meters_clock_has_passed_and_that_are_not_there_were_never_captured() -> None:
    sink = read(ScriptedSession(load=[EMPTY], billing=[EMPTY]))
    at = NOON // 900
    assert sink.clocks == [NOON]
    assert sink.never["load-profile"] == [at - 2, at - 1], "the row of this very moment may still be on its way"


def test_an_item_that_the_meter_denies_does_not_cost_the_others() -> None:
    """The daily billing used to be missing, for the wrong cause, when the load profile was denied."""
    session = ScriptedSession(load=[AccessDenied("no")], billing=[EMPTY])
    with pytest.raises(AccessDenied):
        read(session)
    assert session.asked == ["load", "billing"]


def test_what_the_meter_does_not_answer_is_asked_again_as_often_as_allowed() -> None:
    session = ScriptedSession(load=[MeterSilent("?"), MeterSilent("?"), EMPTY], billing=[EMPTY])
    read(session, repeats=2)
    assert session.asked == ["load", "load", "load", "billing"]
    session = ScriptedSession(load=[MeterSilent("?"), MeterSilent("?")], billing=[EMPTY])
    with pytest.raises(MeterSilent):
        read(session, repeats=1)
    assert session.asked == ["load", "load"], "a silent meter is not asked for more"

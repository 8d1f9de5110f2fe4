"""Setting what can be set, and reading it back."""

from __future__ import annotations

import pytest

from hes.errors import AccessDenied
from scenarios.meter import HLS, LLS, Meter
from scenarios.station import Station

STEP_S = 90
TOLERANCE_S = 15


async def test_the_clock_is_set_and_reads_back_what_was_set(station: Station, meter: Meter) -> None:
    """The clock is set and reads back what was set."""
    async with meter.association(HLS) as association:
        with station.step("set the clock forward"):
            to_s = int(station.clock.epoch_s()) + STEP_S
            await association.set_clock(to_s)
        try:
            with station.step("read it back"):
                shown_s = await association.clock_s()
        finally:
            with station.step("set it right again"):
                await association.set_clock(int(station.clock.epoch_s()))
        with station.step("read it back once more"):
            right_s = await association.clock_s()
    assert 0 <= shown_s - to_s <= TOLERANCE_S, f"set to {to_s}, shows {shown_s}"
    assert abs(right_s - station.clock.epoch_s()) <= TOLERANCE_S, "the clock was not set right again"


async def test_who_may_only_read_cannot_set_the_clock(station: Station, meter: Meter) -> None:
    """An association that may only read is refused when it writes, and nothing changes."""
    async with meter.association(LLS) as association:
        with station.step("try to set the clock"), pytest.raises(AccessDenied):
            await association.set_clock(int(station.clock.epoch_s()) + STEP_S)
        with station.step("read the clock"):
            shown_s = await association.clock_s()
    assert abs(shown_s - station.clock.epoch_s()) <= TOLERANCE_S, "the clock has changed"

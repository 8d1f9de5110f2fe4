"""Frames that are lost, late or repeated, and links that break."""

from __future__ import annotations

import pytest

from hes.dlms.codes import ApduTag
from hes.errors import LinkError
from scenarios.bench import Part
from scenarios.concentrator import Concentrator
from scenarios.meter import HLS, Meter
from scenarios.station import Station
from scenarios.suites.first.expectations import LOAD_PROFILE, expect_all_of_yesterday, first_stamp_s


@pytest.mark.parametrize("part", ["request", "answer"])
async def test_a_lost_frame_costs_time_and_nothing_else(station: Station, meter: Meter, part: Part) -> None:
    """A frame is lost: the same question, asked again, is answered in the same association."""
    async with meter.association(HLS) as association:
        with station.step("read a register"):
            before = await association.register("active_import")
        with station.step(f"read it again, and lose the {part}"):
            meter.lose_next_frame(part)
            after = await association.register("active_import", asking_again=1)
    assert after.raw >= before.raw
    assert after.unit == before.unit


async def test_a_replayed_request_is_not_carried_out(station: Station, meter: Meter) -> None:
    """A recorded request that is sent once more is not carried out, and the association goes on."""
    async with meter.association(HLS) as association:
        with station.step("read the clock, ciphered"):
            await association.clock_s()
        with station.step("send the same octets once more"):
            try:
                answer = await association.replay_last_request()
            except LinkError:
                answer = b""  # silence refuses as well
        assert answer[:1] in (b"", bytes((ApduTag.EXCEPTION_RESPONSE,))), "the replayed request was answered"
        with station.step("read on"):
            assert (await association.register("active_import")).raw > 0


async def test_an_answer_that_comes_too_late_is_not_taken_for_the_next_one(station: Station, meter: Meter) -> None:
    """An answer that comes after its time-out is never taken for the answer to the next question."""
    async with meter.association(HLS) as association:
        with station.step("read a register, and let the answer come too late"):
            meter.delay_next_answer()
            with pytest.raises(LinkError):
                await association.register("active_import")
        with station.step("wait until it has come"):
            await station.let_pass(meter.late_answer_s)
        with station.step("read something else"):
            clock_s = await association.clock_s()  # a register is no date-time: this would raise
        with station.step("read the register again"):
            register = await association.register("active_import")
    assert abs(clock_s - station.clock.epoch_s()) < 60
    assert register.raw > 0


async def test_a_link_that_breaks_in_the_middle_of_a_block_transfer_costs_a_new_association(
    station: Station, meter: Meter
) -> None:
    """The link breaks between two blocks; when it is back, a new association reads everything."""
    first_s, last_s = first_stamp_s(meter, station), station.yesterday()[1]
    with station.step("read a day, and cut the link after two blocks"), pytest.raises(LinkError):  # noqa: PT012
        async with meter.association(HLS) as association:
            meter.cut_link(after_answers=2)
            await association.rows(LOAD_PROFILE, first_s, last_s)
    assert meter.blocks_received >= 2, "the link was not cut between two blocks"
    with station.step("wait for the link to come back"):
        await meter.reachable()
    with station.step("associate anew and read the day"):
        async with meter.association(HLS) as association:
            rows = await association.rows(LOAD_PROFILE, first_s, last_s)
    expect_all_of_yesterday(station, meter, rows)


async def test_two_meters_on_one_way_do_not_hear_each_other(station: Station, meter: Meter, other_meter: Meter) -> None:
    """Two associations side by side: each meter answers for itself."""
    async with meter.association(HLS) as one, other_meter.association(HLS) as other:
        with station.step("read both in turn"):
            numbers = [await one.logical_device_name(), await other.logical_device_name()]
            again = [await one.logical_device_name(), await other.logical_device_name()]
    assert numbers == again
    assert numbers[0] != numbers[1], "both meters say the same name"


async def test_a_concentrator_that_lost_its_link_logs_in_again_and_its_meters_answer(
    station: Station, dcu: Concentrator, meter: Meter
) -> None:
    """A concentrator that lost its link dials and logs in again, and its meters answer."""
    before = dcu.logins
    with station.step("cut the link of the concentrator"):
        dcu.cut_link()
        await dcu.reachable()
    assert dcu.logins == before + 1
    with station.step("read one of its meters"):
        async with meter.association(HLS) as association:
            assert (await association.register("active_import")).raw > 0

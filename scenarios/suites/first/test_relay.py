"""The relay: disconnected and reconnected from afar, and what happened when nobody answered."""

from __future__ import annotations

import pytest

from hes.dlms.cosem.disconnect_control import ControlState
from hes.errors import LinkError
from scenarios.meter import HLS, Meter
from scenarios.station import Station


async def test_the_relay_opens_and_closes_and_says_so(station: Station, meter: Meter) -> None:
    """The relay is disconnected and reconnected, and its state says so."""
    async with meter.association(HLS) as association:
        with station.step("disconnect"):
            await association.disconnect()
        try:
            with station.step("read the state"):
                opened = await association.relay()
        finally:
            with station.step("reconnect"):
                await association.reconnect()
        with station.step("read the state again"):
            closed = await association.relay()
    assert opened == (False, ControlState.DISCONNECTED)
    assert closed == (True, ControlState.CONNECTED)


async def test_a_disconnect_whose_answer_is_lost_is_settled_by_reading_back(station: Station, meter: Meter) -> None:
    """A command whose answer is lost has an unknown outcome; the state tells, and nothing is sent twice."""
    async with meter.association(HLS) as association:
        with station.step("disconnect, and lose the answer"):
            meter.lose_next_frame("answer")
            lost = False
            try:
                await association.disconnect()
            except LinkError:  # a link that repeats frames by itself may get the answer after all
                lost = True
        try:
            with station.step("read the state"):
                opened = await association.relay()
        finally:
            with station.step("reconnect"):
                await association.reconnect()
    assert opened == (False, ControlState.DISCONNECTED), f"answer lost: {lost}; the relay is {opened[1].name}"


async def test_a_disconnect_that_is_lost_on_its_way_moves_nothing(station: Station, meter: Meter) -> None:
    """A command that never arrived moves nothing, and the state tells."""
    if meter.repeats_lost_frames:
        pytest.skip("the link repeats lost frames by itself: the command arrives")
    async with meter.association(HLS) as association:
        with station.step("disconnect, and lose the request"):
            meter.lose_next_frame("request")
            with pytest.raises(LinkError):
                await association.disconnect()
        with station.step("read the state"):
            state = await association.relay()
    assert state == (True, ControlState.CONNECTED)

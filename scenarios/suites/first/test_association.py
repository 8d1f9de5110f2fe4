"""Opening an association: without proof, with a password, with keys; and not with wrong ones."""

from __future__ import annotations

import pytest

from hes.dlms.codes import Conformance
from hes.errors import AccessDenied
from scenarios.meter import HLS, LLS, NONE, Meter
from scenarios.station import Station


async def test_the_public_client_gets_in_without_proof_and_may_read_the_clock(station: Station, meter: Meter) -> None:
    """Without authentication the public client gets in, and may read the clock."""
    with station.step("associate without authentication"):
        async with meter.association(NONE) as association:
            assert Conformance.GET in association.info.conformance, "an association that may not even read"
            with station.step("read the clock"):
                assert abs(await association.clock_s() - station.clock.epoch_s()) < 60, "the clock is a minute off"


async def test_a_password_opens_the_reading_association(station: Station, meter: Meter) -> None:
    """The right password opens the reading association."""
    with station.step("associate with the password"):
        async with meter.association(LLS) as association:
            assert Conformance.GET in association.info.conformance
            with station.step("read a register"):
                assert (await association.register("active_import")).raw > 0


async def test_keys_open_the_management_association(station: Station, meter: Meter) -> None:
    """HLS with GMAC: both sides prove that they have the keys, and everything after is ciphered."""
    with station.step("associate with HLS-GMAC"):
        async with meter.association(HLS) as association:
            assert association.info.server_system_title, "the meter did not say its system title"
            with station.step("read a register, ciphered"):
                assert (await association.register("active_import")).raw > 0


async def test_a_dedicated_key_protects_one_association(station: Station, meter: Meter) -> None:
    """A key that the client brings protects this association and no other."""
    with station.step("associate with HLS-GMAC and a dedicated key"):
        async with meter.association(HLS, dedicated_key=True) as association:
            with station.step("read a register under the dedicated key"):
                assert (await association.register("active_import")).raw > 0


async def test_a_wrong_password_is_refused_and_the_right_one_still_works(station: Station, meter: Meter) -> None:
    """A wrong password is refused; the right one works afterwards."""
    with station.step("associate with a wrong password"), pytest.raises(AccessDenied):
        async with meter.association(LLS, secrets=meter.wrong_password):
            pass
    with station.step("associate with the right one"):
        async with meter.association(LLS) as association:
            assert (await association.register("active_import")).raw > 0


async def test_a_wrong_key_is_refused_and_the_right_one_still_works(station: Station, meter: Meter) -> None:
    """What is ciphered with a wrong key is refused and moves no counter; the right key works afterwards."""
    with station.step("associate with a wrong encryption key"), pytest.raises(AccessDenied):
        async with meter.association(HLS, secrets=meter.wrong_key):
            pass
    with station.step("associate with the right one"):
        async with meter.association(HLS) as association:
            assert (await association.register("active_import")).raw > 0

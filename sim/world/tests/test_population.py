"""A world's devices: names, numbers, addresses and draws follow from the file and disturb each other nowhere."""

from __future__ import annotations

import tracemalloc

import pytest

from sim.meter.keys import head_end_system_title, meter_keys
from sim.meter.load import Quantity
from sim.world import parse
from sim.world.population import Population, meter_number
from sim.world.tests.test_parse import SMALL


def population(text: str = SMALL) -> Population:
    return Population(parse.parse_text(text))


def test_meters_are_named_and_numbered_through_their_dcu() -> None:
    devices = population()
    assert list(devices.meters) == [
        *(f"north-{index:04d}" for index in range(1, 6)),
        "south-side-0001",
        "south-side-0002",
    ]
    meter = devices.meters["north-0003"]
    assert (meter.number, meter.address) == ("731003000003", b"731003000003")
    assert meter.system_title == b"AML" + (731003000003).to_bytes(5, "big")
    assert meter.identity.logical_device_name == b"AML1731003000003"
    assert devices.meters["south-side-0001"].profile == "ami-3p"


def test_numbers_addresses_titles_and_keys_are_each_used_once() -> None:
    devices = Population(parse.load("neighbourhood"))
    meters = devices.meters.values()
    for values in ([m.number for m in meters], [m.address for m in meters], [m.system_title for m in meters]):
        assert len(set(values)) == 360
    keys = [meter_keys(devices.world.seed, meter.system_title) for meter in meters]
    octets = [key for one in keys for key in (one.encryption_key, one.authentication_key, one.master_key, one.password)]
    assert len(set(octets)) == 4 * 360
    assert {len(one.encryption_key) for one in keys} == {16}


def test_keys_follow_from_the_seed_and_are_never_shown() -> None:
    title = b"AML\x00\x00\x00\x00\x01"
    assert meter_keys(1, title) == meter_keys(1, title)
    assert meter_keys(1, title).encryption_key != meter_keys(2, title).encryption_key
    assert meter_keys(1, title).encryption_key.hex() not in repr(meter_keys(1, title))
    assert head_end_system_title(1) != head_end_system_title(2)
    assert len(head_end_system_title(1)) == 8
    with pytest.raises(ValueError, match="8 octets"):
        meter_keys(1, b"short")


def test_a_dcu_more_changes_nothing_for_the_others() -> None:
    dcu = '[[dcu]]\nname = "first"\nregion = "0001"\naddress = 9\nfield = "plc"\n'
    dcu += '[[dcu.meters]]\nprofile = "ami-1p"\nshape = "shop"\ncount = 30\n'
    before = population()
    after = population(SMALL.replace("[[dcu]]", dcu + "[[dcu]]", 1))
    for name, meter in before.meters.items():
        assert after.meters[name] == meter


def test_clocks_are_wrong_by_at_most_what_the_file_says() -> None:
    world = parse.load("neighbourhood")
    identities = [meter.identity for meter in Population(world).meters.values()]
    assert max(abs(identity.drift_ppb) for identity in identities) <= 20_000
    assert max(abs(identity.offset_ms) for identity in identities) <= 5000
    assert len({identity.offset_ms for identity in identities}) > 300
    exact = population(SMALL + '[clocks]\ndrift_ppm = 0\noffset = "0s"\n')
    assert {meter.identity.offset_ms for meter in exact.meters.values()} == {0}


def test_another_seed_is_another_world_and_the_same_seed_the_same() -> None:
    def energies(text: str) -> list[int]:
        devices = population(text)
        meters = [devices.meter(device) for device in devices.meters.values()]
        return [meter.energy_mwh(Quantity.ACTIVE_IMPORT, 1_772_409_600_000) for meter in meters]

    assert energies(SMALL) == energies(SMALL)
    assert energies(SMALL) != energies(SMALL.replace("seed = 1", "seed = 2"))


def test_a_target_is_a_meter_a_dcu_or_all() -> None:
    devices = population()
    assert [meter.name for meter in devices.targets("north-0002")] == ["north-0002"]
    assert len(devices.targets("north")) == 5
    assert len(devices.targets("*")) == 7


def test_meter_numbers_have_twelve_digits() -> None:
    world = parse.parse_text(SMALL)
    assert meter_number(world.dcus[0].terminal, 9999) == "731003009999"


def test_a_town_of_idle_meters_is_small() -> None:
    """Names, numbers and addresses only: nothing that a meter measures is kept."""
    text = SMALL.replace("count = 5", "count = 2000")
    population(text)
    tracemalloc.start()
    try:
        devices = population(text)
        endpoints = [devices.endpoint(device) for device in devices.meters.values()]
        octets = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert octets / len(endpoints) < 2000

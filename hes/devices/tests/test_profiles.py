"""Device profiles: what ships is complete, and a file that is wrong says so line by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from hes import toml_file
from hes.devices import profiles
from hes.devices.profile_file import check
from hes.errors import ConfigError
from hes.resources import file as data_file

TEXT = data_file("fixtures/profiles", "ami-1p").read_text()


def faults_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        check(toml_file.parse(text, "p.toml"))
    return caught.value.message.splitlines()


@pytest.mark.parametrize("name", profiles.shipped())
def test_every_shipped_profile_is_complete(name: str) -> None:
    profile = profiles.load(name)
    assert profile.name == name
    assert profile.origin
    assert profile.licence
    assert {"active_import", "active_export", "reactive_import", "reactive_export"} <= {
        column.name for column in profile.load_profile.channels
    }
    assert {"active_import_t1", "active_import_t2"} <= {column.name for column in profile.billing.channels}
    assert profile.load_profile.columns[0].is_clock
    assert {"power_down", "power_up", "clock_adjusted_old", "clock_adjusted_new"} <= set(
        profile.event_log("standard").codes
    )
    assert {"remote_disconnect", "remote_connect"} <= set(profile.event_log("disconnector").codes)
    public, management = profile.association("public"), profile.association("management")
    assert (public.client_sap, public.mechanism) == (16, "none")
    assert management.rights == "manage"


def test_the_single_phase_profile_in_numbers() -> None:
    """The columns as they travel: docs/protocols/cosem-objects.md §8.2."""
    profile = profiles.load("ami-1p")
    assert str(profile.load_profile.obis) == "1.0.99.1.0.255"
    assert (profile.load_profile.capture_period_s, profile.load_profile.entries) == (900, 3840)
    items = [column.item for column in profile.load_profile.columns]
    assert [(item.class_id, str(item.obis), item.type, item.scaler, item.unit) for item in items] == [
        (8, "0.0.1.0.0.255", "octet-string", 0, 255),
        (1, "0.0.96.10.1.255", "unsigned", 0, 255),
        (3, "1.0.1.8.0.255", "double-long-unsigned", 0, 30),
        (3, "1.0.2.8.0.255", "double-long-unsigned", 0, 30),
        (3, "1.0.3.8.0.255", "double-long-unsigned", 0, 32),
        (3, "1.0.4.8.0.255", "double-long-unsigned", 0, 32),
    ]
    assert [column.name for column in profile.load_profile.channels] == [
        "active_import", "active_export", "reactive_import", "reactive_export",
    ]  # fmt: skip
    assert profile.event_log("standard").event(1) == "power_down"
    assert profile.event_log("standard").event(99) is None


def test_what_differs_between_makers_comes_from_the_file() -> None:
    modern, old, three = (profiles.load(name) for name in ("ami-1p", "ami-1p-lls", "ami-3p"))
    assert (modern.deviation_sign, old.deviation_sign) == (1, -1)
    assert (modern.association("management").ciphered, old.association("management").ciphered) == (True, False)
    assert str(three.billing.obis) == "1.0.99.2.0.255"
    assert three.item("voltage_l3").unit_name == "V"


def test_a_gateway_address_is_ascii_or_bcd() -> None:
    ascii_profile = profiles.load("ami-1p")
    assert ascii_profile.gateway.address("731000010001") == b"731000010001"
    bcd = check(toml_file.parse(TEXT.replace('address = "ascii"', 'address = "bcd"'), "p.toml"))
    assert profiles.build(bcd).gateway.address("731000010001") == bytes.fromhex("731000010001")
    with pytest.raises(ConfigError, match="not decimal digits"):
        ascii_profile.gateway.address("73100A")


def test_a_profile_of_ones_own_is_loaded_by_its_path(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text(TEXT.replace('name = "ami-1p"', 'name = "mine"', 1))
    assert profiles.load(str(own)).name == "mine"


def test_every_fault_is_listed_with_its_line() -> None:
    text = TEXT.replace("phases = 1", "phases = 2").replace('obis = "1.0.1.8.0.255"', 'obis = "1.0.1.8"')
    text = text.replace("capture_period_s = 900", "capture_period = 900").replace('unit = "Wh"', 'unit = "kWh"', 1)
    lines = faults_of(text)
    assert [line.split(": ")[1] for line in lines] == [
        "phases", "load_profile.capture_period_s", "load_profile.capture_period", "item[5].obis", "item[5].unit",
    ]  # fmt: skip
    for line in lines:
        number = int(line.split(":")[1])
        key = line.split(": ")[1].rpartition(".")[2]
        assert key in text.splitlines()[number - 1] or key == "capture_period_s"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"active_import", "active_export"', '"activ_import", "active_export"', "did you mean 'active_import'?"),
        ('columns = ["clock", "status",', 'columns = ["status", "clock",', "the first column must be the clock"),
        ("capture_period_s = 900", "capture_period_s = 1000", "a day must hold a whole number of periods"),
        ("client_sap = 2", "client_sap = 16", "client 16 has an association already"),
        ('from = "06:00"', 'from = "06:10"', "must stand on quarter-hours"),
        ('to = "22:00"', 'to = "05:00"', "must be later than from"),
        ('weekdays = "mon-fri"', 'weekdays = "fri-mon"', "should be weekdays in their order"),
        ('name = "active_export"', 'name = "active_import"', "'active_import' stands twice"),
    ],
)
def test_what_tables_must_agree_on_is_checked(old: str, new: str, said: str) -> None:
    assert old in TEXT
    assert any(said in line for line in faults_of(TEXT.replace(old, new, 1)))


def test_overlapping_tariff_bands_are_refused() -> None:
    band = '\n[[tariff.band]]\nrate = 2\nweekdays = ["wed", "sat-sun"]\nfrom = "21:00"\nto = "24:00"\n'
    assert faults_of(TEXT.replace('to = "22:00"\n', 'to = "22:00"\n' + band))[0].endswith("overlaps an earlier band")


def test_faults_of_single_keys_do_not_hide_what_tables_disagree_on() -> None:
    text = TEXT.replace("capture_period_s = 900", "capture_period_s = 7000", 1)
    text = text.replace('"status", "active_import"', '"status", "activ_import"', 1)
    text = text.replace("phases = 1", "phases = 2", 1).replace("entries = 3840", "entries = 0", 1)
    assert [line.split(": ", 1)[1] for line in faults_of(text)] == [
        "phases: should be 1 or 3, not 2",
        "load_profile.capture_period_s: a day must hold a whole number of periods",
        "load_profile.entries: should be greater than or equal to 1, not 0 (1..100000 rows)",
        "load_profile.columns[3]: no [[item]] is called 'activ_import'; did you mean 'active_import'?",
    ]


def test_an_item_with_a_wrong_name_is_told_once_and_not_again_where_it_is_used() -> None:
    text = TEXT.replace('name = "active_import"', 'name = "Active_Import"', 1)
    assert [line.split(": ")[1] for line in faults_of(text)] == ["item[5].name"]

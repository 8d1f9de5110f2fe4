"""A simulated meter is scanned, its profile written, and the simulator plays a meter of that profile."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from hes.cli.scan import scan
from hes.devices import profiles
from sim.meter.civil import zone
from sim.meter.model import logical_device
from sim.tests.test_meter_try_lines import served


def test_the_profile_of_a_scanned_meter_is_one_that_the_simulator_can_play(tmp_path: Path) -> None:
    path = tmp_path / "scanned.toml"
    with served("--tcp", "127.0.0.1:0", "--hdlc", "--json") as process:
        assert process.stdout is not None
        offer = json.loads(process.stdout.readline())
        keys = offer["test_keys"]
        secrets = ["--key", keys["encryption_key"], "--auth-key", keys["authentication_key"]]
        done = CliRunner().invoke(
            scan, [offer["url"], "--hdlc", *secrets, "--write-profile", str(path)], standalone_mode=False
        )
    assert done.return_value == 0, done.exception
    scanned, played = profiles.load(str(path)), profiles.load(offer["profile"])
    assert scanned.gaps == ()
    assert {item.name for item in scanned.items} == {item.name for item in played.items}
    assert [(captured.obis, captured.entries) for captured in scanned.profiles] == [
        (captured.obis, captured.entries) for captured in played.profiles
    ]
    assert {(each.client_sap, each.rights) for each in scanned.associations} == {
        (each.client_sap, each.rights) for each in played.associations
    }
    twin, original = (logical_device(profile, zone("UTC")) for profile in (scanned, played))
    assert {each.logical_name for each in twin} == {each.logical_name for each in original}

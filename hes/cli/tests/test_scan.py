"""`amiloop scan` against the bench meter: what it lists, what it does about a meter that misbehaves, its profile."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hes.cli import main as cli
from hes.cli.connect_options import connecting
from hes.cli.read import read
from hes.cli.scan import scan
from hes.cli.scan_device import SILENCES_MAX, scan_url
from hes.cli.scan_result import Scan
from hes.cli.tests.meter_on_a_link import LOWER, MeterOnALink
from hes.cli.tests.meter_on_tcp import HANG_UP, SILENCE, MeterOnTcp
from hes.devices import profiles
from hes.dlms.obis import Obis
from hes.dlms.tests import bench_short_names, published
from hes.dlms.tests.bench_meter import ENERGY, LOAD_PROFILE, READER
from hes.entropy import SystemEntropy
from hes.links.registry import Links

PASSWORD = ("--password", published.PASSWORD.decode())
LOW = ("--auth", "low", "--client", str(READER), *PASSWORD)
GMAC = (
    *("--key", published.ENCRYPTION_KEY.hex(), "--auth-key", published.AUTHENTICATION_KEY.hex()),
    *("--system-title", published.CLIENT_TITLE.hex()),
)
GET_ENERGY = bytes.fromhex("0003") + ENERGY + b"\x02"
GET_ENERGY_UNIT = bytes.fromhex("0003") + ENERGY + b"\x03"


def run(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(scan, [url, *arguments], standalone_mode=False)


def found(url: str, *arguments: str) -> dict[str, Any]:
    done = run(url, *arguments, "--json")
    assert done.exception is None, done.exception
    body: dict[str, Any] = json.loads(done.stdout)
    return body | {"status": done.return_value}


def attribute(scanned: dict[str, Any], obis: str, index: int) -> dict[str, Any]:
    (device,) = scanned["logical_devices"]
    (each,) = [each for each in device["objects"] if each["obis"] == obis]
    (one,) = [one for one in each["attributes"] if one["index"] == index]
    return dict(one)


def test_objects_stand_under_their_class_with_rights_and_values_and_fit_the_page() -> None:
    with MeterOnTcp() as meter:
        done = run(meter.url, *GMAC)
    assert done.return_value == 0, done.exception
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    for said in (
        "      1  AML0000000000001",
        "Register (class 3, version 0)",
        "  1.0.1.8.0.255  active energy import (+A), total  r    1926960 Wh",
        "      2 value         r    471.1 W",
        "      2 time                        rw   Sun 2024-12-15 13:00:00.00 UTC+01:00",
        "        from 2024-12-14 13:15:00 UTC+01:00 to 2024-12-15 13:00:00 UTC+01:00",
        "      7 entries_in_use   r    96",
        "      6 authentication_mechanism_name  r    60857405080205 (GMAC (high level))",
        "        methods: remote_disconnect (1), remote_reconnect (2)",
    ):
        assert [line for line in lines if line.startswith(said.rstrip())], said
    assert "type" not in done.stdout, "types are for --json and decode"


def test_programs_get_every_attribute_with_rights_raw_value_and_value_in_its_unit() -> None:
    with MeterOnTcp() as meter:
        scanned = found(meter.url, *GMAC)
    assert (scanned["scan"], scanned["complete"], scanned["status"]) == (1, True, 0)
    energy = attribute(scanned, "1.0.1.8.0.255", 2)
    assert (energy["value"], energy["unit"], energy["raw"], energy["type"]) == (
        1926960,
        "Wh",
        1926960,
        "double-long-unsigned",
    )
    assert (energy["read"], energy["write"], energy["mode"]) == (True, False, 1)
    clock = attribute(scanned, "0.0.1.0.0.255", 2)
    assert (clock["value"], clock["write"]) == ("2024-12-15T13:00:00+01:00", True)
    (profile,) = [each for each in scanned["logical_devices"][0]["objects"] if each["class_id"] == 7]
    buffer = profile["buffer"]
    assert (buffer["entries"], len(buffer["columns"]), buffer["columns"][2]["unit"]) == (96, 6, "Wh")
    assert (buffer["first"][0], buffer["last"][0]) == ("2024-12-14T13:15:00+01:00", "2024-12-15T13:00:00+01:00")


def test_without_values_only_the_lists_are_read() -> None:
    asked: list[bytes] = []

    def listen(apdu: bytes) -> None:
        asked.append(apdu)

    with MeterOnTcp(answer=listen) as meter:
        scanned = found(meter.url, *LOW, "--no-values")
    assert scanned["complete"] is True
    assert sum(1 for apdu in asked if apdu[:2] == b"\xc0\x01") == 2, "SAP assignment and object list"
    assert "value" not in attribute(scanned, "1.0.1.8.0.255", 2)


@pytest.mark.parametrize("listen", ["tcp-listen://127.0.0.1:0", "udp-listen://127.0.0.1:0"])
def test_every_link_and_framing_that_reads_also_scans(listen: str) -> None:
    hdlc = listen.startswith("tcp")
    options = ("--hdlc", "--server", f"1/{LOWER}") if hdlc else ()
    with MeterOnALink(listen, hdlc=hdlc) as meter:
        scanned = found(meter.url, *options, *LOW)
    assert (scanned["complete"], scanned["framing"]) == (True, "hdlc" if hdlc else "wrapper")
    assert meter.disconnects == int(hdlc)


def test_an_attribute_that_is_refused_or_broken_is_named_and_the_scan_goes_on() -> None:
    def answer(apdu: bytes) -> bytes | None:
        if apdu[3:12] == GET_ENERGY:
            return bytes.fromhex("c401") + apdu[2:3] + b"\x01\x03"  # read-write-denied
        if apdu[3:12] == GET_ENERGY_UNIT:
            return bytes.fromhex("c401") + apdu[2:3] + b"\x00\x02\xff"  # a structure that is not there
        return None

    with MeterOnTcp(answer=answer) as meter:
        scanned = found(meter.url, *LOW)
        page = run(meter.url, *LOW).stdout
    assert (scanned["status"], scanned["complete"], scanned["logical_devices"][0]["unread"]) == (1, False, 2)
    assert "read-write-denied" in attribute(scanned, "1.0.1.8.0.255", 2)["error"]
    assert "breaks a rule" in attribute(scanned, "1.0.1.8.0.255", 3)["error"]
    assert attribute(scanned, "1.0.2.8.0.255", 2)["unit"] == "Wh"
    assert "(refused: read-write-denied (3))" in page


def test_a_connection_that_an_attribute_costs_is_opened_again_and_that_attribute_not_asked_for_twice() -> None:
    asked: list[bytes] = []

    def answer(apdu: bytes) -> bytes | None:
        if apdu[3:12] != GET_ENERGY:
            return None
        asked.append(apdu)
        return HANG_UP

    with MeterOnTcp(answer=answer) as meter:
        scanned = found(meter.url, *LOW)
    assert (len(asked), scanned["logical_devices"][0]["complete"]) == (1, True)
    assert attribute(scanned, "1.0.1.8.0.255", 2)["error"]
    assert attribute(scanned, "1.0.2.8.0.255", 2)["unit"] == "Wh"
    assert any("opened again" in said for said in scanned["logical_devices"][0]["findings"])


def test_a_meter_that_falls_silent_is_given_up_after_a_few_attributes_and_what_was_read_is_shown() -> None:
    seen = 0

    def answer(apdu: bytes) -> bytes | None:
        nonlocal seen
        seen += apdu[:1] == b"\xc0"
        return SILENCE if seen > 8 else None

    with MeterOnTcp(answer=answer) as meter:
        scanned = found(meter.url, *LOW, "--timeout", "0.1")
    device = scanned["logical_devices"][0]
    assert (scanned["status"], device["complete"]) == (1, False)
    assert f"{SILENCES_MAX} attributes in succession" in device["error"]
    assert attribute(scanned, "0.0.1.0.0.255", 2)["value"]


def test_an_interrupted_scan_releases_the_association_and_gives_what_it_has() -> None:
    async def interrupted(url: str) -> Scan:
        plan = connecting(url, _given(*LOW)).plan
        task = asyncio.current_task()
        assert task is not None

        def watch(done: int, _total: int, _what: str) -> None:
            if done == 10:
                task.cancel()

        return await scan_url(plan, Links(), SystemEntropy(), values=True, every_device=True, watch=watch)

    with MeterOnTcp() as meter:
        seen: list[int] = []
        meter.answer = lambda apdu: seen.append(apdu[0])
        cut = asyncio.run(interrupted(meter.url))
    assert (cut.interrupted, cut.complete) == (True, False)
    assert cut.devices[0].objects
    assert seen[-1] == 0x62, "a release request is the last that the meter heard"


def _given(*arguments: str) -> dict[str, Any]:
    context = scan.make_context("scan", ["tcp://127.0.0.1:1", *arguments])
    params = dict(context.params)
    for name in ("url", "values", "only", "profile_file", "force", "as_json"):
        params.pop(name)
    return params


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (
            ("--auth", "low", "--client", str(READER), "--password", "wrong-secret"),
            3,
            "refused the password of client 2",
        ),
        (("--auth", "gmac", "--key", "00" * 16, "--auth-key", "11" * 16), 3, "--key"),
        (("--profile", "mine.toml"), 3, "--write-profile"),
        (("--write-profile", "no/such/folder/p.toml"), 3, "no folder"),
        (("--write-profile", "p.toml", "--no-values"), 2, "leave --no-values out"),
    ],
)
def test_what_goes_wrong_is_one_sentence_with_its_status_and_without_the_secret(
    capsys: pytest.CaptureFixture[str], options: tuple[str, ...], status: int, said: str
) -> None:
    with MeterOnTcp() as meter:
        ended = cli.run(["scan", meter.url, *options])
    err = capsys.readouterr().err
    assert (ended, err.count("\n")) == (status, 1), err
    assert said in err
    assert "wrong-secret" not in err


def test_nobody_there_is_a_link_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["scan", "tcp://127.0.0.1:1"]) == 4
    assert capsys.readouterr().err.count("\n") == 1


def test_a_written_profile_reads_the_meter_with_nothing_but_the_secrets(tmp_path: Path) -> None:
    path = tmp_path / "bench-meter.toml"
    with MeterOnTcp() as meter:
        written = run(meter.url, *GMAC, "--write-profile", str(path))
        assert written.return_value == 0, written.exception
        profile = profiles.load(str(path))
        asked: list[bytes] = []
        meter.answer = asked.append
        done = CliRunner().invoke(
            read, [meter.url, "--profile", str(path), *GMAC, "1.0.1.8.0.255", "load-profile"], standalone_mode=False
        )
    assert done.return_value == 0, done.exception
    assert "1926960 Wh" in done.stdout
    assert "96 rows" in done.stdout
    assert not any(bytes.fromhex("000f0000280000ff02") in apdu for apdu in asked), "classes are known: no object list"
    assert (profile.name, profile.manufacturer, profile.server_sap, profile.deviation_sign) == (
        "bench-meter",
        "AML",
        1,
        1,
    )
    assert {(each.client_sap, each.mechanism, each.ciphered) for each in profile.associations} >= {
        (16, "none", False),
        (1, "hls-gmac", True),
        (2, "lls", False),
    }
    assert profile.load_profile.obis == Obis(LOAD_PROFILE)
    assert [column.name for column in profile.load_profile.columns][:3] == ["clock", "status", "active_import"]
    assert profile.item("active_import").unit_name == "Wh"
    assert set(profile.gaps) == {"firmware", "billing"}


def test_no_secret_gets_into_a_profile_and_a_file_that_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    with MeterOnTcp() as meter:
        for options in (GMAC, LOW):
            assert run(meter.url, *options, "--write-profile", str(path), "--force").return_value == 0
            text = path.read_text().lower()
            for secret in (published.ENCRYPTION_KEY, published.AUTHENTICATION_KEY, published.PASSWORD):
                assert secret.hex() not in text
            assert published.PASSWORD.decode().lower() not in text
        ended = run(meter.url, *LOW, "--write-profile", str(path))
    assert "--force" in str(ended.exception)
    assert path.read_text().lower() == text


def test_a_device_with_short_names_is_scanned_by_its_association_sn(tmp_path: Path) -> None:
    path = tmp_path / "sn.toml"
    with MeterOnTcp(device=bench_short_names.DEVICE) as meter:
        scanned = found(meter.url, "--short-names", *LOW, "--write-profile", str(path))
        profile = profiles.load(str(path))
        done = CliRunner().invoke(
            read, [meter.url, "--profile", str(path), *PASSWORD, "1.0.1.8.0.255"], standalone_mode=False
        )
    assert scanned["complete"] is True, scanned["logical_devices"][0]
    assert attribute(scanned, "1.0.1.8.0.255", 2)["unit"] == "Wh"
    assert attribute(scanned, "0.0.1.0.0.255", 2)["mode"] == 1, "rights are those of access_rights_list"
    assert [offer.short_names for offer in profile.associations] == [True]
    assert done.return_value == 0, done.exception


def test_values_that_are_not_of_their_declared_type_are_marked() -> None:
    def answer(apdu: bytes) -> bytes | None:
        if apdu[3:12] == GET_ENERGY_UNIT:
            return bytes.fromhex("c401") + apdu[2:3] + bytes.fromhex("0002020f00111e")  # the unit as unsigned, no enum
        return None

    with MeterOnTcp(answer=answer) as meter:
        scanned = found(meter.url, *LOW)
        page = run(meter.url, *LOW).stdout
    assert "unsigned, not enum" in attribute(scanned, "1.0.1.8.0.255", 3)["mismatch"]
    assert scanned["logical_devices"][0]["mismatches"] == 1
    assert "!! not of its declared type" in page

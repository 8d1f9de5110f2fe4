"""`amiloop read` against the bench meter: our own server on a TCP port."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hes.cli import main as cli
from hes.cli.object_reference import ObjectReference
from hes.cli.read import read
from hes.cli.tests.meter_on_tcp import MeterOnTcp
from hes.dlms.null_data import filled_rows
from hes.dlms.obis import Obis
from hes.dlms.selective_access import CaptureObject
from hes.dlms.tests import published
from hes.dlms.tests.bench_meter import MANAGEMENT, NOW_S, PERIOD_S, READER, ROWS
from hes.errors import HesError, LocalProtocolError, RemoteProtocolError

KEY = published.ENCRYPTION_KEY.hex()
AUTH_KEY = published.AUTHENTICATION_KEY.hex()
TITLE = published.CLIENT_TITLE.hex()
GMAC = ("--auth", "gmac", "--key", KEY, "--auth-key", AUTH_KEY, "--system-title", TITLE)
LOW = ("--auth", "low", "--client", str(READER), "--password", published.PASSWORD.decode())


@pytest.fixture
def meter() -> Iterator[MeterOnTcp]:
    with MeterOnTcp() as meter:
        yield meter


def run(meter: MeterOnTcp, *arguments: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(read, [meter.url, *arguments], env=env, standalone_mode=False)


def values(meter: MeterOnTcp, *arguments: str) -> list[dict[str, Any]]:
    done = run(meter, *arguments, "--json")
    assert done.exception is None, done.exception
    objects: list[dict[str, Any]] = json.loads(done.stdout)["objects"]
    return objects


def refusal(done: Result) -> HesError:
    assert isinstance(done.exception, HesError), done.output
    return done.exception


def through_main(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Status, stdout and stderr of the whole command, errors included."""
    status = cli.run(["read", *arguments])
    out, err = capsys.readouterr()
    return status, out, err


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """`read` is found whether or not amiloop is installed here."""
    from importlib.metadata import EntryPoint

    entry = EntryPoint("read", "hes.cli.read:read", "amiloop.commands")
    monkeypatch.setattr(cli.amiloop, "_source", lambda: {"read": entry})


def test_without_objects_the_clock_and_the_name_are_read(meter: MeterOnTcp) -> None:
    done = run(meter)
    assert done.return_value == 0
    assert done.stdout.splitlines() == [
        "8/0.0.1.0.0.255/2   clock                Sun 2024-12-15 13:00:00.00 UTC+01:00",
        "1/0.0.42.0.0.255/2  logical device name  AML0000000000001",
    ]


def test_a_register_is_shown_with_scaler_and_unit(meter: MeterOnTcp) -> None:
    found = values(meter, *LOW, "3/1.0.1.8.0.255", "4/1.0.1.6.0.255/2")
    energy = NOW_S // PERIOD_S
    assert [(item["value"], item["unit"], item["raw"]) for item in found] == [
        (energy, "Wh", energy),
        (471.1, "W", 4711),
    ]
    assert found[0]["type"] == "double-long-unsigned"


def test_without_a_class_the_object_list_says_it(meter: MeterOnTcp) -> None:
    found = values(meter, *LOW, "1.0.1.6.0.255", "1.0.1.4.0.255/3", "1-0:1.8.0*255")
    assert [item["class_id"] for item in found] == [4, 5, 3]
    assert found[1]["value"] == 2


def test_the_object_list_is_a_list_of_objects(meter: MeterOnTcp) -> None:
    lines = run(meter, *LOW, "association").stdout.splitlines()
    assert lines[1].strip().endswith("objects")
    assert "  8/0.0.1.0.0.255           Clock v0                    clock" in lines
    (listed,) = values(meter, *LOW, "association")
    assert listed["raw"][0][:3] == [8, 0, "0000010000ff"]


def test_a_profile_is_a_table_with_units_and_the_range_is_asked_of_the_meter(meter: MeterOnTcp) -> None:
    done = run(meter, *LOW, "load-profile", "--from", "2024-12-15T12:00", "--to", "2024-12-15T13:00")
    lines = done.stdout.splitlines()
    assert lines[0] == "7/1.0.99.1.0.255/2  load profile 1  5 rows"
    assert lines[1:4] == [
        "  [1] 0.0.1.0.0.255 (clock)",
        "  [2] 0.0.96.10.1.255 (status of load profile 1)",
        "  [3] 1.0.1.8.0.255 (active energy import (+A), total, Wh)",
    ]
    first, last = lines[8].split(), lines[-1].split()
    assert first[:3] == ["Sun", "2024-12-15", "12:00:00.00"]
    assert last[:3] == ["Sun", "2024-12-15", "13:00:00.00"]
    assert int(last[5]) == NOW_S // PERIOD_S * 11


def test_a_whole_profile_comes_in_blocks(meter: MeterOnTcp) -> None:
    (table,) = values(meter, *LOW, "7/1.0.99.1.0.255/2")
    assert len(table["rows"]) == ROWS
    assert [column["obis"] for column in table["columns"]][:2] == ["0.0.1.0.0.255", "0.0.96.10.1.255"]


def test_a_range_may_be_given_with_a_zone_and_with_one_end(meter: MeterOnTcp) -> None:
    (table,) = values(meter, *LOW, "load-profile", "--from", "2024-12-15T11:30:00+00:00")
    assert len(table["rows"]) == 3
    (table,) = values(meter, *LOW, "load-profile", "--to", "2024-12-14T13:30")
    assert 0 < len(table["rows"]) < ROWS


def test_gmac_reads_the_counter_through_the_public_client_first(meter: MeterOnTcp) -> None:
    meter.meter.security.advance_receive_counter(0, 5000)
    done = run(meter, *GMAC, "--counter-object", "0.0.43.1.0.255", "--trace", "1.0.1.8.0.255")
    assert done.return_value == 0
    assert "0.0.43.1.0.255" in done.stderr
    assert "invocation counter: 5001" in done.stderr
    assert "get-response normal [offsets from its own start: deciphered]" in done.stderr
    assert "Wh" in done.stdout


@pytest.mark.parametrize("style", ["service-specific", "general-glo", "general-ded"])
def test_every_form_of_ciphering_reads(meter: MeterOnTcp, style: str) -> None:
    options = ("--dedicated",) if style == "general-ded" else ()
    found = values(meter, *GMAC, "--counter", "7", "--style", style, *options, "energy-import")
    assert found[0]["unit"] == "Wh"


def test_nothing_secret_is_printed(meter: MeterOnTcp) -> None:
    done = run(meter, *GMAC, "--trace", "--json", "energy-import")
    low = run(meter, *LOW, "--trace", "energy-import")
    text = (done.output + done.stderr + low.output + low.stderr).lower()
    for secret in (KEY, AUTH_KEY, published.PASSWORD.decode(), published.PASSWORD.hex()):
        assert secret.lower() not in text


def test_secrets_come_from_a_file_or_the_environment(meter: MeterOnTcp, tmp_path: Path) -> None:
    file = tmp_path / "secrets.toml"
    file.write_text(f'key = "{KEY}"\nauth_key = "{AUTH_KEY}"\nsystem_title = "{TITLE}"\n')
    assert run(meter, "--auth", "gmac", "--secrets", str(file)).return_value == 0
    environment = {"AMILOOP_KEY": KEY, "AMILOOP_AUTH_KEY": AUTH_KEY, "AMILOOP_SYSTEM_TITLE": TITLE}
    assert run(meter, "--auth", "gmac", env=environment).return_value == 0
    password = {"AMILOOP_PASSWORD": published.PASSWORD.decode()}
    assert run(meter, "--auth", "low", "--client", str(READER), env=password).return_value == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('key = "nonsense"', "'key' in the secrets file"),
        ('keys = "00"', "has an entry 'keys'"),
        ("key = 12345", "'key' in the secrets file"),
        ("key : 00", "is not TOML"),
        ('[[device]]\nencryption_key = "nonsense"', "'encryption_key' of device 1"),
        ('[[device]]\nname = "nonsense"', "device 1 in the secrets file"),
        ('[[device]]\ncolour = "nonsense"', "has an entry 'colour' of device 1"),
        ('device = "nonsense"', "[[device]]"),
    ],
)
def test_a_wrong_secrets_file_is_named_and_its_contents_are_not(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, line: str, said: str
) -> None:
    file = tmp_path / "secrets.toml"
    file.write_text(line)
    status, _, err = through_main(capsys, "tcp://127.0.0.1:1", "--secrets", str(file))
    assert status == 3
    assert said in err
    assert "nonsense" not in err
    assert "12345" not in err


def test_an_object_that_is_refused_says_so_and_the_others_are_read(meter: MeterOnTcp) -> None:
    done = run(meter, *LOW, "clock", "1/0.0.96.13.1.255/2", "9.9.9.9.9.9", "3/1.0.99.99.0.255")
    assert done.return_value == 1
    lines = done.stdout.splitlines()
    assert "2024-12-15" in lines[0]
    assert "refused: " in lines[1]
    assert lines[2].startswith("9.9.9.9.9.9/2 ")
    assert f"client {READER} may not see it; try another --client or --auth" in lines[2]
    assert "refused: object-undefined (4)" in lines[3]


def test_what_the_public_client_does_not_see_is_said_with_what_to_do(meter: MeterOnTcp) -> None:
    done = run(meter, "9.9.9.9.9.9")
    assert done.return_value == 1
    assert "client 16 (public) may not see it; try another --client or --auth" in done.stdout
    assert "0/9.9" not in done.stdout
    (found,) = json.loads(run(meter, "9.9.9.9.9.9", "--json").stdout)["objects"]
    assert (found["class_id"], found["object"]) == (None, "9.9.9.9.9.9/2")


def test_json_has_numbers_as_numbers_and_times_in_iso_8601(meter: MeterOnTcp) -> None:
    clock, name = values(meter, "clock", "ldn")
    assert (clock["value"], name["value"]) == ("2024-12-15T13:00:00+01:00", "AML0000000000001")
    (table,) = values(meter, *LOW, "load-profile", "--from", "2024-12-15T12:00", "--to", "2024-12-15T13:00")
    assert table["rows"][0][0] == "2024-12-15T12:00:00+01:00"
    assert type(table["rows"][-1][2]) is int


def test_two_keys_without_auth_mean_gmac(meter: MeterOnTcp) -> None:
    done = run(meter, *GMAC[2:], "--trace", "energy-import")
    assert done.return_value == 0
    assert "HLS" in done.stderr


@pytest.mark.parametrize("line", [("--auth", "hls-gmac", *GMAC[2:]), ("--auth", "lls", *LOW[2:])])
def test_ways_to_authenticate_have_their_other_names_too(meter: MeterOnTcp, line: tuple[str, ...]) -> None:
    assert run(meter, *line, "energy-import").return_value == 0


def devices(*titles: str) -> str:
    entry = '[[device]]\nsystem_title = "{}"\nname = "m"\nencryption_key = "{}"\nauthentication_key = "{}"\n'
    return f'system_title = "{TITLE}"\n' + "".join(entry.format(title, KEY, AUTH_KEY) for title in titles)


def test_the_keys_of_a_meter_are_found_by_its_title_or_because_it_is_the_only_one(
    meter: MeterOnTcp, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    title, other = published.SERVER_TITLE.hex(), "4D4D4D0000000009"
    one, two = tmp_path / "one.toml", tmp_path / "two.toml"
    one.write_text(devices(title))
    two.write_text(devices(title, other))
    assert run(meter, "--secrets", str(one), "energy-import").return_value == 0
    assert run(meter, "--secrets", str(two), "--meter-title", title, "energy-import").return_value == 0
    status, _, err = through_main(capsys, meter.url, "--secrets", str(two))
    assert (status, "has 2 devices: say which with --meter-title" in err) == (3, True)
    status, _, err = through_main(capsys, meter.url, "--secrets", str(two), "--meter-title", "00" * 8)
    assert (status, "has no device with system title 0000000000000000" in err) == (3, True)
    assert KEY not in err


def test_a_host_that_refuses_is_a_link_error(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = through_main(capsys, "tcp://127.0.0.1:1")
    assert status == 4
    assert err.count("\n") == 1
    assert "127.0.0.1:1 refused the connection" in err


def test_a_meter_that_stays_silent_is_a_link_error_that_says_where_to_look(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with MeterOnTcp(silent=True) as meter:
        status, out, err = through_main(capsys, meter.url, "--timeout", "0.2", "--json")
    assert status == 4
    assert "no answer from tcp://127.0.0.1" in err
    assert "client 16 and logical device 1 may not exist" in err
    assert json.loads(out)["error"]["exit_status"] == 4


def test_a_wrong_password_is_named(meter: MeterOnTcp, capsys: pytest.CaptureFixture[str]) -> None:
    line = ("--auth", "low", "--client", str(READER), "--password", "wrong-one")
    status, _, err = through_main(capsys, meter.url, *line)
    assert status == 3
    assert err == (f"amiloop: the meter refused the password of client {READER}: check --password and --client.\n")


@pytest.mark.parametrize("wrong", ["--key", "--auth-key"])
def test_a_wrong_key_is_named(meter: MeterOnTcp, capsys: pytest.CaptureFixture[str], wrong: str) -> None:
    line = [*GMAC, wrong, "00" * 16]
    status, _, err = through_main(capsys, meter.url, *line)
    assert status == 3
    assert "key" in err
    assert err.count("\n") == 1


def test_a_counter_that_was_used_before_names_the_one_to_use(
    meter: MeterOnTcp, capsys: pytest.CaptureFixture[str]
) -> None:
    meter.meter.security.advance_receive_counter(0, 5000)
    status, _, err = through_main(capsys, meter.url, *GMAC, "--counter", "10")
    assert status == 3
    assert "--counter 5000" in err


def test_an_association_without_proof_is_told_to_prove_itself(
    meter: MeterOnTcp, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = through_main(capsys, meter.url, "--client", str(MANAGEMENT))
    assert status == 3
    assert "--auth" in err


def test_a_counter_that_cannot_be_read_says_how_to_give_it(
    meter: MeterOnTcp, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = through_main(capsys, meter.url, *GMAC, "--counter-object", "0.0.43.1.9.255")
    assert status == 3
    assert "--counter" in err


def test_a_peer_that_speaks_no_dlms_is_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    with MeterOnTcp(answer=lambda apdu: b"\xff\xff\xff") as meter:
        status, _, err = through_main(capsys, meter.url)
    assert status == 1
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "line",
    [
        ("--auth", "gmac"),
        ("--auth", "low"),
        ("--dedicated",),
        ("--key", "00"),
        ("clok",),
        ("--from", "yesterday"),
        ("--from", "2024-12-16", "--to", "2024-12-15"),
        ("--from", "2024-12-15T12:00+00:00", "--to", "2024-12-15T12:30+01:00"),
        ("--counter", "-1"),
        ("3/1.0.1.8.0.255/2/1",),
        ("--auth", "low", "--password", "hex:zz"),
    ],
)
def test_wrong_usage_is_said_before_anything_is_sent(capsys: pytest.CaptureFixture[str], line: tuple[str, ...]) -> None:
    status, _, err = through_main(capsys, "tcp://127.0.0.1:1", *line)
    assert status == 2
    assert err.count("\n") == 1


def test_a_key_that_is_mistyped_is_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = through_main(capsys, "tcp://127.0.0.1:1", "--key", "ABCDEF0123", "--json")
    assert status == 2
    assert "ABCDEF0123" not in out + err
    assert "32 hex digits" in err


@pytest.mark.parametrize(
    ("text", "class_id", "obis", "attribute"),
    [
        ("clock", 8, "0.0.1.0.0.255", 2),
        ("CLOCK/3", 8, "0.0.1.0.0.255", 3),
        ("disconnect", 70, "0.0.96.3.10.255", 3),
        ("1.0.1.8.0.255", None, "1.0.1.8.0.255", 2),
        ("3/1-0:1.8.0", 3, "1.0.1.8.0.255", 2),
        ("4/1.0.1.6.0.255/5", 4, "1.0.1.6.0.255", 5),
        ("0100010800FF/-3", None, "1.0.1.8.0.255", -3),
    ],
)
def test_objects_are_named_in_the_forms_people_use(text: str, class_id: int | None, obis: str, attribute: int) -> None:
    assert ObjectReference.parse(text) == ObjectReference(text, Obis.parse(obis), class_id, attribute)


@pytest.mark.parametrize("text", ["", "/", "3/", "3/1.0.1.8.0.255/0", "3/1.0.1.8.0.255/x", "70000/1.0.1.8.0.255"])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(LocalProtocolError):
        ObjectReference.parse(text)


def test_null_data_in_a_profile_is_the_value_before_and_for_the_time_one_period_later() -> None:
    columns = (CaptureObject(8, bytes(6), 2), CaptureObject(3, bytes(6), 2))
    start = bytes.fromhex("07E80C0F07172D0000FFC400")
    rows = filled_rows([(start, 5), (None, None), (None, 7)], columns, 900)
    assert [row[1] for row in rows] == [5, 5, 7]
    assert rows[1][0] == bytes.fromhex("07E80C1001000000 00FFC400")
    assert rows[2][0] == bytes.fromhex("07E80C1001000F00 00FFC400")
    with pytest.raises(RemoteProtocolError):
        filled_rows([(start,)], columns, 900)

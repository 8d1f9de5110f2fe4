"""What `amiloop meter` prints under `try:` reads the meter when it is pasted, whatever the link and the framing."""

from __future__ import annotations

import json
import os
import select
import shlex
import subprocess
import sys
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click
import pytest
from click.testing import CliRunner, Result

from hes.cli.read import read
from hes.cli.scan import scan
from hes.devices import profiles
from hes.dlms.obis import Obis
from hes.errors import ConfigError
from sim.cli.meter import _try_lines, meter

COMMAND = [sys.executable, "-c", "from hes.cli.main import main; main()"]
DEADLINE_S = 20
PTY = ("--pty", "--baud", "921600")
on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="pseudo-terminals are Linux's")


@contextmanager
def served(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*COMMAND, "meter", *arguments], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONHASHSEED": "1"}
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(DEADLINE_S)
        assert process.stdout is not None
        process.stdout.close()


def printed(process: subprocess.Popen[str]) -> list[str]:
    """The lines up to the last one that it prints."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.strip())
        if line.strip() == "stop with Ctrl-C":
            return lines
    raise AssertionError(lines)


def run(arguments: list[str]) -> Result:
    return CliRunner().invoke(read, arguments, standalone_mode=False)


@pytest.mark.parametrize(
    "place",
    [
        ("--tcp", "127.0.0.1:0"),
        ("--tcp", "127.0.0.1:0", "--count", "2"),
        ("--tcp", "127.0.0.1:0", "--hdlc", "--count", "2"),
        pytest.param((*PTY, "--hdlc"), marks=on_linux),
        pytest.param(PTY, marks=on_linux),
    ],
    ids=" ".join,
)
def test_every_line_that_is_printed_can_be_pasted(place: tuple[str, ...]) -> None:
    with served(*place) as process:
        lines = [shlex.split(line) for line in printed(process) if line.startswith("amiloop read ")]
        done = [run(line[2:]) for line in lines]
    assert len(lines) == 4 + ("--count" in place)
    for each in done:
        assert each.exception is None, each.exception
        assert each.return_value == 0, each.output


def test_the_lines_of_the_reference_meter_can_be_pasted_again_and_again() -> None:
    with served("--tcp", "127.0.0.1:0", "--model", "reference") as process:
        shown = printed(process)
        lines = [shlex.split(line) for line in shown if line.startswith("amiloop read ")]
        done = [run(line[2:]) for _ in range(2) for line in lines]
    assert len(lines) == 6
    assert [each.return_value for each in done] == [0] * 12, [each.output for each in done]
    assert not any("note:" in each.output for each in done)
    for counter in ("0.0.43.1.0.255", "0.0.43.1.1.255", "0.0.43.1.2.255", "0.0.43.1.3.255"):
        assert sum(line.endswith(f"invocation counter {counter}:") for line in shown) == 1
    assert "2  reader         authentication low (password)" in shown


@pytest.mark.parametrize("model", ["simulated", "reference"])
def test_what_is_kept_is_printed_and_a_file_that_cannot_be_used_is_named(model: str, tmp_path: Path) -> None:
    place, state = ("--tcp", "127.0.0.1:0", "--model", model), tmp_path / "state"
    with served(*place, "--state", str(state)) as process:
        assert f"kept from one start to the next: invocation counters, in {state}" in printed(process)
    with served(*place) as process:
        assert "kept until it ends: clock, relay, objects, keys and invocation counters;" in printed(process)
    state.write_text("not ours")
    done = CliRunner().invoke(meter, [*place, "--state", str(state)], standalone_mode=False)
    assert isinstance(done.exception, ConfigError)


def test_the_lines_of_clients_with_key_files_can_be_pasted_too(tmp_path: Path) -> None:
    folder = tmp_path / "with a space"
    place = ("--tcp", "127.0.0.1:0", "--model", "reference", "--write-secrets", str(folder))
    with served(*place) as process:
        lines = [shlex.split(line) for line in printed(process) if line.startswith("amiloop read ")]
        signing = [line for line in lines if "ecdsa" in line]
        done = [run(line[2:]) for _ in range(2) for line in signing]
    assert [line[line.index("--client") + 1] for line in signing] == ["55", "71"]
    assert [each.return_value for each in done] == [0] * 4, [each.output for each in done]
    assert not any("note:" in each.output for each in done)


def test_without_key_files_it_says_how_to_get_them() -> None:
    with served("--tcp", "127.0.0.1:0", "--model", "reference") as process:
        shown = printed(process)
    assert "clients 55 and 71 need key files: --write-secrets FOLDER writes them" in shown


def test_every_ciphered_client_of_the_reference_meter_is_read_again_and_again(tmp_path: Path) -> None:
    with served("--tcp", "127.0.0.1:0", "--model", "reference", "--json") as process:
        assert process.stdout is not None
        offer = json.loads(process.stdout.readline())
        first = {each["setup"]: each for each in reversed(offer["associations"]) if each["mechanism"] == 5}
        for setup, client in sorted(first.items()):
            how = _keys_of(offer, client)
            assert client["invocation_counter"] == f"0.0.43.1.{setup}.255"
            for number in range(3):
                done = run([offer["url"], "clock", *how])
                assert done.return_value == 0, done.exception
                moved = f"with --counter-object {client['invocation_counter']}" in done.stderr
                assert moved == any((setup, number)), done.stderr  # the first of all: every counter is 0
        profile = str(tmp_path / "reference.toml")
        how = _keys_of(offer, first[1])
        for number in range(2):
            done = CliRunner().invoke(
                scan, [offer["url"], *how, "--only", "--write-profile", profile, "--force"], standalone_mode=False
            )
            assert done.return_value in (0, 1), (number, done.exception)
        assert profiles.load(profile).invocation_counter == Obis.parse("0.0.43.1.1.255")
        assert profiles.load(profile).counter_object(first[2]["client_sap"]) == Obis.parse("0.0.43.1.2.255")
        done = run([offer["url"], "clock", "--profile", profile, *how[2:]])
        other = run([offer["url"], "clock", "--profile", profile, *_keys_of(offer, first[2])])
    assert (other.return_value, other.stderr) == (0, ""), other.exception
    assert (done.return_value, done.stderr) == (0, ""), done.exception


def _keys_of(offer: dict[str, Any], client: dict[str, Any]) -> list[str]:
    keys = offer["setups"][str(client["setup"])]
    secrets = ["--key", keys["encryption_key"], "--auth-key", keys["authentication_key"]]
    return ["--client", str(client["client_sap"]), *secrets, "--suite", str(keys["suite"])]


@on_linux
@pytest.mark.parametrize("model", ["simulated", "reference"])
def test_a_meter_signs_on_at_its_own_address_and_at_none(model: str, tmp_path: Path) -> None:
    place = tmp_path / "port"
    with served("--model", model, "--pty", str(place), "--mode-e", "--json") as process:
        assert process.stdout is not None
        number = json.loads(process.stdout.readline())["number"]
        port = os.open(place, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(port)
        with os.fdopen(port, "r+b", buffering=0) as line:
            heard = []
            for address in ("12345", number, ""):
                line.write(f"/?{address}!\r\n".encode("ascii"))
                if address != "12345":
                    heard.append(_line_of(line))
            assert heard == [b"/AML5\\2METER\r\n"] * 2
            assert select.select([line], [], [], 0) == ([], [], [])


def _line_of(stream: IO[bytes]) -> bytes:
    """Up to the end of a line; fewer octets when nothing more comes."""
    octets = b""
    while not octets.endswith(b"\n") and select.select([stream], [], [], DEADLINE_S)[0]:
        octets += stream.read(1)
    return octets


@pytest.mark.parametrize("option", ["--name=north-0001", "--seed=3", "--world=neighbourhood"])
def test_the_reference_meter_lives_in_no_world(option: str) -> None:
    done = CliRunner().invoke(meter, ["--tcp", "127.0.0.1:0", "--model", "reference", option], standalone_mode=False)
    assert isinstance(done.exception, click.UsageError)
    assert option.partition("=")[0] in done.exception.message


@pytest.mark.parametrize("option", ["--tcp", "--udp"])
def test_a_port_alone_is_wrong_usage_that_names_what_was_typed(option: str) -> None:
    done = CliRunner().invoke(meter, [option, "4059"], standalone_mode=False)
    assert isinstance(done.exception, click.UsageError)
    assert done.exception.message == f"{option} 4059 is no HOST:PORT such as 127.0.0.1:4059."


def test_a_profile_and_the_keys_are_enough_for_the_safest_association() -> None:
    with served("--tcp", "127.0.0.1:0", "--hdlc", "--json") as process:
        assert process.stdout is not None
        offer = json.loads(process.stdout.readline())
        keys = offer["test_keys"]
        secrets = ["--key", keys["encryption_key"], "--auth-key", keys["authentication_key"]]
        done = run([offer["url"], "--hdlc", "--profile", offer["profile"], *secrets, "energy-import", "--json"])
    assert done.exception is None, done.exception
    found = json.loads(done.stdout)
    assert (found["client"], found["objects"][0]["unit"]) == (1, "Wh")


def test_on_a_cable_the_reader_names_its_own_end() -> None:
    keys: dict[str, Any] = {"password": "p", "encryption_key": "k", "authentication_key": "a"}
    public = {"name": "public", "client_sap": 16, "authentication": "none"}
    url = "serial:///dev/ttyUSB0?baud=19200"
    meter = {"url": url, "test_keys": keys, "associations": [public], "hdlc_address": {"upper": 1, "lower": 17}}
    (line,) = _try_lines({"url": url, "meters": [meter]})
    assert line == "amiloop read 'serial:///dev/ttyOTHER?baud=19200' --hdlc --server 1/17 clock --client 16"

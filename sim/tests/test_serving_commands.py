"""`amiloop meter` and `amiloop dcu` as people and scripts use them: in a process of their own, stopped by a signal."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hes.cli import main as cli
from hes.protocols.framing import StreamSplitter
from hes.protocols.qgdw376 import LinkService, Qgdw376Frame, confirm, link_service

COMMAND = [sys.executable, "-c", "from hes.cli.main import main; main()"]
PATIENCE_S = 40


class Serving:
    """A command that serves. `offer`: the JSON object that it printed first."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )

    @property
    def offer(self) -> dict[str, Any]:
        return json.loads(self.out())  # type: ignore[no-any-return]

    def out(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def err(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.readline()

    def stop(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Exit status, and what it still said on standard error."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, said


@contextmanager
def serving(*arguments: str) -> Iterator[Serving]:
    command = Serving(*arguments)
    try:
        yield command
    finally:
        command.process.kill()
        command.process.communicate()


@contextmanager
def door() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(PATIENCE_S)
        yield listening


def url_of(listening: socket.socket) -> str:
    return f"tcp://127.0.0.1:{listening.getsockname()[1]}"


# -- a concentrator


def test_a_concentrator_logs_in_with_the_terminal_id_that_it_printed_and_stops_quietly() -> None:
    with door() as listening, serving("dcu", "--head-end", url_of(listening), "--name", "market", "--json") as dcu:
        offer = dcu.offer
        connection, _ = listening.accept()
        with connection:
            connection.settimeout(PATIENCE_S)
            (login,) = StreamSplitter().feed(connection.recv(4096))
            assert isinstance(login, Qgdw376Frame)
            assert link_service(login) is LinkService.LOGIN
            assert str(login.terminal) == offer["terminal_id"] == "07310002"
            connection.sendall(confirm(login).encode())
            assert "connected to" in dcu.err()
            assert "07310002: online: the head-end confirmed the login" in dcu.err()
            assert dcu.stop() == (0, "")
    assert (offer["dcu"], len(offer["meters"]), offer["heartbeat_s"]) == ("market", 104, 120)
    meter = offer["meters"][0]
    assert meter["gateway"] == {"network_id": 0, "address": meter["number"].encode().hex().upper()}
    assert {entry["client_sap"] for entry in meter["associations"]} >= {1, 16}
    assert len(meter["test_keys"]["encryption_key"]) == 32


def test_a_head_end_that_is_not_there_is_told_and_tried_again() -> None:
    with door() as listening:
        url = url_of(listening)
    with serving("dcu", "--head-end", url) as dcu:
        assert "terminal ID 07310001" in dcu.out()
        said = dcu.err()
        assert "refused the connection" in said
        assert "tries again" in said
        assert dcu.stop(signal.SIGTERM) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        ((), 2, "--head-end"),
        (("--head-end", "tcp-listen://127.0.0.1:4059"), 3, "write tcp://127.0.0.1:4059 instead"),
        (("--head-end", "tcp://127.0.0.1"), 3, "needs a host and a port"),
        (("--head-end", "127.0.0.1:0"), 3, "no port to dial"),
        (("--head-end", "127.0.0.1:4059", "--name", "south"), 3, "has no concentrator 'south'"),
        (("--head-end", "127.0.0.1:4059", "--world", "nowhere"), 3, "nowhere"),
        (("--head-end", "udp://127.0.0.1:4059"), 3, "write tcp://HOST:PORT instead of udp://"),
    ],
)
def test_wrong_options_of_a_concentrator_are_one_sentence(
    arguments: tuple[str, ...], status: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["dcu", *arguments]) == status
    out, err = capsys.readouterr()
    assert says in err
    assert len(err.strip().splitlines()) == 1
    assert out == ""


# -- meters


def test_meters_on_a_pseudo_terminal_say_where_it_is_and_take_its_link_away_again(tmp_path: Path) -> None:
    path = tmp_path / "line"
    with serving("meter", "--pty", str(path), "--hdlc", "--count", "3", "--baud", "19200", "--json") as meter:
        offer = meter.offer
        assert path.is_symlink()
        assert meter.stop(signal.SIGTERM) == (0, "")
    assert not path.is_symlink()
    assert (offer["framing"], offer["device"]) == ("hdlc", str(path))
    assert "baud=19200" in offer["url"]
    assert [each["hdlc_address"] for each in offer["meters"]] == [{"upper": 1, "lower": 17 + n} for n in range(3)]
    assert len({each["test_keys"]["password"] for each in offer["meters"]}) == 3
    assert offer["number"] == offer["meters"][0]["number"], "the first one's keys stand at the top"


def test_people_read_how_to_reach_and_open_a_meter() -> None:
    with serving("meter", "--pty", "--hdlc") as meter:
        lines = []
        while not lines or "stop with" not in lines[-1]:
            lines.append(meter.out())
        text = "".join(lines)
        assert meter.stop() == (0, "")
    for what in ("/dev/pts/", "1/17", "TEST KEYS", "authentication gmac", "encryption key", "0.0.43.1.0.255"):
        assert what in text


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        ((), 2, "exactly one of --tcp HOST:PORT, --udp HOST:PORT, --pty [PATH] and --serial DEV"),
        (("--tcp", "127.0.0.1:0", "--pty"), 2, "exactly one of"),
        (("--pty", "--count", "2"), 2, "--count above 1 needs --hdlc"),
        (("--tcp", "127.0.0.1:0", "--count", "401"), 2, "--count goes up to 400"),
        (("--tcp", "127.0.0.1:65535", "--count", "2"), 3, "65535 is the last"),
        (("--tcp", "127.0.0.1:0", "--hdlc", "--count", "101"), 2, "--count goes up to 100"),
        (("--tcp", "127.0.0.1:0", "--baud", "9600"), 2, "TCP has no baud rate"),
        (("--tcp", "127.0.0.1:0", "--mode-e"), 2, "TCP has no speed to change"),
        (("--udp", "127.0.0.1:0", "--hdlc"), 2, "on UDP there is the DLMS wrapper alone"),
        (("--pty", "--mode-e", "--baud", "1000"), 2, "--baud 1000 is no speed that mode E can offer: 300, 600"),
        (("--tcp", "127.0.0.1"), 2, "--tcp 127.0.0.1 is no HOST:PORT"),
        (("--pty", "--baud", "12"), 3, "baud"),
        (("--pty", "line", "--hdlc"), 3, "needs a path"),
        (("--serial", "/dev/no-such-port", "--hdlc"), 4, "does not exist"),
        (("--tcp", "127.0.0.1:0", "--name", "south-0001"), 3, "has no meter 'south-0001'"),
    ],
)
def test_wrong_options_of_a_meter_are_one_sentence(
    arguments: tuple[str, ...], status: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["meter", *arguments]) == status
    out, err = capsys.readouterr()
    assert says in err
    assert len(err.strip().splitlines()) == 1
    assert out == ""

"""`amiloop read` where something is in the way: other protocols, other counters, an interrupt, half an option."""

import asyncio
import json
import os
import signal
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from hes.cli import main as cli
from hes.cli.connect_options import connecting
from hes.cli.exit_status import ExitStatus
from hes.cli.object_reference import ObjectReference
from hes.cli.read import read
from hes.cli.read_meter import ReadOutcome, read_meter
from hes.cli.read_output import outcome_lines
from hes.cli.read_plan import ReadPlan
from hes.cli.tests.meter_on_tcp import SILENCE, MeterOnTcp
from hes.dlms.obis import Obis
from hes.dlms.security import INVOCATION_COUNTER_MAX
from hes.dlms.tests import bench_meter, published
from hes.dlms.tests.bench_meter import PROTECTED_HLS, READER
from hes.entropy import SystemEntropy
from hes.errors import ConfigError
from hes.links.registry import Links

OF_READ = ("url", "objects", "first", "last", "as_json")
HTTP = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
PASSWORD = ("--password", published.PASSWORD.decode())
CLOCK_TIME = Obis.parse("0.0.1.0.0.255") + b"\x02"
COUNTER_ERROR, DECIPHERING_ERROR = b"\xd8\x01\x06", b"\xd8\x01\x05"


@contextmanager
def peer(answer: bytes) -> Iterator[str]:
    """Whatever is asked, it says the same, and hangs up where it says nothing."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while self.request.recv(1024) and answer:
                self.request.sendall(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"tcp://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def run(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(read, [url, *arguments], standalone_mode=False)


def message(done: Result) -> str:
    assert done.exception is not None, done.output
    return str(done.exception)


@pytest.mark.parametrize("command", ["read", "scan"])
@pytest.mark.parametrize("octets", [HTTP, bytes(range(40, 80)), b"\x7e\xa0\x07\x03\x21\x93\x0f\x01\x7e"])
def test_a_peer_that_speaks_something_else_is_a_link_error_that_names_it(
    capsys: pytest.CaptureFixture[str], command: str, octets: bytes
) -> None:
    with peer(octets) as url:
        status = cli.run([command, url])
    err = capsys.readouterr().err
    assert status == 4
    assert err == (
        f"amiloop: {url} does not speak the DLMS wrapper: check the port, or say --hdlc if it speaks HDLC.\n"
    )


def test_a_peer_that_speaks_something_else_is_one_for_the_counter_too() -> None:
    keys = ("--key", published.ENCRYPTION_KEY.hex(), "--auth-key", published.AUTHENTICATION_KEY.hex())
    with peer(HTTP) as url:
        assert "does not speak the DLMS wrapper" in message(run(url, *keys))


@pytest.mark.parametrize(("framing", "hint"), [("--hdlc", "--wrapper"), ("--wrapper", "--hdlc")])
def test_a_peer_that_hangs_up_at_once_may_want_the_other_framing(framing: str, hint: str) -> None:
    with peer(b"") as url:
        said = message(run(url, framing))
    assert said.startswith(f"{url} closed the connection at our first frame: ")
    assert hint in said


def test_a_serial_meter_that_stays_silent_may_want_a_sign_on(tmp_path: Any) -> None:
    async def story() -> str:
        door = await Links().listen(f"pty-listen://{tmp_path}/line", asyncio.Protocol)
        try:
            done = await asyncio.to_thread(run, f"pty://{tmp_path}/line?baud=921600", "--timeout", "0.2")
        finally:
            door.close()
        return message(done)

    said = asyncio.run(story())
    assert "?sign_on=mode-e" in said
    assert "(--wrapper)" in said


def test_a_password_that_is_typed_is_used_without_saying_how() -> None:
    with MeterOnTcp() as meter:
        done = run(meter.url, "clock", "--client", str(READER), *PASSWORD, "--json")
    assert done.return_value == 0, done.exception
    assert json.loads(done.stdout)["client"] == READER


def test_a_password_beside_keys_has_to_say_what_it_is_for() -> None:
    done = run("tcp://127.0.0.1:1", *PASSWORD, "--key", "00" * 16, "--auth-key", "00" * 16)
    assert "--password needs --auth" in message(done)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("127.0.0.1:4059", "tcp://127.0.0.1:4059"),
        ("meter.example", "tcp://meter.example:4059"),
        ("/dev/ttyUSB0", "serial:///dev/ttyUSB0"),
    ],
)
def test_a_place_without_a_scheme_is_wrong_usage_and_has_the_url_named(typed: str, meant: str) -> None:
    done = run(typed)
    assert isinstance(done.exception, click.UsageError)
    assert f"say {meant}, or" in message(done)


def test_refused_keys_that_fit_another_suite_have_it_named() -> None:
    with MeterOnTcp() as meter:
        said = message(run(meter.url, *strict("--auth-key", "00" * 16)))
        other = message(run(meter.url, *strict("--suite", "1")))
    assert said.endswith("and whether this is suite 1 (--suite 1).")
    assert other.endswith("and whether this is suite 0 (--suite 0).")


def test_the_mechanism_of_manufacturers_is_refused_with_the_reason() -> None:
    done = run("tcp://127.0.0.1:1", "--auth", "hls")
    assert isinstance(done.exception, click.UsageError)
    assert "(mechanism 2) is each manufacturer's own way" in message(done)


class ShyMeter(MeterOnTcp):
    """Says of a counter that is too low only that it cannot decipher, and has no counter under `without`."""

    def __init__(self, without: str = "") -> None:
        super().__init__()
        self._without = bytes(Obis.parse(without)) if without else b""

    def respond(self, source: int, destination: int, apdu: bytes) -> bytes | None:
        if self._without and apdu[:1] == b"\xc0" and apdu[5:11] == self._without:
            return b"\xc4\x01" + apdu[2:3] + b"\x01\x04"  # object undefined
        answer = super().respond(source, destination, apdu)
        return DECIPHERING_ERROR if answer is not None and answer[:3] == COUNTER_ERROR else answer


def strict(*more: str) -> list[str]:
    keys = bench_meter.BenchMeter().security.keys(1)
    assert keys is not None
    title = published.CLIENT_TITLE.hex()
    return [
        "ldn", "--client", str(PROTECTED_HLS), "--key", keys.encryption.hex(), "--auth-key",
        keys.authentication.hex(), "--system-title", title, *more,
    ]  # fmt: skip


def test_a_refusal_that_does_not_name_the_counter_has_the_others_looked_at() -> None:
    with ShyMeter() as meter:
        meter.meter.security.advance_receive_counter(1, 700)
        done = run(meter.url, *strict())
        given = run(meter.url, *strict("--counter-object", "0.0.43.1.0.255"))
    assert done.return_value == 0, done.exception
    assert "with --counter-object 0.0.43.1.1.255" in done.stderr
    assert "cannot open what client 5 sent" in message(given), "a counter object that was asked for is the only one"


def test_a_meter_without_the_usual_counter_object_is_asked_for_another() -> None:
    with ShyMeter(without="0.0.43.1.0.255") as meter:
        meter.meter.security.advance_receive_counter(1, 700)
        done = run(meter.url, *strict())
        given = run(meter.url, *strict("--counter-object", "0.0.43.1.0.255"))
    assert done.return_value == 0, done.exception
    assert "0.0.43.1.0.255 could not be read by client 16" in message(given)


def test_the_counter_of_another_setup_is_not_burned_into_this_one() -> None:
    with MeterOnTcp() as meter:
        meter.meter.security.advance_receive_counter(0, 1 << 20)
        meter.meter.security.advance_receive_counter(1, 46)
        done = run(meter.url, *strict())
        assert done.return_value == 0, done.exception
        assert meter.meter.security.receive_counter(1) < 60
    assert "client 5 counts in 0.0.43.1.1.255: with --counter-object 0.0.43.1.1.255" in done.stderr
    assert f"0.0.43.1.0.255 = {1 << 20}, 0.0.43.1.1.255 = 46" in done.stderr


@pytest.mark.parametrize("right", [47, 700])
def test_the_next_higher_counter_is_tried_where_the_meter_names_none(right: int) -> None:
    with ShyMeter() as meter:
        meter.meter.security.advance_receive_counter(0, 46)
        meter.meter.security.advance_receive_counter(1, right)
        assert run(meter.url, *strict()).return_value == 0
        assert right < meter.meter.security.receive_counter(1) < right + 20


def test_a_counter_of_another_setup_that_has_run_out_is_in_nobodys_way() -> None:
    with MeterOnTcp() as meter:
        meter.meter.security.advance_receive_counter(0, INVOCATION_COUNTER_MAX)
        meter.meter.security.advance_receive_counter(1, 46)
        done = run(meter.url, *strict())
        said = message(run(meter.url, *strict("--counter-object", "0.0.43.1.0.255")))
    assert done.return_value == 0, done.exception
    assert said == (
        f"the invocation counter 0.0.43.1.0.255 stands at {INVOCATION_COUNTER_MAX} and has run out: "
        "the keys of client 5 must be changed."
    )


def test_a_counter_of_the_client_that_has_run_out_is_named_by_its_object() -> None:
    with MeterOnTcp() as meter:
        meter.meter.security.advance_receive_counter(1, INVOCATION_COUNTER_MAX)
        said = message(run(meter.url, *strict()))
    assert f"wants invocation counter {INVOCATION_COUNTER_MAX} from client 5 (it is that of 0.0.43.1.1.255)" in said
    assert "the keys are used up" in said


def test_a_dedicated_key_is_never_sent_under_a_counter_that_is_only_tried() -> None:
    with MeterOnTcp() as meter:
        meter.meter.security.advance_receive_counter(0, 46)
        meter.meter.security.advance_receive_counter(1, 700)
        said = message(run(meter.url, *strict("--dedicated")))
        assert meter.meter.security.receive_counter(1) == 700
        done = run(meter.url, *strict("--dedicated", "--counter-object", "0.0.43.1.1.255"))
    assert "say --counter-object with --dedicated" in said
    assert done.return_value == 0, done.exception


@pytest.mark.parametrize("value", [1 << 30, INVOCATION_COUNTER_MAX])
def test_a_counter_that_may_be_anothers_and_is_far_ahead_is_left_to_a_person(value: int) -> None:
    with MeterOnTcp() as meter:
        for setup in (0, 1):
            meter.meter.security.advance_receive_counter(setup, value)
        done = run(meter.url, *strict())
        assert meter.meter.security.receive_counter(1) == value
    assert isinstance(done.exception, ConfigError)
    assert f"stands at {value}" in message(done)
    assert "say --counter-object" in message(done)


def test_a_counter_that_is_far_ahead_is_left_to_a_person() -> None:
    with MeterOnTcp() as meter:
        meter.meter.security.advance_receive_counter(1, 1 << 30)
        said = message(run(meter.url, *strict()))
    assert f"the meter wants invocation counter {1 << 30} from client 5" in said
    assert f"say --counter {1 << 30} or --counter-object 0.0.43.1.1.255 if you trust it" in said


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        (("--protection", "auth"), "check whether the meter wants more than --protection auth, --key and --auth-key"),
        (("--counter", "90"), "check --key and --auth-key, --counter, --system-title"),
    ],
)
def test_a_refusal_of_keys_names_what_else_may_be_meant(options: tuple[str, ...], cause: str) -> None:
    with MeterOnTcp() as meter:
        said = message(run(meter.url, *strict("--auth-key", "00" * 16, *options)))
    assert cause in said


def test_an_interrupted_read_releases_the_association_and_gives_what_it_has() -> None:
    shown: list[str] = []

    async def interrupted(plan: ReadPlan) -> ReadOutcome:
        task = asyncio.current_task()
        assert task is not None

        def watch(done: int, _total: int, what: str) -> None:
            shown.append(what)
            if done == 1:
                task.cancel()

        return await read_meter(plan, Links(), SystemEntropy(), watch=watch)

    with MeterOnTcp() as meter:
        heard: list[int] = []
        meter.answer = lambda apdu: heard.append(apdu[0])
        outcome = asyncio.run(interrupted(plan_of(meter.url, "clock", "ldn")))
    assert (outcome.interrupted, outcome.complete, len(outcome.results)) == (True, False, 1)
    assert shown == [f"connecting to {meter.url}", "associating as client 16", "clock", "ldn"]
    assert heard[-1] == 0x62, "a release request is the last that the meter heard"


def plan_of(url: str, *objects: str, options: tuple[str, ...] = ()) -> ReadPlan:
    with read.make_context("read", [url, *options]) as context:
        given = {name: value for name, value in context.params.items() if name not in OF_READ}
        connect = connecting(url, given)
    return ReadPlan(connect=connect.plan, objects=tuple(map(ObjectReference.parse, objects)))


def test_what_is_too_wide_for_the_terminal_stands_below_one_another() -> None:
    options = ("--auth", "low", "--client", str(READER), *PASSWORD)
    with MeterOnTcp() as meter:
        plan = plan_of(meter.url, "clock", "load-profile", options=options)
        outcome = asyncio.run(read_meter(plan, Links(), SystemEntropy()))
    narrow, wide = outcome_lines(outcome, 60), outcome_lines(outcome)
    assert len(wide[0]) > 60
    assert narrow[:2] == ["8/0.0.1.0.0.255/2  clock", f"  {wide[0].split('clock', 1)[1].strip()}"]
    place = narrow.index("  row 1")
    assert [line.split(maxsplit=1)[0] for line in narrow[place + 1 : place + 4]] == ["[1]", "[2]", "[3]"]
    assert max(map(len, narrow[place:])) <= 60


@pytest.mark.parametrize(("command", "said"), [("read", "0 of 2 objects were read"), ("scan", "0 values of ")])
def test_sigterm_releases_the_association_and_says_how_far_it_came(
    capsys: pytest.CaptureFixture[str], tmp_path: Any, command: str, said: str
) -> None:
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals come to the main thread")
    heard: list[bytes] = []

    def answer(apdu: bytes) -> bytes | None:
        heard.append(apdu)
        if apdu[:1] != b"\xc0" or (command == "scan" and apdu[5:12] != CLOCK_TIME):
            return None
        os.kill(os.getpid(), signal.SIGTERM)
        return SILENCE

    profile = tmp_path / "meter.toml"
    with MeterOnTcp(answer=answer) as meter:
        options = ("--write-profile", str(profile)) if command == "scan" else ()
        assert cli.run([command, meter.url, *options]) == ExitStatus.TERMINATED
    assert heard[-1][:1] == b"\x62", "a release request"
    err = capsys.readouterr().err
    assert err.startswith(f"amiloop: terminated: {said}")
    assert command == "read" or f"; no device profile was written to {profile}" in err


def test_an_interrupted_read_says_how_far_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    async def cut(*_: object) -> ReadOutcome:
        return ReadOutcome(interrupted=True)

    monkeypatch.setattr("hes.cli.read.read_meter", cut)
    done = run("tcp://127.0.0.1:1", "--json")
    assert done.return_value == ExitStatus.INTERRUPTED
    assert "interrupted: 0 of 2 objects were read" in done.stderr
    assert json.loads(done.stdout)["interrupted"] is True

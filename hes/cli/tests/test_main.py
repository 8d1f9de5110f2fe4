"""The command as an operator meets it: in a process of its own, with the entry points of pyproject.toml."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest

from hes.cli import main as cli
from hes.cli import start
from hes.cli.command_loader import GROUP, load, summary
from hes.cli.exit_status import ExitStatus, exit_status
from hes.cli.failures import jsonable, report
from hes.dlms.apdu import ExceptionResponse
from hes.dlms.codes import ServiceError, StateError
from hes.errors import (
    AccessDenied,
    ConfigError,
    HesError,
    LinkError,
    LocalProtocolError,
    RemoteProtocolError,
    StoreError,
)

REPOSITORY = Path(__file__).resolve().parents[3]

# A plug-in's module with one command per way to end. `time` is imported so that a test can see when it is loaded.
PLUGIN = '''"""Ends in every way there is."""
import os, signal, sys, time
import click
from hes.errors import *

@click.command()
@click.argument("how")
@click.option("--json", "as_json", is_flag=True)
def end(how: str, as_json: bool) -> int:
    if how == "well":
        return 0
    if how == "verdict":
        return 1
    if how == "config":
        raise ConfigError("line 3 of world.toml names no seed; add one.", line=3, secret=b"\\x01\\x02")
    if how == "faults":
        raise ConfigError("world.toml:3: seed: is missing\\nworld.toml:9:   dcu: add one")
    if how == "link":
        raise ExceptionGroup("tasks", [ValueError("late"), ExceptionGroup("in", [LinkError("10.0.0.1 refused.")])])
    if how == "bug":
        raise ZeroDivisionError("division by zero")
    if how == "interrupt":
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(30)
    if how == "interrupt in a class":
        raise RuntimeError("Error calling __set_name__") from KeyboardInterrupt()
    if how == "lines":
        for number in range(200_000):
            click.echo(number)
    if how == "file":
        open("/no/such/file")
    return 0
'''

Amiloop = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Where `amiloop` is installed with the entry points of pyproject.toml and one plug-in, whatever the venv holds."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    commands = project["entry-points"][GROUP] | {
        "end": "plugged_in:end",
        "broken": "plugged_in_too:nothing",
        "lacking": "lacks_a_package:command",
    }
    metadata = tmp_path / "amiloop-9.9.9.dist-info"
    metadata.mkdir()
    metadata.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: amiloop\nVersion: 9.9.9\n")
    lines = [f"[{GROUP}]", *(f"{name} = {value}" for name, value in commands.items())]
    metadata.joinpath("entry_points.txt").write_text("\n".join(lines) + "\n")
    tmp_path.joinpath("plugged_in.py").write_text(PLUGIN)
    tmp_path.joinpath("plugged_in_too.py").write_text("import plugged_in\nnothing = 3\n")
    tmp_path.joinpath("lacks_a_package.py").write_text("import a_package_nobody_has\n")
    return os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{REPOSITORY}", "COLUMNS": "200"}


@pytest.fixture
def amiloop(environment: dict[str, str]) -> Amiloop:
    def call(*arguments: str) -> "subprocess.CompletedProcess[str]":
        line = [sys.executable, "-m", "hes.cli.main", *arguments]
        return subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60, check=False)

    return call


def test_help_lists_every_command_with_its_summary_and_imports_none(environment: dict[str, str]) -> None:
    program = (
        "import sys; from hes.cli.main import run; status = run(['--help']); print();"
        "print(status, *sorted(sys.modules), sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    shown, _, rest = done.stdout.partition("\n\n0\n")
    imported = set(rest.split())
    assert "Ends in every way there is." in shown
    assert "decode" in shown
    assert "read" in shown
    heavy = {"simpy", "sqlalchemy", "cryptography", "flask", "rich", "pydantic", "asyncio", "hes.dlms", "sim"}
    assert not heavy & imported
    assert "plugged_in" not in imported


def test_version_is_the_installed_one(amiloop: Amiloop) -> None:
    done = amiloop("--version")
    assert (done.returncode, done.stdout) == (0, "amiloop 9.9.9\n")


def test_no_command_is_wrong_usage_and_shows_the_help(amiloop: Amiloop) -> None:
    done = amiloop()
    assert done.returncode == ExitStatus.USAGE
    assert "Commands:" in done.stderr + done.stdout


@pytest.mark.parametrize(("arguments"), [["no-such"], ["end"], ["end", "--bogus"], ["--bogus"]])
def test_wrong_usage_is_one_line_and_names_the_help(amiloop: Amiloop, arguments: list[str]) -> None:
    done = amiloop(*arguments)
    assert done.returncode == ExitStatus.USAGE
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "--help'" in done.stderr


def test_a_command_ends_with_the_status_it_returns(amiloop: Amiloop) -> None:
    assert amiloop("end", "well").returncode == ExitStatus.OK
    assert amiloop("end", "verdict").returncode == ExitStatus.VERDICT_FAILED


def test_a_failure_is_one_sentence_on_stderr_and_no_traceback(amiloop: Amiloop) -> None:
    done = amiloop("end", "config")
    assert done.returncode == ExitStatus.CONFIGURATION
    assert done.stdout == ""
    assert done.stderr == "amiloop: line 3 of world.toml names no seed; add one.\n"


def test_several_faults_of_a_file_keep_a_line_each(amiloop: Amiloop) -> None:
    done = amiloop("end", "faults")
    assert done.returncode == ExitStatus.CONFIGURATION
    assert done.stderr == "amiloop:\nworld.toml:3: seed: is missing\nworld.toml:9: dcu: add one\n"


def test_with_json_a_failure_is_an_object_on_stdout_too(amiloop: Amiloop) -> None:
    done = amiloop("end", "config", "--json")
    assert done.returncode == ExitStatus.CONFIGURATION
    assert json.loads(done.stdout) == {
        "error": {
            "kind": "ConfigError",
            "message": "line 3 of world.toml names no seed; add one.",
            "exit_status": 3,
            "fields": {"line": 3, "secret": "0102"},
        }
    }
    assert json.loads(amiloop("end", "--json").stdout)["error"]["kind"] == "UsageError"


def test_the_first_error_of_ours_speaks_for_a_group_of_tasks(amiloop: Amiloop) -> None:
    done = amiloop("end", "link")
    assert (done.returncode, done.stderr) == (ExitStatus.LINK, "amiloop: 10.0.0.1 refused.\n")


def test_our_own_bug_is_inconclusive_and_debug_shows_where_it_is(amiloop: Amiloop) -> None:
    done = amiloop("end", "bug")
    assert done.returncode == ExitStatus.INCONCLUSIVE
    assert "ZeroDivisionError" in done.stderr
    assert "--debug" in done.stderr
    assert "Traceback" not in done.stderr
    for line in (["--debug", "end", "bug"], ["end", "bug", "--debug"]):
        assert "Traceback" in amiloop(*line).stderr


def test_a_file_that_cannot_be_opened_is_named(amiloop: Amiloop) -> None:
    done = amiloop("end", "file")
    assert done.returncode == ExitStatus.CONFIGURATION
    assert done.stderr == "amiloop: cannot use /no/such/file: No such file or directory.\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_a_full_disk_is_a_sentence_and_no_bug(environment: dict[str, str]) -> None:
    line = [sys.executable, "-m", "hes.cli.main", "end", "lines"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(line, env=environment, stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == ExitStatus.CONFIGURATION
    assert done.stderr.decode() == (
        "amiloop: the output cannot be written (No space left on device): make room, or send it elsewhere.\n"
    )


def test_wrong_usage_is_a_sentence_of_its_own_before_the_help(amiloop: Amiloop) -> None:
    done = amiloop("read", "tcp://127.0.0.1:1", "--key", "zz")
    assert done.stderr.endswith("what is given is not hex. See 'amiloop read --help'.\n")
    assert "'--key'" in done.stderr


def test_a_wrong_value_in_the_environment_is_not_blamed_on_the_option(
    amiloop: Amiloop, environment: dict[str, str]
) -> None:
    environment["AMILOOP_KEY"] = "zz"
    done = subprocess.run(
        [sys.executable, "-m", "hes.cli.main", "read", "tcp://127.0.0.1:1"],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == ExitStatus.USAGE
    assert "the environment variable AMILOOP_KEY" in done.stderr
    assert "--key" not in done.stderr


def test_a_record_in_an_error_is_an_object_in_json() -> None:
    refusal = ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ServiceError.INVOCATION_COUNTER_ERROR, 526)
    assert jsonable(refusal) == {
        "kind": "ExceptionResponse",
        "state_error": "SERVICE_NOT_ALLOWED",
        "service_error": "INVOCATION_COUNTER_ERROR",
        "invocation_counter": 526,
    }


@pytest.mark.parametrize("how", ["interrupt", "interrupt in a class"])
def test_an_interrupt_ends_with_one_line(amiloop: Amiloop, how: str) -> None:
    done = amiloop("end", how)
    assert done.returncode == ExitStatus.INTERRUPTED
    assert done.stderr.strip() == "amiloop: interrupted"


def test_an_interrupt_while_the_command_is_loaded_ends_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "main", stopped)
    with pytest.raises(SystemExit) as ended:
        start.main()
    assert ended.value.code == ExitStatus.INTERRUPTED
    assert capsys.readouterr().err == "amiloop: interrupted\n"


def test_a_reader_that_went_away_ends_quietly(environment: dict[str, str]) -> None:
    line = [sys.executable, "-m", "hes.cli.main", "end", "lines"]
    with subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == ExitStatus.BROKEN_PIPE


def test_a_command_that_lacks_a_package_says_which_one(amiloop: Amiloop) -> None:
    done = amiloop("lacking")
    assert done.returncode == ExitStatus.CONFIGURATION
    assert "'a_package_nobody_has', which is not installed" in done.stderr
    assert amiloop("--help").returncode == ExitStatus.OK


def test_an_entry_point_that_is_no_command_is_named(amiloop: Amiloop) -> None:
    done = amiloop("broken")
    assert done.returncode == ExitStatus.CONFIGURATION
    assert "'broken = plugged_in_too:nothing'" in done.stderr


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigError("x"), 3),
        (AccessDenied("x"), 3),
        (LinkError("x"), 4),
        (StoreError("x"), 5),
        (RemoteProtocolError("x", octet_offset=1), 1),
        (LocalProtocolError("x"), 6),
        (HesError("x"), 6),
        (HesError("x", exit_status=4), 4),
        (ValueError("x"), 6),
    ],
)
def test_each_error_has_its_status(error: Exception, status: int) -> None:
    assert exit_status(error) == status
    assert report(error, as_json=False, debug=False) == status


def test_every_command_of_ours_takes_json_and_tells_what_it_does() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    for name, value in project["entry-points"][GROUP].items():
        entry = EntryPoint(name, value, GROUP)
        command = load(entry)
        leaves = command.commands.values() if isinstance(command, click.Group) else [command]
        for leaf in leaves:
            options = {option for parameter in leaf.params for option in parameter.opts}
            assert {"--json", "--debug"} <= options, name
        assert summary(entry), name

"""The program in docs/library.md reads a simulated meter, as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hes.clock import SystemClock, utc
from sim.tests.test_meter_try_lines import DEADLINE_S, printed, served

PAGE = Path(__file__).parents[2] / "docs" / "library.md"


def program(folder: Path) -> Path:
    (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    path = folder / "read_meter.py"
    path.write_text(block, encoding="utf-8")
    return path


def secrets(folder: Path, lines: list[str], **changed: str) -> Path:
    """The secrets file of the page, filled in with what `amiloop meter` prints."""
    names = {
        "system title": "system_title",
        "encryption key": "encryption_key",
        "authentication key": "authentication_key",
    }
    found = {name: line.split()[-1] for line in lines for name in (*names, "password") if line.startswith(f"{name} ")}
    entries = {names.get(name, name): text for name, text in found.items()} | changed
    path = folder / "secrets.toml"
    device = "".join(f'{name} = "{text}"\n' for name, text in entries.items())
    path.write_text(f'system_title = "414D4C4C49423031"\n[[device]]\n{device}', encoding="utf-8")
    return path


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)


@pytest.mark.parametrize("framing", [(), ("--hdlc",)], ids=["wrapper", "hdlc"])
def test_the_program_of_the_page_reads_a_meter(framing: tuple[str, ...], tmp_path: Path) -> None:
    with served("--tcp", "127.0.0.1:0", *framing) as process:
        lines = printed(process)
        url = next(word.rstrip(",:") for line in lines for word in line.split() if word.startswith("tcp://"))
        file = secrets(tmp_path, lines)
        done = run(program(tmp_path), url, file, *framing)
        wrong = run(program(tmp_path), url, secrets(tmp_path, lines, password="not this one"), *framing)
    assert done.stderr == ""
    assert done.returncode == 0
    said = [line.split() for line in done.stdout.splitlines()]
    by_kind = {words[0]: [each[1:] for each in said if each[0] == words[0]] for words in said}
    for kind in ("clock", "entry", "range", "set"):
        for words in by_kind[kind]:
            assert datetime.fromisoformat(" ".join(words[:2])).tzinfo == UTC
    read_at = datetime.fromisoformat(" ".join(by_kind["clock"][0]))
    assert abs(read_at - utc(SystemClock().epoch_s())) < timedelta(minutes=5)
    assert by_kind["energy"][0][1] == "Wh"
    assert len(by_kind["entry"]) == 2
    assert 7 <= len(by_kind["range"]) <= 9  # every quarter of an hour
    assert by_kind["refused"] == [["1.0.99.99.99.255", "OBJECT_UNDEFINED"]]
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("the meter refuses: ")
    assert "not this one" not in wrong.stderr + wrong.stdout


def test_a_meter_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "secrets.toml"
    file.write_text(
        '[[device]]\nsystem_title = "414D4CAA32FEF511"\n'
        + f'encryption_key = "{"00" * 16}"\n'
        + f'authentication_key = "{"00" * 16}"\n'
    )
    done = run(program(tmp_path), "tcp://127.0.0.1:1", file)
    assert done.returncode == 1
    assert done.stderr.startswith("no way to the meter, or no answer in time: ")
    assert "Traceback" not in done.stderr

"""The folder that a run leaves: one page for people, JUnit for pipelines, octets for whoever doubts either.

result.html     verdicts, steps, and the frames of each step, decoded
junit.xml       the same for pipelines
result.json     verdicts, reasons, steps, seed, versions
frames/         one file a scenario: every frame, APDU and event with time and direction, a JSON object a line
captures/       one pcapng a scenario, for Wireshark
log.txt         warnings of the bench, such as a machine that was too slow; only when there were any
hashes.txt      SHA-256 of all of them and of what the station was read from
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from hes.errors import ConfigError
from hes.trace.pcapng import PcapngTap
from hes.trace.tap import Direction
from scenarios.evidence import Entry, EntryKind, Evidence, Step
from scenarios.report import junit, result_page
from scenarios.result import RunResult

RESULT_PAGE = "result.html"
RESULT_JSON = "result.json"
JUNIT = "junit.xml"
FRAMES = "frames"
CAPTURES = "captures"
COMPARISON = "comparison.json"
HASHES = "hashes.txt"
LOG = "log.txt"


def write(folder: Path, run: RunResult) -> Path:
    """Write everything into `folder`, which exists; gives it back. Raises ConfigError when it cannot be written."""
    try:
        for name in (FRAMES, CAPTURES):
            (folder / name).mkdir(exist_ok=True)
        for scenario in run.scenarios:
            if scenario.evidence.entries:
                write_frames(folder / FRAMES / f"{scenario.key}.jsonl", scenario.evidence)
                _write_capture(folder / CAPTURES / f"{scenario.key}.pcapng", scenario.evidence)
        result = json.dumps(run.to_json(), ensure_ascii=False, indent=2)
        (folder / RESULT_JSON).write_text(result + "\n", encoding="utf-8")
        (folder / JUNIT).write_bytes(junit.document(run))
        (folder / RESULT_PAGE).write_text(result_page.document(run), encoding="utf-8")
        _write_hashes(folder, run)
    except OSError as error:
        raise ConfigError(f"the evidence cannot be written to {folder}: {error.strerror}", path=str(folder)) from error
    return folder


def write_frames(path: Path, evidence: Evidence) -> None:
    """The time line of one scenario: a line that tells its start and steps, then one line an entry."""
    head = {
        "started_epoch_s": evidence.started_epoch_s,
        "steps": [[step.title, step.from_s, step.until_s] for step in evidence.steps],
    }
    lines = [json.dumps(head, ensure_ascii=False)]
    lines += [json.dumps(_entry_json(entry), ensure_ascii=False) for entry in evidence.entries]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_frames(path: Path) -> Evidence:
    """The evidence that `write_frames` wrote. Raises ConfigError when it is something else."""
    try:
        head, *lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        steps = [Step(title, from_s, until_s) for title, from_s, until_s in head["steps"]]
        return Evidence(head["started_epoch_s"], steps, [_entry(line) for line in lines])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is no evidence of a scenario: {error}", path=str(path)) from error


def read_run(folder: Path) -> dict[str, Evidence]:
    """The evidence of every scenario of a run, by the scenario's key, in the order of names."""
    return {path.stem: read_frames(path) for path in sorted((folder / FRAMES).glob("*.jsonl"))}


def read_result(folder: Path) -> dict[str, Any]:
    """The result.json of a run. Raises ConfigError when there is none."""
    path = folder / RESULT_JSON
    if not path.is_file():
        raise ConfigError(
            f"{folder} holds no {RESULT_JSON}: name the folder of an earlier `amiloop test`", path=str(path)
        )
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} is no result of a run: {error}", path=str(path)) from error
    if not isinstance(result, dict) or "scenarios" not in result:
        raise ConfigError(f"{path} is no result of a run", path=str(path))
    return result


def _entry_json(entry: Entry) -> dict[str, Any]:
    line: dict[str, Any] = {
        "kind": entry.kind,
        "at_s": round(entry.at_s, 6),
        "step": entry.step,
        "source": entry.source,
    }
    if entry.kind != "event":
        line["to_device"] = entry.to_device
        line["octets"] = entry.octets.hex()
    if entry.note:
        line["note"] = entry.note
    return line


def _entry(line: dict[str, Any]) -> Entry:
    kind: EntryKind = line["kind"]
    return Entry(
        kind=kind,
        at_s=line["at_s"],
        step=line["step"],
        source=line["source"],
        to_device=line.get("to_device", False),
        octets=bytes.fromhex(line.get("octets", "")),
        note=line.get("note", ""),
    )


def _write_capture(path: Path, evidence: Evidence) -> None:
    sessions = {entry.source for entry in evidence.entries if entry.kind == "frame"}
    with PcapngTap(path) as tap:
        for entry in evidence.entries:
            at_epoch_s = evidence.started_epoch_s + entry.at_s
            if entry.kind == "frame":
                direction = Direction.TO_DEVICE if entry.to_device else Direction.FROM_DEVICE
                tap.frame(at_epoch_s, entry.source, direction, entry.octets, note=entry.note)
            elif entry.kind == "event" and entry.source in sessions:
                event, _, detail = entry.note.partition(": ")
                tap.session_event(at_epoch_s, entry.source, event, detail)


def _write_hashes(folder: Path, run: RunResult) -> None:
    written = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != HASHES)
    lines = [f"{_sha256(path)}  {path.relative_to(folder).as_posix()}" for path in written]
    suites = {scenario.file for scenario in run.scenarios if scenario.file}
    read = (*run.station.files, *sorted(suites))
    lines += [f"{_sha256(path)}  {path.parent.name}/{path.name} (read)" for path in read]
    (folder / HASHES).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

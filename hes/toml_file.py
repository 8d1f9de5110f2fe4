"""TOML read so that a person can mend it: every fault at once, each with its line, its key and what is allowed.

`tomllib` gives values without positions, so a second, small scanner walks the same text and notes the line of every
key. Faults are collected in a `Faults` list and raised together as one ConfigError.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hes.errors import ConfigError
from hes.toml_lines import KeyPath, key_lines

FILE_OCTETS_MAX = 4 * 1024 * 1024
FAULTS_SHOWN_MAX = 100
GOT_CHARACTERS_MAX = 60
_OWN_WORDS = re.compile(
    r"^Value error, |^(Input|Tuple|Dictionary|String) (?=should)| after validation, not \w+( \w+)?$"
)
"""What pydantic says of itself in a message rather than of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TomlFile:
    """The values of a TOML file and the line (from 1) on which each key stands."""

    label: str
    text: str
    values: dict[str, Any]
    lines: Mapping[KeyPath, int]

    def line(self, path: Sequence[str | int]) -> int:
        """The line of `path`, or of the nearest table around it that stands in the file."""
        for end in range(len(path), 0, -1):
            found = self.lines.get(tuple(path[:end]))
            if found is not None:
                return found
        return 1


@dataclass(slots=True)
class Faults:
    """What is wrong with one file. `add` as many as there are, then `raise_if_any`."""

    file: TomlFile
    found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, path: Sequence[str | int], message: str) -> None:
        """Note `message` about the key at `path`."""
        line = self.file.line(path)
        entry = (line, f"{self.file.label}:{line}: {spell(path)}{message}")
        if entry not in self.found:
            self.found.append(entry)

    def add_invalid(self, error: ValidationError, model: type[BaseModel], path: Sequence[str | int]) -> None:
        """Note everything pydantic found while reading `model` from the table at `path`."""
        problems = error.errors(include_url=False)
        listed: set[tuple[str | int, ...]] = set()
        for problem in problems:
            if _only_follows(problem, problems):
                continue
            inside = tuple(part for part in problem["loc"] if not _is_tag(part))
            kind, text = problem["type"], problem["msg"]
            if kind == "extra_forbidden" and inside[:-1] in listed:
                names, _ = _nearby(model, inside)
                self.add((*path, *inside), f"unknown key{did_you_mean(str(inside[-1]), names)}")
                continue
            if kind == "extra_forbidden":
                listed.add(inside[:-1])
            self.add((*path, *inside), _sentence(kind, text, problem.get("input"), inside, model))

    def raise_if_any(self) -> None:
        """Raise one ConfigError that lists every fault in the order of its line."""
        if not self.found:
            return
        ordered = sorted(self.found, key=lambda fault: fault[0])
        shown = [text for _, text in ordered[:FAULTS_SHOWN_MAX]]
        if len(ordered) > FAULTS_SHOWN_MAX:
            shown.append(f"{self.file.label}: and {len(ordered) - FAULTS_SHOWN_MAX} more")
        raise ConfigError("\n".join(shown), file=self.file.label, lines=tuple(line for line, _ in ordered))


def read(path: Path) -> TomlFile:
    """Read and parse a TOML file. Raises ConfigError naming the file, and the line of a syntax error."""
    try:
        with path.open("rb") as stream:
            octets = stream.read(FILE_OCTETS_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}", file=str(path)) from error
    if len(octets) > FILE_OCTETS_MAX:
        raise ConfigError(f"{path}: larger than {FILE_OCTETS_MAX} octets", file=str(path))
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: not UTF-8 text", file=str(path), lines=(line,)) from error
    return parse(text, str(path))


def parse(text: str, label: str) -> TomlFile:
    """Parse TOML text. Raises ConfigError("label:line: ...") for anything that is not TOML."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = _line_of(error, text)
        what = re.sub(r" \(at .*\)$", "", str(error))
        raise ConfigError(f"{label}:{line}: not TOML: {what}", file=label, lines=(line,)) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, or brackets nested as deep
        raise ConfigError(f"{label}:1: not TOML that can be read: {error}", file=label, lines=(1,)) from error
    return TomlFile(label=label, text=text, values=values, lines=key_lines(text))


def spell(path: Iterable[str | int]) -> str:
    """A key path as people write it, counting from 1: ("dcu", 1, "address") is "dcu[2].address: "."""
    out = ""
    for part in path:
        if isinstance(part, int):
            out += f"[{part + 1}]"
        else:
            out += f".{part}" if out else str(part)
    return f"{out}: " if out else ""


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """ "; did you mean 'address'?" when something allowed is near `word`, else nothing."""
    near = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def _line_of(error: tomllib.TOMLDecodeError, text: str) -> int:
    line = getattr(error, "lineno", None)  # Python 3.14
    if isinstance(line, int):
        return line
    match = re.search(r"at line (\d+)", str(error))  # the only place where 3.11-3.13 say it
    return int(match.group(1)) if match else text.count("\n") + 1


def _only_follows(problem: ErrorDetails, problems: Iterable[ErrorDetails]) -> bool:
    """Whether an array is called too short only because elements of it have faults, which are told anyway."""
    if problem["type"] != "too_short" or len(problem["input"]) < problem.get("ctx", {}).get("min_length", 0):
        return False
    place = problem["loc"]
    return any(len(other["loc"]) > len(place) and other["loc"][: len(place)] == place for other in problems)


def _is_tag(part: object) -> bool:
    """pydantic puts its own words for unions and validators into a location; TOML keys never look like them."""
    return isinstance(part, str) and (part.startswith("function-") or "[" in part)


def _sentence(kind: str, text: str, got: object, inside: Sequence[str | int], model: type[BaseModel]) -> str:
    names, allowed = _nearby(model, inside)
    if kind == "extra_forbidden":
        known = ", ".join(names) or "none"
        return f"unknown key{did_you_mean(str(inside[-1]), names)} (allowed here: {known})"
    if kind == "missing":
        return f"is missing ({allowed})" if allowed else "is missing"
    said = _OWN_WORDS.sub("", text)
    shown = repr(got)
    if len(shown) > GOT_CHARACTERS_MAX:
        shown = shown[:GOT_CHARACTERS_MAX] + "..."
    if kind == "string_pattern_mismatch" and allowed:
        return f"should be {allowed}, not {shown}"
    said_already = kind == "literal_error" or not allowed or allowed in said
    return f"{said}, not {shown}" + ("" if said_already else f" ({allowed})")


def _nearby(model: type[BaseModel], inside: Sequence[str | int]) -> tuple[list[str], str]:
    """The keys of the table that `inside` points into, and what its last key allows (from the field's own words)."""
    current: type[BaseModel] = model
    allowed = ""
    for part in inside:
        if isinstance(part, int):
            continue
        found = _field(current, part)
        if found is None:
            allowed = ""
            continue
        extra = found.json_schema_extra
        allowed = str(extra["allowed"]) if isinstance(extra, dict) and "allowed" in extra else ""
        current = _model_inside(found.annotation) or current
    return [info.alias or name for name, info in current.model_fields.items()], allowed


def _field(model: type[BaseModel], key: str) -> Any:
    for name, info in model.model_fields.items():
        if key in (info.alias, name):
            return info
    return None


def _model_inside(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_inside(inner)
        if found is not None:
            return found
    return None

"""The line of every key of a TOML text: a scanner for text that `tomllib` has already accepted.

It knows just enough TOML to walk over it: headers, dotted and quoted keys, the four kinds of string, arrays, inline
tables, comments. On text that is not TOML it stops early and says less; it never raises.
"""

from __future__ import annotations

import contextlib
import re
from bisect import bisect_right

KeyPath = tuple[str | int, ...]

_BARE_END = frozenset(" \t\r\n=.]#,}\"'[{")
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[btnfr\"\\])")
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}
_VALUE_END = frozenset(",]}\n#")


class _Stop(Exception):
    pass


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line (from 1) of every table, array element and key, by its path: ("dcu", 1, "address") -> 57."""
    scanner = _Scanner(text)
    with contextlib.suppress(_Stop, RecursionError):  # what was found so far is still right
        scanner.document()
    return scanner.lines


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[KeyPath, int] = {}
        self.elements: dict[KeyPath, int] = {}  # arrays of tables: how many elements so far
        self._breaks = [index for index, letter in enumerate(text) if letter == "\n"]

    def document(self) -> None:
        table: KeyPath = ()
        while True:
            self.blank(lines=True)
            if self.at >= len(self.text):
                return
            start = self.at
            if self.text.startswith("[[", self.at):
                self.at += 2
                table = self.header(start, array=True)
            elif self.peek() == "[":
                self.at += 1
                table = self.header(start, array=False)
            else:
                self.pair(table)

    def header(self, start: int, *, array: bool) -> KeyPath:
        parts = self.key()
        self.at += 2 if array else 1
        path = self.resolve(parts[:-1])
        path = (*path, parts[-1])
        self.note(path, start)
        if not array:
            return self.enter(path)
        count = self.elements.get(path, 0)
        self.elements[path] = count + 1
        self.note((*path, count), start)
        return (*path, count)

    def resolve(self, parts: list[str]) -> KeyPath:
        path: KeyPath = ()
        for part in parts:
            path = self.enter((*path, part))
        return path

    def enter(self, path: KeyPath) -> KeyPath:
        count = self.elements.get(path)
        return path if count is None else (*path, count - 1)

    def pair(self, table: KeyPath) -> None:
        start = self.at
        path = (*table, *self.key())
        for end in range(len(table) + 1, len(path) + 1):
            self.note(path[:end], start)
        if self.peek() != "=":
            raise _Stop
        self.at += 1
        self.blank(lines=False)
        self.value(path)

    def key(self) -> list[str]:
        parts: list[str] = []
        while True:
            self.blank(lines=False)
            parts.append(self.key_part())
            self.blank(lines=False)
            if self.peek() != ".":
                return parts
            self.at += 1

    def key_part(self) -> str:
        start = self.at
        quote = self.peek()
        if quote in ('"', "'"):
            self.string()
            raw = self.text[start : self.at]
            if quote == "'" or "\\" not in raw:
                return raw[1:-1]
            return _unescape(raw)
        while self.at < len(self.text) and self.text[self.at] not in _BARE_END:
            self.at += 1
        if self.at == start:
            raise _Stop
        return self.text[start : self.at]

    def value(self, path: KeyPath) -> None:
        letter = self.peek()
        if letter in ('"', "'"):
            self.string()
        elif letter == "[":
            self.array(path)
        elif letter == "{":
            self.inline_table(path)
        else:
            while self.at < len(self.text) and self.text[self.at] not in _VALUE_END:
                self.at += 1

    def array(self, path: KeyPath) -> None:
        self.at += 1
        index = 0
        while True:
            self.blank(lines=True)
            if self.peek() == "]":
                self.at += 1
                return
            self.note((*path, index), self.at)
            self.value((*path, index))
            index += 1
            self.blank(lines=True)
            if self.peek() == ",":
                self.at += 1

    def inline_table(self, path: KeyPath) -> None:
        self.at += 1
        while True:
            self.blank(lines=True)
            if self.peek() == "}":
                self.at += 1
                return
            self.pair(path)
            self.blank(lines=True)
            if self.peek() == ",":
                self.at += 1

    def string(self) -> None:
        quote = self.text[self.at]
        triple = quote * 3
        long = self.text.startswith(triple, self.at)
        self.at += 3 if long else 1
        end = triple if long else quote
        while not self.text.startswith(end, self.at):
            if self.at >= len(self.text):
                raise _Stop
            self.at += 2 if quote == '"' and self.text[self.at] == "\\" else 1
        self.at += len(end)
        while long and self.peek() == quote:  # up to two quotes may precede the closing three
            self.at += 1

    def blank(self, *, lines: bool) -> None:
        while self.at < len(self.text):
            letter = self.text[self.at]
            if letter in " \t\r" or (lines and letter == "\n"):
                self.at += 1
            elif lines and letter == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            else:
                return

    def peek(self) -> str:
        if self.at >= len(self.text):
            raise _Stop
        return self.text[self.at]

    def note(self, path: KeyPath, at: int) -> None:
        self.lines.setdefault(path, bisect_right(self._breaks, at - 1) + 1)


def _unescape(raw: str) -> str:
    """The text of a quoted key: TOML's own escapes, which tomllib has found to be right."""
    return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1]) or chr(int(found[1][1:], 16)), raw[1:-1])

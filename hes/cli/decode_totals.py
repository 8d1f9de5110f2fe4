"""What `amiloop decode` counts: frames, APDUs, conversations, broken rules, requests without an answer."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from hes.dlms.inspect.conversation import Conversation
from hes.dlms.inspect.node import Node, faults
from hes.dlms.inspect.requests import Asked
from hes.dlms.inspect.sealed_nodes import SEALED

RULES_MAX: Final = 1000  # different rules that are told apart
RULES_SHOWN: Final = 10
UNANSWERED_SHOWN: Final = 10
_PLACE: Final = re.compile(r" \(octet \d+\)$")
_NUMBERS: Final = re.compile(r"(?<![.\w])(?:[0-9A-F]{2,}|\d+)(?![.\w])")  # not those in the name of a standard


def counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


@dataclass(slots=True)
class Totals:
    """valid, invalid: frames (and octets between frames) without a fault and with one. faults: all of them, rules: by
    what was broken. examples: the first fault of each rule, and whether the others said the same. sealed: protected
    APDUs that no key opened. cut: frames of which only the beginning was written down. damaged: places at which the
    input could not be read. strange: octets that begin no frame, among the invalid ones. unanswered: requests that got
    no answer.
    """

    valid: int = 0
    invalid: int = 0
    apdus: int = 0
    faults: int = 0
    sealed: int = 0
    cut: int = 0
    damaged: int = 0
    strange: int = 0
    sessions: int = 0
    answers: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    examples: dict[str, tuple[str, bool]] = field(default_factory=dict)
    unanswered: list[Asked] = field(default_factory=list)

    def add(self, node: Node) -> None:
        found = list(faults(node))
        self.invalid += bool(found)
        self.valid += not found
        self.sealed += _sealed(node)
        self._count(found)

    def add_damage(self, node: Node) -> None:
        """A place at which the input could not be read: no frame, and a fault."""
        self.damaged += 1
        self._count(list(faults(node)))

    def _count(self, found: list[Node]) -> None:
        self.faults += len(found)
        for each in found:
            text = _PLACE.sub("", each.value)
            rule = _NUMBERS.sub("n", text)
            if rule in self.rules or len(self.rules) < RULES_MAX:
                self.rules[rule] += 1
                first, alike = self.examples.get(rule, (text, True))
                self.examples[rule] = first, alike and text == first

    @property
    def recognised(self) -> int:
        """What began as a frame or an APDU, valid or not."""
        return self.valid + self.invalid + self.cut - self.strange

    def leave(self, conversation: Conversation) -> None:
        """A conversation is over."""
        self.apdus += conversation.apdus
        self.answers += conversation.answers
        self.unanswered += conversation.unanswered

    def lines(self) -> list[str]:
        """For people."""
        frames = counted(self.valid + self.invalid, "frame")
        first = f"{frames}: {self.valid} valid, {self.invalid} invalid; {counted(self.apdus, 'APDU')}"
        if self.sessions > 1:
            first += f"; {counted(self.sessions, 'conversation')}"
        if self.cut:
            first += f"; {counted(self.cut, 'frame')} more of which the trace has only the beginning: use the capture"
        if self.damaged:
            first += f"; {counted(self.damaged, 'place')} in the input that could not be read"
        if self.sealed:
            first += f"; {counted(self.sealed, 'APDU')} stayed sealed: check --key, --auth-key or --secrets"
        lines = [first]
        lines += [f"  {count} x {self._example(rule)}" for rule, count in self.rules.most_common(RULES_SHOWN)]
        if len(self.rules) > RULES_SHOWN:
            lines.append(f"  and {counted(len(self.rules) - RULES_SHOWN, 'other rule')}")
        return lines + self._unanswered_lines()

    def _example(self, rule: str) -> str:
        """The rule with the numbers of its first fault; it says so where others had other numbers."""
        text, alike = self.examples[rule]
        return text if alike else f"{text} (or with other numbers)"

    def _unanswered_lines(self) -> list[str]:
        count = len(self.unanswered)
        if not count:
            return []
        if not self.answers:
            return [f"{counted(count, 'request')} without an answer: there is no answer at all in the input"]
        shown = [f"  {asked.place} {asked.name}" for asked in self.unanswered[:UNANSWERED_SHOWN]]
        more = [f"  and {count - UNANSWERED_SHOWN} more"] if count > UNANSWERED_SHOWN else []
        return [f"{counted(count, 'request')} without an answer:", *shown, *more]

    def to_json(self) -> dict[str, Any]:
        return {
            "valid_frames": self.valid,
            "invalid_frames": self.invalid,
            "apdus": self.apdus,
            "conversations": self.sessions,
            "sealed_apdus": self.sealed,
            "cut_frames": self.cut,
            "damaged": self.damaged,
            "invalid": self.faults,
            "rules": [
                {"rule": rule, "count": count, "example": self.examples[rule][0]}
                for rule, count in self.rules.most_common()
            ],
            "answers": self.answers,
            "unanswered": [{"frame": asked.place, "request": asked.name} for asked in self.unanswered],
        }


def _sealed(node: Node) -> int:
    """How many APDUs in the tree no key opened."""
    return (node.label == SEALED) + sum(_sealed(child) for child in node.children)

"""Which lines of the decoders were reached, and inputs that reach more of them.

Counted are the functions of a target's modules that its inputs enter, but for those whose names say that they encode or
write text for people. What was never entered does not count; `Reached.silent` names it, so that a decoder that nothing
reaches cannot hide there. Decoders and state machines are counted apart.

The tracer looks at a function only until all of its lines were seen, so that it soon costs little.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

from fuzz.campaign import outcome
from fuzz.corpus import inputs_of, keep
from fuzz.mutate import Mutator
from fuzz.target import Target

TARGET_INPUTS_MIN: Final = 500
NOT_DECODING: Final = ("encode", "_encode", "to_octets", "__post_init__", "__str__", "__repr__")


def functions_of(module: str) -> dict[CodeType, frozenset[int]]:
    """Every function of a module, with its lines; the module's own body and class bodies are no functions."""
    path = importlib.import_module(module).__file__
    assert path is not None
    whole = compile(Path(path).read_text(), path, "exec")
    return {code: _lines(code) for code in _nested(whole) if code.co_flags & 0x2}  # has local variables: a function


def _nested(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _nested(constant)


def _lines(code: CodeType) -> frozenset[int]:
    found = {line for _start, _end, line in code.co_lines() if line is not None}
    return frozenset(found - {code.co_firstlineno}) or frozenset(found)


@dataclass(slots=True)
class Reached:
    """Lines of functions, by (file, first line): those that there are, and those that were seen."""

    there: dict[tuple[str, int], frozenset[int]] = field(default_factory=dict)
    names: dict[tuple[str, int], str] = field(default_factory=dict)
    seen: dict[tuple[str, int], set[int]] = field(default_factory=dict)

    def add_module(self, module: str) -> None:
        for code, lines in functions_of(module).items():
            if any(part.startswith(NOT_DECODING) for part in code.co_qualname.split(".")):
                continue
            key = (code.co_filename, code.co_firstlineno)
            self.there[key] = lines
            self.names[key] = f"{module}.{code.co_qualname}"

    def share(self) -> tuple[int, int]:
        """Lines seen, and lines there are, of the functions that were entered."""
        entered = [key for key in self.there if self.seen.get(key)]
        there = sum(len(self.there[key]) for key in entered)
        return sum(len(self.seen[key] & self.there[key]) for key in entered), there

    @property
    def missing(self) -> list[str]:
        """What was entered and not seen whole, with the lines."""
        rows = []
        for key, lines in sorted(self.there.items()):
            left = sorted(lines - self.seen.get(key, set()))
            if left and self.seen.get(key):
                rows.append(f"{self.names[key]}: {', '.join(map(str, left))}")
        return rows

    @property
    def silent(self) -> list[str]:
        """What was never entered."""
        return [name for key, name in sorted(self.names.items(), key=lambda item: item[1]) if not self.seen.get(key)]


@contextmanager
def watching(reached: Reached) -> Iterator[list[int]]:
    """Note every line of the functions in `reached`. Gives a list whose only number counts new lines."""
    fresh = [0]
    there, seen = reached.there, reached.seen

    def begin(frame: FrameType, _event: str, _argument: Any) -> Any:
        code = frame.f_code
        key = (code.co_filename, code.co_firstlineno)
        lines = there.get(key)
        if lines is None:
            return None
        known = seen.setdefault(key, set())
        if not known:
            fresh[0] += 1
        if lines <= known:
            return None

        def line(frame: FrameType, event: str, _argument: Any) -> Any:
            if event == "line" and frame.f_lineno not in known:
                known.add(frame.f_lineno)
                fresh[0] += 1
            return line

        return line

    sys.settrace(begin)
    try:
        yield fresh
    finally:
        sys.settrace(None)


def grow(targets: Sequence[Target], executions: int, seed: int, *, save: bool) -> tuple[Reached, Reached]:
    """Feed every target its corpus, its examples and `executions` damaged inputs in all; keep what reached new lines.

    save: write the corpus anew: what it had that reaches something, and what was found.
    Returns what was reached of the decoders, and of the machines.
    """
    decoders, machines = Reached(), Reached()
    for module in dict.fromkeys(module for target in targets for module in target.decoders):
        decoders.add_module(module)
    for module in dict.fromkeys(module for target in targets for module in target.machines):
        machines.add_module(module)
    each = max(TARGET_INPUTS_MIN, executions // len(targets)) if executions else 0
    for target in targets:
        found = list(_reaching(target, decoders if target.decoders else machines, seed, each))
        if save:
            keep(target.name, found)
    return decoders, machines


def _reaching(target: Target, reached: Reached, seed: int, executions: int) -> Iterator[bytes]:
    """The inputs that reached lines which nothing before them had reached."""
    mutator = Mutator(seed, f"{target.name}/grow", [*target.examples(), *inputs_of(target.name)], target.repair)
    damaged = (mutator.next_input() for _ in range(executions))
    feed = target.session()
    for number, octets in enumerate((*inputs_of(target.name), *target.examples(), *damaged)):
        if target.stateful and number % target.session_inputs == 0:
            feed = target.session()
        with watching(reached) as fresh:
            reason = outcome(target, feed, octets)
        if reason:
            print(f"{target.name}: {octets.hex()}\n{reason}", file=sys.stderr)
            feed = target.session()
        if fresh[0] or reason:
            yield octets

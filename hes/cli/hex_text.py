"""Octets out of text, in the habits people have of writing them.

Understood: plain and spaced hex, 0x and \\x prefixes, commas, colons and dashes, C arrays and Python literals, comments
(# and //), time stamps, direction words and arrows before the octets, headings in brackets, hexdump -C, xxd and
Wireshark dumps with offsets, log lines with one run of hex in them, and the traces that amiloop writes.

A line is a frame, with these exceptions: the lines of a dump with offsets belong together until the offset starts
again; a line goes on the frame before when that one says that it is longer, headings in between or not; and lines of a
paragraph are one APDU when only together they make sense.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from hes.cli.frame_cutter import frame_octets, octets_missing

RUN_OCTETS_MIN: Final = 3  # shorter runs of hex digits in a log line are words and numbers
APDU_OCTETS_MAX: Final = 0xFFFF  # of one APDU written over several lines
DUMP_OCTETS_MAX: Final = 16  # of one line of a dump

_FRAME_STARTS: Final = frozenset({b"\x7e", b"\x68", b"\x00"})  # HDLC, Q/GDW 376.1, wrapper

TO_DEVICE: Final = "->"
FROM_DEVICE: Final = "<-"

_TRACE = re.compile(r"^(?P<time>\S+Z) (?P<session>\S+) (?P<arrow>[<>]) \d+ .* \| (?P<hex>[0-9a-f]+)(?P<cut>\.\.)?$")
_TRACE_EVENT = re.compile(r"^\d{4}-\S+Z \S+ (?:= |[<>] inside: )")
_DUMP_END = re.compile(r"^\s*[0-9A-Fa-f]{4,8}:?\s*$")
_DUMP = re.compile(r"^\s*(?:0x)?(?P<offset>[0-9A-Fa-f]{4,8}):?\s+(?P<rest>[0-9A-Fa-f]{2}.*)$")
_COMMENT = re.compile(r"(?:^|\s)(?:#|//).*$")
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d[:.]\d\d[:.]\d\d(?:[.,]\d+)?Z?|(?<![0-9A-Fa-f:])\d\d:\d\d:\d\d(?:[.,]\d+)?(?![0-9A-Fa-f:])"
)
_WORDS = r"tx|rx|send|sent|sending|recv|receive|received|request|response|out|in|client|server|master|slave|hes|meter"
_DIRECTION = re.compile(
    rf"^[\s\[(]*(?P<word>{_WORDS}|->|<-|>>|<<|>|<|=>|<=)(?![A-Za-z0-9])[\s\])]*[:=]?\s*", re.IGNORECASE
)
_FROM_WORDS = frozenset(
    {"rx", "recv", "receive", "received", "response", "in", "server", "slave", "meter", "<-", "<<", "<", "<="}
)
_NOISE = re.compile(r"(?<![0-9A-Fa-f])0[xX]|\\x|[\s,;:{}()'\"_\-]")
_BETWEEN = re.compile(r"[\s,;:{}()'\"\-]+")
_REMARK = re.compile(r"\([^)]*\)|\|.*$")
_LITERAL = re.compile(r"^\s*b(?=['\"])")
_RUN = re.compile(r"(?:0[xX]|\\x)?[0-9A-Fa-f]{2}(?:[\s,:\-]*(?:(?<![0-9A-Fa-f])0[xX]|\\x)?[0-9A-Fa-f]{2})*")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_SHOWN = re.compile(r"^(?:->|<-) meter$")  # a tree under it, indented, up to a blank line
_HEADING = re.compile(r"^\s*\[.*\]\s*$")


def is_shown_trace(text: str) -> bool:
    """Whether `text` is what `amiloop read --trace` shows: trees, no octets."""
    return any(_SHOWN.match(line) for line in text.splitlines())


@dataclass(frozen=True, slots=True)
class TextFrame:
    """Octets found in text. line: where they start, from 1. direction: "->", "<-" or "" when nothing says it.

    is_cut: a trace of amiloop left out the octets behind these. damage: where and why a line of hex could not be
    read; the octets are then those of its frame before that.
    """

    octets: bytes
    line: int
    direction: str = ""
    time: str = ""
    session: str = ""
    is_cut: bool = False
    damage: str = ""


def frames_in_text(text: str, makes_sense: Callable[[bytes], bool]) -> list[TextFrame]:
    """The frames that `text` holds, in order. makes_sense: whether octets are a whole APDU or frame.

    A line of hex with something else in it is an entry of its own, which says where; with it go the other lines of its
    frame.
    """
    lines: list[TextFrame] = []
    for paragraph in _paragraphs(text):
        if any(line.damage for line in paragraph):
            lines.extend(_without_damaged(paragraph, makes_sense))
        elif len(paragraph) > 1 and not makes_sense(paragraph[0].octets) and _is_one(paragraph, makes_sense):
            lines.append(_with(paragraph[0], b"".join(frame.octets for frame in paragraph)))
        else:
            lines.extend(paragraph)
    return list(_joined(lines))


def _without_damaged(paragraph: list[TextFrame], makes_sense: Callable[[bytes], bool]) -> Iterator[TextFrame]:
    """The lines of a paragraph in which some are damaged; those of a damaged frame are one entry."""
    held: TextFrame | None = None  # what the next line may belong to
    for line in _joined(paragraph):
        if held is not None and not line.damage and _ends_damaged(held, line, makes_sense):
            continue
        if held is not None and line.damage and _goes_on(held, replace(line, damage="")):
            held = replace(held, damage=line.damage)
            continue
        if held is not None:
            yield held
        held = line
    if held is not None:
        yield held


def _ends_damaged(damaged: TextFrame, line: TextFrame, makes_sense: Callable[[bytes], bool]) -> bool:
    """Whether a line is the rest of a damaged frame: it begins nothing of its own. A bare APDU has one line."""
    if not damaged.damage or damaged.direction != line.direction or damaged.octets[:1] not in _FRAME_STARTS:
        return False
    return not frame_octets(line.octets) and not makes_sense(line.octets)


def _is_one(paragraph: list[TextFrame], makes_sense: Callable[[bytes], bool]) -> bool:
    """Whether the lines make sense together."""
    octets = sum(len(frame.octets) for frame in paragraph)
    return octets <= APDU_OCTETS_MAX and makes_sense(b"".join(frame.octets for frame in paragraph))


def _paragraphs(text: str) -> Iterator[list[TextFrame]]:
    """Lines with octets, dumps already put together; a blank line or a heading ends a paragraph."""
    collector = _Collector()
    is_shown = False
    for number, line in enumerate(text.splitlines(), 1):
        is_shown = bool(_SHOWN.match(line)) or (is_shown and line.startswith("  "))
        if is_shown or collector.dump_line(line, number):
            continue
        if not line.strip() or _HEADING.match(line):
            yield from collector.paragraph()
            collector.heading = _heading_direction(line)
        else:
            collector.line(line, number)
    yield from collector.paragraph()


class _Collector:
    """Gathers the lines of one paragraph. heading: the direction that the last heading said."""

    def __init__(self) -> None:
        self.heading = ""
        self._frames: list[TextFrame] = []
        self._dump: TextFrame | None = None

    def dump_line(self, line: str, number: int) -> bool:
        """Take the line when it is one of a dump: the next of the current one, or the first of another."""
        dump = self._dump
        if dump is not None:
            more = _dump_line(line, len(dump.octets))
            if more is not None:
                self._dump = _with(dump, dump.octets + more)
                return True
            if _DUMP_END.match(line) and int(line.strip(" :\t"), 16) == len(dump.octets):
                return True
            self._frames.append(dump)
            self._dump = None
        first = _dump_line(line, 0)
        if first is not None:
            self._dump = TextFrame(first, number, self.heading)
        return first is not None

    def line(self, line: str, number: int) -> None:
        """Take a line that is not one of a dump."""
        frame = _line(line, number)
        if frame is not None:
            self._frames.append(frame if frame.direction else replace(frame, direction=self.heading))

    def paragraph(self) -> Iterator[list[TextFrame]]:
        """The frames so far, if there are any; a new paragraph begins."""
        if self._dump is not None:
            self._frames.append(self._dump)
        frames, self._frames, self._dump = self._frames, [], None
        if frames:
            yield frames


def _joined(lines: list[TextFrame]) -> Iterator[TextFrame]:
    """Lines put together where one goes on the frame of the one before."""
    current: TextFrame | None = None
    for line in lines:
        if current is not None and _goes_on(current, line):
            current = _with(current, current.octets + line.octets)
            continue
        if current is not None:
            yield current
        current = line
    if current is not None:
        yield current


def _goes_on(before: TextFrame, line: TextFrame) -> bool:
    """Whether `before` ends inside a frame that this line can go on: same direction, and no frame of its own."""
    if before.damage or line.damage or before.session or before.direction != line.direction:
        return False
    return octets_missing(before.octets) and (not line.octets or frame_octets(line.octets) != len(line.octets))


def _with(frame: TextFrame, octets: bytes) -> TextFrame:
    return replace(frame, octets=octets)


def _dump_line(line: str, expected_offset: int) -> bytes | None:
    """The octets of a line of a dump whose offset is the expected one, else None."""
    match = _DUMP.match(line)
    if match is None or int(match["offset"], 16) != expected_offset:
        return None
    shown = re.split(r"\||\s{3,}|\t", match["rest"])[0]
    groups: list[str] = []
    for group in shown.split():
        if not _HEX.fullmatch(group) or len("".join(groups)) >= 2 * DUMP_OCTETS_MAX:
            break
        groups.append(group)
    octets = bytes.fromhex("".join(groups))
    return octets if len(octets) > 1 or expected_offset else None


def _line(line: str, number: int) -> TextFrame | None:
    """The octets of a line that is no line of a dump; None when it holds none."""
    trace = _TRACE.match(line)
    if trace is not None:
        arrow = TO_DEVICE if trace["arrow"] == ">" else FROM_DEVICE
        octets, is_cut = bytes.fromhex(trace["hex"]), trace["cut"] is not None
        return TextFrame(octets, number, arrow, trace["time"], trace["session"], is_cut)
    if _TRACE_EVENT.match(line):
        return None
    time = _TIME.search(line)
    rest = _TIME.sub(" ", _COMMENT.sub("", line))
    direction = ""
    match = _DIRECTION.match(rest)
    if match is not None:
        direction = _arrow(match["word"])
        rest = rest[match.end() :]
    octets, wrong = _octets(_LITERAL.sub("", rest))
    if wrong:
        damage = _damage(line, number, wrong)
        return TextFrame(_before(rest, wrong), number, direction, time[0] if time else "", damage=damage)
    return TextFrame(octets, number, direction, time[0] if time else "") if octets else None


def _octets(text: str) -> tuple[bytes, str]:
    """All of `text` when it is nothing but hex, of a line of words the longest run of hex in it; and what is wrong.

    A line that begins with hex and is mostly hex is nothing else: then the first token that is no hex is what is wrong.
    So is a long word out of which hex would have to be cut.
    """
    bare = _NOISE.sub("", text)
    if _HEX.fullmatch(bare):
        return bytes.fromhex(bare), ""
    text = _REMARK.sub(" ", text)
    tokens = [token for token in _BETWEEN.split(text) if token]
    strange = [token for token in tokens if not _HEX.fullmatch(_NOISE.sub("", token))]
    if tokens and tokens[0] not in strange and len(strange) < len(tokens) / 2 and len(tokens) > 1:
        return (b"", strange[0]) if strange else (bytes.fromhex(_NOISE.sub("", text)), "")
    runs = [bytes.fromhex(_NOISE.sub("", run)) for run in _RUN.findall(text)]
    longest = max(runs, key=len, default=b"")
    if len(longest) < RUN_OCTETS_MIN:
        return b"", next((token for token in strange if len(tokens) == 1 and _is_almost_hex(token)), "")
    return longest, next((token for token in strange if _is_almost_hex(token)), "")


def _is_almost_hex(token: str) -> bool:
    """Whether a word is a run of hex with a slip in it: mostly hex digits, or an odd number of them."""
    digits = sum(letter in "0123456789abcdefABCDEF" for letter in token)
    return token.isalnum() and digits >= 2 * RUN_OCTETS_MIN and digits > 0.75 * len(token)


def _before(text: str, wrong: str) -> bytes:
    """The octets before the first token that is no hex."""
    digits = _NOISE.sub("", text[: text.find(wrong)])
    return bytes.fromhex(digits) if _HEX.fullmatch(digits) else b""


def _damage(line: str, number: int, token: str) -> str:
    place = re.search(rf"(?<![0-9A-Za-z]){re.escape(token)}(?![0-9A-Za-z])", line)
    column = (place.start() if place is not None else line.find(token)) + 1
    bare = _NOISE.sub("", token)
    wrong = next((index for index, letter in enumerate(bare) if letter not in "0123456789abcdefABCDEF"), None)
    if wrong is None:
        why = f"{_cut(token)!r} has an odd number of hex digits"
    elif len(token) > RUN_OCTETS_MIN:
        slip = token.find(bare[wrong])
        column, why = column + slip, f"{token[slip]!r} is not a hex digit"
    else:
        why = f"{token!r} is not hex"
    return f"line {number}, column {column}: {why}"


def _cut(token: str) -> str:
    return token if len(token) <= 2 * DUMP_OCTETS_MAX else f"{token[: 2 * DUMP_OCTETS_MAX]}.."


def _arrow(word: str) -> str:
    return FROM_DEVICE if word.lower() in _FROM_WORDS else TO_DEVICE


def _heading_direction(line: str) -> str:
    """What a heading such as "[10:31:02 - Received 41 bytes]" says about the frames under it."""
    words = {word.lower() for word in re.findall(r"[A-Za-z]+", line)}
    if words & {"received", "receive", "rx", "recv"}:
        return FROM_DEVICE
    return TO_DEVICE if words & {"sent", "send", "tx"} else ""

"""A tap for people: one line a frame, with time, session, direction, what it is, and its octets.

    2024-12-10T00:15:02.123456Z 07310001 < 69 wrapper 1>1 gateway 1 from 000000000123 glo-get-response SC 30 IC 7, ..
        | {get-response normal #1 4660} | 000100010001003D...

`>` goes to the device, `<` comes from it, `=` is a change of the session. Lines gather in memory and go to the file
whole. Like every tap it never raises: a file that cannot be written ends the trace and leaves `failure`.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Final, Self

import structlog

from hes.clock import utc
from hes.errors import ConfigError
from hes.trace.summary import apdu_summary, summary
from hes.trace.tap import Direction

__all__ = ["TextTap", "apdu_summary", "summary"]

log = structlog.get_logger()

FLUSH_LINES: Final = 500
HEX_OCTETS_MAX: Final = 256
"""Longer frames are cut in the text; the capture has them whole."""


class TextTap:
    """Writes a text file; use as a context manager or `close` it."""

    def __init__(self, path: Path, *, hex_octets_max: int = HEX_OCTETS_MAX) -> None:
        """Raises ConfigError when the file cannot be made."""
        try:
            self._file = path.open("w", encoding="utf-8", newline="\n")
        except OSError as error:
            raise ConfigError(f"the trace {path} cannot be written: {error.strerror}", path=str(path)) from error
        self.path = path
        self.failure: OSError | None = None
        self._hex_octets_max = hex_octets_max
        self._lines: list[str] = []
        self._second = -1
        self._second_text = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def frame(
        self,
        at_epoch_s: float,
        session: str,
        direction: Direction,
        octets: bytes,
        plaintext: bytes | None = None,
        note: str = "",
    ) -> None:
        arrow = ">" if direction is Direction.TO_DEVICE else "<"
        inside = f" | {{{apdu_summary(plaintext)}}}" if plaintext is not None else ""
        remark = f" | {_one_line(note)}" if note else ""
        shown = octets[: self._hex_octets_max].hex()
        more = ".." if len(octets) > self._hex_octets_max else ""
        time = self._time(at_epoch_s)
        self._add(f"{time} {session} {arrow} {len(octets)} {summary(octets)}{inside}{remark} | {shown}{more}\n")

    def deciphered(self, at_epoch_s: float, session: str, direction: Direction, apdu: bytes) -> None:
        arrow = ">" if direction is Direction.TO_DEVICE else "<"
        self._add(f"{self._time(at_epoch_s)} {session} {arrow} inside: {apdu_summary(apdu)}\n")

    def session_event(self, at_epoch_s: float, session: str, event: str, detail: str = "") -> None:
        self._add(f"{self._time(at_epoch_s)} {session} = {event}{f': {_one_line(detail)}' if detail else ''}\n")

    def flush(self) -> None:
        """Hand every line so far to the operating system."""
        lines, self._lines = self._lines, []
        if self.failure is None:
            try:
                self._file.write("".join(lines))
                self._file.flush()
            except OSError as error:
                self.failure = error
                log.error("trace_stopped", path=str(self.path), error=error.strerror)

    def close(self) -> None:
        """Flush and close; safe to call twice."""
        if self._file.closed:
            return
        self.flush()
        try:
            self._file.close()
        except OSError as error:
            self.failure = self.failure or error

    def _add(self, line: str) -> None:
        self._lines.append(line)
        if len(self._lines) >= FLUSH_LINES:
            self.flush()

    def _time(self, at_epoch_s: float) -> str:
        """UTC to the microsecond; the text of a second is made once."""
        second, micros = divmod(round(at_epoch_s * 1_000_000), 1_000_000)
        if second != self._second:
            self._second = second
            self._second_text = utc(second).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._second_text}.{micros:06d}Z"


def _one_line(text: str) -> str:
    return " ".join(text.split())

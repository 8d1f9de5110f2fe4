"""When octets arrive over a serial line that carries one direction at a time: arithmetic, no clock and no I/O.

An octet takes one character: a start bit, its data bits, a parity bit or none, and stop bits. Octets follow each other
without a gap while there are any; such a run has one beginning, and the arrival of each octet is computed from there,
never from the octet before, so that a transfer of any length ends when baud and format say it ends.

While one speaker's octets are on the line another one waits, and then for the turnaround, in which the drivers change
direction. Two who speak at once are put one behind the other: collisions are not modelled [A].

Source: docs/links.md, "How long octets take on a line".
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from hes.errors import LocalProtocolError

_FORMAT: Final = re.compile(r"([5-8])([NEO])([12])", re.IGNORECASE)
BAUD_MIN: Final = 50
BAUD_MAX: Final = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CharacterFormat:
    """How one octet is framed on the line. data_bits 5..8, parity N, E or O, stop_bits 1 or 2."""

    data_bits: int = 8
    parity: str = "N"
    stop_bits: int = 1

    @classmethod
    def parse(cls, text: str) -> CharacterFormat | None:
        """Read `8N1`, `7E1`, ...; None when it is no such text."""
        match = _FORMAT.fullmatch(text)
        if match is None:
            return None
        data_bits, parity, stop_bits = match.groups()
        return cls(data_bits=int(data_bits), parity=parity.upper(), stop_bits=int(stop_bits))

    @property
    def bits(self) -> int:
        """Bits on the line for one octet, start bit included."""
        return 1 + self.data_bits + (self.parity != "N") + self.stop_bits

    def __str__(self) -> str:
        return f"{self.data_bits}{self.parity}{self.stop_bits}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineSettings:
    """What every station of a line agrees on. turnaround_s: silence before the line changes direction."""

    baud: int = 9600
    character: CharacterFormat = CharacterFormat()
    turnaround_s: float = 0.0

    @property
    def character_s(self) -> float:
        """How long one octet is on the line."""
        return self.character.bits / self.baud

    def __str__(self) -> str:
        return f"{self.baud} {self.character}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Octets crossing the line without a gap between them.

    run_start_s: when the run that they belong to began. before_count: octets of that run that went before them.
    """

    settings: LineSettings
    run_start_s: float
    before_count: int
    octets_count: int

    def arrival_s(self, index: int) -> float:
        """When octet `index` (from 0) is whole at the other end."""
        bits = (self.before_count + index + 1) * self.settings.character.bits
        return self.run_start_s + bits / self.settings.baud

    @property
    def end_s(self) -> float:
        """When the last octet is whole at the other end."""
        return self.arrival_s(self.octets_count - 1)

    def arrived_count(self, now_s: float) -> int:
        """How many octets are whole at the other end at `now_s`: exactly those whose `arrival_s` has come."""
        passed_s = min(max(0.0, now_s - self.run_start_s), self.end_s - self.run_start_s)
        count = int(passed_s / self.settings.character_s) - self.before_count
        count = min(max(0, count), self.octets_count)
        while count > 0 and self.arrival_s(count - 1) > now_s:  # the division above may be off by one rounding
            count -= 1
        while count < self.octets_count and self.arrival_s(count) <= now_s:
            count += 1
        return count


class LinePacer:
    """Who has the line, until when, and when what is sent next arrives."""

    def __init__(self, settings: LineSettings) -> None:
        self.settings = settings
        self._speaker: Hashable = None
        self._run_start_s = -math.inf
        self._run_count = 0

    @property
    def free_s(self) -> float:
        """When the last octet given to the line so far is over; minus infinity when there was none."""
        return self._run_start_s + self._run_count * self.settings.character.bits / self.settings.baud

    def clear_s(self, speaker: Hashable, now_s: float) -> float:
        """When `speaker` may begin, `now_s` or later: behind what another one has on the line, and the turnaround."""
        if speaker == self._speaker:
            return now_s
        return max(now_s, self.free_s + self.settings.turnaround_s)

    def carry(self, speaker: Hashable, octets_count: int, now_s: float) -> Passage:
        """Put `octets_count` octets (at least 1) of `speaker` on the line as early after `now_s` as it is free."""
        if octets_count < 1:
            raise LocalProtocolError(f"{octets_count} octets cannot be put on a line", octets_count=octets_count)
        if speaker != self._speaker or now_s > self.free_s:
            self._begin(speaker, self.clear_s(speaker, now_s))
        passage = Passage(
            settings=self.settings,
            run_start_s=self._run_start_s,
            before_count=self._run_count,
            octets_count=octets_count,
        )
        self._run_count += octets_count
        return passage

    def heard(self, speaker: Hashable, now_s: float) -> None:
        """`speaker` was on the line until `now_s`, at a pace that was not ours to set."""
        self._begin(speaker, now_s)

    def change(self, settings: LineSettings, now_s: float) -> None:
        """From here on the line runs at `settings`; what is on it keeps the time it was given."""
        self._begin(self._speaker, max(now_s, self.free_s))
        self.settings = settings

    def _begin(self, speaker: Hashable, start_s: float) -> None:
        self._speaker = speaker
        self._run_start_s = start_s
        self._run_count = 0

"""What a scenario leaves behind while it runs: steps, frames, APDUs and events on one time line.

The recorder is a tap like any other (hes.trace.tap): whoever holds a session tells it what went over the link. APDUs
are told by the association that speaks and hears them, in the clear; they are what two stations have in common.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from hes.clock import Clock
from hes.trace.tap import Direction

EntryKind = Literal["frame", "apdu", "event"]
BEFORE = "before"
AFTER = "after"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of evidence. at_s: seconds of station time since the scenario began. step: index into the steps.

    source: the session of a frame or event, the meter of an APDU. octets: of the frame with all its headers, or of the
    APDU in the clear. note: what the session says of a frame, or what an event is.
    """

    kind: EntryKind
    at_s: float
    step: int
    source: str
    to_device: bool = False
    octets: bytes = b""
    note: str = ""


@dataclass(slots=True)
class Step:
    """A named part of a scenario. until_s: None while it runs."""

    title: str
    from_s: float
    until_s: float | None = None


@dataclass(slots=True)
class Evidence:
    """Everything that one scenario left behind. started_epoch_s: civil time of the station at its start."""

    started_epoch_s: float = 0.0
    steps: list[Step] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)

    def apdus(self, source: str | None = None) -> list[Entry]:
        """The APDUs in the order in which they were said, of one meter or of all."""
        return [entry for entry in self.entries if entry.kind == "apdu" and source in (None, entry.source)]

    def of_step(self, step: int) -> list[Entry]:
        return [entry for entry in self.entries if entry.step == step]


class Recorder:
    """Writes the evidence of one scenario; a hes.trace.tap.Tap."""

    def __init__(self) -> None:
        self.evidence = Evidence()
        self._clock: Clock | None = None

    def start(self, clock: Clock) -> None:
        """The station is up: time counts from now on."""
        self._clock = clock
        self.evidence.started_epoch_s = clock.epoch_s()
        self._open(BEFORE)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Everything that happens inside belongs to the step `title`."""
        self._open(title)
        try:
            yield
        finally:
            self._close()

    def implied(self, title: str) -> None:
        """What follows belongs to a step of its own, unless the scenario is in a step already."""
        last = self.evidence.steps[-1] if self.evidence.steps else None
        if last is None or last.title == BEFORE or last.until_s is not None:
            self._open(title)

    def finish(self) -> None:
        self._open(AFTER)
        self._close()

    def apdu(self, meter: str, octets: bytes, *, to_device: bool) -> None:
        self._add("apdu", self._now_s(), meter, to_device=to_device, octets=octets)

    def event(self, source: str, note: str) -> None:
        self._add("event", self._now_s(), source, note=note)

    # -- hes.trace.tap.Tap

    def frame(
        self,
        at_epoch_s: float,
        session: str,
        direction: Direction,
        octets: bytes,
        plaintext: bytes | None = None,
        note: str = "",
    ) -> None:
        at_s = self._at_s(at_epoch_s)
        to_device = direction is Direction.TO_DEVICE
        self._add("frame", at_s, session, to_device=to_device, octets=bytes(octets), note=note)

    def deciphered(self, at_epoch_s: float, session: str, direction: Direction, apdu: bytes) -> None:
        """Told by the association itself, see `apdu`."""

    def session_event(self, at_epoch_s: float, session: str, event: str, detail: str = "") -> None:
        note = f"{event}: {detail}" if detail else event
        self._add("event", self._at_s(at_epoch_s), session, note=note)

    # -- inside

    def _now_s(self) -> float:
        return 0.0 if self._clock is None else self._at_s(self._clock.epoch_s())

    def _at_s(self, epoch_s: float) -> float:
        """Station time; what happens before `start` happens at 0."""
        return 0.0 if self._clock is None else epoch_s - self.evidence.started_epoch_s

    def _open(self, title: str) -> None:
        self._close()
        self.evidence.steps.append(Step(title, self._now_s()))

    def _close(self) -> None:
        steps = self.evidence.steps
        if steps and steps[-1].until_s is None:
            steps[-1].until_s = self._now_s()

    def _add(
        self, kind: EntryKind, at_s: float, source: str, *, to_device: bool = False, octets: bytes = b"", note: str = ""
    ) -> None:
        step = max(len(self.evidence.steps) - 1, 0)
        self.evidence.entries.append(
            Entry(kind=kind, at_s=at_s, step=step, source=source, to_device=to_device, octets=octets, note=note)
        )

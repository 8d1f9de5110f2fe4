"""A meter that lives: it steps through time second by second, counts, captures and forgets, and knows no closed form.

It takes from the real meter only its load in each second, and shares no code with `sim.meter.runs`, the clock's inverse
or the row codec. Interventions happen on whole seconds. Slow on purpose.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from sim.meter.load import MeterLoad, Quantity

CLOCK_ADJUSTED, POWER_DOWN = 0x20, 0x80


@dataclass
class SteppedMeter:
    """actions: second -> what happens at its start: ("power", bool), ("relay", bool), ("clock", reading in ms),
    ("reset",). Rows are (stamp_s, status, energy in mWh at least, at most): the energy at the capture lies between."""

    load: MeterLoad
    quantity: Quantity
    period_ms: int
    entries: int
    drift_ppb: int
    at_ms: int
    reading: Fraction
    actions: Mapping[int, Sequence[tuple[str, object]]]
    powered: bool = True
    closed: bool = True
    energy_mwh: int = 0
    flags: int = 0
    rows: deque[tuple[int, int, int, int]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.looked_at = int(self.reading)  # stamps up to here are past

    def step(self) -> None:
        """One second: first what happens at its start, then counting and capturing."""
        for action, *value in self.actions.get(self.at_ms // 1000, ()):
            self.act(action, value[0] if value else None)
        rate = 1 + Fraction(self.drift_ppb, 10**9)
        before_mwh = self.energy_mwh
        if self.powered and self.closed:
            at = self.at_ms
            self.energy_mwh += self.load.energy_mwh(self.quantity, at + 1000) - self.load.energy_mwh(self.quantity, at)
        seen = self.reading + 999 * rate  # the last millisecond before anything else can happen
        stamp = (self.looked_at // self.period_ms + 1) * self.period_ms
        while stamp <= seen:
            if self.powered:
                # a clock running onto the stamp in the last moment of the second before: the energy of then
                self.capture(stamp, before_mwh)
            stamp += self.period_ms
        self.looked_at = int(seen)
        self.reading += 1000 * rate
        self.at_ms += 1000

    def act(self, action: str, value: object) -> None:
        if action == "power":
            if self.powered and not value:
                self.flags |= POWER_DOWN
            if value and not self.powered:
                self.looked_at = int(self.reading)
            self.powered = bool(value)
        elif action == "relay":
            self.closed = bool(value)
        elif action == "clock":
            assert isinstance(value, int)
            self.reading = Fraction(value)
            self.looked_at = value
            self.flags |= CLOCK_ADJUSTED
        elif action == "reset":
            self.rows.clear()
            self.looked_at = int(self.reading)
            self.flags = POWER_DOWN if not self.powered else 0

    def capture(self, stamp_ms: int, before_mwh: int) -> None:
        self.rows.append((stamp_ms // 1000, self.flags, before_mwh, self.energy_mwh))
        self.flags = 0
        if len(self.rows) > self.entries:
            self.rows.popleft()

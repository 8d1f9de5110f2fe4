"""What is set in a PLC network, and what it tells: parameters, observers, statistics.

Source of the figures: docs/protocols/plc-and-wan.md §1, §2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, IntEnum

from sim.media.g3 import CENELEC_A, Band, FrameOverhead, Modulation
from sim.media.noise import RESIDENTIAL, FadingParameters, NoiseShape
from sim.media.topology import HOP_SHARES

FrameObserver = Callable[[float, int, int, int, int], None]
"""Called at the end of every frame: now_s, PlcLink.number, Direction, PSDU octets, Outcome (numbers, for digests)."""


class Direction(IntEnum):
    DOWN = 0
    UP = 1


class Outcome(IntEnum):
    """What became of a frame. A collision is a loss whose cause the simulator knows and the network does not."""

    ACKNOWLEDGED = 0
    LOST = 1
    COLLIDED = 2


class Fidelity(Enum):
    PER_FRAME = "frame"
    PER_EXCHANGE = "exchange"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlcParameters:
    """One network. Defaults: G3-PLC in CENELEC-A on an ordinary low-voltage network."""

    band: Band = CENELEC_A
    overhead: FrameOverhead = field(default_factory=FrameOverhead)
    hop_shares: tuple[float, ...] = HOP_SHARES  # [A]
    modulation_shares: tuple[tuple[Modulation, float], ...] = (  # [A]
        (Modulation.ROBO, 0.25),
        (Modulation.DBPSK, 0.45),
        (Modulation.DQPSK, 0.30),
    )
    frame_error_ratio: float = 0.05  # [A] mean over links, clean
    frame_error_spread: float = 0.6  # [A] sigma of its logarithm over links
    noise: NoiseShape = RESIDENTIAL
    fading: FadingParameters = field(default_factory=FadingParameters)
    backoff_exponent_min: int = 3  # [S2]
    backoff_exponent_max: int = 8  # [S2]
    backoffs_max: int = 50  # [S2]
    retries_max: int = 5  # [S2] macMaxFrameRetries
    interframe_symbols: int = 10  # [M] CIFS
    response_symbols: int = 10  # [M] RIFS
    priority_window_slots: int = 7  # [S2] kept free for high-priority frames before ordinary ones contend
    background_load: float = 0.10  # [A] share of time in which somebody else's frame is on the air
    background_frame_s: float = 0.076  # [C] 40 octets in ROBO
    collision_ratio: float = 0.005  # [A] frames hit by one that the sender could not hear
    processing_s: tuple[float, float] = (0.2, 0.4)  # [A] from a meter's last octet in to its first octet out
    fidelity: Fidelity = Fidelity.PER_FRAME


@dataclass(slots=True)
class LinkStatistics:
    """What happened on one link since the start, both directions."""

    frames: int = 0
    acknowledged: int = 0
    lost: int = 0
    collided: int = 0
    datagrams: int = 0
    datagrams_dropped: int = 0

    def add(self, other: LinkStatistics) -> None:
        self.frames += other.frames
        self.acknowledged += other.acknowledged
        self.lost += other.lost
        self.collided += other.collided
        self.datagrams += other.datagrams
        self.datagrams_dropped += other.datagrams_dropped


@dataclass(slots=True)
class ExchangeStatistics:
    """Exchanges of one network; `seconds` sums the answered ones."""

    started: int = 0
    answered: int = 0
    dropped_down: int = 0
    dropped_up: int = 0
    unanswered: int = 0
    late: int = 0
    seconds: float = 0.0

"""How long a G3-PLC frame is on the air: the physical layer as arithmetic.

A frame is a preamble, a frame control header (FCH) and payload symbols; its payload is Reed-Solomon coded, then
convolutionally at rate 1/2, then repeated four times in robust mode (ROBO). The number of symbols follows.

Source: docs/protocols/plc-and-wan.md §1; the model gives the published symbol counts exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

SYMBOLS_MULTIPLE = 4
CONVOLUTION_TAIL_BITS = 6
CONVOLUTION_EXPANSION = 2


class Modulation(Enum):
    """Bits per carrier, repetitions, Reed-Solomon parity octets, largest PSDU in CENELEC-A."""

    ROBO = (1, 4, 8, 133)
    DBPSK = (1, 1, 16, 235)
    DQPSK = (2, 1, 16, 235)
    D8PSK = (3, 1, 16, 235)

    def __init__(self, bits: int, repetitions: int, parity_octets: int, psdu_octets_max: int) -> None:
        self.bits = bits
        self.repetitions = repetitions
        self.parity_octets = parity_octets
        self.psdu_octets_max = psdu_octets_max


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A G3 frequency band."""

    name: str
    carriers_count: int
    preamble_s: float
    header_symbols: int
    symbol_s: float

    @property
    def acknowledgement_s(self) -> float:
        """An acknowledgement is a preamble and an FCH, without payload."""
        return self.preamble_s + self.header_symbols * self.symbol_s

    @property
    def slot_s(self) -> float:
        """Unit of CSMA back-off: two symbols."""
        return 2 * self.symbol_s


CENELEC_A = Band(
    name="CENELEC-A", carriers_count=36, preamble_s=0.006080, header_symbols=13, symbol_s=(256 + 30 - 8) / 400_000
)
FCC = Band(name="FCC", carriers_count=72, preamble_s=0.002027, header_symbols=12, symbol_s=(256 + 30 - 8) / 1_200_000)


def payload_symbols(band: Band, modulation: Modulation, psdu_octets: int) -> int:
    """Payload symbols of a frame with `psdu_octets`, a multiple of four."""
    bits = (psdu_octets + modulation.parity_octets) * 8 + CONVOLUTION_TAIL_BITS
    coded_bits = bits * CONVOLUTION_EXPANSION * modulation.repetitions
    symbols = -(-coded_bits // (band.carriers_count * modulation.bits))
    return -(-symbols // SYMBOLS_MULTIPLE) * SYMBOLS_MULTIPLE


def frame_s(band: Band, modulation: Modulation, psdu_octets: int) -> float:
    """Seconds on the air, acknowledgement and gaps not included."""
    symbols = band.header_symbols + payload_symbols(band, modulation, psdu_octets)
    return band.preamble_s + symbols * band.symbol_s


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameOverhead:
    """Octets that are not the datagram's."""

    per_frame_octets: int = 24  # [A] MAC header 9, segment control 3, security header 6, MIC 4, FCS 2
    per_datagram_octets: int = 20  # [A] 6LoWPAN mesh and fragmentation headers, compressed IPv6 and UDP


@lru_cache(maxsize=16384)
def frames_of(
    band: Band, modulation: Modulation, overhead: FrameOverhead, datagram_octets: int
) -> tuple[tuple[int, float], ...]:
    """The frames that carry a datagram over one hop: (PSDU octets, seconds on the air) each, full ones first."""
    room = modulation.psdu_octets_max - overhead.per_frame_octets
    left = datagram_octets + overhead.per_datagram_octets
    frames: list[tuple[int, float]] = []
    while left > 0:
        psdu_octets = min(left, room) + overhead.per_frame_octets
        frames.append((psdu_octets, frame_s(band, modulation, psdu_octets)))
        left -= room
    return tuple(frames)

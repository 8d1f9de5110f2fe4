"""What makes a PLC link good or bad over time: the hour of the day, and fading of a branch for minutes.

Two time scales, because they hurt differently. Frame errors of a noisy evening are independent: acknowledgements and
retries repair nearly all of them and cost time. A fading episode (somebody's appliance, a bad contact, an inverter)
takes a branch away for minutes: no retry within the exchange helps, every meter below is silent, and asking again
some minutes later works. The deeper a meter, the more links can fade on its way.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

SECONDS_PER_HOUR = 3600
SECONDS_PER_DAY = 86400


@dataclass(frozen=True, slots=True)
class NoiseShape:
    """Frame error as a multiple of a clean link's, by local hour: steps of (from hour, factor), the first from 0."""

    steps: tuple[tuple[float, float], ...]

    def at(self, local_s: float) -> tuple[float, float]:
        """The factor at a second of local time, and the seconds for which it still holds."""
        second = local_s % SECONDS_PER_DAY
        factor, until = self.steps[0][1], float(SECONDS_PER_DAY)
        for from_hour, step_factor in self.steps:
            if second < from_hour * SECONDS_PER_HOUR:
                until = from_hour * SECONDS_PER_HOUR
                break
            factor = step_factor
        return factor, until - second


QUIET = NoiseShape(((0, 1.0),))
"""The same all day: frame error as on a clean link, 5 %."""
RESIDENTIAL = NoiseShape(((0, 0.8), (6, 1.0), (9, 0.9), (17, 1.2), (18, 1.6), (22, 1.0)))
"""A housing area on an ordinary day [A]: worst from 18 to 22 hours."""
BAD_EVENING = NoiseShape(((0, 1.0), (18, 4.0), (22, 1.0)))
"""5 % of frames lost by day, 20 % from 18 to 22 hours [A]."""
NOISE_SHAPES = {"quiet": QUIET, "residential": RESIDENTIAL, "bad-evening": BAD_EVENING}


@dataclass(frozen=True, slots=True, kw_only=True)
class FadingParameters:
    """Episodes per link. Chosen so that 4 to 6 % of sessions of several exchanges fail at their first attempt [A]."""

    gap_s: float = 10_000.0
    """Mean time from the end of an episode to the next; exponential."""
    episode_s: float = 240.0
    """Mean length of an episode; exponential."""
    frame_error_ratio: tuple[float, float] = (0.7, 1.0)
    """Share of frames that an episode loses, drawn evenly for each."""
    noise_exponent: float = 0.5
    """Gaps shrink with this power of the noise factor: a bad evening has more episodes, too."""


class Fading:
    """The episodes of one link, made up as time goes on, from a stream that traffic does not touch.

    noise_at: the hour's noise factor at a loop time, and how long it holds. start_s: loop time of the first draw.
    """

    __slots__ = ("_noise_at", "_parameters", "_stream", "changes_s", "frame_error_ratio")

    def __init__(
        self,
        stream: random.Random,
        parameters: FadingParameters,
        noise_at: Callable[[float], tuple[float, float]],
        start_s: float,
    ) -> None:
        self._stream = stream
        self._parameters = parameters
        self._noise_at = noise_at
        self.frame_error_ratio = 0.0
        """That of the present episode; 0 between episodes."""
        self.changes_s = start_s
        total_s = parameters.gap_s + parameters.episode_s
        self._turn(in_episode=total_s < math.inf and stream.random() * total_s < parameters.episode_s)

    def advance(self, now_s: float) -> None:
        """Bring the state to `now_s`; to be called when `changes_s` is past."""
        while self.changes_s <= now_s:
            self._turn(in_episode=not self.frame_error_ratio)

    def _turn(self, *, in_episode: bool) -> None:
        """An episode begins or ends at `changes_s`: draw how bad it is and how long it lasts."""
        parameters, stream = self._parameters, self._stream
        if in_episode:
            low, high = parameters.frame_error_ratio
            self.frame_error_ratio = low + (high - low) * stream.random()
            self.changes_s += stream.expovariate(1 / parameters.episode_s)
        elif parameters.gap_s == math.inf:
            self.frame_error_ratio = 0.0
            self.changes_s = math.inf
        else:
            self.frame_error_ratio = 0.0
            noise_factor, _ = self._noise_at(self.changes_s)
            self.changes_s += stream.expovariate(noise_factor**parameters.noise_exponent / parameters.gap_s)
